/* SPDX-License-Identifier: Apache-2.0 */
/* The statements of a text, and the block that is kept of them: see lineage.h. */
#include <sys/random.h>

#include "sql/lineage.h"

/* What a text gives: the columns of its only result, if that is what they are. */
struct find {
	struct lin_output output;
	uint32_t flags; /* enum lineage_flag */
};

static bool find_is_change(const struct lin *l, uint32_t tag)
{
	return lin_tag_is(l, tag, "InsertStmt") || lin_tag_is(l, tag, "UpdateStmt") ||
	       lin_tag_is(l, tag, "DeleteStmt") || lin_tag_is(l, tag, "MergeStmt");
}

/* A query or a change; anything else may show anything. */
static void find_rows(struct lin *l, uint32_t tag, struct lin_output *ret)
{
	if (find_is_change(l, tag)) {
		lin_change(l, tag, NULL, NULL, ret);
		return;
	}
	if (!lin_tag_is(l, tag, "SelectStmt")) {
		lin_output_anything(l, ret);
		return;
	}
	lin_query(l, tag, NULL, NULL, ret);
	if (lin_child(l, tag, "intoClause"))
		lin_store_output(l, ret);
}

/* A plan quotes what is written in the statement and in the views that it names, and what functions
 * make of constants; never a row. */
static void find_plan(struct lin *l, uint32_t tag, struct lin_output *ret)
{
	uint32_t query = lin_tag(l, lin_child(l, tag, "query"));
	struct lineage_set plan = {0};
	struct lin_output rows = {0};
	struct lin_item *item = lin_alloc(l, sizeof(*item));

	if (lin_tag_is(l, query, "CreateTableAsStmt") || lin_tag_is(l, query, "DeclareCursorStmt"))
		query = lin_tag(l, lin_child(l, query, "query"));
	l->plan = &plan;
	find_rows(l, query, &rows);
	l->plan = NULL;
	if (!item)
		return;
	item->from = plan;
	if (!find_is_change(l, query) && !lin_tag_is(l, query, "SelectStmt"))
		item->from.may_be_anything = true;
	*ret = (struct lin_output){.first = item, .last = item, .n = 1};
}

static void find_copy(struct lin *l, uint32_t tag, struct lin_output *ret)
{
	uint32_t relation = lin_child(l, tag, "relation"), columns = lin_child(l, tag, "attlist");
	struct lin_rel *r = relation ? lin_table(l, relation, NULL) : NULL;
	struct lin_scope s = {.rels = r};

	if (!relation) {
		find_rows(l, lin_tag(l, lin_child(l, tag, "query")), ret);
		return;
	}
	for (uint32_t i = lin_first(l, columns); i || !columns; i = lin_next(l, i)) {
		struct lin_item *item = lin_alloc(l, sizeof(*item));

		if (!item)
			return;
		if (columns)
			lin_add_name(l, &item->from, lin_text(l, lin_tag(l, i), "sval"), &s);
		else
			lin_add_whole(l, &item->from, r, NULL);
		item->is_star = !columns;
		item->is_direct = true;
		item->next = ret->first;
		ret->first = item;
		ret->n++;
		if (!columns || !lin_next(l, i))
			return;
	}
}

/* COPY (SELECT …) TO and COPY FROM … WHERE. */
static void find_in_copy(struct lin *l, uint32_t tag, struct find *f)
{
	uint32_t relation = lin_child(l, tag, "relation");
	struct lin_scope s = {0};

	if (!walk_says(l->w, tag, "is_from", "true")) {
		find_copy(l, tag, &f->output);
		f->flags = LINEAGE_IS_COPY;
		return;
	}
	s.rels = relation ? lin_table(l, relation, NULL) : NULL;
	lin_filter_expr(l, lin_child(l, tag, "whereClause"), &s, NULL);
}

static void find_statement(struct lin *l, uint32_t tag, struct find *f)
{
	f->output = (struct lin_output){0};
	f->flags = 0;
	if (lin_tag_is(l, tag, "SelectStmt") || find_is_change(l, tag)) {
		bool has_rows = !find_is_change(l, tag) || lin_child(l, tag, "returningList");

		find_rows(l, tag, &f->output);
		f->flags = has_rows ? LINEAGE_IS_RESULT : 0;
	} else if (lin_tag_is(l, tag, "ExplainStmt")) {
		find_plan(l, tag, &f->output);
		f->flags = LINEAGE_IS_RESULT;
	} else if (lin_tag_is(l, tag, "DeclareCursorStmt")) {
		find_rows(l, lin_tag(l, lin_child(l, tag, "query")), &f->output);
		f->flags = LINEAGE_IS_CURSOR;
	} else if (lin_tag_is(l, tag, "CreateTableAsStmt")) {
		find_rows(l, lin_tag(l, lin_child(l, tag, "query")), &f->output);
		lin_store_output(l, &f->output);
	} else if (lin_tag_is(l, tag, "CopyStmt")) {
		find_in_copy(l, tag, f);
	} else if (lin_tag_is(l, tag, "ExecuteStmt")) {
		f->flags = LINEAGE_IS_EXECUTE;
	}
}

/* ---- the block ------------------------------------------------------------------------------- */

static size_t find_round(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

static uint32_t find_put(uint8_t *block, size_t *at, struct slice text)
{
	uint32_t offset = (uint32_t)*at;

	if (text.n)
		memcpy(block + *at, text.p, text.n);
	*at += text.n;
	return offset;
}

static void find_fill(struct lineage *ret, const struct lin *l, const struct find *f, size_t text)
{
	uint8_t *block = (uint8_t *)ret;
	struct lineage_source *sources = (struct lineage_source *)(block + ret->sources);
	struct lineage_column *columns = (struct lineage_column *)(block + ret->columns);
	size_t n = 0;

	for (size_t i = 0; i < l->n_sources; i++) {
		sources[i].kind = l->sources[i].kind;
		sources[i].object = find_put(block, &text, l->sources[i].object);
		sources[i].object_len = (uint32_t)l->sources[i].object.n;
		sources[i].name = find_put(block, &text, l->sources[i].name);
		sources[i].name_len = (uint32_t)l->sources[i].name.n;
	}
	for (const struct lin_item *i = f->output.first; i && n < ret->n_columns; i = i->next)
		columns[n++] = (struct lineage_column){i->from, i->is_star, i->is_direct};
	if (l->n_stores)
		memcpy(block + ret->stores, l->stores, l->n_stores * sizeof(*l->stores));
}

static const struct lineage *find_block(struct lin *l, struct find *f)
{
	size_t n_columns = f->output.n, size, text;
	struct lineage *ret;

	if (n_columns > LINEAGE_COLUMNS_MAX) {
		lin_output_anything(l, &f->output);
		n_columns = 1;
	}
	if (!(f->flags & LINEAGE_HAS_COLUMNS))
		n_columns = 0;
	text = find_round(sizeof(*ret)) + find_round(l->n_sources * sizeof(struct lineage_source)) +
	       find_round(n_columns * sizeof(struct lineage_column)) +
	       find_round(l->n_stores * sizeof(struct lineage_store));
	size = text;
	for (size_t i = 0; i < l->n_sources; i++)
		size += l->sources[i].object.n + l->sources[i].name.n;
	size = find_round(size);
	ret = lin_alloc(l, size);
	if (!ret)
		return NULL;
	*ret = (struct lineage){.size = size,
		.flags = f->flags,
		.n_sources = (uint32_t)l->n_sources,
		.n_columns = (uint32_t)n_columns,
		.n_stores = (uint32_t)l->n_stores,
		.sources = (uint32_t)find_round(sizeof(*ret)),
		.filters = l->filters};
	ret->columns =
		ret->sources + (uint32_t)find_round(l->n_sources * sizeof(struct lineage_source));
	ret->stores =
		ret->columns + (uint32_t)find_round(n_columns * sizeof(struct lineage_column));
	find_fill(ret, l, f, text);
	return ret;
}

static bool find_is_nothing(const struct lin *l, const struct find *f)
{
	static const struct lineage_set none;

	/* Constants beside a table show nothing of it: that has to be said. So it has to for COPY,
	 * which exports what could be anything where it names no table. */
	if ((f->flags & LINEAGE_HAS_COLUMNS && (l->w->has_read || f->flags & LINEAGE_IS_COPY)) ||
		f->flags & LINEAGE_IS_EXECUTE || l->n_stores || !lineage_set_eq(&l->filters, &none))
		return false;
	for (const struct lin_item *i = f->output.first; i; i = i->next)
		if (!lineage_set_eq(&i->from, &none))
			return false;
	return true;
}

const struct lineage *lineage_find(struct walk *w, uint32_t stmts)
{
	struct lin l = {.w = w};
	struct find f = {0};
	size_t n = 0;

	/* Without one it is only easier to guess. */
	(void)!getrandom(&l.seed, sizeof(l.seed), GRND_NONBLOCK);
	for (uint32_t i = stmts ? json_first(&w->tree, stmts) : 0; i; i = json_next(&w->tree, i)) {
		find_statement(&l, lin_tag(&l, json_child(&w->tree, i, "stmt")), &f);
		n++;
	}
	if (n != 1)
		f = (struct find){0};
	return find_is_nothing(&l, &f) ? NULL : find_block(&l, &f);
}
