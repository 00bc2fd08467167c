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
	HERALD_COMPLAINT_MAX = 512,
};

/* The keeper: reads what the enforcer tells, runs the operator's program, and feeds the teller. */
struct herald {
	const struct process *p;
	int fd;        /* to the enforcer */
	int teller_fd; /* -1: there is none */
	pid_t teller;
	int64_t started_ns;
	unsigned n_programs;
};

/* The teller: posts to the webhook. It is the only one that reads what the network says, and may do
 * nothing else. */
struct herald_teller {
	int fd; /* to the keeper */
	struct webhook *webhook;
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

/* ---- the teller ------------------------------------------------------------------------------ */

static size_t herald_words(
	char *text, size_t max, const char *what, struct slice body, const char *why)
{
	int n = snprintf(text, max, "%s: %.120s: %.*s", what, why,
		SLICE_FMT(slice_head(body, HERALD_WORDS_MAX)));

	log_warn(what, "%s", why);
	return n < 0 ? 0 : (size_t)n < max ? (size_t)n : max - 1;
}

/* The keeper passes it on, and the enforcer writes it into the ledger. */
static void herald_say(int fd, const char *what, struct slice body, const char *why)
{
	char text[HERALD_COMPLAINT_MAX];
	size_t n = herald_words(text, sizeof(text), what, body, why);

	if (n && send(fd, text, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_warn(what, "not recorded: errno=%d", errno);
}

static void herald_on_failed(void *arg, struct slice body, const char *why)
{
	herald_say(((struct herald_teller *)arg)->fd, "webhook.failed", body, why);
}

/* One packet. False: the keeper is gone. */
static bool herald_teller_read(struct herald_teller *t)
{
	static uint8_t packet[HERALD_PACKET_MAX];
	ssize_t n = recv(t->fd, packet, sizeof(packet), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n)
		webhook_add(t->webhook, slice_of(packet, (size_t)n));
	return n;
}

static int herald_tell(const struct process *p, int fd)
{
	const struct config *c = p->config;
	const char *const files[] = {c->webhook_ca, NULL};
	struct herald_teller t = {.fd = fd};
	int r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	if (fd_close_except(&fd, 1))
		return 1;
	r = webhook_new(c->webhook, c->webhook_ca, slice_of(p->webhook_secret, p->webhook_secret_n),
		herald_on_failed, &t, &t.webhook);
	if (!r)
		r = sandbox_enter_herald(files);
	if (r < 0) {
		log_error("herald.start", "it could not give up its rights: errno=%d", -r);
		return 1;
	}
	do {
		while (!webhook_run(t.webhook, fd, HERALD_TICK_MS))
			continue;
	} while (herald_teller_read(&t));
	webhook_free(t.webhook);
	return 0;
}

/* ---- the keeper ------------------------------------------------------------------------------ */

static void herald_complain(const struct herald *h, struct slice body, const char *why)
{
	herald_say(h->fd, "notify.failed", body, why);
}

/* Starts a teller, if there is none and the last one was not started a moment ago. */
static void herald_start_teller(struct herald *h)
{
	int64_t now = clock_mono_ns();
	int pair[2];

	if (!h->p->config->webhook || h->teller > 0 ||
		(h->started_ns && now - h->started_ns < HERALD_RESTART_S * CLOCK_NS_PER_S))
		return;
	h->started_ns = now;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return;
	h->teller = fork();
	if (!h->teller)
		_exit(herald_tell(h->p, pair[1]));
	close(pair[1]);
	if (h->teller < 0)
		close(pair[0]);
	else
		h->teller_fd = pair[0];
}

/* The program reads the JSON on its standard input; who does not is cut off. */
static void herald_run_program(struct herald *h, struct slice body)
{
	const char *program = h->p->config->notify;
	int in[2];
	pid_t pid;

	if (h->n_programs >= HERALD_PROGRAMS_MAX || pipe2(in, O_CLOEXEC) < 0) {
		herald_complain(h, body, "too many still run");
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
		herald_complain(h, body, "the program could not be started");
	close(in[1]);
	h->n_programs += pid > 0;
}

static void herald_reap(struct herald *h)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == h->teller) {
			log_warn("herald.gone", "it is started again");
			h->teller = 0;
			h->teller_fd = fd_close(h->teller_fd);
			continue;
		}
		h->n_programs--;
		if (!WIFEXITED(status) || WEXITSTATUS(status))
			herald_complain(h, SLICE_NULL,
				WIFEXITED(status) ? "the program failed"
						  : "the program was killed, or took too long");
	}
}

/* One packet of the enforcer's. False: the daemon is gone. */
static bool herald_read(struct herald *h)
{
	static uint8_t packet[HERALD_PACKET_MAX];
	ssize_t n = recv(h->fd, packet, sizeof(packet), 0);
	struct slice body = slice_of(packet, n > 0 ? (size_t)n : 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (!n)
		return false;
	if (h->p->config->webhook && (h->teller_fd < 0 || send(h->teller_fd, body.p, body.n,
								  MSG_NOSIGNAL | MSG_DONTWAIT) < 0))
		herald_say(h->fd, "webhook.failed", body, "lost: nobody takes it");
	if (h->p->config->notify)
		herald_run_program(h, body);
	return true;
}

/* A complaint of the teller's, on its way to the enforcer: words, and no more of them than fit. */
static void herald_pass_on(const struct herald *h)
{
	char text[HERALD_COMPLAINT_MAX];
	ssize_t n = recv(h->teller_fd, text, sizeof(text), MSG_DONTWAIT);

	if (n > 0 && send(h->fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_warn("webhook.failed", "not recorded: errno=%d", errno);
}

/* Gives up what it does not need, then works for as long as the daemon lives. */
static int herald_keep(const struct process *p)
{
	struct herald h = {.p = p, .fd = p->herald_fds[1], .teller_fd = -1};
	int keep[] = {p->herald_fds[1]};
	bool goes_on = true;

	log_setup("herald", log_max());
	if (fd_close_except(keep, 1) ||
		sandbox_become(p->config->herald_user, p->config->herald_gid) ||
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		log_error("herald.start", "it could not give up its rights");
		return 1;
	}
	/* Becoming somebody else has cleared it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	while (goes_on) {
		struct pollfd fds[] = {
			{.fd = h.fd, .events = POLLIN}, {.fd = h.teller_fd, .events = POLLIN}};

		herald_start_teller(&h);
		fds[1].fd = h.teller_fd;
		if (poll(fds, 2, HERALD_TICK_MS) > 0 && fds[1].revents & POLLIN)
			herald_pass_on(&h);
		if (fds[0].revents)
			goes_on = herald_read(&h);
		herald_reap(&h);
	}
	return 0;
}

/* ---- starting -------------------------------------------------------------------------------- */

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
