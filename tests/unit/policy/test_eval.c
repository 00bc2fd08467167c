/* SPDX-License-Identifier: Apache-2.0 */
/* What a policy says to facts, known and unknown. */
#include "policy_util.h"
#include "util/cleanup.h"

#define TOP "version: 1\ndefault: {read: allow, session: allow, other: hold}\n"
#define DB                                                                                         \
	"resources:\n"                                                                             \
	"- {name: db, at: '127.0.0.1:5432', protocol: postgres, tags: [prod, eu]}\n"               \
	"- {name: dev, at: '127.0.0.1:5433', protocol: postgres, tags: [test]}\n"

#define U TRI_UNKNOWN

struct eval_case {
	const char *rules; /* below `rules:`; NULL: as the row before */
	const char *resource;
	enum effect effect;
	const char *object;
	enum tri bounded;
	enum ruling_kind want;
	const char *rule;
};

static void check(const char *top, const struct eval_case *c, size_t n)
{
	struct policy *p = NULL;

	for (size_t i = 0; i < n; i++) {
		char text[4096];
		struct ruling r;

		if (c[i].rules) {
			policy_free(p);
			snprintf(text, sizeof(text), "%s" DB "%s%s", top,
				*c[i].rules ? "rules:\n" : "", c[i].rules);
			p = pt_policy(text);
		}
		r = pt_rule(p, c[i].resource, pt_fact(c[i].effect, c[i].object, c[i].bounded));
		cr_expect(r.kind == c[i].want && !strcmp(r.rule, c[i].rule),
			"row %zu: want %s by %s, got %s by %s", i, ruling_keywords[c[i].want],
			c[i].rule, ruling_keywords[r.kind], r.rule);
	}
	policy_free(p);
}
#define CHECK(top, cases) check(top, cases, sizeof(cases) / sizeof(*(cases)))

static const struct eval_case default_cases[] = {
	{"", "db", EFFECT_READ, "t", U, RULING_ALLOW, "default"},
	{NULL, "db", EFFECT_SESSION, NULL, U, RULING_ALLOW, "default"},
	{NULL, "db", EFFECT_DELETE, "t", TRI_YES, RULING_HOLD, "default"},
	{NULL, "db", EFFECT_UNKNOWN, "?", U, RULING_HOLD, "default"},
};

Test(policy_eval, what_no_rule_names_takes_default)
{
	CHECK(TOP, default_cases);
}

static const struct eval_case strict_cases[] = {
	{"- {name: a, when: {effect: update}, then: allow}\n"
	 "- {name: h, when: {effect: update, object: 'pay.*'}, then: hold}\n"
	 "- {name: d, when: {tag: prod, object: pay.salary}, then: deny}\n",
		"db", EFFECT_UPDATE, "shop.cart", U, RULING_ALLOW, "a"},
	{NULL, "db", EFFECT_UPDATE, "pay.bonus", U, RULING_HOLD, "h"},
	{NULL, "db", EFFECT_UPDATE, "pay.salary", U, RULING_DENY, "d"},
	{NULL, "dev", EFFECT_UPDATE, "pay.salary", U, RULING_HOLD, "h"},
	{NULL, "db", EFFECT_READ, "pay.salary", U, RULING_DENY, "d"},
	{NULL, "db", EFFECT_INSERT, "shop.cart", U, RULING_HOLD, "default"},
};

Test(policy_eval, deny_beats_hold_beats_allow_beats_default)
{
	CHECK(TOP, strict_cases);
}

static const struct eval_case may_cases[] = {
	/* hold and deny: what may match, matches */
	{"- {name: d, when: {object: public.orders}, then: deny}\n", "db", EFFECT_READ,
		"public.orders", U, RULING_DENY, "d"},
	{NULL, "db", EFFECT_READ, "orders", U, RULING_DENY, "d"},
	{NULL, "db", EFFECT_READ, "?", U, RULING_DENY, "d"},
	{NULL, "db", EFFECT_READ, "other.orders", U, RULING_ALLOW, "default"},
	{NULL, "db", EFFECT_READ, "users", U, RULING_ALLOW, "default"},
	{NULL, "db", EFFECT_READ, NULL, U, RULING_ALLOW, "default"},
	/* more dots than schema.name: nobody knows how the server splits it */
	{NULL, "db", EFFECT_READ, "shop.public.orders", U, RULING_DENY, "d"},
	/* quotes belong to the text, not to the name */
	{NULL, "db", EFFECT_READ, "\"public\".\"orders\"", U, RULING_DENY, "d"},
	{NULL, "db", EFFECT_READ, "\"public.orders\"", U, RULING_ALLOW, "default"},
	{NULL, "db", EFFECT_READ, "public.\"order", U, RULING_DENY, "d"},
	{NULL, "db", EFFECT_READ, "public.\"\"", U, RULING_DENY, "d"},
	{NULL, "db", EFFECT_READ, "\"a\"b", U, RULING_DENY, "d"},
	{NULL, "db", EFFECT_READ, "public.", U, RULING_DENY, "d"},
	/* without a dot: that name in any schema, proven */
	{"- {name: a, when: {object: orders, effect: delete}, then: allow}\n", "db", EFFECT_DELETE,
		"public.orders", U, RULING_ALLOW, "a"},
	{NULL, "db", EFFECT_DELETE, "orders", U, RULING_ALLOW, "a"},
	{NULL, "db", EFFECT_DELETE, "orders.x", U, RULING_HOLD, "default"},
	{NULL, "db", EFFECT_DELETE, "?", U, RULING_HOLD, "default"},
	/* allow: only what is proven */
	{"- {name: a, when: {object: scratch.*, effect: delete}, then: allow}\n", "db",
		EFFECT_DELETE, "scratch.t", U, RULING_ALLOW, "a"},
	{NULL, "db", EFFECT_DELETE, "t", U, RULING_HOLD, "default"},
	{NULL, "db", EFFECT_DELETE, "scratch.t.x", U, RULING_HOLD, "default"},
	{NULL, "db", EFFECT_DELETE, "\"scratch.t\"", U, RULING_HOLD, "default"},
	{NULL, "db", EFFECT_DELETE, "pay.\"scratch.t\"", U, RULING_HOLD, "default"},
	{NULL, "db", EFFECT_DELETE, "scratch.\"a.b\"\"c\"", U, RULING_ALLOW, "a"},
	{NULL, "db", EFFECT_DELETE, "\"scratch.x\".t", U, RULING_HOLD, "default"},
	{"- {name: d, when: {object: a.b?c}, then: deny}\n", "db", EFFECT_READ, "a.\"b.c\"", U,
		RULING_DENY, "d"},
	{NULL, "db", EFFECT_READ, "a.\"b\"\"c\"", U, RULING_DENY, "d"},
	{NULL, "db", EFFECT_READ, "a.bc", U, RULING_ALLOW, "default"},
	{"- {name: d, when: {object: a.é?x}, then: deny}\n", "db", EFFECT_READ, "a.éüx", U,
		RULING_DENY, "d"},
	/* unless: exempts only what is proven */
	{"- {name: d, when: {effect: delete}, unless: {object: scratch.*}, then: deny}\n", "db",
		EFFECT_DELETE, "scratch.t", U, RULING_HOLD, "default"},
	{NULL, "db", EFFECT_DELETE, "t", U, RULING_DENY, "d"},
	{NULL, "db", EFFECT_DELETE, "?", U, RULING_DENY, "d"},
	{NULL, "db", EFFECT_DELETE, NULL, U, RULING_DENY, "d"},
	/* unless of an allow rule: allowed only if it provably does not hold */
	{"- {name: a, when: {effect: delete}, unless: {object: pay.*}, then: allow}\n", "db",
		EFFECT_DELETE, "shop.t", U, RULING_ALLOW, "a"},
	{NULL, "db", EFFECT_DELETE, "t", U, RULING_HOLD, "default"},
	{NULL, "db", EFFECT_DELETE, "pay.t", U, RULING_HOLD, "default"},
	/* `*` is anything, known or not, and nothing */
	{"- {name: a, when: {object: '*', effect: [delete, admin]}, then: allow}\n", "db",
		EFFECT_DELETE, "?", U, RULING_ALLOW, "a"},
	{NULL, "db", EFFECT_ADMIN, NULL, U, RULING_ALLOW, "a"},
	/* `*.name`: any schema is proven, whatever the server chooses */
	{"- {name: a, when: {object: '*.log', effect: delete}, then: allow}\n", "db", EFFECT_DELETE,
		"log", U, RULING_ALLOW, "a"},
	{NULL, "db", EFFECT_DELETE, "s.log", U, RULING_ALLOW, "a"},
	{"- {name: a, when: {object: 's*.log', effect: delete}, then: allow}\n", "db",
		EFFECT_DELETE, "log", U, RULING_HOLD, "default"},
	/* bounded */
	{"- {name: d, when: {effect: delete, bounded: false}, then: deny}\n", "db", EFFECT_DELETE,
		"t", TRI_NO, RULING_DENY, "d"},
	{NULL, "db", EFFECT_DELETE, "t", U, RULING_DENY, "d"},
	{NULL, "db", EFFECT_DELETE, "t", TRI_YES, RULING_HOLD, "default"},
	{NULL, "db", EFFECT_UPDATE, "t", TRI_NO, RULING_HOLD, "default"},
	{"- {name: a, when: {effect: delete, bounded: true}, then: allow}\n", "db", EFFECT_DELETE,
		"t", TRI_YES, RULING_ALLOW, "a"},
	{NULL, "db", EFFECT_DELETE, "t", U, RULING_HOLD, "default"},
};

Test(policy_eval, unknown_never_helps)
{
	CHECK(TOP, may_cases);
}

static const struct eval_case unknown_cases[] = {
	/* a word of its own: not "may be destroy" */
	{"- {name: d, when: {effect: destroy}, then: deny}\n"
	 "- {name: h, when: {effect: [insert, unknown]}, then: hold}\n",
		"db", EFFECT_UNKNOWN, "?", U, RULING_HOLD, "h"},
	/* no effect named: everything, unknown too; but never to allow it */
	{"- {name: d, when: {tag: prod}, then: deny}\n", "db", EFFECT_UNKNOWN, "?", U, RULING_DENY,
		"d"},
	{"- {name: a, when: {tag: prod}, then: allow}\n", "db", EFFECT_UNKNOWN, "?", U, RULING_HOLD,
		"default"},
	{"- {name: a, when: {effect: unknown, role: app}, then: allow}\n", "db", EFFECT_UNKNOWN,
		"?", U, RULING_ALLOW, "a"},
	/* nor does naming none prove that it touches none */
	{"- {name: d, when: {effect: unknown, object: a.b}, then: deny}\n", "db", EFFECT_UNKNOWN,
		NULL, U, RULING_DENY, "d"},
	/* the object it names proves nothing about what it touches */
	{"- {name: d, when: {effect: unknown}, unless: {object: scratch.*}, then: deny}\n", "db",
		EFFECT_UNKNOWN, "scratch.t", U, RULING_DENY, "d"},
	{"- {name: a, when: {effect: unknown, object: scratch.*}, then: allow}\n", "db",
		EFFECT_UNKNOWN, "scratch.t", U, RULING_HOLD, "default"},
	{"- {name: d, when: {effect: unknown}, unless: {role: app}, then: deny}\n", "db",
		EFFECT_UNKNOWN, "?", U, RULING_HOLD, "default"},
};

Test(policy_eval, unknown_effect_is_a_word_of_its_own)
{
	CHECK(TOP, unknown_cases);
}

static const struct eval_case deny_default_cases[] = {
	{"- {name: h, when: {object: scratch.*}, then: hold}\n", "db", EFFECT_DELETE, "scratch.t",
		U, RULING_HOLD, "h"},
	{NULL, "db", EFFECT_DELETE, "pay.t", U, RULING_DENY, "default"},
	{NULL, "db", EFFECT_DELETE, "t", U, RULING_DENY, "default"},
	{NULL, "db", EFFECT_DELETE, "?", U, RULING_DENY, "default"},
	{"- {name: h, when: {effect: delete}, unless: {object: scratch.*}, then: hold}\n", "db",
		EFFECT_DELETE, "t", U, RULING_DENY, "default"},
};

Test(policy_eval, hiding_a_name_does_not_turn_a_deny_by_default_into_a_hold)
{
	CHECK("version: 1\ndefault: deny\n", deny_default_cases);
}

static const struct eval_case cond_cases[] = {
	{"- {name: d, when: {run: 'c?', role: [x, a*], database: shop}, then: deny}\n", "db",
		EFFECT_READ, "t", U, RULING_DENY, "d"},
	{"- {name: d, when: {run: cx}, then: deny}\n", "db", EFFECT_READ, "t", U, RULING_ALLOW,
		"default"},
	{"- {name: d, when: {role: app}, unless: {run: ci, database: shop}, then: deny}\n", "db",
		EFFECT_READ, "t", U, RULING_ALLOW, "default"},
	{"- {name: d, when: {role: app}, unless: {run: ci, database: other}, then: deny}\n", "db",
		EFFECT_READ, "t", U, RULING_DENY, "d"},
	{"- {name: d, when: {protocol: opaque}, then: deny}\n", "db", EFFECT_READ, "t", U,
		RULING_ALLOW, "default"},
	{"- {name: d, when: {resource: 'd*'}, unless: {tag: [te?t, 'e?']}, then: deny}\n", "db",
		EFFECT_READ, "t", U, RULING_ALLOW, "default"},
	{"- {name: d, when: {resource: 'd*'}, unless: {tag: te?t}, then: deny}\n", "db",
		EFFECT_READ, "t", U, RULING_DENY, "d"},
	{NULL, "dev", EFFECT_READ, "t", U, RULING_ALLOW, "default"},
};

Test(policy_eval, any_of_inside_a_key_all_of_across_keys)
{
	CHECK(TOP, cond_cases);
}

Test(policy_eval, subject_that_is_not_known)
{
	struct policy *p = pt_policy(
		TOP DB "rules:\n"
		       "- {name: a, when: {effect: delete, role: app}, then: allow}\n"
		       "- {name: d, when: {effect: insert, role: app}, then: deny}\n"
		       "- {name: x, when: {effect: update}, unless: {role: app}, then: deny}\n");
	struct policy_subject s = {.resource = policy_resource_at(p, 0)};
	static const struct {
		enum effect effect;
		enum ruling_kind want;
	} rows[] = {{EFFECT_DELETE, RULING_HOLD}, {EFFECT_INSERT, RULING_DENY},
		{EFFECT_UPDATE, RULING_DENY}};

	for (size_t i = 0; i < 3; i++) {
		struct fact f = pt_fact(rows[i].effect, "t", U);

		cr_expect_eq(
			policy_eval(p, &s, &(struct facts){.list = &f, .n = 1}).kind, rows[i].want);
	}
	policy_free(p);
}

Test(policy_eval, strictest_pair_of_a_request_decides)
{
	struct policy *p = pt_policy(
		TOP DB "rules:\n- {name: d, when: {effect: destroy}, then: deny, message: No.}\n");
	struct policy_subject s = {.resource = policy_resource_at(p, 0)};
	struct fact f[] = {pt_fact(EFFECT_READ, "t", U), pt_fact(EFFECT_DELETE, "t", U),
		pt_fact(EFFECT_DESTROY, "t", U), pt_fact(EFFECT_DESTROY, "u", U)};
	struct ruling r = policy_eval(p, &s, &(struct facts){.list = f, .n = 1});

	cr_expect_eq(r.kind, RULING_ALLOW);
	r = policy_eval(p, &s, &(struct facts){.list = f, .n = 2});
	cr_expect(r.kind == RULING_HOLD && r.fact == 1);
	cr_expect_eq(r.timeout_ms, 30 * 60 * 1000);
	r = policy_eval(p, &s, &(struct facts){.list = f, .n = 4});
	cr_expect(r.kind == RULING_DENY && r.fact == 2);
	cr_expect_str_eq(r.message, "No.");
	policy_free(p);
}

Test(policy_eval, no_facts_are_one_unknown_fact)
{
	struct policy *p = pt_policy("version: 1\ndefault: {unknown: deny, other: allow}\n" DB);
	struct policy_subject s = {.resource = policy_resource_at(p, 0)};

	cr_expect_eq(policy_eval(p, &s, &(struct facts){0}).kind, RULING_DENY);
	policy_free(p);
}

Test(policy_eval, observe_may_allow_unknown_by_other)
{
	struct policy *p = pt_policy("version: 1\nmode: observe\ndefault: allow\n" DB);

	cr_expect(policy_is_observe(p));
	cr_expect_eq(pt_rule(p, "db", pt_fact(EFFECT_UNKNOWN, "?", U)).kind, RULING_ALLOW);
	policy_free(p);
}

Test(policy_eval, what_is_recorded_of_a_reply_is_the_most_that_a_rule_says)
{
	struct policy *p = pt_policy(
		TOP "resources:\n"
		    "- {name: db, at: '127.0.0.1:5432', protocol: postgres, record: head}\n"
		    "- {name: plain, at: '127.0.0.1:5433', protocol: postgres}\n"
		    "rules:\n"
		    "- {name: less, when: {object: s.secret}, then: allow, record: none}\n"
		    "- {name: held, when: {object: s.held}, then: hold, record: none}\n"
		    "- {name: more, when: {effect: delete}, then: hold, record: full}\n"
		    "- {name: plain, when: {object: '*.plain'}, then: allow}\n");

	cr_expect_eq(
		pt_rule(p, "db", pt_fact(EFFECT_READ, "s.plain", U)).recording, RECORDING_HEAD);
	cr_expect_eq(pt_rule(p, "plain", pt_fact(EFFECT_READ, "s.plain", U)).recording,
		RECORDING_SUMMARY);
	cr_expect_eq(
		pt_rule(p, "db", pt_fact(EFFECT_READ, "s.secret", U)).recording, RECORDING_NONE);
	cr_expect_eq(
		pt_rule(p, "db", pt_fact(EFFECT_DELETE, "s.secret", U)).recording, RECORDING_FULL);
	/* Which schema is not known: it may be that table, and a promise takes more. */
	cr_expect_eq(pt_rule(p, "db", pt_fact(EFFECT_READ, "held", U)).recording, RECORDING_HEAD);
	cr_expect_eq(pt_rule(p, "db", pt_fact(EFFECT_READ, "s.held", U)).recording, RECORDING_NONE);
	policy_free(p);
}

Test(policy_eval, holds_of_several_rules_need_an_approver_of_each)
{
	struct policy *p = pt_policy(TOP DB
		"rules:\n"
		"- {name: any, when: {effect: delete}, then: hold, timeout: 10m}\n"
		"- {name: both, when: {object: a.*}, then: hold, approvers: [group:dba, user:eve], "
		"timeout: 1h}\n"
		"- {name: eve, when: {object: a.x}, then: hold, approvers: user:eve, timeout: 2h, "
		"durability: power}\n"
		"- {name: sec, when: {object: '*.y'}, then: hold, approvers: [group:sec]}\n");
	struct ruling r = pt_rule(p, "db", pt_fact(EFFECT_DELETE, "b.t", U));

	cr_expect(r.kind == RULING_HOLD && !strcmp(r.rule, "any") && !r.approvers && !r.durable);
	r = pt_rule(p, "db", pt_fact(EFFECT_DELETE, "a.t", U));
	cr_expect_str_eq(r.rule, "both");
	cr_expect_str_eq(r.approvers[0], "group:dba");
	cr_expect_str_eq(r.approvers[1], "user:eve");
	cr_expect_null(r.approvers[2]);
	cr_expect_eq(r.timeout_ms, 10 * 60 * 1000);
	r = pt_rule(p, "db", pt_fact(EFFECT_READ, "a.x", U));
	cr_expect(r.kind == RULING_HOLD && r.durable && r.timeout_ms == 3600 * 1000);
	cr_expect_str_eq(r.approvers[0], "user:eve");
	cr_expect_null(r.approvers[1]);
	r = pt_rule(p, "db", pt_fact(EFFECT_READ, "a.y", U));
	cr_expect_eq(r.kind, RULING_DENY);
	cr_expect_str_eq(r.message, "held by rules that have no approver in common");
	policy_free(p);
}

Test(policy_eval, hold_by_default_has_no_wishes_beside_a_rule)
{
	struct policy *p = pt_policy(TOP DB "rules:\n"
					    "- {name: h, when: {effect: delete}, then: hold, "
					    "approvers: user:eve, timeout: 2h}\n");
	struct policy_subject s = {.resource = policy_resource_at(p, 0)};

	for (size_t i = 0; i < 2; i++) {
		struct fact f[] = {pt_fact(i ? EFFECT_DELETE : EFFECT_EXPORT, "t", U),
			pt_fact(i ? EFFECT_EXPORT : EFFECT_DELETE, "t", U)};
		struct ruling r = policy_eval(p, &s, &(struct facts){.list = f, .n = 2});

		cr_expect(r.kind == RULING_HOLD && !strcmp(r.rule, "h") && r.fact == !i);
		cr_expect_eq(r.timeout_ms, 2 * 3600 * 1000);
		cr_expect(r.approvers && !strcmp(r.approvers[0], "user:eve"));
	}
	policy_free(p);
}

/* Two hold rules on one request: what each of them wants. */
Test(policy_eval, terms_of_several_rules_add_up)
{
	struct policy *p = pt_policy(
		TOP DB "rules:\n"
		       "- {name: a, when: {effect: read}, then: hold, quorum: 2, ticket: 1h,\n"
		       "   break_glass: [group:oncall, user:eve]}\n"
		       "- {name: b, when: {object: t}, then: hold, reason: required, ticket: 5m,\n"
		       "   quorum: {group:dba: 1, group:sec: 1}, break_glass: group:oncall}\n"
		       "- {name: c, when: {object: u}, then: hold}\n");
	struct ruling r = pt_rule(p, "db", pt_fact(EFFECT_READ, "t", U));
	_cleanup_(freep) char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	cr_expect_eq(r.kind, RULING_HOLD);
	cr_expect_eq(r.quorum, 2);
	cr_expect(r.needs_reason);
	cr_expect_eq(r.n_seats, 1);
	cr_expect_str_eq(r.seats[0][0].who, "group:dba");
	cr_expect_str_eq(r.break_glass[0], "group:oncall");
	cr_expect_null(r.break_glass[1], "eve is not among those of rule b");
	cr_expect_eq(r.ticket_ms, 5 * 60 * 1000);
	policy_print_terms(&r, f);
	fclose(f);
	cr_expect_str_eq(text, "group:dba or group:sec: 1 of group:dba and 1 of group:sec, with a "
			       "reason (in an emergency group:oncall alone)");
	r = pt_rule(p, "db", pt_fact(EFFECT_READ, "u", U));
	cr_expect_eq(r.ticket_ms, 0, "rule c gives none");
	cr_expect_null(r.break_glass, "nor does it let anyone break the glass");
	cr_expect_eq(r.quorum, 2);
	policy_free(p);
}

Test(policy_eval, what_a_rule_carries_reaches_the_ruling)
{
	struct policy *p = pt_policy(
		TOP DB "rules:\n"
		       "- name: r\n"
		       "  when: {effect: read}\n"
		       "  then: hold\n"
		       "  message: |\n"
		       "    Ask first.\n"
		       "    Always.\n"
		       "  quorum: 1\n"
		       "  timeout: 45s\n"
		       "- {name: p, when: {effect: session}, then: allow, durability: power}\n");
	struct ruling r = pt_rule(p, "db", pt_fact(EFFECT_READ, "t", U));

	cr_expect_str_eq(r.message, "Ask first.\nAlways.");
	cr_expect_eq(r.timeout_ms, 45 * 1000);
	cr_expect_not(r.durable);
	r = pt_rule(p, "db", pt_fact(EFFECT_SESSION, NULL, U));
	cr_expect(r.kind == RULING_ALLOW && r.durable);
	policy_free(p);
}

Test(policy_eval, design_example_loads_and_rules_as_written)
{
	static const char text[] =
		"version: 1\n"
		"default: {read: allow, session: allow, other: hold}\n"
		"\n"
		"resources:                       # names for what agents reach\n"
		"  - name: orders-db\n"
		"    at: [\"10.0.0.5:5432\", \"orders.db.internal:5432\", "
		"\"unix:/run/postgresql/.s.PGSQL.5432\"]\n"
		"    protocol: postgres\n"
		"    tags: [production-db]\n"
		"    tls: inspect\n"
		"\n"
		"rules:\n"
		"  - name: no-schema-destruction\n"
		"    when: {tag: production-db, effect: destroy}\n"
		"    then: deny\n"
		"    message: \"Schema changes go through migrations, not agents.\"\n"
		"  - name: writes-need-a-human\n"
		"    when: {tag: production-db, effect: [insert, update, delete, execute, "
		"unknown]}\n"
		"    unless: {object: \"scratch.*\"}\n"
		"    then: hold\n"
		"    approvers: [group:dba]\n"
		"    quorum: 1\n"
		"    timeout: 30m                 # then denied; never allowed\n"
		"  - name: bulk-delete\n"
		"    when: {effect: delete, bounded: false}\n"
		"    then: deny\n"
		"\n"
		"masks:\n"
		"  - name: customer-pii\n"
		"    columns: [\"public.customers.ssn\", \"*.email\"]\n"
		"    detect: [credit_card, us_ssn, iban, email, secret]\n"
		"    as: partial                  # redact | partial | hash | null\n"
		"    unproven: redact\n";
	struct policy *p = pt_policy(text);
	const struct resource *res = policy_resource_at(p, 0);
	struct ruling r = pt_rule(p, "orders-db", pt_fact(EFFECT_DESTROY, "orders", U));

	cr_expect_str_eq(r.rule, "no-schema-destruction");
	r = pt_rule(p, "orders-db", pt_fact(EFFECT_DELETE, "orders", TRI_YES));
	cr_expect(r.kind == RULING_HOLD && !strcmp(r.approvers[0], "group:dba"));
	r = pt_rule(p, "orders-db", pt_fact(EFFECT_DELETE, "orders", TRI_NO));
	cr_expect_str_eq(r.rule, "bulk-delete");
	r = pt_rule(p, "orders-db", pt_fact(EFFECT_INSERT, "scratch.t", U));
	cr_expect_str_eq(r.rule, "default");
	cr_expect_eq(res->n_endpoints, 1);
	cr_expect_str_eq(res->at[2], "unix:/run/postgresql/.s.PGSQL.5432");
	cr_expect_null(res->at[3]);
	cr_expect_str_eq(res->masks[0]->name, "customer-pii");
	cr_expect_str_eq(res->masks[0]->columns[1], "*.email");
	cr_expect(res->masks[0]->as == TRANSFORM_PARTIAL &&
		  res->masks[0]->unproven == UNPROVEN_REDACT);
	cr_expect_eq(res->masks[0]->detectors,
		DETECTOR_BIT(DETECTOR_CREDIT_CARD) | DETECTOR_BIT(DETECTOR_US_SSN) |
			DETECTOR_BIT(DETECTOR_IBAN) | DETECTOR_BIT(DETECTOR_EMAIL) |
			DETECTOR_BIT(DETECTOR_SECRET));
	cr_expect_null(res->masks[1]);
	cr_expect_eq(strlen(policy_version(p)), 12);
	policy_free(p);
}

Test(policy_eval, version_is_the_sha256_of_the_file)
{
	struct policy *p = pt_policy("version: 1\ndefault: deny\n");

	/* printf 'version: 1\ndefault: deny\n' | sha256sum */
	cr_expect_str_eq(policy_version(p), "e077564c7da6");
	policy_free(p);
}

Test(policy_eval, masks_go_where_they_say)
{
	struct policy *p = pt_policy(TOP DB
		"- {name: raw, at: '10.0.0.1:*', protocol: opaque, tags: prod}\n"
		"masks:\n"
		"- {name: all, detect: email}\n"
		"- {name: prod, when: {tag: prod}, columns: '*.ssn', as: hash, unproven: redact}\n"
		"- {name: dev, when: {resource: dev}, detect: iban, as: null}\n");

	cr_expect_str_eq(policy_resource_at(p, 0)->masks[0]->name, "all");
	cr_expect_str_eq(policy_resource_at(p, 0)->masks[1]->name, "prod");
	cr_expect_null(policy_resource_at(p, 0)->masks[2]);
	cr_expect_str_eq(policy_resource_at(p, 1)->masks[1]->name, "dev");
	cr_expect_eq(policy_resource_at(p, 1)->masks[1]->as, TRANSFORM_NULL);
	cr_expect_null(policy_resource_at(p, 2)->masks[0]);
	cr_expect_null(policy_resource_at(p, 3));
	policy_free(p);
}

Test(policy_eval, resource_of_another_policy_is_denied)
{
	struct policy *p = pt_policy(TOP DB), *q = pt_policy(TOP DB);
	struct policy_subject s = {.resource = policy_resource_at(q, 0)};
	struct fact f = pt_fact(EFFECT_READ, "t", U);

	cr_expect_eq(policy_eval(p, &s, &(struct facts){.list = &f, .n = 1}).kind, RULING_DENY);
	policy_free(p);
	policy_free(q);
}

Test(eval, a_rule_may_be_stricter_inside_a_transaction)
{
	struct policy *p = pt_policy(
		"version: 1\ndefault: deny\n"
		"resources: [{name: db, at: [\"10.0.0.1:1\"], protocol: postgres}]\n"
		"rules:\n"
		"  - {name: a, when: {effect: insert}, then: allow, in_transaction: hold}\n"
		"  - {name: b, when: {effect: delete, object: t}, then: hold, "
		"in_transaction: deny}\n"
		"  - {name: c, when: {effect: read}, then: allow}\n");
	static const struct {
		enum effect effect;
		const char *object;
		enum ruling_kind outside, inside;
	} rows[] = {
		{EFFECT_INSERT, "t", RULING_ALLOW, RULING_HOLD},
		{EFFECT_DELETE, "t", RULING_HOLD, RULING_DENY},
		{EFFECT_READ, "t", RULING_ALLOW, RULING_ALLOW},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fact fact = pt_fact(rows[i].effect, rows[i].object, TRI_UNKNOWN);
		const struct facts f = {.list = &fact, .n = 1};
		struct policy_subject s = {.resource = policy_resource_at(p, 0)};

		cr_expect_eq(policy_eval(p, &s, &f).kind, rows[i].outside, "row %zu outside", i);
		s.in_transaction = TRI_YES;
		cr_expect_eq(policy_eval(p, &s, &f).kind, rows[i].inside, "row %zu inside", i);
		s.in_transaction = TRI_UNKNOWN;
		cr_expect_eq(policy_eval(p, &s, &f).kind, rows[i].inside, "row %zu unknown", i);
	}
	cr_expect(policy_asks_transaction(p));
	policy_free(p);
}

/* What is seen through other objects (fact_sight): no allow is needed, and none helps. */
Test(eval, what_a_view_shows_meets_only_what_stops)
{
	struct policy *p =
		pt_policy("version: 1\ndefault: deny\n"
			  "resources: [{name: db, at: [\"10.0.0.1:1\"], protocol: postgres}]\n"
			  "rules:\n"
			  "  - {name: view, when: {effect: read, object: v}, then: allow}\n"
			  "  - {name: keys, when: {effect: read, object: keys}, then: deny}\n"
			  "  - {name: code, when: {effect: execute}, then: hold}\n"
			  "  - {name: named, when: {effect: execute, object: bad}, then: deny}\n");
	struct fact list[2] = {pt_fact(EFFECT_READ, "v", TRI_UNKNOWN),
		pt_fact(EFFECT_READ, "people", TRI_UNKNOWN)};
	const struct facts f = {.list = list, .n = 2};
	const struct policy_subject s = {.resource = policy_resource_at(p, 0)};

	cr_expect_eq(policy_eval(p, &s, &f).kind, RULING_DENY, "said, it is denied by default");
	list[1].sight = FACT_SHOWN;
	cr_expect_eq(policy_eval(p, &s, &f).kind, RULING_ALLOW);
	list[1].object = SLICE_LIT("keys");
	cr_expect_eq(policy_eval(p, &s, &f).kind, RULING_DENY);
	list[1] = pt_fact(EFFECT_EXECUTE, "f", TRI_UNKNOWN);
	cr_expect_eq(policy_eval(p, &s, &f).kind, RULING_HOLD, "a call is held");
	list[1].sight = FACT_READ_OFF;
	cr_expect_eq(policy_eval(p, &s, &f).kind, RULING_ALLOW);
	list[1].object = SLICE_LIT("bad");
	cr_expect_eq(policy_eval(p, &s, &f).kind, RULING_DENY);
	/* Nothing but such facts: as if nothing were known. */
	cr_expect_eq(policy_eval(p, &s, &(struct facts){.list = list, .n = 0}).kind, RULING_DENY);
	policy_free(p);
}
