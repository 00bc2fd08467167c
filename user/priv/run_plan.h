/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run will be, worked out from the request before anything is made: identity, environment,
 * descriptors. Strings live in the plan's arena. Embedded: init by run_plan_make, deinit.
 */
#pragma once

#include "priv/run.h"
#include "util/arena.h"

enum { RUN_PLAN_E_REFUSED = 1 }; /* plan->why says why */

struct run_plan {
	const struct run_config *config;
	const struct run_request *req;
	struct arena arena;
	uint64_t id;
	uid_t uid;
	gid_t gid;
	bool is_dedicated; /* the uid is nobody else's */
	const char *home, *cwd, *name, *degraded;
	char **argv, **env;     /* NULL-terminated */
	int cgroup_fd;          /* where the child is born */
	int go_fd, go_write_fd; /* one byte: exec now; closed: do not */
	int status_fd;          /* the child's end: struct run_child_failure, if it cannot exec */
	char why[256];
};

/* 0, RUN_PLAN_E_REFUSED, -errno; deinit in any case. */
ERR_CHECK int run_plan_make(struct run_plan *plan, const struct run_config *config,
	const struct run_request *req, uint64_t id);
void run_plan_deinit(struct run_plan *plan);

/* True if a variable of the caller's environment must not reach a run: it names sockets or code of
 * the caller's. */
bool run_plan_is_private_env(struct slice variable);
