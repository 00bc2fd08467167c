/* SPDX-License-Identifier: Apache-2.0 */
/* Which query has the columns of a COPY, and how its rows are written. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "sql/copy.h"

static struct arena arena;

static void setup(void)
{
	arena_init(&arena, 1 << 20);
}

static void teardown(void)
{
	arena_deinit(&arena);
}

TestSuite(copy, .init = setup, .fini = teardown);

/* query NULL: not followed. The format: kind, delimiter, quote, escape, NULL, h(eader), f(orces
 * quotes). */
static const struct {
	const char *text, *query, *format;
} copies[] = {
	{"COPY t TO STDOUT", "SELECT * FROM ONLY \"t\"", "0 9 34 34 <\\N>"},
	{"copy /* x */ S.T (a, \"B\"\"c\") to stdout",
		"SELECT \"a\", \"B\"\"c\" FROM ONLY \"s\".\"t\"", "0 9 34 34 <\\N>"},
	{"COPY (SELECT 1) TO STDOUT (FORMAT csv)", "SELECT 1", "1 44 34 34 <>"},
	{"COPY ((SELECT ')' || $a$)$a$)) TO STDOUT BINARY", "(SELECT ')' || $a$)$a$)",
		"2 9 34 34 <\\N>"},
	{"-- c\nCOPY (TABLE t -- )\n) TO STDOUT WITH CSV HEADER QUOTE AS '''' NULL AS 'nil'",
		"TABLE t -- )\n", "1 44 39 39 <nil> h"},
	{"COPY t TO STDOUT (FORMAT 'csv', HEADER false, DELIMITER '|', QUOTE '~', ESCAPE '\\')",
		"SELECT * FROM ONLY \"t\"", "1 124 126 92 <>"},
	{"COPY t TO STDOUT (HEADER 1, FORMAT text, NULL '')", "SELECT * FROM ONLY \"t\"",
		"0 9 34 34 <> h"},
	{"COPY t TO STDOUT (FORMAT csv, FORCE_QUOTE (a, b), ENCODING 'UTF8')",
		"SELECT * FROM ONLY \"t\"", "1 44 34 34 <> f"},
	{"COPY (UPDATE t SET a = 1 RETURNING b) TO STDOUT", "UPDATE t SET a = 1 RETURNING b",
		"0 9 34 34 <\\N>"},
	{"COPY (VALUES (1), (2)) TO STDOUT;", "VALUES (1), (2)", "0 9 34 34 <\\N>"},
	{"COPY t TO STDOUT; SELECT 1", NULL, ""},
	{"COPY t FROM STDIN", NULL, ""},
	{"COPY t TO '/tmp/x'", NULL, ""},
	{"COPY t TO PROGRAM 'cat'", NULL, ""},
	{"COPY db.s.t TO STDOUT", NULL, ""},
	{"COPY t TO STDOUT (FORMAT json)", NULL, ""},
	{"COPY t TO STDOUT (DELIMITER 'ab')", NULL, ""},
	{"COPY t TO STDOUT (ENCODING 'SJIS')", NULL, ""},
	{"COPY t TO STDOUT (NULL E'\\n')", NULL, ""},
	{"COPY t TO STDOUT (HEADER match)", NULL, ""},
	{"COPY t TO STDOUT (SOMETHING new)", NULL, ""},
	{"SELECT 1", NULL, ""},
	{"EXPLAIN SELECT 1", NULL, ""},
	{"", NULL, ""},
};

Test(copy, every_form_is_followed_or_not)
{
	for (size_t i = 0; i < sizeof(copies) / sizeof(copies[0]); i++) {
		struct copy_format f;
		struct slice query;
		char got[128];
		int r = sql_copy_out(slice_str(copies[i].text), &arena, &query, &f);

		if (!copies[i].query) {
			cr_expect_eq(r, SQL_E_NOT_COPY, "%s", copies[i].text);
			continue;
		}
		cr_assert_eq(r, 0, "%s", copies[i].text);
		snprintf(got, sizeof(got), "%d %u %u %u <%.*s>%s%s", (int)f.kind, f.delimiter,
			f.quote, f.escape, (int)f.null_len, f.null, f.has_header ? " h" : "",
			f.forces_quotes ? " f" : "");
		cr_expect(slice_eq_str(query, copies[i].query), "%s: <%.*s>", copies[i].text,
			SLICE_FMT(query));
		cr_expect_str_eq(got, copies[i].format, "%s: %s", copies[i].text, got);
	}
}
