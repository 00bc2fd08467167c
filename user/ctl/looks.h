/* SPDX-License-Identifier: Apache-2.0 */
/* What the servers say of what is held, for approvers: asked once people see a hold, and told to
 * them when it comes. Nothing waits for it, and no decision hangs on it. session/look.h asks. */
#pragma once

#include "ctl/server.h"

/* People see this hold from now on. */
void ctl_look_new(struct ctl *c, struct hold *h);
/* MAIL_LOOK. */
void ctl_look_answer(struct ctl *c, struct mail *m);
