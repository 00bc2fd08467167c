/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger: the SQLite database that the journals end in, and the only code that writes it.
 * Exactly one connection in the world writes and checkpoints (the scribe's): SQLite before 3.51.3
 * can corrupt a WAL database that two connections checkpoint. Its views (schema.sql) are the
 * documented interface.
 */
#pragma once

#include "audit/checkpoint.h"
#include "audit/record.h"
#include "util/err.h"

enum {
	/* disk full, read-only, I/O error: nothing of the batch was kept */
	LEDGER_E_UNWRITABLE = 1,
	LEDGER_E_VERSION = 2, /* made by a newer holdfast */
	LEDGER_E_NONE = 3,    /* there is no such thing in it */
	LEDGER_E_CUT = 4,     /* rows that were signed are not there any more */
	LEDGER_E_OTHER = 5,   /* this is another ledger than the one that was signed */
	LEDGER_E_TAKEN = 6,   /* a checkpoint of this number, and another one, is there */
};

enum {
	LEDGER_VERSION = 6,
	LEDGER_ZONE_BITS = 12, /* table zone: so many low bits of ids make a block */
	LEDGER_BUSY_MS = 250,  /* readers never block us, save for moments of theirs */
	LEDGER_RINGS_MAX = 256,
	LEDGER_NO_RING = -1, /* for records that the scribe makes itself */
};

struct ledger;

/* The SQL that makes an empty one. */
const char *ledger_schema(void);

/* Opens or creates (mode 0640), migrates, checks. 0, LEDGER_E_UNWRITABLE, LEDGER_E_VERSION;
 * -EUCLEAN: corrupt, or no ledger. */
ERR_CHECK int ledger_open(const char *path, struct ledger **ret);
struct ledger *ledger_close(struct ledger *l);

/* Says which file ring number `ring` is (journal_birth()): another one than last time begins anew.
 * *ret_seq: its last record that is in the ledger, 0 = none. Outside a transaction. */
ERR_CHECK int ledger_attach_ring(struct ledger *l, int ring, uint64_t birth, uint64_t *ret_seq);
/* The same number, at any time; what an open transaction has put counts. */
uint64_t ledger_ring_seq(const struct ledger *l, int ring);

/* Opens the transaction that ledger_put() needs. 0, LEDGER_E_UNWRITABLE. */
ERR_CHECK int ledger_begin(struct ledger *l);
/*
 * rec: struct record_* of the kind. A record that is there already (replayed after a crash: same
 * ring, same sequence) is skipped silently. One whose id is taken is kept out, and an event row
 * `conflict` says so: history is not changed. So is an event from a ring that only the scribe can
 * have seen (ledger-cut, pruned …). 0, LEDGER_E_UNWRITABLE.
 */
ERR_CHECK int ledger_put(struct ledger *l, int ring, uint64_t seq, enum record_kind kind,
	int64_t at_ns, const void *rec);
/* Commits with synchronous=FULL: on 0 it is safe from power loss. 0, LEDGER_E_UNWRITABLE (rolled
 * back). */
ERR_CHECK int ledger_commit(struct ledger *l);
void ledger_rollback(struct ledger *l);

/* ---- the chain ---- */

/* What is committed, to be signed: ledger, entry and head are set. False: nothing since `last`. */
bool ledger_head(const struct ledger *l, const struct checkpoint *last, struct checkpoint *ret);
/* The number of the last entry that is committed; 0 = there is none. */
uint64_t ledger_last_entry(const struct ledger *l);
/* The checkpoint with the highest number that is not above `upto`, whole; INT64_MAX: the newest. 0,
 * LEDGER_E_NONE, LEDGER_E_UNWRITABLE. */
ERR_CHECK int ledger_read_checkpoint(const struct ledger *l, uint64_t upto, struct checkpoint *ret);
/* Keeps a signed head; in the open transaction, or in one of its own. 0, LEDGER_E_TAKEN,
 * LEDGER_E_UNWRITABLE. */
ERR_CHECK int ledger_put_checkpoint(struct ledger *l, const struct checkpoint *c);
/*
 * Is this head that was signed (number 0: none was) in this ledger? A checkpoint that was signed
 * and is not kept yet, because its answer came late or after the death of who had asked, is put in
 * now: its number given away, the hole would look like one that somebody cut out. 0,
 * LEDGER_E_UNWRITABLE, LEDGER_E_CUT, LEDGER_E_OTHER, LEDGER_E_TAKEN.
 */
ERR_CHECK int ledger_reconcile(struct ledger *l, const struct checkpoint *c);

/* Highest ids in use, so that a new start continues them. */
struct ledger_ids {
	uint64_t run, session, request, hold;
};
ERR_CHECK int ledger_ids(struct ledger *l, struct ledger_ids *ret);

/*
 * After the rings of a dead daemon were drained: says what became of what it left open. Holds
 * without an end → `stopped`; requests whose hold did not end in an approval → reply `unsent`;
 * other requests without a reply → `lost`; sessions without an end → "daemon stopped". Runs live
 * on. 0, LEDGER_E_UNWRITABLE.
 */
ERR_CHECK int ledger_close_orphans(struct ledger *l, int64_t at_ns);

/* Nothing younger is removed for the size's sake. */
#define LEDGER_YOUNG_NS (60LL * 1000000000)

/* What is kept. */
struct ledger_retention {
	int64_t now_ns; /* wall time */
	int64_t age_ns; /* rows older than this go; 0 = none do */
	uint64_t size;  /* bytes in use beyond which the oldest go; 0 = no limit */
	const char *const
		*legal_holds; /* names of runs whose rows stay, with * and ?; may be NULL */
};

/* Up to which signed checkpoint the oldest rows are to be removed in one step of work: *ret, whole.
 * LEDGER_E_NONE: nothing is too old or too much. Outside a transaction. 0, LEDGER_E_NONE,
 * LEDGER_E_UNWRITABLE. */
ERR_CHECK int ledger_prune_choose(
	struct ledger *l, const struct ledger_retention *retention, struct checkpoint *ret);
/* Removes them. permit: the same checkpoint, of the kind CHECKPOINT_PRUNED, as the warden signed
 * it; it is kept beside what is left, which is not believed without it. LEDGER_E_NONE: there is
 * nothing to remove up to there. Outside a transaction. 0, LEDGER_E_NONE, LEDGER_E_UNWRITABLE. */
ERR_CHECK int ledger_prune(struct ledger *l, const struct ledger_retention *retention,
	const struct checkpoint *permit);

/* Called when idle: checkpoint in passing, truncate the WAL when large. *ret_wal_pinned: a reader
 * keeps the WAL from shrinking. 0, LEDGER_E_UNWRITABLE. */
ERR_CHECK int ledger_tidy(struct ledger *l, bool *ret_wal_pinned);
