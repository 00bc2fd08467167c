/* SPDX-License-Identifier: Apache-2.0 */
/* As whom a run runs: a dedicated uid that nobody else has, or an account that was asked for. */
#pragma once

#include "priv/run.h"

enum { RUN_WHO_E_REFUSED = 1 }; /* who->why says why */

struct run_who {
	uid_t uid;
	gid_t gid;
	bool is_dedicated;
	char home[512];     /* of the account; empty for a dedicated uid */
	char degraded[128]; /* what the choice gives away; "" = nothing */
	char why[200];
};

/*
 * An account other than root is taken if root, or the account's own owner, asks for it. One that
 * others live in (processes, or a login) is an open door: a process of the same uid outside can be
 * written to. It needs allow_degraded, in the config and in the request.
 * 0, RUN_WHO_E_REFUSED, -errno.
 */
ERR_CHECK int run_who_choose(struct run_who *who, const struct run_config *config,
	const struct run_request *req, uint64_t id);
