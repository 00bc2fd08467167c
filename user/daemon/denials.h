/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel side refused, as events: each target of each run once in a while, and of each run
 * no more in a second than history can bear, whatever others are refused meanwhile. The kernel's
 * counters have them all.
 */
#pragma once

#include "kern/kern.h"
#include "net/loop.h"
#include "util/err.h"

struct denials;

struct denials_config {
	void *arg;
	/* kind: of the event; run: 0 = of no run that is known */
	void (*tell)(void *arg, const char *kind, uint64_t run, const char *detail);
	void (*told)(void *arg); /* after some were read, told or not */
	uint64_t (*run_of)(void *arg, uint64_t cgroup);
};

/* Begins to listen in the loop. 0, < 0. */
ERR_CHECK int denials_open(const struct kern *k, struct loop *loop,
	const struct denials_config *config, struct denials **ret);
struct denials *denials_close(struct denials *d);
/* Once a second: tells how many more there were than were told. */
void denials_tick(struct denials *d);
