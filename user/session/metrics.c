/* SPDX-License-Identifier: Apache-2.0 */
/* Bounds of the buckets: see metrics.h. */
#include "session/metrics.h"

const uint64_t metrics_latency_us[METRICS_BUCKETS] = {
	250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 1000000, 10000000};

const uint64_t metrics_hold_ms[METRICS_BUCKETS] = {
	1000, 2000, 5000, 10000, 30000, 60000, 120000, 300000, 600000, 1800000, 3600000, 86400000};
