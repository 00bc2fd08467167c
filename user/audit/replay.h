/* SPDX-License-Identifier: Apache-2.0 */
/* A session as it went: its records in the order of time, one by one, read from the ledger. */
#pragma once

#include "audit/query.h"

enum {
	REPLAY_E_NONE = 1,     /* no such session */
	REPLAY_E_END = 2,      /* that was all */
	REPLAY_E_TOO_LONG = 3, /* too long to be read in one go */
};

struct replay;

/* q is borrowed and used by the replay alone until replay_free(). 0, REPLAY_E_NONE,
 * REPLAY_E_TOO_LONG. */
ERR_CHECK int replay_new(struct query *q, uint64_t session, struct replay **ret);
struct replay *replay_free(struct replay *p);

struct replay_step {
	enum record_kind kind;
	int64_t at_ns;
	int64_t since_start_ns;
	int64_t since_last_ns; /* what --speed waits */
	union record record;   /* slices are valid until the next step */
};

/* 0, REPLAY_E_END. */
ERR_CHECK int replay_next(struct replay *p, struct replay_step *ret);
