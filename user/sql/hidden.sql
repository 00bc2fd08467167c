-- SPDX-License-Identifier: Apache-2.0
-- The question about what objects do: see hidden.h. Its columns are enum hidden_answer.
--
-- pg_depend tells which of the database's own objects a stored tree uses; the server's own are pinned and not noted
-- there, but the tree has the numbers of their functions. Strings in trees have their blanks escaped, so that no name
-- can look like one of the patterns. pg_get_viewdef() and its like would be plainer, but lock the tables that they
-- name: an agent that holds a lock could keep everybody's answer waiting.
--
-- Every name and operator has its schema. For that, the Makefile makes {=} an OPERATOR(pg_catalog.=), {pg_proc} the
-- number of that catalog, {own} the first number that is not the server's, and {'x'} a "char".
WITH RECURSIVE rel AS (
	SELECT c.oid, n.nspname, c.relname, c.relkind, c.relispartition
	FROM pg_catalog.pg_class c
	JOIN pg_catalog.pg_namespace n ON n.oid {=} c.relnamespace
	WHERE c.oid {>=} {own} AND c.relpersistence {<>} {'t'} AND c.relkind {=} ANY (ARRAY['r', 'v', 'm', 'f',
		'p']::pg_catalog."char"[])
), dom AS (
	-- A domain may be over a domain: the column's type, and every type whose checks it brings.
	SELECT t.oid AS typ, t.oid AS base
	FROM pg_catalog.pg_type t
	WHERE t.typtype {=} {'d'} AND t.oid {>=} {own}
	UNION
	SELECT d.typ, t.typbasetype
	FROM dom d
	JOIN pg_catalog.pg_type t ON t.oid {=} d.base AND t.typtype {=} {'d'}
), code AS (
	-- Stored code that belongs to a relation: what it hangs on, for which events (hidden_int.h), and its tree.
	SELECT {pg_rewrite} AS classid, r.oid AS objid, r.ev_class AS rel, CASE r.ev_type WHEN {'1'}
		THEN 63 WHEN {'2'} THEN 4 WHEN {'3'} THEN 2 ELSE 8 END AS events,
		CASE WHEN r.ev_type {<>} {'1'} THEN 'q' WHEN c.relkind {=} {'m'} THEN 'x' ELSE 'v' END AS kind,
		r.ev_action::pg_catalog.text {||} r.ev_qual::pg_catalog.text AS tree
	FROM pg_catalog.pg_rewrite r
	JOIN pg_catalog.pg_class c ON c.oid {=} r.ev_class
	WHERE r.ev_enabled {<>} {'D'}
	UNION ALL
	SELECT {pg_attrdef}, d.oid, d.adrelid, 38, 'x', d.adbin::pg_catalog.text
	FROM pg_catalog.pg_attrdef d
	UNION ALL
	SELECT {pg_constraint}, c.oid, c.conrelid, 38, 'x', c.conbin::pg_catalog.text
	FROM pg_catalog.pg_constraint c
	WHERE c.contype {=} {'c'} AND c.conrelid {<>} 0::pg_catalog.oid
	UNION ALL
	SELECT {pg_constraint}, c.oid, a.attrelid, 38, 'x', c.conbin::pg_catalog.text
	FROM dom d
	JOIN pg_catalog.pg_constraint c ON c.contypid {=} d.base
	JOIN pg_catalog.pg_attribute a ON a.atttypid {=} d.typ AND a.attnum {>=} 1::pg_catalog.int2
	UNION ALL
	SELECT {pg_class}, i.indexrelid, i.indrelid, 38, 'x', COALESCE(i.indexprs::pg_catalog.text,
		'') {||} COALESCE(i.indpred::pg_catalog.text, '')
	FROM pg_catalog.pg_index i
	WHERE i.indexprs IS NOT NULL OR i.indpred IS NOT NULL
	UNION ALL
	SELECT {pg_policy}, p.oid, p.polrelid, 63, 'x', COALESCE(p.polqual::pg_catalog.text,
		'') {||} COALESCE(p.polwithcheck::pg_catalog.text, '')
	FROM pg_catalog.pg_policy p
	UNION ALL
	SELECT {pg_trigger}, t.oid, t.tgrelid, (CASE WHEN (t.tgtype::pg_catalog.int4 {&} 4) {<>} 0
		THEN 2 ELSE 0 END) {|} (CASE WHEN (t.tgtype::pg_catalog.int4 {&} 8) {<>} 0
		THEN 8 ELSE 0 END) {|} (CASE WHEN (t.tgtype::pg_catalog.int4 {&} 16) {<>} 0
		THEN 4 ELSE 0 END) {|} (CASE WHEN (t.tgtype::pg_catalog.int4 {&} 32) {<>} 0
		THEN 16 ELSE 0 END), 'x', COALESCE(t.tgqual::pg_catalog.text,
		'') {||} ' :funcid ' {||} t.tgfoid::pg_catalog.text
	FROM pg_catalog.pg_trigger t
	WHERE NOT t.tgisinternal AND t.tgenabled {<>} {'D'}
), proc AS (
	-- The database's own functions. is_odd: settings that change what the body means, or who runs it. is_shadow:
	-- like one of the server's, which is found first.
	SELECT p.oid, n.nspname, p.proname, l.lanname, p.prosrc,
		COALESCE(pg_catalog.to_jsonb(p) {->>} 'prosqlbody', '') AS body,
		COALESCE(p.proargdefaults::pg_catalog.text, '') AS defaults, (p.prorettype {>=} {own}
		OR EXISTS (SELECT FROM pg_catalog.unnest(p.proallargtypes) a(t)
	WHERE a.t {>=} {own})) AS gives_own, EXISTS (SELECT FROM pg_catalog.unnest(p.proconfig) s(v)
	WHERE s.v {!~} '^(search_path|work_mem|statement_timeout|lock_timeout|timezone|TimeZone|DateStyle|plan_cache_mode|jit|enable_[a-z]+)=') AS is_odd, EXISTS (SELECT
	FROM pg_catalog.pg_proc b
	WHERE b.oid {<} {own} AND b.proname {=} p.proname AND b.proargtypes {=} p.proargtypes) AS is_shadow,
		(t.typtype {=} ANY (ARRAY['c', 'd', 'p']::pg_catalog."char"[])) IS TRUE AS takes_row
	FROM pg_catalog.pg_proc p
	JOIN pg_catalog.pg_namespace n ON n.oid {=} p.pronamespace
	JOIN pg_catalog.pg_language l ON l.oid {=} p.prolang
	LEFT JOIN pg_catalog.pg_type t ON t.oid {=} p.proargtypes[0]
	WHERE p.oid {>=} {own}
), known AS (
	-- Extensions whose code in C only computes; what they have in other languages is read.
	SELECT d.objid
	FROM pg_catalog.pg_depend d
	JOIN pg_catalog.pg_extension e ON e.oid {=} d.refobjid
	WHERE d.classid {=} {pg_proc} AND d.refclassid {=} {pg_extension} AND d.deptype {=} {'e'}
		AND e.extname {=} ANY (ARRAY['btree_gin', 'btree_gist', 'citext', 'cube', 'earthdistance',
		'fuzzystrmatch', 'hstore', 'intarray', 'isn', 'ltree', 'pg_trgm', 'pgcrypto', 'seg',
		'unaccent', 'uuid-ossp', 'vector']::pg_catalog.name[])
)

SELECT 'r'::pg_catalog.text, r.oid::pg_catalog.text, r.nspname::pg_catalog.text, r.relname::pg_catalog.text,
	r.relkind::pg_catalog.text, r.relispartition::pg_catalog.text, ''::pg_catalog.text, ''::pg_catalog.text
FROM rel r
UNION ALL
SELECT 'b', c.rel::pg_catalog.text, c.events::pg_catalog.text,
	COALESCE((SELECT pg_catalog.string_agg(DISTINCT b.proname::pg_catalog.text, ' ')
		FROM pg_catalog.regexp_matches(c.tree, ':(?:funcid|aggfnoid|winfnoid) ([0-9]+)', 'g') m
		JOIN pg_catalog.pg_proc b ON b.oid {=} m[1]::pg_catalog.oid AND b.oid {<} {own}), ''), '', '',
		'', ''
FROM code c
JOIN rel r ON r.oid {=} c.rel
WHERE c.tree {~} ':(?:funcid|aggfnoid|winfnoid) '
UNION ALL
SELECT 'u', c.rel::pg_catalog.text, c.events::pg_catalog.text, c.kind::pg_catalog.text,
	d.refobjid::pg_catalog.text,
	COALESCE((SELECT pg_catalog.string_agg(DISTINCT m[1], ' ')
		FROM pg_catalog.regexp_matches(c.tree, '\{QUERY :commandType ([0-9]+)', 'g') m), ''), '', ''
FROM code c
JOIN rel r ON r.oid {=} c.rel
JOIN (SELECT DISTINCT d.classid, d.objid, d.refobjid
FROM pg_catalog.pg_depend d
WHERE d.refclassid {=} {pg_class}) d ON d.classid {=} c.classid AND d.objid {=} c.objid
	AND d.refobjid {<>} c.rel
JOIN rel o ON o.oid {=} d.refobjid
UNION ALL
SELECT 'f', c.rel::pg_catalog.text, c.events::pg_catalog.text, d.refobjid::pg_catalog.text, '', '', '', ''
FROM code c
JOIN rel r ON r.oid {=} c.rel
JOIN pg_catalog.pg_depend d ON d.classid {=} c.classid AND d.objid {=} c.objid AND d.refclassid {=} {pg_proc}
UNION ALL
SELECT 'f', c.rel::pg_catalog.text, c.events::pg_catalog.text, o.oprcode::pg_catalog.oid::pg_catalog.text, '',
	'', '', ''
FROM code c
JOIN rel r ON r.oid {=} c.rel
JOIN pg_catalog.pg_depend d ON d.classid {=} c.classid AND d.objid {=} c.objid
	AND d.refclassid {=} {pg_operator}
JOIN pg_catalog.pg_operator o ON o.oid {=} d.refobjid
UNION ALL
SELECT 'f', a.attrelid::pg_catalog.text, 63::pg_catalog.text, c.castfunc::pg_catalog.text, '', '', '', ''
FROM pg_catalog.pg_cast c
JOIN pg_catalog.pg_attribute a ON a.atttypid {>=} {own} AND (a.atttypid {=} c.castsource
	OR a.atttypid {=} c.casttarget)
JOIN rel r ON r.oid {=} a.attrelid
WHERE c.castfunc {>=} {own}
UNION ALL
SELECT 'i', i.inhparent::pg_catalog.text, i.inhrelid::pg_catalog.text, c.relispartition::pg_catalog.text, '',
	'', '', ''
FROM pg_catalog.pg_inherits i
JOIN pg_catalog.pg_class c ON c.oid {=} i.inhrelid
UNION ALL
SELECT 'k', c.confrelid::pg_catalog.text, c.conrelid::pg_catalog.text, c.confdeltype::pg_catalog.text,
	c.confupdtype::pg_catalog.text, '', '', ''
FROM pg_catalog.pg_constraint c
WHERE c.contype {=} {'f'}
UNION ALL
SELECT 'p', p.oid::pg_catalog.text, p.nspname::pg_catalog.text, p.proname::pg_catalog.text,
	p.lanname::pg_catalog.text, CASE WHEN p.body {=} '' THEN p.prosrc ELSE '' END::pg_catalog.text,
	COALESCE((SELECT pg_catalog.string_agg(DISTINCT b.proname::pg_catalog.text, ' ')
		FROM pg_catalog.regexp_matches((p.body {||} p.defaults),
		':(?:funcid|aggfnoid|winfnoid) ([0-9]+)', 'g') m
		JOIN pg_catalog.pg_proc b ON b.oid {=} m[1]::pg_catalog.oid AND b.oid {<} {own}), ''),
		(CASE WHEN p.is_odd THEN 'o' ELSE '' END {||} CASE WHEN p.takes_row
		THEN 'r' ELSE '' END {||} CASE WHEN p.is_shadow
		THEN 's' ELSE '' END {||} CASE WHEN p.gives_own
		THEN 't' ELSE '' END {||} CASE WHEN p.body {<>} ''
		THEN 'b' ELSE '' END {||} CASE WHEN EXISTS (SELECT FROM known k
WHERE k.objid {=} p.oid) THEN 'k' ELSE '' END)::pg_catalog.text
FROM proc p
UNION ALL
SELECT 'u', p.oid::pg_catalog.text, 0::pg_catalog.text, 'y', d.refobjid::pg_catalog.text,
	COALESCE((SELECT pg_catalog.string_agg(DISTINCT m[1], ' ')
		FROM pg_catalog.regexp_matches(p.body, '\{QUERY :commandType ([0-9]+)', 'g') m), ''), '', ''
FROM proc p
JOIN (SELECT DISTINCT d.objid, d.refobjid
FROM pg_catalog.pg_depend d
WHERE d.classid {=} {pg_proc} AND d.refclassid {=} {pg_class}) d ON d.objid {=} p.oid
JOIN rel o ON o.oid {=} d.refobjid
WHERE p.body {<>} ''
UNION ALL
SELECT 'f', d.objid::pg_catalog.text, 0::pg_catalog.text, d.refobjid::pg_catalog.text, '', '', '', ''
FROM pg_catalog.pg_depend d
WHERE d.classid {=} {pg_proc} AND d.refclassid {=} {pg_proc} AND d.objid {>=} {own}
UNION ALL
SELECT 'f', d.objid::pg_catalog.text, 0::pg_catalog.text, o.oprcode::pg_catalog.oid::pg_catalog.text, '', '',
	'', ''
FROM pg_catalog.pg_depend d
JOIN pg_catalog.pg_operator o ON o.oid {=} d.refobjid
WHERE d.classid {=} {pg_proc} AND d.refclassid {=} {pg_operator}
UNION ALL
SELECT 'o', o.oprname::pg_catalog.text, o.oprcode::pg_catalog.oid::pg_catalog.text,
	CASE WHEN o.oprleft {>=} {own} OR o.oprright {>=} {own} THEN 'own' WHEN EXISTS (SELECT
FROM pg_catalog.pg_operator b
WHERE b.oid {<} {own} AND b.oprname {=} o.oprname AND b.oprleft {=} o.oprleft
	AND b.oprright {=} o.oprright) THEN 'shadow' ELSE '' END::pg_catalog.text, '', '', '', ''
FROM pg_catalog.pg_operator o
WHERE o.oid {>=} {own} AND o.oprcode::pg_catalog.oid {<>} 0::pg_catalog.oid
UNION ALL
SELECT 't', t.typname::pg_catalog.text, c.castfunc::pg_catalog.text, '', '', '', '', ''
FROM pg_catalog.pg_cast c
JOIN pg_catalog.pg_type t ON t.oid {>=} {own} AND (t.oid {=} c.castsource OR t.oid {=} c.casttarget)
WHERE c.castfunc {>=} {own}
UNION ALL
SELECT 't', t.typname::pg_catalog.text, p.refobjid::pg_catalog.text, '', '', '', '', ''
FROM dom d
JOIN pg_catalog.pg_type t ON t.oid {=} d.typ
JOIN pg_catalog.pg_constraint c ON c.contypid {=} d.base
JOIN pg_catalog.pg_depend p ON p.classid {=} {pg_constraint} AND p.objid {=} c.oid
	AND p.refclassid {=} {pg_proc}
UNION ALL
SELECT 'w', r.oid::pg_catalog.text, '', '', '', '', '', ''
FROM rel r
WHERE EXISTS (SELECT
FROM pg_catalog.pg_attribute a
WHERE a.attrelid {=} r.oid AND a.attnum {>=} 1::pg_catalog.int2 AND a.atttypid {>=} {own}) OR EXISTS (SELECT
FROM pg_catalog.pg_operator o
JOIN pg_catalog.pg_type t ON t.oid {=} o.oprleft OR t.oid {=} o.oprright
WHERE t.typrelid {=} r.oid)
UNION ALL
SELECT 's', '', '', '', '', '', '', ''
FROM pg_catalog.pg_db_role_setting d, pg_catalog.unnest(d.setconfig) s(v)
WHERE s.v {~} '^search_path=.*pg_catalog'
UNION ALL
SELECT 'n', t.typname::pg_catalog.text, '', '', '', '', '', ''
FROM pg_catalog.pg_type t
LEFT JOIN pg_catalog.pg_class c ON c.oid {=} t.typrelid
WHERE t.oid {>=} {own} AND t.typcategory {<>} {'A'} AND (c.oid IS NULL OR c.relkind {=} {'c'})
UNION ALL
SELECT 'm', c.relname::pg_catalog.text, '', '', '', '', '', ''
FROM pg_catalog.pg_class c
WHERE c.relpersistence {=} {'t'} AND c.relkind {=} ANY (ARRAY['r', 'v', 'm', 'f', 'p']::pg_catalog."char"[])
UNION ALL
SELECT 'e', v.evtfoid::pg_catalog.text, '', '', '', '', '', ''
FROM pg_catalog.pg_event_trigger v
WHERE v.evtenabled {<>} {'D'}
