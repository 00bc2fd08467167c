/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.sock: asks of `holdfast run` and `holdfast kill`, inside the warden's event loop.
 *
 * The server owns its socket, its connections and every run from placement to its last exit, each a
 * source of one epoll descriptor of its own: the warden's loop waits for that one (level-triggered)
 * and calls run_server_dispatch(). It waits for its own children by pid, so nobody else may use
 * waitpid(-1). What comes in is framed by the packet, capped, and read by run_wire.c only.
 */
#pragma once

#include <stdbool.h>

#include "priv/run.h"

struct run_server_callbacks {
	void *arg;
	/* A fresh id, never used before (also not by an earlier daemon). 0 = refuse: no ledger. */
	uint64_t (*next_id)(void *arg);
	/* The run is in its cgroup and stands before exec: record and announce it. 0, else it is
	 * refused and undone. */
	int (*on_placed)(void *arg, const struct run *run);
	/* Its command ended; wait status as of waitpid(2). Others of the run may live on. */
	void (*on_exit)(void *arg, const struct run *run, int status);
	/* Something for the ledger: killed, attached, released; text says by whom, or whence. */
	void (*on_event)(void *arg, const char *kind, uint64_t run, const char *text);
	/* It ran before and is in its cgroup now: tell fn of each socket that it has from before,
	 * and cut them if run->is_cut. Also for adopted ones, with fn = NULL. */
	void (*on_attached)(void *arg, const struct run *run,
		void (*fn)(void *fn_arg, const char *text), void *fn_arg);
	/* Processes that were attached are in this network namespace, not ours: serve it. 0, else
	 * connects in it are refused. */
	int (*on_netns)(void *arg, const struct run *run, int ns_fd, uint64_t cookie);
	/* Its last process ended: the run is over and freed after this returns. */
	void (*on_end)(void *arg, const struct run *run);
};

struct run_server_config {
	struct run_config run;   /* borrowed strings live as long as the server */
	const char *cgroup_root; /* the cgroup2 mount: peers from below runs_path are refused */
	gid_t operators;         /* who besides root may ask; (gid_t)-1 = nobody */
	/* What is controlled whenever it runs: "unit:NAME", "cgroup:PATH"; NULL-terminated or NULL
	 */
	const char *const *attach;
	struct run_server_callbacks callbacks;
};

struct run_server;

/* Binds <state_dir>/run.sock (0660, root:operators), replacing a dead one's. */
ERR_CHECK int run_server_new(const struct run_server_config *config, struct run_server **ret);
/* Runs live on, for run_server_adopt() of the next daemon; their CLIs see the connection close. */
struct run_server *run_server_free(struct run_server *s);
/* Takes over what an earlier daemon left: calls on_adopted for each, before any other callback. */
ERR_CHECK int run_server_adopt(
	struct run_server *s, int (*on_adopted)(void *arg, const struct run *run));

/* Readable when there is something to dispatch; the server's. */
int run_server_epoll_fd(const struct run_server *s);
/* Handles what is ready, at most a bounded amount of it; never blocks. < 0: the server is broken.
 */
ERR_CHECK int run_server_dispatch(struct run_server *s);

/* Id of the run of this control group, or 0. */
uint64_t run_server_find(const struct run_server *s, uint64_t cgroup);
/* Its account, or 0: there is no such run, or it has none of its own. */
uid_t run_server_uid(const struct run_server *s, uint64_t cgroup);
/* Kills the run of this control group, if there is one; not recorded as anybody's wish. */
void run_server_kill(struct run_server *s, uint64_t cgroup);
/* Once a second: takes in what the configuration names and has appeared. */
void run_server_gather(struct run_server *s);
/* Once a second: tells on_event of processes that somebody moved out ("moved-out"), and of control
 * groups that others than root may write ("tampered"). */
void run_server_watch(struct run_server *s);
/* Calls fn for each live run. */
void run_server_each(
	const struct run_server *s, void (*fn)(void *arg, const struct run *run), void *arg);
