/* SPDX-License-Identifier: Apache-2.0 */
/* What holds for every policy, over many made by a fixed generator. */
#include "policy_util.h"

enum { PROPERTY_POLICIES = 300, PROPERTY_RULES = 7 };

static uint64_t state;

static unsigned pick(unsigned n)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(state >> 33) % n;
}

static const char *const effects[] = {"", "effect: read, ", "effect: [delete, update], ",
	"effect: delete, bounded: false, ", "effect: [delete, update], bounded: true, ",
	"effect: unknown, ", "effect: [insert, unknown], "};
static const char *const objects[] = {"", "object: a.*, ", "object: a.t, ", "object: t, ",
	"object: '*.t', ", "object: ['b.u', 'a*'], ", "object: '*', ", "role: app, ",
	"role: 'o*', ", "run: ci, role: [x, app], "};
static const char *const thens[] = {"allow", "hold", "deny",
	"hold, approvers: [group:a, group:b], timeout: 5m", "hold, approvers: group:b",
	"hold, timeout: 1h"};
static const char *const defaults[] = {
	"hold", "deny", "{read: allow, other: hold}", "{unknown: hold, other: allow}"};

static void make_rule(char *buf, size_t n, unsigned i, unsigned then)
{
	unsigned other = pick(10);

	snprintf(buf, n, "- {name: r%u, when: {%s%s}, %s%s%sthen: %s}\n", i, effects[pick(7)],
		objects[pick(10)], pick(3) || !other ? "" : "unless: {", "", "", thens[then]);
	if (strstr(buf, "unless")) {
		size_t len = (size_t)(strstr(buf, "then:") - buf);

		snprintf(buf + len, n - len, "%s}, then: %s}\n", objects[other], thens[then]);
	}
}

static struct policy *make_policy(
	const char *fallback, char rules[][256], const unsigned *order, size_t n)
{
	char text[8192];
	size_t len = (size_t)snprintf(text, sizeof(text),
		"version: 1\ndefault: %s\nresources: [{name: db, at: '10.0.0.1:1', protocol: "
		"postgres}]\nrules:\n",
		fallback);

	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", rules[order[i]]);
	return pt_policy(text);
}

static const char *const names[] = {"a.t", "a.u", "b.t", "b.u", "t", "u", "?", NULL, "x.a.t"};
static const enum effect kinds[] = {EFFECT_READ, EFFECT_DELETE, EFFECT_INSERT, EFFECT_UNKNOWN};

enum { PROPERTY_FACTS = 9 * 4 * 3 };

static struct fact nth_fact(unsigned i)
{
	return pt_fact(kinds[i / 3 % 4], names[i / 12], (enum tri)(i % 3));
}

static struct ruling rule_as(const struct policy *p, const char *role, struct fact f)
{
	struct policy_subject s = {.resource = policy_resource_at(p, 0),
		.run = SLICE_LIT("ci"),
		.role = slice_str(role)};

	return policy_eval(p, &s, &(struct facts){.list = &f, .n = 1});
}

static void shuffle(unsigned *order, unsigned n)
{
	for (unsigned i = n; i > 1; i--) {
		unsigned j = pick(i), t = order[i - 1];

		order[i - 1] = order[j];
		order[j] = t;
	}
}

Test(policy_property, order_of_rules_never_matters)
{
	state = 1;
	for (unsigned n = 0; n < PROPERTY_POLICIES; n++) {
		char rules[PROPERTY_RULES][256];
		unsigned order[] = {0, 1, 2, 3, 4, 5, 6};
		const char *fallback = defaults[pick(4)];
		struct policy *p, *q;

		for (unsigned i = 0; i < PROPERTY_RULES; i++)
			make_rule(rules[i], sizeof(rules[i]), i, pick(6));
		p = make_policy(fallback, rules, order, PROPERTY_RULES);
		shuffle(order, PROPERTY_RULES);
		q = make_policy(fallback, rules, order, PROPERTY_RULES);
		for (unsigned i = 0; i < PROPERTY_FACTS; i++) {
			struct ruling a = rule_as(p, "app", nth_fact(i)),
				      b = rule_as(q, "app", nth_fact(i));
			size_t k = 0;

			cr_assert(a.kind == b.kind && !strcmp(a.rule, b.rule) &&
				  a.timeout_ms == b.timeout_ms && a.durable == b.durable);
			cr_assert_eq(!a.approvers, !b.approvers);
			while (a.approvers && a.approvers[k] && b.approvers[k])
				k++;
			cr_assert(!a.approvers || a.approvers[k] == b.approvers[k]);
		}
		policy_free(p);
		policy_free(q);
	}
}

/* Against a default: a hold rule is there to lift a deny by default, so the stricter of the default
 * and of what was before is what nothing may fall below. */
Test(policy_property, another_hold_or_deny_rule_never_weakens_what_rules_said)
{
	unsigned n_stricter = 0;

	state = 2;
	for (unsigned n = 0; n < PROPERTY_POLICIES; n++) {
		char rules[PROPERTY_RULES][256];
		static const unsigned order[] = {0, 1, 2, 3, 4, 5, 6};
		const char *fallback = defaults[pick(4)];
		struct policy *p, *q;

		for (unsigned i = 0; i < PROPERTY_RULES; i++)
			make_rule(rules[i], sizeof(rules[i]), i,
				i == PROPERTY_RULES - 1 ? 1 + pick(5) : pick(6));
		p = make_policy(fallback, rules, order, PROPERTY_RULES - 1);
		q = make_policy(fallback, rules, order, PROPERTY_RULES);
		for (unsigned i = 0; i < PROPERTY_FACTS; i++) {
			struct ruling a = rule_as(p, "app", nth_fact(i)),
				      b = rule_as(q, "app", nth_fact(i));

			if (strcmp(a.rule, "default"))
				cr_assert(b.kind >= a.kind, "%s by %s became %s by %s",
					ruling_keywords[a.kind], a.rule, ruling_keywords[b.kind],
					b.rule);
			n_stricter += b.kind > a.kind;
		}
		policy_free(p);
		policy_free(q);
	}
	cr_expect_gt(n_stricter, 100, "the generator makes no rule that matters");
}

/* Hiding something never gives a weaker ruling than every value that it could hide. */
Test(policy_property, what_is_unknown_is_ruled_as_the_strictest_it_could_be)
{
	static const char *const known[] = {"a.t", "a.u", "b.t", "b.u"};

	state = 3;
	for (unsigned n = 0; n < PROPERTY_POLICIES; n++) {
		char rules[PROPERTY_RULES][256];
		static const unsigned order[] = {0, 1, 2, 3, 4, 5, 6};
		struct policy *p;

		for (unsigned i = 0; i < PROPERTY_RULES; i++)
			make_rule(rules[i], sizeof(rules[i]), i, pick(6));
		p = make_policy(defaults[pick(4)], rules, order, PROPERTY_RULES);
		for (unsigned e = 0; e < 3; e++) {
			struct fact hidden = pt_fact(kinds[e], "?", TRI_UNKNOWN);
			enum ruling_kind strict = rule_as(p, "", hidden).kind;

			for (unsigned i = 0; i < 4; i++) {
				struct fact bare = pt_fact(kinds[e], known[i] + 2, TRI_UNKNOWN);

				for (unsigned b = 0; b < 3; b++) {
					struct fact f = pt_fact(kinds[e], known[i], (enum tri)b);

					cr_assert_leq(rule_as(p, "app", f).kind, strict);
					cr_assert_leq(rule_as(p, "other", f).kind, strict);
					cr_assert_leq(rule_as(p, "app", f).kind,
						rule_as(p, "app", bare).kind);
				}
			}
		}
		policy_free(p);
	}
}
