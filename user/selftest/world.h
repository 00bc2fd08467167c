/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies outside of the run that tries to get out: servers on loopback, unix sockets, and a
 * network namespace of its own behind a veth whose every packet is looked at. All of it lives in
 * one process of root's, and goes with it.
 */
#pragma once

#include "selftest/probe.h"
#include "selftest/world_serve.h"

struct world {
	struct probe_world probe;
	struct world_log *log;
	struct world_sockets sockets;
	pid_t pid;
	char no_far_why[96]; /* why there is no far side */
};

/* Starts it. Needs root. 0, -errno; stop it in any case. */
ERR_CHECK int world_start(struct world *w);
void world_stop(struct world *w);

/* As one word, for the run; and back. */
ERR_CHECK int world_print(const struct probe_world *w, char *buf, size_t max);
ERR_CHECK int world_scan(const char *text, struct probe_world *ret);
