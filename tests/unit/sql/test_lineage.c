/* SPDX-License-Identifier: Apache-2.0 */
/* What result columns, stores and conditions derive from. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fact/lineage.h"
#include "sql/sql.h"

static struct arena arena;

static void setup(void)
{
	arena_init(&arena, 64 << 20);
}

static void teardown(void)
{
	arena_deinit(&arena);
}

TestSuite(lineage, .init = setup, .fini = teardown);

static const struct lineage *lineage_of(const char *sql)
{
	struct facts f = {0};

	cr_assert_eq(sql_classify_deep(slice_str(sql), &arena, &f), 0, "%s", sql);
	return f.lineage;
}

/* "t.a t.*", in the order of the text; `!` = anything. */
static void print_set(char *out, size_t n, const struct lineage *l, const struct lineage_set *set)
{
	size_t at = strlen(out);

	if (set->may_be_anything || set->is_from_code)
		at += (size_t)snprintf(out + at, n - at, " !");
	for (size_t i = 0; i < l->n_sources && at < n; i++) {
		struct slice object = lineage_object(l, i), name = lineage_name(l, i);

		if (!lineage_set_has(set, i))
			continue;
		if (lineage_source(l, i)->kind == LINEAGE_COLUMN)
			at += (size_t)snprintf(
				out + at, n - at, " %.*s.%.*s", SLICE_FMT(object), SLICE_FMT(name));
		else if (lineage_source(l, i)->kind == LINEAGE_ROW)
			at += (size_t)snprintf(out + at, n - at, " %.*s.*", SLICE_FMT(object));
		else if (lineage_source(l, i)->kind == LINEAGE_TABLE)
			at += (size_t)snprintf(out + at, n - at, " %.*s?", SLICE_FMT(object));
	}
}

/* Columns apart from each other by `|`; a star in brackets, what is only a column with `=`. */
static const char *print_columns(const struct lineage *l)
{
	static char out[4096];

	out[0] = 0;
	if (!l || !(l->flags & (LINEAGE_HAS_COLUMNS)))
		return "none";
	for (size_t i = 0; i < l->n_columns; i++) {
		const struct lineage_column *c = lineage_column(l, i);

		strcat(out, i ? " |" : "");
		strcat(out, c->is_star ? " [" : "");
		print_set(out, sizeof(out), l, &c->from);
		strcat(out, c->is_direct ? " =" : "");
		strcat(out, c->is_star ? " ]" : "");
	}
	return out + (*out == ' ');
}

static const struct {
	const char *sql, *columns;
} column_rows[] = {
	{"SELECT 1", "none"},
	{"SELECT id, upper(name) FROM customers", "customers.id = | customers.name"},
	{"SELECT c.id + 1 AS x, ssn AS id FROM public.customers c",
		"public.customers.id | public.customers.ssn ="},
	{"SELECT count(*) FROM customers", ""},
	{"SELECT count(*), max(total) FROM orders JOIN customers ON true",
		"| orders.total customers.total"},
	{"SELECT o.total * 2 FROM orders o JOIN customers c ON c.id = o.customer", "orders.total"},
	{"SELECT * FROM customers", "[ customers.* = ]"},
	{"SELECT c.*, lower(name) FROM customers c", "[ customers.* = ] | customers.name"},
	{"SELECT customers FROM customers", "customers.customers customers.*"},
	{"SELECT row_to_json(c) FROM customers c", "customers.c customers.*"},
	{"SELECT c.row_to_json FROM customers c", "customers.row_to_json customers.* ="},
	{"SELECT (c).ssn FROM customers c", "customers.c customers.*"},
	{"SELECT (c).* FROM customers c", "[ customers.c customers.* ]"},
	{"SELECT ROW(c.*)::text FROM customers c", "customers.*"},
	{"SELECT c::text FROM customers c", "customers.c customers.*"},
	{"SELECT x FROM (SELECT upper(ssn) AS x, id FROM customers) s", "customers.ssn"},
	{"SELECT s.id || 'a' FROM (SELECT upper(ssn) AS x, id FROM customers) s", "customers.id"},
	{"SELECT b || '' FROM (SELECT id, ssn FROM customers) s(a, b)", "customers.ssn"},
	{"SELECT a || '' FROM customers c(a, b, c)", "customers.*"},
	{"SELECT ssn || '' FROM (SELECT * FROM customers) s", "customers.ssn"},
	{"SELECT s || '' FROM (SELECT id, name FROM customers) s", "customers.id customers.name"},
	{"SELECT name FROM customers UNION SELECT ssn FROM customers",
		"customers.name customers.ssn"},
	{"SELECT id, 1 FROM a UNION ALL SELECT 2, ssn FROM b", "a.id | b.ssn"},
	{"SELECT * FROM a UNION ALL SELECT id, ssn FROM b", "[ a.* b.id b.ssn ]"},
	{"WITH x AS (SELECT ssn AS y, id FROM customers) SELECT y || '', id + 1 FROM x",
		"customers.ssn | customers.id"},
	{"WITH x(a, b) AS (SELECT ssn, id FROM customers) SELECT b + 1 FROM x", "customers.id"},
	{"WITH x AS (SELECT ssn FROM customers), customers AS (SELECT 1 AS ssn) "
	 "SELECT ssn || '' FROM customers",
		""},
	{"WITH RECURSIVE t(n, s) AS (SELECT 1, name FROM a UNION ALL SELECT n + 1, b.ssn || s "
	 "FROM t, b WHERE n < 9) SELECT n + 1, s || '' FROM t",
		"b.n | a.name b.ssn b.s"},
	{"WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 4) SELECT t.n "
	 "FROM t",
		""},
	{"WITH RECURSIVE a AS (SELECT y || '' AS x FROM b), b AS (SELECT ssn AS y FROM t) "
	 "SELECT x || '' FROM a",
		"t.ssn"},
	{"WITH d AS (DELETE FROM customers RETURNING ssn AS y) SELECT y || '' FROM d",
		"customers.ssn"},
	{"SELECT (SELECT max(total) FROM orders o WHERE o.customer = c.id) FROM customers c",
		"orders.total customers.total orders.customer customers.id"},
	{"SELECT EXISTS (SELECT 1 FROM customers WHERE ssn LIKE '1%')", "customers.ssn"},
	{"SELECT CASE WHEN ssn LIKE '1%' THEN 'x' ELSE name END FROM customers",
		"customers.ssn customers.name"},
	{"SELECT count(*) FILTER (WHERE ssn > '1') FROM customers", "customers.ssn"},
	{"SELECT rank() OVER (ORDER BY ssn) FROM customers", "customers.ssn"},
	{"SELECT rank() OVER w FROM customers WINDOW w AS (ORDER BY ssn)", "customers.ssn"},
	{"SELECT rank() OVER (w) FROM customers WINDOW w AS (PARTITION BY ssn)", "customers.ssn"},
	{"SELECT array_agg(id ORDER BY ssn) FROM customers", "customers.id customers.ssn"},
	{"SELECT l.x || '' FROM customers c, LATERAL (SELECT c.ssn AS x) l", "customers.ssn"},
	{"SELECT l.x || '' FROM customers c, LATERAL (SELECT c.*) l(x)", "customers.*"},
	{"SELECT u || '' FROM customers c, unnest(ARRAY[c.ssn]) u", "customers.ssn customers.u"},
	{"SELECT u.value FROM customers c, json_each_text(row_to_json(c)) u",
		"customers.c customers.*"},
	{"SELECT g + 1 FROM generate_series(1, 3) g, customers c", "customers.g"},
	{"SELECT f(id) FROM customers", "! customers.id"},
	{"SELECT x.y FROM f() x, customers", "!"},
	{"SELECT query_to_xml('SELECT ssn FROM customers', true, true, '') FROM orders", "!"},
	{"SELECT evil.upper(name) FROM customers", "! customers.name"},
	{"SELECT name OPERATOR(evil.||) 'x' FROM customers", "! customers.name"},
	{"SELECT j.ssn || '' FROM (customers JOIN orders USING (id)) AS j",
		"customers.ssn orders.ssn"},
	{"SELECT nosuch.ssn || '' FROM customers", "!"},
	{"INSERT INTO t (a) VALUES (1) RETURNING a || 'x', *", "t.a | [ t.* = ]"},
	{"UPDATE t SET a = 1 FROM u WHERE t.id = u.id RETURNING u.ssn || ''", "u.ssn"},
	{"DELETE FROM t USING u RETURNING t.a", "t.a ="},
	{"VALUES ((SELECT ssn FROM customers), 1)", "customers.ssn |"},
	{"TABLE customers", "[ customers.* = ]"},
	{"COPY (SELECT id, ssn FROM customers) TO STDOUT", "customers.id = | customers.ssn ="},
	{"COPY customers TO STDOUT", "[ customers.* = ]"},
	{"EXPLAIN SELECT upper(ssn) FROM customers JOIN v USING (id)", "customers? v?"},
	{"EXPLAIN SELECT f(1) FROM customers", "! customers?"},
	{"EXPLAIN EXECUTE x", "!"},
	{"DECLARE c CURSOR FOR SELECT id, upper(ssn) FROM t", "t.id = | t.ssn"},
	{"SELECT DISTINCT ON (ssn) id FROM customers", "customers.id ="},
	{"SELECT xmlelement(name x, ssn) FROM customers", "customers.ssn"},
	{"SELECT x.v || '' FROM customers c, XMLTABLE('/a' PASSING (c.ssn::xml) COLUMNS v text) x",
		"customers.ssn"},
	{"SELECT id FROM customers; SELECT upper(ssn) FROM customers", "none"},
	{"SELECT ssn || '' FROM customers TABLESAMPLE system (10)", "customers.ssn"},
	{"SELECT (ARRAY[ssn, name])[1], COALESCE(ssn, ''), NULLIF(name, ssn) FROM customers",
		"customers.ssn customers.name | customers.ssn | customers.ssn customers.name"},
	{"SELECT ssn IS NULL, ssn BETWEEN '1' AND '2', ssn IN ('1') FROM customers",
		"customers.ssn | customers.ssn | customers.ssn"},
	{"SELECT name = ANY (SELECT ssn FROM customers) FROM orders",
		"orders.name customers.ssn orders.ssn"},
	{"SELECT id FROM customers c NATURAL JOIN orders o", "customers.id orders.id ="},
	{"SELECT id, c.id FROM customers c FULL JOIN orders o USING (id)",
		"customers.id orders.id | customers.id ="},
	{"SELECT o.x || '' FROM a JOIN LATERAL (SELECT a.ssn AS x) o ON true", "a.ssn"},
	{"SELECT x FROM (VALUES (1, (SELECT ssn FROM t))) v(x, y)", ""},
	{"SELECT 1, 'x' FROM customers", "|"},
	{"SELECT y FROM (VALUES (1, (SELECT ssn FROM t))) v(x, y)", "t.ssn"},
	{"SELECT max FROM (SELECT id, max(ssn) FROM t GROUP BY 1) s", "t.ssn"},
	{"SELECT coalesce FROM (SELECT id, COALESCE(ssn, '') FROM t) s", "t.ssn"},
	{"SELECT current_user, now(), 1 + 1 FROM customers", "| |"},
	{"SELECT $1::text || ssn FROM customers", "customers.ssn"},
};

Test(lineage, columns)
{
	for (size_t i = 0; i < sizeof(column_rows) / sizeof(column_rows[0]); i++) {
		const char *got = print_columns(lineage_of(column_rows[i].sql));

		cr_expect_str_eq(got, column_rows[i].columns,
			"%s\n  got      <%s>\n  expected <%s>", column_rows[i].sql, got,
			column_rows[i].columns);
	}
}

/* What the conditions of a text hang on. */
static const struct {
	const char *sql, *filters;
} filter_rows[] = {
	{"SELECT ssn FROM customers WHERE id = 1", "customers.id"},
	{"SELECT id FROM customers WHERE ssn LIKE '1%'", "customers.ssn"},
	{"SELECT id FROM customers c JOIN o ON o.x = c.ssn", "o.x customers.ssn"},
	{"SELECT id FROM customers JOIN o USING (ssn)", "customers.ssn o.ssn"},
	{"SELECT id FROM customers NATURAL JOIN o", "customers.* o.*"},
	{"SELECT id FROM customers ORDER BY ssn", "customers.ssn"},
	{"SELECT ssn AS x, id FROM customers ORDER BY x", "customers.ssn customers.x"},
	{"SELECT ssn, id FROM customers ORDER BY 1", "customers.ssn"},
	{"SELECT ssn, id FROM customers ORDER BY 2", "customers.id"},
	{"SELECT *, id FROM customers ORDER BY 2", "customers.* customers.id"},
	{"SELECT count(*) FROM customers GROUP BY ssn", "customers.ssn"},
	{"SELECT count(*) FROM customers GROUP BY ROLLUP (ssn)", "customers.ssn"},
	{"SELECT count(*) FROM customers HAVING max(ssn) > '1'", "customers.ssn"},
	{"SELECT DISTINCT ssn FROM customers", "customers.ssn"},
	{"SELECT DISTINCT ON (ssn) id FROM customers", "customers.ssn"},
	{"SELECT ssn FROM customers UNION ALL SELECT 'x'", ""},
	{"SELECT ssn FROM customers INTERSECT SELECT 'x'", "customers.ssn"},
	{"SELECT ssn FROM customers UNION SELECT 'x'", "customers.ssn"},
	{"SELECT id FROM customers LIMIT (SELECT max(ssn)::int FROM c)", "c.ssn customers.ssn"},
	{"SELECT CASE WHEN ssn = '1' THEN 1 ELSE 2 END FROM customers", "customers.ssn"},
	{"SELECT CASE ssn WHEN '1' THEN 1 ELSE 2 END FROM customers", "customers.ssn"},
	{"SELECT rank() OVER (ORDER BY ssn) FROM customers", "customers.ssn"},
	{"SELECT count(*) FILTER (WHERE ssn = '1') FROM customers", "customers.ssn"},
	{"SELECT id FROM customers WHERE id IN (SELECT x FROM o WHERE y = '1')",
		"o.x o.y customers.id customers.x customers.y"},
	{"SELECT 1 FROM customers, generate_series(1, ascii(ssn))", "customers.ssn"},
	{"SELECT unnest(string_to_array(ssn, NULL)) FROM customers", "customers.ssn"},
	{"SELECT id IN (SELECT ssn FROM o) FROM customers", "customers.id o.ssn customers.ssn"},
	{"SELECT n FROM (SELECT count(*) AS n FROM customers WHERE ssn = '1') s", "customers.ssn"},
	{"UPDATE customers SET name = 'x' WHERE ssn = '1'", "customers.ssn"},
	{"DELETE FROM customers USING o WHERE o.x = ssn", "o.x customers.ssn o.ssn"},
	{"INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 1 WHERE t.ssn = '1'",
		"t.ssn"},
	{"MERGE INTO t USING u ON t.ssn = u.y WHEN MATCHED AND u.z = 1 THEN DELETE",
		"t.ssn u.y u.z"},
	{"WITH x AS (SELECT 1 FROM customers WHERE ssn = '1') SELECT id FROM o", "customers.ssn"},
	{"DECLARE c CURSOR FOR SELECT id FROM customers WHERE ssn = '1'", "customers.ssn"},
	{"EXPLAIN SELECT id FROM customers WHERE ssn = '1'", "customers.ssn"},
	{"COPY (SELECT id FROM customers WHERE ssn = '1') TO STDOUT", "customers.ssn"},
	{"SELECT id FROM o WHERE a = 1; SELECT id FROM customers WHERE ssn = '1'",
		"o.a customers.ssn"},
};

/* As many as are there, in any order. */
static bool same_words(const char *a, const char *b)
{
	char copy[1024], *save = NULL;
	size_t n = 0;

	snprintf(copy, sizeof(copy), "%s", b);
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		char padded[1100], in[1100];

		snprintf(padded, sizeof(padded), " %s ", word);
		snprintf(in, sizeof(in), "%s ", a);
		if (!strstr(in, padded))
			return false;
		n++;
	}
	for (; *a; a++)
		n -= *a == ' ';
	return !n;
}

Test(lineage, filters)
{
	for (size_t i = 0; i < sizeof(filter_rows) / sizeof(filter_rows[0]); i++) {
		const struct lineage *l = lineage_of(filter_rows[i].sql);
		char got[1024] = "";

		if (l)
			print_set(got, sizeof(got), l, &l->filters);
		cr_expect(same_words(got, filter_rows[i].filters), "%s\n  got      <%s>",
			filter_rows[i].sql, got);
	}
}

/* "target <- sources", one a statement. */
static const struct {
	const char *sql, *stores;
} store_rows[] = {
	{"INSERT INTO t (a) VALUES (1)", ""},
	{"INSERT INTO t SELECT id FROM customers", " t.* <- customers.id;"},
	{"INSERT INTO t (a, b) SELECT id, ssn FROM customers",
		" t.a <- customers.id; t.b <- customers.ssn;"},
	{"INSERT INTO t (a, b) SELECT * FROM customers", " t.* <- customers.*;"},
	{"INSERT INTO t (a) VALUES ((SELECT ssn FROM customers))", " t.a <- customers.ssn;"},
	{"UPDATE customers SET name = ssn", " customers.name <- customers.ssn;"},
	{"UPDATE customers SET (name, a) = (SELECT x, 1 FROM o)",
		" customers.name <- o.x customers.x; customers.a <- o.x customers.x;"},
	{"CREATE TABLE x AS SELECT id, ssn FROM customers", " new <- customers.id customers.ssn;"},
	{"SELECT ssn INTO x FROM customers", " new <- customers.ssn;"},
	{"CREATE TABLE x AS EXECUTE y", " new <- !;"},
	{"SELECT set_config('a.b', ssn, false) FROM customers", " new <- customers.ssn;"},
	{"SELECT lo_from_bytea(0, ssn::bytea), pg_notify('c', name) FROM customers",
		" new <- customers.ssn; new <- customers.name;"},
	{"SELECT nextval('s'), upper(ssn) FROM customers", ""},
	{"WITH w AS (INSERT INTO t SELECT ssn FROM customers RETURNING 1) SELECT 1",
		" t.* <- customers.ssn;"},
	{"INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET b = excluded.c || t.d",
		" t.b <- t.c t.d;"},
	{"MERGE INTO t USING u ON true WHEN MATCHED THEN UPDATE SET a = u.b "
	 "WHEN NOT MATCHED THEN INSERT (c) VALUES (u.d)",
		" t.a <- u.b; t.c <- u.d;"},
};

Test(lineage, stores)
{
	for (size_t i = 0; i < sizeof(store_rows) / sizeof(store_rows[0]); i++) {
		const struct lineage *l = lineage_of(store_rows[i].sql);
		char got[1024] = "";

		for (size_t j = 0; l && j < l->n_stores; j++) {
			struct lineage_set target = {0};
			uint16_t at = lineage_store(l, j)->target;

			if (at == UINT16_MAX)
				strcat(got, " new");
			else
				target.bits[at / 64] = (uint64_t)1 << (at % 64);
			print_set(got, sizeof(got), l, &target);
			strcat(got, " <-");
			print_set(got, sizeof(got), l, &lineage_store(l, j)->from);
			strcat(got, ";");
		}
		cr_expect_str_eq(
			got, store_rows[i].stores, "%s\n  got <%s>", store_rows[i].sql, got);
	}
}

/* Nesting, width and recursion end in "anything", not in a long time. */
Test(lineage, too_much_may_be_anything, .timeout = 20)
{
	char *sql = malloc(1 << 20);
	size_t at = 0;
	const struct lineage *l;

	at += (size_t)sprintf(sql + at, "WITH w0 AS (SELECT * FROM customers)");
	for (int i = 1; i < 40; i++)
		at += (size_t)sprintf(
			sql + at, ", w%d AS (SELECT a.*, b.* FROM w%d a, w%d b)", i, i - 1, i - 1);
	sprintf(sql + at, " SELECT ssn || '' FROM w39");
	l = lineage_of(sql);
	cr_assert(l && l->n_columns == 1);
	cr_expect(lineage_column(l, 0)->from.may_be_anything);

	at = 0;
	for (int i = 0; i < 60; i++)
		at += (size_t)sprintf(sql + at, "SELECT upper(x) AS x FROM (");
	at += (size_t)sprintf(sql + at, "SELECT ssn AS x FROM customers");
	for (int i = 0; i < 60; i++)
		at += (size_t)sprintf(sql + at, ") s%d", i);
	l = lineage_of(sql);
	cr_assert(l && l->n_columns == 1);
	cr_expect(lineage_column(l, 0)->from.may_be_anything);

	at = (size_t)sprintf(sql, "SELECT ''");
	for (int i = 0; i < 300; i++)
		at += (size_t)sprintf(sql + at, " || c%d", i);
	sprintf(sql + at, " FROM customers");
	l = lineage_of(sql);
	cr_assert(l && l->n_columns == 1);
	cr_expect(lineage_column(l, 0)->from.may_be_anything);
	free(sql);
}

/* ---- what it costs --------------------------------------------------------------------------- */

/* A list of n names, "a0,b0,…" or "c0,c1,…". */
static char *names_put(char *at, int n, const char *prefix)
{
	for (int i = 0; i < n; i++)
		at += prefix ? sprintf(at, "%s%s%d", i ? "," : "", prefix, i)
			     : sprintf(at, "%s%c%d", i ? "," : "", 'a' + i % 26, i / 26 % 10);
	return at;
}

/* What an event loop takes upon itself: 2 KiB, in which every column may be of every table. At tens
 * of milliseconds each, so many of them do not end in time. */
Test(lineage, short_texts_cost_little, .timeout = 60)
{
	char text[SQL_INLINE_MAX + 1], *at = text;

	at = stpcpy(at, "SELECT ");
	at = names_put(at, 560, NULL);
	at = stpcpy(at, " FROM ");
	names_put(at, 100, NULL);
	cr_assert_leq(strlen(text), SQL_INLINE_MAX);
	for (int i = 0; i < 1000; i++) {
		cr_assert(lineage_of(text));
		arena_reset(&arena);
	}
}

/* The parser's thread is everybody's: texts as long as they may be, with as many names of each kind
 * as fit. */
Test(lineage, long_texts_cost_by_their_length, .timeout = 30)
{
	static const char *const heads[] = {"SELECT ", "SELECT DISTINCT ON (c0) ", "SELECT *, "};
	static const char *const tails[] = {"", " ORDER BY t1.x, 1, 7", " WHERE t1.x = t2.x"};
	char *text = malloc(SQL_TEXT_MAX);

	cr_assert(text);
	for (size_t i = 0; i < 36; i++) {
		char *at = stpcpy(text, heads[i % 3]);

		at = names_put(at, 20000, "c");
		at = stpcpy(at, " FROM ");
		at = names_put(at, 17000, "t");
		strcpy(at, tails[i % 3]);
		cr_assert_leq(strlen(text), SQL_TEXT_MAX);
		cr_expect(lineage_of(text));
		arena_reset(&arena);
	}
	free(text);
}
