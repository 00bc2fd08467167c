/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets and processes that are not the run's own: see probe.h. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/probe.h"
#include "util/cleanup.h"

enum { KCMP_FILE_TYPE = 0, ELSEWHERE_FDS = 1024, PASSED_LOOK_MS = 50, PASSED_LOOKS = 60 };

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

enum { PASSED_TCP, PASSED_UNCONNECTED, PASSED_UDP, PASSED_UNIX, PASSED_N };

/* What the world hands to whoever listens at the agreed path. */
static int elsewhere_receive(const struct probe_context *c, int fds[PASSED_N])
{
	_cleanup_(fd_closep) int listener = probe_socket(AF_UNIX, SOCK_STREAM, 0), peer = -1;
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(PASSED_N * sizeof(int))];
	} control = {0};
	char word;
	struct iovec iov = {.iov_base = &word, .iov_len = 1};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space)};

	if (listener < 0)
		return listener;
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/open/pass", c->world->dir);
	unlink(at.sun_path);
	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) < 0 ||
		chmod(at.sun_path, 0777) < 0 || listen(listener, 1) < 0)
		return -errno;
	peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	unlink(at.sun_path);
	if (peer < 0 || recvmsg(peer, &msg, MSG_CMSG_CLOEXEC) < 0)
		return -errno;
	if (control.h.cmsg_len != CMSG_LEN(PASSED_N * sizeof(int)))
		return -EBADMSG;
	memcpy(fds, CMSG_DATA(&control.h), PASSED_N * sizeof(int));
	return 0;
}

/* The kernel has no hook on receiving a descriptor: for a moment it works. What is asked is whether
 * it still does after the sweep, which comes every second. */
static int elsewhere_passed(const struct probe_context *c, int which)
{
	int fds[PASSED_N], r = elsewhere_receive(c, fds);

	if (r)
		return r;
	for (int i = 0; i < PASSED_N; i++)
		if (i != which)
			close(fds[i]);
	for (int i = 0; c->guise != GUISE_CONTROL && i < PASSED_LOOKS; i++) {
		struct pollfd p = {.fd = fds[which], .events = POLLRDHUP};
		int is_locked = 0;
		socklen_t len = sizeof(is_locked);

		/* What was cut shows it: shut down, and its filter locked. */
		if (which == PASSED_UNIX ? poll(&p, 1, PASSED_LOOK_MS) == 1
					 : !getsockopt(fds[which], SOL_SOCKET, SO_LOCK_FILTER,
						   &is_locked, &len) &&
						   is_locked)
			break;
		if (which != PASSED_UNIX)
			poll(NULL, 0, PASSED_LOOK_MS);
	}
	return fds[which];
}

int probe_passed_tcp(struct probe_context *c)
{
	int fd = elsewhere_passed(c, PASSED_TCP);

	return fd < 0 ? fd : probe_talk(c, fd);
}

int probe_passed_unix(struct probe_context *c)
{
	int fd = elsewhere_passed(c, PASSED_UNIX);

	return fd < 0 ? fd : probe_talk(c, fd);
}

/* With data in the first packet, should no other ever go. */
static int elsewhere_dial(const struct probe_context *c, int fd)
{
	const struct timeval patience = {.tv_usec = 700000};

	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
		(sendto(fd, c->mark, strlen(c->mark), MSG_FASTOPEN | MSG_NOSIGNAL,
			 (const struct sockaddr *)&c->to, c->to_len) < 0 &&
			connect(fd, (const struct sockaddr *)&c->to, c->to_len) < 0)) {
		int r = -errno;

		close(fd);
		return r;
	}
	return probe_talk(c, fd);
}

int probe_passed_unconnected(struct probe_context *c)
{
	int fd = elsewhere_passed(c, PASSED_UNCONNECTED);

	return fd < 0 ? fd : elsewhere_dial(c, fd);
}

/* Undoing what can be undone: the device, the filter, the state. */
int probe_passed_reconnected(struct probe_context *c)
{
	const struct sockaddr unspec = {.sa_family = AF_UNSPEC};
	int fd = elsewhere_passed(c, PASSED_TCP), none = 0;

	if (fd < 0)
		return fd;
	if (connect(fd, &unspec, sizeof(unspec)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof(none)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "", 0) < 0)
		none = errno; /* what cannot be undone stays, and the dial shows it */
	return elsewhere_dial(c, fd);
}

int probe_passed_udp(struct probe_context *c)
{
	const struct sockaddr unspec = {.sa_family = AF_UNSPEC};
	int fd = elsewhere_passed(c, PASSED_UDP);

	if (fd < 0)
		return fd;
	if (connect(fd, &unspec, sizeof(unspec)) < 0 ||
		sendto(fd, c->mark, strlen(c->mark), MSG_NOSIGNAL, (struct sockaddr *)&c->to_udp,
			c->to_len) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return probe_hear(fd);
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
