/* SPDX-License-Identifier: Apache-2.0 */
/* What a refused agent is told to do instead, and whom to ask. */
#pragma once

#include "session/session.h"

/* One line about the ruling at hand: the rule's words, what is allowed here without asking, who
 * could approve. */
void hint_write(struct session *s, char *buf, size_t n);
