/* SPDX-License-Identifier: Apache-2.0 */
/* What masks add to a ruling: requests whose result, or trace, they could not follow. */
#pragma once

#include "session/session.h"

/* Names mean something else behind it, and from its first statement on. */
bool masked_changes_names(const struct session *s);
/* The same, and what code of somebody's may do: for those that come behind it. */
bool masked_may_change_names(const struct session *s);
/* May its conditions hang on columns that masks protect? */
bool masked_filters(const struct session *s);
/* Sets touches and proof of the request at hand, whose facts and ruling are complete, and makes the
 * ruling stricter where masks could not do what they promise. */
void masked_rule(struct session *s);
