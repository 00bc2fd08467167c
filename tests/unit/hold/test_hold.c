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
	return h;
}

Test(hold, is_found_until_it_is_taken)
{
	struct hold_table t;
	struct hold *h = hold_new(42);

	hold_table_init(&t, 2);
	cr_assert_eq(hold_park(&t, h), 0);
	cr_assert_eq(hold_park(&t, hold_new(43)), 0);
	cr_expect_eq(hold_park(&t, hold_new(44)), HOLD_E_FULL);
	cr_expect_eq(hold_find(&t, 42), h);
	cr_expect_null(hold_find(&t, 44));
	cr_expect_eq(hold_take(&t, 42), h);
	cr_expect_null(hold_take(&t, 42), "exactly one outcome");
	cr_expect_null(hold_find(&t, 42));
	hold_free(h);
	hold_table_deinit(&t);
}
