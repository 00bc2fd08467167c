/* SPDX-License-Identifier: Apache-2.0 */
/* The session's side of a hold: see held.h. */
#include "session/held.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include "session/decide.h"
#include "session/keys.h"
#include "session/look.h"
#include "session/proctree.h"
#include "session/record.h"
#include "session/relay.h"
#include "util/clock.h"
#include "util/log.h"

static char *held_dup(struct slice s)
{
	return strndup(s.n ? (const char *)s.p : "", s.n);
}

char *held_terms(const struct ruling *r)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	if (!f)
		return NULL;
	policy_print_terms(r, f);
	fclose(f);
	return text;
}

/* What an approval is bound to: the very bytes, and everything that decides what they will do. */
static void held_hmac(struct session *s, uint8_t out[32])
{
	bool is_readable;
	const struct {
		uint64_t session, run, lexing;
		uint32_t tx, port; /* no holes: their bytes would be anything */
	} state = {
		.session = s->id,
		.run = s->run.id,
		.lexing = s->proto->lexing(s->state, &is_readable),
		.tx = s->proto->tx(s->state),
		.port = s->target_port,
	};
	const struct slice parts[] = {
		slice_head(buf_slice(&s->client.in), s->span_len),
		s->asked.request.text,
		slice_of(&state, sizeof(state)),
		slice_of(s->origin.addr, sizeof(s->origin.addr)),
		slice_str(s->role),
		slice_str(s->database),
	};

	worker_hmac(s->worker, parts, sizeof(parts) / sizeof(parts[0]), out);
}

bool held_is_unchanged(struct session *s)
{
	uint8_t now[32];

	held_hmac(s, now);
	return !CRYPTO_memcmp(now, s->asked.hmac, sizeof(now));
}

static char *held_tags(const struct resource *r)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	for (size_t i = 0; f && r->tags[i]; i++)
		fprintf(f, "%s%s", i ? ", " : "", r->tags[i]);
	if (f)
		fclose(f);
	return text;
}

/* What the facts do not say. */
static char *held_unknowns(const struct session *s)
{
	const struct facts *fs = &s->asked.facts;
	bool is_unknown = facts_effects(fs) & EFFECT_BIT(EFFECT_UNKNOWN), has_any = false;
	bool is_unbounded = false;
	char *text = NULL;

	for (size_t i = 0; i < fs->n; i++) {
		const struct fact *f = &fs->list[i];

		has_any |= !f->object.n && !f->no_object;
		is_unbounded |= f->bounded == TRI_NO;
	}
	if (asprintf(&text, "%s%s%s%s%s", is_unknown ? "NOT ALL OF IT IS UNDERSTOOD" : "",
		    is_unknown && (has_any || is_unbounded) ? ", " : "",
		    has_any ? "it may touch anything" : "", has_any && is_unbounded ? ", " : "",
		    is_unbounded ? "no condition bounds it" : "") < 0)
		return NULL;
	return text;
}

static struct hold *held_make(struct session *s)
{
	const struct asked *a = &s->asked;
	struct hold *h = calloc(1, sizeof(*h));
	struct hold_view *v;

	if (!h)
		return NULL;
	v = &h->view;
	h->worker = s->worker->index;
	*v = (struct hold_view){
		.id = a->hold,
		.request = a->id,
		.session = s->id,
		.run = s->run.id,
		.run_name = strdup(s->run.name),
		.resource = strdup(s->resource->name),
		.target = strdup(s->target),
		.role = strdup(s->role),
		.database = strdup(s->database),
		.application = strdup(s->application),
		.text = held_dup(a->request.text),
		.text_len = a->request.text.n,
		.params = held_dup(record_params(s, false)),
		.effects = held_dup(record_effects(s)),
		.objects = held_dup(record_objects(s)),
		.rule = strdup(a->ruling.rule),
		.message = strdup(a->ruling.message ? a->ruling.message : ""),
		.tx = strdup(record_tx_name(s->proto->tx(s->state))),
		.comm = strndup(s->origin.comm, sizeof(s->origin.comm)),
		.tree = proctree_describe((pid_t)s->origin.tgid),
		.pid = s->origin.tgid,
		.uid = s->origin.uid,
		.owner_uid = s->run.owner_uid,
		.since_wall_ns = clock_wall_ns(),
		.tx_since_wall_ns = s->tx_since_wall_ns,
		.cgroup = s->origin.cgroup,
		.keys = a->keys,
		.free = held_dup(a->free),
		.ticket_ms = a->ruling.ticket_ms,
		.ask = held_terms(&a->ruling),
		.tags = held_tags(s->resource),
		.unknowns = held_unknowns(s),
	};
	v->deadline_ns = clock_mono_ns() + a->ruling.timeout_ms * CLOCK_NS_PER_MS;
	v->deadline_wall_ns = v->since_wall_ns + a->ruling.timeout_ms * CLOCK_NS_PER_MS;
	memcpy(v->hmac, a->hmac, sizeof(v->hmac));
	if (!v->ask || ballot_init(&h->ballot, &a->ruling, s->run.owner_uid))
		return hold_free(h);
	return h;
}

static int held_say(struct session *s, enum say_kind kind, const char *text)
{
	struct sink *sink = &s->unit_sink;
	int r;

	sink_begin(sink);
	r = s->proto->say(s->state, kind, REFUSAL_POLICY, slice_str(text), sink);
	if (r == PROTO_E_NOT_NOW)
		return 0;
	if (r > 0 || sink->overflow)
		return err_fold(PROTO_E_TOO_BIG);
	if (!r)
		r = relay_apply(s, SIDE_CLIENT, SLICE_NULL, sink);
	arena_reset(&s->unit_arena);
	return r == RELAY_E_CLOSED ? err_raise(-ECONNRESET) : err_trace(r);
}

static bool held_takes_ticket(const struct session *s)
{
	const struct asked *a = &s->asked;

	return a->ruling.ticket_ms && s->proto->tx(s->state) == TX_NONE &&
	       a->request.kind == REQUEST_TEXT && !a->facts.n_executes;
}

static bool held_find_cover(struct session *s, struct held_cover *ret)
{
	const struct grant_asker who = {.keys = &s->asked.keys,
		.run = s->run.id,
		.run_name = s->run.name,
		.owner_uid = s->run.owner_uid,
		.takes_ticket = held_takes_ticket(s)};

	if (!grant_use(&s->worker->enforcer->grants, &who, clock_mono_ns(), &ret->grant))
		return false;
	ret->kind = HELD_COVERED;
	switch (ret->grant.kind) {
	case GRANT_SHAPE:
	case GRANT_TICKET:
		ret->event = HOLD_EV_GRANT;
		break;
	case GRANT_REFUSAL:
	case GRANT_NO:
		ret->event = HOLD_EV_DENY;
		break;
	case GRANT_WAITING:
		ret->kind = HELD_TICKET;
		snprintf(ret->text, sizeof(ret->text),
			"held as h%llu by rule \"%.64s\", not decided yet: come back with the "
			"same request",
			(unsigned long long)ret->grant.id, s->asked.ruling.rule);
		break;
	}
	return true;
}

/* A decision like any other, by whoever gave the grant. */
static int held_record_cover(struct session *s, const struct grant *g, uint64_t *ret_seq)
{
	char scope[40], auth[48];
	bool approves = g->kind == GRANT_SHAPE || g->kind == GRANT_TICKET;
	struct record_decision rec = {
		.hold = s->asked.hold,
		.decision = approves ? SLICE_LIT("approve") : SLICE_LIT("deny"),
		.uid = g->uid,
		.user = slice_str(g->by),
		.reason = slice_str(g->reason),
		.hmac = slice_of(s->asked.hmac, sizeof(s->asked.hmac)),
	};

	snprintf(scope, sizeof(scope), "%s g%llu", grant_kind_word(g->kind),
		(unsigned long long)g->id);
	snprintf(auth, sizeof(auth), "by grant g%llu", (unsigned long long)g->id);
	rec.scope = slice_str(scope);
	rec.auth = slice_str(auth);
	rec.shown = SLICE_LIT("nobody was asked: the grant covers it");
	return worker_record(s->worker, RECORD_DECISION, &rec, ret_seq);
}

int held_try_grants(struct session *s)
{
	struct held_cover cover;
	int r;

	if (s->park != PARK_HOLD || s->asked.outcome != HOLD_OPEN || !held_find_cover(s, &cover) ||
		cover.kind != HELD_COVERED)
		return 0;
	r = held_record_cover(s, &cover.grant, &s->asked.record_seq);
	if (r)
		return r < 0 ? err_trace(r) : 0; /* not recorded: it waits on */
	return decide_released(s, cover.event, cover.grant.by, cover.grant.reason);
}

/* Tells people of it. */
static int held_announce(struct session *s, bool is_ticket)
{
	struct asked *a = &s->asked;
	struct mail *m = mail_new(MAIL_HOLD);

	if (m)
		m->parked = held_make(s);
	if (!m || !m->parked) {
		mail_free(m);
		return err_raise(-ENOMEM);
	}
	look_prepare(s, m->parked);
	m->parked->view.is_ticket = is_ticket;
	if (is_ticket)
		m->parked->view.session = 0;
	mailbox_send(&s->worker->enforcer->control, m);
	a->is_announced = true;
	log_info("hold.begin", "hold=h%llu session=%llu run=%llu rule=\"%s\" request=%llu",
		(unsigned long long)a->hold, (unsigned long long)s->id,
		(unsigned long long)s->run.id, a->ruling.rule, (unsigned long long)a->id);
	return 0;
}

/* From here on the hold is the control thread's: the session has its answer. */
static int held_make_ticket(struct session *s, struct held_cover *ret)
{
	struct asked *a = &s->asked;
	struct grant *g = calloc(1, sizeof(*g));
	int r;

	if (!g)
		return err_raise(-ENOMEM);
	*g = (struct grant){.id = a->hold, .kind = GRANT_WAITING, .run = s->run.id};
	memcpy(g->key, a->keys.same, sizeof(g->key));
	r = grant_add(&s->worker->enforcer->grants, g);
	if (r == GRANT_E_FULL) {
		ret->kind = HELD_COVERED;
		ret->event = HOLD_EV_CROWD;
		return 0;
	}
	if (r)
		return err_trace(r);
	r = held_announce(s, true);
	if (r)
		return err_trace(r);
	a->has_hold = false;
	a->has_place = false;
	ret->kind = HELD_TICKET;
	snprintf(ret->text, sizeof(ret->text),
		"held as h%llu by rule \"%.64s\": come back with the same request; once approved "
		"it "
		"is let through one time, for %lld s",
		(unsigned long long)a->hold, a->ruling.rule,
		(long long)(a->ruling.ticket_ms / 1000));
	return 0;
}

static int held_tell_client(struct session *s)
{
	const struct asked *a = &s->asked;
	char text[512];
	int r;

	snprintf(text, sizeof(text), "held as h%llu by rule \"%s\", waiting for approval%s%s",
		(unsigned long long)a->hold, a->ruling.rule, a->ruling.message ? ": " : "",
		a->ruling.message ? a->ruling.message : "");
	r = held_say(s, SAY_HELD, text);
	return r ? err_trace(r) : err_trace(relay_flush(s) < 0 ? -ECONNRESET : 0);
}

int held_begin(struct session *s, struct held_cover *ret)
{
	struct asked *a = &s->asked;
	int64_t now = clock_mono_ns();
	int r;

	*ret = (struct held_cover){.kind = HELD_WAITS, .event = HOLD_EV_N};
	r = keys_make(s, &a->keys, &a->free);
	if (r)
		return err_trace(r);
	if (held_find_cover(s, ret) && ret->kind == HELD_TICKET)
		return 0;
	a->hold = atomic_fetch_add(&s->worker->enforcer->last_hold, 1) + 1;
	r = record_hold(s);
	if (r)
		return r;
	a->has_hold = true;
	a->outcome = HOLD_OPEN;
	a->hold_deadline_ns = now + a->ruling.timeout_ms * CLOCK_NS_PER_MS;
	a->clock_left_ns = HELD_STANDS_NS;
	a->clock_stopped_ns = 0;
	a->next_say_ns = now + s->worker->enforcer->say_ns;
	held_hmac(s, a->hmac);
	if (ret->kind == HELD_COVERED)
		return held_record_cover(s, &ret->grant, &a->record_seq);
	a->has_place = enforcer_take_hold(s->worker->enforcer, s->origin.cgroup);
	if (!a->has_place) {
		ret->kind = HELD_COVERED;
		ret->event = HOLD_EV_CROWD;
		return 0;
	}
	if (held_takes_ticket(s))
		return err_trace(held_make_ticket(s, ret));
	r = held_announce(s, false);
	return r ? err_trace(r) : err_trace(held_tell_client(s));
}

void held_end(struct session *s, enum hold_outcome outcome)
{
	struct mail *m;

	if (!s->asked.has_hold || s->asked.outcome != HOLD_OPEN)
		return;
	s->asked.outcome = outcome;
	if (s->asked.has_place)
		enforcer_give_hold(s->worker->enforcer, s->origin.cgroup);
	s->asked.has_place = false;
	record_hold_end(s, hold_outcome_word(outcome));
	m = s->asked.is_announced ? mail_new(MAIL_HOLD_END) : NULL;
	if (m) {
		m->hold = s->asked.hold;
		m->outcome = outcome;
	}
	mailbox_send(&s->worker->enforcer->control, m);
	log_info("hold.end", "hold=h%llu session=%llu outcome=%s",
		(unsigned long long)s->asked.hold, (unsigned long long)s->id,
		hold_outcome_word(outcome));
}

/* A reload may come long after the request was parked, and its session must not keep the old policy
 * from being freed. */
int held_reload(struct session *s)
{
	int r = decide_released(s, HOLD_EV_RELOAD, NULL, NULL);

	return r ? r : relay_resume(s);
}

/* How long it has been standing. */
static int64_t held_stood(const struct asked *a, int64_t now_ns)
{
	int64_t stood = a->clock_stopped_ns ? now_ns - a->clock_stopped_ns : 0;

	return stood < a->clock_left_ns ? stood : a->clock_left_ns;
}

void held_clock(struct session *s, bool stops)
{
	struct asked *a = &s->asked;
	int64_t now = clock_mono_ns(), stood = held_stood(a, now);
	struct mail *m;

	/* Locks are held in a transaction: others wait, too. */
	if (stops && (a->clock_stopped_ns || s->proto->tx(s->state) != TX_NONE))
		return;
	a->hold_deadline_ns += stood;
	a->clock_left_ns -= stood;
	a->clock_stopped_ns = stops ? now : 0;
	m = mail_new(MAIL_DEADLINE);
	if (m) {
		m->hold = a->hold;
		m->deadline_wall_ns = clock_wall_ns() + a->hold_deadline_ns - now;
	}
	mailbox_send(&s->worker->enforcer->control, m);
}

int held_tick(struct session *s, int64_t now_ns)
{
	struct asked *a = &s->asked;
	char text[128];
	int r;

	if (now_ns >= a->hold_deadline_ns + held_stood(a, now_ns)) {
		r = decide_released(s, HOLD_EV_TIMEOUT, NULL, NULL);
		return r == DECIDE_E_CLOSED ? 0 : r ? r : relay_resume(s);
	}
	if (now_ns < a->next_say_ns)
		return 0;
	a->next_say_ns = now_ns + s->worker->enforcer->say_ns;
	snprintf(text, sizeof(text), "still held as h%llu, waiting for approval",
		(unsigned long long)a->hold);
	r = held_say(s, SAY_STILL, text);
	return r ? r : relay_flush(s) < 0 ? -ECONNRESET : 0;
}
