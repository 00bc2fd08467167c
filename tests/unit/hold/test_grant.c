/* SPDX-License-Identifier: Apache-2.0 */
/* What a grant covers, for whom, for how long; tickets, which are used once. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "hold/grant.h"

static struct grant_table table;
static struct hold_keys keys;
static struct grant_asker asker;

static void begin(void)
{
	grant_table_init(&table);
	memset(keys.shape, 1, sizeof(keys.shape));
	memset(keys.kind, 2, sizeof(keys.kind));
	memset(keys.same, 3, sizeof(keys.same));
	keys.has_shape = true;
	asker = (struct grant_asker){.keys = &keys,
		.run = 7,
		.run_name = "nightly",
		.owner_uid = 1000,
		.takes_ticket = true};
}

static void end(void)
{
	grant_table_deinit(&table);
}

TestSuite(grant, .init = begin, .fini = end);

static void add(uint64_t id, enum grant_kind kind, uint8_t key, uint64_t run, int64_t until)
{
	struct grant *g = calloc(1, sizeof(*g));

	*g = (struct grant){
		.id = id, .kind = kind, .run = run, .owner_uid = 1000, .until_ns = until};
	snprintf(g->run_name, sizeof(g->run_name), "nightly");
	memset(g->key, key, sizeof(g->key));
	cr_assert_eq(grant_add(&table, g), 0);
}

static uint64_t use(int64_t now)
{
	struct grant got;

	return grant_use(&table, &asker, now, &got) ? got.id : 0;
}

Test(grant, covers_its_shape_in_its_run)
{
	cr_expect_eq(use(1), 0);
	add(42, GRANT_SHAPE, 1, 7, 0);
	cr_expect_eq(use(1), 42);
	cr_expect_eq(use(1), 42, "again and again");
	keys.shape[31] ^= 1;
	cr_expect_eq(use(1), 0, "another shape");
	keys.shape[31] ^= 1;
	keys.has_shape = false;
	cr_expect_eq(use(1), 0, "a request without a shape");
	keys.has_shape = true;
	asker.run = 8;
	cr_expect_eq(use(1), 0, "another run, even of the same name");
}

Test(grant, for_a_time_covers_runs_of_the_name_and_owner)
{
	add(42, GRANT_SHAPE, 1, 0, 100);
	asker.run = 8;
	cr_expect_eq(use(99), 42);
	cr_expect_eq(use(100), 0, "its time is over");
	asker.owner_uid = 1001;
	cr_expect_eq(use(99), 0, "somebody else's run of that name");
	asker.owner_uid = 1000;
	asker.run_name = "nightly2";
	cr_expect_eq(use(99), 0);
}

Test(grant, a_refusal_is_stricter_than_a_grant)
{
	add(42, GRANT_SHAPE, 1, 7, 0);
	add(43, GRANT_REFUSAL, 2, 7, 0);
	cr_expect_eq(use(1), 43);
	grant_free(grant_take(&table, 43));
	add(41, GRANT_REFUSAL, 2, 7, 0);
	cr_expect_eq(use(1), 41, "in whatever order they came");
}

Test(grant, a_ticket_is_used_once)
{
	add(42, GRANT_WAITING, 3, 7, 0);
	cr_expect_eq(use(1), 42);
	cr_expect_eq(use(1), 42, "still waiting");
	add(42, GRANT_TICKET, 3, 7, 100);
	asker.takes_ticket = false;
	cr_expect_eq(use(1), 0, "not in a transaction");
	asker.takes_ticket = true;
	keys.same[0] ^= 1;
	cr_expect_eq(use(1), 0, "another request, setting or policy");
	keys.same[0] ^= 1;
	asker.run = 8;
	cr_expect_eq(use(1), 0, "another run");
	asker.run = 7;
	cr_expect_eq(use(100), 0, "too late");
	cr_expect_eq(use(99), 42);
	cr_expect_eq(use(99), 0, "used");
	cr_expect_eq(table.n, 0);
	add(43, GRANT_NO, 3, 7, 100);
	cr_expect_eq(use(1), 43);
	cr_expect_eq(use(1), 0, "said once");
}

Test(grant, ends_with_its_time_or_its_run)
{
	struct grant *g;

	add(1, GRANT_SHAPE, 1, 7, 0);
	add(2, GRANT_SHAPE, 1, 0, 50);
	add(3, GRANT_SHAPE, 1, 8, 0);
	cr_expect_null(grant_take_over(&table, 49, 0));
	g = grant_take_over(&table, 50, 0);
	cr_expect_eq(g->id, 2);
	grant_free(g);
	cr_expect_null(grant_take_over(&table, 50, 0));
	g = grant_take_over(&table, 0, 7);
	cr_expect_eq(g->id, 1);
	grant_free(g);
	cr_expect_null(grant_take_over(&table, 0, 7));
	cr_expect_eq(table.n, 1);
}

Test(grant, the_table_has_an_end)
{
	for (uint64_t i = 1; i <= GRANTS_MAX; i++)
		add(i, GRANT_SHAPE, 9, 7, 0);
	cr_expect_eq(grant_add(&table, calloc(1, sizeof(struct grant))), GRANT_E_FULL);
}
