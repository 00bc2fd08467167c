/* SPDX-License-Identifier: Apache-2.0 */
/* Supervised processes: see child.h. */
#include "daemon/child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/log.h"

#define RESTART_MAX_NS (10 * CLOCK_NS_PER_S)

/* Ctrl-C at a terminal is sent to all of us, and the warden ends the others in order. */
void child_prepare(pid_t parent)
{
	static const int ignored[] = {SIGPIPE, SIGINT, SIGTERM, SIGHUP};
	sigset_t none;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
}

int child_watch(struct child *c, struct loop *l, pid_t pid, loop_fn fn, void *owner)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd < 0)
		return err_raise(-errno);
	c->pid = pid;
	c->started_ns = clock_mono_ns();
	c->src = (struct loop_source){.fd = fd, .fn = fn, .owner = owner};
	return err_trace(loop_watch(l, &c->src, EPOLLIN));
}

int child_reap(struct child *c, struct loop *l)
{
	int status = 0;

	waitpid(c->pid, &status, 0);
	loop_forget(l, &c->src);
	close(c->src.fd);
	c->pid = 0;
	return status;
}

void child_delay_restart(struct child *c)
{
	int64_t now = clock_mono_ns();

	c->delay_ns = now - c->started_ns > RESTART_MAX_NS ? 0
		      : c->delay_ns                        ? c->delay_ns * 2
							   : CLOCK_NS_PER_S / 8;
	c->delay_ns = c->delay_ns < RESTART_MAX_NS ? c->delay_ns : RESTART_MAX_NS;
	c->restart_at_ns = now + c->delay_ns;
}

void child_end(struct child *c, struct loop *l, int patience_ms)
{
	struct pollfd pfd = {.fd = c->src.fd, .events = POLLIN};

	if (!c->pid)
		return;
	if (poll(&pfd, 1, patience_ms) != 1) {
		log_error("stop", "pid=%d does not end; it is killed", (int)c->pid);
		kill(c->pid, SIGKILL);
	}
	child_reap(c, l);
}
