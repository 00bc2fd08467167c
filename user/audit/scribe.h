/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scribe's loop: drains the rings into the ledger until told to stop. Runs in a process of its
 * own, under its own uid, without network; sleeps on wake_fd (eventfd, written by ring writers).
 */
#pragma once

#include "audit/journal.h"
#include "audit/ledger.h"

struct scribe_config {
	const char *ledger_path;
	const char **ring_paths; /* NULL-terminated; ring number = index */
	int wake_fd;
	const int *commit_fds;	 /* eventfd per ring: written after a commit that was asked for */
	int stop_fd;		 /* readable (or closed) = drain what is there, commit, return */
	int ready_fd;		 /* struct ledger_ids is written here once replay is done; then closed */
};

/* Returns 0 after a stop; < 0 if it cannot go on (the warden starts another). */
ERR_CHECK int scribe_run(const struct scribe_config *config);
