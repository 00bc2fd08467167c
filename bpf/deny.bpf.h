/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Who asks, and how a hook says no. A program returns what these return: there is no third value,
 * so a path that forgets to decide is a path that refuses.
 */
#pragma once

#include "abi.h"
#include "count.bpf.h"
#include "lib.bpf.h"
#include "maps.h"

enum verdict { VERDICT_REFUSE = 0, VERDICT_PASS = 1 };

enum { LOOPBACK_IFINDEX = 1 }; /* in every network namespace */
enum { AF_UNIX = 1, AF_INET = 2, AF_INET6 = 10 };
enum { SOL_IP = 0, SOL_SOCKET = 1, SOL_IPV6 = 41 };
enum { SO_BINDTODEVICE = 25, SO_BINDTOIFINDEX = 62 };
enum { IP_ADD_MEMBERSHIP = 35, IP_ADD_SOURCE_MEMBERSHIP = 39, IP_MSFILTER = 41 };
enum { IP_LOCAL_PORT_RANGE = 51 };
enum { IPV6_ADD_MEMBERSHIP = 20, IPV6_JOIN_ANYCAST = 27 };
enum { MCAST_JOIN_GROUP = 42, MCAST_JOIN_SOURCE_GROUP = 46, MCAST_MSFILTER = 48 }; /* at both */
enum {
	EPERM = 1,
	ENOMEM = 12,
	EACCES = 13,
	EPROTONOSUPPORT = 93,
	EADDRINUSE = 98,
	ECONNREFUSED = 111,
};

/* Defined in connect.bpf.c; constant once loaded. */
extern const volatile struct intercept_config config;

static __always_inline __u32 token_net(void)
{
	return BE32((__u32)config.token_net[0] << 24 | (__u32)config.token_net[1] << 16 |
		    (__u32)config.token_net[2] << 8 | config.token_net[3]);
}

/*
 * The caller's side of an origin. The cgroup is the ancestor at the runs' level: hooks fire for
 * nested groups too, whose own ids nobody knows. comm can be chosen by the agent and is an io_uring
 * worker's at times; it is for people, tgid and cgroup are what counts.
 */
static __always_inline void origin_set_task(struct origin *o, void *ctx, enum hook hook)
{
	__u64 tasks = bpf_get_current_pid_tgid();
	__u64 owner = bpf_get_current_uid_gid();

	o->cgroup = bpf_get_current_ancestor_cgroup_id(config.run_level);
	o->netns = bpf_get_netns_cookie(ctx);
	o->tgid = tasks >> 32;
	o->pid = (__u32)tasks;
	o->uid = (__u32)owner;
	o->gid = owner >> 32;
	if (bpf_get_current_comm(o->comm, sizeof(o->comm)))
		count(hook, COUNT_HELPER);
}

/* The same and the socket, where the hook can name it. */
static __always_inline void origin_set_caller(struct origin *o, void *ctx, enum hook hook)
{
	origin_set_task(o, ctx, hook);
	o->cookie = bpf_get_socket_cookie(ctx);
}

static __always_inline void origin_set_target(
	struct origin *o, const __u32 addr[4], __u16 port, __u8 family)
{
	__builtin_memcpy(o->addr, addr, sizeof(o->addr));
	o->port = port;
	o->family = family;
	o->is_set = 1;
}

/* Does the enforcer listen in this network namespace? */
static __always_inline bool is_served(__u64 netns)
{
	return bpf_map_lookup_elem(&served, &netns);
}

/* Loads of ctx->user_ip6 one by one: merged by the compiler they become a pointer into the context
 * that the verifier does not follow. */
static __always_inline void addr_of_ctx6(struct bpf_sock_addr *ctx, __u32 ret[4])
{
	ret[0] = *(volatile __u32 *)&ctx->user_ip6[0];
	ret[1] = *(volatile __u32 *)&ctx->user_ip6[1];
	ret[2] = *(volatile __u32 *)&ctx->user_ip6[2];
	ret[3] = *(volatile __u32 *)&ctx->user_ip6[3];
}

static __always_inline void addr_to_ctx6(struct bpf_sock_addr *ctx, const __u32 a[4])
{
	*(volatile __u32 *)&ctx->user_ip6[0] = a[0];
	*(volatile __u32 *)&ctx->user_ip6[1] = a[1];
	*(volatile __u32 *)&ctx->user_ip6[2] = a[2];
	*(volatile __u32 *)&ctx->user_ip6[3] = a[3];
}

/* Has this run not yet filled its share of the ring buffer in this second? Two CPUs may count one
 * too few: then one too many is told. Where it cannot be counted it is told. */
static __always_inline bool may_tell(const struct origin *o)
{
	const __u64 second = 1000000000;
	struct telling *t = bpf_map_lookup_elem(&tellings, &o->cgroup);
	struct telling first = {.since_ns = bpf_ktime_get_ns(), .n = 1};

	if (!t || first.since_ns - t->since_ns >= second)
		return !bpf_map_update_elem(&tellings, &o->cgroup, &first, BPF_ANY) || !t;
	if (t->n >= TELLINGS_OF_RUN)
		return false;
	t->n++;
	return true;
}

/* Refuses with an exact errno and tells the ledger. Should setting the errno fail, the kernel's own
 * EPERM stands: still a refusal. */
static __always_inline int deny(enum hook hook, const struct origin *o, int error)
{
	struct denial *d = may_tell(o) ? bpf_ringbuf_reserve(&denials, sizeof(*d), 0) : 0;

	count(hook, COUNT_DENIED);
	if (d) {
		d->origin = *o;
		d->hook = hook;
		d->error = error;
		bpf_ringbuf_submit(d, 0);
	} else {
		count(hook, COUNT_LOST);
	}
	if (bpf_set_retval(-error))
		count(hook, COUNT_HELPER);
	return VERDICT_REFUSE;
}
