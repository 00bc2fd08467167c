/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes: see shape.h. */
#include "sql/shape.h"

#include "util/utf8.h"

/* What stands for a constant; the scanner takes no text that has such bytes itself. */
enum { SHAPE_INT = 1, SHAPE_FLOAT, SHAPE_STRING };

enum shape_class {
	SHAPE_REFUSE,
	SHAPE_PLAIN, /* blanks, brackets, operators: copied */
	SHAPE_IDENT,
	SHAPE_DIGIT,
	SHAPE_QUOTE,
	SHAPE_DOUBLE_QUOTE,
	SHAPE_DOLLAR,
	SHAPE_DOT,
	SHAPE_DASH,
	SHAPE_SLASH,
};

static const uint8_t shape_class[256] = {
	[' '] = SHAPE_PLAIN,
	['\n'] = SHAPE_PLAIN,
	['\t'] = SHAPE_PLAIN,
	['('] = SHAPE_PLAIN,
	[')'] = SHAPE_PLAIN,
	['['] = SHAPE_PLAIN,
	[']'] = SHAPE_PLAIN,
	[','] = SHAPE_PLAIN,
	[';'] = SHAPE_PLAIN,
	[':'] = SHAPE_PLAIN,
	['+'] = SHAPE_PLAIN,
	['*'] = SHAPE_PLAIN,
	['%'] = SHAPE_PLAIN,
	['^'] = SHAPE_PLAIN,
	['<'] = SHAPE_PLAIN,
	['>'] = SHAPE_PLAIN,
	['='] = SHAPE_PLAIN,
	['!'] = SHAPE_PLAIN,
	['~'] = SHAPE_PLAIN,
	['@'] = SHAPE_PLAIN,
	['#'] = SHAPE_PLAIN,
	['|'] = SHAPE_PLAIN,
	['&'] = SHAPE_PLAIN,
	['a' ... 'z'] = SHAPE_IDENT,
	['A' ... 'Z'] = SHAPE_IDENT,
	['_'] = SHAPE_IDENT,
	['0' ... '9'] = SHAPE_DIGIT,
	['\''] = SHAPE_QUOTE,
	['"'] = SHAPE_DOUBLE_QUOTE,
	['$'] = SHAPE_DOLLAR,
	['.'] = SHAPE_DOT,
	['-'] = SHAPE_DASH,
	['/'] = SHAPE_SLASH,
};

struct shape {
	const uint8_t *p, *end;
	uint8_t *out;
	size_t n;
	bool has_high; /* bytes beyond ASCII inside quotes: must be UTF-8 in the end */
};

static uint8_t shape_peek(const struct shape *s, size_t i)
{
	return (size_t)(s->end - s->p) > i ? s->p[i] : 0;
}

static void shape_copy(struct shape *s, size_t n)
{
	memcpy(s->out + s->n, s->p, n);
	s->n += n;
	s->p += n;
}

static bool shape_ident(struct shape *s)
{
	const uint8_t *p = s->p;
	size_t n = 0;

	while (p + n < s->end && (shape_class[p[n]] == SHAPE_IDENT ||
					 shape_class[p[n]] == SHAPE_DIGIT || p[n] == '$'))
		n++;
	shape_copy(s, n);
	/* E'…', U&'…', and what else may be a prefix or be glued to a quote. */
	if (shape_peek(s, 0) == '\'' || shape_peek(s, 0) == '"')
		return false;
	return !(n == 1 && (*p | 0x20) == 'u' && shape_peek(s, 0) == '&');
}

/* The parser takes an integer that fits 32 bits for another kind of token than a longer one. */
static uint8_t shape_number_kind(const uint8_t *p, size_t n)
{
	if (n > 1 && *p == '0')
		return 0;
	if (n < 10)
		return SHAPE_INT;
	if (n > 10)
		return SHAPE_FLOAT;
	return memcmp(p, "2147483647", 10) <= 0 ? SHAPE_INT : SHAPE_FLOAT;
}

static bool shape_number(struct shape *s)
{
	const uint8_t *p = s->p;
	size_t n = 0;
	uint8_t kind;

	while (p + n < s->end && shape_class[p[n]] == SHAPE_DIGIT)
		n++;
	kind = shape_number_kind(p, n);
	if (p + n < s->end && p[n] == '.') {
		size_t fraction = ++n;

		while (p + n < s->end && shape_class[p[n]] == SHAPE_DIGIT)
			n++;
		if (n == fraction)
			return false;
		kind = SHAPE_FLOAT;
	}
	s->p += n;
	/* 1e5, 0x1F, 1_000, 1a, 1.2.3: versions of the server differ on these. */
	switch (shape_class[shape_peek(s, 0)]) {
	case SHAPE_IDENT:
	case SHAPE_DOT:
	case SHAPE_DOLLAR:
	case SHAPE_QUOTE:
	case SHAPE_DOUBLE_QUOTE:
		return false;
	}
	s->out[s->n++] = kind;
	return kind != 0;
}

static bool shape_string(struct shape *s)
{
	size_t blank = 0;

	for (s->p++; s->p < s->end; s->p++) {
		if (*s->p == '\\' || !*s->p)
			return false;
		s->has_high |= *s->p >= 0x80;
		if (*s->p != '\'')
			continue;
		if (shape_peek(s, 1) != '\'')
			break;
		s->p++;
	}
	if (s->p >= s->end)
		return false;
	s->p++;
	s->out[s->n++] = SHAPE_STRING;
	/* A quote behind a newline continues the literal. */
	while (shape_peek(s, blank) == ' ' || shape_peek(s, blank) == '\n' ||
		shape_peek(s, blank) == '\t')
		blank++;
	return shape_peek(s, blank) != '\'';
}

static bool shape_quoted(struct shape *s)
{
	const uint8_t *close = memchr(s->p + 1, '"', (size_t)(s->end - s->p - 1));

	if (!close || (close + 1 < s->end && close[1] == '"'))
		return false;
	for (const uint8_t *p = s->p; p < close; p++) {
		if (*p < ' ')
			return false;
		s->has_high |= *p >= 0x80;
	}
	shape_copy(s, (size_t)(close + 1 - s->p));
	return true;
}

/* $1 is part of the shape. */
static bool shape_parameter(struct shape *s)
{
	size_t n = 1;

	while (shape_class[shape_peek(s, n)] == SHAPE_DIGIT)
		n++;
	if (n == 1)
		return false;
	shape_copy(s, n);
	switch (shape_class[shape_peek(s, 0)]) {
	case SHAPE_IDENT:
	case SHAPE_DOLLAR:
	case SHAPE_DOT:
	case SHAPE_QUOTE:
		return false;
	}
	return true;
}

static bool shape_token(struct shape *s)
{
	switch ((enum shape_class)shape_class[*s->p]) {
	case SHAPE_REFUSE:
		return false;
	case SHAPE_IDENT:
		return shape_ident(s);
	case SHAPE_DIGIT:
		return shape_number(s);
	case SHAPE_QUOTE:
		return shape_string(s);
	case SHAPE_DOUBLE_QUOTE:
		return shape_quoted(s);
	case SHAPE_DOLLAR:
		return shape_parameter(s);
	case SHAPE_DOT:
		if (shape_class[shape_peek(s, 1)] == SHAPE_DIGIT)
			return false;
		break;
	case SHAPE_DASH:
		if (shape_peek(s, 1) == '-')
			return false;
		break;
	case SHAPE_SLASH:
		if (shape_peek(s, 1) == '*')
			return false;
		break;
	case SHAPE_PLAIN:
		break;
	}
	shape_copy(s, 1);
	return true;
}

size_t sql_shape(struct slice text, uint8_t out[])
{
	struct shape s = {.p = text.p, .end = text.p + text.n, .out = out};

	/* No token grows, so the shape fits where the text does. */
	if (!text.n || text.n > SQL_SHAPE_MAX)
		return 0;
	while (s.p < s.end)
		if (!shape_token(&s))
			return 0;
	return !s.has_high || utf8_is_valid(text) ? s.n : 0;
}
