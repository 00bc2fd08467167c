/* SPDX-License-Identifier: Apache-2.0 */
/* Arenas, byte queues and maps: their maximum holds, and what was put in comes out. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "util/arena.h"
#include "util/buf.h"
#include "util/map.h"

Test(arena, memory_is_zeroed_aligned_and_bounded)
{
	struct arena a;
	uint8_t *p, *q;

	arena_init(&a, 64);
	p = arena_alloc(&a, 3);
	q = arena_alloc(&a, 17);
	cr_assert(p && q);
	cr_expect_eq((uintptr_t)q % 16, 0);
	cr_expect_geq(q - p, 3);
	for (int i = 0; i < 17; i++)
		cr_expect_eq(q[i], 0);
	cr_expect_null(arena_alloc(&a, 17), "48 of 64 bytes are taken");
	cr_expect_not_null(arena_alloc(&a, 16));
	cr_expect_null(arena_alloc(&a, 1));
	cr_expect_null(arena_alloc(&a, SIZE_MAX));
	cr_expect_null(arena_array(&a, SIZE_MAX / 2, 4));
	arena_deinit(&a);
}

Test(arena, reset_gives_the_whole_maximum_back)
{
	struct arena a;

	arena_init(&a, 100 * 1024);
	for (int round = 0; round < 3; round++) {
		uint8_t *p = arena_alloc(&a, 90 * 1024);

		cr_assert_not_null(p);
		cr_expect_eq(p[90 * 1024 - 1], 0);
		memset(p, 0xff, 90 * 1024);
		cr_expect_null(arena_alloc(&a, 20 * 1024));
		arena_reset(&a);
	}
	arena_deinit(&a);
}

Test(arena, copies_are_their_own)
{
	char text[] = "orders";
	struct slice copy;
	struct arena a;

	arena_init(&a, 1024);
	copy = arena_dup(&a, slice_str(text));
	text[0] = 'b';
	cr_expect(slice_eq_str(copy, "orders"));
	cr_expect_null(arena_dup(&a, SLICE_NULL).p);
	cr_expect_str_eq(arena_cstr(&a, slice_head(copy, 3)), "ord");
	cr_expect_str_eq(arena_printf(&a, "h%d", 42), "h42");
	arena_deinit(&a);
}

Test(buf, bytes_come_out_in_order_at_any_chunk_size)
{
	struct buf b;
	uint8_t next_in = 0, next_out = 0;

	buf_init(&b, 10000);
	for (size_t n = 1; n < 300; n++) {
		uint8_t bytes[300];

		for (size_t i = 0; i < n; i++)
			bytes[i] = next_in++;
		cr_assert_eq(buf_put(&b, slice_of(bytes, n)), 0);
		for (size_t take = buf_len(&b) * 2 / 3; take; take--) {
			cr_assert_eq(buf_slice(&b).p[0], next_out++);
			buf_consume(&b, 1);
		}
	}
	buf_deinit(&b);
}

Test(buf, the_maximum_is_hard_and_nothing_is_put_in_part)
{
	static const uint8_t bytes[100] = {1};
	struct buf b;

	buf_init(&b, 150);
	cr_assert_eq(buf_put(&b, slice_of(bytes, 100)), 0);
	cr_expect_eq(buf_put(&b, slice_of(bytes, 51)), BUF_E_FULL);
	cr_expect_eq(buf_len(&b), 100);
	cr_expect_eq(buf_put(&b, slice_of(bytes, 50)), 0);
	cr_expect_eq(buf_reserve(&b, SIZE_MAX), BUF_E_FULL);
	buf_consume(&b, 60);
	cr_expect_eq(buf_put(&b, slice_of(bytes, 60)), 0);
	cr_expect_eq(buf_put(&b, slice_of(bytes, 1)), BUF_E_FULL);
	buf_deinit(&b);
}

Test(map, finds_replaces_and_forgets)
{
	enum { N = 5000 };
	static int values[N];
	size_t pos = 0, n_seen = 0;
	struct slice key;
	struct map m;
	void *old, *v;

	map_init(&m, N);
	for (uint64_t i = 0; i < N; i++)
		cr_assert_eq(map_put(&m, map_id(&i), &values[i], NULL), 0);
	for (uint64_t i = 0; i < N; i++)
		cr_assert_eq(map_get(&m, map_id(&i)), &values[i]);
	cr_expect_eq(map_put(&m, SLICE_LIT("one more"), values, NULL), MAP_E_FULL);
	cr_expect_eq(map_put(&m, map_id(&(uint64_t){7}), &values[8], &old), 0, "a key it has");
	cr_expect_eq(old, &values[7]);
	for (uint64_t i = 0; i < N; i += 2)
		cr_assert_eq(map_take(&m, map_id(&i)), &values[i]);
	for (uint64_t i = 0; i < N; i++)
		cr_assert_eq(map_get(&m, map_id(&i)) != NULL, i % 2);
	while (map_next(&m, &pos, &key, &v))
		n_seen += key.n == sizeof(uint64_t) && v;
	cr_expect_eq(n_seen, N / 2);
	map_deinit(&m);
}

Test(map, keys_are_copied_and_compared_whole)
{
	char key[] = "ab";
	struct map m;
	int v;

	map_init(&m, 10);
	cr_assert_eq(map_put(&m, slice_of(key, 2), &v, NULL), 0);
	key[0] = 'x';
	cr_expect_eq(map_get(&m, SLICE_LIT("ab")), &v);
	cr_expect_null(map_get(&m, SLICE_LIT("xb")));
	cr_expect_null(map_get(&m, SLICE_LIT("a")));
	cr_expect_null(map_get(&m, SLICE_LIT("ab\0")));
	cr_expect_null(map_take(&m, SLICE_LIT("b")));
	map_deinit(&m);
}
