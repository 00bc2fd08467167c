/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bump allocator with a hard maximum, freed whole. A decoder and a classifier allocate from the
 * arena of the request they work on and never free; arena_reset() drops it all and keeps the first
 * block for the next request, so that the common request costs no malloc.
 *
 * Embedded: init/deinit. Memory is zeroed. NULL means the maximum is reached or the system is out
 * of memory: callers treat both as "too big to see whole" (P4).
 */
#pragma once

#include "util/slice.h"

struct arena_block;

struct arena {
	struct arena_block *blocks; /* newest first; the oldest is kept by reset */
	size_t used;                /* bytes handed out, rounding included */
	size_t max;
};

void arena_init(struct arena *a, size_t max);
void arena_deinit(struct arena *a);
void arena_reset(struct arena *a);

void *arena_alloc(struct arena *a, size_t n);
/* n elements of size bytes; a product that overflows is NULL. */
void *arena_array(struct arena *a, size_t n, size_t size);
/* A copy that lives as long as the arena; {NULL, 0} when there is no room (or s is empty). */
struct slice arena_dup(struct arena *a, struct slice s);
/* A NUL-terminated copy, or NULL. */
char *arena_cstr(struct arena *a, struct slice s);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
