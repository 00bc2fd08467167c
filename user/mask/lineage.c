/* SPDX-License-Identifier: Apache-2.0 */
/* Lineage against what is protected: see mask.h. */
#include "mask/plan.h"

/* The sources of one lineage, as sets. */
struct verdicts {
	struct lineage_set is_protected, is_unproven;
	enum unproven unproven[LINEAGE_SOURCES_MAX];
	enum unproven unknown;
};

static void verdicts_init(struct verdicts *v, const struct mask_catalog *c, const struct lineage *l)
{
	*v = (struct verdicts){.unknown = catalog_unknown(c)};
	for (size_t i = 0; i < l->n_sources; i++) {
		struct column_fate fate = catalog_source_fate(c, l, i);

		if (fate.is_protected)
			v->is_protected.bits[i / 64] |= (uint64_t)1 << (i % 64);
		if (fate.is_unproven)
			v->is_unproven.bits[i / 64] |= (uint64_t)1 << (i % 64);
		v->unproven[i] = fate.unproven;
	}
}

static bool set_meets(const struct lineage_set *a, const struct lineage_set *b)
{
	for (size_t i = 0; i < LINEAGE_SOURCES_MAX / 64; i++)
		if (a->bits[i] & b->bits[i])
			return true;
	return a->may_be_anything || a->is_from_code;
}

static bool verdicts_clear(const struct verdicts *v, const struct lineage_set *from)
{
	return !set_meets(from, &v->is_protected) && !set_meets(from, &v->is_unproven);
}

/* Of a plain column the server says what it is, so that the rules of that one apply. */
static bool verdicts_unproven(const struct verdicts *v, const struct lineage_column *c)
{
	if (c->is_direct)
		return set_meets(&c->from, &v->is_unproven);
	return !verdicts_clear(v, &c->from);
}

/* Of nothing that the text names is anything known to be protected, or not known at all. */
static bool verdicts_none(const struct verdicts *v, const struct lineage *l)
{
	struct lineage_set all = l->filters;

	for (size_t i = 0; i < l->n_columns; i++)
		lineage_set_join(&all, &lineage_column(l, i)->from);
	memset(all.bits, 0xff, sizeof(all.bits));
	return verdicts_clear(v, &all);
}

static enum unproven verdicts_word(const struct verdicts *v, const struct lineage_set *from)
{
	bool is_unknown = from->may_be_anything || from->is_from_code;
	enum unproven word = is_unknown ? v->unknown : UNPROVEN_REDACT;

	for (size_t i = 0; i < LINEAGE_SOURCES_MAX; i++) {
		bool is_bad =
			lineage_set_has(&v->is_protected, i) || lineage_set_has(&v->is_unproven, i);

		if (lineage_set_has(from, i) && is_bad && v->unproven[i] > word)
			word = v->unproven[i];
	}
	return word;
}

/* Column i of the lineage; those behind 64 on either side are not proven. */
static void proof_add(struct mask_proof *p, const struct lineage *l, size_t i, size_t first_star,
	size_t last_star, bool is_clear)
{
	size_t from_right = l->n_columns - 1 - i;

	if (i < first_star) {
		if (i < 64)
			p->head |= (uint64_t)is_clear << i;
	} else if (i > last_star) {
		if (from_right < 64)
			p->tail |= (uint64_t)is_clear << from_right;
	} else {
		p->is_middle_clear &= is_clear;
	}
}

struct mask_shown mask_shown_of(const struct mask_catalog *c, const struct lineage *l)
{
	struct mask_shown shown = {.is_clear = true};
	size_t first_star = l->n_columns, last_star = l->n_columns;
	struct verdicts v;

	verdicts_init(&v, c, l);
	shown.is_apart = verdicts_none(&v, l);
	for (size_t i = 0; i < l->n_columns; i++) {
		if (!lineage_column(l, i)->is_star)
			continue;
		first_star = first_star == l->n_columns ? i : first_star;
		last_star = i;
	}
	shown.proof = (struct mask_proof){.is_valid = l->n_columns < 256,
		.n_head = (uint8_t)first_star,
		.has_middle = first_star < l->n_columns,
		.is_middle_clear = true};
	if (shown.proof.has_middle)
		shown.proof.n_tail = (uint8_t)(l->n_columns - 1 - last_star);
	for (size_t i = 0; i < l->n_columns; i++) {
		const struct lineage_column *column = lineage_column(l, i);
		bool is_clear = verdicts_clear(&v, &column->from);
		enum unproven word;

		proof_add(&shown.proof, l, i, first_star, last_star, is_clear);
		shown.is_clear &= is_clear;
		if (!verdicts_unproven(&v, column))
			continue;
		word = verdicts_word(&v, &column->from);
		if (!shown.is_unproven || word > shown.unproven) {
			shown.unproven = word;
			shown.column = i < first_star ? (unsigned)i + 1 : 0;
		}
		shown.is_unproven = true;
	}
	return shown;
}

enum unproven mask_rules_unknown(const struct mask_rule *const *rules)
{
	return rules_unknown_fate(rules).unproven;
}

bool mask_proof_is_clear(const struct mask_proof *p, size_t i, size_t n)
{
	if (!p->is_valid)
		return false;
	if (!p->has_middle)
		return n == p->n_head && i < 64 && p->head >> i & 1;
	if (n < (size_t)p->n_head + p->n_tail)
		return false;
	if (i < p->n_head)
		return i < 64 && p->head >> i & 1;
	if (n - 1 - i < p->n_tail)
		return n - 1 - i < 64 && p->tail >> (n - 1 - i) & 1;
	return p->is_middle_clear;
}

bool mask_filters_protected(const struct mask_catalog *c, const struct lineage *l)
{
	struct lineage_set filters = l->filters;
	struct verdicts v;

	filters.is_from_code = false; /* what code compares inside is `execute` */
	verdicts_init(&v, c, l);
	return !verdicts_clear(&v, &filters);
}

bool mask_stores_elsewhere(const struct mask_catalog *c, const struct lineage *l)
{
	struct verdicts v;

	verdicts_init(&v, c, l);
	for (size_t i = 0; i < l->n_stores; i++) {
		const struct lineage_store *s = lineage_store(l, i);
		struct lineage_set from = s->from;

		/* A function that may run may store what it likes by itself. */
		from.is_from_code = false;
		if (verdicts_clear(&v, &from))
			continue;
		/* Into a column that is protected itself. */
		if (s->target != UINT16_MAX && !from.may_be_anything &&
			lineage_source(l, s->target)->kind == LINEAGE_COLUMN &&
			catalog_protects(
				c, lineage_object(l, s->target), lineage_name(l, s->target)))
			continue;
		return true;
	}
	return false;
}
