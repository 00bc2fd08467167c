/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mail between threads of the enforcer: a queue with an eventfd, the only thing they share besides
 * the tables in enforcer.h. Never on the path of a byte. A letter is owned by the queue until
 * taken, then by who took it (mail_free()).
 */
#pragma once

#include <pthread.h>

#include "fact/facts.h"
#include "hold/hold.h"
#include "session/abroad.h"
#include "util/arena.h"
#include "util/list.h"

struct hidden;
struct look_answer;
struct policy;
struct side_place;

enum mail_kind {
	/* to a worker */
	MAIL_POLICY,  /* `policy`: judge by this one from now on */
	MAIL_RELEASE, /* `hold`, `decision`, `text` = reason, `by`: a human decided */
	/* `key_id`, `key`, `run`, `addr`, `port`: `session` of the worker `asker` asks to cancel */
	MAIL_CANCEL,
	MAIL_CANCELLED, /* `session`: no cancel that it asked for is under way here any more */
	MAIL_FACTS,     /* `session`, `seq`, `facts` in `arena`: the parser thread is done */
	MAIL_HIDDEN,    /* `side`; `hidden` with `seq` = epoch and `known_ns`, or `error`: side.h */
	MAIL_CUT_RUN,   /* `run` ended or was killed: close its sessions */
	MAIL_CLOCK,     /* `hold`, `session`, `stops`: somebody is deciding, or not any more */
	MAIL_BEGIN,     /* accept connections */
	MAIL_NETNS,     /* `netns`, `place`, `fd`: listen there too */
	MAIL_NETNS_END, /* `netns`: no longer */
	MAIL_STOP,
	/* to the control thread */
	MAIL_HOLD,     /* `parked`: a new hold */
	MAIL_HOLD_END, /* `hold`, `outcome` */
	MAIL_DEADLINE, /* `hold`, `deadline_wall_ns`: its clock stood for a while */
	MAIL_LOOK,     /* `hold`, `look`: what its server says of it */
};

struct mail {
	struct list link;
	enum mail_kind kind;
	const struct policy *policy;
	struct hold *parked; /* owned */
	uint64_t hold, session, seq, run;
	enum decision_kind decision;
	enum hold_outcome outcome;
	int64_t deadline_wall_ns;
	bool stops;
	bool is_grant; /* MAIL_RELEASE: nobody voted, a grant covers it */
	uint32_t key_id;
	unsigned asker;
	uint8_t key[64];
	size_t key_len;
	uint8_t addr[16];
	uint16_t port;
	uint64_t netns;
	enum abroad_place place;
	int fd;             /* owned; -1 */
	char *text, *by;    /* owned */
	struct arena arena; /* MAIL_FACTS */
	struct facts facts;
	int error; /* MAIL_FACTS, MAIL_HIDDEN: < 0, nothing could be found */
	struct side_place *side;
	struct hidden *hidden; /* a reference, owned */
	int64_t known_ns;
	struct look_answer *look; /* owned; NULL: out of memory */
};

struct mailbox {
	pthread_mutex_t lock;
	struct list queue;
	int event_fd;
};

/* Makes the eventfd, which is readable while letters wait. 0, -errno. */
ERR_CHECK int mailbox_init(struct mailbox *m);
void mailbox_deinit(struct mailbox *m);
struct mail *mail_new(enum mail_kind kind); /* NULL: out of memory */
struct mail *mail_free(struct mail *m);
/* Takes ownership; NULL is ignored, so that a caller out of memory needs no second branch. */
void mailbox_send(struct mailbox *m, struct mail *letter);
/* Clears the event and moves all waiting letters to `to` (an initialised list head). */
void mailbox_take_all(struct mailbox *m, struct list *to);
