/* SPDX-License-Identifier: Apache-2.0 */
/* Lineage against a catalog. The lineages are made by hand: sql/ is another layer. */
#include <criterion/criterion.h>
#include <stddef.h>
#include <stdio.h>

#include "mask/plan.h"

static const char *ssn_columns[] = {"public.customers.ssn", NULL};
static const struct mask_rule ssn_rule = {
	.name = "ssn", .columns = ssn_columns, .as = TRANSFORM_REDACT, .unproven = UNPROVEN_HOLD};
static const struct mask_rule *const rules[] = {&ssn_rule, NULL};

enum { CUSTOMERS = 20001, ORDERS, VIEW, CHILD, OTHER, OVER };

static struct mask_catalog *shop(void)
{
	struct mask_catalog *c = mask_catalog_new(rules);

	cr_assert(c);
	cr_assert_eq(mask_catalog_add_column(c, CUSTOMERS, 2, SLICE_LIT("public"),
			     SLICE_LIT("customers"), SLICE_LIT("ssn")),
		0);
	cr_assert_eq(
		mask_catalog_add_table(c, ORDERS, SLICE_LIT("public"), SLICE_LIT("orders")), 0);
	cr_assert_eq(mask_catalog_add_table(c, VIEW, SLICE_LIT("public"), SLICE_LIT("v")), 0);
	cr_assert_eq(mask_catalog_add_derived(c, VIEW, CUSTOMERS, 2), 0);
	cr_assert_eq(mask_catalog_add_table(c, CHILD, SLICE_LIT("public"), SLICE_LIT("child")), 0);
	cr_assert_eq(
		mask_catalog_add_derived_column(c, CHILD, 5, SLICE_LIT("copy"), CUSTOMERS, 2), 0);
	/* What a view shows as it is: id and ssn of customers; of the view over it, its `key`. */
	cr_assert_eq(mask_catalog_add_shown(c, VIEW, 1, SLICE_LIT("key"), CUSTOMERS, 1), 0);
	cr_assert_eq(mask_catalog_add_shown(c, VIEW, 2, SLICE_LIT("secret"), CUSTOMERS, 2), 0);
	cr_assert_eq(mask_catalog_add_shown(c, VIEW, 3, SLICE_LIT("row"), CUSTOMERS, 0), 0);
	cr_assert_eq(mask_catalog_add_shown(c, VIEW, 4, SLICE_LIT("lost"), 29999, 1), 0);
	cr_assert_eq(mask_catalog_add_table(c, OVER, SLICE_LIT("public"), SLICE_LIT("over")), 0);
	cr_assert_eq(mask_catalog_add_derived(c, OVER, CUSTOMERS, 2), 0);
	cr_assert_eq(mask_catalog_add_shown(c, OVER, 1, SLICE_LIT("k"), VIEW, 1), 0);
	cr_assert_eq(mask_catalog_add_shown(c, OVER, 2, SLICE_LIT("x"), VIEW, 9), 0);
	return c;
}

/* A lineage of one source a column; `=` in front: direct, `*`: a star. */
static struct {
	struct lineage l;
	struct lineage_source sources[80];
	struct lineage_column columns[80];
	struct lineage_store store;
	char text[4096];
} block;

struct row {
	enum lineage_kind kind;
	const char *object, *name;
	const char *sort;
};

static const struct lineage *lineage_of(const struct row *rows, size_t n)
{
	size_t at = 0;

	memset(&block, 0, sizeof(block));
	block.l = (struct lineage){.size = sizeof(block),
		.flags = LINEAGE_IS_RESULT,
		.n_sources = (uint32_t)n,
		.n_columns = (uint32_t)n,
		.sources = offsetof(typeof(block), sources),
		.columns = offsetof(typeof(block), columns),
		.stores = offsetof(typeof(block), store)};
	for (size_t i = 0; i < n; i++) {
		struct lineage_source *s = &block.sources[i];

		*s = (struct lineage_source){.kind = rows[i].kind,
			.object = (uint32_t)(offsetof(typeof(block), text) + at),
			.object_len = (uint32_t)strlen(rows[i].object),
			.name_len = (uint32_t)strlen(rows[i].name)};
		s->name = s->object + s->object_len;
		at += (size_t)sprintf(block.text + at, "%s%s", rows[i].object, rows[i].name);
		block.columns[i].from.bits[i / 64] = (uint64_t)1 << (i % 64);
		block.columns[i].is_direct = strchr(rows[i].sort, '=');
		block.columns[i].is_star = strchr(rows[i].sort, '*');
	}
	return &block.l;
}

Test(lineage_of_masks, each_source_is_looked_up)
{
	static const struct {
		struct row row;
		bool is_clear, is_unproven;
	} rows[] = {
		{{LINEAGE_COLUMN, "customers", "id", ""}, true, false},
		{{LINEAGE_COLUMN, "customers", "ssn", ""}, false, true},
		{{LINEAGE_COLUMN, "customers", "ssn", "="}, false, false},
		{{LINEAGE_COLUMN, "public.customers", "ssn", ""}, false, true},
		{{LINEAGE_COLUMN, "hr.customers", "id", ""}, false, true},
		{{LINEAGE_ROW, "customers", "", ""}, false, true},
		{{LINEAGE_ROW, "customers", "", "=*"}, false, false},
		{{LINEAGE_ROW, "orders", "", ""}, true, false},
		{{LINEAGE_COLUMN, "v", "id", "="}, false, true},
		{{LINEAGE_TABLE, "v", "", ""}, false, true},
		{{LINEAGE_ROW, "v", "", ""}, false, true},
		{{LINEAGE_COLUMN, "v", "key", "="}, true, false},
		{{LINEAGE_COLUMN, "v", "secret", "="}, false, true},
		{{LINEAGE_COLUMN, "v", "row", "="}, false, true},
		{{LINEAGE_COLUMN, "v", "lost", "="}, false, true},
		{{LINEAGE_COLUMN, "over", "k", ""}, true, false},
		{{LINEAGE_COLUMN, "over", "x", ""}, false, true},
		{{LINEAGE_TABLE, "customers", "", ""}, true, false},
		{{LINEAGE_COLUMN, "child", "copy", "="}, false, true},
		{{LINEAGE_COLUMN, "child", "other", ""}, true, false},
		{{LINEAGE_ROW, "child", "", ""}, false, true},
		{{LINEAGE_COLUMN, "nobody", "id", ""}, false, true},
		{{LINEAGE_COLUMN, "pg_catalog.pg_class", "relname", ""}, true, false},
		{{LINEAGE_FUNCTION, "", "upper", ""}, true, false},
		{{LINEAGE_FUNCTION, "", "initcap", ""}, false, true},
		{{LINEAGE_OPERATOR, "", "+", ""}, true, false},
		{{LINEAGE_OPERATOR, "", "^@", ""}, false, true},
		{{LINEAGE_ATTRIBUTE, "", "peek", ""}, false, true},
		{{LINEAGE_COLUMN, "orders", "peek", ""}, false, true},
		{{LINEAGE_CAST, "", "", ""}, true, false},
	};
	struct mask_catalog *c = shop();

	cr_assert_eq(mask_catalog_add_word(c, MASK_WORD_FUNCTION, SLICE_LIT("initcap")), 0);
	cr_assert_eq(mask_catalog_add_word(c, MASK_WORD_OPERATOR, SLICE_LIT("^@")), 0);
	cr_assert_eq(mask_catalog_add_word(c, MASK_WORD_ROW_FUNCTION, SLICE_LIT("peek")), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct lineage *l = lineage_of(&rows[i].row, 1);
		struct mask_shown shown = mask_shown_of(c, l);

		cr_expect_eq(shown.is_clear, rows[i].is_clear, "row %zu", i);
		cr_expect_eq(shown.is_unproven, rows[i].is_unproven, "row %zu", i);
		cr_expect_eq(mask_proof_is_clear(&shown.proof, 0, 1), rows[i].is_clear);
		if (shown.is_unproven)
			cr_expect_eq(shown.unproven, UNPROVEN_HOLD, "row %zu", i);
	}
	cr_expect_not(catalog_fate(c, VIEW, 1).is_unproven);
	cr_expect(catalog_fate(c, VIEW, 2).is_unproven);
	cr_expect(catalog_fate(c, VIEW, 5).is_unproven, "not shown as it is");
	cr_expect(catalog_fate(c, VIEW, 0).is_unproven);
	cr_expect_not(catalog_fate(c, OVER, 1).is_unproven);
	cr_expect(catalog_fate(c, OVER, 2).is_unproven);
	cr_expect(mask_catalog_may_touch(c, SLICE_LIT("v")));
	cr_expect(mask_catalog_has_code(
		c, lineage_of(&(struct row){LINEAGE_OPERATOR, "", "^@", ""}, 1)));
	cr_expect_not(mask_catalog_has_code(
		c, lineage_of(&(struct row){LINEAGE_OPERATOR, "", "+", ""}, 1)));
	cr_assert_eq(mask_catalog_add_word(c, MASK_WORD_CAST, SLICE_NULL), 0);
	cr_expect_not(
		mask_shown_of(c, lineage_of(&(struct row){LINEAGE_CAST, "", "", ""}, 1)).is_clear);
	mask_catalog_free(c);
}

Test(lineage_of_masks, columns_are_proven_by_their_place)
{
	static const struct row rows[] = {
		{LINEAGE_COLUMN, "customers", "id", ""},
		{LINEAGE_COLUMN, "customers", "ssn", ""},
		{LINEAGE_ROW, "orders", "", "*"},
		{LINEAGE_COLUMN, "customers", "ssn", ""},
		{LINEAGE_COLUMN, "customers", "name", ""},
	};
	struct mask_catalog *c = shop();
	struct mask_shown plain = mask_shown_of(c, lineage_of(rows, 2));
	struct mask_shown starred = mask_shown_of(c, lineage_of(rows, 5));
	static const bool expect[] = {true, false, true, true, true, false, true};
	struct row many[70];

	cr_expect(mask_proof_is_clear(&plain.proof, 0, 2));
	cr_expect_not(mask_proof_is_clear(&plain.proof, 1, 2));
	cr_expect_not(mask_proof_is_clear(&plain.proof, 0, 3), "not the result that was proven");
	cr_expect_eq(plain.column, 2);
	for (size_t i = 0; i < 7; i++)
		cr_expect_eq(mask_proof_is_clear(&starred.proof, i, 7), expect[i], "%zu", i);
	cr_expect_not(mask_proof_is_clear(&starred.proof, 0, 3), "less than there are names for");
	for (size_t i = 0; i < 70; i++)
		many[i] = rows[0];
	plain = mask_shown_of(c, lineage_of(many, 70));
	cr_expect(mask_proof_is_clear(&plain.proof, 63, 70));
	cr_expect_not(mask_proof_is_clear(&plain.proof, 64, 70), "beyond what is kept");
	mask_catalog_free(c);
}

Test(lineage_of_masks, stores_into_a_protected_column_stay_protected)
{
	static const struct {
		struct row target;
		bool is_new, goes_elsewhere;
	} rows[] = {
		{{LINEAGE_COLUMN, "customers", "ssn", ""}, false, false},
		{{LINEAGE_COLUMN, "customers", "name", ""}, false, true},
		{{LINEAGE_ROW, "customers", "", ""}, false, true},
		{{LINEAGE_COLUMN, "orders", "ssn", ""}, false, true},
		{{LINEAGE_COLUMN, "customers", "ssn", ""}, true, true},
	};
	struct mask_catalog *c = shop();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row two[] = {rows[i].target, {LINEAGE_COLUMN, "customers", "ssn", ""}};

		lineage_of(two, 2);
		block.l.n_stores = 1;
		block.store.target = rows[i].is_new ? UINT16_MAX : 0;
		block.store.from.bits[0] = 2;
		cr_expect_eq(mask_stores_elsewhere(c, &block.l), rows[i].goes_elsewhere, "%zu", i);
		block.store.from.bits[0] = 0;
		block.store.from.is_from_code = true;
		cr_expect_not(mask_stores_elsewhere(c, &block.l), "what code stores is `execute`");
	}
	/* Somebody else's customers, where ssn is not protected. */
	cr_assert_eq(mask_catalog_add_table(c, OTHER, SLICE_LIT("hr"), SLICE_LIT("customers")), 0);
	lineage_of((const struct row[]){{LINEAGE_COLUMN, "customers", "ssn", ""}}, 1);
	block.l.n_stores = 1;
	block.store.from.bits[0] = 1;
	cr_expect(mask_stores_elsewhere(c, &block.l));
	mask_catalog_free(c);
}
