/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger as a stream, for shippers: its records one by one in the order in which they were
 * committed, numbered as the entries of the chain are. Whoever remembers the last number goes on
 * exactly there, however long it was away. Read-only; no snapshot is held between pages.
 */
#pragma once

#include "audit/record.h"
#include "util/err.h"

enum {
	EXPORT_E_NO_LEDGER =
		1,        /* no such file, or not one that can be read, or of another version */
	EXPORT_E_END = 2, /* nothing more for now */
};

struct export;

/* after: number of the last entry that is not wanted any more; 0 = from the beginning. 0,
 * EXPORT_E_NO_LEDGER. */
ERR_CHECK int export_open(const char *path, uint64_t after, struct export **ret);
struct export *export_close(struct export *x);

struct export_record {
	uint64_t entry;
	uint64_t n_missing; /* entries before it that were pruned before they could be told */
	enum record_kind kind;
	int64_t id, at_ns;
	union record record; /* slices are valid until the next call */
};

/* 0, EXPORT_E_END (ask again later). */
ERR_CHECK int export_next(struct export *x, struct export_record *ret);
