/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A screenful of lines: text of strangers escaped and wrapped to the terminal's width, and drawn
 * with or without colour and cursor movements.
 */
#pragma once

#include <stdio.h>

#include "util/slice.h"

/* Lines of safe text, none wider than asked for. Embedded: zero, deinit. */
struct lines {
	char **items;
	size_t n, cap;
	bool is_short; /* no memory for all of them */
};

void lines_deinit(struct lines *l);
/* Escapes `raw` (utf8_print_safe) and wraps it; newlines start lines only if `multiline`. At most
 * max_lines are added, the last then ending in `…`. Empty text adds one empty line. */
void lines_wrap(
	struct lines *l, struct slice raw, unsigned width, bool multiline, size_t max_lines);
/* The same behind a label in a column of its own, for the first line. */
void lines_field(
	struct lines *l, const char *label, struct slice raw, unsigned width, size_t max_lines);

enum screen_style { SCREEN_PLAIN, SCREEN_TITLE, SCREEN_STRONG, SCREEN_DIM, SCREEN_ALERT };

struct screen {
	FILE *to;
	unsigned cols, rows, used;
	bool has_cursor, has_colour;
};

/* Draws from the top; what the last screen had and this has not is wiped. */
void screen_begin(struct screen *s);
void screen_put(struct screen *s, enum screen_style style, const char *line);
/* The same for a line of a statement, with the words marked that marks.h calls risky. */
void screen_put_marked(struct screen *s, const char *line);
void screen_end(struct screen *s);
/* Columns a character takes: 1, or 2 for wide ones; never too few. */
unsigned screen_width(uint32_t code);
