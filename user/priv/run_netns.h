/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network namespaces of attached runs. What the processes are in when they are attached, or
 * taken in later, is served; what a run makes for itself afterwards is not. Remembered in the run's
 * file, so that the next daemon serves the same.
 */
#pragma once

#include "priv/run.h"

/* `group`: the processes that were, or are about to be, moved into the run. is_again: an adopted
 * run's, of which only what it had before is served. What was refused is in run->n_netns_refused.
 */
void run_netns_gather(const struct run_config *config, struct run *run, const char *group,
	bool is_again, int (*serve)(void *arg, const struct run *run, int ns_fd, uint64_t cookie),
	void *arg);
/* As in the file: numbers with commas. False: it makes no sense. */
bool run_netns_parse(struct run *run, const char *text);
void run_netns_print(const struct run *run, char *text, size_t max);
