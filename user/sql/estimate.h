/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many rows an UPDATE or DELETE selects, as the server's planner estimates it: EXPLAIN, never
 * ANALYZE, of a SELECT with the same WITH, FROM and WHERE. Sans-I/O, as impact.h.
 *
 * Planning evaluates functions of constants, and it would do so as the role that asks. So nothing
 * of anybody's may be in it but the server's own:
 *
 *   the text    only nodes, functions and types that are known here; others need a schema in front,
 *               since the connection searches pg_catalog alone. Tables get theirs written in.
 *   the tables  plain ones that the role may read, with no code, type or operator of somebody's in
 *               indexes, constraints, defaults or policies; and neither they nor their schemas
 * owned by the role that the session is logged in as, which could put some there, or something else
 * in their place, between our look and the plan
 *
 * What does not fit is not estimated, and the reason is said.
 */
#pragma once

#include "util/arena.h"
#include "util/err.h"

enum { ESTIMATE_TABLES_MAX = 16, ESTIMATE_TEXT_MAX = 16 * 1024, ESTIMATE_E_BAD = 1 };

struct estimate_table {
	struct slice schema, name; /* schema: empty until the server said it */
	uint32_t at;               /* where in the query it is named; behind what was inserted */
	bool is_written;           /* the text has the schema */
	bool is_found;
};

enum estimate_step { ESTIMATE_ASK_TABLES, ESTIMATE_ASK_PLAN, ESTIMATE_DONE };

struct estimate {
	struct arena *arena;
	enum estimate_step step;
	struct slice role, query;
	struct estimate_table tables[ESTIMATE_TABLES_MAX];
	size_t n_tables, n_found;
	struct slice params[3];
	const char *why_not; /* NULL: so far it can be told */
	bool is_wanted;      /* it changes rows that its text does not count */
	bool is_known;
	uint64_t rows;
};

/* Reads the text; needs SQL_PARSER_STACK. Everything lives in the arena. role: as which the session
 * is logged in. 0, -ENOMEM. */
ERR_CHECK int estimate_read(
	struct estimate *e, struct slice text, const char *role, struct arena *arena);
/* As impact_next() and the others. */
bool estimate_next(struct estimate *e, struct slice *ret_text, size_t *ret_n);
ERR_CHECK int estimate_row(struct estimate *e, const struct slice *columns, size_t n);
void estimate_answered(struct estimate *e, const char *code);

/* estimate_text.c: the query and its tables, or why there is none. 0, -ENOMEM. */
ERR_CHECK int estimate_read_text(struct estimate *e, struct slice text);
