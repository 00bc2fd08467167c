/* SPDX-License-Identifier: Apache-2.0 */
/* What to do with each column of a result: see mask.h. */
#include "mask/plan.h"

#include <errno.h>

#include "mask/transform.h"

struct detect_rules detect_rules_of(const struct mask_rule *const *rules)
{
	struct detect_rules d = {0};

	for (uint64_t place = 1; rules && *rules; rules++, place <<= 1) {
		for (uint32_t want = (*rules)->detectors & DETECT_ALL; want; want &= want - 1) {
			int i = __builtin_ctz(want);

			d.as[i] = d.want & DETECTOR_BIT(i)
					  ? transform_stricter(d.as[i], (*rules)->as)
					  : (*rules)->as;
			d.rules[i] |= place;
		}
		d.want |= (*rules)->detectors & DETECT_ALL;
	}
	return d;
}

void plan_count(struct mask_stats *stats, uint64_t rules)
{
	for (; rules; rules &= rules - 1)
		stats->by_rule[__builtin_ctzll(rules)]++;
}

uint64_t plan_found(const struct detect_rules *rules, const uint64_t before[DETECTOR_N],
	const struct mask_stats *after)
{
	uint64_t found = 0;

	for (int d = 0; d < DETECTOR_N; d++)
		if (after->by_detector[d] > before[d])
			found |= rules->rules[d];
	return found;
}

void mask_count_withheld(const struct mask_rule *const *rules, struct mask_stats *stats)
{
	stats->n_values++;
	plan_count(stats, rules_unknown_fate(rules).rules);
}

/* Integers of four bytes have at most ten digits, which no card has. */
static bool column_is_narrow(const struct column *c)
{
	return c->width && c->width <= 4;
}

/* The detectors that can find something in values of such a column. */
static uint32_t detectors_for(uint32_t want, const struct column *c)
{
	switch (c->class) {
	case VALUE_TEXT:
	case VALUE_JSON:
	case VALUE_BYTES:
	case VALUE_ARRAY:
	case VALUE_OTHER:
		return want;
	case VALUE_INT:
		return column_is_narrow(c) ? 0 : want & DETECTOR_BIT(DETECTOR_CREDIT_CARD);
	case VALUE_NUMBER:
		return want & DETECTOR_BIT(DETECTOR_CREDIT_CARD);
	case VALUE_NET:
		return want & (DETECTOR_BIT(DETECTOR_IPV4) | DETECTOR_BIT(DETECTOR_IPV6));
	case VALUE_BOOL:
	case VALUE_TIME:
	case VALUE_UUID:
		return 0;
	}
	return want;
}

static struct column_fate column_fate_of(const struct mask_rule *const *rules,
	const struct mask_catalog *catalog, const struct column *c, bool may_derive)
{
	if (!mask_rules_need_catalog(rules))
		return (struct column_fate){0};
	if (!c->table)
		return may_derive ? rules_unknown_fate(rules) : (struct column_fate){0};
	if (catalog)
		return catalog_fate(catalog, c->table, c->attr);
	return rules_unknown_fate(rules);
}

static void plan_column_set(struct mask_plan *p, size_t i, const struct column *c,
	const struct column_fate *fate, enum unproven *unproven)
{
	struct plan_column *col = &p->columns[i];

	*col = (struct plan_column){.class = c->class, .is_binary = c->is_binary};
	if (fate->is_protected || fate->is_unproven) {
		col->action = COLUMN_WHOLE;
		col->rules = fate->rules;
		col->as = fate->is_protected ? fate->as : TRANSFORM_REDACT;
		/* Both: what is not proven may be more than what is, so at least redacted. */
		if (fate->is_protected && fate->is_unproven)
			col->as = transform_stricter(col->as, TRANSFORM_REDACT);
	} else {
		col->want = detectors_for(p->detect.want, c);
		col->action = col->want ? COLUMN_DETECT : COLUMN_CLEAR;
	}
	/* A column of a table is NULL or not by itself; what is computed is so by what it is
	 * computed from. */
	col->hides_null = col->action == COLUMN_WHOLE && !c->table;
	/* In binary, json and jsonb differ, and NULL does not say which it would have been. */
	if (col->hides_null && c->class == VALUE_JSON && c->is_binary)
		col->as = TRANSFORM_NULL;
	if (fate->is_unproven && fate->unproven > *unproven)
		*unproven = fate->unproven;
	p->is_clear = p->is_clear && col->action == COLUMN_CLEAR;
}

int mask_plan_build(const struct mask_rule *const *rules, const struct mask_catalog *catalog,
	const struct column *columns, size_t n_columns, bool touches,
	const struct mask_proof *proof, struct arena *arena, struct mask_plan **ret,
	enum unproven *ret_unproven)
{
	struct mask_plan *p = arena_alloc(arena, sizeof(*p));

	*ret_unproven = UNPROVEN_REDACT;
	if (!p)
		return err_raise(-ENOMEM);
	p->detect = detect_rules_of(rules);
	p->n_columns = n_columns;
	p->columns = arena_array(arena, n_columns ? n_columns : 1, sizeof(*p->columns));
	p->piece = arena_alloc(arena, sizeof(*p->piece));
	p->is_clear = true;
	if (!p->columns || !p->piece)
		return err_raise(-ENOMEM);
	for (size_t i = 0; i < n_columns; i++) {
		bool may_derive = touches && !(proof && mask_proof_is_clear(proof, i, n_columns));
		struct column_fate fate = column_fate_of(rules, catalog, &columns[i], may_derive);

		/* What was let through is what is computed. A table that nothing is known of may
		 * have columns that the rules name. */
		if (proof && proof->is_released && fate.is_unproven &&
			(catalog || !columns[i].table)) {
			fate.is_unproven = false;
			if (fate.is_protected)
				fate.as = transform_stricter(fate.as, TRANSFORM_REDACT);
		}
		plan_column_set(p, i, &columns[i], &fate, ret_unproven);
	}
	*ret = p;
	return 0;
}

bool mask_plan_fits_pieces(const struct mask_plan *p)
{
	for (size_t i = 0; i < p->n_columns; i++)
		if (p->columns[i].hides_null)
			return false;
	return true;
}

bool mask_plan_is_clear(const struct mask_plan *p)
{
	return p->is_clear;
}
