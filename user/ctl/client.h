/* SPDX-License-Identifier: Apache-2.0 */
/* A connection to ctl.sock: who it is, what it waits for, packets on their way to it. */
#pragma once

#include <sys/types.h>

#include "ctl/server.h"
#include "ctl/wire.h"

enum {
	CTL_GIDS_MAX = 64,
	CTL_QUEUE_MAX = 8192,
	CTL_BEHIND_MAX = 256,
	CTL_CLIENTS_MAX = 256,
	CTL_CLIENTS_OF_APPROVERS = 64, /* of these, which nobody else gets */
	CTL_CLIENTS_OF_ONE = 32
};

struct ctl_client {
	struct list link;
	struct loop_source src;
	struct ctl *ctl;
	uint64_t id;
	pid_t pid; /* who connected … */
	uid_t uid;
	pid_t speaker; /* … and who sent the packet at work: the same user, maybe another process */
	gid_t gids[CTL_GIDS_MAX];
	size_t n_gids;
	bool is_in_run; /* or an agent by uid: may not even ask */
	bool is_watching, is_dead;
	struct list queue; /* packets that did not fit the socket */
	size_t n_queued;
	uint64_t *list; /* ids of holds on their way to it: watch.h */
	size_t list_n, list_at;
	uint64_t deciding;          /* the hold that is being decided there */
	uint64_t looking;           /* the one that is on the screen there */
	bool is_filling, is_behind; /* events were left out: it will get all anew */
};

/* Accepts and identifies a peer. */
void ctl_client_accept(struct ctl *c);
void ctl_client_close(struct ctl_client *cl);
void ctl_client_free(struct ctl_client *cl);
struct ctl_client *ctl_client_find(struct ctl *c, uint64_t id);
/* Of the approvers' group, by its login and by the accounts of this host as they are now. */
bool ctl_client_is_approver(const struct ctl_client *cl);
/* Has this user any process in a run, whichever he asks from? Of an attached group several users
 * can be, and only one of them is written down with the run. Looks through /proc. */
bool ctl_client_has_run_process(const struct ctl_client *cl);
/*
 * Asked before each answer, not only when it connects: a process can be attached, or a run begun as
 * its user, in between. True: it was told so, recorded, and closed.
 */
bool ctl_client_refuse_agent(struct ctl_client *cl);

/* Answers. A client that does not read is dropped when its queue is full. */
void ctl_client_data(struct ctl_client *cl, struct json *j);
void ctl_client_end(struct ctl_client *cl);
void ctl_client_error(struct ctl_client *cl, enum ctl_error error, const char *text);
