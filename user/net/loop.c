/* SPDX-License-Identifier: Apache-2.0 */
/* Epoll loop: see loop.h. */
#include "net/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "util/clock.h"

enum { LOOP_BATCH = 64 };

int loop_init(struct loop *l, void *owner)
{
	*l = (struct loop){.owner = owner};
	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	return l->epfd < 0 ? err_raise(-errno) : 0;
}

void loop_deinit(struct loop *l)
{
	if (l->timer.is_added)
		close(l->timer.fd);
	if (l->epfd >= 0)
		close(l->epfd);
	l->epfd = -1;
}

void loop_stop(struct loop *l)
{
	l->is_stopping = true;
}

int loop_watch(struct loop *l, struct loop_source *src, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = src};
	int op = src->is_added ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (src->is_added && src->events == events)
		return 0;
	if (epoll_ctl(l->epfd, op, src->fd, &ev) < 0)
		return err_raise(-errno);
	src->events = events;
	src->is_added = true;
	return 0;
}

void loop_forget(struct loop *l, struct loop_source *src)
{
	if (!src->is_added)
		return;
	src->is_added = false;
	src->events = 0;
	epoll_ctl(l->epfd, EPOLL_CTL_DEL, src->fd, NULL);
	for (int i = 0; i < l->n_current; i++)
		if (l->current[i] == src)
			l->current[i] = NULL;
}

/* The tick comes from a timer of its own: a time-out of epoll_wait() would set up and cancel a
 * high-resolution timer around every wait, on the path of every byte. */
static void loop_on_timer(struct loop_source *src, uint32_t events)
{
	struct loop *l = src->owner;
	uint64_t n;

	(void)events;
	if (read(src->fd, &n, sizeof(n)) == sizeof(n))
		l->tick(l, clock_mono_ns());
}

static int loop_start_timer(struct loop *l)
{
	const struct itimerspec second = {.it_interval = {.tv_sec = 1}, .it_value = {.tv_nsec = 1}};

	if (!l->tick || l->timer.is_added)
		return 0;
	l->timer = (struct loop_source){
		.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
		.fn = loop_on_timer,
		.owner = l};
	if (l->timer.fd < 0 || timerfd_settime(l->timer.fd, 0, &second, NULL) < 0)
		return err_raise(-errno);
	return err_trace(loop_watch(l, &l->timer, EPOLLIN));
}

int loop_run(struct loop *l)
{
	struct epoll_event events[LOOP_BATCH];
	int r = loop_start_timer(l);

	if (r)
		return err_trace(r);
	while (!l->is_stopping) {
		int n = epoll_wait(l->epfd, events, LOOP_BATCH, -1);

		if (n < 0 && errno != EINTR)
			return err_raise(-errno);
		if (n < 0)
			n = 0;
		for (int i = 0; i < n; i++)
			l->current[i] = events[i].data.ptr;
		l->n_current = n;
		for (int i = 0; i < n; i++)
			if (l->current[i])
				l->current[i]->fn(l->current[i], events[i].events);
		l->n_current = 0;
		if (l->after)
			l->after(l);
	}
	return 0;
}
