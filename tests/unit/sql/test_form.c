/* SPDX-License-Identifier: Apache-2.0 */
/* Which constants an approval of a shape leaves free, and above all which it does not. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "sql/form.h"

static struct arena arena;

static void begin(void)
{
	arena_init(&arena, 16 * 1024 * 1024);
}

static void end(void)
{
	arena_deinit(&arena);
}

TestSuite(form, .init = begin, .fini = end);

/* The free values as "a = 1; b IN 'x'", or "none" if the text has no form. */
static const char *free_of(const char *text)
{
	static char out[4096];
	struct form f;
	size_t n = 0;

	out[0] = 0;
	if (sql_form(slice_str(text), &arena, &f))
		return "none";
	for (size_t i = 0; i < f.n_free; i++)
		n += (size_t)snprintf(
			out + n, sizeof(out) - n, "%s%.*s", i ? "; " : "", SLICE_FMT(f.free[i]));
	for (unsigned i = 0; i < 64; i++)
		if (f.free_params & UINT64_C(1) << i)
			n += (size_t)snprintf(
				out + n, sizeof(out) - n, "%s$%u", n ? "; " : "", i + 1);
	return out;
}

static bool same(const char *a, const char *b)
{
	struct form x, y;

	cr_assert_eq(sql_form(slice_str(a), &arena, &x), 0, "%s", a);
	cr_assert_eq(sql_form(slice_str(b), &arena, &y), 0, "%s", b);
	return slice_eq(x.key, y.key) && x.free_params == y.free_params;
}

Test(form, what_is_free)
{
	static const struct {
		const char *text, *free;
	} rows[] = {
		{"DELETE FROM t WHERE id = 5", "id = 5"},
		{"DELETE FROM t WHERE 5 = id", "id = 5"},
		{"DELETE FROM t WHERE t.id = -5 AND name <> 'it''s'", "id = -5; name <> 'it''s'"},
		{"DELETE FROM t WHERE id IN (1, 2) OR a NOT IN ('x')",
			"id IN 1; id IN 2; a NOT IN 'x'"},
		{"SELECT * FROM t WHERE a BETWEEN 1 AND 2.5", "a BETWEEN 1; a BETWEEN 2.5"},
		{"SELECT * FROM t WHERE d >= '2024-01-01'::date", "d >= '2024-01-01'"},
		{"SELECT * FROM t WHERE d >= date '2024-01-01'", "d >= '2024-01-01'"},
		{"UPDATE t SET a = 'x', b = b + 1 WHERE id = 3", "a := 'x'; id = 3"},
		{"INSERT INTO t (a, b) VALUES (1, 'x'), (2, DEFAULT)", "a := 1; b := 'x'; a := 2"},
		{"INSERT INTO t VALUES (1)", "1"},
		{"INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 'z'",
			"a := 1; b := 'z'"},
		{"DELETE FROM t WHERE id IN (SELECT x FROM u WHERE y = 7)", "y = 7"},
		{"DELETE FROM t USING u WHERE t.id = u.id AND u.k = 1", "k = 1"},
		{"UPDATE t SET a = $1 WHERE id = $2", "$1; $2"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_str_eq(free_of(rows[i].text), rows[i].free, "%s", rows[i].text);
}

Test(form, what_is_not_free)
{
	static const char *const rows[] = {
		"SELECT * FROM t LIMIT 5", "SELECT * FROM t OFFSET 5",
		"SELECT * FROM t LIMIT (SELECT 1 FROM u WHERE 5 < 4)", "SELECT f(5)",
		"SELECT f(id = 5) FROM t", "SELECT * FROM t WHERE f(id, 5)",
		"SELECT * FROM t WHERE f(5) = id", "SELECT * FROM t WHERE id + 5 = 7",
		"SELECT * FROM t WHERE id = 5 + 5", "SELECT * FROM t WHERE 1 = 1",
		"SELECT * FROM t WHERE a LIKE 'x%'", "SELECT * FROM t WHERE a ~ 'x'",
		"SELECT * FROM t WHERE a OPERATOR(pg_catalog.=) 5",
		"SELECT * FROM t WHERE a = E'x'", "SELECT * FROM t WHERE a = $$x$$",
		"SELECT * FROM t WHERE a = B'101'", "SELECT * FROM t WHERE a = 'x'\n'y'",
		"SELECT * FROM t WHERE a = 1e5", "SELECT * FROM t WHERE a = true",
		"SELECT * FROM t WHERE a IS NULL", "SELECT 5",
		"SELECT CASE WHEN a = 5 THEN 1 END FROM t",
		"SELECT * FROM t TABLESAMPLE system (5)", "SELECT * FROM generate_series(1, 5)",
		"UPDATE t SET a = f('x')", "UPDATE t SET (a, b) = (1, 2)",
		"SELECT * FROM t WHERE a = ANY (ARRAY[1, 2])",
		"SELECT * FROM t WHERE a = $1 AND f($1)", /* used elsewhere, too */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_str_eq(free_of(rows[i]), "", "%s", rows[i]);
}

Test(form, what_has_none)
{
	static const char *const rows[] = {"", "SET a = 5", "DROP TABLE t", "DO $$ BEGIN END $$",
		"COPY t FROM STDIN", "EXECUTE p(5)", "SELECT 1; SELECT 2",
		"CREATE TABLE t AS SELECT 1", "TRUNCATE t", "GRANT SELECT ON t TO u",
		"EXPLAIN DELETE FROM t WHERE id = 5", "PREPARE p AS DELETE FROM t WHERE id = 5",
		"CALL p(5)", "SELECT '\x01'", "SELECT '\xff'"};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_str_eq(free_of(rows[i]), "none", "%s", rows[i]);
}

Test(form, which_are_the_same)
{
	cr_expect(same("DELETE FROM t WHERE id = 5", "DELETE FROM t WHERE id = 123456"));
	cr_expect(same("DELETE FROM t WHERE a = 'x'", "DELETE FROM t WHERE a = ''' OR 1=1 --'"));
	cr_expect_not(same("DELETE FROM t WHERE id = 5", "DELETE FROM t WHERE id = '5'"));
	cr_expect_not(same("DELETE FROM t WHERE id = 5", "DELETE FROM t WHERE id = 5.0"));
	cr_expect_not(same("DELETE FROM t WHERE id = 5", "DELETE FROM t WHERE id = 5 OR true"));
	cr_expect_not(same("DELETE FROM t WHERE id = 5", "DELETE FROM t WHERE id > 5"));
	cr_expect_not(same("DELETE FROM t WHERE id = 5", "DELETE FROM u WHERE id = 5"));
	cr_expect_not(same("DELETE FROM t WHERE id = 5", "DELETE FROM t WHERE id = 5 /* x */"));
	cr_expect_not(same(
		"SELECT * FROM t WHERE id = 5 LIMIT 5", "SELECT * FROM t WHERE id = 5 LIMIT 6"));
	cr_expect_not(same("DELETE FROM t WHERE id IN (1)", "DELETE FROM t WHERE id IN (1, 2)"));
	cr_expect_not(same("UPDATE t SET a = $1", "UPDATE t SET a = f($1)"));
}
