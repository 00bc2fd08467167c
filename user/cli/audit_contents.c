/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast audit contents: what a reply gave the agent. */
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/audit_cmds.h"
#include "cli/show_contents.h"
#include "cli/show_ledger.h"
#include "util/cleanup.h"

static const struct cmd_opt audit_contents_opts[] = {
	{'l', "ledger", "PATH", "another ledger than the daemon's"},
	{0},
};

static void audit_contents_put(struct show_contents *c, struct slice text, bool is_tty)
{
	if (is_tty)
		show_contents_print(c, text, "");
	else
		fwrite(text.p, 1, text.n, stdout);
}

/* *ret_n: how many parts there are. */
static int audit_contents_show(struct query *q, uint64_t request, size_t *ret_n)
{
	_cleanup_(show_contents_deinit) struct show_contents c;
	bool is_tty = isatty(STDOUT_FILENO);
	int64_t after = 0;
	union record rec;
	int r;

	show_contents_init(&c);
	for (*ret_n = 0; !(r = query_content(q, request, &after, &rec)); ++*ret_n)
		audit_contents_put(&c, show_contents_part(&c, &rec.content, UINT64_MAX), is_tty);
	if (is_tty)
		show_contents_end(&c, request, 0, "");
	return r == QUERY_E_END ? CLI_OK : show_ledger_explain(r);
}

static int audit_contents_run(const struct cmd *cmd, int argc, char **argv)
{
	_cleanup_(show_ledger_closep) struct query *q = NULL;
	const char *value, *ledger = NULL;
	unsigned long long request;
	char *end;
	size_t n = 0;
	int letter, r;

	while ((letter = cli_getopt(cmd, argc, argv, &value)) != -1) {
		if (letter == '?')
			return CLI_USAGE;
		ledger = value;
	}
	if (argc - cli_optind() != 1)
		return cli_fail(CLI_USAGE, "usage: holdfast %s", cmd->usage);
	request = strtoull(argv[cli_optind()], &end, 10);
	if (!request || *end || argv[cli_optind()][0] == '-')
		return cli_fail(CLI_USAGE,
			"'%s' is no id of a request; `holdfast audit` lists them",
			argv[cli_optind()]);
	r = show_ledger_open(ledger, &q);
	if (!r)
		r = audit_contents_show(q, request, &n);
	if (!r && !n)
		return cli_fail(CLI_NONE,
			"the ledger has no contents of the reply to request %llu: the policy's "
			"`record:` says which it keeps",
			request);
	if (!r && fflush(stdout))
		return cli_fail(CLI_FAILED, "the output cannot be written");
	return r;
}

const struct cmd audit_contents = {
	.name = "contents",
	.usage = "audit contents REQUEST",
	.help = "What the reply to a request gave the agent, where the policy records it.",
	.more = "The text is as the agent got it, after masking, a line for each row: `#` names\n"
		"of columns, `=` a row, `<` a line of COPY, `!` an error or a notice; fields\n"
		"between tabs, as COPY writes them. The whole of it, however large, part by part.",
	.opts = audit_contents_opts,
	.run = audit_contents_run,
};
