/* SPDX-License-Identifier: Apache-2.0 */
/* The session's side of a hold: see held.h. */
#include "session/held.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include "session/decide.h"
#include "session/proctree.h"
#include "session/record.h"
#include "session/relay.h"
#include "util/clock.h"
#include "util/log.h"

/* How often a waiting client hears that it still waits; also what keeps its connection alive
 * through idle timeouts on the way (protocol-level keepalive of 20-30 s is the common advice). */
#define HELD_SAY_NS (25 * CLOCK_NS_PER_S)

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
		.ask = held_terms(&a->ruling),
	};
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

int held_begin(struct session *s)
{
	struct asked *a = &s->asked;
	int64_t now = clock_mono_ns();
	char text[512];
	struct mail *m;
	int r;

	a->hold = atomic_fetch_add(&s->worker->enforcer->last_hold, 1) + 1;
	r = record_hold(s);
	if (r)
		return r;
	a->has_hold = true;
	a->outcome = HOLD_OPEN;
	a->hold_deadline_ns = now + a->ruling.timeout_ms * CLOCK_NS_PER_MS;
	a->next_say_ns = now + HELD_SAY_NS;
	held_hmac(s, a->hmac);
	m = mail_new(MAIL_HOLD);
	if (m)
		m->parked = held_make(s);
	if (!m || !m->parked) {
		mail_free(m);
		return err_raise(-ENOMEM);
	}
	mailbox_send(&s->worker->enforcer->control, m);
	log_info("hold.begin", "hold=h%llu session=%llu run=%llu rule=\"%s\" request=%llu",
		(unsigned long long)a->hold, (unsigned long long)s->id,
		(unsigned long long)s->run.id, a->ruling.rule, (unsigned long long)a->id);
	snprintf(text, sizeof(text), "held as h%llu by rule \"%s\", waiting for approval%s%s",
		(unsigned long long)a->hold, a->ruling.rule, a->ruling.message ? ": " : "",
		a->ruling.message ? a->ruling.message : "");
	r = held_say(s, SAY_HELD, text);
	return r ? err_trace(r) : err_trace(relay_flush(s) < 0 ? -ECONNRESET : 0);
}

void held_end(struct session *s, enum hold_outcome outcome)
{
	struct mail *m;

	if (!s->asked.has_hold || s->asked.outcome != HOLD_OPEN)
		return;
	s->asked.outcome = outcome;
	record_hold_end(s, hold_outcome_word(outcome));
	m = mail_new(MAIL_HOLD_END);
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

int held_tick(struct session *s, int64_t now_ns)
{
	struct asked *a = &s->asked;
	char text[128];
	int r;

	if (now_ns >= a->hold_deadline_ns) {
		r = decide_released(s, HOLD_EV_TIMEOUT, NULL, NULL);
		return r == DECIDE_E_CLOSED ? 0 : r ? r : relay_resume(s);
	}
	if (now_ns < a->next_say_ns)
		return 0;
	a->next_say_ns = now_ns + HELD_SAY_NS;
	snprintf(text, sizeof(text), "still held as h%llu, waiting for approval",
		(unsigned long long)a->hold);
	r = held_say(s, SAY_STILL, text);
	return r ? r : relay_flush(s) < 0 ? -ECONNRESET : 0;
}
