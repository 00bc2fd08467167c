/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a socket in another process's hands useless, for good. To destroy the connection is not
 * enough: the descriptor stays, and an agent would connect it again, past every hook. So the socket
 * itself is taken (pidfd_getfd) and spoiled in ways that its holder cannot undo without
 * capabilities: a filter that drops all it receives, locked; a device that leads nowhere; shut down
 * both ways; reset, if it was connected.
 */
#pragma once

#include <stddef.h>

#include "kern/sweep.h"

enum {
	CUT_E_GONE = 1,   /* it is not there any more */
	CUT_E_CANNOT = 2, /* a kind that cannot be spoiled, or somebody forestalled it */
};

/* target: gets where it led, "-" if nowhere. To cut twice does no harm. 0, CUT_E_*, -errno. */
ERR_CHECK int cut_socket(const struct sweep_socket *found, char *target, size_t max);
/* Where it leads, without touching it: "-" if nowhere, or if it is gone. */
void cut_target(const struct sweep_socket *found, char *target, size_t max);
/* Does this process hold the socket, too? */
bool cut_is_ours(const struct sweep_socket *found);
/* "tcp", "udp", "unix", … */
const char *cut_kind(const struct sweep_socket *found);
