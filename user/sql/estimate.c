/* SPDX-License-Identifier: Apache-2.0 */
/* What the planner says of it: see estimate.h. */
#include "sql/estimate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "estimate.sql.h"
#include "util/writer.h"

enum { ESTIMATE_PARAM_MAX = 4096, ESTIMATE_COLUMNS = 4 };

int estimate_read(struct estimate *e, struct slice text, const char *role, struct arena *arena)
{
	*e = (struct estimate){.arena = arena, .role = arena_dup(arena, slice_str(role))};
	return err_trace(estimate_read_text(e, text));
}

static bool estimate_write_names(struct estimate *e)
{
	struct writer w[2];

	for (size_t k = 0; k < 2; k++) {
		w[k] = writer_of(arena_alloc(e->arena, ESTIMATE_PARAM_MAX), ESTIMATE_PARAM_MAX);
		if (!w[k].p)
			return false;
		wr_u8(&w[k], '{');
		for (size_t i = 0; i < e->n_tables; i++)
			wr_array_element(&w[k], !i, k ? e->tables[i].name : e->tables[i].schema);
		wr_u8(&w[k], '}');
		e->params[k] = wr_done(&w[k]);
	}
	e->params[2] = e->role;
	return !w[0].bad && !w[1].bad;
}

static struct slice estimate_explain(const struct estimate *e)
{
	size_t max = e->query.n + e->n_tables * 160 + 64, at = 0;
	struct writer w = writer_of(arena_alloc(e->arena, max), max);

	if (!w.p)
		return SLICE_NULL;
	wr_str(&w, "EXPLAIN (FORMAT JSON) ");
	/* In the order of the text. */
	for (;;) {
		const struct estimate_table *next = NULL;

		for (size_t i = 0; i < e->n_tables; i++)
			if (!e->tables[i].is_written && e->tables[i].at >= at &&
				(!next || e->tables[i].at < next->at))
				next = &e->tables[i];
		wr_slice(&w, slice_of(e->query.p + at, (next ? next->at : e->query.n) - at));
		if (!next)
			return wr_done(&w);
		wr_u8(&w, '"');
		for (size_t i = 0; i < next->schema.n; i++) {
			if (next->schema.p[i] == '"')
				wr_u8(&w, '"');
			wr_u8(&w, next->schema.p[i]);
		}
		wr_str(&w, "\".");
		/* So that it is not found again. */
		wr_u8(&w, e->query.p[next->at]);
		at = next->at + 1;
	}
}

bool estimate_next(struct estimate *e, struct slice *ret_text, size_t *ret_n)
{
	if (!e->is_wanted || e->why_not || e->step == ESTIMATE_DONE)
		return false;
	if (e->step == ESTIMATE_ASK_TABLES) {
		*ret_text = slice_str(estimate_sql);
		*ret_n = 3;
		if (e->n_tables && estimate_write_names(e))
			return true;
	} else {
		*ret_text = estimate_explain(e);
		*ret_n = 0;
		if (ret_text->n)
			return true;
	}
	e->why_not = "it is too long";
	return false;
}

/* Why a table is no ground to stand on; letters in estimate.sql. */
static const char *estimate_problem(char letter)
{
	switch (letter) {
	case 'n':
		return "a name in it is that of several tables";
	case 'k':
		return "not all that it reads are plain tables";
	case 's':
		return "the side role may not SELECT from all of its tables";
	case 'o':
		return "the session's own role may change what stands behind its tables";
	case 'c':
		return "code or types of somebody's stand behind its tables";
	case 'a':
		return "nobody has analyzed all of its tables";
	default:
		return "its tables are not known";
	}
}

static int estimate_table_row(struct estimate *e, const struct slice *v)
{
	uint32_t at = slice_u32(v[0]);
	struct estimate_table *t;

	if (!at || at > e->n_tables || !v[1].n)
		return ESTIMATE_E_BAD;
	t = &e->tables[at - 1];
	if (v[3].n && !e->why_not)
		e->why_not = estimate_problem((char)v[3].p[0]);
	/* One of several: the problem is known by then. */
	if (t->is_found)
		return 0;
	t->is_found = true;
	e->n_found++;
	if (!t->is_written)
		t->schema = arena_dup(e->arena, v[1]);
	return t->schema.n ? 0 : err_raise(-ENOMEM);
}

/* The first number of its kind is that of the node at the top. Inside of strings the quotes around
 * it would be escaped. */
static int estimate_plan_row(struct estimate *e, struct slice json)
{
	static const char key[] = "\"Plan Rows\": ";
	const uint8_t *p = memmem(json.p, json.n, key, sizeof(key) - 1);
	char number[24], *end;

	if (!p)
		return ESTIMATE_E_BAD;
	p += sizeof(key) - 1;
	snprintf(number, sizeof(number), "%.*s",
		SLICE_FMT(slice_head(slice_skip(json, (size_t)(p - json.p)), sizeof(number) - 1)));
	e->rows = strtoull(number, &end, 10);
	e->is_known = end != number && number[0] != '-';
	return e->is_known ? 0 : ESTIMATE_E_BAD;
}

int estimate_row(struct estimate *e, const struct slice *v, size_t n)
{
	if (e->step == ESTIMATE_ASK_PLAN)
		return n == 1 ? estimate_plan_row(e, v[0]) : ESTIMATE_E_BAD;
	return n == ESTIMATE_COLUMNS ? estimate_table_row(e, v) : ESTIMATE_E_BAD;
}

void estimate_answered(struct estimate *e, const char *code)
{
	if (e->step == ESTIMATE_ASK_TABLES) {
		e->step = code ? ESTIMATE_DONE : ESTIMATE_ASK_PLAN;
		if (!code && !e->why_not && e->n_found != e->n_tables)
			e->why_not = "not all of its tables are to be seen from outside";
	} else {
		e->step = ESTIMATE_DONE;
	}
	if (code && !e->why_not) {
		e->is_known = false;
		e->why_not = "the server did not plan it";
	}
}
