/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stdin, stdout and stderr of a run: a pty of its own when we are on a terminal, pipes otherwise,
 * and the relaying of bytes between them and ours. Never our own descriptors: those could be
 * sockets or terminals of this session. Embedded: init/deinit.
 */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#include "util/err.h"

enum { STREAMS_CHUNK = 16 * 1024, STREAMS_POLLS = 6 };

/* One direction. */
struct stream {
	int in, out; /* -1: closed */
	bool owns_in, owns_out;
	size_t at, n; /* bytes waiting in mem */
	char mem[STREAMS_CHUNK];
};

struct streams {
	bool is_tty;   /* one pty for stdin, stdout, and stderr if that is a terminal too */
	int master;    /* of the pty, or -1 */
	int theirs[3]; /* what the run gets; closed by streams_hand_over() */
	struct stream streams[3];
};

/* Makes the pty or the pipes. 0, -errno. */
ERR_CHECK int streams_init(struct streams *s);
void streams_deinit(struct streams *s);
/* After the run has them. */
void streams_hand_over(struct streams *s);
/* The pty gets the size that our terminal has. */
void streams_resize(struct streams *s);

/* Fills `to`, room for STREAMS_POLLS; then, after poll(2), moves what can be moved without waiting.
 * Returns how many / whether anything moved. */
size_t streams_prepare(struct streams *s, struct pollfd *to);
bool streams_move(struct streams *s, const struct pollfd *polled);
/* No more output can come. */
bool streams_is_drained(const struct streams *s);
