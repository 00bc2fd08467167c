/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast audit: what is in the ledger, filtered, as a table or for programs. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli/audit_cmds.h"
#include "cli/cmds.h"
#include "cli/show_ledger.h"
#include "fact/facts.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/diag.h"

enum { CMD_AUDIT_LIMIT = 50, CMD_AUDIT_COLUMNS = 160 };

static const struct cmd_opt cmd_audit_opts[] = {
	{'r', "run", "RUN", "only of this run (its id or its name)"},
	{'s', "session", "ID", "only of this session"},
	{'v', "verdict", "WORD", "only with this ruling, outcome or status"},
	{'e', "effect", "EFFECT", "only requests with this effect, such as delete"},
	{'t', "text", "TEXT", "only statements that contain this, from the start of a word"},
	{'w', "role", "NAME", "only of this user at the server"},
	{'d', "database", "NAME", "only in this database"},
	{'T', "target", "NAME", "only to this resource, or to this address"},
	{'o', "object", "NAME", "only about this table or other object, with or without schema"},
	{'R', "rule", "NAME", "only ruled by this rule"},
	{'b', "by", "USER", "only decided by this user"},
	{'D', "slower", "TIME", "only those that took so long at least: 250ms, 2s, 5m"},
	{'N', "rows", "N", "only with so many rows at least, read or changed"},
	{'S', "since", "TIME", "not older: 90s, 30m, 2h, 7d, or 2026-01-31[T14:03[:07]][Z]"},
	{'U', "until", "TIME", "older than this"},
	{'n', "limit", "N", "the newest N; default: 50, 0 = all"},
	{'j', "json", NULL, "one JSON object a line"},
	{'c', "csv", NULL, "comma-separated values with a head line"},
	{'l', "ledger", "PATH", "another ledger than the daemon's"},
	{0},
};

static const char *const cmd_audit_words[QUERY_WHAT_N + 1] = {
	[QUERY_REQUESTS] = "requests",
	[QUERY_RUNS] = "runs",
	[QUERY_SESSIONS] = "sessions",
	[QUERY_HOLDS] = "holds",
	[QUERY_DECISIONS] = "decisions",
	[QUERY_EVENTS] = "events",
};

struct cmd_audit {
	enum query_what what;
	struct query_filter filter;
	const char *ledger;
	bool is_json, is_csv;
};

static int cmd_audit_bad(const char *what, const char *value, const char *nearest)
{
	if (nearest)
		return cli_fail(CLI_USAGE, "audit: '%s' is no %s; did you mean '%s'?", value, what,
			nearest);
	return cli_fail(CLI_USAGE, "audit: '%s' is no %s", value, what);
}

static bool cmd_audit_number(const char *text, uint64_t *ret)
{
	char *end;

	*ret = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end;
}

/* "2h" ago. */
static bool cmd_audit_ago(const char *text, int64_t *ret_ns)
{
	static const struct {
		char letter;
		int64_t s;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 7 * 86400}};
	char *end;
	long n = strtol(text, &end, 10);

	if (*text < '0' || *text > '9' || n > 100000000 || !*end || end[1])
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (*end != units[i].letter)
			continue;
		*ret_ns = clock_wall_ns() - n * units[i].s * CLOCK_NS_PER_S;
		return true;
	}
	return false;
}

/* "250ms" */
static bool cmd_audit_duration(const char *text, uint64_t *ret_us)
{
	static const struct {
		const char *unit;
		uint64_t us;
	} units[] = {{"ms", 1000}, {"s", 1000000}, {"m", 60000000}, {"h", 3600000000}};
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (*text < '0' || *text > '9' || n > 1000000000 || strcmp(end, units[i].unit))
			continue;
		*ret_us = n * units[i].us;
		return true;
	}
	return false;
}

/* A point in time: local, or UTC with a Z behind it. */
static bool cmd_audit_time(const char *text, int64_t *ret_ns)
{
	static const char *const forms[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S",
		"%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%d"};

	if (cmd_audit_ago(text, ret_ns))
		return true;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct tm tm = {.tm_isdst = -1};
		const char *end = strptime(text, forms[i], &tm);
		bool is_utc = end && !strcmp(end, "Z");

		if (!end || (*end && !is_utc))
			continue;
		*ret_ns = (is_utc ? timegm(&tm) : mktime(&tm)) * CLOCK_NS_PER_S;
		return true;
	}
	return false;
}

static const char *cmd_audit_nearest_effect(const char *value)
{
	const char *keywords[EFFECT_N + 1] = {0};

	for (size_t i = 0; i < EFFECT_N; i++)
		keywords[i] = effect_table[i].keyword;
	return diag_nearest(slice_str(value), keywords);
}

static bool cmd_audit_is_word(const char *value, const char *const *words)
{
	while (*words && strcmp(*words, value))
		words++;
	return *words;
}

/* One option; 0 or a cli_exit. */
static int cmd_audit_option(struct cmd_audit *a, int letter, const char *value)
{
	struct query_filter *f = &a->filter;

	switch (letter) {
	case 'r':
		if (!cmd_audit_number(value, &f->run))
			f->run_name = value;
		return 0;
	case 's':
		return cmd_audit_number(value, &f->session)
			       ? 0
			       : cmd_audit_bad("session id", value, NULL);
	case 'v':
		f->verdict = value;
		return cmd_audit_is_word(value, query_verdicts)
			       ? 0
			       : cmd_audit_bad("verdict", value,
					 diag_nearest(slice_str(value), query_verdicts));
	case 'e':
		f->effect = value;
		return effect_by_keyword(slice_str(value)) != EFFECT_N
			       ? 0
			       : cmd_audit_bad("effect", value, cmd_audit_nearest_effect(value));
	case 't':
		f->text = value;
		return strlen(value) < 1000 ? 0
					    : cli_fail(CLI_USAGE, "audit: that text is too long");
	case 'w':
		f->role = value;
		return 0;
	case 'd':
		f->database = value;
		return 0;
	case 'T':
		f->target = value;
		return 0;
	case 'o':
		f->object = value;
		return 0;
	case 'R':
		f->rule = value;
		return 0;
	case 'b':
		f->decided_by = value;
		return 0;
	case 'D':
		return cmd_audit_duration(value, &f->min_us)
			       ? 0
			       : cmd_audit_bad("duration", value, NULL);
	case 'N':
		return cmd_audit_number(value, &f->min_rows) ? 0
							     : cmd_audit_bad("number", value, NULL);
	case 'S':
		return cmd_audit_time(value, &f->since_ns) ? 0 : cmd_audit_bad("time", value, NULL);
	case 'U':
		return cmd_audit_time(value, &f->until_ns) ? 0 : cmd_audit_bad("time", value, NULL);
	case 'n':
		return cmd_audit_number(value, &f->limit) ? 0
							  : cmd_audit_bad("number", value, NULL);
	case 'j':
		a->is_json = true;
		return 0;
	case 'c':
		a->is_csv = true;
		return 0;
	case 'l':
		a->ledger = value;
		return 0;
	}
	return CLI_USAGE;
}

static int cmd_audit_parse(struct cmd_audit *a, const struct cmd *cmd, int argc, char **argv)
{
	const char *value;
	int letter;

	while ((letter = cli_getopt(cmd, argc, argv, &value)) != -1) {
		int r = cmd_audit_option(a, letter, value);

		if (r)
			return r;
	}
	argv += cli_optind();
	if (argc - cli_optind() > 1 || (a->is_json && a->is_csv))
		return cli_fail(CLI_USAGE, "usage: holdfast %s", cmd->usage);
	if (!*argv)
		return CLI_OK;
	for (size_t i = 0; i < QUERY_WHAT_N; i++)
		if (!strcmp(*argv, cmd_audit_words[i])) {
			a->what = (enum query_what)i;
			return CLI_OK;
		}
	return cmd_audit_bad("listing", *argv, diag_nearest(slice_str(*argv), cmd_audit_words));
}

static unsigned cmd_audit_columns(void)
{
	struct winsize size;

	if (isatty(STDOUT_FILENO) && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col)
		return size.ws_col;
	return CMD_AUDIT_COLUMNS;
}

static int cmd_audit_print(const struct cmd_audit *a, struct query *q)
{
	unsigned columns = cmd_audit_columns();
	bool is_tty = isatty(STDOUT_FILENO), has_colour = cli_is_tty(stdout);
	struct query_row row;
	size_t n;
	int r = query_list(q, a->what, &a->filter);

	for (n = 0; !r && !(r = query_next(q, &row)); n++) {
		if (a->is_json && show_ledger_json(stdout, &row))
			return CLI_FAILED;
		if (a->is_csv && !n)
			show_ledger_csv(stdout, &row, true, is_tty);
		if (a->is_csv)
			show_ledger_csv(stdout, &row, false, is_tty);
		if (a->is_json || a->is_csv)
			continue;
		if (!n)
			show_ledger_head(stdout, a->what, columns);
		show_ledger_row(stdout, a->what, columns, &row, has_colour);
	}
	if (r != QUERY_E_END)
		return show_ledger_explain(r);
	if (!n)
		fprintf(stderr, "holdfast: nothing in the ledger matches\n");
	return fflush(stdout) ? cli_fail(CLI_FAILED, "the output cannot be written") : CLI_OK;
}

static const struct cmd *const cmd_audit_others[] = {
	&audit_verify, &audit_backup, &audit_export, &audit_contents, &audit_prune, NULL};

/* Listings are words too, so that these are known by their whole name only. */
static const struct cmd *cmd_audit_other(const char *word)
{
	for (size_t i = 0; word && cmd_audit_others[i]; i++)
		if (!strcmp(word, cmd_audit_others[i]->name))
			return cmd_audit_others[i];
	return NULL;
}

static int cmd_audit_run(const struct cmd *cmd, int argc, char **argv)
{
	struct cmd_audit a = {.what = QUERY_REQUESTS, .filter = {.limit = CMD_AUDIT_LIMIT}};
	_cleanup_(show_ledger_closep) struct query *q = NULL;
	const struct cmd *other = cmd_audit_other(argc > 1 ? argv[1] : NULL);
	int r;

	if (other && argc > 2 && (!strcmp(argv[2], "--help") || !strcmp(argv[2], "-h"))) {
		cli_print_help(other, stdout);
		return CLI_OK;
	}
	if (other)
		return other->run(other, argc - 1, argv + 1);
	r = cmd_audit_parse(&a, cmd, argc, argv);
	if (r)
		return r;
	r = show_ledger_open(a.ledger, &q);
	return r ? r : cmd_audit_print(&a, q);
}

const struct cmd cmd_audit = {
	.name = "audit",
	.usage = "audit "
		 "[requests|runs|sessions|holds|decisions|events|verify|backup|export|contents|"
		 "prune] "
		 "[options]",
	.help = "Show what is in the ledger: who asked what of whom, and what came of it.",
	.more = "Without a word it lists requests, oldest first, the newest last.\n"
		"--verdict takes a ruling (allow, hold, deny), what became of a hold (approved,\n"
		"denied, expired, cancelled, disconnected, stopped, pending) or of a request (ok,\n"
		"error, refused, skipped, lost, unsent). The views of the ledger can also be\n"
		"queried with `sqlite3 -readonly`.\n\n"
		"  audit verify [options]\n"
		"      Check the ledger against its hash chain and the signed checkpoints; exit\n"
		"      code 1 if anything in it was changed. `holdfast audit verify --help`.\n"
		"  audit backup FILE\n"
		"      Copy the ledger as it is now; the daemon may run.\n"
		"  audit export [--follow]\n"
		"      JSON lines for log shippers; decisions to syslog.\n"
		"  audit contents REQUEST\n"
		"      What its reply gave the agent, where the policy says `record: head` or "
		"full.\n"
		"  audit prune --age TIME\n"
		"      Remove the oldest part, while the daemon does not run.",
	.opts = cmd_audit_opts,
	.run = cmd_audit_run,
};
