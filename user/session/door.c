/* SPDX-License-Identifier: Apache-2.0 */
#include "session/door.h"

#include <errno.h>
#include <sys/socket.h>

#include "net/sock.h"
#include "session/cancel.h"
#include "session/relay.h"
#include "session/session.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define DOOR_PATIENCE_NS (10 * CLOCK_NS_PER_S)

bool door_is_abroad(const struct session *s)
{
	/* A path leads to the same socket from everywhere; an abstract name does not. */
	return s->origin.netns != s->worker->enforcer->netns && s->resource->via == VIA_AGENT &&
	       *s->path != '/';
}

bool door_is_as(const struct session *s)
{
	return *s->path && s->resource->unix_auth != UNIX_AUTH_ENFORCER;
}

static void door_ask(struct worker *w, struct session *s)
{
	const struct door_question q = {.netns = s->origin.netns,
		.session = s->id,
		.family = *s->path ? AF_UNIX : sock_family(s->origin.addr),
		.unix_id = door_is_as(s) ? policy_unix_id(s->path) : 0,
		.run = s->run.cgroup,
		.unix_cookie = session_is_in_run(s) ? s->origin.cookie : 0};

	list_remove(&s->door_link);
	s->door = DOOR_ASKED;
	/* Not said is not answered: the deadline ends it. */
	if (w->door.ask && !w->door.ask(w->door.arg, &q))
		w->door.n_asked++;
}

/* Those who wait, as far as there is room. */
static void door_ask_more(struct worker *w)
{
	struct list *pos, *tmp;

	list_for_each_safe (pos, tmp, &w->door.waiting)
		if (w->door.n_asked < w->door.n_max)
			door_ask(w, list_entry(pos, struct session, door_link));
}

int door_take(struct session *s)
{
	int fd = s->door_fd;

	if (s->door == DOOR_OPEN) {
		s->door = DOOR_NONE;
		s->door_fd = -1;
		return fd;
	}
	/* The warden speaks as the run's account; a process with another one is none of it. */
	if (door_is_as(s) && s->resource->unix_auth == UNIX_AUTH_AGENT &&
		s->origin.uid != s->run.uid)
		return -EPERM;
	if (s->door == DOOR_NONE) {
		s->door = DOOR_WAITING;
		s->door_since_ns = clock_mono_ns();
		list_append(&s->worker->door.waiting, &s->door_link);
		door_ask_more(s->worker);
	}
	return -EAGAIN;
}

/* The session goes on with what came. */
static void door_resume(struct session *s, int fd)
{
	int r = 0;

	s->door = DOOR_OPEN;
	s->door_fd = fd;
	if (s->server.src.fd < 0)
		r = relay_flush(s);
	else if (s->wants_cancel)
		(void)cancel_send(s, NULL);
	else
		door_leave(s);
	if (r < 0)
		session_close(s, "internal error");
}

void door_answer(struct worker *w, uint64_t session, int fd)
{
	struct session *s = session_find(w, session);

	w->door.n_asked -= w->door.n_asked > 0;
	door_ask_more(w);
	/* A server that accepts too slowly; to us that word means something else. */
	if (fd == -EAGAIN)
		fd = -ECONNREFUSED;
	/* Late or twice: whoever it was for has been told otherwise. */
	if (s && s->door == DOOR_ASKED)
		door_resume(s, fd);
	else
		fd_close(fd);
}

void door_leave(struct session *s)
{
	if (s->door == DOOR_OPEN && s->door_fd >= 0)
		fd_close(s->door_fd);
	if (s->door == DOOR_WAITING)
		list_remove(&s->door_link);
	s->door = DOOR_NONE;
	s->door_fd = -1;
}

void door_tick(struct session *s, int64_t now_ns)
{
	if ((s->door != DOOR_WAITING && s->door != DOOR_ASKED) ||
		now_ns - s->door_since_ns < DOOR_PATIENCE_NS)
		return;
	if (s->door == DOOR_WAITING)
		list_remove(&s->door_link);
	door_resume(s, -ETIMEDOUT);
}
