// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * Containment: which sockets an agent may make, what it may bind, and the backstop under all other
 * hooks, where every packet that is not between an agent and the enforcer is dropped.
 */
#include "resolve.bpf.h"

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

/* Whose it will be, should it listen. Without the mark nobody reaches it: closed. */
static __always_inline void listening_mark(struct bpf_sock_addr *ctx, enum hook hook)
{
	struct listening *l;

	if (ctx->protocol != PROTO_TCP)
		return;
	l = bpf_sk_storage_get(&listening, ctx->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (l) {
		l->cgroup = bpf_get_current_ancestor_cgroup_id(config.run_level);
		l->is_accepted = 0; /* it may have been, and was disconnected since */
	} else {
		count(hook, COUNT_NO_STORAGE);
	}
}

/*
 * bind() is free but for the enforcer's port. While the listener is away an agent could take that
 * port: two agents, both bound to it, could then speak to each other through the backstop, and the
 * daemon could not come back.
 */
static __always_inline int bind_verdict(
	struct bpf_sock_addr *ctx, enum hook hook, const __u32 want[4])
{
	struct origin o = {};

	if (ctx->user_port != config.port) {
		listening_mark(ctx, hook);
		return VERDICT_PASS;
	}
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
 * Joining a multicast group makes the kernel tell everybody on the wire which one, in packets that
 * no socket sends and no other hook sees, and the address of a group is the agent's to choose. All
 * that join are here, those that join as a side effect of a filter too (include/uapi/linux/in.h).
 */
static __always_inline bool is_group_joined(const struct bpf_sockopt *ctx)
{
	switch (ctx->optname) {
	case MCAST_JOIN_GROUP:
	case MCAST_JOIN_SOURCE_GROUP:
	case MCAST_MSFILTER:
		return ctx->level == SOL_IP || ctx->level == SOL_IPV6;
	case IP_ADD_MEMBERSHIP:
	case IP_ADD_SOURCE_MEMBERSHIP:
	case IP_MSFILTER:
		return ctx->level == SOL_IP;
	case IPV6_ADD_MEMBERSHIP:
	case IPV6_JOIN_ANYCAST:
		return ctx->level == SOL_IPV6;
	}
	return false;
}

/*
 * With a range of one port a socket gets that port from listen() alone, which no hook sees: the
 * enforcer's, while it is away, and then it could not come back. Only a port that the kernel gives
 * away by itself can be had so.
 */
static __always_inline bool is_port_range(const struct bpf_sockopt *ctx)
{
	return ctx->level == SOL_IP && ctx->optname == IP_LOCAL_PORT_RANGE;
}

/*
 * setsockopt(): binding to a device is said to have worked and not done (optlen -1: the kernel's
 * own handler is skipped), since it would carry redirected packets off loopback, and undoing it at
 * connect() takes a capability that agents lack. Two more are refused, see above. Nothing else is
 * touched; above a page the kernel hands us a cut copy, and 0 means that it goes on with the
 * original.
 */
SEC("cgroup/setsockopt")
int on_setsockopt(struct bpf_sockopt *ctx)
{
	enum { PAGE = 4096 };
	struct origin o = {};

	if (is_group_joined(ctx) || is_port_range(ctx)) {
		o.family = ctx->level == SOL_IP ? AF_INET : AF_INET6;
		origin_set_task(&o, ctx, HOOK_SETSOCKOPT);
		return deny(HOOK_SETSOCKOPT, &o, EPERM);
	}
	if (ctx->level == SOL_SOCKET &&
		(ctx->optname == SO_BINDTODEVICE || ctx->optname == SO_BINDTOIFINDEX)) {
		count(HOOK_SETSOCKOPT, COUNT_DENIED);
		ctx->optlen = -1;
	} else if (ctx->optlen > PAGE) {
		ctx->optlen = 0;
	}
	return VERDICT_PASS;
}

/* What cannot be read, or holds anything unusual, is nobody's and is dropped. */
static __always_inline bool packet_read(struct __sk_buff *skb, struct packet *ret)
{
	struct packet4 v4;
	struct packet6 v6;

	if (skb->protocol == BE16(ETH_P_IP) && !bpf_skb_load_bytes(skb, 0, &v4, sizeof(v4)))
		return packet_of4(&v4, ret);
	if (skb->protocol == BE16(ETH_P_IPV6) && !bpf_skb_load_bytes(skb, 0, &v6, sizeof(v6)))
		return packet_of6(&v6, ret);
	return false;
}

static __always_inline struct bpf_sock *socket_of(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	return sk ? bpf_sk_fullsock(sk) : 0;
}

/* ---- between an agent and the enforcer ------------------------------------------------------- */

/*
 * Before anything of the agent's is on its way, the listener must have proved to be ours: at the
 * answer to its SYN, or, where the SYN itself has data (fast open), at the SYN. A SYN without data
 * may meet anybody, and is what a refusal answers to. Two that connect to each other at once need
 * no listener, so whom a run connects to may not connect to it: no SYN from there, no answer to
 * one.
 */
static __always_inline bool is_to_enforcer(struct __sk_buff *skb, const struct packet *p)
{
	if (!packet_is_ours(p, true, token_net(), config.port))
		return false;
	if (p->is_udp) {
		/* The address was checked where the message was sent (sendmsg.bpf.c,
		 * connect.bpf.c), but anybody on this host may send to it. */
		struct bpf_sock *sk = socket_of(skb);
		__u32 mark = QUESTION_MARK;

		if (!addr_is_mapped(p->dst))
			mark = sk ? question6_mark(sk) : 0;
		skb->mark = mark;
		return mark && is_own_udp_at(skb, p->dst, p->dst_port);
	}
	if (packet_is_syn_ack(p))
		return false;
	return !packet_is_syn(p) || !p->has_data || is_own_listener_at(skb, p->dst, p->dst_port);
}

static __always_inline bool is_from_enforcer(struct __sk_buff *skb, const struct packet *p)
{
	if (!packet_is_ours(p, false, token_net(), config.port))
		return false;
	if (p->is_udp)
		return is_own_udp_at(skb, p->src, p->src_port);
	if (packet_is_syn(p))
		return false;
	return !packet_is_syn_ack(p) || is_own_listener_at(skb, p->src, p->src_port);
}

/* ---- between two sockets of one run, and what comes in from outside -------------------------- */

/* A connect that connect.bpf.c let go straight to a listener of its run. */
static __always_inline struct origin *origin_in_run(struct bpf_sock *sk)
{
	struct origin *o = bpf_sk_storage_get(&client, sk, 0, 0);

	return o && o->is_in_run ? o : 0;
}

static __always_inline bool is_out_to_peer(struct __sk_buff *skb, const struct packet *p)
{
	struct bpf_sock *sk = socket_of(skb);
	struct listening *l;
	struct origin *o;

	if (!sk || p->is_udp)
		return false;
	/* Answers only: a listener and what it accepted have nobody to speak to but who was let in.
	 */
	l = bpf_sk_storage_get(&listening, sk, 0, 0);
	if (l && (l->is_accepted || sk->state == BPF_TCP_LISTEN))
		return true;
	o = origin_in_run(sk);
	if (!o || skb->ifindex != LOOPBACK_IFINDEX || p->dst_port != o->port ||
		!addr_is_loopback(p->dst) || packet_is_syn_ack(p))
		return false;
	return !packet_is_syn(p) || !p->has_data ||
	       is_run_listener_at(skb, p->dst, p->dst_port, o->cgroup);
}

/* A SYN for a listener of the run: from the same run, or from whom the policy lets in? */
static __always_inline bool is_let_in(
	struct __sk_buff *skb, const struct packet *p, const struct listening *l)
{
	struct bpf_sock *sender = 0;
	bool is_same = false;

	if (is_reach(&inbound, p->src, p->dst_port))
		return true;
	if (skb->ifindex == LOOPBACK_IFINDEX)
		sender = socket_at(skb, p->dst, p->dst_port, p->src, p->src_port);
	if (!sender)
		return false;
	struct origin *o = origin_in_run(sender);

	is_same = o && o->cgroup == l->cgroup;
	bpf_sk_release(sender);
	return is_same;
}

static __always_inline bool is_in_from_peer(struct __sk_buff *skb, const struct packet *p)
{
	struct bpf_sock *sk = socket_of(skb);
	struct listening *l;
	struct origin *o;

	if (!sk || p->is_udp)
		return false;
	l = bpf_sk_storage_get(&listening, sk, 0, 0);
	/* Behind its SYN a peer is known by the handshake. The state first: a listener may have
	 * been accepted itself, in an earlier life. */
	if (l && sk->state == BPF_TCP_LISTEN)
		return !packet_is_syn(p) || is_let_in(skb, p, l);
	if (l && l->is_accepted)
		return true;
	o = origin_in_run(sk);
	if (!o || skb->ifindex != LOOPBACK_IFINDEX || p->src_port != o->port ||
		!addr_is_loopback(p->src) || packet_is_syn(p))
		return false;
	/* Somebody else may have taken the port between connect() and here. */
	return !packet_is_syn_ack(p) || is_run_listener_at(skb, p->src, p->src_port, o->cgroup);
}

static __always_inline int backstop_say(enum hook hook, bool may_pass)
{
	count(hook, may_pass ? COUNT_OK : COUNT_DENIED);
	return may_pass ? VERDICT_PASS : VERDICT_REFUSE;
}

/* On any error: dropped. No denial event: the task at hand need not be the sender. */
SEC("cgroup_skb/egress")
int on_egress(struct __sk_buff *skb)
{
	struct packet p;

	if (!packet_read(skb, &p))
		return backstop_say(HOOK_EGRESS, false);
	/* The interface counts as well as the address: a socket bound to a device, or a route,
	 * sends a packet for 127.0.0.1 out of a real one. */
	if (skb->ifindex == LOOPBACK_IFINDEX && is_to_enforcer(skb, &p))
		return backstop_say(HOOK_EGRESS, true);
	return backstop_say(HOOK_EGRESS, is_out_to_peer(skb, &p));
}

/* On any error: dropped. Keeps UDP and connections from elsewhere out of an agent's listeners. */
SEC("cgroup_skb/ingress")
int on_ingress(struct __sk_buff *skb)
{
	struct packet p;

	if (!packet_read(skb, &p))
		return backstop_say(HOOK_INGRESS, false);
	if (skb->ifindex == LOOPBACK_IFINDEX && is_from_enforcer(skb, &p))
		return backstop_say(HOOK_INGRESS, true);
	return backstop_say(HOOK_INGRESS, is_in_from_peer(skb, &p));
}

char _license[] SEC("license") = "Dual BSD/GPL";
