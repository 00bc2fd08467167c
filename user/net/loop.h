/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One epoll loop, one thread. Sources are embedded in their owners; a source that is removed while
 * its batch of events is being handled gets no further call, and its owner may be freed in the
 * `after` hook, which runs when the batch is done.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"

struct loop_source;
typedef void (*loop_fn)(struct loop_source *src, uint32_t events);

struct loop_source {
	int fd;
	uint32_t events; /* EPOLLIN … as registered; 0 with a live fd = only errors and hang-up */
	bool is_added;
	loop_fn fn;
	void *owner; /* for fn; embedded sources may use their container instead */
};

struct loop {
	int epfd;
	bool is_stopping;
	void *owner;
	void (*after)(struct loop *l); /* after each batch of events; may be NULL */
	/* once a second; may be NULL; set before the run */
	void (*tick)(struct loop *l, int64_t now_ns);
	struct loop_source timer;
	struct loop_source *current[64]; /* the batch being handled; removed ones become NULL */
	int n_current;
};

/* owner: for the hooks, borrowed. 0, -errno. */
ERR_CHECK int loop_init(struct loop *l, void *owner);
void loop_deinit(struct loop *l);
/* Runs until loop_stop(). 0, -errno. */
ERR_CHECK int loop_run(struct loop *l);
void loop_stop(struct loop *l);

/* Registers, or changes the events of, a source. A change to the same events costs nothing. */
ERR_CHECK int loop_watch(struct loop *l, struct loop_source *src, uint32_t events);
/* Removes it, also from the batch at hand. The descriptor stays open and the caller's. */
void loop_forget(struct loop *l, struct loop_source *src);
