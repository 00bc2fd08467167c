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
	int r;

	sqlite3_bind_int64(l->checkpoint, 1, (int64_t)c->number);
	sqlite3_bind_int64(l->checkpoint, 2, c->at_ns);
	sqlite3_bind_int64(l->checkpoint, 3, (int64_t)c->entry);
	sqlite3_bind_blob(l->checkpoint, 4, c->head, sizeof(c->head), SQLITE_STATIC);
	sqlite3_bind_blob(l->checkpoint, 5, c->signature, sizeof(c->signature), SQLITE_STATIC);
	r = ledger_step(l, l->checkpoint);
	sqlite3_clear_bindings(l->checkpoint);
	if (r == LEDGER_E_UNWRITABLE)
		return LEDGER_E_UNWRITABLE;
	return r ? err_trace(r) : 0;
}

/* The head of the last row of `table` whose `key` is not above a number. 0, LEDGER_E_NONE,
 * LEDGER_E_UNWRITABLE. */
static int ledger_head_at(const struct ledger *l, const char *table, const char *key,
	uint64_t number, uint8_t head[SHA256_SIZE])
{
	char sql[256];

	snprintf(sql, sizeof(sql),
		"SELECT head FROM %s WHERE %s <= %" PRIu64 " ORDER BY %s DESC LIMIT 1", table, key,
		number, key);
	return ledger_bytes(l, sql, head, SHA256_SIZE);
}

/* Is the checkpoint here? 0, LEDGER_E_NONE, LEDGER_E_UNWRITABLE. */
static int ledger_has_checkpoint(const struct ledger *l, uint64_t number)
{
	char sql[128];
	int64_t n = 0;
	int r;

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM checkpoint WHERE number = %" PRIu64,
		number);
	r = ledger_number(l, sql, &n);
	return r ? r : n ? 0 : LEDGER_E_NONE;
}

int ledger_reconcile(struct ledger *l, const struct checkpoint *c)
{
	uint8_t head[SHA256_SIZE];
	int r;

	if (!c->number)
		return 0;
	if (memcmp(c->ledger, l->id, sizeof(l->id)))
		return LEDGER_E_OTHER;
	r = ledger_has_checkpoint(l, c->number);
	if (!r)
		r = ledger_head_at(l, "checkpoint", "number", c->number, head);
	if (!r)
		return memcmp(head, c->head, sizeof(head)) ? LEDGER_E_CUT : 0;
	if (r == LEDGER_E_NONE)
		r = ledger_head_at(l, "chain", "first", c->entry, head);
	if (r == LEDGER_E_NONE || (!r && memcmp(head, c->head, sizeof(head))))
		return LEDGER_E_CUT;
	if (!r)
		r = ledger_put_checkpoint(l, c);
	return r < 0 ? err_trace(r) : r ? LEDGER_E_UNWRITABLE : 0;
}
