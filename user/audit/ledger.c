/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger's writer: see ledger.h. */
#include "audit/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "schema.sql.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

enum {
	LEDGER_APPLICATION_ID = 0x68646661,
	LEDGER_BUSY_MS = 250,         /* readers never block us, save for moments of theirs */
	LEDGER_TIDY_PAGES = 1000,     /* 8 MB of WAL: checkpoint in passing */
	LEDGER_TRUNCATE_PAGES = 8192, /* 64 MB: give the file back */
};

struct ledger_ring {
	uint64_t seq;           /* last record put */
	uint64_t committed_seq; /* last record committed */
};

struct ledger {
	sqlite3 *db;
	sqlite3_stmt *begin, *commit, *position;
	sqlite3_stmt *insert[RECORD_N];
	bool is_blob[RECORD_N][RECORD_FIELDS_MAX];
	struct ledger_ring rings[LEDGER_RINGS_MAX];
	int wal_pages;
};

/* What SQLite's word means to us. LEDGER_E_UNWRITABLE, or < 0 where waiting would not help. */
static int ledger_error(const struct ledger *l, int rc)
{
	switch (rc & 0xff) {
	case SQLITE_FULL:
	case SQLITE_READONLY:
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		log_debug("ledger.unwritable", "sqlite=%d text=\"%s\"", rc, sqlite3_errmsg(l->db));
		return LEDGER_E_UNWRITABLE;
	case SQLITE_NOMEM:
		return err_raise(-ENOMEM);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		log_error("ledger.corrupt", "sqlite=%d text=\"%s\"", rc, sqlite3_errmsg(l->db));
		return err_raise(-EUCLEAN);
	default:
		log_error("ledger.error", "sqlite=%d text=\"%s\"", rc, sqlite3_errmsg(l->db));
		return err_raise(-EIO);
	}
}

/* 0, LEDGER_E_UNWRITABLE. */
static int ledger_exec(const struct ledger *l, const char *sql)
{
	int rc = sqlite3_exec(l->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : ledger_error(l, rc);
}

/* Runs a statement that returns no rows. 0, LEDGER_E_UNWRITABLE. */
static int ledger_step(const struct ledger *l, sqlite3_stmt *stmt)
{
	int rc = sqlite3_step(stmt);

	sqlite3_reset(stmt);
	return rc == SQLITE_DONE ? 0 : ledger_error(l, rc);
}

/* The one number that a query gives. 0, LEDGER_E_UNWRITABLE. */
static int ledger_number(const struct ledger *l, const char *sql, int64_t *ret)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(l->db, sql, -1, &stmt, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*ret = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW ? 0 : ledger_error(l, rc == SQLITE_DONE ? SQLITE_CORRUPT : rc);
}

/* ---- opening ---- */

static int ledger_count_wal(void *arg, sqlite3 *db, const char *name, int n_pages)
{
	struct ledger *l = arg;

	(void)db;
	(void)name;
	l->wal_pages = n_pages;
	return SQLITE_OK;
}

/* SQLite would make the file readable by everyone; its WAL inherits the mode of the file. */
static int ledger_make_file(const char *path)
{
	_cleanup_(fd_closep) int fd = -1;

	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0 && errno == EEXIST)
		return 0;
	if (fd < 0 && (errno == ENOSPC || errno == EROFS || errno == EDQUOT || errno == EIO))
		return LEDGER_E_UNWRITABLE;
	if (fd < 0 || fchmod(fd, 0640) < 0)
		return err_raise(-errno);
	return 0;
}

static int ledger_configure(struct ledger *l)
{
	static const struct {
		int option, value;
	} options[] = {
		{SQLITE_DBCONFIG_DEFENSIVE, 1},
		{SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
		{SQLITE_DBCONFIG_DQS_DML, 0},
		{SQLITE_DBCONFIG_DQS_DDL, 0},
		{SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
	};
	int keep_wal = 1, r;

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (sqlite3_db_config(l->db, options[i].option, options[i].value, NULL))
			return err_raise(-ENOTSUP);
	sqlite3_busy_timeout(l->db, LEDGER_BUSY_MS);
	/* A reader that may not write the folder needs the WAL's files to be there (WAL mode). */
	sqlite3_file_control(l->db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep_wal);
	/* The page size counts only before the first table. No mmap: an I/O error would be SIGBUS.
	 */
	r = ledger_exec(l, "PRAGMA page_size = 8192; PRAGMA mmap_size = 0;"
			   "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
			   "PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 67108864;"
			   "PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY;"
			   "PRAGMA cell_size_check = ON;");
	/* After wal_autocheckpoint, which is a hook of SQLite's own. */
	sqlite3_wal_hook(l->db, ledger_count_wal, l);
	return r;
}

/* 0, LEDGER_E_UNWRITABLE, LEDGER_E_VERSION. */
static int ledger_migrate(struct ledger *l)
{
	int64_t version = 0, application = 0, n_tables = 0;
	int r;

	r = ledger_number(l, "PRAGMA user_version", &version);
	if (!r)
		r = ledger_number(l, "PRAGMA application_id", &application);
	if (!r)
		r = ledger_number(l, "SELECT count(*) FROM sqlite_schema", &n_tables);
	if (r)
		return r;
	if (n_tables && application != LEDGER_APPLICATION_ID) {
		log_error("ledger.foreign", "application_id=%lld", (long long)application);
		return err_raise(-EUCLEAN);
	}
	if (version > LEDGER_VERSION)
		return LEDGER_E_VERSION;
	if (version == LEDGER_VERSION)
		return 0;
	r = ledger_exec(l, "BEGIN IMMEDIATE");
	if (!r)
		r = ledger_exec(l, schema_sql);
	if (!r)
		r = ledger_exec(l, "COMMIT");
	if (r)
		ledger_rollback(l);
	return r;
}

/* Notes which columns are BLOBs: STRICT tables take no text there. */
static int ledger_describe(struct ledger *l, enum record_kind kind)
{
	const struct record_info *info = &record_table[kind];

	for (size_t i = 0; i < info->n_fields; i++) {
		const char *type = NULL;
		int rc = sqlite3_table_column_metadata(l->db, "main", info->name,
			info->fields[i].name, &type, NULL, NULL, NULL, NULL);

		if (rc != SQLITE_OK)
			return ledger_error(l, SQLITE_CORRUPT);
		l->is_blob[kind][i] = !strcmp(type, "BLOB");
	}
	return 0;
}

static int ledger_prepare_one(const struct ledger *l, const char *sql, sqlite3_stmt **ret)
{
	int rc = sqlite3_prepare_v3(l->db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL);

	return rc == SQLITE_OK ? 0 : ledger_error(l, rc);
}

static int ledger_prepare_insert(struct ledger *l, enum record_kind kind)
{
	const struct record_info *info = &record_table[kind];
	char sql[1024], marks[2 * RECORD_FIELDS_MAX + 1] = "";
	struct writer w = writer_of(sql, sizeof(sql)), m = writer_of(marks, sizeof(marks));

	wr_str(&w, "INSERT INTO \"");
	wr_str(&w, info->name);
	wr_str(&w, "\" (at");
	for (size_t i = 0; i < info->n_fields; i++) {
		wr_str(&w, ", \"");
		wr_str(&w, info->fields[i].name);
		wr_str(&w, "\"");
		wr_str(&m, ",?");
	}
	wr_str(&w, ") VALUES (?");
	wr_slice(&w, wr_done(&m));
	wr_cstr(&w, SLICE_LIT(")"));
	if (bug(w.bad || m.bad))
		return err_raise(-EOVERFLOW);
	return ledger_prepare_one(l, sql, &l->insert[kind]);
}

static int ledger_prepare(struct ledger *l)
{
	int r;

	r = ledger_prepare_one(l, "BEGIN IMMEDIATE", &l->begin);
	if (!r)
		r = ledger_prepare_one(l, "COMMIT", &l->commit);
	if (!r)
		r = ledger_prepare_one(
			l, "UPDATE ring_position SET seq = ?2 WHERE ring = ?1", &l->position);
	for (enum record_kind kind = RECORD_NONE + 1; !r && kind < RECORD_N; kind++) {
		r = ledger_prepare_insert(l, kind);
		if (!r)
			r = ledger_describe(l, kind);
	}
	return r;
}

struct ledger *ledger_close(struct ledger *l)
{
	if (!l)
		return NULL;
	sqlite3_finalize(l->begin);
	sqlite3_finalize(l->commit);
	sqlite3_finalize(l->position);
	for (size_t i = 0; i < RECORD_N; i++)
		sqlite3_finalize(l->insert[i]);
	if (sqlite3_close(l->db) != SQLITE_OK)
		log_error("ledger.close", "text=\"%s\"", sqlite3_errmsg(l->db));
	free(l);
	return NULL;
}

static void ledger_closep(struct ledger **l)
{
	ledger_close(*l);
}

int ledger_open(const char *path, struct ledger **ret)
{
	_cleanup_(ledger_closep) struct ledger *l = calloc(1, sizeof(*l));
	int r, rc;

	if (!l)
		return err_raise(-ENOMEM);
	r = ledger_make_file(path);
	if (r)
		return r < 0 ? err_trace(r) : LEDGER_E_UNWRITABLE;
	rc = sqlite3_open_v2(path, &l->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	r = rc == SQLITE_OK ? ledger_configure(l) : ledger_error(l, rc);
	if (!r)
		r = ledger_migrate(l);
	if (r == LEDGER_E_VERSION)
		return LEDGER_E_VERSION;
	if (!r)
		r = ledger_prepare(l);
	if (r == LEDGER_E_UNWRITABLE)
		return LEDGER_E_UNWRITABLE;
	if (r)
		return err_fold(r);
	*ret = TAKE(l);
	return 0;
}

/* ---- writing ---- */

int ledger_attach_ring(struct ledger *l, int ring, uint64_t birth, uint64_t *ret_seq)
{
	char sql[256];
	int64_t seq;
	int r;

	if (bug(ring < 0 || ring >= LEDGER_RINGS_MAX))
		return err_raise(-EINVAL);
	snprintf(sql, sizeof(sql),
		"INSERT INTO ring_position (ring, birth, seq) VALUES (%d, %lld, 0) "
		"ON CONFLICT (ring) DO UPDATE SET birth = excluded.birth, seq = 0 "
		"WHERE birth <> excluded.birth",
		ring, (long long)birth);
	r = ledger_exec(l, sql);
	if (r)
		return r < 0 ? err_trace(r) : LEDGER_E_UNWRITABLE;
	snprintf(sql, sizeof(sql), "SELECT seq FROM ring_position WHERE ring = %d", ring);
	r = ledger_number(l, sql, &seq);
	if (r)
		return r < 0 ? err_trace(r) : LEDGER_E_UNWRITABLE;
	l->rings[ring].seq = l->rings[ring].committed_seq = (uint64_t)seq;
	*ret_seq = (uint64_t)seq;
	return 0;
}

uint64_t ledger_ring_seq(const struct ledger *l, int ring)
{
	return l->rings[ring].seq;
}

int ledger_begin(struct ledger *l)
{
	int r = ledger_step(l, l->begin);

	if (r == LEDGER_E_UNWRITABLE)
		return LEDGER_E_UNWRITABLE;
	return r ? err_trace(r) : 0;
}

static void ledger_bind(struct ledger *l, enum record_kind kind, int64_t at_ns, const void *rec)
{
	const struct record_info *info = &record_table[kind];
	sqlite3_stmt *stmt = l->insert[kind];
	const void *member = rec;

	sqlite3_bind_int64(stmt, 1, at_ns);
	for (size_t i = 0; i < info->n_fields; i++) {
		const struct slice *s = member;
		int at = (int)i + 2;

		/* A slice without memory would bind NULL. */
		if (!info->fields[i].is_slice)
			sqlite3_bind_int64(stmt, at, (int64_t) * (const uint64_t *)member);
		else if (l->is_blob[kind][i])
			sqlite3_bind_blob64(
				stmt, at, s->n ? (const void *)s->p : "", s->n, SQLITE_STATIC);
		else
			sqlite3_bind_text64(stmt, at, s->n ? (const char *)s->p : "", s->n,
				SQLITE_STATIC, SQLITE_UTF8);
		member = record_next_member(&info->fields[i], member);
	}
}

/* One row. SQLITE_CONSTRAINT is an answer: the id is taken. */
static int ledger_insert(struct ledger *l, enum record_kind kind, int64_t at_ns, const void *rec)
{
	int rc;

	ledger_bind(l, kind, at_ns, rec);
	rc = sqlite3_step(l->insert[kind]);
	sqlite3_reset(l->insert[kind]);
	return rc;
}

/* Says that a record was kept out: only a mistake of ours or a taken-over writer makes one. */
static int ledger_put_conflict(struct ledger *l, int ring, uint64_t seq, enum record_kind kind)
{
	struct record_event event = {.kind = SLICE_LIT("conflict")};
	char detail[128];

	log_error("ledger.conflict", "record=%s ring=%d seq=%llu", record_table[kind].name, ring,
		(unsigned long long)seq);
	snprintf(detail, sizeof(detail), "record=%s ring=%d seq=%llu text=\"%.60s\"",
		record_table[kind].name, ring, (unsigned long long)seq, sqlite3_errmsg(l->db));
	event.detail = slice_str(detail);
	return ledger_insert(l, RECORD_EVENT, clock_wall_ns(), &event);
}

int ledger_put(struct ledger *l, int ring, uint64_t seq, enum record_kind kind, int64_t at_ns,
	const void *rec)
{
	int rc;

	if (bug(kind <= RECORD_NONE || kind >= RECORD_N || ring >= LEDGER_RINGS_MAX))
		return err_raise(-EINVAL);
	if (ring != LEDGER_NO_RING && seq <= l->rings[ring].seq)
		return 0;
	rc = ledger_insert(l, kind, at_ns, rec);
	if ((rc & 0xff) == SQLITE_CONSTRAINT)
		rc = ledger_put_conflict(l, ring, seq, kind);
	if (rc != SQLITE_DONE) {
		int r = ledger_error(l, rc);

		return r < 0 ? err_trace(r) : LEDGER_E_UNWRITABLE;
	}
	if (ring != LEDGER_NO_RING)
		l->rings[ring].seq = seq;
	return 0;
}

/* 0, LEDGER_E_UNWRITABLE. */
static int ledger_write_positions(struct ledger *l)
{
	for (int i = 0; i < LEDGER_RINGS_MAX; i++) {
		int r;

		if (l->rings[i].seq == l->rings[i].committed_seq)
			continue;
		sqlite3_bind_int(l->position, 1, i);
		sqlite3_bind_int64(l->position, 2, (int64_t)l->rings[i].seq);
		r = ledger_step(l, l->position);
		if (r)
			return r;
	}
	return 0;
}

int ledger_commit(struct ledger *l)
{
	int r;

	r = ledger_write_positions(l);
	if (!r)
		r = ledger_step(l, l->commit);
	if (r) {
		ledger_rollback(l);
		return r < 0 ? err_trace(r) : LEDGER_E_UNWRITABLE;
	}
	for (int i = 0; i < LEDGER_RINGS_MAX; i++)
		l->rings[i].committed_seq = l->rings[i].seq;
	return 0;
}

void ledger_rollback(struct ledger *l)
{
	/* After some errors SQLite has rolled back by itself. */
	if (!sqlite3_get_autocommit(l->db) && ledger_exec(l, "ROLLBACK"))
		log_error("ledger.rollback", "text=\"%s\"", sqlite3_errmsg(l->db));
	for (int i = 0; i < LEDGER_RINGS_MAX; i++)
		l->rings[i].seq = l->rings[i].committed_seq;
}

/* ---- starting, idling ---- */

int ledger_ids(struct ledger *l, struct ledger_ids *ret)
{
	const struct {
		const char *sql;
		uint64_t *to;
	} queries[] = {
		{"SELECT ifnull(max(id), 0) FROM run", &ret->run},
		{"SELECT ifnull(max(id), 0) FROM session", &ret->session},
		{"SELECT ifnull(max(id), 0) FROM request", &ret->request},
		{"SELECT ifnull(max(id), 0) FROM hold", &ret->hold},
	};

	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		int64_t id = 0;
		int r = ledger_number(l, queries[i].sql, &id);

		if (r)
			return err_fold(r);
		*queries[i].to = (uint64_t)id;
	}
	return 0;
}

/* %1$lld: the time. Only what is younger than the last start's mark can be open. An approved
 * request may have been forwarded, so it is lost; one that nobody approved was not. */
static const char ledger_orphans_sql[] =
	"BEGIN IMMEDIATE;"
	"INSERT INTO hold_end (at, hold, outcome) SELECT %1$lld, id, 'stopped' FROM hold"
	" WHERE id > ifnull((SELECT id FROM settled WHERE what = 'hold'), 0)"
	" AND NOT EXISTS (SELECT 1 FROM hold_end WHERE hold = hold.id);"
	"INSERT INTO reply (at, request, status, n_rows, n_bytes, n_masked, tag, code, message)"
	" SELECT %1$lld, id, CASE WHEN EXISTS (SELECT 1 FROM hold JOIN hold_end ON hold_end.hold = "
	"hold.id"
	"  WHERE hold.request = request.id AND hold_end.outcome <> 'approved')"
	"  THEN 'unsent' ELSE 'lost' END, 0, 0, 0, '', '', 'daemon stopped' FROM request"
	" WHERE id > ifnull((SELECT id FROM settled WHERE what = 'request'), 0)"
	" AND NOT EXISTS (SELECT 1 FROM reply WHERE request = request.id);"
	"INSERT INTO session_end (at, session, reason, bytes_up, bytes_down)"
	" SELECT %1$lld, id, 'daemon stopped', 0, 0 FROM session"
	" WHERE id > ifnull((SELECT id FROM settled WHERE what = 'session'), 0)"
	" AND NOT EXISTS (SELECT 1 FROM session_end WHERE session = session.id);"
	"INSERT OR REPLACE INTO settled (what, id)"
	" SELECT 'hold', ifnull(max(id), 0) FROM hold UNION ALL"
	" SELECT 'request', ifnull(max(id), 0) FROM request UNION ALL"
	" SELECT 'session', ifnull(max(id), 0) FROM session;"
	"COMMIT;";

int ledger_close_orphans(struct ledger *l, int64_t at_ns)
{
	char sql[sizeof(ledger_orphans_sql) + 3 * 24];
	int r;

	snprintf(sql, sizeof(sql), ledger_orphans_sql, (long long)at_ns);
	r = ledger_exec(l, sql);
	if (!r)
		return 0;
	ledger_rollback(l);
	return r < 0 ? err_trace(r) : LEDGER_E_UNWRITABLE;
}

int ledger_tidy(struct ledger *l, bool *ret_wal_pinned)
{
	int n_log = 0, n_done = 0, r, rc;
	bool is_large = l->wal_pages >= LEDGER_TRUNCATE_PAGES;

	*ret_wal_pinned = false;
	if (l->wal_pages < LEDGER_TIDY_PAGES)
		return 0;
	/* Without the busy handler: a reader that stays must not make us wait for it. */
	sqlite3_busy_timeout(l->db, 0);
	rc = sqlite3_wal_checkpoint_v2(l->db, NULL,
		is_large ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, &n_log, &n_done);
	sqlite3_busy_timeout(l->db, LEDGER_BUSY_MS);
	if ((rc & 0xff) == SQLITE_BUSY) {
		*ret_wal_pinned = is_large;
		return 0;
	}
	if (rc != SQLITE_OK) {
		r = ledger_error(l, rc);
		return r < 0 ? err_trace(r) : LEDGER_E_UNWRITABLE;
	}
	/* All of it is in the database now: the next commit starts the WAL over. */
	if (n_done == n_log)
		l->wal_pages = 0;
	return 0;
}
