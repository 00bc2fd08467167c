/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of mask/ share: the slow second opinion, texts at a guard page, deterministic
 * noise. */
#pragma once

#include "mask/detect.h"

/* The detectors once more, written apart from those of the product and asked at every offset. */
size_t reference_hits(struct slice text, uint32_t want, struct hit *ret, size_t max);

/* A copy whose last byte is the last before an unreadable page. */
struct slice guarded(struct slice s);
void guarded_free(struct slice s);

/* xorshift64*: the same sequence for the same seed everywhere. */
uint64_t noise_next(uint64_t *state);
/* A text of about max bytes made of fragments that detectors know, nearly know and do not know. */
size_t noise_text(uint64_t *state, uint8_t *p, size_t max);
/* An array of strings of such text and of numbers that are cards. */
size_t noise_json(uint64_t *state, uint8_t *p, size_t max);
/* Arrays, objects, strings, numbers, null: as RFC 8259 has them, but for UTF-8. */
bool json_is_valid(struct slice s);
