/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the ledger: see query.h. */
#include "audit/query.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "audit/ledger.h"
#include "audit/query_int.h"
#include "audit/row.h"
#include "audit/words.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

/* ---- opening ---- */

static int query_watch_clock(void *arg)
{
	const struct query *q = arg;

	return clock_mono_ns() > q->deadline_ns;
}

void query_start_clock(struct query *q)
{
	q->deadline_ns = clock_mono_ns() + QUERY_SECONDS_MAX * CLOCK_NS_PER_S;
}

int query_error(const struct query *q, int rc)
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
static int query_check(struct query *q)
{
	sqlite3_stmt *stmt = NULL;
	int rc, version = 0;

	rc = sqlite3_exec(q->db, "PRAGMA query_only = ON; PRAGMA mmap_size = 0", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(q->db, "PRAGMA user_version", -1, &stmt, NULL);
	if (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
		version = sqlite3_column_int(stmt, 0);
	rc = rc == SQLITE_OK ? sqlite3_finalize(stmt) : rc;
	/* One that an older daemon made is searched row by row. */
	q->has_words = version >= QUERY_WORDS_VERSION;
	q->has_marks = version >= WORDS_MARKED_VERSION;
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
	sqlite3_finalize(q->content);
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

int query_prepare(const struct query *q, const struct writer *sql, sqlite3_stmt **ret)
{
	int rc;

	if (bug(sql->bad))
		return err_raise(-EOVERFLOW);
	rc = sqlite3_prepare_v2(q->db, (const char *)sql->p, (int)sql->n, ret, NULL);
	return rc == SQLITE_OK ? 0 : query_error(q, rc);
}

bool query_read_bytes(struct arena *a, sqlite3_stmt *stmt, int i, struct slice *ret)
{
	struct slice s;

	s.p = sqlite3_column_blob(stmt, i);
	s.n = (size_t)sqlite3_column_bytes(stmt, i);
	*ret = arena_dup(a, s);
	return ret->n == s.n;
}

/* ---- records ---- */

static int query_prepare_record(struct query *q, enum record_kind kind)
{
	char sql[QUERY_SQL_MAX];
	struct writer w = writer_of(sql, sizeof(sql));

	if (q->records[kind])
		return 0;
	row_write_select(&w, q->db, kind);
	wr_str(&w, " WHERE rowid = ?1");
	return query_prepare(q, &w, &q->records[kind]);
}

static int query_read_record(struct query *q, sqlite3_stmt *stmt, enum record_kind kind,
	int64_t *ret_at_ns, union record *ret)
{
	const struct record_info *info = &record_table[kind];
	char *member = (char *)ret;

	*ret_at_ns = sqlite3_column_int64(stmt, 1);
	for (int i = 0; i < (int)info->n_fields; i++) {
		if (info->fields[i].is_slice) {
			if (!query_read_bytes(
				    &q->record, stmt, i + 2, (struct slice *)(void *)member))
				return err_raise(-E2BIG);
			member += sizeof(struct slice);
		} else {
			*(uint64_t *)(void *)member = (uint64_t)sqlite3_column_int64(stmt, i + 2);
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
		r = query_read_record(q, q->records[kind], kind, ret_at_ns, ret);
	else
		r = err_fold(query_error(q, rc));
	sqlite3_reset(q->records[kind]);
	if (r == QUERY_E_END)
		return QUERY_E_END;
	return r ? err_trace(r) : 0;
}

int query_content(struct query *q, uint64_t request, int64_t *after, union record *ret)
{
	char sql[QUERY_SQL_MAX];
	struct writer w = writer_of(sql, sizeof(sql));
	int64_t at;
	int r = 0, rc;

	if (!row_has_table(q->db, RECORD_CONTENT))
		return QUERY_E_END;
	arena_reset(&q->record);
	query_start_clock(q);
	row_write_select(&w, q->db, RECORD_CONTENT);
	wr_str(&w, " WHERE request = ?1 AND id > ?2 ORDER BY id LIMIT 1");
	if (!q->content)
		r = query_prepare(q, &w, &q->content);
	if (r)
		return err_fold(r);
	sqlite3_bind_int64(q->content, 1, (int64_t)request);
	sqlite3_bind_int64(q->content, 2, *after);
	rc = sqlite3_step(q->content);
	if (rc == SQLITE_ROW) {
		*after = sqlite3_column_int64(q->content, 0);
		r = query_read_record(q, q->content, RECORD_CONTENT, &at, ret);
	} else {
		r = rc == SQLITE_DONE ? QUERY_E_END : err_fold(query_error(q, rc));
	}
	sqlite3_reset(q->content);
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
	" UNION ALL SELECT reply.at, reply.request, %d, 7 FROM asked"
	"  JOIN reply ON reply.request = asked.id"
	" UNION ALL SELECT at, rowid, %d, 8 FROM event WHERE session = ?1"
	" UNION ALL SELECT at, session, %d, 9 FROM session_end WHERE session = ?1"
	"%s ORDER BY 1, 4, 2";
static const char query_session_contents_sql[] =
	" UNION ALL SELECT content.at, content.id, %d, 6 FROM asked"
	" JOIN content ON content.request = asked.id";

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
	char sql[QUERY_SQL_MAX], contents[256] = "";
	struct writer w = writer_of(sql, sizeof(sql));
	_cleanup_(buf_deinit) struct buf refs;
	sqlite3_stmt *stmt = NULL;
	int r;

	buf_init(&refs, QUERY_REFS_MAX);
	if (row_has_table(q->db, RECORD_CONTENT))
		snprintf(contents, sizeof(contents), query_session_contents_sql, RECORD_CONTENT);
	w.n = (size_t)snprintf(sql, sizeof(sql), query_session_sql, RECORD_SESSION, RECORD_LOGIN,
		RECORD_REQUEST, RECORD_HOLD, RECORD_DECISION, RECORD_HOLD_END, RECORD_REPLY,
		RECORD_EVENT, RECORD_SESSION_END, contents);
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
