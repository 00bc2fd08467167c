/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast pending: what is held now, as a table, as JSON, or as it comes and goes. */
#include <inttypes.h>
#include <string.h>

#include "cli/client.h"
#include "cli/cmds.h"
#include "cli/text.h"

enum { PENDING_NAME_MAX = 16, PENDING_TARGET_MAX = 24, PENDING_TEXT_MAX = 60 };

struct pending {
	bool as_json, is_watching;
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

	if (p->as_json) {
		text_print_json(stdout, j);
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
	return CLI_OK;
}

static int cmd_pending_run(const struct cmd *cmd, int argc, char **argv)
{
	struct pending p = {0};
	const char *value;
	int c, code;

	while ((c = cli_getopt(cmd, argc, argv, &value)) != -1) {
		if (c == '?')
			return CLI_USAGE;
		if (c == 'w')
			p.is_watching = true;
		else
			p.as_json = true;
	}
	if (cli_optind() < argc)
		return cli_fail(CLI_USAGE, "usage: holdfast %s", cmd->usage);
	code = client_ask(p.is_watching ? CTL_WATCH : CTL_PENDING, SLICE_NULL, pending_print, &p);
	if (code == CLI_OK && !p.as_json && !p.n)
		printf("nothing is held\n");
	return code;
}

static const struct cmd_opt cmd_pending_opts[] = {
	{0, "json", NULL, "one JSON object a hold, and a line"},
	{'w', "watch", NULL, "go on: tell of holds as they come and end"},
	{0},
};

const struct cmd cmd_pending = {
	.name = "pending",
	.usage = "pending [--json] [--watch]",
	.help = "List what is held and waits for a decision.",
	.opts = cmd_pending_opts,
	.run = cmd_pending_run,
};
