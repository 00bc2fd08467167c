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
/* A human, a deadline or the client ended the hold: outcome for the ledger ("approved", "denied",
 * "expired", "cancelled"), who and why for the agent. */
ERR_CHECK int decide_released(
	struct session *s, bool approved, const char *outcome, const char *by, const char *reason);
/* The facts came from the parser thread; error < 0: there are none. */
ERR_CHECK int decide_facts(struct session *s, const struct facts *facts, int error);
