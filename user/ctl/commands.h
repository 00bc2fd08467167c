/* SPDX-License-Identifier: Apache-2.0 */
/* What a control client may ask: one table of message, who may send it, handler. */
#pragma once

#include "ctl/client.h"
#include "util/slice.h"

/* One packet of a client that was let in. */
void ctl_dispatch(struct ctl_client *cl, struct slice packet);

/* A decision on its way: recorded, committed, sent to the worker, ended. */
struct ctl_decision {
	struct list link;
	uint64_t hold, client, record_seq;
	enum decision_kind kind;
	bool is_sent;
	char *reason, *by;
};

/* Sends the decisions whose record is committed to their workers. */
void ctl_send_decided(struct ctl *c);
/* A hold ended: answers who decided it, tells the watchers. */
void ctl_hold_ended(struct ctl *c, uint64_t hold, const char *outcome);
/* A new hold: tells the watchers. */
void ctl_hold_began(struct ctl *c, const struct hold *h);
void ctl_decision_free(struct ctl_decision *d);
