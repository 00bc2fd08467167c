/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Facts by exact text, or by shape where they hang on no constant (see shape.h).
 *
 * An entry is found by a 128-bit hash and then compared whole: the hash is never trusted. Bounded
 * in entries and bytes; the clock algorithm throws out what has not been asked for lately.
 */
#pragma once

#include "sql/sql.h"

enum cache_kind { CACHE_TEXT, CACHE_SHAPE };

/* Facts in memory of the cache, until the next sql_cache_put(); or NULL. */
bool sql_cache_wants_lineage(const struct sql_cache *c);
const struct facts *sql_cache_get(
	struct sql_cache *c, enum cache_kind kind, struct slice key, uint64_t lexing);
/* Keeps a copy; quietly does not if there is no memory or it is too large to be worth it. */
void sql_cache_put(struct sql_cache *c, enum cache_kind kind, struct slice key, uint64_t lexing,
	const struct facts *facts);
