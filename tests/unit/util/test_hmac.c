/* SPDX-License-Identifier: Apache-2.0 */
/* HMAC with a prepared key against OpenSSL's own. */
#include "util/hmac.h"

#include <criterion/criterion.h>
#include <openssl/hmac.h>

/* The bytes that hmac_parts() feeds for one part. */
static void expected(struct slice key, struct slice part, uint8_t out[32])
{
	uint8_t message[512];
	uint64_t len = part.n;
	unsigned n = 32;

	memcpy(message, &len, sizeof(len));
	memcpy(message + sizeof(len), part.p, part.n);
	HMAC(EVP_sha256(), key.p, (int)key.n, message, sizeof(len) + part.n, out, &n);
}

Test(hmac, equals_the_library_for_every_length)
{
	uint8_t key[64], text[300], got[32], want[32];

	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(i * 7 + 1);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i * 31 + 5);
	for (size_t n = 0; n <= sizeof(text); n++) {
		struct slice k = slice_of(key, n % 65), part = slice_of(text, n);
		struct hmac_key prepared;

		hmac_key_init(&prepared, k);
		hmac_parts(&prepared, &part, 1, got);
		expected(k, part, want);
		cr_assert_arr_eq(got, want, sizeof(got), "length %zu", n);
	}
}

Test(hmac, parts_cannot_be_shifted_into_each_other)
{
	const struct slice ab_c[] = {SLICE_LIT("ab"), SLICE_LIT("c")};
	const struct slice a_bc[] = {SLICE_LIT("a"), SLICE_LIT("bc")};
	struct hmac_key k;
	uint8_t x[32], y[32];

	hmac_key_init(&k, SLICE_LIT("key"));
	hmac_parts(&k, ab_c, 2, x);
	hmac_parts(&k, a_bc, 2, y);
	cr_expect(memcmp(x, y, sizeof(x)) != 0);
}
