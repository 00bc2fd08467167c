/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The warden's signature under the ledger: it keeps the key, in a folder where only root writes,
 * and signs what the scribe says is the head of the chain. It numbers the checkpoints without gaps
 * and keeps the last one in a file of its own (and elsewhere, if the configuration says where), so
 * that a ledger whose end was cut off, or that was swapped, does not match.
 */
#pragma once

#include "audit/checkpoint.h"
#include "daemon/config.h"
#include "net/loop.h"
#include "util/err.h"

enum { SIGNER_WARDEN, SIGNER_SCRIBE }; /* ends of the channel */

struct signer {
	struct checkpoint_key *key;
	struct checkpoint last; /* number 0: nothing was signed yet */
	int fds[2];             /* SIGNER_WARDEN, SIGNER_SCRIBE: one channel for all scribes */
	struct loop_source src;
	const char *anchor, *anchor_command;
	int64_t anchored_ns; /* 0: never */
	bool is_anchor_due;
	char head_path[1100];
};

/* Files of the key folder. */
#define SIGNER_KEY    "checkpoint.key" /* root's alone */
#define SIGNER_PUBLIC "checkpoint.pub"
#define SIGNER_HEAD   "checkpoint.last"

/* Loads or makes the key; opens the channel. < 0 with errno's meaning. */
ERR_CHECK int signer_init(struct signer *s, const struct config *c);
/* Answers in the warden's loop. */
ERR_CHECK int signer_watch(struct signer *s, struct loop *loop);
/* Answers until the process behind pidfd ends, at most timeout_ms: the last signatures of a scribe
 * that was told to stop. */
void signer_attend(struct signer *s, int pidfd, int timeout_ms);
/* Tells the anchor what it has not been told yet. */
void signer_finish(struct signer *s);
