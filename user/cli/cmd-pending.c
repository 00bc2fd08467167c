/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast pending: what is held now, as a table, as JSON, or as it comes and goes. */
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/cmds.h"
#include "cli/duration.h"
#include "cli/text.h"

enum { PENDING_NAME_MAX = 16, PENDING_TARGET_MAX = 24, PENDING_TEXT_MAX = 60 };

struct pending {
	bool as_json, is_watching, is_waiting;
	size_t n;
};

/* A cell of fixed width; a longer value is cut by text_print and takes what it takes. */
static void pending_cell(const json_t *j, const char *key, size_t width)
{
	struct slice s = text_field(j, key);

	text_print(stdout, j, key, width);
	printf("%*s  ", s.n < width ? (int)(width - s.n) : 0, "");
}

static void pending_row(const json_t *j)
{
	char waiting[TEXT_DURATION_MAX], left[TEXT_DURATION_MAX];

	pending_cell(j, "id", 6);
	pending_cell(j, "run_name", PENDING_NAME_MAX);
	pending_cell(j, "resource", PENDING_TARGET_MAX);
	printf("%-12s  %-12s  ", text_duration(waiting, text_number(j, "waiting_seconds")),
		text_duration(left, text_number(j, "timeout_seconds")));
	pending_cell(j, "tx", 6);
	text_print(stdout, j, "text", PENDING_TEXT_MAX);
	putchar('\n');
}

static int pending_print(void *arg, json_t *j)
{
	struct pending *p = arg;
	bool is_hold = !slice_eq_str(text_field(j, "event"), "end") &&
		       !slice_eq_str(text_field(j, "event"), "reset");

	if (p->is_waiting && !is_hold)
		return CLI_OK;

	if (p->as_json) {
		text_print_json(stdout, j);
	} else if (slice_eq_str(text_field(j, "event"), "reset")) {
		printf("events came faster than they were read; all that is held now:\n");
		p->n = 0;
	} else if (slice_eq_str(text_field(j, "event"), "end")) {
		text_print(stdout, j, "id", 24);
		printf(" ended: ");
		text_print(stdout, j, "outcome", 40);
		putchar('\n');
	} else {
		if (!p->n++)
			printf("%-6s  %-16s  %-24s  %-12s  %-12s  %-6s  %s\n", "ID", "RUN",
				"RESOURCE", "WAITING", "DENIED IN", "TX", "STATEMENT");
		pending_row(j);
	}
	fflush(stdout);
	return p->is_waiting ? CLI_STOP : CLI_OK;
}

static void pending_give_up(int sig)
{
	(void)sig;
	_exit(CLI_NONE);
}

static void pending_give_up_after(uint32_t seconds)
{
	const struct sigaction act = {.sa_handler = pending_give_up};

	if (!sigaction(SIGALRM, &act, NULL))
		alarm(seconds);
}

static int cmd_pending_run(const struct cmd *cmd, int argc, char **argv)
{
	struct pending p = {0};
	const char *value;
	uint32_t seconds = 0;
	int c, code;

	while ((c = cli_getopt(cmd, argc, argv, &value)) != -1) {
		if (c == '?')
			return CLI_USAGE;
		switch (c) {
		case 'w':
			p.is_watching = true;
			break;
		case 'f':
			if (!duration_parse(value, &seconds))
				return cli_fail(
					CLI_USAGE, "'%s' is no time such as 30s or 2h", value);
			break;
		case 'W':
			p.is_waiting = true;
			break;
		default:
			p.as_json = true;
		}
	}
	if (cli_optind() < argc)
		return cli_fail(CLI_USAGE, "usage: holdfast %s", cmd->usage);
	if (seconds)
		pending_give_up_after(seconds);
	code = client_ask(p.is_watching || p.is_waiting ? CTL_WATCH : CTL_PENDING, SLICE_NULL,
		pending_print, &p);
	if (code == CLI_OK && !p.as_json && !p.n && !p.is_waiting)
		printf("nothing is held\n");
	return code;
}

static const struct cmd_opt cmd_pending_opts[] = {
	{0, "json", NULL, "one JSON object a hold, and a line"},
	{'w', "watch", NULL, "go on: tell of holds as they come and end"},
	{'W', "wait", NULL, "wait until something is held, print it and end"},
	{'f', "for", "TIME", "with --wait or --watch: at most so long, then exit code 5"},
	{0},
};

const struct cmd cmd_pending = {
	.name = "pending",
	.usage = "pending [--json] [--watch | --wait] [--for TIME]",
	.help = "List what is held and waits for a decision.",
	.more = "With --json, where the resource has a login (`catalog:`): `impact` and\n"
		"`impact_words`, what a change would touch; `locks` and `locks_words`, what its\n"
		"transaction keeps locked. `look` is 0 until the server has answered.",
	.opts = cmd_pending_opts,
	.run = cmd_pending_run,
};
