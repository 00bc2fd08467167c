/* SPDX-License-Identifier: Apache-2.0 */
/* Coarse tokens: see lex.h. The rules are scan.l's. */
#include "sql/lex.h"

static bool lex_is_ident_start(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

static bool lex_is_ident(uint8_t c)
{
	return lex_is_ident_start(c) || (c >= '0' && c <= '9') || c == '$';
}

static bool lex_at(const struct lex *l, size_t i, uint8_t c)
{
	return (size_t)(l->end - l->p) > i && l->p[i] == c;
}

static void lex_skip_comment(struct lex *l)
{
	unsigned depth = 0;

	do {
		if (lex_at(l, 0, '/') && lex_at(l, 1, '*')) {
			depth++;
			l->p += 2;
		} else if (lex_at(l, 0, '*') && lex_at(l, 1, '/')) {
			depth--;
			l->p += 2;
		} else {
			l->p++;
		}
	} while (depth && l->p < l->end);
}

/* Skips blanks and comments; true if there was a newline among them. */
static bool lex_skip_blank(struct lex *l)
{
	bool newline = false;

	while (l->p < l->end) {
		if (*l->p == '\n' || *l->p == '\r') {
			newline = true;
			l->p++;
		} else if (*l->p == ' ' || *l->p == '\t' || *l->p == '\f' || *l->p == '\v') {
			l->p++;
		} else if (lex_at(l, 0, '-') && lex_at(l, 1, '-')) {
			while (l->p < l->end && *l->p != '\n' && *l->p != '\r')
				l->p++;
		} else if (lex_at(l, 0, '/') && lex_at(l, 1, '*')) {
			lex_skip_comment(l);
		} else {
			break;
		}
	}
	return newline;
}

/* l->p is at the opening quote; moves behind the closing one. */
static struct slice lex_quoted(struct lex *l, bool is_escape)
{
	uint8_t quote = *l->p++;
	const uint8_t *start = l->p;

	for (; l->p < l->end; l->p++) {
		if (is_escape && *l->p == '\\' && l->p + 1 < l->end)
			l->p++;
		else if (lex_at(l, 0, quote) && lex_at(l, 1, quote))
			l->p++;
		else if (*l->p == quote)
			return slice_of(start, (size_t)(l->p++ - start));
	}
	return slice_of(start, (size_t)(l->p - start));
}

/* The length of `$tag$` at l->p, or 0. */
static size_t lex_dollar_tag(const struct lex *l)
{
	size_t n = 1, left = (size_t)(l->end - l->p);

	if (n < left && lex_is_ident_start(l->p[n]))
		while (n < left && l->p[n] != '$' && lex_is_ident(l->p[n]))
			n++;
	return n < left && l->p[n] == '$' ? n + 1 : 0;
}

static struct slice lex_dollar(struct lex *l, size_t tag)
{
	const uint8_t *start = l->p + tag, *close;

	close = memmem(start, (size_t)(l->end - start), l->p, tag);
	l->p = close ? close + tag : l->end;
	return slice_of(start, (size_t)((close ? close : l->end) - start));
}

/* Is the word the first letter of E'…', B'…', X'…' or N'…'? */
static bool lex_is_prefix(struct slice word)
{
	return word.n == 1 && memchr("eEbBxXnN", word.p[0], 8);
}

static struct lex_token lex_word(struct lex *l)
{
	struct lex_token t = {.kind = LEX_WORD, .text.p = l->p};

	while (l->p < l->end && lex_is_ident(*l->p))
		l->p++;
	t.text.n = (size_t)(l->p - t.text.p);
	if (t.text.n == 1 && (*t.text.p | 0x20) == 'u' && lex_at(l, 0, '&') &&
		(lex_at(l, 1, '\'') || lex_at(l, 1, '"'))) {
		l->p++;
		t.kind = *l->p == '"' ? LEX_QUOTED : LEX_STRING;
		t.inner = lex_quoted(l, false);
	} else if (l->p < l->end && *l->p == '\'' && lex_is_prefix(t.text)) {
		t.kind = LEX_STRING;
		l->is_escape = (*t.text.p | 0x20) == 'e';
		t.inner = lex_quoted(l, l->is_escape);
	}
	t.text.n = (size_t)(l->p - t.text.p);
	return t;
}

struct lex_token lex_next(struct lex *l)
{
	bool newline = lex_skip_blank(l), continues = l->may_continue && newline;
	struct lex_token t = {.kind = LEX_OTHER, .text = {l->p, 1}};
	size_t tag;

	if (l->p >= l->end)
		return (struct lex_token){.kind = LEX_END, .text = {l->end, 0}};
	if (!continues)
		l->is_escape = false;
	if (lex_is_ident_start(*l->p)) {
		l->is_escape = false;
		t = lex_word(l);
	} else if (*l->p == '\'') {
		t.kind = LEX_STRING;
		t.inner = lex_quoted(l, l->is_escape);
	} else if (*l->p == '"') {
		t.kind = LEX_QUOTED;
		t.inner = lex_quoted(l, false);
	} else if (*l->p == '$' && (tag = lex_dollar_tag(l))) {
		t.kind = LEX_STRING;
		t.is_dollar = true;
		t.inner = lex_dollar(l, tag);
	} else {
		l->p++;
	}
	l->may_continue = t.kind == LEX_STRING && !t.is_dollar;
	t.text.n = (size_t)(l->p - t.text.p);
	return t;
}
