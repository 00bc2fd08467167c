/* SPDX-License-Identifier: Apache-2.0 */
/* What the processes do alike: see process.h. */
#include "daemon/process.h"

#include <poll.h>
#include <string.h>

#include "audit/journal.h"
#include "util/log.h"

/* Together five seconds: a ring with damage in it is the scribe's until it has given the rest up.
 */
enum { RING_TRIES = 100, RING_WAIT_MS = 50 };

int process_open_ring(const struct process *p, unsigned i, struct journal **ret)
{
	for (int tries = 0;; tries++) {
		int r = journal_open_writer_fd(p->ring_fds[i], p->wake_fd, ret);

		if (r != JOURNAL_E_BROKEN || tries == RING_TRIES)
			return r > 0 ? err_fold(r) : err_trace(r);
		poll(NULL, 0, RING_WAIT_MS);
	}
}

int process_mend_ring(const struct process *p, unsigned i, struct journal **j)
{
	if (!*j || !journal_is_broken(*j))
		return 0;
	log_error("journal.broken", "ring=%u: opened anew behind what was given up", i);
	*j = journal_close(*j);
	return err_trace(process_open_ring(p, i, j));
}

void process_forget_keys(struct process *p)
{
	explicit_bzero(p->ledger_key, sizeof(p->ledger_key));
	explicit_bzero(p->mask_key, sizeof(p->mask_key));
}
