/* SPDX-License-Identifier: Apache-2.0 */
/* Names and expressions → sets of sources: see lineage.h. */
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "sql/functions.h"
#include "sql/lineage.h"

/* Nodes that compute their value from what is below them, sorted. Any other one may do anything. */
static const char *const expr_pure[] = {"A_ArrayExpr", "A_Const", "A_Expr", "A_Indices",
	"A_Indirection", "BitString", "BoolExpr", "Boolean", "BooleanTest", "CaseExpr", "CaseWhen",
	"CoalesceExpr", "CollateClause", "ColumnDef", "CurrentOfExpr", "Float", "FuncCall",
	"GroupingFunc", "GroupingSet", "IndexElem", "Integer", "JsonArrayAgg",
	"JsonArrayConstructor", "JsonFormat", "JsonIsPredicate", "JsonKeyValue", "JsonObjectAgg",
	"JsonObjectConstructor", "JsonOutput", "JsonReturning", "JsonValueExpr", "List",
	"MinMaxExpr", "MultiAssignRef", "NamedArgExpr", "Null", "NullTest", "ParamRef",
	"RangeTableFuncCol", "ResTarget", "RowExpr", "SQLValueFunction", "SetToDefault", "SortBy",
	"String", "TypeCast", "TypeName", "WindowDef", "XmlExpr", "XmlSerialize"};

/* Built-in functions that take any row, so that `t.count` may be count(t). */
static const char *const expr_takes_row[] = {"any_value", "array_agg", "array_to_json", "concat",
	"count", "first_value", "hash_record", "json_agg", "json_build_array", "json_agg_strict",
	"jsonb_agg", "jsonb_agg_strict", "jsonb_build_array", "lag", "last_value", "lead", "max",
	"min", "mode", "num_nonnulls", "num_nulls", "pg_column_size", "pg_typeof", "quote_literal",
	"quote_nullable", "record_out", "record_send", "row_to_json", "to_json", "to_jsonb",
	"xmlforest"};

#define N_OF(table) (sizeof(table) / sizeof((table)[0]))

bool lin_step(struct lin *l)
{
	return ++l->n_steps <= LIN_STEPS_MAX;
}

bool lin_tag_is(const struct lin *l, uint32_t tag, const char *name)
{
	return tag && slice_eq_str(json_key(&l->w->tree, tag), name);
}

uint32_t lin_tag(const struct lin *l, uint32_t wrapper)
{
	return wrapper ? json_first(&l->w->tree, wrapper) : 0;
}

struct slice lin_text(struct lin *l, uint32_t node, const char *member)
{
	uint32_t child = json_child(&l->w->tree, node, member);

	return child ? json_text(&l->w->tree, child, l->w->arena) : SLICE_NULL;
}

/* ---- sources --------------------------------------------------------------------------------- */

uint16_t lin_source(struct lin *l, enum lineage_kind kind, struct slice object, struct slice name)
{
	uint64_t hash = XXH3_64bits_withSeed(
		name.p, name.n, XXH3_64bits_withSeed(object.p, object.n, l->seed + kind));
	struct lin_name *grown;
	uint16_t *slot;

	for (;; hash++) {
		const struct lin_name *s;

		slot = &l->slots[hash % LIN_SLOTS];
		if (!*slot)
			break;
		s = &l->sources[*slot - 1];
		if (s->kind == kind && slice_eq(s->object, object) && slice_eq(s->name, name))
			return *slot - 1;
	}
	if (l->n_sources == LINEAGE_SOURCES_MAX)
		return UINT16_MAX;
	grown = lin_grow(l, l->sources, l->n_sources, &l->sources_cap, sizeof(*l->sources));
	if (!grown)
		return UINT16_MAX;
	l->sources = grown;
	l->sources[l->n_sources] = (struct lin_name){kind, object, name};
	*slot = (uint16_t)++l->n_sources;
	return *slot - 1;
}

void lin_add(struct lin *l, struct lineage_set *to, enum lineage_kind kind, struct slice object,
	struct slice name)
{
	uint16_t i = lin_step(l) ? lin_source(l, kind, object, name) : UINT16_MAX;

	if (i == UINT16_MAX)
		to->may_be_anything = true;
	else
		to->bits[i / 64] |= (uint64_t)1 << (i % 64);
}

/* Code that a value hangs on is part of a plan too. */
static void expr_add_code(
	struct lin *l, struct lineage_set *to, enum lineage_kind kind, struct slice name)
{
	lin_add(l, to, kind, SLICE_NULL, name);
	if (l->plan)
		lin_add(l, l->plan, kind, SLICE_NULL, name);
}

static void expr_add_anything(struct lin *l, struct lineage_set *to)
{
	to->may_be_anything = true;
	if (l->plan)
		l->plan->may_be_anything = true;
}

static bool expr_step(struct lin *l, struct lineage_set *to)
{
	if (lin_step(l))
		return true;
	expr_add_anything(l, to);
	return false;
}

/* One level deeper, if there is budget left. */
static bool expr_enter(struct lin *l, struct lineage_set *to)
{
	if (!expr_step(l, to))
		return false;
	if (l->depth < LIN_DEPTH_MAX) {
		l->depth++;
		return true;
	}
	expr_add_anything(l, to);
	return false;
}

/* ---- names ----------------------------------------------------------------------------------- */

static bool expr_takes_any_row(struct slice name)
{
	for (size_t i = 0; i < N_OF(expr_takes_row); i++)
		if (slice_eq_str(name, expr_takes_row[i]))
			return true;
	return false;
}

static bool output_is_direct(const struct lin_output *o)
{
	for (const struct lin_item *i = o->first; i; i = i->next)
		if (!i->is_direct)
			return false;
	return true;
}

static bool rel_add_whole(struct lin *l, struct lineage_set *to, const struct lin_rel *r)
{
	if (r->object.n) {
		lin_add(l, to, LINEAGE_ROW, r->object, SLICE_NULL);
		return true;
	}
	lineage_set_join(to, &r->from);
	if (r->inner)
		return lin_add_whole(l, to, r->inner, NULL);
	if (r->output)
		lin_add_output(l, to, r->output);
	return r->output && output_is_direct(r->output);
}

bool lin_add_whole(struct lin *l, struct lineage_set *to, const struct lin_rel *from,
	const struct lin_rel *end)
{
	bool is_direct = true;

	for (const struct lin_rel *r = from; r != end; r = r->next) {
		if (!expr_enter(l, to))
			return false;
		is_direct &= rel_add_whole(l, to, r);
		l->depth--;
	}
	return is_direct;
}

void lin_add_output(struct lin *l, struct lineage_set *to, const struct lin_output *o)
{
	for (const struct lin_item *i = o->first; i; i = i->next) {
		if (!lin_step(l)) {
			to->may_be_anything = true;
			return;
		}
		if (i->is_star)
			lin_add_whole(l, to, i->rel, i->rel_end);
		else
			lineage_set_join(to, &i->from);
	}
}

/* What `name` may be among the columns of the rels up to `end`. */
struct lookup {
	struct slice name;
	bool takes_row; /* it is the name of a function that takes any row */
	bool is_found;  /* something has such a column, or may have */
	bool is_direct; /* and all that do are columns of tables */
};

static void lookup_rels(struct lin *l, struct lookup *u, struct lineage_set *to,
	const struct lin_rel *from, const struct lin_rel *end);

static void lookup_output(
	struct lin *l, struct lookup *u, struct lineage_set *to, const struct lin_output *o)
{
	/* One of WITH RECURSIVE that has not been seen yet: its names come next time round. */
	u->is_found |= !o->first;
	for (const struct lin_item *i = o->first; i; i = i->next) {
		if (!lin_step(l)) {
			to->may_be_anything = true;
			return;
		}
		if (i->is_star) {
			lookup_rels(l, u, to, i->rel, i->rel_end);
		} else if (!i->has_name || slice_eq(i->name, u->name)) {
			lineage_set_join(to, &i->from);
			u->is_direct &= i->is_direct;
			u->is_found = true;
		}
	}
}

static void lookup_rel(
	struct lin *l, struct lookup *u, struct lineage_set *to, const struct lin_rel *r)
{
	if (r->object.n) {
		lin_add(l, to, LINEAGE_COLUMN, r->object, u->name);
		if (u->takes_row)
			lin_add(l, to, LINEAGE_ROW, r->object, SLICE_NULL);
		u->is_found = true;
		return;
	}
	lineage_set_join(to, &r->from);
	if (r->inner)
		lookup_rels(l, u, to, r->inner, NULL);
	else if (r->output)
		lookup_output(l, u, to, r->output);
	else
		u->is_direct = false;
	u->is_found |= !r->inner && !r->output;
}

static void lookup_rels(struct lin *l, struct lookup *u, struct lineage_set *to,
	const struct lin_rel *from, const struct lin_rel *end)
{
	for (const struct lin_rel *r = from; r != end; r = r->next) {
		if (!expr_enter(l, to))
			return;
		lookup_rel(l, u, to, r);
		l->depth--;
	}
}

void lin_add_output_name(
	struct lin *l, struct lineage_set *to, struct slice name, const struct lin_output *o)
{
	struct lookup u = {.name = name, .takes_row = expr_takes_any_row(name)};

	lookup_output(l, &u, to, o);
}

/* A column that is in sight, or a whole row by the name of its table. */
bool lin_add_name(
	struct lin *l, struct lineage_set *to, struct slice name, const struct lin_scope *s)
{
	struct lookup u = {.name = name, .takes_row = expr_takes_any_row(name), .is_direct = true};

	for (; s; s = s->outer) {
		lookup_rels(l, &u, to, s->rels, NULL);
		for (const struct lin_rel *r = s->rels; r; r = r->next) {
			if (!expr_step(l, to))
				return false;
			if (!slice_eq(r->name, name))
				continue;
			rel_add_whole(l, to, r);
			u.is_direct = false;
			u.is_found = true;
		}
	}
	if (!u.is_found)
		to->may_be_anything = true;
	return u.is_direct && !l->has_full_join;
}

/* table.name, where every table of that name in sight may be meant. */
static bool expr_add_qualified(struct lin *l, struct lineage_set *to, struct slice table,
	struct slice name, const struct lin_scope *s)
{
	struct lookup u = {.name = name, .takes_row = expr_takes_any_row(name), .is_direct = true};
	bool has_table = false;

	for (; s; s = s->outer) {
		for (const struct lin_rel *r = s->rels; r; r = r->next) {
			if (!expr_step(l, to))
				return false;
			if (!slice_eq(r->name, table))
				continue;
			has_table = true;
			lookup_rel(l, &u, to, r);
			if (r->object.n)
				continue;
			/* Not a column of a query: then a function of its row. */
			if (!u.is_found || u.takes_row)
				rel_add_whole(l, to, r);
			expr_add_code(l, to, LINEAGE_ATTRIBUTE, name);
		}
	}
	if (!has_table)
		expr_add_anything(l, to);
	return u.is_direct;
}

static bool expr_add_star(
	struct lin *l, struct lineage_set *to, struct slice table, const struct lin_scope *s)
{
	bool is_direct = true, has_table = !table.n;

	if (!table.n)
		return lin_add_whole(l, to, s ? s->rels : NULL, NULL) && !l->has_full_join;
	for (; s; s = s->outer) {
		for (const struct lin_rel *r = s->rels; r; r = r->next) {
			if (!expr_step(l, to))
				return false;
			if (!slice_eq(r->name, table))
				continue;
			has_table = true;
			is_direct &= rel_add_whole(l, to, r);
		}
	}
	if (!has_table)
		expr_add_anything(l, to);
	return is_direct;
}

bool lin_add_column(struct lin *l, struct lineage_set *to, uint32_t tag, const struct lin_scope *s)
{
	uint32_t fields = json_child(&l->w->tree, tag, "fields"), last = 0;
	struct slice parts[3] = {0};
	size_t n = fields ? walk_strings(l->w, fields, parts, 3) : 0;

	for (uint32_t i = fields ? json_first(&l->w->tree, fields) : 0; i;
		i = json_next(&l->w->tree, i))
		last = i;
	if (last && lin_tag_is(l, lin_tag(l, last), "A_Star"))
		return expr_add_star(l, to, n ? parts[n - 1] : SLICE_NULL, s);
	if (n == 1)
		return lin_add_name(l, to, parts[0], s);
	if (n > 1)
		return expr_add_qualified(l, to, parts[n - 2], parts[n - 1], s);
	expr_add_anything(l, to);
	return false;
}

/* ---- expressions ----------------------------------------------------------------------------- */

static bool expr_is_pure(struct slice tag)
{
	for (size_t i = 0; i < N_OF(expr_pure); i++)
		if (slice_eq_str(tag, expr_pure[i]))
			return true;
	return false;
}

static void expr_add_call(struct lin *l, struct lineage_set *to)
{
	to->is_from_code = true;
	if (l->plan)
		l->plan->is_from_code = true;
}

/* A built-in function that gives nothing but what it is given, numbers of a sequence, or a lock. */
static bool expr_computes(struct slice name)
{
	const struct function_info *f;

	if (sql_function_is_harmless(name))
		return true;
	f = sql_function_find(name);
	return f && !sql_function_is_prefix(f) &&
	       (f->effect == EFFECT_UPDATE || f->effect == EFFECT_SESSION);
}

static void expr_function(struct lin *l, struct lineage_set *to, uint32_t tag)
{
	uint32_t list = json_child(&l->w->tree, tag, "funcname");
	struct slice parts[3];
	size_t n = list ? walk_strings(l->w, list, parts, 3) : 0;

	expr_add_code(l, to, LINEAGE_CAST, SLICE_NULL);
	if (!n)
		expr_add_anything(l, to);
	else if (n > 1 && sql_function_is_information(parts[n - 2], parts[n - 1]))
		expr_add_code(l, to, LINEAGE_FUNCTION, parts[n - 1]);
	else if (!expr_computes(parts[n - 1]) ||
		 (n > 1 && !slice_eq_str(parts[n - 2], "pg_catalog")))
		expr_add_call(l, to);
	else if (n == 1)
		expr_add_code(l, to, LINEAGE_FUNCTION, parts[0]);
}

/* A built-in function that does more than compute may leave what it is given where others find it:
 * set_config, lo_put, pg_notify. */
static void expr_keeps(
	struct lin *l, uint32_t tag, const struct lin_scope *s, const struct lin_with *with)
{
	uint32_t list = lin_child(l, tag, "funcname"), args = lin_child(l, tag, "args");
	struct lineage_set given = {0};
	bool was_filter = l->is_filter;
	struct slice name;

	if (!args || !list || !walk_strings(l->w, list, &name, 1) ||
		sql_function_is_harmless(name) || !sql_function_find(name))
		return;
	l->is_filter = true;
	lin_add_expr(l, &given, args, s, with);
	l->is_filter = was_filter;
	lin_store(l, &given);
}

/* Functions that give as many rows as their arguments say. */
static bool expr_gives_rows(struct slice name)
{
	static const char *const names[] = {"generate_series", "generate_subscripts",
		"json_array_elements", "json_array_elements_text", "json_each", "json_each_text",
		"json_object_keys", "json_populate_recordset", "json_to_recordset",
		"jsonb_array_elements", "jsonb_array_elements_text", "jsonb_each",
		"jsonb_each_text", "jsonb_object_keys", "jsonb_path_query", "jsonb_path_query_tz",
		"jsonb_populate_recordset", "jsonb_to_recordset", "regexp_matches",
		"regexp_split_to_table", "string_to_table", "ts_debug", "ts_parse", "unnest"};

	for (size_t i = 0; i < N_OF(names); i++)
		if (slice_eq_str(name, names[i]))
			return true;
	return false;
}

/* SELECT generate_series(1, ascii(ssn)) tells by the number of its rows. */
static void expr_rows(
	struct lin *l, uint32_t tag, const struct lin_scope *s, const struct lin_with *with)
{
	uint32_t list = lin_child(l, tag, "funcname");
	struct slice name;

	if (!l->is_filter && list && walk_strings(l->w, list, &name, 1) && expr_gives_rows(name))
		lin_filter_expr(l, lin_child(l, tag, "args"), s, with);
}

/* The list of names of an operator, wherever it stands. */
static void expr_operator(struct lin *l, struct lineage_set *to, uint32_t list)
{
	struct slice parts[3];
	size_t n = walk_strings(l->w, list, parts, 3);

	expr_add_code(l, to, LINEAGE_CAST, SLICE_NULL);
	if (!n || (n > 1 && !slice_eq_str(parts[n - 2], "pg_catalog")))
		expr_add_anything(l, to);
	else if (n == 1)
		expr_add_code(l, to, LINEAGE_OPERATOR, parts[0]);
}

/* What is compared without an operator being written. */
static void expr_comparison(struct lin *l, struct lineage_set *to)
{
	expr_add_code(l, to, LINEAGE_OPERATOR, SLICE_LIT("="));
	expr_add_code(l, to, LINEAGE_OPERATOR, SLICE_LIT("<="));
	expr_add_code(l, to, LINEAGE_OPERATOR, SLICE_LIT(">="));
	expr_add_code(l, to, LINEAGE_CAST, SLICE_NULL);
}

/* A subquery tells by its rows and by its conditions: EXISTS shows nothing else. */
static void expr_subquery(struct lin *l, struct lineage_set *to, uint32_t tag,
	const struct lin_scope *s, const struct lin_with *with)
{
	uint32_t select = lin_tag(l, json_child(&l->w->tree, tag, "subselect"));
	uint32_t test = json_child(&l->w->tree, tag, "testexpr"),
		 op = json_child(&l->w->tree, tag, "operName");
	struct lineage_set inner = {0}, *around = l->inner_filters;
	struct lin_output output = {0};

	if (test)
		lin_add_expr(l, &inner, test, s, with);
	if (op)
		expr_operator(l, &inner, op);
	expr_comparison(l, &inner);
	if (!lin_tag_is(l, select, "SelectStmt")) {
		expr_add_anything(l, to);
		return;
	}
	l->inner_filters = &inner;
	lin_query(l, select, s, with, &output);
	l->inner_filters = around;
	lin_add_output(l, &inner, &output);
	/* x IN (…) decides. */
	if (test)
		lin_filter(l, &inner);
	lineage_set_join(to, &inner);
}

/* A case is chosen by its condition. */
static void expr_condition(
	struct lin *l, uint32_t node, const struct lin_scope *s, const struct lin_with *with)
{
	if (!node || l->is_filter)
		return;
	lin_filter_expr(l, node, s, with);
}

static void expr_tag(struct lin *l, struct lineage_set *to, uint32_t i, const struct lin_scope *s,
	const struct lin_with *with)
{
	struct slice key = json_key(&l->w->tree, i);
	uint32_t list;

	if (!expr_is_pure(key)) {
		expr_add_anything(l, to);
	} else if (slice_eq(key, SLICE_LIT("FuncCall"))) {
		expr_function(l, to, i);
		expr_keeps(l, i, s, with);
		expr_rows(l, i, s, with);
		expr_condition(l, json_child(&l->w->tree, i, "agg_filter"), s, with);
	} else if (slice_eq(key, SLICE_LIT("A_Expr"))) {
		list = json_child(&l->w->tree, i, "name");
		if (list)
			expr_operator(l, to, list);
		if (!list || !walk_says(l->w, i, "kind", "AEXPR_OP"))
			expr_comparison(l, to);
	} else if (slice_eq(key, SLICE_LIT("CaseExpr"))) {
		expr_comparison(l, to);
		expr_condition(l, json_child(&l->w->tree, i, "arg"), s, with);
	} else if (slice_eq(key, SLICE_LIT("CaseWhen"))) {
		expr_condition(l, json_child(&l->w->tree, i, "expr"), s, with);
	} else if (slice_eq(key, SLICE_LIT("TypeCast"))) {
		expr_add_code(l, to, LINEAGE_CAST, SLICE_NULL);
	} else if (slice_eq(key, SLICE_LIT("A_Indirection"))) {
		struct slice part;

		list = json_child(&l->w->tree, i, "indirection");
		for (uint32_t j = list ? json_first(&l->w->tree, list) : 0; j;
			j = json_next(&l->w->tree, j))
			if (lin_tag_is(l, lin_tag(l, j), "String") &&
				(part = lin_text(l, lin_tag(l, j), "sval")).n)
				expr_add_code(l, to, LINEAGE_ATTRIBUTE, part);
	} else if (key.n > 4 && slice_starts(key, "Json")) {
		expr_add_code(l, to, LINEAGE_CAST, SLICE_NULL);
	}
}

/* A member with a meaning of its own. */
static void expr_member(struct lin *l, struct lineage_set *to, uint32_t i,
	const struct lin_scope *s, const struct lin_with *with)
{
	struct slice key = json_key(&l->w->tree, i);

	if (slice_eq(key, SLICE_LIT("over"))) {
		expr_condition(l, i, s, with);
		if (s && (json_child(&l->w->tree, i, "name") ||
				 json_child(&l->w->tree, i, "refname")))
			lineage_set_join(to, &s->windows);
	} else if (slice_eq(key, SLICE_LIT("useOp")) && l->w->tree.nodes[i].kind == JSON_ARRAY) {
		expr_operator(l, to, i);
	} else if (slice_eq(key, SLICE_LIT("relname"))) {
		/* A table where none should be. */
		expr_add_anything(l, to);
	}
}

void lin_add_expr(struct lin *l, struct lineage_set *to, uint32_t node, const struct lin_scope *s,
	const struct lin_with *with)
{
	const struct json_tree *t = &l->w->tree;

	if (!node)
		return;
	if (!expr_enter(l, to))
		return;
	for (uint32_t i = node; i < t->nodes[node].end;) {
		struct slice key = json_key(t, i);
		bool is_tag = i != node && key.n && *key.p >= 'A' && *key.p <= 'Z';

		if (!lin_step(l)) {
			expr_add_anything(l, to);
			break;
		}
		if (is_tag && slice_eq(key, SLICE_LIT("ColumnRef"))) {
			lin_add_column(l, to, i, s);
			i = t->nodes[i].end;
			continue;
		}
		if (is_tag && slice_eq(key, SLICE_LIT("SubLink"))) {
			expr_subquery(l, to, i, s, with);
			i = t->nodes[i].end;
			continue;
		}
		if (is_tag)
			expr_tag(l, to, i, s, with);
		else if (i != node)
			expr_member(l, to, i, s, with);
		i++;
	}
	l->depth--;
}

void lin_filter(struct lin *l, const struct lineage_set *by)
{
	lineage_set_join(&l->filters, by);
	if (l->inner_filters)
		lineage_set_join(l->inner_filters, by);
}

void lin_filter_expr(
	struct lin *l, uint32_t node, const struct lin_scope *s, const struct lin_with *with)
{
	struct lineage_set by = {0};
	bool was_filter = l->is_filter;

	if (!node)
		return;
	l->is_filter = true;
	lin_add_expr(l, &by, node, s, with);
	l->is_filter = was_filter;
	lin_filter(l, &by);
}
