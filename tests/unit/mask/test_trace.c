/* SPDX-License-Identifier: Apache-2.0 */
/* Masked values that come back are known, and what people write is not taken for them. */
#include <criterion/criterion.h>

#include "mask/transform.h"
#include "mask/mask.h"

static const uint8_t key[32] = "a key for the tests of traces..";

Test(trace, whatever_a_mask_makes_is_known_again)
{
	static const char *const values[] = {"4111111111111111", "4111 1111 1111 1111",
		"078-05-1120", "DE89370400440532013000", "DE89 3704 0044 0532 0130 00",
		"ada@example.com", "+44 20 7946 0018", "+12125550147", "Ada Byron", "x",
		"\xc3\xa4hnlich", "10.0.0.1", "AKIAIOSFODNN7EXAMPLE", "(212) 555-0147"};
	struct arena arena;

	arena_init(&arena, 1 << 20);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		for (int as = 0; as < TRANSFORM_N; as++) {
			struct slice masked = transform_whole(VALUE_TEXT, false, (enum transform)as,
				slice_str(values[i]), key, &arena);

			if (masked.p)
				cr_expect(mask_is_trace(masked, false, false), "%s: %.*s",
					values[i], SLICE_FMT(masked));
		}
	}
	for (int is_binary = 0; is_binary < 2; is_binary++) {
		struct slice uuid = transform_whole(VALUE_UUID, is_binary, TRANSFORM_HASH,
			is_binary ? SLICE_LIT("0123456789abcdef")
				  : SLICE_LIT("6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
			key, &arena);
		struct slice bytes = transform_whole(VALUE_BYTES, is_binary, TRANSFORM_HASH,
			is_binary ? SLICE_LIT("abc") : SLICE_LIT("\\x616263"), key, &arena);
		struct slice json = transform_whole(
			VALUE_JSON, false, TRANSFORM_REDACT, SLICE_LIT("{}"), key, &arena);

		cr_expect(mask_is_trace(uuid, is_binary, false));
		cr_expect(mask_is_trace(bytes, is_binary, false));
		cr_expect(mask_is_trace(json, false, false));
	}
	arena_deinit(&arena);
}

Test(trace, forms)
{
	static const struct {
		const char *text;
		bool is_whole, is_inside;
	} rows[] = {
		{"****", true, true},
		{"\"****\"", true, true},
		{"h:0123456789abcdef", true, true},
		{"card ************1111 was declined", false, true},
		{"mail j***@example.com, please", false, true},
		{"id h:0123456789abcdef!", false, true},
		{"it is ****.", false, true},
		{"***-**-6789", true, true},
		{"see ***-**-6789", false, true},
		{"A***", true, true},
		{"***", true, true},
		{"{\"ssn\": \"****\"}", false, true},
		/* what people write */
		{"", false, false},
		{"*", false, false},
		{"**bold** and *plain*", false, false},
		{"***bold***", false, false},
		{"/* a comment */", false, false},
		{"2 ** 10 = 1024", false, false},
		{"*****", false, false},
		{"**********", false, false},
		{"a ***** b", false, false},
		{"rated ***** by 200 people", false, false},
		{"***** 42 times", false, false},
		{"f***ing", false, false},
		{"h:0123", false, false},
		{"oh:0123456789abcdef", false, false},
		{"h:0123456789abcdef0", false, false},
		{"width:100%;h:20", false, false},
		{"6ba7b810-9dad-11d1-80b4-00c04fd430c8", false, false},
		{"SELECT count(*) FROM t", false, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_expect_eq(mask_is_trace(slice_str(rows[i].text), false, false), rows[i].is_whole,
			"whole: %s", rows[i].text);
		cr_expect_eq(mask_is_trace(slice_str(rows[i].text), false, true), rows[i].is_inside,
			"inside: %s", rows[i].text);
	}
}
