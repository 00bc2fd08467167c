/* SPDX-License-Identifier: Apache-2.0 */
/* Birth, adoption and end of runs: see run.h. What happens inside the child is in run_child.c. */
#include "priv/run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kern/cgroup.h"
#include "priv/run_child.h"
#include "priv/run_home.h"
#include "priv/run_init.h"
#include "priv/run_netns.h"
#include "priv/run_plan.h"
#include "priv/run_state.h"
#include "util/cleanup.h"
#include "util/log.h"

enum { RUN_PATH_MAX = 4096 };

struct run *run_new(uint64_t id)
{
	struct run *run = calloc(1, sizeof(*run));

	if (!run)
		return NULL;
	list_init(&run->link);
	run->id = id;
	run->pid = run->init_pid = -1;
	run->init_fd = -1;
	run->cgroup_fd = run->events_fd = run->pidfd = run->client_fd = run->status_fd = -1;
	return run;
}

struct run *run_free(struct run *run)
{
	if (!run)
		return NULL;
	list_remove(&run->link);
	fd_close(run->cgroup_fd);
	fd_close(run->events_fd);
	fd_close(run->pidfd);
	fd_close(run->status_fd);
	fd_close(run->init_fd);
	free(run);
	return NULL;
}

static int run_cgroup_path(const struct run_config *config, uint64_t id, char *buf, size_t max)
{
	int n = snprintf(buf, max, "%s/%" PRIu64, config->runs_path, id);

	return n < 0 || (size_t)n >= max ? err_raise(-ENAMETOOLONG) : 0;
}

static int run_open_cgroup(struct run *run, int cgroup_fd)
{
	int r;

	if (cgroup_fd < 0)
		return err_trace(cgroup_fd);
	run->cgroup_fd = cgroup_fd;
	run->events_fd = cgroup_open_events(cgroup_fd);
	if (run->events_fd < 0)
		return err_trace(run->events_fd);
	r = cgroup_id(cgroup_fd, &run->cgroup);
	return r ? err_trace(r) : 0;
}

/* argv as people would type it, without quoting; cut where there is no more room. */
static void run_describe(struct run *run, const struct run_plan *plan)
{
	size_t n = 0;

	for (char **arg = plan->argv; *arg && n < sizeof(run->command) - 1; arg++)
		n += (size_t)snprintf(
			run->command + n, sizeof(run->command) - n, "%s%s", n ? " " : "", *arg);
	snprintf(run->name, sizeof(run->name), "%s", plan->name);
	snprintf(run->degraded, sizeof(run->degraded), "%s", plan->degraded);
	run->uid = plan->uid;
	run->owner_uid = plan->req->owner_uid;
}

static struct run_state run_to_state(const struct run *run)
{
	struct run_state s = {.id = run->id,
		.cgroup = run->cgroup,
		.uid = run->uid,
		.owner_uid = run->owner_uid,
		.has_home = run->has_home,
		.is_cut = run->is_cut};

	memcpy(s.from, run->from, sizeof(s.from));
	memcpy(s.name, run->name, sizeof(s.name));
	memcpy(s.command, run->command, sizeof(s.command));
	memcpy(s.degraded, run->degraded, sizeof(s.degraded));
	run_netns_print(run, s.netns, sizeof(s.netns));
	return s;
}

int run_remember(const struct run_config *config, const struct run *run)
{
	const struct run_state state = run_to_state(run);

	return err_trace(run_state_write(config->state_dir, &state));
}

/* A group of this name may have processes: a run is only ever made in one of its own. */
static bool run_is_taken(const struct run_config *config, uint64_t id)
{
	char path[RUN_PATH_MAX];

	return run_cgroup_path(config, id, path, sizeof(path)) || !access(path, F_OK);
}

/* Everything a run needs but its process. */
int run_place(const struct run_config *config, struct run *run)
{
	char path[RUN_PATH_MAX];
	int r;

	r = run_cgroup_path(config, run->id, path, sizeof(path));
	if (!r)
		r = run_open_cgroup(run, cgroup_make(path));
	if (r)
		return err_trace(r);
	r = run_remember(config, run);
	if (!r && run->has_home)
		r = run_home_make(config, run->id, run->uid);
	return r ? err_trace(r) : 0;
}

static void run_close_pair(int pair[2])
{
	pair[0] = fd_close(pair[0]);
	pair[1] = fd_close(pair[1]);
}

/* A fork whose child is never outside the cgroup; with CLONE_NEWPID it is the first process of a
 * namespace. 0 in the child. */
static pid_t run_clone(const struct run_plan *plan, uint64_t flags, int *ret_pidfd)
{
	struct clone_args args = {
		.flags = CLONE_INTO_CGROUP | CLONE_PIDFD | flags,
		.exit_signal = SIGCHLD,
		.pidfd = (uint64_t)(uintptr_t)ret_pidfd,
		.cgroup = (uint64_t)plan->cgroup_fd,
	};
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	return pid < 0 ? -errno : pid;
}

/* The run's pid 1, which adopts what its processes leave behind. *ret_pidfd stands for the
 * namespace. */
static int run_spawn_init(const struct run_plan *plan, struct run *run, int *ret_pidfd)
{
	int word[2];
	pid_t pid;

	if (pipe2(word, O_CLOEXEC) < 0)
		return err_raise(-errno);
	pid = run_clone(plan, CLONE_NEWPID, ret_pidfd);
	if (pid == 0)
		run_init(plan, word[0]);
	close(word[0]);
	if (pid < 0) {
		close(word[1]);
		return err_raise(pid);
	}
	run->init_pid = pid;
	run->init_fd = word[1];
	return 0;
}

/* Like run_clone(), into the pid namespace of that process: for the length of one fork, children
 * are born there. The warden has one thread, and none of its own children is born meanwhile. */
static pid_t run_clone_beside(const struct run_plan *plan, int init_pidfd, int *ret_pidfd)
{
	_cleanup_(fd_closep) int own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	pid_t pid;

	if (own < 0 || setns(init_pidfd, CLONE_NEWPID) < 0)
		return err_raise(-errno);
	pid = run_clone(plan, 0, ret_pidfd);
	if (pid == 0)
		return 0;
	/* A warden that forks into a run's namespace must not live. */
	require(setns(own, CLONE_NEWPID) == 0);
	return pid;
}

/* *ret_go: write one byte to let it execute. */
static int run_spawn(struct run_plan *plan, struct run *run, int *ret_go)
{
	int go[2] = {-1, -1}, status[2] = {-1, -1}, pidfd = -1, r;
	_cleanup_(fd_closep) int init_pidfd = -1;
	pid_t pid;

	r = run_spawn_init(plan, run, &init_pidfd);
	if (r)
		return err_trace(r);
	if (pipe2(go, O_CLOEXEC) < 0 || pipe2(status, O_CLOEXEC | O_NONBLOCK) < 0) {
		r = -errno;
		run_close_pair(go);
		return err_raise(r);
	}
	plan->go_fd = go[0];
	plan->go_write_fd = go[1];
	plan->status_fd = status[1];
	pid = run_clone_beside(plan, init_pidfd, &pidfd);
	if (pid == 0)
		run_child(plan);
	fd_close(go[0]);
	fd_close(status[1]);
	if (pid < 0) {
		fd_close(go[1]);
		fd_close(status[0]);
		return err_raise(pid);
	}
	run->pid = pid;
	run->pidfd = pidfd;
	run->status_fd = status[0];
	*ret_go = go[1];
	return 0;
}

static pid_t run_reap(pid_t pid)
{
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return -1;
}

/* Undoes a run that never executed anything. */
static struct run *run_abort(const struct run_config *config, struct run *run)
{
	if (run->pid > 0)
		kill(run->pid, SIGKILL);
	if (run->init_pid > 0)
		kill(run->init_pid, SIGKILL);
	run->pid = run_reap(run->pid);
	return run_end(config, run);
}

/* Frees what was made when a step failed; a full table of cgroups or processes is worth a word. */
static int run_fail(const struct run_config *config, struct run *run, int r, const char **ret_why)
{
	static char why[128];

	log_error("run.start", "id=%" PRIu64 " errno=%d", run->id, -r);
	run_abort(config, run);
	snprintf(why, sizeof(why), "the run cannot be made: %s", strerror(-r));
	*ret_why = why;
	return RUN_E_REFUSED;
}

int run_start(const struct run_config *config, const struct run_request *req, uint64_t id,
	int (*on_placed)(void *arg, const struct run *run), void *arg, struct run **ret,
	const char **ret_why)
{
	static char why[256];
	_cleanup_(run_plan_deinit) struct run_plan plan;
	_cleanup_(fd_closep) int go = -1;
	struct run *run;
	int r = run_plan_make(&plan, config, req, id);

	if (r == RUN_PLAN_E_REFUSED) {
		snprintf(why, sizeof(why), "%s", plan.why);
		*ret_why = why;
		return RUN_E_REFUSED;
	}
	if (r)
		return err_fold(r);
	if (run_is_taken(config, id)) {
		*ret_why = "the id of the run is in use";
		return RUN_E_REFUSED;
	}
	run = run_new(id);
	if (!run)
		return err_raise(-ENOMEM);
	run_describe(run, &plan);
	run->has_home = plan.is_dedicated;
	r = run_place(config, run);
	plan.cgroup_fd = run->cgroup_fd;
	if (!r)
		r = run_spawn(&plan, run, &go);
	if (r)
		return run_fail(config, run, r, ret_why);
	if (on_placed(arg, run)) {
		run_abort(config, run);
		*ret_why = "the run could not be recorded";
		return RUN_E_REFUSED;
	}
	if (write(go, "g", 1) != 1)
		return run_fail(config, run, -errno, ret_why);
	*ret = run;
	return 0;
}

bool run_failure(struct run *run, char *buf, size_t max, int *ret_exit)
{
	struct run_child_failure failure;
	const char *step;
	ssize_t n;

	if (run->status_fd < 0)
		return false;
	n = read(run->status_fd, &failure, sizeof(failure));
	run->status_fd = fd_close(run->status_fd);
	if (n != sizeof(failure))
		return false;
	step = run_child_step_name(failure.step);
	*ret_exit = run_child_is_exec(failure.step) &&
				    (failure.error == ENOENT || failure.error == ENOTDIR)
			    ? 127
			    : 126;
	snprintf(buf, max, "the run could not %s: %s", step ? step : "start",
		strerror((int)failure.error));
	return true;
}

void run_note_exit(struct run *run)
{
	run->pid = -1;
	/* If it is gone already, so is everything else. */
	if (run->init_fd >= 0 && write(run->init_fd, "e", 1) < 0)
		log_debug("run.init", "id=%" PRIu64 " errno=%d", run->id, errno);
	run->init_fd = fd_close(run->init_fd);
}

int run_kill(const struct run *run)
{
	if (run->cgroup_fd < 0)
		return 0; /* adopted after its group was gone */
	/* What cannot be frozen is killed all the same. */
	if (cgroup_freeze(run->cgroup_fd, true))
		log_warn("run.kill", "id=%" PRIu64 " frozen=0", run->id);
	return err_trace(cgroup_kill(run->cgroup_fd));
}

int run_is_alive(const struct run *run)
{
	char text[256], *line;
	ssize_t n;

	if (run->events_fd < 0)
		return 0; /* adopted after its group was gone */
	n = pread(run->events_fd, text, sizeof(text) - 1, 0);
	if (n < 0)
		return errno == ENODEV ? 0 : err_raise(-errno); /* the group was removed */
	text[n] = 0;
	line = strstr(text, "populated ");
	return line ? line[10] == '1' : err_raise(-EBADMSG);
}

struct run *run_end(const struct run_config *config, struct run *run)
{
	char path[RUN_PATH_MAX];
	int r = 0;

	/* Its group is empty: it is a corpse, or about to be one. */
	run->init_pid = run_reap(run->init_pid);
	if (run->cgroup_fd >= 0 && !run_cgroup_path(config, run->id, path, sizeof(path)))
		r = cgroup_remove(path);
	if (r)
		log_error("run.end", "id=%" PRIu64 " cgroup=\"%s\" errno=%d", run->id, path, -r);
	if (run->has_home)
		run_home_remove(config, run->id);
	if (run_state_remove(config->state_dir, run->id))
		log_error("run.end", "id=%" PRIu64 " state_file=kept", run->id);
	return run_free(run);
}

struct run_adoption {
	const struct run_config *config;
	int (*fn)(void *arg, struct run *run);
	void *arg;
};

static int run_adopt(void *arg, const struct run_state *state)
{
	const struct run_adoption *a = arg;
	struct run *run = run_new(state->id);
	char path[RUN_PATH_MAX];
	int r, fd;

	if (!run)
		return err_raise(-ENOMEM);
	memcpy(run->name, state->name, sizeof(run->name));
	memcpy(run->command, state->command, sizeof(run->command));
	memcpy(run->degraded, state->degraded, sizeof(run->degraded));
	run->uid = state->uid;
	run->owner_uid = state->owner_uid;
	run->has_home = state->has_home;
	run->is_cut = state->is_cut;
	run->is_attached = *state->from != 0;
	memcpy(run->from, state->from, sizeof(run->from));
	if (!run_netns_parse(run, state->netns)) {
		log_error("run.adopt", "id=%" PRIu64 " netns=broken", run->id);
		run->n_netns = 0; /* none is served: refused */
	}
	r = run_cgroup_path(a->config, run->id, path, sizeof(path));
	fd = r ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		r = run_open_cgroup(run, fd);
	if (r || fd < 0 || run->cgroup != state->cgroup) {
		/* Nothing of it is alive; another group of this name is not ours to touch. */
		log_warn("run.adopt", "id=%" PRIu64 " cgroup=gone", run->id);
		run->cgroup_fd = fd_close(run->cgroup_fd);
		run->events_fd = fd_close(run->events_fd);
		run->cgroup = state->cgroup;
	}
	return a->fn(a->arg, run);
}

struct run_search {
	uint64_t id;
	bool is_found;
};

static int run_match(void *arg, const struct run_state *state)
{
	struct run_search *search = arg;

	if (state->id == search->id)
		search->is_found = true;
	return 0;
}

static bool run_has_state(void *arg, uint64_t id)
{
	const struct run_config *config = arg;
	struct run_search search = {.id = id};

	/* Not able to tell: then it is not removed. */
	return run_state_each(config->state_dir, run_match, &search) || search.is_found;
}

int run_adopt_all(const struct run_config *config, int (*fn)(void *arg, struct run *run), void *arg)
{
	struct run_adoption a = {.config = config, .fn = fn, .arg = arg};
	struct run_config copy = *config;
	int r = run_state_each(config->state_dir, run_adopt, &a);

	if (r)
		return r < 0 ? err_trace(r) : err_fold(r);
	run_home_sweep(config, run_has_state, &copy);
	return 0;
}
