/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a hold ends: the one place that says which event leads to which outcome.
 *
 * Events race. Whichever reaches the hold's worker first ends it, and every later one finds it
 * ended: one outcome, which the worker records. Only STOPPED has no event here: a daemon that died
 * could not record it, so the scribe does for every hold that is still open.
 */
#pragma once

#include <stdbool.h>

enum hold_outcome {
	HOLD_OPEN,
#define OUTCOME(id, word, runs, help) HOLD_##id,
#include "hold/outcomes.def"
#undef OUTCOME
	HOLD_OUTCOME_N
};

/* What can happen to a request that waits. */
enum hold_event {
	HOLD_EV_APPROVE,    /* enough people agreed, and the ledger has it on disk */
	HOLD_EV_DENY,       /* one said no, and the ledger has it on disk */
	HOLD_EV_GRANT,      /* a grant covers it */
	HOLD_EV_TIMEOUT,    /* the rule's time is over */
	HOLD_EV_CANCEL,     /* the client asks to cancel */
	HOLD_EV_DISCONNECT, /* a side of the connection ended */
	HOLD_EV_RELOAD,     /* another policy is in force */
	HOLD_EV_CROWD,      /* the run's places are taken */
	HOLD_EV_N
};

/* What is true of the request at the moment of the event. */
struct hold_now {
	bool is_unchanged; /* the very bytes, session, transaction and settings that were seen */
	bool denies;       /* the policy in force denies it */
	bool same_terms;   /* the policy in force wants the same people to agree */
};

/* The outcome that the event gives an open hold; HOLD_OPEN: it goes on waiting. */
enum hold_outcome hold_meet(enum hold_event event, const struct hold_now *now);

/* "approved" and so on, as in the ledger; "open" for HOLD_OPEN. */
const char *hold_outcome_word(enum hold_outcome o);
/* Does the request go to the server? */
bool hold_outcome_runs(enum hold_outcome o);
