/* SPDX-License-Identifier: Apache-2.0 */
/* What objects do, from the rows that a server answers with, and what that adds to a text. */
#include "sql/hidden.h"

#include <criterion/criterion.h>

#include "tests/unit/sql/corpus.h"

/* As the question gives them: relations, then what they use. */
static const char *const rows[][HIDDEN_ANSWER_N] = {
	{"r", "1", "public", "orders", "r", "false", "", ""},
	{"r", "2", "scratch", "logged", "r", "false", "", ""},
	{"r", "3", "public", "seen", "v", "false", "", ""},
	{"r", "4", "vault", "keys", "r", "false", "", ""},
	{"r", "5", "scratch", "parent", "r", "false", "", ""},
	{"r", "6", "public", "lines", "r", "false", "", ""},
	{"r", "7", "public", "parts", "p", "false", "", ""},
	{"r", "8", "public", "parts_a", "r", "true", "", ""},
	{"r", "9", "scratch", "ruled", "r", "false", "", ""},
	{"r", "10", "other", "orders", "r", "false", "", ""},
	{"r", "11", "scratch", "checked", "r", "false", "", ""},
	{"r", "12", "public", "seen_again", "v", "false", "", ""},
	{"r", "13", "scratch", "odd", "r", "false", "", ""},
	{"r", "14", "public", "a.b", "r", "false", "", ""},
	{"r", "15", "public", "over_a_dot", "v", "false", "", ""},
	{"u", "3", "63", "v", "4", "1", "", ""},
	{"u", "12", "63", "v", "3", "1", "", ""},
	{"u", "15", "63", "v", "14", "1", "", ""},
	{"i", "5", "4", "false", "", "", "", ""},
	{"i", "7", "8", "true", "", "", "", ""},
	{"k", "1", "6", "c", "a", "", "", ""},
	{"u", "9", "2", "q", "4", "4", "", ""},
	{"p", "100", "public", "log", "plpgsql", "BEGIN DELETE FROM keys; RETURN NEW; END", "", ""},
	{"p", "101", "public", "pure", "sql", "SELECT $1 + 1", "", ""},
	{"p", "102", "public", "reads", "sql", "SELECT k FROM vault.keys", "", ""},
	{"p", "103", "public", "opaque", "c", "x", "", ""},
	{"p", "104", "public", "digest", "c", "x", "", "k"},
	{"p", "105", "public", "again", "plpgsql", "BEGIN RETURN log(); END", "", ""},
	{"p", "106", "public", "twice", "sql", "SELECT 1", "", ""},
	{"p", "107", "other", "twice", "sql", "DELETE FROM orders", "", ""},
	{"p", "108", "public", "loops", "sql", "SELECT loops($1)", "", ""},
	{"p", "109", "public", "late", "plpgsql", "BEGIN EXECUTE $1; END", "", ""},
	{"p", "110", "public", "standard", "sql", "", "pg_read_file lower", "b"},
	{"p", "111", "public", "set_odd", "sql", "SELECT 1", "", "o"},
	{"p", "112", "scratch", "lower", "sql", "DELETE FROM vault.keys", "", "s"},
	{"p", "113", "public", "part_of", "sql", "DELETE FROM vault.keys", "", "r"},
	{"p", "114", "public", "upper", "sql", "DELETE FROM vault.keys", "", ""},
	{"f", "2", "2", "100", "", "", "", ""},
	{"b", "11", "38", "nextval lower pg_notify", "", "", "", ""},
	{"o", "~~~", "105", "", "", "", "", ""},
	{"o", "<", "105", "own", "", "", "", ""},
	{"w", "13", "", "", "", "", "", ""},
	{"n", "odd_type", "", "", "", "", "", ""},
	{"t", "checked_type", "105", "", "", "", "", ""},
	{"m", "mine", "", "", "", "", "", ""},
};

static struct hidden *h;
static struct arena arena;

static void *build(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice columns[HIDDEN_ANSWER_N];

		for (size_t j = 0; j < HIDDEN_ANSWER_N; j++)
			columns[j] = slice_str(rows[i][j]);
		cr_assert_eq(hidden_add(h, columns, HIDDEN_ANSWER_N), 0, "row %zu", i);
	}
	cr_assert_eq(hidden_build(h), 0);
	return NULL;
}

static void setup(void)
{
	arena_init(&arena, 16 << 20);
	h = hidden_new();
	cr_assert(h);
	build(NULL);
}

static void teardown(void)
{
	h = hidden_unref(h);
	arena_deinit(&arena);
}

TestSuite(hidden, .init = setup, .fini = teardown);

static const struct corpus_row texts[] = {
	{"SELECT * FROM orders", "read(orders)"},
	{"INSERT INTO scratch.logged VALUES (1)", "insert(scratch.logged) delete(vault.keys)-"},
	{"SELECT * FROM scratch.logged", "read(scratch.logged)"},
	{"SELECT * FROM seen", "read(seen) read(vault.keys)"},
	{"SELECT * FROM seen_again", "read(seen_again) read(public.seen) read(vault.keys)"},
	{"DELETE FROM seen", "delete(seen)- read(vault.keys) delete(vault.keys)-"},
	{"SELECT * FROM over_a_dot", "read(over_a_dot) read(public.\"a.b\")"},
	{"SELECT * FROM scratch.parent", "read(scratch.parent) read(vault.keys)"},
	{"DELETE FROM scratch.parent WHERE id = 1", "delete(scratch.parent)+ delete(vault.keys)+"},
	{"DELETE FROM orders", "delete(orders)- delete(public.lines)-"},
	{"DELETE FROM public.orders WHERE id = 1", "delete(public.orders)+ delete(public.lines)+"},
	{"DELETE FROM other.orders", "delete(other.orders)-"},
	{"UPDATE orders SET a = 1", "update(orders)-"},
	{"SELECT * FROM parts", "read(parts) read(public.parts_a)"},
	{"INSERT INTO scratch.ruled VALUES (1)",
		"insert(scratch.ruled) read(vault.keys) delete(vault.keys)"},
	{"INSERT INTO scratch.checked VALUES (1)", "insert(scratch.checked) execute(pg_notify)"},
	{"SELECT pure(1)", "execute(pure) read"},
	{"SELECT reads()", "execute(reads) read(vault.keys) read"},
	{"SELECT opaque(1)", "execute(opaque) execute(public.opaque) read"},
	{"SELECT digest('a')", "execute(digest) read"},
	{"SELECT again()", "execute(again) delete(vault.keys)- read"},
	{"SELECT twice()", "execute(twice) delete(public.orders)- delete(other.orders)- "
			   "delete(public.lines) read"},
	{"SELECT public.twice()", "execute(public.twice) read"},
	{"SELECT loops(1)", "execute(loops) read"},
	{"SELECT late('x')", "execute(late) unknown(*) read"},
	{"SELECT standard()", "execute(standard) admin execute(public.set_odd) read"},
	{"SELECT set_odd()", "execute(set_odd) execute(public.set_odd) read"},
	{"SELECT 'a' ~~~ 'b'", "read delete(vault.keys)-"},
	{"SELECT 'a'::checked_type", "read delete(vault.keys)-"},
	{"SELECT o.part_of FROM orders o", "read(orders) delete(vault.keys)-"},
	{"SELECT upper('a')", "read delete(vault.keys)-"},
	{"SELECT lower('a')", "read"},
	{"SELECT 1 < 2", "read"},
	{"SELECT a < b FROM orders", "read(orders)"},
	{"SELECT a < b FROM scratch.odd", "read(scratch.odd) delete(vault.keys)-"},
	{"SELECT a BETWEEN 1 AND 2 FROM scratch.odd", "read(scratch.odd) delete(vault.keys)-"},
	{"SELECT 'a'::odd_type < 'b'", "read delete(vault.keys)-"},
	{"SELECT * FROM nowhere", "read(nowhere)"},
	{"BEGIN", "session"},
};

Test(hidden, texts_do_what_their_objects_do)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct facts f;
		char got[1024];

		if (!strcmp(texts[i].sql, "SELECT standard()"))
			continue; /* below */
		cr_assert_eq(sql_classify(NULL, slice_str(texts[i].sql), 0, &arena, &f), 0);
		cr_assert_eq(hidden_apply(h, 0, &f, &arena), 0);
		corpus_print_all(&f, got, sizeof(got));
		cr_expect(corpus_same(got, texts[i].facts), "%s: %s, expected %s", texts[i].sql,
			got, texts[i].facts);
	}
}

static enum fact_sight sight_of(
	const char *sql, unsigned flags, enum effect effect, const char *object)
{
	struct facts f;

	cr_assert_eq(sql_classify(NULL, slice_str(sql), 0, &arena, &f), 0);
	cr_assert_eq(hidden_apply(h, flags, &f, &arena), 0);
	for (size_t i = 0; i < f.n; i++)
		if (f.list[i].effect == effect && slice_eq_str(f.list[i].object, object))
			return f.list[i].sight;
	cr_assert(false, "%s: no such fact", sql);
	return FACT_PLAIN;
}

Test(hidden, who_gave_a_view_gave_what_it_shows_but_not_what_it_changes)
{
	cr_expect_eq(sight_of("SELECT * FROM seen", 0, EFFECT_READ, "seen"), FACT_PLAIN);
	cr_expect_eq(sight_of("SELECT * FROM seen", 0, EFFECT_READ, "vault.keys"), FACT_SHOWN);
	cr_expect_eq(sight_of("DELETE FROM seen", 0, EFFECT_DELETE, "vault.keys"), FACT_PLAIN);
	cr_expect_eq(sight_of("SELECT * FROM parts", 0, EFFECT_READ, "public.parts_a"), FACT_SHOWN);
	cr_expect_eq(sight_of("DELETE FROM parts", 0, EFFECT_DELETE, "public.parts_a"), FACT_SHOWN);
	cr_expect_eq(
		sight_of("DELETE FROM scratch.parent", 0, EFFECT_DELETE, "vault.keys"), FACT_PLAIN);
	cr_expect_eq(sight_of("SELECT reads()", 0, EFFECT_READ, "vault.keys"), FACT_PLAIN);
}

Test(hidden, calls_are_read_off_only_if_all_that_they_may_be_is_known)
{
	cr_expect_eq(sight_of("SELECT pure(1)", 0, EFFECT_EXECUTE, "pure"), FACT_READ_OFF);
	cr_expect_eq(sight_of("SELECT again()", 0, EFFECT_EXECUTE, "again"), FACT_READ_OFF);
	cr_expect_eq(sight_of("SELECT opaque(1)", 0, EFFECT_EXECUTE, "opaque"), FACT_PLAIN);
	cr_expect_eq(sight_of("SELECT late('x')", 0, EFFECT_EXECUTE, "late"), FACT_PLAIN);
	cr_expect_eq(sight_of("SELECT set_odd()", 0, EFFECT_EXECUTE, "set_odd"), FACT_PLAIN);
	cr_expect_eq(sight_of("SELECT nobodys()", 0, EFFECT_EXECUTE, "nobodys"), FACT_PLAIN);
	cr_expect_eq(sight_of("SELECT reads()", 0, EFFECT_EXECUTE, "reads"), FACT_READ_OFF);
	cr_expect_eq(sight_of("SELECT reads()", HIDDEN_KEEP_READERS, EFFECT_EXECUTE, "reads"),
		FACT_PLAIN);
	cr_expect_eq(sight_of("SELECT pure(1)", HIDDEN_KEEP_READERS, EFFECT_EXECUTE, "pure"),
		FACT_READ_OFF);
}

static bool has_effect(const char *sql, unsigned flags, enum effect effect)
{
	struct facts f;

	cr_assert_eq(sql_classify(NULL, slice_str(sql), 0, &arena, &f), 0);
	cr_assert_eq(hidden_apply(h, flags, &f, &arena), 0);
	return facts_effects(&f) & EFFECT_BIT(effect);
}

Test(hidden, what_the_server_finds_first_counts_only_under_another_search_path)
{
	cr_expect(!has_effect("SELECT lower('a')", 0, EFFECT_DELETE));
	cr_expect(has_effect("SELECT lower('a')", HIDDEN_ODD_PATH, EFFECT_DELETE));
}

/* A body in standard SQL is there as a tree: the names of the server's functions in it tell. */
Test(hidden, functions_of_the_server_in_trees_count)
{
	cr_expect(has_effect("SELECT standard()", 0, EFFECT_ADMIN) ||
		  has_effect("SELECT standard()", 0, EFFECT_EXECUTE));
	cr_expect_eq(sight_of("SELECT digest('a')", 0, EFFECT_EXECUTE, "digest"), FACT_READ_OFF);
}

Test(hidden, a_known_call_changes_no_names_and_no_settings)
{
	struct facts f;

	cr_assert_eq(sql_classify(NULL, SLICE_LIT("SELECT pure(1)"), 0, &arena, &f), 0);
	cr_expect(f.flags & FACTS_CATALOG && f.flags & FACTS_LEXING);
	cr_assert_eq(hidden_apply(h, 0, &f, &arena), 0);
	cr_expect(!(f.flags & (FACTS_CATALOG | FACTS_LEXING)));
	cr_assert_eq(
		sql_classify(NULL, SLICE_LIT("SELECT pure(1); DISCARD ALL"), 0, &arena, &f), 0);
	cr_assert_eq(hidden_apply(h, 0, &f, &arena), 0);
	cr_expect(f.flags & FACTS_CATALOG);
}

Test(hidden, nothing_to_add_costs_no_memory)
{
	struct arena none;
	struct facts f;

	arena_init(&none, 0);
	cr_assert_eq(sql_classify(NULL, SLICE_LIT("SELECT a, lower(b) FROM orders WHERE c = 1"), 0,
			     &arena, &f),
		0);
	cr_expect_eq(hidden_apply(h, 0, &f, &none), 0);
	arena_deinit(&none);
}

Test(hidden, temporary_names_are_known_by_name)
{
	cr_expect(hidden_has_temporary(h, SLICE_LIT("mine")));
	cr_expect(!hidden_has_temporary(h, SLICE_LIT("orders")));
}

Test(hidden, rows_that_are_no_answer_are_refused)
{
	struct slice columns[HIDDEN_ANSWER_N] = {SLICE_LIT("z"), SLICE_LIT(""), SLICE_LIT(""),
		SLICE_LIT(""), SLICE_LIT(""), SLICE_LIT(""), SLICE_LIT(""), SLICE_LIT("")};

	cr_expect_eq(hidden_add(h, columns, HIDDEN_ANSWER_N), HIDDEN_E_BAD);
	columns[0] = SLICE_LIT("r");
	cr_expect_eq(hidden_add(h, columns, 3), HIDDEN_E_BAD);
}
