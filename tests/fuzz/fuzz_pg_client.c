/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server says to the client of our own, and rows that say what objects do.
 *
 * Input: a byte for how large the pieces are in which it comes, then the server's bytes. Rows of
 * the answer are taken for rows about objects.
 *
 * fuzz-links: user/proto/pg_[cs]*.c user/sql/[a-z]*.c user/fact/[a-z]*.c user/util/[a-z]*.c
 */
#include "proto/pg_client.h"

#include "sql/hidden.h"

static int on_row(void *arg, const struct slice *columns, size_t n)
{
	return hidden_add(arg, columns, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	size_t step = n ? 1u + p[0] : 1, from = 1, to = 1, used;
	struct hidden *h = hidden_new();
	struct pg_client c;
	int r = h ? pg_client_init(&c, "user", "password", "database", "") : -1;

	require(!r);
	while (!r && to < n) {
		to = to + step < n ? to + step : n;
		r = pg_client_feed(&c, slice_of(p + from, to - from), &used);
		require(used <= to - from);
		from += used;
		if (!r && c.state == PG_CLIENT_IDLE)
			r = pg_client_ask(&c, SLICE_LIT("x"), NULL, 0, on_row, h);
	}
	if (!hidden_build(h)) {
		struct facts f = {
			.list = &(struct fact){.effect = EFFECT_INSERT, .object = SLICE_LIT("t")},
			.n = 1,
			.flags = FACTS_OPEN,
			.uses = SLICE_LIT("ff\0oo\0tt\0aa\0")};
		struct arena arena;

		arena_init(&arena, 1 << 20);
		r = hidden_apply(h, 0, &f, &arena);
		arena_deinit(&arena);
	}
	hidden_unref(h);
	pg_client_deinit(&c);
	return 0;
}
