/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs: the warden's side. A request from `holdfast run` (priv/run_wire.h) becomes a cgroup, a uid
 * and a child born inside them.
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

/* One life of one agent. Lives in the warden until its cgroup is empty. */
struct run {
	struct list link;
	uint64_t id;
	uint64_t cgroup; /* kernel id */
	int cgroup_fd, events_fd;
	pid_t pid;	 /* the command, -1 once reaped or adopted */
	int pidfd;
	uid_t uid, owner_uid;
	char name[64];
	char command[512]; /* argv joined, cut, for people */
	int client_fd;	 /* the CLI that waits for the exit status, or -1 */
};

struct run_config {
	const char *runs_path;	/* cgroup folder */
	const char *state_dir;	/* /run/holdfast: one file per run, so that a restart adopts it */
	uid_t uid_first, uid_last; /* dedicated uids; none of them has an account or a process */
	bool has_connect_unix;
	bool allow_degraded;
	const char *degraded;	/* what this host lacks, stored with every run; "" = nothing */
};

/* What the CLI asks for; slices into its message. */
struct run_request {
	struct slice name, user, cwd;
	struct slice argv[256];
	size_t n_argv;
	struct slice env[1024];
	size_t n_env;
	int fds[3];	  /* stdin, stdout, stderr: pipes or the slave of a pty, nothing else */
	bool has_tty, allow_degraded;
	uid_t owner_uid;
};

/*
 * Makes the cgroup and starts the command inside it (clone3 CLONE_INTO_CGROUP), stopped before exec
 * until `on_placed` (record and announce the run) returned 0. *ret is linked nowhere yet.
 */
ERR_CHECK int run_start(const struct run_config *config, const struct run_request *req, uint64_t id,
	int (*on_placed)(void *arg, const struct run *run), void *arg, struct run **ret,
	const char **ret_why);
/* Finds runs that an earlier daemon left alive; calls fn for each with a fresh struct run. */
ERR_CHECK int run_adopt_all(const struct run_config *config, int (*fn)(void *arg, struct run *run),
	void *arg);
/* Removes cgroup and state file of a run that is empty; frees it. */
struct run *run_end(const struct run_config *config, struct run *run);
