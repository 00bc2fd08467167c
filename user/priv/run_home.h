/* SPDX-License-Identifier: Apache-2.0 */
/* Private homes of runs with a dedicated uid: <homes_dir>/<id>, 0700, gone with the run. */
#pragma once

#include "priv/run.h"

/* The folder is root's and not writable for anyone else, so that no run can move its home away. */
ERR_CHECK int run_home_make(const struct run_config *config, uint64_t id, uid_t uid);
/* Takes it from the run at once; its content is removed by a process of its own, since an agent
 * decides how much that is. */
void run_home_remove(const struct run_config *config, uint64_t id);
/* Removes homes, and what earlier removals left, for which is_live says false. */
void run_home_sweep(
	const struct run_config *config, bool (*is_live)(void *arg, uint64_t id), void *arg);
