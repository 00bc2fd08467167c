/* SPDX-License-Identifier: Apache-2.0 */
/* HMAC-SHA256 with a prepared key: see hmac.h. */
#define OPENSSL_API_COMPAT 0x10100000L /* the low-level interface, without its warning */
#include "util/hmac.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "util/err.h"

_Static_assert(sizeof(SHA256_CTX) <= sizeof((struct hmac_key){0}.inner), "hmac: context size");

enum { BLOCK = 64 };

static void hmac_pad(SHA256_CTX *c, struct slice key, uint8_t pad)
{
	uint8_t block[BLOCK];

	memset(block, pad, sizeof(block));
	for (size_t i = 0; i < key.n; i++)
		block[i] ^= key.p[i];
	SHA256_Init(c);
	SHA256_Update(c, block, sizeof(block));
	OPENSSL_cleanse(block, sizeof(block));
}

void hmac_key_init(struct hmac_key *k, struct slice key)
{
	SHA256_CTX c;

	require(key.n <= BLOCK);
	hmac_pad(&c, key, 0x36);
	memcpy(k->inner, &c, sizeof(c));
	hmac_pad(&c, key, 0x5c);
	memcpy(k->outer, &c, sizeof(c));
}

void hmac_parts(const struct hmac_key *k, const struct slice *parts, size_t n, uint8_t out[32])
{
	SHA256_CTX c;

	memcpy(&c, k->inner, sizeof(c));
	for (size_t i = 0; i < n; i++) {
		uint64_t len = parts[i].n;

		SHA256_Update(&c, &len, sizeof(len));
		if (len)
			SHA256_Update(&c, parts[i].p, len);
	}
	SHA256_Final(out, &c);
	memcpy(&c, k->outer, sizeof(c));
	SHA256_Update(&c, out, SHA256_DIGEST_LENGTH);
	SHA256_Final(out, &c);
}
