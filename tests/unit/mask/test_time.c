/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Agents choose what is looked at, and an event loop does the looking: whatever is repeated, a text
 * takes time by its length, not by the square of it. Nothing is measured: of megabytes, a walk that
 * begins anew at every byte does not end within the time that a test has.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "mask/plan.h"

enum { TRACE_TEXT = 1 << 20, TEXT = 128 << 10, TIMEOUT = 60 };

static const uint8_t key[32] = "a key for the tests of time....";

static const char *const units[] = {"*", "*-", "*5", "* ", "**-", "*-1", "a***@b ", "x***@",
	"h:", "h:0", "h:0123456789abcdef0", "****1 ", "ghp_", "sk_live_", "xoxb-", "npm_a", "eyJ",
	"eyJ.", "eyJhbGciOiJIUzI1NiJ9.", "-----BEGIN PRIVATE KEY", "-----BEGIN ", "-----END",
	"-----", "-", "://", "://a:", "://a:b@", ":\\/\\/a:", "a@", "@", "a.b@c.d", "a.", "xn--",
	"1-", "1 ", "1", "4111-", "+1 ", "+1-(", "1.", ":", "::", "a:", "1:", "fe80::", "$1$",
	"$2a$", "$", "AKIA", "secret", "aB1/", "DE89 ", "AIza", "SCRAM-SHA-256$", "md5", "\\",
	"\\u", "\\u0041", "\\n", "\"", "\"a\",", "{", "[1,", "{\"a\":", "4111111111111111,",
	"\xc3\xa9"};

static struct slice repeated(const char *unit, size_t n)
{
	size_t len = strlen(unit);
	uint8_t *p = malloc(n);

	cr_assert(p);
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)unit[i % len];
	return slice_of(p, n);
}

Test(mask_time, traces, .timeout = TIMEOUT)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		struct slice text = repeated(units[i], TRACE_TEXT);
		bool is_known = mask_is_trace(text, false, true);

		is_known ^= mask_is_trace(text, false, false);
		is_known ^= mask_is_trace(text, true, true);
		cr_expect(is_known || !is_known);
		free((void *)(uintptr_t)text.p);
	}
}

Test(mask_time, values_and_prose, .timeout = TIMEOUT)
{
	static const enum value_class classes[] = {
		VALUE_TEXT, VALUE_JSON, VALUE_BYTES, VALUE_ARRAY, VALUE_NUMBER};
	const struct mask_rule rule = {
		.name = "all", .detectors = DETECT_ALL, .as = TRANSFORM_PARTIAL};
	const struct mask_rule *rules[] = {&rule, NULL};
	struct column columns[sizeof(classes) / sizeof(classes[0])] = {0};
	struct mask_stats stats = {0};
	struct mask_plan *plan;
	enum unproven unproven;
	struct arena arena, plans;

	arena_init(&plans, 1 << 20);
	arena_init(&arena, 64 << 20);
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		columns[i].class = classes[i];
	cr_assert_eq(mask_plan_build(rules, NULL, columns, sizeof(classes) / sizeof(classes[0]),
			     false, NULL, &plans, &plan, &unproven),
		0);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		struct slice text = repeated(units[i], TEXT), ret;
		size_t hold;

		for (size_t j = 0; j < sizeof(classes) / sizeof(classes[0]); j++) {
			(void)!mask_value(plan, j, text, key, &arena, &ret, &stats);
			arena_reset(&arena);
		}
		(void)!mask_text(rules, text, key, &arena, &ret, &stats);
		arena_reset(&arena);
		for (size_t j = 0; j < 3; j++)
			cr_expect_eq(mask_piece(plan, j, (uint8_t *)(uintptr_t)text.p, text.n, true,
					     &hold, &stats),
				0);
		free((void *)(uintptr_t)text.p);
	}
	arena_deinit(&arena);
	arena_deinit(&plans);
}
