/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Counters by (hook, what): nothing fails or is refused in the kernel without a trace. */
#pragma once

#include "maps.h"

static __always_inline void count(enum hook hook, enum count what)
{
	__u32 at = hook * COUNT_N + what;
	__u64 *n = bpf_map_lookup_elem(&counts, &at);

	if (n) /* cannot be NULL, but the verifier wants to hear it */
		(*n)++;
}
