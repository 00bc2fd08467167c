/* SPDX-License-Identifier: Apache-2.0 */
/* The query that selects what a change would change, and what of it is not asked of any planner. */
#include "sql/estimate.h"

#include <criterion/criterion.h>

#define FOREIGN "it uses functions, types or operators"
#define MORE    "there is more in it"
#define FORM    "its form is not one"

static const struct {
	const char *text;
	const char *query; /* without blanks; NULL: */
	const char *why;   /* it is not asked, for this; NULL: no UPDATE or DELETE */
	size_t n_tables;
} rows[] = {
	{"DELETE FROM t", "SELECTFROMt", NULL, 1},
	{"delete from only s.t as x where x.id=1 returning id", "SELECTFROMonlys.tasxWHEREx.id=1",
		NULL, 1},
	{"DELETE FROM t USING a, b JOIN c USING (id) WHERE t.id = a.id;",
		"SELECTFROMt,a,bJOINcUSING(id)WHEREt.id=a.id", NULL, 4},
	{"UPDATE t SET a = 1", "SELECTFROMt", NULL, 1},
	{"UPDATE t x SET a = b IS DISTINCT FROM c, d = (SELECT 1 FROM e) FROM f WHERE x.id = f.id "
	 "RETURNING 1",
		"SELECTFROMtx,fWHEREx.id=f.id", NULL, 2},
	{"WITH a AS (SELECT * FROM b) DELETE FROM t USING a WHERE t.id = a.id",
		"WITHaAS(SELECT*FROMb)SELECTFROMt,aWHEREt.id=a.id", NULL, 2},
	{"DELETE FROM t WHERE a = ' returning ' AND b = $$ where $$ AND \"from\" = 1",
		"SELECTFROMtWHEREa='returning'ANDb=$$where$$AND\"from\"=1", NULL, 1},
	{"DELETE FROM t -- using x\n WHERE a = 1 -- no more",
		"SELECTFROMt--usingx\nWHEREa=1--nomore", NULL, 1},
	{"DELETE FROM t WHERE lower(a) = pg_catalog.upper('x') AND b OPERATOR(pg_catalog.=) "
	 "1::pg_catalog.int4",
		"SELECTFROMtWHERElower(a)=pg_catalog.upper('x')ANDbOPERATOR(pg_catalog.=)1::pg_"
		"catalog.int4",
		NULL, 1},
	{"DELETE FROM t WHERE id IN (SELECT id FROM u WHERE u.x = t.x)",
		"SELECTFROMtWHEREidIN(SELECTidFROMuWHEREu.x=t.x)", NULL, 2},
	{"DELETE FROM t WHERE f(1) = 1", NULL, FOREIGN, 0},
	{"DELETE FROM t WHERE s.lower('x') = 'x'", NULL, FOREIGN, 0},
	{"DELETE FROM t WHERE id OPERATOR(s.=) 1", NULL, FOREIGN, 0},
	{"DELETE FROM t WHERE id IN (SELECT 1 ORDER BY 1 USING OPERATOR(s.<))", NULL, FOREIGN, 0},
	{"DELETE FROM t WHERE id = ANY (SELECT s.lower('x'))", NULL, FOREIGN, 0},
	{"DELETE FROM t WHERE a = 'x'::s.d", NULL, FOREIGN, 0},
	{"DELETE FROM t WHERE a = 'x'::s.d[]", NULL, FOREIGN, 0},
	{"DELETE FROM t USING s.f(1) x WHERE t.id = x", NULL, MORE, 0},
	{"DELETE FROM t WHERE a = pg_read_file('x')", NULL, FOREIGN, 0},
	{"DELETE FROM t WHERE a = current_setting('x')", NULL, FOREIGN, 0},
	{"DELETE FROM t WHERE a = current_user", NULL, MORE, 0},
	{"DELETE FROM t WHERE id = $1", NULL, "its parameters", 0},
	{"DELETE FROM t WHERE CURRENT OF c", NULL, FORM, 0},
	{"DELETE FROM t USING u TABLESAMPLE s.m (1)", NULL, MORE, 0},
	{"DELETE FROM t WHERE a = b COLLATE s.c", NULL, MORE, 0},
	{"DELETE FROM t WHERE id IN (SELECT id FROM u FOR UPDATE)", NULL, MORE, 0},
	{"WITH a AS (DELETE FROM u RETURNING id) DELETE FROM t USING a", NULL, MORE, 0},
	{"DELETE FROM a.b.t", NULL, "it names more tables", 0},
	{"INSERT INTO t VALUES (1)", NULL, NULL, 0},
	{"INSERT INTO t DEFAULT VALUES", NULL, NULL, 0},
	{"INSERT INTO t SELECT * FROM u", NULL, "only an UPDATE", 0},
	{"MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN DELETE", NULL, "only an UPDATE", 0},
	{"SELECT 1", NULL, NULL, 0},
	{"DELETE FROM t; DELETE FROM u", NULL, NULL, 0},
	{"EXPLAIN DELETE FROM t", NULL, NULL, 0},
	{"DELETE FRO t", NULL, NULL, 0},
};

/* A newline ends a comment, so it counts. */
static void squeeze(struct slice s, char *to)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != ' ')
			*to++ = (char)s.p[i];
	*to = 0;
}

Test(estimate, what_is_asked_of_the_planner)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct arena arena;
		struct estimate e;
		char query[1024];

		arena_init(&arena, 1 << 20);
		cr_assert_eq(estimate_read(&e, slice_str(rows[i].text), "me", &arena), 0);
		cr_expect_eq(e.is_wanted, rows[i].query || rows[i].why, "%s", rows[i].text);
		if (rows[i].query) {
			cr_assert_lt(e.query.n, sizeof(query));
			squeeze(e.query, query);
			cr_expect_null(e.why_not, "%s: %s", rows[i].text, e.why_not);
			cr_expect_str_eq(query, rows[i].query);
			cr_expect_eq(e.n_tables, rows[i].n_tables, "%s", rows[i].text);
		} else if (rows[i].why) {
			cr_assert(e.why_not, "%s", rows[i].text);
			cr_expect_eq(strncmp(e.why_not, rows[i].why, strlen(rows[i].why)), 0,
				"%s: %s", rows[i].text, e.why_not);
		}
		arena_deinit(&arena);
	}
}

/* Names get their schemas, and nothing else changes. */
Test(estimate, tables_get_the_schemas_that_the_server_says)
{
	static const struct slice
		first[] = {SLICE_LIT("1"), SLICE_LIT("we\"ird"), SLICE_LIT("t"), SLICE_LIT("")},
		second[] = {SLICE_LIT("2"), SLICE_LIT("b"), SLICE_LIT("u"), SLICE_LIT("")},
		plan[] = {SLICE_LIT(
			"[\n {\"Plan\": {\"Alias\": \"\\\"Plan Rows\\\": 7\", \"Plan Rows\": 42,"
			"\"Plans\": [{\"Plan Rows\": 9}]}}]")};
	struct arena arena;
	struct estimate e;
	struct slice text;
	size_t n;

	arena_init(&arena, 1 << 20);
	cr_assert_eq(estimate_read(&e, SLICE_LIT("DELETE FROM t WHERE id IN (SELECT id FROM b.u)"),
			     "me", &arena),
		0);
	cr_assert(estimate_next(&e, &text, &n));
	cr_expect_eq(n, 3);
	cr_expect(slice_eq_str(e.params[0], "{\"\",\"b\"}"));
	cr_expect(slice_eq_str(e.params[1], "{\"t\",\"u\"}"));
	cr_assert_eq(estimate_row(&e, first, 4), 0);
	cr_assert_eq(estimate_row(&e, second, 4), 0);
	estimate_answered(&e, NULL);
	cr_assert(estimate_next(&e, &text, &n));
	cr_expect(slice_eq_str(text, "EXPLAIN (FORMAT JSON) SELECT FROM  \"we\"\"ird\".t  WHERE  "
				     "id IN (SELECT id FROM b.u)"),
		"%.*s", SLICE_FMT(text));
	cr_assert_eq(estimate_row(&e, plan, 1), 0);
	estimate_answered(&e, NULL);
	cr_expect_not(estimate_next(&e, &text, &n));
	cr_expect(e.is_known);
	cr_expect_eq(e.rows, 42);
	arena_deinit(&arena);
}

Test(estimate, a_table_that_is_not_found_or_not_fit_is_not_planned)
{
	static const struct slice found[] = {SLICE_LIT("1"), SLICE_LIT("a"), SLICE_LIT("t"),
		SLICE_LIT("")},
				  owned[] = {SLICE_LIT("1"), SLICE_LIT("a"), SLICE_LIT("t"),
					  SLICE_LIT("o")};

	for (int i = 0; i < 2; i++) {
		struct arena arena;
		struct estimate e;
		struct slice text;
		size_t n;

		arena_init(&arena, 1 << 20);
		cr_assert_eq(
			estimate_read(&e, SLICE_LIT("DELETE FROM t USING u"), "me", &arena), 0);
		cr_assert(estimate_next(&e, &text, &n));
		cr_assert_eq(estimate_row(&e, i ? owned : found, 4), 0);
		estimate_answered(&e, NULL);
		cr_expect_not(estimate_next(&e, &text, &n));
		cr_expect(e.why_not);
		arena_deinit(&arena);
	}
}
