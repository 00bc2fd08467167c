/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cancel request that is passed on: a connection of its own to the server, which gets the bytes
 * that the decoder gave and is closed when the server closes it. Bounded in number and time.
 */
#pragma once

#include "session/session.h"

/* Cancels, at the server, what this session is doing. Best effort, as cancelling is everywhere. */
void cancel_send(struct session *s);
/* Drops those under way, at the worker's end. */
void cancel_deinit(struct worker *w);
