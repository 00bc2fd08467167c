/* SPDX-License-Identifier: Apache-2.0 */
/* The cache of facts: see cache.h. */
#include "sql/cache.h"

#include <stdlib.h>
#include <sys/random.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
	CACHE_ENTRY_MAX = 32 * 1024,  /* key and facts */
	CACHE_BYTES_PER_ENTRY = 2048, /* the whole cache: times the number of entries */
};

struct cache_entry {
	struct cache_entry *next; /* same bucket */
	XXH128_hash_t hash;
	uint64_t lexing;
	enum cache_kind kind;
	bool was_used; /* since the clock's hand passed */
	struct slice key;
	struct facts facts;
	size_t size;
	uint8_t mem[]; /* what key and facts point to */
};

struct sql_cache {
	struct cache_entry **buckets;
	struct cache_entry **ring; /* all entries, in no order */
	size_t n_buckets, n, max, hand;
	size_t bytes;
	uint64_t seed;
	bool skips_lineage;
};

struct sql_cache *sql_cache_new(size_t max_entries)
{
	struct sql_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->max = max_entries ? max_entries : 1;
	for (c->n_buckets = 16; c->n_buckets < c->max; c->n_buckets *= 2)
		;
	c->buckets = calloc(c->n_buckets, sizeof(struct cache_entry *));
	c->ring = calloc(c->max, sizeof(struct cache_entry *));
	/* Agents choose the keys; a seed that they could learn would let them pile up one bucket.
	 */
	if (!c->buckets || !c->ring || getrandom(&c->seed, sizeof(c->seed), 0) != sizeof(c->seed))
		return sql_cache_free(c);
	return c;
}

struct sql_cache *sql_cache_free(struct sql_cache *c)
{
	if (!c)
		return NULL;
	for (size_t i = 0; i < c->n; i++)
		free(c->ring[i]);
	free(c->ring);
	free(c->buckets);
	free(c);
	return NULL;
}

static XXH128_hash_t cache_hash(const struct sql_cache *c, enum cache_kind kind, struct slice key)
{
	return XXH3_128bits_withSeed(key.p, key.n, c->seed + (uint64_t)kind);
}

static struct cache_entry **cache_bucket(const struct sql_cache *c, XXH128_hash_t hash)
{
	return &c->buckets[hash.low64 & (c->n_buckets - 1)];
}

static struct cache_entry *cache_find(const struct sql_cache *c, enum cache_kind kind,
	struct slice key, uint64_t lexing, XXH128_hash_t hash)
{
	struct cache_entry *e = *cache_bucket(c, hash);

	while (e && !(e->hash.low64 == hash.low64 && e->hash.high64 == hash.high64 &&
			    e->kind == kind && e->lexing == lexing && slice_eq(e->key, key)))
		e = e->next;
	return e;
}

const struct facts *sql_cache_get(
	struct sql_cache *c, enum cache_kind kind, struct slice key, uint64_t lexing)
{
	struct cache_entry *e = cache_find(c, kind, key, lexing, cache_hash(c, kind, key));

	if (!e)
		return NULL;
	e->was_used = true;
	return &e->facts;
}

bool sql_cache_wants_lineage(const struct sql_cache *c)
{
	return !c->skips_lineage;
}

void sql_cache_want_lineage(struct sql_cache *c, bool wants)
{
	if (c->skips_lineage == !wants)
		return;
	c->skips_lineage = !wants;
	for (size_t i = 0; i < c->n; i++)
		free(c->ring[i]);
	memset(c->buckets, 0, c->n_buckets * sizeof(struct cache_entry *));
	c->n = c->hand = c->bytes = 0;
}

static void cache_evict(struct sql_cache *c)
{
	struct cache_entry **at, *e;

	for (;; c->hand++) {
		c->hand %= c->n;
		e = c->ring[c->hand];
		if (!e->was_used)
			break;
		e->was_used = false;
	}
	for (at = cache_bucket(c, e->hash); *at != e; at = &(*at)->next)
		;
	*at = e->next;
	/* The youngest comes to its place, and has its turn when the hand has been around: or the
	 * hand would stand still, throw out what just came and keep what nobody asks for. */
	c->ring[c->hand++] = c->ring[--c->n];
	c->bytes -= e->size;
	free(e);
}

/* ---- copying facts into one block ------------------------------------------------------------ */

static size_t cache_round(size_t n)
{
	return (n + 15) & ~(size_t)15;
}

static size_t cache_size(struct slice key, const struct facts *f)
{
	size_t n = sizeof(struct cache_entry) + cache_round(key.n) +
		   cache_round(f->n * sizeof(*f->list)) +
		   cache_round(f->n_names * sizeof(*f->names)) +
		   cache_round(f->n_executes * sizeof(*f->executes));

	/* One block: a cached text is never a list of several. */
	n += f->lineage ? cache_round(f->lineage->size) : 0;
	n += cache_round(f->uses.n);
	for (size_t i = 0; i < f->n; i++)
		n += cache_round(f->list[i].object.n);
	for (size_t i = 0; i < f->n_names; i++)
		n += cache_round(f->names[i].name.n) + cache_round(f->names[i].text.n);
	for (size_t i = 0; i < f->n_executes; i++)
		n += cache_round(f->executes[i].name.n);
	return n;
}

static void *cache_copy(uint8_t **mem, const void *p, size_t n)
{
	void *copy = *mem;

	if (n)
		memcpy(copy, p, n);
	*mem += cache_round(n);
	return copy;
}

static struct slice cache_copy_slice(uint8_t **mem, struct slice s)
{
	return s.n ? slice_of(cache_copy(mem, s.p, s.n), s.n) : SLICE_NULL;
}

static void cache_fill(struct cache_entry *e, struct slice key, const struct facts *f)
{
	uint8_t *mem = e->mem + (cache_round(sizeof(*e)) - sizeof(*e));

	e->facts = *f;
	e->key = cache_copy_slice(&mem, key);
	e->facts.list = cache_copy(&mem, f->list, f->n * sizeof(*f->list));
	e->facts.names = cache_copy(&mem, f->names, f->n_names * sizeof(*f->names));
	e->facts.executes = cache_copy(&mem, f->executes, f->n_executes * sizeof(*f->executes));
	for (size_t i = 0; i < f->n; i++)
		e->facts.list[i].object = cache_copy_slice(&mem, f->list[i].object);
	for (size_t i = 0; i < f->n_names; i++) {
		e->facts.names[i].name = cache_copy_slice(&mem, f->names[i].name);
		e->facts.names[i].text = cache_copy_slice(&mem, f->names[i].text);
	}
	for (size_t i = 0; i < f->n_executes; i++)
		e->facts.executes[i].name = cache_copy_slice(&mem, f->executes[i].name);
	e->facts.uses = cache_copy_slice(&mem, f->uses);
	if (f->lineage)
		e->facts.lineage = cache_copy(&mem, f->lineage, f->lineage->size);
	require(mem <= (uint8_t *)e + e->size);
}

void sql_cache_put(struct sql_cache *c, enum cache_kind kind, struct slice key, uint64_t lexing,
	const struct facts *facts)
{
	XXH128_hash_t hash = cache_hash(c, kind, key);
	size_t size = cache_size(key, facts) + 16;
	struct cache_entry *e, **bucket;

	if (size > CACHE_ENTRY_MAX || cache_find(c, kind, key, lexing, hash))
		return;
	e = malloc(size);
	if (!e)
		return;
	while (c->n && (c->n == c->max || c->bytes + size > c->max * CACHE_BYTES_PER_ENTRY))
		cache_evict(c);
	*e = (struct cache_entry){.hash = hash, .lexing = lexing, .kind = kind, .size = size};
	cache_fill(e, key, facts);
	bucket = cache_bucket(c, hash);
	e->next = *bucket;
	*bucket = e;
	c->ring[c->n++] = e;
	c->bytes += size;
}
