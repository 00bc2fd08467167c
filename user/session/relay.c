/* SPDX-License-Identifier: Apache-2.0 */
/* Moves peer bytes: see relay.h. */
#include "session/relay.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "session/cancel.h"
#include "session/catalog.h"
#include "session/decide.h"
#include "session/held.h"
#include "session/record.h"
#include "session/rows.h"
#include "util/cleanup.h"
#include "util/clock.h"

static struct peer *relay_other(struct session *s, enum side side)
{
	return side == SIDE_CLIENT ? &s->server : &s->client;
}

/* Says why, in the protocol, and ends the session. Always RELAY_E_CLOSED. */
static int relay_fatal(struct session *s, enum refusal why, const char *text)
{
	struct sink *sink = &s->unit_sink;

	worker_event(s->worker, "session-fatal", s->run.id, s->id, "%s", text);
	sink_begin(sink);
	if (s->proto && !s->proto->say(s->state, SAY_FATAL, why, slice_str(text), sink))
		for (size_t i = 0; i < sink->n_ops; i++)
			if (sink->ops[i].kind == OP_PUT && sink->ops[i].to == SIDE_CLIENT &&
				buf_put(&s->client.out, sink->ops[i].data))
				break;
	s->server.out.head = s->server.out.tail; /* nothing more goes to the server */
	session_finish(s, text);
	if (!s->is_dead && relay_flush(s) < 0)
		session_close(s, text);
	return RELAY_E_CLOSED;
}

static int relay_broken(struct session *s, enum side side, int outcome)
{
	if (outcome == PROTO_E_TOO_BIG)
		return relay_fatal(s, REFUSAL_LIMIT,
			side == SIDE_CLIENT
				? "the request is larger than what can be judged whole"
				: "the server's message is larger than what can be looked at");
	return relay_fatal(s, REFUSAL_INTERNAL,
		side == SIDE_CLIENT ? "the client broke the protocol"
				    : "the server broke the protocol");
}

int relay_apply(struct session *s, enum side from, struct slice bytes, const struct sink *sink)
{
	int r;

	for (size_t i = 0; i < sink->n_ops; i++) {
		const struct op *op = &sink->ops[i];
		struct buf *out = &relay_other(s, from)->out;
		struct slice data = op->data;

		if (op->kind == OP_PUT) {
			out = op->to == SIDE_CLIENT ? &s->client.out : &s->server.out;
		} else {
			if (bug(op->n > bytes.n))
				return -EPROTO;
			data = slice_head(bytes, op->n);
			bytes = slice_skip(bytes, op->n);
			if (op->kind == OP_SKIP)
				continue;
		}
		r = buf_put(out, data);
		if (r == BUF_E_FULL)
			return relay_fatal(
				s, REFUSAL_LIMIT, "a peer does not read what it asked for");
		if (r)
			return err_trace(r);
	}
	return 0;
}

/* ---- events of the server's side ------------------------------------------------------------- */

static void relay_count_reply(
	struct metrics *m, const struct reply *reply, const struct inflight *f)
{
	metrics_observe(
		&m->latency, metrics_latency_us, (uint64_t)(clock_mono_ns() - f->asked_ns) / 1000);
	metrics_add(&m->n_errors, reply->status == REPLY_ERROR);
	metrics_add(&m->n_rows, reply->n_rows);
	metrics_add(&m->n_bytes, reply->bytes);
	metrics_add(&m->n_masked, f->masked.n_values);
}

static void relay_on_reply(struct session *s, const struct reply *reply)
{
	struct inflight_queue *q = &s->inflight;
	struct inflight *f = rows_inflight(s, reply->seq);

	if (!f || f->is_done)
		return;
	relay_count_reply(&s->worker->metrics, reply, f);
	if (f->id)
		record_reply(s, f, reply);
	f->is_done = true;
	while (q->n && q->ring[q->head].is_done) {
		q->head = (q->head + 1) & (q->cap - 1);
		q->n--;
	}
}

static int relay_on_login(struct session *s, const struct event *ev)
{
	s->is_logged_in = true;
	snprintf(s->role, sizeof(s->role), "%.*s", SLICE_FMT(ev->login.user));
	snprintf(s->database, sizeof(s->database), "%.*s", SLICE_FMT(ev->login.database));
	record_login(s);
	return 0;
}

/* Events of one server unit that was decoded; ops may be replaced by what masking says. */
static int relay_on_server_event(struct session *s, struct slice unit)
{
	const struct event *ev = &s->unit_sink.event;
	bool done = false;
	int r;

	switch (ev->kind) {
	case EV_ROW:
		return rows_on_row(s, unit);
	case EV_TEXT:
		r = rows_on_text(s, unit);
		if (!r && s->unit_sink.event.kind == EV_REPLY)
			relay_on_reply(s, &s->unit_sink.event.reply);
		return r;
	case EV_REPLY:
		relay_on_reply(s, &ev->reply);
		return ev->reply.status == REPLY_RETRY ? guard_retry(s, ev->reply.more) : 0;
	case EV_LOGIN:
		return relay_on_login(s, ev);
	case EV_ANSWER:
		r = s->guard.answer             ? guard_on_answer(s, ev, &done)
		    : s->aftermath.answer       ? aftermath_on_answer(s, ev, &done)
		    : s->asked.has_copy_columns ? decide_on_columns(s, ev, &done)
						: catalog_on_answer(s, ev, &done);
		s->is_answered |= done;
		return r;
	case EV_NONE:
	case EV_CLOSE:
		return 0;
	case EV_BIG_ROW:
	case EV_VALUE:
	case EV_KEEP:
	case EV_REQUEST:
	case EV_CANCEL:
		break;
	}
	return bug(true) ? -EPROTO : 0;
}

/* More events may be due after one unit: skipped replies of a failed batch. */
static int relay_drain_events(struct session *s)
{
	struct sink *sink = &s->unit_sink;
	int r = 0;

	sink_begin(sink);
	while (!r && s->proto->next_event(s->state, sink)) {
		r = relay_on_server_event(s, SLICE_NULL);
		sink_begin(sink);
	}
	return r;
}

/* ---- verdicts -------------------------------------------------------------------------------- */

int relay_settle(struct session *s, const struct verdict *v)
{
	struct slice span = slice_head(buf_slice(&s->client.in), s->span_len);
	struct sink *sink = &s->request_sink;
	bool closes;
	int r;

	sink_begin(sink);
	r = s->proto->settle(s->state, span, v, sink);
	if (r > 0 || sink->overflow)
		return relay_broken(s, SIDE_CLIENT, r ? r : PROTO_E_TOO_BIG);
	if (r)
		return err_trace(r);
	closes = sink->event.kind == EV_CLOSE;
	r = relay_apply(s, SIDE_CLIENT, span, sink);
	if (r)
		return r;
	buf_consume(&s->client.in, s->span_len);
	s->span_len = 0;
	arena_reset(&s->request_arena);
	r = relay_drain_events(s);
	if (r || !closes)
		return r;
	session_finish(s, "refused at login");
	return RELAY_E_CLOSED;
}

int relay_unpark(struct session *s)
{
	int r = buf_put(&s->client.in, buf_slice(&s->ahead));

	if (r == BUF_E_FULL)
		return relay_fatal(s, REFUSAL_LIMIT, "too many requests at once");
	if (r)
		return err_trace(r);
	buf_consume(&s->ahead, buf_len(&s->ahead));
	buf_deinit(&s->ahead);
	s->park = PARK_NONE;
	list_remove(&s->recording_link);
	return 0;
}

/* ---- client → server ------------------------------------------------------------------------- */

/* What the decoder made of one whole client unit. */
static int relay_on_client_unit(struct session *s, struct slice unit)
{
	struct sink *sink = &s->request_sink;
	bool closes;
	int r;

	switch (sink->event.kind) {
	case EV_KEEP:
		s->span_len += unit.n;
		return s->span_len > s->proto->request_max
			       ? relay_broken(s, SIDE_CLIENT, PROTO_E_TOO_BIG)
			       : 0;
	case EV_REQUEST:
		s->span_len += unit.n;
		s->asked = (struct asked){.request = sink->event.request};
		r = decide_request(s);
		return r == DECIDE_E_CLOSED || r == DECIDE_E_PARKED ? RELAY_E_CLOSED : r;
	case EV_CANCEL:
		cancel_ask(s, &sink->event);
		return RELAY_E_CLOSED;
	case EV_CLOSE:
	case EV_NONE:
		break;
	case EV_LOGIN:
	case EV_ROW:
	case EV_BIG_ROW:
	case EV_VALUE:
	case EV_TEXT:
	case EV_REPLY:
	case EV_ANSWER:
		if (bug(true))
			return -EPROTO;
	}
	closes = sink->event.kind == EV_CLOSE;
	r = relay_apply(
		s, SIDE_CLIENT, slice_head(buf_slice(&s->client.in), s->span_len + unit.n), sink);
	if (r)
		return r;
	buf_consume(&s->client.in, s->span_len + unit.n);
	s->span_len = 0;
	arena_reset(&s->request_arena);
	if (closes) {
		session_finish(s, "client said good-bye");
		return RELAY_E_CLOSED;
	}
	return relay_drain_events(s);
}

/* Hands pieces of a stream unit on. */
static int relay_client_stream(struct session *s, struct slice in)
{
	size_t n = in.n < s->client.stream_left ? in.n : s->client.stream_left, used = 0;
	int r;

	sink_begin(&s->request_sink);
	r = s->proto->stream(s->state, SIDE_CLIENT, s->client.in.mem + s->client.in.head, n, &used,
		&s->request_sink);
	if (r > 0)
		return relay_broken(s, SIDE_CLIENT, r);
	if (r)
		return err_trace(r);
	if (bug(used > n || !used))
		return -EPROTO;
	sink_begin(&s->request_sink);
	sink_pass(&s->request_sink, used);
	r = relay_apply(s, SIDE_CLIENT, in, &s->request_sink);
	if (r)
		return r;
	s->client.stream_left -= used;
	buf_consume(&s->client.in, used);
	return 0;
}

/* One step: 0 go on, 1 nothing more to do now, RELAY_E_CLOSED + 1 … are folded by the caller. */
enum { STEP_IDLE = 10 };

/* The server does not keep up: the client's units wait until relay_end() finds room again. */
static bool relay_is_stalled(const struct session *s)
{
	return s->inflight.n >= SESSION_INFLIGHT_MAX || buf_len(&s->server.out) > SESSION_OUT_HIGH;
}

/* The unit may not be looked at before the server has answered more: make it, and come back. */
static int relay_not_now(struct session *s)
{
	int r;

	s->client_waits = true;
	sink_begin(&s->request_sink);
	r = s->proto->drain(s->state, &s->request_sink);
	if (r)
		return r > 0 ? err_fold(r) : err_trace(r);
	r = relay_apply(s, SIDE_CLIENT, SLICE_NULL, &s->request_sink);
	return r ? r : STEP_IDLE;
}

static int relay_client_step(struct session *s)
{
	struct slice in = slice_skip(buf_slice(&s->client.in), s->span_len);
	struct frame f = {0};
	int r;

	if (!in.n)
		return STEP_IDLE;
	s->is_stalled = relay_is_stalled(s);
	if (s->is_stalled)
		return STEP_IDLE;
	if (s->client.stream_left)
		return relay_client_stream(s, in);
	r = s->proto->frame(s->state, SIDE_CLIENT, in, &f);
	if (r > 0)
		return relay_broken(s, SIDE_CLIENT, r);
	if (r)
		return err_trace(r);
	if (f.is_stream) {
		s->client.stream_left = f.len;
		return 0;
	}
	if (f.len > in.n)
		return STEP_IDLE; /* nothing happened, nothing to undo */
	sink_begin(&s->request_sink);
	r = s->proto->decode(s->state, SIDE_CLIENT, slice_head(in, f.len), &s->request_sink);
	if (r == PROTO_E_NOT_NOW)
		return relay_not_now(s);
	if (r > 0 || s->request_sink.overflow)
		return relay_broken(s, SIDE_CLIENT, r ? r : PROTO_E_TOO_BIG);
	if (r)
		return err_trace(r);
	return relay_on_client_unit(s, slice_head(in, f.len));
}

/* First bytes: are they what the policy says this target speaks? */
static int relay_probe(struct session *s)
{
	enum tri looks;

	if (s->is_probed)
		return 0;
	looks = s->proto->probe(buf_slice(&s->client.in));
	if (looks == TRI_UNKNOWN)
		return STEP_IDLE;
	if (looks == TRI_NO) {
		worker_event(s->worker, "garbage", s->run.id, s->id, "expected=%s bytes=%zu",
			s->proto->name, buf_len(&s->client.in));
		session_close(s, "not the protocol that the policy names");
		return RELAY_E_CLOSED;
	}
	s->is_probed = true;
	return 0;
}

static int relay_pump_opaque(struct session *s, struct peer *from)
{
	struct slice in = buf_slice(&from->in);
	int r = buf_put(&relay_other(s, from->side)->out, in);

	if (r)
		return r > 0 ? STEP_IDLE : err_trace(r);
	buf_consume(&from->in, in.n);
	return STEP_IDLE;
}

/* Looks at client units from where it stopped. */
static int relay_pump_client(struct session *s)
{
	int r = s->proto ? relay_probe(s) : relay_pump_opaque(s, &s->client);

	s->client_waits = false;
	while (!r && !s->is_dead && !s->is_closing && s->park == PARK_NONE)
		r = relay_client_step(s);
	if (s->is_dead)
		return RELAY_E_CLOSED;
	return r == STEP_IDLE || r == RELAY_E_CLOSED ? 0 : r;
}

/* ---- server → client ------------------------------------------------------------------------- */

static int relay_server_unit(struct session *s, struct slice unit)
{
	struct sink *sink = &s->unit_sink;
	enum tx_state before = s->proto->tx(s->state), after;
	int r;

	sink_begin(sink);
	r = s->proto->decode(s->state, SIDE_SERVER, unit, sink);
	if (r > 0 || sink->overflow)
		return relay_broken(s, SIDE_SERVER, r ? r : PROTO_E_TOO_BIG);
	if (r)
		return err_trace(r);
	if (sink->event.kind != EV_NONE) {
		r = relay_on_server_event(s, unit);
		if (r)
			return r;
	}
	r = relay_apply(s, SIDE_SERVER, unit, sink);
	if (r)
		return r;
	buf_consume(&s->server.in, unit.n);
	arena_reset(&s->unit_arena);
	after = s->proto->tx(s->state);
	if (before == TX_NONE && after == TX_OPEN)
		s->tx_since_wall_ns = clock_wall_ns();
	else if (after == TX_NONE)
		s->tx_since_wall_ns = 0;
	if (s->is_renaming && s->proto->is_drained(s->state))
		catalog_renaming_end(s);
	r = relay_drain_events(s);
	guard_follow(s);
	return r;
}

/* What a stream() call left besides bytes. *ret_hold_back: bytes at the end that must come again.
 */
static int relay_stream_event(struct session *s, size_t *ret_hold_back)
{
	const struct event *ev = &s->unit_sink.event;
	int r;

	if (ev->kind == EV_REPLY)
		relay_on_reply(s, &ev->reply);
	if (ev->kind != EV_VALUE && ev->kind != EV_BIG_ROW)
		return 0;
	r = rows_on_value(s, ret_hold_back);
	if (r == MASK_E_FULL)
		return relay_fatal(s, REFUSAL_POLICY,
			"a row of more than 1 MiB has values that cannot be masked in place");
	if (!r && *ret_hold_back)
		s->proto->unread(s->state, *ret_hold_back);
	return r;
}

static int relay_server_stream(struct session *s)
{
	struct peer *p = &s->server;
	size_t n = buf_len(&p->in) < p->stream_left ? buf_len(&p->in) : p->stream_left;
	size_t used = 0, hold_back = 0;
	int r;

	sink_begin(&s->unit_sink);
	r = s->proto->stream(
		s->state, SIDE_SERVER, p->in.mem + p->in.head, n, &used, &s->unit_sink);
	if (r > 0)
		return relay_broken(s, SIDE_SERVER, r);
	if (r)
		return err_trace(r);
	if (bug(used > n || !used))
		return -EPROTO;
	r = relay_stream_event(s, &hold_back);
	if (r)
		return r;
	used -= hold_back;
	r = buf_put(&s->client.out, slice_head(buf_slice(&p->in), used));
	if (r)
		return r < 0 ? err_trace(r)
			     : relay_fatal(s, REFUSAL_LIMIT,
				       "the client does not read what it asked for");
	p->stream_left -= used;
	buf_consume(&p->in, used);
	r = relay_drain_events(s);
	/* Half of something is all there is: its other half must be read first. */
	return r ? r : hold_back && !used ? STEP_IDLE : 0;
}

static int relay_server_step(struct session *s)
{
	struct slice in = buf_slice(&s->server.in);
	struct frame f = {0};
	int r;

	if (!in.n)
		return STEP_IDLE;
	if (s->server.stream_left)
		return relay_server_stream(s);
	r = s->proto->frame(s->state, SIDE_SERVER, in, &f);
	if (r > 0)
		return relay_broken(s, SIDE_SERVER, r);
	if (r)
		return err_trace(r);
	if (f.is_stream) {
		s->server.stream_left = f.len;
		return 0;
	}
	if (f.len > in.n)
		return STEP_IDLE;
	return relay_server_unit(s, slice_head(in, f.len));
}

/* What parked requests were waiting for the server to say. */
static int relay_after_server(struct session *s)
{
	int r = 0;

	if (s->park == PARK_DRAIN && s->proto->is_drained(s->state))
		r = decide_advance(s);
	else if (s->park == PARK_ASK && s->is_answered)
		r = decide_advance(s);
	else if (!s->client_waits)
		return 0;
	if (r == DECIDE_E_PARKED)
		return 0;
	if (r == DECIDE_E_CLOSED)
		return RELAY_E_CLOSED;
	return r ? r : relay_pump_client(s);
}

static int relay_pump_server(struct session *s)
{
	int r = s->proto ? 0 : relay_pump_opaque(s, &s->server);

	while (!r && !s->is_dead)
		r = relay_server_step(s);
	if (s->is_dead)
		return RELAY_E_CLOSED;
	if (r == STEP_IDLE)
		r = 0;
	return r || !s->proto ? r : relay_after_server(s);
}

int relay_resume(struct session *s)
{
	int r = s->is_dead || s->park != PARK_NONE ? 0 : relay_pump_client(s);

	if (!r && !s->is_dead)
		r = relay_flush(s);
	return r == RELAY_E_CLOSED ? 0 : err_trace(r);
}

/* ---- sockets --------------------------------------------------------------------------------- */

static int relay_unreachable(struct session *s, int error)
{
	char text[sizeof(s->target) + 128];

	snprintf(text, sizeof(text), "cannot connect to %s: %s (errno %d)", s->target,
		strerror(error), error);
	/* It is another's, so it is as if nobody had let it be asked for. */
	if (session_is_in_run(s) && error == EACCES)
		worker_event(s->worker, "target-denied", s->run.id, s->id,
			"target=%s pid=%u comm=%.15s", s->target, s->origin.tgid, s->origin.comm);
	if (s->proto)
		return relay_fatal(s, REFUSAL_UNREACHABLE, text);
	session_close(s, text);
	return RELAY_E_CLOSED;
}

static bool relay_is_own(const struct session *s)
{
	static const uint8_t mapped_loopback[13] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127};
	static const uint8_t loopback[16] = {[15] = 1};

	return s->target_port == s->worker->enforcer->own_port &&
	       (!memcmp(s->origin.addr, mapped_loopback, sizeof(mapped_loopback)) ||
		       !memcmp(s->origin.addr, loopback, sizeof(loopback)));
}

static int relay_dial(struct session *s)
{
	int fd;

	if (relay_is_own(s))
		return relay_unreachable(s, ECONNREFUSED);
	fd = session_dial(s);
	if (fd == -EAGAIN)
		return 0;
	if (fd < 0)
		return relay_unreachable(s, -fd);
	s->server.src.fd = fd;
	s->server.is_connecting = true;
	return 0;
}

/* Writes what is queued for a peer. */
static int relay_write(struct session *s, struct peer *p)
{
	while (buf_len(&p->out) && p->src.fd >= 0 && !p->is_connecting) {
		size_t n;
		int r = sock_write(p->src.fd, buf_slice(&p->out), &n);

		if (r == SOCK_E_AGAIN)
			break;
		if (r) {
			session_close(s, p->side == SIDE_CLIENT ? "client gone" : "server gone");
			return RELAY_E_CLOSED;
		}
		buf_consume(&p->out, n);
	}
	return 0;
}

static uint32_t relay_client_events(const struct session *s)
{
	uint32_t events = buf_len(&s->client.out) ? EPOLLOUT : 0;
	bool reads = !s->is_closing && !s->client.saw_eof;

	if (s->park != PARK_NONE)
		reads &= buf_len(&s->ahead) < SESSION_AHEAD_MAX;
	else if (s->client_waits)
		reads &= buf_len(&s->client.in) < SESSION_AHEAD_MAX;
	else
		reads &= !relay_is_stalled(s);
	return reads ? events | EPOLLIN : events;
}

static uint32_t relay_server_events(const struct session *s)
{
	uint32_t events = s->server.is_connecting || buf_len(&s->server.out) ? EPOLLOUT : 0;

	if (s->server.is_connecting || s->server.saw_eof ||
		buf_len(&s->client.out) > SESSION_OUT_HIGH)
		return events;
	return events | EPOLLIN;
}

int relay_flush(struct session *s)
{
	/* Without a decoder nobody knows who speaks first. */
	bool wants_server = buf_len(&s->server.out) || !s->proto || s->proto->is_server_first;
	int r;

	if (s->is_dead)
		return RELAY_E_CLOSED;
	/* Other waits end by themselves, and what comes meanwhile may stay in the socket. But a FIN
	 * behind a full window would be invisible: a hold may not wait for somebody gone. */
	if (s->park == PARK_HOLD && !s->is_closing && buf_len(&s->ahead) >= SESSION_AHEAD_MAX)
		return relay_fatal(s, REFUSAL_LIMIT, "too much was sent while a request was held");
	if (s->server.src.fd < 0 && wants_server && !s->is_closing) {
		r = relay_dial(s);
		if (r)
			return r;
	}
	r = relay_write(s, &s->client);
	if (!r)
		r = relay_write(s, &s->server);
	if (r)
		return r;
	if (s->is_closing && !buf_len(&s->client.out) &&
		(s->server.src.fd < 0 || !buf_len(&s->server.out))) {
		session_finish(s, s->why);
		return RELAY_E_CLOSED;
	}
	if (!s->proto && s->client.saw_eof && s->server.src.fd >= 0 && !buf_len(&s->server.out))
		shutdown(s->server.src.fd, SHUT_WR);
	r = loop_watch(&s->worker->loop, &s->client.src, relay_client_events(s));
	if (!r && s->server.src.fd >= 0)
		r = loop_watch(&s->worker->loop, &s->server.src, relay_server_events(s));
	return err_trace(r);
}

/* The border where a session's fatal errors end. */
static void relay_end(struct session *s, int r)
{
	static const char too_much[] = "the connections of this run keep more in memory than a "
				       "run may";

	if (!session_charge(s)) {
		r = relay_fatal(s, REFUSAL_LIMIT, too_much);
		session_close(s, too_much);
	}
	if (!r)
		r = relay_flush(s);
	if (!r && s->is_stalled && !relay_is_stalled(s)) {
		r = relay_pump_client(s);
		if (!r)
			r = relay_flush(s);
	}
	if (r < 0)
		session_close(s, "internal error");
}

static int relay_read_client(struct session *s)
{
	bool parked = s->park != PARK_NONE;
	struct buf *to = parked ? &s->ahead : &s->client.in;
	size_t n, want = parked ? SESSION_AHEAD_MAX - buf_len(&s->ahead) : SESSION_READ;
	int r = sock_read(s->client.src.fd, to, want, &n);

	s->client.n_bytes += n;
	if (r == SOCK_E_AGAIN)
		return 0;
	if (r == SOCK_E_EOF) {
		/* Whatever was asked and not answered dies with its client: never run late. */
		if (parked)
			session_close(s, "client disconnected");
		else if (s->proto || s->server.src.fd < 0)
			session_finish(s, "client disconnected");
		if (s->is_dead || s->is_closing)
			return s->is_dead ? RELAY_E_CLOSED : 0;
		s->client.saw_eof =
			true; /* an opaque client may still read: relay_flush() says so */
		return 0;
	}
	if (r)
		return err_trace(r);
	return parked ? 0 : relay_pump_client(s);
}

void relay_on_client(struct loop_source *src, uint32_t events)
{
	struct session *s = list_entry(src, struct peer, src)->session;
	int r = 0;

	require(s->magic == SESSION_MAGIC);
	if (events & (EPOLLERR | EPOLLHUP)) {
		session_close(s, "client disconnected");
		return;
	}
	if (events & EPOLLIN)
		r = relay_read_client(s);
	/* Room in the client's queue may let the server go on. */
	relay_end(s, r);
}

static int relay_connected(struct session *s)
{
	int error = sock_connect_result(s->server.src.fd);

	s->server.is_connecting = false;
	if (!error)
		return 0;
	loop_forget(&s->worker->loop, &s->server.src);
	s->server.src.fd = fd_close(s->server.src.fd);
	return relay_unreachable(s, error);
}

static int relay_read_server(struct session *s)
{
	size_t n;
	int r = sock_read(s->server.src.fd, &s->server.in, SESSION_READ, &n);

	s->server.n_bytes += n;
	if (r == SOCK_E_AGAIN)
		return 0;
	if (r == SOCK_E_EOF) {
		s->server.saw_eof = true;
		session_finish(s, "server closed");
		return s->is_dead ? RELAY_E_CLOSED : 0;
	}
	return r ? err_trace(r) : relay_pump_server(s);
}

void relay_on_server(struct loop_source *src, uint32_t events)
{
	struct session *s = list_entry(src, struct peer, src)->session;
	int r = 0;

	require(s->magic == SESSION_MAGIC);
	if (s->server.is_connecting && events)
		r = relay_connected(s);
	else if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		r = relay_read_server(s);
	relay_end(s, r);
}
