/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text as a policy file and as a table of expected rulings: errors or a policy, and a policy
 * that loads never allows what it must not.
 *
 * fuzz-links: user/policy/[a-z]*.c user/fact/[a-z]*.c user/util/[a-z]*.c
 */
#include <stdlib.h>

#include "policy/expect.h"
#include "policy/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char base[] = "version: 1\ndefault: hold\n"
			   "resources: [{name: db, at: '10.0.0.1:1', protocol: postgres}]\n";

static const char *const objects[] = {"", "t", "public.t", "a.\"b.c\"", "\"", "x.y.z", "scratch.t"};

/* True if the file says `unknown: allow`, or has an allow rule that lists `unknown`, or observes.
 */
static bool may_allow_unknown(const struct policy *p)
{
	bool may = p->is_observe || p->fallback[EFFECT_UNKNOWN] == RULING_ALLOW;

	for (size_t i = 0; i < p->n_rules; i++)
		may |= p->rules[i].then == RULING_ALLOW &&
		       p->rules[i].when.effects & EFFECT_BIT(EFFECT_UNKNOWN);
	return may;
}

static void judge(const struct policy *p, const struct resource *r, FILE *to)
{
	for (unsigned i = 0; i < EFFECT_N * 7 * 3; i++) {
		struct policy_subject s = {.resource = r, .run = SLICE_LIT("ci")};
		struct fact f = {.effect = (enum effect)(i % EFFECT_N),
			.bounded = (enum tri)(i / EFFECT_N % 3),
			.object = slice_str(objects[i / EFFECT_N / 3]),
			.no_object = i & 1};
		struct facts facts = {.list = &f, .n = 1};
		struct ruling got = policy_eval(p, &s, &facts);

		require(got.rule);
		require(f.effect != EFFECT_UNKNOWN || got.kind != RULING_ALLOW ||
			may_allow_unknown(p));
		require(got.kind == RULING_HOLD || !got.approvers);
		policy_explain(p, &s, &facts, to);
	}
}

static void use(const struct policy *p, FILE *to)
{
	const struct resource *r;

	for (size_t i = 0; (r = policy_resource_at(p, i)) && i < 4; i++) {
		judge(p, r, to);
		for (size_t j = 0; j < r->n_endpoints; j++)
			require(policy_find_resource(
				p, r->endpoints[j].addr, r->endpoints[j].port));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *null;
	struct slice text = slice_of(data, size);
	struct policy *p = NULL;
	struct expect_row *rows;
	struct arena a;
	struct diag d;
	size_t n;
	int r;

	if (!null)
		null = fopen("/dev/null", "w");
	diag_init(&d, "fuzz", text);
	r = policy_load(text, 0, &d, &p);
	require(r == (d.n ? POLICY_E_BAD : 0));
	diag_print(&d, null);
	if (p)
		use(p, null);
	policy_free(p);

	p = NULL;
	diag_init(&d, "base", SLICE_NULL);
	require(policy_load(SLICE_LIT(base), 0, &d, &p) == 0);
	arena_init(&a, 1 << 24);
	diag_init(&d, "fuzz", text);
	require(expect_parse(text, p, &a, &d, &rows, &n) == (d.n ? POLICY_E_BAD : 0));
	arena_deinit(&a);
	policy_free(p);
	return 0;
}
