/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door to the warden: upstream sockets that the enforcer cannot make itself. For sessions whose
 * agent is in another network namespace: made there, and dialled here. So an agent reaches what its
 * own namespace reaches, and the enforcer is no relay into what only the host's does. And for unix
 * sockets whose server is to see somebody else than the enforcer as its peer (`unix_auth:`), or is
 * the run itself (`in_run:`), which the warden finds out: these come connected.
 *
 * A session asks and goes on when the socket has come. At most so many questions are out at a time
 * that no send ever blocks; further sessions wait in worker.door. How it is said to the warden is
 * daemon/doorman.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"
#include "util/list.h"

struct session;
struct worker;

enum door_state {
	DOOR_NONE,
	DOOR_WAITING, /* in door.waiting */
	DOOR_ASKED,
	DOOR_OPEN, /* session.door_fd is there */
};

struct door_question {
	uint64_t netns, session;
	int family; /* AF_INET, AF_INET6, AF_UNIX */
	uint64_t unix_id,
		run; /* with unix_auth: policy_unix_id(), and the run's control group; or 0 */
	uint64_t unix_cookie; /* to a socket of the run itself: of the agent's socket; or 0 */
};

/* A worker's; `ask` is set before the thread starts. */
struct door {
	/* Never blocks. 0, < 0. Each is answered by door_answer(), unless the warden is gone. */
	int (*ask)(void *arg, const struct door_question *q);
	void *arg;
	unsigned n_max, n_asked;
	struct list waiting;
};

/* Is the upstream socket one of the agent's network namespace, and that another than ours? */
bool door_is_abroad(const struct session *s);
/* Is it made and connected by the warden, as somebody else? */
bool door_is_as(const struct session *s);
/* The socket, which is the caller's then; -EAGAIN: asked for; or why there is none, -errno. */
int door_take(struct session *s);
/* An answer: a socket (taken), or -errno. The session may be gone by now. */
void door_answer(struct worker *w, uint64_t session, int fd);
/* The session ends. */
void door_leave(struct session *s);
/* Once a second: an answer that does not come is a no. */
void door_tick(struct session *s, int64_t now_ns);
