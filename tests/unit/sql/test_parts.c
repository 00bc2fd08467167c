/* SPDX-License-Identifier: Apache-2.0 */
/* The pieces under the classifier: JSON, tables, pre-scan, lexer, redaction. */
#include "sql/functions.h"
#include "sql/json_tree.h"
#include "sql/lex.h"
#include "sql/prescan.h"
#include "sql/sql.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static struct arena arena;

static void setup(void)
{
	arena_init(&arena, 16 << 20);
}

static void teardown(void)
{
	arena_deinit(&arena);
}

TestSuite(json_tree, .init = setup, .fini = teardown);
TestSuite(redact, .init = setup, .fini = teardown);

/* ---- JSON ------------------------------------------------------------------------------------ */

Test(json_tree, members_elements_and_escapes)
{
	struct json_tree t;
	uint32_t list, object, i;

	cr_assert_eq(
		json_tree_init(
			&t, SLICE_LIT("{\"a\":[1,\"x\\n\\u003c\\\"\\\\\",{}],\"b\":{\"c\":true}}")),
		0);
	list = json_child(&t, 0, "a");
	object = json_child(&t, 0, "b");
	cr_assert(list && object);
	cr_expect_eq(json_child(&t, 0, "c"), 0);
	i = json_first(&t, list);
	cr_expect(slice_eq_str(json_raw(&t, i), "1"));
	i = json_next(&t, i);
	cr_expect(slice_eq_str(json_text(&t, i, &arena), "x\n<\"\\"));
	i = json_next(&t, i);
	cr_expect_eq(json_first(&t, i), 0);
	cr_expect_eq(json_next(&t, i), 0);
	cr_expect(slice_eq_str(json_raw(&t, json_child(&t, object, "c")), "true"));
	json_tree_deinit(&t);
}

Test(json_tree, what_is_cut_or_crooked_is_malformed)
{
	static const char good[] = "{\"a\":[1,{\"b\":\"c\"}]}";
	static const char *const bad[] = {
		"", "}", "1", "{\"a\"}", "{\"a\":}", "[1}", "{}{}", "{1:2}", "{\"a:1}"};
	struct json_tree t;

	for (size_t n = 0; n < sizeof(good) - 1; n++) {
		cr_expect_eq(json_tree_init(&t, slice_of(good, n)), JSON_E_MALFORMED, "%zu", n);
		json_tree_deinit(&t);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_expect_eq(json_tree_init(&t, slice_str(bad[i])), JSON_E_MALFORMED, "%s", bad[i]);
		json_tree_deinit(&t);
	}
}

Test(json_tree, depth_costs_heap_and_not_stack)
{
	size_t n = 1000000;
	char *text = malloc(2 * n);
	struct json_tree t;

	memset(text, '[', n);
	memset(text + n, ']', n);
	cr_assert_eq(json_tree_init(&t, slice_of(text, 2 * n)), 0);
	cr_expect_eq(t.n, n);
	json_tree_deinit(&t);
	free(text);
}

/* ---- tables ---------------------------------------------------------------------------------- */

Test(functions, both_tables_are_found_from_end_to_end)
{
	static const char *const harmless[] = {
#define HARMLESS(name) name,
#include "sql/harmless.def"
#undef HARMLESS
	};

	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
		cr_expect(sql_function_is_harmless(slice_str(harmless[i])), "%s", harmless[i]);
		cr_expect(!sql_function_find(slice_str(harmless[i])), "%s is in both tables",
			harmless[i]);
	}
#define FUNCTION(name, effect, object, after)                                                      \
	cr_expect(!sql_function_is_harmless(SLICE_LIT(name)), "%s", name);
#include "sql/functions.def"
#undef FUNCTION
	cr_expect(!sql_function_is_harmless(SLICE_LIT("lowe")));
	cr_expect(!sql_function_is_harmless(SLICE_LIT("lowerx")));
	cr_expect(!sql_function_is_harmless(SLICE_NULL));
	cr_expect(!sql_function_find(SLICE_NULL));
	cr_expect(sql_function_find(SLICE_LIT("dblink")));
	cr_expect(!sql_function_find(SLICE_LIT("dblin")));
}

/* The functions that a hostile statement would reach for, whatever table they end up in. */
Test(functions, none_of_the_known_weapons_is_harmless)
{
	static const char *const weapons[] = {"set_config", "setval", "nextval", "lo_import",
		"lo_export", "lo_put", "pg_read_file", "pg_read_binary_file", "pg_ls_dir",
		"pg_stat_file", "pg_terminate_backend", "pg_cancel_backend", "pg_reload_conf",
		"pg_rotate_logfile", "pg_switch_wal", "pg_promote",
		"pg_create_physical_replication_slot", "pg_drop_replication_slot",
		"pg_logical_slot_get_changes", "pg_replication_origin_create", "pg_notify",
		"pg_advisory_lock", "pg_sleep", "pg_stat_reset", "pg_import_system_collations",
		"pg_export_snapshot", "query_to_xml", "table_to_xml", "schema_to_xml_and_xmlschema",
		"database_to_xml", "cursor_to_xml", "ts_stat", "ts_rewrite", "dblink",
		"dblink_exec", "crosstab", "connectby", "xpath_table",
		"postgres_fdw_get_connections", "get_raw_page", "heap_page_items",
		"pg_current_logfile", "pg_file_write", "loread", "lowrite", "txid_current",
		"pg_current_xact_id", "pg_logdir_ls", "pg_stat_force_next_flush",
		"pg_restore_relation_stats", "pg_clear_attribute_stats", "pg_prewarm",
		"autoprewarm_start_worker", "heap_force_kill", "heap_force_freeze",
		"pg_truncate_visibility_map", "bt_page_items", "gin_metapage_info",
		"gin_clean_pending_list", "brin_summarize_new_values", "page_header",
		"pg_get_wal_records_info", "xslt_process", "currtid2", "postgres_fdw_disconnect",
		"pg_event_trigger_dropped_objects", "pg_log_backend_memory_contexts",
		"pg_backup_start", "pg_wal_replay_pause", "pg_sync_replication_slots"};

	for (size_t i = 0; i < sizeof(weapons) / sizeof(weapons[0]); i++)
		cr_expect(sql_function_find(slice_str(weapons[i])), "%s", weapons[i]);
}

/* ---- pre-scan -------------------------------------------------------------------------------- */

static enum prescan prescan_of(const char *part, size_t n)
{
	size_t len = strlen(part);
	char *text = malloc(n * len + 1);
	enum prescan p;

	for (size_t i = 0; i < n; i++)
		memcpy(text + i * len, part, len);
	p = sql_prescan(slice_of(text, n * len));
	free(text);
	return p;
}

Test(prescan, ordinary_text_and_drawn_lines_are_quick)
{
	cr_expect_eq(sql_prescan(SLICE_NULL), PRESCAN_QUICK);
	cr_expect_eq(
		sql_prescan(SLICE_LIT("SELECT a->>'b' <> c || d -- x\n/* y */")), PRESCAN_QUICK);
	cr_expect_eq(prescan_of("-", 100000), PRESCAN_QUICK);
	cr_expect_eq(prescan_of("=", 100000), PRESCAN_QUICK);
	cr_expect_eq(prescan_of("a+b ", 50000), PRESCAN_QUICK);
	cr_expect_eq(prescan_of("/* x */ ", 20000), PRESCAN_QUICK);
}

Test(prescan, runs_that_are_read_again_and_again_are_not)
{
	cr_expect_eq(prescan_of("+", 300), PRESCAN_SLOW);
	cr_expect_eq(prescan_of("+", 2000), PRESCAN_HOPELESS);
	cr_expect_eq(prescan_of("-+", 1000), PRESCAN_HOPELESS);
	cr_expect_eq(prescan_of("/*", 20), PRESCAN_QUICK);
	cr_expect_eq(prescan_of("/*", 40), PRESCAN_HOPELESS);
	cr_expect_eq(sql_prescan(slice_of("SELECT\0 1", 9)), PRESCAN_HOPELESS);
}

/* ---- lexer ----------------------------------------------------------------------------------- */

Test(lex, strings_end_where_the_server_ends_them)
{
	static const struct {
		const char *sql;
		const char *tokens[8];
	} rows[] = {
		{"a 'b''c' d", {"a", "'b''c'", "d"}},
		{"E'a\\'b' c", {"E'a\\'b'", "c"}},
		{"'a\\' b", {"'a\\'", "b"}},
		{"E'a'\n'\\' b'", {"E'a'", "'\\' b'"}},
		{"E'a' '\\' b", {"E'a'", "'\\'", "b"}},
		{"$$a'b$$ c", {"$$a'b$$", "c"}},
		{"$x$a$$b$x$ c", {"$x$a$$b$x$", "c"}},
		{"a$$ b", {"a$$", "b"}},
		{"\"a\"\"b\" c", {"\"a\"\"b\"", "c"}},
		{"U&'a\\' b", {"U&'a\\'", "b"}},
		{"/* /* ' */ ' */ a -- '\rb", {"a", "b"}},
		{"'open", {"'open"}},
		{"$a$open", {"$a$open"}},
		{"/* open", {NULL}},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct lex l = lex_of(slice_str(rows[i].sql));

		for (size_t n = 0; n < 8; n++) {
			struct lex_token t = lex_next(&l);

			if (!rows[i].tokens[n]) {
				cr_expect_eq(t.kind, LEX_END, "%s", rows[i].sql);
				break;
			}
			cr_expect(slice_eq_str(t.text, rows[i].tokens[n]), "%s: %.*s", rows[i].sql,
				SLICE_FMT(t.text));
		}
	}
}

/* ---- redaction ------------------------------------------------------------------------------- */

Test(redact, secrets_are_gone_and_nothing_else_is)
{
	static const struct {
		const char *sql, *shown;
	} rows[] = {
		{"CREATE ROLE r LOGIN PASSWORD 'hunter2'", "CREATE ROLE r LOGIN PASSWORD '***'"},
		{"ALTER USER r ENCRYPTED PASSWORD 'a''b' VALID UNTIL 'x'",
			"ALTER USER r ENCRYPTED PASSWORD '***' VALID UNTIL 'x'"},
		{"alter role r password/**/E'a\\'b'", "alter role r password/**/'***'"},
		{"ALTER ROLE r PASSWORD 'a'\n'b'", "ALTER ROLE r PASSWORD '***'\n'***'"},
		{"ALTER ROLE r PASSWORD $$x$$; SELECT 'y'",
			"ALTER ROLE r PASSWORD '***'; SELECT 'y'"},
		{"ALTER ROLE r PASSWORD 'open", "ALTER ROLE r PASSWORD '***'"},
		{"ALTER ROLE r PASSWORD ''", "ALTER ROLE r PASSWORD '***'"},
		{"CREATE USER MAPPING FOR x SERVER s OPTIONS (user 'u', password 'p')",
			"CREATE USER MAPPING FOR x SERVER s OPTIONS (user 'u', password '***')"},
		{"ALTER USER MAPPING FOR x SERVER s OPTIONS (SET \"password\" 'p')",
			"ALTER USER MAPPING FOR x SERVER s OPTIONS (SET \"password\" '***')"},
		{"CREATE SUBSCRIPTION s CONNECTION 'host=h' PUBLICATION p",
			"CREATE SUBSCRIPTION s CONNECTION '***' PUBLICATION p"},
		{"SELECT dblink('host=h password=p', 'SELECT 1')",
			"SELECT dblink('***', 'SELECT 1')"},
		{"SELECT dblink_connect('postgresql://u:p@h/d')", "SELECT dblink_connect('***')"},
		{"DO $$ BEGIN CREATE ROLE r PASSWORD 'x'; END $$",
			"DO $$ BEGIN CREATE ROLE r PASSWORD '***'; END $$"},
		{"DO 'BEGIN CREATE ROLE r PASSWORD ''x''; END'", "DO '***'"},
		{"ALTER SYSTEM SET primary_conninfo = 'host=h password=x'",
			"ALTER SYSTEM SET primary_conninfo = '***'"},
		{"SET x.secret_key = 'k'", "SET x.secret_key = '***'"},
		{"UPDATE u SET password = 'x' WHERE id = 'y'",
			"UPDATE u SET password = '***' WHERE id = 'y'"},
	};
	static const char *const kept[] = {"", "SELECT 'a', 'b'",
		"SELECT * FROM passengers WHERE name = 'x'", "SET password_encryption = 'md5'",
		"SELECT 'http://example.org/x'", "SELECT password FROM u",
		"ALTER ROLE r PASSWORD NULL", "SELECT connection, 'x' FROM t"};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice got = sql_redact(slice_str(rows[i].sql), &arena);

		cr_expect(slice_eq_str(got, rows[i].shown), "%s\n   got %.*s", rows[i].sql,
			SLICE_FMT(got));
	}
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		cr_expect_eq((const char *)sql_redact(slice_str(kept[i]), &arena).p, kept[i], "%s",
			kept[i]);
}

Test(redact, without_memory_nothing_is_shown)
{
	struct arena none;

	arena_init(&none, 0);
	cr_expect(slice_eq_str(sql_redact(SLICE_LIT("ALTER ROLE r PASSWORD 'x'"), &none), "'***'"));
	arena_deinit(&none);
}
