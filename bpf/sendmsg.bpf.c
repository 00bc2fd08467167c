// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * UDP to an address given with the message: a question to a resolver goes to the enforcer, and its
 * answer seems to come from where it was asked; everything else is refused. A UDP socket itself may
 * be made (resolvers make one before they know whether they need it), it just reaches nobody. On
 * any error: refused.
 */
#include "resolve.bpf.h"

/* A connected socket's message with ancillary data: the hook is shown no address (and port 0, to
 * which nobody may send). Only a question can be connected, and to the enforcer. */
static __always_inline bool is_connected_question(struct bpf_sock_addr *ctx, const struct origin *o)
{
	struct origin *asked = bpf_sk_storage_get(&client, ctx->sk, 0, 0);

	return !o->port && addr_is_any((const __u32 *)o->addr) && asked && asked->is_set &&
	       asked->cgroup == o->cgroup;
}

/* A v6 socket with a mapped target runs this one: the family is the socket's, not the hook's. */
SEC("cgroup/sendmsg4")
int on_sendmsg4(struct bpf_sock_addr *ctx)
{
	__u32 want[4] = {0, 0, BE32(0xffff), ctx->user_ip4}, to;
	struct origin o = {};

	origin_set_caller(&o, ctx, HOOK_SENDMSG4);
	origin_set_target(&o, want, (__u16)ctx->user_port, ctx->family);
	if (is_asker_address(want[3], o.port, o.cgroup) || is_connected_question(ctx, &o))
		return VERDICT_PASS;
	if (!is_question(state_get(), &o))
		return deny(HOOK_SENDMSG4, &o, EPERM);
	to = asker_address(HOOK_SENDMSG4, &o);
	if (!to)
		return deny(HOOK_SENDMSG4, &o, ECONNREFUSED);
	count(HOOK_SENDMSG4, COUNT_OK);
	ctx->user_ip4 = to;
	ctx->user_port = config.port;
	return VERDICT_PASS;
}

SEC("cgroup/sendmsg6")
int on_sendmsg6(struct bpf_sock_addr *ctx)
{
	const __u32 to[4] = {0, 0, 0, BE32(1)};
	struct origin o = {};
	__u32 want[4];
	int e;

	addr_of_ctx6(ctx, want);
	origin_set_caller(&o, ctx, HOOK_SENDMSG6);
	origin_set_target(&o, want, (__u16)ctx->user_port, ctx->family);
	if (is_connected_question(ctx, &o))
		return VERDICT_PASS;
	if (!is_question(state_get(), &o))
		return deny(HOOK_SENDMSG6, &o, EPERM);
	e = asker_slot(HOOK_SENDMSG6, &o) ? origin_store(ctx, HOOK_SENDMSG6, &o) : ECONNREFUSED;
	if (e)
		return deny(HOOK_SENDMSG6, &o, e);
	addr_to_ctx6(ctx, to);
	ctx->user_port = config.port;
	return VERDICT_PASS;
}

/* Whom the run meant that this answer comes from; NULL: it is none. */
static __always_inline struct origin *asked_at(__u32 addr, __u16 port)
{
	return port == config.port ? bpf_map_lookup_elem(&askers, &addr) : 0;
}

/* These programs only change what is seen, and cannot refuse. */
SEC("cgroup/recvmsg4")
int on_recvmsg4(struct bpf_sock_addr *ctx)
{
	struct origin *o = asked_at(ctx->user_ip4, (__u16)ctx->user_port);

	if (!o)
		return VERDICT_PASS;
	count(HOOK_RECVMSG4, COUNT_OK);
	ctx->user_ip4 = *(__u32 *)&o->addr[12];
	ctx->user_port = o->port;
	return VERDICT_PASS;
}

SEC("cgroup/recvmsg6")
int on_recvmsg6(struct bpf_sock_addr *ctx)
{
	struct origin *o;
	__u32 from[4];

	addr_of_ctx6(ctx, from);
	if (addr_is_mapped(from))
		o = asked_at(from[3], (__u16)ctx->user_port);
	else
		o = ctx->user_port == config.port && addr_is_loopback(from) ? question6_of(ctx->sk)
									    : 0;
	if (!o)
		return VERDICT_PASS;
	count(HOOK_RECVMSG6, COUNT_OK);
	addr_to_ctx6(ctx, (const __u32 *)o->addr);
	ctx->user_port = o->port;
	return VERDICT_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
