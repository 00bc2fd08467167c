/* SPDX-License-Identifier: Apache-2.0 */
/* The query that selects what a change would change: see estimate.h. */
#include <errno.h>

#include <pg_query.h>

#include "sql/estimate.h"
#include "sql/functions.h"
#include "sql/json_tree.h"
#include "sql/lex.h"
#include "sql/prescan.h"
#include "util/utf8.h"
#include "util/writer.h"

/* ---- cutting --------------------------------------------------------------------------------- */

struct text_cut {
	struct slice head, target, from, where; /* head: up to DELETE or UPDATE, with WITH */
};

enum text_stage { TEXT_HEAD, TEXT_VERB, TEXT_TARGET, TEXT_SET, TEXT_FROM, TEXT_WHERE, TEXT_END };

/* Which part begins with this word, if it is outside of brackets; `at` if none does. */
static enum text_stage text_next(enum text_stage at, const struct lex_token *t,
	const struct lex_token *before, bool is_update)
{
	if (at == TEXT_HEAD && lex_is_word(t, is_update ? "update" : "delete"))
		return is_update ? TEXT_TARGET : TEXT_VERB;
	if (at == TEXT_VERB && lex_is_word(t, "from"))
		return TEXT_TARGET;
	if (at == TEXT_TARGET && is_update)
		return lex_is_word(t, "set") ? TEXT_SET : at;
	if (at < TEXT_TARGET)
		return at;
	if (at == TEXT_TARGET && lex_is_word(t, "using"))
		return TEXT_FROM;
	if (at == TEXT_SET && lex_is_word(t, "from") && !lex_is_word(before, "distinct"))
		return TEXT_FROM;
	if (at < TEXT_WHERE && lex_is_word(t, "where"))
		return TEXT_WHERE;
	return lex_is_word(t, "returning") ? TEXT_END : at;
}

/* By its tokens; whether they were read as the parser reads them is looked at afterwards. */
static void text_cut(struct slice text, bool is_update, struct text_cut *ret)
{
	struct slice ignored, *const parts[] = {[TEXT_HEAD] = &ret->head,
				      [TEXT_VERB] = &ignored,
				      [TEXT_TARGET] = &ret->target,
				      [TEXT_SET] = &ignored,
				      [TEXT_FROM] = &ret->from,
				      [TEXT_WHERE] = &ret->where};
	struct lex l = lex_of(text);
	struct lex_token before = {.kind = LEX_END}, t;
	enum text_stage at = TEXT_HEAD, next;
	const uint8_t *begin = text.p;
	size_t depth = 0;

	*ret = (struct text_cut){0};
	for (t = lex_next(&l); at != TEXT_END; before = t, t = lex_next(&l)) {
		uint8_t c = t.kind == LEX_OTHER ? t.text.p[0] : 0;

		next = at;
		depth += c == '(' || c == '[';
		depth -= depth && (c == ')' || c == ']');
		if (t.kind == LEX_END || (c == ';' && !depth))
			next = TEXT_END;
		else if (!depth)
			next = text_next(at, &t, &before, is_update);
		if (next == at)
			continue;
		*parts[at] =
			slice_of(begin, (size_t)((t.kind == LEX_END ? l.end : t.text.p) - begin));
		begin = l.p;
		at = next;
	}
}

static struct slice text_join(const struct text_cut *c, struct arena *arena)
{
	size_t max = c->head.n + c->target.n + c->from.n + c->where.n + 64;
	struct writer w = writer_of(arena_alloc(arena, max), max);

	if (!w.p)
		return SLICE_NULL;
	wr_slice(&w, c->head);
	wr_str(&w, "SELECT FROM ");
	wr_slice(&w, c->target);
	if (c->from.n) {
		wr_str(&w, ", ");
		wr_slice(&w, c->from);
	}
	if (c->where.n) {
		wr_str(&w, " WHERE ");
		wr_slice(&w, c->where);
	}
	wr_u8(&w, 0); /* for the parser; not part of it */
	return slice_of(w.p, w.n - 1);
}

/* ---- comparing ------------------------------------------------------------------------------- */

static uint32_t text_skip(const struct json_tree *t, uint32_t i, uint32_t end)
{
	while (i < end && slice_eq_str(json_key(t, i), "location"))
		i++;
	return i;
}

/* The same, but for positions in the text. Both may be missing. */
static bool text_is_same(
	const struct json_tree *a, uint32_t i, const struct json_tree *b, uint32_t j)
{
	uint32_t i_end, j_end;

	if (!i || !j)
		return !i && !j;
	i_end = a->nodes[i].end;
	j_end = b->nodes[j].end;
	i = text_skip(a, i + 1, i_end);
	j = text_skip(b, j + 1, j_end);
	while (i < i_end && j < j_end && a->nodes[i].kind == b->nodes[j].kind &&
		slice_eq(json_key(a, i), json_key(b, j)) &&
		slice_eq(json_raw(a, i), json_raw(b, j))) {
		i = text_skip(a, i + 1, i_end);
		j = text_skip(b, j + 1, j_end);
	}
	return i == i_end && j == j_end;
}

/* The one statement of a text: the node that is named after its kind. 0: there are several. */
static uint32_t text_statement(const struct json_tree *t)
{
	uint32_t stmts = json_child(t, 0, "stmts"), raw = stmts ? json_first(t, stmts) : 0,
		 wrapper = raw && !json_next(t, raw) ? json_child(t, raw, "stmt") : 0;

	return wrapper ? json_first(t, wrapper) : 0;
}

/* Is `query` a SELECT of the very rows that `change` looks at? */
static bool text_selects_same(const struct json_tree *a, uint32_t change, const struct json_tree *b)
{
	bool is_update = slice_eq_str(json_key(a, change), "UpdateStmt");
	uint32_t query = text_statement(b), list = query ? json_child(b, query, "fromClause") : 0,
		 item = list ? json_first(b, list) : 0,
		 other = json_child(a, change, is_update ? "fromClause" : "usingClause");

	if (!item || !slice_eq_str(json_key(b, query), "SelectStmt") ||
		!text_is_same(a, json_child(a, change, "relation"), b, json_first(b, item)) ||
		!text_is_same(a, json_child(a, change, "whereClause"), b,
			json_child(b, query, "whereClause")) ||
		!text_is_same(a, json_child(a, change, "withClause"), b,
			json_child(b, query, "withClause")))
		return false;
	other = other ? json_first(a, other) : 0;
	item = json_next(b, item);
	while (item && other && text_is_same(a, other, b, item)) {
		item = json_next(b, item);
		other = json_next(a, other);
	}
	return !item && !other;
}

/* ---- what may be in it ----------------------------------------------------------------------- */

static bool text_is_tag_known(struct slice tag)
{
	static const char *const known[] = {"SelectStmt", "RangeVar", "RangeSubselect", "JoinExpr",
		"ColumnRef", "String", "A_Star", "A_Const", "Integer", "Float", "Boolean", "A_Expr",
		"BoolExpr", "NullTest", "BooleanTest", "SubLink", "CaseExpr", "CaseWhen",
		"CoalesceExpr", "MinMaxExpr", "TypeCast", "FuncCall", "List", "A_ArrayExpr",
		"RowExpr", "ResTarget", "CommonTableExpr", "SortBy"};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (slice_eq_str(tag, known[i]))
			return true;
	return false;
}

static bool text_is_name_list(struct slice key)
{
	static const char *const keys[] = {
		"name", "names", "funcname", "useOp", "operName", "collname"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (slice_eq_str(key, keys[i]))
			return true;
	return false;
}

/* A list of names: of the server's own schema, if of any; and a function that only computes, the
 * same in every session. */
static bool text_is_servers(struct estimate *e, const struct json_tree *t, uint32_t list)
{
	struct slice part = SLICE_NULL, schema = SLICE_NULL;
	size_t n = 0;

	for (uint32_t i = json_first(t, list); i; i = json_next(t, i), n++) {
		uint32_t tag = json_first(t, i), sval = tag ? json_child(t, tag, "sval") : 0;

		schema = part;
		part = sval ? json_text(t, sval, e->arena) : SLICE_NULL;
	}
	if (n > 2 || (n == 2 && !slice_eq_str(schema, "pg_catalog")))
		return false;
	return !slice_eq_str(json_key(t, list), "funcname") ||
	       (sql_function_is_harmless(part) && !slice_starts(part, "current_"));
}

static bool text_is_with_name(struct estimate *e, const struct json_tree *t, struct slice name)
{
	for (uint32_t i = 1; i < t->n; i++)
		if (slice_eq_str(json_key(t, i), "ctename") &&
			slice_eq(json_text(t, i, e->arena), name))
			return true;
	return false;
}

static bool text_add_table(struct estimate *e, const struct json_tree *t, uint32_t range_var)
{
	uint32_t schema = json_child(t, range_var, "schemaname"),
		 name = json_child(t, range_var, "relname"),
		 at = json_child(t, range_var, "location");
	struct estimate_table *table;

	if (!name || !at || json_child(t, range_var, "catalogname"))
		return false;
	/* Out of its scope it would be a table, and is found as none. */
	if (!schema && text_is_with_name(e, t, json_text(t, name, e->arena)))
		return true;
	if (e->n_tables == ESTIMATE_TABLES_MAX)
		return false;
	table = &e->tables[e->n_tables++];
	/* The tree goes before they do. */
	*table = (struct estimate_table){.name = arena_dup(e->arena, json_text(t, name, e->arena)),
		.at = slice_u32(json_raw(t, at)),
		.is_written = schema};
	if (schema)
		table->schema = arena_dup(e->arena, json_text(t, schema, e->arena));
	if (schema && !table->schema.n)
		return false;
	return table->name.n && table->at && table->at < e->query.n;
}

/* NULL: all of it is known, and the tables are in e->tables. */
static const char *text_check(struct estimate *e, const struct json_tree *t)
{
	for (uint32_t i = 1; i < t->n; i++) {
		struct slice key = json_key(t, i);

		if (slice_eq_str(key, "ParamRef"))
			return "its parameters have no values in the text";
		if (slice_eq_str(key, "intoClause") || slice_eq_str(key, "lockingClause") ||
			(key.n && key.p[0] >= 'A' && key.p[0] <= 'Z' && !text_is_tag_known(key)))
			return "there is more in it than is estimated";
		if (t->nodes[i].kind == JSON_ARRAY && text_is_name_list(key) &&
			!text_is_servers(e, t, i))
			return "it uses functions, types or operators that are not the server's "
			       "own, or that do more than compute";
		if (slice_eq_str(key, "RangeVar") && !text_add_table(e, t, i))
			return "it names more tables than are looked at";
	}
	return NULL;
}

/* ---- both together --------------------------------------------------------------------------- */

static int text_read_query(
	struct estimate *e, const struct json_tree *change, uint32_t statement, struct slice text)
{
	PgQueryParseResult parsed;
	struct json_tree t = {0};
	struct text_cut cut;
	int r;

	text_cut(text, slice_eq_str(json_key(change, statement), "UpdateStmt"), &cut);
	e->query = text_join(&cut, e->arena);
	if (!e->query.n)
		return err_raise(-ENOMEM);
	parsed = pg_query_parse((const char *)e->query.p);
	r = parsed.error ? JSON_E_MALFORMED : json_tree_init(&t, slice_str(parsed.parse_tree));
	if (!r)
		e->why_not = text_selects_same(change, statement, &t)
				     ? text_check(e, &t)
				     : "its form is not one that is estimated";
	else if (r > 0)
		e->why_not = "its form is not one that is estimated";
	json_tree_deinit(&t);
	pg_query_free_parse_result(parsed);
	return r < 0 ? err_trace(r) : 0;
}

/* Is it one whose rows are for somebody else to count? */
static void text_look_at_kind(struct estimate *e, const struct json_tree *t, uint32_t statement)
{
	struct slice tag = json_key(t, statement);
	uint32_t wrapper = json_child(t, statement, "selectStmt"),
		 select = wrapper ? json_first(t, wrapper) : 0;

	e->is_wanted = slice_eq_str(tag, "DeleteStmt") || slice_eq_str(tag, "UpdateStmt");
	if (e->is_wanted)
		return;
	/* Whoever reads VALUES can count them. */
	e->is_wanted =
		slice_eq_str(tag, "MergeStmt") || (slice_eq_str(tag, "InsertStmt") && select &&
							  !json_child(t, select, "valuesLists"));
	if (e->is_wanted)
		e->why_not = "only an UPDATE or DELETE is estimated";
}

int estimate_read_text(struct estimate *e, struct slice text)
{
	char *sql = arena_cstr(e->arena, text);
	struct json_tree t = {0};
	PgQueryParseResult parsed;
	uint32_t statement;
	int r;

	if (!sql)
		return err_raise(-ENOMEM);
	if (sql_prescan(text) == PRESCAN_HOPELESS || !utf8_is_valid(text))
		return 0;
	parsed = pg_query_parse(sql);
	r = parsed.error ? JSON_E_MALFORMED : json_tree_init(&t, slice_str(parsed.parse_tree));
	statement = r ? 0 : text_statement(&t);
	if (statement)
		text_look_at_kind(e, &t, statement);
	if (e->is_wanted && !e->why_not && text.n > ESTIMATE_TEXT_MAX)
		e->why_not = "its text is too long";
	else if (e->is_wanted && !e->why_not)
		r = text_read_query(e, &t, statement, text);
	json_tree_deinit(&t);
	pg_query_free_parse_result(parsed);
	return r < 0 ? err_trace(r) : 0;
}
