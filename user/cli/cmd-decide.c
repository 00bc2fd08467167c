/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast approve, holdfast deny: a decision from the command line. */
#include <inttypes.h>
#include <string.h>

#include "cli/cmds.h"
#include "cli/decide.h"

static int cmd_decide_run(const struct cmd *cmd, int argc, char **argv)
{
	bool is_approval = cmd == &cmd_approve;
	const char *value, *reason = "";
	struct decide_result result;
	uint64_t id;
	int c, code;

	while ((c = cli_getopt(cmd, argc, argv, &value)) != -1) {
		if (c == '?')
			return CLI_USAGE;
		reason = value;
	}
	if (argc - cli_optind() != 1)
		return cli_fail(CLI_USAGE, "usage: holdfast %s", cmd->usage);
	id = cli_hold_id(argv[cli_optind()]);
	if (!id)
		return cli_fail(CLI_USAGE, "'%s' is no id of a hold; `holdfast pending` lists them",
			argv[cli_optind()]);
	if (!is_approval && !*reason)
		return cli_fail(
			CLI_USAGE, "a denial needs a reason, which the agent is told: -m REASON");
	if (strlen(reason) > DECIDE_REASON_MAX)
		return cli_fail(CLI_USAGE, "the reason is longer than %d bytes", DECIDE_REASON_MAX);
	code = decide_send(id, is_approval, reason, &result);
	if (code == CLI_OK)
		printf("%s\n", result.text);
	else
		cli_fail((enum cli_exit)code, "%s", result.text);
	return code;
}

static const struct cmd_opt cmd_approve_opts[] = {
	{'m', "message", "REASON", "why; kept in the ledger"},
	{0},
};

const struct cmd cmd_approve = {
	.name = "approve",
	.usage = "approve <hold-id> [-m reason]",
	.help = "Release a held request.",
	.more = "The very bytes that were shown run, once. Exit code 5: the hold ended before.",
	.opts = cmd_approve_opts,
	.run = cmd_decide_run,
};

static const struct cmd_opt cmd_deny_opts[] = {
	{'m', "message", "REASON", "why; the agent is told, and the ledger keeps it"},
	{0},
};

const struct cmd cmd_deny = {
	.name = "deny",
	.usage = "deny <hold-id> -m reason",
	.help = "Refuse a held request: the agent gets a clean error with the reason.",
	.opts = cmd_deny_opts,
	.run = cmd_decide_run,
};
