/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the threads of the enforcer share: ids, the table of runs, the mailboxes. Made before the
 * first thread and freed after the last.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "hold/grant.h"
#include "session/mailbox.h"
#include "session/names.h"
#include "util/map.h"

enum {
	ENFORCER_WORKERS_MAX = 32,
	/* What the sessions of a run may have in memory, all of them together: one large request
	 * and its reply have room, thirty unfinished ones do not. */
	ENFORCER_RUN_BYTES_MAX = 256 * 1024 * 1024,
};

struct parser;
struct sides;
struct worker;

/* A run as the warden announced it. */
struct run_info {
	uint64_t id, cgroup;
	uint32_t uid, owner_uid;
	char name[64];
	uint64_t n_sessions, n_holds, n_bytes; /* enforcer.c's own */
};

struct enforcer {
	unsigned n_workers;
	struct worker *workers[ENFORCER_WORKERS_MAX];
	struct parser *parser;
	struct sides *side;     /* NULL: the configuration has no `catalog:` */
	struct mailbox control; /* letters to the control thread */

	_Atomic uint64_t last_session, last_request, last_hold;
	_Atomic uint64_t catalog_epoch; /* goes up when names may have changed */
	_Atomic uint64_t names_epoch; /* … and when they probably did: nothing older is believed */
	_Atomic unsigned n_renaming; /* sessions whose change of names is at the server right now */
	_Atomic uint64_t n_allowed, n_held, n_denied; /* requests since start, for status */
	_Atomic uint64_t n_sessions;                  /* alive now */

	int origin_fd;                              /* socket storage map, read-only */
	int unix_fd, unix_origins_fd, unix_diag_fd; /* session/unix.c; unix_fd -1: none */
	uint16_t own_port;                          /* never dialled */
	uint64_t netns;                             /* cookie of our network namespace */
	uint8_t ledger_key[32];                     /* HMACs of unmasked bytes */
	uint8_t mask_key[32];                       /* TRANSFORM_HASH */

	uint64_t sessions_max, run_sessions_max; /* what descriptors are there for */
	pthread_mutex_t runs_lock;
	struct map runs;        /* cgroup id → struct run_info, owned */
	struct names names;     /* what runs resolved */
	uint64_t run_holds_max; /* that wait at the same time */
	int64_t say_ns;         /* a client that waits hears of it so often */
	struct grant_table grants;
};

void enforcer_init(struct enforcer *e);
void enforcer_deinit(struct enforcer *e);
/* Copies it; a run of the same cgroup is replaced. 0, -errno. */
ERR_CHECK int enforcer_add_run(struct enforcer *e, const struct run_info *run);
/* Forgets the run and cuts its sessions. */
void enforcer_remove_run(struct enforcer *e, uint64_t cgroup);
/* A copy; false: no such run, whoever this is. */
bool enforcer_find_run(struct enforcer *e, uint64_t cgroup, struct run_info *ret);

/* Divides the descriptors of this process: some are kept for approvers and for ourselves, and no
 * run gets more than a quarter of the rest. */
void enforcer_divide(struct enforcer *e, uint64_t n_descriptors);
/* A place for one more session of the run. False: it has had its share, or all are taken. */
bool enforcer_take_place(struct enforcer *e, uint64_t cgroup);
void enforcer_give_place(struct enforcer *e, uint64_t cgroup);
/* Memory of the run's sessions: `now` bytes instead of `before`. False: that is more than a run may
 * have (it is counted all the same, until it is given back). */
bool enforcer_charge(struct enforcer *e, uint64_t cgroup, size_t before, size_t now);
/* The same for one more request of the run that waits for people. */
bool enforcer_take_hold(struct enforcer *e, uint64_t cgroup);
void enforcer_give_hold(struct enforcer *e, uint64_t cgroup);
