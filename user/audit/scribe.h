/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scribe's loop: drains the rings into the ledger until told to stop. Runs in a process of its
 * own, under its own uid, without network; sleeps on wake_fd (eventfd, written by ring writers).
 *
 * While the ledger cannot be written, all rings are unwritable (P2), what they hold stays there,
 * and it tries again until it can.
 */
#pragma once

#include "audit/journal.h"
#include "audit/ledger.h"

/* Who signs the heads of the chain, and what may be removed: asked, and answering when it likes. */
enum scribe_word {
	SCRIBE_SIGN, /* ledger, entry, head: the answer has all of it; number 0: it is not signed */
	SCRIBE_PRUNE,  /* a checkpoint, whole: may what it covers go? The answer is of the kind
			  CHECKPOINT_PRUNED; number 0: it may not */
	SCRIBE_SEALED, /* ledger, entry, head: nothing comes behind it any more; not answered */
	SCRIBE_NEWEST, /* the newest checkpoint here, whole; number 0: there is none. The answer is
			  what was signed last, by whomever asked; number 0: nothing */
	SCRIBE_WORDS
};

struct scribe_signer {
	int fd; /* readable: an answer */
	/* False: it cannot be asked. */
	bool (*ask)(
		const struct scribe_signer *s, enum scribe_word word, const struct checkpoint *c);
	/* False: nothing there. */
	bool (*answer)(
		const struct scribe_signer *s, enum scribe_word *ret_word, struct checkpoint *ret);
	struct checkpoint last; /* what was kept of the last signature; number 0 = nothing was */
	bool is_stopped;        /* nothing was behind it when the last scribe ended */
};

struct scribe_config {
	const char *ledger_path;
	const char **ring_paths;    /* NULL-terminated; ring number = index */
	const int *ring_fds;        /* the same rings, open already; NULL: opened by path */
	const uint32_t *ring_kinds; /* what is taken from each: 1 << kind; NULL: everything */
	int wake_fd;
	const int *commit_fds; /* eventfd per ring: written after a commit that was asked for */
	int stop_fd;           /* readable (or closed) = drain what is there, commit, return */
	int ready_fd; /* struct ledger_ids is written here once replay is done; -1 = nowhere */
	struct ledger_retention retention;  /* now_ns is set by the scribe */
	const struct scribe_signer *signer; /* NULL: nobody signs */
	bool close_orphans; /* at the daemon's start: what a dead daemon left open is closed. Not
			     * when only the scribe starts again, since the enforcer lives */
};

/* Returns 0 after a stop; < 0 if it cannot go on (the warden starts another). The descriptors stay
 * the caller's, except ready_fd, which is closed once it was written. */
ERR_CHECK int scribe_run(const struct scribe_config *config);
