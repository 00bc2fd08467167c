/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of a run: <state_dir>/runs/<id>, root's alone, `key=value` lines, written before the run
 * exists and removed after it ended, so that a restarted warden knows what it finds.
 */
#pragma once

#include "priv/run.h"

enum {
	RUN_STATE_E_BROKEN = 1, /* the file is not ours, or cut short */
};

struct run_state {
	uint64_t id, cgroup;
	uid_t uid, owner_uid;
	bool has_home, is_cut;
	char from[RUN_FROM_MAX]; /* attached: where it came from; "" and not written otherwise */
	char name[64], command[512], degraded[256];
	char netns[RUN_NETNS_MAX *
		   21]; /* attached: see run_netns.h; "" and not written otherwise */
};

/* Written whole or not at all. 0, -errno. */
ERR_CHECK int run_state_write(const char *state_dir, const struct run_state *state);
/* 0, also if there was none; -errno. */
ERR_CHECK int run_state_remove(const char *state_dir, uint64_t id);
/* Calls fn for each readable file, until it returns something else than 0, which is then returned.
 * Broken ones are logged and left. No folder yet = no runs. */
ERR_CHECK int run_state_each(
	const char *state_dir, int (*fn)(void *arg, const struct run_state *state), void *arg);
/* The text of one file. 0, RUN_STATE_E_BROKEN. */
ERR_CHECK int run_state_parse(struct slice text, struct run_state *ret);
