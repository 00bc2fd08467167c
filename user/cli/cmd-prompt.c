/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast prompt: an approver's terminal. What is shown and what keys do is in prompt.c. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "audit/query.h"
#include "cli/client.h"
#include "cli/cmds.h"
#include "cli/kill.h"
#include "cli/prompt.h"
#include "cli/spawn.h"
#include "cli/term.h"
#include "cli/text.h"
#include "util/cleanup.h"
#include "util/clock.h"

enum {
	PROMPT_TICK_MS =
		1000, /* the seconds on the screen, and how often a lost daemon is looked for */
	PROMPT_ESCAPE_MS = 60, /* an Escape after which nothing comes is the key */
	PROMPT_READ_MAX = 256,
	PROMPT_PAST_ROWS = 4,
};

struct terminal {
	struct prompt prompt;
	struct client watch; /* fd -1: not connected */
	struct term term;
	struct screen screen;
	struct query *ledger; /* NULL: may not be read */
	const char *notify;   /* --notify */
	uint64_t deciding;    /* what the daemon was told last … */
	uint64_t looking;     /* … and of what is on the screen */
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
	t->deciding = t->looking = 0;
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
	unsigned n_came = t->prompt.n_came;
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
	if (j && t->prompt.n_came != n_came && t->notify)
		spawn_notify(t->notify, j);
	t->is_dirty = true;
}

static void terminal_say(struct terminal *t, enum ctl_type what, uint64_t now, uint64_t *last)
{
	uint8_t body[8];
	struct writer w = writer_of(body, sizeof(body));

	if (t->watch.fd < 0 || now == *last)
		return;
	wr_be64(&w, now);
	*last = now;
	if (client_send(&t->watch, what, wr_done(&w), NULL, 0))
		terminal_lost(t);
}

/* While a decision is being typed, the hold's clock stands; while a hold is on the screen, the
 * daemon keeps what its server says of it fresh. */
static void terminal_say_what(struct terminal *t)
{
	terminal_say(t, CTL_DECIDING, prompt_deciding(&t->prompt), &t->deciding);
	terminal_say(t, CTL_LOOKING, t->prompt.shown, &t->looking);
}

static void terminal_decide(struct terminal *t)
{
	const struct decision d = prompt_decision(&t->prompt);
	struct decide_result result;

	(void)decide_send(&d, &result);
	prompt_decided(&t->prompt, result.text);
}

static void terminal_kill(struct terminal *t)
{
	const struct held *h = held_find(&t->prompt.held, t->prompt.shown);
	char text[128];

	if (!h)
		return;
	kill_run(text_number(h->json, "run"), text, sizeof(text));
	prompt_decided(&t->prompt, text);
}

static void terminal_on_keys(struct terminal *t)
{
	char keys[PROMPT_READ_MAX];
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
	case PROMPT_KILLS:
		terminal_kill(t);
		break;
	case PROMPT_QUIT:
		t->is_done = true;
		break;
	}
	t->is_dirty = true;
}

/* The other screen of the terminal, so that what was there before comes back; pastes are marked. */
static void terminal_enter(struct terminal *t)
{
	if (t->screen.has_cursor)
		fputs("\033[?1049h\033[?2004h\033[2J", t->screen.to);
}

static void terminal_leave(struct terminal *t)
{
	if (t->screen.has_cursor)
		fputs("\033[?2004l\033[?1049l", t->screen.to);
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

/* What the run of the hold on the screen did before, from the ledger. */
static void terminal_look_back(struct terminal *t)
{
	const struct held *h = held_find(&t->prompt.held, t->prompt.shown);
	struct query_filter filter = {.limit = PROMPT_PAST_ROWS + 1};
	struct query_row row;
	size_t n = 0;
	FILE *f;

	if (!h || t->prompt.past_of == h->id || !t->ledger)
		return;
	t->prompt.past_of = h->id;
	t->prompt.past[0] = 0;
	filter.run = text_number(h->json, "run");
	f = fmemopen(t->prompt.past, sizeof(t->prompt.past) - 1, "w");
	if (!f)
		return;
	if (!query_list(t->ledger, QUERY_REQUESTS, &filter))
		while (!query_next(t->ledger, &row)) {
			struct slice ruling = query_value(&row, "ruling")->bytes,
				     outcome = query_value(&row, "hold_outcome")->bytes,
				     text = query_value(&row, "text")->bytes;

			if (query_value(&row, "id")->number ==
				(int64_t)text_number(h->json, "request"))
				continue;
			fprintf(f, "%s%.*s%s%.*s: %.*s", n++ ? "; " : "", SLICE_FMT(ruling),
				outcome.n ? " " : "", SLICE_FMT(outcome),
				SLICE_FMT(slice_head(text, 80)));
		}
	fclose(f);
}

static void terminal_draw(struct terminal *t)
{
	struct winsize size = term_size(STDOUT_FILENO);

	t->screen.cols = size.ws_col;
	t->screen.rows = size.ws_row;
	terminal_look_back(t);
	if (t->prompt.n_came && t->screen.has_cursor)
		fputc('\a', t->screen.to);
	t->prompt.n_came = 0;
	prompt_draw(&t->prompt, &t->screen, clock_mono_ns());
	/* What was typed while something else was to be seen was not meant for this. */
	if (prompt_drawn(&t->prompt, clock_mono_ns()))
		tcflush(STDIN_FILENO, TCIFLUSH);
	t->is_dirty = false;
}

/* All that the daemon has said by now: a flood is drawn once. */
static void terminal_read_daemon(struct terminal *t)
{
	struct pollfd p = {.events = POLLIN};

	for (int i = 0; i < PROMPT_READ_MAX && t->watch.fd >= 0 && !t->is_done; i++) {
		p.fd = t->watch.fd;
		if (poll(&p, 1, 0) <= 0)
			return;
		terminal_on_daemon(t);
	}
}

static int terminal_loop(struct terminal *t)
{
	while (!t->is_done) {
		struct pollfd p[3] = {{.fd = STDIN_FILENO, .events = POLLIN},
			{.fd = t->signal_fd, .events = POLLIN},
			{.fd = t->watch.fd, .events = POLLIN}};
		int n;

		terminal_say_what(t);
		if (t->is_dirty)
			terminal_draw(t);
		n = poll(p, 3, t->prompt.keyboard.n ? PROMPT_ESCAPE_MS : PROMPT_TICK_MS);
		if (n < 0 && errno != EINTR)
			return cli_fail(CLI_FAILED, "poll: %s", strerror(errno));
		if (p[0].revents)
			terminal_on_keys(t);
		else
			prompt_settle(&t->prompt, clock_mono_ns());
		if (p[1].revents)
			terminal_on_signals(t);
		if (p[2].revents)
			terminal_read_daemon(t);
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
	query_close(t->ledger);
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
	if (query_open(cli_ledger(), &t->ledger))
		t->ledger = NULL; /* then nothing is told of the past */
	t->screen = (struct screen){.to = stdout,
		.has_cursor = term && *term && strcmp(term, "dumb"),
		.has_colour = cli_is_tty(stdout)};
	t->signal_fd = term_signals(signals);
	if (t->signal_fd < 0 || term_change(&t->term, STDIN_FILENO, TERM_KEYS))
		return cli_fail(CLI_FAILED, "cannot change the terminal's modes");
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN); /* what --notify starts is nobody's to wait for */
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
	const char *value;
	int c;

	while ((c = cli_getopt(cmd, argc, argv, &value)) != -1) {
		if (c == '?')
			return CLI_USAGE;
		t.notify = value;
	}
	if (cli_optind() < argc)
		return cli_fail(CLI_USAGE, "usage: holdfast %s", cmd->usage);
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return cli_fail(CLI_USAGE, "the prompt needs a terminal; in scripts, use `holdfast "
					   "pending --json` and "
					   "`holdfast approve`");
	return cmd_prompt_start(&t);
}

static const struct cmd_opt cmd_prompt_opts[] = {
	{0, "notify", "CMD", "run this shell command for each hold that comes"},
	{0},
};

const struct cmd cmd_prompt = {
	.name = "prompt",
	.usage = "prompt [--notify CMD]",
	.help = "Show each held request as it comes and take decisions.",
	.more = "Keys: a approve once, s this shape in this run, t this shape for a time, d deny, "
		"D deny\n"
		"all of this kind, K kill the run, n p j k and arrows move, / search, v "
		"everything,\n"
		"? help, q quit. What is held stays held when the prompt ends.\n"
		"The notify command finds HOLDFAST_HOLD, HOLDFAST_RUN, HOLDFAST_RESOURCE,\n"
		"HOLDFAST_RULE, HOLDFAST_EFFECTS and HOLDFAST_TEXT in its environment; the text "
		"is\n"
		"what an agent wrote.\n"
		"Without colour: NO_COLOR=1. On a dumb terminal (TERM=dumb) screens follow each "
		"other.",
	.opts = cmd_prompt_opts,
	.run = cmd_prompt_run,
};
