// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * UDP to an address given with the message: refused. A UDP socket itself may be made (resolvers
 * make one before they know whether they need it), it just reaches nobody. On any error: refused.
 */
#include "deny.bpf.h"

/* A v6 socket with a mapped target runs this one: the family is the socket's, not the hook's. */
SEC("cgroup/sendmsg4")
int on_sendmsg4(struct bpf_sock_addr *ctx)
{
	__u32 want[4] = {0, 0, BE32(0xffff), ctx->user_ip4};
	struct origin o = {};

	origin_set_caller(&o, ctx, HOOK_SENDMSG4);
	origin_set_target(&o, want, (__u16)ctx->user_port, ctx->family);
	return deny(HOOK_SENDMSG4, &o, EPERM);
}

SEC("cgroup/sendmsg6")
int on_sendmsg6(struct bpf_sock_addr *ctx)
{
	struct origin o = {};
	__u32 want[4];

	addr_of_ctx6(ctx, want);
	origin_set_caller(&o, ctx, HOOK_SENDMSG6);
	origin_set_target(&o, want, (__u16)ctx->user_port, ctx->family);
	return deny(HOOK_SENDMSG6, &o, EPERM);
}

char _license[] SEC("license") = "Dual BSD/GPL";
