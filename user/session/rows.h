/* SPDX-License-Identifier: Apache-2.0 */
/* Values on their way back to the agent: rows, pieces of huge rows, prose. */
#pragma once

#include "session/session.h"

/* The request in flight whose reply that is, or NULL. */
struct inflight *rows_inflight(struct session *s, uint64_t seq);
/* An EV_ROW, EV_VALUE (or EV_BIG_ROW) or EV_TEXT is in the unit sink. For rows and text the ops
 * follow in the sink; for values MASK_E_FULL: the session must end. */
ERR_CHECK int rows_on_row(struct session *s, struct slice unit);
ERR_CHECK int rows_on_value(struct session *s, size_t *ret_hold_back);
ERR_CHECK int rows_on_text(struct session *s, struct slice unit);
