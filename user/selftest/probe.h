/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One way out of a run, tried by a few lines of C: the vocabulary of `holdfast selftest escape`.
 *
 *   probe    a function that does one thing an agent might do to get out (probes.def lists all)
 *   row      a probe and where it aims: the same connect() at four targets is four rows
 *   guise    as what it is tried: outside a run first (the control: it must work there, or being
 *            stopped inside proves nothing), then inside as the agent, as root of a user namespace,
 *            and in a network namespace of its own
 *   world    what lies outside and writes down what reaches it (world.h)
 *
 * A probe runs in a process of its own, which may be killed for it. It says what came of it; what
 * the world received overrules what it says.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "util/err.h"

enum {
	PROBE_OUT = 0,      /* it got out */
	PROBE_E_ABSENT = 1, /* nothing here to try it on; context->why says what is missing */
	/* stopped, with context->why instead of an errno */
	PROBE_E_REFUSED = 2,
	/* < 0: stopped with this -errno */
};

enum probe_group {
	GROUP_TRANSPORT,
	GROUP_NAMES,
	GROUP_UNIX,
	GROUP_ELSEWHERE,
	GROUP_STAYING,
	GROUP_N,
};

/* near: a loopback address of this host; far: another network namespace, over a veth. */
enum probe_target {
	NEAR4 = 1 << 0,
	NEAR6 = 1 << 1,
	FAR4 = 1 << 2,
	FAR6 = 1 << 3,
	ALL4 = NEAR4 | FAR4,
	ALL6 = NEAR6 | FAR6,
	ALL = ALL4 | ALL6,
	FAR = FAR4 | FAR6,
	NEAR = NEAR4 | NEAR6,
};

enum probe_flag {
	BY_ROOT = 1 << 0,   /* outside a run it takes root; its control is root's */
	BY_OWNER = 1 << 1,  /* tried as the agent only: other guises add nothing */
	OWN_NETNS = 1 << 2, /* tried in a network namespace of the agent's own, too */
};

enum guise { GUISE_CONTROL, GUISE_AGENT, GUISE_USERNS, GUISE_NETNS, GUISE_N };

enum { PROBE_ROWS_MAX = 256, PROBE_WHY_MAX = 120, PROBE_MARK_MAX = 32 };

/* Where the outside is; goes into the run as text (world_print, world_scan). */
struct probe_world {
	uint16_t tcp_port, udp_port; /* at every target */
	uint16_t inbound_port;       /* the world keeps connecting to it, at loopback */
	pid_t pid;                   /* a process outside, of root */
	uint32_t far_net;            /* 198.18.<far_net>.0/30; 0: there is no far side */
	unsigned far_ifindex;        /* our end of the veth */
	char dir[64];                /* unix sockets, and a folder that anyone may write */
	char holdfast_dir[108], ledger[256];
};

struct probe_context {
	const struct probe_world *world;
	enum probe_target target; /* 0: none */
	enum guise guise;
	unsigned row;
	struct sockaddr_storage to, to_udp; /* the target's TCP and UDP server */
	socklen_t to_len;
	char mark[PROBE_MARK_MAX]; /* what to send, so that the world knows who it was */
	char why[PROBE_WHY_MAX];
};

typedef int probe_fn(struct probe_context *c);

struct probe {
	const char *id, *text;
	enum probe_group group;
	unsigned targets, flags;
	probe_fn *fn;
};

struct probe_row {
	const struct probe *probe;
	enum probe_target target;
	char name[64]; /* "tcp_connect far6" */
};

extern const char *const probe_group_names[GROUP_N];
extern const char *const probe_guise_names[GUISE_N];

/* All rows, in the order of probes.def; the count in *ret_n. Made once. */
const struct probe_row *probe_rows(unsigned *ret_n);
/* Is this row tried in this guise? */
bool probe_has_guise(const struct probe_row *row, enum guise guise);
/* Is it the hooks that stop it, so that it is stopped in attached processes too? */
bool probe_is_of_sockets(const struct probe_row *row);
/* Runs one row in this process: PROBE_OUT, PROBE_E_*, -errno; why (PROBE_WHY_MAX) gets words. */
int probe_try(unsigned row, enum guise guise, const struct probe_world *world, char *why);

/* ---- for the probes themselves --------------------------------------------------------------- */

/* Sends the mark on a connected stream and wants an answer. Closes fd. */
int probe_talk(const struct probe_context *c, int fd);
/* Waits for the answer to a datagram that was sent on fd. Closes fd. */
int probe_hear(int fd);
/* A socket with deadlines on everything. -errno. */
int probe_socket(int family, int type, int protocol);
/* "%s" of absent things. → PROBE_E_ABSENT */
int probe_absent(struct probe_context *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* → PROBE_E_REFUSED */
int probe_refused(struct probe_context *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
bool probe_is_v6(const struct probe_context *c);
/* The v4-mapped form of a v4 target. */
struct sockaddr_in6 probe_mapped(const struct probe_context *c, bool is_udp);

#define PROBE(id, ...) probe_fn probe_##id;
#include "selftest/probes.def"
#undef PROBE
