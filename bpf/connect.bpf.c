// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * connect(): a TCP connect of an agent goes to the enforcer on the loopback of its own network
 * namespace, and the socket remembers where it was meant to go. One to a listener of the same run
 * goes straight there, where the policy has it so. Every other connect is refused.
 */
#include "resolve.bpf.h"

const volatile struct intercept_config config = {};

/* 0, or the errno that this netns and the daemon's state ask for. */
static __always_inline int state_error(const struct intercept_state *s, __u64 netns)
{
	/* Without a listener in this very netns, the redirect would reach whoever listens there. */
	if (!s || s->is_refusing || !is_served(netns))
		return ECONNREFUSED;
	return 0;
}

/* A source route would carry the redirected packet off the host; v6 headers the backstop drops. */
static __always_inline bool has_ip_options(struct bpf_sock_addr *ctx)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(ctx->sk);
	struct ipv6_pinfo *v6;

	if (!tcp)
		return true;
	v6 = tcp->inet_conn.icsk_inet.pinet6;
	return tcp->inet_conn.icsk_inet.inet_opt || (v6 && v6->opt);
}

/*
 * A bound device would send the packet for loopback out of that device. on_setsockopt() keeps
 * agents from binding; what is left is a link-local source, whose scope binds too, and to which no
 * answer finds its way over loopback. Undoing it here takes a capability that agents lack.
 */
static __always_inline bool is_bound_to_device(struct bpf_sock_addr *ctx)
{
	__u32 device = ctx->sk->bound_dev_if;

	return device && device != LOOPBACK_IFINDEX;
}

/* Straight to one of our listeners: the enforcer would be asked to dial itself. */
static __always_inline bool is_our_listener(const __u32 want[4], __u16 port)
{
	return port == config.port && (addr_is_loopback(want) || addr_is_any(want));
}

/* A socket that was accepted, disconnected and connects now is no answer to anybody any more. */
static __always_inline void accepted_forget(struct bpf_sock_addr *ctx)
{
	struct listening *l = bpf_sk_storage_get(&listening, ctx->sk, 0, 0);

	if (l)
		l->is_accepted = 0;
}

/* To a listener of the same run, on loopback? The packets are looked at again: contain.bpf.c. */
static __always_inline bool is_to_same_run(struct bpf_sock_addr *ctx,
	const struct intercept_state *s, const __u32 want[4], const struct origin *o)
{
	__u32 to[4] = {want[0], want[1], want[2], want[3]};

	if (!s || !s->may_in_run || !o->cgroup)
		return false;
	if (addr_is_any(want))
		to[3] = addr_is_mapped(want) ? BE32(0x7f000001) : BE32(1);
	return addr_is_loopback(to) && is_run_listener_at(ctx, to, o->port, o->cgroup);
}

/*
 * May this connect go on, to the enforcer (or, is_in_run being set, to where it wants)? Completes
 * *o and stores it with the socket. Returns 0 or the errno for the agent; there is no failure in
 * here after which the connect goes on.
 */
static __always_inline int connect_admit(
	struct bpf_sock_addr *ctx, enum hook hook, const __u32 want[4], struct origin *o)
{
	struct intercept_state *s = state_get();
	int e;

	origin_set_caller(o, ctx, hook);
	origin_set_target(o, want, (__u16)ctx->user_port, ctx->family);
	if (ctx->protocol == PROTO_UDP && is_question(s, o))
		return 0;
	if (ctx->protocol != PROTO_TCP)
		return EPERM;
	accepted_forget(ctx);
	o->is_in_run = is_to_same_run(ctx, s, want, o);
	if (o->is_in_run)
		return 0;
	e = state_error(s, o->netns);
	if (e)
		return e;
	if (is_our_listener(want, o->port))
		return ECONNREFUSED;
	if (!o->cgroup) { /* not below a run at all: nobody to count it to */
		count(hook, COUNT_HELPER);
		return EPERM;
	}
	if (is_bound_to_device(ctx))
		return EPERM;
	if (has_ip_options(ctx))
		return EPERM;
	/* The enforcer would refuse it too, with a reset; this says it in the call itself. */
	if (s->is_listed && !is_reach(&targets, want, o->port) && !is_question(s, o))
		return EACCES;
	return 0;
}

/* The loopback address that this connect goes to instead; 0: none, refuse. */
static __always_inline __u32 stand_in(
	struct bpf_sock_addr *ctx, enum hook hook, const __u32 want[4], const struct origin *o)
{
	if (ctx->protocol == PROTO_UDP)
		return asker_address(hook, o);
	return token_of(token_net(), want, o->port);
}

/* On any error: refused, because a connect that went on unchanged would reach its real target. */
SEC("cgroup/connect4")
int on_connect4(struct bpf_sock_addr *ctx)
{
	__u32 want[4] = {0, 0, BE32(0xffff), ctx->user_ip4};
	struct origin o = {};
	__u32 to;
	int e = connect_admit(ctx, HOOK_CONNECT4, want, &o);

	if (!e)
		e = origin_store(ctx, HOOK_CONNECT4, &o);
	if (e)
		return deny(HOOK_CONNECT4, &o, e);
	if (o.is_in_run)
		return VERDICT_PASS;
	to = stand_in(ctx, HOOK_CONNECT4, want, &o);
	if (!to)
		return deny(HOOK_CONNECT4, &o, ECONNREFUSED);
	ctx->user_ip4 = to;
	ctx->user_port = config.port;
	return VERDICT_PASS;
}

/* A mapped target stays mapped: the packets are IPv4 then, and a bound source is too. */
static __always_inline bool redirect6(
	struct bpf_sock_addr *ctx, const __u32 want[4], const struct origin *o)
{
	__u32 to[4] = {0, 0, 0, BE32(1)};

	if (addr_is_mapped(want)) {
		to[2] = BE32(0xffff);
		to[3] = stand_in(ctx, HOOK_CONNECT6, want, o);
		if (!to[3])
			return false;
	}
	addr_to_ctx6(ctx, to);
	ctx->user_port = config.port;
	return true;
}

/* On any error: refused, as connect4. */
SEC("cgroup/connect6")
int on_connect6(struct bpf_sock_addr *ctx)
{
	struct origin o = {};
	__u32 want[4];
	int e;

	addr_of_ctx6(ctx, want);
	e = connect_admit(ctx, HOOK_CONNECT6, want, &o);
	if (!e && ctx->protocol == PROTO_UDP && !addr_is_mapped(want) &&
		!asker_slot(HOOK_CONNECT6, &o))
		e = ECONNREFUSED;
	if (!e)
		e = origin_store(ctx, HOOK_CONNECT6, &o);
	if (e)
		return deny(HOOK_CONNECT6, &o, e);
	if (o.is_in_run)
		return VERDICT_PASS;
	if (!redirect6(ctx, want, &o))
		return deny(HOOK_CONNECT6, &o, ECONNREFUSED);
	return VERDICT_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
