/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that run already, by the names that people have for them: a pid and its descendants, a
 * control group, a systemd unit, a container. Units and containers are looked up in the tree of
 * control groups, where systemd and the container engines name theirs; nobody is asked.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/err.h"

enum {
	PLACE_E_NONE = 1,      /* there is no such thing */
	PLACE_E_AMBIGUOUS = 2, /* more than one */
};

enum place_kind { PLACE_PID, PLACE_CGROUP, PLACE_UNIT, PLACE_CONTAINER };

/* What a set of processes is like: what an attached run cannot promise depends on it. */
struct place_census {
	unsigned n;
	uid_t uid;              /* of one that is not root, if there is one; else 0 */
	unsigned n_powerful;    /* with capabilities: they can leave any control group */
	unsigned n_other_netns; /* not in our network namespace */
	bool is_loose;          /* run_attach.c: see place_move_tree() */
};

/* Network namespaces other than ours that processes of a group are in. */
enum { PLACE_NETS_MAX = 8 };
struct place_nets {
	unsigned n, n_more; /* n_more: processes in still others */
	struct {
		int fd;
		uint64_t inode;
	} v[PLACE_NETS_MAX];
};

/*
 * The control group of a unit ("web.service"; ".service" may be left away), a container (its id or
 * at least 12 digits of it), or a path (absolute, or as in /proc/PID/cgroup), as an absolute path
 * below root. PLACE_PID: the group that the process is in. 0, PLACE_E_*, -errno.
 */
ERR_CHECK int place_find(
	const char *root, enum place_kind kind, const char *text, char *path, size_t max);
/* All that are called so (PLACE_UNIT, PLACE_CONTAINER; of other kinds there is one): users may name
 * groups too, below their own. Those of the system first. To be freed by place_paths_free(), also
 * after a failure. 0 (n may be 0), -errno. */
struct place_paths {
	char **v;
	size_t n;
};
ERR_CHECK int place_find_all(
	const char *root, enum place_kind kind, const char *text, struct place_paths *ret);
void place_paths_free(struct place_paths *paths);
/* Does this name of a folder stand for that unit or container? For place_find() and its test. */
bool place_is_unit(const char *folder, const char *unit);
bool place_is_container(const char *folder, const char *id);

/* Moves every process of the group at `path` and below it into the one at `to`, frozen meanwhile
 * so that none is born behind our back. 0, -errno; ret_n: how many. */
ERR_CHECK int place_move_group(const char *path, const char *to, unsigned *ret_n);
/* The same for a process and all its descendants, as they are at one moment: the groups below
 * `root` that they are in stand still meanwhile, others in them too. ret_is_loose: that could not
 * be had, and one that detached itself from the tree in that time may be outside. */
ERR_CHECK int place_move_tree(
	const char *root, pid_t pid, const char *to, unsigned *ret_n, bool *ret_is_loose);
/* Is `descendant` the process `pid` or one of its descendants? */
bool place_is_below(pid_t descendant, pid_t pid);
/* Calls fn for each process of the group and of those below it; stops at what fn returns but 0. */
ERR_CHECK int place_each_process(const char *path, int (*fn)(void *arg, pid_t pid), void *arg);
/* Looks at those of a group. */
ERR_CHECK int place_count(const char *path, struct place_census *ret);
/* Opens the namespaces they are in; close with place_nets_close(), also after a failure. */
ERR_CHECK int place_nets(const char *path, struct place_nets *ret);
void place_nets_close(struct place_nets *nets);
