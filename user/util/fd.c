/* SPDX-License-Identifier: Apache-2.0 */
/* Closing descriptors in bulk: see fd.h. */
#include "util/fd.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

static int fd_compare(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

int fd_close_except(int *keep, size_t n)
{
	unsigned from = STDERR_FILENO + 1;

	qsort(keep, n, sizeof(*keep), fd_compare);
	for (size_t i = 0; i < n; i++) {
		unsigned fd = (unsigned)keep[i];

		if (keep[i] < (int)from)
			continue;
		if (fd > from && close_range(from, fd - 1, 0) < 0)
			return err_raise(-errno);
		from = fd + 1;
	}
	return close_range(from, UINT_MAX, 0) < 0 ? err_raise(-errno) : 0;
}
