/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may decide a hold, and how many of them it takes.
 *
 * A ballot is the votes of one hold. One denial decides it; approvals decide it when there are as
 * many different people as the rule's quorum, each seat of its groups filled. Whoever lost the
 * right before the decision is sent does not count, and the ballot is open again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/policy.h"
#include "util/err.h"

enum {
	BALLOT_E_FORBIDDEN = 1, /* this person may not decide it */
	BALLOT_E_AGAIN = 2,     /* has approved it already: it takes somebody else */
	BALLOT_E_LATE = 3,      /* it is decided */
	BALLOT_E_REASON = 4,    /* a reason is needed */
	BALLOT_MAX = 32, /* votes on one hold, those that did not count in the end included */
};

enum decision_kind { DECISION_APPROVE, DECISION_DENY };

/* What an approval or a denial covers besides this one request. */
enum scope_kind {
	SCOPE_ONCE, /* nothing */
	SCOPE_RUN,  /* an approval: this shape in this run; a denial: all of this kind in it */
	SCOPE_TIME, /* the same, for so long, and in other runs of the same name and owner */
};

struct scope {
	enum scope_kind kind;
	int64_t for_ms; /* SCOPE_TIME */
};

/* The terms of a ruling, copied. */
struct ballot_terms {
	char **approvers;   /* NULL: the daemon's approvers group, and root */
	char **break_glass; /* NULL: nobody */
	struct ballot_seat {
		char *who;
		uint64_t n;
		unsigned list; /* each list is filled by itself */
	} * seats;
	size_t n_seats;
	uint64_t quorum;
	bool needs_reason;
};

struct vote {
	enum decision_kind kind;
	struct scope scope;
	uint32_t uid;
	bool is_break_glass;
	uint64_t record_seq; /* in the journal */
	uint64_t client;     /* who waits for the outcome; 0: has been answered */
	/* Owned by the ballot: words, and the groups of the process that asked. */
	char *by, *reason;
	uint32_t *gids;
	size_t n_gids;
};

enum ballot_state {
	BALLOT_OPEN,
	BALLOT_DECIDED, /* enough votes; their records are on their way to the disk */
	BALLOT_SENT,    /* the worker has been told */
};

struct ballot {
	struct ballot_terms terms;
	enum ballot_state state;
	enum decision_kind kind; /* once decided */
	struct vote votes[BALLOT_MAX];
	size_t n;
	uint32_t owner_uid; /* who started the run */
};

/* Who is asking, from SO_PEERCRED and what the control server found out about that process. */
struct approver {
	uint32_t uid;
	const uint32_t *gids;
	size_t n_gids;
	bool is_in_run;        /* in a controlled cgroup, or an agent's uid */
	bool may_self;         /* `self_approval: true` */
	uint32_t approver_gid; /* the daemon's approvers group; root always belongs */
};

/*
 * Does the account database of this host, as it is now, have that person in that group? Asked
 * besides what the process claims: groups of a process are those of its login, which may be long
 * ago.
 */
typedef bool (*ballot_member_fn)(uint32_t uid, uint32_t gid);
bool ballot_is_member(uint32_t uid, uint32_t gid);

/* Copies the terms of the ruling. 0, -ENOMEM (deinit in any case). */
ERR_CHECK int ballot_init(struct ballot *b, const struct ruling *r, uint32_t owner_uid);
void ballot_deinit(struct ballot *b);

/* May this person decide, and so? 0, BALLOT_E_*, the reason for people in *ret_why. */
ERR_CHECK int ballot_may(const struct ballot *b, const struct approver *a, const struct vote *v,
	const char **ret_why);
void vote_deinit(struct vote *v);
/* Counts a vote of somebody who may, in place of an earlier one of theirs; takes its strings. True:
 * the ballot is decided now. */
bool ballot_cast(struct ballot *b, const struct vote *v);
/* Drops the votes of those who have lost the right since; how many. */
size_t ballot_purge(struct ballot *b, uint32_t approver_gid);
/*
 * Just before a decision is sent: drops the votes of those who have lost the right, *ret_lost of
 * them. True: it still stands, and counts as sent. False: it is open again.
 */
bool ballot_seal(struct ballot *b, uint32_t approver_gid, size_t *ret_lost);
/* How many different people have approved so far. */
size_t ballot_approvals(const struct ballot *b);
/* The narrowest scope that all of the approvals ask for, or the denial's. Those who ask for
 * different kinds have agreed to this one request. */
struct scope ballot_scope(const struct ballot *b);
/* For tests; NULL: back to ballot_is_member(). */
void ballot_set_member_fn(ballot_member_fn fn);
