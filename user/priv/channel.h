/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the warden and the others may say to each other, over a SOCK_SEQPACKET socketpair each.
 * Fixed messages, no strings that mean anything: the warden never parses what the enforcer heard
 * from strangers. The table in channel.c says which message is legal for whom, in which phase, how
 * long.
 */
#pragma once

#include <stdint.h>

#include "audit/checkpoint.h"
#include "util/err.h"

enum {
	CHANNEL_E_AGAIN = 1, /* nothing there */
	CHANNEL_E_EOF = 2,   /* the other process is gone */
	CHANNEL_E_BAD =
		3, /* unknown, wrong length, wrong direction or phase: the sender is broken */
};

enum channel_type {
	/* warden → enforcer */
	CHANNEL_RUN_ADD =
		1, /* struct channel_run; answered by RUN_ADDED before the command may start */
	CHANNEL_RUN_END = 2, /* struct channel_run (cgroup) */
	CHANNEL_POLICY = 3,  /* + descriptor of the text; answered by POLICY_GOOD or POLICY_BAD */
	CHANNEL_STOP = 4,
	CHANNEL_BEGIN = 5, /* once: every run that lives was told of, accept connections */
	CHANNEL_NETNS = 6, /* + descriptor, struct channel_netns: listens (or asks the kernel) in
			      another network namespace; one message for each place of it */
	CHANNEL_NETNS_END = 7, /* struct channel_netns (cookie): forget them */
	/* enforcer → warden */
	CHANNEL_READY = 16,       /* once: it can be told of runs */
	CHANNEL_RUN_ADDED = 17,   /* struct channel_run (id) */
	CHANNEL_WANT_POLICY = 18, /* somebody asked for a reload */
	CHANNEL_POLICY_GOOD = 19, /* the policy sent last is in force */
	CHANNEL_POLICY_BAD = 20,  /* it is not; the old one stays */
	CHANNEL_REACH = 21, /* + descriptor: the addresses of a policy, for the kernel side; see
			       daemon/reach.h */
	/* a worker → warden, at a door of its own; each is answered by SOCKET or NO_SOCKET, in
	 * order, and at most CHANNEL_DOOR_MAX are unanswered, so that neither side ever has to wait
	 */
	CHANNEL_WANT_SOCKET = 24, /* struct channel_socket */
	/* warden → a worker */
	CHANNEL_SOCKET = 25,    /* + descriptor, struct channel_socket */
	CHANNEL_NO_SOCKET = 26, /* struct channel_socket (error) */
	/* scribe → warden */
	CHANNEL_SIGN = 32,   /* struct checkpoint (ledger, entry, head); answered by SIGNED */
	CHANNEL_PRUNE = 33,  /* struct checkpoint, whole: may what it covers go? PRUNABLE answers */
	CHANNEL_SEALED = 34, /* struct checkpoint (ledger, entry, head): nothing comes behind it */
	CHANNEL_NEWEST = 35, /* struct checkpoint, whole, or number 0; answered by KEPT */
	/* warden → scribe */
	CHANNEL_SIGNED = 48,   /* struct checkpoint, whole; number 0: it is not signed */
	CHANNEL_PRUNABLE = 49, /* the same */
	CHANNEL_KEPT = 50,     /* struct checkpoint: what was signed last; number 0: nothing */
};

struct channel_run {
	uint64_t id, cgroup;
	uint32_t uid, owner_uid;
	char name[64];
};

/* What the enforcer has in a network namespace. */
enum channel_place {
	CHANNEL_TCP4,
	CHANNEL_TCP6,
	CHANNEL_QUESTIONS4, /* UDP: what runs ask resolvers */
	CHANNEL_QUESTIONS6,
	CHANNEL_DIAG, /* of NETLINK_SOCK_DIAG: who is at the other end of a unix socket */
	CHANNEL_UNIX,
	CHANNEL_PLACES,
};

struct channel_netns {
	uint64_t cookie;
	uint32_t place; /* enum channel_place */
	uint32_t pad_;
};

/* A stream socket, not connected, made in the network namespace. */
struct channel_socket {
	uint64_t cookie;
	uint64_t session; /* the asker's own, told back */
	uint32_t family;  /* AF_INET, AF_INET6, AF_UNIX */
	int32_t error;    /* a positive errno, of NO_SOCKET */
	/* Not 0: AF_UNIX, connected to the socket of this policy_unix_id(), as whom the warden's
	 * own copy of the policy says; where that is the agent, as the run of this control group */
	uint64_t unix_id, run;
	/* Not 0: the cookie of the agent's socket. What the kernel says that it asked for is
	 * dialled instead, if it is the run's own. */
	uint64_t unix_cookie;
};

enum { CHANNEL_DOOR_MAX = 8 };

struct channel_message {
	uint32_t type; /* enum channel_type */
	uint32_t pad_;
	union {
		struct channel_run run;
		struct channel_netns netns;
		struct channel_socket socket;
		struct checkpoint checkpoint;
	};
};

/* Who receives, and what was said before. */
enum channel_phase {
	CHANNEL_IN_ENFORCER = 1 << 0,
	CHANNEL_IN_WARDEN_STARTING = 1 << 1, /* before READY */
	CHANNEL_IN_WARDEN = 1 << 2,
	CHANNEL_IN_SIGNER = 1 << 3, /* the warden, of the scribe */
	CHANNEL_IN_SCRIBE = 1 << 4,
	CHANNEL_AT_DOOR = 1 << 5, /* the warden, of a worker */
	CHANNEL_IN_WORKER = 1 << 6,
};

/* fd: descriptor to pass, or -1. 0, CHANNEL_E_EOF. */
ERR_CHECK int channel_send(int channel, const struct channel_message *m, int fd);
/* The next message that is legal in this phase. *ret_fd: a descriptor that is now the caller's, or
 * -1. 0, CHANNEL_E_*. */
ERR_CHECK int channel_receive(
	int channel, enum channel_phase phase, struct channel_message *ret, int *ret_fd);
