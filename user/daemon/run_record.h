/* SPDX-License-Identifier: Apache-2.0 */
/* What history keeps of a run: its birth, without the secrets that people put into command lines,
 * and how its command ended. */
#pragma once

#include "audit/journal.h"
#include "priv/run.h"

/* mask_key: 32 bytes. 0, or the run must not begin. */
ERR_CHECK int run_record_start(
	struct journal *journal, const struct run *run, const uint8_t *mask_key);
/* status as of waitpid(2). A record that is lost is logged. */
void run_record_end(struct journal *journal, const struct run *run, int status);
