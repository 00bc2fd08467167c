/* SPDX-License-Identifier: Apache-2.0 */
/* The tries of addresses that the hooks read: see kern.h. */
#include "kern/reach.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

enum { REACH_KEYS_MAX = 65536 };

static int reach_compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct reach_key));
}

/* Keys of the map that are not among those wanted. */
static ERR_CHECK int reach_find_stale(
	int map_fd, const struct reach_key *wanted, size_t n, struct reach_key *ret, size_t *ret_n)
{
	struct reach_key key, next;

	*ret_n = 0;
	for (void *at = NULL; !bpf_map_get_next_key(map_fd, at, &next); at = &key) {
		key = next;
		if (n && bsearch(&key, wanted, n, sizeof(key), reach_compare))
			continue;
		if (*ret_n == REACH_KEYS_MAX)
			return err_raise(-E2BIG);
		ret[(*ret_n)++] = key;
	}
	return errno == ENOENT ? 0 : err_raise(-errno);
}

int reach_replace(int map_fd, const struct reach_key *keys, size_t n)
{
	_cleanup_(freep) struct reach_key *sorted = calloc(n ? n : 1, sizeof(*sorted));
	_cleanup_(freep) struct reach_key *stale = calloc(REACH_KEYS_MAX, sizeof(*stale));
	size_t n_stale;
	int r;

	if (!sorted || !stale)
		return err_raise(-ENOMEM);
	if (n) {
		memcpy(sorted, keys, n * sizeof(*sorted));
		qsort(sorted, n, sizeof(*sorted), reach_compare);
	}
	/* What stays is there all the time. What goes goes first: a list that does not fit in the
	 * end has at least nothing left of the old one. */
	r = reach_find_stale(map_fd, sorted, n, stale, &n_stale);
	if (r)
		return err_trace(r);
	for (size_t i = 0; i < n_stale; i++)
		if (bpf_map_delete_elem(map_fd, &stale[i]) && errno != ENOENT)
			return err_raise(-errno);
	for (size_t i = 0; i < n; i++) {
		uint32_t bits = sorted[i].prefix - REACH_PORT_BITS;

		if (bpf_map_update_elem(map_fd, &sorted[i], &bits, BPF_ANY))
			return err_raise(-errno);
	}
	return 0;
}
