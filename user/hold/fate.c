/* SPDX-License-Identifier: Apache-2.0 */
/* Ends of holds: see fate.h. */
#include "hold/fate.h"

static const struct {
	const char *word;
	bool runs;
} fate_table[HOLD_OUTCOME_N] = {
	[HOLD_OPEN] = {"open", false},
#define OUTCOME(id, word, runs, help) [HOLD_##id] = {word, runs},
#include "hold/outcomes.def"
#undef OUTCOME
};

enum hold_outcome hold_meet(enum hold_event event, const struct hold_now *now)
{
	switch (event) {
	case HOLD_EV_APPROVE:
	case HOLD_EV_GRANT:
		/* What was agreed to is what runs, under a policy that would still ask the same. */
		if (!now->is_unchanged || now->denies || !now->same_terms)
			return HOLD_VOID;
		return event == HOLD_EV_GRANT ? HOLD_GRANTED : HOLD_APPROVED;
	case HOLD_EV_DENY:
		return HOLD_DENIED;
	case HOLD_EV_TIMEOUT:
		return HOLD_EXPIRED;
	case HOLD_EV_CANCEL:
		return HOLD_CANCELLED;
	case HOLD_EV_DISCONNECT:
		return HOLD_DISCONNECTED;
	case HOLD_EV_RELOAD:
		/* Nobody agreed yet: what the policy denies by now needs no human. */
		if (now->denies)
			return HOLD_DENIED;
		/* The votes were for other terms, and the agent may ask again at once. */
		return now->same_terms ? HOLD_OPEN : HOLD_VOID;
	case HOLD_EV_CROWD:
		return HOLD_CROWDED;
	case HOLD_EV_N:
		break;
	}
	return HOLD_OPEN;
}

const char *hold_outcome_word(enum hold_outcome o)
{
	return fate_table[o].word;
}

bool hold_outcome_runs(enum hold_outcome o)
{
	return fate_table[o].runs;
}
