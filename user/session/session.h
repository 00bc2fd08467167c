/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One intercepted connection, from accept to close. Start here to understand the data path.
 *
 *   peer      one of the two sockets with its queues
 *   span      client units that were kept; they are the first span_len bytes of client.in, and stay
 *             there, untouched, until the verdict
 *   parked    why the client's units are not being looked at right now; what the client sends
 *             meanwhile goes to `ahead`, undecoded and bounded, so that client.in does not move
 *   inflight  requests that were settled and whose replies are due
 *
 * A session belongs to one worker thread. Others name it by id. It dies in session_close(), is out
 * of all tables at once and freed after the batch of events.
 *
 * Files: session.c birth and death · relay.c moves bytes · decide.c request → ruling · held.c a
 * request that waits · beneath.c what objects do · guard.c writes that nobody saw coming ·
 * aftermath.c names that code may have taken over · masked.c what masks add to a ruling · rows.c
 * masks · contents.c what is kept of replies · catalog.c what is protected · record.c the journal
 * rows.
 */
#pragma once

#include "bpf/abi.h"
#include "hold/fate.h"
#include "hold/grant.h"
#include "mask/mask.h"
#include "net/sock.h"
#include "proto/proto.h"
#include "session/aftermath.h"
#include "session/beneath.h"
#include "session/door.h"
#include "session/guard.h"
#include "session/worker.h"

enum {
	SESSION_MAGIC = 0x5e551017,
	SESSION_AHEAD_MAX = 64 * 1024, /* client bytes taken while parked */
	SESSION_RETRY_MAX = 16 * 1024, /* a request that can be put again */
	SESSION_OUT_HIGH = 256 * 1024, /* queued for a slow peer: stop reading the other one */
	SESSION_OUT_MAX = 64 * 1024 * 1024,
	SESSION_READ = 64 * 1024,                  /* per read */
	SESSION_ROW_MAX = 1024 * 1024 + 64 * 1024, /* server units gathered whole, and a little */
	SESSION_OPS = 64,                          /* ops of one decoder call */
	SESSION_INFLIGHT_MAX = 65536,
};

enum park {
	PARK_NONE,
	PARK_ASK,    /* our own question is on its way (catalog) */
	PARK_FACTS,  /* the parser thread is at work */
	PARK_SIDE,   /* a side connection is asked what objects do */
	PARK_RECORD, /* the ledger has not committed the record yet */
	PARK_DRAIN,  /* earlier requests are still being answered */
	PARK_HOLD,   /* a human is being waited for */
	PARK_CANCEL, /* the cancel request that it was made for is under way */
};

struct session;

struct peer {
	struct loop_source src;
	enum side side;
	struct session *session;
	struct buf in, out;
	size_t stream_left; /* bytes of a stream unit still to come */
	uint64_t n_bytes;   /* read from it */
	bool is_connecting, saw_eof;
};

/* A request between settle and reply. */
struct inflight {
	uint64_t seq, id;
	struct mask_stats masked;
	int64_t asked_ns; /* the server was, monotonic */
	bool touches; /* may touch protected tables: columns without provenance are unproven … */
	struct mask_proof proof; /* … but for those that the text clears */
	uint64_t names;          /* catalog_names_now() when that was judged */
	bool quotes;             /* its errors and notices may quote protected values */
	bool is_done;
	enum recording recording; /* of its reply */
};

/* What the ledger is to have of the reply that is coming in: contents.h. */
struct contents {
	uint64_t seq, request; /* whose reply it is; seq 0: none yet */
	struct buf text;       /* not handed over yet */
	uint64_t len, n_parts; /* len: all that was kept so far */
	uint32_t columns_id;
	enum recording recording;
	bool has_columns, is_inside_row;
	bool is_cut;     /* `head` is reached */
	bool is_dropped; /* the journal had no room */
};

struct inflight_queue {
	struct inflight *ring;
	size_t head, n, cap; /* cap: power of two */
};

/* The request being judged. */
struct asked {
	struct request request; /* slices: client.in or the request arena */
	struct facts facts;
	struct ruling ruling;
	uint64_t id;         /* in the ledger */
	uint64_t record_seq; /* in the journal */
	bool has_facts, is_recorded, touches, quotes;
	bool runs_code;  /* it may run code of somebody's; only where masks name columns */
	bool runs_names; /* by EXECUTE; see request.uses_names */
	bool is_renamed; /* a name of the session is not what it was: not sent */
	struct mask_proof proof;
	/* COPY TO STDOUT whose rows can be followed: its columns, a query that has the same, and
	 * how it is written. */
	bool is_copy, has_copy_columns;
	struct slice copy_query;
	struct copy_format copy;
	struct slice copy_code, copy_error; /* the server would not say; request arena */
	bool is_copy_over;                  /* … because the client's patience is at its end */
	uint64_t names;                     /* catalog_names_now() when those were said */
	bool holds_unproven; /* masks hold it for what it would show; approved, it shows that */
	bool is_guarded;     /* guard_check() is done with it */
	bool is_beneath;     /* beneath_apply() is; the rest is what that has to remember */
	bool wants_beneath, has_waited_beneath;
	uint64_t beneath_epoch, beneath_failed;
	bool wants_belt;             /* the server is to refuse it writes */
	bool is_unchecked;           /* the guard could not find out what it had to */
	const char *why;             /* the guard judged it as unknown: for people; request arena */
	bool has_hold, is_announced; /* the control thread knows of it */
	enum hold_outcome outcome;   /* of the hold; HOLD_OPEN while it waits */
	uint64_t hold;
	int64_t hold_deadline_ns, next_say_ns;
	int64_t clock_left_ns,
		clock_stopped_ns; /* how long it may still stand; since when it does */
	uint8_t hmac[32];
	bool has_place;  /* one of its run's holds */
	bool asks_again; /* agreed to; what the names mean by now is asked first: PARK_ASK */
	enum hold_event agreed_by;
	struct hold_keys keys;
	struct slice free; /* values that are free in its shape, one a line */
};

struct session {
	uint32_t magic;
	struct list link;           /* worker.sessions, then worker.dead */
	struct list recording_link; /* worker.recording while PARK_RECORD */
	struct worker *worker;
	uint64_t id;
	struct run_info run;
	struct origin origin;
	uint16_t target_port;                        /* host order */
	char target[NAMES_LEN + SOCK_NAME_MAX + 48]; /* with the name, where the run resolved one */
	char host[NAMES_LEN];                        /* that name, or "" */
	char path[112];                              /* of a unix socket (@name: abstract), or "" */
	const struct policy *policy;
	const struct resource *resource; /* of that policy */

	const struct protocol *proto; /* NULL: opaque, or not told yet */
	void *state;
	struct pool pool;

	struct peer client, server;
	struct buf ahead;
	struct buf retry; /* the request under way that may have to be put again */
	size_t n_charged; /* bytes that its run is charged with for it */
	size_t span_len;
	enum park park;
	int64_t parked_since_ns;
	bool client_waits; /* decode() answered PROTO_E_NOT_NOW: try again after the next server
			      unit */
	enum door_state door;
	int door_fd; /* DOOR_OPEN: the socket, or -errno */
	struct list door_link;
	int64_t door_since_ns;
	unsigned n_cancels; /* PARK_CANCEL: how many workers have not answered */
	bool wants_cancel;  /* the socket is for a cancel request */
	bool is_probed, is_logged_in, is_closing, is_dead, is_recorded;
	char why[200];    /* why it is closing: what came first, and not what that led to */
	bool is_stalled;  /* the server does not keep up with the client's requests */
	bool is_answered; /* PARK_ASK: the answer is complete */
	bool touches;     /* a request since the session was last idle may touch protected tables */
	bool wants_text;  /* rules of this resource look at prose and rows */
	struct asked asked;
	struct guard guard;
	struct aftermath aftermath;
	struct beneath *beneath; /* worker's; NULL: no side connection, or not needed yet */
	bool has_no_beneath;     /* nothing is configured for the resource */
	struct beneath_own own;
	struct inflight_queue inflight;
	struct contents contents;
	size_t n_recording; /* of those in flight, how many want their contents recorded */
	char role[64], database[64], application[64];
	uint64_t settings;        /* of what changed the meaning of later texts: session/keys.h */
	int64_t tx_since_wall_ns; /* when the open transaction began; 0 = none */

	struct arena request_arena; /* one request, from its first kept unit to its verdict */
	struct arena unit_arena;    /* one server unit */
	struct arena plan_arena;    /* one result's mask plan */
	struct op request_ops[SESSION_OPS], unit_ops[SESSION_OPS];
	struct sink request_sink, unit_sink;

	struct mask_plan *plan;
	uint32_t plan_columns; /* columns_id the plan was made for */
	uint64_t plan_seq;
	struct mask_catalog *coming;   /* the answer to our question so far */
	struct catalog *catalog;       /* worker's; NULL: not needed or not known yet */
	uint64_t catalog_epoch;        /* when our question was put */
	uint64_t names_epoch;          /* the same */
	int64_t catalog_not_before_ns; /* it took too long: not asked again until then */
	uint64_t n_own_names;          /* of enforcer.names_epoch, how many are this session's */
	bool is_renaming;              /* counted in enforcer.n_renaming */
	bool doubts_catalog; /* changed names since the last answer, or got none: believes nothing
			      */
};

/* A connection that was just accepted: finds its origin, run and resource, records it. Takes the
 * fd; whatever does not belong here is reset, recorded and gone. */
void session_accept(struct worker *w, int fd);
/* The same for a unix connection: unix.c. diag_fd: see worker_accept_unix(). */
void session_accept_unix(struct worker *w, int fd, int diag_fd);
/* What was found out about a connection before it is a session. */
struct session_birth {
	struct origin origin;
	struct run_info run;
	const struct resource *resource;
	char host[NAMES_LEN], path[112];
	char detail[256]; /* for the ledger, should it be turned away */
};
/* Makes it one. Takes the fd. */
void session_begin(struct worker *w, int fd, const struct session_birth *b);
/* Resets it. `run` may be NULL. */
void session_reject(
	struct worker *w, int fd, const struct run_info *run, const char *kind, const char *detail);
/* The resource of the session's unix socket in the policy in force; NULL: it has none any more. */
const struct resource *session_unix_resource_again(const struct session *s);
/* Does it go to a socket that the run itself listens on (`in_run:`)? */
bool session_is_in_run(const struct session *s);
/* A connection to where the session goes, begun. An fd, or -errno; -EAGAIN: the warden was asked
 * for a socket where the agent is, and the session goes on when it has come (door.h). */
int session_dial(struct session *s);
/* Writes the session's own record, if that was not possible before. Outcomes of journal_append().
 */
ERR_CHECK int session_record(struct session *s);
/* Ends it: withdraws a hold, records, frees after the batch. `reason` for the ledger. Idempotent.
 */
void session_close(struct session *s, const char *reason);
/* The same after all output is flushed, with an orderly FIN. */
void session_finish(struct session *s, const char *reason);
void session_free(struct session *s);
struct session *session_find(struct worker *w, uint64_t id);
/* Follows a policy reload: new resource, or the end if the target is no longer named. */
ERR_CHECK int session_sync_policy(struct session *s);
/* Tells its run's account what it has in memory by now. False: it has grown beyond what the run may
 * have. */
bool session_charge(struct session *s);
/* Once a second: deadlines, words to waiting clients. */
void session_tick(struct session *s, int64_t now_ns);
