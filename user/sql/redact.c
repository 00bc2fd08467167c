/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets out of statements before they are shown or recorded: sql_redact() of sql.h. */
#include <ctype.h>

#include "sql/lex.h"
#include "sql/sql.h"
#include "util/writer.h"

#define REDACT_MARK SLICE_LIT("'***'")

enum { REDACT_DEPTH_MAX = 4 }; /* DO $$ … $$ within DO $$ … $$ */

/* Does the text hold the word anywhere, in any case? */
static bool redact_has(struct slice text, const char *word)
{
	size_t n = strlen(word);
	char first = (char)toupper(word[0]);

	for (size_t i = 0; i + n <= text.n; i++)
		if ((text.p[i] == word[0] || text.p[i] == first) &&
			!strncasecmp((const char *)text.p + i, word, n))
			return true;
	return false;
}

/* One pass that lets ordinary statements go. */
static bool redact_is_suspect(struct slice text)
{
	static const char *const words[] = {"pass", "secret", "onnection", "pwd"};

	for (size_t i = 0; i + 3 <= text.n; i++) {
		switch (text.p[i] | 0x20) {
		case ':' | 0x20:
			if (!memcmp(text.p + i, "://", 3))
				return true;
			break;
		case 'p':
		case 's':
		case 'o':
			for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++)
				if (!strncasecmp((const char *)text.p + i, words[w],
					    text.n - i < strlen(words[w]) ? text.n - i
									  : strlen(words[w])))
					return true;
			break;
		}
	}
	return false;
}

/* Names whose value is a secret: PASSWORD, sslpassword, secret_key … */
static bool redact_is_secret_name(const struct lex_token *t)
{
	struct slice name = t->kind == LEX_QUOTED ? t->inner : t->text;

	if (t->kind != LEX_WORD && t->kind != LEX_QUOTED)
		return false;
	if (slice_caseeq_str(name, "password_encryption"))
		return false;
	return redact_has(name, "password") || redact_has(name, "passwd") ||
	       redact_has(name, "pwd") || redact_has(name, "secret") ||
	       redact_has(name, "passphrase");
}

/* A connection string, or a statement inside a string: `password=…`, `user:password@host`. */
static bool redact_is_secret_text(struct slice s)
{
	const uint8_t *url = memmem(s.p, s.n, "://", 3);

	if (redact_has(s, "password") || redact_has(s, "passwd") || redact_has(s, "pwd"))
		return memchr(s.p, '=', s.n) || memchr(s.p, '\'', s.n);
	return url && memchr(url, '@', s.n - (size_t)(url - s.p));
}

struct redact {
	struct arena *arena;
	struct writer out;
	const uint8_t *copied; /* what stands before it is in `out` */
	bool is_changed;
};

static struct slice redact_text(struct slice text, struct arena *arena, unsigned depth);

/* Everything up to the token, and then the replacement. */
static void redact_replace(struct redact *r, const struct lex_token *t, struct slice by)
{
	wr_bytes(&r->out, r->copied, (size_t)(t->text.p - r->copied));
	wr_slice(&r->out, by);
	r->copied = t->text.p + t->text.n;
	r->is_changed = true;
}

/* The body of DO or of a function may hold statements with passwords of their own. */
static void redact_body(struct redact *r, const struct lex_token *t, unsigned depth)
{
	struct slice body = redact_text(t->inner, r->arena, depth + 1);

	if (body.p == t->inner.p)
		return;
	redact_replace(r, &(struct lex_token){.text = t->inner}, body);
}

/* Is the string behind these tokens a secret whatever it says? `before` is what stands in front of
 * it, one token further back if that is `=`, `:=`, `=>` or `(`. */
static bool redact_string_is_secret(const struct lex_token *t, const struct lex_token *before)
{
	return redact_is_secret_name(before) || lex_is_word(before, "connection") ||
	       (!t->is_dollar && redact_is_secret_text(t->inner));
}

static bool redact_is_assignment(const struct lex_token *t)
{
	return t->kind == LEX_OTHER && strchr("=:>", *t->text.p) && *t->text.p;
}

static void redact_tokens(struct redact *r, struct slice text, unsigned depth)
{
	struct lex l = lex_of(text);
	struct lex_token before = {.kind = LEX_END};
	bool in_secret = false;

	for (struct lex_token t = lex_next(&l); t.kind != LEX_END; t = lex_next(&l)) {
		if (t.kind == LEX_STRING) {
			/* Further segments of a literal are as secret as its first. */
			in_secret = in_secret || redact_string_is_secret(&t, &before);
			if (in_secret)
				redact_replace(r, &t, REDACT_MARK);
			else if (t.is_dollar)
				redact_body(r, &t, depth);
			continue;
		}
		in_secret = false;
		if (!redact_is_assignment(&t))
			before = t;
	}
}

static struct slice redact_text(struct slice text, struct arena *arena, unsigned depth)
{
	struct redact r = {.arena = arena, .copied = text.p};
	/* The mark is five bytes, and the shortest string it stands for two. */
	size_t max = text.n * 3 + 8;

	if (!redact_is_suspect(text))
		return text;
	r.out = writer_of(arena_alloc(arena, max), max);
	if (!r.out.p || depth > REDACT_DEPTH_MAX)
		return REDACT_MARK;
	redact_tokens(&r, text, depth);
	if (!r.is_changed)
		return text;
	wr_bytes(&r.out, r.copied, (size_t)(text.p + text.n - r.copied));
	return wr_done(&r.out);
}

struct slice sql_redact(struct slice text, struct arena *arena)
{
	return redact_text(text, arena, 0);
}
