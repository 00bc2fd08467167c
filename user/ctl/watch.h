/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of holds and the events of those who watch them. A list goes out as fast as its reader
 * takes it, never as a heap of packets; a watcher that falls behind gets `"event":"reset"` and the
 * list anew, and keeps its connection.
 */
#pragma once

#include "ctl/client.h"
#include "util/reader.h"

void ctl_pending(struct ctl_client *cl, struct reader *r);
void ctl_watch(struct ctl_client *cl, struct reader *r);

/* Somebody is deciding: the hold's clock stands meanwhile. */
void ctl_deciding(struct ctl_client *cl, struct reader *r);
/* The client closes: nobody is deciding there any more. */
void ctl_watch_gone(struct ctl_client *cl);

/* There is room in the client's queue: goes on with its list. */
void ctl_watch_refill(struct ctl_client *cl);
/* A new hold, or one that changed: tells the watchers, if it is not one of many that are identical.
 */
void ctl_watch_tell(struct ctl *c, struct hold *h);
void ctl_watch_tell_end(struct ctl *c, uint64_t hold, enum hold_outcome outcome);
/* Once a second: how many are identical with those that people see. */
void ctl_watch_tick(struct ctl *c);
