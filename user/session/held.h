/* SPDX-License-Identifier: Apache-2.0 */
/* A request that waits for a human: the session's side of a hold. */
#pragma once

#include "session/session.h"

/* What a request that is to be held meets at once. */
struct held_cover {
	enum held_cover_kind {
		HELD_WAITS,   /* nothing: it waits now */
		HELD_COVERED, /* `event`: decide_released() */
		HELD_TICKET,  /* it is a ticket: refused now, with `text` */
	} kind;
	enum hold_event event;
	struct grant grant;
	char text[320];
};

/* Makes the hold, and unless something covers it tells the client and the control thread. 0; > 0:
 * it could not be recorded, nothing was announced; < 0. */
ERR_CHECK int held_begin(struct session *s, struct held_cover *ret);
/* The control thread says that a grant may cover the hold by now. As decide_released(). */
ERR_CHECK int held_try_grants(struct session *s);
/* Is everything that the approver saw and that the decision is bound to still so? */
bool held_is_unchanged(struct session *s);
/* The wait is over, however: records, tells the control thread. Once for each hold. */
void held_end(struct session *s, enum hold_outcome outcome);
/* Who has to agree, as one line; the caller's to free, NULL = out of memory. */
char *held_terms(const struct ruling *r);
/* Another policy is in force: ends what it would not hold as before. As decide_released(). */
ERR_CHECK int held_reload(struct session *s);
/* Somebody is deciding, or not any more: the clock stands meanwhile, HELD_STANDS_NS of a hold at
 * most, and never in a transaction. */
#define HELD_STANDS_NS (5 * 60 * INT64_C(1000000000))
void held_clock(struct session *s, bool stops);
/* Says again that it waits, expires it at its deadline. */
ERR_CHECK int held_tick(struct session *s, int64_t now_ns);
