/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast run: asks the warden for a run, and is its terminal until its command ends. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/cmds.h"
#include "cli/streams.h"
#include "cli/term.h"
#include "util/cleanup.h"
#include "util/utf8.h"

enum {
	RUN_NAME_PRINT_MAX = 64,
	/* How long the output of a command that ended is waited for while others of the run keep it
	 * open: what it wrote is in the pty's queue, on its way. */
	RUN_DRAIN_MS = 150,
};

struct run_ask {
	const char *name, *user;
	bool is_quiet;
	uint8_t flags;
	char **argv;
};

struct run_terminal {
	struct client client;
	struct streams streams;
	struct term term;
	int signal_fd;
	bool is_quiet, has_started, has_exited;
	int code; /* what we exit with */
};

/* ---- asking ---------------------------------------------------------------------------------- */

static void run_write_strings(struct writer *w, char **list)
{
	uint32_t n = 0;

	while (list[n])
		n++;
	wr_be32(w, n);
	for (uint32_t i = 0; i < n; i++)
		wr_be32_bytes(w, slice_str(list[i]));
}

static int run_send(struct run_terminal *t, const struct run_ask *ask)
{
	_cleanup_(freep) uint8_t *body = malloc(CTL_PACKET_MAX);
	struct writer w = writer_of(body, body ? CTL_PACKET_MAX - CTL_HEADER_LEN : 0);
	char cwd[PATH_MAX];

	if (!body)
		return -ENOMEM;
	if (!getcwd(cwd, sizeof(cwd)))
		return -errno;
	wr_be32_bytes(&w, slice_str(ask->name));
	wr_be32_bytes(&w, slice_str(ask->user));
	wr_be32_bytes(&w, slice_str(cwd));
	wr_u8(&w, ask->flags | (t->streams.is_tty ? RUN_FLAG_TTY : 0));
	run_write_strings(&w, ask->argv);
	run_write_strings(&w, environ);
	if (w.bad)
		return CLIENT_E_TOO_BIG;
	return client_send(&t->client, RUN_START, wr_done(&w), t->streams.theirs, 3);
}

/* ---- its answers ----------------------------------------------------------------------------- */

static void run_on_started(struct run_terminal *t)
{
	struct reader r = reader_of(t->client.body);
	uint64_t id = rd_be64(&r);
	uint32_t uid = rd_be32(&r);
	struct slice name = rd_be32_bytes(&r);

	t->has_started = true;
	if (t->is_quiet || r.bad)
		return;
	fprintf(stderr, "holdfast: run %" PRIu64 " (", id);
	utf8_print_safe(stderr, name, false, RUN_NAME_PRINT_MAX);
	/* The terminal is raw already: a new line needs its carriage return. */
	fprintf(stderr, ") as uid %" PRIu32 "%s\n", uid, t->term.is_changed ? "\r" : "");
}

static void run_on_exited(struct run_terminal *t)
{
	struct reader r = reader_of(t->client.body);
	int status = (int)rd_be32(&r);

	t->has_exited = true;
	if (WIFEXITED(status))
		t->code = WEXITSTATUS(status);
	else
		t->code = 128 + WTERMSIG(status);
}

/* One answer. The daemon's end is not the run's: its bytes still come through us. */
static void run_on_answer(struct run_terminal *t)
{
	int r = client_read(&t->client), code;

	if (r) {
		t->client.fd = fd_close(t->client.fd);
		term_restore(&t->term);
		if (t->has_exited)
			return;
		code = t->has_started ? cli_fail(CLI_FAILED, "holdfastd went away; the run goes on "
							     "without it, refused every connection")
				      : client_explain(r);
		t->code = code;
		t->has_exited |= !t->has_started;
	} else if (t->client.type == RUN_STARTED) {
		run_on_started(t);
	} else if (t->client.type == RUN_EXITED) {
		run_on_exited(t);
	} else {
		term_restore(&t->term);
		code = t->client.type == CTL_ERROR ? client_explain_error(&t->client)
						   : client_explain(CLIENT_E_BAD);
		if (!t->has_started) {
			t->code = code;
			t->has_exited = true;
		}
	}
}

/* ---- being its terminal ---------------------------------------------------------------------- */

static void run_relay_signal(struct run_terminal *t, int sig)
{
	uint8_t body[4];
	struct writer w = writer_of(body, sizeof(body));

	wr_be32(&w, (uint32_t)sig);
	if (t->client.fd >= 0 && client_send(&t->client, RUN_SIGNAL, wr_done(&w), NULL, 0))
		cli_fail(CLI_FAILED, "signal %d could not be passed on", sig);
}

static void run_on_signals(struct run_terminal *t)
{
	int sig;

	while ((sig = term_next_signal(t->signal_fd))) {
		if (sig == SIGWINCH && t->streams.is_tty) {
			streams_resize(&t->streams); /* the kernel signals the run itself */
			continue;
		}
		/* Nothing is there to be signalled yet, and a daemon that hangs must not hang us:
		 * what it may start later finds its terminal hung up. */
		if (!t->has_started && (sig == SIGINT || sig == SIGTERM || sig == SIGHUP)) {
			t->code = 128 + sig;
			t->has_exited = true;
			return;
		}
		run_relay_signal(t, sig);
		if (sig == SIGTSTP)
			term_stop(&t->term, TERM_RAW);
	}
}

static bool run_is_over(const struct run_terminal *t)
{
	return t->has_exited ? !t->has_started || streams_is_drained(&t->streams)
			     : t->client.fd < 0 && streams_is_drained(&t->streams);
}

static int run_relay(struct run_terminal *t)
{
	struct pollfd polls[STREAMS_POLLS + 2];

	while (!run_is_over(t)) {
		int n = (int)streams_prepare(&t->streams, polls);

		polls[n] = (struct pollfd){.fd = t->signal_fd, .events = POLLIN};
		polls[n + 1] = (struct pollfd){.fd = t->client.fd, .events = POLLIN};
		/* The terminal's keys are for a run that is there. */
		if (!t->has_started || t->has_exited)
			polls[0].fd = -1;
		n = poll(polls, STREAMS_POLLS + 2, t->has_exited ? RUN_DRAIN_MS : -1);
		if (n < 0 && errno != EINTR)
			return cli_fail(CLI_FAILED, "poll: %s", strerror(errno));
		if (n == 0)
			break;
		streams_move(&t->streams, polls);
		if (polls[STREAMS_POLLS].revents)
			run_on_signals(t);
		if (polls[STREAMS_POLLS + 1].revents)
			run_on_answer(t);
	}
	return t->code;
}

static void run_terminal_deinit(struct run_terminal *t)
{
	term_restore(&t->term);
	streams_deinit(&t->streams);
	client_deinit(&t->client);
	fd_close(t->signal_fd);
}

static int run_attach(struct run_terminal *t, const struct run_ask *ask)
{
	static const int signals[] = {
		SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT, SIGTSTP, 0};
	int r = client_open(&t->client, RUN_SOCKET);

	if (r)
		return client_explain(r);
	r = streams_init(&t->streams);
	if (r)
		return cli_fail(CLI_FAILED, "cannot make a terminal or pipes: %s", strerror(-r));
	t->signal_fd = term_signals(signals);
	if (t->signal_fd < 0)
		return cli_fail(CLI_FAILED, "cannot wait for signals: %s", strerror(-t->signal_fd));
	signal(SIGPIPE, SIG_IGN);
	r = run_send(t, ask);
	if (r)
		return client_explain(r);
	streams_hand_over(&t->streams);
	if (t->streams.is_tty && term_change(&t->term, STDIN_FILENO, TERM_RAW))
		return cli_fail(CLI_FAILED, "cannot change the terminal's modes");
	return run_relay(t);
}

static int cmd_run_run(const struct cmd *cmd, int argc, char **argv)
{
	_cleanup_(run_terminal_deinit) struct run_terminal t = {
		.client.fd = -1, .streams.master = -1, .signal_fd = -1, .code = CLI_FAILED};
	struct run_ask ask = {.name = "", .user = ""};
	const char *value;
	int c;

	for (int i = 0; i < 3; i++)
		t.streams.theirs[i] = t.streams.streams[i].in = t.streams.streams[i].out = -1;
	while ((c = cli_getopt(cmd, argc, argv, &value)) != -1) {
		if (c == '?')
			return CLI_USAGE;
		if (c == 'n')
			ask.name = value;
		else if (c == 'u')
			ask.user = value;
		else if (c == 'q')
			t.is_quiet = true;
		else
			ask.flags |= RUN_FLAG_ALLOW_DEGRADED;
	}
	if (cli_optind() >= argc)
		return cli_fail(CLI_USAGE, "usage: holdfast %s", cmd->usage);
	ask.argv = argv + cli_optind();
	return run_attach(&t, &ask);
}

static const struct cmd_opt cmd_run_opts[] = {
	{'n', "name", "NAME", "what people and the ledger call it; default: the command"},
	{'u', "user", "ACCOUNT", "run as this account instead of a uid of its own"},
	{0, "allow-degraded", NULL, "accept less protection; recorded with the run"},
	{'q', "quiet", NULL, "do not print the line about the run"},
	{0},
};

const struct cmd cmd_run = {
	.name = "run",
	.usage = "run [--name N] [--user U] [--allow-degraded] [--quiet] -- CMD [ARGS…]",
	.help = "Run a command as an agent: everything it sends to a database is judged.",
	.more = "The command gets a uid of its own with an empty home, no capabilities, and no way "
		"to\n"
		"other processes, control groups or sockets. Exit status and signals are the "
		"command's;\n"
		"126 or 127: it could not be executed. Files it needs must be readable for that "
		"uid.",
	.opts = cmd_run_opts,
	.run = cmd_run_run,
	.stops_at_operand = true,
};
