/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of run.sock as the warden reads them: ctl/wire.h says what they look like. */
#pragma once

#include "priv/run.h"
#include "util/reader.h"
#include "util/writer.h"

enum { RUN_WIRE_E_MALFORMED = 1 };

/* The body of RUN_START; slices into it. fds and owner_uid are the caller's to fill in. */
ERR_CHECK int run_wire_parse_start(struct slice body, struct run_request *ret);
/* Signals that a CLI may pass on. */
bool run_wire_may_signal(uint32_t sig);
