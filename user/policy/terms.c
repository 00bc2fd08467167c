/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who has to agree before a held request may run: reading it from the file, and saying it in one
 * line, which also is what two rulings are compared by.
 */
#include "policy/bind.h"
#include "policy/model.h"

enum { TERMS_QUORUM_MAX = 16 };

static bool terms_is_who(struct binder *b, const struct yaml_node *n, const char *what)
{
	bool has_kind = slice_starts(n->text, "user:") || slice_starts(n->text, "group:");

	if (has_kind && n->text.p[n->text.n - 1] != ':')
		return true;
	bind_error(b, n, "%s: expected user:NAME or group:NAME, found \"%.*s\"", what,
		SLICE_FMT(slice_head(n->text, 60)));
	return false;
}

const char **terms_parse_who(struct binder *b, const struct yaml_node *n, const char *what)
{
	size_t n_items, n_good = 0;
	const struct yaml_node *item = bind_items(b, n, what, true, &n_items);
	const char **list;

	if (n_items > POLICY_MAX_LIST) {
		bind_error(b, n, "%s: more than %d entries", what, POLICY_MAX_LIST);
		return NULL;
	}
	list = bind_alloc(b, n_items + 1, sizeof(*list));
	for (size_t i = 0; list && i < n_items; i++, item = item->next)
		if (bind_text(b, item, what, POLICY_TEXT_MAX, false, &list[n_good]) &&
			terms_is_who(b, item, what))
			n_good++;
	if (list)
		list[n_good] = NULL;
	return n_good ? list : NULL;
}

static void terms_parse_seats(struct binder *b, const struct yaml_node *n, struct rule *r)
{
	size_t n_seats = 0, max = 0;
	const char **approvers;
	struct seat *seats;

	for (const struct yaml_node *k = n->first; k; k = k->next->next)
		max++;
	if (!max || max > TERMS_QUORUM_MAX) {
		bind_error(b, n, "quorum: expected 1 to %d groups", TERMS_QUORUM_MAX);
		return;
	}
	seats = bind_alloc(b, max + 1, sizeof(*seats));
	approvers = bind_alloc(b, max + 1, sizeof(*approvers));
	if (!seats || !approvers)
		return;
	r->quorum = 0;
	for (const struct yaml_node *k = n->first; k; k = k->next->next) {
		struct seat *s = &seats[n_seats];

		if (!bind_text(b, k, "quorum", POLICY_TEXT_MAX, false, &s->who) ||
			!terms_is_who(b, k, "quorum") ||
			!bind_uint(b, k->next, s->who, TERMS_QUORUM_MAX, &s->n))
			continue;
		if (!s->n)
			bind_error(b, k->next, "%s: nobody is no quorum", s->who);
		approvers[n_seats++] = s->who;
		r->quorum += s->n;
	}
	if (r->quorum > TERMS_QUORUM_MAX)
		bind_error(b, n, "quorum: more than %d people", TERMS_QUORUM_MAX);
	approvers[n_seats] = NULL;
	seats[n_seats].who = NULL;
	r->seats = seats;
	if (!r->approvers)
		r->approvers = approvers;
}

void terms_parse_quorum(struct binder *b, const struct yaml_node *n, struct rule *r)
{
	if (n->kind == YAML_MAP) {
		terms_parse_seats(b, n, r);
		return;
	}
	if (bind_uint(b, n, "quorum", TERMS_QUORUM_MAX, &r->quorum) && !r->quorum)
		bind_error(b, n, "quorum: nobody is no quorum");
}

void terms_check_quorum(struct binder *b, const struct yaml_node *n, const struct rule *r)
{
	size_t people = 0;

	for (size_t i = 0; r->approvers && r->approvers[i]; i++, people++)
		if (strncmp(r->approvers[i], "user:", 5) != 0)
			return; /* how many a group has changes */
	if (!r->approvers)
		return;
	if (people < r->quorum)
		bind_error(b, n, "quorum: %llu of %zu people can never be reached",
			(unsigned long long)r->quorum, people);
	for (const struct seat *s = r->seats; s && s->who; s++)
		if (s->n > 1)
			bind_error(b, n, "quorum: %s is one person, not %llu", s->who,
				(unsigned long long)s->n);
}

/* ---- in words -------------------------------------------------------------------------------- */

static void terms_print_who(FILE *to, const char *const *list)
{
	for (size_t i = 0; list[i]; i++)
		fprintf(to, "%s%s", i ? " or " : "", list[i]);
}

void policy_print_terms(const struct ruling *r, FILE *to)
{
	if (r->quorum > 1 && !r->n_seats)
		fprintf(to, "%llu of ", (unsigned long long)r->quorum);
	if (r->approvers && (!r->n_seats || r->n_seats > 1 || r->quorum > 1 || r->seats[0][1].who))
		terms_print_who(to, (const char *const *)r->approvers);
	else if (!r->approvers)
		fputs(r->quorum > 1 ? "the approvers" : "any approver", to);
	for (size_t i = 0; i < r->n_seats; i++)
		for (const struct seat *s = r->seats[i]; s->who; s++)
			fprintf(to, "%s%llu of %s", s == r->seats[i] ? ": " : " and ",
				(unsigned long long)s->n, s->who);
	if (r->needs_reason)
		fputs(", with a reason", to);
	if (r->break_glass) {
		fputs(" (in an emergency ", to);
		terms_print_who(to, (const char *const *)r->break_glass);
		fputs(" alone)", to);
	}
}

void policy_print_rule_terms(const struct rule *r, FILE *to)
{
	const struct ruling ruling = {.kind = RULING_HOLD,
		.approvers = r->approvers,
		.break_glass = r->break_glass,
		.seats = {r->seats},
		.n_seats = r->seats != NULL,
		.quorum = r->quorum,
		.needs_reason = r->needs_reason};

	policy_print_terms(&ruling, to);
}

void policy_print_instead(
	const struct policy *p, const struct policy_subject *s, const struct ruling *r, FILE *to)
{
	const char *sep = "";

	for (int e = 0; e < EFFECT_N; e++) {
		/* An object that could be anything: what is allowed for it is for all. */
		const struct facts any = {
			.list = &(struct fact){.effect = (enum effect)e, .bounded = TRI_UNKNOWN},
			.n = 1};

		if (e == EFFECT_UNKNOWN || policy_eval(p, s, &any).kind != RULING_ALLOW)
			continue;
		fprintf(to, "%s%s", sep, effect_table[e].keyword);
		sep = ", ";
	}
	sep = "; this rule spares ";
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct pattern_list *spared = &p->rules[i].unless.object;

		if (strcmp(p->rules[i].name, r->rule) != 0)
			continue;
		for (size_t k = 0; k < spared->n; k++, sep = ", ")
			fprintf(to, "%s%s", sep, (const char *)spared->v[k].whole.text.p);
	}
}
