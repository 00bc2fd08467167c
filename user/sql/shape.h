/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shape of a text: its bytes with every number and plain string constant replaced by one byte
 * that says only its kind. Two texts of one shape parse into trees that differ in the values of
 * constants alone, so facts that hang on no constant (FACTS_CONSTANT_FREE) are the same for both.
 *
 * Only text of the plainest tokens has a shape. Whatever this scanner does not know for certain to
 * be read by the server as it reads it (comments, backslashes, dollar quotes, prefixes, exponents,
 * literals that continue on the next line, bytes that are no UTF-8) has none, and is parsed.
 */
#pragma once

#include "util/slice.h"

enum { SQL_SHAPE_MAX = 2048 };

/* Writes the shape of `text` into `out` (SQL_SHAPE_MAX bytes): its length, or 0 if it has none. */
size_t sql_shape(struct slice text, uint8_t out[]);
