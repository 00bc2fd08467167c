/* SPDX-License-Identifier: Apache-2.0 */
/* Who is at the other end of run.sock, and whether that may ask for runs. */
#pragma once

#include "net/sock.h"
#include "priv/run_server.h"

struct run_peer {
	pid_t pid;
	uid_t uid;
	const char *why; /* static; if it was refused */
};

/* Root and the operators' group, never from inside a run and never an agent's uid: *ret_may. */
ERR_CHECK int run_peer_check(
	int fd, const struct run_server_config *config, struct run_peer *ret, bool *ret_may);
/* Who sent a packet on that peer's connection: the same user, and in no run either. *ret_why: NULL,
 * or why not. */
ERR_CHECK int run_peer_check_sender(const struct run_server_config *config,
	const struct run_peer *peer, const struct sock_sender *sender, const char **ret_why);
/* True if `path` is the cgroup `below` or inside of it. */
bool run_peer_is_below(const char *path, const char *below);
