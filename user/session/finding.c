/* SPDX-License-Identifier: Apache-2.0 */
/* Request → facts: see finding.h. */
#include "session/finding.h"

#include <errno.h>

#include "session/parser.h"

/* A text runs at most so many different prepared statements, those that they run included. */
enum { EXECUTE_DEPTH_MAX = 4, EXECUTES_MAX = 64 };

/* What is not known may do anything, and so may somebody's code, but for ending a transaction. */
static uint32_t finding_flags(enum effect effect)
{
	const uint32_t code = FACTS_CATALOG | FACTS_LEXING | FACTS_OPAQUE_ROWS | FACTS_OPEN;

	if (effect == EFFECT_UNKNOWN)
		return code | FACTS_TX_CONTROL;
	return effect == EFFECT_EXECUTE ? code : 0;
}

static int finding_add(struct session *s, enum effect effect, bool no_object)
{
	struct facts one = {.list = &(struct fact){.effect = effect,
				    .bounded = TRI_UNKNOWN,
				    .no_object = no_object},
		.n = 1,
		.flags = finding_flags(effect)};

	return err_trace(sql_facts_merge(&s->asked.facts, &one, &s->request_arena));
}

/* ---- EXECUTE --------------------------------------------------------------------------------- */

struct finding_seen {
	struct slice name, text;
	size_t n_names;
};

/* The statements that a request runs by their names, each once. */
struct finding_executes {
	struct finding_seen seen[EXECUTES_MAX];
	size_t n;
};

/* What the name stands for when that EXECUTE runs: what the same text made of it before, else what
 * the session knows. If PREPARE fails, so does all that is behind it. */
static struct slice finding_execute_text(const struct session *s, const struct execute *e)
{
	const struct facts *f = &s->asked.facts;

	for (size_t i = e->n_names; i-- > 0;) {
		const struct name_change *c = &f->names[i];

		if (c->kind == NAME_REMOVE_ALL)
			return SLICE_NULL;
		if (slice_eq(c->name, e->name))
			return c->kind == NAME_DEFINE ? c->text : SLICE_NULL;
	}
	return s->proto->name_text(s->state, e->name);
}

/* True if what it runs is among the facts already. Else *ret is its text ({NULL, 0}: nobody knows),
 * noted if there is room. */
static bool finding_was_seen(const struct session *s, const struct execute *e,
	struct finding_executes *all, struct slice *ret)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->seen[i].n_names == e->n_names && slice_eq(all->seen[i].name, e->name))
			return true;
	*ret = finding_execute_text(s, e);
	for (size_t i = 0; i < all->n; i++)
		if (all->seen[i].text.p == ret->p && slice_eq(all->seen[i].name, e->name))
			return true;
	if (all->n < EXECUTES_MAX)
		all->seen[all->n] = (struct finding_seen){e->name, *ret, e->n_names};
	all->n++;
	return false;
}

static int finding_add_executes(struct session *s, struct finding_executes *all, unsigned depth)
{
	struct facts *f = &s->asked.facts;
	size_t n = f->n_executes;
	struct execute *executes = f->executes;
	int r = 0;

	f->n_executes = 0;
	for (size_t i = 0; !r && i < n && all->n <= EXECUTES_MAX; i++) {
		struct slice text;
		struct facts inner;

		if (finding_was_seen(s, &executes[i], all, &text))
			continue;
		r = text.p && depth < EXECUTE_DEPTH_MAX && all->n <= EXECUTES_MAX
			    ? sql_classify(NULL, text, 0, &s->request_arena, &inner)
			    : SQL_E_DEEP;
		if (r == SQL_E_DEEP) {
			r = finding_add(s, EFFECT_UNKNOWN, false);
		} else if (!r) {
			r = sql_facts_merge(f, &inner, &s->request_arena);
			/* What runs inside sees the names that this EXECUTE saw. */
			for (size_t j = 0; !r && j < f->n_executes; j++)
				f->executes[j].n_names = executes[i].n_names;
			if (!r && f->n_executes)
				r = finding_add_executes(s, all, depth + 1);
		}
	}
	return r;
}

/* Facts of the statements that EXECUTE names; a name nobody knows is unknown, and so are more than
 * there is room for. */
static int finding_executes(struct session *s)
{
	struct finding_executes all = {.n = 0};
	struct facts *f = &s->asked.facts;
	int r = finding_add_executes(s, &all, 0);

	if (r != -ENOMEM)
		return r;
	f->n_executes = 0;
	f->lineage = NULL;
	return finding_add(s, EFFECT_UNKNOWN, false);
}

/* ---- by kinds -------------------------------------------------------------------------------- */

static int finding_settings(struct session *s)
{
	const struct request *q = &s->asked.request;
	int r = finding_add(s, EFFECT_SESSION, true);

	for (size_t i = 0; !r && i < q->n_settings; i++) {
		struct facts f;

		r = sql_classify_setting(
			q->settings[i].name, q->settings[i].value, &s->request_arena, &f);
		if (!r)
			r = sql_facts_merge(&s->asked.facts, &f, &s->request_arena);
	}
	return err_trace(r);
}

/* A call by number runs some code, always; the number says which only for the server's own. */
static int finding_call(struct session *s)
{
	struct facts *f = &s->asked.facts;
	struct facts one = {
		.list = &(struct fact){.effect = EFFECT_EXECUTE, .bounded = TRI_UNKNOWN}, .n = 1};
	int r = sql_classify_call(s->asked.request.function, &s->request_arena, f);

	if (r == SQL_E_NOT_KNOWN) {
		r = finding_add(s, EFFECT_UNKNOWN, false);
		return r ? r : finding_add(s, EFFECT_EXECUTE, false);
	}
	f->flags |= FACTS_OPAQUE_ROWS;
	return r ? err_trace(r) : err_trace(sql_facts_merge(f, &one, &s->request_arena));
}

/* What the text alone cannot say. */
static int finding_complete(struct session *s)
{
	struct asked *a = &s->asked;
	bool is_readable = true;
	int r = 0;

	a->has_facts = true;
	/* Start-up parameters are no text in the server's language: nothing to misread. */
	if (!request_is_login(&a->request) && a->request.kind != REQUEST_CALL)
		s->proto->lexing(s->state, &is_readable);
	a->runs_names = a->facts.n_executes;
	if (a->facts.n_executes)
		r = finding_executes(s);
	if (!r && a->request.kind == REQUEST_REPLICATION)
		r = finding_add(s, EFFECT_ADMIN, true);
	if (!r && (a->request.is_suspect || a->request.is_doubtful || !is_readable))
		r = finding_add(s, EFFECT_UNKNOWN, false);
	return err_trace(r);
}

static int finding_text(struct session *s)
{
	struct asked *a = &s->asked;
	bool is_readable;
	uint64_t lexing = s->proto->lexing(s->state, &is_readable);
	int r = sql_classify(
		s->worker->sql_cache, a->request.text, lexing, &s->request_arena, &a->facts);

	if (r == SQL_E_DEEP) {
		r = parser_ask(s->worker->enforcer->parser, s->run.id, s->worker->index, s->id,
			a->request.seq, a->request.text);
		if (r <= 0)
			return r ? err_trace(r) : FINDING_E_PARSER;
		/* It has too many waiting: what is not parsed is not known. */
		r = sql_classify_nothing(&s->request_arena, &a->facts);
	}
	return r ? err_trace(r) : finding_complete(s);
}

int finding_facts(struct session *s)
{
	struct asked *a = &s->asked;
	int r = 0;

	switch (a->request.kind) {
	case REQUEST_TEXT:
		return finding_text(s);
	case REQUEST_LOGIN:
		r = finding_settings(s);
		break;
	case REQUEST_CALL:
		r = finding_call(s);
		break;
	case REQUEST_REPLICATION:
		if (!a->request.text.p) {
			r = finding_settings(s);
			break;
		}
		r = sql_classify_replication(a->request.text, &s->request_arena, &a->facts);
		if (r == SQL_E_NOT_REPLICATION)
			return finding_text(s);
		break;
	case REQUEST_OPAQUE:
		r = finding_add(s, EFFECT_UNKNOWN, false);
		break;
	}
	return r ? err_trace(r) : finding_complete(s);
}

int finding_parsed(struct session *s, const struct facts *facts, int error)
{
	bool is_readable;
	int r;

	s->asked.facts = (struct facts){0};
	r = error < 0 ? sql_classify_nothing(&s->request_arena, &s->asked.facts)
		      : sql_facts_merge(&s->asked.facts, facts, &s->request_arena);
	if (!r && error >= 0) {
		sql_cache_keep(s->worker->sql_cache, s->asked.request.text,
			s->proto->lexing(s->state, &is_readable), facts);
		r = sql_facts_keep(&s->asked.facts, &s->request_arena);
	}
	return r ? err_trace(r) : finding_complete(s);
}
