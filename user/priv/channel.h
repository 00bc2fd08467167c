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
	/* enforcer → warden */
	CHANNEL_READY = 16,       /* once: it can be told of runs */
	CHANNEL_RUN_ADDED = 17,   /* struct channel_run (id) */
	CHANNEL_WANT_POLICY = 18, /* somebody asked for a reload */
	CHANNEL_POLICY_GOOD = 19, /* the policy sent last is in force */
	CHANNEL_POLICY_BAD = 20,  /* it is not; the old one stays */
	CHANNEL_REACH = 21, /* + descriptor: the addresses of a policy, for the kernel side; see
			       daemon/reach.h */
	/* scribe → warden */
	CHANNEL_SIGN = 32, /* struct checkpoint (ledger, entry, head); answered by SIGNED */
	/* warden → scribe */
	CHANNEL_SIGNED = 48, /* struct checkpoint, whole; number 0: it is not signed */
};

struct channel_run {
	uint64_t id, cgroup;
	uint32_t uid, owner_uid;
	char name[64];
};

struct channel_message {
	uint32_t type; /* enum channel_type */
	uint32_t pad_;
	union {
		struct channel_run run;
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
};

/* fd: descriptor to pass, or -1. 0, CHANNEL_E_EOF. */
ERR_CHECK int channel_send(int channel, const struct channel_message *m, int fd);
/* The next message that is legal in this phase. *ret_fd: a descriptor that is now the caller's, or
 * -1. 0, CHANNEL_E_*. */
ERR_CHECK int channel_receive(
	int channel, enum channel_phase phase, struct channel_message *ret, int *ret_fd);
