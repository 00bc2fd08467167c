/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger's writer: see ledger.h. */
#include "audit/ledger.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "audit/ledger_int.h"
#include "util/clock.h"
#include "util/log.h"

enum {
	LEDGER_TIDY_PAGES = 1000,     /* 8 MB of WAL: checkpoint in passing */
	LEDGER_TRUNCATE_PAGES = 8192, /* 64 MB: give the file back */
};

int ledger_error(const struct ledger *l, int rc)
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

int ledger_exec(const struct ledger *l, const char *sql)
{
	int rc = sqlite3_exec(l->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : ledger_error(l, rc);
}

int ledger_step(const struct ledger *l, sqlite3_stmt *stmt)
{
	int rc = sqlite3_step(stmt);

	sqlite3_reset(stmt);
	return rc == SQLITE_DONE ? 0 : ledger_error(l, rc);
}

int ledger_number(const struct ledger *l, const char *sql, int64_t *ret)
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

int ledger_bytes(const struct ledger *l, const char *sql, uint8_t *to, size_t n)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(l->db, sql, -1, &stmt, NULL), r = 0;

	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW && sqlite3_column_bytes(stmt, 0) == (int)n)
		memcpy(to, sqlite3_column_blob(stmt, 0), n);
	else
		r = rc == SQLITE_DONE ? LEDGER_E_NONE
				      : ledger_error(l, rc == SQLITE_ROW ? SQLITE_CORRUPT : rc);
	sqlite3_finalize(stmt);
	return r;
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

int ledger_insert(struct ledger *l, enum record_kind kind, int64_t at_ns, const void *rec)
{
	int64_t id;
	int rc;

	ledger_bind(l, kind, at_ns, rec);
	rc = sqlite3_step(l->insert[kind]);
	sqlite3_reset(l->insert[kind]);
	if (rc != SQLITE_DONE)
		return rc;
	id = sqlite3_last_insert_rowid(l->db);
	if (chain_add(&l->chain, (uint8_t)kind, id, at_ns, rec))
		return SQLITE_NOMEM;
	return ledger_find_put(l, kind, id, at_ns, rec);
}

/* Says that a record was kept out: only a mistake of ours or a taken-over writer makes one. */
static int ledger_put_conflict(
	struct ledger *l, int ring, uint64_t seq, enum record_kind kind, const char *why)
{
	struct record_event event = {.kind = SLICE_LIT("conflict")};
	char detail[128];

	log_error("ledger.conflict", "record=%s ring=%d seq=%llu", record_table[kind].name, ring,
		(unsigned long long)seq);
	snprintf(detail, sizeof(detail), "record=%s ring=%d seq=%llu text=\"%.60s\"",
		record_table[kind].name, ring, (unsigned long long)seq, why);
	event.detail = slice_str(detail);
	return ledger_insert(l, RECORD_EVENT, clock_wall_ns(), &event);
}

/* Events that the scribe makes of what it has seen itself: from a ring they are lies. */
static bool ledger_is_own_event(const struct record_event *event)
{
	static const char *const kinds[] = {"conflict", "gap", "head-lost", "journal-broken",
		"ledger-cut", "ledger-extended", "ledger-replaced", "ledger-unsigned", "pruned"};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (slice_eq_str(event->kind, kinds[i]))
			return true;
	return false;
}

int ledger_put(struct ledger *l, int ring, uint64_t seq, enum record_kind kind, int64_t at_ns,
	const void *rec)
{
	int rc;

	if (bug(kind <= RECORD_NONE || kind >= RECORD_N || ring >= LEDGER_RINGS_MAX))
		return err_raise(-EINVAL);
	if (ring != LEDGER_NO_RING && seq <= l->rings[ring].seq)
		return 0;
	if (ring != LEDGER_NO_RING && kind == RECORD_EVENT && ledger_is_own_event(rec))
		rc = ledger_put_conflict(l, ring, seq, kind, "an event of the scribe's own");
	else
		rc = ledger_insert(l, kind, at_ns, rec);
	if ((rc & 0xff) == SQLITE_CONSTRAINT)
		rc = ledger_put_conflict(l, ring, seq, kind, sqlite3_errmsg(l->db));
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
		if (!r)
			r = chain_add_position(&l->chain, (uint64_t)i, l->rings[i].seq);
		if (r)
			return r;
	}
	return 0;
}

int ledger_commit(struct ledger *l)
{
	uint8_t head[SHA256_SIZE];
	int r;

	r = ledger_write_positions(l);
	if (!r)
		r = ledger_write_link(l);
	if (!r)
		r = ledger_find_flush(l);
	if (!r)
		r = ledger_step(l, l->commit);
	if (r) {
		ledger_rollback(l);
		return r < 0 ? err_trace(r) : LEDGER_E_UNWRITABLE;
	}
	if (l->chain.n) {
		chain_link(&l->chain, head);
		chain_close_link(&l->chain, head);
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
	chain_drop_link(&l->chain);
	ledger_find_drop(l);
	for (int i = 0; i < LEDGER_RINGS_MAX; i++)
		l->rings[i].seq = l->rings[i].committed_seq;
}

/* ---- starting, idling ---- */

/* Also where retention has removed the rows. */
#define LEDGER_LAST_ID(table)                                                                      \
	"SELECT max(ifnull((SELECT max(id) FROM " table                                            \
	"), 0), ifnull((SELECT id FROM settled WHERE what = 'last " table "'), 0))"

int ledger_ids(struct ledger *l, struct ledger_ids *ret)
{
	const struct {
		const char *sql;
		uint64_t *to;
	} queries[] = {
		{LEDGER_LAST_ID("run"), &ret->run},
		{LEDGER_LAST_ID("session"), &ret->session},
		{LEDGER_LAST_ID("request"), &ret->request},
		{LEDGER_LAST_ID("hold"), &ret->hold},
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

/* Only what is younger than the last start's mark can be open. An approved request may have been
 * forwarded, so it is lost; one that nobody approved was not. */
static const char ledger_open_holds_sql[] =
	"SELECT id, 0 FROM hold WHERE id > ifnull((SELECT id FROM settled WHERE what = 'hold'), 0)"
	" AND NOT EXISTS (SELECT 1 FROM hold_end WHERE hold = hold.id)";
static const char ledger_open_requests_sql[] =
	"SELECT id, EXISTS (SELECT 1 FROM hold JOIN hold_end ON hold_end.hold = hold.id"
	"  WHERE hold.request = request.id AND hold_end.outcome NOT IN ('approved', 'granted')) "
	"FROM request"
	" WHERE id > ifnull((SELECT id FROM settled WHERE what = 'request'), 0)"
	" AND NOT EXISTS (SELECT 1 FROM reply WHERE request = request.id)";
static const char ledger_open_sessions_sql[] =
	"SELECT id, 0 FROM session"
	" WHERE id > ifnull((SELECT id FROM settled WHERE what = 'session'), 0)"
	" AND NOT EXISTS (SELECT 1 FROM session_end WHERE session = session.id)";
static const char ledger_settle_sql[] =
	"INSERT OR REPLACE INTO settled (what, id)"
	" SELECT 'hold', ifnull(max(id), 0) FROM hold UNION ALL"
	" SELECT 'request', ifnull(max(id), 0) FROM request UNION ALL"
	" SELECT 'session', ifnull(max(id), 0) FROM session";

/* The end of one that was left open. SQLITE_DONE, or what SQLite says. */
static int ledger_close_one(
	struct ledger *l, enum record_kind kind, int64_t at_ns, uint64_t id, bool is_unsent)
{
	const struct record_hold_end hold = {.hold = id, .outcome = SLICE_LIT("stopped")};
	const struct record_session_end session = {
		.session = id, .reason = SLICE_LIT("daemon stopped")};
	const struct record_reply reply = {.request = id,
		.status = is_unsent ? SLICE_LIT("unsent") : SLICE_LIT("lost"),
		.message = SLICE_LIT("daemon stopped")};
	const void *rec = kind == RECORD_HOLD_END ? (const void *)&hold
			  : kind == RECORD_REPLY  ? (const void *)&reply
						  : (const void *)&session;

	return ledger_insert(l, kind, at_ns, rec);
}

/* 0, LEDGER_E_UNWRITABLE. */
static int ledger_close_open(
	struct ledger *l, const char *sql, enum record_kind kind, int64_t at_ns)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(l->db, sql, -1, &stmt, NULL);

	while (rc == SQLITE_OK || rc == SQLITE_DONE) {
		rc = sqlite3_step(stmt);
		if (rc != SQLITE_ROW)
			break;
		rc = ledger_close_one(l, kind, at_ns, (uint64_t)sqlite3_column_int64(stmt, 0),
			sqlite3_column_int(stmt, 1));
	}
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE ? 0 : ledger_error(l, rc);
}

int ledger_close_orphans(struct ledger *l, int64_t at_ns)
{
	int r = ledger_begin(l);

	if (r)
		return r < 0 ? err_trace(r) : LEDGER_E_UNWRITABLE;
	r = ledger_close_open(l, ledger_open_holds_sql, RECORD_HOLD_END, at_ns);
	if (!r)
		r = ledger_close_open(l, ledger_open_requests_sql, RECORD_REPLY, at_ns);
	if (!r)
		r = ledger_close_open(l, ledger_open_sessions_sql, RECORD_SESSION_END, at_ns);
	if (!r)
		r = ledger_exec(l, ledger_settle_sql);
	if (!r)
		r = ledger_commit(l);
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
