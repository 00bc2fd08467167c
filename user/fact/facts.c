/* SPDX-License-Identifier: Apache-2.0 */
/* Tables behind facts.h. */
#include "fact/facts.h"

const struct effect_info effect_table[EFFECT_N] = {
#define EFFECT(id, keyword, risk, help) [EFFECT_##id] = {keyword, risk, help},
#include "fact/effects.def"
#undef EFFECT
};

enum effect effect_by_keyword(struct slice keyword)
{
	for (int e = 0; e < EFFECT_N; e++)
		if (slice_eq_str(keyword, effect_table[e].keyword))
			return (enum effect)e;
	return EFFECT_N;
}

uint32_t facts_effects(const struct facts *f)
{
	uint32_t set = 0;

	for (size_t i = 0; i < f->n; i++)
		set |= EFFECT_BIT(f->list[i].effect);
	return set;
}
