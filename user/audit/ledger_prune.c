/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Retention: the oldest part of the ledger, up to a signed checkpoint, is removed whole, rows and
 * links. The checkpoint stays, so that the rest begins with a head that was signed; an event says
 * what was removed and why, and a line signed by the warden that it might be (daemon/signer.h):
 * whoever can write the database alone cannot make his removal look like ours.
 *
 * Rows that are still needed are carried: they enter the chain a second time, at its end, before
 * their first entry goes. These are the rows of runs under legal hold; and sessions and runs that
 * live, or of which younger rows speak.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "audit/ledger_int.h"
#include "audit/row.h"
#include "util/cleanup.h"
#include "util/log.h"

enum {
	PRUNE_SQL_MAX = 4096,
	PRUNE_ENTRIES = 5000,     /* of one transaction, if the checkpoints lie so close */
	PRUNE_ENTRIES_SIZE = 500, /* the same where no more should go than must */
	PRUNE_FREE_PAGES = 500,
};

/* Which run a row is of, by its key ?1. */
static const char *const prune_run_of[RECORD_N] = {
	[RECORD_RUN] = "?1",
	[RECORD_RUN_END] = "?1",
	[RECORD_SESSION] = "(SELECT run FROM session WHERE id = ?1)",
	[RECORD_LOGIN] =
		"(SELECT session.run FROM login JOIN session ON session.id = login.session "
		"WHERE login.id = ?1)",
	[RECORD_SESSION_END] = "(SELECT run FROM session WHERE id = ?1)",
	[RECORD_REQUEST] = "(SELECT session.run FROM request JOIN session ON session.id = "
			   "request.session WHERE request.id = ?1)",
	[RECORD_HOLD] = "(SELECT session.run FROM hold JOIN request ON request.id = hold.request "
			"JOIN session ON session.id = request.session WHERE hold.id = ?1)",
	[RECORD_DECISION] =
		"(SELECT session.run FROM decision JOIN hold ON hold.id = decision.hold "
		"JOIN request ON request.id = hold.request JOIN session ON session.id "
		"= request.session WHERE decision.id = ?1)",
	[RECORD_HOLD_END] =
		"(SELECT session.run FROM hold JOIN request ON request.id = hold.request "
		"JOIN session ON session.id = request.session WHERE hold.id = ?1)",
	[RECORD_REPLY] = "(SELECT session.run FROM request JOIN session ON session.id = "
			 "request.session WHERE request.id = ?1)",
	[RECORD_CONTENT] =
		"(SELECT session.run FROM content JOIN request ON request.id = content.request "
		"JOIN session ON session.id = request.session WHERE content.id = ?1)",
	[RECORD_EVENT] =
		"(SELECT iif(event.run, event.run, session.run) FROM event LEFT JOIN session "
		"ON session.id = event.session WHERE event.id = ?1)",
};

/* Why a row is kept although nobody said so: it lives, or others speak of it. */
static const char *const prune_alive[RECORD_N] = {
	[RECORD_RUN] = "NOT EXISTS (SELECT 1 FROM run_end WHERE run = ?1) OR EXISTS (SELECT 1 FROM "
		       "session WHERE run = ?1)",
	[RECORD_RUN_END] = "EXISTS (SELECT 1 FROM run WHERE id = ?1)",
	[RECORD_SESSION] = "NOT EXISTS (SELECT 1 FROM session_end WHERE session = ?1) OR EXISTS "
			   "(SELECT 1 FROM request WHERE session = ?1)",
	[RECORD_LOGIN] = "EXISTS (SELECT 1 FROM login JOIN session ON session.id = login.session "
			 "WHERE login.id = ?1)",
	[RECORD_SESSION_END] = "EXISTS (SELECT 1 FROM session WHERE id = ?1)",
};

/* Rows that others speak of come after those others. */
enum { PRUNE_PASSES = 5 };

static int prune_pass(enum record_kind kind)
{
	switch (kind) {
	case RECORD_SESSION:
		return 1;
	case RECORD_LOGIN:
	case RECORD_SESSION_END:
		return 2;
	case RECORD_RUN:
		return 3;
	case RECORD_RUN_END:
		return 4;
	default:
		return 0;
	}
}

struct prune {
	struct ledger *l;
	const struct ledger_retention *retention;
	sqlite3_stmt *is_alive[RECORD_N], *is_held[RECORD_N], *read[RECORD_N], *remove[RECORD_N];
	uint64_t n_removed, n_carried;
};

static void prune_deinit(struct prune *p)
{
	for (size_t i = 0; i < RECORD_N; i++) {
		sqlite3_finalize(p->is_alive[i]);
		sqlite3_finalize(p->is_held[i]);
		sqlite3_finalize(p->read[i]);
		sqlite3_finalize(p->remove[i]);
	}
}

/* Prepares a statement the first time it is needed. 0, LEDGER_E_UNWRITABLE. */
static int prune_prepare(const struct prune *p, const char *sql, sqlite3_stmt **stmt)
{
	if (*stmt)
		return 0;
	return sqlite3_prepare_v2(p->l->db, sql, -1, stmt, NULL) == SQLITE_OK
		       ? 0
		       : ledger_error(p->l, sqlite3_errcode(p->l->db));
}

/* Does the query give a row? 0, LEDGER_E_UNWRITABLE. */
static int prune_ask(const struct prune *p, sqlite3_stmt *stmt, int64_t row, bool *ret)
{
	int rc;

	sqlite3_bind_int64(stmt, 1, row);
	rc = sqlite3_step(stmt);
	sqlite3_reset(stmt);
	*ret |= rc == SQLITE_ROW;
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : ledger_error(p->l, rc);
}

/* 0, LEDGER_E_UNWRITABLE. */
static int prune_is_needed(struct prune *p, enum record_kind kind, int64_t row, bool *ret)
{
	const char *const *hold = p->retention->legal_holds;
	char sql[PRUNE_SQL_MAX];
	int r = 0;

	*ret = false;
	if (prune_alive[kind]) {
		snprintf(sql, sizeof(sql), "SELECT 1 WHERE %s", prune_alive[kind]);
		r = prune_prepare(p, sql, &p->is_alive[kind]);
		if (!r)
			r = prune_ask(p, p->is_alive[kind], row, ret);
	}
	if (r || *ret || !hold || !*hold)
		return r;
	snprintf(sql, sizeof(sql), "SELECT 1 FROM run WHERE id = %s AND name GLOB ?2",
		prune_run_of[kind]);
	r = prune_prepare(p, sql, &p->is_held[kind]);
	for (; !r && *hold && !*ret; hold++) {
		sqlite3_bind_text(p->is_held[kind], 2, *hold, -1, SQLITE_STATIC);
		r = prune_ask(p, p->is_held[kind], row, ret);
	}
	return r;
}

/* Prepares the reading of a row. 0, LEDGER_E_UNWRITABLE. */
static int prune_reader(struct prune *p, enum record_kind kind)
{
	char sql[PRUNE_SQL_MAX];
	struct writer w = writer_of(sql, sizeof(sql));

	row_write_select(&w, p->l->db, kind);
	wr_cstr(&w, SLICE_LIT(" WHERE rowid = ?1"));
	return prune_prepare(p, sql, &p->read[kind]);
}

/* The index of words forgets what it knows of a request, which takes the words themselves. 0,
 * LEDGER_E_UNWRITABLE. */
static int prune_words(struct prune *p, int64_t row)
{
	sqlite3_stmt *stmt;
	union record rec;
	int64_t id, at;
	int r = prune_reader(p, RECORD_REQUEST), rc;

	if (r)
		return r;
	stmt = p->read[RECORD_REQUEST];
	sqlite3_bind_int64(stmt, 1, row);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		row_read(stmt, RECORD_REQUEST, &id, &at, &rec);
		rc = ledger_find_remove(p->l, id, &rec.request);
	}
	sqlite3_reset(stmt);
	return rc == SQLITE_DONE ? 0 : ledger_error(p->l, rc);
}

/* The row enters the chain again. 0, LEDGER_E_UNWRITABLE. */
static int prune_carry(struct prune *p, enum record_kind kind, int64_t row)
{
	union record rec;
	int64_t id, at;
	int rc, r;

	r = prune_reader(p, kind);
	if (r)
		return r;
	sqlite3_bind_int64(p->read[kind], 1, row);
	rc = sqlite3_step(p->read[kind]);
	if (rc == SQLITE_ROW) {
		row_read(p->read[kind], kind, &id, &at, &rec);
		r = chain_add(&p->l->chain, (uint8_t)(kind | CHAIN_CARRIED), id, at, &rec);
		p->n_carried++;
	} else if (rc != SQLITE_DONE) {
		r = ledger_error(p->l, rc);
	}
	sqlite3_reset(p->read[kind]);
	return r;
}

/* 0, LEDGER_E_UNWRITABLE. */
static int prune_remove(struct prune *p, enum record_kind kind, int64_t row)
{
	char sql[128];
	int r;

	if (kind == RECORD_REQUEST) {
		r = prune_words(p, row);
		if (r)
			return r;
	}
	snprintf(sql, sizeof(sql), "DELETE FROM \"%s\" WHERE rowid = ?1", record_table[kind].name);
	r = prune_prepare(p, sql, &p->remove[kind]);
	if (r)
		return r;
	sqlite3_bind_int64(p->remove[kind], 1, row);
	p->n_removed++;
	return ledger_step(p->l, p->remove[kind]);
}

/* 0, LEDGER_E_UNWRITABLE. */
static int prune_entry(struct prune *p, const struct chain_entry *e, int pass)
{
	enum record_kind kind = (enum record_kind)(e->kind & ~CHAIN_CARRIED);
	bool is_needed;
	int r;

	if (kind == RECORD_NONE || kind >= RECORD_N || prune_pass(kind) != pass)
		return 0;
	r = prune_is_needed(p, kind, (int64_t)e->row, &is_needed);
	if (r)
		return r;
	return is_needed ? prune_carry(p, kind, (int64_t)e->row)
			 : prune_remove(p, kind, (int64_t)e->row);
}

/* One pass over the links up to an entry. 0, LEDGER_E_UNWRITABLE. */
static int prune_links(struct prune *p, uint64_t last, int pass)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(p->l->db,
		"SELECT entries FROM chain WHERE first <= ?1 ORDER BY first", -1, &stmt, NULL);
	struct chain_entry e;
	int r = 0;

	sqlite3_bind_int64(stmt, 1, (int64_t)last);
	while (!r && (rc == SQLITE_OK || rc == SQLITE_ROW)) {
		struct slice entries;

		rc = sqlite3_step(stmt);
		if (rc != SQLITE_ROW)
			break;
		entries = slice_of(
			sqlite3_column_blob(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0));
		for (size_t i = 0; !r && chain_read_entry(entries, i, &e); i++)
			r = prune_entry(p, &e, pass);
	}
	sqlite3_finalize(stmt);
	return r || rc == SQLITE_DONE ? r : ledger_error(p->l, rc);
}

/* Numbers are not given a second time although their rows are gone. */
static const char prune_remember_sql[] =
	"INSERT OR REPLACE INTO settled (what, id)"
	" SELECT 'last ' || what, id FROM (SELECT 'run' AS what, max(id) AS id FROM run"
	" UNION ALL SELECT 'session', max(id) FROM session"
	" UNION ALL SELECT 'request', max(id) FROM request"
	" UNION ALL SELECT 'hold', max(id) FROM hold) AS used WHERE id > ifnull((SELECT id FROM "
	"settled WHERE settled.what = 'last ' || used.what), 0)";

/* Keeps the warden's word, and forgets those that no event speaks of any more. 0,
 * LEDGER_E_UNWRITABLE. */
static int prune_keep_permit(const struct prune *p, const struct checkpoint *permit)
{
	sqlite3_stmt *stmt = NULL;
	int r = prune_prepare(p,
		"INSERT OR REPLACE INTO prune (number, at, entry, head, signature)"
		" VALUES (?1, ?2, ?3, ?4, ?5)",
		&stmt);

	if (r)
		return r;
	sqlite3_bind_int64(stmt, 1, (int64_t)permit->number);
	sqlite3_bind_int64(stmt, 2, permit->at_ns);
	sqlite3_bind_int64(stmt, 3, (int64_t)permit->entry);
	sqlite3_bind_blob(stmt, 4, permit->head, sizeof(permit->head), SQLITE_STATIC);
	sqlite3_bind_blob(stmt, 5, permit->signature, sizeof(permit->signature), SQLITE_STATIC);
	r = ledger_step(p->l, stmt);
	sqlite3_finalize(stmt);
	return r ? r
		 : ledger_exec(p->l, "DELETE FROM prune WHERE at < (SELECT min(at) FROM event "
				     "WHERE kind = 'pruned')");
}

/* The whole of one step, in the open transaction. 0, LEDGER_E_UNWRITABLE. */
static int prune_run(struct prune *p, const struct checkpoint *permit, const char *because)
{
	struct record_event event = {.kind = SLICE_LIT("pruned")};
	char detail[160], sql[256];
	int r = ledger_exec(p->l, prune_remember_sql);

	for (int pass = 0; !r && pass < PRUNE_PASSES; pass++)
		r = prune_links(p, permit->entry, pass);
	snprintf(sql, sizeof(sql),
		"DELETE FROM chain WHERE first <= %" PRIu64 ";"
		" DELETE FROM slow WHERE request < (SELECT min(id) FROM request);"
		" DELETE FROM checkpoint WHERE number < %" PRIu64,
		permit->entry, permit->number);
	if (!r)
		r = ledger_exec(p->l, sql);
	/* verify looks for these first words. */
	snprintf(detail, sizeof(detail),
		"entry=%" PRIu64 " checkpoint=%" PRIu64 " rows=%" PRIu64 " carried=%" PRIu64
		" because=%s",
		permit->entry, permit->number, p->n_removed, p->n_carried, because);
	event.detail = slice_str(detail);
	/* Both of the same time: the line stays as long as the event. */
	if (!r && ledger_insert(p->l, RECORD_EVENT, permit->at_ns, &event) != SQLITE_DONE)
		r = ledger_error(p->l, sqlite3_errcode(p->l->db));
	if (!r)
		r = prune_keep_permit(p, permit);
	if (!r)
		log_info("ledger.pruned", "%s", detail);
	return r;
}

/* ---- what may go ---- */

/* Bytes in use. 0, LEDGER_E_UNWRITABLE. */
static int prune_size(const struct ledger *l, uint64_t *ret)
{
	int64_t pages = 0, unused = 0, size = 0;
	int r = ledger_number(l, "PRAGMA page_count", &pages);

	if (!r)
		r = ledger_number(l, "PRAGMA freelist_count", &unused);
	if (!r)
		r = ledger_number(l, "PRAGMA page_size", &size);
	*ret = (uint64_t)((pages - unused) * size);
	return r;
}

/* The number of the checkpoint up to which one step goes: an older one than `before`, never the
 * last; 0: none. 0, LEDGER_E_UNWRITABLE. */
static int prune_choose(const struct ledger *l, int64_t before, int max, int64_t *ret)
{
	char sql[512];

	snprintf(sql, sizeof(sql),
		"WITH c AS (SELECT number, entry FROM checkpoint WHERE at < %" PRId64
		" AND entry >= (SELECT min(first) FROM chain)"
		" AND number < (SELECT max(number) FROM checkpoint))"
		" SELECT ifnull((SELECT max(number) FROM c WHERE entry < (SELECT min(first) FROM "
		"chain) + %d), ifnull((SELECT min(number) FROM c), 0))",
		before, max);
	return ledger_number(l, sql, ret);
}

/* Gives pages back that have been free for long: retention keeps the file from growing, and lets it
 * shrink. 0, LEDGER_E_UNWRITABLE. */
static int prune_shrink(const struct ledger *l)
{
	int64_t pages = 0, unused = 0;
	char sql[64];
	int r = ledger_number(l, "PRAGMA page_count", &pages);

	if (!r)
		r = ledger_number(l, "PRAGMA freelist_count", &unused);
	if (r || unused < PRUNE_FREE_PAGES || unused < pages / 4)
		return r;
	snprintf(sql, sizeof(sql), "PRAGMA incremental_vacuum(%d)", PRUNE_FREE_PAGES);
	return ledger_exec(l, sql);
}

int ledger_prune_choose(
	struct ledger *l, const struct ledger_retention *retention, struct checkpoint *ret)
{
	uint64_t size = 0;
	int64_t number = 0;
	int r = 0;

	if (retention->age_ns)
		r = prune_choose(l, retention->now_ns - retention->age_ns, PRUNE_ENTRIES, &number);
	if (!r && !number && retention->size) {
		r = prune_size(l, &size);
		if (!r && size > retention->size)
			r = prune_choose(l, retention->now_ns - LEDGER_YOUNG_NS, PRUNE_ENTRIES_SIZE,
				&number);
	}
	if (!r && !number) {
		r = prune_shrink(l);
		if (!r)
			return LEDGER_E_NONE;
	}
	if (!r)
		r = ledger_read_checkpoint(l, (uint64_t)number, ret);
	if (r == LEDGER_E_NONE)
		return LEDGER_E_NONE;
	return r < 0 ? err_trace(r) : r ? LEDGER_E_UNWRITABLE : 0;
}

/* Is it the word about a checkpoint that is here, with rows before it and another behind it? 0,
 * LEDGER_E_NONE, LEDGER_E_UNWRITABLE. */
static int prune_check_permit(
	const struct ledger *l, const struct checkpoint *permit, int64_t *ret_at)
{
	struct checkpoint upto;
	int64_t first = 0, last = 0;
	int r = ledger_read_checkpoint(l, permit->number, &upto);

	if (!r)
		r = ledger_number(l, "SELECT ifnull(min(first), 0) FROM chain", &first);
	if (!r)
		r = ledger_number(l, "SELECT ifnull(max(number), 0) FROM checkpoint", &last);
	if (r)
		return r;
	*ret_at = upto.at_ns;
	return permit->kind == CHECKPOINT_PRUNED && upto.number == permit->number &&
			       upto.entry == permit->entry &&
			       !memcmp(permit->ledger, l->id, sizeof(l->id)) &&
			       !memcmp(upto.head, permit->head, sizeof(upto.head)) &&
			       (uint64_t)first <= upto.entry && upto.number < (uint64_t)last
		       ? 0
		       : LEDGER_E_NONE;
}

int ledger_prune(
	struct ledger *l, const struct ledger_retention *retention, const struct checkpoint *permit)
{
	_cleanup_(prune_deinit) struct prune p = {.l = l, .retention = retention};
	int64_t at = 0;
	int r = prune_check_permit(l, permit, &at);

	if (r)
		return r < 0 ? err_trace(r) : r;
	r = ledger_begin(l);
	if (!r)
		r = prune_run(&p, permit,
			retention->age_ns && at < retention->now_ns - retention->age_ns ? "age"
											: "size");
	if (!r)
		r = ledger_commit(l);
	if (!r)
		return 0;
	ledger_rollback(l);
	return r < 0 ? err_trace(r) : LEDGER_E_UNWRITABLE;
}
