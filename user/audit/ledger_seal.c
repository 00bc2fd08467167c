/* SPDX-License-Identifier: Apache-2.0 */
/* Where the ledger's chain ends, and what was signed of it: see ledger.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "audit/ledger_int.h"

int ledger_load_chain(struct ledger *l)
{
	uint8_t head[SHA256_SIZE];
	int64_t next = 1;
	int r = ledger_bytes(l, "SELECT id FROM identity", l->id, sizeof(l->id));

	if (!r)
		r = ledger_bytes(l, "SELECT head FROM chain ORDER BY first DESC LIMIT 1", head,
			sizeof(head));
	if (!r)
		r = ledger_number(
			l, "SELECT first + n FROM chain ORDER BY first DESC LIMIT 1", &next);
	if (r == LEDGER_E_NONE) {
		chain_genesis(slice_of(l->id, sizeof(l->id)), head);
		r = 0;
	}
	if (r)
		return r;
	chain_deinit(&l->chain);
	chain_init(&l->chain, (uint64_t)next, head);
	return 0;
}

int ledger_write_link(struct ledger *l)
{
	uint8_t head[SHA256_SIZE];
	struct slice entries;

	if (!l->chain.n)
		return 0;
	/* Also while migrating, when nothing else is prepared yet. */
	if (!l->link &&
		sqlite3_prepare_v3(l->db,
			"INSERT INTO chain (first, n, entries, head) VALUES (?1, ?2, ?3, ?4)", -1,
			SQLITE_PREPARE_PERSISTENT, &l->link, NULL) != SQLITE_OK)
		return ledger_error(l, sqlite3_errcode(l->db));
	entries = chain_link(&l->chain, head);
	sqlite3_bind_int64(l->link, 1, (int64_t)l->chain.next);
	sqlite3_bind_int64(l->link, 2, (int64_t)l->chain.n);
	sqlite3_bind_blob64(l->link, 3, entries.p, entries.n, SQLITE_STATIC);
	sqlite3_bind_blob(l->link, 4, head, sizeof(head), SQLITE_TRANSIENT);
	return ledger_step(l, l->link);
}

bool ledger_head(const struct ledger *l, const struct checkpoint *last, struct checkpoint *ret)
{
	uint64_t entry = l->chain.next - 1;

	*ret = (struct checkpoint){.entry = entry};
	memcpy(ret->ledger, l->id, sizeof(ret->ledger));
	memcpy(ret->head, l->chain.head, sizeof(ret->head));
	return entry && (memcmp(last->ledger, l->id, sizeof(l->id)) || last->entry != entry);
}

uint64_t ledger_last_entry(const struct ledger *l)
{
	return l->chain.next - 1;
}

int ledger_put_checkpoint(struct ledger *l, const struct checkpoint *c)
{
	int rc;

	sqlite3_bind_int64(l->checkpoint, 1, (int64_t)c->number);
	sqlite3_bind_int64(l->checkpoint, 2, c->at_ns);
	sqlite3_bind_int64(l->checkpoint, 3, (int64_t)c->entry);
	sqlite3_bind_blob(l->checkpoint, 4, c->head, sizeof(c->head), SQLITE_STATIC);
	sqlite3_bind_blob(l->checkpoint, 5, c->signature, sizeof(c->signature), SQLITE_STATIC);
	rc = sqlite3_step(l->checkpoint);
	sqlite3_reset(l->checkpoint);
	sqlite3_clear_bindings(l->checkpoint);
	if ((rc & 0xff) == SQLITE_CONSTRAINT)
		return LEDGER_E_TAKEN;
	rc = rc == SQLITE_DONE ? 0 : ledger_error(l, rc);
	return rc < 0 ? err_trace(rc) : rc;
}

/* What has another length stays zero, and is not what was signed. */
static void ledger_copy_blob(sqlite3_stmt *stmt, int column, uint8_t *to, size_t n)
{
	const void *p = sqlite3_column_blob(stmt, column);

	if (p && sqlite3_column_bytes(stmt, column) == (int)n)
		memcpy(to, p, n);
}

int ledger_read_checkpoint(const struct ledger *l, uint64_t upto, struct checkpoint *ret)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(l->db,
		"SELECT number, at, entry, head, signature FROM checkpoint WHERE number <= ?1 "
		"ORDER BY number DESC LIMIT 1",
		-1, &stmt, NULL);

	*ret = (struct checkpoint){0};
	sqlite3_bind_int64(stmt, 1, (int64_t)upto);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		ret->number = (uint64_t)sqlite3_column_int64(stmt, 0);
		ret->at_ns = sqlite3_column_int64(stmt, 1);
		ret->entry = (uint64_t)sqlite3_column_int64(stmt, 2);
		memcpy(ret->ledger, l->id, sizeof(ret->ledger));
		ledger_copy_blob(stmt, 3, ret->head, sizeof(ret->head));
		ledger_copy_blob(stmt, 4, ret->signature, sizeof(ret->signature));
	}
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW ? 0 : rc == SQLITE_DONE ? LEDGER_E_NONE : ledger_error(l, rc);
}

/* Does the chain stand at this head after that entry? 0, LEDGER_E_NONE, LEDGER_E_UNWRITABLE. */
static int ledger_stands_at(const struct ledger *l, const struct checkpoint *c)
{
	uint8_t head[SHA256_SIZE];
	char sql[128];
	int r;

	snprintf(sql, sizeof(sql),
		"SELECT head FROM chain WHERE first <= %" PRIu64 " ORDER BY first DESC LIMIT 1",
		c->entry);
	r = ledger_bytes(l, sql, head, sizeof(head));
	return r ? r : memcmp(head, c->head, sizeof(head)) ? LEDGER_E_NONE : 0;
}

int ledger_reconcile(struct ledger *l, const struct checkpoint *c)
{
	struct checkpoint here;
	bool is_taken;
	int r;

	if (!c->number)
		return 0;
	if (memcmp(c->ledger, l->id, sizeof(l->id)))
		return LEDGER_E_OTHER;
	r = ledger_read_checkpoint(l, c->number, &here);
	is_taken = !r && here.number == c->number;
	if (is_taken && here.entry == c->entry && !memcmp(here.head, c->head, sizeof(here.head)))
		return 0;
	if (!r || r == LEDGER_E_NONE)
		r = ledger_stands_at(l, c);
	if (r == LEDGER_E_NONE)
		return LEDGER_E_CUT;
	if (!r)
		r = is_taken ? LEDGER_E_TAKEN : ledger_put_checkpoint(l, c);
	if (r == LEDGER_E_TAKEN)
		return LEDGER_E_TAKEN;
	return r < 0 ? err_trace(r) : r ? LEDGER_E_UNWRITABLE : 0;
}
