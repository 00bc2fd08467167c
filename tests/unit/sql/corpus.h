/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements and the facts they are expected to give.
 *
 * A fact is written `effect`, `effect(object)` or `effect(*)` for "could be anything"; UPDATE and
 * DELETE end in `+` (bounded), `-` (not) or nothing (cannot be told). Order does not matter.
 */
#pragma once

#include "sql/sql.h"

struct corpus_row {
	const char *sql, *facts;
};

extern const struct corpus_row corpus[];
extern const size_t corpus_n;

/* `effect(object)±` of one fact. */
char *corpus_print(const struct fact *f, char *out, size_t max);
/* All facts, separated by blanks, in the order they were found. */
char *corpus_print_all(const struct facts *f, char *out, size_t max);
/* Same facts, whatever the order. */
bool corpus_same(const char *a, const char *b);
