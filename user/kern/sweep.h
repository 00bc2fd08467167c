/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sweep: sockets in the hands of runs that were born outside of them, which no hook sees. Found
 * by an iterator over every open file of the host; what to do about them is not decided here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/err.h"

struct sweep;

/* One socket that does not belong where it is. */
struct sweep_socket {
	uint64_t run, born; /* control group ids; born 0: of a group that is gone */
	uint64_t inode;
	pid_t pid;
	int fd; /* of that process */
	uint16_t family, type, protocol, state;
};

enum { SWEEP_E_MISSING = 1 }; /* this kernel loads no such iterator */

/* Needs CAP_BPF and CAP_PERFMON. 0, SWEEP_E_MISSING, -errno. */
ERR_CHECK int sweep_open(struct sweep **ret);
struct sweep *sweep_close(struct sweep *s);
/* Which control groups are runs, until the next call. 0, -errno. */
ERR_CHECK int sweep_add_run(struct sweep *s, uint64_t cgroup);
ERR_CHECK int sweep_remove_run(struct sweep *s, uint64_t cgroup);
/* Looks at every open file once; calls fn for what it finds. 0, -errno. */
ERR_CHECK int sweep_look(
	struct sweep *s, void (*fn)(void *arg, const struct sweep_socket *found), void *arg);

/* For doctor: 0 present, > 0 missing, < 0 could not be told. */
int sweep_probe(char *buf, size_t max);
