#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Writes vmlinux/vmlinux.h from a kernel's BTF: only the types and fields that bpf/ touches. The file
# is committed and nothing in the build calls this; run it by hand when bpf/ needs one more type.
#
# usage: scripts/gen-vmlinux.sh [BTF-FILE] > vmlinux/vmlinux.h
#
# Three kinds of things come out. What hooks are given (bpf_sock_addr …) is UAPI and taken whole. The
# kernel's own structs are cut down to the fields we read and marked preserve_access_index, so that
# the loader finds the offsets of the kernel it runs on (CO-RE). Constants are UAPI.
set -eu

btf=${1:-/sys/kernel/btf/vmlinux}
bpftool=$(command -v bpftool || echo /usr/sbin/bpftool)
dump=$(mktemp)
trap 'rm -f "$dump"' EXIT
"$bpftool" btf dump file "$btf" format c > "$dump"

uapi='bpf_sock bpf_sock_tuple bpf_sock_addr bpf_sock_ops bpf_sockopt __sk_buff'
# struct:field…, a struct before those that hold it
core='sockaddr_un:sun_path bpf_sock_addr_kern:uaddr:uaddrlen ipv6_pinfo:opt inet_sock:pinet6:inet_opt inet_connection_sock:icsk_inet tcp_sock:inet_conn
kernfs_node:id cgroup:level:kn:ancestors css_set:dfl_cgrp sock_cgroup_data:cgroup
sock_common:skc_family:skc_state sock:__sk_common:sk_protocol:sk_type:sk_cgrp_data socket:sk
super_block:s_dev inode:i_ino:i_sb dentry:d_inode path:dentry fs_struct:pwd
file:f_inode task_struct:flags:tgid:real_parent:group_leader:fs:cgroups
bpf_iter_meta:seq bpf_iter__task_file:meta:task:fd:file'
constants='BPF_MAP_TYPE_HASH BPF_MAP_TYPE_ARRAY BPF_MAP_TYPE_PERCPU_ARRAY BPF_MAP_TYPE_LRU_HASH
BPF_MAP_TYPE_SK_STORAGE BPF_MAP_TYPE_RINGBUF BPF_ANY BPF_F_NO_PREALLOC
BPF_SK_STORAGE_GET_F_CREATE BPF_SOCK_OPS_TCP_CONNECT_CB BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB
BPF_SOCK_OPS_STATE_CB BPF_SOCK_OPS_STATE_CB_FLAG BPF_TCP_CLOSE BPF_TCP_LISTEN
BPF_SOCK_OPS_TCP_LISTEN_CB BPF_MAP_TYPE_LPM_TRIE BPF_F_CLONE BPF_F_CURRENT_NETNS BPF_NOEXIST
BPF_MAP_TYPE_SOCKMAP'

# Body of a struct, closing line included.
body() {
	awk -v open="struct $1 {" '$0 == open { on = 1 } on { print } on && /^}/ { exit }' "$dump"
}

need() {
	[ -n "$1" ] || { echo "gen-vmlinux: $2 is not in $btf" >&2; exit 1; }
}

cat <<END
/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * The kernel types that bpf/ touches, and no others. Made by scripts/gen-vmlinux.sh from the BTF of
 * Linux $(uname -r | sed 's/[^0-9.].*//'); not by hand, and not at build time. Kernel structs hold only the fields we
 * read; CO-RE finds their offsets on the kernel that loads the program.
 */
#pragma once

/* The kernel's layout is not ours to pad. */
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpadded"

typedef signed char __s8;
typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u64 __be64;
typedef __u32 __wsum;

END

echo 'enum {'
for c in $constants; do
	line=$(sed -n "s/^[[:space:]]*\($c = -*[0-9]*,\)\$/\1/p" "$dump" | head -n 1)
	need "$line" "$c"
	printf '\t%s\n' "$line"
done
printf '};\n\n'

for s in $uapi; do
	text=$(body "$s")
	need "$text" "struct $s"
	printf '%s\n\n' "$text"
done

echo '#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)'
echo
for entry in $core; do
	s=${entry%%:*}
	printf 'struct %s {\n' "$s"
	for f in $(echo "${entry#*:}" | tr ':' ' '); do
		line=$(body "$s" | grep -E "[ *]$f(\[[0-9]+\])?;\$" | sed -e 's/^[[:space:]]*/\t/' -e 's/\([[:space:]]\)\(u[0-9]*\) /\1__\2 /' \
			-e 's/\bpid_t /__s32 /' -e 's/\bdev_t /__u32 /' -e 's/\[0\];/[];/' || true)
		need "$line" "struct $s.$f"
		printf '%s\n' "$line"
	done
	printf '};\n\n'
done
echo '#pragma clang attribute pop'
echo '#pragma clang diagnostic pop'
