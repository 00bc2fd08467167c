/* SPDX-License-Identifier: Apache-2.0 */
/* What code of somebody's may leave behind: see aftermath.h. */
#include "session/aftermath.h"

#include <errno.h>

#include "session/decide.h"
#include "session/masked.h"
#include "session/relay.h"
#include "session/session.h"
#include "sql/sql.h"

/* Names that SQL text made: only those can have been taken over. A cursor is asked for by any. */
static const char aftermath_question[] =
	"SELECT 's', p.name, p.statement FROM pg_catalog.pg_prepared_statements p "
	"WHERE p.from_sql "
	"UNION ALL SELECT 'c', c.name, c.statement FROM pg_catalog.pg_cursors c";

enum aftermath_column { AFTERMATH_KIND, AFTERMATH_NAME, AFTERMATH_TEXT, AFTERMATH_ANSWER_N };

/* ---- the answer ------------------------------------------------------------------------------ */

/* Whatever this text prepares under that name (empty: under any, and it does nothing else), is it
 * `known`? One that somebody put together to hold both is not. */
static bool aftermath_prepares(
	struct session *s, struct slice source, struct slice name, struct slice known)
{
	struct facts f = {0};
	int r = sql_classify(NULL, source, 0, &s->unit_arena, &f);
	bool is_there = false;

	for (size_t i = 0; !r && i < f.n_names; i++) {
		const struct name_change *c = &f.names[i];

		if (c->kind != NAME_DEFINE || (name.n && !slice_eq(c->name, name)))
			continue;
		if (!slice_eq(c->text, known))
			return false;
		is_there = true;
	}
	/* Of a cursor the text does not say under which name it stands. */
	return is_there && (name.n || f.n_names == f.n_statements);
}

static bool aftermath_masks(const struct session *s)
{
	return s->wants_text && mask_rules_need_catalog(s->resource->masks);
}

/* Is it what the session knows? What is not of SQL text is in its own words, and where those are a
 * statement's, nobody but the client made it: the list has the others alone. The words of a cursor
 * are no proof of its parameters and variables: what it shows may be protected, and what it changes
 * is not what somebody has approved. */
static bool aftermath_is_known(
	struct session *s, bool is_portal, struct slice name, struct slice text, struct slice known)
{
	const struct asked *a = &s->asked;

	if (is_portal &&
		(aftermath_masks(s) || (a->request.uses_portal && guard_writes(&a->facts))))
		return false;
	if (!s->proto->name_is_sql(s->state, is_portal, name))
		return is_portal && slice_eq(text, known);
	return aftermath_prepares(s, text, is_portal ? SLICE_NULL : name, known);
}

static int aftermath_on_row(struct session *s, const struct value *v, size_t n)
{
	bool is_portal;
	struct slice name, known;

	if (n != AFTERMATH_ANSWER_N || v[AFTERMATH_KIND].bytes.n != 1)
		return err_raise(-EPROTO);
	is_portal = v[AFTERMATH_KIND].bytes.p[0] == 'c';
	name = v[AFTERMATH_NAME].bytes;
	known = is_portal ? s->proto->portal_text(s->state, name)
			  : s->proto->name_text(s->state, name);
	if (!known.p || aftermath_is_known(s, is_portal, name, v[AFTERMATH_TEXT].bytes, known))
		return 0;
	s->proto->name_forget(s->state, is_portal, name);
	/* A portal that this request only replaces is none of its concern. */
	if (!is_portal || s->asked.request.uses_portal || s->asked.runs_names)
		s->asked.is_renamed = true;
	return 0;
}

int aftermath_on_answer(struct session *s, const struct event *ev, bool *ret_done)
{
	struct aftermath *m = &s->aftermath;

	*ret_done = ev->answer.is_end;
	if (!ev->answer.is_end)
		return err_trace(aftermath_on_row(s, ev->answer.values, ev->answer.n));
	if (!ev->answer.failed) {
		m->answer = AFTERMATH_UNASKED;
		m->doubts_names = m->doubts_shown = false;
		return 0;
	}
	m->answer = AFTERMATH_FAILED;
	s->guard.failed_why = ev->answer.why;
	snprintf(s->guard.failed_text, sizeof(s->guard.failed_text), "%.*s",
		SLICE_FMT(ev->answer.text));
	return 0;
}

/* ---- the request at hand --------------------------------------------------------------------- */

/* Does the policy let it through, whatever it is taken for? */
static bool aftermath_is_free(const struct session *s)
{
	const struct policy_subject subject = decide_subject(s);

	return !policy_asks_filters(s->policy) &&
	       policy_eval(s->policy, &subject, &s->asked.facts).kind == RULING_ALLOW;
}

static bool aftermath_matters(const struct session *s)
{
	const struct asked *a = &s->asked;
	const struct aftermath *m = &s->aftermath;

	if (!(m->doubts_names || m->doubts_shown) || !(a->request.uses_names || a->runs_names))
		return false;
	/* In a transaction that may write, code can do all of that itself; behind it, it may not.
	 */
	if ((s->guard.is_accounted || !m->doubts_names) && aftermath_is_free(s))
		return false;
	/* Code can prepare what a failed transaction refuses, and nothing else. */
	if (s->proto->tx(s->state) == TX_FAILED)
		return false;
	return aftermath_masks(s) ||
	       (s->guard.is_on && (guard_writes(&a->facts) || !(a->facts.flags & FACTS_OPEN)));
}

static int aftermath_ask(struct session *s)
{
	struct sink *sink = &s->unit_sink;
	int r;

	sink_begin(sink);
	r = s->proto->ask(s->state, ASK_INSIDE, slice_str(aftermath_question), sink);
	if (r || sink->overflow) {
		s->aftermath.answer = AFTERMATH_FAILED;
		s->guard.failed_why = REFUSAL_INTERNAL;
		arena_reset(&s->unit_arena);
		return r < 0 ? err_trace(r) : 0;
	}
	r = relay_apply(s, SIDE_CLIENT, SLICE_NULL, sink);
	arena_reset(&s->unit_arena);
	if (r)
		return err_trace(r < 0 ? r : -ECONNRESET);
	s->aftermath.answer = AFTERMATH_ASKING;
	return AFTERMATH_E_ASKED;
}

int aftermath_check(struct session *s)
{
	struct aftermath *m = &s->aftermath;
	int r = 0;

	if (m->answer == AFTERMATH_UNASKED && aftermath_matters(s)) {
		if (!s->proto->is_drained(s->state))
			return AFTERMATH_E_DRAIN;
		r = aftermath_ask(s);
		if (r)
			return r;
	}
	s->is_answered = false;
	s->asked.is_unchecked = s->asked.is_unchecked || m->answer != AFTERMATH_UNASKED;
	m->answer = AFTERMATH_UNASKED;
	return 0;
}

void aftermath_passed(struct session *s)
{
	const struct asked *a = &s->asked;
	struct aftermath *m = &s->aftermath;

	if (!s->is_logged_in)
		return;
	m->quotes = m->quotes || a->quotes;
	if (aftermath_masks(s))
		m->doubts_names = m->doubts_names || a->runs_code;
	/* What was let through to write may do so under any name. */
	else if (s->guard.is_on && !guard_writes(&a->facts))
		m->doubts_names = m->doubts_names || (a->facts.flags & FACTS_OPEN);
	else if (s->guard.is_on)
		m->doubts_shown = m->doubts_shown || (a->facts.flags & FACTS_OPEN);
}

void aftermath_follow(struct session *s)
{
	struct tx_where w;

	if (!s->aftermath.quotes || s->inflight.n)
		return;
	s->proto->where(s->state, &w);
	s->aftermath.quotes = !w.is_idle;
}
