/* SPDX-License-Identifier: Apache-2.0 */
/* How commands show what the daemon told them: safe on a terminal, missing fields as nothing. */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "util/slice.h"

enum { TEXT_DURATION_MAX = 24 };

/* "42 s", "3 min 20 s", "2 h 5 min", "3 d 4 h"; buf of TEXT_DURATION_MAX. Returns buf. */
const char *text_duration(char *buf, uint64_t seconds);

/* A field as bytes; empty if it is missing or not a string. Borrowed from j. */
struct slice text_field(const json_t *j, const char *key);
/* A field as a number, 0 if missing. */
uint64_t text_number(const json_t *j, const char *key);
/* Prints a string or number field on one line, escaped, at most max characters. */
void text_print(FILE *to, const json_t *j, const char *key, size_t max);
/* An object as one ASCII line, which no terminal can mistake for a command. */
void text_print_json(FILE *to, const json_t *j);
