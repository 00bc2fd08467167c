/* SPDX-License-Identifier: Apache-2.0 */
/* Cancel requests on their way: see cancel.h. */
#include "session/cancel.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { CANCELS_MAX = 256 };

struct cancel {
	struct list link; /* worker.cancels */
	struct loop_source src;
	struct worker *worker;
	size_t n;
	uint8_t bytes[280]; /* protocol 3.2: 12 + at most 256 bytes of key */
};

static void cancel_end(struct cancel *c)
{
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

void cancel_send(struct session *s)
{
	struct slice bytes = s->proto->cancel_request(s->state, &s->unit_arena);
	struct worker *w = s->worker;
	struct cancel *c;

	if (!bytes.n || bytes.n > sizeof(c->bytes) || w->n_cancels >= CANCELS_MAX)
		return;
	c = calloc(1, sizeof(*c));
	if (!c)
		return;
	c->worker = w;
	c->n = bytes.n;
	memcpy(c->bytes, bytes.p, bytes.n);
	c->src.fn = cancel_on_event;
	c->src.fd = session_dial(s);
	s->wants_cancel = c->src.fd == -EAGAIN;
	arena_reset(&s->unit_arena);
	if (c->src.fd < 0) {
		free(c);
		return;
	}
	list_append(&w->cancels, &c->link);
	w->n_cancels++;
	worker_event(w, "cancel", s->run.id, s->id, "target=%s", s->target);
	if (loop_watch(&w->loop, &c->src, EPOLLOUT))
		cancel_end(c);
}

void cancel_deinit(struct worker *w)
{
	struct list *pos, *tmp;

	list_for_each_safe (pos, tmp, &w->cancels)
		cancel_end(list_entry(pos, struct cancel, link));
}
