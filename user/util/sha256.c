/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256: see sha256.h. */
#define OPENSSL_API_COMPAT 0x10100000L /* the low-level interface, without its warning */
#include "util/sha256.h"

#include <openssl/sha.h>

_Static_assert(sizeof(SHA256_CTX) <= sizeof((struct sha256){0}.state), "sha256: context size");

static SHA256_CTX *sha256_ctx(struct sha256 *s)
{
	return (SHA256_CTX *)(void *)s->state;
}

void sha256_begin(struct sha256 *s)
{
	SHA256_Init(sha256_ctx(s));
}

void sha256_add(struct sha256 *s, struct slice bytes)
{
	if (bytes.n)
		SHA256_Update(sha256_ctx(s), bytes.p, bytes.n);
}

void sha256_end(struct sha256 *s, uint8_t out[SHA256_SIZE])
{
	SHA256_Final(out, sha256_ctx(s));
}

void sha256_of(struct slice bytes, uint8_t out[SHA256_SIZE])
{
	struct sha256 s;

	sha256_begin(&s);
	sha256_add(&s, bytes);
	sha256_end(&s, out);
}
