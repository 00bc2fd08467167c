/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs of what runs already: processes are moved into a control group of ours, where the hooks are.
 * What that cannot promise, compared with a run that was born here, is in RUN_ATTACH_DEGRADED and
 * stored with each.
 */
#pragma once

#include "kern/place.h"
#include "priv/run.h"

enum { RUN_ATTACH_E_REFUSED = 1 }; /* *ret_why says why */

#define RUN_ATTACH_DEGRADED                                                                        \
	"attached: own uid, files, namespaces and system calls as before; sockets made before "    \
	"the attachment are not judged"

struct run_attach_request {
	struct slice name; /* empty: the text */
	enum place_kind kind;
	char text[RUN_FROM_MAX]; /* "812", "/system.slice/x", "web.service", "4f1c…" */
	bool is_cut;             /* sockets made before are cut, now and whenever found */
	uid_t owner_uid;
};

/*
 * Makes the run's group, has it recorded and announced (as run_start), then moves the processes in.
 * An existing run of the same thing is not looked for. 0, RUN_ATTACH_E_REFUSED, -errno.
 */
ERR_CHECK int run_attach(const struct run_config *config, const struct run_attach_request *req,
	uint64_t id, int (*on_placed)(void *arg, const struct run *run), void *arg,
	struct run **ret, struct place_census *ret_census, const char **ret_why);
/* The run's control group, as a path. 0, -errno. */
ERR_CHECK int run_attach_path(
	const struct run_config *config, const struct run *run, char *path, size_t max);
/* Moves in what has appeared since where the run's processes came from (a unit that was started
 * again); *ret_n: how many. */
ERR_CHECK int run_attach_gather(
	const struct run_config *config, const struct run *run, unsigned *ret_n);
/* Moves everything back; the run is empty then, and ends. 0, RUN_ATTACH_E_REFUSED, -errno. */
ERR_CHECK int run_release(
	const struct run_config *config, const struct run *run, const char **ret_why);
