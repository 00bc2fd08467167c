/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker: one thread, one epoll loop, its own listeners, sessions, caches and journal. Workers
 * share nothing but enforcer.h.
 */
#pragma once

#include "audit/journal.h"
#include "net/loop.h"
#include "policy/policy.h"
#include "session/door.h"
#include "session/enforcer.h"
#include "session/metrics.h"
#include "sql/sql.h"
#include "util/hmac.h"

struct worker {
	struct enforcer *enforcer;
	unsigned index;
	pthread_t thread;
	struct loop loop;
	struct mailbox mail;
	struct loop_source mail_src, commit_src;
	struct loop_source listeners[2];  /* v4, v6 */
	struct loop_source unix_listener; /* the first worker's */
	struct list abroad;               /* listeners in other network namespaces */
	bool has_begun;                   /* connections are accepted */
	struct door door;                 /* to the warden, who makes sockets there */
	struct journal *journal;          /* owned by the caller of worker_init() */
	int commit_fd;                    /* eventfd: the scribe committed what was asked for */
	const struct policy *policy;
	_Atomic(const struct policy *) oldest_policy; /* the oldest one that a session still uses */
	_Atomic int64_t beat_ns;                      /* last tick, for the warden's watch */
	struct sql_cache *sql_cache;
	struct map catalogs;  /* "resource\0database" → struct catalog */
	struct map beneath;   /* places → struct beneath */
	struct map by_id;     /* sessions by id */
	struct list sessions; /* all of them */
	struct list dead;     /* closed in this batch, freed after it */
	struct list cancels;  /* cancel requests on their way to a server */
	unsigned n_cancels;
	struct list recording;          /* parked until the ledger committed their record */
	struct resolver *resolver;      /* set, and freed with the worker; NULL in tests */
	struct hmac_key hmac;           /* the ledger key */
	struct contents_packer *packer; /* NULL until the first contents are recorded */
	struct metrics metrics;
};

/* listener_fds: v4, v6 (the warden's; not closed here). Does not start the thread. */
ERR_CHECK int worker_init(struct worker *w, struct enforcer *e, unsigned index,
	const int listener_fds[2], struct journal *journal, int commit_fd,
	const struct policy *policy);
ERR_CHECK int worker_start(struct worker *w);
/* After MAIL_STOP and the thread's end. */
void worker_deinit(struct worker *w);

/* A loop source's function for a TCP listener whose owner is the worker. */
void worker_on_listener(struct loop_source *src, uint32_t events);
/* Takes who waits at a unix listener; diag_fd: of unix_peer_open() in the same namespace. */
void worker_accept_unix(struct worker *w, int listener, int diag_fd);
/* HMAC-SHA256 under the ledger key over the parts. */
void worker_hmac(struct worker *w, const struct slice *parts, size_t n, uint8_t out[32]);
/* Appends to the worker's journal; complains once when it cannot. Outcomes of journal_append(). */
ERR_CHECK int worker_record(
	struct worker *w, enum record_kind kind, const void *rec, uint64_t *ret_seq);
/* An event row; losing one is counted in the log and nowhere else. */
void worker_event(struct worker *w, const char *kind, uint64_t run, uint64_t session,
	const char *fmt, ...) __attribute__((format(printf, 5, 6)));
