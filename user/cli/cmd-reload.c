/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast reload: the daemon reads its policy again, and keeps the old one if the new one is bad.
 */
#include <inttypes.h>

#include "cli/client.h"
#include "cli/cmds.h"
#include "cli/text.h"
#include "util/utf8.h"

enum { RELOAD_TEXT_MAX = 100000 };

/* {"version":…} on success; {"error"|"errors":…} if the policy is bad. */
static int cmd_reload_print(void *arg, json_t *j)
{
	const json_t *errors = json_object_get(j, "errors"), *e;
	struct slice error = text_field(j, "error");
	size_t i;

	(void)arg;
	if (!error.n)
		error = text_field(j, "errors");
	if (!error.n && !json_array_size(errors)) {
		printf("policy reloaded, version ");
		text_print(stdout, j, "version", 80);
		putchar('\n');
		return CLI_OK;
	}
	utf8_print_safe(stderr, error, true, RELOAD_TEXT_MAX);
	json_array_foreach(errors, i, e)
	{
		utf8_print_safe(stderr, slice_of(json_string_value(e), json_string_length(e)), true,
			RELOAD_TEXT_MAX);
		fputc('\n', stderr);
	}
	if (error.n && error.p[error.n - 1] != '\n')
		fputc('\n', stderr);
	return cli_fail(CLI_USAGE, "the policy has errors; the old one stays in force");
}

static int cmd_reload_run(const struct cmd *cmd, int argc, char **argv)
{
	(void)argv;
	if (argc > 1)
		return cli_fail(CLI_USAGE, "usage: holdfast %s", cmd->usage);
	return client_ask(CTL_RELOAD, SLICE_NULL, cmd_reload_print, NULL);
}

const struct cmd cmd_reload = {
	.name = "reload",
	.usage = "reload",
	.help = "Read the policy again; a bad one changes nothing.",
	.run = cmd_reload_run,
};
