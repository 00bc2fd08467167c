-- Statements over tables with protected columns that show nothing of those: they come as they are.
SELECT id, name FROM lab.people ORDER BY id
SELECT count(*) FROM lab.people
SELECT 1, 'x' AS c FROM lab.people
SELECT count(*), count(DISTINCT city), max(id), min(name) FROM lab.people
SELECT upper(name), lower(city), length(name) FROM lab.people ORDER BY id
SELECT name || ' of ' || city AS label FROM lab.people ORDER BY 1
SELECT id + 1, id * 2.5, -id, id::text, id::numeric(6,2) FROM lab.people ORDER BY id
SELECT o.id, o.total * 1.2, upper(p.name) FROM lab.orders o JOIN lab.people p ON p.id = o.person ORDER BY o.id
SELECT count(*), max(total), sum(total) FROM lab.orders JOIN lab.people ON people.id = orders.person
SELECT p.city, count(*), sum(o.total)::text FROM lab.people p LEFT JOIN lab.orders o ON o.person = p.id GROUP BY p.city ORDER BY p.city
SELECT status, array_agg(p.name ORDER BY p.id) FROM lab.orders o, lab.people p WHERE p.id = o.person GROUP BY status ORDER BY status
SELECT string_agg(name, ', ' ORDER BY id) FROM lab.people
SELECT CASE WHEN id > 1 THEN 'later' ELSE 'first' END AS c, name FROM lab.people ORDER BY id
SELECT coalesce(name, '-'), nullif(city, 'London'), greatest(id, 2) FROM lab.people ORDER BY id
SELECT name IS NULL, id BETWEEN 1 AND 2, city IN ('London', 'Paris'), name LIKE 'A%' FROM lab.people ORDER BY id
SELECT row_to_json(o) FROM lab.orders o JOIN lab.people p ON p.id = o.person ORDER BY o.id
SELECT o::text FROM lab.orders o, lab.people p WHERE p.id = o.person ORDER BY o.id
SELECT orders FROM lab.orders, lab.people WHERE people.id = person ORDER BY orders.id
SELECT json_build_object('id', p.id, 'name', p.name) FROM lab.people p ORDER BY id
SELECT jsonb_agg(jsonb_build_object('n', name) ORDER BY id) FROM lab.people
SELECT name FROM lab.people UNION SELECT status FROM lab.orders ORDER BY 1
SELECT id, name FROM lab.people UNION ALL SELECT id, status FROM lab.orders ORDER BY 1, 2
SELECT id FROM lab.people INTERSECT SELECT person FROM lab.orders ORDER BY 1
SELECT id FROM lab.people EXCEPT SELECT 3 ORDER BY 1
WITH x AS (SELECT id, upper(name) AS n FROM lab.people) SELECT n || '!' FROM x ORDER BY id
WITH x(a, b) AS (SELECT id, city FROM lab.people), y AS (SELECT a, lower(b) AS l FROM x) SELECT l FROM y ORDER BY a
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 4) SELECT t.n, upper(p.name) FROM t, lab.people p WHERE p.id = 1 ORDER BY 1
WITH RECURSIVE t AS (SELECT id, name::text AS path FROM lab.people WHERE id = 1 UNION ALL SELECT p.id, t.path || '/' || p.name FROM t JOIN lab.people p ON p.id = t.id + 1) SELECT path || '' FROM t ORDER BY 1
SELECT n FROM (SELECT upper(name) AS n, id FROM lab.people) s ORDER BY id
SELECT s.a + 1 FROM (SELECT id, city FROM lab.people) s(a, b) ORDER BY 1
SELECT upper(name) FROM (SELECT * FROM lab.people) s ORDER BY 1
SELECT s.x FROM lab.people p, LATERAL (SELECT p.name || '?' AS x) s ORDER BY 1
SELECT (SELECT max(total) FROM lab.orders o WHERE o.person = p.id) FROM lab.people p ORDER BY p.id
SELECT EXISTS (SELECT 1 FROM lab.orders o WHERE o.person = p.id) FROM lab.people p ORDER BY p.id
SELECT ARRAY(SELECT name FROM lab.people ORDER BY id)
SELECT name, rank() OVER (ORDER BY name), row_number() OVER (PARTITION BY city ORDER BY id), lag(name) OVER w FROM lab.people WINDOW w AS (ORDER BY id) ORDER BY 1
SELECT count(*) FILTER (WHERE city = 'London') FROM lab.people
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY id) FROM lab.people
SELECT DISTINCT city || '' FROM lab.people ORDER BY 1
SELECT DISTINCT ON (city) city, upper(name) FROM lab.people ORDER BY city, id
SELECT city, grouping(city), count(*) FROM lab.people GROUP BY ROLLUP (city) ORDER BY 1, 2
SELECT g, p.name || g FROM generate_series(1, 2) g, lab.people p ORDER BY 1, 2
SELECT u FROM lab.orders o JOIN lab.people p ON p.id = o.person, unnest(o.tags) AS u ORDER BY 1
SELECT e.key, e.value FROM lab.people p JOIN lab.orders o ON o.person = p.id, jsonb_each(o.doc) e ORDER BY 1, 2
SELECT o.doc -> 'k', o.doc ->> 'k' FROM lab.orders o JOIN lab.people p ON p.id = o.person ORDER BY o.id
SELECT (ARRAY[name, city])[1], ROW(id, name) FROM lab.people ORDER BY id
SELECT substr(name, 1, 2), left(name, 1), position('a' in name), trim(both ' ' from city), overlay(name placing 'x' from 1) FROM lab.people ORDER BY id
SELECT extract(year from date '2020-01-01') + id FROM lab.people ORDER BY id
SELECT md5(name), encode(name::bytea, 'hex') FROM lab.people ORDER BY id
SELECT format('%s (%s)', name, id) FROM lab.people ORDER BY id
SELECT p.*, 1 FROM lab.v_safe p ORDER BY id
SELECT upper(name) FROM lab.v_safe ORDER BY 1
SELECT id, name FROM lab.v_secret ORDER BY id
SELECT id + 1, upper(name), count(*) FROM lab.v_secret GROUP BY id, name ORDER BY id
SELECT c, c * 2 FROM lab.v_odd ORDER BY c
SELECT key, key + 1 FROM lab.v_over ORDER BY key
SELECT max(id) FROM lab.m_secret
COPY (SELECT id, name || '!' FROM lab.v_secret ORDER BY id) TO STDOUT
SELECT o.*, upper(p.name) FROM lab.orders o JOIN lab.people p ON p.id = o.person ORDER BY o.id
SELECT upper(p.name), o.*, p.id + 1 FROM lab.orders o JOIN lab.people p ON p.id = o.person ORDER BY o.id
SELECT j.name || '' FROM (lab.people p JOIN lab.orders o ON o.person = p.id) AS j(id, name) ORDER BY 1 LIMIT 0
SELECT count(*) FROM lab.people NATURAL JOIN lab.v_safe
SELECT max(id) FROM lab.parted
SELECT upper(n::text) FROM lab.parted_one ORDER BY 1
SELECT n + 1 FROM lab.made
SELECT xmlelement(name p, name) FROM lab.people ORDER BY id
SELECT to_char(total, '999.99'), round(total) FROM lab.orders o JOIN lab.people p ON p.id = o.person ORDER BY o.id
SELECT pg_typeof(name), name COLLATE "C" < 'B' FROM lab.people ORDER BY id
SELECT current_user || '', 1 + 1 FROM lab.people
VALUES ((SELECT count(*) FROM lab.people), 'x')
TABLE lab.v_safe
BEGIN
UPDATE lab.orders SET status = 'paid' WHERE id = 4 RETURNING id + 0, upper(status)
INSERT INTO lab.free SELECT id + 100, name FROM lab.people RETURNING id, v || ''
DELETE FROM lab.free USING lab.people p WHERE free.id = p.id + 100 RETURNING upper(p.name)
UPDATE lab.people SET ssn = ssn WHERE id = 1 RETURNING upper(name)
ROLLBACK
SELECT name::int FROM lab.people
SELECT 1 / (id - 1), upper(name) FROM lab.people ORDER BY id
EXPLAIN (COSTS OFF) SELECT upper(name) FROM lab.people WHERE id = 1
EXPLAIN (COSTS OFF, VERBOSE) SELECT p.ssn, o.id FROM lab.people p JOIN lab.orders o ON o.person = p.id
COPY (SELECT id, upper(name) FROM lab.people ORDER BY id) TO STDOUT
COPY (SELECT o.*, p.city FROM lab.orders o JOIN lab.people p ON p.id = o.person ORDER BY o.id) TO STDOUT (FORMAT csv, HEADER)
COPY lab.people (id, name) TO STDOUT
COPY lab.orders TO STDOUT
PREPARE by_id(int) AS SELECT upper(name), id + 1 FROM lab.people WHERE id = $1
EXECUTE by_id(2)
DEALLOCATE by_id
