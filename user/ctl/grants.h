/* SPDX-License-Identifier: Apache-2.0 */
/* The control thread's side of grants and tickets: made when a hold ends, listed, revoked, over. */
#pragma once

#include "ctl/client.h"
#include "util/reader.h"

void ctl_grants(struct ctl_client *cl, struct reader *r);
void ctl_revoke(struct ctl_client *cl, struct reader *r);

/* A hold ended as its ballot said: if that was to cover more, it does from now on. */
void ctl_grant(struct ctl *c, const struct hold *h);
/* The ballot of a ticket is decided: records its end, and keeps the answer for who comes back. */
void ctl_ticket_decided(struct ctl *c, struct hold *h);
/* A ticket nobody decides any more ends like that. */
void ctl_ticket_end(struct ctl *c, struct hold *h, enum hold_event event);
/* Once a second: what has had its time. */
void ctl_grants_tick(struct ctl *c);
/* Another policy: tickets were asked for under the old one. */
void ctl_grants_policy_changed(struct ctl *c);
