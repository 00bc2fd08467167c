/* SPDX-License-Identifier: Apache-2.0 */
/* Telling elsewhere: see herald.h. */
#include "daemon/herald.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/webhook.h"
#include "priv/sandbox.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/fd.h"
#include "util/log.h"

enum {
	HERALD_TICK_MS = 500,
	HERALD_RESTART_S = 5,
	HERALD_PROGRAMS_MAX = 8, /* of the operator's at a time */
	HERALD_PROGRAM_S = 30,   /* how long one may take */
	HERALD_WORDS_MAX = 40,   /* of a message: which event, which hold */
};

struct herald {
	const struct process *p;
	int fd;
	struct webhook *webhook;
	unsigned n_programs;
	uint64_t n_lost;
};

int herald_prepare(struct process *p)
{
	const struct config *c = p->config;
	_cleanup_(fd_closep) int secret = -1;
	ssize_t n = 0;
	int pair[2];

	p->herald_fds[0] = p->herald_fds[1] = -1;
	if (!c->webhook && !c->notify)
		return 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return err_raise(-errno);
	p->herald_fds[0] = pair[0];
	p->herald_fds[1] = pair[1];
	if (!c->webhook)
		return 0;
	secret = open(c->webhook_secret, O_RDONLY | O_CLOEXEC);
	if (secret >= 0)
		n = read(secret, p->webhook_secret, sizeof(p->webhook_secret));
	while (n > 0 && (p->webhook_secret[n - 1] == '\n' || p->webhook_secret[n - 1] == '\r'))
		n--;
	p->webhook_secret_n = n > 0 ? (size_t)n : 0;
	return p->webhook_secret_n >= 16 ? 0 : err_raise(secret < 0 ? -errno : -EINVAL);
}

/* ---- in the process -------------------------------------------------------------------------- */

/* The enforcer writes it into the ledger. */
static void herald_complain(
	const char *what, struct slice body, const char *why, const struct herald *h)
{
	char text[512];
	int n = snprintf(text, sizeof(text), "%s: %.120s: %.*s", what, why,
		SLICE_FMT(slice_head(body, HERALD_WORDS_MAX)));

	log_warn(what, "%s", why);
	if (n > 0 && send(h->fd, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1,
			     MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_warn(what, "not recorded: errno=%d", errno);
}

static void herald_on_failed(void *arg, struct slice body, const char *why)
{
	herald_complain("webhook.failed", body, why, arg);
}

/* The program reads the JSON on its standard input; who does not is cut off. */
static void herald_run_program(struct herald *h, struct slice body)
{
	const char *program = h->p->config->notify;
	int in[2];
	pid_t pid;

	if (h->n_programs >= HERALD_PROGRAMS_MAX || pipe2(in, O_CLOEXEC) < 0) {
		herald_complain("notify.failed", body, "too many still run", h);
		return;
	}
	pid = fork();
	if (!pid) {
		int null = open("/dev/null", O_RDWR);

		if (dup2(in[0], 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
			_exit(127);
		closefrom(3);
		setsid();
		alarm(HERALD_PROGRAM_S);
		execl(program, program, (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	/* A pipe holds 64 KiB, more than a packet: this does not block. */
	if (pid < 0 || write(in[1], body.p, body.n) != (ssize_t)body.n)
		herald_complain("notify.failed", body, "the program could not be started", h);
	close(in[1]);
	h->n_programs += pid > 0;
}

static void herald_reap(struct herald *h)
{
	int status;

	while (h->n_programs && waitpid(-1, &status, WNOHANG) > 0) {
		h->n_programs--;
		if (!WIFEXITED(status) || WEXITSTATUS(status))
			herald_complain("notify.failed", SLICE_NULL,
				WIFEXITED(status) ? "the program failed"
						  : "the program was killed, or took too long",
				h);
	}
}

/* One packet. False: the daemon is gone. */
static bool herald_read(struct herald *h)
{
	static uint8_t packet[HERALD_PACKET_MAX];
	ssize_t n = recv(h->fd, packet, sizeof(packet), 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (!n)
		return false;
	if (h->webhook)
		webhook_add(h->webhook, slice_of(packet, (size_t)n));
	if (h->p->config->notify)
		herald_run_program(h, slice_of(packet, (size_t)n));
	return true;
}

static bool herald_wait(struct herald *h)
{
	struct pollfd pfd = {.fd = h->fd, .events = POLLIN};

	if (h->webhook)
		return webhook_run(h->webhook, h->fd, HERALD_TICK_MS);
	return poll(&pfd, 1, HERALD_TICK_MS) == 1;
}

static int herald_main(const struct process *p)
{
	struct herald h = {.p = p, .fd = p->herald_fds[1]};
	bool goes_on = true;

	signal(SIGPIPE, SIG_IGN);
	if (p->config->webhook &&
		webhook_new(p->config->webhook, slice_of(p->webhook_secret, p->webhook_secret_n),
			herald_on_failed, &h, &h.webhook))
		return 1;
	while (goes_on) {
		if (herald_wait(&h))
			goes_on = herald_read(&h);
		herald_reap(&h);
	}
	webhook_free(h.webhook);
	return 0;
}

/* ---- starting -------------------------------------------------------------------------------- */

/* Gives up what it does not need, then keeps a herald running for as long as the daemon lives. */
static int herald_keep(const struct process *p)
{
	int keep[] = {p->herald_fds[1]};

	log_setup("herald", log_max());
	if (fd_close_except(keep, 1) ||
		sandbox_become(p->config->herald_user, p->config->herald_gid) ||
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		log_error("herald.start", "it could not give up its rights");
		return 1;
	}
	/* Becoming somebody else has cleared it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		const struct timespec pause = {.tv_sec = HERALD_RESTART_S};
		pid_t pid = fork();

		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			_exit(herald_main(p));
		}
		if (pid > 0 && waitpid(pid, NULL, 0) == pid)
			log_warn("herald.gone", "it is started again");
		nanosleep(&pause, NULL);
	}
}

int herald_start(struct process *p)
{
	pid_t pid, parent = getpid();

	if (p->herald_fds[1] < 0)
		return 0;
	pid = fork();
	if (pid < 0)
		return err_raise(-errno);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		process_forget_keys(p);
		_exit(getppid() != parent ? 1 : herald_keep(p));
	}
	explicit_bzero(p->webhook_secret, sizeof(p->webhook_secret));
	p->herald_fds[1] = fd_close(p->herald_fds[1]);
	return 0;
}
