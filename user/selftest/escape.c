/* SPDX-License-Identifier: Apache-2.0 */
/* Trying and judging: see escape.h. */
#include "selftest/escape.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/clock.h"

enum {
	ESCAPE_PROBE_SECS = 6, /* a probe that hangs was not answered: closed */
	ESCAPE_SETTLE_MS = 400,
	ESCAPE_RUN_MS = 180000,
	ESCAPE_NOBODY = 65534,
};

/* ---- one probe in a process of its own --------------------------------------------------------
 */

struct escape_answer {
	int result;
	char why[PROBE_WHY_MAX];
};

static _Noreturn void escape_child(
	unsigned row, enum guise guise, bool drop, const struct probe_world *world, int out)
{
	struct escape_answer a = {.result = -EPERM};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	alarm(ESCAPE_PROBE_SECS);
	if (drop &&
		(setgroups(0, NULL) < 0 || setgid(ESCAPE_NOBODY) < 0 || setuid(ESCAPE_NOBODY) < 0))
		_exit(1);
	/* setuid made it undumpable: /proc/self would be root's. */
	if (drop)
		prctl(PR_SET_DUMPABLE, 1);
	a.result = probe_try(row, guise, world, a.why);
	_exit(write(out, &a, sizeof(a)) == sizeof(a) ? 0 : 1);
}

/* drop: as nobody. A probe that was killed for it was stopped. */
static void escape_one(unsigned row, enum guise guise, bool drop, const struct probe_world *world,
	struct escape_try *ret)
{
	struct escape_answer a;
	int pair[2], status = 0;
	ssize_t n;
	pid_t pid;

	*ret = (struct escape_try){.is_done = true, .result = -EAGAIN};
	if (pipe2(pair, O_CLOEXEC) < 0)
		return;
	pid = fork();
	if (!pid) {
		close(pair[0]);
		escape_child(row, guise, drop, world, pair[1]);
	}
	close(pair[1]);
	if (pid > 0)
		waitpid(pid, &status, 0);
	/* A grandchild may hold its copy of the pipe: what was written is there by now. */
	n = fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0 ? -1 : read(pair[0], &a, sizeof(a));
	close(pair[0]);
	if (n == sizeof(a)) {
		ret->result = a.result;
		memcpy(ret->why, a.why, sizeof(ret->why));
	} else {
		ret->result = PROBE_E_REFUSED;
		if (WIFSIGNALED(status))
			snprintf(ret->why, sizeof(ret->why), "killed: %s",
				WTERMSIG(status) == SIGALRM ? "no answer"
							    : strsignal(WTERMSIG(status)));
		else
			snprintf(ret->why, sizeof(ret->why), "ended with %d", WEXITSTATUS(status));
	}
}

/* ---- inside -----------------------------------------------------------------------------------
 */

int escape_inside(const char *world_text, bool is_attached)
{
	struct probe_world world;
	unsigned n = 0;
	char go;

	if (world_scan(world_text, &world))
		return 2;
	/* Not before it is under control. */
	if (is_attached && read(STDIN_FILENO, &go, 1) != 1)
		return 2;
	probe_rows(&n);
	for (unsigned row = 0; row < n; row++)
		for (enum guise guise = GUISE_AGENT; guise < GUISE_N; guise++) {
			struct escape_try t;

			if (!probe_has_guise(&probe_rows(&n)[row], guise) ||
				(is_attached && !probe_is_of_sockets(&probe_rows(&n)[row])))
				continue;
			escape_one(row, guise, false, &world, &t);
			printf("%u %u %d %s\n", row, (unsigned)guise, t.result, t.why);
			fflush(stdout);
		}
	puts("end");
	return ferror(stdout) ? 1 : 0;
}

bool escape_parse(char *line, unsigned *ret_row, enum guise *ret_guise, struct escape_try *ret)
{
	unsigned guise;
	int at = 0;

	*ret = (struct escape_try){.is_done = true};
	if (sscanf(line, "%u %u %d %n", ret_row, &guise, &ret->result, &at) < 3 || !at)
		return false;
	if (*ret_row >= PROBE_ROWS_MAX || guise >= GUISE_N || guise == GUISE_CONTROL)
		return false;
	*ret_guise = (enum guise)guise;
	snprintf(ret->why, sizeof(ret->why), "%s", line + at);
	ret->why[strcspn(ret->why, "\n")] = 0;
	return true;
}

/* ---- outside ----------------------------------------------------------------------------------
 */

bool escape_has_row(const struct escape *e, unsigned row)
{
	unsigned n;

	return !e->is_attached || probe_is_of_sockets(&probe_rows(&n)[row]);
}

static void escape_control(struct escape *e)
{
	const struct probe_row *rows = probe_rows(&e->n_rows);

	for (unsigned row = 0; row < e->n_rows; row++)
		if (escape_has_row(e, row))
			escape_one(row, GUISE_CONTROL, !(rows[row].probe->flags & BY_ROOT),
				&e->world.probe, &e->tries[row][GUISE_CONTROL]);
	poll(NULL, 0, ESCAPE_SETTLE_MS);
	e->control_packets = atomic_load(&e->world.log->packets[0]);
}

static pid_t escape_spawn(const char *self, char *world_text, int *ret_out)
{
	char run[] = "run", quiet[] = "--quiet", name[] = "--name", what[] = "selftest-escape";
	char end[] = "--", selftest[] = "selftest", escape[] = "escape", inside[] = "--inside";
	char *path = strdup(self);
	char *args[] = {path, run, quiet, name, what, end, path, selftest, escape, inside,
		world_text, NULL};
	int out[2];
	pid_t pid;

	if (!path || pipe2(out, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (!pid) {
		int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

		/* A pipe for stdin: a terminal would be handed on, and the run have one. */
		if (null < 0 || dup2(null, 0) < 0 || dup2(out[1], 1) < 0 || chdir("/") < 0)
			_exit(126);
		execv(self, args);
		_exit(127);
	}
	free(path);
	close(out[1]);
	*ret_out = out[0];
	return pid;
}

/* `holdfast attach` of that process. */
static int escape_attach(const char *self, pid_t pid)
{
	char attach[] = "attach", what[] = "--pid", number[24], name[] = "--name";
	char word[] = "selftest-escape";
	char *path = strdup(self);
	char *args[] = {path, attach, what, number, name, word, NULL};
	int status = -1;
	pid_t child;

	snprintf(number, sizeof(number), "%d", (int)pid);
	child = path ? fork() : -1;
	if (!child) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		if (null < 0 || dup2(null, 1) < 0)
			_exit(126);
		execv(self, args);
		_exit(127);
	}
	free(path);
	if (child < 0 || waitpid(child, &status, 0) < 0)
		return err_raise(-errno);
	return status ? ESCAPE_E_NO_RUN : 0;
}

/* As nobody, in the network namespace that we are in ourselves; begins when it is attached. */
static pid_t escape_spawn_attached(const char *self, char *world_text, int *ret_out)
{
	char selftest[] = "selftest", escape[] = "escape", inside[] = "--inside";
	char attached[] = "--attached";
	char *path = strdup(self);
	char *args[] = {path, selftest, escape, attached, inside, world_text, NULL};
	int in[2], out[2], r;
	pid_t pid;

	if (!path || pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (!pid) {
		if (dup2(in[0], 0) < 0 || dup2(out[1], 1) < 0 || chdir("/") < 0 ||
			setgroups(0, NULL) < 0 || setgid(ESCAPE_NOBODY) < 0 ||
			setuid(ESCAPE_NOBODY) < 0)
			_exit(126);
		execv(self, args);
		_exit(127);
	}
	free(path);
	close(in[0]);
	close(out[1]);
	*ret_out = out[0];
	r = pid > 0 ? escape_attach(self, pid) : -1;
	if (!r && write(in[1], "g", 1) != 1)
		r = -1;
	close(in[1]); /* unheard, it ends by itself */
	return r ? -1 : pid;
}

static void escape_take(struct escape *e, char *line)
{
	struct escape_try t;
	enum guise guise;
	unsigned row;

	if (!escape_parse(line, &row, &guise, &t) || row >= e->n_rows)
		return;
	e->n_tries += !e->tries[row][guise].is_done;
	e->tries[row][guise] = t;
}

/* Until it says that it is through, ends, or takes too long. */
static bool escape_read(struct escape *e, int out)
{
	int64_t deadline = clock_mono_ns() + ESCAPE_RUN_MS * CLOCK_NS_PER_MS;
	char text[8192];
	size_t have = 0;

	for (;;) {
		struct pollfd p = {.fd = out, .events = POLLIN};
		int64_t left = (deadline - clock_mono_ns()) / CLOCK_NS_PER_MS;
		char *line = text, *end;
		ssize_t n;

		if (left <= 0 || poll(&p, 1, (int)left) <= 0)
			return false;
		n = read(out, text + have, sizeof(text) - 1 - have);
		if (n <= 0)
			return false;
		have += (size_t)n;
		text[have] = 0;
		while ((end = strchr(line, '\n'))) {
			*end = 0;
			if (!strcmp(line, "end"))
				return true;
			escape_take(e, line);
			line = end + 1;
		}
		have = strlen(line);
		if (have >= sizeof(text) - 1)
			return false;
		memmove(text, line, have + 1);
	}
}

static int escape_in_run(struct escape *e, const char *self)
{
	_cleanup_(fd_closep) int out = -1;
	char text[600];
	bool is_whole;
	int status = 0;
	pid_t pid;

	if (world_print(&e->world.probe, text, sizeof(text)))
		return err_raise(-ENAMETOOLONG);
	atomic_store(&e->world.log->is_run_phase, 1);
	pid = e->is_attached ? escape_spawn_attached(self, text, &out)
			     : escape_spawn(self, text, &out);
	if (pid < 0)
		return e->is_attached ? ESCAPE_E_NO_RUN : err_raise(-errno);
	is_whole = escape_read(e, out);
	if (!is_whole)
		kill(pid, SIGTERM);
	waitpid(pid, &status, 0);
	poll(NULL, 0, ESCAPE_SETTLE_MS);
	e->run_packets = atomic_load(&e->world.log->packets[1]);
	return is_whole || e->n_tries ? 0 : ESCAPE_E_NO_RUN;
}

/* ---- judging ----------------------------------------------------------------------------------
 */

static struct escape_verdict escape_say(enum escape_state state, const char *how, const char *why)
{
	struct escape_verdict v = {.state = state};

	snprintf(v.why, sizeof(v.why), "%s%s%s", how, *how && *why ? ": " : "", why);
	return v;
}

struct escape_verdict escape_judge(
	const struct escape_try tries[GUISE_N], const uint32_t received[GUISE_N])
{
	const struct escape_try *control = &tries[GUISE_CONTROL];

	/* What got out got out, whatever the control says. */
	for (enum guise g = GUISE_AGENT; g < GUISE_N; g++) {
		if (received[g])
			return escape_say(ESCAPE_OPEN, probe_guise_names[g], "it arrived outside");
		if (tries[g].is_done && tries[g].result == PROBE_OUT)
			return escape_say(ESCAPE_OPEN, probe_guise_names[g], tries[g].why);
	}
	if (control->result == PROBE_E_ABSENT)
		return escape_say(ESCAPE_UNTESTED, "", control->why);
	if (control->result != PROBE_OUT && !received[GUISE_CONTROL])
		return escape_say(ESCAPE_UNTESTED, "not even outside a run", control->why);
	if (!tries[GUISE_AGENT].is_done)
		return escape_say(ESCAPE_UNTESTED, "", "the run ended before it");
	if (tries[GUISE_AGENT].result == PROBE_E_ABSENT)
		return escape_say(ESCAPE_UNTESTED, "inside", tries[GUISE_AGENT].why);
	return escape_say(ESCAPE_CLOSED, "", tries[GUISE_AGENT].why);
}

static void escape_judge_all(struct escape *e)
{
	for (unsigned row = 0; row < e->n_rows; row++) {
		uint32_t received[GUISE_N];

		if (!escape_has_row(e, row))
			continue;
		e->n_ways++;
		for (unsigned g = 0; g < GUISE_N; g++)
			received[g] = atomic_load(&e->world.log->received[g][row]);
		e->verdicts[row] = escape_judge(e->tries[row], received);
		e->counts[e->verdicts[row].state]++;
	}
}

int escape_run(struct escape *e, const char *self)
{
	int r = world_start(&e->world);

	if (r)
		return err_trace(r);
	escape_control(e);
	r = escape_in_run(e, self);
	if (r)
		return r < 0 ? err_trace(r) : r;
	escape_judge_all(e);
	return 0;
}

void escape_deinit(struct escape *e)
{
	world_stop(&e->world);
}
