/* SPDX-License-Identifier: Apache-2.0 */
/* The registry of holds. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "hold/hold.h"

static struct hold *hold_new(uint64_t id)
{
	struct hold *h = calloc(1, sizeof(*h));

	h->view.id = id;
	h->view.text = strdup("DROP TABLE orders");
	memcpy(h->view.keys.same, &id, sizeof(id));
	return h;
}

Test(hold, is_found_until_it_is_taken)
{
	struct hold_table t;
	struct hold *h = hold_new(42), *leader;

	hold_table_init(&t, 2);
	cr_assert_eq(hold_park(&t, h), 0);
	cr_assert_eq(hold_park(&t, hold_new(43)), 0);
	cr_expect_eq(hold_park(&t, hold_new(44)), HOLD_E_FULL);
	cr_expect_eq(hold_find(&t, 42), h);
	cr_expect_null(hold_find(&t, 44));
	cr_expect_eq(hold_take(&t, 42, &leader), h);
	cr_expect_null(leader);
	cr_expect_null(hold_take(&t, 42, &leader), "exactly one outcome");
	cr_expect_null(hold_find(&t, 42));
	hold_free(h);
	hold_table_deinit(&t);
}

/* A flood of one request is one entry, led by the oldest that still waits. */
Test(hold, identical_ones_are_one_entry)
{
	enum { N = 5 };
	struct hold_table t;
	struct hold *leader, *h[N];

	hold_table_init(&t, 10);
	for (uint64_t i = 0; i < N; i++) {
		h[i] = hold_new(i + 1);
		memset(h[i]->view.keys.same, 7, sizeof(h[i]->view.keys.same));
		cr_assert_eq(hold_park(&t, h[i]), 0);
	}
	cr_expect_eq(h[0]->n_followers, N - 1);
	cr_expect_eq(h[3]->leader, h[0]);
	cr_expect_eq(hold_take(&t, 3, &leader), h[2]);
	cr_expect_eq(leader, h[0]);
	cr_expect_eq(h[0]->n_followers, N - 2);
	cr_expect_eq(hold_take(&t, 1, &leader), h[0]);
	cr_expect_eq(leader, h[1]);
	cr_expect_eq(h[1]->n_followers, 2);
	cr_expect_null(h[1]->leader);
	cr_expect_eq(h[4]->leader, h[1]);
	hold_free(h[0]);
	hold_free(h[2]);
	cr_assert_eq(hold_park(&t, hold_new(9)), 0);
	cr_expect_null(hold_find(&t, 9)->leader, "another one");
	cr_expect_eq(hold_take(&t, 2, &leader), h[1]);
	cr_expect_eq(leader, h[3]);
	hold_free(h[1]);
	cr_expect_eq(hold_take(&t, 4, &leader), h[3]);
	cr_expect_eq(leader, h[4]);
	hold_free(h[3]);
	cr_expect_eq(hold_take(&t, 5, &leader), h[4]);
	cr_expect_null(leader);
	hold_free(h[4]);
	hold_table_deinit(&t);
}
