/* SPDX-License-Identifier: Apache-2.0 */
/* Why a ruling is what it is, in words. It asks the same functions as eval.c, so it cannot differ.
 */
#include <limits.h>

#include "policy/model.h"
#include "util/utf8.h"

enum { EXPLAIN_NAME_MAX = 200 };

static void explain_text(FILE *to, struct slice s)
{
	utf8_print_safe(to, s, false, EXPLAIN_NAME_MAX);
}

static void explain_fact(FILE *to, const struct fact *f)
{
	fputs(effect_table[f->effect].keyword, to);
	if (f->object.n) {
		fputs(" on ", to);
		explain_text(to, f->object);
	} else if (!f->no_object) {
		fputs(" on something not known", to);
	}
	if (f->bounded != TRI_UNKNOWN)
		fputs(f->bounded == TRI_YES ? ", bounded" : ", not bounded", to);
}

/* "run is ci", "role is not known" */
static void explain_name(FILE *to, const char *what, struct slice s)
{
	fprintf(to, "%s is ", what);
	if (s.n)
		explain_text(to, s);
	else
		fputs("not known", to);
}

static void explain_object(FILE *to, const struct fact *f)
{
	if (f->effect == EFFECT_UNKNOWN || (!f->object.n && !f->no_object)) {
		fputs("what it touches is not known", to);
	} else if (f->no_object) {
		fputs("it has no object", to);
	} else {
		fputs("the object is written ", to);
		explain_text(to, f->object);
	}
}

static void explain_filters(FILE *to, const struct cond *c, const struct policy_subject *s)
{
	const struct lineage *l;
	unsigned source;

	if (cond_filters(c, s, &l, &source) == TRI_NO) {
		fputs("no condition hangs on such a column", to);
	} else if (!l || source == UINT_MAX) {
		fputs("what its conditions hang on is not known", to);
	} else {
		fputs("a condition may hang on ", to);
		explain_text(to, lineage_object(l, source));
		fputc('.', to);
		explain_text(to, lineage_source(l, source)->kind == LINEAGE_ROW
					 ? SLICE_LIT("*")
					 : lineage_name(l, source));
	}
}

static void explain_part(FILE *to, enum cond_part part, const struct cond *c,
	const struct policy_subject *s, const struct fact *f)
{
	switch (part) {
	case COND_EFFECT:
		fprintf(to, "the effect is %s", effect_table[f->effect].keyword);
		return;
	case COND_BOUNDED:
		fputs(f->bounded == TRI_YES    ? "it is bounded"
			: f->bounded == TRI_NO ? "it is not bounded"
					       : "whether it is bounded cannot be told",
			to);
		return;
	case COND_OBJECT:
		explain_object(to, f);
		return;
	case COND_RUN:
		explain_name(to, "run", s->run);
		return;
	case COND_ROLE:
		explain_name(to, "role", s->role);
		return;
	case COND_DATABASE:
		explain_name(to, "database", s->database);
		return;
	case COND_FILTERS:
		explain_filters(to, c, s);
		return;
	}
}

static void explain_rule(FILE *to, const struct rule *r, const struct target *t,
	const struct policy_subject *s, const struct fact *f)
{
	struct cond_answer when, unless = {.holds = TRI_NO};
	bool is_allow = r->then == RULING_ALLOW;
	struct object o;

	object_init(&o, f);
	when = cond_match(&r->when, s, f, &o);
	fprintf(to, "  %-5s  %-28s  ", ruling_keywords[r->then], r->name);
	if (r->has_in_transaction)
		fprintf(to, "(in a transaction: %s) ", ruling_keywords[r->in_transaction]);
	if (!cond_fits(&r->when, t)) {
		fputs("does not apply: it is not for this resource\n", to);
		return;
	}
	if (when.holds != TRI_NO && r->has_unless && cond_fits(&r->unless, t))
		unless = cond_match(&r->unless, s, f, &o);
	if (when.holds == TRI_NO || (when.holds == TRI_UNKNOWN && is_allow)) {
		fputs(when.holds == TRI_NO ? "does not apply: " : "is not proven to apply: ", to);
		explain_part(to, when.part, &r->when, s, f);
	} else if (unless.holds == TRI_YES) {
		fputs("does not apply: its `unless` does", to);
	} else if (unless.holds == TRI_UNKNOWN) {
		fputs(is_allow ? "is not proven to apply: its `unless` may: "
			       : "may apply: its `unless` is not proven: ",
			to);
		explain_part(to, unless.part, &r->unless, s, f);
	} else if (when.holds == TRI_UNKNOWN) {
		fputs("may apply: ", to);
		explain_part(to, when.part, &r->when, s, f);
	} else {
		fputs("applies", to);
	}
	fputc('\n', to);
}

static void explain_pair(FILE *to, const struct policy *p, const struct target *t,
	const struct policy_subject *s, const struct fact *f)
{
	struct fact one = *f;
	struct ruling r = policy_eval(p, s, &(struct facts){.list = &one, .n = 1});

	explain_fact(to, f);
	fputs(":\n", to);
	for (size_t i = 0; i < p->n_rules; i++)
		explain_rule(to, &p->rules[i], t, s, f);
	fprintf(to, "  %-5s  %-28s  where no rule is proven to apply\n",
		ruling_keywords[p->fallback[f->effect]], "default");
	fprintf(to, "  = %s by %s\n", ruling_keywords[r.kind], r.rule);
}

static void explain_hold(FILE *to, const struct ruling *r)
{
	fputs("; ", to);
	policy_print_terms(r, to);
	fprintf(to, " may approve within %llds, then it is denied",
		(long long)(r->timeout_ms / 1000));
	if (r->ticket_ms)
		fprintf(to,
			"; the connection does not wait, the same request is let through for "
			"%llds after that",
			(long long)(r->ticket_ms / 1000));
}

void policy_explain(
	const struct policy *p, const struct policy_subject *s, const struct facts *f, FILE *to)
{
	const struct target *t = policy_target(p, s->resource);
	struct policy_subject of = *s;
	struct ruling r;

	if (bug(!t))
		return;
	of.whole = f;
	s = &of;
	r = policy_eval(p, s, f);
	fprintf(to, "At %s (%s), where ", t->res.name, t->res.protocol);
	explain_name(to, "run", s->run);
	explain_name(to, ", role", s->role);
	explain_name(to, ", database", s->database);
	fputs("\n", to);
	for (size_t i = 0; i < f->n; i++)
		explain_pair(to, p, t, s, &f->list[i]);
	if (!f->n)
		explain_pair(to, p, t, s, &policy_no_facts);
	fprintf(to, "Ruling: %s by %s", ruling_keywords[r.kind], r.rule);
	if (r.kind == RULING_HOLD)
		explain_hold(to, &r);
	fputs(p->is_observe ? "; recorded, not enforced (mode: observe).\n" : ".\n", to);
	if (r.message)
		fprintf(to, "The agent is told: %s\n", r.message);
}
