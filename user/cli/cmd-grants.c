/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast grants: what is approved or denied beyond one request, and taking it back. */
#include <inttypes.h>
#include <string.h>

#include "cli/client.h"
#include "cli/cmds.h"
#include "cli/text.h"

enum { GRANTS_TEXT_MAX = 60 };

struct grants {
	bool as_json;
	size_t n;
};

static void grants_cell(const json_t *j, const char *key, size_t width)
{
	struct slice s = text_field(j, key);

	text_print(stdout, j, key, width);
	printf("%*s  ", s.n < width ? (int)(width - s.n) : 0, "");
}

static int grants_print(void *arg, json_t *j)
{
	struct grants *g = arg;
	char left[TEXT_DURATION_MAX] = "the run";

	if (g->as_json) {
		text_print_json(stdout, j);
		return CLI_OK;
	}
	if (!g->n++)
		printf("%-6s  %-16s  %-16s  %-12s  %-12s  %4s  %s\n", "ID", "KIND", "RUN", "BY",
			"LEFT", "USES", "STATEMENT");
	if (json_is_integer(json_object_get(j, "seconds_left")))
		text_duration(left, text_number(j, "seconds_left"));
	grants_cell(j, "id", 6);
	grants_cell(j, "kind", 16);
	grants_cell(j, "run_name", 16);
	grants_cell(j, "by", 12);
	printf("%-12s  %4" PRIu64 "  ", left, text_number(j, "uses"));
	text_print(stdout, j, "text", GRANTS_TEXT_MAX);
	putchar('\n');
	return CLI_OK;
}

static int grants_revoked(void *arg, json_t *j)
{
	printf("%s revoked; it was used %" PRIu64 " times\n", (const char *)arg,
		text_number(j, "uses"));
	return CLI_OK;
}

static int grants_revoke(char *id)
{
	uint64_t number = *id == 'g' ? cli_hold_id(id + 1) : cli_hold_id(id);
	uint8_t body[8];
	struct writer w = writer_of(body, sizeof(body));

	if (!number || *id == 'h')
		return cli_fail(
			CLI_USAGE, "'%s' is no id of a grant; `holdfast grants` lists them", id);
	wr_be64(&w, number);
	return client_ask(CTL_REVOKE, wr_done(&w), grants_revoked, id);
}

static int cmd_grants_run(const struct cmd *cmd, int argc, char **argv)
{
	struct grants g = {0};
	const char *value;
	int c, code;

	while ((c = cli_getopt(cmd, argc, argv, &value)) != -1) {
		if (c == '?')
			return CLI_USAGE;
		g.as_json = true;
	}
	argv += cli_optind();
	argc -= cli_optind();
	if (argc == 2 && !strcmp(argv[0], "revoke"))
		return grants_revoke(argv[1]);
	if (argc)
		return cli_fail(CLI_USAGE, "usage: holdfast %s", cmd->usage);
	code = client_ask(CTL_GRANTS, SLICE_NULL, grants_print, &g);
	if (code == CLI_OK && !g.as_json && !g.n)
		printf("nothing is granted\n");
	return code;
}

static const struct cmd_opt cmd_grants_opts[] = {
	{0, "json", NULL, "one JSON object a grant, and a line"},
	{0},
};

const struct cmd cmd_grants = {
	.name = "grants",
	.usage = "grants [--json] | grants revoke <grant-id>",
	.help = "List what is granted beyond one request, or take a grant back.",
	.more = "Kinds: shape (approve --shape), refusal (deny --kind), ticket approved, ticket "
		"denied.\n"
		"g42 comes from the decision on h42. All end with the daemon at the latest.",
	.opts = cmd_grants_opts,
	.run = cmd_grants_run,
};
