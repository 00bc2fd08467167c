/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes through the classifier, the cache and the redaction. Facts are never missing, a cached
 * answer equals a fresh one, and what is redacted once has nothing left to redact.
 *
 * fuzz-links: user/util/[a-z]*.c user/fact/[a-z]*.c user/sql/[a-z]*.c
 */
#include <stdlib.h>

#include "sql/sql.h"

enum { FUZZ_MEMORY = 8 << 20 };

static void fuzz_require(bool x)
{
	if (!x)
		abort();
}

static bool fuzz_same(const struct facts *a, const struct facts *b)
{
	if (a->n != b->n || a->flags != b->flags || a->n_names != b->n_names ||
		a->n_executes != b->n_executes)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (a->list[i].effect != b->list[i].effect ||
			a->list[i].bounded != b->list[i].bounded ||
			!slice_eq(a->list[i].object, b->list[i].object))
			return false;
	return true;
}

static void fuzz_classify(struct slice text, struct arena *arena)
{
	static struct sql_cache *cache;
	struct facts plain, cached;
	int r;

	if (!cache)
		cache = sql_cache_new(128);
	r = sql_classify(NULL, text, 0, arena, &plain);
	fuzz_require(r == 0 || r == SQL_E_DEEP);
	if (r)
		return;
	fuzz_require(plain.n > 0);
	for (int round = 0; round < 2; round++) {
		fuzz_require(sql_classify(cache, text, 0, arena, &cached) == 0);
		fuzz_require(fuzz_same(&plain, &cached));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_of(data, size), shown;
	struct arena arena;

	arena_init(&arena, FUZZ_MEMORY);
	fuzz_classify(text, &arena);
	shown = sql_redact(text, &arena);
	fuzz_require(shown.n <= size * 3 + 8);
	arena_deinit(&arena);
	return 0;
}
