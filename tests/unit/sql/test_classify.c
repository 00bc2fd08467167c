/* SPDX-License-Identifier: Apache-2.0 */
/* Text → facts, statement by statement. */
#include "corpus.h"

#include <criterion/criterion.h>

static struct arena arena;

static void setup(void)
{
	arena_init(&arena, 64 << 20);
}

static void teardown(void)
{
	arena_deinit(&arena);
}

TestSuite(classify, .init = setup, .fini = teardown);

static struct facts facts_of(struct slice sql)
{
	struct facts f = {0};

	cr_assert_eq(sql_classify(NULL, sql, 0, &arena, &f), 0, "%.*s", SLICE_FMT(sql));
	return f;
}

Test(classify, every_statement_of_the_corpus_has_its_facts)
{
	cr_expect_geq(corpus_n, 200);
	for (size_t i = 0; i < corpus_n; i++) {
		struct facts f = facts_of(slice_str(corpus[i].sql));
		char got[4096];

		cr_expect(corpus_same(corpus_print_all(&f, got, sizeof(got)), corpus[i].facts),
			"%s\n   expected %s\n   got      %s", corpus[i].sql, corpus[i].facts, got);
		arena_reset(&arena);
	}
}
