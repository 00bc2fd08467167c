/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Facts → ruling. Pure, without allocation, and in the order of what it costs to be wrong.
 *
 * Where something is unknown, the ruling is the strictest over everything it might be:
 *   - a deny or hold rule counts if it may match; an `unless` takes a pair out of it only if it
 *     provably matches;
 *   - an allow rule counts only if it provably matches and its `unless` provably does not;
 *   - `default` counts where no rule provably matches: a pair that only may fall under a hold rule
 *     may also fall under none. Without this, hiding an object's name would turn a deny by default
 *     into a hold.
 *
 * EFFECT_UNKNOWN is a word of its own, not "any effect": it meets conditions that list `unknown`,
 * or hold and deny rules that say nothing of effects. Read as "any", one deny rule on `destroy`
 * would deny everything not understood, and nobody could let a human look at it instead.
 */
#include "policy/model.h"

const struct fact policy_no_facts = {.effect = EFFECT_UNKNOWN, .bounded = TRI_UNKNOWN};

static enum tri cond_bounded(enum tri want, enum tri is)
{
	if (want == TRI_UNKNOWN)
		return TRI_YES;
	return is == TRI_UNKNOWN ? TRI_UNKNOWN : is == want ? TRI_YES : TRI_NO;
}

/* What filters_on says hangs on the whole request, not on the pair: it is found out once a rule. */
enum { FILTERS_MEMO_MAX = 64 };
struct filters_memo {
	size_t n;
	const struct cond *cond[FILTERS_MEMO_MAX];
	enum tri is[FILTERS_MEMO_MAX];
};

static enum tri cond_filters_once(const struct cond *c, const struct policy_subject *s)
{
	struct filters_memo *m = s->memo;
	const struct lineage *l;
	unsigned source;
	enum tri is;

	for (size_t i = 0; m && i < m->n; i++)
		if (m->cond[i] == c)
			return m->is[i];
	is = cond_filters(c, s, &l, &source);
	if (m && m->n < FILTERS_MEMO_MAX) {
		m->cond[m->n] = c;
		m->is[m->n++] = is;
	}
	return is;
}

static enum tri cond_part(const struct cond *c, enum cond_part part, const struct policy_subject *s,
	const struct fact *f, const struct object *o)
{
	switch (part) {
	case COND_EFFECT:
		return c->effects & EFFECT_BIT(f->effect) ? TRI_YES : TRI_NO;
	case COND_BOUNDED:
		return cond_bounded(c->bounded, f->bounded);
	case COND_OBJECT:
		return pattern_list_object(&c->object, o);
	case COND_RUN:
		return pattern_list_text(&c->run, s->run);
	case COND_ROLE:
		return pattern_list_text(&c->role, s->role);
	case COND_DATABASE:
		return pattern_list_text(&c->database, s->database);
	case COND_FILTERS:
		return cond_filters_once(c, s);
	}
	return TRI_UNKNOWN;
}

/* The first part that says no, or else the first that cannot tell. */
struct cond_answer cond_match(const struct cond *c, const struct policy_subject *s,
	const struct fact *f, const struct object *o)
{
	struct cond_answer a = {.holds = TRI_YES};

	for (uint32_t parts = c->parts; parts; parts &= parts - 1) {
		enum cond_part part = (enum cond_part)__builtin_ctz(parts);
		enum tri t = cond_part(c, part, s, f, o);

		if (t == TRI_NO)
			return (struct cond_answer){TRI_NO, part};
		if (t == TRI_UNKNOWN && a.holds == TRI_YES)
			a = (struct cond_answer){TRI_UNKNOWN, part};
	}
	return a;
}

/* when ∧ ¬unless */
static enum tri eval_rule(const struct bound_rule *b, const struct policy_subject *s,
	const struct fact *f, const struct object *o)
{
	enum tri when = cond_match(&b->rule->when, s, f, o).holds, unless;

	if (when == TRI_NO || !b->may_unless)
		return when;
	unless = cond_match(&b->rule->unless, s, f, o).holds;
	if (unless == TRI_YES)
		return TRI_NO;
	return unless == TRI_UNKNOWN ? TRI_UNKNOWN : when;
}

/* What the rules met so far add up to. */
struct tally {
	const struct rule *by;
	uint64_t approvers, break_glass, quorum;
	int64_t timeout_ms, ticket_ms;
	const struct seat *seats[RULING_SEATS_MAX];
	size_t n_seats;
	size_t fact;
	bool is_durable, needs_reason, is_full;
	enum recording recording; /* the most that a pair asks for */
};

static void eval_seats(struct tally *t, const struct rule *r)
{
	size_t i = 0;

	while (i < t->n_seats && t->seats[i] != r->seats)
		i++;
	if (!r->seats || i < t->n_seats)
		return;
	t->is_full |= i == RULING_SEATS_MAX;
	if (!t->is_full)
		t->seats[t->n_seats++] = r->seats;
}

static void eval_begin(struct tally *t, const struct rule *r, size_t fact)
{
	*t = (struct tally){.by = r,
		.approvers = r->approver_set,
		.break_glass = r->break_set,
		.quorum = r->quorum,
		.timeout_ms = r->timeout_ms,
		.ticket_ms = r->ticket_ms,
		.fact = fact,
		.is_durable = t->is_durable,
		.recording = t->recording,
		.needs_reason = r->needs_reason};
	eval_seats(t, r);
}

static void eval_take(struct tally *t, const struct rule *r, size_t fact)
{
	t->is_durable |= r->is_durable;
	if (t->by && t->by->then > r->then)
		return;
	if (!t->by || r->then > t->by->then || (t->by->is_default && !r->is_default)) {
		eval_begin(t, r, fact);
		return;
	}
	/* `default` has no wishes of its own for a hold that a rule describes. */
	if (r->is_default)
		return;
	t->approvers &= r->approver_set;
	t->break_glass &= r->break_set;
	t->needs_reason |= r->needs_reason;
	eval_seats(t, r);
	if (r->quorum > t->quorum)
		t->quorum = r->quorum;
	if (r->timeout_ms < t->timeout_ms)
		t->timeout_ms = r->timeout_ms;
	if (r->ticket_ms < t->ticket_ms)
		t->ticket_ms = r->ticket_ms;
	if (r->rank < t->by->rank) {
		t->by = r;
		t->fact = fact;
	}
}

/* What one pair asks to be kept of the reply: the most that a rule says, or else the resource.
 * Keeping less is a promise to somebody, which nobody gets on a maybe. */
struct recorded {
	bool is_said;
	enum recording most;
};

static void eval_recording(struct recorded *kept, const struct rule *r, enum tri matches)
{
	if (!r->has_recording || (matches != TRI_YES && r->recording < RECORDING_SUMMARY))
		return;
	kept->most = kept->is_said && kept->most > r->recording ? kept->most : r->recording;
	kept->is_said = true;
}

/* Is it of a kind that the rule speaks about? See enum fact_sight. */
static bool eval_concerns(const struct rule *r, const struct fact *f)
{
	switch (f->sight) {
	case FACT_PLAIN:
		return true;
	case FACT_SHOWN:
		return r->then != RULING_ALLOW;
	case FACT_READ_OFF:
		return r->then != RULING_ALLOW && (r->when.parts & 1u << COND_OBJECT);
	}
	return true;
}

static void eval_fact(const struct policy *p, const struct target *target,
	const struct policy_subject *s, const struct fact *f, size_t i, struct tally *t)
{
	uint32_t bit = EFFECT_BIT(f->effect);
	struct recorded kept = {0};
	bool is_named = false;
	struct object o;

	object_init(&o, f);
	for (size_t j = 0; j < target->n_rules; j++) {
		const struct bound_rule *b = &target->rules[j];
		enum tri matches;

		if (!(b->effects & bit) || !eval_concerns(b->rule, f) ||
			(b->rule->only_in_transaction && s->in_transaction == TRI_NO))
			continue;
		matches = eval_rule(b, s, f, &o);
		if (matches == TRI_NO || (matches == TRI_UNKNOWN && b->rule->then == RULING_ALLOW))
			continue;
		is_named |= matches == TRI_YES;
		eval_recording(&kept, b->rule, matches);
		eval_take(t, b->rule, i);
	}
	if (!kept.is_said)
		kept.most = target->res.recording;
	t->recording = kept.most > t->recording ? kept.most : t->recording;
	if (!is_named && f->sight == FACT_PLAIN)
		eval_take(t, &p->defaults[p->fallback[f->effect]], i);
}

static const char **eval_set(const struct policy *p, uint64_t set)
{
	for (size_t i = 0; i < p->n_sets; i++)
		if (p->sets[i].set == set)
			return p->sets[i].list;
	return NULL;
}

static struct ruling eval_ruling(const struct policy *p, const struct tally *t)
{
	struct ruling r = {.kind = t->by->then,
		.rule = t->by->name,
		.message = t->by->message,
		.timeout_ms = t->timeout_ms,
		.durable = t->is_durable,
		.recording = t->recording,
		.fact = t->fact};

	if (r.kind != RULING_HOLD)
		return r;
	if (!t->approvers || t->is_full) {
		r.kind = RULING_DENY;
		r.message = t->is_full ? "held by too many rules that each want a quorum of groups"
				       : "held by rules that have no approver in common";
		return r;
	}
	if (t->approvers != APPROVERS_ANY)
		r.approvers = eval_set(p, t->approvers);
	if (t->break_glass)
		r.break_glass = eval_set(p, t->break_glass);
	memcpy(r.seats, t->seats, sizeof(r.seats));
	r.n_seats = t->n_seats;
	r.quorum = t->quorum;
	r.needs_reason = t->needs_reason;
	r.ticket_ms = t->ticket_ms;
	return r;
}

struct ruling policy_eval(
	const struct policy *p, const struct policy_subject *s, const struct facts *f)
{
	const struct target *target = policy_target(p, s->resource);
	struct policy_subject of = *s;
	struct filters_memo memo;
	struct tally t = {0};

	memo.n = 0;
	of.memo = &memo;
	if (bug(!target))
		return (struct ruling){.kind = RULING_DENY, .rule = "default"};
	of.whole = s->whole ? s->whole : f;
	for (size_t i = 0; i < f->n; i++)
		eval_fact(p, target, &of, &f->list[i], i, &t);
	if (!t.by)
		eval_fact(p, target, &of, &policy_no_facts, 0, &t);
	return eval_ruling(p, &t);
}
