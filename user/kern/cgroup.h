/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control groups v2, wherever they are mounted (unified, or hybrid under …/unified).
 *
 *   root      the mount
 *   base      our folder: under systemd the delegated unit's own cgroup, else <root>/holdfast
 *   daemon    base/daemon: holdfastd itself; its sock_ops hook attaches here
 *   runs      base/runs: the agents' hooks attach here
 *   run       base/runs/<id>: one run
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/err.h"

enum { CGROUP_E_NONE = 1 }; /* no cgroup2 mount, or no such group */

/* Mount point of cgroup2 into path. 0, CGROUP_E_NONE. */
ERR_CHECK int cgroup_find_root(char *path, size_t max);
/* Where our base should be: `wanted` if not NULL (relative to the root), else as above. */
ERR_CHECK int cgroup_find_base(const char *root, const char *wanted, char *path, size_t max);
/* mkdir -p of the last component(s), owned by root; returns an O_DIRECTORY descriptor or < 0. */
int cgroup_make(const char *path);
/* Kernel id (inode) of a cgroup directory. */
ERR_CHECK int cgroup_id(int dir_fd, uint64_t *ret);
/* Level below the root, as bpf_get_current_ancestor_cgroup_id() counts (root = 0). */
ERR_CHECK int cgroup_level(const char *root, const char *path, unsigned *ret);
ERR_CHECK int cgroup_move(const char *path, pid_t pid);
/* The v2 group of a process, as an absolute path below root. 0, CGROUP_E_NONE (gone), -errno. */
ERR_CHECK int cgroup_of_pid(const char *root, pid_t pid, char *path, size_t max);
/* An fd that polls POLLPRI when populated changes: cgroup.events. < 0: -errno. */
int cgroup_open_events(int dir_fd);
/* Stops everything inside, or lets it go on (cgroup.freeze). It takes effect soon, not at once. */
ERR_CHECK int cgroup_freeze(int dir_fd, bool is_frozen);
/* Kills everything inside, frozen or not (cgroup.kill, 5.14+). */
ERR_CHECK int cgroup_kill(int dir_fd);
ERR_CHECK int cgroup_remove(const char *path);

/* ---- parsing, apart from the files so that it can be tested ---------------------------------- */

/* The mount point in a line of mountinfo. 0, CGROUP_E_NONE: not cgroup2, or not its root. */
ERR_CHECK int cgroup_parse_mount(const char *line, char *path, size_t max);
/* The v2 path in a line of /proc/PID/cgroup. 0, CGROUP_E_NONE: another hierarchy, or no usable
 * path. */
ERR_CHECK int cgroup_parse_proc(const char *line, char *path, size_t max);
/* Cuts the path behind its innermost *.service component. 0, CGROUP_E_NONE: there is none. */
ERR_CHECK int cgroup_parse_unit(char *path);
