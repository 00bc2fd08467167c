/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records as structs: one per row of records.def, slices borrowed for the time of the call; and the
 * encoding of their bodies in the journal.
 */
#pragma once

#include "util/err.h"
#include "util/writer.h"

enum { RECORD_E_MALFORMED = 1 }; /* these bytes are no record of that kind */

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

/* Any record, for readers. */
union record {
#define RECORD(id, name, fields) struct record_##name name;
#include "audit/records.def"
#undef RECORD
};

/* The same as a table, for those who treat all records alike. */
struct record_field {
	const char *name;
	bool is_slice; /* else uint64_t */
};

enum { RECORD_FIELDS_MAX = 16 };

struct record_info {
	const char *name; /* and the ledger's table */
	size_t size;      /* of the struct */
	size_t n_fields;
	struct record_field fields[RECORD_FIELDS_MAX];
};

/* Indexed by enum record_kind; [RECORD_NONE] is empty. */
extern const struct record_info record_table[RECORD_N];

/* Length of the encoded body. */
size_t record_len(enum record_kind kind, const void *rec);
void record_encode(enum record_kind kind, const void *rec, struct writer *w);
/*
 * The canonical form, which the ledger's chain is made of: the same encoding without the fields at
 * the end that are 0 or empty. A field that a later version appends is just that in old rows, so
 * that they keep their hash.
 */
size_t record_canonical_len(enum record_kind kind, const void *rec);
void record_encode_canonical(enum record_kind kind, const void *rec, struct writer *w);
/* The slices of *ret point into body; fields that it lacks at its end are 0 or empty. 0,
 * RECORD_E_MALFORMED. */
ERR_CHECK int record_decode(enum record_kind kind, struct slice body, union record *ret);

/*
 * Walks the members of a record struct in the order of its fields: they follow each other without
 * padding (record.c asserts it), so that a pointer to one gives the next.
 *     const void *member = rec; … member = record_next_member(field, member);
 */
static inline const void *record_next_member(const struct record_field *f, const void *member)
{
	return (const char *)member + (f->is_slice ? sizeof(struct slice) : sizeof(uint64_t));
}
