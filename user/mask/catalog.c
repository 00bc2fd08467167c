/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which columns of one database are protected: see mask.h.
 *
 * Every table that was added is kept with its name, so that a name known to be harmless can be told
 * from one never heard of; of columns only the protected ones are kept. A view that was said to
 * show a column is kept at that column's table and becomes derived when the column turns out
 * protected, whichever is added first, and so do the views over it.
 */
#include <errno.h>
#include <stdlib.h>

#include "mask/name.h"
#include "mask/plan.h"
#include "mask/transform.h"
#include "util/map.h"

enum {
	CATALOG_TABLES_MAX = 1 << 18,
	CATALOG_COLUMNS_MAX = 1 << 20,
	CATALOG_MEM_MAX = 128 << 20,
	FIRST_USER_TABLE = 16384, /* PostgreSQL gives ids below this to what it comes with */
};

/* A column about which there is something to know. */
struct catalog_name {
	struct catalog_name *next; /* of the same table */
	struct slice name;
	struct column_fate fate;
};

/* A column of a view that is a column of something else. */
struct catalog_shown {
	struct catalog_shown *next; /* of the same view */
	struct slice name;
	uint32_t from_table;
	uint16_t attr, from_attr;
};

struct catalog_table {
	uint32_t id;
	bool is_known;                /* added, not only named as a source */
	bool is_protected;            /* has a protected column */
	bool runs_code, runs_written; /* touching it, changing it runs code of somebody's */
	bool is_queued;               /* newly derived, its own views not yet looked at */
	struct column_fate derived;   /* is_unproven if it may show protected columns */
	struct catalog_edge *views, *sources;
	struct catalog_name *columns;
	struct catalog_shown *shown;
	struct catalog_table *next_same_name, *next_queued;
	struct slice schema;
};

/* `view` shows column attr (0: any) of `source`, in its own column to_attr (0: any); in the lists
 * of both. */
struct catalog_edge {
	struct catalog_edge *next_view, *next_source;
	struct catalog_table *view, *source;
	uint16_t attr, to_attr;
	struct slice to_name;
};

struct mask_catalog {
	const struct mask_rule *const *rules;
	bool has_rules;
	struct arena arena;
	struct map tables;  /* id → catalog_table */
	struct map columns; /* id << 16 | attr → catalog_name */
	struct map names;   /* name without schema → first catalog_table of that name */
	struct map words[MASK_WORD_N]; /* names of code that is not the server's own */
};

bool mask_rules_need_catalog(const struct mask_rule *const *rules)
{
	for (; rules && *rules; rules++)
		if ((*rules)->columns && (*rules)->columns[0])
			return true;
	return false;
}

struct column_fate rules_unknown_fate(const struct mask_rule *const *rules)
{
	struct column_fate fate = {0};

	for (uint64_t place = 1; rules && *rules; rules++, place <<= 1) {
		if (!(*rules)->columns || !(*rules)->columns[0])
			continue;
		fate.is_unproven = true;
		fate.rules |= place;
		if ((*rules)->unproven > fate.unproven)
			fate.unproven = (*rules)->unproven;
	}
	return fate;
}

/* ---- building -------------------------------------------------------------------------------- */

struct mask_catalog *mask_catalog_new(const struct mask_rule *const *rules)
{
	struct mask_catalog *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->rules = rules;
	c->has_rules = mask_rules_need_catalog(rules);
	arena_init(&c->arena, CATALOG_MEM_MAX);
	map_init(&c->tables, CATALOG_TABLES_MAX);
	map_init(&c->columns, CATALOG_COLUMNS_MAX);
	map_init(&c->names, CATALOG_TABLES_MAX);
	for (int i = 0; i < MASK_WORD_N; i++)
		map_init(&c->words[i], CATALOG_TABLES_MAX);
	return c;
}

struct mask_catalog *mask_catalog_free(struct mask_catalog *c)
{
	if (!c)
		return NULL;
	for (int i = 0; i < MASK_WORD_N; i++)
		map_deinit(&c->words[i]);
	map_deinit(&c->names);
	map_deinit(&c->columns);
	map_deinit(&c->tables);
	arena_deinit(&c->arena);
	free(c);
	return NULL;
}

static int catalog_put(struct map *m, struct slice key, void *value, void **ret_old)
{
	int r = map_put(m, key, value, ret_old);

	if (r == MAP_E_FULL)
		return MASK_E_FULL;
	return r ? err_trace(r) : 0;
}

/* The table, made unknown if it was never heard of. */
static int catalog_table_get(struct mask_catalog *c, uint32_t id, struct catalog_table **ret)
{
	uint64_t key = id;
	struct catalog_table *t = map_get(&c->tables, map_id(&key));
	int r;

	if (!t) {
		t = arena_alloc(&c->arena, sizeof(*t));
		if (!t)
			return MASK_E_FULL;
		t->id = id;
		r = catalog_put(&c->tables, map_id(&key), t, NULL);
		if (r)
			return r;
	}
	*ret = t;
	return 0;
}

/* Relations that PostgreSQL comes with and that quote values of other tables, or statements. */
static bool relation_quotes_others(struct slice schema, struct slice name)
{
	static const char *const names[] = {"pg_statistic", "pg_statistic_ext_data", "pg_stats",
		"pg_stats_ext", "pg_stats_ext_exprs", "pg_largeobject", "pg_stat_activity",
		"pg_stat_statements", "pg_prepared_statements", "pg_cursors", NULL};

	if (slice_eq_str(schema, "pg_toast"))
		return true;
	for (size_t i = 0; names[i]; i++)
		if (slice_eq_str(name, names[i]))
			return true;
	return false;
}

/* The same by id, for catalogs that were built without them. */
static bool table_quotes_others(uint32_t table)
{
	return table == 2619 || table == 3429 || table == 2613;
}

static void fate_merge(struct column_fate *to, const struct column_fate *from)
{
	if (from->is_unproven && from->unproven > to->unproven)
		to->unproven = from->unproven;
	if (from->is_unproven || from->is_protected)
		to->rules |= from->rules;
	to->is_unproven |= from->is_unproven;
	if (from->is_protected)
		to->as = to->is_protected ? transform_stricter(to->as, from->as) : from->as;
	to->is_protected |= from->is_protected;
}

/* A view over a column with this fate, and all views over that view, become unproven. A list
 * instead of recursion, since agents may be allowed to stack views as deep as they like. */
static void catalog_derive(struct catalog_table *view, const struct column_fate *source)
{
	struct column_fate fate = {
		.is_unproven = true, .unproven = source->unproven, .rules = source->rules};
	struct catalog_table *queue = view;

	view->next_queued = NULL;
	while (queue) {
		struct catalog_table *t = queue;
		bool is_news = !t->derived.is_unproven || t->derived.unproven < fate.unproven ||
			       fate.rules & ~t->derived.rules;

		queue = t->next_queued;
		t->is_queued = false;
		if (!is_news)
			continue;
		fate_merge(&t->derived, &fate);
		for (struct catalog_edge *e = t->views; e; e = e->next_view) {
			if (e->view->is_queued)
				continue;
			e->view->is_queued = true;
			e->view->next_queued = queue;
			queue = e->view;
		}
	}
}

int mask_catalog_add_table(
	struct mask_catalog *c, uint32_t table, struct slice schema, struct slice name)
{
	struct column_fate unknown = rules_unknown_fate(c->rules);
	struct catalog_table *t;
	void *same = NULL;
	int r;

	r = catalog_table_get(c, table, &t);
	if (r || t->is_known)
		return r;
	t->schema = arena_dup(&c->arena, schema);
	if (schema.n && !t->schema.p)
		return MASK_E_FULL;
	r = catalog_put(&c->names, name, t, &same);
	if (r)
		return r;
	t->next_same_name = same;
	t->is_known = true;
	if (unknown.is_unproven &&
		(relation_quotes_others(schema, name) || table_quotes_others(table)))
		catalog_derive(t, &unknown);
	return 0;
}

/* (table, attr) by what was added so far. */
static struct catalog_name *catalog_column(
	const struct mask_catalog *c, uint32_t table, uint16_t attr)
{
	uint64_t key = (uint64_t)table << 16 | attr;

	return map_get(&c->columns, map_id(&key));
}

static int catalog_column_get(struct mask_catalog *c, struct catalog_table *t, uint16_t attr,
	struct slice name, struct catalog_name **ret)
{
	uint64_t key = (uint64_t)t->id << 16 | attr;
	struct catalog_name *column = catalog_column(c, t->id, attr);
	int r;

	*ret = column;
	if (column)
		return 0;
	column = arena_alloc(&c->arena, sizeof(*column));
	if (!column)
		return MASK_E_FULL;
	column->name = arena_dup(&c->arena, name);
	if (name.n && !column->name.p)
		return MASK_E_FULL;
	r = catalog_put(&c->columns, map_id(&key), column, NULL);
	if (r)
		return r;
	column->next = t->columns;
	t->columns = column;
	*ret = column;
	return 0;
}

/* The source of an edge has a column with this fate. */
static int catalog_follow(
	struct mask_catalog *c, const struct catalog_edge *e, const struct column_fate *source)
{
	struct column_fate fate = {
		.is_unproven = true, .unproven = source->unproven, .rules = source->rules};
	struct catalog_name *column;
	int r;

	if (!e->to_attr) {
		catalog_derive(e->view, source);
		return 0;
	}
	r = catalog_column_get(c, e->view, e->to_attr, e->to_name, &column);
	if (!r)
		fate_merge(&column->fate, &fate);
	return r;
}

int mask_catalog_add_column(struct mask_catalog *c, uint32_t table, uint16_t attr,
	struct slice schema, struct slice name, struct slice column)
{
	struct column_fate fate = {0};
	struct catalog_name *known;
	struct catalog_table *t;
	int r;

	r = mask_catalog_add_table(c, table, schema, name);
	if (!r)
		r = catalog_table_get(c, table, &t);
	if (r)
		return r;
	for (const struct mask_rule *const *rule = c->rules; rule && *rule; rule++) {
		struct column_fate by_rule = {.is_protected = true,
			.as = (*rule)->as,
			.unproven = (*rule)->unproven,
			.rules = UINT64_C(1) << (rule - c->rules)};

		if (!name_fits_rule(*rule, schema, name, column))
			continue;
		fate_merge(&fate, &by_rule);
		if (by_rule.unproven > fate.unproven)
			fate.unproven = by_rule.unproven;
	}
	if (!fate.is_protected)
		return 0;
	r = catalog_column_get(c, t, attr, column, &known);
	if (r)
		return r;
	fate_merge(&known->fate, &fate);
	if (fate.unproven > known->fate.unproven)
		known->fate.unproven = fate.unproven;
	t->is_protected = true;
	for (struct catalog_edge *e = t->views; !r && e; e = e->next_view)
		if (!e->attr || e->attr == attr)
			r = catalog_follow(c, e, &known->fate);
	return r;
}

int mask_catalog_add_derived_column(struct mask_catalog *c, uint32_t table, uint16_t attr,
	struct slice column, uint32_t from_table, uint16_t from_attr)
{
	struct column_fate unknown = rules_unknown_fate(c->rules);
	const struct catalog_name *known = catalog_column(c, from_table, from_attr);
	struct catalog_table *view, *from;
	struct catalog_edge *e;
	int r;

	r = catalog_table_get(c, table, &view);
	if (!r)
		r = catalog_table_get(c, from_table, &from);
	if (r)
		return r;
	e = arena_alloc(&c->arena, sizeof(*e));
	if (!e)
		return MASK_E_FULL;
	*e = (struct catalog_edge){.next_view = from->views,
		.next_source = view->sources,
		.view = view,
		.source = from,
		.attr = from_attr,
		.to_attr = attr,
		.to_name = arena_dup(&c->arena, column)};
	if (column.n && !e->to_name.p)
		return MASK_E_FULL;
	from->views = view->sources = e;
	if (known)
		r = catalog_follow(c, e, &known->fate);
	if (!r && from->derived.is_unproven)
		r = catalog_follow(c, e, &from->derived);
	if (!r && unknown.is_unproven &&
		((from->is_protected && !from_attr) || table_quotes_others(from_table)))
		r = catalog_follow(c, e, &unknown);
	return r;
}

int mask_catalog_add_derived(
	struct mask_catalog *c, uint32_t table, uint32_t from_table, uint16_t from_attr)
{
	return mask_catalog_add_derived_column(c, table, 0, SLICE_NULL, from_table, from_attr);
}

int mask_catalog_add_shown(struct mask_catalog *c, uint32_t table, uint16_t attr,
	struct slice column, uint32_t from_table, uint16_t from_attr)
{
	struct catalog_shown *shown = arena_alloc(&c->arena, sizeof(*shown));
	struct catalog_table *t;
	int r;

	if (!shown)
		return MASK_E_FULL;
	r = catalog_table_get(c, table, &t);
	if (r)
		return r;
	*shown = (struct catalog_shown){.next = t->shown,
		.name = arena_dup(&c->arena, column),
		.from_table = from_table,
		.attr = attr,
		.from_attr = from_attr};
	if (column.n && !shown->name.p)
		return MASK_E_FULL;
	t->shown = shown;
	return 0;
}

int mask_catalog_add_word(struct mask_catalog *c, enum mask_word kind, struct slice word)
{
	return catalog_put(&c->words[kind], word.n ? word : SLICE_LIT("*"), c, NULL);
}

static bool catalog_has_word(const struct mask_catalog *c, enum mask_word kind, struct slice word)
{
	return map_get(&c->words[kind], word.n ? word : SLICE_LIT("*"));
}

/* ---- asking ---------------------------------------------------------------------------------- */

/* Is it a view over something never added, however far down? Beyond the budget: it may be. */
static bool table_has_unknown_source(const struct catalog_table *t, int depth, int *budget)
{
	if (depth > 32 || --*budget < 0)
		return true;
	for (const struct catalog_edge *e = t->sources; e; e = e->next_source) {
		if (!e->source->is_known && e->source->id >= FIRST_USER_TABLE)
			return true;
		if (e->source != t && table_has_unknown_source(e->source, depth + 1, budget))
			return true;
	}
	return false;
}

static bool table_is_unproven(const struct catalog_table *t)
{
	int budget = 1000;

	return t->derived.is_unproven || table_has_unknown_source(t, 0, &budget);
}

enum { CATALOG_DEPTH_MAX = 32 };

static struct column_fate catalog_fate_at(
	const struct mask_catalog *c, uint32_t table, uint16_t attr, unsigned depth);

/* What a column of a view is, by the column that it is: shown as it is, it may not be masked as the
 * rule for that one says, since no rule names the view. */
static struct column_fate shown_fate(
	const struct mask_catalog *c, const struct catalog_shown *shown, unsigned depth)
{
	const struct catalog_name *column;
	struct column_fate fate;

	if (depth >= CATALOG_DEPTH_MAX || !shown->from_attr)
		return rules_unknown_fate(c->rules);
	fate = catalog_fate_at(c, shown->from_table, shown->from_attr, depth + 1);
	column = catalog_column(c, shown->from_table, shown->from_attr);
	if (column && column->fate.unproven > fate.unproven)
		fate.unproven = column->fate.unproven;
	if (fate.is_protected || fate.is_unproven)
		fate = (struct column_fate){
			.is_unproven = true, .unproven = fate.unproven, .rules = fate.rules};
	return fate;
}

static struct column_fate catalog_fate_at(
	const struct mask_catalog *c, uint32_t table, uint16_t attr, unsigned depth)
{
	uint64_t key = table;
	const struct catalog_table *t = map_get(&c->tables, map_id(&key));
	const struct catalog_name *column = catalog_column(c, table, attr);
	struct column_fate fate = {0}, unknown = rules_unknown_fate(c->rules);

	if (!t || !t->is_known)
		return table < FIRST_USER_TABLE && !table_quotes_others(table) ? fate : unknown;
	if (column)
		fate_merge(&fate, &column->fate);
	for (const struct catalog_shown *shown = t->shown; attr && shown; shown = shown->next) {
		struct column_fate one;

		if (shown->attr != attr)
			continue;
		one = shown_fate(c, shown, depth);
		fate_merge(&fate, &one);
		return fate;
	}
	fate_merge(&fate, t->derived.is_unproven || !table_is_unproven(t) ? &t->derived : &unknown);
	/* A whole row of a table with a protected column. */
	if (!attr)
		for (const struct catalog_name *n = t->columns; n; n = n->next) {
			if (n->fate.is_unproven)
				fate_merge(&fate, &n->fate);
			fate.rules |= n->fate.rules;
		}
	if (!attr && t->is_protected)
		fate_merge(
			&fate, &(struct column_fate){.is_protected = true, .as = TRANSFORM_REDACT});
	return fate;
}

struct column_fate catalog_fate(const struct mask_catalog *c, uint32_t table, uint16_t attr)
{
	return catalog_fate_at(c, table, attr, 0);
}

bool mask_catalog_knows(const struct mask_catalog *c, uint32_t table)
{
	uint64_t key = table;
	const struct catalog_table *t = map_get(&c->tables, map_id(&key));

	return table < FIRST_USER_TABLE || (t && t->is_known);
}

static bool name_is_system(struct slice schema, struct slice name)
{
	if (slice_eq_str(schema, "information_schema"))
		return true;
	return slice_eq_str(schema, "pg_catalog") && !relation_quotes_others(schema, name);
}

/* What the name of such a source may be, besides what it says. */
static enum mask_word source_word(enum lineage_kind kind)
{
	switch (kind) {
	case LINEAGE_FUNCTION:
		return MASK_WORD_FUNCTION;
	case LINEAGE_OPERATOR:
		return MASK_WORD_OPERATOR;
	case LINEAGE_COLUMN:
	case LINEAGE_ATTRIBUTE:
		return MASK_WORD_ROW_FUNCTION;
	case LINEAGE_CAST:
		return MASK_WORD_CAST;
	case LINEAGE_ROW:
	case LINEAGE_TABLE:
		break;
	}
	return MASK_WORD_N;
}

bool mask_catalog_has_code(const struct mask_catalog *c, const struct lineage *l)
{
	bool has_words = false;

	for (int i = 0; i < MASK_WORD_N; i++)
		has_words |= c->words[i].n > 0;
	for (size_t i = 0; has_words && i < l->n_sources; i++) {
		enum mask_word word = source_word(lineage_source(l, i)->kind);

		if (word != MASK_WORD_N && catalog_has_word(c, word, lineage_name(l, i)))
			return true;
	}
	return false;
}

/* Is it a column of a view that is a column of something else? */
static bool catalog_shows(const struct mask_catalog *c, const struct catalog_table *t,
	struct slice column, struct column_fate *ret)
{
	for (const struct catalog_shown *shown = t->shown; shown; shown = shown->next) {
		if (!slice_eq(shown->name, column))
			continue;
		*ret = shown_fate(c, shown, 0);
		return true;
	}
	return false;
}

/* The fate of column `name` (empty: of any) of every table that may be meant by `object`. */
static struct column_fate catalog_named_fate(
	const struct mask_catalog *c, struct slice object, struct slice column, bool of_columns)
{
	char schema_buf[NAME_MAX_LEN], name_buf[NAME_MAX_LEN];
	struct column_fate fate = {0}, unknown = rules_unknown_fate(c->rules), shown;
	struct slice schema = SLICE_NULL, name;
	bool is_found = false;

	if (!name_pop(&object, name_buf, &name) ||
		(object.n && !name_pop(&object, schema_buf, &schema)))
		return unknown;
	for (const struct catalog_table *t = map_get(&c->names, name); t; t = t->next_same_name) {
		if (schema.n && !slice_eq(schema, t->schema))
			continue;
		is_found = true;
		if (of_columns && column.n && catalog_shows(c, t, column, &shown)) {
			fate_merge(&fate, &shown);
			continue;
		}
		if (table_is_unproven(t))
			fate_merge(&fate, t->derived.is_unproven ? &t->derived : &unknown);
		for (const struct catalog_name *n = t->columns; of_columns && n; n = n->next)
			if (!column.n || slice_eq(n->name, column)) {
				fate_merge(&fate, &n->fate);
				if (n->fate.unproven > fate.unproven)
					fate.unproven = n->fate.unproven;
			}
	}
	if (!is_found && !name_is_system(schema, name))
		fate_merge(&fate, &unknown);
	return fate;
}

bool catalog_protects(const struct mask_catalog *c, struct slice object, struct slice column)
{
	char schema_buf[NAME_MAX_LEN], name_buf[NAME_MAX_LEN];
	struct slice schema = SLICE_NULL, name;
	bool is_found = false;

	if (!name_pop(&object, name_buf, &name) ||
		(object.n && !name_pop(&object, schema_buf, &schema)))
		return false;
	for (const struct catalog_table *t = map_get(&c->names, name); t; t = t->next_same_name) {
		const struct catalog_name *n = t->columns;

		if (schema.n && !slice_eq(schema, t->schema))
			continue;
		while (n && !(n->fate.is_protected && slice_eq(n->name, column)))
			n = n->next;
		if (!n)
			return false;
		is_found = true;
	}
	return is_found;
}

enum unproven catalog_unknown(const struct mask_catalog *c)
{
	return rules_unknown_fate(c->rules).unproven;
}

struct column_fate catalog_source_fate(
	const struct mask_catalog *c, const struct lineage *l, size_t source)
{
	struct column_fate fate = {0}, unknown = rules_unknown_fate(c->rules);
	struct slice object = lineage_object(l, source), name = lineage_name(l, source);
	enum lineage_kind kind = lineage_source(l, source)->kind;
	enum mask_word word = source_word(kind);

	if (kind == LINEAGE_COLUMN || kind == LINEAGE_ROW)
		fate = catalog_named_fate(c, object, kind == LINEAGE_ROW ? SLICE_NULL : name, true);
	else if (kind == LINEAGE_TABLE)
		fate = catalog_named_fate(c, object, SLICE_NULL, false);
	if (word != MASK_WORD_N && catalog_has_word(c, word, name))
		fate_merge(&fate, &unknown);
	return fate;
}

bool mask_catalog_may_touch(const struct mask_catalog *c, struct slice object)
{
	char schema_buf[NAME_MAX_LEN], name_buf[NAME_MAX_LEN];
	const struct catalog_table *t;
	struct slice schema = SLICE_NULL, name;
	bool is_found = false;

	if (!c->has_rules)
		return false;
	if (!name_pop(&object, name_buf, &name))
		return true;
	if (object.n && !name_pop(&object, schema_buf, &schema))
		return true;
	for (t = map_get(&c->names, name); t; t = t->next_same_name) {
		if (schema.n && !slice_eq(schema, t->schema))
			continue;
		if (t->columns || table_is_unproven(t))
			return true;
		is_found = true;
	}
	return !is_found && !name_is_system(schema, name);
}

/* ---- code of somebody's ---------------------------------------------------------------------- */

int mask_catalog_add_code(struct mask_catalog *c, uint32_t table, bool only_written)
{
	struct catalog_table *t;
	int r = catalog_table_get(c, table, &t);

	if (r)
		return r;
	t->runs_written = true;
	t->runs_code |= !only_written;
	return 0;
}

bool mask_catalog_runs_code(const struct mask_catalog *c, struct slice object, bool is_written)
{
	char schema_buf[NAME_MAX_LEN], name_buf[NAME_MAX_LEN];
	struct slice schema = SLICE_NULL, name;
	bool is_found = false;

	if (!name_pop(&object, name_buf, &name) ||
		(object.n && !name_pop(&object, schema_buf, &schema)))
		return true;
	for (const struct catalog_table *t = map_get(&c->names, name); t; t = t->next_same_name) {
		if (schema.n && !slice_eq(schema, t->schema))
			continue;
		if (is_written ? t->runs_written : t->runs_code)
			return true;
		is_found = true;
	}
	return !is_found && !name_is_system(schema, name);
}

bool mask_catalog_uses_code(const struct mask_catalog *c, struct slice uses)
{
	enum use_kind kind;
	struct slice name;

	while (facts_next_use(&uses, &kind, &name)) {
		enum mask_word word = MASK_WORD_N;

		switch (kind) {
		case USE_FUNCTION:
			word = MASK_WORD_FUNCTION;
			break;
		case USE_OPERATOR:
			word = MASK_WORD_OPERATOR;
			break;
		case USE_TYPE:
			word = MASK_WORD_TYPE;
			break;
		case USE_ATTRIBUTE:
			word = MASK_WORD_ROW_FUNCTION;
			break;
		case USE_ANYTHING:
			return true;
		}
		if (word == MASK_WORD_N || catalog_has_word(c, word, name))
			return true;
		if (kind == USE_TYPE && catalog_has_word(c, MASK_WORD_CAST, SLICE_NULL))
			return true;
	}
	return false;
}

bool mask_catalog_has_coded_types(const struct mask_catalog *c)
{
	return c->words[MASK_WORD_TYPE].n > 0;
}
