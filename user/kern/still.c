/* SPDX-License-Identifier: Apache-2.0 */
#include "kern/still.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kern/cgroup.h"
#include "util/cleanup.h"
#include "util/log.h"

enum { STILL_WAIT_MS = 500, STILL_STEP_MS = 1 };

static bool still_is_in(const char *path, const char *above)
{
	size_t n = strlen(above);

	return !strncmp(path, above, n) && (!path[n] || path[n] == '/');
}

static bool still_says(int dir_fd, const char *file, const char *text)
{
	_cleanup_(fd_closep) int fd = openat(dir_fd, file, O_RDONLY | O_CLOEXEC);
	char buf[256];
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

	buf[n > 0 ? n : 0] = 0;
	return strstr(buf, text) != NULL;
}

/* Does nothing but wait for our end. */
static void still_guard(int dir_fd, int heard_fd)
{
	char word;
	ssize_t n;

	do
		n = read(heard_fd, &word, 1);
	while (n < 0 && errno == EINTR);
	_exit(n == 1 || !cgroup_freeze(dir_fd, false) ? 0 : 1);
}

static ERR_CHECK int still_start_guard(struct still_group *g)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_raise(-errno);
	g->guard = fork();
	if (!g->guard) {
		close(ends[1]);
		still_guard(g->dir_fd, ends[0]);
	}
	close(ends[0]);
	g->guard_fd = ends[1];
	if (g->guard > 0)
		return 0;
	g->guard_fd = fd_close(g->guard_fd);
	return err_raise(-errno);
}

static void still_dismiss_guard(struct still_group *g)
{
	while (write(g->guard_fd, "", 1) < 0 && errno == EINTR)
		;
	g->guard_fd = fd_close(g->guard_fd);
	while (waitpid(g->guard, NULL, 0) < 0 && errno == EINTR)
		;
}

void still_add(struct still *s, const char *path)
{
	struct still_group *g = &s->v[s->n];
	int r;

	for (unsigned i = 0; i < s->n; i++)
		if (still_is_in(path, s->v[i].path))
			return;
	if (s->n == STILL_MAX ||
		snprintf(g->path, sizeof(g->path), "%s", path) >= (int)sizeof(g->path)) {
		s->is_loose = true;
		return;
	}
	g->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* The root has no such file. */
	if (g->dir_fd < 0 || faccessat(g->dir_fd, "cgroup.freeze", F_OK, 0) < 0 ||
		still_says(g->dir_fd, "cgroup.freeze", "1")) {
		s->is_loose |= g->dir_fd < 0 || !still_says(g->dir_fd, "cgroup.freeze", "1");
		g->dir_fd = fd_close(g->dir_fd);
		return;
	}
	r = still_start_guard(g);
	if (!r) {
		r = cgroup_freeze(g->dir_fd, true);
		if (r)
			still_dismiss_guard(g);
	}
	if (r) {
		log_warn("still", "group=\"%s\" errno=%d", path, -r);
		s->is_loose = true;
		g->dir_fd = fd_close(g->dir_fd);
		return;
	}
	s->n++;
}

void still_wait(struct still *s)
{
	for (unsigned i = 0, ms = 0; i < s->n; i++) {
		while (!still_says(s->v[i].dir_fd, "cgroup.events", "frozen 1") &&
			ms < STILL_WAIT_MS) {
			poll(NULL, 0, STILL_STEP_MS);
			ms += STILL_STEP_MS;
		}
		s->is_loose |= !still_says(s->v[i].dir_fd, "cgroup.events", "frozen 1");
	}
}

void still_end(struct still *s)
{
	for (unsigned i = 0; i < s->n; i++) {
		struct still_group *g = &s->v[i];

		if (cgroup_freeze(g->dir_fd, false))
			log_error("still", "group=\"%s\" goes-on=0", g->path);
		still_dismiss_guard(g);
		g->dir_fd = fd_close(g->dir_fd);
	}
	s->n = 0;
}
