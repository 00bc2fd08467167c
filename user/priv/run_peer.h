/* SPDX-License-Identifier: Apache-2.0 */
/* Who is at the other end of run.sock, and whether that may ask for runs. */
#pragma once

#include "priv/run_server.h"

struct run_peer {
	pid_t pid;
	uid_t uid;
	const char *why; /* static; if it was refused */
};

/* Root and the operators' group, never from inside a run and never an agent's uid: *ret_may. */
ERR_CHECK int run_peer_check(
	int fd, const struct run_server_config *config, struct run_peer *ret, bool *ret_may);
/* True if `path` is the cgroup `below` or inside of it. */
bool run_peer_is_below(const char *path, const char *below);
