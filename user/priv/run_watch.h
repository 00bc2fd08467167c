/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Are a run's processes where they were put? Only root outside, or an attached process with
 * capabilities, can move one out of its control group; the hooks then see it no more, so that is
 * noticed here, after the fact and by looking: one that was in at the last look, lives, and is in
 * no longer. And the group must stay root's alone to write, or the run could move itself.
 */
#pragma once

#include "priv/run.h"

struct run_watch {
	struct run_watch_process {
		pid_t pid;
		uint64_t started; /* in ticks since boot: tells a process from a later one of its
				     pid */
	} * seen;                 /* by pid */
	size_t n;
	bool is_loose; /* was told */
};

/* Looks, and calls fn with an event's kind ("moved-out", "tampered") and words for each finding. */
void run_watch_look(struct run_watch *w, const struct run_config *config, const struct run *run,
	void (*fn)(void *arg, const char *kind, uint64_t run, const char *text), void *arg);
void run_watch_deinit(struct run_watch *w);
