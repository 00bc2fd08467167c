/* SPDX-License-Identifier: Apache-2.0 */
/* Records as structs: one per row of records.def, slices borrowed for the time of the call. */
#pragma once

#include "util/slice.h"

enum record_kind {
	RECORD_NONE,
#define RECORD(id, name, fields) RECORD_##id,
#include "audit/records.def"
#undef RECORD
	RECORD_N
};

#define F_U(x) uint64_t x;
#define F_S(x) struct slice x;
#define RECORD(id, name, fields)                                                                   \
	struct record_##name {                                                                     \
		fields                                                                             \
	};
#include "audit/records.def"
#undef RECORD
#undef F_U
#undef F_S

/* The same as a table, for those who treat all records alike. */
struct record_field {
	const char *name;
	size_t offset; /* in the struct */
	bool is_slice; /* else uint64_t */
};

enum { RECORD_FIELDS_MAX = 16 };

struct record_info {
	const char *name; /* and the ledger's table */
	size_t size;	  /* of the struct */
	size_t n_fields;
	struct record_field fields[RECORD_FIELDS_MAX];
};

/* Indexed by enum record_kind; [RECORD_NONE] is empty. */
extern const struct record_info record_table[RECORD_N];
