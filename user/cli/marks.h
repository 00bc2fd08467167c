/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an approver should not overlook in a statement: words that destroy or hand out, and letters
 * that are not what they look like.
 */
#pragma once

#include <stdio.h>

#include "util/slice.h"

/* Is there a risky word at the start of s, where a word may begin? Its length, or 0. */
size_t marks_word(struct slice s);
/* The risky words of a text, each once: "DROP, CASCADE". Prints nothing if there are none. */
void marks_print_words(FILE *to, struct slice text);
/* Letters from scripts in which some look like ASCII, in a text that has ASCII letters too:
 * "U+0430 in place of a?, U+FF21". Prints nothing if there are none. */
void marks_print_letters(FILE *to, struct slice text);
