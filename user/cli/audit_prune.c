/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast audit prune: retention by hand, while the daemon does not run. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/audit_cmds.h"
#include "cli/daemon_exec.h"

enum { AUDIT_PRUNE_ARGS_MAX = 64 };

static const struct cmd_opt audit_prune_opts[] = {
	{'a', "age", "TIME", "what is older: 12h, 90d, 52w"},
	{'z', "size", "SIZE", "the oldest, until the rest is not larger: 500M, 20G"},
	{'H', "legal-hold", "RUN",
		"but nothing of runs of this name (with * and ?), again and again"},
	{'c', "config", "FILE", "the daemon's configuration, whose legal_hold always holds"},
	{'y', "yes", NULL, "do not ask"},
	{0},
};

static bool audit_prune_is_confirmed(void)
{
	char answer[16];

	fprintf(stderr, "The oldest part of the ledger is removed for good.\n"
			"Type 'prune' to go on: ");
	return fgets(answer, sizeof(answer), stdin) && !strcmp(answer, "prune\n");
}

static int audit_prune_run(const struct cmd *cmd, int argc, char **argv)
{
	static char prune[] = "--prune", age[] = "--age", size[] = "--size",
		    hold[] = "--legal-hold", config[] = "--config";
	char *args[AUDIT_PRUNE_ARGS_MAX] = {NULL, prune};
	const char *value;
	bool is_sure = false, has_limit = false;
	size_t n = 2;
	int c;

	while ((c = cli_getopt(cmd, argc, argv, &value)) != -1) {
		if (c == '?')
			return CLI_USAGE;
		if (c == 'y') {
			is_sure = true;
			continue;
		}
		if (n + 2 >= AUDIT_PRUNE_ARGS_MAX)
			return cli_fail(CLI_USAGE, "prune: that is too much to hold");
		has_limit |= c == 'a' || c == 'z';
		args[n++] = c == 'a' ? age : c == 'z' ? size : c == 'H' ? hold : config;
		/* exec() takes what it does not change without const. */
		args[n++] = (char *)(uintptr_t)value;
	}
	if (cli_optind() < argc || !has_limit)
		return cli_fail(CLI_USAGE, "usage: holdfast %s", cmd->usage);
	if (geteuid())
		return cli_fail(CLI_FORBIDDEN, "only root may prune the ledger");
	if (!is_sure && !isatty(STDIN_FILENO))
		return cli_fail(CLI_USAGE, "without a terminal to ask on, say --yes");
	if (!is_sure && !audit_prune_is_confirmed())
		return cli_fail(CLI_FAILED, "nothing was changed");
	return daemon_exec(args);
}

const struct cmd audit_prune = {
	.name = "prune",
	.usage = "audit prune --age TIME | --size SIZE [--legal-hold RUN] [--config FILE] [--yes]",
	.help = "Remove the oldest part of the ledger, while the daemon does not run.",
	.more = "Whole parts go, up to a signed checkpoint, which stays: the rest can be verified "
		"as\n"
		"before, and an event `pruned` says what went. Runs under legal hold, by the\n"
		"configuration or by --legal-hold, keep all their rows; so does what still lives.\n"
		"While the daemon runs it does this by itself: retention_age and retention_size.",
	.opts = audit_prune_opts,
	.run = audit_prune_run,
};
