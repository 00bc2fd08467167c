/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network namespaces of others (containers, attached trees): the warden's side. It opens listeners
 * in them, which the enforcer gets copies of and the next enforcer too, and makes the sockets there
 * that the enforcer dials with: it alone can enter. A namespace is served as long as one of the
 * runs lives that it was opened for. One that a run makes for itself later is not: nobody asked for
 * it, and connects in it are refused.
 */
#pragma once

#include "kern/kern.h"
#include "net/loop.h"
#include "policy/policy.h"
#include "priv/channel.h"
#include "priv/run.h"

enum { NETS_MAX = 512 };

struct nets_config {
	void *arg;
	struct kern *kern;
	struct loop *loop;
	uint16_t port;         /* the enforcer's, host order */
	const char *unix_name; /* its abstract socket: 32 bytes; NULL: none */
	unsigned n_doors;      /* one a worker */
	/* To the enforcer that lives. 0, < 0: it is being replaced, and asks again. */
	int (*tell)(void *arg, const struct channel_message *m, int fd);
	struct slice policy_text; /* in force now: nets_read_policy() */
	/* The account of the run of this control group; 0: there is none. */
	uid_t (*uid_of)(void *arg, uint64_t cgroup);
	uid_t uid_first, uid_last; /* accounts that are one run's alone, while it lives */
	/* It said at a door what it may not say. */
	void (*on_bad)(void *arg);
	void (*on_event)(void *arg, const char *kind, uint64_t run, const char *text);
};

struct nets;

ERR_CHECK int nets_new(const struct nets_config *config, struct nets **ret);
struct nets *nets_free(struct nets *n);

/* Our own reading of the file: what the enforcer says of it decides nothing here. Not kept. */
void nets_read_policy(struct nets *n, struct slice text);
/* Before an enforcer is forked: pairs of sockets, its ends in ret_fds[n_doors]. The parent closes
 * those afterwards. Earlier ones are closed. 0, -errno. */
ERR_CHECK int nets_open_doors(struct nets *n, int *ret_fds);
/* Tells a new enforcer of all that is served. */
void nets_announce(struct nets *n);
/* Serves the namespace for this run. 0, -errno: connects in it are refused, and why is recorded. */
ERR_CHECK int nets_serve(struct nets *n, const struct run *run, int ns_fd, uint64_t cookie);
/* The run is over. */
void nets_leave(struct nets *n, const struct run *run);
