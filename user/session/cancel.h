/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cancel request that is passed on: a connection of its own to the server, which gets the bytes
 * that the decoder gave and is closed when the server closes it. Bounded in number and time.
 */
#pragma once

#include "session/session.h"

struct mail;

/* A client asks to cancel, on a connection for that alone (EV_CANCEL). It waits for the end of that
 * connection, which tells it that no cancel is on its way any more that could meet its next
 * statement: so that comes when the server's has ended, and it is parked until then. */
void cancel_ask(struct session *s, const struct event *ev);
/* MAIL_CANCELLED: one worker less to wait for. */
void cancel_answered(struct session *s);
/* Nothing is under way for that MAIL_CANCEL, or not any more. */
void cancel_answer(struct worker *w, const struct mail *asked);
/* Cancels, at the server, what this session is doing. Best effort, as cancelling is everywhere.
 * asked: the MAIL_CANCEL that is to be answered at its end, or NULL. False: there will be none. */
bool cancel_send(struct session *s, const struct mail *asked);
/* Drops those under way, at the worker's end. */
void cancel_deinit(struct worker *w);
