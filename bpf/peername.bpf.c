// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * getpeername(): the agent sees the address it asked for. Runs for accept() too, and for sockets
 * that were never redirected: those have no record and are left alone. These programs only change
 * what is seen, so on error they pass: the agent then sees the loopback address, which tells it
 * nothing it may not know.
 */
#include "deny.bpf.h"

static __always_inline struct origin *origin_of_client(struct bpf_sock_addr *ctx)
{
	struct origin *o = bpf_sk_storage_get(&client, ctx->sk, 0, 0);

	return o && o->is_set && !o->is_in_run ? o : 0;
}

SEC("cgroup/getpeername4")
int on_getpeername4(struct bpf_sock_addr *ctx)
{
	struct origin *o = origin_of_client(ctx);

	if (!o)
		return VERDICT_PASS;
	ctx->user_ip4 = *(__u32 *)&o->addr[12];
	ctx->user_port = o->port;
	count(HOOK_GETPEERNAME4, COUNT_OK);
	return VERDICT_PASS;
}

SEC("cgroup/getpeername6")
int on_getpeername6(struct bpf_sock_addr *ctx)
{
	struct origin *o = origin_of_client(ctx);

	if (!o)
		return VERDICT_PASS;
	addr_to_ctx6(ctx, (const __u32 *)o->addr);
	ctx->user_port = o->port;
	count(HOOK_GETPEERNAME6, COUNT_OK);
	return VERDICT_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
