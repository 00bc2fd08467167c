/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Who listens at an address, and who may reach whom. A port proves nothing: while the daemon is
 * down anybody may listen at it. What counts is the mark in the listener's own storage.
 */
#pragma once

#include "deny.bpf.h"

/* The looked-up socket must have the remote end `far` and the local end `near`; with a far port of
 * 0 only a listener can match. NULL, or a socket that the caller releases. */
static __always_inline struct bpf_sock *socket_at(
	void *ctx, const __u32 far[4], __u16 far_port, const __u32 near[4], __u16 near_port)
{
	struct bpf_sock_tuple t = {};

	if (addr_is_mapped(near)) {
		t.ipv4.saddr = far[3];
		t.ipv4.daddr = near[3];
		t.ipv4.sport = far_port;
		t.ipv4.dport = near_port;
		return bpf_sk_lookup_tcp(ctx, &t, sizeof(t.ipv4), BPF_F_CURRENT_NETNS, 0);
	}
	__builtin_memcpy(t.ipv6.saddr, far, sizeof(t.ipv6.saddr));
	__builtin_memcpy(t.ipv6.daddr, near, sizeof(t.ipv6.daddr));
	t.ipv6.sport = far_port;
	t.ipv6.dport = near_port;
	return bpf_sk_lookup_tcp(ctx, &t, sizeof(t.ipv6), BPF_F_CURRENT_NETNS, 0);
}

/* Whose the listener is that answers there; false: nobody's, or one that we know nothing of. */
static __always_inline bool listener_at(
	void *ctx, const __u32 addr[4], __u16 port, struct listening *ret)
{
	const __u32 nobody[4] = {};
	struct bpf_sock *sk = socket_at(ctx, nobody, 0, addr, port);
	struct listening *l;

	if (!sk)
		return false;
	l = bpf_sk_storage_get(&listening, sk, 0, 0);
	if (l)
		*ret = *l;
	bpf_sk_release(sk);
	return l;
}

static __always_inline bool is_own_listener_at(void *ctx, const __u32 addr[4], __u16 port)
{
	struct listening l;

	return listener_at(ctx, addr, port, &l) && l.is_ours;
}

/* The same for a socket of UDP. */
static __always_inline bool is_own_udp_at(void *ctx, const __u32 addr[4], __u16 port)
{
	struct bpf_sock_tuple t = {};
	struct bpf_sock *sk;
	struct listening *l;
	bool is_ours;

	if (addr_is_mapped(addr)) {
		t.ipv4.daddr = addr[3];
		t.ipv4.dport = port;
		sk = bpf_sk_lookup_udp(ctx, &t, sizeof(t.ipv4), BPF_F_CURRENT_NETNS, 0);
	} else {
		__builtin_memcpy(t.ipv6.daddr, addr, sizeof(t.ipv6.daddr));
		t.ipv6.dport = port;
		sk = bpf_sk_lookup_udp(ctx, &t, sizeof(t.ipv6), BPF_F_CURRENT_NETNS, 0);
	}
	if (!sk)
		return false;
	l = bpf_sk_storage_get(&listening, sk, 0, 0);
	is_ours = l && l->is_ours;
	bpf_sk_release(sk);
	return is_ours;
}

static __always_inline bool is_run_listener_at(
	void *ctx, const __u32 addr[4], __u16 port, __u64 cgroup)
{
	struct listening l;

	return listener_at(ctx, addr, port, &l) && !l.is_ours && l.cgroup == cgroup;
}

/* Is it in the trie, with this port or with any? The value is the entry's prefix: a network of
 * IPv6, however wide, has no IPv4 address in it. */
static __always_inline bool is_reach(void *trie, const __u32 addr[4], __u16 port)
{
	struct reach_key k = {.prefix = REACH_BITS, .port = port};
	__u32 least = addr_is_mapped(addr) ? 96 : 0;
	__u32 *bits;

	__builtin_memcpy(k.addr, addr, sizeof(k.addr));
	bits = bpf_map_lookup_elem(trie, &k);
	if (bits && *bits >= least)
		return true;
	k.port = 0;
	bits = bpf_map_lookup_elem(trie, &k);
	return bits && *bits >= least;
}
