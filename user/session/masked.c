/* SPDX-License-Identifier: Apache-2.0 */
/* What masks add to a ruling: see masked.h. */
#include "session/masked.h"

#include "session/catalog.h"
#include "sql/copy.h"
#include "sql/lex.h"

enum { MASKED_TIMEOUT_MS = 30 * 60 * 1000 };

bool masked_changes_names(const struct session *s)
{
	const uint32_t effects = EFFECT_BIT(EFFECT_DEFINE) | EFFECT_BIT(EFFECT_DESTROY) |
				 EFFECT_BIT(EFFECT_ADMIN) | EFFECT_BIT(EFFECT_UNKNOWN);

	return (s->asked.facts.flags & FACTS_CATALOG) && (facts_effects(&s->asked.facts) & effects);
}

bool masked_may_change_names(const struct session *s)
{
	const uint32_t code = EFFECT_BIT(EFFECT_EXECUTE);

	return masked_changes_names(s) ||
	       ((s->asked.facts.flags & FACTS_CATALOG) && (facts_effects(&s->asked.facts) & code));
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

/* May it run code of somebody's, whose errors and notices quote what they like? */
static bool masked_runs_code(const struct session *s)
{
	const uint32_t code = EFFECT_BIT(EFFECT_EXECUTE) | EFFECT_BIT(EFFECT_UNKNOWN) |
			      EFFECT_BIT(EFFECT_DEFINE) | EFFECT_BIT(EFFECT_DESTROY) |
			      EFFECT_BIT(EFFECT_GRANT); /* event triggers */
	enum { FIRST_OF_SOMEBODY = 16384 };
	const struct asked *a = &s->asked;
	const struct facts *f = &a->facts;
	const struct mask_catalog *known = catalog_believed(s);

	if (!mask_rules_need_catalog(s->resource->masks))
		return false;
	if (!known || (f->flags & FACTS_OPAQUE_ROWS) || (facts_effects(f) & code) ||
		mask_catalog_uses_code(known, f->uses))
		return true;
	for (size_t i = 0; i < f->n; i++)
		if (!f->list[i].no_object && mask_catalog_runs_code(known, f->list[i].object,
						     f->list[i].effect != EFFECT_READ))
			return true;
	/* What a value is read as: EXECUTE does not say, and of a parameter only the number. */
	if (!mask_catalog_has_coded_types(known))
		return false;
	for (size_t i = 0; i < a->request.n_params && a->request.kind == REQUEST_TEXT; i++)
		if (a->request.params[i].type >= FIRST_OF_SOMEBODY)
			return true;
	return a->runs_names || a->request.binds_sql;
}

/* COMMIT runs what was put off: deferred triggers, cursors WITH HOLD. So may SET CONSTRAINTS. */
static bool masked_ends_quoting(const struct session *s)
{
	const struct facts *f = &s->asked.facts;

	return s->aftermath.quotes &&
	       ((f->flags & FACTS_TX_CONTROL) || (facts_effects(f) & EFFECT_BIT(EFFECT_SESSION)));
}

/* The lineage of the rows that the request gives, or NULL: nothing is known of them. What is not
 * understood may run anything; names that change on the way may mean anything; of several
 * statements nobody knows which rows are whose. */
static const struct lineage *masked_lineage(const struct session *s)
{
	const struct facts *f = &s->asked.facts;
	const struct lineage *l = f->lineage;
	unsigned n_own = 1;

	if (s->asked.request.kind != REQUEST_TEXT || s->asked.request.is_suspect ||
		masked_changes_names(s) || (facts_effects(f) & EFFECT_BIT(EFFECT_UNKNOWN)))
		return NULL;
	if (l && l->flags & LINEAGE_IS_EXECUTE) {
		l = l->next;
		n_own++;
	}
	return l && !l->next && f->n_statements == n_own ? l : NULL;
}

/* Reads what may be protected and writes in the same breath: INSERT … SELECT, CREATE TABLE AS. The
 * copy would lie where no column rule looks. */
static bool masked_copies(const struct session *s)
{
	const uint32_t writes = EFFECT_BIT(EFFECT_INSERT) | EFFECT_BIT(EFFECT_UPDATE) |
				EFFECT_BIT(EFFECT_ADMIN) | EFFECT_BIT(EFFECT_EXECUTE);
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

/* True if it is masks that hold it now. */
static bool masked_hold(struct asked *a, const char *message)
{
	if (a->ruling.kind != RULING_ALLOW)
		return false;
	a->ruling = (struct ruling){.kind = RULING_HOLD,
		.rule = "masks",
		.message = message,
		.quorum = 1,
		.timeout_ms = MASKED_TIMEOUT_MS,
		.recording = a->ruling.recording};
	return true;
}

/* What `unproven:` says about the rows of a request of which nothing can be said column by column.
 * FETCH gives what was ruled when its cursor was made; what it gives is redacted in any case. */
static struct mask_shown masked_unknown_rows(const struct session *s)
{
	const struct facts *f = &s->asked.facts;
	/* Code that is made, and does not run, gives no rows. */
	const uint32_t code = EFFECT_BIT(EFFECT_UNKNOWN) |
			      (f->flags & FACTS_OPAQUE_ROWS ? EFFECT_BIT(EFFECT_EXECUTE) : 0);
	const struct lineage *l = f->lineage;

	if (s->asked.request.kind != REQUEST_TEXT ||
		!(facts_effects(f) & (code | EFFECT_BIT(EFFECT_READ))))
		return (struct mask_shown){0};
	/* One statement that shows nothing of a table, or reads and gives nothing back. */
	if (f->n_statements == 1 &&
		(l ? !l->next && !(l->flags & (LINEAGE_HAS_COLUMNS | LINEAGE_IS_EXECUTE))
		   : !(facts_effects(f) & code)))
		return (struct mask_shown){0};
	return (struct mask_shown){
		.is_unproven = true, .unproven = mask_rules_unknown(s->resource->masks)};
}

/* `unproven: hold` and `deny`, before anything is sent. */
static void masked_rule_unproven(struct session *s, const struct mask_shown *shown)
{
	struct asked *a = &s->asked;
	const char *message = NULL;

	if (!shown->is_unproven || shown->unproven == UNPROVEN_REDACT)
		return;
	if (shown->column)
		message = arena_printf(&s->request_arena,
			"column %u of its result may show a masked column", shown->column);
	if (!message)
		message = "its result may show a masked column";
	if (shown->unproven == UNPROVEN_DENY)
		masked_deny(a, message);
	else
		a->holds_unproven = masked_hold(a, message);
}

/* What goes wrong in such a query quotes what it computes. A change quotes whole rows ("Failing row
 * contains …"), and code says what it likes. */
static bool masked_only_reads_apart(const struct asked *a, const struct mask_shown *shown)
{
	const uint32_t reads = EFFECT_BIT(EFFECT_READ) | EFFECT_BIT(EFFECT_SESSION);

	return shown->is_apart && !(facts_effects(&a->facts) & ~reads);
}

/* A COPY whose rows can be taken apart and masked like those of a query. */
static bool masked_follows_copy(struct session *s)
{
	struct asked *a = &s->asked;
	const struct facts *f = &a->facts;
	bool is_readable;

	s->proto->lexing(s->state, &is_readable);
	return is_readable && (f->flags & FACTS_COPY_OUT) && a->request.kind == REQUEST_TEXT &&
	       !a->request.is_suspect && f->n_statements == 1 && !masked_changes_names(s) &&
	       !(facts_effects(f) & EFFECT_BIT(EFFECT_UNKNOWN)) &&
	       !sql_copy_out(a->request.text, &s->request_arena, &a->copy_query, &a->copy);
}

/* COPY sends lines without columns: if it is not known which they are, there is nothing that a
 * column rule could hold on to. */
static bool masked_is_lost_copy(
	const struct asked *a, const struct lineage *l, const struct mask_shown *shown)
{
	if (!(a->facts.flags & FACTS_COPY_OUT) || a->is_copy)
		return false;
	if (a->facts.flags & FACTS_COPY_BINARY)
		return true;
	return a->touches && !(l && l->flags & LINEAGE_IS_COPY && shown->is_clear);
}

/* Does a string constant of the text, or a parameter, hold a value that a mask made? */
static bool masked_comes_back(const struct session *s)
{
	const struct request *q = &s->asked.request;
	struct lex l = lex_of(q->text);
	struct lex_token t;

	for (size_t i = 0; i < q->n_params; i++)
		if (mask_is_trace(q->params[i].value, q->params[i].is_binary, true))
			return true;
	if (!memmem(q->text.p, q->text.n, "***", 3) && !memmem(q->text.p, q->text.n, "h:", 2) &&
		!memmem(q->text.p, q->text.n, "6866", 4) &&
		!memmem(q->text.p, q->text.n, "683a", 4))
		return false;
	for (t = lex_next(&l); t.kind != LEX_END; t = lex_next(&l))
		if (t.kind == LEX_STRING && mask_is_trace(t.inner, false, true))
			return true;
	return false;
}

static void masked_rule_written_back(struct session *s)
{
	static const char message[] =
		"it gives back a value that was masked, which would replace the "
		"real one: leave that column out";
	const uint32_t changes =
		EFFECT_BIT(EFFECT_INSERT) | EFFECT_BIT(EFFECT_UPDATE) | EFFECT_BIT(EFFECT_DELETE);
	struct asked *a = &s->asked;
	enum written_back word = mask_rules_written_back(s->resource->masks);

	if (word == WRITTEN_BACK_ALLOW || a->request.kind != REQUEST_TEXT ||
		a->ruling.kind == RULING_DENY || !(facts_effects(&a->facts) & changes) ||
		!masked_comes_back(s))
		return;
	if (word == WRITTEN_BACK_DENY)
		masked_deny(a, message);
	else
		(void)masked_hold(a, message);
}

bool masked_filters(const struct session *s)
{
	const struct mask_catalog *known = catalog_believed(s);
	const struct lineage *l = s->asked.facts.lineage;

	if (!s->wants_text || !mask_rules_need_catalog(s->resource->masks))
		return false;
	for (; l; l = l->next)
		if (!known || mask_filters_protected(known, l))
			return true;
	return false;
}

void masked_rule(struct session *s)
{
	struct asked *a = &s->asked;
	const struct mask_catalog *known = catalog_believed(s);
	const struct lineage *l;
	struct mask_shown shown = {0};

	a->touches = a->quotes = a->runs_code = false;
	a->holds_unproven = a->is_copy = false;
	a->proof = (struct mask_proof){0};
	a->names = catalog_names_now(s);
	if (!s->wants_text || request_is_login(&a->request))
		return;
	a->touches = masked_touches(s);
	l = a->touches && known ? masked_lineage(s) : NULL;
	if (l && l->flags & LINEAGE_HAS_COLUMNS)
		shown = mask_shown_of(known, l);
	else if (a->touches && !l)
		shown = masked_unknown_rows(s);
	a->is_copy = masked_follows_copy(s);
	if (l && l->flags & (LINEAGE_IS_RESULT | LINEAGE_IS_COPY))
		a->proof = shown.proof;
	a->runs_code = masked_runs_code(s);
	a->quotes = a->runs_code || masked_ends_quoting(s) ||
		    (a->touches && !masked_only_reads_apart(a, &shown));
	if (masked_is_lost_copy(a, l, &shown)) {
		masked_deny(a, "which columns this COPY shows cannot be told; use SELECT, or a "
			       "COPY by itself in text, csv or binary");
		return;
	}
	if (masked_copies(s))
		(void)masked_hold(a, "it copies masked data to where no mask applies");
	masked_rule_unproven(s, &shown);
	masked_rule_written_back(s);
}
