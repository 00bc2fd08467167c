/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/dial_as.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
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

int dial_as(int fd, const char *path, const char *user, uid_t uid)
{
	pid_t pid = fork();
	int status, r;

	if (!pid) {
		alarm(DIAL_SECS); /* accounts may come from elsewhere, and files too */
		r = dial_become(user, uid);
		_exit(r ? r : dial_connect(fd, path));
	}
	if (pid < 0)
		return errno;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : ETIMEDOUT;
}
