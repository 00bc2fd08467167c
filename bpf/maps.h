/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Every map: who writes, who reads, when entries die, why that size. All are __weak: the
 * definitions of the several objects merge into one, and one that differs is a link error. All are
 * pinned, and kept when a new daemon adopts the pins: a change here is a change of HOLDFAST_ABI.
 */
#pragma once

#include "abi.h"
#include <bpf/bpf_helpers.h>

/* Both ends of a handshake. Within one netns the kernel keeps these apart while the client lives,
 * so a key never stands for two connections; source address and port alone would, since a fixed
 * source port may speak to many targets at once. The enforcer's port is the same for all. */
struct handshake_key {
	__u8 src[16], dst[16]; /* v4 as v4-mapped */
	__u64 netns;
	__u16 src_port;
	__u8 _pad[6];
};

/* client: what a redirected socket of an agent asked for. Written by connect.bpf.c, read by
 * sockops.bpf.c and peername.bpf.c; dies with the socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct origin);
} client __weak SEC(".maps");

/* accepted: the same on the enforcer's side of that connection. Written by sockops.bpf.c at
 * PASSIVE_ESTABLISHED, before accept() can return the socket; read by user/kern/origin.c through
 * the accepted descriptor; dies with the socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct origin);
} accepted __weak SEC(".maps");

/* handshake: carries the origin from client to accepted while neither side can see the other.
 * Written and read by sockops.bpf.c only; an entry lives from the SYN to the server's side being
 * established, or to the client's close. LRU, so that a flood of half-open connects costs those
 * connects (no origin: reset) and never locks others out. 16384 is four times a full backlog. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct handshake_key);
	__type(value, struct origin);
} handshake __weak SEC(".maps");

/* state: written by the warden at any time, read at each connect. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct intercept_state);
} state __weak SEC(".maps");

/* served: cookies of the network namespaces where the enforcer listens; in others connects are
 * refused. Written by the warden, read at each connect. Larger than what the warden serves at most
 * (daemon/nets.h), so that it is never full. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, __u32);
} served __weak SEC(".maps");

/* targets: what some resource of the policy names. Written by the warden when a policy is loaded,
 * read at each connect: what is not in it need not wait for the enforcer to be refused. As large as
 * the policy's own limit. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct reach_key);
	__type(value, __u32);
} targets __weak SEC(".maps");

/* inbound: who may connect to what runs listen on. Written as `targets`, read at each SYN. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, struct reach_key);
	__type(value, __u32);
} inbound __weak SEC(".maps");

/* listening: whose a listener is. Written at bind() by contain.bpf.c for runs, at listen() by
 * sockops.bpf.c for the enforcer; read where somebody connects to it; dies with the socket. The
 * sockets that it accepts carry a copy (BPF_F_CLONE). */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct listening);
} listening __weak SEC(".maps");

/* askers: what the loopback address stands for that a run's question to a resolver is sent to:
 * which run asks, and whom it meant. Over IPv6 what the mark stands for that the packet has: which
 * run. Written by resolve.bpf.h, read there for the way back and by user/kern/origin.c. LRU: a run
 * has at most ASKERS_OF_RUN of them, so that 256 runs never take each other's, and those of dead
 * runs make room. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct origin);
} askers __weak SEC(".maps");

/* asker_counts: how many of them a run has had. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u32);
} asker_counts __weak SEC(".maps");

/* unix_origins: what a redirected unix socket asked for, by its cookie. Written by unix.bpf.c, read
 * by user/kern/unix_peer.c, who asks the kernel for the cookie at the other end of an accepted
 * socket. LRU: a flood costs those connects and nobody their own. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct unix_origin);
} unix_origins __weak SEC(".maps");

/* life: two sockets that the warden alone holds and that do nothing. A socket leaves such a map
 * when it is closed, so that the kernel's word for "the warden is dead" is there at once. Written
 * by the warden at its start, read by unix.bpf.c. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, LIFE_N);
	__type(key, __u32);
	__type(value, __u64);
} life __weak SEC(".maps");

/* counts: [hook * COUNT_N + what], summed over CPUs by user/kern/counts.c. Never reset. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, HOOK_N *COUNT_N);
	__type(key, __u32);
	__type(value, __u64);
} counts __weak SEC(".maps");

/* tellings: how many denials a run has told in a second, so that one that is refused all the time
 * does not keep others' out of the ring buffer: ten such runs leave it a tenth. Written and read by
 * deny.bpf.h; LRU: one that lost its entry begins anew. */
enum { TELLINGS_OF_RUN = 256 };
struct telling {
	__u64 since_ns;
	__u64 n;
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct telling);
} tellings __weak SEC(".maps");

/* denials: what was refused, for the ledger; read by user/kern/denials.c. 256 KiB hold 2,730 of
 * them; what does not fit, or is more than a run's share, is counted as COUNT_LOST, and refused all
 * the same. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} denials __weak SEC(".maps");
