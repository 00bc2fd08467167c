/* SPDX-License-Identifier: Apache-2.0 */
/* What the herald is told, to tell elsewhere; and what it says that it could not. */
#pragma once

#include "ctl/server.h"

/* A new hold. */
void ctl_herald_hold(struct ctl *c, const struct hold *h);
/* Somebody voted on it. */
void ctl_herald_vote(struct ctl *c, const struct hold *h, const struct vote *v);
/* It ended. */
void ctl_herald_end(struct ctl *c, const struct hold *h, enum hold_outcome outcome);
/* Once a second: what it says, and how much it has missed. */
void ctl_herald_tick(struct ctl *c);
