/* SPDX-License-Identifier: Apache-2.0 */
/* Bump allocator: see arena.h. */
#include "util/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { ARENA_BLOCK = 8 * 1024, ARENA_ALIGN = 16 };

struct arena_block {
	struct arena_block *next;
	size_t n, cap;
	_Alignas(ARENA_ALIGN) uint8_t mem[];
};

void arena_init(struct arena *a, size_t max)
{
	*a = (struct arena){.max = max};
}

static void arena_free_until(struct arena *a, const struct arena_block *keep)
{
	while (a->blocks && a->blocks != keep) {
		struct arena_block *b = a->blocks;

		a->blocks = b->next;
		free(b);
	}
}

void arena_deinit(struct arena *a)
{
	arena_free_until(a, NULL);
	a->used = 0;
}

void arena_reset(struct arena *a)
{
	struct arena_block *first = a->blocks;

	while (first && first->next)
		first = first->next;
	/* A first block that was made for one huge request is not worth keeping. */
	if (first && first->cap > ARENA_BLOCK)
		first = NULL;
	arena_free_until(a, first);
	if (a->blocks)
		a->blocks->n = 0;
	a->used = 0;
}

static struct arena_block *arena_grow(struct arena *a, size_t n)
{
	size_t cap = n > ARENA_BLOCK ? n : ARENA_BLOCK;
	struct arena_block *b = malloc(sizeof(*b) + cap);

	if (!b)
		return NULL;
	b->next = a->blocks;
	b->n = 0;
	b->cap = cap;
	a->blocks = b;
	return b;
}

void *arena_alloc(struct arena *a, size_t n)
{
	struct arena_block *b = a->blocks;
	void *p;

	if (n > a->max)
		return NULL;
	n = (n + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	if (n > a->max - a->used)
		return NULL;
	if (!b || n > b->cap - b->n)
		b = arena_grow(a, n);
	if (!b)
		return NULL;
	p = b->mem + b->n;
	b->n += n;
	a->used += n;
	return memset(p, 0, n);
}

void *arena_array(struct arena *a, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		return NULL;
	return arena_alloc(a, bytes);
}

struct slice arena_dup(struct arena *a, struct slice s)
{
	uint8_t *p = s.n ? arena_alloc(a, s.n) : NULL;

	if (!p)
		return SLICE_NULL;
	memcpy(p, s.p, s.n);
	return slice_of(p, s.n);
}

char *arena_cstr(struct arena *a, struct slice s)
{
	char *p = arena_alloc(a, s.n + 1);

	if (p && s.n)
		memcpy(p, s.p, s.n);
	return p;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return NULL;
	p = arena_alloc(a, (size_t)n + 1);
	if (!p)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return p;
}
