/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What follows from rows decides which of them a search looks at: the times of blocks of ids (table
 * zone, for --since and --until) and which requests took long (table slow, for --slower). Both are
 * in no chain; whoever edits them hides rows from a question. So they are compared with the rows.
 *
 * A block that says more than it need (its oldest row was pruned) only makes a search look longer,
 * and what table slow says of requests that are gone finds nothing: neither is a finding.
 */
#include <errno.h>
#include <stdio.h>

#include "audit/ledger.h"
#include "audit/verify_int.h"
#include "util/cleanup.h"

enum {
	FIND_BLOCK = 4 << LEDGER_ZONE_BITS, /* ids of one snapshot */
	FIND_FINDINGS_MAX = 100,            /* of one table */
	FIND_SQL_MAX = 512,
};

static void find_finalizep(sqlite3_stmt **stmt)
{
	sqlite3_finalize(*stmt);
}

/* A row of a table that its search does not come by. */
struct find_check {
	const char *table, *by;
	const char *sql; /* ids between ?1 and ?2 that are not found */
};

/* All that one block of ids has. */
static int find_check_block(struct verify *v, const struct find_check *c, sqlite3_stmt *stmt,
	int64_t first, unsigned *n)
{
	int rc;

	sqlite3_bind_int64(stmt, 1, first);
	sqlite3_bind_int64(stmt, 2, first + (FIND_BLOCK - 1));
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && (*n)++ < FIND_FINDINGS_MAX) {
		int64_t id = sqlite3_column_int64(stmt, 0);
		char name[96];

		snprintf(name, sizeof(name), "%s %lld (by %s)", c->table, (long long)id, c->by);
		verify_find(v, (struct verify_finding){
				       .what = VERIFY_UNFOUND,
				       .table = c->table,
				       .row = id,
				       .name = name,
			       });
	}
	sqlite3_reset(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : verify_error(v, rc);
}

/* Block by block, so that no snapshot is held for long; gaps between ids are stepped over. */
static int find_check_run(struct verify *v, const struct find_check *c)
{
	_cleanup_(find_finalizep) sqlite3_stmt *stmt = NULL;
	_cleanup_(find_finalizep) sqlite3_stmt *next = NULL;
	int64_t after = INT64_MIN;
	char sql[FIND_SQL_MAX];
	unsigned n = 0;
	int r = verify_prepare(v, c->sql, &stmt), rc = SQLITE_ROW;

	snprintf(sql, sizeof(sql),
		"SELECT rowid FROM \"%s\" WHERE rowid > ?1 ORDER BY rowid LIMIT 1", c->table);
	if (!r)
		r = verify_prepare(v, sql, &next);
	while (!r && !v->is_damaged && n < FIND_FINDINGS_MAX) {
		int64_t id;

		sqlite3_bind_int64(next, 1, after);
		rc = sqlite3_step(next);
		id = sqlite3_column_int64(next, 0);
		sqlite3_reset(next);
		if (rc != SQLITE_ROW)
			break;
		id = id / FIND_BLOCK * FIND_BLOCK - (id % FIND_BLOCK < 0 ? FIND_BLOCK : 0);
		r = find_check_block(v, c, stmt, id, &n);
		after = id + (FIND_BLOCK - 1);
	}
	if (!r && rc != SQLITE_ROW && rc != SQLITE_DONE)
		r = verify_error(v, rc);
	return r ? err_trace(r) : 0;
}

/* Those that have a listing, and so can be asked for by time. */
static int find_zones(struct verify *v)
{
	static const enum record_kind kinds[] = {RECORD_RUN, RECORD_SESSION, RECORD_REQUEST,
		RECORD_HOLD, RECORD_DECISION, RECORD_EVENT};
	int r = 0;

	for (size_t i = 0; !r && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		char sql[FIND_SQL_MAX];
		const struct find_check c = {.table = record_table[kinds[i]].name,
			.by = "its time, table zone",
			.sql = sql};

		/* One of a block is enough: they are all behind the same row. */
		snprintf(sql, sizeof(sql),
			"SELECT min(rowid) FROM \"%s\" AS t WHERE rowid BETWEEN ?1 AND ?2 AND NOT "
			"EXISTS (SELECT 1 FROM zone WHERE kind = %d AND zone = t.rowid >> %d AND "
			"first <= t.at AND last >= t.at) GROUP BY t.rowid >> %d",
			c.table, (int)kinds[i], LEDGER_ZONE_BITS, LEDGER_ZONE_BITS);
		r = find_check_run(v, &c);
	}
	return r ? err_trace(r) : 0;
}

#define FIND_TOOK    "(reply.at - request.at)"
#define FIND_SLOW_NS "100000000"

/* Every request that took long is there, with the time that it took … */
static int find_slow(struct verify *v)
{
	static const struct find_check check = {.table = "request",
		.by = "how long it took, table slow",
		.sql = "SELECT request.id FROM reply CROSS JOIN request ON request.id = "
		       "reply.request WHERE reply.request BETWEEN ?1 AND ?2 AND " FIND_TOOK
		       " >= " FIND_SLOW_NS " AND NOT EXISTS (SELECT 1 FROM slow WHERE slow.us = "
		       "" FIND_TOOK " / 1000 AND slow.request = reply.request)"};

	return err_trace(find_check_run(v, &check));
}

static const char find_not_slow_sql[] =
	"SELECT us, request, EXISTS (SELECT 1 FROM reply CROSS JOIN request ON request.id = "
	"reply.request WHERE reply.request = slow.request AND (" FIND_TOOK " < " FIND_SLOW_NS
	" OR " FIND_TOOK " / 1000 <> slow.us)) FROM slow WHERE (us, request) > (?1, ?2) "
	"ORDER BY us, request LIMIT 4096";

/* … and no other. */
static int find_not_slow(struct verify *v)
{
	_cleanup_(find_finalizep) sqlite3_stmt *stmt = NULL;
	int64_t us = INT64_MIN, request = INT64_MIN;
	unsigned n = 0, n_page;
	int r = verify_prepare(v, find_not_slow_sql, &stmt), rc;

	do {
		n_page = 0;
		if (r || v->is_damaged)
			return r ? err_trace(r) : 0;
		sqlite3_bind_int64(stmt, 1, us);
		sqlite3_bind_int64(stmt, 2, request);
		while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && n < FIND_FINDINGS_MAX) {
			char name[96];

			n_page++;
			us = sqlite3_column_int64(stmt, 0);
			request = sqlite3_column_int64(stmt, 1);
			if (!sqlite3_column_int(stmt, 2))
				continue;
			n++;
			snprintf(name, sizeof(name), "what table slow says of request %lld",
				(long long)request);
			verify_find(v, (struct verify_finding){
					       .what = VERIFY_INSERTED,
					       .table = "request",
					       .row = request,
					       .name = name,
				       });
		}
		sqlite3_reset(stmt);
		r = rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : verify_error(v, rc);
	} while (n_page && n < FIND_FINDINGS_MAX);
	return r ? err_trace(r) : 0;
}

int verify_found(struct verify *v)
{
	int r = find_zones(v);

	if (!r)
		r = find_slow(v);
	if (!r)
		r = find_not_slow(v);
	return r ? err_trace(r) : 0;
}
