/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PostgreSQL's tokens, coarsely: where strings, identifiers and comments begin and end, under
 * standard_conforming_strings=on and UTF-8. For finding text inside statements (what to redact,
 * where a prepared statement begins), never for judging: that is the parser's.
 */
#pragma once

#include "util/slice.h"

enum lex_kind {
	LEX_END,
	LEX_WORD,   /* keyword or plain identifier */
	LEX_QUOTED, /* "identifier", quotes included; also U&"…" */
	LEX_STRING, /* '…' with its prefix, or $tag$…$tag$ */
	LEX_OTHER,  /* one byte of anything else: numbers, operators, brackets */
};

struct lex_token {
	enum lex_kind kind;
	struct slice text;
	struct slice inner; /* LEX_STRING, LEX_QUOTED: between the quotes, escapes kept */
	bool is_dollar;     /* LEX_STRING in dollar quotes */
};

struct lex {
	const uint8_t *p, *end;
	/* The last token was a string of this kind: after a newline, a plain quote continues it. */
	bool may_continue, is_escape;
};

static inline struct lex lex_of(struct slice text)
{
	return (struct lex){.p = text.p, .end = text.p + text.n};
}

/* The next token; what is not closed reaches to the end of the text. */
struct lex_token lex_next(struct lex *l);

static inline bool lex_is_word(const struct lex_token *t, const char *word)
{
	return t->kind == LEX_WORD && slice_caseeq_str(t->text, word);
}
