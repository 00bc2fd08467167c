/* SPDX-License-Identifier: Apache-2.0 */
/* The cache must never change what a text says: neither by exact text nor by shape. */
#include "corpus.h"
#include "sql/cache.h"
#include "sql/shape.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static struct arena arena;
static struct sql_cache *cache;

static void setup(void)
{
	arena_init(&arena, 64 << 20);
	cache = sql_cache_new(64);
	cr_assert(cache);
}

static void teardown(void)
{
	cache = sql_cache_free(cache);
	arena_deinit(&arena);
}

TestSuite(cache, .init = setup, .fini = teardown);

static struct facts classify(struct sql_cache *c, const char *sql, uint64_t lexing)
{
	struct facts f = {0};

	cr_assert_eq(sql_classify(c, slice_str(sql), lexing, &arena, &f), 0, "%s", sql);
	return f;
}

static bool facts_same(const struct facts *a, const struct facts *b)
{
	if (a->n != b->n || a->flags != b->flags || a->n_statements != b->n_statements ||
		a->n_names != b->n_names || a->n_executes != b->n_executes)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (a->list[i].effect != b->list[i].effect ||
			a->list[i].bounded != b->list[i].bounded ||
			a->list[i].no_object != b->list[i].no_object ||
			!slice_eq(a->list[i].object, b->list[i].object))
			return false;
	for (size_t i = 0; i < a->n_names; i++)
		if (a->names[i].kind != b->names[i].kind ||
			!slice_eq(a->names[i].name, b->names[i].name) ||
			!slice_eq(a->names[i].text, b->names[i].text))
			return false;
	for (size_t i = 0; i < a->n_executes; i++)
		if (!slice_eq(a->executes[i].name, b->executes[i].name) ||
			a->executes[i].n_names != b->executes[i].n_names)
			return false;
	return true;
}

Test(cache, the_second_time_gives_the_same_for_the_whole_corpus)
{
	for (size_t i = 0; i < corpus_n; i++) {
		struct facts plain = classify(NULL, corpus[i].sql, 0);

		for (int round = 0; round < 2; round++) {
			struct facts cached = classify(cache, corpus[i].sql, 0);

			cr_expect(
				facts_same(&plain, &cached), "round %d: %s", round, corpus[i].sql);
		}
		arena_reset(&arena);
	}
}

Test(cache, lineage_is_found_where_somebody_asks_for_it)
{
	static const char sql[] = "SELECT upper(name) FROM customers WHERE id = 7";

	cr_expect(classify(cache, sql, 0).lineage);
	cr_expect(classify(cache, sql, 0).lineage);
	sql_cache_want_lineage(cache, false);
	cr_expect_not(classify(cache, sql, 0).lineage, "kept from when it was wanted");
	cr_expect_not(classify(cache, sql, 0).lineage);
	sql_cache_want_lineage(cache, true);
	cr_expect(classify(cache, sql, 0).lineage, "kept from when it was not wanted");
}

/* A request that waits for people has its facts for longer than the cache has them. */
Test(cache, found_facts_outlive_their_entry)
{
	static const char *const texts[] = {"UPDATE t SET a = upper(b) WHERE id = 1",
		"PREPARE p AS SELECT a FROM t", "EXECUTE p (1)", "PREPARE q AS DELETE FROM u"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct facts plain = classify(NULL, texts[i], 0), first, found;

		first = classify(cache, texts[i], 0);
		found = classify(cache, texts[i], 0);
		cr_assert(facts_same(&plain, &first));
		sql_cache_want_lineage(cache, false); /* empties it */
		sql_cache_want_lineage(cache, true);
		for (int j = 0; j < 100; j++)
			free(memset(malloc(100 + 20 * (size_t)j), 'x', 100 + 20 * (size_t)j));
		cr_expect(facts_same(&plain, &found), "%s", texts[i]);
		cr_expect(!plain.lineage ||
				  !memcmp(plain.lineage, found.lineage, plain.lineage->size),
			"%s", texts[i]);
	}
}

Test(cache, settings_that_change_lexing_are_part_of_the_key)
{
	struct facts f;
	static const struct facts none;

	f = classify(cache, "SELECT * FROM t", 1);
	cr_expect_eq(f.n, 1);
	cr_expect(!sql_cache_get(cache, CACHE_SHAPE, SLICE_LIT("SELECT * FROM t"), 2));
	cr_expect(sql_cache_get(cache, CACHE_SHAPE, SLICE_LIT("SELECT * FROM t"), 1));
	sql_cache_put(cache, CACHE_SHAPE, SLICE_LIT("SELECT * FROM t"), 2, &none);
	f = classify(cache, "SELECT * FROM t", 2);
	cr_expect_eq(f.n, 0);
}

Test(cache, a_shape_with_other_constants_is_found_without_parsing)
{
	static const struct facts planted = {.n_statements = 77};
	uint8_t shape[SQL_SHAPE_MAX];
	size_t n = sql_shape(SLICE_LIT("UPDATE t SET a = 'x' WHERE id = 5"), shape);
	struct facts f;

	cr_assert(n);
	sql_cache_put(cache, CACHE_SHAPE, slice_of(shape, n), 0, &planted);
	f = classify(cache, "UPDATE t SET a = 'it''s' WHERE id = 123456", 0);
	cr_expect_eq(f.n_statements, 77);
	f = classify(cache, "UPDATE t SET a = 'it''s' WHERE id = 1.5", 0);
	cr_expect_eq(f.n_statements, 1, "another kind of number is another shape");
}

Test(cache, what_hangs_on_a_constant_is_not_kept_by_shape)
{
	static const char *const pairs[][2] = {
		{"DELETE FROM t WHERE a LIKE 'x%'", "DELETE FROM t WHERE a LIKE '%'"},
		{"SELECT nextval('a')", "SELECT nextval('b')"},
		{"SET client_encoding = 'utf8'", "SET client_encoding = 'gbk'"},
		{"EXPLAIN (ANALYZE 0) DELETE FROM t", "EXPLAIN (ANALYZE 1) DELETE FROM t"},
		{"COPY t TO '/a'", "COPY t TO '/b'"},
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct facts first = classify(cache, pairs[i][0], 0), plain, cached;

		cr_expect(!(first.flags & FACTS_CONSTANT_FREE), "%s", pairs[i][0]);
		plain = classify(NULL, pairs[i][1], 0);
		cached = classify(cache, pairs[i][1], 0);
		cr_expect(facts_same(&plain, &cached), "%s", pairs[i][1]);
	}
}

Test(cache, stays_within_its_bounds_and_keeps_what_is_used)
{
	char sql[64];

	classify(cache, "SELECT * FROM favourite", 0);
	for (int i = 0; i < 5000; i++) {
		snprintf(sql, sizeof(sql), "SELECT * FROM table_%d", i);
		classify(cache, sql, 0);
		cr_assert(
			sql_cache_get(cache, CACHE_SHAPE, SLICE_LIT("SELECT * FROM favourite"), 0),
			"%d", i);
		arena_reset(&arena);
	}
	cr_expect(!sql_cache_get(cache, CACHE_SHAPE, SLICE_LIT("SELECT * FROM table_0"), 0));
}

Test(cache, what_nobody_asks_for_makes_room_for_what_comes)
{
	char sql[64];
	int n_old = 0, n_new = 0;

	for (int i = 0; i < 64 + 128; i++) {
		snprintf(sql, sizeof(sql), "SELECT * FROM table_%d", i);
		classify(cache, sql, 0);
		arena_reset(&arena);
	}
	for (int i = 0; i < 64 + 128; i++) {
		snprintf(sql, sizeof(sql), "SELECT * FROM table_%d", i);
		if (sql_cache_get(cache, CACHE_SHAPE, slice_str(sql), 0))
			(*(i < 64 ? &n_old : &n_new))++;
	}
	cr_expect_eq(n_old, 0, "%d of the first, that nobody asked for again", n_old);
	cr_expect_eq(n_new, 64, "%d", n_new);
}

Test(cache, entries_too_large_are_not_kept)
{
	size_t n = 40 * 1024;
	char *text = malloc(n);
	struct facts f = {0};

	memset(text, 'x', n);
	sql_cache_keep(cache, slice_of(text, n), 0, &f);
	cr_expect(!sql_cache_get(cache, CACHE_TEXT, slice_of(text, n), 0));
	sql_cache_keep(cache, slice_of(text, 9000), 0, &f);
	cr_expect(sql_cache_get(cache, CACHE_TEXT, slice_of(text, 9000), 0));
	free(text);
}

/* ---- shapes ---------------------------------------------------------------------------------- */

Test(shape, plain_tokens_have_one)
{
	static const struct {
		const char *sql, *shape;
	} rows[] = {
		{"SELECT 1", "SELECT \1"},
		{"SELECT -1.50", "SELECT -\2"},
		{"SELECT 'a''b', $12", "SELECT \3, $12"},
		{"SELECT 2147483647, 2147483648", "SELECT \1, \2"},
		{"SELECT 99999999999", "SELECT \2"},
		{"SELECT \"A b\".c FROM t1", "SELECT \"A b\".c FROM t1"},
		{"SELECT a-1, b/2\n\tFROM t;", "SELECT a-\1, b/\1\n\tFROM t;"},
		{"SELECT 'x'::text", "SELECT \3::text"},
		{"SELECT '\xc3\xa9'", "SELECT \3"},
	};
	uint8_t out[SQL_SHAPE_MAX];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = sql_shape(slice_str(rows[i].sql), out);

		cr_expect(slice_eq_str(slice_of(out, n), rows[i].shape), "%s: %.*s", rows[i].sql,
			(int)n, out);
	}
}

Test(shape, anything_doubtful_has_none)
{
	static const char *const rows[] = {"SELECT E'a'", "SELECT e'a'", "SELECT U&'a'",
		"SELECT u&\"a\"", "SELECT N'a'", "SELECT B'1'", "SELECT 'a\\'", "SELECT $$a$$",
		"SELECT $a$b$a$", "SELECT 1 -- x", "SELECT /* x */ 1", "SELECT 'a'\n'b'",
		"SELECT 'a' 'b'", "SELECT 'a", "SELECT \"a", "SELECT 1e5", "SELECT 0x1F",
		"SELECT 1_000", "SELECT 1.", "SELECT .5", "SELECT 1..2", "SELECT 1a", "SELECT 007",
		"SELECT \"a\"\"b\"", "SELECT \x01", "SELECT a\r\n", "SELECT caf\xc3\xa9",
		"SELECT '\xff'", "SELECT $1a", "SELECT 1'a'", "SELECT '{}', \\x", "SELECT a\f",
		"SELECT {x}", "SELECT 1$1", ""};
	uint8_t out[SQL_SHAPE_MAX];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(sql_shape(slice_str(rows[i]), out), 0, "%s", rows[i]);
}

/* ---- the property ---------------------------------------------------------------------------- */

static uint64_t seed;

static unsigned rnd(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 33) % n;
}

static void put_constant(char *out, size_t *n)
{
	static const char *const strings[] = {"''", "'x'", "'%'", "'it''s'", "'DROP TABLE t'",
		"'a%'", "'t'", "'public.t'", "'\"'", "'$$'", "'--'", "'/*'", "'true'", "'on'",
		"'0'", "'\xc3\xa9'"};
	static const char *const numbers[] = {"0", "1", "42", "999999999", "2147483647",
		"2147483648", "1.5", "12345678901234567890", "0.0"};

	if (rnd(2))
		*n += (size_t)sprintf(
			out + *n, "%s", strings[rnd(sizeof(strings) / sizeof(strings[0]))]);
	else
		*n += (size_t)sprintf(
			out + *n, "%s", numbers[rnd(sizeof(numbers) / sizeof(numbers[0]))]);
}

/* `?` stands for a constant: a template is filled several times, with others each time. */
static const char *const templates[] = {
	"SELECT * FROM t WHERE id = ?",
	"SELECT ?, ? FROM t LIMIT ? OFFSET ?",
	"SELECT f(?) FROM t",
	"SELECT nextval(?)",
	"SELECT set_config(?, ?, true)",
	"SELECT a FROM t WHERE b = ? OR ? = ?",
	"UPDATE t SET a = ?, b = b + ? WHERE id = ?",
	"UPDATE t SET a = ? WHERE ? = ?",
	"UPDATE t SET a = ? WHERE a LIKE ?",
	"UPDATE t SET a = ? WHERE ?",
	"DELETE FROM t WHERE id = ? AND name = ?",
	"DELETE FROM t WHERE id = ? OR ? = id OR ?",
	"DELETE FROM t WHERE id IN (?, ?, ?)",
	"DELETE FROM t WHERE ? IN (?, ?)",
	"DELETE FROM t WHERE id BETWEEN ? AND ?",
	"DELETE FROM t WHERE NOT (? < ?)",
	"DELETE FROM t WHERE a NOT LIKE ?",
	"DELETE FROM t WHERE a - ? = ?",
	"INSERT INTO t VALUES (?, ?), (?, ?)",
	"INSERT INTO t VALUES (?) ON CONFLICT (a) DO UPDATE SET a = ?",
	"WITH x AS (DELETE FROM t WHERE id = ? RETURNING *) SELECT * FROM x WHERE a > ?",
	"MERGE INTO t USING s ON t.a = ? WHEN MATCHED AND s.b = ? THEN DELETE",
	"SELECT * FROM t WHERE d > date ? AND i < interval ?",
	"SELECT ?::int, CAST(? AS text), ? || ?",
	"SELECT - ?, -?, +?, a-?",
	"SELECT * FROM generate_series(?, ?) LIMIT ?",
	"SET application_name = ?",
	"SET client_encoding = ?",
	"SET default_transaction_read_only = ?",
	"COPY t TO ?",
	"COPY t TO STDOUT WITH (FORMAT ?)",
	"EXPLAIN (ANALYZE ?) DELETE FROM t",
	"EXECUTE p(?, ?)",
	"PREPARE p AS SELECT ?",
	"NOTIFY c, ?",
	"DO ?",
	"CREATE ROLE r PASSWORD ?",
	"COMMENT ON TABLE t IS ?",
	"PREPARE TRANSACTION ?",
	"SELECT * FROM t ORDER BY ?, a",
	"SELECT t.a FROM t TABLESAMPLE system (?)",
	"SELECT x FROM t WHERE x = ? ; DELETE FROM u WHERE y = ?",
	"SELECT \"?\" FROM t WHERE x = ?",
	"SELECT ?.?, ?a, a?, ? ?, ?\n?",
};

Test(cache, facts_by_shape_equal_facts_by_parsing)
{
	const char *from = getenv("HOLDFAST_SEED");
	size_t n_shapes = 0;

	seed = from ? strtoull(from, NULL, 10) : 20240229;
	fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
	for (int i = 0; i < 30000; i++) {
		const char *template = templates[rnd(sizeof(templates) / sizeof(templates[0]))];
		char sql[1024], got[2048], want[2048];
		uint8_t shape[SQL_SHAPE_MAX];
		struct facts plain, cached;
		size_t n = 0;

		for (const char *p = template; *p; p++) {
			if (*p == '?')
				put_constant(sql, &n);
			else
				sql[n++] = *p;
		}
		sql[n] = '\0';
		cached = classify(cache, sql, 0);
		plain = classify(NULL, sql, 0);
		n_shapes += sql_shape(slice_of(sql, n), shape) > 0;
		cr_assert(facts_same(&plain, &cached), "%s\n   parsed %s\n   cached %s", sql,
			corpus_print_all(&plain, want, sizeof(want)),
			corpus_print_all(&cached, got, sizeof(got)));
		arena_reset(&arena);
	}
	cr_expect_gt(n_shapes, 10000, "only %zu texts had a shape", n_shapes);
}
