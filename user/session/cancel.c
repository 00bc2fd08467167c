/* SPDX-License-Identifier: Apache-2.0 */
/* Cancel requests on their way: see cancel.h. */
#include "session/cancel.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "util/clock.h"

enum { CANCELS_MAX = 256 };

struct cancel {
	struct list link; /* worker.cancels */
	struct loop_source src;
	struct worker *worker;
	bool is_asked; /* by a client's session, of that worker */
	uint64_t session, asker;
	size_t n;
	uint8_t bytes[280]; /* protocol 3.2: 12 + at most 256 bytes of key */
};

/* ---- the client's connection ----------------------------------------------------------------- */

void cancel_ask(struct session *s, const struct event *ev)
{
	struct enforcer *e = s->worker->enforcer;

	s->park = PARK_CANCEL;
	s->parked_since_ns = clock_mono_ns();
	/* One more than there are, for this loop. */
	s->n_cancels = 1;
	/* Whoever has the session knows it by the key. */
	for (unsigned i = 0;
		i < e->n_workers && ev->cancel.key.n <= sizeof(((struct mail *)NULL)->key); i++) {
		struct mail *m = mail_new(MAIL_CANCEL);

		if (!m)
			break;
		m->key_id = ev->cancel.id;
		memcpy(m->key, ev->cancel.key.p, ev->cancel.key.n);
		m->key_len = ev->cancel.key.n;
		m->run = s->run.id;
		memcpy(m->addr, s->origin.addr, sizeof(m->addr));
		m->port = s->origin.port;
		m->session = s->id;
		m->asker = s->worker->index;
		s->n_cancels++;
		mailbox_send(&e->workers[i]->mail, m);
	}
	cancel_answered(s);
}

void cancel_answered(struct session *s)
{
	if (s->park == PARK_CANCEL && !--s->n_cancels)
		session_finish(s, "cancel request");
}

static void cancel_tell(struct worker *w, unsigned asker, uint64_t session)
{
	struct mail *m = mail_new(MAIL_CANCELLED);

	if (m)
		m->session = session;
	mailbox_send(&w->enforcer->workers[asker]->mail, m);
}

void cancel_answer(struct worker *w, const struct mail *asked)
{
	cancel_tell(w, asked->asker, asked->session);
}

/* ---- the server's ---------------------------------------------------------------------------- */

static void cancel_end(struct cancel *c)
{
	if (c->is_asked)
		cancel_tell(c->worker, (unsigned)c->asker, c->session);
	loop_forget(&c->worker->loop, &c->src);
	close(c->src.fd);
	list_remove(&c->link);
	c->worker->n_cancels--;
	free(c);
}

static void cancel_on_event(struct loop_source *src, uint32_t events)
{
	struct cancel *c = list_entry(src, struct cancel, src);
	size_t n;

	/* The server answers nothing: once the bytes are out, its closing is the end. */
	if ((events & (EPOLLERR | EPOLLHUP | EPOLLIN)) || !c->n ||
		sock_write(src->fd, slice_of(c->bytes, c->n), &n)) {
		cancel_end(c);
		return;
	}
	sock_end_well(src->fd);
	c->n = 0;
	if (loop_watch(&c->worker->loop, src, EPOLLIN))
		cancel_end(c);
}

bool cancel_send(struct session *s, const struct mail *asked)
{
	struct slice bytes = s->proto->cancel_request(s->state, &s->unit_arena);
	struct worker *w = s->worker;
	struct cancel *c;

	if (!bytes.n || bytes.n > sizeof(c->bytes) || w->n_cancels >= CANCELS_MAX)
		return false;
	c = calloc(1, sizeof(*c));
	if (!c)
		return false;
	c->worker = w;
	c->n = bytes.n;
	c->is_asked = asked;
	c->session = asked ? asked->session : 0;
	c->asker = asked ? asked->asker : 0;
	memcpy(c->bytes, bytes.p, bytes.n);
	c->src.fn = cancel_on_event;
	c->src.fd = session_dial(s);
	s->wants_cancel = c->src.fd == -EAGAIN;
	arena_reset(&s->unit_arena);
	if (c->src.fd < 0) {
		free(c);
		return false;
	}
	list_append(&w->cancels, &c->link);
	w->n_cancels++;
	worker_event(w, "cancel", s->run.id, s->id, "target=%s", s->target);
	if (loop_watch(&w->loop, &c->src, EPOLLOUT))
		cancel_end(c);
	return true;
}

void cancel_deinit(struct worker *w)
{
	struct list *pos, *tmp;

	list_for_each_safe (pos, tmp, &w->cancels) {
		struct cancel *c = list_entry(pos, struct cancel, link);

		c->is_asked = false; /* nobody reads letters any more */
		cancel_end(c);
	}
}
