/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Everything that crosses the kernel boundary; both compilers check it. Addresses and ports are in
 * network order. A change of any struct or map here is a change of HOLDFAST_ABI: pins of another
 * ABI are never adopted.
 */
#pragma once

#ifdef __bpf__
#include "vmlinux.h"
#else
#include <linux/types.h>
#endif

#define HOLDFAST_ABI 7

/* Where a socket wanted to go, and who asked. v4 is kept v4-mapped in addr. */
struct origin {
	__u8 addr[16];
	__u64 cgroup; /* the run's cgroup id (the ancestor at the runs' level, not the leaf) */
	__u64 netns;  /* netns cookie */
	__u64 cookie; /* socket cookie of the agent's socket */
	__u32 tgid, pid, uid, gid;
	__u16 port;
	__u8 family; /* AF_INET, AF_INET6 as the agent asked; v4-mapped on AF_INET6 is AF_INET6 */
	__u8 is_set; /* 1: holds an origin */
	char comm[16];
	__u8 is_in_run;   /* 1: goes to a listener of the same run, directly */
	__u8 is_question; /* 1: of a UDP socket that asks a resolver over IPv6 */
	__u16 slot;       /* is_question: of QUESTION_MARK6 */
};
_Static_assert(sizeof(struct origin) == 80, "abi: origin");

/* On a packet for the enforcer's UDP socket: a run's own hook let it out, to an address that stands
 * for this run. Setting a mark takes CAP_NET_ADMIN or CAP_NET_RAW, so nobody else's packet has it
 * who could not send whatever he likes anyway. */
#define QUESTION_MARK 0x68664453u

/* The same over IPv6, whose one loopback address can stand for nobody: here the mark itself, with a
 * slot in it, stands for the run. In the map `askers` it is a key beside the addresses, which all
 * have 127 in the byte where this one has 0x53 (or, on the other kind of machine, 0x68). */
#define QUESTION_MARK6(slot) (0x68000053u | (__u32)(slot) << 8)
enum { QUESTION_SLOTS = 1 << 14 };

/* One entry of the maps `targets` (what may be reached) and `inbound` (who may reach what a run
 * listens on, and at which port of it). v4 as v4-mapped; the first 32 bits are the trie's own. */
struct reach_key {
	__u32 prefix; /* significant bits of what follows: 16 for the port, then the address's */
	__u16 port;   /* network order; 0: any */
	__u8 addr[16];
	__u8 _pad[2];
};
enum { REACH_PORT_BITS = 16, REACH_BITS = 16 + 128 };
_Static_assert(sizeof(struct reach_key) == 24, "abi: reach_key");

/* What is known of a socket that was bound or listens, in its own storage; a socket that it accepts
 * inherits it. */
struct listening {
	__u64 cgroup;     /* the run's; 0 for the enforcer's own */
	__u8 is_ours;     /* 1: a listener of the enforcer */
	__u8 is_accepted; /* 1: a connection that was let in */
	__u8 _pad[6];
};
_Static_assert(sizeof(struct listening) == 16, "abi: listening");

/* The same of a unix socket (map `unix_origins`). */
struct unix_origin {
	struct origin origin; /* its address and port mean nothing */
	__u64 dir_ino;        /* the folder that a relative path was given in */
	__u32 dir_dev;        /* its device, as the kernel has it: 20 bits are the minor */
	__u32 len;            /* of path as the agent gave it; abstract names begin with a NUL */
	char path[108];
	__u8 _pad[4];
};
_Static_assert(sizeof(struct unix_origin) == 208, "abi: unix_origin");

/* Set before load, constant afterwards. */
struct intercept_config {
	__u8 token_net[4]; /* 127.64.0.0, a /10: v4 connects are sent to an address in it */
	__u32 run_level;   /* cgroup level of a run's own cgroup, for the ancestor id */
	__u16 port;        /* the enforcer's port, network order */
	__u8 _pad[6];
};

/* A word that user space may change at any time (map `state`, one entry). */
struct intercept_state {
	__u32 is_refusing; /* 1: the enforcer is dead or frozen: ECONNREFUSED at once */
	__u8 is_listed;    /* 1: `targets` is whole: what is not in it is refused right there */
	__u8 may_in_run;   /* 1: a run may reach its own listeners on loopback */
	__u8 may_resolve;  /* 1: what a run asks a resolver goes to the enforcer */
	__u8 may_unix;     /* 1: unix connects go to the enforcer, else they are refused */
	/* The enforcer's abstract unix socket, a new name at each start. Anybody may take the name
	 * of a daemon that died, so it is used only while the warden lives (map `life`) and says
	 * that it does. */
	__u64 alive_until_ns; /* CLOCK_MONOTONIC */
	char unix_name[32];   /* all of it, the NUL in front included */
};
_Static_assert(sizeof(struct intercept_state) == 48, "abi: intercept_state");

/* Places of the map `life`. */
enum { LIFE_FIRST, LIFE_LAST, LIFE_N };

/* What the kernel side refused, for the ledger (ring buffer `denials`; lost ones are counted). */
struct denial {
	struct origin origin;
	__u32 hook;  /* enum hook */
	__s32 error; /* errno given to the agent */
};

/* Hooks, for denials and for counters. */
enum hook {
	HOOK_CONNECT4,
	HOOK_CONNECT6,
	HOOK_GETPEERNAME4,
	HOOK_GETPEERNAME6,
	HOOK_SENDMSG4,
	HOOK_SENDMSG6,
	HOOK_SOCK_CREATE,
	HOOK_SOCKOPS_CLIENT,
	HOOK_SOCKOPS_SERVER,
	HOOK_EGRESS,
	HOOK_INGRESS,
	HOOK_CONNECT_UNIX,
	HOOK_SENDMSG_UNIX,
	HOOK_BIND4,
	HOOK_BIND6,
	HOOK_SETSOCKOPT,
	HOOK_RECVMSG4,
	HOOK_RECVMSG6,
	HOOK_N,
};

/* Things that went wrong or were refused in the kernel: per-CPU counters `counts[hook][what]`. */
enum count {
	COUNT_OK,         /* redirected, carried over, passed */
	COUNT_DENIED,     /* refused by design */
	COUNT_NO_STORAGE, /* socket storage could not be made */
	COUNT_NO_MAP,     /* a map was full or an update failed */
	COUNT_NO_ORIGIN,  /* accepted socket without an origin: will be reset */
	COUNT_HELPER,     /* any other helper failed */
	COUNT_LOST,       /* a denial that did not fit the ring buffer */
	COUNT_N,
};
