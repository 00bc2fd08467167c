/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast replay: a session as it went, statement by statement. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audit/replay.h"
#include "cli/cmds.h"
#include "cli/replay_html.h"
#include "cli/show_contents.h"
#include "cli/show_ledger.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/utf8.h"

enum { CMD_REPLAY_LINE_MAX = 4000 };

static const struct cmd_opt cmd_replay_opts[] = {
	{'x', "speed", "N", "wait as it went, N times as fast (1 = as it was)"},
	{'a', "at", "TIME", "begin there: 90s, 5m after the start"},
	{'o', "html", "FILE", "write a page instead, one file that loads nothing"},
	{'l', "ledger", "PATH", "another ledger than the daemon's"},
	{0},
};

static void cmd_replay_free(struct replay **p)
{
	replay_free(*p);
}

static void cmd_replay_word(const char *before, struct slice s)
{
	if (!s.n)
		return;
	fputs(before, stdout);
	utf8_print_safe(stdout, s, false, CMD_REPLAY_LINE_MAX);
}

/* Every line of it behind a bar: a statement cannot draw a line that looks like one of ours. */
#define CMD_REPLAY_BAR "              │ "

static void cmd_replay_text(struct slice s)
{
	while (s.n) {
		const uint8_t *nl = memchr(s.p, '\n', s.n);
		size_t n = nl ? (size_t)(nl - s.p) : s.n;

		fputs(CMD_REPLAY_BAR, stdout);
		utf8_print_safe(stdout, slice_head(s, n), false, CMD_REPLAY_LINE_MAX);
		putchar('\n');
		s = slice_skip(s, n + 1);
	}
}

static void cmd_replay_line(const char *before, struct slice s)
{
	if (!s.n)
		return;
	fputs(CMD_REPLAY_BAR, stdout);
	cmd_replay_word(before, s);
	putchar('\n');
}

static void cmd_replay_session(const struct record_session *s, int64_t at_ns)
{
	char time[SHOW_TIME_MAX];

	printf("session %" PRIu64 " of run %" PRIu64 ", %s", s->id, s->run, show_time(time, at_ns));
	printf(": pid %" PRIu64, s->pid);
	cmd_replay_word(" ", s->comm);
	cmd_replay_word(" to ", s->resource);
	cmd_replay_word(" at ", s->target);
	cmd_replay_word(", ", s->protocol);
	cmd_replay_word(", policy ", s->policy);
	putchar('\n');
}

static void cmd_replay_login(const struct record_login *l)
{
	printf("login");
	cmd_replay_word(" as ", l->role);
	cmd_replay_word(" on ", l->database);
	cmd_replay_word(", application ", l->application);
	putchar('\n');
}

static void cmd_replay_request(const struct record_request *q)
{
	printf("request %" PRIu64, q->id);
	cmd_replay_word(": ", q->ruling);
	cmd_replay_word(" by rule ", q->rule);
	cmd_replay_word(" · ", q->effects);
	cmd_replay_word(" · ", q->objects);
	cmd_replay_word(" · transaction ", q->tx);
	putchar('\n');
	cmd_replay_text(q->text);
	if (q->params.n)
		printf(CMD_REPLAY_BAR "parameters:\n");
	cmd_replay_text(q->params);
}

static void cmd_replay_decision(const struct record_decision *d)
{
	printf("h%" PRIu64, d->hold);
	cmd_replay_word(": ", d->decision);
	cmd_replay_word(" by ", d->user);
	printf(" (uid %" PRIu64, d->uid);
	cmd_replay_word(", sudo from ", d->sudo_uid);
	putchar(')');
	cmd_replay_word(", scope ", d->scope);
	cmd_replay_word(": ", d->reason);
	putchar('\n');
	cmd_replay_line("known: ", d->auth);
	cmd_replay_line("shown: ", d->shown);
}

static void cmd_replay_reply(struct show_contents *c, const struct record_reply *r)
{
	printf("reply to %" PRIu64, r->request);
	cmd_replay_word(": ", r->status);
	cmd_replay_word(" ", r->tag);
	cmd_replay_word(" ", r->code);
	cmd_replay_word(" ", r->message);
	printf(" · %" PRIu64 " rows, %" PRIu64 " bytes", r->n_rows, r->n_bytes);
	if (r->n_affected)
		printf(", %" PRIu64 " changed", r->n_affected);
	if (r->n_masked)
		printf(", %" PRIu64 " values masked", r->n_masked);
	cmd_replay_word(" by ", r->masked);
	cmd_replay_word(" of ", r->masked_by);
	if (r->contents.n)
		printf(" · %" PRIu64 " bytes of contents", r->contents_len);
	cmd_replay_word(": ", r->contents);
	putchar('\n');
	show_contents_end(c, r->request, r->contents_len, CMD_REPLAY_BAR);
}

/* Several replies can come in turns: each part says whose it is. */
static void cmd_replay_content(struct show_contents *c, const struct record_content *part)
{
	struct slice text = show_contents_part(c, part, SHOW_CONTENTS_MAX);

	printf("given for %" PRIu64 ": part %" PRIu64 ", %" PRIu64 " bytes\n", part->request,
		part->part, part->text_len);
	show_contents_print(c, text, CMD_REPLAY_BAR);
}

static void cmd_replay_end(const struct record_session_end *e)
{
	printf("end");
	cmd_replay_word(": ", e->reason);
	printf(" · %" PRIu64 " bytes up, %" PRIu64 " down\n", e->bytes_up, e->bytes_down);
}

static void cmd_replay_step(struct show_contents *c, const struct replay_step *s)
{
	const union record *rec = &s->record;

	if (s->kind != RECORD_SESSION)
		printf("%+12.3fs ", (double)s->since_start_ns / 1e9);
	switch (s->kind) {
	case RECORD_SESSION:
		cmd_replay_session(&rec->session, s->at_ns);
		break;
	case RECORD_LOGIN:
		cmd_replay_login(&rec->login);
		break;
	case RECORD_REQUEST:
		cmd_replay_request(&rec->request);
		break;
	case RECORD_HOLD:
		printf("h%" PRIu64 ": held, for at most %" PRIu64 " s", rec->hold.id,
			rec->hold.timeout_ms / 1000);
		cmd_replay_word(", by rule ", rec->hold.rule);
		putchar('\n');
		break;
	case RECORD_DECISION:
		cmd_replay_decision(&rec->decision);
		break;
	case RECORD_HOLD_END:
		printf("h%" PRIu64, rec->hold_end.hold);
		cmd_replay_word(": ", rec->hold_end.outcome);
		putchar('\n');
		break;
	case RECORD_REPLY:
		cmd_replay_reply(c, &rec->reply);
		break;
	case RECORD_CONTENT:
		cmd_replay_content(c, &rec->content);
		break;
	case RECORD_EVENT:
		cmd_replay_word("event ", rec->event.kind);
		cmd_replay_word(": ", rec->event.detail);
		putchar('\n');
		break;
	case RECORD_SESSION_END:
		cmd_replay_end(&rec->session_end);
		break;
	case RECORD_NONE:
	case RECORD_RUN:
	case RECORD_RUN_END:
	case RECORD_N:
		break;
	}
}

static void cmd_replay_wait(int64_t ns, double speed)
{
	struct timespec t;

	if (speed <= 0 || ns <= 0)
		return;
	ns = (int64_t)((double)ns / speed);
	t = (struct timespec){.tv_sec = ns / CLOCK_NS_PER_S, .tv_nsec = ns % CLOCK_NS_PER_S};
	nanosleep(&t, NULL);
}

struct cmd_replay {
	double speed;
	double at_s; /* what was before is not shown */
	const char *html;
};

/* "90s", "5m", "1h" */
static bool cmd_replay_at(const char *text, double *ret_s)
{
	char *end;

	*ret_s = strtod(text, &end);
	*ret_s *= *end == 'm' ? 60 : *end == 'h' ? 3600 : 1;
	return *text >= '0' && *text <= '9' && (!*end || (strchr("smh", *end) && !end[1]));
}

static int cmd_replay_show(struct query *q, uint64_t session, const struct cmd_replay *how)
{
	_cleanup_(show_contents_deinit) struct show_contents contents;
	_cleanup_(cmd_replay_free) struct replay *p = NULL;
	struct replay_step step;
	int r = replay_new(q, session, &p);

	show_contents_init(&contents);
	if (r == REPLAY_E_NONE)
		return cli_fail(CLI_NONE, "there is no session %" PRIu64 " in the ledger", session);
	if (r == REPLAY_E_TOO_LONG)
		return show_ledger_explain(QUERY_E_TOO_LONG);
	if (!r && how->html)
		return replay_html(p, session, how->html);
	while (!r && !(r = replay_next(p, &step))) {
		/* Whose session it is, is said in any case. */
		if (step.kind != RECORD_SESSION && (double)step.since_start_ns / 1e9 < how->at_s)
			continue;
		cmd_replay_wait(step.since_last_ns, how->speed);
		cmd_replay_step(&contents, &step);
		fflush(stdout);
	}
	if (r != REPLAY_E_END)
		return show_ledger_explain(r);
	return ferror(stdout) ? cli_fail(CLI_FAILED, "the output cannot be written") : CLI_OK;
}

static int cmd_replay_run(const struct cmd *cmd, int argc, char **argv)
{
	_cleanup_(show_ledger_closep) struct query *q = NULL;
	const char *value, *ledger = NULL;
	unsigned long long session;
	struct cmd_replay how = {0};
	char *end;
	int letter, r;

	while ((letter = cli_getopt(cmd, argc, argv, &value)) != -1) {
		if (letter == '?')
			return CLI_USAGE;
		if (letter == 'l')
			ledger = value;
		if (letter == 'o')
			how.html = value;
		if (letter == 'a' && !cmd_replay_at(value, &how.at_s))
			return cli_fail(
				CLI_USAGE, "replay: '%s' is no time after the start", value);
		if (letter == 'x' &&
			((how.speed = strtod(value, &end)) < 0.001 || *end || how.speed > 1e9))
			return cli_fail(CLI_USAGE, "replay: '%s' is no speed", value);
	}
	if (argc - cli_optind() != 1)
		return cli_fail(CLI_USAGE, "usage: holdfast %s", cmd->usage);
	session = strtoull(argv[cli_optind()], &end, 10);
	if (!session || *end || argv[cli_optind()][0] == '-')
		return cli_fail(CLI_USAGE,
			"'%s' is no id of a session; `holdfast audit sessions` lists them",
			argv[cli_optind()]);
	r = show_ledger_open(ledger, &q);
	return r ? r : cmd_replay_show(q, session, &how);
}

const struct cmd cmd_replay = {
	.name = "replay",
	.usage = "replay <session-id> [options]",
	.help = "Show a session as it went: statements, holds, decisions, replies.",
	.more = "Times are counted from the start of the session. Without --speed it does not "
		"wait.",
	.opts = cmd_replay_opts,
	.run = cmd_replay_run,
};
