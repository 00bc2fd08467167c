/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line tool: a table of commands, one file each.
 *
 * Exit codes, for scripts: 0 done · 1 failed · 2 usage, a file with errors in it (policy, config),
 * or a reason is wanted · 3 this host or daemon cannot do it · 4 not allowed · 5 no such hold, run
 * or session, or too late.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "util/slice.h"

enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_HOST = 3,
	CLI_FORBIDDEN = 4,
	CLI_NONE = 5,
	CLI_STOP = 100 /* never an exit code: of a client_ask() callback, that it has seen enough */
};

struct cmd_opt {
	char letter;       /* short form, 0 = none */
	const char *name;  /* long form, without dashes */
	const char *value; /* placeholder of its value for the help text; NULL = a flag */
	const char *help;
};

struct cmd {
	const char *name;           /* "approve" */
	const char *usage;          /* "approve <hold-id> [-m reason]" */
	const char *help;           /* one line */
	const char *more;           /* paragraphs for `holdfast help approve`, or NULL */
	const struct cmd_opt *opts; /* ends with .name == NULL; may be NULL */
	/* argv[0] is the command; → cli_exit */
	int (*run)(const struct cmd *cmd, int argc, char **argv);
	bool stops_at_operand; /* options after the first operand belong to another program */
};

/* All commands, NULL-terminated; unambiguous prefixes work. */
extern const struct cmd *const cmds[];

/* The command of that name or unambiguous prefix; NULL after having printed what is wrong. */
const struct cmd *cli_find(const struct cmd *const *table, const char *name);
/* What `holdfast` does: finds the command and runs it. */
int cli_main(int argc, char **argv);
/* Usage, help and options of one command. */
void cli_print_help(const struct cmd *cmd, FILE *to);

/*
 * Walks the options of a command in any order: returns the option's letter (or, where it has none,
 * 256 + its index), -1 at the end, '?' after having printed what is wrong. *value is set for
 * options with one. Operands are moved to the end, as getopt_long(3) does: argv[cli_optind()…].
 */
int cli_getopt(const struct cmd *cmd, int argc, char **argv, const char **value);
int cli_optind(void);

/* Colour and cursor games only when this is true: stdout is a terminal, NO_COLOR unset, TERM not
 * dumb. */
bool cli_is_tty(FILE *f);
/* Prints `holdfast: …` to stderr and returns code. */
int cli_fail(enum cli_exit code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Folder of the sockets: $HOLDFAST_DIR, else /run/holdfast. */
const char *cli_dir(void);
/* Path of the ledger: $HOLDFAST_LEDGER, else /var/lib/holdfast/ledger.db. */
const char *cli_ledger(void);
/* "h42", "42" → 42; 0 if it is neither. */
uint64_t cli_hold_id(const char *text);
