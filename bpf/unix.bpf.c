// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * Unix sockets: connect() and sendto() are refused (Linux 6.7+; an optional layer). Not by path:
 * the hook sees the string the agent chose, and links, `./` or /proc/self/cwd make that string
 * prove nothing. socketpair() has no hook and stays. On any error: refused.
 *
 * The section names are connect4's because the libbpf we build on does not know the unix hooks yet;
 * user/kern/load.c sets the real attach types before it loads them.
 */
#include "deny.bpf.h"

SEC("cgroup/connect4")
int on_connect_unix(struct bpf_sock_addr *ctx)
{
	struct origin o = {.family = AF_UNIX};

	origin_set_caller(&o, ctx, HOOK_CONNECT_UNIX);
	return deny(HOOK_CONNECT_UNIX, &o, EPERM);
}

SEC("cgroup/connect4")
int on_sendmsg_unix(struct bpf_sock_addr *ctx)
{
	struct origin o = {.family = AF_UNIX};

	origin_set_caller(&o, ctx, HOOK_SENDMSG_UNIX);
	return deny(HOOK_SENDMSG_UNIX, &o, EPERM);
}

char _license[] SEC("license") = "Dual BSD/GPL";
