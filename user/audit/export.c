/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger as a stream: see export.h. */
#include "audit/export.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>

#include "audit/chain.h"
#include "audit/ledger.h"
#include "audit/row.h"
#include "util/cleanup.h"
#include "util/log.h"

enum { EXPORT_SQL_MAX = 4096, EXPORT_BUSY_MS = 5000, EXPORT_LINK_MAX = 256 << 20 };

struct export
{
	sqlite3 *db;
	sqlite3_stmt *link, *rows[RECORD_N];
	struct buf entries; /* of the link that is being told */
	uint64_t first;     /* its first entry */
	size_t at;          /* the next one in it */
	uint64_t next;      /* number of the entry that comes next */
	sqlite3_stmt *open; /* the row told last: its bytes are the record's */
};

struct export *export_close(struct export *x)
{
	if (!x)
		return NULL;
	sqlite3_finalize(x->link);
	for (size_t i = 0; i < RECORD_N; i++)
		sqlite3_finalize(x->rows[i]);
	sqlite3_close(x->db);
	buf_deinit(&x->entries);
	free(x);
	return NULL;
}

static void export_closep(struct export **x)
{
	export_close(*x);
}

static bool export_prepare(struct export *x)
{
	bool ok = sqlite3_prepare_v2(x->db,
			  "SELECT first, entries FROM chain WHERE first + n > ?1 AND first >= "
			  "ifnull((SELECT max(first) FROM chain WHERE first <= ?1), ?1) "
			  "ORDER BY first LIMIT 1",
			  -1, &x->link, NULL) == SQLITE_OK;

	for (enum record_kind kind = RECORD_NONE + 1; ok && kind < RECORD_N; kind++) {
		char sql[EXPORT_SQL_MAX];
		struct writer w = writer_of(sql, sizeof(sql));

		row_write_select(&w, x->db, kind);
		wr_cstr(&w, SLICE_LIT(" WHERE rowid = ?1"));
		ok = sqlite3_prepare_v2(x->db, sql, -1, &x->rows[kind], NULL) == SQLITE_OK;
	}
	return ok;
}

int export_open(const char *path, uint64_t after, struct export **ret)
{
	_cleanup_(export_closep) struct export *x = calloc(1, sizeof(*x));

	if (!x)
		return err_raise(-ENOMEM);
	buf_init(&x->entries, EXPORT_LINK_MAX);
	x->next = after + 1;
	if (sqlite3_open_v2(path, &x->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL))
		return EXPORT_E_NO_LEDGER;
	sqlite3_db_config(x->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_busy_timeout(x->db, EXPORT_BUSY_MS);
	if (sqlite3_exec(x->db, "PRAGMA query_only = ON", NULL, NULL, NULL) || !export_prepare(x))
		return EXPORT_E_NO_LEDGER;
	*ret = TAKE(x);
	return 0;
}

/* The link that holds the next entry, or the first one behind it. 0, EXPORT_E_END. */
static int export_fetch(struct export *x, uint64_t *ret_missing)
{
	int rc, r = 0;

	buf_consume(&x->entries, buf_len(&x->entries));
	sqlite3_bind_int64(x->link, 1, (int64_t)x->next);
	rc = sqlite3_step(x->link);
	if (rc == SQLITE_ROW) {
		x->first = (uint64_t)sqlite3_column_int64(x->link, 0);
		r = buf_put(&x->entries, slice_of(sqlite3_column_blob(x->link, 1),
						 (size_t)sqlite3_column_bytes(x->link, 1)));
	}
	sqlite3_reset(x->link);
	if (rc == SQLITE_DONE)
		return EXPORT_E_END;
	if (rc != SQLITE_ROW || r)
		return err_raise(-EIO);
	*ret_missing += x->first > x->next ? x->first - x->next : 0;
	x->next = x->first > x->next ? x->first : x->next;
	x->at = (size_t)(x->next - x->first);
	return 0;
}

/* True if the entry is one to be told, and its row is there. */
static int export_row(
	struct export *x, const struct chain_entry *e, struct export_record *ret, bool *ret_is_told)
{
	sqlite3_stmt *stmt;
	int rc;

	/* What was carried was told when it was written. */
	*ret_is_told = false;
	if (e->kind == CHAIN_POSITION || e->kind >= RECORD_N)
		return 0;
	stmt = x->rows[e->kind];
	sqlite3_bind_int64(stmt, 1, (int64_t)e->row);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		ret->kind = (enum record_kind)e->kind;
		row_read(stmt, ret->kind, &ret->id, &ret->at_ns, &ret->record);
		x->open = stmt;
		*ret_is_told = true;
		return 0;
	}
	sqlite3_reset(stmt);
	return rc == SQLITE_DONE ? 0 : err_raise(-EIO);
}

int export_next(struct export *x, struct export_record *ret)
{
	bool is_told = false;

	*ret = (struct export_record){0};
	if (x->open)
		sqlite3_reset(TAKE(x->open));
	while (!is_told) {
		struct chain_entry e;
		int r = 0;

		if (!chain_read_entry(buf_slice(&x->entries), x->at, &e)) {
			r = export_fetch(x, &ret->n_missing);
			if (r == EXPORT_E_END)
				return EXPORT_E_END;
			if (r)
				return err_trace(r);
			continue;
		}
		ret->entry = x->next;
		r = export_row(x, &e, ret, &is_told);
		if (r)
			return err_trace(r);
		x->at++;
		x->next++;
	}
	return 0;
}
