/* SPDX-License-Identifier: Apache-2.0 */
/* Byte queue: see buf.h. */
#include "util/buf.h"

#include <errno.h>
#include <stdlib.h>

/* An idle queue keeps no more than this, so that thousands of quiet sessions stay small. */
enum { BUF_KEEP = 64 * 1024 };

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){.max = max};
}

void buf_deinit(struct buf *b)
{
	free(b->mem);
	*b = (struct buf){.max = b->max};
}

int buf_reserve(struct buf *b, size_t n)
{
	size_t len = buf_len(b), cap = b->cap ? b->cap : 4096;
	uint8_t *mem;

	if (n > b->max - len)
		return BUF_E_FULL;
	if (n <= b->cap - b->tail)
		return 0;
	if (b->mem && len + n <= b->cap) {
		memmove(b->mem, b->mem + b->head, len);
		b->head = 0;
		b->tail = len;
		return 0;
	}
	while (cap < len + n)
		cap *= 2;
	if (cap > b->max)
		cap = b->max;
	mem = malloc(cap);
	if (!mem)
		return err_raise(-ENOMEM);
	if (len)
		memcpy(mem, b->mem + b->head, len);
	free(b->mem);
	*b = (struct buf){.mem = mem, .cap = cap, .max = b->max, .tail = len};
	return 0;
}

int buf_put(struct buf *b, struct slice s)
{
	int r;

	if (!s.n)
		return 0;
	r = buf_reserve(b, s.n);
	if (r == BUF_E_FULL)
		return BUF_E_FULL;
	if (r)
		return err_trace(r);
	memcpy(b->mem + b->tail, s.p, s.n);
	b->tail += s.n;
	return 0;
}

void buf_consume(struct buf *b, size_t n)
{
	require(n <= buf_len(b));
	b->head += n;
	if (b->head != b->tail)
		return;
	b->head = b->tail = 0;
	if (b->cap > BUF_KEEP)
		buf_deinit(b);
}
