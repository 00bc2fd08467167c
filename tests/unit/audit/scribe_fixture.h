/* SPDX-License-Identifier: Apache-2.0 */
/* A scribe in a process of its own, over rings in the fixture's folder. */
#pragma once

#include <sys/types.h>

#include "audit/scribe.h"

enum { SCRIBE_RINGS = 2, SCRIBE_RING_SIZE = 1 << 16 };

struct scribe_fixture {
	const char *ledger;
	const char *ring_paths[SCRIBE_RINGS + 1];
	const uint32_t *kinds;               /* as scribe.h has them */
	struct journal *rings[SCRIBE_RINGS]; /* writers */
	int wake, stop, commit_fds[SCRIBE_RINGS];
	const struct scribe_signer *signer; /* NULL: nobody signs */
	pid_t pid;
	struct ledger_ids ids; /* as the scribe reported them */
};

/* Makes rings and descriptors; the ledger is in `ledger`. */
void scribe_fixture_init(struct scribe_fixture *s, const char *ledger);
/* Starts a scribe and waits until it is ready. */
void scribe_fixture_start(struct scribe_fixture *s, bool close_orphans);
/* Stops it and expects that it ends well. */
void scribe_fixture_stop(struct scribe_fixture *s);
void scribe_fixture_kill(struct scribe_fixture *s);
void scribe_fixture_deinit(struct scribe_fixture *s);

/* Waits until cond, at most ten seconds. */
#define WAIT_UNTIL(cond)                                                                           \
	do {                                                                                       \
		int64_t deadline_ = clock_mono_ns() + 10 * CLOCK_NS_PER_S;                         \
		while (!(cond)) {                                                                  \
			cr_assert(clock_mono_ns() < deadline_, "never came: %s", #cond);           \
			poll(NULL, 0, 1);                                                          \
		}                                                                                  \
	} while (0)
