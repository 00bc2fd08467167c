/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mount namespace for a run, entered by its child while it is root: control groups become
 * read-only, BPF file systems and our own folders are covered, and without a hook for unix sockets
 * the usual folders of sockets too. Root inside a user namespace cannot take the covers off.
 */
#pragma once

#include "priv/run.h"

/* In the child, before it drops its powers. 0, -errno: the run must not start. */
ERR_CHECK int run_hide(const struct run_config *config);

/* One line of /proc/self/mountinfo, for run_hide and its tests: file system type, and the mount
 * point with its escapes undone. False if it is no such line. */
bool run_hide_parse(char *line, char **ret_point, char **ret_type);
