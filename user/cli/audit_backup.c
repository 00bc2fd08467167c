/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast audit backup: a copy of the ledger, taken while the daemon runs. */
#include <inttypes.h>

#include "audit/backup.h"
#include "cli/audit_cmds.h"
#include "util/clock.h"

static const struct cmd_opt audit_backup_opts[] = {
	{'l', "ledger", "PATH", "another ledger than the daemon's"},
	{0},
};

static void audit_backup_progress(void *arg, uint64_t done, uint64_t all)
{
	int64_t *shown_ns = arg, now = clock_mono_ns();

	if (!cli_is_tty(stderr) || now - *shown_ns < CLOCK_NS_PER_S / 5)
		return;
	*shown_ns = now;
	fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " pages", done, all);
}

static int audit_backup_run(const struct cmd *cmd, int argc, char **argv)
{
	const char *value, *ledger = cli_ledger();
	int64_t shown_ns = 0;
	int letter;

	while ((letter = cli_getopt(cmd, argc, argv, &value)) != -1) {
		if (letter == '?')
			return CLI_USAGE;
		ledger = value;
	}
	if (argc - cli_optind() != 1)
		return cli_fail(CLI_USAGE, "usage: holdfast %s", cmd->usage);
	argv += cli_optind();
	switch (backup_make(ledger, *argv, audit_backup_progress, &shown_ns)) {
	case 0:
		if (shown_ns)
			fputs("\r\x1b[K", stderr);
		return CLI_OK;
	case BACKUP_E_NO_LEDGER:
		return cli_fail(CLI_HOST, "%s is no ledger that can be read", ledger);
	case BACKUP_E_EXISTS:
		return cli_fail(CLI_FAILED, "%s is there already", *argv);
	}
	return cli_fail(CLI_FAILED, "%s cannot be written", *argv);
}

const struct cmd audit_backup = {
	.name = "backup",
	.usage = "audit backup FILE [--ledger PATH]",
	.help = "Copy the ledger as it is now; the daemon may run.",
	.more = "The copy is one file and can be listed, searched and verified (--ledger). Do not\n"
		"copy ledger.db with cp while the daemon runs: the newest rows are in its WAL.",
	.opts = audit_backup_opts,
	.run = audit_backup_run,
};
