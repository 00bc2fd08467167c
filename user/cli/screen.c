/* SPDX-License-Identifier: Apache-2.0 */
/* Lines and their drawing: see screen.h. */
#include "cli/screen.h"

#include <stdlib.h>

#include "cli/marks.h"
#include "util/cleanup.h"
#include "util/utf8.h"

enum { SCREEN_TAB = 4, SCREEN_LABEL = 10 };

unsigned screen_width(uint32_t c)
{
	static const struct {
		uint32_t from, to;
	} wide[] = {{0x1100, 0x115f}, {0x231a, 0x23ff}, {0x25fd, 0x27bf}, {0x2b1b, 0x2b55},
		{0x2e80, 0xa4cf}, {0xa960, 0xa97f}, {0xac00, 0xd7a3}, {0xf900, 0xfaff},
		{0xfe10, 0xfe6f}, {0xff00, 0xff60}, {0xffe0, 0xffe6}, {0x16fe0, 0x18aff},
		{0x1b000, 0x1b2ff}, {0x1f000, 0x1faff}, {0x20000, 0x3fffd}};

	for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++)
		if (c >= wide[i].from && c <= wide[i].to)
			return 2;
	return 1;
}

void lines_deinit(struct lines *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->items[i]);
	free(l->items);
	*l = (struct lines){0};
}

static void lines_push(struct lines *l, char *line)
{
	if (line && l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 32;
		char **items = realloc(l->items, cap * sizeof(*items));

		if (items) {
			l->items = items;
			l->cap = cap;
		}
	}
	if (!line || l->n == l->cap) {
		l->is_short = true;
		free(line);
		return;
	}
	l->items[l->n++] = line;
}

/* Escaped; tabs as spaces. NULL = no memory. */
static char *lines_safe(struct slice raw, bool multiline)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	if (!f)
		return NULL;
	while (raw.n) {
		const uint8_t *tab = multiline ? memchr(raw.p, '\t', raw.n) : NULL;
		size_t len = tab ? (size_t)(tab - raw.p) : raw.n;

		utf8_print_safe(f, slice_head(raw, len), multiline, SIZE_MAX);
		raw = slice_skip(raw, len);
		if (raw.n) {
			fprintf(f, "%*s", SCREEN_TAB, "");
			raw = slice_skip(raw, 1);
		}
	}
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}

/* How many bytes of s fit the width, up to a newline; may be 0 for a character too wide. */
static size_t lines_fit(struct slice s, unsigned width)
{
	unsigned used = 0;
	size_t n = 0;

	while (n < s.n && s.p[n] != '\n') {
		uint32_t code = 0;
		size_t len = utf8_decode(slice_skip(s, n), &code);

		used += screen_width(code);
		if (used > width)
			break;
		n += len ? len : 1;
	}
	return n;
}

static char *lines_copy(const char *label, unsigned label_width, struct slice s, bool is_cut)
{
	char *line;

	return asprintf(&line, "%-*s%.*s%s", (int)label_width, label, SLICE_FMT(s),
		       is_cut ? "…" : "") < 0
		       ? NULL
		       : line;
}

static void lines_add(struct lines *l, const char *label, unsigned label_width, struct slice raw,
	unsigned width, bool multiline, size_t max_lines)
{
	_cleanup_(freep) char *text = lines_safe(raw, multiline);
	struct slice s = slice_str(text);

	if (!text) {
		l->is_short = true;
		return;
	}
	/* Room for one wide character at least, or nothing would ever fit; the screen cuts what is
	 * too much. One more for the mark of a cut. */
	width = width > label_width + 3 ? width - label_width : 3;
	for (size_t n = 0; n < max_lines; n++) {
		size_t fit = lines_fit(s, width);
		bool is_last = n + 1 == max_lines && fit < s.n;
		struct slice head = slice_head(s, is_last ? lines_fit(s, width - 1) : fit);

		lines_push(l, lines_copy(n ? "" : label, label_width, head, is_last));
		s = slice_skip(s, fit);
		if (!s.n)
			return;
		if (s.p[0] == '\n')
			s = slice_skip(s, 1);
		if (!s.n)
			return; /* a newline at the end starts no line */
	}
}

void lines_wrap(struct lines *l, struct slice raw, unsigned width, bool multiline, size_t max_lines)
{
	lines_add(l, "", 0, raw, width, multiline, max_lines);
}

void lines_field(
	struct lines *l, const char *label, struct slice raw, unsigned width, size_t max_lines)
{
	lines_add(l, label, SCREEN_LABEL, raw, width, false, max_lines);
}

void screen_begin(struct screen *s)
{
	s->used = 0;
	if (s->has_cursor)
		fputs("\033[H", s->to);
}

static const char *screen_code(enum screen_style style)
{
	switch (style) {
	case SCREEN_PLAIN:
		break;
	case SCREEN_TITLE:
		return "\033[7m";
	case SCREEN_STRONG:
		return "\033[1m";
	case SCREEN_DIM:
		return "\033[2m";
	case SCREEN_ALERT:
		return "\033[1;31m";
	}
	return "";
}

static void screen_begin_line(struct screen *s)
{
	/* The new line comes before, so that the last row does not scroll the first away. */
	if (s->used++)
		fputs(s->has_cursor ? "\r\n" : "\n", s->to);
}

static void screen_styled(struct screen *s, enum screen_style style, const char *text, size_t n)
{
	if (s->has_colour)
		fputs(screen_code(style), s->to);
	fwrite(text, 1, n, s->to);
	if (s->has_colour && style != SCREEN_PLAIN)
		fputs("\033[0m", s->to);
}

void screen_put(struct screen *s, enum screen_style style, const char *line)
{
	size_t fit = lines_fit(slice_str(line), s->cols);

	if (s->used >= s->rows)
		return;
	screen_begin_line(s);
	screen_styled(s, style, line, fit);
	if (s->has_cursor)
		fputs("\033[K", s->to);
}

void screen_put_marked(struct screen *s, const char *line)
{
	struct slice rest = slice_head(slice_str(line), lines_fit(slice_str(line), s->cols));
	bool may_begin = true;

	if (s->used >= s->rows)
		return;
	screen_begin_line(s);
	while (rest.n) {
		size_t risky = may_begin ? marks_word(rest) : 0, n = risky;

		/* Up to where the next word may begin. */
		while (!risky && n < rest.n && (n == 0 || rest.p[n - 1] > ' '))
			n++;
		screen_styled(s, risky ? SCREEN_ALERT : SCREEN_STRONG, (const char *)rest.p, n);
		may_begin = !risky;
		rest = slice_skip(rest, n);
	}
	if (s->has_cursor)
		fputs("\033[K", s->to);
}

void screen_end(struct screen *s)
{
	fputs(s->has_cursor ? "\033[J" : "\n", s->to);
	fflush(s->to);
}
