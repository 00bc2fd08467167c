/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Questions to resolvers: UDP to port 53 goes to the enforcer, at a loopback address that stands
 * for the run and for the resolver it meant. The enforcer reads both from the address; the way back
 * is undone by it. Nothing is kept by port: a port has many users in its life, an address one run.
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

/* The address that stands for o's run and target; 0: none is left. */
static __always_inline __u32 asker_address(enum hook hook, const struct origin *o)
{
	const __u32 *a = (const __u32 *)o->addr;
	__u32 mixed[4] = {a[0] ^ (__u32)o->cgroup, a[1] ^ (__u32)(o->cgroup >> 32), a[2], a[3]};

#pragma unroll
	for (int i = 0; i < ASKER_PROBES; i++) {
		__u32 token = token_of(token_net(), mixed, o->port + i);
		struct origin *there = bpf_map_lookup_elem(&askers, &token);

		if (there && is_same_asker(there, o))
			return token;
		if (there)
			continue;
		if (!asker_may_add(o->cgroup) ||
			bpf_map_update_elem(&askers, &token, o, BPF_NOEXIST)) {
			count(hook, COUNT_NO_MAP);
			return 0;
		}
		return token;
	}
	count(hook, COUNT_NO_MAP);
	return 0;
}

/* Is it such an address already, and this run's? So it is when a connected socket sends: the hook
 * is shown what connect() made of it. */
static __always_inline bool is_asker_address(__u32 addr, __u16 port, __u64 cgroup)
{
	struct origin *o = bpf_map_lookup_elem(&askers, &addr);

	return o && port == config.port && o->cgroup == cgroup;
}
