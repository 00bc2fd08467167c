/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of expected rulings: see expect.h. */
#include "policy/expect.h"

#include <errno.h>

#include "policy/model.h"

struct expect_line {
	struct diag *d;
	struct arena *a;
	const struct policy *p;
	struct slice rest;
	const uint8_t *start;
	unsigned line;
	bool is_bad, is_oom;
};

static void expect_error(
	struct expect_line *l, const uint8_t *at, const char *what, struct slice word)
{
	l->is_bad = true;
	diag_add(l->d, l->line, (unsigned)(at - l->start) + 1, "%s \"%.*s\"", what,
		(int)(word.n < 60 ? word.n : 60), word.n ? (const char *)word.p : "");
}

static void expect_skip_blanks(struct expect_line *l)
{
	while (l->rest.n && (l->rest.p[0] == ' ' || l->rest.p[0] == '\t'))
		l->rest = slice_skip(l->rest, 1);
}

static struct slice expect_word(struct expect_line *l)
{
	size_t n = 0;
	struct slice word;

	expect_skip_blanks(l);
	while (n < l->rest.n && l->rest.p[n] != ' ' && l->rest.p[n] != '\t')
		n++;
	word = slice_head(l->rest, n);
	l->rest = slice_skip(l->rest, n);
	return word;
}

/* The text between quotes, with \" and \\ undone. */
static struct slice expect_quoted(struct expect_line *l)
{
	const uint8_t *open = l->rest.p;
	uint8_t *to = arena_alloc(l->a, l->rest.n);
	size_t n = 0, i = 1;

	l->is_oom |= !to;
	for (; to && i < l->rest.n && l->rest.p[i] != '"'; i++) {
		if (l->rest.p[i] == '\\' && i + 1 < l->rest.n)
			i++;
		to[n++] = l->rest.p[i];
	}
	if (i >= l->rest.n)
		expect_error(l, open, "no closing quote behind", l->rest);
	l->rest = slice_skip(l->rest, i + 1);
	return slice_of(to, n);
}

/* key=value into *ret; false if the word has another key. */
static bool expect_option(struct slice word, const char *key, struct slice *ret)
{
	if (!slice_starts(word, key))
		return false;
	*ret = slice_skip(word, strlen(key));
	return true;
}

static void expect_resource(struct expect_line *l, struct slice name, struct expect_row *row)
{
	row->subject.resource = policy_resource_by_name(l->p, name);
	if (!row->subject.resource)
		expect_error(l, name.p, "no such resource:", name);
}

/* RESOURCE, RESOURCE:?, RESOURCE:object */
static void expect_target(struct expect_line *l, struct slice word, struct expect_row *row)
{
	const uint8_t *colon = word.n ? memchr(word.p, ':', word.n) : NULL;

	row->fact.no_object = !colon;
	if (colon) {
		row->fact.object = slice_skip(word, (size_t)(colon - word.p) + 1);
		if (slice_eq_str(row->fact.object, "?"))
			row->fact.object = SLICE_NULL;
		word = slice_head(word, (size_t)(colon - word.p));
	}
	expect_resource(l, word, row);
}

static void expect_bounded(struct expect_line *l, struct slice value, struct expect_row *row)
{
	if (slice_eq_str(value, "true"))
		row->fact.bounded = TRI_YES;
	else if (slice_eq_str(value, "false"))
		row->fact.bounded = TRI_NO;
	else
		expect_error(l, value.p, "bounded= is true or false, not", value);
}

static void expect_ruling(struct expect_line *l, struct expect_row *row)
{
	struct slice word = expect_word(l);

	for (size_t i = 0; ruling_keywords[i]; i++) {
		if (!slice_eq_str(word, ruling_keywords[i]))
			continue;
		row->kind = (enum ruling_kind)i;
		return;
	}
	expect_error(l, word.p, "a row begins with allow, hold or deny, not", word);
}

/* A word that is no option: the effect, then the target; or the resource, then the command. */
static void expect_operand(struct expect_line *l, struct slice word, struct expect_row *row)
{
	enum effect effect = effect_by_keyword(word);

	if (row->subject.resource || row->sql.p) {
		expect_error(l, word.p, "one thing too many:", word);
		return;
	}
	if (row->fact.effect != EFFECT_N) {
		expect_target(l, word, row);
		return;
	}
	if (effect != EFFECT_N) {
		row->fact.effect = effect;
		return;
	}
	expect_skip_blanks(l);
	if (!l->rest.n || l->rest.p[0] != '"') {
		expect_error(l, word.p, "neither an effect nor a resource with a command:", word);
		return;
	}
	expect_resource(l, word, row);
	row->sql = expect_quoted(l);
}

static void expect_row(struct expect_line *l, struct expect_row *row)
{
	struct slice value;

	row->fact = (struct fact){.effect = EFFECT_N, .bounded = TRI_UNKNOWN};
	expect_ruling(l, row);
	while (!l->is_bad && !l->is_oom) {
		struct slice word = expect_word(l);

		if (!word.n || word.p[0] == '#')
			break;
		if (expect_option(word, "run=", &row->subject.run) ||
			expect_option(word, "role=", &row->subject.role) ||
			expect_option(word, "database=", &row->subject.database) ||
			expect_option(word, "rule=", &row->rule))
			continue;
		if (expect_option(word, "bounded=", &value))
			expect_bounded(l, value, row);
		else
			expect_operand(l, word, row);
	}
	if (!l->is_bad && !row->subject.resource)
		expect_error(l, l->start, "what is asked is missing in", row->text);
}

static size_t expect_count_lines(struct slice text)
{
	size_t n = 1;

	for (size_t i = 0; i < text.n; i++)
		n += text.p[i] == '\n';
	return n;
}

int expect_parse(struct slice text, const struct policy *p, struct arena *a, struct diag *d,
	struct expect_row **ret, size_t *ret_n)
{
	struct expect_row *rows = arena_array(a, expect_count_lines(text), sizeof(*rows));
	size_t n = 0, before = d->n;

	if (!rows)
		return err_raise(-ENOMEM);
	for (unsigned line = 1; text.n; line++) {
		const uint8_t *nl = memchr(text.p, '\n', text.n);
		struct slice row = nl ? slice_head(text, (size_t)(nl - text.p)) : text;
		struct expect_line l = {
			.d = d, .a = a, .p = p, .rest = row, .start = row.p, .line = line};

		text = slice_skip(text, row.n + (nl ? 1 : 0));
		expect_skip_blanks(&l);
		if (!l.rest.n || l.rest.p[0] == '#')
			continue;
		rows[n] = (struct expect_row){.line = line, .text = l.rest};
		expect_row(&l, &rows[n]);
		if (l.is_oom)
			return err_raise(-ENOMEM);
		n++;
	}
	*ret = rows;
	*ret_n = n;
	return d->n == before ? 0 : POLICY_E_BAD;
}

bool expect_is_met(const struct expect_row *row, const struct ruling *r)
{
	return row->kind == r->kind && (!row->rule.n || slice_eq_str(row->rule, r->rule));
}
