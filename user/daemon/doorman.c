/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/doorman.h"

#include <errno.h>
#include <sys/epoll.h>

#include "priv/channel.h"
#include "util/log.h"

static int doorman_ask(void *arg, const struct door_question *q)
{
	const struct doorman *d = arg;
	const struct channel_message m = {.type = CHANNEL_WANT_SOCKET,
		.socket = {.cookie = q->netns,
			.session = q->session,
			.family = (uint32_t)q->family,
			.unix_id = q->unix_id,
			.run = q->run,
			.unix_cookie = q->unix_cookie}};

	return channel_send(d->src.fd, &m, -1) ? -EPIPE : 0;
}

static void doorman_on_event(struct loop_source *src, uint32_t events)
{
	struct doorman *d = src->owner;
	struct channel_message m;
	int fd, r = channel_receive(src->fd, CHANNEL_IN_WORKER, &m, &fd);

	(void)events;
	if (r == CHANNEL_E_AGAIN)
		return;
	if (r) { /* without a warden the control thread ends us all */
		log_error("door", "outcome=%d", r);
		loop_forget(&d->worker->loop, src);
		return;
	}
	door_answer(d->worker, m.socket.session,
		m.type == CHANNEL_SOCKET ? fd
		: m.socket.error > 0     ? -m.socket.error
					 : -EIO);
}

int doorman_start(struct doorman *d, struct worker *w, int fd)
{
	d->worker = w;
	d->src = (struct loop_source){.fd = fd, .fn = doorman_on_event, .owner = d};
	w->door.ask = doorman_ask;
	w->door.arg = d;
	w->door.n_max = CHANNEL_DOOR_MAX;
	return err_trace(loop_watch(&w->loop, &d->src, EPOLLIN));
}
