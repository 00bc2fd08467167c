/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `holdfastd --prune`: what retention does while the daemon runs, by hand while it does not. A
 * child does it as the scribe, behind the scribe's sandbox; this process, which has the key, signs
 * what may go and the new end, as the warden would. Runs under the configuration's legal hold stay.
 */
#pragma once

#include "daemon/config.h"
#include "util/err.h"

enum { PRUNE_HOLDS_MAX = 64 };

struct prune_wish {
	const char *age, *size;                 /* as written; NULL: none */
	const char *holds[PRUNE_HOLDS_MAX + 1]; /* names of runs, besides the configuration's */
	size_t n_holds;
};

/* With the daemon's lock held, as root. An exit code, everything said on stdout or stderr. */
int prune_by_hand(const struct config *config, const struct prune_wish *wish);
