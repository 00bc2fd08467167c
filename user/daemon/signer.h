/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The warden's signature under the ledger: it keeps the key, in a folder where only root writes,
 * and signs what the scribe says is the head of the chain. It numbers the checkpoints without gaps
 * and keeps the last one in a file of its own (and elsewhere, if the configuration says where), so
 * that a ledger whose end was cut off, or that was swapped, does not match. Should that file be
 * lost, or older than what is in the ledger, its own signature there is as good.
 *
 * Whether a head is that of an honest chain it cannot know: the database is the scribe's. But the
 * past it does not leave to the scribe. It signs what retention may remove, by its own
 * configuration, its own clock and the time that it signed itself; and, when a scribe ends well,
 * that nothing stands behind the last head, so that what was appended meanwhile is told from what
 * was written.
 */
#pragma once

#include "audit/checkpoint.h"
#include "audit/scribe.h"
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
	uint64_t taken;           /* numbers up to here are given away, though not by this key */
	int64_t retention_age_ns; /* as config.h has them */
	uint64_t retention_size;
	bool is_stopped;  /* a scribe ended, and nothing is behind `last` */
	bool was_stopped; /* the same, when the scribe was started that runs now */
	char head_path[1100];
};

/* Files of the key folder. */
#define SIGNER_KEY    "checkpoint.key" /* root's alone */
#define SIGNER_PUBLIC "checkpoint.pub"
#define SIGNER_HEAD   "checkpoint.last"

/* Loads or makes the key; opens the channel. < 0 with errno's meaning. */
ERR_CHECK int signer_init(struct signer *s, const struct config *c);
/* Before a scribe is forked: it may write behind the last head from now on. 0, < 0. */
ERR_CHECK int signer_begin(struct signer *s);
/* How a scribe, forked now, asks. */
struct scribe_signer signer_of_scribe(const struct signer *s);
/* Answers in the warden's loop. */
ERR_CHECK int signer_watch(struct signer *s, struct loop *loop);
/* Answers until fd is readable, at most timeout_ms: the pidfd of a scribe that was told to stop and
 * has last things to be signed, or where one says that it is ready. False: it is not. */
bool signer_attend(struct signer *s, int fd, int timeout_ms);
/* At the daemon's end: tells the anchor what it has not been told yet, and keeps whether all is
 * signed. */
void signer_finish(struct signer *s);
