/* SPDX-License-Identifier: Apache-2.0 */
#include "kern/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "util/cleanup.h"

enum { CGROUP_ROOT_INO = 1 }; /* kernfs numbers the true root so, in every namespace */

static void cgroup_file_closep(FILE **f)
{
	if (*f)
		fclose(*f);
}

static void cgroup_dir_closep(DIR **d)
{
	if (*d)
		closedir(*d);
}

static ERR_CHECK int cgroup_join(char *path, size_t max, const char *a, const char *b)
{
	int n = snprintf(path, max, "%s%s%s", a, *b && *b != '/' ? "/" : "", b);

	if (n < 0 || (size_t)n >= max)
		return err_raise(-ENAMETOOLONG);
	while (n > 1 && path[n - 1] == '/')
		path[--n] = '\0';
	return 0;
}

/* mountinfo writes space, tab, newline and backslash as \ooo. */
static void cgroup_unescape(char *s)
{
	char *to = s;

	for (; *s; s++, to++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
			s[3] >= '0' && s[3] <= '7') {
			*to = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*to = *s;
		}
	}
	*to = '\0';
}

int cgroup_parse_mount(const char *line, char *path, size_t max)
{
	const char *type = strstr(line, " - ");
	char root[PATH_MAX], at[PATH_MAX];

	if (!type || strncmp(type + 3, "cgroup2 ", 8))
		return CGROUP_E_NONE;
	if (sscanf(line, "%*s %*s %*s %4095s %4095s", root, at) != 2)
		return CGROUP_E_NONE;
	/* A bind mount of one group is not the hierarchy. */
	if (strcmp(root, "/"))
		return CGROUP_E_NONE;
	cgroup_unescape(at);
	return err_trace(cgroup_join(path, max, at, ""));
}

int cgroup_parse_proc(const char *line, char *path, size_t max)
{
	size_t n;

	if (strncmp(line, "0::/", 4))
		return CGROUP_E_NONE;
	line += 3;
	n = strcspn(line, "\n");
	/* Outside of our cgroup namespace, or removed: no path that we could use. */
	if (!strncmp(line, "/..", 3) || (n >= 10 && !strncmp(line + n - 10, " (deleted)", 10)))
		return CGROUP_E_NONE;
	if (n >= max)
		return err_raise(-ENAMETOOLONG);
	memcpy(path, line, n);
	path[n] = '\0';
	return 0;
}

/* The first line of a file that fn takes. 0, CGROUP_E_NONE, -errno. */
static ERR_CHECK int cgroup_scan(
	const char *file, int (*fn)(const char *, char *, size_t), char *path, size_t max)
{
	_cleanup_(cgroup_file_closep) FILE *f = fopen(file, "re");
	_cleanup_(freep) char *line = NULL;
	size_t size = 0;

	if (!f)
		return errno == ENOENT ? CGROUP_E_NONE : err_raise(-errno);
	while (getline(&line, &size, f) > 0) {
		int r = fn(line, path, max);

		if (r != CGROUP_E_NONE)
			return err_trace(r);
	}
	/* ESRCH: the process went away between open and read. */
	return ferror(f) && errno != ESRCH ? err_raise(-EIO) : CGROUP_E_NONE;
}

int cgroup_find_root(char *path, size_t max)
{
	int r = cgroup_scan("/proc/self/mountinfo", cgroup_parse_mount, path, max);

	return r == CGROUP_E_NONE ? r : err_trace(r);
}

int cgroup_parse_unit(char *path)
{
	char *end = NULL;

	/* The innermost *.service: below it is ours (Delegate=), also when we moved into a
	 * subgroup. */
	for (char *p = path; (p = strstr(p, ".service")); p += 8)
		if (p[8] == '\0' || p[8] == '/')
			end = p + 8;
	if (!end)
		return CGROUP_E_NONE;
	*end = '\0';
	return 0;
}

int cgroup_find_base(const char *root, const char *wanted, char *path, size_t max)
{
	char own[PATH_MAX];
	int r;

	if (wanted) {
		if (!*wanted || strstr(wanted, ".."))
			return err_raise(-EINVAL);
		return err_trace(cgroup_join(path, max, root, wanted));
	}
	r = cgroup_scan("/proc/self/cgroup", cgroup_parse_proc, own, sizeof(own));
	if (r < 0)
		return err_trace(r);
	if (!r && !cgroup_parse_unit(own))
		return err_trace(cgroup_join(path, max, root, own));
	return err_trace(cgroup_join(path, max, root, "holdfast"));
}

/* A directory that someone else owns could be made, moved into or filled by them. */
static int cgroup_open(const char *path)
{
	_cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct statfs fs;
	struct stat st;

	if (fd < 0)
		return err_raise(-errno);
	if (fstatfs(fd, &fs) || fstat(fd, &st))
		return err_raise(-errno);
	if (fs.f_type != CGROUP2_SUPER_MAGIC)
		return err_raise(-ENOTDIR);
	if (st.st_uid)
		return err_raise(-EPERM);
	return TAKE_FD(fd);
}

int cgroup_make(const char *path)
{
	char part[PATH_MAX];
	size_t n = strlen(path);

	if (n >= sizeof(part))
		return err_raise(-ENAMETOOLONG);
	memcpy(part, path, n + 1);
	for (char *p = part + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(part, 0755) && errno != EEXIST && errno != EROFS)
			return err_raise(-errno);
		*p = '/';
	}
	if (mkdir(part, 0755) && errno != EEXIST)
		return err_raise(-errno);
	return cgroup_open(path);
}

int cgroup_id(int dir_fd, uint64_t *ret)
{
	struct stat st;

	if (fstat(dir_fd, &st))
		return err_raise(-errno);
	*ret = st.st_ino;
	return 0;
}

int cgroup_level(const char *root, const char *path, unsigned *ret)
{
	size_t n = strlen(root);
	struct stat st;

	if (strncmp(path, root, n) || (path[n] && path[n] != '/'))
		return err_raise(-EINVAL);
	if (stat(root, &st))
		return err_raise(-errno);
	/* In a cgroup namespace the mount shows a subtree, and levels counted from it are wrong:
	 * runs would carry the id of another group. */
	if (st.st_ino != CGROUP_ROOT_INO)
		return err_raise(-EOPNOTSUPP);
	*ret = 0;
	for (const char *p = path + n; *p; p++)
		if (p[0] == '/' && p[1] && p[1] != '/')
			(*ret)++;
	return 0;
}

static ERR_CHECK int cgroup_write(int dir_fd, const char *file, const char *text)
{
	_cleanup_(fd_closep) int fd = openat(dir_fd, file, O_WRONLY | O_CLOEXEC);
	ssize_t n = (ssize_t)strlen(text);

	if (fd < 0)
		return err_raise(-errno);
	return write(fd, text, (size_t)n) == n ? 0 : err_raise(-errno);
}

int cgroup_move(const char *path, pid_t pid)
{
	_cleanup_(fd_closep) int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char text[24];

	if (dir < 0)
		return err_raise(-errno);
	snprintf(text, sizeof(text), "%d", (int)pid);
	return err_trace(cgroup_write(dir, "cgroup.procs", text));
}

int cgroup_of_pid(const char *root, pid_t pid, char *path, size_t max)
{
	char file[48], own[PATH_MAX];
	int r;

	snprintf(file, sizeof(file), "/proc/%d/cgroup", (int)pid);
	r = cgroup_scan(file, cgroup_parse_proc, own, sizeof(own));
	if (r == CGROUP_E_NONE)
		return r;
	if (r)
		return err_trace(r);
	return err_trace(cgroup_join(path, max, root, own));
}

int cgroup_open_events(int dir_fd)
{
	int fd = openat(dir_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	return err_raise(errno == ENODEV ? -ENOENT : -errno);
}

int cgroup_freeze(int dir_fd, bool is_frozen)
{
	return err_trace(cgroup_write(dir_fd, "cgroup.freeze", is_frozen ? "1" : "0"));
}

int cgroup_kill(int dir_fd)
{
	return err_trace(cgroup_write(dir_fd, "cgroup.kill", "1"));
}

/* A run with powers of its own may have made groups below; they go with it. */
static ERR_CHECK int cgroup_remove_at(int above, const char *name, int depth)
{
	int fd = openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_(cgroup_dir_closep) DIR *d = NULL;
	const struct dirent *e;

	if (fd < 0)
		return errno == ENOENT ? 0 : err_raise(-errno);
	d = fdopendir(fd);
	if (!d) {
		close(fd);
		return err_raise(-ENOMEM);
	}
	while ((e = readdir(d))) {
		int r;

		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		r = depth > 0 ? cgroup_remove_at(dirfd(d), e->d_name, depth - 1) : -ELOOP;
		if (r)
			return err_trace(r);
	}
	return unlinkat(above, name, AT_REMOVEDIR) && errno != ENOENT ? err_raise(-errno) : 0;
}

int cgroup_remove(const char *path)
{
	enum { DEPTH_MAX = 32 };

	return err_trace(cgroup_remove_at(AT_FDCWD, path, DEPTH_MAX));
}
