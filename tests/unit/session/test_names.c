/* SPDX-License-Identifier: Apache-2.0 */
/* Names of addresses, run by run, and how much a run may ask. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "session/names.h"
#include "util/clock.h"

static const uint8_t addr[16] = {1, 2, 3}, other[16] = {4, 5, 6};
static struct name_list list;

Test(names, address_has_the_names_that_this_run_resolved)
{
	struct names n;

	names_init(&n);
	cr_assert_eq(names_put(&n, 7, addr, "a.test", 100), 0);
	cr_assert_eq(names_put(&n, 7, addr, "b.test", 200), 0);
	cr_assert_eq(
		names_put(&n, 7, addr, "a.test", 50), 0); /* a shorter life takes nothing away */
	names_find(&n, 7, addr, 60, &list);
	cr_assert_eq(list.n, 2);
	cr_expect_str_eq(list.v[0], "a.test", "the newest first");
	cr_expect_str_eq(list.v[1], "b.test");
	names_find(&n, 7, addr, 150, &list);
	cr_assert_eq(list.n, 1, "one has expired");
	cr_expect_str_eq(list.v[0], "b.test");
	names_find(&n, 8, addr, 60, &list);
	cr_expect_eq(list.n, 0, "another run");
	names_find(&n, 7, other, 60, &list);
	cr_expect_eq(list.n, 0, "another address");
	names_forget(&n, 7);
	names_find(&n, 7, addr, 60, &list);
	cr_expect_eq(list.n, 0, "forgotten");
	names_deinit(&n);
}

Test(names, table_of_a_run_is_bounded_and_the_oldest_go)
{
	struct names n;
	uint8_t a[16] = {0};

	names_init(&n);
	for (unsigned i = 0; i < NAMES_RUN_MAX + 10; i++) {
		memcpy(a, &i, sizeof(i));
		cr_assert_eq(names_put(&n, 1, a, "x.test", 100), 0);
	}
	cr_expect_eq(n.addrs.n, NAMES_RUN_MAX);
	names_find(&n, 1, (uint8_t[16]){3}, 0, &list);
	cr_expect_eq(list.n, 0);
	names_find(&n, 1, a, 0, &list);
	cr_expect_eq(list.n, 1);
	for (int i = 0; i < NAMES_OF_ADDRESS + 3; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%d.test", i);
		cr_assert_eq(names_put(&n, 1, a, name, 100), 0);
	}
	names_find(&n, 1, a, 0, &list);
	cr_expect_eq(list.n, NAMES_OF_ADDRESS);
	cr_expect_str_eq(list.v[0], "n10.test");
	names_deinit(&n);
}

Test(names, run_may_ask_so_much_and_then_so_much_a_second)
{
	int64_t now = clock_mono_ns();
	struct names n;
	unsigned asked = 0, more = 0, made_up = 0;

	names_init(&n);
	while (asked < 10000 && names_may_ask(&n, 1, "a.test", false, now))
		asked++;
	cr_expect(asked >= 400 && asked < 500, "%u", asked);
	now += CLOCK_NS_PER_S;
	while (more < 10000 && names_may_ask(&n, 1, "a.test", false, now))
		more++;
	cr_expect(more >= 30 && more <= 50, "%u", more);
	cr_expect(names_may_ask(&n, 2, "a.test", false, now), "another run has its own");
	for (int i = 0; i < 350; i++) {
		char name[16];

		snprintf(name, sizeof(name), "w%d.test", i);
		made_up += names_may_ask(&n, 3, name, true, now);
	}
	cr_expect(made_up >= 190 && made_up < 230, "%u", made_up);
	names_deinit(&n);
}
