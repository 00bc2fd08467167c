// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * Unix sockets (Linux 6.7+; an optional layer). Where the policy names any, every stream connect
 * goes to the enforcer's abstract socket, and what was asked for is kept; the enforcer decides. Not
 * by path here: the hook sees the string the agent chose, and links, `./` or /proc/self/cwd make
 * that string prove nothing. What a relative one begins at is kept as it is at this moment: by the
 * time that the enforcer looks the agent may be elsewhere. Everything else is refused. socketpair()
 * has no hook and stays. On any error: refused.
 *
 * The section names are connect4's because the libbpf we build on does not know the unix hooks yet;
 * user/kern/load.c sets the real attach types before it loads them.
 */
#include "deny.bpf.h"

#include <bpf/bpf_core_read.h>

/* Weak: a kernel without them loads the other programs all the same. */
extern void *bpf_cast_to_kern_ctx(void *ctx) __weak __ksym;
extern void *bpf_rdonly_cast(const void *p, __u32 btf_id) __weak __ksym;
extern int bpf_sock_addr_set_sun_path(
	struct bpf_sock_addr_kern *ctx, const __u8 *path, __u32 n) __weak __ksym;

enum { SOCK_STREAM = 1 };

static __always_inline bool is_held(__u32 place)
{
	struct bpf_sock *sk = bpf_map_lookup_elem(&life, &place);

	if (sk)
		bpf_sk_release(sk);
	return sk;
}

/*
 * A unix socket cannot be looked up from here, and the name of a dead daemon is free for anybody.
 * The warden opens one of these two before its unix sockets, the other at a number behind them, so
 * that in whichever order a dying process closes what it has, one is gone before the name is.
 */
static __always_inline bool is_warden_alive(void)
{
	return is_held(LIFE_FIRST) && is_held(LIFE_LAST);
}

/* Is the enforcer there, and may it be asked? */
static __always_inline struct intercept_state *unix_state(const struct origin *o)
{
	__u32 zero = 0;
	struct intercept_state *s = bpf_map_lookup_elem(&state, &zero);

	if (!s || !s->may_unix || s->is_refusing || !o->cgroup || !is_served(o->netns))
		return 0;
	return bpf_ktime_get_ns() < s->alive_until_ns && is_warden_alive() ? s : 0;
}

/* What the agent called it. False: nothing that can be kept. */
static __always_inline bool unix_path(struct bpf_sock_addr_kern *k, struct unix_origin *u)
{
	struct sockaddr_un *un =
		bpf_rdonly_cast(k->uaddr, bpf_core_type_id_kernel(struct sockaddr_un));
	__u32 n = k->uaddrlen;

	if (n <= sizeof(__u16) || n > sizeof(__u16) + sizeof(u->path))
		return false;
	n -= sizeof(__u16);
	u->len = n;
#pragma unroll
	for (__u32 i = 0; i < sizeof(u->path); i++)
		if (i < n)
			u->path[i] = un->sun_path[i];
	return true;
}

/* Where the caller is. Zeros, a folder that does not exist, where it cannot be read. */
static __always_inline void unix_folder(struct unix_origin *u)
{
	const struct task_struct *task = bpf_get_current_task_btf();
	const struct inode *inode = task->fs->pwd.dentry->d_inode;

	u->dir_ino = inode->i_ino;
	u->dir_dev = inode->i_sb->s_dev;
}

SEC("cgroup/connect4")
int on_connect_unix(struct bpf_sock_addr *ctx)
{
	struct bpf_sock_addr_kern *k = bpf_cast_to_kern_ctx(ctx);
	struct unix_origin u = {.origin = {.family = AF_UNIX, .is_set = 1}};
	struct intercept_state *s;
	__u8 name[sizeof(s->unix_name)];

	origin_set_caller(&u.origin, ctx, HOOK_CONNECT_UNIX);
	s = ctx->type == SOCK_STREAM ? unix_state(&u.origin) : 0;
	if (!s || !unix_path(k, &u))
		return deny(HOOK_CONNECT_UNIX, &u.origin, EPERM);
	unix_folder(&u);
	if (bpf_map_update_elem(&unix_origins, &u.origin.cookie, &u, BPF_ANY)) {
		count(HOOK_CONNECT_UNIX, COUNT_NO_MAP);
		return deny(HOOK_CONNECT_UNIX, &u.origin, ENOMEM);
	}
	__builtin_memcpy(name, s->unix_name, sizeof(name));
	if (bpf_sock_addr_set_sun_path(k, name, sizeof(name))) {
		count(HOOK_CONNECT_UNIX, COUNT_HELPER);
		return deny(HOOK_CONNECT_UNIX, &u.origin, EPERM);
	}
	count(HOOK_CONNECT_UNIX, COUNT_OK);
	return VERDICT_PASS;
}

SEC("cgroup/connect4")
int on_sendmsg_unix(struct bpf_sock_addr *ctx)
{
	struct origin o = {.family = AF_UNIX};

	origin_set_caller(&o, ctx, HOOK_SENDMSG_UNIX);
	return deny(HOOK_SENDMSG_UNIX, &o, EPERM);
}

char _license[] SEC("license") = "Dual BSD/GPL";
