// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * Containment: which sockets an agent may make, what it may bind, and the backstop under all other
 * hooks, where every packet that is not between an agent and the enforcer is dropped.
 */
#include "deny.bpf.h"

enum { SOCK_STREAM = 1, SOCK_DGRAM = 2 };
enum { ETH_P_IP = 0x0800, ETH_P_IPV6 = 0x86dd };

/* An allowlist: MPTCP, UDP-Lite, ping and raw sockets slip past the connect hooks in part or whole.
 * Clients fall back from MPTCP to TCP on this errno. Families other than inet never come here. */
static __always_inline bool is_allowed_socket(const struct bpf_sock *ctx)
{
	if (ctx->family != AF_INET && ctx->family != AF_INET6)
		return false;
	return (ctx->type == SOCK_STREAM && ctx->protocol == PROTO_TCP) ||
	       (ctx->type == SOCK_DGRAM && ctx->protocol == PROTO_UDP);
}

/* On any error: refused, since what is not understood here is not caught later. */
SEC("cgroup/sock_create")
int on_sock_create(struct bpf_sock *ctx)
{
	struct origin o = {.family = ctx->family};

	if (is_allowed_socket(ctx)) {
		count(HOOK_SOCK_CREATE, COUNT_OK);
		return VERDICT_PASS;
	}
	origin_set_caller(&o, ctx, HOOK_SOCK_CREATE);
	return deny(HOOK_SOCK_CREATE, &o, EPROTONOSUPPORT);
}

/*
 * bind() is free but for the enforcer's port. While the listener is away an agent could take that
 * port: two agents, both bound to it, could then speak to each other through the backstop, and the
 * daemon could not come back. No helper whose failure matters, so there is no error to decide on.
 */
static __always_inline int bind_verdict(
	struct bpf_sock_addr *ctx, enum hook hook, const __u32 want[4])
{
	struct origin o = {};

	if (ctx->user_port != config.port)
		return VERDICT_PASS;
	origin_set_caller(&o, ctx, hook);
	origin_set_target(&o, want, (__u16)ctx->user_port, ctx->family);
	return deny(hook, &o, EADDRINUSE);
}

SEC("cgroup/bind4")
int on_bind4(struct bpf_sock_addr *ctx)
{
	__u32 want[4] = {0, 0, BE32(0xffff), ctx->user_ip4};

	return bind_verdict(ctx, HOOK_BIND4, want);
}

SEC("cgroup/bind6")
int on_bind6(struct bpf_sock_addr *ctx)
{
	__u32 want[4];

	addr_of_ctx6(ctx, want);
	return bind_verdict(ctx, HOOK_BIND6, want);
}

/*
 * setsockopt(): binding to a device is said to have worked and not done (optlen -1: the kernel's
 * own handler is skipped), since it would carry redirected packets off loopback, and undoing it at
 * connect() takes a capability that agents lack. Nothing else is touched; above a page the kernel
 * hands us a cut copy, and 0 means that it goes on with the original. No error to decide on.
 */
SEC("cgroup/setsockopt")
int on_setsockopt(struct bpf_sockopt *ctx)
{
	enum { PAGE = 4096 };

	if (ctx->level == SOL_SOCKET &&
		(ctx->optname == SO_BINDTODEVICE || ctx->optname == SO_BINDTOIFINDEX)) {
		count(HOOK_SETSOCKOPT, COUNT_DENIED);
		ctx->optlen = -1;
	} else if (ctx->optlen > PAGE) {
		ctx->optlen = 0;
	}
	return VERDICT_PASS;
}

/* The interface is checked as well as the address: a socket bound to a device, or a route, sends a
 * packet for 127.0.0.1 out of a real one. What cannot be read is not ours. */
static __always_inline bool is_ours(struct __sk_buff *skb, enum hook hook)
{
	bool is_egress = hook == HOOK_EGRESS;
	struct packet4 v4;
	struct packet6 v6;

	if (skb->ifindex != LOOPBACK_IFINDEX)
		return false;
	if (skb->protocol == BE16(ETH_P_IP) && !bpf_skb_load_bytes(skb, 0, &v4, sizeof(v4)))
		return packet4_is_ours(&v4, is_egress, token_net(), config.port);
	if (skb->protocol == BE16(ETH_P_IPV6) && !bpf_skb_load_bytes(skb, 0, &v6, sizeof(v6)))
		return packet6_is_ours(&v6, is_egress, config.port);
	return false;
}

static __always_inline int backstop(struct __sk_buff *skb, enum hook hook)
{
	if (is_ours(skb, hook)) {
		count(hook, COUNT_OK);
		return VERDICT_PASS;
	}
	count(hook, COUNT_DENIED);
	return VERDICT_REFUSE;
}

/* On any error: dropped. No denial event: the task at hand need not be the sender. */
SEC("cgroup_skb/egress")
int on_egress(struct __sk_buff *skb)
{
	return backstop(skb, HOOK_EGRESS);
}

/* On any error: dropped. Keeps UDP and connections from elsewhere out of an agent's listeners. */
SEC("cgroup_skb/ingress")
int on_ingress(struct __sk_buff *skb)
{
	return backstop(skb, HOOK_INGRESS);
}

char _license[] SEC("license") = "Dual BSD/GPL";
