// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * Carries the origin from the agent's socket to the accepted one. The two never meet in the kernel,
 * so it goes through the `handshake` map, keyed by both ends of the connection, from the SYN until
 * the server's side is established. After that it lives in the accepted socket itself: a table read
 * after accept() would give away a target that the same port was used for since.
 *
 * These programs cannot refuse. Where one fails, the accepted socket has no origin and the enforcer
 * resets it: closed all the same.
 */
#include "deny.bpf.h"

static __always_inline void addr_of_local(struct bpf_sock_ops *ctx, __u8 ret[16])
{
	__u32 a[4] = {0, 0, BE32(0xffff), ctx->local_ip4};

	if (ctx->family == AF_INET6) {
		a[0] = *(volatile __u32 *)&ctx->local_ip6[0];
		a[1] = *(volatile __u32 *)&ctx->local_ip6[1];
		a[2] = *(volatile __u32 *)&ctx->local_ip6[2];
		a[3] = *(volatile __u32 *)&ctx->local_ip6[3];
	}
	__builtin_memcpy(ret, a, sizeof(a));
}

static __always_inline void addr_of_remote(struct bpf_sock_ops *ctx, __u8 ret[16])
{
	__u32 a[4] = {0, 0, BE32(0xffff), ctx->remote_ip4};

	if (ctx->family == AF_INET6) {
		a[0] = *(volatile __u32 *)&ctx->remote_ip6[0];
		a[1] = *(volatile __u32 *)&ctx->remote_ip6[1];
		a[2] = *(volatile __u32 *)&ctx->remote_ip6[2];
		a[3] = *(volatile __u32 *)&ctx->remote_ip6[3];
	}
	__builtin_memcpy(ret, a, sizeof(a));
}

/* Ports of bpf_sock_ops: local in host order, remote in network order in the upper half. */
static __always_inline struct handshake_key key_of_client(struct bpf_sock_ops *ctx)
{
	struct handshake_key k = {.netns = bpf_get_netns_cookie(ctx)};

	addr_of_local(ctx, k.src);
	addr_of_remote(ctx, k.dst);
	k.src_port = (__u16)ctx->local_port;
	return k;
}

static __always_inline struct handshake_key key_of_server(struct bpf_sock_ops *ctx)
{
	struct handshake_key k = {.netns = bpf_get_netns_cookie(ctx)};

	addr_of_remote(ctx, k.src);
	addr_of_local(ctx, k.dst);
	k.src_port = (__u16)BE32(ctx->remote_port);
	return k;
}

/* TCP_CONNECT_CB: the local port is chosen, the SYN (with TFO, data too) not yet sent. */
static __always_inline void handshake_publish(struct bpf_sock_ops *ctx)
{
	struct handshake_key k = key_of_client(ctx);
	struct bpf_sock *sk = ctx->sk;
	struct origin *o = sk ? bpf_sk_storage_get(&client, sk, 0, 0) : 0;

	if (!o) {
		count(HOOK_SOCKOPS_CLIENT, COUNT_NO_ORIGIN);
		return;
	}
	if (o->is_in_run)
		return;
	if (bpf_map_update_elem(&handshake, &k, o, BPF_ANY)) {
		count(HOOK_SOCKOPS_CLIENT, COUNT_NO_MAP);
		return;
	}
	/* To hear of the close; unheard, the entry would be left to the LRU. */
	if (bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG))
		count(HOOK_SOCKOPS_CLIENT, COUNT_HELPER);
	count(HOOK_SOCKOPS_CLIENT, COUNT_OK);
}

/* The client is gone, and its tuple not yet free for another: take back what nobody fetched. */
static __always_inline void handshake_withdraw(struct bpf_sock_ops *ctx)
{
	struct handshake_key k = key_of_client(ctx);

	bpf_map_delete_elem(
		&handshake, &k); /* fails when the server's side was quicker: the rule */
}

/* A run's listener has a connection: whoever it is was let in when its SYN came. A socket that
 * listens is none, whatever it was before. */
static __always_inline void accepted_by_run(struct bpf_sock_ops *ctx, bool is_accepted)
{
	struct bpf_sock *sk = ctx->sk;
	struct listening *l = sk ? bpf_sk_storage_get(&listening, sk, 0, 0) : 0;

	if (l)
		l->is_accepted = is_accepted;
}

/* In the agents' cgroup. */
SEC("sockops")
int on_sockops_client(struct bpf_sock_ops *ctx)
{
	if (ctx->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		accepted_by_run(ctx, true);
	else if (ctx->op == BPF_SOCK_OPS_TCP_LISTEN_CB)
		accepted_by_run(ctx, false);
	if (ctx->op == BPF_SOCK_OPS_TCP_CONNECT_CB)
		handshake_publish(ctx);
	else if (ctx->op == BPF_SOCK_OPS_STATE_CB && ctx->args[1] == BPF_TCP_CLOSE)
		handshake_withdraw(ctx);
	return VERDICT_PASS;
}

static __always_inline void handshake_take(struct bpf_sock_ops *ctx)
{
	struct handshake_key k = key_of_server(ctx);
	struct origin *o = bpf_map_lookup_elem(&handshake, &k);
	struct bpf_sock *sk = ctx->sk;

	if (!o || !sk) {
		count(HOOK_SOCKOPS_SERVER, COUNT_NO_ORIGIN);
		return;
	}
	if (bpf_sk_storage_get(&accepted, sk, o, BPF_SK_STORAGE_GET_F_CREATE))
		count(HOOK_SOCKOPS_SERVER, COUNT_OK);
	else
		count(HOOK_SOCKOPS_SERVER, COUNT_NO_STORAGE);
	bpf_map_delete_elem(&handshake, &k);
}

/* Marks the listener as ours: nobody else's is one, whatever its port. */
static __always_inline void listener_mark(struct bpf_sock_ops *ctx)
{
	const struct listening ours = {.is_ours = 1};
	struct bpf_sock *sk = ctx->sk;

	if (!sk || !bpf_sk_storage_get(&listening, sk, (void *)&ours, BPF_SK_STORAGE_GET_F_CREATE))
		count(HOOK_SOCKOPS_SERVER, COUNT_NO_STORAGE);
}

/* In the enforcer's own cgroup, where other listeners may live too (metrics): only its port. */
SEC("sockops")
int on_sockops_server(struct bpf_sock_ops *ctx)
{
	if (ctx->local_port != BE16(config.port))
		return VERDICT_PASS;
	if (ctx->op == BPF_SOCK_OPS_TCP_LISTEN_CB)
		listener_mark(ctx);
	else if (ctx->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		handshake_take(ctx);
	return VERDICT_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
