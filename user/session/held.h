/* SPDX-License-Identifier: Apache-2.0 */
/* A request that waits for a human: the session's side of a hold. */
#pragma once

#include "session/session.h"

/* Makes the hold, tells the client and the control thread. 0; > 0: it could not be recorded,
 * nothing was announced; < 0. */
ERR_CHECK int held_begin(struct session *s);
/* Is everything that the approver saw and that the decision is bound to still so? */
bool held_is_unchanged(struct session *s);
/* The wait is over, however: records, tells the control thread. Once for each hold. */
void held_end(struct session *s, enum hold_outcome outcome);
/* Who has to agree, as one line; the caller's to free, NULL = out of memory. */
char *held_terms(const struct ruling *r);
/* Another policy is in force: ends what it would not hold as before. As decide_released(). */
ERR_CHECK int held_reload(struct session *s);
/* Says again that it waits, expires it at its deadline. */
ERR_CHECK int held_tick(struct session *s, int64_t now_ns);
