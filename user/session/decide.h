/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request → facts → policy → ruling → verdict. The one place where protocols and policy meet.
 *
 * A ruling may have to wait; then the session is parked and decide_advance() is called again when
 * what it waited for has come. No caller assumes that a ruling is immediate.
 */
#pragma once

#include "session/session.h"

enum {
	DECIDE_E_PARKED = 1, /* s->park says why; somebody will call decide_advance() */
	DECIDE_E_CLOSED = 2, /* the session is gone */
};

/* A new request is in s->asked.request. 0: it was settled; go on with the next unit. */
ERR_CHECK int decide_request(struct session *s);
/* Goes on with a parked request. The same outcomes. */
ERR_CHECK int decide_advance(struct session *s);
/* Something happened to the request that is held (hold/fate.h says what follows from it); by whom
 * and why, for the agent, or NULL. The same outcomes; 0 also if it goes on waiting, or had ended.
 */
ERR_CHECK int decide_released(
	struct session *s, enum hold_event event, const char *by, const char *reason);
/* Does what was held and agreed to wait for the catalog's answer, before it is let through? */
bool decide_asks_again(const struct session *s);
/* Who asks, and where, as the policy is asked about the request at hand. */
struct policy_subject decide_subject(const struct session *s);
/* The facts came from the parser thread; error < 0: there are none. */
ERR_CHECK int decide_facts(struct session *s, const struct facts *facts, int error);
/* An EV_ANSWER to the question which columns a COPY has. *ret_done: it is complete. 0, < 0. */
ERR_CHECK int decide_on_columns(struct session *s, const struct event *ev, bool *ret_done);
