/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 in pieces, by OpenSSL's low-level interface: EVP's contexts cost as much as the hash of a
 * short row. */
#pragma once

#include "util/slice.h"

enum { SHA256_SIZE = 32 };

/* SHA256_CTX, kept out of this header because it is marked old. */
struct sha256 {
	_Alignas(16) uint8_t state[112];
};

void sha256_begin(struct sha256 *s);
void sha256_add(struct sha256 *s, struct slice bytes);
void sha256_end(struct sha256 *s, uint8_t out[SHA256_SIZE]);
/* All at once. */
void sha256_of(struct slice bytes, uint8_t out[SHA256_SIZE]);
