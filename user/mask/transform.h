/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a protected value becomes.
 *
 *           text                 JSON      bytea           uuid          all else
 *   redact  ****                 "****"    NULL            NULL          NULL
 *   partial by its form, below   "****"    NULL            NULL          NULL
 *   hash    h:<16 hex>           "h:…"     the same bytes  another uuid  NULL
 *   null    NULL                 NULL      NULL            NULL          NULL
 *
 * partial: ************1111 (card), ***-**-6789, DE****************3000 (iban), j***@example.com,
 * +*********99 (phone), **** (password in a URL), else the first character and ***; values of one
 * or two characters are ***.
 *
 * hash is HMAC-SHA256 of the value alone, whatever rule, column or wire format it came by: equal
 * values stay equal. A number under hash is NULL: 64 bits of hash do not fit an int4, and a short
 * hash of a short number can be searched.
 */
#pragma once

#include "mask/detect.h"
#include "util/arena.h"
#include "util/writer.h"

/* The first two bytes of a uuid that a hash became: "hf". */
enum { UUID_MARK_0 = 0x68, UUID_MARK_1 = 0x66 };

/* A hit may grow by so much. */
enum { TRANSFORM_GROWTH_MAX = 18 };

/* Appends what text[h.start..h.end) becomes; TRANSFORM_NULL as TRANSFORM_REDACT. */
void transform_hit(struct writer *w, enum transform as, struct slice text, struct hit h,
	const uint8_t key[static 32]);

/* What a whole value becomes, in the arena or constant. p == NULL is SQL NULL, and so is a value
 * for which the arena has no room. */
struct slice transform_whole(enum value_class class, bool is_binary, enum transform as,
	struct slice value, const uint8_t key[static 32], struct arena *arena);

/* Strictest first: null, redact, hash, partial. */
enum transform transform_stricter(enum transform a, enum transform b);

/* The bytes of a bytea in its text form `\x…`, in buf (room for text.n / 2); false if it is not
 * that. */
bool bytes_from_hex(struct slice text, uint8_t *buf, struct slice *ret);
