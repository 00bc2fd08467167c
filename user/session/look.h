/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people are told of a held request besides what it says: what it would touch
 * (sql/impact.h), and which locks its transaction holds meanwhile (sql/locks.h). Asked of its
 * server over a side connection, on behalf of the control thread, which has the holds; nobody and
 * nothing waits for it. It comes when it comes, as MAIL_LOOK.
 */
#pragma once

#include "session/side.h"

struct hold;
struct session;

struct look_ask {
	uint64_t hold;
	bool wants_impact, wants_locks;
	struct slice text; /* copied */
	bool may_be_own;   /* the session's names may not be everybody's … */
	bool has_odd_path; /* … nor its search_path */
	uint32_t backend;  /* whose locks, and as which role it is logged in */
	const char *role;
};

/* In clear, as NUL-terminated text: an object of JSON, and words. */
struct look_answer {
	char *impact, *impact_words, *locks, *locks_words; /* NULL: not asked, or no memory */
	bool is_lost;                                      /* the server could not be asked */
};

/* Notes in a new hold of the session whom to ask, if anybody, and for what. */
void look_prepare(struct session *s, struct hold *h);
/* Asks; the answer goes to `to`, exactly one. False: out of memory, there will be none. */
bool look_begin(struct side_place *p, struct mailbox *to, const struct look_ask *ask);
void look_answer_deinit(struct look_answer *a);
