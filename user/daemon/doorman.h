/* SPDX-License-Identifier: Apache-2.0 */
/* The enforcer's end of a door (session/door.h): one a worker, in that worker's loop. */
#pragma once

#include "net/loop.h"
#include "session/worker.h"

struct doorman {
	struct loop_source src;
	struct worker *worker;
};

/* fd: borrowed. Before the worker's thread starts. 0, -errno. */
ERR_CHECK int doorman_start(struct doorman *d, struct worker *w, int fd);
