/* SPDX-License-Identifier: Apache-2.0 */
/* The question about protected columns: see catalog.h. */
#include "sql/catalog.h"

#include "util/writer.h"

/*
 * fits     columns whose name fits
 * down/up  the same column of partitions and children, and of the parents that show their rows
 * made     generated columns that are computed from those
 * seen     views over those, and views over the views
 * shown    columns of those views that are nothing but a column of what is below, as the server
 *          noted when it read the view (resorigtbl, once for each target; names in the tree have
 *          their spaces escaped); of views with one target list only, so that the order of the
 *          notes is that of the columns
 * known    what extensions brought along: their code is no agent's, so a function or operator of
 *          theirs that is named like a built-in one computes what it is given, if it is in C or
 *          from an extension that is known to
 * code     functions that are nobody's but somebody's: not the server's, nor known
 * coded    views that run such a function, by its name, an operator, or the check of a domain; and
 *          views over those. What they compute derives from a table that nobody knows (UINT32_MAX)
 * things   what is made of such a function, and what is made of that: operators, types (by their
 *          in- and output, by a domain's check, by what they contain), checks, defaults, policies,
 *          triggers, rules, indexes
 * links    relations that are touched when another one is: views, parents, and where a foreign key
 *          cascades to ('y': only when it is changed)
 * runs_at  relations that run such code when they are touched ('x'), or changed ('y')
 *
 * pg_depend tells which columns a view uses, except for whole-row references: `SELECT t FROM t`
 * depends on t as a whole, and with `SELECT t.id, t FROM t` even that is folded into the dependency
 * on id. The stored tree shows them (varattno 0), and such a view counts as using every column.
 */
/* The names of what is found (x), one look-up each: joined with a list, the planner, which takes
 * lists for short, may walk the list for each. */
#define CATALOG_NAMED                                                                              \
	"JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) x.oid "                        \
	"JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace "

static const char catalog_head[] =
	"WITH RECURSIVE known AS ("
	"SELECT d.classid, d.objid, e.extname OPERATOR(pg_catalog.=) ANY (ARRAY["
	"'btree_gin', 'btree_gist', 'citext', 'cube', 'earthdistance', 'fuzzystrmatch', 'hstore', "
	"'intarray', 'isn', 'ltree', 'pg_trgm', 'pgcrypto', 'plpgsql', 'postgis', 'seg', "
	"'tablefunc', 'tcn', 'unaccent', 'uuid-ossp', 'vector']::pg_catalog.name[]) AS is_usual "
	"FROM pg_catalog.pg_depend d "
	"JOIN pg_catalog.pg_extension e ON e.oid OPERATOR(pg_catalog.=) d.refobjid "
	"WHERE d.refclassid OPERATOR(pg_catalog.=) "
	"'pg_catalog.pg_extension'::pg_catalog.regclass::pg_catalog.oid "
	"AND d.deptype OPERATOR(pg_catalog.=) 'e'::pg_catalog.\"char\"), "
	"code AS ("
	"SELECT p.oid, p.proname FROM pg_catalog.pg_proc p "
	"WHERE p.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid "
	"AND NOT EXISTS (SELECT FROM known k WHERE k.classid OPERATOR(pg_catalog.=) "
	"'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid "
	"AND k.objid OPERATOR(pg_catalog.=) p.oid "
	"AND (k.is_usual OR p.prolang OPERATOR(pg_catalog.=) ANY (ARRAY[12, "
	"13]::pg_catalog.oid[])))), "
	"rel AS ("
	"SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c "
	"JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace "
	"WHERE c.relkind OPERATOR(pg_catalog.=) "
	"ANY (ARRAY['r', 'v', 'm', 'f', 'p']::pg_catalog.\"char\"[]) "
	"AND c.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid), "
	"att AS ("
	"SELECT a.attrelid, a.attnum, a.attname FROM pg_catalog.pg_attribute a "
	"WHERE a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped), "
	"fits AS ("
	"SELECT a.attrelid AS oid, a.attnum, a.attname FROM att a "
	"JOIN rel ON rel.oid OPERATOR(pg_catalog.=) a.attrelid "
	"WHERE false";

static const char catalog_tail[] =
	"), "
	"down AS ("
	"SELECT f.oid AS from_oid, f.attnum AS from_attnum, f.oid, f.attnum, f.attname FROM fits f "
	"UNION "
	"SELECT d.from_oid, d.from_attnum, a.attrelid, a.attnum, a.attname FROM down d "
	"JOIN pg_catalog.pg_inherits i ON i.inhparent OPERATOR(pg_catalog.=) d.oid "
	"JOIN att a ON a.attrelid OPERATOR(pg_catalog.=) i.inhrelid "
	"AND a.attname OPERATOR(pg_catalog.=) d.attname), "
	"up AS ("
	"SELECT f.oid AS from_oid, f.attnum AS from_attnum, f.oid, f.attnum, f.attname FROM fits f "
	"UNION "
	"SELECT u.from_oid, u.from_attnum, a.attrelid, a.attnum, a.attname FROM up u "
	"JOIN pg_catalog.pg_inherits i ON i.inhrelid OPERATOR(pg_catalog.=) u.oid "
	"JOIN att a ON a.attrelid OPERATOR(pg_catalog.=) i.inhparent "
	"AND a.attname OPERATOR(pg_catalog.=) u.attname), "
	"inherited AS (SELECT * FROM down UNION SELECT * FROM up), "
	"made AS ("
	"SELECT i.from_oid, i.from_attnum, a.attrelid, a.attnum, a.attname FROM inherited i "
	"JOIN pg_catalog.pg_depend d ON d.refobjid OPERATOR(pg_catalog.=) i.oid "
	"AND d.refobjsubid OPERATOR(pg_catalog.=) i.attnum::pg_catalog.int4 "
	"AND d.refclassid OPERATOR(pg_catalog.=) "
	"'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid "
	"LEFT JOIN pg_catalog.pg_attrdef e ON e.oid OPERATOR(pg_catalog.=) d.objid "
	"AND d.classid OPERATOR(pg_catalog.=) "
	"'pg_catalog.pg_attrdef'::pg_catalog.regclass::pg_catalog.oid "
	"JOIN att a ON a.attrelid OPERATOR(pg_catalog.=) i.oid "
	"AND (a.attnum OPERATOR(pg_catalog.=) e.adnum "
	"OR (d.classid OPERATOR(pg_catalog.=) d.refclassid "
	"AND d.objid OPERATOR(pg_catalog.=) i.oid "
	"AND a.attnum::pg_catalog.int4 OPERATOR(pg_catalog.=) d.objsubid))), "
	"spread AS (SELECT * FROM inherited UNION SELECT * FROM made), "
	"uses AS ("
	"SELECT r.ev_class, d.refobjid, d.refobjsubid, r.is_whole "
	"FROM (SELECT r.oid, r.ev_class, "
	"r.ev_action::pg_catalog.text OPERATOR(pg_catalog.~~) '%:varattno 0 %' AS is_whole "
	"FROM pg_catalog.pg_rewrite r "
	"JOIN rel ON rel.oid OPERATOR(pg_catalog.=) r.ev_class "
	"WHERE r.ev_type OPERATOR(pg_catalog.=) '1'::pg_catalog.\"char\" OFFSET 0) r "
	"JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) r.oid "
	"AND d.classid OPERATOR(pg_catalog.=) "
	"'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid "
	"AND d.refclassid OPERATOR(pg_catalog.=) "
	"'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid "
	"AND d.refobjid OPERATOR(pg_catalog.<>) r.ev_class), "
	"seen AS ("
	"SELECT s.from_oid, s.from_attnum, u.ev_class AS oid FROM spread s "
	"JOIN uses u ON u.refobjid OPERATOR(pg_catalog.=) s.oid "
	"AND (u.refobjsubid OPERATOR(pg_catalog.=) s.attnum OR u.is_whole) "
	"UNION "
	"SELECT v.from_oid, v.from_attnum, u.ev_class FROM seen v "
	"JOIN uses u ON u.refobjid OPERATOR(pg_catalog.=) v.oid), "
	"runs AS ("
	"SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid AS classid, "
	"c.oid AS objid FROM code c "
	"UNION ALL "
	"SELECT 'pg_catalog.pg_operator'::pg_catalog.regclass::pg_catalog.oid, o.oid "
	"FROM pg_catalog.pg_operator o "
	"JOIN code c ON c.oid OPERATOR(pg_catalog.=) o.oprcode::pg_catalog.oid "
	"UNION ALL "
	"SELECT 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid, n.contypid "
	"FROM pg_catalog.pg_constraint n "
	"JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) n.oid "
	"AND d.classid OPERATOR(pg_catalog.=) "
	"'pg_catalog.pg_constraint'::pg_catalog.regclass::pg_catalog.oid "
	"AND d.refclassid OPERATOR(pg_catalog.=) "
	"'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid "
	"JOIN code c ON c.oid OPERATOR(pg_catalog.=) d.refobjid), "
	"coded AS ("
	"SELECT r.ev_class AS oid FROM runs w "
	"JOIN pg_catalog.pg_depend d ON d.refclassid OPERATOR(pg_catalog.=) w.classid "
	"AND d.refobjid OPERATOR(pg_catalog.=) w.objid "
	"AND d.classid OPERATOR(pg_catalog.=) "
	"'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid "
	"JOIN pg_catalog.pg_rewrite r ON r.oid OPERATOR(pg_catalog.=) d.objid "
	"AND r.ev_type OPERATOR(pg_catalog.=) '1'::pg_catalog.\"char\" "
	"UNION "
	"SELECT u.ev_class FROM coded v "
	"JOIN uses u ON u.refobjid OPERATOR(pg_catalog.=) v.oid), "
	"things AS ( "
	"SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid AS classid, "
	"c.oid AS objid FROM code c "
	"UNION "
	"SELECT n.classid, n.objid FROM things t, LATERAL ( "
	"SELECT d.classid, d.objid FROM pg_catalog.pg_depend d "
	"WHERE d.refclassid OPERATOR(pg_catalog.=) t.classid "
	"AND d.refobjid OPERATOR(pg_catalog.=) t.objid "
	"AND d.deptype OPERATOR(pg_catalog.<>) 'e'::pg_catalog.\"char\" "
	"AND d.classid OPERATOR(pg_catalog.<>) "
	"'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid "
	"AND (t.classid OPERATOR(pg_catalog.<>) "
	"'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid "
	"OR d.classid OPERATOR(pg_catalog.=) "
	"'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid) "
	"UNION ALL "
	"SELECT 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid, k.contypid "
	"FROM pg_catalog.pg_constraint k "
	"WHERE t.classid OPERATOR(pg_catalog.=) "
	"'pg_catalog.pg_constraint'::pg_catalog.regclass::pg_catalog.oid "
	"AND k.oid OPERATOR(pg_catalog.=) t.objid "
	"AND k.contypid OPERATOR(pg_catalog.<>) 0::pg_catalog.oid) n), "
	"links AS ( "
	"SELECT u.refobjid AS from_oid, u.ev_class AS oid, 'x'::pg_catalog.text AS how "
	"FROM uses u "
	"UNION "
	"SELECT i.inhrelid, i.inhparent, 'x' FROM pg_catalog.pg_inherits i "
	"UNION "
	"SELECT k.conrelid, k.confrelid, 'y' FROM pg_catalog.pg_constraint k "
	"WHERE k.contype OPERATOR(pg_catalog.=) 'f'::pg_catalog.\"char\" "
	"AND (k.confdeltype OPERATOR(pg_catalog.=) ANY (ARRAY['c', 'n', "
	"'d']::pg_catalog.\"char\"[]) "
	"OR k.confupdtype OPERATOR(pg_catalog.=) ANY (ARRAY['c', 'n', "
	"'d']::pg_catalog.\"char\"[]))), "
	"runs_at AS ( "
	"SELECT s.oid, s.how FROM ( "
	"SELECT t.objid AS oid, 'x'::pg_catalog.text AS how FROM things t "
	"WHERE t.classid OPERATOR(pg_catalog.=) "
	"'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid "
	"UNION ALL "
	"SELECT i.indrelid, 'x' FROM pg_catalog.pg_index i "
	"JOIN things t ON t.objid OPERATOR(pg_catalog.=) i.indexrelid "
	"AND t.classid OPERATOR(pg_catalog.=) "
	"'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid "
	"UNION ALL "
	"SELECT p.polrelid, 'x' FROM pg_catalog.pg_policy p "
	"JOIN things t ON t.objid OPERATOR(pg_catalog.=) p.oid "
	"AND t.classid OPERATOR(pg_catalog.=) "
	"'pg_catalog.pg_policy'::pg_catalog.regclass::pg_catalog.oid "
	"UNION ALL "
	"SELECT r.ev_class, CASE WHEN r.ev_type OPERATOR(pg_catalog.=) "
	"'1'::pg_catalog.\"char\" "
	"THEN 'x' ELSE 'y' END FROM pg_catalog.pg_rewrite r "
	"JOIN things t ON t.objid OPERATOR(pg_catalog.=) r.oid "
	"AND t.classid OPERATOR(pg_catalog.=) "
	"'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid "
	"UNION ALL "
	"SELECT r.ev_class, 'y' FROM pg_catalog.pg_rewrite r "
	"WHERE r.ev_type OPERATOR(pg_catalog.<>) '1'::pg_catalog.\"char\" "
	"AND r.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid "
	"UNION ALL "
	"SELECT g.tgrelid, 'y' FROM pg_catalog.pg_trigger g "
	"JOIN things t ON t.objid OPERATOR(pg_catalog.=) g.oid "
	"AND t.classid OPERATOR(pg_catalog.=) "
	"'pg_catalog.pg_trigger'::pg_catalog.regclass::pg_catalog.oid "
	"UNION ALL "
	"SELECT a.adrelid, 'y' FROM pg_catalog.pg_attrdef a "
	"JOIN things t ON t.objid OPERATOR(pg_catalog.=) a.oid "
	"AND t.classid OPERATOR(pg_catalog.=) "
	"'pg_catalog.pg_attrdef'::pg_catalog.regclass::pg_catalog.oid "
	"UNION ALL "
	"SELECT k.conrelid, 'y' FROM pg_catalog.pg_constraint k "
	"JOIN things t ON t.objid OPERATOR(pg_catalog.=) k.oid "
	"AND t.classid OPERATOR(pg_catalog.=) "
	"'pg_catalog.pg_constraint'::pg_catalog.regclass::pg_catalog.oid "
	"WHERE k.conrelid OPERATOR(pg_catalog.<>) 0::pg_catalog.oid) s "
	"UNION "
	"SELECT l.oid, CASE WHEN l.how OPERATOR(pg_catalog.=) 'y'::pg_catalog.text "
	"THEN l.how ELSE r.how END FROM runs_at r "
	"JOIN links l ON l.from_oid OPERATOR(pg_catalog.=) r.oid), "
	"shown AS ("
	"SELECT t.oid, (p.attnum OPERATOR(pg_catalog.-) 1)::pg_catalog.int2 AS attnum, "
	"pg_catalog.split_part(p.part, ' ', 1) AS origin, "
	"pg_catalog.split_part(p.part, ' ', 3) AS origin_attnum "
	"FROM (SELECT w.oid, c.relnatts, pg_catalog.string_to_array("
	"r.ev_action::pg_catalog.text, ' :resorigtbl ') AS parts "
	"FROM (SELECT v.oid FROM seen v UNION SELECT v.oid FROM coded v) w "
	"JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) w.oid "
	"JOIN pg_catalog.pg_rewrite r ON r.ev_class OPERATOR(pg_catalog.=) w.oid "
	"AND r.ev_type OPERATOR(pg_catalog.=) '1'::pg_catalog.\"char\" OFFSET 0) t, "
	"LATERAL pg_catalog.unnest(t.parts) WITH ORDINALITY AS p(part, attnum) "
	"WHERE pg_catalog.array_length(t.parts, 1) OPERATOR(pg_catalog.=) "
	"(t.relnatts::pg_catalog.int4 OPERATOR(pg_catalog.+) 1) "
	"AND p.attnum OPERATOR(pg_catalog.>) 1 "
	"AND p.part OPERATOR(pg_catalog.~) "
	"'^[0-9]+ :resorigcol -?[0-9]+ :resjunk false}' OFFSET 0) "
	"SELECT 't'::pg_catalog.text, rel.oid::pg_catalog.text, '0'::pg_catalog.text, "
	"rel.nspname::pg_catalog.text, rel.relname::pg_catalog.text, ''::pg_catalog.text, "
	"'0'::pg_catalog.text, '0'::pg_catalog.text FROM rel "
	"UNION ALL "
	/* The server's own relations: some of them quote values of others (pg_stats), and their
	 * numbers differ from server to server. */
	"SELECT 't', c.oid::pg_catalog.text, '0', n.nspname::pg_catalog.text, "
	"c.relname::pg_catalog.text, '', '0', '0' FROM pg_catalog.pg_class c "
	"JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace "
	"AND n.nspname OPERATOR(pg_catalog.=) 'pg_catalog'::pg_catalog.name "
	"WHERE c.oid OPERATOR(pg_catalog.<) 16384::pg_catalog.oid "
	"AND c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'v']::pg_catalog.\"char\"[]) "
	"UNION ALL "
	"SELECT 'c', x.oid::pg_catalog.text, x.attnum::pg_catalog.text, "
	"n.nspname::pg_catalog.text, c.relname::pg_catalog.text, x.attname::pg_catalog.text, "
	"'0', '0' FROM fits x " CATALOG_NAMED "UNION ALL "
	"SELECT 'd', x.oid::pg_catalog.text, x.attnum::pg_catalog.text, "
	"n.nspname::pg_catalog.text, c.relname::pg_catalog.text, x.attname::pg_catalog.text, "
	"x.from_oid::pg_catalog.text, x.from_attnum::pg_catalog.text FROM spread x " CATALOG_NAMED
	"WHERE x.oid OPERATOR(pg_catalog.<>) x.from_oid OR x.attnum OPERATOR(pg_catalog.<>) "
	"x.from_attnum "
	"UNION ALL "
	"SELECT 'd', x.oid::pg_catalog.text, '0', n.nspname::pg_catalog.text, "
	"c.relname::pg_catalog.text, '', x.from_oid::pg_catalog.text, "
	"x.from_attnum::pg_catalog.text FROM seen x " CATALOG_NAMED "UNION ALL "
	"SELECT 'd', x.oid::pg_catalog.text, '0', n.nspname::pg_catalog.text, "
	"c.relname::pg_catalog.text, '', '4294967295', '0' FROM coded x " CATALOG_NAMED "UNION ALL "
	"SELECT 'w', x.oid::pg_catalog.text, x.attnum::pg_catalog.text, "
	"n.nspname::pg_catalog.text, c.relname::pg_catalog.text, a.attname::pg_catalog.text, "
	"x.origin, x.origin_attnum FROM shown x " CATALOG_NAMED
	"JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) x.oid AND "
	"a.attnum OPERATOR(pg_catalog.=) x.attnum AND NOT a.attisdropped WHERE x.origin "
	"OPERATOR(pg_catalog.<>) '0' "
	"UNION ALL "
	"SELECT 'f', '0', '0', '', w.proname::pg_catalog.text, '', '0', '0' FROM (SELECT "
	"DISTINCT c.proname FROM code c) w "
	"UNION ALL "
	"SELECT 'a', '0', '0', '', w.proname::pg_catalog.text, '', '0', '0' FROM (SELECT "
	"DISTINCT p.proname FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_type t ON t.oid "
	"OPERATOR(pg_catalog.=) p.proargtypes[0] WHERE p.oid OPERATOR(pg_catalog.>=) "
	"16384::pg_catalog.oid AND t.typtype OPERATOR(pg_catalog.=) ANY (ARRAY['c', 'd', "
	"'p']::pg_catalog.\"char\"[])) w "
	"UNION ALL "
	"SELECT 'o', '0', '0', '', w.oprname::pg_catalog.text, '', '0', '0' FROM (SELECT "
	"DISTINCT o.oprname FROM pg_catalog.pg_operator o WHERE o.oid "
	"OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid AND NOT EXISTS (SELECT FROM known k "
	"WHERE k.classid OPERATOR(pg_catalog.=) "
	"'pg_catalog.pg_operator'::pg_catalog.regclass::pg_catalog.oid AND k.objid "
	"OPERATOR(pg_catalog.=) o.oid AND (k.is_usual OR EXISTS (SELECT FROM "
	"pg_catalog.pg_proc p WHERE p.oid OPERATOR(pg_catalog.=) o.oprcode::pg_catalog.oid "
	"AND p.prolang OPERATOR(pg_catalog.=) ANY (ARRAY[12, 13]::pg_catalog.oid[]))))) w "
	"UNION ALL "
	"SELECT 'k', '0', '0', '', '', '', '0', '0' FROM (SELECT FROM pg_catalog.pg_cast c "
	"JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) c.castfunc AND p.prolang "
	"OPERATOR(pg_catalog.<>) ALL (ARRAY[12, 13]::pg_catalog.oid[]) WHERE c.oid "
	"OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid LIMIT 1) w "
	"UNION ALL "
	"SELECT 'p', '0', '0', '', y.typname::pg_catalog.text, '', '0', '0' FROM (SELECT "
	"DISTINCT p.typname FROM things t JOIN pg_catalog.pg_type p ON p.oid "
	"OPERATOR(pg_catalog.=) t.objid AND t.classid OPERATOR(pg_catalog.=) "
	"'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid) y "
	"UNION ALL "
	"SELECT x.how, x.oid::pg_catalog.text, '0', n.nspname::pg_catalog.text, "
	"c.relname::pg_catalog.text, '', '0', '0' FROM runs_at x " CATALOG_NAMED
	"WHERE c.relkind OPERATOR(pg_catalog.=) "
	"ANY (ARRAY['r', 'v', 'm', 'f', 'p']::pg_catalog.\"char\"[])";

enum { CATALOG_PARTS = 3 }; /* column, table, schema: from the right */

/* Cuts the last part off the pattern. Quotes that do not add up leave all of it in one part. */
static struct slice catalog_cut(struct slice *pattern)
{
	bool is_quoted = false;
	struct slice part;
	size_t start = 0;

	for (size_t i = 0; i < pattern->n; i++) {
		if (pattern->p[i] == '"')
			is_quoted = !is_quoted;
		else if (pattern->p[i] == '.' && !is_quoted)
			start = i + 1;
	}
	part = slice_skip(*pattern, start);
	*pattern = slice_head(*pattern, start ? start - 1 : 0);
	if (part.n >= 2 && part.p[0] == '"' && part.p[part.n - 1] == '"')
		part = slice_of(part.p + 1, part.n - 2);
	return part;
}

/* As E'…', which reads the same whatever standard_conforming_strings says: `*` becomes LIKE's `%`,
 * and LIKE's own signs are escaped, by a backslash that is itself escaped. */
static void catalog_write_like(struct writer *out, struct slice part)
{
	wr_str(out, "E'");
	for (size_t i = 0; i < part.n; i++) {
		switch (part.p[i]) {
		case '*':
			wr_u8(out, '%');
			break;
		case '%':
		case '_':
			wr_str(out, "\\\\");
			wr_u8(out, part.p[i]);
			break;
		case '\\':
			wr_str(out, "\\\\\\\\");
			break;
		case '\'':
			wr_str(out, "''");
			break;
		case '"': /* doubled inside quotes */
			wr_u8(out, '"');
			i += i + 1 < part.n && part.p[i + 1] == '"';
			break;
		default:
			wr_u8(out, part.p[i]);
		}
	}
	wr_u8(out, '\'');
}

/* Letter case is ignored: fitting too much costs rows, fitting too little costs a secret. */
static void catalog_write_pattern(struct writer *out, struct slice pattern)
{
	static const char *const names[CATALOG_PARTS] = {"a.attname", "rel.relname", "rel.nspname"};

	wr_str(out, " OR (true");
	for (size_t i = 0; i < CATALOG_PARTS && pattern.n; i++) {
		wr_str(out, " AND ");
		wr_str(out, names[i]);
		wr_str(out, "::pg_catalog.text OPERATOR(pg_catalog.~~*) ");
		catalog_write_like(out, catalog_cut(&pattern));
	}
	wr_str(out, ")");
}

struct slice sql_catalog_question(const char *const *patterns, struct arena *arena)
{
	size_t max = sizeof(catalog_head) + sizeof(catalog_tail);
	struct writer out;

	for (size_t i = 0; patterns[i]; i++)
		max += strlen(patterns[i]) * 4 + 256;
	out = writer_of(arena_alloc(arena, max), max);
	if (!out.p)
		return SLICE_NULL;
	wr_str(&out, catalog_head);
	for (size_t i = 0; patterns[i]; i++)
		catalog_write_pattern(&out, slice_str(patterns[i]));
	wr_str(&out, catalog_tail);
	return wr_done(&out);
}
