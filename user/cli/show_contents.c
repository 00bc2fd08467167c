/* SPDX-License-Identifier: Apache-2.0 */
/* Contents of replies for people: see show_contents.h. */
#include "cli/show_contents.h"

#include <inttypes.h>
#include <stdio.h>

#include "util/log.h"
#include "util/utf8.h"

enum { SHOW_CONTENTS_LINE_MAX = 4000, SHOW_CONTENTS_WORDS_MAX = 256 };

void show_contents_init(struct show_contents *c)
{
	*c = (struct show_contents){0};
	buf_init(&c->text, CONTENTS_PART_MAX + SHOW_CONTENTS_WORDS_MAX);
}

void show_contents_deinit(struct show_contents *c)
{
	buf_deinit(&c->text);
}

static void show_contents_say(struct show_contents *c, const char *words)
{
	if (buf_put(&c->text, slice_str(words)))
		log_warn("contents.words", "words=\"%s\"", words);
}

struct slice show_contents_part(
	struct show_contents *c, const struct record_content *part, uint64_t max)
{
	struct slice text;

	if (c->request != part->request) {
		c->request = part->request;
		c->next = c->n_shown = 0;
	}
	if (c->n_shown >= max)
		return SLICE_NULL;
	buf_consume(&c->text, buf_len(&c->text));
	if (part->part != c->next)
		show_contents_say(c, "\n(parts of these contents are missing)\n");
	c->next = part->part + 1;
	if (contents_unpack(part, &c->text))
		show_contents_say(c, "\n(this part of the contents is damaged)\n");
	text = slice_head(buf_slice(&c->text), (size_t)(max - c->n_shown));
	c->n_shown += text.n;
	return text;
}

void show_contents_print(struct show_contents *c, struct slice text, const char *bar)
{
	while (text.n) {
		size_t n = 0;

		if (!c->is_inside)
			fputs(bar, stdout);
		while (n < text.n && text.p[n] != '\n' && text.p[n] != '\t')
			n++;
		/* The kind of a line stands in front of it. */
		if (!c->is_inside && n) {
			printf("%c ", text.p[0] >= ' ' && text.p[0] < 0x7f ? text.p[0] : '?');
			text = slice_skip(text, 1);
			n--;
		}
		utf8_print_safe(stdout, slice_head(text, n), false, SHOW_CONTENTS_LINE_MAX);
		c->is_inside = n == text.n || text.p[n] != '\n';
		if (n < text.n)
			fputs(c->is_inside ? " │ " : "\n", stdout);
		text = slice_skip(text, n + 1);
	}
}

void show_contents_end(
	struct show_contents *c, uint64_t request, uint64_t contents_len, const char *bar)
{
	uint64_t n = c->request == request ? c->n_shown : 0;

	if (c->is_inside)
		putchar('\n');
	c->is_inside = false;
	if (contents_len > n)
		printf("%s… %" PRIu64 " bytes more: holdfast audit contents %" PRIu64 "\n", bar,
			contents_len - n, request);
}
