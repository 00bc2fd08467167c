/* SPDX-License-Identifier: Apache-2.0 */
/* INSERT, UPDATE, DELETE and MERGE → lineage: see lineage.h. */
#include "sql/lineage.h"

static bool change_set_is_empty(const struct lineage_set *s)
{
	static const struct lineage_set none;

	return lineage_set_eq(s, &none);
}

/* column empty: any column of the table; object empty: a new table. */
static void change_store(
	struct lin *l, struct slice object, struct slice column, const struct lineage_set *from)
{
	struct lineage_store *grown;
	uint16_t target = UINT16_MAX;

	if (change_set_is_empty(from))
		return;
	if (object.n)
		target = lin_source(l, column.n ? LINEAGE_COLUMN : LINEAGE_ROW, object, column);
	if (l->n_stores < LINEAGE_STORES_MAX) {
		grown = lin_grow(l, l->stores, l->n_stores, &l->stores_cap, sizeof(*l->stores));
		if (!grown)
			return;
		l->stores = grown;
		l->stores[l->n_stores++] = (struct lineage_store){target, *from};
		return;
	}
	/* All that is too much goes where nothing is protected. */
	l->stores[LINEAGE_STORES_MAX - 1].target = UINT16_MAX;
	lineage_set_join(&l->stores[LINEAGE_STORES_MAX - 1].from, from);
}

void lin_store(struct lin *l, const struct lineage_set *from)
{
	change_store(l, SLICE_NULL, SLICE_NULL, from);
}

void lin_store_output(struct lin *l, const struct lin_output *o)
{
	struct lineage_set all = {0};

	lin_add_output(l, &all, o);
	change_store(l, SLICE_NULL, SLICE_NULL, &all);
}

/* SET column = expression, …; the column is what the ResTarget is named after. */
static void change_assignments(struct lin *l, uint32_t list, struct slice object,
	const struct lin_scope *s, const struct lin_with *with)
{
	for (uint32_t i = lin_first(l, list); i; i = lin_next(l, i)) {
		uint32_t target = lin_tag(l, i);
		struct lineage_set from = {0};

		lin_add_expr(l, &from, lin_child(l, target, "val"), s, with);
		change_store(l, object, lin_text(l, target, "name"), &from);
	}
}

/* The columns of an output into those that are named, or into the table where that cannot be told.
 */
static void change_insert(
	struct lin *l, uint32_t columns, struct slice object, const struct lin_output *o)
{
	uint32_t column = lin_first(l, columns);
	struct lineage_set all = {0};

	if (o->has_star || !column) {
		lin_add_output(l, &all, o);
		change_store(l, object, SLICE_NULL, &all);
		return;
	}
	for (const struct lin_item *i = o->first; i; i = i->next) {
		change_store(l, object,
			column ? lin_text(l, lin_tag(l, column), "name") : SLICE_NULL, &i->from);
		column = column ? lin_next(l, column) : 0;
	}
}

static void change_conflict(struct lin *l, uint32_t clause, struct slice object,
	const struct lin_scope *target, const struct lin_with *with)
{
	uint32_t infer = lin_child(l, clause, "infer");
	struct lin_rel excluded = {.name = SLICE_LIT("excluded"), .object = object};
	struct lin_scope s = {.outer = target, .rels = &excluded};

	if (!clause)
		return;
	lin_filter_expr(l, lin_child(l, infer, "whereClause"), target, with);
	change_assignments(l, lin_child(l, clause, "targetList"), object, &s, with);
	lin_filter_expr(l, lin_child(l, clause, "whereClause"), &s, with);
}

static void change_merge(struct lin *l, uint32_t tag, struct slice object,
	const struct lin_scope *s, const struct lin_with *with)
{
	uint32_t clauses = lin_child(l, tag, "mergeWhenClauses");

	lin_filter_expr(l, lin_child(l, tag, "joinCondition"), s, with);
	for (uint32_t i = lin_first(l, clauses); i; i = lin_next(l, i)) {
		uint32_t clause = lin_tag(l, i), values = lin_child(l, clause, "values"),
			 targets = lin_child(l, clause, "targetList"),
			 target = lin_first(l, targets);

		lin_filter_expr(l, lin_child(l, clause, "condition"), s, with);
		if (!values) {
			change_assignments(l, targets, object, s, with);
			continue;
		}
		for (uint32_t v = lin_first(l, values); v; v = lin_next(l, v)) {
			struct lineage_set from = {0};

			lin_add_expr(l, &from, v, s, with);
			change_store(l, object,
				target ? lin_text(l, lin_tag(l, target), "name") : SLICE_NULL,
				&from);
			target = target ? lin_next(l, target) : 0;
		}
	}
}

static void change_source(struct lin *l, uint32_t tag, struct slice object,
	const struct lin_scope *outer, const struct lin_with *with)
{
	uint32_t select = lin_tag(l, lin_child(l, tag, "selectStmt"));
	struct lin_output o = {0};

	if (!select)
		return;
	lin_query(l, select, outer, with, &o);
	change_insert(l, lin_child(l, tag, "cols"), object, &o);
}

void lin_change(struct lin *l, uint32_t tag, const struct lin_scope *outer,
	const struct lin_with *with, struct lin_output *ret)
{
	static const char *const froms[] = {"fromClause", "usingClause"};
	uint32_t relation = lin_child(l, tag, "relation");
	struct lin_scope s = {.outer = outer};
	struct lin_rel *target;
	struct slice object;

	if (!relation) {
		lin_output_anything(l, ret);
		return;
	}
	with = lin_with_add(l, tag, outer, with);
	/* A WITH name is no target. */
	target = lin_table(l, relation, NULL);
	if (!target)
		return;
	object = target->object;
	lin_scope_add(&s, target);
	for (size_t i = 0; i < 2; i++)
		lin_from(l, lin_child(l, tag, froms[i]), &s, with);
	if (lin_tag_is(l, tag, "InsertStmt")) {
		change_source(l, tag, object, outer, with);
		change_conflict(l, lin_child(l, tag, "onConflictClause"), object, &s, with);
	} else if (lin_tag_is(l, tag, "MergeStmt")) {
		lin_from_one(l, lin_child(l, tag, "sourceRelation"), &s, with);
		change_merge(l, tag, object, &s, with);
	} else {
		change_assignments(l, lin_child(l, tag, "targetList"), object, &s, with);
	}
	lin_filter_expr(l, lin_child(l, tag, "whereClause"), &s, with);
	lin_targets(l, ret, lin_child(l, tag, "returningList"), &s, with);
}
