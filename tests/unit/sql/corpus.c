/* SPDX-License-Identifier: Apache-2.0 */
/* The corpus: see corpus.h. */
#include "corpus.h"

#include <stdio.h>
#include <stdlib.h>

const struct corpus_row corpus[] = {
	/* ---- nothing ---- */
	{"", "session"},
	{";", "session"},
	{" /* nothing */ -- here", "session"},

	/* ---- reading ---- */
	{"SELECT 1", "read"},
	{"VALUES (1), (2)", "read"},
	{"TABLE orders", "read(orders)"},
	{"SELECT * FROM orders", "read(orders)"},
	{"SELECT * FROM public.orders o JOIN items i ON i.o = o.id",
		"read(public.orders) read(items)"},
	{"SELECT * FROM shop.public.orders", "read(public.orders)"},
	{"SELECT * FROM ONLY orders", "read(orders)"},
	{"SELECT * FROM Orders, \"Orders\"", "read(orders) read(Orders)"},
	{"SELECT * FROM \"a.b\"", "read(\"a.b\")"},
	{"SELECT * FROM a.\"b\"\"c\"", "read(a.\"b\"\"c\")"},
	{"SELECT * FROM pg_temp.t", "read(pg_temp.t)"},
	{"SELECT (SELECT max(id) FROM b) FROM a", "read(a) read(b)"},
	{"SELECT * FROM a WHERE id IN (SELECT id FROM b)", "read(a) read(b)"},
	{"SELECT * FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.id = a.id)", "read(a) read(b)"},
	{"SELECT * FROM a UNION ALL SELECT * FROM b EXCEPT SELECT * FROM c",
		"read(a) read(b) read(c)"},
	{"SELECT * FROM (SELECT * FROM a) x, LATERAL (SELECT * FROM b) y", "read(a) read(b)"},
	{"SELECT count(*), lower(name) FROM a GROUP BY 2 HAVING sum(x) > 1 ORDER BY max(y)",
		"read(a)"},
	{"SELECT now(), current_user, version(), random()", "read"},
	{"SELECT * FROM generate_series(1, 10) g", "read"},
	{"SELECT row_number() OVER (PARTITION BY a ORDER BY b) FROM t", "read(t)"},
	{"SELECT pg_catalog.format_type(atttypid, 1) FROM pg_catalog.pg_attribute",
		"read(pg_catalog.pg_attribute)"},
	{"SELECT * FROM a TABLESAMPLE system (1)", "read(a)"},
	{"SELECT x::text, CAST(y AS int), z COLLATE \"C\" FROM a", "read(a)"},
	{"SELECT * FROM a WHERE relname OPERATOR(pg_catalog.~) '^(t)$' COLLATE pg_catalog.default",
		"read(a)"},
	{"SELECT extract(year FROM d), position('x' IN s), trim(s), substring(s FROM 1 FOR 2) FROM "
	 "t",
		"read(t)"},
	{"SELECT d AT TIME ZONE 'UTC', overlay(s placing 'x' from 1) FROM t", "read(t)"},
	{"SHOW search_path", "read"},
	{"SELECT t.length, t.count FROM t", "read(t)"},
	{"SELECT current_setting('x.y'), pg_table_size('t'), has_table_privilege('t', 'select')",
		"read"},

	/* ---- WITH ---- */
	{"WITH x AS (SELECT * FROM a) SELECT * FROM x", "read(a)"},
	{"WITH x AS (SELECT 1) SELECT * FROM x", "read"},
	{"WITH x AS (SELECT 1) SELECT * FROM public.x", "read(public.x)"},
	{"WITH x AS (SELECT * FROM x) SELECT * FROM x", "read(x)"},
	{"WITH RECURSIVE x AS (SELECT 1 UNION SELECT * FROM x) SELECT * FROM x", "read"},
	{"WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a", "read(b)"},
	{"WITH RECURSIVE a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a", "read"},
	{"SELECT * FROM (WITH x AS (SELECT 1) SELECT * FROM x) y, x", "read(x)"},
	{"(WITH x AS (SELECT 1) SELECT * FROM x) UNION SELECT * FROM x", "read(x)"},
	{"WITH x AS (SELECT 1) SELECT * FROM (SELECT * FROM x) y", "read"},
	{"WITH orders AS (SELECT 1) DELETE FROM orders", "delete(orders)-"},
	{"WITH orders AS (SELECT 1) DELETE FROM t USING orders WHERE t.a = 1", "delete(t)"},
	{"WITH \"X\" AS (SELECT 1) SELECT * FROM x", "read(x)"},

	/* ---- writing ---- */
	{"INSERT INTO t VALUES (1)", "insert(t)"},
	{"INSERT INTO t DEFAULT VALUES", "insert(t)"},
	{"INSERT INTO s.t (a) SELECT b FROM u", "insert(s.t) read(u)"},
	{"INSERT INTO t VALUES (1) RETURNING *", "insert(t) read(t)"},
	{"INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", "insert(t)"},
	{"INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2", "insert(t) update(t)+"},
	{"INSERT INTO t SELECT * FROM u ON CONFLICT (a) DO UPDATE SET a = 2",
		"insert(t) update(t) read(u)"},
	{"INSERT INTO t VALUES ((SELECT max(a) FROM u))", "insert(t) read(u)"},
	{"UPDATE t SET a = 1", "update(t)-"},
	{"UPDATE t SET a = 1 WHERE id = 5", "update(t)+"},
	{"UPDATE t SET a = (SELECT b FROM u LIMIT 1) WHERE id = 5", "update(t)+ read(u)"},
	{"UPDATE t SET a = u.a FROM u WHERE t.id = u.id", "update(t) read(u)"},
	{"UPDATE t SET a = 1 WHERE id = 5 RETURNING *", "update(t)+ read(t)"},
	{"DELETE FROM t", "delete(t)-"},
	{"DELETE FROM ONLY t AS x WHERE x.id = $1", "delete(t)+"},
	{"DELETE FROM t USING u WHERE u.id = 5", "delete(t) read(u)"},
	{"DELETE FROM t RETURNING *", "delete(t)- read(t)"},
	{"MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE", "delete(t) read(s) read(t)"},
	{"MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN UPDATE SET b = 1 WHEN NOT MATCHED "
	 "THEN "
	 "INSERT VALUES (1)",
		"update(t) insert(t) read(s) read(t)"},
	{"MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DO NOTHING", "read(t) read(s)"},

	/* ---- does the condition bound it? ---- */
	{"DELETE FROM t WHERE true", "delete(t)-"},
	{"DELETE FROM t WHERE NOT false", "delete(t)-"},
	{"DELETE FROM t WHERE 1 = 1", "delete(t)-"},
	{"DELETE FROM t WHERE 'a' = 'b'", "delete(t)-"},
	{"DELETE FROM t WHERE 1 < 2 AND true", "delete(t)-"},
	{"DELETE FROM t WHERE $1", "delete(t)-"},
	{"DELETE FROM t WHERE $1 = $2", "delete(t)-"},
	{"DELETE FROM t WHERE id = id", "delete(t)-"},
	{"DELETE FROM t WHERE t.id = id", "delete(t)-"},
	{"DELETE FROM t WHERE id = 5 OR true", "delete(t)-"},
	{"DELETE FROM t WHERE id = 5 OR 1 = 1", "delete(t)-"},
	{"DELETE FROM t WHERE id = 5 OR (id = 6 OR id = id)", "delete(t)-"},
	{"DELETE FROM t WHERE true AND id = 5", "delete(t)+"},
	{"DELETE FROM t WHERE id > 5", "delete(t)+"},
	{"DELETE FROM t WHERE 5 = id", "delete(t)+"},
	{"DELETE FROM t WHERE id IN (1, 2)", "delete(t)+"},
	{"DELETE FROM t WHERE id NOT IN (1, 2)", "delete(t)+"},
	{"DELETE FROM t WHERE id = ANY($1)", "delete(t)+"},
	{"DELETE FROM t WHERE id <> ANY('{1,2}')", "delete(t)"},
	{"DELETE FROM t WHERE id = ALL('{}')", "delete(t)"},
	{"DELETE FROM t WHERE id BETWEEN 1 AND 2", "delete(t)+"},
	{"DELETE FROM t WHERE name LIKE 'a%'", "delete(t)+"},
	{"DELETE FROM t WHERE name LIKE '%'", "delete(t)-"},
	{"DELETE FROM t WHERE name LIKE '%_%'", "delete(t)-"},
	{"DELETE FROM t WHERE name LIKE $1", "delete(t)+"},
	{"DELETE FROM t WHERE name ~ '.'", "delete(t)"},
	{"DELETE FROM t WHERE x IS NULL", "delete(t)+"},
	{"DELETE FROM t WHERE x IS NOT NULL", "delete(t)"},
	{"DELETE FROM t WHERE NOT x = 1", "delete(t)+"},
	{"DELETE FROM t WHERE NOT (x = 1 AND x = 2)", "delete(t)"},
	{"DELETE FROM t WHERE x < 5 OR x >= 5", "delete(t)"},
	{"DELETE FROM t WHERE x = 5 OR x <> 5", "delete(t)"},
	{"DELETE FROM t WHERE a = 5 OR b = 6", "delete(t)+"},
	{"DELETE FROM t WHERE x = x + 0", "delete(t)"},
	{"DELETE FROM t WHERE x - x = 0", "delete(t)"},
	{"DELETE FROM t WHERE coalesce(x, 1) = 1", "delete(t)"},
	{"DELETE FROM t WHERE lower(email) = 'x'", "delete(t)+"},
	{"DELETE FROM t WHERE pg_typeof(id) = 'int'::regtype", "delete(t)"},
	{"DELETE FROM t WHERE tableoid = 't'::regclass", "delete(t)"},
	{"DELETE FROM t WHERE day::date = '2020-01-01'", "delete(t)+"},
	{"DELETE FROM t WHERE created < now() - interval '1 day'", "delete(t)+"},
	{"DELETE FROM t WHERE random() < 2", "delete(t)"},
	{"DELETE FROM t WHERE active", "delete(t)+"},
	{"DELETE FROM t WHERE active OR NOT active", "delete(t)"},
	{"DELETE FROM t WHERE EXISTS (SELECT 1)", "delete(t)"},
	{"DELETE FROM t WHERE id IN (SELECT id FROM t)", "delete(t) read(t)"},
	{"DELETE FROM t WHERE id OPERATOR(x.=) 5", "delete(t) execute(x.=)"},
	{"DELETE FROM t WHERE CURRENT OF c", "delete(t)+"},
	{"DELETE FROM t WHERE x IS DISTINCT FROM NULL", "delete(t)"},
	{"DELETE FROM t WHERE x IS NOT DISTINCT FROM 5", "delete(t)+"},
	{"UPDATE t SET a = 1 WHERE 2 > 1", "update(t)-"},

	/* ---- looks like reading ---- */
	{"WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d", "delete(t)- read(t)"},
	{"WITH d AS (DELETE FROM t) SELECT 1", "delete(t)- read"},
	{"WITH i AS (INSERT INTO l VALUES (1)), u AS (UPDATE t SET a = 1 WHERE id = 1) SELECT * "
	 "FROM v",
		"insert(l) update(t)+ read(v)"},
	{"SELECT * INTO new FROM t", "define(new) read(t)"},
	{"SELECT 1 INTO TEMP new", "define(new) read"},
	{"CREATE TABLE n AS SELECT * FROM t", "define(n) read(t)"},
	{"CREATE TABLE n AS EXECUTE p", "define(n) session"},
	{"CREATE MATERIALIZED VIEW m AS SELECT * FROM t", "define(m) read(t)"},
	{"SELECT * FROM t FOR UPDATE", "read(t) session"},
	{"SELECT * FROM t x JOIN u ON true FOR SHARE OF x SKIP LOCKED", "read(t) read(u) session"},
	{"EXPLAIN SELECT * FROM t", "read(t)"},
	{"EXPLAIN DELETE FROM t", "read(t)"},
	{"EXPLAIN (VERBOSE, COSTS OFF) UPDATE t SET a = 1", "read(t)"},
	{"EXPLAIN ANALYZE DELETE FROM t", "delete(t)-"},
	{"EXPLAIN ANALYSE DELETE FROM t", "delete(t)-"},
	{"EXPLAIN (ANALYZE) DELETE FROM t", "delete(t)-"},
	{"EXPLAIN (ANALYZE OFF) DELETE FROM t", "read(t)"},
	{"EXPLAIN (ANALYZE 0) DELETE FROM t", "read(t)"},
	{"EXPLAIN (ANALYZE 1) DELETE FROM t", "delete(t)-"},
	{"EXPLAIN (ANALYZE FALSE, ANALYZE) DELETE FROM t", "delete(t)-"},
	{"EXPLAIN (ANALYZE, ANALYZE FALSE) DELETE FROM t", "read(t)"},
	{"EXPLAIN (ANALYZE 'no') DELETE FROM t", "delete(t)-"},
	{"EXPLAIN (\"ANALYZE\") DELETE FROM t", "delete(t)-"},
	{"EXPLAIN ANALYZE EXECUTE p(1)", "session"},
	{"EXPLAIN CREATE TABLE n AS SELECT * FROM t", "read(n) read(t)"},
	{"EXPLAIN SELECT f(1) FROM t", "execute(f) read(t)"},
	{"COPY t TO STDOUT", "read(t) export(t)"},
	{"COPY s.t (a, b) TO STDOUT WITH (FORMAT csv)", "read(s.t) export(s.t)"},
	{"COPY t FROM STDIN", "insert(t) import(t)"},
	{"COPY (SELECT * FROM t) TO STDOUT", "read(t) export(t)"},
	{"COPY (SELECT 1) TO STDOUT", "read export(*)"},
	{"COPY (DELETE FROM t RETURNING *) TO STDOUT", "delete(t)- read(t) export(t)"},
	{"COPY t TO PROGRAM 'cat'", "read(t) export(t) admin execute(program)"},
	{"COPY t FROM PROGRAM 'cat'", "insert(t) import(t) admin execute(program)"},
	{"COPY t TO '/tmp/x'", "read(t) export(t) admin execute(file)"},
	{"COPY t FROM '/etc/passwd'", "insert(t) import(t) admin execute(file)"},
	{"COPY t FROM STDIN WHERE f(a)", "insert(t) import(t) execute(f)"},
	{"DECLARE c CURSOR FOR SELECT * FROM t", "session read(t)"},
	{"FETCH ALL c", "read"},
	{"MOVE 1 IN c", "read"},
	{"CLOSE c", "session"},
	{"SELECT u.row_to_json FROM u", "read(u)"},
	{"SELECT u.query_to_xml FROM u", "read(u)"},
	{"SELECT (u).lo_unlink FROM u", "read(u) destroy(lo_unlink)"},
	{"SELECT u.pg_read_file FROM u", "read(u)"},
	{"SELECT u.pg_terminate_backend FROM u", "read(u) admin"},
	{"SELECT 1 OPERATOR(evil.+) 1", "read execute(evil.+)"},
	{"SELECT 1 IN (SELECT 1) , 1 OPERATOR(evil.=) ANY (SELECT 1)", "read execute(evil.=)"},
	{"SELECT * FROM t ORDER BY a USING OPERATOR(evil.<)", "read(t) execute(evil.<)"},
	{"SELECT * FROM t TABLESAMPLE evil.sample (1)", "read(t) execute(evil.sample)"},
	{"SELECT * FROM t TABLESAMPLE other (1)", "read(t) execute(other)"},

	/* ---- functions ---- */
	{"SELECT f(1)", "read execute(f)"},
	{"SELECT s.f(a) FROM t", "read(t) execute(s.f)"},
	{"SELECT public.lower('x')", "read execute(public.lower)"},
	{"SELECT pg_catalog.lower('x')", "read"},
	{"SELECT \"LOWER\"('x')", "read execute(LOWER)"},
	{"SELECT (information_schema._pg_expandarray(a)).n FROM t", "read(t)"},
	{"SELECT information_schema.f(a) FROM t", "read(t) execute(information_schema.f)"},
	{"SELECT _pg_expandarray(a) FROM t", "read(t) execute(_pg_expandarray)"},
	{"SELECT * FROM f(1)", "read execute(f)"},
	{"SELECT sum(x) FILTER (WHERE f(x)) FROM t", "read(t) execute(f)"},
	{"SELECT set_config('role', 'x', false)", "read admin"},
	{"SELECT pg_catalog.set_config('search_path', '', false)", "read admin"},
	{"SELECT nextval('s')", "read update(s)"},
	{"SELECT nextval('app.S'::regclass)", "read update(app.s)"},
	{"SELECT nextval('\"App\".\"s.1\"')", "read update(App.\"s.1\")"},
	{"SELECT nextval($1)", "read update(*)"},
	{"SELECT nextval('a b')", "read update(*)"},
	{"SELECT setval('s', 1)", "read update(s)"},
	{"SELECT currval('s'), lastval()", "read"},
	{"SELECT pg_terminate_backend(1)", "read admin"},
	{"SELECT pg_cancel_backend(pid) FROM pg_stat_activity", "read(pg_stat_activity) admin"},
	{"SELECT pg_read_file('/etc/passwd')", "read admin execute(pg_read_file)"},
	{"SELECT * FROM pg_ls_dir('.')", "read admin execute(pg_ls_dir)"},
	{"SELECT pg_stat_file('x')", "read admin"},
	{"SELECT pg_reload_conf(), pg_switch_wal(), pg_promote()", "read admin"},
	{"SELECT pg_create_logical_replication_slot('a', 'b')",
		"read admin execute(pg_create_logical_replication_slot)"},
	{"SELECT pg_logical_emit_message(true, 'a', 'b')",
		"read admin execute(pg_logical_emit_message)"},
	{"SELECT lo_from_bytea(0, 'x')", "read update(lo_from_bytea)"},
	{"SELECT lo_unlink(1)", "read destroy(lo_unlink)"},
	{"SELECT lo_import('/etc/passwd'), lo_export(1, '/tmp/x')", "read admin"},
	{"SELECT lo_get(1)", "read execute(lo_get)"},
	{"SELECT query FROM pg_stat_get_activity(NULL)", "read execute(pg_stat_get_activity)"},
	{"SELECT pg_stat_get_backend_activity(1)", "read execute(pg_stat_get_backend_activity)"},
	{"SELECT pg_notify('c', 'x')", "read execute(pg_notify)"},
	{"SELECT pg_advisory_lock(1), pg_try_advisory_xact_lock(2)", "read session"},
	{"SELECT pg_advisory_surprise()", "read execute(pg_advisory_surprise)"},
	{"SELECT pg_sleep(1)", "read session"},
	{"SELECT query_to_xml('DELETE FROM t', true, true, '')", "read execute(query_to_xml)"},
	{"SELECT table_to_xml('t', true, true, '')", "read execute(table_to_xml)"},
	{"SELECT database_to_xml(true, true, '')", "read execute(database_to_xml)"},
	{"SELECT ts_stat('SELECT 1')", "read execute(ts_stat)"},
	{"SELECT dblink_exec('host=x', 'DELETE FROM t')", "read execute(dblink_exec)"},
	{"SELECT * FROM dblink('host=x', 'SELECT 1') AS t(a int)", "read execute(dblink)"},
	{"SELECT pg_stat_reset()", "read admin execute(pg_stat_reset)"},
	{"SELECT pg_export_snapshot()", "read admin"},
	{"SELECT pg_relation_size('t'), pg_backend_pid(), gen_random_uuid()", "read"},
	{"INSERT INTO t VALUES (nextval('s'))", "insert(t) update(s)"},

	/* ---- session ---- */
	{"BEGIN", "session"},
	{"START TRANSACTION ISOLATION LEVEL SERIALIZABLE", "session"},
	{"BEGIN READ ONLY", "session"},
	{"BEGIN READ WRITE", "session admin"},
	{"COMMIT", "session"},
	{"END", "session"},
	{"ROLLBACK", "session"},
	{"ABORT", "session"},
	{"SAVEPOINT a", "session"},
	{"RELEASE a", "session"},
	{"ROLLBACK TO a", "session"},
	{"COMMIT AND CHAIN", "session"},
	{"PREPARE TRANSACTION 'x'", "admin"},
	{"COMMIT PREPARED 'x'", "admin"},
	{"ROLLBACK PREPARED 'x'", "admin"},
	{"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "session"},
	{"SET TRANSACTION READ ONLY", "session"},
	{"SET TRANSACTION READ WRITE", "admin"},
	{"SET TRANSACTION SNAPSHOT 'x'", "admin"},
	{"SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", "admin"},
	{"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE", "session"},
	{"SET application_name = 'x'", "session"},
	{"SET LOCAL DateStyle TO 'ISO, MDY'", "session"},
	{"SET TIME ZONE 'UTC'", "session"},
	{"SET extra_float_digits = 3", "session"},
	{"SET client_encoding TO 'UTF-8'", "session"},
	{"SET NAMES 'utf8'", "session"},
	{"SET NAMES 'SJIS'", "admin"},
	{"SET client_encoding = GBK", "admin"},
	{"SET standard_conforming_strings = on", "session"},
	{"SET standard_conforming_strings = off", "admin"},
	{"SET search_path = evil", "admin"},
	{"SET statement_timeout = 0", "admin"},
	{"SET lock_timeout = 0", "admin"},
	{"SET default_transaction_read_only = off", "admin"},
	{"SET default_transaction_read_only = on", "session"},
	{"SET ROLE postgres", "admin"},
	{"SET SESSION AUTHORIZATION postgres", "admin"},
	{"SET row_security = off", "admin"},
	{"SET session_replication_role = replica", "admin"},
	{"SET myapp.tenant = '2'", "admin"},
	{"SET \"Search_Path\" = evil", "admin"},
	{"RESET work_mem", "session"},
	{"RESET client_encoding", "admin"},
	{"RESET ROLE", "admin"},
	{"RESET ALL", "admin"},
	{"SET CONSTRAINTS ALL DEFERRED", "session"},
	{"PREPARE p AS DELETE FROM t", "session delete(t)-"},
	{"PREPARE p (int) AS SELECT * FROM t WHERE a = $1", "session read(t)"},
	{"EXECUTE p", "session"},
	{"DEALLOCATE p", "session"},
	{"DEALLOCATE ALL", "session"},
	{"DISCARD ALL", "session"},
	{"DISCARD TEMP", "session"},
	{"LISTEN c", "session"},
	{"UNLISTEN *", "session"},
	{"NOTIFY c, 'x'", "execute(c)"},

	/* ---- code ---- */
	{"DO $$ BEGIN DELETE FROM t; END $$", "execute(*) unknown(*)"},
	{"CALL p(1)", "execute(p)"},
	{"CALL s.p(f(1))", "execute(s.p) execute(f)"},

	/* ---- destroy ---- */
	{"DROP TABLE a, s.b", "destroy(a) destroy(s.b)"},
	{"DROP TABLE IF EXISTS a CASCADE", "destroy(a) destroy(*)"},
	{"DROP VIEW v", "destroy(v)"},
	{"DROP INDEX CONCURRENTLY i", "destroy(i)"},
	{"DROP SCHEMA s CASCADE", "destroy(s) destroy(*)"},
	{"DROP FUNCTION s.f(int)", "destroy(s.f)"},
	{"DROP TYPE s.mood", "destroy(s.mood)"},
	{"DROP TRIGGER g ON s.t", "destroy(s.t)"},
	{"DROP POLICY p ON t", "destroy(t) grant(*)"},
	{"DROP EXTENSION e", "destroy(e)"},
	{"DROP DATABASE d", "destroy(d) admin"},
	{"DROP TABLESPACE x", "destroy(x) admin"},
	{"DROP SUBSCRIPTION x", "destroy(x) admin"},
	{"TRUNCATE a, b", "destroy(a) destroy(b)"},
	{"TRUNCATE TABLE a RESTART IDENTITY CASCADE", "destroy(a) destroy(*)"},
	{"ALTER TABLE t DROP COLUMN c", "define(t) destroy(t)"},
	{"ALTER TABLE t DROP c CASCADE", "define(t) destroy(t) destroy(*)"},

	/* ---- define ---- */
	{"CREATE TABLE t (id int PRIMARY KEY)", "define(t)"},
	{"CREATE TEMP TABLE t (id int)", "define(t)"},
	{"CREATE TABLE t (a int REFERENCES u)", "define(t) define(u) read(u)"},
	{"CREATE TABLE t (a int, FOREIGN KEY (a) REFERENCES s.u)",
		"define(t) define(s.u) read(s.u)"},
	{"CREATE TABLE t (LIKE u INCLUDING ALL)", "define(t) read(u)"},
	{"CREATE TABLE t () INHERITS (a, s.b)", "define(t) define(a) define(s.b)"},
	{"CREATE TABLE t PARTITION OF p DEFAULT", "define(t) define(p)"},
	{"CREATE TABLE t (a int DEFAULT f())", "define(t) execute(f)"},
	/* A view is another name for its tables. */
	{"CREATE VIEW v AS SELECT * FROM t", "define(v) define(t) read(t)"},
	{"CREATE VIEW s.v AS SELECT 1", "define(s.v) read"},
	{"CREATE OR REPLACE VIEW s.v AS SELECT * FROM a JOIN s.b USING (i) WHERE i IN (TABLE c)",
		"define(s.v) define(a) define(s.b) define(c) read(a) read(s.b) read(c)"},
	{"CREATE VIEW v AS WITH w AS (SELECT * FROM t) SELECT * FROM w",
		"define(v) define(t) read(t)"},
	{"CREATE VIEW s.v AS SELECT * FROM pg_settings",
		"define(s.v) define(pg_settings) admin read(pg_settings)"},
	{"CREATE VIEW s.v AS SELECT * FROM pg_catalog.pg_settings",
		"define(s.v) define(pg_catalog.pg_settings) admin read(pg_catalog.pg_settings)"},
	{"CREATE SCHEMA s CREATE VIEW v AS SELECT * FROM t",
		"define(s) define(v) define(t) read(t)"},
	{"CREATE MATERIALIZED VIEW s.m AS SELECT * FROM t", "define(s.m) read(t)"},
	{"CREATE TABLE s.m AS SELECT * FROM t", "define(s.m) read(t)"},
	{"CREATE INDEX i ON s.t (a)", "define(s.t)"},
	{"CREATE SEQUENCE s", "define(s)"},
	{"ALTER SEQUENCE s RESTART", "define(s) update(s)"},
	{"CREATE SCHEMA s", "define(s)"},
	{"CREATE SCHEMA s CREATE TABLE t (a int)", "define(s) define(t)"},
	{"CREATE FUNCTION s.f() RETURNS int LANGUAGE sql AS 'DELETE FROM t'",
		"define(s.f) execute(*)"},
	{"CREATE PROCEDURE p() LANGUAGE sql AS 'DELETE FROM t'", "define(p) execute(*)"},
	{"CREATE TRIGGER g AFTER INSERT ON s.t EXECUTE FUNCTION f()", "define(s.t) execute(*)"},
	{"CREATE RULE r AS ON SELECT TO t DO INSTEAD DELETE FROM u",
		"define(t) execute(*) delete(u)-"},
	{"CREATE RULE r AS ON INSERT TO s.t DO INSTEAD NOTHING", "define(s.t) execute(*)"},
	{"CREATE TYPE s.m AS ENUM ('a')", "define(s.m)"},
	{"CREATE TYPE c AS (a int)", "define(c)"},
	{"CREATE DOMAIN d AS int", "define(d)"},
	{"CREATE AGGREGATE a (int) (sfunc = int4pl, stype = int)", "define(a) execute(*)"},
	{"CREATE OPERATOR s.<?> (leftarg = int, rightarg = int, function = f)",
		"define(s.<?>) execute(*)"},
	{"CREATE TYPE s.b (input = f, output = g)", "define(s.b) execute(*)"},
	{"CREATE TYPE s.r AS RANGE (subtype = int, subtype_diff = f)", "define(s.r) execute(*)"},
	{"CREATE COLLATION s.c (locale = 'C')", "define(s.c)"},
	{"CREATE TEXT SEARCH CONFIGURATION s.c (copy = simple)", "define(s.c)"},
	{"CREATE CAST (a AS b) WITHOUT FUNCTION", "define(*) execute(*)"},
	{"ALTER TABLE t ADD COLUMN c int", "define(t)"},
	{"ALTER TABLE s.t ATTACH PARTITION p DEFAULT", "define(s.t) define(p)"},
	{"ALTER TABLE t RENAME TO u", "define(t)"},
	{"ALTER TABLE t RENAME COLUMN a TO b", "define(t)"},
	{"ALTER TABLE t SET SCHEMA s", "define(t) define(s.t)"},
	{"ALTER TABLE s.t SET SCHEMA public", "define(s.t) define(public.t)"},
	{"ALTER FUNCTION s.f(int) SET SCHEMA public", "define(s.f) define(public.f)"},
	{"ALTER TYPE s.f SET SCHEMA public", "define(s.f) define(public.f)"},
	{"ALTER TABLE t ADD COLUMN c int DEFAULT s.f()", "define(t) execute(s.f)"},
	{"ALTER TABLE s.t INHERIT u", "define(s.t) define(u)"},
	{"CREATE INDEX ON s.t (public.f(a))", "define(s.t) execute(public.f)"},
	{"COMMENT ON TABLE s.t IS 'x'", "define(s.t)"},
	{"COMMENT ON COLUMN s.t.c IS 'x'", "define(s.t)"},
	{"REFRESH MATERIALIZED VIEW m", "update(m)"},

	/* ---- grant ---- */
	{"GRANT SELECT ON t TO x", "grant(t)"},
	{"GRANT ALL ON ALL TABLES IN SCHEMA s TO x", "grant(s) grant(*)"},
	{"REVOKE ALL ON SCHEMA s FROM x", "grant(s)"},
	{"GRANT a TO b", "grant(*)"},
	{"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO x", "grant(*)"},
	{"ALTER TABLE t OWNER TO x", "define(t) grant(t)"},
	{"ALTER FUNCTION f() OWNER TO x", "grant(f)"},
	{"ALTER TABLE t DISABLE ROW LEVEL SECURITY", "define(t) grant(t)"},
	{"CREATE POLICY p ON t USING (true)", "grant(t) define(t)"},
	{"CREATE ROLE r SUPERUSER", "grant(r)"},
	{"CREATE USER r PASSWORD 'x'", "grant(r)"},
	{"ALTER ROLE r PASSWORD 'x'", "grant(r)"},
	{"ALTER ROLE r SET search_path = x", "grant(r) admin"},
	{"ALTER ROLE r RENAME TO q", "define(r) grant(*)"},
	{"DROP ROLE r, q", "grant(r) grant(q)"},
	{"REASSIGN OWNED BY a TO b", "grant(*)"},
	{"DROP OWNED BY a", "grant(*) destroy(*)"},
	{"SECURITY LABEL ON TABLE t IS 'x'", "grant(t)"},

	/* ---- admin ---- */
	{"VACUUM FULL t", "admin read(t)"},
	{"ANALYZE", "admin"},
	{"REINDEX TABLE t", "admin read(t)"},
	{"CLUSTER t USING i", "admin read(t)"},
	{"CHECKPOINT", "admin"},
	{"LOAD 'x'", "admin"},
	{"LOCK TABLE t IN ACCESS SHARE MODE", "admin read(t)"},
	{"ALTER SYSTEM SET work_mem = 1", "admin"},
	{"ALTER DATABASE d SET search_path = x", "admin"},
	{"CREATE DATABASE d", "admin"},
	{"CREATE EXTENSION dblink", "admin"},
	{"CREATE LANGUAGE plperl", "admin"},
	{"CREATE SERVER s FOREIGN DATA WRAPPER f", "admin"},
	{"CREATE USER MAPPING FOR x SERVER s OPTIONS (password 'y')", "admin"},
	{"CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p", "admin"},
	{"CREATE PUBLICATION p FOR TABLE t", "define(p) admin read(t)"},
	{"CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION f()", "admin"},
	{"CREATE FOREIGN TABLE t (a int) SERVER s", "admin define(t)"},
	{"IMPORT FOREIGN SCHEMA x FROM SERVER y INTO z", "define(*) admin"},
	{"UPDATE pg_settings SET setting = 'x' WHERE name = 'role'", "update(pg_settings)+ admin"},
	{"INSERT INTO pg_catalog.pg_proc VALUES (1)", "insert(pg_catalog.pg_proc) admin"},
	{"IDENTIFY_SYSTEM", "admin"},
	{" START_REPLICATION SLOT s LOGICAL 0/0", "admin"},
	{"BASE_BACKUP", "admin"},

	/* ---- several ---- */
	{"SELECT 1; DROP TABLE t", "read destroy(t)"},
	{"BEGIN; DELETE FROM t WHERE id = 1; COMMIT", "session delete(t)+"},
	{"SELECT * FROM t;; SELECT * FROM t;", "read(t)"},
	{"UPDATE t SET a=1; UPDATE t SET a=1 WHERE id=1", "update(t)- update(t)+"},

	/* ---- not understood ---- */
	{"SELEC 1", "unknown(*)"},
	{"SELECT 1; SELEC 2", "unknown(*)"},
	{"SELECT 'x", "unknown(*)"},
	{"SELECT \xff\xfe", "unknown(*)"},
	{"/*denied*/ \"", "unknown(*)"},
	{"SELECT JSON_OBJECT('a': 1)", "unknown(*)"},
};

const size_t corpus_n = sizeof(corpus) / sizeof(corpus[0]);

char *corpus_print(const struct fact *f, char *out, size_t max)
{
	const char *bound = "";

	if (f->effect == EFFECT_DELETE || f->effect == EFFECT_UPDATE)
		bound = f->bounded == TRI_YES ? "+" : f->bounded == TRI_NO ? "-" : "";
	if (f->no_object)
		snprintf(out, max, "%s", effect_table[f->effect].keyword);
	else if (!f->object.n)
		snprintf(out, max, "%s(*)%s", effect_table[f->effect].keyword, bound);
	else
		snprintf(out, max, "%s(%.*s)%s", effect_table[f->effect].keyword,
			SLICE_FMT(f->object), bound);
	return out;
}

char *corpus_print_all(const struct facts *f, char *out, size_t max)
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < f->n && n + 200 < max; i++) {
		if (i)
			out[n++] = ' ';
		corpus_print(&f->list[i], out + n, max - n);
		n += strlen(out + n);
	}
	return out;
}

static int corpus_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static size_t corpus_split(char *s, char **words, size_t max)
{
	size_t n = 0;

	for (char *save, *word = strtok_r(s, " ", &save); word && n < max;
		word = strtok_r(NULL, " ", &save))
		words[n++] = word;
	qsort(words, n, sizeof(*words), corpus_compare);
	return n;
}

bool corpus_same(const char *a, const char *b)
{
	char copy_a[4096], copy_b[4096], *words_a[256], *words_b[256];
	size_t n_a, n_b;

	snprintf(copy_a, sizeof(copy_a), "%s", a);
	snprintf(copy_b, sizeof(copy_b), "%s", b);
	n_a = corpus_split(copy_a, words_a, 256);
	n_b = corpus_split(copy_b, words_b, 256);
	if (n_a != n_b)
		return false;
	for (size_t i = 0; i < n_a; i++)
		if (strcmp(words_a[i], words_b[i]))
			return false;
	return true;
}
