/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a PL/pgSQL body does: see plpgsql.h.
 *
 *   query    tokens from a word that begins one (SELECT, PERFORM, INSERT …) to what ends it: `;`,
 *            LOOP, or the bracket around it. Wherever such a word stands it begins one: at worst
 *            something is read as a query that is none, and does not parse, which is unknown.
 *   start    a place where a statement begins. Only words that are known may stand there.
 *
 * Expressions may have a FROM without SELECT (`RETURN k FROM t`); outside of queries that word
 * makes the body unknown, but in IS DISTINCT FROM and between brackets, where it is EXTRACT's and
 * its like.
 */
#include "sql/plpgsql.h"

#include <errno.h>

#include "sql/lex.h"
#include "sql/sql.h"
#include "sql/walk.h"
#include "util/writer.h"

enum { PLPGSQL_TOKENS_MAX = 65536, PLPGSQL_JUDGED_MAX = 400 };

struct plpgsql {
	struct slice body;
	struct arena *arena;
	struct facts *facts;
	struct facts used; /* by what is between queries */
	struct walk own;   /* … which is where those are gathered */
	unsigned n_judged;
	struct lex_token *tokens;
	uint16_t *depth; /* brackets around each token */
	size_t n;
	bool is_declaring;
};

static const char *const plpgsql_queries[] = {
	"select", "perform", "insert", "update", "delete", "merge", "with", NULL};

/* May begin a statement, besides queries and assignments. */
static const char *const plpgsql_starts[] = {"if", "elsif", "elseif", "else", "end", "return",
	"raise", "for", "foreach", "while", "loop", "exit", "continue", "case", "when", "get",
	"declare", "begin", "null", "assert", "open", "fetch", "close", "move", "exception", NULL};

/* Behind these a statement begins. */
static const char *const plpgsql_before_start[] = {"begin", "then", "else", "loop", NULL};

/* Words before a bracket that call nothing, or what the server's grammar has built in. */
static const char *const plpgsql_no_calls[] = {"in", "values", "and", "or", "not", "if", "elsif",
	"elseif", "while", "when", "then", "else", "return", "next", "using", "exists", "any",
	"some", "all", "case", "row", "over", "filter", "on", "as", "is", "between", "like",
	"ilike", "by", "raise", "exception", "notice", "to", "from", "coalesce", "greatest",
	"least", "nullif", "cast", "extract", "position", "overlay", "substring", "trim", "treat",
	"normalize", "varchar", "numeric", "char", "character", "varying", "bit", "decimal", "dec",
	"float", "time", "timestamp", "interval", "int", "array", "slice", "default", "query",
	NULL};

static bool plpgsql_is_one_of(const struct lex_token *t, const char *const *words)
{
	for (; *words; words++)
		if (lex_is_word(t, *words))
			return true;
	return false;
}

static bool plpgsql_is(const struct plpgsql *p, size_t i, char c)
{
	return i < p->n && p->tokens[i].kind == LEX_OTHER && *p->tokens[i].text.p == (uint8_t)c;
}

static bool plpgsql_is_name(const struct plpgsql *p, size_t i)
{
	return i < p->n && (p->tokens[i].kind == LEX_WORD || p->tokens[i].kind == LEX_QUOTED);
}

static int plpgsql_unknown(struct plpgsql *p)
{
	struct facts more = {
		.list = &(struct fact){.effect = EFFECT_UNKNOWN, .bounded = TRI_UNKNOWN}, .n = 1};

	if (facts_effects(p->facts) & EFFECT_BIT(EFFECT_UNKNOWN))
		return 0;
	return err_trace(sql_facts_merge(p->facts, &more, p->arena));
}

static int plpgsql_read(struct plpgsql *p)
{
	struct lex l = lex_of(p->body);
	size_t cap = 0, depth = 0;

	for (struct lex_token t = lex_next(&l); t.kind != LEX_END; t = lex_next(&l))
		cap++;
	if (cap > PLPGSQL_TOKENS_MAX)
		return err_trace(plpgsql_unknown(p));
	p->tokens = arena_array(p->arena, cap + 1, sizeof(*p->tokens));
	p->depth = arena_array(p->arena, cap + 1, sizeof(*p->depth));
	if (!p->tokens || !p->depth)
		return err_raise(-ENOMEM);
	l = lex_of(p->body);
	while (p->n < cap)
		p->tokens[p->n++] = lex_next(&l);
	for (size_t i = 0; i < p->n; i++) {
		if ((plpgsql_is(p, i, ')') || plpgsql_is(p, i, ']')) && depth)
			depth--;
		p->depth[i] = (uint16_t)depth;
		if (plpgsql_is(p, i, '(') || plpgsql_is(p, i, '['))
			depth++;
	}
	return 0;
}

/* ---- queries --------------------------------------------------------------------------------- */

/* The token behind the last one of the query that begins at i. */
static size_t plpgsql_query_end(const struct plpgsql *p, size_t i)
{
	size_t depth = p->depth[i];

	for (size_t j = i + 1; j < p->n; j++)
		if (p->depth[j] < depth ||
			(p->depth[j] == depth &&
				(plpgsql_is(p, j, ';') || lex_is_word(&p->tokens[j], "loop"))))
			return j;
	return p->n;
}

/* The token behind `name.part[i]` at i. */
static size_t plpgsql_target_end(const struct plpgsql *p, size_t i)
{
	while (plpgsql_is_name(p, i)) {
		i++;
		while (plpgsql_is(p, i, '[')) {
			size_t depth = p->depth[i];

			while (i < p->n && !(plpgsql_is(p, i, ']') && p->depth[i] == depth))
				i++;
			i++;
		}
		if (!plpgsql_is(p, i, '.'))
			return i;
		i++;
	}
	return i;
}

/* The token behind the variables of an INTO at i. */
static size_t plpgsql_into_end(const struct plpgsql *p, size_t i)
{
	i++;
	if (i < p->n && lex_is_word(&p->tokens[i], "strict"))
		i++;
	for (;; i++) {
		i = plpgsql_target_end(p, i);
		if (!plpgsql_is(p, i, ','))
			return i;
	}
}

/* The bytes of token i and what is behind it, up to the next one. */
static struct slice plpgsql_bytes(const struct plpgsql *p, size_t i)
{
	const uint8_t *next = i + 1 < p->n ? p->tokens[i + 1].text.p : p->body.p + p->body.n;

	return slice_of(p->tokens[i].text.p, (size_t)(next - p->tokens[i].text.p));
}

/* Bodies say the same over and over. */
static void plpgsql_drop_known(const struct facts *known, struct facts *f)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++) {
		const struct fact *new = &f->list[i];
		bool is_known = false;

		for (size_t j = 0; j < known->n && !is_known; j++)
			is_known = known->list[j].effect == new->effect &&
				   known->list[j].bounded == new->bounded &&
				   known->list[j].no_object ==
					   new->no_object &&slice_eq(
						   known->list[j].object, new->object);
		if (!is_known)
			f->list[n++] = *new;
	}
	f->n = n;
}

static int plpgsql_judge(struct plpgsql *p, struct slice text)
{
	struct facts more;
	int r;

	p->n_judged++;
	r = sql_classify_body(text, p->arena, &more);
	if (!r && more.n_executes)
		r = plpgsql_unknown(p);
	if (!r)
		plpgsql_drop_known(p->facts, &more);
	return r ? err_trace(r) : err_trace(sql_facts_merge(p->facts, &more, p->arena));
}

static int plpgsql_query(struct plpgsql *p, size_t i, size_t end)
{
	const uint8_t *behind = end < p->n ? p->tokens[end].text.p : p->body.p + p->body.n;
	size_t max = (size_t)(behind - p->tokens[i].text.p) + 16, depth = p->depth[i];
	struct writer w = writer_of(arena_alloc(p->arena, max), max);
	bool is_perform = lex_is_word(&p->tokens[i], "perform");

	if (!w.p)
		return err_raise(-ENOMEM);
	if (is_perform)
		wr_str(&w, "SELECT ");
	for (size_t j = i + is_perform; j < end; j++) {
		bool is_into = lex_is_word(&p->tokens[j], "into") && p->depth[j] == depth &&
			       !lex_is_word(&p->tokens[j - 1], "insert") &&
			       !lex_is_word(&p->tokens[j - 1], "merge");

		if (is_into) {
			wr_u8(&w, ' ');
			j = plpgsql_into_end(p, j) - 1;
		} else {
			wr_slice(&w, plpgsql_bytes(p, j));
		}
	}
	return err_trace(plpgsql_judge(p, wr_done(&w)));
}

/* ---- what is between them -------------------------------------------------------------------- */

/* A call is judged as PostgreSQL reads it, without its arguments, which are looked at by
 * themselves.
 */
static int plpgsql_call(struct plpgsql *p, size_t i)
{
	uint8_t bytes[256];
	struct writer w = writer_of(bytes, sizeof(bytes));
	size_t first = i;

	while (first >= 2 && plpgsql_is(p, first - 1, '.') && plpgsql_is_name(p, first - 2))
		first -= 2;
	if (first == i && plpgsql_is_one_of(&p->tokens[i], plpgsql_no_calls))
		return 0;
	wr_str(&w, "SELECT ");
	for (size_t j = first; j <= i; j++)
		wr_slice(&w, p->tokens[j].text);
	wr_str(&w, "(x)");
	return w.bad ? err_trace(plpgsql_unknown(p)) : err_trace(plpgsql_judge(p, wr_done(&w)));
}

static void plpgsql_use(struct plpgsql *p, enum use_kind kind, struct slice name)
{
	uint8_t folded[64];

	name = slice_head(name, sizeof(folded) - 1);
	for (size_t i = 0; i < name.n; i++)
		folded[i] = name.p[i] >= 'A' && name.p[i] <= 'Z' ? name.p[i] | 0x20 : name.p[i];
	walk_add_use(&p->own, kind, slice_of(folded, name.n));
}

static bool plpgsql_is_sign(const struct plpgsql *p, size_t i)
{
	return i < p->n && p->tokens[i].kind == LEX_OTHER &&
	       strchr("+-*/<>=~!@#%^&|`?", *p->tokens[i].text.p);
}

/* An operator: signs without anything between them. */
static void plpgsql_operator(struct plpgsql *p, size_t *i)
{
	const uint8_t *start = p->tokens[*i].text.p;
	size_t n = 1;

	while (plpgsql_is_sign(p, *i + 1) && p->tokens[*i + 1].text.p == start + n) {
		++*i;
		n++;
	}
	plpgsql_use(p, USE_OPERATOR, slice_of(start, n));
}

/* A name that calls nothing by itself: a variable, a type, a part of a row. */
static void plpgsql_name(struct plpgsql *p, size_t i)
{
	const struct lex_token *t = &p->tokens[i];
	struct slice name = t->kind == LEX_QUOTED ? t->inner : t->text;

	plpgsql_use(p, USE_TYPE, name);
	if (i && plpgsql_is(p, i - 1, '.'))
		plpgsql_use(p, USE_ATTRIBUTE, name);
}

static bool plpgsql_is_assignment(const struct plpgsql *p, size_t i)
{
	size_t end = plpgsql_target_end(p, i);

	return end > i && (plpgsql_is(p, end, '=') ||
				  (plpgsql_is(p, end, ':') && plpgsql_is(p, end + 1, '=')));
}

static bool plpgsql_is_start(const struct plpgsql *p, size_t i)
{
	return !i || plpgsql_is(p, i - 1, ';') ||
	       plpgsql_is_one_of(&p->tokens[i - 1], plpgsql_before_start) ||
	       (plpgsql_is(p, i - 1, '>') && i > 1 && plpgsql_is(p, i - 2, '>'));
}

static bool plpgsql_may_start(struct plpgsql *p, size_t i)
{
	if (lex_is_word(&p->tokens[i], "declare"))
		p->is_declaring = true;
	else if (lex_is_word(&p->tokens[i], "begin"))
		p->is_declaring = false;
	else if (p->is_declaring)
		return true;
	return plpgsql_is(p, i, ';') || plpgsql_is_one_of(&p->tokens[i], plpgsql_starts) ||
	       plpgsql_is(p, i, '<') || plpgsql_is(p, i, '#') || plpgsql_is_assignment(p, i);
}

/* Words that mean something else wherever they stand between queries. */
static bool plpgsql_is_bad(const struct plpgsql *p, size_t i)
{
	static const char *const bad[] = {
		"execute", "table", "call", "union", "intersect", "except", "join", NULL};

	if (plpgsql_is_one_of(&p->tokens[i], bad))
		return true;
	return lex_is_word(&p->tokens[i], "from") && !p->depth[i] &&
	       !(i && lex_is_word(&p->tokens[i - 1], "distinct"));
}

static int plpgsql_token(struct plpgsql *p, size_t *i)
{
	const struct lex_token *t = &p->tokens[*i];

	if (plpgsql_is_one_of(t, plpgsql_queries)) {
		size_t end = plpgsql_query_end(p, *i);
		int r = plpgsql_query(p, *i, end);

		*i = end - 1;
		return err_trace(r);
	}
	if ((plpgsql_is_start(p, *i) && !plpgsql_may_start(p, *i)) || plpgsql_is_bad(p, *i))
		return err_trace(plpgsql_unknown(p));
	if (plpgsql_is_sign(p, *i))
		plpgsql_operator(p, i);
	else if (plpgsql_is_name(p, *i) && plpgsql_is(p, *i + 1, '('))
		return err_trace(plpgsql_call(p, *i));
	else if (plpgsql_is_name(p, *i))
		plpgsql_name(p, *i);
	return 0;
}

int sql_plpgsql_facts(struct slice body, struct arena *arena, struct facts *ret)
{
	struct plpgsql p = {.body = body, .arena = arena, .facts = ret};
	int r;

	*ret = (struct facts){0};
	if (body.n > SQL_TEXT_MAX)
		return err_trace(plpgsql_unknown(&p));
	p.own = (struct walk){.arena = arena, .facts = &p.used};
	r = plpgsql_read(&p);
	for (size_t i = 0; !r && i < p.n && p.n_judged <= PLPGSQL_JUDGED_MAX; i++)
		r = plpgsql_token(&p, &i);
	/* Each costs a copy of what was found before. */
	if (!r && p.n_judged > PLPGSQL_JUDGED_MAX)
		r = plpgsql_unknown(&p);
	if (!r && p.own.no_memory)
		r = err_raise(-ENOMEM);
	return r ? err_trace(r) : err_trace(sql_facts_merge(ret, &p.used, arena));
}
