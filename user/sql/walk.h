/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk over one parsed text, shared by pg_tree.c (all nodes), statement.c (what each kind of
 * statement does) and where.c (does a condition bound anything).
 *
 * Everything found goes into the arena; lack of memory is remembered once, in `no_memory`.
 */
#pragma once

#include "fact/facts.h"
#include "sql/json_tree.h"
#include "util/writer.h"

struct walk {
	struct json_tree tree;
	struct slice text; /* the SQL */
	struct arena *arena;
	struct facts *facts;
	size_t list_cap, names_cap, executes_cap;

	struct slice statement;  /* the SQL of the statement at hand */
	uint32_t plan_only_end;  /* nodes before this one are under an EXPLAIN that runs nothing */
	uint32_t n_scope_steps;  /* spent on looking for CTE names: bounded for the whole text */
	uint64_t n_where_steps;  /* spent on searching conditions, likewise */
	bool has_with;           /* there is a WITH somewhere in the text */
	bool has_select;         /* the statement returns rows of a query … */
	bool has_read;           /* … and a table was named that they come from */
	bool looked_at_constant; /* a fact hangs on the value of a constant */
	uint32_t effects;        /* of the statement at hand, EFFECT_BIT()s */
	bool is_open;            /* FACTS_OPEN for the statement at hand */
	bool has_unseen; /* an open statement stands in the transaction that is open here … */
	bool has_ended;  /* … or behind the end of one, with no BEGIN between */
	size_t uses_cap;
	bool wants_lineage;
	bool no_memory;
};

/* A request that touches more than this many things says so by one more fact, unknown. */
enum { WALK_FACTS_MAX = 1024, WALK_USES_MAX = 8192 };

/* ---- adding facts (walk.c) ------------------------------------------------------------------- */

/* Once per (effect, object); no fact is ever weakened by a second one. */
void walk_add(struct walk *w, enum effect effect, struct slice object, enum tri bounded);
/* An effect that has no object. */
void walk_add_bare(struct walk *w, enum effect effect);
/* An effect on something that cannot be named: could be anything. */
void walk_add_any(struct walk *w, enum effect effect);
/* Not understood: the fact and every flag that warns of side effects. */
void walk_add_unknown(struct walk *w);
/* Code of somebody's runs. */
void walk_add_execute(struct walk *w, struct slice object);
/* Makes code that runs later without being named: behind a trigger, an operator, a cast, a view.
 * Nothing runs now, so that no flag goes with it. */
void walk_add_code(struct walk *w);
/* A known table as the target of a change; under a plain EXPLAIN it is only read. */
void walk_add_target(struct walk *w, enum effect effect, uint32_t range_var, enum tri bounded);
void walk_add_name(
	struct walk *w, enum name_change_kind kind, struct slice name, struct slice text);
void walk_add_executes(struct walk *w, struct slice name);

/* The server decides what this name means. */
void walk_add_use(struct walk *w, enum use_kind kind, struct slice name);

/* ---- names (walk.c) -------------------------------------------------------------------------- */

/* The object that a node names, whatever form the grammar gave it; empty if there is none. Tables
 * named so are claimed: the walk does not report them as read. skip_last: `table.trigger` → table.
 */
struct slice walk_object(struct walk *w, uint32_t node, bool skip_last);
/* "schema.name" or "name" from at most three parts, as sql.h says. */
struct slice walk_name(struct walk *w, const struct slice *parts, size_t n);
/* A part of an object's name, as sql.h says. */
void walk_write_part(struct writer *out, struct slice part);
/* The parts of a list of String nodes, the last `max` of them; returns how many. */
size_t walk_strings(struct walk *w, uint32_t list, struct slice *parts, size_t max);
bool walk_is_range_var(const struct walk *w, uint32_t node);
/* pg_tree.c: does that range var name a WITH query that is visible from there? */
bool walk_is_with_name(struct walk *w, uint32_t range_var);
/* A relation of the server's own. */
bool walk_is_system(const struct walk *w, uint32_t range_var);
void walk_claim(struct walk *w, uint32_t subtree);

/* The text of a constant, or false if the node is no constant. */
bool walk_constant(struct walk *w, uint32_t wrapper, struct slice *ret);
/* Does string member `key` of `node` say `value`? */
bool walk_says(const struct walk *w, uint32_t node, const char *key, const char *value);

/* ---- the other files ------------------------------------------------------------------------- */

/* statement.c: adds what this statement itself does. `tag` is the node named …Stmt. */
void statement_walk(struct walk *w, uint32_t tag);
/* May the facts of such a statement be reused for other constants? */
bool statement_is_shapeable(const struct walk *w, uint32_t tag);
/* where.c: does the condition exclude a row? node 0: there is none. */
enum tri where_is_bounded(struct walk *w, uint32_t condition);
