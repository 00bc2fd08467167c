/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the condition of a DELETE or UPDATE bound it?
 *
 * No parser can tell what is in a table, so `id > 0` counts as bounded. What can be told, and is
 * what agents and people really write by mistake or to get around a rule, is a condition that is
 * missing, constant (`true`, `1 = 1`), or compares a column with itself. In between lies
 * TRI_UNKNOWN: whatever compares something else than one plain column with something free of
 * columns.
 */
#include "sql/walk.h"

/* How much of the table a condition reaches, from worst to best. Two conditions of WHERE_SOME can
 * be each other's complement (`x < 5 OR x >= 5`), two of WHERE_FEW hardly. */
enum where { WHERE_ALL, WHERE_UNKNOWN, WHERE_SOME, WHERE_FEW };

enum { WHERE_DEPTH_MAX = 64, WHERE_STEPS_MAX = 4 * 1000 * 1000 };

static enum where where_expr(struct walk *w, uint32_t wrapper, unsigned depth);

static bool where_tag_is(const struct walk *w, uint32_t tag, const char *name)
{
	return tag && slice_eq_str(json_key(&w->tree, tag), name);
}

/* Conditions may nest (a DELETE in a WITH in a condition), and each looks at all that is below it:
 * when that comes to too much, everything is said to be there, and so nothing to be bounded. */
static bool where_contains(struct walk *w, uint32_t subtree, const char *tag)
{
	struct slice name = slice_str(tag);

	w->n_where_steps += subtree ? w->tree.nodes[subtree].end - subtree : 0;
	if (w->n_where_steps > WHERE_STEPS_MAX)
		return true;
	for (uint32_t i = subtree; subtree && i < w->tree.nodes[subtree].end; i++)
		if (slice_eq(json_key(&w->tree, i), name))
			return true;
	return false;
}

/* The same value for every row: no column, nor anything that could look one up. */
static bool where_is_free(struct walk *w, uint32_t side)
{
	return !where_contains(w, side, "ColumnRef") && !where_contains(w, side, "SubLink");
}

/* No function either: the condition holds for all rows or for none. */
static bool where_is_fixed(struct walk *w, uint32_t side)
{
	return where_is_free(w, side) && !where_contains(w, side, "FuncCall") &&
	       !where_contains(w, side, "CurrentOfExpr");
}

/* lower() and upper() keep values apart; most functions need not (pg_typeof(id), id % 1). */
static uint32_t where_under_case(struct walk *w, uint32_t call)
{
	uint32_t name = json_child(&w->tree, call, "funcname"),
		 args = json_child(&w->tree, call, "args");
	struct slice part;

	if (!name || !args || walk_strings(w, name, &part, 1) != 1)
		return 0;
	if (!slice_eq_str(part, "lower") && !slice_eq_str(part, "upper"))
		return 0;
	return json_first(&w->tree, json_first(&w->tree, args));
}

/* The fields of a plain column, also under a cast or a change of case: day::date, lower(email). */
static uint32_t where_column(struct walk *w, uint32_t side)
{
	uint32_t tag = side ? json_first(&w->tree, side) : 0, fields;
	struct slice name;

	if (where_tag_is(w, tag, "TypeCast"))
		tag = json_first(&w->tree, json_child(&w->tree, tag, "arg"));
	else if (where_tag_is(w, tag, "FuncCall"))
		tag = where_under_case(w, tag);
	fields = where_tag_is(w, tag, "ColumnRef") ? json_child(&w->tree, tag, "fields") : 0;
	/* Every row of a table has the same tableoid. */
	if (fields && walk_strings(w, fields, &name, 1) && slice_eq_str(name, "tableoid"))
		return 0;
	return fields;
}

static enum where where_columns(struct walk *w, uint32_t left, uint32_t right)
{
	struct slice a[3], b[3];
	size_t n_a = walk_strings(w, left, a, 3), n_b = walk_strings(w, right, b, 3);

	if (!n_a || !n_b)
		return WHERE_UNKNOWN;
	if (!slice_eq(a[n_a - 1], b[n_b - 1]))
		return WHERE_SOME;
	/* t.id = id is the same column said twice; t.id = other.id is a join. */
	if (n_a > 1 && n_b > 1 && !slice_eq(a[n_a - 2], b[n_b - 2]))
		return WHERE_UNKNOWN;
	return WHERE_ALL;
}

static struct slice where_operator(struct walk *w, uint32_t expr)
{
	uint32_t name = json_child(&w->tree, expr, "name");
	struct slice parts[1];

	return name && walk_strings(w, name, parts, 1) ? parts[0] : SLICE_NULL;
}

/* `x LIKE '%'` bounds nothing; a pattern that comes as a parameter is taken at its word. */
static enum where where_like(struct walk *w, uint32_t pattern, bool is_not)
{
	struct slice text;

	if (!walk_constant(w, pattern, &text))
		return WHERE_SOME;
	w->looked_at_constant = true;
	for (size_t i = 0; i < text.n && !is_not; i++)
		if (text.p[i] != '%' && text.p[i] != '_')
			return WHERE_SOME;
	return is_not ? WHERE_SOME : WHERE_ALL;
}

/* Equality keeps few rows, an order comparison some; of other operators nothing is known. */
static enum where where_compare(struct slice op)
{
	static const char *const orders[] = {"<", ">", "<=", ">=", "<>", "!="};

	if (slice_eq_str(op, "="))
		return WHERE_FEW;
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
		if (slice_eq_str(op, orders[i]))
			return WHERE_SOME;
	return WHERE_UNKNOWN;
}

/* One plain column against something that has none. */
static enum where where_against(struct walk *w, uint32_t expr, uint32_t other)
{
	struct slice op = where_operator(w, expr);

	if (walk_says(w, expr, "kind", "AEXPR_OP") || walk_says(w, expr, "kind", "AEXPR_IN"))
		return where_compare(op);
	if (walk_says(w, expr, "kind", "AEXPR_OP_ANY"))
		return slice_eq_str(op, "=") ? WHERE_FEW : WHERE_UNKNOWN;
	if (walk_says(w, expr, "kind", "AEXPR_NOT_DISTINCT"))
		return WHERE_FEW;
	if (walk_says(w, expr, "kind", "AEXPR_LIKE") || walk_says(w, expr, "kind", "AEXPR_ILIKE"))
		return where_like(w, other, op.n && op.p[0] == '!');
	if (walk_says(w, expr, "kind", "AEXPR_BETWEEN") ||
		walk_says(w, expr, "kind", "AEXPR_NOT_BETWEEN") ||
		walk_says(w, expr, "kind", "AEXPR_BETWEEN_SYM") ||
		walk_says(w, expr, "kind", "AEXPR_NOT_BETWEEN_SYM"))
		return WHERE_SOME;
	return WHERE_UNKNOWN;
}

static enum where where_operation(struct walk *w, uint32_t expr)
{
	uint32_t left = json_child(&w->tree, expr, "lexpr"),
		 right = json_child(&w->tree, expr, "rexpr");
	uint32_t left_column = where_column(w, left), right_column = where_column(w, right);
	uint32_t name = json_child(&w->tree, expr, "name");

	if (where_is_fixed(w, left) && where_is_fixed(w, right))
		return WHERE_ALL;
	/* OPERATOR(schema.=) may mean anything. */
	if (!name ||
		(json_first(&w->tree, name) && json_next(&w->tree, json_first(&w->tree, name))))
		return WHERE_UNKNOWN;
	if (left_column && right_column)
		return where_columns(w, left_column, right_column);
	if (left_column && where_is_free(w, right))
		return where_against(w, expr, right);
	if (right_column && where_is_free(w, left) && walk_says(w, expr, "kind", "AEXPR_OP"))
		return where_against(w, expr, left);
	return WHERE_UNKNOWN;
}

static enum where where_or(enum where a, enum where b)
{
	if (a == WHERE_ALL || b == WHERE_ALL)
		return WHERE_ALL;
	return a == WHERE_FEW && b == WHERE_FEW ? WHERE_FEW : WHERE_UNKNOWN;
}

static enum where where_not(struct walk *w, uint32_t arg, unsigned depth)
{
	enum where inner = where_expr(w, arg, depth);

	/* NOT (x = 1 AND x = 2) is true; NOT false is constant like false. */
	if (inner == WHERE_ALL || inner == WHERE_UNKNOWN)
		return inner;
	return where_tag_is(w, json_first(&w->tree, arg), "BoolExpr") ? WHERE_UNKNOWN : WHERE_SOME;
}

static enum where where_bool(struct walk *w, uint32_t expr, unsigned depth)
{
	uint32_t args = json_child(&w->tree, expr, "args"),
		 first = args ? json_first(&w->tree, args) : 0;
	bool is_and = walk_says(w, expr, "boolop", "AND_EXPR");
	enum where all;

	if (!first)
		return WHERE_UNKNOWN;
	if (walk_says(w, expr, "boolop", "NOT_EXPR"))
		return where_not(w, first, depth);
	all = where_expr(w, first, depth);
	for (uint32_t i = json_next(&w->tree, first); i; i = json_next(&w->tree, i)) {
		enum where one = where_expr(w, i, depth);

		if (is_and)
			all = one > all ? one : all;
		else
			all = where_or(all, one);
	}
	return all;
}

static enum where where_expr(struct walk *w, uint32_t wrapper, unsigned depth)
{
	uint32_t tag = json_first(&w->tree, wrapper);

	if (!tag || depth >= WHERE_DEPTH_MAX)
		return WHERE_UNKNOWN;
	if (where_tag_is(w, tag, "BoolExpr"))
		return where_bool(w, tag, depth + 1);
	if (where_tag_is(w, tag, "A_Expr"))
		return where_operation(w, tag);
	if (where_tag_is(w, tag, "CurrentOfExpr"))
		return WHERE_FEW;
	if (where_is_fixed(w, tag))
		return WHERE_ALL;
	if (where_tag_is(w, tag, "ColumnRef") || where_tag_is(w, tag, "BooleanTest"))
		return where_tag_is(w, tag, "ColumnRef") ||
				       where_column(w, json_child(&w->tree, tag, "arg"))
			       ? WHERE_SOME
			       : WHERE_UNKNOWN;
	/* IS NOT NULL holds for every row of most columns. */
	if (where_tag_is(w, tag, "NullTest") && walk_says(w, tag, "nulltesttype", "IS_NULL") &&
		where_column(w, json_child(&w->tree, tag, "arg")))
		return WHERE_FEW;
	return WHERE_UNKNOWN;
}

enum tri where_is_bounded(struct walk *w, uint32_t condition)
{
	switch (condition ? where_expr(w, condition, 0) : WHERE_ALL) {
	case WHERE_ALL:
		return TRI_NO;
	case WHERE_SOME:
	case WHERE_FEW:
		return TRI_YES;
	case WHERE_UNKNOWN:
		break;
	}
	return TRI_UNKNOWN;
}
