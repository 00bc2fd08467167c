/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose unix connection an accepted socket is. There is no tuple and no hook at the accepting side;
 * but the kernel says (sock_diag) which socket is at the other end, and the hook that redirected
 * that one kept what it asked for by its cookie, which nobody can choose.
 */
#pragma once

#include <stdint.h>

#include "bpf/abi.h"
#include "util/err.h"

/* A socket to ask through; works without privileges. An fd, or -errno. */
int unix_peer_open(void);
/* origins_fd: kern_unix_origins_fd(). 0, ORIGIN_E_NONE (kern/origin.h: not of ours, or gone by
 * now), -errno. */
ERR_CHECK int unix_peer_origin(
	int diag_fd, int origins_fd, int accepted_fd, struct unix_origin *ret);
/* What the socket of that cookie asked for. 0, ORIGIN_E_NONE, -errno. */
ERR_CHECK int unix_peer_asked(int origins_fd, uint64_t cookie, struct unix_origin *ret);
