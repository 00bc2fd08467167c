/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "audit/crc32c.h"
#include "audit_fixture.h"

Test(record, every_kind_survives_encoding_with_any_content)
{
	static uint8_t mem[1 << 16];

	for (enum record_kind kind = RECORD_NONE + 1; kind < RECORD_N; kind++)
		for (unsigned round = 0; round < 50; round++) {
			union record rec = fixture_record(kind, round * 20), got;
			size_t len = record_len(kind, &rec);
			struct writer w = writer_of(mem, len);

			record_encode(kind, &rec, &w);
			cr_assert(!w.bad && w.n == len, "%s: length", record_table[kind].name);
			cr_assert_eq(record_decode(kind, wr_done(&w), &got), 0);
			cr_assert(fixture_equal(kind, &rec, &got), "%s", record_table[kind].name);
		}
}

/* A cut between two fields is what an earlier version wrote: the rest reads as 0 or nothing. */
static bool is_between_fields(enum record_kind kind, const union record *rec, size_t n)
{
	const struct record_info *info = &record_table[kind];
	const void *member = rec;
	size_t len = 0;

	for (size_t i = 0; i < info->n_fields && len < n; i++) {
		len += info->fields[i].is_slice ? 4 + ((const struct slice *)member)->n : 8;
		member = record_next_member(&info->fields[i], member);
	}
	return n && len == n;
}

Test(record, a_body_cut_within_a_field_or_longer_is_malformed)
{
	static uint8_t mem[4096];

	for (enum record_kind kind = RECORD_NONE + 1; kind < RECORD_N; kind++) {
		union record rec = fixture_record(kind, 40), got;
		struct writer w = writer_of(mem, sizeof(mem) - 1);

		record_encode(kind, &rec, &w);
		for (size_t n = 0; n < w.n; n++) {
			/* In memory of its own, so that a sanitizer sees a byte too far. */
			uint8_t *cut = malloc(n + 1);

			memcpy(cut, mem, n);
			cr_expect_eq(record_decode(kind, slice_of(cut, n), &got),
				is_between_fields(kind, &rec, n) ? 0 : RECORD_E_MALFORMED);
			free(cut);
		}
		cr_expect_eq(record_decode(kind, slice_of(mem, w.n + 1), &got), RECORD_E_MALFORMED);
	}
}

Test(record, the_table_has_the_names_of_the_columns)
{
	const struct record_info *info = &record_table[RECORD_REQUEST];

	cr_expect_str_eq(info->name, "request");
	cr_expect_eq(info->n_fields, 13);
	cr_expect_str_eq(info->fields[0].name, "id");
	cr_expect(!info->fields[0].is_slice);
	cr_expect_str_eq(info->fields[12].name, "tx");
	cr_expect(info->fields[12].is_slice);
}

Test(crc32c, is_the_castagnoli_sum_with_and_without_the_instruction)
{
	static uint8_t bytes[300];

	cr_expect_eq(crc32c(SLICE_LIT("123456789")), 0xe3069283);
	cr_expect_eq(crc32c_portable(SLICE_LIT("123456789")), 0xe3069283);
	cr_expect_eq(crc32c(SLICE_NULL), 0);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)fixture_random();
	for (size_t n = 0; n < sizeof(bytes); n++)
		cr_expect_eq(crc32c(slice_of(bytes, n)), crc32c_portable(slice_of(bytes, n)));
}
