/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast status: what the daemon says of itself. */
#include <inttypes.h>
#include <string.h>

#include "cli/client.h"
#include "cli/cmds.h"
#include "cli/show_status.h"
#include "cli/text.h"

static int cmd_status_print(void *arg, json_t *j)
{
	if (arg)
		text_print_json(stdout, j);
	else
		show_status(stdout, j);
	return CLI_OK;
}

static int cmd_status_run(const struct cmd *cmd, int argc, char **argv)
{
	const char *value;
	bool as_json = false;
	int c;

	while ((c = cli_getopt(cmd, argc, argv, &value)) != -1) {
		if (c == '?')
			return CLI_USAGE;
		as_json = true;
	}
	if (cli_optind() < argc)
		return cli_fail(CLI_USAGE, "usage: holdfast %s", cmd->usage);
	return client_ask(CTL_STATUS, SLICE_NULL, cmd_status_print, as_json ? &as_json : NULL);
}

static const struct cmd_opt cmd_status_opts[] = {
	{0, "json", NULL, "print the daemon's answer as it is, one JSON object"},
	{0},
};

const struct cmd cmd_status = {
	.name = "status",
	.usage = "status [--json]",
	.help = "Show the daemon, its policy, its runs and what it counted.",
	.opts = cmd_status_opts,
	.run = cmd_status_run,
};
