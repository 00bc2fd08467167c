/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filters_on: do the conditions of a request hang on certain columns? Lineage says which columns
 * they may hang on, as the agent named them. What somebody's function compares inside is `execute`,
 * and what nobody could make sense of is `unknown`: a rule that says deny here must not turn the
 * hold that those get into a denial.
 */
#include <limits.h>

#include "policy/model.h"

bool column_pattern_parse(struct slice text, struct column_pattern *ret)
{
	*ret = (struct column_pattern){0};
	while (text.n && ret->n < 3) {
		const uint8_t *dot = memrchr(text.p, '.', text.n);
		struct slice part = dot ? slice_skip(text, (size_t)(dot - text.p) + 1) : text;

		if (!part.n || dot == text.p)
			return false;
		ret->parts[ret->n++] = pattern_of(part).whole;
		text = dot ? slice_head(text, (size_t)(dot - text.p)) : SLICE_NULL;
	}
	return ret->n && !text.n;
}

static bool filters_part(const struct column_pattern *p, size_t i, struct slice s)
{
	struct pattern one = {0};

	if (i >= p->n)
		return true;
	one.whole = p->parts[i];
	return pattern_matches(&one, s);
}

/* May this source be a column that the pattern means? */
static bool filters_source(const struct lineage *l, unsigned i, const struct column_pattern *p)
{
	enum lineage_kind kind = lineage_source(l, i)->kind;
	const struct fact f = {.effect = EFFECT_READ, .object = lineage_object(l, i)};
	struct object o;

	if (kind != LINEAGE_COLUMN && kind != LINEAGE_ROW)
		return false;
	if (kind == LINEAGE_COLUMN && !filters_part(p, 0, lineage_name(l, i)))
		return false;
	object_init(&o, &f);
	if (o.is_unknown)
		return true;
	return filters_part(p, 1, o.name) && (!o.has_schema || filters_part(p, 2, o.schema));
}

static bool filters_by_name(
	const struct lineage *l, const struct column_pattern *p, size_t n, unsigned *ret_source)
{
	for (unsigned i = 0; i < l->n_sources; i++) {
		if (!lineage_set_has(&l->filters, i))
			continue;
		for (size_t j = 0; j < n; j++) {
			if (!filters_source(l, i, &p[j]))
				continue;
			*ret_source = i;
			return true;
		}
	}
	return false;
}

/* The columns of the masks of the resource, by their names. */
static bool filters_by_masks(
	const struct lineage *l, const struct resource *res, unsigned *ret_source)
{
	for (size_t i = 0; res->masks[i]; i++) {
		for (const char **text = res->masks[i]->columns; text && *text; text++) {
			struct column_pattern p;

			/* With dots inside quotes: it may be any. */
			if (strchr(*text, '"') || !column_pattern_parse(slice_str(*text), &p))
				p = (struct column_pattern){0};
			if (filters_by_name(l, &p, 1, ret_source))
				return true;
		}
	}
	return false;
}

enum tri cond_filters(const struct cond *c, const struct policy_subject *s,
	const struct lineage **ret_lineage, unsigned *ret_source)
{
	*ret_lineage = NULL;
	*ret_source = UINT_MAX;
	if (c->filters_masked && s->filters_masked)
		return TRI_UNKNOWN;
	if (!s->whole)
		return TRI_NO;
	for (const struct lineage *l = s->whole->lineage; l; l = l->next) {
		*ret_lineage = l;
		if (l->filters.may_be_anything ||
			filters_by_name(l, c->filters, c->n_filters, ret_source) ||
			(c->filters_masked && filters_by_masks(l, s->resource, ret_source)))
			return TRI_UNKNOWN;
	}
	return TRI_NO;
}

bool policy_needs_lineage(const struct policy *p)
{
	bool names_columns = false;

	for (size_t i = 0; i < p->n_masks; i++)
		names_columns |= p->masks[i].rule.columns && p->masks[i].rule.columns[0];
	return p->asks_filters || names_columns;
}

bool policy_asks_transaction(const struct policy *p)
{
	return p->asks_transaction;
}

bool policy_asks_filters(const struct policy *p)
{
	return p->asks_filters;
}
