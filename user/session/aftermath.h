/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What code of somebody's may leave behind in a session, so that later requests are not what they
 * look like: a prepared statement or cursor with another meaning under the same name (DEALLOCATE
 * and PREPARE are allowed to any function, in read-only transactions too), and errors that are
 * raised when the transaction ends.
 *
 * Nobody tells of a name that was taken over. So where such code may have run, the server is asked
 * before the next request that goes by a name: once for all names, and in front of nothing else.
 * Whether code may have run is known where masks name columns (masked.c); elsewhere every statement
 * that may run what its text does not show counts. There only writes, and what shows all that it
 * does, have to be sure of their names: anything else wears the belt or meets the guard, and code
 * that could show a row by another name could have shown it by itself.
 */
#pragma once

#include <stdbool.h>

#include "proto/proto.h"
#include "util/err.h"

struct session;

enum aftermath_answer { AFTERMATH_UNASKED, AFTERMATH_ASKING, AFTERMATH_FAILED };

struct aftermath {
	bool doubts_names; /* code may have run since the server was last asked … */
	/* … or only such as may write anyway: no matter to what is allowed, but a human is shown
	 * what goes by a name, and approves that. */
	bool doubts_shown;
	/* In the open transaction something ran of which errors may quote what is protected: so may
	 * those of its end. */
	bool quotes;
	enum aftermath_answer answer;
};

enum {
	AFTERMATH_E_DRAIN = 1, /* wait until all that was sent is answered, then call again */
	AFTERMATH_E_ASKED = 2, /* wait for the answer, then call again */
};

/* Before the request at hand is ruled on, and behind guard_check(): is each name in it what it was?
 * 0, AFTERMATH_E_*, < 0. */
ERR_CHECK int aftermath_check(struct session *s);
/* An EV_ANSWER to that question. *ret_done: the answer is complete. 0, < 0. */
ERR_CHECK int aftermath_on_answer(struct session *s, const struct event *ev, bool *ret_done);
/* The request at hand is let through. */
void aftermath_passed(struct session *s);
/* After a server unit: forgets what is over. */
void aftermath_follow(struct session *s);
