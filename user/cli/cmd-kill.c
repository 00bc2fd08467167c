/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast kill: ends every process of a run. */
#include <stdlib.h>

#include "cli/cmds.h"
#include "cli/kill.h"

static int cmd_kill_run(const struct cmd *cmd, int argc, char **argv)
{
	unsigned long long run;
	char *end, text[512];
	int code;

	if (argc != 2)
		return cli_fail(CLI_USAGE, "usage: holdfast %s", cmd->usage);
	run = strtoull(argv[1], &end, 10);
	if (!run || *end || argv[1][0] == '-')
		return cli_fail(
			CLI_USAGE, "'%s' is no id of a run; `holdfast status` lists them", argv[1]);
	code = kill_run(run, text, sizeof(text));
	return code ? cli_fail((enum cli_exit)code, "%s", text) : CLI_OK;
}

const struct cmd cmd_kill = {
	.name = "kill",
	.usage = "kill <run-id>",
	.help = "Kill every process of a run, wherever it forked to.",
	.more = "Its processes are frozen first, so that nothing forks away, and then killed all "
		"at "
		"once.\nRoot may kill every run, others their own; who did it is in the ledger.",
	.run = cmd_kill_run,
};
