/* SPDX-License-Identifier: Apache-2.0 */
/* The mount namespace of a run: see run_hide.h. Fails closed: what cannot be hidden is an error. */
#include "priv/run_hide.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "util/cleanup.h"

#define HIDE_FLAGS (MS_NOSUID | MS_NODEV | MS_NOEXEC)

static void hide_fclosep(FILE *const *f)
{
	if (*f)
		fclose(*f);
}

/* \040 and kin, in place. */
static void hide_unescape(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
			s[3] >= '0' && s[3] <= '7') {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = 0;
}

bool run_hide_parse(char *line, char **ret_point, char **ret_type)
{
	char *dash = strstr(line, " - "), *rest = line;

	for (int i = 0; i < 4; i++)
		if (!strsep(&rest, " "))
			return false;
	*ret_point = strsep(&rest, " ");
	if (!dash || !rest || *ret_point >= dash)
		return false;
	rest = dash + 3;
	*ret_type = strsep(&rest, " ");
	hide_unescape(*ret_point);
	return **ret_point == '/' && **ret_type;
}

/* An empty tmpfs over it. What does not exist needs no cover. */
static int hide_cover(const char *path, const char *options)
{
	if (mount("tmpfs", path, "tmpfs", HIDE_FLAGS, options) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : err_raise(-errno);
	return 0;
}

static int hide_sealed(const char *path)
{
	return hide_cover(path, "mode=0,size=4k,nr_inodes=2");
}

/* Only if it is still what is seen there: another mount may lie over it already. */
static int hide_mount(const char *point, const char *type)
{
	struct statfs fs;
	bool is_bpf = !strcmp(type, "bpf");

	if (!is_bpf && strcmp(type, "cgroup") && strcmp(type, "cgroup2"))
		return 0;
	if (statfs(point, &fs) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : err_raise(-errno);
	if (is_bpf)
		return fs.f_type == BPF_FS_MAGIC ? hide_sealed(point) : 0;
	if (fs.f_type != CGROUP2_SUPER_MAGIC && fs.f_type != CGROUP_SUPER_MAGIC)
		return 0;
	if (mount(NULL, point, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | HIDE_FLAGS, NULL) < 0)
		return err_raise(-errno);
	return 0;
}

static int hide_kernel_mounts(void)
{
	_cleanup_(hide_fclosep) FILE *f = fopen("/proc/self/mountinfo", "re");
	_cleanup_(freep) char *line = NULL;
	size_t cap = 0;

	if (!f)
		return err_raise(-errno);
	while (getline(&line, &cap, f) > 0) {
		char *point, *type;
		int r;

		if (!run_hide_parse(line, &point, &type))
			return err_raise(-EBADMSG);
		r = hide_mount(point, type);
		if (r)
			return err_trace(r);
	}
	return ferror(f) ? err_raise(-EIO) : 0;
}

static int hide_make_parents(char *path)
{
	for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = 0;
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return err_raise(-errno);
		*p = '/';
	}
	return 0;
}

/* Names still have to be resolved: /etc/resolv.conf is often a link into /run. */
static int hide_restore_file(int file, char *path)
{
	char from[32];
	int fd, r;

	r = hide_make_parents(path);
	if (r)
		return err_trace(r);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0444);
	if (fd < 0)
		return err_raise(-errno);
	close(fd);
	snprintf(from, sizeof(from), "/proc/self/fd/%d", file);
	return mount(from, path, NULL, MS_BIND, NULL) < 0 ? err_raise(-errno) : 0;
}

static int hide_socket_folders(void)
{
	static const char *const folders[] = {"/run", "/var/run", "/tmp/.X11-unix",
		"/tmp/.ICE-unix", "/tmp/.font-unix", "/tmp/.XIM-unix"};
	char resolver[PATH_MAX];
	_cleanup_(fd_closep) int file = -1;
	struct stat st;
	int r;

	if (realpath("/etc/resolv.conf", resolver) && !strncmp(resolver, "/run/", 5))
		file = open(resolver, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		/* A link leads to another one of the list, or to nothing of ours. */
		if (lstat(folders[i], &st) < 0 || !S_ISDIR(st.st_mode))
			continue;
		r = hide_cover(folders[i], "mode=0755,size=1m,nr_inodes=64");
		if (r)
			return err_trace(r);
	}
	if (file < 0)
		return 0;
	r = hide_restore_file(file, resolver);
	return r ? err_trace(r) : 0;
}

/* The processes of the run's own pid namespace: the host's are not there to be seen. Pid 1, which
 * is ours, is hidden besides. */
static int hide_processes(void)
{
	return mount("proc", "/proc", "proc", HIDE_FLAGS, "hidepid=invisible") < 0
		       ? err_raise(-errno)
		       : 0;
}

int run_hide(const struct run_config *config)
{
	int r;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_raise(-errno);
	r = hide_kernel_mounts();
	if (!r)
		r = hide_sealed(config->state_dir);
	for (const char *const *p = config->hide_paths; !r && p && *p; p++)
		r = hide_sealed(*p);
	if (!r && !config->has_connect_unix)
		r = hide_socket_folders();
	if (!r)
		r = hide_processes();
	return r ? err_trace(r) : 0;
}
