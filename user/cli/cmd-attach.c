/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast attach, holdfast release: control of what runs already. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/cmd-attach.h"
#include "cli/text.h"
#include "util/cleanup.h"
#include "util/utf8.h"

enum { ATTACH_NAME_PRINT_MAX = 64, ATTACH_TEXT_PRINT_MAX = 200 };

struct attach_ask {
	enum run_place place;
	const char *what, *name;
	uint8_t flags;
	bool as_json;
};

/* One question on run.sock; on_data for the DATA before its END, if there is one. */
static int attach_ask(
	enum ctl_type type, struct slice body, void (*on_data)(void *arg, json_t *j), void *arg)
{
	_cleanup_(client_deinit) struct client c;
	int r = client_open(&c, RUN_SOCKET);

	if (!r)
		r = client_send(&c, type, body, NULL, 0);
	while (!r) {
		r = client_read(&c);
		if (r || c.type != CTL_DATA || !on_data)
			break;
		{
			_cleanup_(client_json_freep) json_t *j = client_json(&c);

			if (!j)
				return client_explain(CLIENT_E_BAD);
			on_data(arg, j);
		}
	}
	if (r)
		return client_explain(r);
	if (c.type == CTL_ERROR)
		return client_explain_error(&c);
	return c.type == CTL_END ? CLI_OK : client_explain(CLIENT_E_BAD);
}

static uint64_t attach_number(json_t *j, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(j, key));
}

static void attach_print_text(const char *text, size_t max)
{
	utf8_print_safe(stdout, slice_str(text ? text : ""), false, max);
}

/* What was done, what was found, and what it is not worth. */
static void attach_print(void *arg, json_t *j)
{
	const struct attach_ask *ask = arg;
	const json_t *sockets = json_object_get(j, "sockets"), *socket;
	bool is_cut = json_is_true(json_object_get(j, "cut"));
	size_t i;

	if (ask->as_json) {
		text_print_json(stdout, j);
		return;
	}
	printf("run %" PRIu64 " (", attach_number(j, "run"));
	attach_print_text(json_string_value(json_object_get(j, "name")), ATTACH_NAME_PRINT_MAX);
	printf("): %" PRIu64 " processes are controlled, from ", attach_number(j, "processes"));
	attach_print_text(json_string_value(json_object_get(j, "from")), ATTACH_TEXT_PRINT_MAX);
	printf("\n");
	json_array_foreach(sockets, i, socket)
	{
		printf("  made before, %s: ", is_cut ? "cut" : "NOT judged");
		attach_print_text(json_string_value(socket), ATTACH_TEXT_PRINT_MAX);
		printf("\n");
	}
	if (json_is_true(json_object_get(j, "loose")))
		printf("  NOT frozen meanwhile: one that detached itself from the tree in that "
		       "moment "
		       "may be outside\n");
	if (attach_number(j, "powerful"))
		printf("  %" PRIu64 " of them have capabilities: nothing keeps those in\n",
			attach_number(j, "powerful"));
	if (attach_number(j, "other_netns"))
		printf("  %" PRIu64 " of them are in other network namespaces; served: %" PRIu64
		       "\n",
			attach_number(j, "other_netns"), attach_number(j, "netns_served"));
	if (attach_number(j, "netns_refused"))
		printf("  NOT served: %" PRIu64 " of those, where every connection is refused "
		       "(events netns-refused in the ledger say why)\n",
			attach_number(j, "netns_refused"));
	printf("  Compared with `holdfast run`: they keep their uid, files, namespaces, terminals "
	       "and "
	       "system\n  calls, see other processes, and are outside the limits of the unit or "
	       "container they came from.\n");
}

static int attach_run(const struct attach_ask *ask)
{
	uint8_t mem[CTL_QUESTION_MAX];
	struct writer w = writer_of(mem, sizeof(mem));

	wr_u8(&w, (uint8_t)ask->place);
	wr_u8(&w, ask->flags);
	wr_be32_bytes(&w, slice_str(ask->what));
	wr_be32_bytes(&w, slice_str(ask->name));
	if (w.bad)
		return client_explain(CLIENT_E_TOO_BIG);
	return attach_ask(RUN_ATTACH, wr_done(&w), attach_print, (void *)(uintptr_t)ask);
}

enum { ATTACH_OPT_CUT = 256 + 4, ATTACH_OPT_JSON = 256 + 6 };

static const struct cmd_opt cmd_attach_opts[] = {
	{'p', "pid", "PID", "this process and all its descendants"},
	{'g', "cgroup", "PATH", "every process in this control group and below it"},
	{'u', "unit", "NAME", "every process of this systemd unit"},
	{'c', "container", "ID", "every process of this container (12 digits of its id, or all)"},
	{0, "cut", NULL, "end the connections that they have, now and whenever one is found"},
	{'n', "name", "NAME", "what people and the ledger call it"},
	{0, "json", NULL, "print the daemon's answer as it is"},
	{0},
};

static int cmd_attach_run(const struct cmd *cmd, int argc, char **argv)
{
	struct attach_ask ask = {.name = ""};
	const char *value;
	int c;

	while ((c = cli_getopt(cmd, argc, argv, &value)) != -1) {
		static const char places[] = "pguc"; /* in the order of enum run_place */
		const char *place = c < ATTACH_OPT_CUT ? strchr(places, c) : NULL;

		if (c == '?')
			return CLI_USAGE;
		if (place && ask.what)
			return cli_fail(CLI_USAGE, "attach: one thing at a time");
		if (place) {
			ask.place = (enum run_place)(place - places);
			ask.what = value;
		} else if (c == 'n') {
			ask.name = value;
		} else if (c == ATTACH_OPT_CUT) {
			ask.flags |= RUN_ATTACH_CUT;
		} else {
			ask.as_json = true;
		}
	}
	if (cli_optind() < argc || !ask.what)
		return cli_fail(CLI_USAGE, "usage: holdfast %s", cmd->usage);
	return attach_run(&ask);
}

const struct cmd cmd_attach = {
	.name = "attach",
	.usage = "attach --pid P | --cgroup PATH | --unit NAME | --container ID [--cut] [--name N] "
		 "[--json]",
	.help = "Control what runs already: a process tree, systemd unit or container.",
	.more = "Its processes are moved into a control group of holdfast's, frozen meanwhile; "
		"every\n"
		"socket that they make from then on is judged. What they had before is listed, "
		"and\n"
		"with --cut ended. `attach:` in the configuration does this from the start and "
		"again\n"
		"when a unit was started again, within a second. Root only.\n"
		"\n"
		"It cannot promise what `holdfast run` does: nothing but sockets is judged, "
		"processes\n"
		"with capabilities can leave, the unit's own limits no longer apply, and those in\n"
		"another network namespace are refused every connection.",
	.opts = cmd_attach_opts,
	.run = cmd_attach_run,
};

static int cmd_release_run(const struct cmd *cmd, int argc, char **argv)
{
	unsigned long long run;
	uint8_t body[8];
	struct writer w = writer_of(body, sizeof(body));
	char *end;

	if (argc != 2)
		return cli_fail(CLI_USAGE, "usage: holdfast %s", cmd->usage);
	run = strtoull(argv[1], &end, 10);
	if (!run || *end || argv[1][0] == '-')
		return cli_fail(
			CLI_USAGE, "'%s' is no id of a run; `holdfast status` lists them", argv[1]);
	wr_be64(&w, run);
	return attach_ask(RUN_RELEASE, wr_done(&w), NULL, NULL);
}

const struct cmd cmd_release = {
	.name = "release",
	.usage = "release <run-id>",
	.help = "Let go what was attached: its processes go back where they came from.",
	.more = "Sockets that they made meanwhile stay controlled until they are closed. Runs "
		"that\n"
		"holdfast started cannot be let go. Root only.",
	.run = cmd_release_run,
};
