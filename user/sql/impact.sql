-- SPDX-License-Identifier: Apache-2.0
-- What a statement would touch, from the catalog alone: see impact.h. $1, $2: schemas ('' where the text names none)
-- and names of its objects; $3: what is done to each, letters of enum impact_op.
--
-- One more of each kind than is shown, so that a list that is cut says so (IMPACT_OF_A_KIND_MAX).
-- Nothing here needs a right, locks a table or waits for one. The shorthand is that of hidden.sql; operators are the
-- server's because the connection searches nothing else.
WITH RECURSIVE asked AS (
	SELECT a.ord, a.ops, c.oid, n.nspname, c.relname, c.relkind
	FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]),
		pg_catalog.unnest($3::pg_catalog.text[])) WITH ORDINALITY a(nsp, rel, ops, ord)
	JOIN pg_catalog.pg_class c ON c.relname = a.rel::pg_catalog.name
	JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND (a.nsp = '' OR n.nspname = a.nsp::pg_catalog.name)
	WHERE c.relpersistence <> 't' AND c.relkind = ANY (ARRAY['r', 'v', 'm', 'f', 'p']::pg_catalog."char"[])
	LIMIT 201
), tree AS (
	-- With partitions and children.
	SELECT a.ord, a.ops, a.oid AS root, a.oid
	FROM asked a
	UNION
	SELECT t.ord, t.ops, t.root, i.inhrelid
	FROM tree t
	JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid
), follows AS (
	-- What happens to the tables that refer, by foreign key, one after another. op: a letter, as of $3.
	SELECT t.ord, t.oid, o.op, NULL::pg_catalog.name AS via
	FROM tree t, pg_catalog.regexp_split_to_table(t.ops, '') o(op)
	UNION
	SELECT f.ord, c.conrelid, CASE WHEN f.op = 't' THEN 't' WHEN f.op = 'x' THEN 'k' WHEN f.op = 'd'
		AND c.confdeltype = 'c' THEN 'd' WHEN (CASE f.op WHEN 'd' THEN c.confdeltype ELSE c.confupdtype END) = 'c'
		THEN 'u' WHEN (CASE f.op WHEN 'd' THEN c.confdeltype ELSE c.confupdtype END) = 'n' THEN 'n' ELSE 's' END,
		c.conname
	FROM follows f
	JOIN pg_catalog.pg_constraint c ON c.confrelid = f.oid AND c.contype = 'f' AND c.conparentid = 0::pg_catalog.oid
	WHERE f.op IN ('t', 'x') OR (f.op = 'd' AND c.confdeltype IN ('c', 'n', 'd')) OR (f.op IN ('u', 'n', 's')
		AND c.confupdtype IN ('c', 'n', 'd'))
), over AS (
	-- Views that go with a table, and those over them.
	SELECT a.ord, a.oid
	FROM asked a
	WHERE pg_catalog.strpos(a.ops, 'x') > 0
	UNION
	SELECT o.ord, r.ev_class
	FROM over o
	JOIN pg_catalog.pg_depend d ON d.refobjid = o.oid AND d.refclassid = {pg_class} AND d.classid = {pg_rewrite}
	JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid AND r.ev_class <> o.oid
), met AS (
	SELECT DISTINCT f.ord, f.oid, f.op
	FROM follows f
)

SELECT 'o'::pg_catalog.text, a.ord::pg_catalog.text, a.oid::pg_catalog.text, a.nspname::pg_catalog.text,
	a.relname::pg_catalog.text, a.relkind::pg_catalog.text,
	COALESCE((SELECT CASE WHEN pg_catalog.bool_and(e.n IS NOT NULL) THEN pg_catalog.sum(e.n) END
		FROM tree t
		JOIN pg_catalog.pg_class c ON c.oid = t.oid AND c.relkind IN ('r', 'm'), LATERAL (SELECT CASE
			WHEN c.reltuples >= 0 AND c.relpages > 0 THEN c.reltuples::pg_catalog.int8
			WHEN pg_catalog.pg_stat_get_live_tuples(c.oid) > 0
			THEN pg_catalog.pg_stat_get_live_tuples(c.oid) END) e(n)
		WHERE t.ord = a.ord AND t.root = a.oid)::pg_catalog.text, ''),
	((SELECT pg_catalog.count(*) FROM tree t WHERE t.ord = a.ord AND t.root = a.oid) - 1)::pg_catalog.text
FROM asked a
UNION ALL
(SELECT DISTINCT 'c', f.ord::pg_catalog.text, c.oid::pg_catalog.text, n.nspname::pg_catalog.text,
	c.relname::pg_catalog.text, f.op, COALESCE(CASE WHEN c.reltuples >= 0 AND c.relpages > 0
		THEN c.reltuples::pg_catalog.int8 WHEN pg_catalog.pg_stat_get_live_tuples(c.oid) > 0
		THEN pg_catalog.pg_stat_get_live_tuples(c.oid) END::pg_catalog.text, ''), f.via::pg_catalog.text
FROM follows f
JOIN pg_catalog.pg_class c ON c.oid = f.oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE f.via IS NOT NULL
LIMIT 201)
UNION ALL
(SELECT DISTINCT 't', m.ord::pg_catalog.text, c.oid::pg_catalog.text, n.nspname::pg_catalog.text,
	c.relname::pg_catalog.text, t.tgname::pg_catalog.text, b.nspname::pg_catalog.text,
	p.proname::pg_catalog.text
FROM met m
JOIN pg_catalog.pg_trigger t ON t.tgrelid = m.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D'
JOIN pg_catalog.pg_class c ON c.oid = m.oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
JOIN pg_catalog.pg_namespace b ON b.oid = p.pronamespace
WHERE (t.tgtype::pg_catalog.int4 & CASE m.op WHEN 'i' THEN 4 WHEN 'd' THEN 8 WHEN 't' THEN 32 WHEN 'u' THEN 16
	WHEN 'n' THEN 16 WHEN 's' THEN 16 ELSE 0 END) <> 0
LIMIT 201)
UNION ALL
(SELECT 'v', o.ord::pg_catalog.text, c.oid::pg_catalog.text, n.nspname::pg_catalog.text, c.relname::pg_catalog.text,
	c.relkind::pg_catalog.text, '', ''
FROM over o
JOIN pg_catalog.pg_class c ON c.oid = o.oid AND c.relkind IN ('v', 'm')
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE NOT EXISTS (SELECT FROM asked a WHERE a.oid = o.oid)
LIMIT 201)
