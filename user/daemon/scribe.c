/* SPDX-License-Identifier: Apache-2.0 */
/* The scribe process: drops what it does not need and drains. */
#include "audit/scribe.h"

#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/process.h"
#include "daemon/signer.h"
#include "priv/sandbox.h"
#include "util/cleanup.h"
#include "util/fd.h"
#include "util/log.h"

/* What each kind of writer records; from an enforcer that was taken over nothing else is taken. */
static const struct {
	unsigned ring; /* and those behind it, up to the next row's */
	uint32_t kinds;
} scribe_table[] = {
	{RING_WARDEN, 1 << RECORD_RUN | 1 << RECORD_RUN_END | 1 << RECORD_EVENT},
	{RING_CONTROL, 1 << RECORD_DECISION | 1 << RECORD_HOLD_END | 1 << RECORD_EVENT},
	{RING_WORKERS, 1 << RECORD_SESSION | 1 << RECORD_LOGIN | 1 << RECORD_SESSION_END |
			       1 << RECORD_REQUEST | 1 << RECORD_HOLD | 1 << RECORD_DECISION |
			       1 << RECORD_HOLD_END | 1 << RECORD_REPLY | 1 << RECORD_CONTENT |
			       1 << RECORD_EVENT},
};

static uint32_t scribe_kinds(unsigned ring)
{
	uint32_t kinds = 0;

	for (size_t i = 0; i < sizeof(scribe_table) / sizeof(scribe_table[0]); i++)
		if (ring >= scribe_table[i].ring)
			kinds = scribe_table[i].kinds;
	return kinds;
}

int scribe_main(const struct process *p, int stop_fd, int ready_fd, bool close_orphans)
{
	_cleanup_(freep) char *copy = strdup(p->config->ledger);
	const char *paths[RINGS_MAX + 1] = {NULL};
	uint32_t kinds[RINGS_MAX];
	const struct sandbox_scribe sandbox = {
		.uid = p->config->scribe_user,
		.gid = p->config->audit_group ? p->config->audit_group : p->config->scribe_gid,
		.ledger_dir = copy ? dirname(copy) : "/",
	};
	const struct scribe_signer signer = signer_of_scribe(p->signer);
	const struct scribe_config config = {
		.ledger_path = p->config->ledger,
		.ring_paths = paths,
		.ring_fds = p->ring_fds,
		.ring_kinds = kinds,
		.wake_fd = p->wake_fd,
		.commit_fds = p->commit_fds,
		.stop_fd = stop_fd,
		.ready_fd = ready_fd,
		.signer = &signer,
		.retention = {.age_ns = p->config->retention_age_ns,
			.size = p->config->retention_size,
			.legal_holds = p->config->legal_holds},
		.close_orphans = close_orphans,
	};
	int keep[5 + 2 * RINGS_MAX];
	size_t n_keep = 0;
	int r;

	log_setup("scribe", log_max());
	keep[n_keep++] = p->wake_fd;
	keep[n_keep++] = stop_fd;
	keep[n_keep++] = ready_fd;
	keep[n_keep++] = signer.fd;
	for (unsigned i = 0; i < p->n_rings; i++) {
		keep[n_keep++] = p->ring_fds[i];
		keep[n_keep++] = p->commit_fds[i];
	}
	r = fd_close_except(keep, n_keep);
	if (r)
		return 1;
	umask(0027); /* the ledger: its group reads, others nothing */
	for (unsigned i = 0; i < p->n_rings; i++) {
		paths[i] = p->ring_paths[i];
		kinds[i] = scribe_kinds(i);
	}
	r = sandbox_enter_scribe(&sandbox);
	if (r < 0) {
		log_error("scribe.sandbox", "errno=%d", -r);
		return 1;
	}
	r = scribe_run(&config);
	if (r)
		log_error("scribe.end", "errno=%d", -r);
	return r ? 1 : 0;
}
