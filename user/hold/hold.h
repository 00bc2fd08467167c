/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holds: requests that wait for a human. The registry of the control thread. Who may decide one is
 * in ballot.h, how one ends in fate.h.
 *
 * A hold refers to its session by id, never by pointer. The worker that owns the session is the one
 * place where a hold ends: approve, deny, time-out, cancel and disconnect race, and whichever
 * reaches the worker first wins; the others find nothing (exactly one outcome).
 */
#pragma once

#include "hold/ballot.h"
#include "hold/fate.h"
#include "hold/grant.h"
#include "util/err.h"
#include "util/list.h"
#include "util/map.h"

enum { HOLD_E_FULL = 1 /* too many holds */ };

/* What people see of a hold; strings owned by the hold. */
struct hold_view {
	uint64_t id; /* h42 */
	uint64_t request, session, run;
	char *run_name, *resource, *target, *role, *database, *application;
	char *text; /* in clear: approvers see what they approve */
	size_t text_len;
	char *params; /* one line each, in clear */
	char *effects, *objects;
	char *rule, *message;
	char *tx;   /* none, open, failed */
	char *comm; /* process name and tree as of the connect */
	char *tree;
	uint32_t pid, uid, owner_uid;
	int64_t since_wall_ns, deadline_wall_ns; /* for people: the wall clock jumps */
	int64_t deadline_ns;                     /* of a ticket; its session keeps its own */
	int64_t tx_since_wall_ns;                /* 0 = none open */
	char *ask;                               /* policy_print_terms(): who has to agree */
	uint8_t hmac[32];                        /* what an approval is bound to */
	struct hold_keys keys;
	char *tags, *unknowns; /* of the target; what could not be told */
	char *free;            /* values that are free in its shape, one a line */
	int64_t ticket_ms;     /* how long its ticket will be good */
	bool is_ticket;        /* nobody waits: the client comes back */
	uint64_t cgroup;       /* of its run */
};

struct side_place;

/* What its server says of it besides, for people alone; it comes later, or never. The strings are
 * owned. */
struct hold_look {
	struct side_place *place; /* whom to ask; NULL: nobody */
	bool wants_impact, wants_locks;
	bool may_be_own, has_odd_path; /* its session's names and path may not be everybody's */
	uint32_t backend;              /* the number of its session there */
	/* JSON, words; NULL: not known yet. */
	char *impact, *impact_words, *locks, *locks_words;
	unsigned n; /* changes when those do: what somebody had before him */
	bool is_asked, has_impact;
	int64_t asked_ns; /* the last time; monotonic */
};

struct hold {
	struct hold_view view;
	struct hold_look look;
	unsigned worker;
	struct ballot ballot;
	/* Identical requests of the run that wait, too, are one entry: its leader's. */
	struct hold *leader; /* NULL: it leads */
	struct list link;    /* in its leader's followers */
	struct list followers;
	size_t n_followers;
	unsigned n_deciding; /* people who are at it right now */
	bool is_dirty;       /* people have not been told yet how many follow */
};

/* What became of holds that had the same shape, or were of the same kind. */
struct hold_past {
	unsigned n, n_ran, n_denied;
};

struct hold_table {
	struct map by_id;
	struct map past;    /* hold_keys.shape or .kind → struct hold_past, owned */
	struct map leaders; /* hold_keys.same → leader */
};

/* At most max holds at a time; deinit frees those that are left. */
void hold_table_init(struct hold_table *t, size_t max);
void hold_table_deinit(struct hold_table *t);

/* Takes ownership of h. 0, HOLD_E_FULL, -ENOMEM (h is freed then too). */
ERR_CHECK int hold_park(struct hold_table *t, struct hold *h);
/* Still the table's. NULL: no such hold, or it has ended. */
struct hold *hold_find(const struct hold_table *t, uint64_t id);
/* Takes it out; the caller frees it. NULL if it is not there. *ret_leader: the hold that leads
 * those it was identical with from now on, or NULL. */
struct hold *hold_take(struct hold_table *t, uint64_t id, struct hold **ret_leader);
struct hold *hold_free(struct hold *h);
/* Counts the end of h for those like it that come later. Best effort, and for this life of the
 * daemon. */
void hold_remember(struct hold_table *t, const struct hold *h, enum hold_outcome outcome);
/* Those like h that ended before; all zero if there were none. */
struct hold_past hold_seen(const struct hold_table *t, const struct hold *h);
