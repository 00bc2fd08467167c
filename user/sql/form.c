/* SPDX-License-Identifier: Apache-2.0 */
/* Forms of statements: see form.h. */
#include "sql/form.h"

#include <errno.h>
#include <pg_query.h>
#include <stdio.h>
#include <stdlib.h>

#include "sql/json_tree.h"
#include "sql/prescan.h"
#include "util/utf8.h"
#include "util/writer.h"

/* What stands for a constant in the key; a text with such bytes has no form. */
enum { FORM_MARK = 1, FORM_WORDS_MAX = 200 };

/* A constant in the text. */
struct form_span {
	uint32_t at, len;
	char kind;       /* i(nteger), n(umber), s(tring) */
	uint32_t column; /* node of the ColumnRef or name that it meets */
	struct slice op;
};

struct form_walk {
	struct json_tree tree;
	struct slice text;
	struct arena *arena;
	struct form_span spans[FORM_FREE_MAX];
	size_t n_spans;
	unsigned free_uses[FORM_PARAMS_MAX], uses[FORM_PARAMS_MAX];
	bool is_full;
};

static bool form_key_is(const struct form_walk *w, uint32_t node, const char *key)
{
	return node && slice_eq_str(json_key(&w->tree, node), key);
}

/* The only member of a wrapper object {"ColumnRef": {…}}, or 0. */
static uint32_t form_tag(const struct form_walk *w, uint32_t wrapper)
{
	return wrapper ? json_first(&w->tree, wrapper) : 0;
}

/* ---- where a constant may stand -------------------------------------------------------------- */

/*
 * Every step from the statement down to the constant must be one of these: so nothing below a
 * function, a LIMIT, a CASE or what nobody here thought of is free.
 */
static bool form_is_plain_path(const struct form_walk *w, uint32_t node)
{
	static const char *const steps[] = {"stmts", "stmt", "SelectStmt", "InsertStmt",
		"UpdateStmt", "DeleteStmt", "whereClause", "A_Expr", "lexpr", "rexpr", "BoolExpr",
		"List", "items", "targetList", "ResTarget", "val", "valuesLists", "selectStmt",
		"onConflictClause", "fromClause", "usingClause", "JoinExpr", "quals", "larg",
		"rarg", "SubLink", "subselect", "withClause", "ctes", "CommonTableExpr", "ctequery",
		"havingClause", NULL};

	for (uint32_t i = node; i; i = w->tree.nodes[i].parent) {
		struct slice key = json_key(&w->tree, i);
		size_t k = 0;

		if (!key.n)
			continue; /* an element of a list */
		if (slice_eq_str(key, "args") &&
			form_key_is(w, w->tree.nodes[i].parent, "BoolExpr"))
			continue;
		while (steps[k] && !slice_eq_str(key, steps[k]))
			k++;
		if (!steps[k])
			return false;
	}
	return true;
}

/* ---- constants in the text ------------------------------------------------------------------- */

static bool form_is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static uint8_t form_at(const struct form_walk *w, size_t i)
{
	return i < w->text.n ? w->text.p[i] : 0;
}

static bool form_is_word(uint8_t c)
{
	return form_is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' ||
	       c == '$' || c == '.' || c >= 0x80;
}

static bool form_number(const struct form_walk *w, size_t from, struct form_span *ret)
{
	size_t i = from, digits;

	if (form_at(w, i) == '-')
		for (i++; form_at(w, i) == ' ';)
			i++;
	digits = i;
	while (form_is_digit(form_at(w, i)))
		i++;
	if (i == digits)
		return false;
	/* The parser takes one of ten digits for another kind of token at times. */
	ret->kind = i - digits < 10 ? 'i' : 'n';
	if (form_at(w, i) == '.' && form_is_digit(form_at(w, i + 1))) {
		ret->kind = 'n';
		for (i++; form_is_digit(form_at(w, i));)
			i++;
	}
	ret->at = (uint32_t)from;
	ret->len = (uint32_t)(i - from);
	return !form_is_word(form_at(w, i));
}

static bool form_string(const struct form_walk *w, size_t from, struct form_span *ret)
{
	size_t i = from + 1;

	for (;; i++) {
		if (i >= w->text.n || w->text.p[i] == '\\')
			return false;
		if (w->text.p[i] != '\'')
			continue;
		if (form_at(w, i + 1) != '\'')
			break;
		i++;
	}
	*ret = (struct form_span){
		.at = (uint32_t)from, .len = (uint32_t)(i + 1 - from), .kind = 's'};
	/* A quote behind a newline continues the literal. */
	for (i++; form_at(w, i) == ' ' || form_at(w, i) == '\n' || form_at(w, i) == '\t' ||
		  form_at(w, i) == '\r';)
		i++;
	return form_at(w, i) != '\'';
}

static bool form_location(const struct form_walk *w, uint32_t node, size_t *ret)
{
	uint32_t at = json_child(&w->tree, node, "location");
	struct slice digits = at ? json_raw(&w->tree, at) : SLICE_NULL;

	*ret = 0;
	for (size_t i = 0; i < digits.n; i++) {
		if (!form_is_digit(digits.p[i]) || *ret > w->text.n)
			return false;
		*ret = *ret * 10 + (digits.p[i] - '0');
	}
	return *ret < w->text.n;
}

static unsigned form_param(const struct form_walk *w, uint32_t tag)
{
	uint32_t number = json_child(&w->tree, tag, "number");
	struct slice digits = number ? json_raw(&w->tree, number) : SLICE_NULL;
	unsigned n = 0;

	for (size_t i = 0; i < digits.n && n <= FORM_PARAMS_MAX; i++)
		n = n * 10 + (unsigned)(digits.p[i] - '0');
	return n <= FORM_PARAMS_MAX ? n : 0;
}

/* The value at `wrapper` meets the column: it is free if it is a constant, cast or not. */
static void form_free(struct form_walk *w, uint32_t wrapper, uint32_t column, struct slice op)
{
	struct form_span span = {0};
	uint32_t tag = form_tag(w, wrapper);
	unsigned param;
	size_t at;

	if (form_key_is(w, tag, "TypeCast"))
		tag = form_tag(w, json_child(&w->tree, tag, "arg"));
	if (form_key_is(w, tag, "ParamRef")) {
		param = form_param(w, tag);
		if (param)
			w->free_uses[param - 1]++;
		return;
	}
	if (!form_key_is(w, tag, "A_Const") || !form_location(w, tag, &at))
		return;
	if (!(form_at(w, at) == '\'' ? form_string(w, at, &span) : form_number(w, at, &span)))
		return;
	w->is_full |= w->n_spans == FORM_FREE_MAX;
	if (w->is_full)
		return;
	span.column = column;
	span.op = op;
	w->spans[w->n_spans++] = span;
}

/* ---- comparisons and assignments ------------------------------------------------------------- */

/* A column by its name, not t.* */
static uint32_t form_column(const struct form_walk *w, uint32_t wrapper)
{
	uint32_t tag = form_tag(w, wrapper), fields, last = 0;

	if (!form_key_is(w, tag, "ColumnRef"))
		return 0;
	fields = json_child(&w->tree, tag, "fields");
	for (uint32_t i = fields ? json_first(&w->tree, fields) : 0; i;
		i = json_next(&w->tree, i)) {
		uint32_t part = form_tag(w, i);

		if (!form_key_is(w, part, "String"))
			return 0;
		last = json_child(&w->tree, part, "sval");
	}
	return last;
}

static struct slice form_operator(struct form_walk *w, uint32_t expr)
{
	static const char *const comparisons[] = {"=", "<>", "<", "<=", ">", ">=", NULL};
	uint32_t kind = json_child(&w->tree, expr, "kind"),
		 name = json_child(&w->tree, expr, "name"), part;
	struct slice op;

	if (!kind || !name)
		return SLICE_NULL;
	if (slice_eq_str(json_raw(&w->tree, kind), "AEXPR_BETWEEN"))
		return SLICE_LIT("BETWEEN");
	part = form_tag(w, json_first(&w->tree, name));
	/* A schema in front would be an operator of somebody's. */
	if (json_next(&w->tree, json_first(&w->tree, name)) || !form_key_is(w, part, "String"))
		return SLICE_NULL;
	op = json_text(&w->tree, json_child(&w->tree, part, "sval"), w->arena);
	if (slice_eq_str(json_raw(&w->tree, kind), "AEXPR_IN"))
		return slice_eq_str(op, "=") ? SLICE_LIT("IN") : SLICE_LIT("NOT IN");
	if (!slice_eq_str(json_raw(&w->tree, kind), "AEXPR_OP"))
		return SLICE_NULL;
	for (size_t i = 0; comparisons[i]; i++)
		if (slice_eq_str(op, comparisons[i]))
			return op;
	return SLICE_NULL;
}

static void form_items(struct form_walk *w, uint32_t list, uint32_t column, struct slice op)
{
	uint32_t items = json_child(&w->tree, list, "items");

	for (uint32_t i = items ? json_first(&w->tree, items) : 0; i; i = json_next(&w->tree, i))
		form_free(w, i, column, op);
}

static void form_compare(struct form_walk *w, uint32_t expr)
{
	struct slice op = form_operator(w, expr);
	uint32_t left = json_child(&w->tree, expr, "lexpr"),
		 right = json_child(&w->tree, expr, "rexpr");
	uint32_t column = op.n ? form_column(w, left) : 0;

	if (!op.n || !left || !right)
		return;
	if (column && form_key_is(w, form_tag(w, right), "List"))
		form_items(w, form_tag(w, right), column, op);
	else if (column)
		form_free(w, right, column, op);
	else if (form_column(w, right))
		form_free(w, left, form_column(w, right), op);
}

static void form_assign(struct form_walk *w, uint32_t targets)
{
	for (uint32_t i = targets ? json_first(&w->tree, targets) : 0; i;
		i = json_next(&w->tree, i)) {
		uint32_t target = form_tag(w, i), val;

		if (!form_key_is(w, target, "ResTarget"))
			continue;
		val = json_child(&w->tree, target, "val");
		if (val && json_child(&w->tree, target, "name"))
			form_free(w, val, json_child(&w->tree, target, "name"), SLICE_LIT(":="));
	}
}

static void form_values(struct form_walk *w, uint32_t insert)
{
	uint32_t select = form_tag(w, json_child(&w->tree, insert, "selectStmt"));
	uint32_t rows = select ? json_child(&w->tree, select, "valuesLists") : 0;
	uint32_t cols = json_child(&w->tree, insert, "cols");

	for (uint32_t row = rows ? json_first(&w->tree, rows) : 0; row;
		row = json_next(&w->tree, row)) {
		uint32_t list = form_tag(w, row), col = cols ? json_first(&w->tree, cols) : 0;
		uint32_t items = list ? json_child(&w->tree, list, "items") : 0;

		for (uint32_t i = items ? json_first(&w->tree, items) : 0; i;
			i = json_next(&w->tree, i)) {
			uint32_t name = col ? json_child(&w->tree, form_tag(w, col), "name") : 0;

			form_free(w, i, name, SLICE_LIT(":="));
			col = col ? json_next(&w->tree, col) : 0;
		}
	}
}

static void form_visit(struct form_walk *w, uint32_t node)
{
	uint32_t conflict;

	if (form_key_is(w, node, "ParamRef")) {
		unsigned param = form_param(w, node);

		if (param)
			w->uses[param - 1]++;
		return;
	}
	if (!form_key_is(w, node, "A_Expr") && !form_key_is(w, node, "UpdateStmt") &&
		!form_key_is(w, node, "InsertStmt"))
		return;
	if (!form_is_plain_path(w, node))
		return;
	if (form_key_is(w, node, "A_Expr")) {
		form_compare(w, node);
	} else if (form_key_is(w, node, "UpdateStmt")) {
		form_assign(w, json_child(&w->tree, node, "targetList"));
	} else {
		form_values(w, node);
		conflict = json_child(&w->tree, node, "onConflictClause");
		if (conflict)
			form_assign(w, json_child(&w->tree, conflict, "targetList"));
	}
}

/* ---- the form -------------------------------------------------------------------------------- */

static int form_compare_spans(const void *a, const void *b)
{
	const struct form_span *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

static struct slice form_words(struct form_walk *w, const struct form_span *s)
{
	uint8_t *p = arena_alloc(w->arena, FORM_WORDS_MAX);
	struct writer out = writer_of(p, p ? FORM_WORDS_MAX : 0);

	if (!p)
		return SLICE_NULL;
	if (s->column) {
		wr_slice(&out, slice_head(json_text(&w->tree, s->column, w->arena), 64));
		wr_str(&out, " ");
		wr_slice(&out, s->op);
		wr_str(&out, " ");
	}
	/* A long one is cut; the statement beside it has the whole. */
	wr_slice(&out, slice_head(slice_of(w->text.p + s->at, s->len), 100));
	return slice_of(out.p, out.n);
}

static int form_finish(struct form_walk *w, struct form *ret)
{
	uint8_t *key = arena_alloc(w->arena, w->text.n + 2 * FORM_FREE_MAX);
	struct writer out = writer_of(key, key ? w->text.n + 2 * FORM_FREE_MAX : 0);
	size_t from = 0;

	if (!key)
		return err_raise(-ENOMEM);
	qsort(w->spans, w->n_spans, sizeof(w->spans[0]), form_compare_spans);
	for (size_t i = 0; i < w->n_spans; i++) {
		const struct form_span *s = &w->spans[i];

		if (s->at < from)
			return FORM_E_NONE; /* said twice: the tree is not what we think */
		wr_slice(&out, slice_of(w->text.p + from, s->at - from));
		wr_bytes(&out, (char[]){FORM_MARK, s->kind}, 2);
		from = s->at + s->len;
		ret->free[ret->n_free++] = form_words(w, s);
	}
	wr_slice(&out, slice_skip(w->text, from));
	ret->key = wr_done(&out);
	for (unsigned i = 0; i < FORM_PARAMS_MAX; i++)
		if (w->uses[i] && w->uses[i] == w->free_uses[i])
			ret->free_params |= UINT64_C(1) << i;
	return 0;
}

static int form_read(struct form_walk *w, const char *json, struct form *ret)
{
	uint32_t stmts, stmt, tag;
	int r = json_tree_init(&w->tree, slice_str(json));

	if (r)
		return r > 0 ? FORM_E_NONE : err_trace(r);
	stmts = json_child(&w->tree, 0, "stmts");
	stmt = stmts ? json_first(&w->tree, stmts) : 0;
	tag = stmt ? form_tag(w, json_child(&w->tree, stmt, "stmt")) : 0;
	if (!tag || json_next(&w->tree, stmt) ||
		(!form_key_is(w, tag, "SelectStmt") && !form_key_is(w, tag, "InsertStmt") &&
			!form_key_is(w, tag, "UpdateStmt") && !form_key_is(w, tag, "DeleteStmt")))
		return FORM_E_NONE;
	for (uint32_t i = 0; i < w->tree.n; i++)
		form_visit(w, i);
	return w->is_full ? FORM_E_NONE : err_trace(form_finish(w, ret));
}

int sql_form(struct slice text, struct arena *arena, struct form *ret)
{
	PgQueryParseResult result;
	struct form_walk *w;
	char *copy;
	int r;

	*ret = (struct form){0};
	if (!text.n || text.n > FORM_TEXT_MAX || sql_prescan(text) != PRESCAN_QUICK ||
		!utf8_is_valid(text) || memchr(text.p, FORM_MARK, text.n))
		return FORM_E_NONE;
	w = arena_alloc(arena, sizeof(*w));
	copy = arena_alloc(arena, text.n + 1);
	if (!w || !copy)
		return err_raise(-ENOMEM);
	memcpy(copy, text.p, text.n);
	copy[text.n] = 0;
	*w = (struct form_walk){.text = text, .arena = arena};
	result = pg_query_parse(copy);
	r = result.error ? FORM_E_NONE : form_read(w, result.parse_tree, ret);
	json_tree_deinit(&w->tree);
	pg_query_free_parse_result(result);
	return r;
}
