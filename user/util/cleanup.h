/* SPDX-License-Identifier: Apache-2.0 */
/* Scope-bound cleanup. `_cleanup_(freep) char *s = …;` frees on every way out; TAKE(s) hands over.
 */
#pragma once

#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))

/* The value, leaving NULL behind. */
#define TAKE(p)                                                                                    \
	({                                                                                         \
		__typeof__(p) take_ = (p);                                                         \
		(p) = NULL;                                                                        \
		take_;                                                                             \
	})

/* The descriptor, leaving -1 behind. */
#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int take_ = (fd);                                                                  \
		(fd) = -1;                                                                         \
		take_;                                                                             \
	})

static inline void freep(void *p)
{
	free(*(void **)p);
}

static inline void fd_closep(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* Closes and returns -1: `s->fd = fd_close(s->fd);` */
static inline int fd_close(int fd)
{
	if (fd >= 0)
		close(fd);
	return -1;
}
