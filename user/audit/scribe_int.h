/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the scribe share: scribe.c (the loop), scribe_sign.c (what the warden signs).
 */
#pragma once

#include "audit/scribe.h"

struct scribe_ring {
	struct journal *journal;
	bool is_known;  /* its first record has been compared with the ledger */
	bool is_broken; /* found in this batch: given up once that is written down */
	bool is_given_up;
};

struct scribe {
	const struct scribe_config *config;
	struct ledger *ledger; /* NULL until it could be opened */
	struct scribe_ring *rings;
	size_t n_rings, first;       /* first: where the next batch begins, so that none starves */
	size_t n_rows;               /* in the open transaction; 0 = none is open */
	int64_t batch_ns;            /* when its first row came */
	int64_t tidied_ns, prune_ns; /* prune_ns: when to look next */
	struct checkpoint asked;     /* what was asked to be signed */
	struct checkpoint signed_last; /* and what was */
	int64_t asked_ns, signed_ns;   /* asked_ns 0: nothing is awaited */
	struct checkpoint permit;      /* what may be removed, and is not yet; number 0: nothing */
	int64_t permit_asked_ns;       /* 0: none is awaited */
	struct checkpoint kept;        /* what was signed last, as the warden says now */
	bool has_kept;
	uint64_t found_entry; /* the last one that was in the ledger when it was opened */
	bool has_found;
	int retry_ms; /* 0 = the ledger works */
	bool is_reconciled, is_ready, is_stopping, is_wal_pinned;
};

/* Opens a transaction unless one is. 0, LEDGER_E_UNWRITABLE. */
ERR_CHECK int scribe_begin(struct scribe *s);
/* Something of the scribe's own, in the open transaction. 0, LEDGER_E_UNWRITABLE. */
ERR_CHECK int scribe_note(struct scribe *s, const char *kind, const char *detail);
/* 0, LEDGER_E_UNWRITABLE. */
ERR_CHECK int scribe_commit(struct scribe *s);

/* ---- scribe_sign.c ---- */

/* Once, when the rings are drained: is what we stand on what was signed last? If not, history says
 * so. 0, LEDGER_E_UNWRITABLE. */
ERR_CHECK int scribe_reconcile(struct scribe *s);
/* How long until the head is to be signed; -1: there is nothing new. */
int64_t scribe_sign_due_ns(const struct scribe *s);
/* Takes what was answered, and asks for what is due. 0, LEDGER_E_UNWRITABLE. */
ERR_CHECK int scribe_sign(struct scribe *s);
/* At the end everything is signed, if the warden answers. */
void scribe_sign_last(struct scribe *s);
/* What may go by retention's rules does not go before the warden has signed that. */
void scribe_ask_permit(struct scribe *s, const struct checkpoint *upto);
