/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that the warden forks and supervises: the enforcer, the scribe. The caller forks; what
 * follows is the same for each. The struct is the caller's, and zero while nothing runs.
 */
#pragma once

#include <sys/types.h>

#include "net/loop.h"

/* One that was asked to end and does not (it may be stopped) is killed, after so long at most: what
 * it had not done is in the rings. */
enum { CHILD_STOP_MS = 5000 };

struct child {
	pid_t pid;              /* 0: not running */
	struct loop_source src; /* its pidfd */
	int64_t started_ns, restart_at_ns, delay_ns;
};

/* In the child, before anything else: it dies with its parent, and takes no signal of a terminal.
 */
void child_prepare(pid_t parent);
/* In the parent: fn is called, once, when the process has ended; then child_reap(). 0, -errno. */
ERR_CHECK int child_watch(struct child *c, struct loop *l, pid_t pid, loop_fn fn, void *owner);
/* Waits for its end, and forgets it; its status as of waitpid(). */
int child_reap(struct child *c, struct loop *l);
/* Sets restart_at_ns: a child that dies at once again and again is started ever more slowly. */
void child_delay_restart(struct child *c);
/* Waits for the end of one that was asked to end; kills it after patience_ms. */
void child_end(struct child *c, struct loop *l, int patience_ms);
