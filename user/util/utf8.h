/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 as RFC 3629 has it, and text of strangers made safe for a terminal. */
#pragma once

#include <stdio.h>

#include "util/slice.h"

/* Length in bytes of the first character (1–4) and its code point; 0 if it is not valid UTF-8. */
size_t utf8_decode(struct slice s, uint32_t *ret_code);
bool utf8_is_valid(struct slice s);

/*
 * Prints text that an agent may have chosen. Control characters, bidi overrides, zero-width and
 * other invisible characters are shown as escapes (\x1b, \u{202e}), never sent to the terminal;
 * newlines are kept only if `multiline`, tabs likewise. Stops after max_chars with `…(n more
 * bytes)`.
 */
void utf8_print_safe(FILE *to, struct slice s, bool multiline, size_t max_chars);
