/* SPDX-License-Identifier: Apache-2.0 */
/* Text with its hits replaced, at any length. Output is in the arena. */
#pragma once

#include "mask/plan.h"
#include "util/writer.h"

struct rewrite {
	const struct detect_rules *rules;
	uint32_t want; /* of them, those to look for */
	const uint8_t *key;
	struct arena *arena;
	struct mask_stats *stats;
};

/* True if there is a hit, which is counted. */
bool rewrite_finds(const struct rewrite *rw, struct slice text);

/* False: nothing to change. True: the new text, or {NULL, 0} when there was no room. */
bool rewrite_text(const struct rewrite *rw, struct slice text, struct slice *ret);
/* The same for JSON, which stays JSON: strings are rewritten inside, numbers become null. */
bool rewrite_json(const struct rewrite *rw, struct slice text, struct slice *ret);
/* The same without changing the length, each byte of a hit replaced by `fill`; `items`: the text of
 * an array or composite, where an item that is all digits keeps being a number. */
bool rewrite_in_place(const struct rewrite *rw, struct slice text, bool items, struct slice *ret);

/* What fills a hit in the text of an array: '0' for an unquoted item of digits, else '*'. */
uint8_t item_fill(struct slice text, struct hit h);
