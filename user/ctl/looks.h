/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the servers say of what is held, for approvers: asked once people see a hold, and told to
 * them when it comes. The locks of a transaction are asked for again while somebody looks at the
 * hold. Nothing waits for it, and no decision hangs on it. session/look.h asks.
 */
#pragma once

#include "ctl/client.h"

struct reader;

/* People see this hold from now on. */
void ctl_look_new(struct ctl *c, struct hold *h);
/* MAIL_LOOK. */
void ctl_look_answer(struct ctl *c, struct mail *m);
/* Somebody looks: what may be another by now is asked again, unless that was done just now. */
void ctl_look_again(struct ctl *c, struct hold *h);
/* CTL_LOOKING. */
void ctl_looking(struct ctl_client *cl, struct reader *r);
/* Once a second: for those who look. */
void ctl_looks_tick(struct ctl *c);
