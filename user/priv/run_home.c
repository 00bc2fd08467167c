/* SPDX-License-Identifier: Apache-2.0 */
/* Private homes: see run_home.h. */
#include "priv/run_home.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "util/cleanup.h"
#include "util/log.h"

static const char *home_dir(const struct run_config *config)
{
	return config->homes_dir ? config->homes_dir : RUN_HOMES_DIR;
}

static void home_closedirp(DIR *const *d)
{
	if (*d)
		closedir(*d);
}

static int home_open_dir(const struct run_config *config, bool may_make)
{
	const char *path = home_dir(config);
	_cleanup_(fd_closep) int fd = -1;
	struct stat st;

	if (may_make && mkdir(path, 0711) < 0 && errno != EEXIST)
		return err_raise(-errno);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return err_raise(-errno);
	if (st.st_uid || st.st_mode & 022)
		return err_raise(-EPERM);
	if ((st.st_mode & 0777) != 0711 && fchmod(fd, 0711) < 0)
		return err_raise(-errno);
	return TAKE_FD(fd);
}

int run_home_make(const struct run_config *config, uint64_t id, uid_t uid)
{
	_cleanup_(fd_closep) int dir = home_open_dir(config, true);
	_cleanup_(fd_closep) int home = -1;
	char name[32];

	if (dir < 0)
		return err_trace(dir);
	snprintf(name, sizeof(name), "%" PRIu64, id);
	if (mkdirat(dir, name, 0700) < 0)
		return err_raise(-errno);
	home = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (home < 0 || fchown(home, uid, (gid_t)uid) < 0)
		return err_raise(-errno);
	return 0;
}

/* rm(1) knows every trick about deep and strange trees. Two forks: nobody has to wait for it. */
static void home_delete(const char *path)
{
	pid_t pid = fork();

	if (pid < 0) {
		log_error("run.home", "path=\"%s\" fork=failed", path);
		return;
	}
	if (pid) {
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		return;
	}
	if (fork())
		_exit(0);
	close_range(3, ~0u, 0);
	execl("/bin/rm", "rm", "-rf", "--one-file-system", "--", path, (char *)NULL);
	_exit(1);
}

static void home_discard(const struct run_config *config, int dir, const char *name)
{
	char trash[64], path[4096];

	snprintf(trash, sizeof(trash), "%s%.32s", name[0] == '.' ? "" : ".gone-", name);
	if (strcmp(trash, name) && renameat(dir, name, dir, trash) < 0) {
		if (errno != ENOENT)
			log_error("run.home", "name=%s errno=%d", name, errno);
		return;
	}
	/* Whoever gets this uid next finds nothing here. */
	if (fchownat(dir, trash, 0, 0, AT_SYMLINK_NOFOLLOW) < 0)
		log_error("run.home", "name=%s errno=%d", trash, errno);
	snprintf(path, sizeof(path), "%s/%s", home_dir(config), trash);
	home_delete(path);
}

void run_home_remove(const struct run_config *config, uint64_t id)
{
	_cleanup_(fd_closep) int dir = home_open_dir(config, false);
	char name[32];

	if (dir < 0)
		return;
	snprintf(name, sizeof(name), "%" PRIu64, id);
	home_discard(config, dir, name);
}

void run_home_sweep(
	const struct run_config *config, bool (*is_live)(void *arg, uint64_t id), void *arg)
{
	_cleanup_(home_closedirp) DIR *dir = NULL;
	int fd = home_open_dir(config, false);
	const struct dirent *e;

	if (fd < 0)
		return;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return;
	}
	while ((e = readdir(dir))) {
		char *end;
		uint64_t id = strtoull(e->d_name, &end, 10);

		if (!strncmp(e->d_name, ".gone-", 6) || (id && !*end && !is_live(arg, id)))
			home_discard(config, fd, e->d_name);
	}
}
