/* SPDX-License-Identifier: Apache-2.0 */
/* Chained hash map: see map.h. */
#include "util/map.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

struct map_entry {
	struct map_entry *next;
	uint64_t hash;
	void *value;
	size_t key_len;
	uint8_t key[];
};

static uint64_t map_seed;
static pthread_once_t map_seed_once = PTHREAD_ONCE_INIT;

static void map_make_seed(void)
{
	if (getrandom(&map_seed, sizeof(map_seed), 0) != sizeof(map_seed))
		map_seed = (uint64_t)(uintptr_t)&map_seed;
}

uint64_t hash_bytes(struct slice s)
{
	pthread_once(&map_seed_once, map_make_seed);
	return XXH3_64bits_withSeed(s.p, s.n, map_seed);
}

void map_init(struct map *m, size_t max)
{
	*m = (struct map){.max = max};
}

void map_deinit(struct map *m)
{
	for (size_t i = 0; i < m->n_slots; i++) {
		while (m->slots[i]) {
			struct map_entry *e = m->slots[i];

			m->slots[i] = e->next;
			free(e);
		}
	}
	free(m->slots);
	*m = (struct map){.max = m->max};
}

/* Where the pointer to the entry is, or would be appended. NULL while nothing was ever put. */
static struct map_entry **map_find(const struct map *m, struct slice key, uint64_t hash)
{
	struct map_entry **at;

	if (!m->n_slots)
		return NULL;
	for (at = &m->slots[hash & (m->n_slots - 1)]; *at; at = &(*at)->next)
		if ((*at)->hash == hash && slice_eq(slice_of((*at)->key, (*at)->key_len), key))
			break;
	return at;
}

void *map_get(const struct map *m, struct slice key)
{
	struct map_entry **at = map_find(m, key, hash_bytes(key));

	return at && *at ? (*at)->value : NULL;
}

static int map_grow(struct map *m)
{
	size_t n_slots = m->n_slots ? m->n_slots * 2 : 16;
	struct map_entry **slots = calloc(n_slots, sizeof(*slots));

	if (!slots)
		return err_raise(-ENOMEM);
	for (size_t i = 0; i < m->n_slots; i++) {
		while (m->slots[i]) {
			struct map_entry *e = m->slots[i];

			m->slots[i] = e->next;
			e->next = slots[e->hash & (n_slots - 1)];
			slots[e->hash & (n_slots - 1)] = e;
		}
	}
	free(m->slots);
	m->slots = slots;
	m->n_slots = n_slots;
	return 0;
}

int map_put(struct map *m, struct slice key, void *value, void **ret_old)
{
	uint64_t hash = hash_bytes(key);
	struct map_entry **at = map_find(m, key, hash), *e;
	int r;

	if (ret_old)
		*ret_old = at && *at ? (*at)->value : NULL;
	if (at && *at) {
		(*at)->value = value;
		return 0;
	}
	if (m->n >= m->max)
		return MAP_E_FULL;
	if (m->n >= m->n_slots) {
		r = map_grow(m);
		if (r)
			return err_trace(r);
	}
	e = malloc(sizeof(*e) + key.n);
	if (!e)
		return err_raise(-ENOMEM);
	*e = (struct map_entry){.hash = hash, .value = value, .key_len = key.n};
	if (key.n)
		memcpy(e->key, key.p, key.n);
	e->next = m->slots[hash & (m->n_slots - 1)];
	m->slots[hash & (m->n_slots - 1)] = e;
	m->n++;
	return 0;
}

void *map_take(struct map *m, struct slice key)
{
	struct map_entry **at = map_find(m, key, hash_bytes(key)), *e;
	void *value;

	if (!at || !*at)
		return NULL;
	e = *at;
	*at = e->next;
	value = e->value;
	free(e);
	m->n--;
	return value;
}

bool map_next(const struct map *m, size_t *pos, struct slice *ret_key, void **ret_value)
{
	size_t slot = *pos >> 32, skip = *pos & UINT32_MAX;

	for (; slot < m->n_slots; slot++, skip = 0) {
		const struct map_entry *e = m->slots[slot];

		for (size_t i = 0; e && i < skip; i++)
			e = e->next;
		if (!e)
			continue;
		if (ret_key)
			*ret_key = slice_of(e->key, e->key_len);
		*ret_value = e->value;
		*pos = slot << 32 | (skip + 1);
		return true;
	}
	return false;
}
