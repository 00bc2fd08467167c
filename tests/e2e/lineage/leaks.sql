-- Each would show a canary, in whatever form. All of it is allowed by the policy: only masks stand in the way.
SELECT * FROM lab.people
SELECT ssn, email FROM lab.people
SELECT ssn AS name, email AS id FROM lab.people AS orders
SELECT upper(ssn), lower(email), reverse(ssn), md5(ssn), substr(ssn, 2, 3), left(email, 4) FROM lab.people
SELECT ssn::varchar, ssn::bytea, ssn::char(40), ssn COLLATE "C", encode(ssn::bytea, 'base64'), encode(ssn::bytea, 'hex') FROM lab.people
SELECT name || ssn, concat(name, ssn), format('%s', ssn), ssn || '' FROM lab.people
SELECT replace(ssn, '7', '-'), translate(ssn, 'abc', 'xyz'), overlay(ssn placing '#' from 3), lpad(ssn, 30, '.') FROM lab.people
SELECT string_to_array(ssn, NULL), regexp_split_to_table(ssn, ''), ascii(ssn) FROM lab.people
SELECT max(ssn), min(email), string_agg(ssn, ','), array_agg(ssn), count(ssn) FROM lab.people
SELECT json_agg(p), jsonb_agg(ssn), json_object_agg(id, ssn) FROM lab.people p
SELECT row_to_json(p), to_jsonb(p), p::text, ROW(p.*)::text, ROW(ssn, 1) FROM lab.people p
SELECT people FROM lab.people
SELECT p FROM lab.people p
SELECT p.row_to_json FROM lab.people p
SELECT p.concat FROM lab.people p
SELECT p.quote_literal, p.to_json, p.json_agg FROM lab.people p GROUP BY p.id, p.*
SELECT (p).ssn || '' FROM lab.people p
SELECT (p).* FROM lab.people p
SELECT (SELECT p).* FROM lab.people p
SELECT (s.r).ssn, (s.r).ssn || '' FROM (SELECT p AS r FROM lab.people p) s
SELECT ssn FROM lab.people UNION SELECT name FROM lab.people
SELECT name FROM lab.people UNION ALL SELECT ssn FROM lab.people
SELECT * FROM lab.people UNION ALL SELECT * FROM lab.people
SELECT id, name, city, ssn, email, salary FROM lab.people EXCEPT SELECT 0, '', '', '', '', 0
WITH x AS (SELECT ssn AS y FROM lab.people) SELECT y, y || '' FROM x
WITH x(id) AS (SELECT ssn FROM lab.people) SELECT id || '' FROM x
WITH x AS (SELECT * FROM lab.people) SELECT upper(ssn), x FROM x
WITH RECURSIVE t(n, s) AS (SELECT 1, '' UNION ALL SELECT n + 1, t.s || p.ssn FROM t, lab.people p WHERE p.id = t.n) SELECT s FROM t
WITH RECURSIVE a AS (SELECT y || '' AS x FROM b), b AS (SELECT ssn AS y FROM lab.people) SELECT x FROM a
SELECT y || '' FROM (SELECT ssn AS y FROM lab.people) s
SELECT d || '' FROM lab.people p(a, b, c, d, e, f)
SELECT d || '' FROM (SELECT * FROM lab.people) p(a, b, c, d, e, f)
SELECT j.d || '' FROM (lab.people JOIN lab.orders o(k, person) ON true) AS j(a, b, c, d) LIMIT 5
SELECT s.x || '' FROM lab.people p, LATERAL (SELECT p.ssn AS x) s
SELECT s.x || '' FROM lab.people p, LATERAL (SELECT p.*) s(a, b, c, x)
SELECT u || '' FROM lab.people p, unnest(ARRAY[p.ssn, p.email]) u
SELECT e.key, e.value FROM lab.people p, json_each_text(row_to_json(p)) e
SELECT x.v || '' FROM lab.people p, XMLTABLE('/r' PASSING xmlelement(name r, p.ssn) COLUMNS v text PATH '.') x
SELECT (SELECT ssn FROM lab.people WHERE id = 1), (SELECT max(email) FROM lab.people) || ''
SELECT ARRAY(SELECT ssn FROM lab.people), ARRAY(SELECT p FROM lab.people p)::text
SELECT CASE WHEN true THEN ssn END, coalesce(ssn, ''), nullif(ssn, ''), greatest(ssn, 'A') FROM lab.people
SELECT CASE WHEN ssn LIKE 'Z%' THEN 'Zq7Kx9Wm2Lp4' ELSE 'no' END FROM lab.people WHERE false
SELECT first_value(ssn) OVER (ORDER BY id), lag(ssn) OVER (ORDER BY id), nth_value(ssn, 1) OVER w FROM lab.people WINDOW w AS (ORDER BY id)
SELECT mode() WITHIN GROUP (ORDER BY ssn) FROM lab.people
SELECT xmlelement(name x, ssn), xmlforest(ssn), xmlagg(xmlelement(name y, email)) FROM lab.people GROUP BY ssn
SELECT ('{"a": "' || ssn || '"}')::json -> 'a' FROM lab.people
SELECT ssn FROM lab.people GROUP BY ssn
SELECT DISTINCT ssn || '' FROM lab.people
SELECT nullif(ssn, 'Zq7Kx9Wm2Lp4') FROM lab.people
SELECT DISTINCT ON (ssn) ssn FROM lab.people
SELECT x, x || '' FROM lab.v_secret
SELECT v_secret FROM lab.v_secret
SELECT a, b, c, b || '' FROM lab.v_odd
SELECT a::text || b, v_odd FROM lab.v_odd
SELECT key, x, x || '', v_over FROM lab.v_over
SELECT * FROM lab.v_secret UNION ALL SELECT * FROM lab.v_secret
EXPLAIN VERBOSE SELECT id FROM lab.v_secret WHERE x = lab.pure_ssn(1)
SELECT s.x || '' FROM (SELECT * FROM lab.v_secret) s
SELECT plain || '' FROM lab.m_secret
SELECT ssn, ssn || '' FROM lab.parted
SELECT ssn, ssn || '', parted_one FROM lab.parted_one
SELECT twice, twice || '', made FROM lab.made
SELECT * FROM lab.ssns()
SELECT lab.one_ssn(id) FROM lab.orders
SELECT lab.one_ssn(1)
SELECT lab.pure_ssn(1) || ''
SELECT o.peek FROM lab.orders o
SELECT peek(o) FROM lab.orders o
SELECT (o).peek FROM lab.orders o
SELECT initcap('x'::varchar) FROM lab.orders o JOIN lab.people p ON p.id = o.person
SELECT 'a'::varchar ^@ 'b'::varchar FROM lab.people
SELECT 'a'::varchar OPERATOR(public.^@) 'b'::varchar FROM lab.people
SELECT query_to_xml('SELECT ssn FROM lab.people', true, true, '')
SELECT table_to_xml('lab.people', true, true, '')
SELECT schema_to_xml('lab', true, true, '')
SELECT cursor_to_xml('c', 10, true, true, '')
SELECT most_common_vals, histogram_bounds FROM pg_stats WHERE schemaname = 'lab' AND tablename = 'people'
SELECT stavalues1::text, stavalues2::text FROM pg_statistic WHERE starelid = 'lab.people'::regclass
EXPLAIN SELECT lab.pure_ssn(1)
EXPLAIN VERBOSE SELECT id FROM lab.orders WHERE status = lab.pure_ssn(1)
EXPLAIN (VERBOSE) SELECT initcap('x'::varchar) FROM lab.people
EXPLAIN (ANALYZE, VERBOSE, COSTS OFF, TIMING OFF) SELECT * FROM lab.orders WHERE status = lab.pure_ssn(2)
COPY lab.people TO STDOUT
COPY lab.people (id, ssn) TO STDOUT
COPY (SELECT ssn FROM lab.people) TO STDOUT
COPY (SELECT id, upper(email) FROM lab.people) TO STDOUT (FORMAT csv)
COPY (SELECT p FROM lab.people p) TO STDOUT
COPY (SELECT * FROM lab.v_secret) TO STDOUT
COPY (SELECT * FROM lab.ssns()) TO STDOUT
COPY (UPDATE lab.people SET id = id RETURNING ssn) TO STDOUT
COPY lab.people TO STDOUT (FORMAT binary)
UPDATE lab.people SET id = id RETURNING ssn || '', people, *
INSERT INTO lab.people SELECT 10, 'x', 'y', 'z' || max(ssn), 'e', 1 FROM lab.people RETURNING ssn || ''
DELETE FROM lab.free USING lab.people p WHERE free.id = 1 RETURNING p.ssn || '', p
WITH d AS (UPDATE lab.people SET id = id RETURNING ssn) SELECT ssn || '' FROM d
INSERT INTO lab.free SELECT id, reverse(ssn) FROM lab.people RETURNING v
INSERT INTO lab.free VALUES (7, (SELECT ssn FROM lab.people WHERE id = 1)) RETURNING v
UPDATE lab.people SET name = reverse(ssn) RETURNING name
UPDATE lab.free SET v = p.ssn FROM lab.people p WHERE p.id = free.id RETURNING v
MERGE INTO lab.free f USING lab.people p ON p.id = f.id WHEN MATCHED THEN UPDATE SET v = p.ssn
CREATE TABLE lab.copied AS SELECT id, ssn AS v FROM lab.people
SELECT id, ssn AS v INTO lab.copied FROM lab.people
CREATE MATERIALIZED VIEW lab.copied AS SELECT ssn FROM lab.people
SELECT ssn::int FROM lab.people
SELECT name FROM lab.people WHERE ssn::int = 1
SELECT id FROM lab.people ORDER BY email::date
SELECT x::int FROM lab.v_secret
SELECT id FROM lab.v_secret WHERE x::int = 1
UPDATE lab.people SET id = NULL WHERE id = 1
UPDATE lab.people SET id = 2 WHERE id = 1
SELECT ('x' || email)::date FROM lab.people
SELECT 1 / (length(ssn) - 12), ssn::uuid FROM lab.people
SELECT xmlparse(document ssn) FROM lab.people
INSERT INTO lab.people VALUES (11, 'x', 'y', 'Zq7Kx9Wm2Lp4', 'e', 1)
INSERT INTO lab.people SELECT 12, name, city, ssn, email, 1 FROM lab.people WHERE id = 2
UPDATE lab.people SET ssn = (SELECT ssn FROM lab.people WHERE id = 1) WHERE id = 2
PREPARE p AS SELECT ssn, ssn || '' FROM lab.people
EXECUTE p
EXPLAIN EXECUTE p
SELECT set_config('application_name', ssn, false) FROM lab.people WHERE id = 1
SELECT set_config('lab.kept', ssn, false) FROM lab.people WHERE id = 1
SELECT current_setting('lab.kept', true)
SELECT lo_from_bytea(4711, ssn::bytea) FROM lab.people WHERE id = 1
LISTEN lab
SELECT pg_notify('lab', ssn) FROM lab.people
SELECT lab.keep()
SELECT lab.keep_zone()
BEGIN
DECLARE c CURSOR FOR SELECT ssn, reverse(ssn), p FROM lab.people p
FETCH 1 FROM c
FETCH ALL FROM c
COMMIT
SELECT id FROM lab.people; SELECT upper(ssn) FROM lab.people
SELECT upper(name) FROM lab.people; SELECT upper(ssn) FROM lab.people
SELECT upper(ssn), 1 FROM lab.people; SELECT upper(name), 2 FROM lab.people
DO $$ BEGIN RAISE NOTICE '%', (SELECT string_agg(reverse(ssn), ' ') FROM lab.people); END $$
SELECT * FROM lab.people WHERE ssn = 'nothing' OR 1 = 1 ORDER BY ssn
SELECT a.ssn || b.ssn FROM lab.people a FULL JOIN lab.people b USING (id)
SELECT ssn FROM lab.people a FULL JOIN lab.people b USING (ssn)
SELECT name = ANY (SELECT ssn FROM lab.people), ssn IN ('x'), ssn > 'M', ssn IS NOT NULL FROM lab.people
SELECT bit_length(ssn), get_byte(ssn::bytea, 0), hashtext(ssn), salary FROM lab.people WHERE ssn IS NULL
SELECT pg_column_size(p), p IS NULL, hash_record(p) FROM lab.people p WHERE false
