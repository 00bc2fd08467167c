/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be decided before the first request: do the references hold, which rules and masks can
 * apply to which resource, in what order rules are strict, who is in which set of approvers.
 */
#include <errno.h>
#include <stdlib.h>

#include "policy/model.h"

/* ---- references ------------------------------------------------------------------------------ */

static bool compile_has_tag(const struct target *t, const struct pattern *p)
{
	for (size_t i = 0; t->res.tags[i]; i++)
		if (pattern_matches(p, slice_str(t->res.tags[i])))
			return true;
	return false;
}

static bool compile_has_name(const struct target *t, const struct pattern *p)
{
	return pattern_matches(p, slice_str(t->res.name));
}

typedef bool (*compile_has)(const struct target *t, const struct pattern *p);

static bool compile_any(const struct pattern_list *l, const struct target *t, compile_has has)
{
	for (size_t i = 0; i < l->n; i++)
		if (has(t, &l->v[i]))
			return true;
	return !l->n;
}

bool cond_fits(const struct cond *c, const struct target *t)
{
	return compile_any(&c->tag, t, compile_has_tag) &&
	       compile_any(&c->resource, t, compile_has_name) &&
	       (!c->protocols || c->protocols & 1u << t->protocol);
}

/* The tag or name in the policy that was probably meant, or NULL. */
static const char *compile_near(const struct policy *p, struct slice word, compile_has has)
{
	const char *best;

	for (size_t i = 0; i < p->n_targets; i++) {
		const struct resource *res = &p->targets[i].res;
		const char *const name[] = {res->name, NULL};

		best = diag_nearest(
			word, has == compile_has_name ? name : (const char *const *)res->tags);
		if (best)
			return best;
	}
	return NULL;
}

/* A tag or resource that no `resources:` entry has: a deny rule with a typo would never deny. */
static bool compile_check_list(
	const struct policy *p, const struct pattern_list *l, compile_has has, struct diag *d)
{
	const char *key = has == compile_has_name ? "resource" : "tag";
	size_t before = d->n;

	for (size_t i = 0; i < l->n; i++) {
		const struct pattern *want = &l->v[i];
		const char *near;
		bool is_found = false;

		for (size_t t = 0; t < p->n_targets && !is_found; t++)
			is_found = has(&p->targets[t], want);
		if (is_found)
			continue;
		near = compile_near(p, want->whole.text, has);
		diag_add(d, want->line, want->col, "%s: no resource %s \"%.60s\"%s%s%s", key,
			has == compile_has_name ? "is called" : "has the tag",
			(const char *)want->whole.text.p, near ? "; did you mean \"" : "",
			near ? near : "", near ? "\"?" : "");
	}
	return d->n == before;
}

static void compile_check_cond(const struct policy *p, const struct cond *c, struct diag *d)
{
	(void)compile_check_list(p, &c->tag, compile_has_tag, d);
	(void)compile_check_list(p, &c->resource, compile_has_name, d);
}

static void compile_check_references(const struct policy *p, struct diag *d)
{
	for (size_t i = 0; i < p->n_rules; i++) {
		compile_check_cond(p, &p->rules[i].when, d);
		compile_check_cond(p, &p->rules[i].unless, d);
	}
}

/* One kind of named thing, for the check that names are unique. */
static void compile_check_name(struct diag *d, const char *kind, const char *name, unsigned line,
	unsigned col, const char *earlier, unsigned earlier_line)
{
	if (name && earlier && !strcmp(name, earlier))
		diag_add(d, line, col, "%s \"%s\" is already defined in line %u", kind, name,
			earlier_line);
}

static void compile_check_names(const struct policy *p, struct diag *d)
{
	for (size_t i = 0; i < p->n_targets; i++)
		for (size_t j = 0; j < i; j++)
			compile_check_name(d, "resource", p->targets[i].res.name,
				p->targets[i].line, p->targets[i].col, p->targets[j].res.name,
				p->targets[j].line);
	for (size_t i = 0; i < p->n_rules; i++)
		for (size_t j = 0; j < i; j++)
			compile_check_name(d, "rule", p->rules[i].name, p->rules[i].line,
				p->rules[i].col, p->rules[j].name, p->rules[j].line);
	for (size_t i = 0; i < p->n_masks; i++)
		for (size_t j = 0; j < i; j++)
			compile_check_name(d, "mask", p->masks[i].rule.name, p->masks[i].line,
				p->masks[i].col, p->masks[j].rule.name, p->masks[j].line);
}

/* ---- rules ----------------------------------------------------------------------------------- */

/* Strictest first: ruling, then limited approvers, then the shorter wait; the name makes it total.
 */
static int compile_compare(const void *a, const void *b)
{
	const struct rule *x = *(const struct rule *const *)a, *y = *(const struct rule *const *)b;

	if (x->then != y->then)
		return (int)y->then - (int)x->then;
	if (!x->approvers != !y->approvers)
		return !x->approvers - !y->approvers;
	if (x->timeout_ms != y->timeout_ms)
		return x->timeout_ms < y->timeout_ms ? -1 : 1;
	return strcmp(x->name, y->name);
}

static uint32_t compile_parts(const struct cond *c)
{
	return (c->effects != EFFECT_ALL) << COND_EFFECT |
	       (c->bounded != TRI_UNKNOWN) << COND_BOUNDED | (c->object.n > 0) << COND_OBJECT |
	       (c->run.n > 0) << COND_RUN | (c->role.n > 0) << COND_ROLE |
	       (c->database.n > 0) << COND_DATABASE |
	       (c->n_filters || c->filters_masked) << COND_FILTERS;
}

static void compile_conds(struct rule *r)
{
	/* A rule that says nothing of effects stops what is not understood, but never allows it. */
	if (!r->when.effects)
		r->when.effects = r->then == RULING_ALLOW ? EFFECT_ALL & ~EFFECT_BIT(EFFECT_UNKNOWN)
							  : EFFECT_ALL;
	if (!r->unless.effects)
		r->unless.effects = EFFECT_ALL;
	r->when.parts = compile_parts(&r->when);
	r->unless.parts = compile_parts(&r->unless);
}

static int compile_rank(struct policy *p, struct rule ***ret)
{
	struct rule **order = arena_array(&p->arena, p->n_rules, sizeof(*order));

	if (!order)
		return err_raise(-ENOMEM);
	for (size_t i = 0; i < p->n_rules; i++) {
		compile_conds(&p->rules[i]);
		p->asks_filters |= p->rules[i].when.parts >> COND_FILTERS & 1;
		order[i] = &p->rules[i];
	}
	if (p->n_rules)
		qsort(order, p->n_rules, sizeof(*order), compile_compare);
	for (size_t i = 0; i < p->n_rules; i++)
		order[i]->rank = (unsigned)i;
	*ret = order;
	return 0;
}

/* What a rule is inside a transaction, where it says something else about that; in that order, NULL
 * where it does not. */
static int compile_inside(struct policy *p, struct rule *const *order, struct rule ***ret)
{
	struct rule **inside = arena_array(&p->arena, p->n_rules + 1, sizeof(*inside));

	if (!inside)
		return err_raise(-ENOMEM);
	for (size_t i = 0; i < p->n_rules; i++) {
		inside[i] = NULL;
		if (!order[i]->has_in_transaction)
			continue;
		inside[i] = arena_array(&p->arena, 1, sizeof(*inside[i]));
		if (!inside[i])
			return err_raise(-ENOMEM);
		*inside[i] = *order[i];
		inside[i]->then = order[i]->in_transaction;
		inside[i]->only_in_transaction = true;
		if (inside[i]->then == RULING_DENY)
			inside[i]->message = "not inside a transaction, where others wait for its "
					     "locks: ask outside of one";
		p->asks_transaction = true;
	}
	*ret = inside;
	return 0;
}

static int compile_bind(struct policy *p, struct rule *const *order)
{
	struct rule **inside = NULL;
	int e = compile_inside(p, order, &inside);

	if (e)
		return err_trace(e);
	for (size_t i = 0; i < p->n_targets; i++) {
		struct target *t = &p->targets[i];

		t->rules = arena_array(&p->arena, 2 * p->n_rules, sizeof(*t->rules));
		if (!t->rules)
			return err_raise(-ENOMEM);
		for (size_t j = 0; j < p->n_rules; j++) {
			const struct rule *r = order[j];
			const struct rule *both[] = {r, inside[j]};

			for (size_t k = 0; k < 2 && both[k] && cond_fits(&r->when, t); k++)
				t->rules[t->n_rules++] = (struct bound_rule){.rule = both[k],
					.effects = r->when.effects,
					.may_unless = r->has_unless && cond_fits(&r->unless, t)};
		}
	}
	return 0;
}

static void compile_defaults(struct policy *p)
{
	for (size_t kind = 0; kind < 3; kind++)
		p->defaults[kind] = (struct rule){.name = "default",
			.then = (enum ruling_kind)kind,
			.approver_set = APPROVERS_ANY,
			.timeout_ms = POLICY_TIMEOUT_MS,
			.quorum = 1,
			.is_default = true,
			.rank = UINT32_MAX};
}

/* ---- approvers ------------------------------------------------------------------------------- */

/* The entry's bit; 0 when there are too many. */
static uint64_t compile_approver(struct policy *p, const char *entry)
{
	size_t i = 0;

	while (i < p->n_approvers && strcmp(p->approvers[i], entry))
		i++;
	/* The last bit stays unused: a set of all 64 would read as APPROVERS_ANY. */
	if (i == POLICY_MAX_APPROVERS - 1)
		return 0;
	if (i == p->n_approvers)
		p->approvers[p->n_approvers++] = entry;
	return UINT64_C(1) << i;
}

static int compile_add_set(struct policy *p, uint64_t set, bool *ret_full)
{
	struct approvers *s = &p->sets[p->n_sets];
	size_t n = 0;

	for (size_t i = 0; i < p->n_sets; i++)
		if (p->sets[i].set == set)
			return 0;
	*ret_full = p->n_sets == POLICY_MAX_APPROVER_SETS;
	if (*ret_full)
		return 0;
	s->list = arena_array(&p->arena, POLICY_MAX_APPROVERS + 1, sizeof(*s->list));
	if (!s->list)
		return err_raise(-ENOMEM);
	for (size_t i = 0; i < p->n_approvers; i++)
		if (set & UINT64_C(1) << i)
			s->list[n++] = p->approvers[i];
	s->set = set;
	p->n_sets++;
	return 0;
}

static uint64_t compile_who(
	struct policy *p, const struct rule *r, const char **list, struct diag *d)
{
	uint64_t set = 0;

	for (size_t i = 0; list && list[i]; i++) {
		uint64_t bit = compile_approver(p, list[i]);

		if (!bit) {
			diag_add(d, r->line, r->col,
				"more than %d different approvers in one policy",
				POLICY_MAX_APPROVERS - 1);
			break;
		}
		set |= bit;
	}
	return set;
}

static void compile_rule_approvers(struct policy *p, struct rule *r, struct diag *d)
{
	r->approver_set = r->approvers ? compile_who(p, r, r->approvers, d) : APPROVERS_ANY;
	r->break_set = compile_who(p, r, r->break_glass, d);
}

/*
 * A request can meet several hold rules, and then only someone whom each of them names may approve.
 * The sets that this can give are made here, so that evaluation only looks one up.
 */
static int compile_approvers(struct policy *p, struct diag *d)
{
	bool is_full = false;
	int r;

	p->sets = arena_array(&p->arena, POLICY_MAX_APPROVER_SETS, sizeof(*p->sets));
	if (!p->sets)
		return err_raise(-ENOMEM);
	for (size_t i = 0; i < p->n_rules; i++)
		compile_rule_approvers(p, &p->rules[i], d);
	for (size_t i = 0; i < p->n_rules && !is_full; i++) {
		const uint64_t sets[] = {p->rules[i].approver_set, p->rules[i].break_set};

		for (size_t k = 0; k < 2 && !is_full; k++) {
			if (!sets[k] || sets[k] == APPROVERS_ANY)
				continue;
			r = compile_add_set(p, sets[k], &is_full);
			if (r)
				return err_trace(r);
		}
	}
	for (size_t i = 1; i < p->n_sets && !is_full; i++) {
		for (size_t j = 0; j < i && !is_full; j++) {
			r = compile_add_set(p, p->sets[i].set & p->sets[j].set, &is_full);
			if (r)
				return err_trace(r);
		}
	}
	if (is_full)
		diag_add(d, 0, 0, "rules have too many different lists of approvers");
	return 0;
}

/* ---- masks ----------------------------------------------------------------------------------- */

static bool compile_mask_fits(const struct mask_entry *m, const struct target *t)
{
	return t->protocol != PROTOCOL_WORD_OPAQUE && compile_any(&m->tag, t, compile_has_tag) &&
	       compile_any(&m->resource, t, compile_has_name);
}

static void compile_check_mask(const struct policy *p, const struct mask_entry *m, struct diag *d)
{
	bool has_tags = compile_check_list(p, &m->tag, compile_has_tag, d);
	bool has_names = compile_check_list(p, &m->resource, compile_has_name, d);

	for (size_t i = 0; i < p->n_targets; i++)
		if (compile_mask_fits(m, &p->targets[i]))
			return;
	if (has_tags && has_names)
		diag_add(d, m->line, m->col,
			"mask: no resource that can be masked (not `protocol: opaque`) matches");
}

static int compile_masks(struct policy *p)
{
	for (size_t i = 0; i < p->n_targets; i++) {
		struct target *t = &p->targets[i];
		size_t n = 0;

		t->res.masks = arena_array(&p->arena, p->n_masks + 1, sizeof(*t->res.masks));
		if (!t->res.masks)
			return err_raise(-ENOMEM);
		for (size_t j = 0; j < p->n_masks; j++)
			if (compile_mask_fits(&p->masks[j], t))
				t->res.masks[n++] = &p->masks[j].rule;
	}
	return 0;
}

int policy_compile(struct policy *p, struct diag *d)
{
	struct rule **order = NULL;
	int r;

	compile_check_names(p, d);
	/* What refers to a broken entry is not wrong itself. */
	if (!p->is_partial) {
		compile_check_references(p, d);
		for (size_t i = 0; i < p->n_masks; i++)
			compile_check_mask(p, &p->masks[i], d);
	}
	r = compile_approvers(p, d);
	if (r)
		return err_trace(r);
	if (d->n)
		return 0;
	compile_defaults(p);
	r = compile_rank(p, &order);
	if (r)
		return err_trace(r);
	r = compile_bind(p, order);
	if (r)
		return err_trace(r);
	r = compile_masks(p);
	return r ? err_trace(r) : 0;
}
