/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs: the warden's side. A request from `holdfast run` (priv/run_wire.h) becomes a cgroup, a uid
 * and a child born inside them. All of it is called from the warden's one thread,
 * which ignores SIGPIPE.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "util/err.h"
#include "util/list.h"
#include "util/slice.h"

enum {
	RUN_E_REFUSED = 1, /* *ret_why says why; goes to the person who asked */
};

enum { RUN_ARGV_MAX = 256, RUN_ENV_MAX = 1024, RUN_FROM_MAX = 512, RUN_NETNS_MAX = 8 };

/* One life of one agent. Lives in the warden until its cgroup is empty. */
struct run {
	struct list link;
	uint64_t id;
	uint64_t cgroup; /* kernel id */
	int cgroup_fd, events_fd;
	pid_t pid; /* the command, -1 once reaped or adopted */
	int pidfd;
	pid_t init_pid; /* pid 1 of the run's own pid namespace (run_init.h); -1 if not our child */
	int init_fd;    /* tells it that the command ended; or -1 */
	uid_t uid, owner_uid;
	char name[64];
	char command[512];       /* argv joined, cut, for people */
	char degraded[256];      /* what did not protect this run; "" = nothing */
	int client_fd;           /* the CLI that waits for the exit status, or -1; borrowed */
	int status_fd;           /* why the command could not be started: run_failure(); or -1 */
	bool has_home;           /* a private home of its own, removed at its end */
	bool is_attached;        /* it ran before: run_attach.h */
	bool is_cut;             /* attached, and its sockets from before are cut */
	char from[RUN_FROM_MAX]; /* attached: the group it came from; "" otherwise */
	uint64_t netns[RUN_NETNS_MAX]; /* attached: cookies of the network namespaces that are
					  served for it, besides ours: run_netns.h */
	unsigned n_netns, n_netns_refused;
};

struct run_config {
	const char *cgroup_root; /* the cgroup2 mount */
	const char *runs_path;   /* cgroup folder */
	const char *state_dir;   /* /run/holdfast: one file per run, so that a restart adopts it */
	uid_t uid_first, uid_last; /* dedicated uids; none of them has an account or a process */
	bool has_connect_unix;
	bool allow_degraded;
	const char *degraded; /* what this host lacks, stored with every run; "" = nothing */
	const char *
		homes_dir; /* private homes of dedicated uids; root's, 0711; NULL = RUN_HOMES_DIR */
	const char *const *hide_paths; /* folders that runs must not see, besides state_dir (the
					  ledger's): NULL-terminated, or NULL */
};

#define RUN_HOMES_DIR "/var/lib/holdfast-homes"

/* What the CLI asks for; slices into its message. */
struct run_request {
	struct slice name, user, cwd;
	struct slice argv[RUN_ARGV_MAX];
	size_t n_argv;
	struct slice env[RUN_ENV_MAX];
	size_t n_env;
	int fds[3]; /* stdin, stdout, stderr: pipes or the slave of a pty, nothing else; borrowed */
	bool has_tty, allow_degraded;
	uid_t owner_uid;
};

/*
 * Makes the cgroup and starts the command inside it (clone3 CLONE_INTO_CGROUP), stopped before exec
 * until `on_placed` (record and announce the run) returned 0; anything else refuses the run, and
 * what was made is undone. *ret is linked nowhere yet. *ret_why lives until the next call.
 */
ERR_CHECK int run_start(const struct run_config *config, const struct run_request *req, uint64_t id,
	int (*on_placed)(void *arg, const struct run *run), void *arg, struct run **ret,
	const char **ret_why);
/*
 * Finds runs that an earlier daemon left; calls fn, which then owns it, for each with a fresh
 * struct run. Some may be empty by now: those end at once, as any other. Homes of no run are
 * removed.
 */
ERR_CHECK int run_adopt_all(
	const struct run_config *config, int (*fn)(void *arg, struct run *run), void *arg);
/* Whether the command failed before exec: a sentence for people, and the exit status to tell (126,
 * 127). Call once its process ended. */
bool run_failure(struct run *run, char *buf, size_t max, int *ret_exit);
/* For run_attach.c: a run without a command of its own; its group, state file and record. Undone by
 * run_end(). */
struct run *run_new(uint64_t id);
ERR_CHECK int run_place(const struct run_config *config, struct run *run);
/* Writes the run's file again. 0, -errno. */
ERR_CHECK int run_remember(const struct run_config *config, const struct run *run);
/* The command was waited for: the run is over as soon as nobody else is left in it. */
void run_note_exit(struct run *run);
/* Freezes the tree, so that nothing forks away meanwhile, and kills it. The run ends soon after.
 * 0, -errno. */
ERR_CHECK int run_kill(const struct run *run);
/* 1 processes inside, 0 empty, < 0 error. Reading arms events_fd (POLLPRI) for the next change. */
int run_is_alive(const struct run *run);
/* Removes cgroup, home and state file of a run that is empty; frees it. */
struct run *run_end(const struct run_config *config, struct run *run);
/* Frees the descriptors and the memory only: the run lives on, for a later daemon to adopt. */
struct run *run_free(struct run *run);
