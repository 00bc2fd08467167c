/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns: see glob.h. */
#include "policy/glob.h"

/* One character in UTF-8; a byte that cannot start one counts as one. */
static size_t glob_char(struct slice s)
{
	size_t n = 1;

	while (n < s.n && n < 4 && s.p[0] >= 0xc0 && (s.p[n] & 0xc0) == 0x80)
		n++;
	return n;
}

/* Backtracks to the last star only, which is enough: at most pattern × text steps. */
static bool glob_walk(struct slice p, struct slice s)
{
	struct slice star_p = SLICE_NULL, star_s = SLICE_NULL;
	bool has_star = false;

	while (s.n || p.n) {
		if (p.n && p.p[0] == '*') {
			p = star_p = slice_skip(p, 1);
			star_s = s;
			has_star = true;
		} else if (p.n && s.n && p.p[0] == '?') {
			s = slice_skip(s, glob_char(s));
			p = slice_skip(p, 1);
		} else if (p.n && s.n && p.p[0] == s.p[0]) {
			s = slice_skip(s, 1);
			p = slice_skip(p, 1);
		} else if (has_star && star_s.n) {
			s = star_s = slice_skip(star_s, 1);
			p = star_p;
		} else {
			return false;
		}
	}
	return true;
}

static bool glob_has_wildcard(struct slice s)
{
	return s.n && (memchr(s.p, '*', s.n) || memchr(s.p, '?', s.n));
}

static struct glob glob_of(struct slice text)
{
	struct glob g = {.text = text, .kind = GLOB_OTHER};

	if (slice_eq_str(text, "*"))
		g.kind = GLOB_ANY;
	else if (!glob_has_wildcard(text))
		g.kind = GLOB_EXACT;
	else if (text.p[text.n - 1] == '*' && !glob_has_wildcard(slice_head(text, text.n - 1)))
		g.kind = GLOB_PREFIX;
	return g;
}

static bool glob_matches(const struct glob *g, struct slice s)
{
	switch (g->kind) {
	case GLOB_ANY:
		return true;
	case GLOB_EXACT:
		return slice_eq(g->text, s);
	case GLOB_PREFIX:
		return s.n >= g->text.n - 1 && !memcmp(s.p, g->text.p, g->text.n - 1);
	case GLOB_OTHER:
		break;
	}
	return glob_walk(g->text, s);
}

struct pattern pattern_of(struct slice text)
{
	const uint8_t *dot = text.n ? memrchr(text.p, '.', text.n) : NULL;
	size_t n = dot ? (size_t)(dot - text.p) : 0;

	return (struct pattern){.whole = glob_of(text),
		.has_dot = dot != NULL,
		.schema = glob_of(slice_head(text, n)),
		.name = glob_of(dot ? slice_skip(text, n + 1) : text)};
}

bool pattern_matches(const struct pattern *p, struct slice s)
{
	return glob_matches(&p->whole, s);
}

enum tri pattern_list_text(const struct pattern_list *l, struct slice s)
{
	if (!l->n)
		return TRI_YES;
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].whole.kind == GLOB_ANY || (s.n && pattern_matches(&l->v[i], s)))
			return TRI_YES;
	return s.n ? TRI_NO : TRI_UNKNOWN;
}

/* One name, quoted or not, off the front of *s. False if it is none. */
static bool object_name(struct slice *s, uint8_t **mem, const uint8_t *end, struct slice *ret)
{
	const uint8_t *dot;
	uint8_t *to = *mem;
	bool is_closed = false;
	size_t i = 1;

	if (!s->n || s->p[0] != '"') {
		dot = s->n ? memchr(s->p, '.', s->n) : NULL;
		*ret = dot ? slice_head(*s, (size_t)(dot - s->p)) : *s;
		*s = slice_skip(*s, ret->n);
		return ret->n && !memchr(ret->p, '"', ret->n);
	}
	for (; i < s->n && *mem < end && !is_closed; i++) {
		is_closed = s->p[i] == '"' && (i + 1 == s->n || s->p[i + 1] != '"');
		i += s->p[i] == '"' && !is_closed;
		if (!is_closed)
			*(*mem)++ = s->p[i];
	}
	*ret = slice_of(to, (size_t)(*mem - to));
	*s = slice_skip(*s, i);
	return is_closed && ret->n && (!s->n || s->p[0] == '.');
}

void object_init(struct object *o, const struct fact *f)
{
	struct slice rest = f->object;
	uint8_t *mem = o->mem;
	const uint8_t *end = o->mem + sizeof(o->mem);
	bool is_good;

	o->is_none = f->no_object && f->effect != EFFECT_UNKNOWN;
	o->has_schema = false;
	is_good = object_name(&rest, &mem, end, &o->name);
	if (is_good && rest.n) {
		o->has_schema = true;
		o->schema = o->name;
		rest = slice_skip(rest, 1);
		is_good = object_name(&rest, &mem, end, &o->name) && !rest.n;
	}
	/* What is not understood may touch more than the object it names. */
	o->is_unknown = !is_good || f->effect == EFFECT_UNKNOWN;
}

static enum tri object_matches(const struct object *o, const struct pattern *p)
{
	if (p->whole.kind == GLOB_ANY)
		return TRI_YES;
	if (o->is_none)
		return TRI_NO;
	if (o->is_unknown)
		return TRI_UNKNOWN;
	if (!glob_matches(&p->name, o->name))
		return TRI_NO;
	if (!p->has_dot || p->schema.kind == GLOB_ANY)
		return TRI_YES;
	/* Without a schema, which one it is in is the server's choice. */
	if (!o->has_schema)
		return TRI_UNKNOWN;
	return glob_matches(&p->schema, o->schema) ? TRI_YES : TRI_NO;
}

enum tri pattern_list_object(const struct pattern_list *l, const struct object *o)
{
	enum tri best = l->n ? TRI_NO : TRI_YES;

	for (size_t i = 0; i < l->n && best != TRI_YES; i++) {
		enum tri one = object_matches(o, &l->v[i]);

		if (one != TRI_NO)
			best = one;
	}
	return best;
}
