/* SPDX-License-Identifier: Apache-2.0 */
#include "session/abroad.h"

#include <stdlib.h>
#include <sys/epoll.h>

#include "session/resolver.h"
#include "session/worker.h"
#include "util/cleanup.h"
#include "util/log.h"

/* One namespace. */
struct abroad {
	struct list link;
	struct worker *worker;
	uint64_t netns;
	struct loop_source places[ABROAD_PLACES]; /* fd -1: not there */
};

static void abroad_on_unix(struct loop_source *src, uint32_t events)
{
	struct abroad *a = src->owner;

	(void)events;
	worker_accept_unix(a->worker, src->fd, a->places[ABROAD_DIAG].fd);
}

/* Begins with one place, if it is time. */
static void abroad_watch(struct abroad *a, enum abroad_place place)
{
	struct worker *w = a->worker;
	struct loop_source *src = &a->places[place];
	int r = 0;

	if (src->fd < 0 || !w->has_begun || place == ABROAD_DIAG)
		return;
	if (place == ABROAD_QUESTIONS4 || place == ABROAD_QUESTIONS6)
		r = resolver_listen(w->resolver, src->fd);
	else
		r = loop_watch(&w->loop, src, EPOLLIN);
	if (r)
		log_error("abroad", "netns=%llu place=%d errno=%d", (unsigned long long)a->netns,
			(int)place, -r);
}

static struct abroad *abroad_find(struct worker *w, uint64_t netns)
{
	struct list *pos;

	list_for_each (pos, &w->abroad) {
		struct abroad *a = list_entry(pos, struct abroad, link);

		if (a->netns == netns)
			return a;
	}
	return NULL;
}

static struct abroad *abroad_new(struct worker *w, uint64_t netns)
{
	struct abroad *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->worker = w;
	a->netns = netns;
	for (int i = 0; i < ABROAD_PLACES; i++)
		a->places[i].fd = -1;
	list_append(&w->abroad, &a->link);
	return a;
}

static void abroad_free(struct abroad *a)
{
	for (int i = 0; i < ABROAD_PLACES; i++) {
		struct loop_source *src = &a->places[i];

		if ((i == ABROAD_QUESTIONS4 || i == ABROAD_QUESTIONS6) && src->fd >= 0)
			resolver_leave(a->worker->resolver, src->fd);
		loop_forget(&a->worker->loop, src);
		fd_close(src->fd);
	}
	list_remove(&a->link);
	free(a);
}

void abroad_add(struct worker *w, uint64_t netns, enum abroad_place place, int fd)
{
	_cleanup_(fd_closep) int taken = fd;
	struct abroad *a = abroad_find(w, netns);

	if (!a)
		a = abroad_new(w, netns);
	if (!a || place >= ABROAD_PLACES || bug(a->places[place].fd >= 0)) {
		log_error("abroad", "netns=%llu place=%d lost", (unsigned long long)netns,
			(int)place);
		return;
	}
	a->places[place] = (struct loop_source){.fd = TAKE_FD(taken),
		.fn = place == ABROAD_UNIX ? abroad_on_unix : worker_on_listener,
		.owner = place == ABROAD_UNIX ? (void *)a : w};
	abroad_watch(a, place);
}

void abroad_end(struct worker *w, uint64_t netns)
{
	struct abroad *a = abroad_find(w, netns);

	if (a)
		abroad_free(a);
}

void abroad_begin(struct worker *w)
{
	struct list *pos;

	w->has_begun = true;
	list_for_each (pos, &w->abroad)
		for (int i = 0; i < ABROAD_PLACES; i++)
			abroad_watch(list_entry(pos, struct abroad, link), (enum abroad_place)i);
}

void abroad_deinit(struct worker *w)
{
	struct list *pos, *tmp;

	list_for_each_safe (pos, tmp, &w->abroad)
		abroad_free(list_entry(pos, struct abroad, link));
}
