/* SPDX-License-Identifier: Apache-2.0 */
/* The read-only belt and the commit guard: see guard.h. */
#include "session/guard.h"

#include <errno.h>

#include "session/relay.h"
#include "session/session.h"

#define GUARD_READS                                                                                \
	(EFFECT_BIT(EFFECT_READ) | EFFECT_BIT(EFFECT_SESSION) | EFFECT_BIT(EFFECT_EXPORT))

/* Was an id assigned? Nothing but a write does that where nothing else was let through. */
#define GUARD_HAS_ID "pg_catalog.pg_current_xact_id_if_assigned() IS NOT NULL"

static const char guard_question[] = "SELECT " GUARD_HAS_ID;

/* The same, and what COMMIT itself runs (the rest of cursors WITH HOLD) may not write any more. */
static const char guard_question_last[] =
	"SELECT " GUARD_HAS_ID ", "
	"pg_catalog.set_config('transaction_read_only', 'on', true)";

/*
 * Row locks took an id already. Then the locks tell: whoever writes to a table or sequence, or
 * changes its definition, has one that no reader has, up to the end of the transaction. The
 * server's own tables are unlocked early; what this transaction did to them is counted.
 */
static const char guard_question_locks[] =
	"SELECT " GUARD_HAS_ID " AND (EXISTS ("
	"SELECT FROM pg_catalog.pg_locks l "
	"WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() "
	"AND l.locktype OPERATOR(pg_catalog.=) 'relation'::pg_catalog.text "
	"AND l.mode OPERATOR(pg_catalog.=) ANY (ARRAY['RowExclusiveLock', "
	"'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', "
	"'AccessExclusiveLock']::pg_catalog.text[])) OR EXISTS ("
	"SELECT FROM pg_catalog.pg_class c "
	"WHERE c.oid OPERATOR(pg_catalog.<) 16384::pg_catalog.oid "
	"AND (pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid) OPERATOR(pg_catalog.>) "
	"0::pg_catalog.int8 "
	"OR pg_catalog.pg_stat_get_xact_tuples_updated(c.oid) OPERATOR(pg_catalog.>) "
	"0::pg_catalog.int8 "
	"OR pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid) OPERATOR(pg_catalog.>) "
	"0::pg_catalog.int8)))";

/* ---- does it matter here? -------------------------------------------------------------------- */

static bool guard_is_free(const struct session *s, const enum effect *effects, size_t n)
{
	const struct policy_subject subject = {
		.resource = s->resource,
		.run = slice_str(s->run.name),
		.role = slice_str(s->role),
		.database = slice_str(s->database),
	};
	struct fact list[4];
	const struct facts facts = {.list = list, .n = n};

	for (size_t i = 0; i < n; i++)
		list[i] = (struct fact){.effect = effects[i], .bounded = TRI_UNKNOWN};
	return policy_eval(s->policy, &subject, &facts).kind == RULING_ALLOW;
}

/* Not where any row may be changed anyway, or what nobody understands may run. */
static bool guard_is_on(struct session *s)
{
	static const enum effect writes[] = {EFFECT_INSERT, EFFECT_UPDATE, EFFECT_DELETE};
	static const enum effect unknown[] = {EFFECT_UNKNOWN};
	struct guard *g = &s->guard;

	if (!s->is_logged_in)
		return g->is_on = false;
	if (g->policy != s->policy) {
		g->policy = s->policy;
		g->is_on = !policy_is_observe(s->policy) && !guard_is_free(s, writes, 3) &&
			   !guard_is_free(s, unknown, 1);
	}
	return g->is_on;
}

/* ---- the request at hand --------------------------------------------------------------------- */

bool guard_writes(const struct facts *f)
{
	return facts_effects(f) & ~GUARD_READS;
}

/* Judges the request as what it may be. `why` is for people. */
static int guard_judge_unknown(struct session *s, const char *why)
{
	struct facts more = {
		.list = &(struct fact){.effect = EFFECT_UNKNOWN, .bounded = TRI_UNKNOWN}, .n = 1};

	s->asked.why = why;
	return err_trace(sql_facts_merge(&s->asked.facts, &more, &s->request_arena));
}

static int guard_judge_answer(struct session *s)
{
	struct guard *g = &s->guard;
	const char *why;

	switch (g->answer) {
	case GUARD_CLEAN:
		g->has_unseen = false;
		return 0;
	case GUARD_FAILED:
		s->asked.is_unchecked = true;
		return 0;
	case GUARD_WROTE:
	case GUARD_UNASKED:
	case GUARD_ASKING:
		break;
	}
	why = arena_printf(&s->request_arena,
		"this transaction has written something, and nothing in it was a write by its text "
		"(its reads are requests %llu to %llu)",
		(unsigned long long)g->first_unseen, (unsigned long long)g->last_unseen);
	return why ? guard_judge_unknown(s, why) : err_raise(-ENOMEM);
}

static int guard_ask(struct session *s, bool is_last)
{
	struct guard *g = &s->guard;
	const char *question = g->has_ids                      ? guard_question_locks
			       : is_last && g->has_hold_cursor ? guard_question_last
							       : guard_question;
	struct sink *sink = &s->unit_sink;
	int r;

	sink_begin(sink);
	r = s->proto->ask(s->state, ASK_INSIDE, slice_str(question), sink);
	if (r || sink->overflow) {
		g->answer = GUARD_FAILED;
		g->failed_why = REFUSAL_INTERNAL;
		arena_reset(&s->unit_arena);
		return r < 0 ? err_trace(r) : 0;
	}
	r = relay_apply(s, SIDE_CLIENT, SLICE_NULL, sink);
	arena_reset(&s->unit_arena);
	if (r)
		return err_trace(r < 0 ? r : -ECONNRESET);
	/* Whatever the answer lacks is a failure. */
	g->answer = GUARD_ASKING;
	return GUARD_E_ASKED;
}

int guard_on_answer(struct session *s, const struct event *ev, bool *ret_done)
{
	struct guard *g = &s->guard;
	struct slice id;

	*ret_done = ev->answer.is_end;
	if (ev->answer.is_end) {
		if (ev->answer.failed || g->answer == GUARD_ASKING)
			g->answer = GUARD_FAILED;
		g->failed_why = ev->answer.failed ? ev->answer.why : REFUSAL_INTERNAL;
		snprintf(g->failed_text, sizeof(g->failed_text), "%.*s",
			SLICE_FMT(ev->answer.failed ? ev->answer.text : SLICE_NULL));
		return 0;
	}
	id = ev->answer.n ? ev->answer.values[0].bytes : SLICE_NULL;
	g->answer = slice_eq_str(id, "f")   ? GUARD_CLEAN
		    : slice_eq_str(id, "t") ? GUARD_WROTE
					    : GUARD_FAILED;
	return 0;
}

/* ---- the belt -------------------------------------------------------------------------------- */

/* Is it something that may write unseen? Already when it is parsed: the constants of somebody's
 * types are read then, and a domain inside of one checks its conditions. */
static bool guard_is_open(const struct asked *a)
{
	return a->facts.flags & FACTS_OPEN;
}

/* Parameters are read when they are bound, whether the text uses them or not: by functions of
 * somebody's where their type is, or where nobody said it. */
static void guard_look_at_params(struct asked *a)
{
	enum { FIRST_OF_SOMEBODY = 16384 };

	for (size_t i = 0; i < a->request.n_params; i++) {
		const struct param *p = &a->request.params[i];

		if (p->is_null || (p->type && p->type < FIRST_OF_SOMEBODY) ||
			a->request.kind != REQUEST_TEXT)
			continue;
		if (!(a->facts.flags & FACTS_OPEN) && (a->facts.flags & FACTS_ENDS_TX))
			a->facts.flags |= FACTS_NO_STAND;
		a->facts.flags |= FACTS_OPEN;
	}
}

/* Does the request run in a transaction block? TRI_UNKNOWN: that is still under way. */
static enum tri guard_is_inside(struct session *s, const struct tx_where *w)
{
	struct guard *g = &s->guard;

	if (g->has_control && g->control_batch == w->batch)
		return g->control_opens ? TRI_YES : TRI_NO;
	if (g->has_control && !s->proto->is_drained(s->state))
		return TRI_UNKNOWN;
	g->has_control = false;
	return w->ready == TX_NONE ? TRI_NO : TRI_YES;
}

/* What cannot be asked about afterwards, since it is committed at once: outside a block. */
static int guard_belt(struct session *s)
{
	struct guard *g = &s->guard;
	struct asked *a = &s->asked;
	struct tx_where w;
	bool is_read = !guard_writes(&a->facts), is_control;

	s->proto->where(s->state, &w);
	is_control = a->facts.flags & (FACTS_BEGINS_TX | FACTS_ENDS_TX);
	a->wants_belt = false;
	if (g->belted == w.batch + 1 && (!is_read || is_control))
		return GUARD_E_SPLIT;
	if (!is_read || !guard_is_open(a))
		return 0;
	if (is_control)
		return 0;
	switch (guard_is_inside(s, &w)) {
	case TRI_UNKNOWN:
		return GUARD_E_DRAIN;
	case TRI_YES:
		return 0;
	case TRI_NO:
		break;
	}
	if (a->facts.flags & FACTS_ROW_LOCKS)
		return guard_judge_unknown(s,
			"row locks outside a transaction end at once, and the server cannot refuse "
			"writes beside them; use BEGIN");
	a->wants_belt = g->belted != w.batch + 1 && g->mixed != w.batch + 1;
	return 0;
}

/* Keeps the bytes of a request that may have to be put again. */
static int guard_keep(struct session *s, const struct tx_where *w, struct verdict *v)
{
	struct slice span = slice_head(buf_slice(&s->client.in), s->span_len);
	int r;

	buf_consume(&s->retry, buf_len(&s->retry));
	if (!s->asked.request.is_whole || !w->is_idle || (s->asked.facts.flags & FACTS_STAYS))
		return 0;
	r = buf_put(&s->retry, span);
	v->may_retry = !r;
	return r < 0 ? err_trace(r) : 0;
}

int guard_retry(struct session *s, struct slice more)
{
	struct slice rest = arena_dup(&s->unit_arena, buf_slice(&s->client.in));
	int r;

	if (bug(s->span_len || !buf_len(&s->retry)))
		return -EPROTO;
	if (buf_len(&s->client.in) && !rest.p)
		return err_raise(-ENOMEM);
	buf_consume(&s->client.in, rest.n);
	r = buf_put(&s->client.in, buf_slice(&s->retry));
	if (!r)
		r = buf_put(&s->client.in, more);
	if (!r)
		r = buf_put(&s->client.in, rest);
	buf_consume(&s->retry, buf_len(&s->retry));
	if (r)
		return err_fold(r);
	s->guard.is_retry = true;
	s->client_waits = true; /* it is looked at as soon as this server unit is done with */
	return 0;
}

/* ---- the guard ------------------------------------------------------------------------------- */

/* Must the transaction be looked at before this request runs? Once something accounts for its
 * writes, there is nothing to be seen any more. */
static bool guard_must_ask(const struct session *s, bool commits)
{
	const struct guard *g = &s->guard;
	const struct facts *f = &s->asked.facts;

	if (!g->has_unseen || g->is_accounted)
		return false;
	if (commits || guard_writes(f))
		return true;
	return (f->flags & FACTS_TAKES_ID) && !g->has_ids;
}

/* Asks about the transaction if that is due. 0, GUARD_E_*, < 0. */
static int guard_look(struct session *s, bool commits)
{
	struct guard *g = &s->guard;

	if (g->answer != GUARD_UNASKED || !guard_must_ask(s, commits))
		return 0;
	if (!s->proto->is_drained(s->state))
		return GUARD_E_DRAIN;
	if (s->proto->tx(s->state) != TX_FAILED)
		return guard_ask(s, commits);
	/* What failed answers nothing, and is rolled back, unless this text makes it go on. */
	if (s->asked.facts.flags & FACTS_REVIVES_TX)
		return guard_judge_unknown(s,
			"it goes on with a transaction that failed and ends or changes it in the "
			"same text, where nobody can look at what it did; send ROLLBACK TO by "
			"itself");
	return 0;
}

/* What the text alone makes of it. */
static int guard_judge_text(struct session *s, bool commits)
{
	const struct guard *g = &s->guard;
	uint32_t flags = s->asked.facts.flags;

	if ((flags & FACTS_NO_STAND) && !s->asked.request.is_prepare_only)
		return guard_judge_unknown(s, "its transaction ends within it, where nobody can "
					      "look at what it did; send "
					      "COMMIT by itself");
	if (commits && g->has_hold_cursor &&
		(g->is_accounted || g->has_ids || (flags & FACTS_BEGINS_TX)))
		return guard_judge_unknown(s,
			"it runs a cursor WITH HOLD to its end, where nobody can look at what that "
			"does");
	return 0;
}

int guard_may_split(struct session *s)
{
	struct tx_where w;

	s->proto->where(s->state, &w);
	switch (guard_is_inside(s, &w)) {
	case TRI_UNKNOWN:
		return GUARD_E_DRAIN;
	case TRI_YES:
		return GUARD_E_SPLIT;
	case TRI_NO:
		break;
	}
	if (s->guard.mixed == w.batch + 1 || s->proto->has_portals(s->state))
		return 0;
	return GUARD_E_SPLIT;
}

enum tri guard_in_transaction(const struct session *s)
{
	const struct facts *f = &s->asked.facts;

	if (f->n_statements > 1 && f->flags & FACTS_BEGINS_TX)
		return TRI_YES;
	return s->is_logged_in && s->proto->tx(s->state) != TX_NONE ? TRI_YES : TRI_NO;
}

int guard_check(struct session *s)
{
	struct guard *g = &s->guard;
	/* What is only prepared ends nothing. */
	bool commits = (s->asked.facts.flags & FACTS_COMMITS) && !s->asked.request.is_prepare_only;
	int r = 0;

	if (s->asked.is_guarded)
		return 0;
	/* Something before it may have begun a transaction. */
	if (s->is_logged_in && policy_asks_transaction(s->policy) &&
		!s->proto->is_drained(s->state))
		return GUARD_E_DRAIN;
	if (!guard_is_on(s)) {
		g->answer = GUARD_UNASKED;
		g->is_retry = false;
		return 0;
	}
	guard_look_at_params(&s->asked);
	if (g->is_retry) {
		g->is_retry = false;
		r = guard_judge_unknown(s, "the server refused it as a read, because it writes: it "
					   "was put again, to be "
					   "judged as a write");
	}
	if (!r)
		r = guard_belt(s);
	if (!r)
		r = guard_look(s, commits);
	if (r)
		return r;
	s->asked.is_guarded = true;
	s->is_answered = false;
	if (g->answer != GUARD_UNASKED)
		r = guard_judge_answer(s);
	g->answer = GUARD_UNASKED;
	return r ? r : guard_judge_text(s, commits);
}

/* Where the request leaves the transactions of its batch. */
static void guard_note_control(struct session *s, const struct tx_where *w)
{
	struct guard *g = &s->guard;
	uint32_t flags = s->asked.facts.flags;

	if (facts_effects(&s->asked.facts) & EFFECT_BIT(EFFECT_UNKNOWN)) {
		/* It could be anything: only the server knows what is behind it. */
		g->has_control = true;
		g->control_batch = UINT64_MAX;
	}
	/* What is only prepared begins and ends nothing: drivers prepare their COMMIT inside of the
	 * transaction that it will end. */
	if (!(flags & (FACTS_BEGINS_TX | FACTS_ENDS_TX)) || s->asked.request.is_prepare_only)
		return;
	/* BEGIN in a block that is open: a warning, and the block goes on with all that is in it.
	 */
	if (!(flags & FACTS_ENDS_TX) && guard_is_inside(s, w) == TRI_YES)
		return;
	/* BEGIN behind a write of its batch takes that into the block. */
	g->is_accounted = !(flags & FACTS_ENDS_TX) && g->mixed == w->batch + 1;
	g->has_ids = g->has_hold_cursor = false;
	g->has_control = true;
	g->control_batch = w->batch;
	g->control_opens = flags & FACTS_BEGINS_TX;
	g->belted = g->mixed = 0;
}

int guard_passed(struct session *s, struct verdict *v)
{
	struct guard *g = &s->guard;
	const struct facts *f = &s->asked.facts;
	struct tx_where w;

	v->may_change_lexing = guard_is_open(&s->asked) || guard_writes(f);
	if (!s->is_logged_in)
		return 0;
	s->proto->where(s->state, &w);
	g->is_dirty = true;
	guard_note_control(s, &w);
	if (guard_writes(f))
		g->mixed = w.batch + 1;
	if (!guard_is_on(s))
		return 0;
	if (s->asked.wants_belt) {
		v->read_only = true;
		g->belted = w.batch + 1;
		return guard_keep(s, &w, v);
	}
	if (guard_is_open(&s->asked) && g->belted != w.batch + 1) {
		if (!g->has_unseen)
			g->first_unseen = s->asked.id;
		g->has_unseen = true;
		g->last_unseen = s->asked.id;
	}
	if (!(f->flags & FACTS_ENDS_TX)) {
		g->is_accounted |= guard_writes(f);
		g->has_ids |= (f->flags & FACTS_TAKES_ID) != 0;
	}
	g->has_hold_cursor |= (f->flags & FACTS_HOLD_CURSOR) != 0;
	return 0;
}

void guard_follow(struct session *s)
{
	struct tx_where w;

	beneath_follow(s);
	aftermath_follow(s);
	if (!s->guard.is_dirty || s->inflight.n)
		return;
	s->proto->where(s->state, &w);
	if (!w.is_idle)
		return;
	s->guard.is_dirty = s->guard.has_unseen = s->guard.has_control = false;
	s->guard.has_ids = s->guard.is_accounted = s->guard.has_hold_cursor = false;
}
