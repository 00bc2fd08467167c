/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parse tree → lineage (fact/lineage.h): shared by lineage.c (statements and queries) and
 * lineage_expr.c (names and expressions).
 *
 *   rel     something that a name in front of a dot can mean: a table, a subquery, a function
 *   scope   the rels that the expressions of one query see; those of the queries around it too
 *   output  the columns of a query
 *
 * Works on the names alone, without knowing what columns a table has. So a name without a table is
 * looked up in everything in sight, a star stays a star, and what would need the columns in their
 * order (new names for the columns of a table, a UNION of stars) derives from the whole of it.
 */
#pragma once

#include "fact/lineage.h"
#include "sql/walk.h"

struct lin_item {
	struct slice name;
	bool has_name; /* false: any name may mean it */
	bool is_star;  /* of `rel` and those behind it; from: unused */
	bool is_direct;
	struct lineage_set from;
	struct lin_rel *rel;
	struct lin_rel *rel_end; /* where the star ends */
	struct lin_item *next;
};

struct lin_output {
	struct lin_item *first, *last;
	size_t n;
	bool has_star;
};

struct lin_rel {
	struct lin_rel *next; /* in its scope */
	struct slice name;    /* alias or table */
	struct slice object;  /* a table; else empty */
	/* Otherwise one of these. */
	const struct lin_output *output;
	struct lin_rel *inner; /* (a JOIN b) AS name */
	struct lineage_set from;
};

struct lin_scope {
	const struct lin_scope *outer;
	struct lin_rel *rels;
	struct lin_rel *last;       /* where lin_scope_add() goes on */
	struct lineage_set windows; /* of the query's WINDOW clause */
};

/* Names that WITH made, innermost first. */
struct lin_with {
	const struct lin_with *outer;
	struct slice name;
	const struct lin_output *output;
};

struct lin_name {
	enum lineage_kind kind;
	struct slice object, name;
};

/* Every turn of a loop over rels, columns of an output or nodes is a step; what the agent writes
 * decides how many there are, and an event loop takes them. */
enum { LIN_DEPTH_MAX = 40, LIN_STEPS_MAX = 50000, LIN_SLOTS = 2 * LINEAGE_SOURCES_MAX };

struct lin {
	struct walk *w;
	struct lin_name *sources;
	size_t n_sources, sources_cap;
	uint16_t slots[LIN_SLOTS]; /* by hash: index of a source, plus one */
	uint64_t seed;             /* agents choose the names that are hashed */
	struct lineage_set filters;
	struct lineage_set *inner_filters; /* those of a subquery in an expression, besides */
	struct lineage_set *plan;          /* EXPLAIN: what its output hangs on */
	struct lineage_store *stores;
	size_t n_stores, stores_cap;
	unsigned depth;
	unsigned n_steps;
	bool is_filter;     /* inside a condition already */
	bool has_full_join; /* some column may be one of two */
};

static inline uint32_t lin_child(const struct lin *l, uint32_t node, const char *key)
{
	return node ? json_child(&l->w->tree, node, key) : 0;
}

static inline uint32_t lin_first(const struct lin *l, uint32_t list)
{
	return list ? json_first(&l->w->tree, list) : 0;
}

static inline uint32_t lin_next(const struct lin *l, uint32_t node)
{
	return json_next(&l->w->tree, node);
}

/* Zeroed, in the walk's arena; NULL is noted there. */
void *lin_alloc(struct lin *l, size_t size);
/* Room for one more element of an array that lin_alloc() made; NULL as there. */
void *lin_grow(struct lin *l, void *list, size_t n, size_t *cap, size_t size);
/* True while there is budget left; afterwards everything may be anything. */
bool lin_step(struct lin *l);
bool lin_tag_is(const struct lin *l, uint32_t tag, const char *name);
/* The tagged node inside a wrapper, or 0. */
uint32_t lin_tag(const struct lin *l, uint32_t wrapper);
struct slice lin_text(struct lin *l, uint32_t node, const char *member);

/* ---- lineage_expr.c -------------------------------------------------------------------------- */

void lin_add(struct lin *l, struct lineage_set *to, enum lineage_kind kind, struct slice object,
	struct slice name);
/* The index of a source, or UINT16_MAX where there is no room. */
uint16_t lin_source(struct lin *l, enum lineage_kind kind, struct slice object, struct slice name);
/* Everything that the rels up to `end` can show. False: not only columns of tables. */
bool lin_add_whole(struct lin *l, struct lineage_set *to, const struct lin_rel *from,
	const struct lin_rel *end);
void lin_add_output(struct lin *l, struct lineage_set *to, const struct lin_output *o);
/* A column that is in sight by this name. False: not only a column of a table. */
bool lin_add_name(
	struct lin *l, struct lineage_set *to, struct slice name, const struct lin_scope *s);
/* A column reference. False: as above. */
bool lin_add_column(struct lin *l, struct lineage_set *to, uint32_t tag, const struct lin_scope *s);
/* The columns of an output that this name may mean. */
void lin_add_output_name(
	struct lin *l, struct lineage_set *to, struct slice name, const struct lin_output *o);
/* All that an expression, or a list of them, derives from. */
void lin_add_expr(struct lin *l, struct lineage_set *to, uint32_t node, const struct lin_scope *s,
	const struct lin_with *with);
/* Decides about rows. */
void lin_filter(struct lin *l, const struct lineage_set *by);
void lin_filter_expr(
	struct lin *l, uint32_t node, const struct lin_scope *s, const struct lin_with *with);

/* ---- lineage.c ------------------------------------------------------------------------------- */

/* A SelectStmt; `node` is the object with its members. */
void lin_query(struct lin *l, uint32_t node, const struct lin_scope *outer,
	const struct lin_with *with, struct lin_output *ret);

/* An output about which nothing is known. */
void lin_output_anything(struct lin *l, struct lin_output *o);
/* The rels of a FROM clause, or of one table (a RangeVar), into the scope. */
void lin_from_one(
	struct lin *l, uint32_t wrapper, struct lin_scope *s, const struct lin_with *with);
void lin_from(struct lin *l, uint32_t list, struct lin_scope *s, const struct lin_with *with);
struct lin_rel *lin_table(struct lin *l, uint32_t node, const struct lin_with *with);
void lin_scope_add(struct lin_scope *s, struct lin_rel *r);
/* A list of ResTarget as columns of an output. */
void lin_targets(struct lin *l, struct lin_output *o, uint32_t list, const struct lin_scope *s,
	const struct lin_with *with);
/* The names that the WITH of a statement adds to those around it. */
const struct lin_with *lin_with_add(struct lin *l, uint32_t statement,
	const struct lin_scope *outer, const struct lin_with *with);

/* ---- lineage_change.c ------------------------------------------------------------------------ */

/* INSERT, UPDATE, DELETE, MERGE: what it stores where; the output is that of RETURNING. */
void lin_change(struct lin *l, uint32_t tag, const struct lin_scope *outer,
	const struct lin_with *with, struct lin_output *ret);
/* Kept somewhere that is no column: a setting, a large object, a message. */
void lin_store(struct lin *l, const struct lineage_set *from);
/* Rows of a query become those of a new table. */
void lin_store_output(struct lin *l, const struct lin_output *o);

/* ---- lineage_find.c -------------------------------------------------------------------------- */

/* The lineage of the whole text, in the walk's arena; NULL: none of its statements derives anything
 * from a table, nor from what is not understood. Lack of memory is noted in the walk. */
const struct lineage *lineage_find(struct walk *w, uint32_t stmts);
