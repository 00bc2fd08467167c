/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control groups that stand still for a moment, so that what is in them can be looked at and moved
 * without anybody being born or leaving meanwhile. They may be other people's: should we die in
 * that moment, a child of ours that waits for it lets them go on.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "util/err.h"

enum { STILL_MAX = 16, STILL_PATH_MAX = 4096 };

struct still_group {
	char path[STILL_PATH_MAX];
	int dir_fd, guard_fd; /* closing guard_fd without a word tells the guard that we died */
	pid_t guard;
};

struct still {
	unsigned n;
	bool is_loose; /* a group could not be frozen, or some of it would not stand still */
	struct still_group v[STILL_MAX];
};

/* Freezes the group and those below it, unless it is frozen (by somebody, or as part of one that is
 * in s): then it is left so. What cannot be frozen, the root or our own, is told by is_loose. */
void still_add(struct still *s, const char *path);
/* Until all of them stand still, for half a second at most: who waits for a disk does not. */
void still_wait(struct still *s);
/* Lets those go on that we froze. */
void still_end(struct still *s);
