/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is counted for `holdfast metrics`. Each thread has counters of its own and is the only one
 * that writes them; the control thread reads them all. No lock, no shared line on the path.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { METRICS_BUCKETS = 12 };

/* How many values were not above the bound of each bucket; the last has what is above them all. */
struct metrics_histogram {
	_Atomic uint64_t n[METRICS_BUCKETS + 1], sum;
};

/* Bounds: of latencies in microseconds, of waits for a human in milliseconds. */
extern const uint64_t metrics_latency_us[METRICS_BUCKETS], metrics_hold_ms[METRICS_BUCKETS];

/* The owner's: not an atomic addition, since nobody else writes. */
static inline void metrics_add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
		memory_order_relaxed);
}

static inline void metrics_observe(
	struct metrics_histogram *h, const uint64_t bounds[METRICS_BUCKETS], uint64_t value)
{
	size_t i = 0;

	while (i < METRICS_BUCKETS && value > bounds[i])
		i++;
	metrics_add(&h->n[i], 1);
	metrics_add(&h->sum, value);
}

struct metrics {
	struct metrics_histogram
		latency; /* from the server's being asked to the end of its reply */
	_Atomic uint64_t n_errors, n_rows, n_masked, n_bytes;
	_Atomic uint64_t recorded; /* highest sequence in this thread's ring */
	_Atomic uint64_t n_lost;   /* records that found no room */
};
