/* SPDX-License-Identifier: Apache-2.0 */
/* Does the kernel side still stand as we put it up? What somebody took away is put back, and told.
 */
#pragma once

#include "daemon/process.h"

struct tamper {
	const struct process *p;
	/* For the ledger: "tampered", "repaired". */
	void (*on_event)(void *arg, const char *kind, uint64_t run, const char *text);
	void *arg;
	int64_t next_ns;
	unsigned n_broken;
};

/* Is every hook where it was put? What is not is put back, unless `holdfast detach` took it. */
bool tamper_verify(struct tamper *t);
/* The same, if it is time. */
void tamper_tick(struct tamper *t);
/* For `holdfast status`: an event of this kind is being recorded. */
void tamper_note(const struct process *p, const char *kind);
