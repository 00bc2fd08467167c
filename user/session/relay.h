/* SPDX-License-Identifier: Apache-2.0 */
/* The only code that moves peer bytes: frame → decode → (decide) → settle → write. */
#pragma once

#include "session/session.h"

enum {
	RELAY_E_CLOSED = 1, /* the session was closed on the way: touch nothing */
};

/* Event callbacks of the two sockets. */
void relay_on_client(struct loop_source *src, uint32_t events);
void relay_on_server(struct loop_source *src, uint32_t events);
/* Executes what a decoder call left in `sink` for `bytes` of `from`; the caller consumes them. */
ERR_CHECK int relay_apply(
	struct session *s, enum side from, struct slice bytes, const struct sink *sink);
/* Settles the request under judgement and goes on with what follows it. */
ERR_CHECK int relay_settle(struct session *s, const struct verdict *v);
/* Writes queued bytes, sets which events to wait for. */
ERR_CHECK int relay_flush(struct session *s);
/* After a park ended: pumps what the client sent meanwhile, writes. 0, < 0. */
ERR_CHECK int relay_resume(struct session *s);
/* Leaves the parked state: bytes that came meanwhile are in line again. Does not pump. */
ERR_CHECK int relay_unpark(struct session *s);
