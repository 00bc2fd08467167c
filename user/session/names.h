/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which names a run has resolved, and to what: rules speak of names, and a connection has only an
 * address. Filled by the resolver, read when a connection is accepted. An address that the run did
 * not get for a name has no name. Also what a run may ask: so many questions, and so many names
 * that it made up itself.
 *
 * One table for all workers, under its own lock. Runs are told apart by their cgroup id.
 */
#pragma once

#include <pthread.h>

#include "util/map.h"

enum {
	NAMES_LEN = 254,        /* of a name, with its NUL */
	NAMES_OF_ADDRESS = 8,   /* the newest ones count */
	NAMES_RUN_MAX = 2048,   /* addresses of one run; the oldest makes room */
	NAMES_MAX = 128 * 1024, /* of all runs */
	NAMES_RUNS_MAX = 64 * 1024,
};

struct names {
	pthread_mutex_t lock;
	struct map addrs; /* cgroup and address → struct named */
	struct map runs;  /* cgroup → struct named_run */
};

/* The names of one address, newest first. */
struct name_list {
	size_t n;
	char v[NAMES_OF_ADDRESS][NAMES_LEN];
};

void names_init(struct names *n);
void names_deinit(struct names *n);

/* The run got this address for this name. 0, -errno (no memory: then it has no name). */
ERR_CHECK int names_put(struct names *n, uint64_t cgroup, const uint8_t addr[static 16],
	const char *name, int64_t until_ns);
/* What the run knows the address as. */
void names_find(struct names *n, uint64_t cgroup, const uint8_t addr[static 16], int64_t now_ns,
	struct name_list *ret);
/* May the run ask one more question? `is_made_up`: a pattern allows the name, so that the agent
 * chose it, and could say something with it. */
bool names_may_ask(
	struct names *n, uint64_t cgroup, const char *name, bool is_made_up, int64_t now_ns);
/* The run is over. */
void names_forget(struct names *n, uint64_t cgroup);
