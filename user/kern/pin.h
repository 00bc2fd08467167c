/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pins: what keeps the hooks attached when every process of ours is dead. Private to kern/.
 *
 *   <bpffs>/abiN/map_NAME, <bpffs>/abiN/link_NAME
 *
 * The folder carries HOLDFAST_ABI, so that a daemon with other map layouts never reads these.
 */
#pragma once

#include <stdint.h>

#include "kern/layers.h"

/* A bpffs at this folder: made and mounted unless it already lies on one. 0, KERN_E_MISSING. */
ERR_CHECK int pin_mount(const char *bpffs, const char **ret_what);
/* Folder of this ABI's pins into dir; makes it. */
ERR_CHECK int pin_make_dir(const char *bpffs, char *dir, size_t max);
/* Whose pins are ours: the groups that hooks are attached to. */
struct pin_owner {
	int cgroup2_fd; /* any folder on cgroup2 */
	uint64_t runs, daemon;
	bool has_unix; /* told by pin_check_foreign(): they had the hooks of unix sockets attached
			*/
};

/* Are there pins of another ABI, with a hook that is attached to somebody else's group? 0 no,
 * KERN_E_FOREIGN yes. Those of an earlier version of us stay, for pin_remove_others(); dead ones
 * are removed. */
ERR_CHECK int pin_check_foreign(const char *bpffs, struct pin_owner *owner);
/* Takes off what another version of us attached. Call when all of this version is: two sets refuse
 * whatever one of them refuses, so there is no moment without one. */
ERR_CHECK int pin_remove_others(const char *bpffs);

enum pin_state {
	PIN_NONE,    /* no such pin */
	PIN_OURS,    /* attached to this cgroup by this hook */
	PIN_DEAD,    /* its cgroup was removed */
	PIN_FOREIGN, /* attached elsewhere, or not a cgroup link */
};

struct pin_link {
	enum pin_state state;
	uint32_t link_id, prog_id;
	int fd; /* -1 for PIN_NONE; the caller closes it */
};

/* cgroup2_fd: any folder on cgroup2, to see whether a group still exists; -1: take it so. */
ERR_CHECK int pin_open_link(
	const char *dir, enum layer layer, uint64_t cgroup, int cgroup2_fd, struct pin_link *ret);
ERR_CHECK int pin_link_fd(const char *dir, enum layer layer, int link_fd);
/* Only the name, should there be one; what it stood for goes on. */
ERR_CHECK int pin_forget_link(const char *dir, enum layer layer);
ERR_CHECK int pin_remove_link(const char *dir, enum layer layer);
/* A pinned map, opened for reading only. -errno. */
int pin_open_map_readonly(const char *dir, const char *name);
