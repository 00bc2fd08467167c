/* SPDX-License-Identifier: Apache-2.0 */
/* What all commands share: finding them, their options, their words to people. */
#include "cli/cli.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CLI_OPTS_MAX = 24, CLI_OPT_BASE = 256 };

/* Where the walk of cli_getopt() is. */
static struct {
	const struct cmd *cmd;
	char **argv;
} cli_walk;

static bool cli_is_prefix(const char *prefix, const char *name)
{
	return !strncmp(prefix, name, strlen(prefix));
}

const struct cmd *cli_find(const struct cmd *const *table, const char *name)
{
	const struct cmd *found = NULL;
	size_t n = 0;

	for (size_t i = 0; table[i]; i++) {
		if (!strcmp(table[i]->name, name))
			return table[i];
		if (*name && cli_is_prefix(name, table[i]->name)) {
			found = table[i];
			n++;
		}
	}
	if (n == 1)
		return found;
	if (!n) {
		cli_fail(CLI_USAGE, "there is no command '%s'; `holdfast help` lists them", name);
		return NULL;
	}
	fprintf(stderr, "holdfast: '%s' could be", name);
	for (size_t i = 0; table[i]; i++)
		if (cli_is_prefix(name, table[i]->name))
			fprintf(stderr, " %s", table[i]->name);
	fputc('\n', stderr);
	return NULL;
}

void cli_print_help(const struct cmd *cmd, FILE *to)
{
	fprintf(to, "usage: holdfast %s\n\n%s\n", cmd->usage, cmd->help);
	if (cmd->more)
		fprintf(to, "\n%s\n", cmd->more);
	for (const struct cmd_opt *o = cmd->opts; o && o->name; o++) {
		char head[64];

		snprintf(head, sizeof(head), "%c%c%s--%s%s%s", o->letter ? '-' : ' ',
			o->letter ? o->letter : ' ', o->letter ? ", " : "  ", o->name,
			o->value ? " " : "", o->value ? o->value : "");
		fprintf(to, "%s  %-26s %s\n", o == cmd->opts ? "\n" : "", head, o->help);
	}
}

int cli_main(int argc, char **argv)
{
	const struct cmd *cmd;
	const char *name = argc > 1 ? argv[1] : "help";

	if (!strcmp(name, "--help") || !strcmp(name, "-h"))
		name = "help";
	if (!strcmp(name, "--version") || !strcmp(name, "-V"))
		name = "version";
	cmd = cli_find(cmds, name);
	if (!cmd)
		return CLI_USAGE;
	if (argc > 2 && (!strcmp(argv[2], "--help") || !strcmp(argv[2], "-h"))) {
		cli_print_help(cmd, stdout);
		return CLI_OK;
	}
	return argc > 1 ? cmd->run(cmd, argc - 1, argv + 1) : cmd->run(cmd, argc, argv);
}

/* The tables of getopt_long(3) from ours. `:` first: a missing value is told from an unknown
 * option. */
static size_t cli_fill_getopt(const struct cmd *cmd, char *letters, struct option *longs)
{
	size_t n = 0;

	if (cmd->stops_at_operand)
		*letters++ = '+';
	*letters++ = ':';
	for (const struct cmd_opt *o = cmd->opts; o && o->name && n < CLI_OPTS_MAX; o++, n++) {
		longs[n] = (struct option){o->name, o->value ? required_argument : no_argument,
			NULL, o->letter ? o->letter : CLI_OPT_BASE + (int)n};
		if (!o->letter)
			continue;
		*letters++ = o->letter;
		if (o->value)
			*letters++ = ':';
	}
	*letters = 0;
	longs[n] = (struct option){0};
	return n;
}

int cli_getopt(const struct cmd *cmd, int argc, char **argv, const char **value)
{
	char letters[2 * CLI_OPTS_MAX + 3];
	struct option longs[CLI_OPTS_MAX + 1];
	const char *what;
	int c;

	cli_fill_getopt(cmd, letters, longs);
	if (cli_walk.cmd != cmd || cli_walk.argv != argv) {
		cli_walk.cmd = cmd;
		cli_walk.argv = argv;
		optind = 0;
	}
	opterr = 0;
	c = getopt_long(argc, argv, letters, longs, NULL);
	*value = optarg;
	if (c == -1) {
		cli_walk.cmd = NULL;
		return c;
	}
	if (c != '?' && c != ':')
		return c;
	what = argv[optind > 0 ? optind - 1 : 0];
	if (c == ':')
		cli_fail(CLI_USAGE, "%s: '%s' needs a value", cmd->name, what);
	else
		cli_fail(CLI_USAGE, "%s: unknown option '%s'; `holdfast help %s` lists them",
			cmd->name, what, cmd->name);
	return '?';
}

int cli_optind(void)
{
	return optind;
}

bool cli_is_tty(FILE *f)
{
	const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");

	return isatty(fileno(f)) && !(no_color && *no_color) && term && *term &&
	       strcmp(term, "dumb");
}

int cli_fail(enum cli_exit code, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("holdfast: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return code;
}

static const char *cli_env(const char *name, const char *fallback)
{
	const char *v = getenv(name);

	return v && *v ? v : fallback;
}

const char *cli_dir(void)
{
	return cli_env("HOLDFAST_DIR", "/run/holdfast");
}

const char *cli_ledger(void)
{
	return cli_env("HOLDFAST_LEDGER", "/var/lib/holdfast/ledger.db");
}

uint64_t cli_hold_id(const char *text)
{
	unsigned long long id;
	char *end;

	if (*text == 'h')
		text++;
	if (*text < '0' || *text > '9')
		return 0;
	errno = 0;
	id = strtoull(text, &end, 10);
	return errno || *end ? 0 : id;
}
