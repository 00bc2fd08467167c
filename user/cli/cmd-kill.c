/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast kill: ends every process of a run. */
#include <inttypes.h>
#include <stdlib.h>

#include "cli/client.h"
#include "cli/cmds.h"
#include "util/cleanup.h"

static int cmd_kill_send(uint64_t run)
{
	_cleanup_(client_deinit) struct client c;
	uint8_t body[8];
	struct writer w = writer_of(body, sizeof(body));
	int r = client_open(&c, RUN_SOCKET);

	wr_be64(&w, run);
	if (!r)
		r = client_send(&c, RUN_KILL, wr_done(&w), NULL, 0);
	if (!r)
		r = client_read(&c);
	if (r)
		return client_explain(r);
	if (c.type == CTL_ERROR)
		return client_explain_error(&c);
	return c.type == CTL_END ? CLI_OK : client_explain(CLIENT_E_BAD);
}

static int cmd_kill_run(const struct cmd *cmd, int argc, char **argv)
{
	unsigned long long run;
	char *end;

	if (argc != 2)
		return cli_fail(CLI_USAGE, "usage: holdfast %s", cmd->usage);
	run = strtoull(argv[1], &end, 10);
	if (!run || *end || argv[1][0] == '-')
		return cli_fail(
			CLI_USAGE, "'%s' is no id of a run; `holdfast status` lists them", argv[1]);
	return cmd_kill_send(run);
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
