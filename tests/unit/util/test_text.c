/* SPDX-License-Identifier: Apache-2.0 */
/* Cursors over foreign bytes, JSON and terminal text that an agent may have chosen, messages about
 * files. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "util/diag.h"
#include "util/json.h"
#include "util/reader.h"
#include "util/utf8.h"
#include "util/writer.h"

Test(reader, reads_what_the_writer_wrote)
{
	uint8_t mem[64];
	struct writer w = writer_of(mem, sizeof(mem));
	struct reader r;

	wr_u8(&w, 0xfe);
	wr_be16(&w, 0xfedc);
	wr_be32(&w, 0xfedcba98);
	wr_be64(&w, UINT64_C(0xfedcba9876543210));
	wr_cstr(&w, SLICE_LIT("name"));
	wr_be32_bytes(&w, SLICE_LIT("value"));
	wr_patch_be32(&w, 3, 0x01020304);
	r = reader_of(wr_done(&w));
	cr_expect_eq(rd_u8(&r), 0xfe);
	cr_expect_eq(rd_be16(&r), 0xfedc);
	cr_expect_eq(rd_be32(&r), 0x01020304);
	cr_expect_eq(rd_be64(&r), UINT64_C(0xfedcba9876543210));
	cr_expect(slice_eq_str(rd_cstr(&r), "name"));
	cr_expect_not(rd_done(&r));
	cr_expect(slice_eq_str(rd_be32_bytes(&r), "value"));
	cr_expect(rd_done(&r));
}

Test(reader, the_first_mistake_sticks)
{
	static const uint8_t bytes[] = {0, 0, 0, 9, 'a', 'b', 0};
	struct reader r = reader_of(slice_of(bytes, sizeof(bytes)));

	cr_expect_eq(rd_be32_bytes(&r).n, 0, "nine bytes of three");
	cr_expect(r.bad);
	cr_expect_eq(rd_u8(&r), 0);
	cr_expect_null(rd_cstr(&r).p);
	cr_expect_eq(rd_left(&r), 0);
	cr_expect_not(rd_done(&r));
	r = reader_of(slice_of(bytes + 4, 2));
	cr_expect_null(rd_cstr(&r).p, "no NUL");
	cr_expect(r.bad);
	r = reader_of(SLICE_NULL);
	cr_expect(rd_done(&r));
	cr_expect_eq(rd_be64(&r), 0);
	cr_expect(r.bad);
}

Test(writer, what_does_not_fit_is_not_written)
{
	uint8_t mem[8] = {[4] = 0xaa};
	struct writer w = writer_of(mem, 4);

	wr_be16(&w, 1);
	wr_be32(&w, 2);
	cr_expect(w.bad);
	wr_u8(&w, 3);
	cr_expect_eq(w.n, 2, "nothing after the mistake");
	cr_expect_eq(mem[4], 0xaa);
	cr_expect_null(wr_done(&w).p);
}

Test(json, escapes_what_agents_send)
{
	static const char hostile[] = "a\"\\\n\x1b\x7f\xff\xc0\xaf\xe2\x82\xac";
	struct json j;

	jsonw_init(&j, 1024);
	jsonw_object(&j, NULL);
	jsonw_string(&j, "s", slice_str(hostile));
	jsonw_array(&j, "list");
	jsonw_int(&j, NULL, INT64_MIN);
	jsonw_uint(&j, NULL, UINT64_MAX);
	jsonw_bool(&j, NULL, true);
	jsonw_null(&j, NULL);
	jsonw_object(&j, NULL);
	jsonw_object_end(&j);
	jsonw_array_end(&j);
	jsonw_string(&j, "end", SLICE_NULL);
	jsonw_object_end(&j);
	cr_expect(slice_eq_str(jsonw_done(&j),
			  "{\"s\":"
			  "\"a\\u0022\\u005c\\u000a\\u001b\\u007f\\ufffd\\ufffd\\ufffd\u20ac\","
			  "\"list\":[-9223372036854775808,18446744073709551615,true,null,{}],"
			  "\"end\":\"\"}"),
		"%.*s", SLICE_FMT(jsonw_done(&j)));
	jsonw_deinit(&j);
}

Test(json, too_much_is_nothing)
{
	struct json j;

	jsonw_init(&j, 16);
	jsonw_string(&j, NULL, SLICE_LIT("0123456789abcdef"));
	cr_expect_eq(jsonw_done(&j).n, 0);
	jsonw_deinit(&j);
}

Test(utf8, only_rfc_3629_is_valid)
{
	static const struct {
		const char *bytes;
		size_t len; /* of the first character; 0: not valid */
		uint32_t code;
	} rows[] = {{"a", 1, 'a'}, {"\xc2\x80", 2, 0x80}, {"\xe2\x82\xac", 3, 0x20ac},
		{"\xf0\x9f\x98\x80", 4, 0x1f600}, {"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
		{"\xc0\xaf", 0, 0}, {"\xc1\xbf", 0, 0}, {"\xe0\x80\xaf", 0, 0},
		{"\xf0\x80\x80\xaf", 0, 0}, {"\xed\xa0\x80", 0, 0}, {"\xf4\x90\x80\x80", 0, 0},
		{"\xf5\x80\x80\x80", 0, 0}, {"\x80", 0, 0}, {"\xe2\x82", 0, 0},
		{"\xe2\x28\xa1", 0, 0}, {"\xff", 0, 0}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t code = 0;

		cr_expect_eq(
			utf8_decode(slice_str(rows[i].bytes), &code), rows[i].len, "row %zu", i);
		if (rows[i].len)
			cr_expect_eq(code, rows[i].code, "row %zu", i);
		cr_expect_eq(utf8_is_valid(slice_str(rows[i].bytes)), rows[i].len != 0);
	}
}

static char *safe(const char *text, bool multiline, size_t max)
{
	char *out = NULL;
	size_t n;
	FILE *f = open_memstream(&out, &n);

	utf8_print_safe(f, slice_str(text), multiline, max);
	fclose(f);
	return out;
}

Test(utf8, a_terminal_gets_nothing_that_it_obeys)
{
	static const struct {
		const char *text;
		bool multiline;
		size_t max;
		const char *shown;
	} rows[] = {
		{"\x1b[2J", false, SIZE_MAX, "\\x1b[2J"},
		{"a\u202eb", false, SIZE_MAX, "a\\u{202e}b"},
		{"a\u200bb\u2066c", false, SIZE_MAX, "a\\u{200b}b\\u{2066}c"},
		{"\x9b\xff", false, SIZE_MAX, "\\x9b\\xff"},
		{"\xc2\x9b", false, SIZE_MAX, "\\x9b"},
		{"a\nb\tc", true, SIZE_MAX, "a\nb\tc"},
		{"a\nb\rc", false, SIZE_MAX, "a\\x0ab\\x0dc"},
		{"a\rb", true, SIZE_MAX, "a\\x0db"},
		{"\u00e4\u20ac", false, SIZE_MAX, "\u00e4\u20ac"},
		{"abcdef", false, 2, "ab…(4 more bytes)"},
		{"ab", false, 2, "ab"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *shown = safe(rows[i].text, rows[i].multiline, rows[i].max);

		cr_expect_str_eq(shown, rows[i].shown, "row %zu", i);
		free(shown);
	}
}

Test(diag, points_at_the_place_and_counts_the_rest)
{
	static struct diag d;
	char *out = NULL;
	size_t n;
	FILE *f = open_memstream(&out, &n);

	diag_init(&d, "x.yaml", SLICE_LIT("one\n\ttwo three\n"));
	diag_add(&d, 2, 6, "no such %s", "key");
	diag_add(&d, 0, 0, "empty");
	for (int i = 0; i < DIAG_MAX; i++)
		diag_add(&d, 9, 1, "more");
	cr_expect_eq(d.n, DIAG_MAX + 2);
	diag_print(&d, f);
	fclose(f);
	cr_expect_eq(strncmp(out,
			     "x.yaml:2:6: error: no such key\n  \ttwo three\n  \t    ^\n"
			     "x.yaml: error: empty\n",
			     74),
		0, "%s", out);
	cr_expect_not_null(strstr(out, "x.yaml: 2 more errors\n"));
	free(out);
}

Test(diag, suggests_only_what_is_near)
{
	static const char *const words[] = {"effect", "object", "run", NULL};

	cr_expect_str_eq(diag_nearest(SLICE_LIT("efect"), words), "effect");
	cr_expect_str_eq(diag_nearest(SLICE_LIT("rum"), words), "run");
	cr_expect_null(diag_nearest(SLICE_LIT("quorum"), words));
	cr_expect_null(diag_nearest(SLICE_LIT("xyz"), words));
}
