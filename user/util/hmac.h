/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HMAC-SHA256 (RFC 2104) with the key's two blocks hashed beforehand: the cost of one use is that
 * of the message and three SHA-256 blocks. OpenSSL's EVP_MAC copies and wipes three contexts a use,
 * which was the dearest thing on the path of a short request.
 */
#pragma once

#include "util/slice.h"

/* SHA256_CTX of OpenSSL's low-level interface, kept out of this header because it is marked old. */
struct hmac_key {
	_Alignas(16) uint8_t inner[112], outer[112];
};

/* key: at most 64 bytes. */
void hmac_key_init(struct hmac_key *k, struct slice key);
/* The parts, each behind its 64-bit length: no two lists of parts give the same bytes. */
void hmac_parts(const struct hmac_key *k, const struct slice *parts, size_t n, uint8_t out[32]);
