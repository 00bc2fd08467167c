/* SPDX-License-Identifier: Apache-2.0 */
/* Records as a table, and their encoding: see record.h. */
#include "audit/record.h"

#include "util/reader.h"

#define F_U(x) +sizeof(uint64_t)
#define F_S(x) +sizeof(struct slice)
#define RECORD(id, name, fields)                                                                   \
	_Static_assert(sizeof(struct record_##name) == (0 fields), "record: padding in " #name);
#include "audit/records.def"
#undef RECORD
#undef F_U
#undef F_S

#define F_U(x) {#x, false},
#define F_S(x) {#x, true},
#define RECORD(id, record_name, record_fields)                                                     \
	[RECORD_##id] = {                                                                          \
		.name = #record_name,                                                              \
		.size = sizeof(struct record_##record_name),                                       \
		.n_fields = sizeof((struct record_field[]){record_fields}) /                       \
			    sizeof(struct record_field),                                           \
		.fields = {record_fields},                                                         \
	},
const struct record_info record_table[RECORD_N] = {
#include "audit/records.def"
};
#undef RECORD
#undef F_U
#undef F_S

static size_t record_len_of(const struct record_info *info, const void *rec, size_t n_fields)
{
	const void *member = rec;
	size_t len = 0;

	for (size_t i = 0; i < n_fields; i++) {
		const struct record_field *f = &info->fields[i];

		len += f->is_slice ? 4 + ((const struct slice *)member)->n : 8;
		member = record_next_member(f, member);
	}
	return len;
}

static void record_encode_fields(
	const struct record_info *info, const void *rec, size_t n_fields, struct writer *w)
{
	const void *member = rec;

	for (size_t i = 0; i < n_fields; i++) {
		const struct record_field *f = &info->fields[i];

		if (f->is_slice)
			wr_be32_bytes(w, *(const struct slice *)member);
		else
			wr_be64(w, *(const uint64_t *)member);
		member = record_next_member(f, member);
	}
}

size_t record_len(enum record_kind kind, const void *rec)
{
	return record_len_of(&record_table[kind], rec, record_table[kind].n_fields);
}

void record_encode(enum record_kind kind, const void *rec, struct writer *w)
{
	record_encode_fields(&record_table[kind], rec, record_table[kind].n_fields, w);
}

/* How many fields there are up to the last one that says something. */
static size_t record_n_said(const struct record_info *info, const void *rec)
{
	const void *member = rec;
	size_t n = 0;

	for (size_t i = 0; i < info->n_fields; i++) {
		const struct record_field *f = &info->fields[i];

		if (f->is_slice ? ((const struct slice *)member)->n != 0
				: *(const uint64_t *)member != 0)
			n = i + 1;
		member = record_next_member(f, member);
	}
	return n;
}

size_t record_canonical_len(enum record_kind kind, const void *rec)
{
	const struct record_info *info = &record_table[kind];

	return record_len_of(info, rec, record_n_said(info, rec));
}

void record_encode_canonical(enum record_kind kind, const void *rec, struct writer *w)
{
	const struct record_info *info = &record_table[kind];

	record_encode_fields(info, rec, record_n_said(info, rec), w);
}

int record_decode(enum record_kind kind, struct slice body, union record *ret)
{
	const struct record_info *info = &record_table[kind];
	struct reader r = reader_of(body);
	char *member = (char *)ret;

	for (size_t i = 0; i < info->n_fields; i++) {
		bool is_there = i == 0 || rd_left(&r);

		if (info->fields[i].is_slice) {
			*(struct slice *)(void *)member = is_there ? rd_be32_bytes(&r) : SLICE_NULL;
			member += sizeof(struct slice);
		} else {
			*(uint64_t *)(void *)member = is_there ? rd_be64(&r) : 0;
			member += sizeof(uint64_t);
		}
	}
	return rd_done(&r) ? 0 : RECORD_E_MALFORMED;
}
