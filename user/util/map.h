/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hash map from bytes (or a 64-bit id) to a pointer, with a hard maximum of entries.
 *
 * Keys are copied, values are borrowed: the owner frees them, with map_next() at the end. The hash
 * is seeded per process (XXH3), since agents choose many of the keys. Embedded: init/deinit.
 */
#pragma once

#include "util/err.h"
#include "util/slice.h"

enum { MAP_E_FULL = 1 };

struct map_entry;

struct map {
	struct map_entry **slots;
	size_t n, n_slots, max;
};

void map_init(struct map *m, size_t max);
void map_deinit(struct map *m);

/* The value, or NULL. */
void *map_get(const struct map *m, struct slice key);
/* Sets a value; *ret_old (may be NULL) gets what was there before, or NULL. 0, MAP_E_FULL, -ENOMEM.
 */
ERR_CHECK int map_put(struct map *m, struct slice key, void *value, void **ret_old);
/* Removes and returns the value, or NULL. */
void *map_take(struct map *m, struct slice key);

/* Walks all entries in no order: start with *pos = 0; false at the end. No changes while walking.
 */
bool map_next(const struct map *m, size_t *pos, struct slice *ret_key, void **ret_value);

/* The same with a 64-bit id as the key. */
static inline struct slice map_id(const uint64_t *id)
{
	return slice_of(id, sizeof(*id));
}

/* 64-bit seeded hash of bytes: never stored, differs from process to process. */
uint64_t hash_bytes(struct slice s);
