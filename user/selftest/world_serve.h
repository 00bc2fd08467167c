/* SPDX-License-Identifier: Apache-2.0 */
/* The servers outside: they write down whatever reaches them, and answer. Private to world.c. */
#pragma once

#include <poll.h>
#include <stdatomic.h>

#include "selftest/probe.h"

enum { WORLD_SOCKETS_MAX = 96, WORLD_PACKET_MAX = 128 };

enum world_kind { WORLD_LISTENER, WORLD_PEER, WORLD_DATAGRAM, WORLD_CAPTURE };

struct world_sockets {
	struct pollfd polls[WORLD_SOCKETS_MAX];
	enum world_kind kinds[WORLD_SOCKETS_MAX];
	unsigned n;
	int near_netns; /* where visits to the run's listeners start from */
};

/* Shared with the world's process. */
struct world_log {
	_Atomic unsigned is_run_phase;                      /* 0: the control */
	_Atomic uint32_t received[GUISE_N][PROBE_ROWS_MAX]; /* marks that arrived */
	/* At the far side, of the control and of the run: all but neighbour discovery and multicast
	 * housekeeping of the kernel's own. */
	_Atomic uint32_t packets[2];
	char first_packet[WORLD_PACKET_MAX]; /* of the run's phase */
};

/* Opens the servers on loopback and the unix sockets; sets the ports. 0, -errno. */
ERR_CHECK int world_serve_near(struct world_sockets *s, struct probe_world *w);
/* Opens the same, and the capture, in this process's network namespace. 0, -errno. */
ERR_CHECK int world_serve_far(struct world_sockets *s, const struct probe_world *w);
_Noreturn void world_serve(
	struct world_sockets *s, const struct probe_world *w, struct world_log *log);
void world_serve_close(struct world_sockets *s);

/* A packet of the far side, from its IP header on: is it one that somebody sent there, or the
 * kernel's own housekeeping? For the capture and its test. */
bool world_is_noise(const uint8_t *packet, size_t n);
