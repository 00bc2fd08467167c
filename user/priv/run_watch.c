/* SPDX-License-Identifier: Apache-2.0 */
#include "priv/run_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kern/cgroup.h"
#include "kern/place.h"
#include "priv/run_attach.h"
#include "priv/run_peer.h"
#include "util/cleanup.h"
#include "util/log.h"

enum { WATCH_PROCESSES_MAX = 65536 };

/* What /proc says of a process. 0 for started: it ended, or is a zombie. */
static uint64_t watch_started(pid_t pid, char *comm, size_t max)
{
	char path[48], text[1024], state;
	_cleanup_(fd_closep) int fd = -1;
	const char *open_at, *end;
	unsigned long long started;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = 0;
	open_at = strchr(text, '(');
	end = strrchr(text, ')'); /* the name before it may hold anything */
	if (!open_at || !end ||
		sscanf(end + 1,
			" %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d "
			"%*d %llu",
			&state, &started) != 2 ||
		state == 'Z' || state == 'X')
		return 0;
	if (comm)
		snprintf(comm, max, "%.*s", (int)(end - open_at - 1), open_at + 1);
	return started;
}

static int watch_compare(const void *a, const void *b)
{
	const struct run_watch_process *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

static struct run_watch_process *watch_find(const struct run_watch *w, pid_t pid)
{
	const struct run_watch_process key = {.pid = pid};

	return w->n ? bsearch(&key, w->seen, w->n, sizeof(key), watch_compare) : NULL;
}

struct watch_looking {
	const struct run_watch *old;
	struct run_watch now;
	size_t max;
};

static int watch_add(void *arg, pid_t pid)
{
	struct watch_looking *l = arg;
	const struct run_watch_process *known = watch_find(l->old, pid);

	if (l->now.n == l->max) {
		size_t max = l->max ? 2 * l->max : 16;
		struct run_watch_process *more =
			max > WATCH_PROCESSES_MAX ? NULL
						  : reallocarray(l->now.seen, max, sizeof(*more));

		if (!more)
			return err_raise(-ENOMEM);
		l->now.seen = more;
		l->max = max;
	}
	l->now.seen[l->now.n++] = (struct run_watch_process){
		.pid = pid, .started = known ? known->started : watch_started(pid, NULL, 0)};
	return 0;
}

/* May somebody else than root write it? */
static bool watch_is_loose(const char *path, const char *file, uid_t *ret_uid)
{
	char at[RUN_FROM_MAX + 32];
	struct stat st;

	snprintf(at, sizeof(at), "%s/%s", path, file);
	if (stat(at, &st) < 0)
		return false;
	*ret_uid = st.st_uid;
	return st.st_uid || st.st_mode & (S_IWGRP | S_IWOTH);
}

void run_watch_look(struct run_watch *w, const struct run_config *config, const struct run *run,
	void (*fn)(void *arg, const char *kind, uint64_t run, const char *text), void *arg)
{
	static const char *const files[] = {"", "cgroup.procs", "cgroup.threads"};
	struct watch_looking l = {.old = w, .now = {.is_loose = false}};
	char path[RUN_FROM_MAX], at[RUN_FROM_MAX], comm[64], text[256];
	uid_t uid;

	if (run_attach_path(config, run, path, sizeof(path)) ||
		place_each_process(path, watch_add, &l)) {
		log_error("run.watch", "id=%" PRIu64 " looked=0", run->id);
		free(l.now.seen);
		return;
	}
	if (l.now.n)
		qsort(l.now.seen, l.now.n, sizeof(*l.now.seen), watch_compare);
	for (size_t i = 0; i < w->n; i++) {
		const struct run_watch_process *p = &w->seen[i];

		if (watch_find(&l.now, p->pid) || !p->started ||
			watch_started(p->pid, comm, sizeof(comm)) != p->started ||
			cgroup_of_pid(config->cgroup_root, p->pid, at, sizeof(at)) ||
			run_peer_is_below(at, path))
			continue;
		snprintf(text, sizeof(text), "pid %d (%.15s) was moved out of the run, to %.150s",
			(int)p->pid, comm, at);
		fn(arg, "moved-out", run->id, text);
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (watch_is_loose(path, files[i], &uid) ||
			watch_is_loose(config->runs_path, files[i], &uid)) {
			l.now.is_loose = true;
			snprintf(text, sizeof(text),
				"the run's control group (%s) may be written by others than root "
				"(uid %u)",
				*files[i] ? files[i] : "folder", (unsigned)uid);
		}
	if (l.now.is_loose && !w->is_loose)
		fn(arg, "tampered", run->id, text);
	free(w->seen);
	*w = l.now;
}

void run_watch_deinit(struct run_watch *w)
{
	free(w->seen);
	*w = (struct run_watch){.seen = NULL};
}
