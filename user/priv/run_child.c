/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The child of a run: see run_child.h. The table below is the order, and every step that fails ends
 * the child before the command had a single instruction. It is a copy of the single-threaded
 * warden, so that memory and the C library work; nothing of it survives exec.
 */
#include "priv/run_child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "net/sock.h"
#include "priv/run_hide.h"
#include "priv/sandbox.h"

enum {
	CHILD_STATUS_FD = 3,     /* where status_fd ends up */
	CHILD_FD_PARKING = 16,   /* above everything that is about to be overwritten */
	CHILD_OPEN_FILES = 1024, /* what a login gets */
	CHILD_OPEN_FILES_MAX = 65536,
	CHILD_PROCESSES_MAX = 4096, /* of a uid that is the run's alone */
};

/* The warden's word, or its end. */
static int child_wait(const struct run_plan *plan)
{
	char go;
	ssize_t n;

	close(plan->go_write_fd);
	do
		n = read(plan->go_fd, &go, 1);
	while (n < 0 && errno == EINTR);
	return n == 1 ? 0 : -ECANCELED;
}

/* Root's keys are not for the agent. Kernels without keys have none to hide. */
static int child_keyring(const struct run_plan *plan)
{
	(void)plan;
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS)
		return -errno;
	return 0;
}

static int child_signals(const struct run_plan *plan)
{
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t none;

	(void)plan;
	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &action,
			NULL); /* fails for KILL, STOP and libc's own: default anyway */
	sigemptyset(&none);
	umask(022);
	return sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? -errno : 0;
}

/* A higher soft limit of the warden's is not the agent's; a lower hard one stays. */
static int child_limits(const struct run_plan *plan)
{
	const struct rlimit core = {0, 0}, processes = {CHILD_PROCESSES_MAX, CHILD_PROCESSES_MAX};
	struct rlimit files;
	int fd;

	if (setrlimit(RLIMIT_CORE, &core) < 0 || getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	if (files.rlim_max > CHILD_OPEN_FILES_MAX)
		files.rlim_max = CHILD_OPEN_FILES_MAX;
	files.rlim_cur = files.rlim_max < CHILD_OPEN_FILES ? files.rlim_max : CHILD_OPEN_FILES;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	/* A fork bomb is the run's own trouble. An account's limit is for others to set. */
	if (plan->is_dedicated && setrlimit(RLIMIT_NPROC, &processes) < 0)
		return -errno;
	/* The daemon may be spared by the OOM killer. An agent is not; where the kernel has no such
	 * file, it has no such favour. */
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (write(fd, "0", 1) != 1 && errno != EACCES) {
		close(fd);
		return -EIO;
	}
	close(fd);
	return 0;
}

static int child_hide(const struct run_plan *plan)
{
	return run_hide(plan->config);
}

/* stdin, stdout, stderr and the status pipe; nothing else of ours lives on. */
static int child_descriptors(const struct run_plan *plan)
{
	int from[4] = {plan->req->fds[0], plan->req->fds[1], plan->req->fds[2], plan->status_fd};

	for (int i = 0; i < 4; i++) {
		from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, CHILD_FD_PARKING);
		if (from[i] < 0)
			return -errno;
	}
	for (int i = 0; i < 4; i++)
		if (dup3(from[i], i, i == CHILD_STATUS_FD ? O_CLOEXEC : 0) < 0)
			return -errno;
	return close_range(CHILD_STATUS_FD + 1, ~0u, 0) < 0 ? -errno : 0;
}

/* The pty becomes the run's own terminal, which its programs may open by name. */
static int child_terminal(const struct run_plan *plan)
{
	if (!plan->req->has_tty)
		return 0;
	if (ioctl(0, TIOCSCTTY, 0) < 0)
		return -errno;
	return fchown(0, plan->uid, (gid_t)-1) < 0 || fchmod(0, 0620) < 0 ? -errno : 0;
}

static int child_become(const struct run_plan *plan)
{
	return sandbox_become(plan->uid, plan->gid);
}

/* As the agent: root may look into folders that the agent may not. */
static int child_folder(const struct run_plan *plan)
{
	return chdir(plan->cwd) < 0 ? -errno : 0;
}

static int child_sandbox(const struct run_plan *plan)
{
	return sandbox_enter_run(plan->config->has_connect_unix,
		!plan->config->has_connect_unix || sock_may_refuse_rights());
}

/* Along PATH. Folders of the caller's that the agent may not search are as good as empty, so only a
 * program that is there and may not be executed is worth EACCES. */
static int child_exec_path(const struct run_plan *plan, const char *path)
{
	char file[PATH_MAX];
	int error = ENOENT;

	for (const char *end; path; path = *end ? end + 1 : NULL) {
		end = strchrnul(path, ':');
		if (snprintf(file, sizeof(file), "%.*s%s%s", (int)(end - path), path,
			    end > path ? "/" : "./", plan->argv[0]) >= (int)sizeof(file))
			continue;
		execv(file, plan->argv);
		if (errno == ENOEXEC)
			execvp(file, plan->argv); /* a script without its first line: sh(1) */
		if (errno != ENOENT && errno != ENOTDIR && !access(file, F_OK))
			error = errno == EACCES || error == ENOENT ? errno : error;
	}
	return -error;
}

static int child_exec(const struct run_plan *plan)
{
	const char *path;

	environ = plan->env;
	path = getenv("PATH");
	if (!strchr(plan->argv[0], '/') && path)
		return child_exec_path(plan, path);
	execvp(plan->argv[0], plan->argv);
	return -errno;
}

static const struct {
	int (*fn)(const struct run_plan *plan);
	const char *name;
} child_steps[] = {
	{child_wait, "be told to start"},
	{child_keyring, "leave the daemon's keyring"},
	{child_signals, "reset signals"},
	{child_limits, "set resource limits"},
	{child_hide, "hide cgroups, BPF and the daemon's folders"},
	{child_descriptors, "take over its descriptors"},
	{child_terminal, "take over its terminal"},
	{child_become, "give up root"},
	{child_folder, "enter its working folder"},
	{child_sandbox, "filter its system calls"},
	{child_exec, "execute the program"},
};

enum { CHILD_N_STEPS = sizeof(child_steps) / sizeof(child_steps[0]) };

const char *run_child_step_name(uint32_t step)
{
	return step < CHILD_N_STEPS ? child_steps[step].name : NULL;
}

bool run_child_is_exec(uint32_t step)
{
	return step == CHILD_N_STEPS - 1;
}

_Noreturn void run_child(const struct run_plan *plan)
{
	struct run_child_failure failure = {0};
	int status_fd = plan->status_fd, r = 0;

	setsid(); /* cannot fail: a new process leads no group */
	for (; failure.step < CHILD_N_STEPS; failure.step++) {
		r = child_steps[failure.step].fn(plan);
		if (child_steps[failure.step].fn == child_descriptors && !r)
			status_fd = CHILD_STATUS_FD;
		if (r)
			break;
	}
	failure.error = (uint32_t)-r;
	if (write(status_fd, &failure, sizeof(failure)) < 0)
		_exit(125);
	_exit(run_child_is_exec(failure.step) && (r == -ENOENT || r == -ENOTDIR) ? 127 : 126);
}
