/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast detach: takes the kernel side off. The only way out, so it asks twice. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/cmds.h"
#include "cli/daemon_exec.h"
#include "util/cleanup.h"

static bool cmd_detach_is_confirmed(void)
{
	char answer[16];

	fprintf(stderr, "Agents that still run will then reach every address unseen.\n"
			"Type 'detach' to go on: ");
	return fgets(answer, sizeof(answer), stdin) && !strcmp(answer, "detach\n");
}

static bool cmd_detach_is_daemon_up(void)
{
	_cleanup_(client_deinit) struct client c;

	return !client_open(&c, CTL_SOCKET);
}

static int cmd_detach_run(const struct cmd *cmd, int argc, char **argv)
{
	char detach[] = "--detach";
	char *args[] = {NULL, detach, NULL};
	bool is_sure = false, is_forced = false;
	const char *value;
	int c;

	while ((c = cli_getopt(cmd, argc, argv, &value)) != -1) {
		if (c == '?')
			return CLI_USAGE;
		is_sure |= c == 'y';
		is_forced |= c == 'f';
	}
	if (cli_optind() < argc)
		return cli_fail(CLI_USAGE, "usage: holdfast %s", cmd->usage);
	if (geteuid())
		return cli_fail(CLI_FORBIDDEN, "only root may take the kernel side off");
	if (!is_forced && cmd_detach_is_daemon_up())
		return cli_fail(CLI_FAILED, "holdfastd is running and would go on without its "
					    "hooks: stop it first, or say "
					    "--force");
	if (!is_sure && !isatty(STDIN_FILENO))
		return cli_fail(CLI_USAGE, "without a terminal to ask on, say --yes");
	if (!is_sure && !cmd_detach_is_confirmed())
		return cli_fail(CLI_FAILED, "nothing was changed");
	return daemon_exec(args);
}

static const struct cmd_opt cmd_detach_opts[] = {
	{'y', "yes", NULL, "do not ask"},
	{'f', "force", NULL, "even while the daemon runs"},
	{0},
};

const struct cmd cmd_detach = {
	.name = "detach",
	.usage = "detach [--yes] [--force]",
	.help = "Take holdfast's programs off the control groups: agents are free.",
	.more = "Killing the daemon does not open anything: the kernel side stays and refuses.\n"
		"This command is the way to remove it. Root only.",
	.opts = cmd_detach_opts,
	.run = cmd_detach_run,
};
