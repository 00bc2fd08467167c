/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Side connections: what a session's server is asked besides, as a role of the operator's
 * (`catalog:` in the configuration), never over the session's own connection.
 *
 *   login   a role for one resource; the password was read by the enforcer while it was still root
 *   place   one database of one server, with at most one connection, opened when somebody asks
 *   job     one question; answered by mail in bounded time, well or badly
 *   talk    a job of several questions, which somebody else words: look.h
 *
 * What rulings wait for and what people are only told have places, and so connections, of their
 * own: neither waits behind the other, nor takes the other's share of connections.
 *
 * One thread for all of them, with an event loop of its own, so that a server that does not answer
 * keeps nobody waiting but those who ask about it. The address is the one that the session was let
 * through to; no name is looked up. The connection is read-only, with a search_path, timeouts and
 * time limits in its start-up parameters, which come before anything that a role or a database was
 * given by ALTER … SET.
 */
#pragma once

#include <stdatomic.h>

#include "net/loop.h"
#include "proto/pg_client.h"
#include "session/enforcer.h"
#include "sql/hidden.h"
#include "util/clock.h"

enum {
	SIDE_LOGINS_MAX = 256,
	SIDE_PASSWORD_MAX = 256,
	SIDE_PLACES_MAX = 1024, /* of each purpose */
	SIDE_OPEN_MAX = 64,     /* connections at a time, of each purpose */
	SIDE_JOBS_MAX = 256,    /* that wait at one place */
	SIDE_JOB_S = 30,        /* from question to answer, logging in included … */
	SIDE_TALK_S = 10,       /* … and for a talk */
	SIDE_IDLE_S = 60,       /* then the connection is closed */
	SIDE_BACKOFF_S = 2,     /* before it is tried again after a failure */
	SIDE_ANSWER_MAX = 64 * 1024 * 1024,
};

/* What is known of a database counts as fresh for this long, and is asked again behind the scenes;
 * after the second it is not believed. Who changes something without us is not seen at once. */
#define SIDE_FRESH_NS (15 * CLOCK_NS_PER_S)
#define SIDE_STALE_NS (60 * CLOCK_NS_PER_S)

struct side_login {
	char resource[64], user[64];
	char password[SIDE_PASSWORD_MAX]; /* "": none */
};

struct sides;

enum side_purpose { SIDE_RULINGS, SIDE_PEOPLE, SIDE_PURPOSE_N };

/* All of it is called on the side thread. */
struct side_talk {
	/* The next question and its parameters, which stay until it is answered. False: it is over.
	 */
	bool (*next)(struct side_talk *t, struct slice *ret_text, const struct slice **ret_params,
		size_t *ret_n);
	/* A row of the answer, as pg_client_row_fn. */
	int (*on_row)(struct side_talk *t, const struct slice *columns, size_t n);
	/* NULL: well; or the SQLSTATE of the failure. */
	void (*answered)(struct side_talk *t, const char *code);
	/* Nothing more is asked; is_lost: of a question at hand there is no answer either. Frees
	 * it; from any thread. */
	void (*end)(struct side_talk *t, bool is_lost);
};

struct side_place {
	/* Set when it is made, for ever: places are never freed before the threads are. */
	const struct side_login *login;
	struct sides *side;
	enum side_purpose purpose;
	char name[200]; /* for people: target and database */
	char database[64], path[112];
	uint8_t addr[16];
	uint16_t port;
	/* Goes up with everything that may change what objects do. */
	_Atomic uint64_t epoch;

	/* The side thread's. */
	struct loop_source src;
	struct buf in;
	struct pg_client client;
	bool is_open, is_connecting;
	bool is_new;      /* it has not answered anything yet */
	struct list link; /* side.open, oldest use first */
	struct list jobs;
	size_t n_jobs;
	struct side_job *job; /* at the server */
	int64_t deadline_ns, used_ns, failed_ns;
	char why[PG_CLIENT_WHY_MAX + 32];
	struct hidden *known, *coming;
	uint64_t known_epoch, coming_epoch;
	int64_t known_ns, coming_ns;
};

/* Starts the thread. logins: n of them, copied; they are all there will be. 0, -errno. */
ERR_CHECK int side_new(
	struct enforcer *e, const struct side_login *logins, size_t n, struct sides **ret);
/* Ends the thread, after those of the workers and before their mailboxes go. NULL is fine. */
void side_stop(struct sides *s);
/* All connections and places, which sessions point to. NULL is fine; returns NULL. */
struct sides *side_free(struct sides *s);

/* Is there a login for the resource? s may be NULL. */
bool side_serves(const struct sides *s, const char *resource);
/* The place of that resource's database there, made if need be; NULL: the resource has no login, or
 * there are too many places. From any thread. */
struct side_place *side_place(struct sides *s, enum side_purpose purpose, const char *resource,
	const uint8_t addr[static 16], uint16_t port, const char *path, const char *target,
	const char *database);
/* What do the objects there do? Known no earlier than at `epoch`. The answer comes as MAIL_HIDDEN
 * to the worker, with a reference or an error. 0, -ENOMEM. */
ERR_CHECK int side_ask_hidden(struct side_place *p, unsigned worker, uint64_t epoch);
/* Begins a talk there, of a place for people; it is ended, at once if need be, whatever comes. */
void side_talk(struct side_place *p, struct side_talk *t);
