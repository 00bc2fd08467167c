// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * Finds what no hook can see: a socket in a run's hands that was born outside of it. Hooks follow
 * the socket's control group, which is that of its birth; a descriptor that is passed in keeps it.
 * An iterator over every open file of every process, read by user/kern/sweep.c from time to time.
 * An object of its own: it attaches to nothing, and where it cannot be loaded the hooks still are.
 */
#include "sweep.h"
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

enum { PF_FORKNOEXEC = 0x40 }; /* include/linux/sched.h: forked, has not executed */

/* runs: ids of the control groups to look into. Written before each sweep by user/kern/sweep.c. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SWEEP_RUNS_MAX);
	__type(key, __u64);
	__type(value, __u8);
} runs SEC(".maps");

static __always_inline __u64 group_id(struct cgroup *group)
{
	return group ? BPF_CORE_READ(group, kn, id) : 0;
}

static __always_inline struct cgroup *group_at(struct cgroup *group, int level)
{
	struct cgroup *at = NULL;

	if (level <= BPF_CORE_READ(group, level) &&
		bpf_core_read(&at, sizeof(at), &group->ancestors[level]))
		return NULL;
	return at;
}

/* The run that a group is in, and at which level that is. */
static __always_inline __u64 run_of(struct cgroup *group, int *ret_level)
{
	for (int level = 1; level < SWEEP_LEVELS; level++) {
		__u64 id = group_id(group_at(group, level));

		if (!id)
			return 0;
		if (bpf_map_lookup_elem(&runs, &id)) {
			*ret_level = level;
			return id;
		}
	}
	return 0;
}

/*
 * A child of whoever is looking, the warden, that has executed nothing yet: it is ours, on its way
 * into the run, and may for a moment still hold what the warden holds, its listeners above all.
 * Nothing of an agent looks so: its processes are the command, which has executed, or children of
 * it. cut_is_ours() (user/priv/cut.c) knows our sockets themselves, and neither stands for the
 * other: that one misses what the warden has closed since the fork and the child still holds, this
 * one the child's own child, the command on its way to exec below the run's pid 1.
 */
static __always_inline int is_on_its_way(const struct task_struct *task)
{
	const struct task_struct *looking = (struct task_struct *)bpf_get_current_task();

	return (BPF_CORE_READ(task, flags) & PF_FORKNOEXEC) &&
	       BPF_CORE_READ(task, real_parent) == BPF_CORE_READ(looking, group_leader);
}

SEC("iter/task_file")
int on_sweep(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task; /* read once: the verifier knows these two then */
	struct file *file = ctx->file;
	struct sweep_found found = {};
	struct socket *socket;
	struct cgroup *born;
	struct sock *sk;
	int level = 0;

	if (!task || !file)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	found.run = run_of(BPF_CORE_READ(task, cgroups, dfl_cgrp), &level);
	if (!found.run || is_on_its_way(task))
		return 0;
	sk = BPF_CORE_READ(socket, sk);
	if (!sk)
		return 0;
	born = BPF_CORE_READ(sk, sk_cgrp_data.cgroup);
	found.born = group_id(born);
	if (born && group_id(group_at(born, level)) == found.run)
		return 0;
	found.inode = BPF_CORE_READ(file, f_inode, i_ino);
	found.pid = task->tgid;
	found.fd = ctx->fd;
	found.family = BPF_CORE_READ(sk, __sk_common.skc_family);
	found.type = BPF_CORE_READ(sk, sk_type);
	found.protocol = BPF_CORE_READ(sk, sk_protocol);
	found.state = BPF_CORE_READ(sk, __sk_common.skc_state);
	bpf_seq_write(ctx->meta->seq, &found, sizeof(found));
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
