/* SPDX-License-Identifier: Apache-2.0 */
/* Statements and queries → lineage: see lineage.h. */
#include "sql/lineage.h"

#include <stdlib.h>

enum { LIN_PASSES_MAX = 8 };

void *lin_alloc(struct lin *l, size_t size)
{
	void *p = arena_alloc(l->w->arena, size);

	if (!p)
		l->w->no_memory = true;
	return p;
}

void *lin_grow(struct lin *l, void *list, size_t n, size_t *cap, size_t size)
{
	size_t bigger = *cap ? *cap * 2 : 8;
	void *grown;

	if (n < *cap)
		return list;
	grown = lin_alloc(l, bigger * size);
	if (!grown)
		return NULL;
	if (n)
		memcpy(grown, list, n * size);
	*cap = bigger;
	return grown;
}

/* ---- outputs --------------------------------------------------------------------------------- */

static struct lin_item *output_add(struct lin *l, struct lin_output *o)
{
	struct lin_item *item = lin_alloc(l, sizeof(*item));

	if (!item)
		return NULL;
	if (o->last)
		o->last->next = item;
	else
		o->first = item;
	o->last = item;
	o->n++;
	return item;
}

static struct lin_rel *rel_new(struct lin *l, struct slice name)
{
	struct lin_rel *r = lin_alloc(l, sizeof(*r));

	if (r)
		r->name = name;
	return r;
}

/* A star about which only the whole is known. */
static void output_add_rest(struct lin *l, struct lin_output *o, const struct lineage_set *from)
{
	struct lin_rel *r = rel_new(l, SLICE_NULL);
	struct lin_item *item = r ? output_add(l, o) : NULL;

	if (!item)
		return;
	r->from = item->from = *from;
	item->is_star = true;
	item->rel = r;
	o->has_star = true;
}

void lin_output_anything(struct lin *l, struct lin_output *o)
{
	static const struct lineage_set anything = {.may_be_anything = true};

	*o = (struct lin_output){0};
	output_add_rest(l, o, &anything);
	if (l->plan)
		l->plan->may_be_anything = true;
}

/* New names for the first columns. Behind a star nobody knows which those are. */
static void output_rename(struct lin *l, struct lin_output *o, uint32_t names)
{
	struct lineage_set all = {0};
	struct lin_item *item = o->first;

	if (!names)
		return;
	if (o->has_star) {
		lin_add_output(l, &all, o);
		*o = (struct lin_output){0};
		output_add_rest(l, o, &all);
		return;
	}
	for (uint32_t i = lin_first(l, names); i && item; i = lin_next(l, i), item = item->next) {
		item->name = lin_text(l, lin_tag(l, i), "sval");
		item->has_name = item->name.n;
	}
}

static bool output_eq(const struct lin_output *a, const struct lin_output *b)
{
	const struct lin_item *i = a->first, *j = b->first;

	for (; i && j; i = i->next, j = j->next)
		if (i->is_star || j->is_star || i->has_name != j->has_name ||
			!slice_eq(i->name, j->name) || !lineage_set_eq(&i->from, &j->from))
			return false;
	return !i && !j;
}

/* Column by column, if neither has a star; otherwise all in one. */
static void output_unite(struct lin *l, const struct lin_output *a, const struct lin_output *b,
	struct lin_output *ret)
{
	struct lineage_set all = {0};
	const struct lin_item *i = a->first, *j = b->first;

	if (a->has_star || b->has_star || a->n != b->n) {
		lin_add_output(l, &all, a);
		lin_add_output(l, &all, b);
		output_add_rest(l, ret, &all);
		return;
	}
	for (; i && j; i = i->next, j = j->next) {
		struct lin_item *item = output_add(l, ret);

		if (!item)
			return;
		item->name = i->name;
		item->has_name = i->has_name;
		item->from = i->from;
		lineage_set_join(&item->from, &j->from);
		lin_add(l, &item->from, LINEAGE_CAST, SLICE_NULL, SLICE_NULL);
	}
}

/* ---- targets --------------------------------------------------------------------------------- */

/* The name that the server gives to an expression, as far as it is certain. */
static void target_name(struct lin *l, struct lin_item *item, uint32_t tag)
{
	uint32_t list = lin_tag_is(l, tag, "ColumnRef")  ? lin_child(l, tag, "fields")
			: lin_tag_is(l, tag, "FuncCall") ? lin_child(l, tag, "funcname")
							 : 0;
	struct slice part;

	if (list && walk_strings(l->w, list, &part, 1)) {
		item->name = part;
		item->has_name = true;
	}
}

static bool target_is_star(struct lin *l, uint32_t tag)
{
	const char *member = lin_tag_is(l, tag, "ColumnRef")       ? "fields"
			     : lin_tag_is(l, tag, "A_Indirection") ? "indirection"
								   : NULL;
	uint32_t list = member ? lin_child(l, tag, member) : 0;

	for (uint32_t i = lin_first(l, list); i; i = lin_next(l, i))
		if (lin_tag_is(l, lin_tag(l, i), "A_Star"))
			return true;
	return false;
}

/* t.* and *; (expression).* shows all that the expression has. */
static void target_star(struct lin *l, struct lin_item *item, uint32_t tag,
	const struct lin_scope *s, const struct lin_with *with)
{
	uint32_t fields = lin_child(l, tag, "fields");
	struct slice table = SLICE_NULL;

	item->is_star = true;
	if (lin_tag_is(l, tag, "ColumnRef")) {
		walk_strings(l->w, fields, &table, 1);
		item->is_direct = lin_add_column(l, &item->from, tag, s);
		item->rel = s->rels;
		if (!table.n)
			return;
		for (struct lin_rel *r = s->rels; r && lin_step(l); r = r->next) {
			if (!slice_eq(r->name, table))
				continue;
			item->rel = r;
			item->rel_end = r->next;
			return;
		}
	} else {
		lin_add_expr(l, &item->from, lin_child(l, tag, "arg"), s, with);
	}
	item->rel = rel_new(l, table);
	if (item->rel)
		item->rel->from = item->from;
}

static void target_add(struct lin *l, struct lin_output *o, uint32_t target,
	const struct lin_scope *s, const struct lin_with *with)
{
	uint32_t val = lin_child(l, target, "val"), tag = lin_tag(l, val);
	struct lin_item *item = output_add(l, o);

	if (!item)
		return;
	if (target_is_star(l, tag)) {
		target_star(l, item, tag, s, with);
		o->has_star = true;
		return;
	}
	item->name = lin_text(l, target, "name");
	item->has_name = item->name.n;
	if (!item->has_name)
		target_name(l, item, tag);
	if (lin_tag_is(l, tag, "ColumnRef"))
		item->is_direct = lin_add_column(l, &item->from, tag, s);
	else if (tag)
		lin_add_expr(l, &item->from, val, s, with);
	else
		item->from.may_be_anything = true;
}

void lin_targets(struct lin *l, struct lin_output *o, uint32_t list, const struct lin_scope *s,
	const struct lin_with *with)
{
	for (uint32_t i = lin_first(l, list); i; i = lin_next(l, i))
		target_add(l, o, lin_tag(l, i), s, with);
}

/* ---- FROM ------------------------------------------------------------------------------------ */

void lin_scope_add(struct lin_scope *s, struct lin_rel *r)
{
	struct lin_rel **at = s->last ? &s->last->next : &s->rels;

	while (*at)
		at = &(*at)->next;
	*at = r;
	s->last = r;
}

/* False: there was no budget to look. */
static bool with_find(struct lin *l, const struct lin_with *with, struct slice name,
	const struct lin_output **ret)
{
	*ret = NULL;
	for (; with; with = with->outer) {
		if (!lin_step(l))
			return false;
		if (!slice_eq(with->name, name))
			continue;
		*ret = with->output;
		return true;
	}
	return true;
}

/* Names for the columns of a table, whose order is not known, stand for any of them. */
static void rel_rename(struct lin *l, struct lin_rel *r, uint32_t names)
{
	struct lineage_set all = {0};
	struct lin_output *o;

	if (!names)
		return;
	if (r->output && !r->output->has_star) {
		o = lin_alloc(l, sizeof(*o));
		if (!o)
			return;
		for (const struct lin_item *i = r->output->first; i; i = i->next) {
			struct lin_item *copy = output_add(l, o), *next;

			if (!copy)
				return;
			next = copy->next;
			*copy = *i;
			copy->next = next;
		}
		output_rename(l, o, names);
		r->output = o;
		return;
	}
	/* Of this rel alone, not of those behind it. */
	{
		struct lin_rel alone = *r;

		alone.next = NULL;
		lin_add_whole(l, &all, &alone, NULL);
	}
	r->object = SLICE_NULL;
	r->output = NULL;
	r->inner = NULL;
	r->from = all;
}

static struct lin_rel *rel_aliased(struct lin *l, struct lin_rel *r, uint32_t node)
{
	uint32_t alias = lin_child(l, node, "alias");

	if (!r || !alias)
		return r;
	r->name = lin_text(l, alias, "aliasname");
	rel_rename(l, r, lin_child(l, alias, "colnames"));
	return r;
}

/* A RangeVar. */
struct lin_rel *lin_table(struct lin *l, uint32_t node, const struct lin_with *with)
{
	struct slice schema = lin_text(l, node, "schemaname"), name = lin_text(l, node, "relname");
	struct slice parts[2] = {schema, name};
	struct lin_rel *r = rel_new(l, name);

	if (!r)
		return NULL;
	if (!schema.n && !with_find(l, with, name, &r->output))
		r->from.may_be_anything = true;
	else if (!r->output) {
		r->object = schema.n ? walk_name(l->w, parts, 2) : walk_name(l->w, parts + 1, 1);
		if (!r->object.n)
			r->from.may_be_anything = true;
		if (l->plan)
			lin_add(l, l->plan, LINEAGE_TABLE, r->object, SLICE_NULL);
	}
	return rel_aliased(l, r, node);
}

static struct slice rel_function_name(struct lin *l, uint32_t functions)
{
	uint32_t list = lin_tag(l, lin_first(l, functions));
	uint32_t call = list ? lin_tag(l, lin_first(l, lin_child(l, list, "items"))) : 0;
	uint32_t name = lin_tag_is(l, call, "FuncCall") ? lin_child(l, call, "funcname") : 0;
	struct slice part = SLICE_NULL;

	if (name)
		walk_strings(l->w, name, &part, 1);
	return part;
}

static void join_filter(struct lin *l, uint32_t tag, const struct lin_rel *sides,
	const struct lin_scope *s, const struct lin_with *with)
{
	uint32_t names = lin_child(l, tag, "usingClause");
	struct lineage_set by = {0};

	lin_filter_expr(l, lin_child(l, tag, "quals"), s, with);
	for (uint32_t i = lin_first(l, names); i; i = lin_next(l, i)) {
		struct lin_scope one = {.rels = s->rels};

		lin_add_name(l, &by, lin_text(l, lin_tag(l, i), "sval"), &one);
	}
	if (walk_says(l->w, tag, "isNatural", "true"))
		lin_add_whole(l, &by, sides, NULL);
	lin_filter(l, &by);
}

/* The tables of a join without a name of its own are in sight like any others. */
static void join_add(struct lin *l, uint32_t tag, struct lin_scope *s, const struct lin_with *with)
{
	uint32_t alias = lin_child(l, tag, "alias"),
		 using_alias = lin_child(l, tag, "join_using_alias");
	struct lin_scope inner = {.outer = s};
	struct lin_scope *sides = alias ? &inner : s;
	struct lin_rel *joined;

	lin_from_one(l, lin_child(l, tag, "larg"), sides, with);
	lin_from_one(l, lin_child(l, tag, "rarg"), sides, with);
	l->has_full_join |= walk_says(l->w, tag, "jointype", "JOIN_FULL");
	join_filter(l, tag, sides->rels, sides, with);
	if (!alias && !using_alias)
		return;
	joined = rel_new(l, SLICE_NULL);
	if (!joined)
		return;
	if (alias) {
		joined->inner = inner.rels;
		lin_scope_add(s, rel_aliased(l, joined, tag));
		if (using_alias)
			joined->from.may_be_anything = true;
		return;
	}
	/* JOIN … USING (…) AS name: a name for some columns that are in sight anyway. */
	joined->name = lin_text(l, using_alias, "aliasname");
	lin_add_whole(l, &joined->from, s->rels, NULL);
	lin_scope_add(s, joined);
}

static struct lin_rel *rel_of_subquery(
	struct lin *l, uint32_t tag, const struct lin_scope *s, const struct lin_with *with)
{
	uint32_t select = lin_tag(l, lin_child(l, tag, "subquery"));
	bool is_lateral = walk_says(l->w, tag, "lateral", "true");
	struct lin_output *o = lin_alloc(l, sizeof(*o));
	struct lin_rel *r = rel_new(l, SLICE_NULL);

	if (!o || !r)
		return NULL;
	r->output = o;
	if (lin_tag_is(l, select, "SelectStmt"))
		lin_query(l, select, is_lateral ? s : s->outer, with, o);
	else
		r->from.may_be_anything = true;
	return rel_aliased(l, r, tag);
}

void lin_from_one(struct lin *l, uint32_t wrapper, struct lin_scope *s, const struct lin_with *with)
{
	uint32_t tag = lin_tag(l, wrapper);
	struct lin_rel *r = NULL;

	if (!tag || l->depth >= LIN_DEPTH_MAX || !lin_step(l)) {
		r = rel_new(l, SLICE_NULL);
		if (r)
			r->from.may_be_anything = true;
	} else if (lin_tag_is(l, tag, "RangeVar")) {
		r = lin_table(l, tag, with);
	} else if (lin_tag_is(l, tag, "RangeSubselect")) {
		r = rel_of_subquery(l, tag, s, with);
	} else if (lin_tag_is(l, tag, "JoinExpr")) {
		l->depth++;
		join_add(l, tag, s, with);
		l->depth--;
	} else if (lin_tag_is(l, tag, "RangeTableSample")) {
		lin_filter_expr(l, lin_child(l, tag, "args"), s, with);
		lin_filter_expr(l, lin_child(l, tag, "repeatable"), s, with);
		lin_from_one(l, lin_child(l, tag, "relation"), s, with);
	} else {
		bool is_function = lin_tag_is(l, tag, "RangeFunction");

		r = rel_new(l, is_function ? rel_function_name(l, lin_child(l, tag, "functions"))
					   : SLICE_NULL);
		if (r && (is_function || lin_tag_is(l, tag, "RangeTableFunc")))
			lin_add_expr(l, &r->from, tag, s, with);
		else if (r)
			r->from.may_be_anything = true;
		/* How many rows there are hangs on the arguments. */
		if (r)
			lin_filter(l, &r->from);
		r = rel_aliased(l, r, tag);
	}
	if (r)
		lin_scope_add(s, r);
}

void lin_from(struct lin *l, uint32_t list, struct lin_scope *s, const struct lin_with *with)
{
	for (uint32_t i = lin_first(l, list); i; i = lin_next(l, i))
		lin_from_one(l, i, s, with);
}

/* ---- WITH ------------------------------------------------------------------------------------ */

static void with_output(struct lin *l, uint32_t cte, const struct lin_scope *outer,
	const struct lin_with *with, struct lin_output *ret)
{
	uint32_t query = lin_tag(l, lin_child(l, cte, "ctequery"));
	struct lineage_set all = {0};

	*ret = (struct lin_output){0};
	if (lin_tag_is(l, query, "SelectStmt"))
		lin_query(l, query, outer, with, ret);
	else
		lin_change(l, query, outer, with, ret);
	output_rename(l, ret, lin_child(l, cte, "aliascolnames"));
	if (lin_child(l, cte, "search_clause") || lin_child(l, cte, "cycle_clause")) {
		lin_add_output(l, &all, ret);
		output_add_rest(l, ret, &all);
	}
}

/* Each may name each: found by going round until nothing is added. */
static void with_recursive(struct lin *l, uint32_t ctes, struct lin_output *outputs,
	const struct lin_scope *outer, const struct lin_with *with)
{
	bool is_stable = false;

	for (int pass = 0; pass < LIN_PASSES_MAX && !is_stable; pass++) {
		size_t n = 0;

		is_stable = true;
		for (uint32_t i = lin_first(l, ctes); i; i = lin_next(l, i), n++) {
			struct lin_output o;

			with_output(l, lin_tag(l, i), outer, with, &o);
			is_stable &= output_eq(&outputs[n], &o);
			outputs[n] = o;
		}
	}
	if (is_stable)
		return;
	for (uint32_t i = lin_first(l, ctes), n = 0; i; i = lin_next(l, i), n++)
		lin_output_anything(l, &outputs[n]);
}

/* The names that the WITH of a statement adds to those around it. */
const struct lin_with *lin_with_add(struct lin *l, uint32_t statement,
	const struct lin_scope *outer, const struct lin_with *with)
{
	uint32_t clause = lin_child(l, statement, "withClause"),
		 ctes = clause ? lin_child(l, clause, "ctes") : 0;
	bool is_recursive = clause && walk_says(l->w, clause, "recursive", "true");
	struct lin_output *outputs;
	struct lin_with *names;
	size_t n = 0, at = 0;

	for (uint32_t i = lin_first(l, ctes); i; i = lin_next(l, i))
		n++;
	if (!n)
		return with;
	outputs = lin_alloc(l, n * sizeof(*outputs));
	names = lin_alloc(l, n * sizeof(*names));
	if (!outputs || !names)
		return with;
	for (uint32_t i = lin_first(l, ctes); i; i = lin_next(l, i), at++) {
		names[at] = (struct lin_with){.outer = at ? &names[at - 1] : with,
			.name = lin_text(l, lin_tag(l, i), "ctename"),
			.output = &outputs[at]};
		if (!is_recursive)
			with_output(l, lin_tag(l, i), outer, names[at].outer, &outputs[at]);
	}
	if (is_recursive)
		with_recursive(l, ctes, outputs, outer, &names[n - 1]);
	return &names[n - 1];
}

/* ---- SELECT ---------------------------------------------------------------------------------- */

static void filter_output(struct lin *l, const struct lin_output *o)
{
	struct lineage_set all = {0};

	lin_add_output(l, &all, o);
	lin_filter(l, &all);
}

/* ORDER BY 2 */
static void filter_position(struct lin *l, struct slice number, const struct lin_output *o)
{
	unsigned long at = strtoul(arena_cstr(l->w->arena, number) ?: "0", NULL, 10);
	const struct lin_item *item = o->first;

	l->w->looked_at_constant = true;
	while (item && !item->is_star && at > 1 && lin_step(l)) {
		item = item->next;
		at--;
	}
	if (!item || item->is_star || at != 1)
		filter_output(l, o);
	else
		lin_filter(l, &item->from);
}

/* The keys of ORDER BY, GROUP BY and DISTINCT: expressions, or columns of the output. */
static void filter_keys(struct lin *l, uint32_t list, const struct lin_scope *s,
	const struct lin_with *with, const struct lin_output *o)
{
	for (uint32_t i = lin_first(l, list); i; i = lin_next(l, i)) {
		uint32_t key = i, tag = lin_tag(l, i);
		struct lineage_set by = {0};
		struct slice part;

		if (lin_tag_is(l, tag, "SortBy")) {
			key = lin_child(l, tag, "node");
			tag = lin_tag(l, key);
		}
		if (!tag || lin_tag_is(l, tag, "GroupingSet")) {
			filter_output(l, o);
		} else if (walk_constant(l->w, key, &part)) {
			filter_position(l, part, o);
			continue;
		} else if (lin_tag_is(l, tag, "ColumnRef") &&
			   walk_strings(l->w, lin_child(l, tag, "fields"), &part, 1)) {
			lin_add_output_name(l, &by, part, o);
			lin_filter(l, &by);
		}
		if (tag)
			lin_filter_expr(l, key, s, with);
	}
}

static void select_values(struct lin *l, uint32_t lists, const struct lin_scope *s,
	const struct lin_with *with, struct lin_output *ret)
{
	for (uint32_t i = lin_first(l, lists); i; i = lin_next(l, i)) {
		uint32_t row = lin_tag(l, i), items = row ? lin_child(l, row, "items") : 0;
		struct lin_item *item = ret->first;

		for (uint32_t j = lin_first(l, items); j; j = lin_next(l, j)) {
			if (!item)
				item = output_add(l, ret);
			if (!item)
				return;
			lin_add_expr(l, &item->from, j, s, with);
			item = item->next;
		}
	}
}

static void select_limits(
	struct lin *l, uint32_t node, const struct lin_scope *s, const struct lin_with *with)
{
	lin_filter_expr(l, lin_child(l, node, "limitCount"), s, with);
	lin_filter_expr(l, lin_child(l, node, "limitOffset"), s, with);
}

static void select_united(struct lin *l, uint32_t node, const struct lin_scope *outer,
	const struct lin_with *with, struct lin_output *ret)
{
	struct lin_output left = {0}, right = {0};

	lin_query(l, lin_child(l, node, "larg"), outer, with, &left);
	lin_query(l, lin_child(l, node, "rarg"), outer, with, &right);
	output_unite(l, &left, &right, ret);
	/* Rows are compared as a whole, but for UNION ALL. */
	if (!walk_says(l->w, node, "op", "SETOP_UNION") || !walk_says(l->w, node, "all", "true") ||
		lin_child(l, node, "sortClause"))
		filter_output(l, ret);
	select_limits(l, node, outer, with);
}

static void select_plain(struct lin *l, uint32_t node, const struct lin_scope *outer,
	const struct lin_with *with, struct lin_output *ret)
{
	uint32_t windows = lin_child(l, node, "windowClause");
	struct lin_scope s = {.outer = outer};

	lin_from(l, lin_child(l, node, "fromClause"), &s, with);
	lin_add_expr(l, &s.windows, windows, &s, with);
	lin_filter(l, &s.windows);
	lin_targets(l, ret, lin_child(l, node, "targetList"), &s, with);
	select_values(l, lin_child(l, node, "valuesLists"), &s, with, ret);
	lin_filter_expr(l, lin_child(l, node, "whereClause"), &s, with);
	lin_filter_expr(l, lin_child(l, node, "havingClause"), &s, with);
	filter_keys(l, lin_child(l, node, "distinctClause"), &s, with, ret);
	filter_keys(l, lin_child(l, node, "groupClause"), &s, with, ret);
	filter_keys(l, lin_child(l, node, "sortClause"), &s, with, ret);
	select_limits(l, node, &s, with);
}

void lin_query(struct lin *l, uint32_t node, const struct lin_scope *outer,
	const struct lin_with *with, struct lin_output *ret)
{
	if (!node || l->depth >= LIN_DEPTH_MAX || !lin_step(l)) {
		lin_output_anything(l, ret);
		return;
	}
	l->depth++;
	with = lin_with_add(l, node, outer, with);
	if (lin_child(l, node, "larg"))
		select_united(l, node, outer, with, ret);
	else
		select_plain(l, node, outer, with, ret);
	l->depth--;
}
