/* SPDX-License-Identifier: Apache-2.0 */
/* What a request that waits needs for itself. */
#pragma once

#include "session/session.h"

/* Copies what the request at hand points to into the request arena: while it waits, the decoder is
 * called for other things and its memory may move. 0, -ENOMEM. */
ERR_CHECK int keep_request(struct session *s);
