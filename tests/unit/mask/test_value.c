/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "mask/plan.h"
#include "mask_test.h"

static const uint8_t key[32] = "0123456789abcdef0123456789abcde";
static const char *all_columns[] = {"*", NULL};

/* One column of one class under one rule. */
struct fixture {
	struct mask_rule rule;
	const struct mask_rule *rules[2];
	struct column column;
	struct mask_catalog *catalog;
	struct mask_plan *plan;
	struct mask_stats stats;
	struct arena plans, values;
};

static void begin(
	struct fixture *f, bool whole, enum transform as, enum value_class class, bool is_binary)
{
	enum unproven unproven;

	*f = (struct fixture){
		.rule = {.name = "r",
			.columns = whole ? all_columns : NULL,
			.as = as,
			.detectors = whole ? 0 : DETECT_ALL},
		.column = {.class = class, .is_binary = is_binary, .table = 20000, .attr = 1},
	};
	f->rules[0] = &f->rule;
	arena_init(&f->plans, 1 << 16);
	arena_init(&f->values, 1 << 20);
	f->catalog = mask_catalog_new(f->rules);
	cr_assert_eq(mask_catalog_add_column(
			     f->catalog, 20000, 1, SLICE_LIT("s"), SLICE_LIT("t"), SLICE_LIT("c")),
		0);
	cr_assert_eq(mask_plan_build(f->rules, f->catalog, &f->column, 1, false, NULL, &f->plans,
			     &f->plan, &unproven),
		0);
}

static void end(struct fixture *f)
{
	mask_catalog_free(f->catalog);
	arena_deinit(&f->plans);
	arena_deinit(&f->values);
}

/* NULL as wanted: SQL NULL. "=": unchanged. */
static void expect(struct fixture *f, struct slice value, const char *wanted, size_t n_wanted)
{
	struct slice ret = {0}, at_page = guarded(value);
	bool is_changed = mask_value(f->plan, 0, at_page, key, &f->values, &ret, &f->stats);

	if (wanted && n_wanted == 1 && *wanted == '=')
		cr_expect_not(is_changed, "%.*s became %.*s", SLICE_FMT(value), SLICE_FMT(ret));
	else
		cr_expect(is_changed && slice_eq(ret, slice_of(wanted, wanted ? n_wanted : 0)) &&
				  !!ret.p == !!wanted,
			"class %d as %d: %.*s became %.*s, not %s", f->column.class, f->rule.as,
			SLICE_FMT(value), SLICE_FMT(ret), wanted ? wanted : "NULL");
	guarded_free(at_page);
}

#define LIT(s) s, sizeof(s) - 1

static const struct row {
	bool whole;
	enum transform as;
	enum value_class class;
	bool is_binary;
	const char *value;
	size_t n;
	const char *wanted;
	size_t n_wanted;
} rows[] = {
	{true, TRANSFORM_REDACT, VALUE_TEXT, false, LIT("anything"), LIT("****")},
	{true, TRANSFORM_REDACT, VALUE_TEXT, true, LIT(""), LIT("****")},
	{true, TRANSFORM_NULL, VALUE_TEXT, false, LIT("anything"), NULL, 0},
	{true, TRANSFORM_PARTIAL, VALUE_TEXT, false, LIT("4111-1111-1111-1111"),
		LIT("****-****-****-1111")},
	{true, TRANSFORM_PARTIAL, VALUE_TEXT, false, LIT("4111111111111111   "),
		LIT("************1111")},
	{true, TRANSFORM_PARTIAL, VALUE_TEXT, false, LIT("123-45-6789"), LIT("***-**-6789")},
	{true, TRANSFORM_PARTIAL, VALUE_TEXT, false, LIT("DE89370400440532013000"),
		LIT("DE****************3000")},
	{true, TRANSFORM_PARTIAL, VALUE_TEXT, false, LIT("john@example.com"),
		LIT("j***@example.com")},
	{true, TRANSFORM_PARTIAL, VALUE_TEXT, false, LIT("+1 415 555 0199"),
		LIT("+* *** *** **99")},
	{true, TRANSFORM_PARTIAL, VALUE_TEXT, false, LIT("Smith"), LIT("S***")},
	{true, TRANSFORM_PARTIAL, VALUE_TEXT, false, LIT("Örjan"), LIT("Ö***")},
	{true, TRANSFORM_PARTIAL, VALUE_TEXT, false, LIT("Öl"), LIT("***")},
	{true, TRANSFORM_PARTIAL, VALUE_TEXT, false, LIT("xy"), LIT("***")},
	{true, TRANSFORM_PARTIAL, VALUE_TEXT, false, LIT("mail john@example.com"), LIT("m***")},
	{true, TRANSFORM_REDACT, VALUE_JSON, false, LIT("{\"a\":1}"), LIT("\"****\"")},
	{true, TRANSFORM_PARTIAL, VALUE_JSON, true, LIT("\x01{\"a\":1}"), LIT("\x01\"****\"")},
	{true, TRANSFORM_REDACT, VALUE_INT, true, LIT("\0\0\0\7"), NULL, 0},
	{true, TRANSFORM_HASH, VALUE_INT, false, LIT("7"), NULL, 0},
	{true, TRANSFORM_PARTIAL, VALUE_NUMBER, false, LIT("7.5"), NULL, 0},
	{true, TRANSFORM_REDACT, VALUE_BYTES, false, LIT("\\x00"), NULL, 0},
	{true, TRANSFORM_PARTIAL, VALUE_UUID, true, LIT("0123456789abcdef"), NULL, 0},
	{true, TRANSFORM_REDACT, VALUE_ARRAY, false, LIT("{a}"), NULL, 0},
	{true, TRANSFORM_HASH, VALUE_TIME, false, LIT("2024-01-01"), NULL, 0},
	{false, TRANSFORM_PARTIAL, VALUE_TEXT, false, LIT("to bob@x.org, 4111111111111111."),
		LIT("to b***@x.org, ************1111.")},
	{false, TRANSFORM_PARTIAL, VALUE_TEXT, false, LIT("pg://u:secret@h/ from 10.0.0.5"),
		LIT("pg://u:****@h/ from 1***")},
	{false, TRANSFORM_REDACT, VALUE_TEXT, true, LIT("to bob@x.org"), LIT("to ****")},
	{false, TRANSFORM_NULL, VALUE_TEXT, false, LIT("to bob@x.org"), NULL, 0},
	{false, TRANSFORM_REDACT, VALUE_TEXT, false, LIT("to bob"), LIT("=")},
	{false, TRANSFORM_REDACT, VALUE_INT, false, LIT("4111111111111111"), NULL, 0},
	{false, TRANSFORM_REDACT, VALUE_INT, false, LIT("4111111111111112"), LIT("=")},
	{false, TRANSFORM_REDACT, VALUE_INT, true, LIT("\x00\x0e\x9b\x08\xa5\x68\xf1\xc7"), NULL,
		0},
	{false, TRANSFORM_REDACT, VALUE_INT, true, LIT("\x00\x0e\x9b\x08\xa5\x68\xf1\xc8"),
		LIT("=")},
	{false, TRANSFORM_REDACT, VALUE_INT, true, LIT("\0\0\0\1"), LIT("=")},
	{false, TRANSFORM_REDACT, VALUE_NUMBER, false, LIT("4111111111111111"), NULL, 0},
	{false, TRANSFORM_REDACT, VALUE_NUMBER, false, LIT("4111111111111111.50"), LIT("=")},
	/* 4111 1111 1111 1111 as four digits of base 10000, weight 3. */
	{false, TRANSFORM_REDACT, VALUE_NUMBER, true,
		LIT("\0\4\0\3\0\0\0\0\x10\x0f\x04\x57\x04\x57\x04\x57"), NULL, 0},
	{false, TRANSFORM_REDACT, VALUE_NUMBER, true,
		LIT("\0\4\0\2\0\0\0\4\x10\x0f\x04\x57\x04\x57\x04\x57"), LIT("=")},
	/* 4111111111111111 as a double. */
	{false, TRANSFORM_REDACT, VALUE_NUMBER, true, LIT("\x43\x2d\x36\x11\x4a\xd1\xe3\x8e"), NULL,
		0},
	{false, TRANSFORM_REDACT, VALUE_NET, false, LIT("10.0.0.5"), NULL, 0},
	{false, TRANSFORM_REDACT, VALUE_NET, true, LIT("\2\x20\0\4\x0a\0\0\5"), NULL, 0},
	{false, TRANSFORM_REDACT, VALUE_NET, true, LIT("\1\2\3\4\5\6"), LIT("=")},
	{false, TRANSFORM_REDACT, VALUE_JSON, false, LIT("{\"a\": \"to bob@x.org\", \"n\": 17}"),
		LIT("{\"a\": \"to ****\", \"n\": 17}")},
	{false, TRANSFORM_PARTIAL, VALUE_JSON, true,
		LIT("\x01[4111111111111111, \"\\n4111111111111111\"]"),
		LIT("\x01[null, \"\\n************1111\"]")},
	{false, TRANSFORM_REDACT, VALUE_JSON, false, LIT("[-4111111111111111]"), LIT("[null]")},
	{false, TRANSFORM_REDACT, VALUE_JSON, false, LIT("{\"bob@x.org\":1}"), LIT("{\"****\":1}")},
	{false, TRANSFORM_REDACT, VALUE_JSON, false,
		LIT("[\"-----BEGIN PRIVATE KEY-----\\nMII\", \"next\"]"),
		LIT("[\"****\", \"next\"]")},
	{false, TRANSFORM_NULL, VALUE_JSON, false, LIT("[\"bob@x.org\"]"), NULL, 0},
	{false, TRANSFORM_REDACT, VALUE_JSON, false, LIT("{\"a\": \"bob\"}"), LIT("=")},
	{false, TRANSFORM_REDACT, VALUE_BYTES, true, LIT("\1\2 bob@x.org\0"),
		LIT("\1\2 *********\0")},
	{false, TRANSFORM_REDACT, VALUE_BYTES, false, LIT("\\x0020626f6240782e6f726700"),
		LIT("\\x00202a2a2a2a2a2a2a2a2a00")},
	{false, TRANSFORM_REDACT, VALUE_BYTES, false, LIT("\\x0020626f62"), LIT("=")},
	{false, TRANSFORM_PARTIAL, VALUE_ARRAY, false, LIT("{bob@x.org,\"a b\",4111111111111111}"),
		LIT("{*********,\"a b\",0000000000000000}")},
	{false, TRANSFORM_PARTIAL, VALUE_ARRAY, true, LIT("\0\0\0\1 bob@x.org"), NULL, 0},
	{false, TRANSFORM_REDACT, VALUE_OTHER, false, LIT("bob@x.org"), LIT("*********")},
	{false, TRANSFORM_REDACT, VALUE_UUID, false, LIT("41111111-1111-1111-1111-111111111111"),
		LIT("=")},
};

Test(value, keeps_its_wire_type_under_every_transform)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture f;

		begin(&f, rows[i].whole, rows[i].as, rows[i].class, rows[i].is_binary);
		expect(&f, slice_of(rows[i].value, rows[i].n), rows[i].wanted, rows[i].n_wanted);
		end(&f);
	}
}

static struct slice masked(struct fixture *f, struct slice value)
{
	struct slice ret = {0};

	cr_expect(mask_value(f->plan, 0, value, key, &f->values, &ret, &f->stats));
	return ret;
}

Test(value, hash_is_stable_keyed_and_the_same_in_text_and_binary)
{
	static const uint8_t other_key[32] = "another key than the first one.";
	struct fixture text, binary, bytes;
	struct slice a, b, c;

	begin(&text, true, TRANSFORM_HASH, VALUE_TEXT, false);
	a = masked(&text, SLICE_LIT("Smith"));
	cr_expect(slice_starts(a, "h:") && a.n == 18);
	cr_expect(slice_eq(a, masked(&text, SLICE_LIT("Smith"))));
	cr_expect_not(slice_eq(a, masked(&text, SLICE_LIT("Smyth"))));
	cr_expect(mask_value(
		text.plan, 0, SLICE_LIT("Smith"), other_key, &text.values, &b, &text.stats));
	cr_expect_not(slice_eq(a, b));
	end(&text);

	begin(&text, true, TRANSFORM_HASH, VALUE_UUID, false);
	begin(&binary, true, TRANSFORM_HASH, VALUE_UUID, true);
	a = masked(&text, SLICE_LIT("30313233-3435-3637-3839-616263646566"));
	b = masked(&binary, SLICE_LIT("0123456789abcdef"));
	cr_assert_eq(a.n, 36);
	cr_assert_eq(b.n, 16);
	cr_expect_eq(a.p[14], '8');
	for (size_t i = 0, at = 0; i < 16; i++, at += 2) {
		at += at == 8 || at == 13 || at == 18 || at == 23;
		cr_expect_eq(byte_hex_value(a.p[at]) << 4 | byte_hex_value(a.p[at + 1]), b.p[i]);
	}
	end(&text);
	end(&binary);

	begin(&bytes, true, TRANSFORM_HASH, VALUE_BYTES, false);
	begin(&binary, true, TRANSFORM_HASH, VALUE_BYTES, true);
	a = masked(&bytes, SLICE_LIT("\\x536d697468"));
	b = masked(&binary, SLICE_LIT("Smith"));
	cr_expect(slice_starts(a, "\\x683a"));
	cr_expect_eq(a.n, 2 + 2 * b.n);
	begin(&text, true, TRANSFORM_HASH, VALUE_TEXT, false);
	c = masked(&text, SLICE_LIT("Smith"));
	cr_expect(slice_eq(b, c));
	end(&text);
	end(&bytes);
	end(&binary);
}

Test(value, what_does_not_fit_the_arena_becomes_null)
{
	uint8_t text[4096];
	struct fixture f;
	struct slice ret = SLICE_LIT("x");

	begin(&f, false, TRANSFORM_REDACT, VALUE_TEXT, false);
	arena_init(&f.values, 1024);
	memset(text, ' ', sizeof(text));
	memcpy(text + 100, "bob@example.com", 15);
	cr_expect(mask_value(
		f.plan, 0, slice_of(text, sizeof(text)), key, &f.values, &ret, &f.stats));
	cr_expect_null(ret.p);
	end(&f);
}

Test(value, clear_values_allocate_nothing)
{
	static const enum value_class classes[] = {VALUE_TEXT, VALUE_JSON, VALUE_INT, VALUE_NUMBER,
		VALUE_BYTES, VALUE_ARRAY, VALUE_OTHER};

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		struct fixture f;
		struct slice ret;

		begin(&f, false, TRANSFORM_REDACT, classes[i], false);
		cr_expect_not(mask_value(f.plan, 0, SLICE_LIT("\\x1234123412341234123412341234"),
			key, &f.values, &ret, &f.stats));
		cr_expect_eq(f.values.used, 0, "class %d", classes[i]);
		end(&f);
	}
}

Test(value, prose_is_masked_by_the_strictest_rule_for_each_detector)
{
	static const struct mask_rule partial = {
		.name = "p", .detectors = DETECT_ALL, .as = TRANSFORM_PARTIAL};
	static const struct mask_rule redact = {
		.name = "n", .detectors = DETECTOR_BIT(DETECTOR_EMAIL), .as = TRANSFORM_NULL};
	const struct mask_rule *const rules[] = {&partial, &redact, NULL};
	const struct mask_rule *const none[] = {NULL};
	struct mask_stats stats = {0};
	struct arena a;
	struct slice ret;

	arena_init(&a, 1 << 16);
	cr_expect(mask_text(rules, SLICE_LIT("Key (a)=(bob@x.org, 123-45-6789) exists."), key, &a,
		&ret, &stats));
	cr_expect(slice_eq_str(ret, "Key (a)=(****, ***-**-6789) exists."), "%.*s", SLICE_FMT(ret));
	cr_expect_eq(stats.by_detector[DETECTOR_EMAIL], 1);
	cr_expect_eq(stats.n_values, 1);
	cr_expect_not(mask_text(rules, SLICE_LIT("nothing here"), key, &a, &ret, &stats));
	cr_expect_not(mask_text(none, SLICE_LIT("bob@x.org"), key, &a, &ret, &stats));
	arena_deinit(&a);
}

/* Rewritten JSON parses, whatever was found where in it. */
Test(value, json_stays_json)
{
	size_t n_changed = 0;

	for (uint64_t seed = 1; seed <= 3000; seed++) {
		uint64_t state = seed * 104729;
		uint8_t text[2000];
		struct slice doc, ret;
		struct fixture f;

		begin(&f, false, (enum transform)(seed % 3), VALUE_JSON, false);
		doc = slice_of(text, noise_json(&state, text, sizeof(text)));
		cr_assert(
			json_is_valid(doc), "seed %lu: %.*s", (unsigned long)seed, SLICE_FMT(doc));
		n_changed += mask_value(f.plan, 0, doc, key, &f.values, &ret, &f.stats);
		cr_assert(!f.stats.n_values || json_is_valid(ret), "seed %lu: %.*s\nbecame %.*s",
			(unsigned long)seed, SLICE_FMT(doc), SLICE_FMT(ret));
		end(&f);
	}
	cr_expect_gt(n_changed, 2500);
}
