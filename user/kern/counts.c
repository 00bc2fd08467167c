/* SPDX-License-Identifier: Apache-2.0 */
/* Counters of the kernel side: what it refused, and what failed in it. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

#include "kern/kern.h"
#include "util/cleanup.h"

const char *const kern_count_names[COUNT_N] = {
	[COUNT_OK] = "ok",
	[COUNT_DENIED] = "denied",
	[COUNT_NO_STORAGE] = "no_storage",
	[COUNT_NO_MAP] = "no_map",
	[COUNT_NO_ORIGIN] = "no_origin",
	[COUNT_HELPER] = "helper",
	[COUNT_LOST] = "lost",
};

int kern_read_counts(int counts_fd, uint64_t out[HOOK_N][COUNT_N])
{
	int n_cpus = libbpf_num_possible_cpus();
	_cleanup_(freep) uint64_t *per_cpu = NULL;

	if (n_cpus <= 0)
		return err_raise(n_cpus ? n_cpus : -EIO);
	per_cpu = calloc((size_t)n_cpus, sizeof(*per_cpu));
	if (!per_cpu)
		return err_raise(-ENOMEM);
	for (uint32_t i = 0; i < HOOK_N * COUNT_N; i++) {
		uint64_t *sum = &out[i / COUNT_N][i % COUNT_N];

		if (bpf_map_lookup_elem(counts_fd, &i, per_cpu))
			return err_raise(-errno);
		*sum = 0;
		for (int cpu = 0; cpu < n_cpus; cpu++)
			*sum += per_cpu[cpu];
	}
	return 0;
}
