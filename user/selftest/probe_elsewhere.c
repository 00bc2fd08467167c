/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets and processes that are not the run's own: see probe.h. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/probe.h"
#include "util/cleanup.h"

enum { KCMP_FILE_TYPE = 0, ELSEWHERE_FDS = 1024 };

/* The run began with these; the control opens one that a run would have to close. */
int probe_leaked_descriptors(struct probe_context *c)
{
	char path[32], target[128];
	ssize_t n;

	for (int fd = 3; fd < ELSEWHERE_FDS; fd++) {
		if (fcntl(fd, F_GETFD) < 0 || fcntl(fd, F_GETFD) & FD_CLOEXEC)
			continue;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = 0;
		snprintf(c->why, sizeof(c->why), "descriptor %d is %.90s", fd, target);
		return PROBE_OUT;
	}
	return probe_refused(c, "only 0, 1 and 2");
}

int probe_standard_sockets(struct probe_context *c)
{
	struct stat st;

	for (int fd = 0; fd < 3; fd++)
		if (!fstat(fd, &st) && S_ISSOCK(st.st_mode))
			return PROBE_OUT;
	if (c->guise == GUISE_CONTROL) {
		int pair[2];

		/* Outside nothing forbids it. */
		return socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 || dup2(pair[0], 0) < 0
			       ? -errno
			       : PROBE_OUT;
	}
	return probe_refused(c, "pipes or a terminal");
}

int probe_pidfd_getfd(struct probe_context *c)
{
	_cleanup_(fd_closep) int pidfd = (int)syscall(SYS_pidfd_open, c->world->pid, 0);
	long fd;

	/* Not seen is not reached; the call itself is tried on ourselves then. */
	fd = syscall(SYS_pidfd_getfd, pidfd, 0, 0);
	if (fd < 0)
		return -errno;
	close((int)fd);
	return PROBE_OUT;
}

static int elsewhere_open(struct probe_context *c, const char *name, int flags)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)c->world->pid, name);
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	close(fd);
	return PROBE_OUT;
}

int probe_proc_fd(struct probe_context *c)
{
	return elsewhere_open(c, "fd", O_RDONLY | O_DIRECTORY);
}

int probe_proc_mem(struct probe_context *c)
{
	return elsewhere_open(c, "mem", O_RDWR);
}

int probe_vm_write(struct probe_context *c)
{
	char byte = 0;
	struct iovec here = {.iov_base = &byte, .iov_len = 1};
	struct iovec there = {.iov_base = &c->row, .iov_len = 1};

	/* The same program at the same place: our own address is one of its stack, or its fault. */
	if (process_vm_readv(c->world->pid, &here, 1, &there, 1, 0) < 0 && errno != EFAULT)
		return -errno;
	return PROBE_OUT;
}

static int elsewhere_trace(pid_t pid)
{
	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0)
		return -errno;
	/* It goes on as it was: SEIZE does not stop it, and our end lets go. */
	return PROBE_OUT;
}

int probe_ptrace(struct probe_context *c)
{
	return elsewhere_trace(c->world->pid);
}

/* The parent may be this very program; outside, a child stands for it. */
int probe_ptrace_family(struct probe_context *c)
{
	pid_t pid = fork();
	int r;

	(void)c;
	if (!pid) {
		pause();
		_exit(0);
	}
	if (pid < 0)
		return -errno;
	r = elsewhere_trace(pid);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return r;
}

int probe_kcmp(struct probe_context *c)
{
	return syscall(SYS_kcmp, getpid(), c->world->pid, KCMP_FILE_TYPE, 0, 0) < 0 ? -errno
										    : PROBE_OUT;
}

int probe_signal_outside(struct probe_context *c)
{
	return kill(c->world->pid, 0) < 0 ? -errno : PROBE_OUT;
}

static void elsewhere_closedirp(DIR *const *d)
{
	if (*d)
		closedir(*d);
}

/* Command lines and environments of strangers are in there, and whom to attack. */
int probe_see_outside(struct probe_context *c)
{
	_cleanup_(elsewhere_closedirp) DIR *proc = opendir("/proc");
	const struct dirent *e;
	unsigned n = 0;

	if (!proc)
		return -errno;
	while ((e = readdir(proc))) {
		char path[300];
		struct stat st;

		snprintf(path, sizeof(path), "/proc/%s/stat", e->d_name);
		if (isdigit((unsigned char)e->d_name[0]) && !stat(path, &st) &&
			st.st_uid != getuid())
			n++;
	}
	if (!n)
		return probe_refused(c, "none is to be seen");
	snprintf(c->why, sizeof(c->why), "%u processes of others are to be seen", n);
	return PROBE_OUT;
}
