/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the ledger: see query.h. */
#include "audit/query.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "audit/ledger.h"
#include "util/arena.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

enum {
	QUERY_PAGE_ROWS = 500,
	QUERY_PAGE_BYTES = 8 << 20,     /* a page ends early when it is this large … */
	QUERY_ROW_BYTES_MAX = 64 << 20, /* … and one row may have this much more */
	QUERY_SQL_MAX = 4096,
	QUERY_BUSY_MS = 2000,
	QUERY_SECONDS_MAX = 30, /* a reader pins the WAL no longer than this */
	QUERY_STEPS = 10000,    /* of SQLite's machine between looks at the clock */
	QUERY_REFS_MAX = 64 << 20,
};

/* Each filter once: what it adds to WHERE, with the parameter it binds. */
enum query_by {
	QUERY_BY_RUN,
	QUERY_BY_RUN_NAME,
	QUERY_BY_SESSION,
	QUERY_BY_EFFECT,
	QUERY_BY_TEXT,
	QUERY_BY_SINCE,
	QUERY_BY_UNTIL,
	QUERY_BY_VERDICT,
	QUERY_BY_N
};

static const char *const query_conditions[QUERY_BY_N] = {
	[QUERY_BY_RUN] = " AND run = ?1",
	[QUERY_BY_RUN_NAME] = " AND run_name = ?2",
	[QUERY_BY_SESSION] = " AND session = ?3",
	[QUERY_BY_EFFECT] = " AND ' ' || replace(effects, ',', ' ') || ' ' LIKE '% ' || ?4 || ' %'",
	[QUERY_BY_TEXT] = " AND text LIKE ?5 ESCAPE '\\'",
	[QUERY_BY_SINCE] = " AND at >= ?6",
	[QUERY_BY_UNTIL] = " AND at < ?7",
	[QUERY_BY_VERDICT] = "", /* query_verdict_table has them */
};
enum { QUERY_PARAM_AFTER = 8, QUERY_PARAM_LIMIT = 9 };

enum {
	QUERY_TIMES = 1 << QUERY_BY_SINCE | 1 << QUERY_BY_UNTIL,
	QUERY_RUN = 1 << QUERY_BY_RUN | 1 << QUERY_BY_RUN_NAME,
	QUERY_TEXTS = 1 << QUERY_BY_EFFECT | 1 << QUERY_BY_TEXT,
	QUERY_ALL = (1 << QUERY_BY_N) - 1,
};

static const struct {
	const char *view;
	uint32_t filters; /* 1 << QUERY_BY_* that it has columns for */
} query_listings[QUERY_WHAT_N] = {
	[QUERY_REQUESTS] = {"requests", QUERY_ALL},
	[QUERY_RUNS] = {"(SELECT *, id AS run, name AS run_name FROM runs)",
		QUERY_TIMES | QUERY_RUN},
	[QUERY_SESSIONS] = {"(SELECT *, id AS session FROM sessions)",
		QUERY_TIMES | QUERY_RUN | 1 << QUERY_BY_SESSION},
	[QUERY_HOLDS] = {"holds", QUERY_ALL},
	[QUERY_DECISIONS] = {"decisions",
		QUERY_ALL & ~(1 << QUERY_BY_EFFECT | 1 << QUERY_BY_VERDICT)},
	[QUERY_EVENTS] = {"events", QUERY_TIMES | 1 << QUERY_BY_RUN | 1 << QUERY_BY_SESSION},
};

/* What each verdict asks of requests and of holds; `ruling <> 'allow'` names the partial index. */
static const struct {
	const char *word, *requests, *holds;
} query_verdict_table[] = {
	{"allow", "ruling = 'allow'", NULL},
	{"hold", "ruling <> 'allow' AND ruling = 'hold'", "1"},
	{"deny", "ruling <> 'allow' AND ruling = 'deny'", NULL},
	{"approved", "ruling <> 'allow' AND hold_outcome = 'approved'", "outcome = 'approved'"},
	{"denied", "ruling <> 'allow' AND hold_outcome = 'denied'", "outcome = 'denied'"},
	{"expired", "ruling <> 'allow' AND hold_outcome = 'expired'", "outcome = 'expired'"},
	{"cancelled", "ruling <> 'allow' AND hold_outcome = 'cancelled'", "outcome = 'cancelled'"},
	{"disconnected", "ruling <> 'allow' AND hold_outcome = 'disconnected'",
		"outcome = 'disconnected'"},
	{"stopped", "ruling <> 'allow' AND hold_outcome = 'stopped'", "outcome = 'stopped'"},
	{"pending", "ruling <> 'allow' AND hold IS NOT NULL AND hold_outcome IS NULL",
		"outcome IS NULL"},
	{"ok", "status = 'ok'", NULL},
	{"error", "status = 'error'", NULL},
	{"refused", "status = 'refused'", NULL},
	{"skipped", "status = 'skipped'", NULL},
	{"lost", "status = 'lost'", NULL},
	{"unsent", "status = 'unsent'", NULL},
};

const char *const query_verdicts[] = {"allow", "hold", "deny", "approved", "denied", "expired",
	"cancelled", "disconnected", "stopped", "pending", "ok", "error", "refused", "skipped",
	"lost", "unsent", NULL};
enum { QUERY_N_VERDICTS = sizeof(query_verdicts) / sizeof(query_verdicts[0]) - 1 };
_Static_assert(QUERY_N_VERDICTS == sizeof(query_verdict_table) / sizeof(query_verdict_table[0]),
	"query: verdicts");

struct query {
	sqlite3 *db;
	int64_t deadline_ns;

	/* the listing */
	sqlite3_stmt *list;
	struct arena page; /* struct query_row *rows[] and what they point to */
	struct query_row *rows[QUERY_PAGE_ROWS];
	size_t n_rows, next;
	int64_t after; /* the highest id fetched */
	bool is_last_page;

	/* the record */
	sqlite3_stmt *records[RECORD_N];
	struct arena record; /* what the last one's slices point to */
};

/* ---- opening ---- */

static int query_watch_clock(void *arg)
{
	const struct query *q = arg;

	return clock_mono_ns() > q->deadline_ns;
}

static void query_start_clock(struct query *q)
{
	q->deadline_ns = clock_mono_ns() + QUERY_SECONDS_MAX * CLOCK_NS_PER_S;
}

/* QUERY_E_TOO_LONG, or < 0. */
static int query_error(const struct query *q, int rc)
{
	if ((rc & 0xff) == SQLITE_INTERRUPT)
		return QUERY_E_TOO_LONG;
	log_debug("query.error", "sqlite=%d text=\"%s\"", rc, sqlite3_errmsg(q->db));
	return err_raise((rc & 0xff) == SQLITE_NOMEM ? -ENOMEM : -EIO);
}

static int query_configure(struct query *q)
{
	static const struct {
		int option, value;
	} options[] = {
		{SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1},
		{SQLITE_DBCONFIG_DEFENSIVE, 1},
		{SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
		{SQLITE_DBCONFIG_DQS_DML, 0},
		{SQLITE_DBCONFIG_DQS_DDL, 0},
		{SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (sqlite3_db_config(q->db, options[i].option, options[i].value, NULL))
			return err_raise(-ENOTSUP);
	sqlite3_busy_timeout(q->db, QUERY_BUSY_MS);
	sqlite3_progress_handler(q->db, QUERY_STEPS, query_watch_clock, q);
	query_start_clock(q);
	return 0;
}

/* 0, QUERY_E_FORBIDDEN, QUERY_E_NO_LEDGER, QUERY_E_VERSION. */
static int query_check(const struct query *q)
{
	sqlite3_stmt *stmt = NULL;
	int rc, version = 0;

	rc = sqlite3_exec(q->db, "PRAGMA query_only = ON; PRAGMA mmap_size = 0", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(q->db, "PRAGMA user_version", -1, &stmt, NULL);
	if (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
		version = sqlite3_column_int(stmt, 0);
	rc = rc == SQLITE_OK ? sqlite3_finalize(stmt) : rc;
	if (rc == SQLITE_OK && version > LEDGER_VERSION)
		return QUERY_E_VERSION;
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(q->db, "SELECT 1 FROM ring_position LIMIT 1", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		return 0;
	if (rc == SQLITE_CANTOPEN || rc == SQLITE_PERM || rc == SQLITE_READONLY)
		return QUERY_E_FORBIDDEN;
	return QUERY_E_NO_LEDGER;
}

struct query *query_close(struct query *q)
{
	if (!q)
		return NULL;
	sqlite3_finalize(q->list);
	for (size_t i = 0; i < RECORD_N; i++)
		sqlite3_finalize(q->records[i]);
	if (sqlite3_close(q->db) != SQLITE_OK)
		log_error("query.close", "text=\"%s\"", sqlite3_errmsg(q->db));
	arena_deinit(&q->page);
	arena_deinit(&q->record);
	free(q);
	return NULL;
}

static void query_closep(struct query **q)
{
	query_close(*q);
}

int query_open(const char *path, struct query **ret)
{
	_cleanup_(query_closep) struct query *q = calloc(1, sizeof(*q));
	struct stat st;
	int r;

	if (!q)
		return err_raise(-ENOMEM);
	arena_init(&q->page, QUERY_PAGE_BYTES + QUERY_ROW_BYTES_MAX);
	arena_init(&q->record, QUERY_ROW_BYTES_MAX);
	if (stat(path, &st) < 0)
		return errno == ENOENT ? QUERY_E_MISSING : QUERY_E_FORBIDDEN;
	if (access(path, R_OK) < 0)
		return QUERY_E_FORBIDDEN;
	if (sqlite3_open_v2(path, &q->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL))
		return QUERY_E_NO_LEDGER;
	r = query_configure(q);
	if (r)
		return err_trace(r);
	r = query_check(q);
	if (r == QUERY_E_FORBIDDEN)
		return QUERY_E_FORBIDDEN;
	if (r == QUERY_E_VERSION)
		return QUERY_E_VERSION;
	if (r)
		return QUERY_E_NO_LEDGER;
	*ret = TAKE(q);
	return 0;
}

/* ---- listings ---- */

static uint32_t query_filters_set(const struct query_filter *f)
{
	return (f->run ? 1u << QUERY_BY_RUN : 0) | (f->run_name ? 1u << QUERY_BY_RUN_NAME : 0) |
	       (f->session ? 1u << QUERY_BY_SESSION : 0) | (f->effect ? 1u << QUERY_BY_EFFECT : 0) |
	       (f->text ? 1u << QUERY_BY_TEXT : 0) | (f->since_ns ? 1u << QUERY_BY_SINCE : 0) |
	       (f->until_ns ? 1u << QUERY_BY_UNTIL : 0) | (f->verdict ? 1u << QUERY_BY_VERDICT : 0);
}

/* The condition of a verdict, or NULL: no such word, or it says nothing about these rows. */
static const char *query_verdict_condition(enum query_what what, const char *verdict)
{
	for (size_t i = 0; i < QUERY_N_VERDICTS; i++)
		if (!strcmp(verdict, query_verdict_table[i].word))
			return what == QUERY_HOLDS ? query_verdict_table[i].holds
						   : query_verdict_table[i].requests;
	return NULL;
}

/* The listing and what the filter adds. 0, QUERY_E_FILTER. */
static int query_write_from(struct writer *w, enum query_what what, const struct query_filter *f)
{
	uint32_t set = query_filters_set(f);
	const char *verdict = f->verdict ? query_verdict_condition(what, f->verdict) : "1";

	if (set & ~query_listings[what].filters || !verdict)
		return QUERY_E_FILTER;
	wr_str(w, " FROM ");
	wr_str(w, query_listings[what].view);
	wr_str(w, " WHERE ");
	wr_str(w, verdict);
	for (size_t by = 0; by < QUERY_BY_N; by++)
		if (set & 1u << by)
			wr_str(w, query_conditions[by]);
	return 0;
}

/* %text% with LIKE's own signs escaped. */
static void query_write_pattern(struct writer *w, const char *text)
{
	wr_u8(w, '%');
	for (; *text; text++) {
		if (strchr("%_\\", *text))
			wr_u8(w, '\\');
		wr_u8(w, (uint8_t)*text);
	}
	wr_u8(w, '%');
}

static void query_bind_text(sqlite3_stmt *stmt, int at, const char *text)
{
	sqlite3_bind_text(stmt, at, text ? text : "", -1, SQLITE_TRANSIENT);
}

/* Parameters that the statement does not have are refused by SQLite, which is what we want. */
static void query_bind(sqlite3_stmt *stmt, const struct query_filter *f)
{
	char pattern[2048];
	struct writer w = writer_of(pattern, sizeof(pattern));

	sqlite3_bind_int64(stmt, 1, (int64_t)f->run);
	query_bind_text(stmt, 2, f->run_name);
	sqlite3_bind_int64(stmt, 3, (int64_t)f->session);
	query_bind_text(stmt, 4, f->effect);
	query_write_pattern(&w, f->text ? f->text : "");
	sqlite3_bind_text(stmt, 5, pattern, (int)w.n, SQLITE_TRANSIENT);
	sqlite3_bind_int64(stmt, 6, f->since_ns);
	sqlite3_bind_int64(stmt, 7, f->until_ns);
}

static int query_prepare(const struct query *q, const struct writer *sql, sqlite3_stmt **ret)
{
	int rc;

	if (bug(sql->bad))
		return err_raise(-EOVERFLOW);
	rc = sqlite3_prepare_v2(q->db, (const char *)sql->p, (int)sql->n, ret, NULL);
	return rc == SQLITE_OK ? 0 : query_error(q, rc);
}

/* The id right before the newest `limit` rows. 0, QUERY_E_TOO_LONG, QUERY_E_FILTER. */
static int query_find_start(struct query *q, enum query_what what, const struct query_filter *f)
{
	char sql[QUERY_SQL_MAX];
	struct writer w = writer_of(sql, sizeof(sql));
	sqlite3_stmt *stmt = NULL;
	int r, rc;

	q->after = INT64_MIN;
	if (!f->limit)
		return 0;
	wr_str(&w, "SELECT id");
	r = query_write_from(&w, what, f);
	wr_str(&w, " ORDER BY id DESC LIMIT 1 OFFSET ?9");
	if (!r)
		r = query_prepare(q, &w, &stmt);
	if (r)
		return r;
	query_bind(stmt, f);
	sqlite3_bind_int64(stmt, QUERY_PARAM_LIMIT, (int64_t)f->limit);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		q->after = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : query_error(q, rc);
}

int query_list(struct query *q, enum query_what what, const struct query_filter *filter)
{
	char sql[QUERY_SQL_MAX];
	struct writer w = writer_of(sql, sizeof(sql));
	int r;

	sqlite3_finalize(TAKE(q->list));
	arena_reset(&q->page);
	q->n_rows = q->next = 0;
	q->is_last_page = false;
	query_start_clock(q);
	wr_str(&w, "SELECT *");
	r = query_write_from(&w, what, filter);
	wr_str(&w, " AND id > ?8 ORDER BY id LIMIT ?9");
	if (!r)
		r = query_find_start(q, what, filter);
	if (!r)
		r = query_prepare(q, &w, &q->list);
	if (r == QUERY_E_FILTER)
		return QUERY_E_FILTER;
	if (r)
		return r < 0 ? err_trace(r) : QUERY_E_TOO_LONG;
	query_bind(q->list, filter);
	sqlite3_bind_int64(q->list, QUERY_PARAM_LIMIT, QUERY_PAGE_ROWS);
	return 0;
}

/* A copy of the bytes of a column. False: no room. */
static bool query_read_bytes(struct arena *a, sqlite3_stmt *stmt, int i, struct slice *ret)
{
	struct slice s;

	s.p = sqlite3_column_blob(stmt, i);
	s.n = (size_t)sqlite3_column_bytes(stmt, i);
	*ret = arena_dup(a, s);
	return ret->n == s.n;
}

static bool query_read_value(struct arena *a, sqlite3_stmt *stmt, int i, struct query_value *ret)
{
	switch (sqlite3_column_type(stmt, i)) {
	case SQLITE_INTEGER:
		ret->type = QUERY_INT;
		ret->number = sqlite3_column_int64(stmt, i);
		return true;
	case SQLITE_FLOAT:
	case SQLITE_TEXT:
		ret->type = QUERY_TEXT;
		return query_read_bytes(a, stmt, i, &ret->bytes);
	case SQLITE_BLOB:
		ret->type = QUERY_BLOB;
		return query_read_bytes(a, stmt, i, &ret->bytes);
	}
	ret->type = QUERY_NULL;
	return true;
}

/* Copies the row that the statement stands on. NULL: no room. */
static struct query_row *query_read_row(struct query *q)
{
	int n = sqlite3_column_count(q->list);
	struct query_row *row = arena_alloc(&q->page, sizeof(*row));

	if (!row)
		return NULL;
	for (int i = 0; i < n && i < QUERY_COLUMNS_MAX; i++) {
		row->names[i] = sqlite3_column_name(q->list, i);
		if (!query_read_value(&q->page, q->list, i, &row->values[i]))
			return NULL;
		row->n++;
	}
	return row;
}

/* Fetches a page and lets go of the snapshot. 0, QUERY_E_TOO_LONG. */
static int query_fetch(struct query *q)
{
	int rc;

	arena_reset(&q->page);
	q->n_rows = q->next = 0;
	query_start_clock(q);
	sqlite3_bind_int64(q->list, QUERY_PARAM_AFTER, q->after);
	while ((rc = sqlite3_step(q->list)) == SQLITE_ROW && q->page.used < QUERY_PAGE_BYTES &&
		q->n_rows < QUERY_PAGE_ROWS) {
		struct query_row *row = query_read_row(q);

		if (!row)
			break;
		q->after = query_value(row, "id")->number;
		q->rows[q->n_rows++] = row;
	}
	q->is_last_page = rc == SQLITE_DONE && q->n_rows < QUERY_PAGE_ROWS;
	sqlite3_reset(q->list);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return query_error(q, rc);
	/* A row that does not fit an empty page never will. */
	return rc == SQLITE_ROW && !q->n_rows ? err_raise(-E2BIG) : 0;
}

int query_next(struct query *q, struct query_row *ret)
{
	int r;

	if (q->next == q->n_rows) {
		if (q->is_last_page)
			return QUERY_E_END;
		r = query_fetch(q);
		if (r)
			return r < 0 ? err_trace(r) : QUERY_E_TOO_LONG;
		if (!q->n_rows)
			return QUERY_E_END;
	}
	*ret = *q->rows[q->next++];
	return 0;
}

const struct query_value *query_value(const struct query_row *row, const char *name)
{
	static const struct query_value none = {.type = QUERY_NULL};

	for (size_t i = 0; i < row->n; i++)
		if (!strcmp(row->names[i], name))
			return &row->values[i];
	return &none;
}

/* ---- records ---- */

static int query_prepare_record(struct query *q, enum record_kind kind)
{
	const struct record_info *info = &record_table[kind];
	char sql[QUERY_SQL_MAX];
	struct writer w = writer_of(sql, sizeof(sql));

	if (q->records[kind])
		return 0;
	wr_str(&w, "SELECT at");
	for (size_t i = 0; i < info->n_fields; i++) {
		wr_str(&w, ", \"");
		wr_str(&w, info->fields[i].name);
		wr_str(&w, "\"");
	}
	wr_str(&w, " FROM \"");
	wr_str(&w, info->name);
	wr_str(&w, "\" WHERE rowid = ?1");
	return query_prepare(q, &w, &q->records[kind]);
}

static int query_read_record(
	struct query *q, enum record_kind kind, int64_t *ret_at_ns, union record *ret)
{
	const struct record_info *info = &record_table[kind];
	sqlite3_stmt *stmt = q->records[kind];
	char *member = (char *)ret;

	*ret_at_ns = sqlite3_column_int64(stmt, 0);
	for (int i = 0; i < (int)info->n_fields; i++) {
		if (info->fields[i].is_slice) {
			if (!query_read_bytes(
				    &q->record, stmt, i + 1, (struct slice *)(void *)member))
				return err_raise(-E2BIG);
			member += sizeof(struct slice);
		} else {
			*(uint64_t *)(void *)member = (uint64_t)sqlite3_column_int64(stmt, i + 1);
			member += sizeof(uint64_t);
		}
	}
	return 0;
}

int query_record(struct query *q, enum record_kind kind, int64_t rowid, int64_t *ret_at_ns,
	union record *ret)
{
	int r, rc;

	arena_reset(&q->record);
	query_start_clock(q);
	r = query_prepare_record(q, kind);
	if (r)
		return err_fold(r);
	sqlite3_bind_int64(q->records[kind], 1, rowid);
	rc = sqlite3_step(q->records[kind]);
	if (rc == SQLITE_DONE)
		r = QUERY_E_END;
	else if (rc == SQLITE_ROW)
		r = query_read_record(q, kind, ret_at_ns, ret);
	else
		r = err_fold(query_error(q, rc));
	sqlite3_reset(q->records[kind]);
	if (r == QUERY_E_END)
		return QUERY_E_END;
	return r ? err_trace(r) : 0;
}

/* kind is the number of the record kind; the order of the parts breaks ties of the clock. */
static const char query_session_sql[] =
	"WITH asked (id) AS (SELECT id FROM request WHERE session = ?1),"
	" held (id) AS (SELECT hold.id FROM asked JOIN hold ON hold.request = asked.id)"
	" SELECT at, id, %d, 0 FROM session WHERE id = ?1"
	" UNION ALL SELECT at, rowid, %d, 1 FROM login WHERE session = ?1"
	" UNION ALL SELECT at, id, %d, 2 FROM request WHERE session = ?1"
	" UNION ALL SELECT hold.at, hold.id, %d, 3 FROM held JOIN hold ON hold.id = held.id"
	" UNION ALL SELECT decision.at, decision.rowid, %d, 4 FROM held"
	"  JOIN decision ON decision.hold = held.id"
	" UNION ALL SELECT hold_end.at, hold_end.hold, %d, 5 FROM held"
	"  JOIN hold_end ON hold_end.hold = held.id"
	" UNION ALL SELECT reply.at, reply.request, %d, 6 FROM asked"
	"  JOIN reply ON reply.request = asked.id"
	" UNION ALL SELECT at, rowid, %d, 7 FROM event WHERE session = ?1"
	" UNION ALL SELECT at, session, %d, 8 FROM session_end WHERE session = ?1"
	" ORDER BY 1, 4, 2";

/* 0, QUERY_E_TOO_LONG. */
static int query_collect(struct query *q, sqlite3_stmt *stmt, struct buf *to)
{
	int rc;

	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		struct query_ref ref = {.at_ns = sqlite3_column_int64(stmt, 0),
			.rowid = sqlite3_column_int64(stmt, 1),
			.kind = (enum record_kind)sqlite3_column_int(stmt, 2)};
		int r = buf_put(to, slice_of(&ref, sizeof(ref)));

		if (r == BUF_E_FULL)
			return QUERY_E_TOO_LONG;
		if (r)
			return err_fold(r);
	}
	return rc == SQLITE_DONE ? 0 : query_error(q, rc);
}

int query_session(struct query *q, uint64_t session, struct query_ref **ret, size_t *ret_n)
{
	char sql[QUERY_SQL_MAX];
	struct writer w = writer_of(sql, sizeof(sql));
	_cleanup_(buf_deinit) struct buf refs;
	sqlite3_stmt *stmt = NULL;
	int r;

	buf_init(&refs, QUERY_REFS_MAX);
	w.n = (size_t)snprintf(sql, sizeof(sql), query_session_sql, RECORD_SESSION, RECORD_LOGIN,
		RECORD_REQUEST, RECORD_HOLD, RECORD_DECISION, RECORD_HOLD_END, RECORD_REPLY,
		RECORD_EVENT, RECORD_SESSION_END);
	query_start_clock(q);
	r = query_prepare(q, &w, &stmt);
	if (!r) {
		sqlite3_bind_int64(stmt, 1, (int64_t)session);
		r = query_collect(q, stmt, &refs);
	}
	sqlite3_finalize(stmt);
	if (r)
		return r < 0 ? err_trace(r) : QUERY_E_TOO_LONG;
	*ret_n = buf_len(&refs) / sizeof(**ret);
	if (!*ret_n)
		return QUERY_E_END;
	*ret = malloc(buf_len(&refs));
	if (!*ret)
		return err_raise(-ENOMEM);
	memcpy(*ret, buf_slice(&refs).p, buf_len(&refs));
	return 0;
}
