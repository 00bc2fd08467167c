/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A warden with nothing but its runs, for tests/run/run: no kernel side, no ledger. What the
 * callbacks hear is printed, one line each, and ids go on from a file, as the ledger would have it.
 *
 * usage: warden RUNS_CGROUP STATE_DIR HOMES_DIR FIRST_UID LAST_UID OPERATORS_GID [without-unix]
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "kern/cgroup.h"
#include "priv/run_server.h"
#include "util/log.h"

struct warden {
	char id_path[256];
	const char *refuse_path; /* while this file exists, on_placed refuses */
};

static uint64_t warden_next_id(void *arg)
{
	struct warden *w = arg;
	unsigned long long id = 0;
	FILE *f = fopen(w->id_path, "r");

	if (f) {
		if (fscanf(f, "%llu", &id) != 1)
			id = 0;
		fclose(f);
	}
	f = fopen(w->id_path, "w");
	if (!f)
		return 0;
	fprintf(f, "%llu\n", ++id);
	fclose(f);
	return id;
}

static int warden_on_placed(void *arg, const struct run *run)
{
	struct warden *w = arg;

	printf("placed %llu uid=%u owner=%u degraded=%s command=%s\n", (unsigned long long)run->id,
		run->uid, run->owner_uid, run->degraded, run->command);
	return access(w->refuse_path, F_OK) == 0;
}

static void warden_on_exit(void *arg, const struct run *run, int status)
{
	(void)arg;
	printf("exit %llu status=%d\n", (unsigned long long)run->id, status);
}

static void warden_on_event(void *arg, const char *kind, uint64_t run, const char *text)
{
	(void)arg;
	printf("%s %llu %s\n", kind, (unsigned long long)run, text);
}

static void warden_on_attached(
	void *arg, const struct run *run, void (*fn)(void *fn_arg, const char *text), void *fn_arg)
{
	(void)arg, (void)run, (void)fn, (void)fn_arg;
}

static int warden_on_netns(void *arg, const struct run *run, int ns_fd, uint64_t cookie)
{
	(void)arg, (void)ns_fd;
	printf("netns %llu %llu\n", (unsigned long long)run->id, (unsigned long long)cookie);
	return 0;
}

static void warden_on_end(void *arg, const struct run *run)
{
	(void)arg;
	printf("end %llu\n", (unsigned long long)run->id);
}

static int warden_on_adopted(void *arg, const struct run *run)
{
	(void)arg;
	printf("adopted %llu uid=%u name=%s\n", (unsigned long long)run->id, run->uid, run->name);
	return 0;
}

static int warden_loop(struct run_server *s)
{
	struct pollfd p[2] = {{.fd = run_server_epoll_fd(s), .events = POLLIN}, {.events = POLLIN}};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	p[1].fd = signalfd(-1, &set, SFD_CLOEXEC);
	while (poll(p, 2, -1) > 0 && !p[1].revents) {
		int r = run_server_dispatch(s);

		if (r)
			return r;
	}
	close(p[1].fd);
	return 0;
}

int main(int argc, char **argv)
{
	static char root[4096], id_path_refuse[256];
	struct warden w;
	struct run_server_config config = {0};
	struct run_server *s;
	const char *hide[] = {NULL, NULL};
	int r;

	if (argc < 7)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE,
		SIG_IGN); /* as in the real one: a run may be gone when it is told something */
	log_setup("warden", getenv("DEBUG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN);
	snprintf(w.id_path, sizeof(w.id_path), "%s/next-id", argv[2]);
	snprintf(id_path_refuse, sizeof(id_path_refuse), "%s/refuse", argv[2]);
	w.refuse_path = id_path_refuse;
	hide[0] = getenv("HIDE");
	config.run = (struct run_config){.runs_path = argv[1],
		.state_dir = argv[2],
		.homes_dir = argv[3],
		.uid_first = (uid_t)atoi(argv[4]),
		.uid_last = (uid_t)atoi(argv[5]),
		.has_connect_unix = argc == 7,
		.degraded = argc == 7 ? "" : "connect_unix absent",
		.hide_paths = hide,
		.allow_degraded = getenv("ALLOW_DEGRADED") != NULL};
	if (cgroup_find_root(root, sizeof(root)))
		return 3;
	config.cgroup_root = root;
	config.operators = (gid_t)atoi(argv[6]);
	config.callbacks = (struct run_server_callbacks){.arg = &w,
		.next_id = warden_next_id,
		.on_placed = warden_on_placed,
		.on_exit = warden_on_exit,
		.on_event = warden_on_event,
		.on_attached = warden_on_attached,
		.on_netns = warden_on_netns,
		.on_end = warden_on_end};
	r = run_server_new(&config, &s);
	if (!r)
		r = run_server_adopt(s, warden_on_adopted);
	if (r)
		return 1;
	printf("ready\n");
	r = warden_loop(s);
	run_server_free(s);
	return r ? 1 : 0;
}
