/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A byte queue with a hard maximum: bytes are appended at the tail and taken from the head.
 * The memory is one block, so the content is always one slice. Embedded: init/deinit.
 */
#pragma once

#include "util/err.h"
#include "util/slice.h"

enum { BUF_E_FULL = 1 }; /* the hard maximum is reached */

struct buf {
	uint8_t *mem;
	size_t cap;        /* bytes allocated */
	size_t max;        /* bytes this may ever hold */
	size_t head, tail; /* content is mem[head..tail) */
};

void buf_init(struct buf *b, size_t max);
void buf_deinit(struct buf *b);

/* Makes room for n more bytes behind the tail. 0, BUF_E_FULL, -ENOMEM. */
ERR_CHECK int buf_reserve(struct buf *b, size_t n);
/* Appends a copy. 0, BUF_E_FULL, -ENOMEM; nothing is appended unless all of it is. */
ERR_CHECK int buf_put(struct buf *b, struct slice s);
/* Takes n bytes off the head; gives the memory back once a large queue ran empty. */
void buf_consume(struct buf *b, size_t n);

static inline struct slice buf_slice(const struct buf *b)
{
	/* NULL + 0 is undefined in C. */
	return slice_of(b->mem ? b->mem + b->head : NULL, b->tail - b->head);
}

static inline size_t buf_len(const struct buf *b)
{
	return b->tail - b->head;
}

/* Where to read into after buf_reserve(), and how much fits there. */
static inline uint8_t *buf_space(struct buf *b, size_t *ret_n)
{
	*ret_n = b->cap - b->tail;
	return b->mem + b->tail;
}

/* Says that n bytes were written into buf_space(). */
static inline void buf_commit(struct buf *b, size_t n)
{
	require(n <= b->cap - b->tail);
	b->tail += n;
}
