-- SPDX-License-Identifier: Apache-2.0
-- May the planner be asked about a query over these tables? See estimate.h. $1, $2: their schemas ('' where the text
-- has none) and names; $3: the role that the session is logged in as. A letter says what is in the way; '' is nothing.
WITH RECURSIVE found AS (
	SELECT a.ord, c.oid, n.oid AS nsp, n.nspname, c.relname, c.relkind, pg_catalog.count(*) OVER (PARTITION BY
		a.ord) AS n
	FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]))
		WITH ORDINALITY a(nsp, rel, ord)
	JOIN pg_catalog.pg_class c ON c.relname = a.rel::pg_catalog.name
	JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND (a.nsp = '' OR n.nspname = a.nsp::pg_catalog.name)
	WHERE c.relpersistence <> 't' AND c.relkind = ANY (ARRAY['r', 'v', 'm', 'f', 'p', 'S', 'c']::pg_catalog."char"[])
), tree AS (
	SELECT f.ord, f.oid
	FROM found f
	UNION
	SELECT t.ord, i.inhrelid
	FROM tree t
	JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid
), parts AS (
	-- What hangs on a table, as pg_depend numbers it.
	SELECT t.ord, {pg_class} AS classid, t.oid AS objid
	FROM tree t
	UNION ALL
	SELECT t.ord, {pg_class}, i.indexrelid
	FROM tree t
	JOIN pg_catalog.pg_index i ON i.indrelid = t.oid
	UNION ALL
	SELECT t.ord, {pg_constraint}, c.oid
	FROM tree t
	JOIN pg_catalog.pg_constraint c ON c.conrelid = t.oid
	UNION ALL
	SELECT t.ord, {pg_attrdef}, d.oid
	FROM tree t
	JOIN pg_catalog.pg_attrdef d ON d.adrelid = t.oid
	UNION ALL
	SELECT t.ord, {pg_statistic_ext}, s.oid
	FROM tree t
	JOIN pg_catalog.pg_statistic_ext s ON s.stxrelid = t.oid
), coded AS (
	SELECT DISTINCT p.ord
	FROM parts p
	JOIN pg_catalog.pg_depend d ON d.classid = p.classid AND d.objid = p.objid AND d.refobjid >= {own}
	LEFT JOIN pg_catalog.pg_type y ON d.refclassid = {pg_type} AND y.oid = d.refobjid
	WHERE d.refclassid IN ({pg_proc}, {pg_operator}, {pg_opclass}, {pg_opfamily}, {pg_type}, {pg_collation},
		{pg_am}) AND y.typtype IS DISTINCT FROM 'e'
)

SELECT f.ord::pg_catalog.text, f.nspname::pg_catalog.text, f.relname::pg_catalog.text, CASE WHEN f.n > 1
	THEN 'n' WHEN EXISTS (SELECT
FROM tree t
JOIN pg_catalog.pg_class c ON c.oid = t.oid
WHERE t.ord = f.ord AND (c.relkind NOT IN ('r', 'p') OR c.relrowsecurity OR c.relhasrules))
	THEN 'k' WHEN NOT pg_catalog.has_schema_privilege(f.nsp, 'USAGE')
	OR NOT pg_catalog.has_table_privilege(f.oid, 'SELECT')
	THEN 's' WHEN EXISTS (SELECT
FROM tree t
JOIN pg_catalog.pg_class c ON c.oid = t.oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE t.ord = f.ord AND (pg_catalog.pg_has_role($3::pg_catalog.name, c.relowner, 'MEMBER')
	OR pg_catalog.pg_has_role($3::pg_catalog.name, n.nspowner, 'MEMBER')))
	THEN 'o' WHEN f.ord IN (SELECT k.ord FROM coded k) OR EXISTS (SELECT
FROM pg_catalog.pg_cast x
WHERE x.castfunc >= {own} AND x.castsource < {own} AND x.casttarget < {own})
	THEN 'c' WHEN EXISTS (SELECT
FROM tree t
JOIN pg_catalog.pg_class c ON c.oid = t.oid AND c.relkind = 'r'
WHERE t.ord = f.ord AND (c.reltuples < 0 OR (c.reltuples = 0 AND c.relpages = 0)))
	THEN 'a' ELSE '' END
FROM found f
