/* SPDX-License-Identifier: Apache-2.0 */
/* Request → ruling → verdict: see decide.h. */
#include "session/decide.h"

#include <errno.h>
#include <stdlib.h>

#include "session/catalog.h"
#include "session/finding.h"
#include "session/held.h"
#include "session/hint.h"
#include "session/keep.h"
#include "session/keys.h"
#include "session/masked.h"
#include "session/record.h"
#include "session/relay.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/writer.h"

/* ---- parking --------------------------------------------------------------------------------- */

static int decide_park(struct session *s, enum park park)
{
	int r = 0;

	if (s->park == PARK_NONE) {
		r = keep_request(s);
		if (!r && s->asked.has_facts)
			r = sql_facts_keep(&s->asked.facts, &s->request_arena);
	}
	if (r)
		return err_trace(r);
	s->park = park;
	s->parked_since_ns = clock_mono_ns();
	return DECIDE_E_PARKED;
}

/* ---- facts ----------------------------------------------------------------------------------- */

int decide_facts(struct session *s, const struct facts *facts, int error)
{
	int r;

	if (s->park != PARK_FACTS)
		return 0;
	r = finding_parsed(s, facts, error);
	return r ? err_trace(r) : decide_advance(s);
}

/* ---- ruling ---------------------------------------------------------------------------------- */

struct policy_subject decide_subject(const struct session *s)
{
	const struct request *q = &s->asked.request;

	return (struct policy_subject){
		.resource = s->resource,
		.run = slice_str(s->run.name),
		.role = q->user.n ? q->user : slice_str(s->role),
		.database = q->database.n ? q->database : slice_str(s->database),
		.in_transaction = guard_in_transaction(s),
	};
}

static void decide_rule(struct session *s)
{
	struct asked *a = &s->asked;
	struct policy_subject subject = decide_subject(s);

	if (policy_asks_filters(s->policy))
		subject.filters_masked = masked_filters(s);
	a->ruling = policy_eval(s->policy, &subject, &a->facts);
	if (a->why && a->ruling.kind != RULING_ALLOW)
		a->ruling.message = a->why;
	if (a->is_unchecked)
		a->ruling = (struct ruling){.kind = RULING_DENY,
			.rule = "commit-guard",
			.message = "what this transaction did could not be checked"};
	/* What would run is another text than the one that was judged. */
	if (a->is_renamed)
		a->ruling = (struct ruling){.kind = RULING_DENY,
			.rule = "prepared-names",
			.message = "code on the server has given a prepared statement or cursor of "
				   "this session another meaning; prepare it again"};
	masked_rule(s);
	if (!request_is_login(&a->request))
		return;
	/* The server would take the last one, a reader of the record perhaps the first. */
	if (a->request.is_suspect)
		a->ruling = (struct ruling){.kind = RULING_DENY,
			.rule = "login",
			.message = "a start-up parameter came twice"};
	/* Before the login nobody can be told that they wait. */
	if (a->ruling.kind == RULING_HOLD)
		a->ruling.kind = RULING_DENY;
}

/* ---- verdicts -------------------------------------------------------------------------------- */

/* What is kept of the reply. Contents that a mask would change, did the policy enforce anything,
 * are not for the ledger either. */
static enum recording decide_recording(const struct session *s, const struct verdict *v)
{
	enum recording r = s->asked.ruling.recording;
	bool has_contents =
		v->kind == VERDICT_PASS && !request_is_login(&s->asked.request) &&
		!(policy_is_observe(s->policy) && s->resource->masks && s->resource->masks[0]);

	return r > RECORDING_SUMMARY && !has_contents ? RECORDING_SUMMARY : r;
}

static int decide_track(struct session *s, enum recording recording)
{
	struct inflight_queue *q = &s->inflight;
	struct asked *a = &s->asked;

	if (q->n == q->cap) {
		size_t cap = q->cap ? q->cap * 2 : 16;
		struct inflight *ring = calloc(cap, sizeof(*ring));

		if (!ring)
			return err_raise(-ENOMEM);
		for (size_t i = 0; i < q->n; i++)
			ring[i] = q->ring[(q->head + i) & (q->cap - 1)];
		free(q->ring);
		*q = (struct inflight_queue){.ring = ring, .n = q->n, .cap = cap};
	}
	s->touches = a->touches || a->runs_code ||
		     (s->touches && (q->n || !s->proto->is_drained(s->state)));
	a->proof.is_released = a->holds_unproven && a->has_hold && hold_outcome_runs(a->outcome);
	q->ring[(q->head + q->n++) & (q->cap - 1)] = (struct inflight){.seq = a->request.seq,
		.id = a->id,
		.touches = a->touches,
		.quotes = a->quotes,
		.proof = a->proof,
		.names = a->names,
		.recording = recording,
		.asked_ns = clock_mono_ns()};
	s->n_recording += recording >= RECORDING_HEAD;
	return 0;
}

static int decide_settle(struct session *s, const struct verdict *v)
{
	uint32_t flags = s->asked.facts.flags;
	int r;

	if (s->park != PARK_NONE) {
		r = relay_unpark(s);
		if (r)
			return r == RELAY_E_CLOSED ? DECIDE_E_CLOSED : err_trace(r);
	}
	r = decide_track(s, decide_recording(s, v));
	if (r)
		return err_trace(r);
	if (v->kind == VERDICT_PASS)
		keys_note_passed(s);
	if (v->kind == VERDICT_PASS && (flags & FACTS_CATALOG)) {
		s->doubts_catalog |= masked_may_change_names(s);
		catalog_mark_stale(s);
	}
	if (v->kind == VERDICT_PASS &&
		(masked_may_change_names(s) || (s->doubts_catalog && (flags & FACTS_TX_CONTROL))))
		catalog_renaming_begin(s);
	r = relay_settle(s, v);
	return r == RELAY_E_CLOSED ? DECIDE_E_CLOSED : r ? err_trace(r) : 0;
}

static int decide_pass(struct session *s)
{
	const struct facts *f = &s->asked.facts;
	struct verdict v = {
		.kind = VERDICT_PASS,
		.want_rows = s->wants_text,
		.changes_lexing = f->flags & FACTS_LEXING,
		.names = f->names,
		.n_names = f->n_names,
		.copy = s->asked.is_copy ? &s->asked.copy : NULL,
	};

	int r = guard_passed(s, &v);

	beneath_passed(s);
	aftermath_passed(s);
	if (decide_recording(s, &v) >= RECORDING_HEAD) {
		v.want_rows = true;
		v.streams_copy = !s->wants_text;
	}
	return r ? err_trace(r) : decide_settle(s, &v);
}

static int decide_refuse(struct session *s, enum refusal why, const char *message, const char *hint)
{
	char detail[160];
	struct verdict v = {
		.kind = VERDICT_REFUSE,
		.refusal = why,
		.message = slice_str(message),
		.hint = slice_str(hint),
	};

	snprintf(detail, sizeof(detail), "holdfast request %llu of run %llu (%s).",
		(unsigned long long)s->asked.id, (unsigned long long)s->run.id, s->run.name);
	v.detail = slice_str(detail);
	return decide_settle(s, &v);
}

static int decide_deny(struct session *s)
{
	const struct asked *a = &s->asked;
	const struct request *q = &a->request;
	uint8_t message[768];
	char hint[512];
	struct writer w = writer_of(message, sizeof(message) - 1);

	/* As COMMIT itself would have failed, in the words that drivers know. */
	if (a->is_unchecked && s->guard.failed_why != REFUSAL_INTERNAL)
		return decide_refuse(s, s->guard.failed_why, s->guard.failed_text,
			"It met a question of holdfast about what the transaction did; nothing was "
			"committed.");
	wr_str(&w, "denied by rule \"");
	wr_str(&w, a->ruling.rule);
	wr_str(&w, "\"");
	if (a->ruling.message) {
		wr_str(&w, ": ");
		wr_str(&w, a->ruling.message);
	}
	/* A login that is refused for its parameters says which. */
	for (size_t i = 0; i < q->n_settings; i++) {
		wr_str(&w, i ? ", " : "; start-up parameter ");
		wr_slice(&w, slice_head(q->settings[i].name, 64));
	}
	message[w.n] = 0;
	hint_write(s, hint, sizeof(hint));
	return decide_refuse(s, REFUSAL_POLICY, (const char *)message, hint);
}

/* ---- the path -------------------------------------------------------------------------------- */

static int decide_drain(struct session *s)
{
	struct sink *sink = &s->unit_sink;
	int r;

	sink_begin(sink);
	r = s->proto->drain(s->state, sink);
	if (r > 0)
		return err_fold(r);
	if (!r)
		r = relay_apply(s, SIDE_CLIENT, SLICE_NULL, sink);
	return r ? err_trace(r) : decide_park(s, PARK_DRAIN);
}

/* The batch so far cannot be the transaction of this request. */
static int decide_split(struct session *s)
{
	struct sink *sink = &s->unit_sink;
	int r;

	sink_begin(sink);
	r = s->proto->split(s->state, sink);
	if (r > 0 || sink->overflow)
		return err_raise(-E2BIG);
	if (!r)
		r = relay_apply(s, SIDE_CLIENT, SLICE_NULL, sink);
	arena_reset(&s->unit_arena);
	return r ? err_trace(r) : decide_park(s, PARK_DRAIN);
}

/* How will the server read the text? It says so when the batch ends. */
static int decide_end_doubt(struct session *s)
{
	int r;

	if (!s->asked.request.is_doubtful)
		return 0;
	r = guard_may_split(s);
	if (r == GUARD_E_DRAIN)
		return decide_drain(s);
	if (r != GUARD_E_SPLIT)
		return err_trace(r); /* judged as unknown */
	s->asked.request.is_doubtful = false;
	return decide_split(s);
}

/* 0: facts are complete. */
static int decide_prepare(struct session *s)
{
	int r;

	if (s->asked.has_facts)
		return 0;
	r = decide_end_doubt(s);
	if (r)
		return r;
	if (s->is_answered) {
		s->is_answered = false;
	} else if (catalog_is_due(s)) {
		r = catalog_ask(s);
		if (!r)
			return decide_park(s, PARK_ASK);
		if (r < 0)
			return err_trace(r);
	}
	r = finding_facts(s);
	return r == FINDING_E_PARSER ? decide_park(s, PARK_FACTS) : err_trace(r);
}

/* 0: the guard has nothing more to find out. */
static int decide_guard(struct session *s)
{
	int r = guard_check(s);

	if (r == GUARD_E_DRAIN)
		return decide_drain(s);
	if (r == GUARD_E_ASKED)
		return decide_park(s, PARK_ASK);
	return r == GUARD_E_SPLIT ? decide_split(s) : err_trace(r);
}

/* 0: the names in it are what they were, or it is known that they are not. */
static int decide_names(struct session *s)
{
	int r = aftermath_check(s);

	if (r == AFTERMATH_E_DRAIN)
		return decide_drain(s);
	return r == AFTERMATH_E_ASKED ? decide_park(s, PARK_ASK) : err_trace(r);
}

static int decide_record(struct session *s)
{
	struct enforcer *e = s->worker->enforcer;
	int r;

	if (s->asked.is_recorded)
		return 0;
	decide_rule(s);
	r = session_record(s);
	if (!r)
		r = record_request(s);
	if (r > 0)
		return decide_refuse(s, REFUSAL_RECORD,
			"this request could not be recorded, so it was not forwarded (the audit "
			"ledger is full or cannot be written)",
			"Try again when the operator has made room.");
	if (r)
		return err_trace(r);
	s->asked.is_recorded = true;
	switch (s->asked.ruling.kind) {
	case RULING_ALLOW:
		atomic_fetch_add_explicit(&e->n_allowed, 1, memory_order_relaxed);
		break;
	case RULING_HOLD:
		atomic_fetch_add_explicit(&e->n_held, 1, memory_order_relaxed);
		break;
	case RULING_DENY:
		atomic_fetch_add_explicit(&e->n_denied, 1, memory_order_relaxed);
		break;
	}
	return 0;
}

int decide_on_columns(struct session *s, const struct event *ev, bool *ret_done)
{
	struct asked *a = &s->asked;

	*ret_done = ev->answer.is_end;
	if (!ev->answer.failed)
		return 0;
	a->is_copy_over = ev->answer.why != REFUSAL_INTERNAL;
	a->copy_code = arena_dup(&s->request_arena, ev->answer.code);
	a->copy_error = arena_dup(&s->request_arena, ev->answer.text);
	return a->copy_error.p ? 0 : err_raise(-ENOMEM);
}

/* What was asked on behalf of the request failed, and the transaction with it: all that the server
 * would still say is that. */
static int decide_refuse_as_server(struct session *s)
{
	const struct verdict v = {
		.kind = VERDICT_REFUSE,
		.refusal = REFUSAL_INTERNAL,
		.code = s->asked.copy_code,
		.message = s->asked.copy_error,
	};

	return decide_settle(s, &v);
}

/* 0: which columns a COPY has is known, or cannot be known. Only now: what is asked holds locks. */
static int decide_copy_columns(struct session *s)
{
	struct sink *sink = &s->unit_sink;
	struct asked *a = &s->asked;
	int r;

	if (a->has_copy_columns) {
		s->is_answered = false;
		return 0;
	}
	if (!s->proto->is_drained(s->state))
		return decide_drain(s);
	a->has_copy_columns = true;
	sink_begin(sink);
	r = s->proto->ask_columns(s->state, a->copy_query, a->wants_belt, sink);
	if (r > 0)
		return r == PROTO_E_NOT_NOW ? 0 : err_fold(r);
	if (!r)
		r = relay_apply(s, SIDE_CLIENT, SLICE_NULL, sink);
	arena_reset(&s->unit_arena);
	return r ? err_trace(r) : decide_park(s, PARK_ASK);
}

/* Allowed by the policy or by a human; the record may have to be on disk first. */
static int decide_forward(struct session *s)
{
	struct worker *w = s->worker;
	struct asked *a = &s->asked;

	if ((a->ruling.durable || a->has_hold) && journal_committed(w->journal) < a->record_seq) {
		journal_want_commit(w->journal, a->record_seq);
		list_remove(&s->recording_link);
		list_append(&w->recording, &s->recording_link);
		return decide_park(s, PARK_RECORD);
	}
	if (a->is_copy) {
		int r = decide_copy_columns(s);

		if (r)
			return r;
		if (a->copy_error.n && (a->is_copy_over || s->proto->tx(s->state) == TX_FAILED))
			return decide_refuse_as_server(s);
	}
	return decide_pass(s);
}

static int decide_hold(struct session *s)
{
	struct held_cover cover;
	char hint[512];
	int r;

	if (!s->proto->is_drained(s->state))
		return decide_drain(s);
	r = decide_park(s, PARK_HOLD);
	if (r != DECIDE_E_PARKED)
		return err_trace(r);
	r = held_begin(s, &cover);
	if (r > 0)
		return decide_refuse(s, REFUSAL_RECORD, "this hold could not be recorded", "");
	if (r)
		return err_trace(r);
	switch (cover.kind) {
	case HELD_WAITS:
		break;
	case HELD_COVERED:
		return decide_released(s, cover.event, cover.grant.by, cover.grant.reason);
	case HELD_TICKET:
		hint_write(s, hint, sizeof(hint));
		return decide_refuse(s, REFUSAL_POLICY, cover.text, hint);
	}
	return DECIDE_E_PARKED;
}

/* Results on their way are masked by the policy they were asked under; they come first, or a client
 * that always has one on its way would never be judged by a new policy. */
static int decide_follow_policy(struct session *s)
{
	int r;

	if (s->asked.is_recorded || s->policy == s->worker->policy)
		return 0;
	if (s->inflight.n && !s->proto->is_drained(s->state))
		return decide_drain(s);
	r = session_sync_policy(s);
	return r < 0 ? err_trace(r) : r ? DECIDE_E_CLOSED : 0;
}

int decide_advance(struct session *s)
{
	bool enforces;
	int r;

	if (decide_asks_again(s)) {
		s->is_answered = false;
		s->park = PARK_HOLD;
		return decide_released(s, s->asked.agreed_by, NULL, NULL);
	}
	r = decide_follow_policy(s);
	if (!r)
		r = decide_prepare(s);
	if (r)
		return r;
	r = beneath_apply(s);
	if (r)
		return r == BENEATH_E_WAIT ? decide_park(s, PARK_SIDE) : r;
	enforces = !policy_is_observe(s->policy);
	if (!s->asked.is_recorded) {
		r = decide_guard(s);
		if (!r)
			r = decide_names(s);
		if (!r)
			r = decide_record(s);
		/* Not recorded: it was refused and settled. */
		if (r || !s->asked.is_recorded)
			return r;
	}
	if (request_is_login(&s->asked.request) && s->asked.request.is_suspect)
		return decide_deny(s);
	if (s->asked.has_hold && !hold_outcome_runs(s->asked.outcome))
		return bug(true) ? -EPROTO : 0;
	if (s->asked.has_hold || !enforces || s->asked.ruling.kind == RULING_ALLOW)
		return decide_forward(s);
	return s->asked.ruling.kind == RULING_DENY ? decide_deny(s) : decide_hold(s);
}

int decide_request(struct session *s)
{
	return decide_advance(s);
}

static bool decide_agrees(enum hold_event event)
{
	return event == HOLD_EV_APPROVE || event == HOLD_EV_GRANT;
}

bool decide_asks_again(const struct session *s)
{
	return s->park == PARK_ASK && s->asked.asks_again && s->asked.outcome == HOLD_OPEN;
}

/* Names may have changed while it waited, and with them what it shows. 0: nothing to ask. */
static int decide_ask_again(struct session *s, enum hold_event event)
{
	struct asked *a = &s->asked;
	int r;

	if (!decide_agrees(event) || a->asks_again || !catalog_is_due(s))
		return 0;
	r = catalog_ask(s);
	if (r)
		return r < 0 ? err_trace(r) : 0;
	a->asks_again = true;
	a->agreed_by = event;
	return decide_park(s, PARK_ASK);
}

/* Follows the policy that is in force by now, and says what is true of the request under it. */
static int decide_look_again(struct session *s, enum hold_event event, struct hold_now *ret)
{
	_cleanup_(freep) char *before = NULL, *after = NULL;
	const struct policy *ruled_by = s->policy;
	int r;

	*ret = (struct hold_now){.is_unchanged = held_is_unchanged(s), .same_terms = true};
	before = held_terms(&s->asked.ruling);
	r = session_sync_policy(s);
	if (r)
		return r < 0 ? err_trace(r) : DECIDE_E_CLOSED;
	if (s->policy == ruled_by) {
		r = decide_ask_again(s, event);
		if (r || !decide_agrees(event))
			return r;
	}
	/* It may have become stricter about the request itself, or about what may be seen of its
	 * rows, and so may what its names mean by now; and the ruling at hand points into the old
	 * policy. */
	decide_rule(s);
	after = held_terms(&s->asked.ruling);
	ret->denies = s->asked.ruling.kind == RULING_DENY;
	ret->same_terms =
		s->asked.ruling.kind != RULING_HOLD || (before && after && !strcmp(before, after));
	return 0;
}

static const char *decide_why_not(
	enum hold_event event, const struct hold_now *now, bool is_same_policy)
{
	if (now->denies)
		return is_same_policy
			       ? "names changed meanwhile, and the policy denies what it means now"
			       : "the policy changed and now denies it";
	if (!decide_agrees(event) && event != HOLD_EV_RELOAD)
		return NULL;
	return now->is_unchanged ? "the policy changed meanwhile and asks others: ask again"
				 : "the session changed while the request was held";
}

int decide_released(struct session *s, enum hold_event event, const char *by, const char *reason)
{
	const struct policy *ruled_by = s->policy;
	enum hold_outcome outcome;
	struct hold_now now;
	char message[768], hint[512];
	const char *why_not;
	int r;

	if (s->park != PARK_HOLD || s->asked.outcome != HOLD_OPEN)
		return 0;
	r = decide_look_again(s, event, &now);
	if (r)
		return r;
	outcome = hold_meet(event, &now);
	if (outcome == HOLD_OPEN)
		return 0;
	held_end(s, outcome);
	if (hold_outcome_runs(outcome))
		return decide_forward(s);
	if (outcome == HOLD_CANCELLED)
		return decide_refuse(s, REFUSAL_CANCELLED,
			"canceling statement due to user request",
			"The held request was withdrawn; nothing was sent to the server.");
	why_not = outcome == HOLD_DENIED && event == HOLD_EV_DENY
			  ? NULL
			  : decide_why_not(event, &now, s->policy == ruled_by);
	if (why_not) {
		by = NULL;
		reason = why_not;
	}
	if (outcome == HOLD_CROWDED)
		reason = "this run has too many requests waiting already";
	snprintf(message, sizeof(message), "%s%s%s%s%s (rule \"%s\", h%llu)",
		outcome == HOLD_EXPIRED ? "no decision in time" : "denied", by && *by ? " by " : "",
		by && *by ? by : "", reason && *reason ? ": " : "", reason && *reason ? reason : "",
		s->asked.ruling.rule, (unsigned long long)s->asked.hold);
	hint_write(s, hint, sizeof(hint));
	return decide_refuse(s, REFUSAL_POLICY, message, hint);
}
