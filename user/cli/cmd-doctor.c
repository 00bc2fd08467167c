/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast doctor: what this host can and cannot enforce. */
#include <string.h>
#include <unistd.h>

#include "cli/cmds.h"
#include "cli/daemon_exec.h"

static int cmd_doctor_run(const struct cmd *cmd, int argc, char **argv)
{
	char doctor[] = "--doctor", json[] = "--json";
	char *args[] = {NULL, doctor, NULL, NULL};
	const char *value;
	int c;

	while ((c = cli_getopt(cmd, argc, argv, &value)) != -1) {
		if (c == '?')
			return CLI_USAGE;
		args[2] = json;
	}
	if (cli_optind() < argc)
		return cli_fail(CLI_USAGE, "usage: holdfast %s", cmd->usage);
	if (geteuid())
		return cli_fail(CLI_HOST, "the kernel is probed by really loading programs, which "
					  "needs root: sudo holdfast "
					  "doctor");
	return daemon_exec(args);
}

static const struct cmd_opt cmd_doctor_opts[] = {
	{0, "json", NULL, "one JSON object a layer"},
	{0},
};

const struct cmd cmd_doctor = {
	.name = "doctor",
	.usage = "doctor [--json]",
	.help = "Show what this host can enforce, and what is uncovered without it.",
	.more = "Exit code 3: something that holdfast cannot do without is missing.",
	.opts = cmd_doctor_opts,
	.run = cmd_doctor_run,
};
