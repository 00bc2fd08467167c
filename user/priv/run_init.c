/* SPDX-License-Identifier: Apache-2.0 */
/* The reaper of a run: see run_init.h. */
#include "priv/run_init.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "net/sock.h"
#include "priv/sandbox.h"

enum { INIT_LOOK_MS = 250 };

static void init_on_child(int sig)
{
	(void)sig; /* it only wakes ppoll() */
}

/* As pid 1 of a namespace it is spared every signal of its own that it has no handler for. */
static int init_signals(void)
{
	const struct sigaction ignore = {.sa_handler = SIG_DFL};
	const struct sigaction child = {.sa_handler = init_on_child};
	sigset_t set;

	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &ignore, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	return sigaction(SIGCHLD, &child, NULL) < 0 || sigprocmask(SIG_SETMASK, &set, NULL) < 0
		       ? -errno
		       : 0;
}

/* It is a copy of the warden: nothing of that may be read by the run, whose uid it has. */
static int init_shed(const struct run_plan *plan, int word_fd)
{
	const struct rlimit none = {0, 0};
	int r;

	if (dup2(word_fd, 0) < 0 || close_range(1, ~0u, 0) < 0 || chdir("/") < 0 ||
		setrlimit(RLIMIT_CORE, &none) < 0)
		return -errno;
	setsid();
	r = sandbox_become(plan->uid, plan->gid);
	if (!r && prctl(PR_SET_DUMPABLE, 0) < 0)
		r = -errno;
	if (!r)
		r = sandbox_enter_run(plan->config->has_connect_unix,
			!plan->config->has_connect_unix || sock_may_refuse_rights());
	return r;
}

_Noreturn void run_init(const struct run_plan *plan, int word_fd)
{
	/* Its end wakes nobody: processes whose parent is in the run are that one's to wait for. */
	const struct timespec look = {.tv_nsec = INIT_LOOK_MS * 1000000L};
	struct pollfd p = {.fd = 0, .events = POLLIN};
	bool is_over = false;
	sigset_t none;

	if (init_signals() || init_shed(plan, word_fd))
		_exit(126);
	sigemptyset(&none);
	for (;;) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (is_over && kill(-1, 0) < 0 && errno == ESRCH)
			_exit(0);
		p.revents = 0;
		if (ppoll(&p, !is_over, is_over ? &look : NULL, &none) > 0 && p.revents)
			is_over = true;
	}
}
