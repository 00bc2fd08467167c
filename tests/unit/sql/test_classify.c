/* SPDX-License-Identifier: Apache-2.0 */
/* Text → facts, statement by statement. */
#include "corpus.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>

static struct arena arena;

static void setup(void)
{
	arena_init(&arena, 64 << 20);
}

static void teardown(void)
{
	arena_deinit(&arena);
}

TestSuite(classify, .init = setup, .fini = teardown);

static struct facts facts_of(struct slice sql)
{
	struct facts f = {0};

	cr_assert_eq(sql_classify(NULL, sql, 0, &arena, &f), 0, "%.*s", SLICE_FMT(sql));
	return f;
}

Test(classify, every_statement_of_the_corpus_has_its_facts)
{
	cr_expect_geq(corpus_n, 200);
	for (size_t i = 0; i < corpus_n; i++) {
		struct facts f = facts_of(slice_str(corpus[i].sql));
		char got[4096];

		cr_expect(corpus_same(corpus_print_all(&f, got, sizeof(got)), corpus[i].facts),
			"%s\n   expected %s\n   got      %s", corpus[i].sql, corpus[i].facts, got);
		arena_reset(&arena);
	}
}

/* ---- what a statement may do unseen ---------------------------------------------------------- */

static const struct {
	const char *name;
	uint32_t bit;
} stand_names[] = {{"open", FACTS_OPEN}, {"stays", FACTS_STAYS}, {"id", FACTS_TAKES_ID},
	{"locks", FACTS_ROW_LOCKS}, {"begins", FACTS_BEGINS_TX}, {"ends", FACTS_ENDS_TX},
	{"commits", FACTS_COMMITS}, {"nostand", FACTS_NO_STAND}, {"hold", FACTS_HOLD_CURSOR},
	{"revives", FACTS_REVIVES_TX}};

Test(classify, what_may_happen_unseen_and_where_a_transaction_ends)
{
	static const struct {
		const char *sql, *flags;
	} rows[] = {
		/* Closed: nothing but the server's own, and nothing that could be shadowed. */
		{"", ""},
		{"SELECT 1", ""},
		{"SELECT 'x', 1.5, true, NULL", ""},
		{"SELECT now(), current_user, pg_catalog.version(), pg_is_in_recovery()", ""},
		{"SELECT * FROM pg_my_temp_schema()", "open"},
		{"SELECT current_setting('transaction_read_only')", ""},
		{"SHOW transaction_read_only", ""},
		{"SET application_name = 'x'", ""},
		{"DEALLOCATE ALL", ""},
		{"LISTEN x", ""},
		{"CLOSE c", ""},
		/* Open: a view, an operator, a cast, an overload, a domain of a parameter or
		   constant. */
		{"PREPARE p AS SELECT * FROM t", "open"},
		{"SELECT * FROM t", "open"},
		{"TABLE t", "open"},
		{"SELECT 1 + 1", "open"},
		{"SELECT +1", "open"},
		{"SELECT 'x'::d", "open"},
		{"SELECT d 'x'", "open"},
		{"SELECT lower('X')", "open"},
		{"SELECT lower(1)", "open"},
		{"SELECT public.now()", "open"},
		{"SELECT current_setting(1)", "open"},
		{"SELECT current_setting('x', true)", "open"},
		{"SELECT $1", "open"},
		{"SELECT CASE 1 WHEN 2 THEN 3 END", "open"},
		{"SELECT greatest(1, 2)", "open"},
		{"SELECT ARRAY[1]", "open"},
		{"SELECT ROW(1)", "open"},
		{"SELECT (SELECT 1)", "open"},
		{"SELECT 1 ORDER BY 1", "open"},
		{"SELECT count(*) FILTER (WHERE true)", "open"},
		{"SELECT now() OVER ()", "open"},
		{"VALUES (f.x)", "open"},
		{"EXPLAIN SELECT 1", "open"},
		{"FETCH c", "open"},
		{"EXECUTE p", "open"},
		{"COPY (SELECT 1) TO STDOUT", "open"},
		{"DECLARE c CURSOR FOR SELECT * FROM t", "open"},
		{"DECLARE c CURSOR WITH HOLD FOR SELECT 1", "open hold"},
		/* What stays, and what takes an id without writing. */
		{"SELECT nextval('s')", "open stays"},
		{"SELECT pg_advisory_lock(1)", "open stays"},
		{"SELECT pg_advisory_xact_lock(1)", "open"},
		{"SELECT pg_terminate_backend(1)", "open stays"},
		{"SELECT pg_notify('a', 'b')", "open"},
		{"SELECT txid_current()", "open id"},
		{"SELECT pg_current_xact_id()", "open id"},
		{"SELECT pg_current_xact_id_if_assigned()", ""},
		{"SELECT * FROM t FOR UPDATE", "open id locks"},
		{"SELECT * FROM t FOR KEY SHARE SKIP LOCKED", "open id locks"},
		{"SELECT * FROM (SELECT * FROM t FOR SHARE) x", "open id locks"},
		{"DECLARE c CURSOR FOR SELECT * FROM t FOR UPDATE", "open id locks"},
		{"DISCARD TEMP", "id"},
		{"DISCARD ALL", "id"},
		{"DISCARD PLANS", ""},
		/* Where a transaction begins and ends. */
		{"BEGIN", "begins"},
		{"START TRANSACTION READ ONLY", "begins"},
		{"COMMIT", "ends commits"},
		{"END", "ends commits"},
		{"COMMIT AND CHAIN", "begins ends commits"},
		{"ROLLBACK", "ends"},
		{"ABORT", "ends"},
		{"ROLLBACK AND CHAIN", "begins ends"},
		{"SAVEPOINT s", ""},
		{"RELEASE s", ""},
		{"ROLLBACK TO s", "revives"},
		{"PREPARE TRANSACTION 'x'", "ends commits"},
		{"COMMIT PREPARED 'x'", "ends commits"},
		{"ROLLBACK PREPARED 'x'", "ends commits"},
		/* Nowhere to stand: what was open is committed before anybody could look. */
		{"BEGIN; SELECT 1; COMMIT", "begins ends commits"},
		{"BEGIN; SELECT * FROM t; COMMIT", "open begins ends commits nostand"},
		{"BEGIN; SELECT * FROM t; ROLLBACK", "open begins ends"},
		{"SELECT * FROM t; COMMIT", "open ends commits nostand"},
		{"COMMIT; SELECT * FROM t", "open ends commits nostand"},
		{"ROLLBACK; SELECT * FROM t", "open ends nostand"},
		{"ROLLBACK; BEGIN; SELECT * FROM t", "open begins ends"},
		{"ROLLBACK AND CHAIN; SELECT * FROM t", "open begins ends"},
		{"BEGIN; SELECT * FROM t", "open begins"},
		{"SELECT * FROM t; ROLLBACK TO s", "open revives"},
		{"SELECT * FROM t; ROLLBACK; SELECT * FROM t", "open ends nostand"},
		{"BEGIN; SELECT * FROM t; COMMIT; BEGIN; SELECT * FROM t; ROLLBACK",
			"open begins ends commits nostand"},
		{"SELECT * FROM t; PREPARE TRANSACTION 'x'", "open ends commits nostand"},
		{"BEGIN; INSERT INTO t VALUES (1); COMMIT", "open begins ends commits"},
		{"BEGIN; EXECUTE p; COMMIT", "open begins ends commits nostand"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct facts f = facts_of(slice_str(rows[i].sql));
		char got[128] = "";

		for (size_t j = 0; j < sizeof(stand_names) / sizeof(stand_names[0]); j++)
			if (f.flags & stand_names[j].bit)
				sprintf(got + strlen(got), "%s%s", *got ? " " : "",
					stand_names[j].name);
		cr_expect_str_eq(
			got, rows[i].flags, "%s: %s, expected %s", rows[i].sql, got, rows[i].flags);
	}
}

/* ---- flags ----------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	uint32_t bit;
} flag_names[] = {{"in", FACTS_COPY_IN}, {"out", FACTS_COPY_OUT}, {"binary", FACTS_COPY_BINARY},
	{"catalog", FACTS_CATALOG}, {"lexing", FACTS_LEXING}, {"tx", FACTS_TX_CONTROL},
	{"opaque", FACTS_OPAQUE_ROWS}, {"free", FACTS_CONSTANT_FREE}};

static void print_flags(uint32_t flags, char *out)
{
	*out = '\0';
	for (size_t i = 0; i < sizeof(flag_names) / sizeof(flag_names[0]); i++)
		if (flags & flag_names[i].bit)
			sprintf(out + strlen(out), "%s%s", *out ? " " : "", flag_names[i].name);
}

Test(classify, flags_tell_the_session_what_else_to_expect)
{
	static const struct {
		const char *sql, *flags;
	} rows[] = {
		{"SELECT * FROM t WHERE a = 1", "free"},
		{"SELECT lower('x')", "free"},
		{"SELECT f(1)", "catalog lexing opaque free"},
		{"SELECT nextval('s')", ""},
		{"SELECT set_config('a', 'b', false)", "lexing opaque free"},
		{"SELECT query_to_xml('x', true, true, '')", "catalog lexing opaque free"},
		{"DELETE FROM t WHERE a LIKE 'x'", ""},
		{"DELETE FROM t WHERE a = 'x' OR 1 = 1", "free"},
		{"BEGIN", "tx free"},
		{"BEGIN READ ONLY", "tx"},
		{"COMMIT PREPARED 'x'", "tx"},
		{"COPY t FROM STDIN", "in"},
		{"COPY t FROM STDIN BINARY", "in binary"},
		{"COPY t TO STDOUT (FORMAT csv)", "out"},
		{"COPY t TO STDOUT (FORMAT 'binary')", "out binary"},
		{"COPY t TO STDOUT (FORMAT 'surprise')", "out binary"},
		{"COPY (SELECT 1) TO STDOUT", "out"},
		{"COPY t TO PROGRAM 'x'", "catalog lexing opaque"},
		{"COPY t TO '/x'", "catalog lexing opaque"},
		{"CREATE VIEW v AS SELECT 1", "catalog"},
		{"ALTER TABLE t ADD c int", "catalog"},
		{"DROP TABLE t", "catalog"},
		{"SELECT 1 INTO x", "catalog free"},
		{"TRUNCATE t", ""},
		{"SET application_name = 'x'", ""},
		{"SET search_path = x", "lexing"},
		{"SET standard_conforming_strings = off", "lexing"},
		{"RESET ALL", "lexing"},
		{"DISCARD ALL", "catalog lexing"},
		{"DO 'x'", "catalog lexing tx opaque"},
		{"CALL p()", "catalog lexing opaque"},
		{"EXECUTE p", "catalog lexing opaque"},
		{"FETCH c", "opaque"},
		{"UPDATE pg_settings SET setting = 'x'", "catalog lexing free"},
		{"nonsense", "catalog lexing tx opaque"},
		{"SELECT 1; SET work_mem = 1", ""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct facts f = facts_of(slice_str(rows[i].sql));
		char got[128];

		print_flags(f.flags, got);
		cr_expect_str_eq(
			got, rows[i].flags, "%s: %s, expected %s", rows[i].sql, got, rows[i].flags);
	}
}

/* ---- names ----------------------------------------------------------------------------------- */

Test(classify, calls_by_number_are_known_for_large_objects_alone)
{
	static const struct {
		uint32_t oid;
		int r;
		enum effect effect;
	} rows[] = {{952, 0, EFFECT_UPDATE}, {964, 0, EFFECT_DESTROY}, {954, 0, EFFECT_EXECUTE},
		{764, 0, EFFECT_ADMIN}, {2624, SQL_E_NOT_KNOWN, 0}, {2078, SQL_E_NOT_KNOWN, 0},
		{0, SQL_E_NOT_KNOWN, 0}, {16384, SQL_E_NOT_KNOWN, 0}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct facts f = {0};

		cr_expect_eq(sql_classify_call(rows[i].oid, &arena, &f), rows[i].r);
		cr_expect(rows[i].r || facts_effects(&f) & EFFECT_BIT(rows[i].effect), "%u",
			rows[i].oid);
		arena_reset(&arena);
	}
}

Test(classify, prepare_names_the_statement_and_gives_its_text)
{
	static const struct {
		const char *sql, *name, *text;
	} rows[] = {
		{"PREPARE p AS SELECT 1", "p", " SELECT 1"},
		{"prepare P(numeric(3,2), \"as\") as DELETE FROM t; SELECT 2", "p",
			" DELETE FROM t"},
		{"SELECT 1; /* AS */ PREPARE -- AS\n \"P q\" AS/**/SELECT 'x;y' ;", "P q",
			"/**/SELECT 'x;y' "},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct facts f = facts_of(slice_str(rows[i].sql));

		cr_assert_eq(f.n_names, 1, "%s", rows[i].sql);
		cr_expect_eq(f.names[0].kind, NAME_DEFINE);
		cr_expect(slice_eq_str(f.names[0].name, rows[i].name), "%.*s",
			SLICE_FMT(f.names[0].name));
		cr_expect(slice_eq_str(f.names[0].text, rows[i].text), "%.*s",
			SLICE_FMT(f.names[0].text));
	}
}

Test(classify, names_that_go_and_names_that_run)
{
	struct facts f = facts_of(
		SLICE_LIT("DEALLOCATE PREPARE p; DEALLOCATE ALL; DISCARD ALL; EXECUTE q(1); "
			  "EXPLAIN ANALYZE EXECUTE \"R\""));

	cr_assert_eq(f.n_names, 3);
	cr_expect_eq(f.names[0].kind, NAME_REMOVE);
	cr_expect(slice_eq_str(f.names[0].name, "p"));
	cr_expect_eq(f.names[1].kind, NAME_REMOVE_ALL);
	cr_expect_eq(f.names[2].kind, NAME_REMOVE_ALL);
	cr_assert_eq(f.n_executes, 2);
	cr_expect(slice_eq_str(f.executes[0].name, "q"));
	cr_expect(slice_eq_str(f.executes[1].name, "R"));
	cr_expect_eq(f.n_statements, 5);
}

Test(classify, an_execute_knows_what_its_text_named_before_it)
{
	struct facts f = facts_of(
		SLICE_LIT("EXECUTE a; PREPARE a AS SELECT 1; EXECUTE a; DEALLOCATE a; EXECUTE a"));

	cr_assert_eq(f.n_executes, 3);
	cr_expect_eq(f.executes[0].n_names, 0);
	cr_expect_eq(f.executes[1].n_names, 1);
	cr_expect_eq(f.executes[2].n_names, 2);
}

Test(classify, an_identifier_is_cut_where_the_server_cuts_it)
{
	char sql[256];
	struct facts f;

	snprintf(sql, sizeof(sql), "SELECT * FROM %080d", 0);
	memset(sql + 14, 'A', 80);
	f = facts_of(slice_str(sql));
	cr_assert_eq(f.n, 1);
	cr_expect_eq(f.list[0].object.n, 63);
	cr_expect_eq(f.list[0].object.p[0], 'a');
}

/* ---- size and depth -------------------------------------------------------------------------- */

static struct slice repeated(const char *head, const char *part, size_t n, const char *tail)
{
	size_t len = strlen(part);
	char *p = arena_alloc(&arena, strlen(head) + n * len + strlen(tail) + 1),
	     *at = stpcpy(p, head);

	for (size_t i = 0; i < n; i++)
		at = stpcpy(at, part);
	stpcpy(at, tail);
	return slice_str(p);
}

Test(classify, long_text_is_for_a_parser_thread)
{
	struct slice sql = repeated("SELECT 1 ", " ", 3000, "FROM t");
	struct facts f;

	cr_expect_eq(sql_classify(NULL, sql, 0, &arena, &f), SQL_E_DEEP);
	cr_assert_eq(sql_classify_deep(sql, &arena, &f), 0);
	cr_assert_eq(f.n, 1);
	cr_expect_eq(f.list[0].effect, EFFECT_READ);
}

static void *classify_chain(void *arg)
{
	struct slice sql = repeated("DELETE FROM t WHERE x = 1", "+1", SQL_TEXT_MAX / 2 - 16, "");

	cr_assert_eq(sql_classify_deep(sql, &arena, arg), 0);
	return NULL;
}

Test(classify, the_deepest_tree_that_fits_the_limit_is_walked_on_a_parser_thread)
{
	pthread_attr_t attr;
	pthread_t thread;
	struct facts f = {0};

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, SQL_PARSER_STACK);
	cr_assert_eq(pthread_create(&thread, &attr, classify_chain, &f), 0);
	pthread_join(thread, NULL);
	pthread_attr_destroy(&attr);
	cr_assert_eq(f.n, 1);
	cr_expect_eq(f.list[0].effect, EFFECT_DELETE);
	cr_expect_eq(f.list[0].bounded, TRI_YES);
}

Test(classify, a_delete_deep_inside_conditions_is_found)
{
	struct slice nested =
		repeated("", "DELETE FROM t WHERE x IN (WITH d AS (", 500, "DELETE FROM u");
	struct slice sql =
		repeated((const char *)nested.p, " RETURNING 1) SELECT 1 FROM d)", 500, "");
	char got[512];
	struct facts f;

	cr_assert_eq(sql_classify_deep(sql, &arena, &f), 0);
	cr_expect(corpus_same(corpus_print_all(&f, got, sizeof(got)),
			  "delete(t) delete(u)- read(u) read(t)"),
		"%s", got);
}

Test(classify, text_that_would_cost_seconds_is_unknown)
{
	struct slice rows[] = {repeated("SELECT 1", "/*", 4000, ""),
		repeated("SELECT 1 ", "+-", 4000, "1"), repeated("SELECT '", "x", 300000, "'"),
		repeated("SELECT 1 ", "/* ", 20000, "")};
	struct facts f;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_assert_eq(sql_classify_deep(rows[i], &arena, &f), 0);
		cr_assert_eq(f.n, 1);
		cr_expect_eq(f.list[0].effect, EFFECT_UNKNOWN, "%zu", i);
	}
}

Test(classify, text_that_is_not_text_is_unknown)
{
	static const struct slice rows[] = {{(const uint8_t *)"SELECT 1\0; DROP TABLE t", 23},
		{(const uint8_t *)"SELECT '\xc3\x28'", 11},
		{(const uint8_t *)"SELECT '\xed\xa0\x80'", 13}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct facts f = facts_of(rows[i]);

		cr_assert_eq(f.n, 1);
		cr_expect_eq(f.list[0].effect, EFFECT_UNKNOWN, "%zu", i);
	}
}

Test(classify, more_facts_than_anyone_reads_end_in_unknown)
{
	char *sql = arena_alloc(&arena, 64 << 10), *at = stpcpy(sql, "SELECT 1 FROM t");
	struct facts f;

	for (int i = 0; i < 2000; i++)
		at += sprintf(at, ", t%d", i);
	cr_assert_eq(sql_classify_deep(slice_str(sql), &arena, &f), 0);
	cr_assert_eq(f.n, 1025);
	cr_expect_eq(f.list[1024].effect, EFFECT_UNKNOWN);
}

Test(classify, little_memory_is_an_error_and_never_fewer_facts)
{
	struct slice sql = SLICE_LIT(
		"SELECT 1 FROM a, b, c, d, e, f, g, h, i, j, k; DROP TABLE t; PREPARE p AS "
		"SELECT nextval('x'); EXECUTE p");
	struct facts want = facts_of(sql);
	bool was_refused = false, was_done = false;

	for (size_t max = 0; max < 8192; max += 16) {
		struct arena small;
		struct facts f;
		int r;

		arena_init(&small, max);
		r = sql_classify(NULL, sql, 0, &small, &f);
		was_refused |= r < 0;
		was_done |= r == 0;
		cr_expect(r < 0 || (f.n == want.n && f.n_names == 1 && f.n_executes == 1),
			"%zu bytes", max);
		arena_deinit(&small);
	}
	cr_expect(was_refused && was_done);
}

/* ---- settings, merging ----------------------------------------------------------------------- */

Test(classify, start_up_parameters_are_judged_like_set)
{
	static const struct {
		const char *name, *value;
		enum effect effect;
	} rows[] = {
		{"application_name", "psql", EFFECT_SESSION},
		{"DateStyle", "ISO", EFFECT_SESSION},
		{"client_encoding", "UTF8", EFFECT_SESSION},
		{"client_encoding", "'utf-8'", EFFECT_SESSION},
		{"client_encoding", "", EFFECT_ADMIN},
		{"client_encoding", "utf8sjis", EFFECT_ADMIN},
		{"client_encoding", "utf", EFFECT_ADMIN},
		{"search_path", "public", EFFECT_ADMIN},
		{"replication", "true", EFFECT_ADMIN},
		{"standard_conforming_strings", "off", EFFECT_ADMIN},
		{"STANDARD_CONFORMING_STRINGS", "ON", EFFECT_SESSION},
		{"", "", EFFECT_ADMIN},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct facts f;

		cr_assert_eq(sql_classify_setting(
				     slice_str(rows[i].name), slice_str(rows[i].value), &arena, &f),
			0);
		cr_assert_eq(f.n, 1);
		cr_expect_eq(
			f.list[0].effect, rows[i].effect, "%s=%s", rows[i].name, rows[i].value);
		cr_expect_eq(!!(f.flags & FACTS_LEXING), rows[i].effect == EFFECT_ADMIN);
	}
}

Test(classify, merging_keeps_everything_of_both)
{
	struct facts a = facts_of(SLICE_LIT("SELECT * FROM t; PREPARE p AS SELECT 1"));
	struct facts b = facts_of(SLICE_LIT("COPY u FROM STDIN; EXECUTE p")), empty = {0};
	char got[512];

	cr_assert_eq(sql_facts_merge(&a, &b, &arena), 0);
	cr_expect(corpus_same(corpus_print_all(&a, got, sizeof(got)),
			  "read(t) session read insert(u) import(u) session"),
		"%s", got);
	cr_expect_eq(a.n_statements, 4);
	cr_expect_eq(a.n_names, 1);
	cr_expect_eq(a.n_executes, 1);
	cr_expect(a.flags & FACTS_COPY_IN);
	a = facts_of(SLICE_LIT("SELECT * FROM t"));
	b = facts_of(SLICE_LIT("SELECT nextval('s')"));
	cr_assert_eq(sql_facts_merge(&a, &b, &arena), 0);
	cr_expect(!(a.flags & FACTS_CONSTANT_FREE));
	cr_assert_eq(sql_facts_merge(&empty, &a, &arena), 0);
	cr_expect_eq(empty.n, a.n);
}
