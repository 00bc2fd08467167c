/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contents of replies for the ledger, as `record: head` and `full` ask: what the agent is given,
 * after masking, gathered in parts that are packed and go to the journal one by one. A session has
 * one reply at work at a time and holds one part of it at most.
 *
 * Nothing waits for them. Where the journal has no room, the rest of that reply is dropped, and its
 * reply row says so.
 */
#pragma once

#include "session/session.h"

/* Is more of the reply to that request wanted? */
bool contents_wants(const struct session *s, uint64_t seq);
/* Values as the agent gets them, in the order of the event's columns. */
void contents_row(struct session *s, const struct event *ev, const struct value *values);
/* A piece of a value, of which the last hold_back bytes will come again. */
void contents_value(struct session *s, const struct event *ev, size_t hold_back);
/* A line of COPY, the result of a call, or a notice; n fields as the agent gets them. */
void contents_text(struct session *s, const struct event *ev, const struct slice *fields, size_t n);
/* The reply is complete, or never will be: what was kept of it goes to the journal and is told in
 * rec->contents and rec->contents_len. */
void contents_end(struct session *s, const struct inflight *f, struct record_reply *rec);
void contents_deinit(struct contents *c);
