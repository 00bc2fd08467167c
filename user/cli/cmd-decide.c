/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast approve, holdfast deny: a decision from the command line. */
#include <inttypes.h>
#include <string.h>

#include "cli/client.h"
#include "cli/cmds.h"
#include "cli/decide.h"
#include "cli/duration.h"
#include "cli/text.h"

struct cmd_decide {
	struct decision d;
	bool waits;
};

/* An option's value into the decision; → cli_exit. */
static int cmd_decide_option(struct cmd_decide *in, int c, const char *value)
{
	switch (c) {
	case 'm':
		in->d.reason = value;
		return CLI_OK;
	case 's':
	case 'k':
		in->d.is_wide = true;
		return CLI_OK;
	case 'a':
		in->d.is_all = true;
		return CLI_OK;
	case 'b':
		in->d.is_break_glass = true;
		return CLI_OK;
	case 'w':
		in->waits = true;
		return CLI_OK;
	case 'f':
		if (duration_parse(value, &in->d.seconds))
			return CLI_OK;
		return cli_fail(CLI_USAGE, "'%s' is no time such as 30m or 2h, at most 7d", value);
	}
	return CLI_USAGE;
}

static int cmd_decide_check(const struct cmd_decide *in)
{
	if (!in->d.is_approval && !*in->d.reason)
		return cli_fail(
			CLI_USAGE, "a denial needs a reason, which the agent is told: -m REASON");
	if (strlen(in->d.reason) > DECIDE_REASON_MAX)
		return cli_fail(CLI_USAGE, "the reason is longer than %d bytes", DECIDE_REASON_MAX);
	if (in->d.seconds && !in->d.is_wide)
		return cli_fail(CLI_USAGE, "--for goes with %s",
			in->d.is_approval ? "--shape: this shape for that time"
					  : "--kind: all of this kind for that time");
	if (in->d.is_break_glass && in->d.is_wide)
		return cli_fail(CLI_USAGE, "breaking the glass is for this one request");
	return CLI_OK;
}

struct cmd_decide_end {
	const char *id;
	bool ran;
	bool is_over;
};

static int cmd_decide_on_event(void *arg, json_t *j)
{
	struct cmd_decide_end *end = arg;

	if (!slice_eq_str(text_field(j, "event"), "end") ||
		!slice_eq_str(text_field(j, "id"), end->id))
		return CLI_OK;
	printf("%s ended: ", end->id);
	text_print(stdout, j, "outcome", 40);
	putchar('\n');
	end->is_over = true;
	end->ran = slice_eq_str(text_field(j, "outcome"), "approved");
	return CLI_STOP;
}

/* Others have to agree, too. */
static int cmd_decide_wait(uint64_t hold)
{
	char id[24];
	struct cmd_decide_end end = {.id = id};
	int code;

	snprintf(id, sizeof(id), "h%" PRIu64, hold);
	code = client_ask(CTL_WATCH, SLICE_NULL, cmd_decide_on_event, &end);
	return !end.is_over ? code : end.ran ? CLI_OK : CLI_NONE;
}

static int cmd_decide_run(const struct cmd *cmd, int argc, char **argv)
{
	struct cmd_decide in = {
		.d = {.is_approval = cmd == &cmd_approve, .reason = "", .seen = ""}};
	struct decide_result result;
	const char *value;
	int c, code;

	while ((c = cli_getopt(cmd, argc, argv, &value)) != -1) {
		code = c == '?' ? CLI_USAGE : cmd_decide_option(&in, c, value);
		if (code)
			return code;
	}
	if (argc - cli_optind() != 1)
		return cli_fail(CLI_USAGE, "usage: holdfast %s", cmd->usage);
	in.d.hold = cli_hold_id(argv[cli_optind()]);
	if (!in.d.hold)
		return cli_fail(CLI_USAGE, "'%s' is no id of a hold; `holdfast pending` lists them",
			argv[cli_optind()]);
	code = cmd_decide_check(&in);
	if (!code)
		code = decide_send(&in.d, &result);
	else
		return code;
	if (code)
		return cli_fail((enum cli_exit)code, "%s", result.text);
	printf("%s\n", result.text);
	return result.is_counted && in.waits ? cmd_decide_wait(in.d.hold) : CLI_OK;
}

static const struct cmd_opt cmd_approve_opts[] = {
	{'m', "message", "REASON", "why; kept in the ledger"},
	{'s', "shape", NULL, "this shape in this run from now on: see `holdfast grants`"},
	{'f', "for", "TIME", "with --shape: for 30m, 2h …, in all runs of this name"},
	{'a', "all", NULL, "and all that are identical and wait now, each by itself"},
	{'b', "break-glass", NULL, "alone, in an emergency, where the rule lets you; with -m"},
	{'w', "wait", NULL, "if it takes more people: wait for how it ends"},
	{0},
};

const struct cmd cmd_approve = {
	.name = "approve",
	.usage = "approve <hold-id> [-m reason] [--all] [--shape [--for TIME]] [--break-glass] "
		 "[--wait]",
	.help = "Release a held request.",
	.more = "The very bytes that were shown run, once. Exit codes: 0 it was released, or "
		"counted as\n"
		"one of several approvals; 2 the rule wants a reason; 4 not you; 5 the hold ended\n"
		"before, or (--wait) was not released in the end. A shape is this very statement "
		"at\n"
		"this target as this role, in which only constants compared with or assigned to a\n"
		"column may differ: `holdfast pending --json` lists those as `free`.",
	.opts = cmd_approve_opts,
	.run = cmd_decide_run,
};

static const struct cmd_opt cmd_deny_opts[] = {
	{'m', "message", "REASON", "why; the agent is told, and the ledger keeps it"},
	{'a', "all", NULL, "and all that are identical and wait now"},
	{'k', "kind", NULL, "all of this kind in this run from now on: see `holdfast grants`"},
	{'f', "for", "TIME", "with --kind: for 30m, 2h …, in all runs of this name"},
	{0},
};

const struct cmd cmd_deny = {
	.name = "deny",
	.usage = "deny <hold-id> -m reason [--all] [--kind [--for TIME]]",
	.help = "Refuse a held request: the agent gets a clean error with the reason.",
	.opts = cmd_deny_opts,
	.run = cmd_decide_run,
};
