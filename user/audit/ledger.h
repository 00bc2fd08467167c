/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger: the SQLite database that the journals end in, and the only code that writes it.
 * Exactly one connection in the world writes and checkpoints (the scribe's); see libraries' note on
 * the WAL-reset bug. Its views (schema.sql) are the documented interface.
 */
#pragma once

#include "audit/record.h"
#include "util/err.h"

enum {
	LEDGER_E_UNWRITABLE = 1, /* disk full, read-only, I/O error: nothing of the batch was kept */
	LEDGER_E_VERSION = 2,	 /* made by a newer holdfast */
};

struct ledger;

/* Opens or creates, migrates, checks. */
ERR_CHECK int ledger_open(const char *path, struct ledger **ret);
struct ledger *ledger_close(struct ledger *l);

ERR_CHECK int ledger_begin(struct ledger *l);
/* rec: struct record_* of the kind. A record that is there already (replayed after a crash: same
 * ring, same sequence) is skipped silently. */
ERR_CHECK int ledger_put(struct ledger *l, unsigned ring, uint64_t seq, enum record_kind kind,
	int64_t at_ns, const void *rec);
/* Commits with synchronous=FULL: on 0 it is safe from power loss. */
ERR_CHECK int ledger_commit(struct ledger *l);
void ledger_rollback(struct ledger *l);

/* Highest ids in use, so that a new start continues them. */
struct ledger_ids {
	uint64_t run, session, request, hold;
};
ERR_CHECK int ledger_ids(struct ledger *l, struct ledger_ids *ret);

/*
 * After the rings of a dead daemon were drained: says what became of what it left open. Holds
 * without an end → `stopped`; their requests → reply `unsent`; other requests without a reply →
 * `lost`; sessions without an end → "daemon stopped".
 */
ERR_CHECK int ledger_close_orphans(struct ledger *l, int64_t at_ns);

/* Called when idle: checkpoint in passing, truncate the WAL when large. *ret_wal_pinned: a reader
 * keeps the WAL from shrinking. */
ERR_CHECK int ledger_tidy(struct ledger *l, bool *ret_wal_pinned);
