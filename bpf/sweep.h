/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* What the sweep tells user space: one record a socket that was born outside of its run. */
#pragma once

#ifdef __bpf__
#include "vmlinux.h"
#else
#include <linux/types.h>
#endif

enum {
	SWEEP_RUNS_MAX = 65536,
	SWEEP_LEVELS = 24, /* how deep below the root a run's group may be */
};

struct sweep_found {
	__u64 run, born; /* control group ids; born 0: of a group that is gone */
	__u64 inode;     /* of the socket: by it user space knows that it took the right one */
	__u32 pid, fd;
	__u16 family, type, protocol, state;
};
_Static_assert(sizeof(struct sweep_found) == 40, "abi: sweep_found");
