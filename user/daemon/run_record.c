/* SPDX-License-Identifier: Apache-2.0 */
/* Records of runs: see run_record.h. */
#include "daemon/run_record.h"

#include <stdio.h>
#include <sys/wait.h>

#include "mask/mask.h"
#include "priv/redact.h"
#include "util/log.h"

/* What no command line may leave in history; host names and addresses stay readable. */
static const char *record_no_columns[] = {NULL};
static const struct mask_rule record_secrets = {
	.name = "command line",
	.columns = record_no_columns,
	.detectors = DETECTOR_BIT(DETECTOR_CREDIT_CARD) | DETECTOR_BIT(DETECTOR_US_SSN) |
		     DETECTOR_BIT(DETECTOR_IBAN) | DETECTOR_BIT(DETECTOR_JWT) |
		     DETECTOR_BIT(DETECTOR_SECRET),
	.as = TRANSFORM_PARTIAL,
};
static const struct mask_rule *const record_masks[] = {&record_secrets, NULL};

int run_record_start(struct journal *journal, const struct run *run, const uint8_t *mask_key)
{
	char command[sizeof(run->command)];
	struct mask_stats stats = {0};
	struct arena arena;
	int r;
	struct record_run rec = {
		.id = run->id,
		.name = slice_str(run->name),
		.owner_uid = run->owner_uid,
		.uid = run->uid,
		.cgroup = run->cgroup,
		.degraded = slice_str(run->degraded),
	};

	redact_command(run->command, command, sizeof(command));
	rec.command = slice_str(command);
	arena_init(&arena, 64 * 1024);
	mask_text(record_masks, rec.command, mask_key, &arena, &rec.command, &stats);
	r = journal_append(journal, RECORD_RUN, &rec, NULL);
	arena_deinit(&arena);
	return r < 0 ? err_trace(r) : r ? err_fold(r) : 0;
}

void run_record_end(struct journal *journal, const struct run *run, int status)
{
	struct record_run_end rec = {.run = run->id};
	char text[32];

	if (WIFSIGNALED(status))
		snprintf(text, sizeof(text), "signal %d", WTERMSIG(status));
	else
		snprintf(text, sizeof(text), "exit %d", WEXITSTATUS(status));
	rec.status = slice_str(text);
	if (journal_append(journal, RECORD_RUN_END, &rec, NULL))
		log_warn("event.lost", "run=%llu %s", (unsigned long long)run->id, text);
}
