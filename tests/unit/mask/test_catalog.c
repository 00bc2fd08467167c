/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "mask/plan.h"

static const char *ssn_columns[] = {"public.customers.ssn", NULL};
static const char *email_columns[] = {"*.email", "hr.*.\"odd.name\"", NULL};
static const struct mask_rule ssn_rule = {
	.name = "ssn", .columns = ssn_columns, .as = TRANSFORM_PARTIAL, .unproven = UNPROVEN_HOLD};
static const struct mask_rule email_rule = {.name = "email",
	.columns = email_columns,
	.as = TRANSFORM_HASH,
	.unproven = UNPROVEN_REDACT};
static const struct mask_rule *const rules[] = {&ssn_rule, &email_rule, NULL};

enum { CUSTOMERS = 20001, ORDERS, SHOP_ORDERS, VIEW, VIEW_OF_VIEW, STATS = 12345 };

static void add_column(struct mask_catalog *c, uint32_t table, uint16_t attr, const char *schema,
	const char *name, const char *column)
{
	cr_assert_eq(mask_catalog_add_column(
			     c, table, attr, slice_str(schema), slice_str(name), slice_str(column)),
		0);
}

static void add_table(struct mask_catalog *c, uint32_t table, const char *schema, const char *name)
{
	cr_assert_eq(mask_catalog_add_table(c, table, slice_str(schema), slice_str(name)), 0);
}

static struct mask_catalog *shop(void)
{
	struct mask_catalog *c = mask_catalog_new(rules);

	cr_assert(c);
	add_column(c, CUSTOMERS, 1, "public", "customers", "id");
	add_column(c, CUSTOMERS, 2, "public", "customers", "ssn");
	add_column(c, CUSTOMERS, 3, "public", "customers", "email");
	add_table(c, ORDERS, "public", "orders");
	add_table(c, SHOP_ORDERS, "shop", "orders");
	return c;
}

Test(catalog, patterns_match_components_from_the_right)
{
	static const struct {
		const char *pattern, *schema, *table, *column;
		bool is_match;
	} rows[] = {
		{"public.customers.ssn", "public", "customers", "ssn", true},
		{"public.customers.ssn", "hr", "customers", "ssn", false},
		{"customers.ssn", "hr", "customers", "ssn", true},
		{"ssn", "hr", "any", "ssn", true},
		{"*.email", "hr", "any", "email", true},
		{"*.email", "hr", "any", "emails", false},
		{"*.*mail*", "hr", "any", "emails", true},
		{"public.customers.*", "public", "customers", "x", true},
		{"public.cust*.s*n", "public", "customers", "ssn", true},
		{"\"We.ird\".x", "public", "We.ird", "x", true},
		{"We.ird.x", "public", "We.ird", "x", false},
		{"\"a\"\"b\".x", "public", "a\"b", "x", true},
		{"Customers.ssn", "public", "customers", "ssn", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *patterns[] = {rows[i].pattern, NULL};
		const struct mask_rule rule = {.name = "r", .columns = patterns};
		const struct mask_rule *const one[] = {&rule, NULL};
		struct mask_catalog *c = mask_catalog_new(one);

		add_column(c, 20000, 1, rows[i].schema, rows[i].table, rows[i].column);
		cr_expect_eq(catalog_fate(c, 20000, 1).is_protected, rows[i].is_match,
			"%s against %s.%s.%s", rows[i].pattern, rows[i].schema, rows[i].table,
			rows[i].column);
		mask_catalog_free(c);
	}
}

Test(catalog, unknown_tables_and_whole_rows_are_not_clear)
{
	struct mask_catalog *c = shop();

	cr_expect(catalog_fate(c, CUSTOMERS, 2).is_protected);
	cr_expect_eq(catalog_fate(c, CUSTOMERS, 2).as, TRANSFORM_PARTIAL);
	cr_expect_eq(catalog_fate(c, CUSTOMERS, 3).as, TRANSFORM_HASH);
	cr_expect_not(catalog_fate(c, CUSTOMERS, 1).is_protected);
	cr_expect(catalog_fate(c, CUSTOMERS, 0).is_protected, "a whole row");
	cr_expect_not(catalog_fate(c, ORDERS, 0).is_protected);
	cr_expect(catalog_fate(c, 29999, 1).is_unproven, "a table nobody added");
	cr_expect_eq(catalog_fate(c, 29999, 1).unproven, UNPROVEN_HOLD);
	cr_expect_not(catalog_fate(c, 1259, 1).is_unproven, "pg_class");
	cr_expect(catalog_fate(c, 2619, 1).is_unproven, "pg_statistic");
	mask_catalog_free(c);
}

Test(catalog, views_over_protected_columns_are_unproven_in_any_order)
{
	for (int order = 0; order < 2; order++) {
		struct mask_catalog *c = mask_catalog_new(rules);

		if (!order)
			add_column(c, CUSTOMERS, 2, "public", "customers", "ssn");
		add_table(c, VIEW, "public", "v");
		add_table(c, VIEW_OF_VIEW, "public", "vv");
		cr_assert_eq(mask_catalog_add_derived(c, VIEW_OF_VIEW, VIEW, 1), 0);
		cr_assert_eq(mask_catalog_add_derived(c, VIEW, CUSTOMERS, 2), 0);
		cr_assert_eq(mask_catalog_add_derived(c, VIEW, VIEW_OF_VIEW, 1), 0);
		if (order)
			add_column(c, CUSTOMERS, 2, "public", "customers", "ssn");
		cr_expect(catalog_fate(c, VIEW, 7).is_unproven);
		cr_expect(catalog_fate(c, VIEW_OF_VIEW, 1).is_unproven);
		cr_expect_eq(catalog_fate(c, VIEW_OF_VIEW, 1).unproven, UNPROVEN_HOLD);
		cr_expect(mask_catalog_may_touch(c, SLICE_LIT("vv")));
		mask_catalog_free(c);
	}
}

Test(catalog, views_over_harmless_columns_are_clear_and_over_unknown_tables_are_not)
{
	struct mask_catalog *c = shop();

	add_table(c, VIEW, "public", "v");
	add_table(c, VIEW_OF_VIEW, "public", "vv");
	cr_assert_eq(mask_catalog_add_derived(c, VIEW, CUSTOMERS, 1), 0);
	cr_expect_not(catalog_fate(c, VIEW, 1).is_unproven);
	cr_assert_eq(mask_catalog_add_derived(c, VIEW_OF_VIEW, VIEW, 1), 0);
	cr_expect_not(catalog_fate(c, VIEW_OF_VIEW, 1).is_unproven);
	cr_assert_eq(mask_catalog_add_derived(c, VIEW, 29999, 1), 0);
	cr_expect(catalog_fate(c, VIEW_OF_VIEW, 1).is_unproven);
	mask_catalog_free(c);
}

Test(catalog, names_unknown_or_ambiguous_may_touch)
{
	static const struct {
		const char *object;
		bool may;
	} rows[] = {
		{"public.customers", true},
		{"customers", true},
		{"\"public\".\"customers\"", true},
		{"public.orders", false},
		{"orders", false},
		{"shop.orders", false},
		{"nowhere.orders", true},
		{"nothing", true},
		{"", true},
		{"public.\"We ird\"", false},
		{"public.\"We\"\"ird\"", true},
		{"pg_catalog.pg_class", false},
		{"pg_catalog.pg_stats", true},
		{"pg_toast.pg_toast_1", true},
		{"information_schema.tables", false},
	};
	struct mask_catalog *c = shop();

	add_table(c, 20100, "public", "We ird");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(mask_catalog_may_touch(c, slice_str(rows[i].object)), rows[i].may,
			"%s", rows[i].object);
	add_column(c, 20101, 1, "hr", "orders", "email");
	cr_expect(mask_catalog_may_touch(c, SLICE_LIT("orders")), "one of that name is protected");
	cr_expect_not(mask_catalog_may_touch(c, SLICE_LIT("shop.orders")));
	mask_catalog_free(c);
}

Test(catalog, what_is_touched_or_used_may_run_code_of_somebodys)
{
	static const struct {
		const char *object;
		bool runs_read, runs_written;
	} rows[] = {
		{"public.orders", false, false},
		{"shop.orders", false, true},
		{"orders", false, true},
		{"customers", true, true},
		{"nobody", true, true},
		{"pg_catalog.pg_class", false, false},
		{"\"", true, true},
	};
	static const struct {
		const char *uses;
		size_t n;
		bool runs;
	} uses[] = {
		{"", 0, false},
		{"fupper\0o+\0tint4\0aname\0", 20, false},
		{"fupper\0tword\0", 13, true},
		{"o^@\0", 4, true},
		{"fword\0oword\0", 12, false},
		{"*\0", 2, true},
	};
	struct mask_catalog *c = shop();

	cr_expect_not(mask_catalog_has_coded_types(c));
	cr_assert_eq(mask_catalog_add_code(c, CUSTOMERS, false), 0);
	cr_assert_eq(mask_catalog_add_code(c, SHOP_ORDERS, true), 0);
	cr_assert_eq(mask_catalog_add_word(c, MASK_WORD_TYPE, SLICE_LIT("word")), 0);
	cr_assert_eq(mask_catalog_add_word(c, MASK_WORD_OPERATOR, SLICE_LIT("^@")), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice object = slice_str(rows[i].object);

		cr_expect_eq(mask_catalog_runs_code(c, object, false), rows[i].runs_read, "%s",
			rows[i].object);
		cr_expect_eq(mask_catalog_runs_code(c, object, true), rows[i].runs_written, "%s",
			rows[i].object);
	}
	for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++)
		cr_expect_eq(mask_catalog_uses_code(
				     c, slice_of((const uint8_t *)uses[i].uses, uses[i].n)),
			uses[i].runs, "uses %zu", i);
	cr_expect(mask_catalog_has_coded_types(c));
	/* A conversion that somebody made: any type may be meant. */
	cr_assert_eq(mask_catalog_add_word(c, MASK_WORD_CAST, SLICE_NULL), 0);
	cr_expect(mask_catalog_uses_code(c, slice_of((const uint8_t *)"tint4\0", 6)));
	cr_expect_not(mask_catalog_uses_code(c, slice_of((const uint8_t *)"fupper\0", 7)));
	mask_catalog_free(c);
}

Test(catalog, statistics_quote_the_values_of_others)
{
	struct mask_catalog *c = shop();

	add_table(c, STATS, "pg_catalog", "pg_stats");
	cr_expect(catalog_fate(c, STATS, 11).is_unproven);
	mask_catalog_free(c);
}

/* ---- plans ----------------------------------------------------------------------------------- */

static struct mask_plan *plan_of(struct arena *a, const struct mask_rule *const *of,
	struct mask_catalog *c, const struct column *columns, size_t n, bool touches,
	enum unproven *unproven)
{
	struct mask_plan *p;

	arena_init(a, 1 << 16);
	cr_assert_eq(mask_plan_build(of, c, columns, n, touches, NULL, a, &p, unproven), 0);
	return p;
}

Test(plan, columns_without_provenance_are_unproven_where_a_protected_table_may_be_touched)
{
	static const struct column columns[] = {{.class = VALUE_INT, .table = 0}};
	struct mask_catalog *c = shop();
	enum unproven unproven;
	struct mask_plan *p;
	struct arena a;

	p = plan_of(&a, rules, c, columns, 1, false, &unproven);
	cr_expect(mask_plan_is_clear(p));
	cr_expect_eq(unproven, UNPROVEN_REDACT);
	arena_deinit(&a);
	p = plan_of(&a, rules, c, columns, 1, true, &unproven);
	cr_expect_eq(p->columns[0].action, COLUMN_WHOLE);
	cr_expect_eq(p->columns[0].as, TRANSFORM_REDACT);
	cr_expect_eq(unproven, UNPROVEN_HOLD);
	arena_deinit(&a);
	mask_catalog_free(c);
}

Test(plan, results_that_cannot_hold_anything_are_clear)
{
	static const struct mask_rule cards = {.name = "c", .detectors = DETECT_ALL};
	static const struct mask_rule *const detecting[] = {&cards, NULL};
	static const struct column narrow[] = {{.class = VALUE_INT, .width = 2},
		{.class = VALUE_INT, .width = 4}, {.class = VALUE_BOOL}, {.class = VALUE_TIME},
		{.class = VALUE_UUID}};
	static const struct column wide[] = {
		{.class = VALUE_INT, .width = 8}, {.class = VALUE_INT, .width = 0}};
	enum unproven unproven;
	struct arena a;

	cr_expect(mask_plan_is_clear(plan_of(&a, detecting, NULL, narrow, 5, true, &unproven)));
	arena_deinit(&a);
	for (int i = 0; i < 2; i++) {
		cr_expect_not(mask_plan_is_clear(
			plan_of(&a, detecting, NULL, &wide[i], 1, true, &unproven)));
		arena_deinit(&a);
	}
}

Test(plan, the_strictest_rule_wins)
{
	static const struct mask_rule strict = {.name = "s",
		.columns = ssn_columns,
		.as = TRANSFORM_NULL,
		.unproven = UNPROVEN_DENY};
	static const struct mask_rule *const both[] = {&ssn_rule, &strict, NULL};
	static const struct column column = {.class = VALUE_TEXT, .table = CUSTOMERS, .attr = 2};
	struct mask_catalog *c = mask_catalog_new(both);
	enum unproven unproven;
	struct mask_plan *p;
	struct arena a;

	add_column(c, CUSTOMERS, 2, "public", "customers", "ssn");
	p = plan_of(&a, both, c, &column, 1, true, &unproven);
	cr_expect_eq(p->columns[0].as, TRANSFORM_NULL);
	cr_expect_eq(unproven, UNPROVEN_REDACT, "it is proven");
	arena_deinit(&a);
	mask_catalog_free(c);
}

Test(plan, without_a_catalog_column_rules_protect_everything)
{
	static const struct column column = {.class = VALUE_TEXT, .table = CUSTOMERS, .attr = 1};
	enum unproven unproven;
	struct mask_plan *p;
	struct arena a;

	p = plan_of(&a, rules, NULL, &column, 1, false, &unproven);
	cr_expect_eq(p->columns[0].action, COLUMN_WHOLE);
	arena_deinit(&a);
}
