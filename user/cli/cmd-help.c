/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast help, version, completion: from the table of commands, so that they cannot lie. */
#include <string.h>

#include "cli/cmds.h"
#include "util/version.h"

static int cmd_help_run(const struct cmd *cmd, int argc, char **argv)
{
	(void)cmd;
	if (argc > 1) {
		const struct cmd *which = cli_find(cmds, argv[1]);

		if (!which)
			return CLI_USAGE;
		cli_print_help(which, stdout);
		return CLI_OK;
	}
	printf("holdfast holds what an agent asks of a database until a human has seen it.\n\n"
	       "usage: holdfast COMMAND [options]; any unambiguous prefix of a command works\n\n");
	for (size_t i = 0; cmds[i]; i++)
		printf("  %-11s %s\n", cmds[i]->name, cmds[i]->help);
	printf("\n`holdfast help COMMAND` says more. Exit codes: 0 done, 1 failed, 2 usage or a "
	       "file "
	       "with errors,\n3 this host or daemon cannot do it, 4 not allowed, 5 no such hold, "
	       "run or "
	       "session, or too late.\n");
	return CLI_OK;
}

const struct cmd cmd_help = {
	.name = "help",
	.usage = "help [command]",
	.help = "Say what the commands are, or more about one.",
	.run = cmd_help_run,
};

static int cmd_version_run(const struct cmd *cmd, int argc, char **argv)
{
	(void)cmd;
	(void)argc;
	(void)argv;
	printf("holdfast %s\n", HOLDFAST_VERSION);
	return CLI_OK;
}

const struct cmd cmd_version = {
	.name = "version",
	.usage = "version",
	.help = "Print the version.",
	.run = cmd_version_run,
};

static void completion_words(const char *prefix)
{
	printf("%s", prefix);
	for (size_t i = 0; cmds[i]; i++)
		printf("%s%s", i ? " " : "", cmds[i]->name);
}

static void completion_bash(void)
{
	printf("# bash completion of holdfast; load with: source <(holdfast completion bash)\n"
	       "_holdfast() {\n"
	       "\tlocal cur=${COMP_WORDS[COMP_CWORD]} words=\n"
	       "\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n"
	       "\t\twords='");
	completion_words("");
	printf("'\n\telse\n\t\tcase ${COMP_WORDS[1]} in\n\t\thelp) words='");
	completion_words("");
	printf("' ;;\n\t\tcompletion) words='bash' ;;\n");
	for (size_t i = 0; cmds[i]; i++) {
		if (!cmds[i]->opts || !cmds[i]->opts->name)
			continue;
		printf("\t\t%s) words='", cmds[i]->name);
		for (const struct cmd_opt *o = cmds[i]->opts; o->name; o++)
			printf("%s--%s", o == cmds[i]->opts ? "" : " ", o->name);
		printf("' ;;\n");
	}
	printf("\t\tesac\n\tfi\n"
	       "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	       "}\n"
	       "complete -o default -F _holdfast holdfast\n");
}

static int cmd_completion_run(const struct cmd *cmd, int argc, char **argv)
{
	if (argc != 2 || strcmp(argv[1], "bash"))
		return cli_fail(CLI_USAGE, "usage: holdfast %s", cmd->usage);
	completion_bash();
	return CLI_OK;
}

const struct cmd cmd_completion = {
	.name = "completion",
	.usage = "completion bash",
	.help = "Print a completion script for a shell.",
	.more = "Load it with: source <(holdfast completion bash)",
	.run = cmd_completion_run,
};
