/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decisions: from a vote on the control socket to its end at the worker. A vote is in the ledger,
 * on disk, before it counts (P3); whether who cast it may still do so is asked again before the
 * worker hears of the decision.
 */
#pragma once

#include "ctl/client.h"
#include "util/reader.h"

/* A hold whose ballot is decided: recorded, then committed, sent to the worker, ended. */
struct ctl_decision {
	struct list link;
	uint64_t hold;
};

void ctl_approve(struct ctl_client *cl, struct reader *r);
void ctl_deny(struct ctl_client *cl, struct reader *r);

/* Sends the decisions whose records are committed to their workers. */
void ctl_send_decided(struct ctl *c);
/* A hold ended: answers who decided it, tells the watchers. */
void ctl_hold_ended(struct ctl *c, uint64_t hold, enum hold_outcome outcome);
