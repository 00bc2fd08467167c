/* SPDX-License-Identifier: Apache-2.0 */
/* Epoll loop: see loop.h. */
#include "net/loop.h"

#include <errno.h>
#include <sys/epoll.h>
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

static int loop_timeout_ms(const struct loop *l)
{
	int64_t left;

	if (!l->tick)
		return -1;
	left = l->next_tick_ns - clock_mono_ns();
	return left <= 0 ? 0 : (int)(left / CLOCK_NS_PER_MS) + 1;
}

static void loop_maybe_tick(struct loop *l)
{
	int64_t now;

	if (!l->tick)
		return;
	now = clock_ns_of(CLOCK_MONOTONIC_COARSE);
	if (now < l->next_tick_ns)
		return;
	l->next_tick_ns = now + CLOCK_NS_PER_S;
	l->tick(l, now);
}

int loop_run(struct loop *l)
{
	struct epoll_event events[LOOP_BATCH];

	while (!l->is_stopping) {
		int n = epoll_wait(l->epfd, events, LOOP_BATCH, loop_timeout_ms(l));

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
		loop_maybe_tick(l);
		if (l->after)
			l->after(l);
	}
	return 0;
}
