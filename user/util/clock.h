/* SPDX-License-Identifier: Apache-2.0 */
/* Times are int64_t nanoseconds; `_ns` monotonic for deadlines, wall time only for people. */
#pragma once

#include <stdint.h>
#include <time.h>

#define CLOCK_NS_PER_S  INT64_C(1000000000)
#define CLOCK_NS_PER_MS INT64_C(1000000)

static inline int64_t clock_ns_of(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * CLOCK_NS_PER_S + t.tv_nsec;
}

static inline int64_t clock_mono_ns(void)
{
	return clock_ns_of(CLOCK_MONOTONIC);
}

static inline int64_t clock_wall_ns(void)
{
	return clock_ns_of(CLOCK_REALTIME);
}
