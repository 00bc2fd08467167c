/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/dial_as.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/openat2.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DIAL_SECS = 2 };

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

/* In a child: as `user`, or as `uid`, and then to one of his own alone, if that is wanted. */
static int dial_in_child(int fd, const char *path, const char *user, uid_t uid, bool is_own)
{
	pid_t pid = fork();
	int status, r;

	if (!pid) {
		alarm(DIAL_SECS); /* accounts may come from elsewhere, and files too */
		r = dial_become(user, uid);
		if (!r)
			r = is_own ? dial_connect_own(fd, path, uid) : dial_connect(fd, path);
		_exit(r);
	}
	if (pid < 0)
		return errno;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : ETIMEDOUT;
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
