/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of functions → facts. */
#include "sql/plpgsql.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "tests/unit/sql/corpus.h"

static const struct corpus_row bodies[] = {
	{"BEGIN RETURN $1 * 2; END", ""},
	{"BEGIN RETURN upper($1) || lower(b); END", "read"},
	{"DECLARE x int := 1; y text; BEGIN y := 'a'; x = x + 1; RETURN x; END", ""},
	{"<<outer>> BEGIN LOOP EXIT outer WHEN true; END LOOP; END", ""},
	{"BEGIN DELETE FROM orders; RETURN NEW; END", "delete(orders)-"},
	{"BEGIN delete from Orders where id = 1 ; RETURN 1; END", "delete(orders)+"},
	{"begin DELETE--x\n FROM /* ; */ orders; end", "delete(orders)-"},
	{"BEGIN INSERT INTO a.b (c) VALUES (1) RETURNING c INTO x; END", "insert(a.b) read(a.b)"},
	{"BEGIN SELECT k, v INTO STRICT a, b.c FROM vault WHERE id = 1; END", "read(vault)"},
	{"BEGIN SELECT INTO a k FROM vault; END", "read(vault)"},
	{"BEGIN PERFORM f(1) FROM t; END", "execute(f) read(t)"},
	{"BEGIN PERFORM pg_sleep(1); END", "session read"},
	{"BEGIN FOR r IN SELECT * FROM t LOOP UPDATE u SET a = r.a WHERE id = 1; END LOOP; END",
		"read(t) update(u)+"},
	{"BEGIN IF EXISTS (SELECT 1 FROM t) THEN x := (SELECT max(a) FROM u); END IF; END",
		"read(t) read(u)"},
	{"BEGIN RETURN QUERY SELECT * FROM t; END", "read(t)"},
	{"BEGIN RETURN QUERY WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d; END",
		"delete(t)- read(t)"},
	{"DECLARE c CURSOR FOR SELECT a FROM t; BEGIN OPEN c; FETCH c INTO x; CLOSE c; END",
		"read(t)"},
	{"BEGIN x := scratch.danger(1); END", "execute(scratch.danger) read"},
	{"BEGIN RETURN \"Odd\"(1); END", "execute(Odd) read"},
	{"BEGIN x := nextval('s'); END", "update(*) read"},
	/* An expression may have a FROM. */
	{"BEGIN RETURN k FROM vault; END", "unknown(*)"},
	{"BEGIN x := count(*) FROM vault; END", "unknown(*) read"},
	{"BEGIN RETURN 1 UNION SELECT k FROM vault; END", "unknown(*) read(vault)"},
	{"BEGIN RETURN a IS DISTINCT FROM b AND extract(year FROM d) > 1; END", ""},
	/* What cannot be followed. */
	{"BEGIN EXECUTE 'DELETE FROM orders'; END", "unknown(*)"},
	{"BEGIN RETURN QUERY EXECUTE x; END", "unknown(*)"},
	{"BEGIN OPEN c FOR EXECUTE x; END", "unknown(*)"},
	{"BEGIN CALL p(); END", "unknown(*) execute(p) read"},
	{"BEGIN COMMIT; END", "unknown(*)"},
	{"BEGIN SET LOCAL search_path = x; END", "unknown(*)"},
	{"BEGIN TRUNCATE orders; END", "unknown(*)"},
	{"BEGIN CREATE TABLE x (a int); END", "unknown(*) execute(x) read"},
	{"BEGIN RETURN QUERY TABLE vault; END", "unknown(*)"},
	{"BEGIN NOTIFY x; END", "unknown(*)"},
	{"BEGIN SELECT FROM WHERE; END", "unknown(*)"},
	{"BEGIN /* DELETE FROM t; */ RETURN 'DELETE FROM t;'; -- DELETE FROM t\n END", ""},
	{"BEGIN RETURN $x$ DELETE FROM t; $x$; END", ""},
};

Test(plpgsql, bodies_do_what_their_statements_do)
{
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct facts f;
		struct arena arena;
		char got[1024];

		arena_init(&arena, 16 << 20);
		cr_assert_eq(sql_plpgsql_facts(slice_str(bodies[i].sql), &arena, &f), 0);
		corpus_print_all(&f, got, sizeof(got));
		cr_expect(corpus_same(got, bodies[i].facts), "%s: %s, expected %s", bodies[i].sql,
			got, bodies[i].facts);
		arena_deinit(&arena);
	}
}

Test(plpgsql, what_is_between_queries_uses_operators_types_and_parts_of_rows)
{
	struct arena arena;
	struct facts f;
	struct slice uses, name;
	enum use_kind kind;
	bool has_operator = false, has_type = false, has_part = false;

	arena_init(&arena, 16 << 20);
	cr_assert_eq(sql_plpgsql_facts(SLICE_LIT("DECLARE x Scratch.Odd; BEGIN x := NEW.part ~~~> "
						 "a::other; END"),
			     &arena, &f),
		0);
	for (uses = f.uses; facts_next_use(&uses, &kind, &name);) {
		has_operator |= kind == USE_OPERATOR && slice_eq_str(name, "~~~>");
		has_type |= kind == USE_TYPE && slice_eq_str(name, "odd");
		has_part |= kind == USE_ATTRIBUTE && slice_eq_str(name, "part");
	}
	cr_expect(has_operator && has_type && has_part);
	arena_deinit(&arena);
}

/* What is too large to see whole is unknown, and takes no longer for it. */
Test(plpgsql, bodies_have_limits)
{
	static char body[200000];
	struct arena arena;
	struct facts f;
	size_t n = 0;

	arena_init(&arena, 64 << 20);
	n += (size_t)sprintf(body + n, "BEGIN ");
	while (n < sizeof(body) - 100)
		n += (size_t)sprintf(body + n, "DELETE FROM t%zu; ", n);
	cr_assert_eq(sql_plpgsql_facts(slice_of(body, n), &arena, &f), 0);
	cr_expect(facts_effects(&f) & EFFECT_BIT(EFFECT_UNKNOWN));
	arena_deinit(&arena);
}
