/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Questions to resolvers: UDP to port 53 goes to the enforcer, at a loopback address that stands
 * for the run and for the resolver it meant. The enforcer reads both from the address; the way back
 * is undone by it. Nothing is kept by port: a port has many users in its life, an address one run.
 *
 * Over IPv6 there is one loopback address. There the mark of the packet stands for the run, set by
 * the backstop, and the resolver that was meant is kept with the socket: the one that it asked
 * last.
 */
#pragma once

#include "listen.bpf.h"

enum { RESOLVER_PORT = 53, ASKERS_OF_RUN = 64, ASKER_PROBES = 4 };

static __always_inline struct intercept_state *state_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&state, &zero);
}

/* Is it a question that the enforcer is there to answer? */
static __always_inline bool is_question(const struct intercept_state *s, const struct origin *o)
{
	return s && s->may_resolve && !s->is_refusing && o->cgroup && is_served(o->netns) &&
	       o->port == BE16(RESOLVER_PORT);
}

static __always_inline bool is_same_asker(const struct origin *a, const struct origin *b)
{
	const __u64 *x = (const __u64 *)a->addr, *y = (const __u64 *)b->addr;

	return a->cgroup == b->cgroup && x[0] == y[0] && x[1] == y[1];
}

/* One more address for this run, unless it has had its share. */
static __always_inline bool asker_may_add(__u64 cgroup)
{
	__u32 one = 1, *n = bpf_map_lookup_elem(&asker_counts, &cgroup);

	if (!n)
		return !bpf_map_update_elem(&asker_counts, &cgroup, &one, BPF_ANY);
	if (*n >= ASKERS_OF_RUN)
		return false;
	__sync_fetch_and_add(n, 1);
	return true;
}

/* Does the key stand for o, or from now on? False: it stands for somebody else, or *ret_is_full. */
static __always_inline bool asker_take(__u32 key, const struct origin *o, bool *ret_is_full)
{
	struct origin *there = bpf_map_lookup_elem(&askers, &key);

	if (there)
		return is_same_asker(there, o);
	*ret_is_full =
		!asker_may_add(o->cgroup) || bpf_map_update_elem(&askers, &key, o, BPF_NOEXIST);
	return !*ret_is_full;
}

/* The address that stands for o's run and target; 0: none is left. */
static __always_inline __u32 asker_address(enum hook hook, const struct origin *o)
{
	const __u32 *a = (const __u32 *)o->addr;
	__u32 mixed[4] = {a[0] ^ (__u32)o->cgroup, a[1] ^ (__u32)(o->cgroup >> 32), a[2], a[3]};

#pragma unroll
	for (int i = 0; i < ASKER_PROBES; i++) {
		__u32 token = token_of(token_net(), mixed, o->port + i);
		bool is_full = false;

		if (asker_take(token, o, &is_full))
			return token;
		if (is_full)
			break;
	}
	count(hook, COUNT_NO_MAP);
	return 0;
}

/* The same for IPv6: *o goes to ::1, and is told by its mark. False: no slot is left. */
static __always_inline bool asker_slot(enum hook hook, struct origin *o)
{
	const __u32 group[4] = {(__u32)o->cgroup, (__u32)(o->cgroup >> 32)};
	struct origin run = {.cgroup = o->cgroup, .family = AF_INET6, .is_set = 1};

#pragma unroll
	for (int i = 0; i < ASKER_PROBES; i++) {
		__u16 slot = BE32(token_of(0, group, i)) % QUESTION_SLOTS;
		bool is_full = false;

		if (asker_take(QUESTION_MARK6(slot), &run, &is_full)) {
			o->is_question = 1;
			o->slot = slot;
			return true;
		}
		if (is_full)
			break;
	}
	count(hook, COUNT_NO_MAP);
	return false;
}

/* Keeps with the socket what it wants. Returns 0 or the errno for the agent. */
static __always_inline int origin_store(
	struct bpf_sock_addr *ctx, enum hook hook, const struct origin *o)
{
	struct origin *kept = bpf_sk_storage_get(&client, ctx->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!kept) {
		count(hook, COUNT_NO_STORAGE);
		return ENOMEM;
	}
	*kept = *o;
	count(hook, COUNT_OK);
	return 0;
}

/* What a socket asks over IPv6; NULL: nothing. */
static __always_inline struct origin *question6_of(struct bpf_sock *sk)
{
	struct origin *o = bpf_sk_storage_get(&client, sk, 0, 0);

	return o && o->is_question ? o : 0;
}

/* The mark for a packet of this socket; 0: it asks nothing, or its slot has gone to another run. */
static __always_inline __u32 question6_mark(struct bpf_sock *sk)
{
	struct origin *o = question6_of(sk), *there;
	__u32 mark;

	if (!o)
		return 0;
	mark = QUESTION_MARK6(o->slot);
	there = bpf_map_lookup_elem(&askers, &mark);
	return there && there->cgroup == o->cgroup ? mark : 0;
}

/* Is it such an address already, and this run's? So it is when a connected socket sends: the hook
 * is shown what connect() made of it. */
static __always_inline bool is_asker_address(__u32 addr, __u16 port, __u64 cgroup)
{
	struct origin *o = bpf_map_lookup_elem(&askers, &addr);

	return o && port == config.port && o->cgroup == cgroup;
}
