/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast selftest escape: can an agent get out on this very host? */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cmds.h"
#include "selftest/escape.h"
#include "util/cleanup.h"
#include "util/json.h"

enum { SELFTEST_JSON_MAX = 16 * 1024 };

struct selftest_ask {
	const char *inside; /* we are in the run: what lies outside */
	bool as_json, is_verbose, is_attached;
};

static const char *const selftest_state_names[] = {
	[ESCAPE_CLOSED] = "closed", [ESCAPE_OPEN] = "OPEN", [ESCAPE_UNTESTED] = "untested"};
static const char *const selftest_state_words[] = {
	[ESCAPE_CLOSED] = "closed", [ESCAPE_OPEN] = "open", [ESCAPE_UNTESTED] = "untested"};

static const char *selftest_target_words(enum probe_target target)
{
	switch (target) {
	case NEAR4:
		return ", to loopback (v4)";
	case NEAR6:
		return ", to loopback (v6)";
	case FAR4:
		return ", to another host (v4)";
	case FAR6:
		return ", to another host (v6)";
	default:
		return "";
	}
}

static void selftest_print_row(
	const struct escape *e, unsigned i, const struct probe_row *row, bool is_verbose)
{
	const struct escape_verdict *v = &e->verdicts[i];

	printf("  %-8s %s%s\n", selftest_state_names[v->state], row->probe->text,
		selftest_target_words(row->target));
	if (v->state != ESCAPE_CLOSED || is_verbose)
		printf("           %s\n", v->why);
	for (enum guise g = GUISE_CONTROL; is_verbose && g < GUISE_N; g++)
		if (e->tries[i][g].is_done)
			printf("           as %s: %s%s%s\n", probe_guise_names[g],
				e->tries[i][g].result == PROBE_OUT ? "out" : "stopped",
				*e->tries[i][g].why ? ", " : "", e->tries[i][g].why);
}

static void selftest_print(const struct escape *e, bool is_verbose)
{
	unsigned n = 0;
	const struct probe_row *rows = probe_rows(&n);

	for (enum probe_group g = 0; g < GROUP_N; g++) {
		if (!e->is_attached || g <= GROUP_UNIX)
			printf("%s\n", probe_group_names[g]);
		for (unsigned i = 0; i < n; i++)
			if (rows[i].probe->group == g && escape_has_row(e, i))
				selftest_print_row(e, i, &rows[i], is_verbose);
	}
	if (e->world.probe.far_net)
		printf("\nPackets that reached another host: %u, and %u of the same attempts made "
		       "outside a run.%s%s\n",
			e->run_packets, e->control_packets, e->run_packets ? " The first: " : "",
			e->run_packets ? e->world.log->first_packet : "");
	else
		printf("\nNo other host could be made up: %s.\n", e->world.no_far_why);
	printf("%u ways, %u attempts: %u closed, %u open, %u cannot be tested here.\n", e->n_ways,
		e->n_tries, e->counts[ESCAPE_CLOSED], e->counts[ESCAPE_OPEN],
		e->counts[ESCAPE_UNTESTED]);
}

static void selftest_print_object(struct json *j)
{
	printf("%.*s\n", SLICE_FMT(jsonw_done(j)));
	jsonw_deinit(j);
}

static void selftest_print_json(const struct escape *e)
{
	unsigned n = 0;
	const struct probe_row *rows = probe_rows(&n);
	struct json j;

	for (unsigned i = 0; i < n; i++) {
		if (!escape_has_row(e, i))
			continue;
		jsonw_init(&j, SELFTEST_JSON_MAX);
		jsonw_object(&j, NULL);
		jsonw_string(&j, "probe", slice_str(rows[i].name));
		jsonw_string(&j, "group", slice_str(probe_group_names[rows[i].probe->group]));
		jsonw_string(&j, "what", slice_str(rows[i].probe->text));
		jsonw_string(&j, "state", slice_str(selftest_state_words[e->verdicts[i].state]));
		jsonw_string(&j, "why", slice_str(e->verdicts[i].why));
		jsonw_object_end(&j);
		selftest_print_object(&j);
	}
	jsonw_init(&j, SELFTEST_JSON_MAX);
	jsonw_object(&j, NULL);
	jsonw_uint(&j, "ways", e->n_ways);
	jsonw_uint(&j, "attempts", e->n_tries);
	for (enum escape_state s = ESCAPE_CLOSED; s <= ESCAPE_UNTESTED; s++)
		jsonw_uint(&j, selftest_state_words[s], e->counts[s]);
	jsonw_bool(&j, "has_far_side", e->world.probe.far_net != 0);
	jsonw_uint(&j, "packets_outside", e->run_packets);
	jsonw_uint(&j, "packets_of_control", e->control_packets);
	jsonw_object_end(&j);
	selftest_print_object(&j);
}

static int selftest_escape(const struct selftest_ask *ask)
{
	_cleanup_(freep) struct escape *e = calloc(1, sizeof(*e));
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int r, code;

	if (!e || n < 0)
		return cli_fail(CLI_FAILED, "%s", strerror(e ? errno : ENOMEM));
	self[n] = 0;
	e->is_attached = ask->is_attached;
	snprintf(e->world.probe.holdfast_dir, sizeof(e->world.probe.holdfast_dir), "%s", cli_dir());
	snprintf(e->world.probe.ledger, sizeof(e->world.probe.ledger), "%s", cli_ledger());
	r = escape_run(e, self);
	if (r) {
		code = cli_fail(CLI_HOST, "%s",
			r < 0 ? strerror(-r)
			      : "the ways out were not tried: the throwaway run did not start");
	} else {
		if (ask->as_json)
			selftest_print_json(e);
		else
			selftest_print(e, ask->is_verbose);
		code = e->counts[ESCAPE_OPEN] || e->run_packets ? CLI_FAILED
		       : e->counts[ESCAPE_CLOSED]               ? CLI_OK
								: CLI_HOST;
	}
	escape_deinit(e);
	return code;
}

static const struct cmd_opt cmd_selftest_opts[] = {
	{'v', "verbose", NULL, "say of each attempt how it was stopped, and as whom it was made"},
	{0, "json", NULL, "one JSON object a way, and one that sums up"},
	{'a', "attached", NULL, "try what attached processes promise, where the command is"},
	{0, "inside", "WORLD", "used by the command itself, inside its run"},
	{0},
};

static int cmd_selftest_run(const struct cmd *cmd, int argc, char **argv)
{
	struct selftest_ask ask = {0};
	const char *value;
	int c;

	while ((c = cli_getopt(cmd, argc, argv, &value)) != -1) {
		if (c == '?')
			return CLI_USAGE;
		if (c == 'v')
			ask.is_verbose = true;
		else if (c == 'a')
			ask.is_attached = true;
		else if (value)
			ask.inside = value;
		else
			ask.as_json = true;
	}
	if (cli_optind() + 1 != argc || strcmp(argv[cli_optind()], "escape") != 0)
		return cli_fail(CLI_USAGE, "usage: holdfast %s", cmd->usage);
	if (ask.inside)
		return escape_inside(ask.inside, ask.is_attached);
	if (geteuid())
		return cli_fail(CLI_FORBIDDEN,
			"needs root: what only root may do outside a run is tried there, too");
	return selftest_escape(&ask);
}

const struct cmd cmd_selftest = {
	.name = "selftest",
	.usage = "selftest escape [--attached] [--verbose] [--json]",
	.help = "Try every known way out of a run, and say which are closed on this host.",
	.more = "Starts a throwaway run of the running daemon, under its policy. Each way is "
		"first\n"
		"tried outside a run, where it has to work, or being stopped inside would show\n"
		"nothing. For another host to be reached, a network namespace behind a veth\n"
		"(hfsN, 198.18.N.0/30) is made, its packets are counted, and it is removed again.\n"
		"Exit code 0: all closed; 1: something is open; 3: it could not be tried. A way\n"
		"that the policy itself opens is open.\n"
		"With --attached the run is a process that is attached, in the network namespace\n"
		"that the command is started in (`nsenter -t PID -n holdfast selftest escape\n"
		"--attached`), and only the ways by sockets are tried.",
	.opts = cmd_selftest_opts,
	.run = cmd_selftest_run,
};
