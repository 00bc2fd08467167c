/* SPDX-License-Identifier: Apache-2.0 */
/* Words of the full-text index: see words.h. */
#include "audit/words.h"

enum { WORDS_VALUE_MAX = 128, WORDS_OBJECTS_MAX = 16 };

/* Ours are "zz" and a kind, and no kind is z. */
static const char words_mark[] = "zzz";

static bool words_is_plain(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '_';
}

/* "zz", the kind, and the value with _ for what a word cannot hold. */
static void words_put_bare(struct writer *w, enum words_kind kind, struct slice value)
{
	value = slice_head(value, WORDS_VALUE_MAX);
	wr_str(w, "zz");
	wr_u8(w, (uint8_t)kind);
	for (size_t i = 0; i < value.n; i++)
		wr_u8(w, words_is_plain(value.p[i]) ? value.p[i] : '_');
}

void words_put(struct writer *w, enum words_kind kind, struct slice value)
{
	if (!value.n)
		return;
	wr_str(w, " ");
	words_put_bare(w, kind, value);
}

/* The next of a list "a, b"; false: there is none. Names of objects may hold a blank. */
static bool words_next(struct slice *list, bool is_blank_end, struct slice *ret)
{
	size_t n = 0;

	while (list->n && (list->p[0] == ' ' || list->p[0] == ','))
		*list = slice_skip(*list, 1);
	if (!list->n)
		return false;
	while (n < list->n && list->p[n] != ',' && (!is_blank_end || list->p[n] != ' '))
		n++;
	*ret = slice_head(*list, n);
	*list = slice_skip(*list, ret->n);
	return true;
}

void words_put_request(struct writer *w, const struct record_request *q)
{
	struct slice effects = q->effects, objects = q->objects, one;

	while (words_next(&effects, true, &one))
		words_put(w, WORDS_EFFECT, one);
	for (unsigned n = 0; n < WORDS_OBJECTS_MAX && words_next(&objects, false, &one); n++) {
		const uint8_t *dot = memrchr(one.p, '.', one.n);

		words_put(w, WORDS_OBJECT, one);
		if (dot)
			words_put(w, WORDS_OBJECT, slice_skip(one, (size_t)(dot - one.p) + 1));
	}
	words_put(w, WORDS_RULING, q->ruling);
	words_put(w, WORDS_RULE, q->rule);
}

static bool words_is_marked(uint8_t c)
{
	return c == 'z' || c == 'Z';
}

/* A word begins behind whatever is not surely a part of it: what is beyond ASCII may be a letter or
 * a sign, and a mark in the middle of a word that is not ASCII does no harm, since none such is
 * asked for. */
void words_put_text(struct writer *w, struct slice text)
{
	size_t from = 0;

	for (size_t i = 0; i < text.n; i++) {
		if (!words_is_marked(text.p[i]) || (i && words_is_plain(text.p[i - 1])))
			continue;
		wr_bytes(w, text.p + from, i - from);
		wr_str(w, words_mark);
		from = i;
	}
	wr_bytes(w, text.p + from, text.n - from);
}

void words_put_query(struct writer *w, enum words_kind kind, struct slice value)
{
	wr_str(w, w->n ? " AND \"" : "\"");
	words_put_bare(w, kind, value);
	wr_str(w, "\"");
}

void words_put_query_text(struct writer *w, struct slice text, bool is_marked)
{
	bool has_word = false;

	while (text.n) {
		bool is_plain = true;
		size_t n = 0;

		if (!words_is_plain(text.p[0]) && text.p[0] < 0x80) {
			text = slice_skip(text, 1);
			continue;
		}
		/* What is a letter beyond ASCII is FTS5's business: such words are not asked for.
		 */
		while (n < text.n && (words_is_plain(text.p[n]) || text.p[n] >= 0x80)) {
			is_plain = is_plain && text.p[n] < 0x80;
			n++;
		}
		/* The last one may go on; SQLite gathers all that begins so, which is dear, and not
		 * needed where another word tells enough. */
		if (is_plain && (n < text.n || !has_word)) {
			has_word = true;
			wr_str(w, w->n ? " AND \"" : "\"");
			if (is_marked && words_is_marked(text.p[0]))
				wr_str(w, words_mark);
			wr_slice(w, slice_head(text, n));
			wr_str(w, n == text.n ? "\"*" : "\"");
		}
		text = slice_skip(text, n);
	}
}
