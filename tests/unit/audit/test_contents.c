/* SPDX-License-Identifier: Apache-2.0 */
/* Contents of replies: packed, unpacked, and what somebody may have made of a part. */
#include <sqlite3.h>
#include <string.h>

#include "audit/contents.h"
#include "audit_fixture.h"

static struct contents_packer *packer;
static struct buf text;

static void setup(void)
{
	fixture_make();
	packer = contents_packer_new();
	cr_assert(packer);
	buf_init(&text, CONTENTS_PART_MAX);
}

static void teardown(void)
{
	packer = contents_packer_free(packer);
	buf_deinit(&text);
	fixture_remove();
}

TestSuite(contents, .init = setup, .fini = teardown);

static void check_round(const uint8_t *bytes, size_t n)
{
	struct record_content part = {.text_len = n};

	part.bytes = contents_pack(packer, slice_of(bytes, n));
	cr_assert_leq(part.bytes.n, n);
	buf_consume(&text, buf_len(&text));
	cr_assert_eq(contents_unpack(&part, &text), 0);
	cr_expect(slice_eq(buf_slice(&text), slice_of(bytes, n)), "%zu bytes", n);
}

Test(contents, what_is_packed_comes_back)
{
	static uint8_t bytes[CONTENTS_PART_MAX];
	const size_t sizes[] = {1, 127, 128, 129, 4096, CONTENTS_PART_MAX - 1, CONTENTS_PART_MAX};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		memset(bytes, 'a', sizes[i]);
		check_round(bytes, sizes[i]);
		for (size_t k = 0; k < sizes[i]; k++)
			bytes[k] = (uint8_t)(fixture_random() >> 11);
		check_round(bytes, sizes[i]);
	}
	memset(bytes, 'a', sizeof(bytes));
	cr_expect_lt(contents_pack(packer, slice_of(bytes, sizeof(bytes))).n, 1000);
}

Test(contents, a_part_that_was_changed_is_damaged_and_takes_no_memory)
{
	static uint8_t bytes[CONTENTS_PART_MAX], packed[CONTENTS_PART_MAX];
	struct record_content good = {.text_len = sizeof(bytes)}, bad;

	memset(bytes, 'a', sizeof(bytes));
	good.bytes = contents_pack(packer, slice_of(bytes, sizeof(bytes)));
	memcpy(packed, good.bytes.p, good.bytes.n);
	good.bytes.p = packed;
	bad = good;
	bad.text_len = 1000; /* less than what comes out */
	cr_expect_eq(contents_unpack(&bad, &text), CONTENTS_E_DAMAGED);
	bad.text_len = CONTENTS_PART_MAX + 1;
	cr_expect_eq(contents_unpack(&bad, &text), CONTENTS_E_DAMAGED);
	bad.text_len = UINT64_MAX;
	cr_expect_eq(contents_unpack(&bad, &text), CONTENTS_E_DAMAGED);
	bad.text_len = 0;
	cr_expect_eq(contents_unpack(&bad, &text), CONTENTS_E_DAMAGED);
	bad = good;
	bad.bytes.n--;
	cr_expect_eq(contents_unpack(&bad, &text), CONTENTS_E_DAMAGED);
	for (size_t i = 0; i < good.bytes.n; i++) {
		int r;

		/* Some bits say nothing; no change gives another text, though. */
		packed[i] ^= 0x40;
		r = contents_unpack(&good, &text);
		cr_expect(
			r == CONTENTS_E_DAMAGED ||
				(!r && slice_eq(buf_slice(&text), slice_of(bytes, sizeof(bytes)))),
			"byte %zu", i);
		buf_consume(&text, buf_len(&text));
		packed[i] ^= 0x40;
	}
}

Test(contents, a_character_is_not_cut_in_two)
{
	static const struct {
		const char *text;
		size_t whole;
	} cases[] = {{"", 0}, {"abc", 3}, {"a\xc3", 1}, {"a\xc3\xa9", 3}, {"\xe2\x82", 0},
		{"\xe2\x82\xac", 3}, {"x\xf0\x9f\x98", 1}, {"x\xf0\x9f\x98\x80", 5},
		{"\x80\x80\x80\x80", 4}, {"a\x80", 2}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_eq(
			contents_whole(slice_str(cases[i].text)), cases[i].whole, "case %zu", i);
}

/* ---- the journal ---- */

Test(contents, are_the_first_to_find_no_room_in_the_journal)
{
	static uint8_t bytes[4000];
	struct record_content part = {.request = 1, .text_len = 1, .bytes = {bytes, 1000}};
	struct record_request q = fixture_request(1, 1, "SELECT 1", "allow");
	struct record_reply p = {.request = 1, .status = SLICE_LIT("ok")};
	struct journal *w, *r;
	unsigned n = 0;

	cr_assert_eq(journal_open_writer(fixture_path("ring"), 1 << 16, -1, &w), 0);
	cr_assert_eq(journal_open_reader(fixture_path("ring"), &r), 0);
	while (!journal_append(w, RECORD_CONTENT, &part, NULL))
		n++;
	cr_expect(n > 20 && n < 33, "half the ring: %u", n);
	cr_expect_eq(journal_append(w, RECORD_CONTENT, &part, NULL), JOURNAL_E_FULL);
	for (n = 0; n < 50; n++)
		cr_assert_eq(journal_append(w, RECORD_REQUEST, &q, NULL), 0);
	cr_assert_eq(journal_append(w, RECORD_REPLY, &p, NULL), 0);
	/* While the ledger is away, what is still owed keeps all the room there is. */
	journal_set_writable(r, false);
	part.bytes.n = 1;
	cr_expect_eq(journal_append(w, RECORD_CONTENT, &part, NULL), JOURNAL_E_UNWRITABLE);
	cr_assert_eq(journal_append(w, RECORD_REPLY, &p, NULL), 0);
	journal_close(r);
	journal_close(w);
}
