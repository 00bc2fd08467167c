/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes that no text shows: the read-only belt and the commit guard. Both only where the policy
 * does not let writes pass freely.
 *
 * Outside a transaction block, what is judged to be a read and is not all that it says (FACTS_OPEN)
 * goes to the server with a verdict that makes the server refuse writes. If it does refuse one, the
 * request is put again, as what it is (`unknown`); where that cannot be done unseen, the client
 * gets the server's error and is told how to ask.
 *
 * The commit guard: what a transaction did although nothing in it was judged to be a write.
 *
 * A statement that looks like a read can write: through a view, an operator, a cast, a function of
 * somebody's. Where the policy does not let writes pass freely, the server is asked before the
 * transaction goes on to something that would hide it: before COMMIT, and before the first request
 * that takes a transaction id for a reason of its own. Where nothing that could write unseen ran,
 * nothing is asked.
 *
 * What the guard believes only ever errs to the strict side: a request counts as having run once it
 * was forwarded, and as not having run only when the server is idle outside a transaction with
 * nothing under way.
 *
 * What accounts for writes: a request with any effect but read, session and export that was let
 * through, by a rule or by a person. It accounts for its whole transaction.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/proto.h"
#include "fact/facts.h"
#include "util/err.h"
#include "util/slice.h"

struct policy;
struct session;

enum guard_answer { GUARD_UNASKED, GUARD_ASKING, GUARD_CLEAN, GUARD_WROTE, GUARD_FAILED };

struct guard {
	const struct policy *policy; /* for which `is_on` was found out */
	bool is_on;
	bool is_dirty; /* something below is set */
	/* Since the server was last seen idle: requests that may have written unseen. */
	bool has_unseen;
	/* In the transaction at hand: takes an id without writing; was let through to write; made a
	 * cursor that COMMIT runs to its end. */
	bool has_ids, is_accounted, has_hold_cursor;
	uint64_t first_unseen, last_unseen; /* request ids, for people */
	enum guard_answer answer;           /* to the question about the request at hand */
	/* GUARD_FAILED: how, and in the server's words. */
	enum refusal failed_why;
	char failed_text[128];
	/* Batches, plus one; 0: none. The one that wears the belt; the one that was let through to
	 * write outside a transaction block. */
	uint64_t belted, mixed;
	/* A request that begins or ends a transaction block is under way: in which batch, and what
	 * it leaves. */
	bool has_control, control_opens;
	uint64_t control_batch;
	bool is_retry; /* the next request comes again: the server refused it a write */
};

enum {
	GUARD_E_DRAIN = 1, /* wait until all that was sent is answered, then call again */
	GUARD_E_ASKED = 2, /* wait for the answer, then call again */
	GUARD_E_SPLIT =
		3, /* end the batch (proto.h: split), wait as for GUARD_E_DRAIN, call again */
};

/* Is any of it more than reading? */
bool guard_writes(const struct facts *f);
/* Is the request at hand in a transaction block? Exact once guard_check() is done with it. */
enum tri guard_in_transaction(const struct session *s);
/* Before the request at hand is ruled on, its facts complete: asks what has to be asked, and adds
 * to the facts what came of it. 0, GUARD_E_*, or < 0. */
ERR_CHECK int guard_check(struct session *s);
/* May the batch end in front of the request at hand, nothing else being lost by it? Inside a block
 * a Sync ends nothing, and outside there must be no write that would be committed too early.
 * GUARD_E_SPLIT: yes; GUARD_E_DRAIN; 0: no. */
ERR_CHECK int guard_may_split(struct session *s);
/* The request at hand is let through; its span is still there. Adds to the verdict. */
ERR_CHECK int guard_passed(struct session *s, struct verdict *v);
/* REPLY_RETRY: puts the request in front of all that the client sent since. */
ERR_CHECK int guard_retry(struct session *s, struct slice more);
/* After a server unit: forgets what is over. */
void guard_follow(struct session *s);
/* An EV_ANSWER to the guard's question. *ret_done: the answer is complete. 0, < 0. */
ERR_CHECK int guard_on_answer(struct session *s, const struct event *ev, bool *ret_done);
