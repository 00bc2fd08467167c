/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "mask/plan.h"
#include "mask_test.h"

struct fixture {
	struct mask_rule rule;
	const struct mask_rule *rules[2];
	struct column column;
	struct mask_plan *plan;
	struct mask_stats stats;
	struct arena arena;
};

static const char *all_columns[] = {"*", NULL};

static void begin(struct fixture *f, bool whole, enum value_class class, bool is_binary)
{
	enum unproven unproven;

	*f = (struct fixture){
		.rule = {.name = "r",
			.columns = whole ? all_columns : NULL,
			.as = TRANSFORM_PARTIAL,
			.detectors = whole ? 0 : DETECT_ALL},
		.column = {.class = class,
			.is_binary = is_binary,
			.table = whole ? 20000 : 0,
			.attr = 1},
	};
	f->rules[0] = &f->rule;
	arena_init(&f->arena, 1 << 16);
	cr_assert_eq(mask_plan_build(f->rules, NULL, &f->column, 1, false, NULL, &f->arena,
			     &f->plan, &unproven),
		0);
}

/* Feeds `in` in pieces of sizes from `state` (0: whole), as a decoder would; result in out. */
static int feed(struct fixture *f, struct slice in, uint64_t *state, uint8_t *out)
{
	size_t done = 0, given = 0, hold;

	do {
		size_t more = state ? noise_next(state) % 1200 : in.n;
		struct slice held;
		bool is_last;
		int r;

		if (state && noise_next(state) % 4 == 0)
			more %= 5;
		if (more > in.n - given)
			more = in.n - given;
		is_last = given + more == in.n;
		/* What was held back comes again, at the edge of a page. */
		held = guarded(slice_of(in.p + done, given + more - done));
		r = mask_piece(f->plan, 0, (uint8_t *)(uintptr_t)held.p, held.n, is_last, &hold,
			&f->stats);
		cr_assert(hold <= MASK_TAIL_MAX && hold <= held.n && !(is_last && hold && !r));
		cr_assert(!memcmp(held.p + held.n - hold, in.p + done + held.n - hold, hold),
			"what is held back is untouched");
		memcpy(out + done, held.p, held.n - hold);
		done += held.n - hold;
		given += more;
		guarded_free(held);
		if (r)
			return r;
	} while (given < in.n);
	return 0;
}

static size_t reference_stars(struct slice in, uint8_t *out)
{
	struct hit hits[512];
	size_t n = reference_hits(in, DETECT_ALL, hits, 512);

	memcpy(out, in.p, in.n);
	for (size_t i = 0; i < n; i++)
		memset(out + hits[i].start, '*', hits[i].end - hits[i].start);
	return n;
}

Test(piece, pieces_of_any_size_are_masked_as_the_whole_is, .timeout = 120)
{
	for (uint64_t seed = 1; seed <= 1500; seed++) {
		static uint8_t in[6000], out[6000], wanted[6000];
		uint64_t state = seed * 15485863;
		size_t n = 0, n_hits, counted = 0;
		struct fixture f;

		while (n < 5000)
			n += noise_text(&state, in + n, 600);
		n_hits = reference_stars(slice_of(in, n), wanted);
		begin(&f, false, VALUE_TEXT, false);
		cr_assert_eq(feed(&f, slice_of(in, n), &state, out), 0);
		for (size_t i = 0; i < n; i++)
			cr_assert_eq(out[i], wanted[i],
				"seed %lu at %zu: %.60s\nis     %.60s\nwanted %.60s",
				(unsigned long)seed, i, in + (i > 20 ? i - 20 : 0),
				out + (i > 20 ? i - 20 : 0), wanted + (i > 20 ? i - 20 : 0));
		for (int d = 0; d < DETECTOR_N; d++)
			counted += f.stats.by_detector[d];
		cr_expect_eq(counted, n_hits, "seed %lu", (unsigned long)seed);
		cr_expect_eq(f.stats.n_values, n_hits ? 1 : 0);
		arena_deinit(&f.arena);
	}
}

/* Tokens and keys longer than any window. */
Test(piece, endless_hits_are_overwritten_to_their_end)
{
	static uint8_t in[100000], out[100000];
	static const struct {
		const char *head, *tail;
		uint8_t fill;
	} rows[] = {
		{"x -----BEGIN RSA PRIVATE KEY-----\n", "\n-----END RSA PRIVATE KEY----- y", 'M'},
		{"x eyJhbGciOiJIUzI1NiJ9.", ". y", 'e'},
		{"x ghp_", " y", 'a'},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (uint64_t seed = 1; seed <= 20; seed++) {
			uint64_t state = seed;
			size_t n_tail = strlen(rows[i].tail);
			struct fixture f;

			memset(in, rows[i].fill, sizeof(in));
			memcpy(in, rows[i].head, strlen(rows[i].head));
			memcpy(in + sizeof(in) - n_tail, rows[i].tail, n_tail);
			begin(&f, false, VALUE_TEXT, false);
			cr_assert_eq(feed(&f, slice_of(in, sizeof(in)), &state, out), 0);
			cr_expect(!memcmp(out, "x *", 3));
			for (size_t k = 2; k < sizeof(in) - n_tail; k++)
				cr_assert_eq(out[k], '*', "row %zu seed %lu at %zu", i,
					(unsigned long)seed, k);
			cr_expect(!memcmp(out + sizeof(out) - 2, " y", 2));
			arena_deinit(&f.arena);
		}
	}
}

Test(piece, json_in_pieces_stays_json_and_shows_no_card)
{
	static uint8_t in[9000], out[9000];

	for (uint64_t seed = 1; seed <= 1000; seed++) {
		uint64_t state = seed * 32452843;
		bool whole = seed % 5 == 0;
		struct fixture f;
		size_t n;

		begin(&f, whole, VALUE_JSON, false);
		n = noise_json(&state, in, sizeof(in));
		cr_assert_eq(feed(&f, slice_of(in, n), &state, out), 0);
		cr_assert(json_is_valid(slice_of(out, n)), "seed %lu: %.*s", (unsigned long)seed,
			(int)n, out);
		cr_expect_null(memmem(out, n, ",4111111111111111,", 18), "seed %lu: %.*s",
			(unsigned long)seed, (int)n, out);
		cr_expect(!whole || (out[0] == '"' && out[1] == '*'));
		arena_deinit(&f.arena);
	}
}

#define LIT(s) s, sizeof(s) - 1

static const struct row {
	bool whole;
	enum value_class class;
	bool is_binary;
	const char *value;
	size_t n;
	const char *wanted; /* NULL: MASK_E_FULL */
} rows[] = {
	{true, VALUE_TEXT, false, LIT("hello"), "*****"},
	{true, VALUE_BYTES, true, LIT("a\0c"), "***"},
	{true, VALUE_BYTES, false, LIT("\\xdeadbeef"), "\\x00000000"},
	{true, VALUE_JSON, false, LIT("{\"a\":1}"), "\"*****\""},
	{true, VALUE_JSON, true, LIT("\1{\"a\":1}"), "\1\"*****\""},
	{true, VALUE_JSON, false, LIT("7"), "0"},
	{true, VALUE_INT, false, LIT("-17"), "000"},
	{true, VALUE_INT, true, LIT("\1\2\3\4"), "\0\0\0\0"},
	{true, VALUE_NUMBER, false, LIT("3.14"), "0000"},
	{true, VALUE_NUMBER, true, LIT("\0\2\0\3\0\0\0\0\x10\x0f\x04\x57"),
		"\0\2\0\0\0\0\0\0\0\0\0\0"},
	{true, VALUE_NUMBER, true, LIT("\x40\x09\x21\xfb\x54\x44\x2d\x18"), "\0\0\0\0\0\0\0\0"},
	{true, VALUE_BOOL, false, LIT("t"), "f"},
	{true, VALUE_BOOL, true, LIT("\1"), "\0"},
	{true, VALUE_TIME, false, LIT("2024-05-17 12:34:56.7+02"), "2000-01-01 00:00:00.0+00"},
	{true, VALUE_TIME, false, LIT("12:34:56"), "00:00:00"},
	{true, VALUE_TIME, false, LIT("Fri May 17"), NULL},
	{true, VALUE_TIME, true, LIT("\1\2\3\4\5\6\7\1"), "\0\0\0\0\0\0\0\0"},
	{true, VALUE_UUID, false, LIT("41111111-1111-1111-1111-11111111111f"),
		"00000000-0000-0000-0000-000000000000"},
	{true, VALUE_NET, false, LIT("10.0.0.5/8"), "00.0.0.0/0"},
	{true, VALUE_NET, true, LIT("\2\x20\0\4\x0a\0\0\5"), "\2\x20\0\4\0\0\0\0"},
	{true, VALUE_ARRAY, false, LIT("{a}"), NULL},
	{true, VALUE_OTHER, true, LIT("a"), NULL},
	{false, VALUE_TEXT, false, LIT("to bob@x.org."), "to *********."},
	{false, VALUE_INT, false, LIT("4111111111111111"), "0000000000000000"},
	{false, VALUE_INT, true, LIT("\x00\x0e\x9b\x08\xa5\x68\xf1\xc7"), "\0\0\0\0\0\0\0\0"},
	{false, VALUE_NUMBER, false, LIT("4111111111111111"), "0000000000000000"},
	{false, VALUE_NUMBER, true, LIT("\0\4\0\3\0\0\0\0\x10\x0f\x04\x57\x04\x57\x04\x57"),
		"\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0"},
	{false, VALUE_NET, false, LIT("10.0.0.5"), "00.0.0.0"},
	{false, VALUE_JSON, false, LIT("[-4111111111111111,\"x bob@x.org\"]"),
		"[-1000000000000000,\"x *********\"]"},
	{false, VALUE_ARRAY, false, LIT("{4111111111111111,bob@x.org}"),
		"{0000000000000000,*********}"},
	{false, VALUE_ARRAY, true, LIT("\0\0\0\x09 bob@x.org"), "\0\0\0\x09 *********"},
	{false, VALUE_UUID, true, LIT("4111111111111111"), "4111111111111111"},
};

Test(piece, filler_keeps_length_and_type)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (uint64_t seed = 0; seed < 8; seed++) {
			uint64_t state = seed + 1;
			uint8_t out[128] = {0};
			struct fixture f;
			int r;

			begin(&f, rows[i].whole, rows[i].class, rows[i].is_binary);
			/* Twice: the second value starts afresh. */
			for (int again = 0; again < 2; again++) {
				r = feed(&f, slice_of(rows[i].value, rows[i].n),
					seed ? &state : NULL, out);
				if (rows[i].wanted)
					cr_expect(!r && !memcmp(out, rows[i].wanted, rows[i].n),
						"row %zu seed %lu: %.*s", i, (unsigned long)seed,
						(int)rows[i].n, out);
				else
					cr_expect_eq(r, MASK_E_FULL, "row %zu", i);
			}
			arena_deinit(&f.arena);
		}
	}
}
