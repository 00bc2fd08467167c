/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The three processes of the daemon and what they share by inheritance. The warden makes all of it
 * before it forks the others, and keeps it for their successors.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "audit/ledger.h"
#include "ctl/alarms.h"
#include "daemon/config.h"
#include "kern/kern.h"
#include "session/enforcer.h"

/* Rings: one for each thread that writes records. */
enum { RING_WARDEN, RING_CONTROL, RING_WORKERS, RINGS_MAX = RING_WORKERS + ENFORCER_WORKERS_MAX };

/* Memory that warden and enforcer share. */
struct vitals {
	_Atomic int64_t beat_ns; /* last sign of life of the enforcer's slowest thread */
	struct ctl_alarms alarms;
};

struct signer;

struct process {
	const struct config *config;
	struct kern *kern;
	struct vitals *vitals;
	char cgroup_root[512], runs_path[600], degraded[256], ledger_dir[1024];
	const char *hidden[3]; /* folders that runs must not see, NULL-terminated */
	char ring_paths[RINGS_MAX][128];
	int ring_fds[RINGS_MAX];
	int commit_fds[RINGS_MAX]; /* eventfds: the scribe committed what was asked for */
	unsigned n_rings; /* those in use, and those that a daemon with more workers left to be
			     drained */
	int wake_fd;      /* eventfd the scribe sleeps on */
	int listener_fds[ENFORCER_WORKERS_MAX][2];
	int question_fds[ENFORCER_WORKERS_MAX][2]; /* UDP, the same port: what runs ask resolvers */
	int door_fds[ENFORCER_WORKERS_MAX]; /* of the enforcer that is being started: daemon/nets.h
					     */
	uint64_t netns;                     /* cookie of our own network namespace */
	int ctl_fd;
	int unix_fd;        /* where the hooks send unix connects; -1: there is no such hook */
	char unix_name[32]; /* its abstract name */
	int herald_fds[2];  /* the enforcer's end, the herald's; -1: nobody is told anything */
	uint8_t webhook_secret[64];
	size_t webhook_secret_n;
	uint8_t ledger_key[32], mask_key[32];
	struct slice policy_text;    /* the policy in force; the warden's */
	const struct signer *signer; /* the warden's; a scribe starts with a copy */
	struct ledger_ids ids;       /* highest in use, when the enforcer starts */
};

struct journal;

/* Opens ring i for writing; waits a little while the scribe has damage in it to give up. 0, < 0. */
ERR_CHECK int process_open_ring(const struct process *p, unsigned i, struct journal **ret);
/* If the scribe gave up the ring behind *j: closes and opens it again (*j is NULL where that
 * fails). 0, < 0. */
ERR_CHECK int process_mend_ring(const struct process *p, unsigned i, struct journal **j);
/* In a child that keeps or tells what was masked, and need not be able to guess at what was. */
void process_forget_keys(struct process *p);
/* Did `holdfast detach` take the hooks off on purpose, since we started? */
bool process_is_detached(const struct process *p);
/* The enforcer's whole life, in a forked child; returns its exit status. */
int enforcer_main(const struct process *p, int channel);
/* The scribe's whole life, in a forked child. */
int scribe_main(const struct process *p, int stop_fd, int ready_fd, bool close_orphans);
