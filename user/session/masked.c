/* SPDX-License-Identifier: Apache-2.0 */
/* What masks add to a ruling: see masked.h. */
#include "session/masked.h"

#include "session/catalog.h"

enum { MASKED_TIMEOUT_MS = 30 * 60 * 1000 };

bool masked_changes_names(const struct session *s)
{
	const uint32_t effects = EFFECT_BIT(EFFECT_DEFINE) | EFFECT_BIT(EFFECT_DESTROY) |
				 EFFECT_BIT(EFFECT_ADMIN) | EFFECT_BIT(EFFECT_UNKNOWN);

	return (s->asked.facts.flags & FACTS_CATALOG) && (facts_effects(&s->asked.facts) & effects);
}

static bool masked_touches(const struct session *s)
{
	const struct facts *f = &s->asked.facts;
	const struct mask_catalog *known = catalog_believed(s);

	if (!mask_rules_need_catalog(s->resource->masks))
		return false;
	if (!known || (f->flags & FACTS_OPAQUE_ROWS) || masked_changes_names(s))
		return true;
	for (size_t i = 0; i < f->n; i++)
		if (!f->list[i].no_object && mask_catalog_may_touch(known, f->list[i].object))
			return true;
	for (const struct lineage *l = f->lineage; l; l = l->next)
		if (mask_catalog_has_code(known, l))
			return true;
	return false;
}

/* The lineage of the rows that the request gives, or NULL: nothing is known of them. What is not
 * understood may run anything; names that change on the way may mean anything. */
static const struct lineage *masked_lineage(const struct session *s)
{
	const struct facts *f = &s->asked.facts;
	const struct lineage *l = f->lineage;

	if (s->asked.request.kind != REQUEST_TEXT || s->asked.request.is_suspect ||
		masked_changes_names(s) || (facts_effects(f) & EFFECT_BIT(EFFECT_UNKNOWN)))
		return NULL;
	if (l && l->flags & LINEAGE_IS_EXECUTE)
		l = l->next;
	return l && !l->next ? l : NULL;
}

/* Reads what may be protected and writes in the same breath: INSERT … SELECT, CREATE TABLE AS. The
 * copy would lie where no column rule looks. */
static bool masked_copies(const struct session *s)
{
	const uint32_t writes = EFFECT_BIT(EFFECT_INSERT) | EFFECT_BIT(EFFECT_UPDATE);
	const struct facts *f = &s->asked.facts;
	const struct mask_catalog *known = catalog_believed(s);

	if (!mask_rules_need_catalog(s->resource->masks) ||
		!((facts_effects(f) & writes) || (f->flags & FACTS_STORES_ROWS)))
		return false;
	for (const struct lineage *l = f->lineage; l; l = l->next)
		if (l->n_stores && (!known || mask_stores_elsewhere(known, l)))
			return true;
	return false;
}

static void masked_deny(struct asked *a, const char *message)
{
	if (a->ruling.kind != RULING_DENY)
		a->ruling =
			(struct ruling){.kind = RULING_DENY, .rule = "masks", .message = message};
}

static void masked_hold(struct asked *a, const char *message)
{
	if (a->ruling.kind == RULING_ALLOW)
		a->ruling = (struct ruling){.kind = RULING_HOLD,
			.rule = "masks",
			.message = message,
			.timeout_ms = MASKED_TIMEOUT_MS};
}

void masked_rule(struct session *s)
{
	struct asked *a = &s->asked;
	const struct mask_catalog *known = catalog_believed(s);
	const struct lineage *l;
	struct mask_shown shown = {0};

	a->touches = false;
	a->proof = (struct mask_proof){0};
	if (!s->wants_text)
		return;
	a->touches = masked_touches(s);
	l = a->touches && known ? masked_lineage(s) : NULL;
	if (l)
		shown = mask_shown_of(known, l);
	if (l && l->flags & LINEAGE_IS_RESULT)
		a->proof = shown.proof;
	/* COPY sends lines without columns: there is nothing that a column rule could hold on to.
	 */
	if ((a->facts.flags & FACTS_COPY_OUT) &&
		((a->facts.flags & FACTS_COPY_BINARY) ||
			(a->touches && !(l && l->flags & LINEAGE_IS_COPY && shown.is_clear))))
		masked_deny(a, "COPY of masked data is not possible; use SELECT");
	else if (masked_copies(s))
		masked_hold(a, "it copies masked data to where no mask applies");
}
