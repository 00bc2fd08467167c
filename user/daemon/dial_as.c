/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/dial_as.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/openat2.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/cleanup.h"

enum { DIAL_MS = 2000, DIAL_KILL_MS = 100, DIAL_FIRST_FD = 3 };

static int dial_become(const char *user, uid_t uid)
{
	const struct passwd *pw = user ? getpwnam(user) : getpwuid(uid);
	gid_t gid;

	if (user && !pw)
		return ENOENT;
	uid = pw ? pw->pw_uid : uid;
	gid = pw ? pw->pw_gid : (gid_t)uid; /* runs have a group of their uid's number */
	if (!uid || !gid)
		return EPERM;
	if ((pw ? initgroups(pw->pw_name, gid) : setgroups(0, NULL)) < 0 ||
		setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return errno;
	return 0;
}

static int dial_connect(int fd, const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	size_t n = strlen(path);

	if (n >= sizeof(un.sun_path))
		return ENAMETOOLONG;
	memcpy(un.sun_path, path, n);
	if (*path == '@')
		un.sun_path[0] = 0;
	else
		n++;
	return connect(fd, (const struct sockaddr *)&un,
		       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0
		       ? errno
		       : 0;
}

/* Not through /proc/PID/root and what is like it: that leads to mounts of the run's own making, and
 * who is in one of FUSE waits for its maker, whatever signal he gets, and we for him. */
static int dial_connect_own(int fd, const char *path, uid_t uid)
{
	const struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS};
	int at = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
	char link[32];
	struct stat st;

	if (at < 0 || fstat(at, &st) < 0)
		return errno;
	if (st.st_uid != uid)
		return EACCES;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", at);
	return dial_connect(fd, link);
}

/* With nothing of ours but the one: it may be there for longer than we are. */
static int dial_child(int fd, const char *path, const char *user, uid_t uid, bool is_own)
{
	int r;

	if ((fd > DIAL_FIRST_FD && close_range(DIAL_FIRST_FD, (unsigned)fd - 1, 0) < 0) ||
		close_range((unsigned)fd + 1, ~0u, 0) < 0)
		return errno;
	r = dial_become(user, uid);
	if (r)
		return r;
	return is_own ? dial_connect_own(fd, path, uid) : dial_connect(fd, path);
}

static bool dial_has_ended(int pidfd, int ms)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	int r;

	do
		r = poll(&p, 1, ms);
	while (r < 0 && errno == EINTR);
	return r > 0;
}

/* For so long and no longer: accounts and files may come from elsewhere, and others who have that
 * account may stop the child. One that even SIGKILL does not end, since it waits for a file system,
 * is left behind. */
static int dial_wait(pid_t pid)
{
	_cleanup_(fd_closep) int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	bool has_ended = pidfd >= 0 && dial_has_ended(pidfd, DIAL_MS);
	int status = 0;

	if (!has_ended) {
		kill(pid, SIGKILL);
		has_ended = pidfd >= 0 && dial_has_ended(pidfd, DIAL_KILL_MS);
	}
	if (waitpid(pid, &status, has_ended ? 0 : WNOHANG) != pid)
		return ETIMEDOUT;
	return WIFEXITED(status) ? WEXITSTATUS(status) : ETIMEDOUT;
}

/* In a child: as `user`, or as `uid`, and then to one of his own alone, if that is wanted. */
static int dial_in_child(int fd, const char *path, const char *user, uid_t uid, bool is_own)
{
	pid_t pid = fork();

	if (!pid)
		_exit(dial_child(fd, path, user, uid, is_own));
	return pid < 0 ? errno : dial_wait(pid);
}

int dial_as(int fd, const char *path, const char *user, uid_t uid)
{
	return dial_in_child(fd, path, user, uid, false);
}

int dial_own(int fd, const char *path, uid_t uid)
{
	struct ucred listener;
	socklen_t len = sizeof(listener);
	int r = dial_in_child(fd, path, NULL, uid, true);

	if (!r && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &listener, &len) < 0)
		r = errno;
	return r ? r : listener.uid == uid ? 0 : EACCES;
}
