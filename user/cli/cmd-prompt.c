/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast prompt: an approver's terminal. What is shown and what keys do is in prompt.c. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/cmds.h"
#include "cli/prompt.h"
#include "cli/term.h"
#include "cli/text.h"
#include "util/cleanup.h"
#include "util/clock.h"

enum {
	PROMPT_TICK_MS =
		1000, /* the seconds on the screen, and how often a lost daemon is looked for */
	PROMPT_KEYS_MAX = 256,
};

struct terminal {
	struct prompt prompt;
	struct client watch; /* fd -1: not connected */
	struct term term;
	struct screen screen;
	int signal_fd;
	bool is_dirty, is_done;
	int code;
};

static int terminal_connect(struct terminal *t)
{
	int r;

	client_deinit(&t->watch);
	r = client_open(&t->watch, CTL_SOCKET);
	if (!r)
		r = client_send(&t->watch, CTL_WATCH, SLICE_NULL, NULL, 0);
	if (r)
		client_deinit(&t->watch);
	else
		prompt_connected(&t->prompt, true, "");
	t->is_dirty = true;
	return r;
}

static void terminal_lost(struct terminal *t)
{
	client_deinit(&t->watch);
	prompt_connected(&t->prompt, false,
		"holdfastd is gone; what was held was not released. Looking for it again…");
	t->is_dirty = true;
}

/* A refusal to watch is final; everything else is a hold that came or went. */
static void terminal_on_daemon(struct terminal *t)
{
	_cleanup_(client_json_freep) json_t *j = NULL;
	int r = client_read(&t->watch);

	if (r) {
		terminal_lost(t);
		return;
	}
	if (t->watch.type == CTL_ERROR) {
		t->is_done = true;
		return;
	}
	j = t->watch.type == CTL_DATA ? client_json(&t->watch) : NULL;
	if (j)
		prompt_event(&t->prompt, j, clock_mono_ns());
	t->is_dirty = true;
}

static void terminal_decide(struct terminal *t)
{
	const struct held *h = held_find(&t->prompt.held, t->prompt.shown);
	const char *hash = h ? json_string_value(json_object_get(h->json, "hash")) : NULL;
	const struct decision d = {.hold = t->prompt.shown,
		.is_approval = t->prompt.mode == PROMPT_APPROVE,
		.reason = t->prompt.reason,
		.seen = hash ? hash : ""};
	struct decide_result result;

	(void)decide_send(&d, &result);
	prompt_decided(&t->prompt, result.text);
}

static void terminal_on_keys(struct terminal *t)
{
	char keys[PROMPT_KEYS_MAX];
	ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));

	if (n <= 0) {
		t->is_done |= !(n < 0 && (errno == EINTR || errno == EAGAIN));
		return;
	}
	switch (prompt_key(&t->prompt, keys, (size_t)n, clock_mono_ns())) {
	case PROMPT_NOTHING:
		break;
	case PROMPT_DECIDE:
		terminal_decide(t);
		break;
	case PROMPT_QUIT:
		t->is_done = true;
		break;
	}
	t->is_dirty = true;
}

/* The other screen of the terminal, so that what was there before comes back. */
static void terminal_enter(struct terminal *t)
{
	if (t->screen.has_cursor)
		fputs("\033[?1049h\033[2J", t->screen.to);
}

static void terminal_leave(struct terminal *t)
{
	if (t->screen.has_cursor)
		fputs("\033[?1049l", t->screen.to);
	fflush(t->screen.to);
}

static void terminal_on_signals(struct terminal *t)
{
	int sig;

	while ((sig = term_next_signal(t->signal_fd))) {
		if (sig == SIGTSTP) {
			terminal_leave(t);
			term_stop(&t->term, TERM_KEYS);
			terminal_enter(t);
		} else if (sig != SIGWINCH && sig != SIGCONT) {
			t->is_done = true;
			t->code = 128 + sig;
		}
		t->is_dirty = true;
	}
}

static void terminal_draw(struct terminal *t)
{
	struct winsize size = term_size(STDOUT_FILENO);

	t->screen.cols = size.ws_col;
	t->screen.rows = size.ws_row;
	prompt_draw(&t->prompt, &t->screen, clock_mono_ns());
	/* What was typed while something else was to be seen was not meant for this. */
	if (prompt_drawn(&t->prompt, clock_mono_ns()))
		tcflush(STDIN_FILENO, TCIFLUSH);
	t->is_dirty = false;
}

static int terminal_loop(struct terminal *t)
{
	while (!t->is_done) {
		struct pollfd p[3] = {{.fd = STDIN_FILENO, .events = POLLIN},
			{.fd = t->signal_fd, .events = POLLIN},
			{.fd = t->watch.fd, .events = POLLIN}};
		int n;

		if (t->is_dirty)
			terminal_draw(t);
		n = poll(p, 3, PROMPT_TICK_MS);
		if (n < 0 && errno != EINTR)
			return cli_fail(CLI_FAILED, "poll: %s", strerror(errno));
		if (p[0].revents)
			terminal_on_keys(t);
		if (p[1].revents)
			terminal_on_signals(t);
		if (p[2].revents)
			terminal_on_daemon(t);
		if (t->watch.fd < 0 && !t->is_done)
			terminal_connect(t);
		if (n == 0 && t->screen.has_cursor)
			t->is_dirty = true; /* the seconds */
	}
	return t->code;
}

static void terminal_deinit(struct terminal *t)
{
	term_restore(&t->term);
	prompt_deinit(&t->prompt);
	client_deinit(&t->watch);
	fd_close(t->signal_fd);
}

static int cmd_prompt_start(struct terminal *t)
{
	static const int signals[] = {
		SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH, 0};
	const char *term = getenv("TERM");
	int r = terminal_connect(t), code;

	if (r)
		return client_explain(r);
	t->screen = (struct screen){.to = stdout,
		.has_cursor = term && *term && strcmp(term, "dumb"),
		.has_colour = cli_is_tty(stdout)};
	t->signal_fd = term_signals(signals);
	if (t->signal_fd < 0 || term_change(&t->term, STDIN_FILENO, TERM_KEYS))
		return cli_fail(CLI_FAILED, "cannot change the terminal's modes");
	signal(SIGPIPE, SIG_IGN);
	terminal_enter(t);
	code = terminal_loop(t);
	terminal_leave(t);
	term_restore(&t->term);
	if (t->watch.fd >= 0 && t->watch.type == CTL_ERROR)
		return client_explain_error(&t->watch);
	if (*t->prompt.note && t->screen.has_cursor)
		printf("%s\n", t->prompt.note);
	return code;
}

static int cmd_prompt_run(const struct cmd *cmd, int argc, char **argv)
{
	_cleanup_(terminal_deinit) struct terminal t = {
		.watch.fd = -1, .signal_fd = -1, .code = CLI_OK};

	(void)argv;
	if (argc > 1)
		return cli_fail(CLI_USAGE, "usage: holdfast %s", cmd->usage);
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return cli_fail(CLI_USAGE, "the prompt needs a terminal; in scripts, use `holdfast "
					   "pending --json` and "
					   "`holdfast approve`");
	return cmd_prompt_start(&t);
}

const struct cmd cmd_prompt = {
	.name = "prompt",
	.usage = "prompt",
	.help = "Show each held request as it comes and take decisions.",
	.more = "Keys: a approve, d deny, n next, p previous, v whole statement, ? help, q quit.\n"
		"What is held stays held when the prompt ends.",
	.run = cmd_prompt_run,
};
