/* SPDX-License-Identifier: Apache-2.0 */
/* Journal rows of a session: what is written, masked, before it is done. */
#pragma once

#include "session/session.h"

/* Outcomes of journal_append() pass through: > 0 means not recorded, so not done. */
ERR_CHECK int record_session(struct session *s, const char *protocol);
void record_session_end(struct session *s, const char *reason);
void record_login(struct session *s);
/* Gives the request its ledger id and HMAC. */
ERR_CHECK int record_request(struct session *s);
ERR_CHECK int record_hold(struct session *s);
void record_hold_end(struct session *s, const char *outcome);
/* What the policy wants of the reply to a request in flight. */
void record_reply(struct session *s, const struct inflight *f, const struct reply *reply);
/* A reply that never came, or not to its end. */
void record_lost(struct session *s, const struct inflight *f);
/* A request that was not forwarded. */
void record_unsent(struct session *s, uint64_t request);

/* Names for people, in the request arena: "delete, read" and "orders, customers". */
struct slice record_effects(struct session *s);
struct slice record_objects(struct session *s);
/* Parameters, one a line: `$1 = '…'`; masked or in clear. */
struct slice record_params(struct session *s, bool masked);
const char *record_tx_name(enum tx_state tx);
