/* SPDX-License-Identifier: Apache-2.0 */
/* What a held request is compared by, with grants and with other held requests. */
#pragma once

#include "session/session.h"

/*
 * Keys of the request at hand, under its ruling; HMACs, so that nobody can make a request to fit
 * one. *ret_free: the values that are free in its shape, one a line, in the request arena; empty if
 * there are none or it has no shape. 0, -ENOMEM.
 */
ERR_CHECK int keys_make(struct session *s, struct hold_keys *ret, struct slice *ret_free);
/* A request that is about to pass: if it may change what later texts of the session mean, the
 * session's later requests have other keys than before. */
void keys_note_passed(struct session *s);
