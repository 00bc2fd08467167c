/* SPDX-License-Identifier: Apache-2.0 */
/* What does not fit a transcript: caps, depth, memory, the pure functions. */
#include <criterion/criterion.h>

#include "proto/postgres_int.h"
#include "replay.h"
#include "wire.h"

static const char login[] = "C> @ 196608 \"user\" \"bob\" 0b\n"
			    "S> R 0 ; S \"client_encoding\" \"UTF8\" ; "
			    "S \"standard_conforming_strings\" \"on\" ; K 1 2 ; Z 'I'\n";

static struct replay *logged_in(void)
{
	struct replay *r = vector_new(0, 0);

	vector_run(r, slice_str(login));
	return r;
}

static void play(struct replay *r, const char *lines)
{
	vector_run(r, slice_str(lines));
}

static size_t seen_count(const struct replay *r, const char *what)
{
	struct slice s = vector_seen(r);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += slice_starts(slice_skip(s, i), what);
	return n;
}

Test(postgres, first_bytes_tell_the_protocol)
{
	static const struct {
		const char *name, *bytes;
		size_t n;
		enum tri is;
	} rows[] = {
		{"nothing", "", 0, TRI_UNKNOWN},
		{"half a length", "\0\0", 2, TRI_UNKNOWN},
		{"start-up 3.0", "\0\0\0\x20\0\3\0\0", 8, TRI_YES},
		{"start-up 3.2", "\0\0\0\x20\0\3\0\2", 8, TRI_YES},
		{"start-up 2.0", "\0\0\0\x20\0\2\0\0", 8, TRI_NO},
		{"SSL", "\0\0\0\x08\x04\xd2\x16\x2f", 8, TRI_YES},
		{"GSS", "\0\0\0\x08\x04\xd2\x16\x30", 8, TRI_YES},
		{"cancel", "\0\0\0\x10\x04\xd2\x16\x2e", 8, TRI_YES},
		{"TLS", "\x16\3\1\2\0\1\0\1", 8, TRI_NO},
		{"HTTP", "GET / HT", 8, TRI_NO},
		{"too long", "\0\1\0\0\0\3\0\0", 8, TRI_NO},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(protocol_postgres.probe(slice_of(rows[i].bytes, rows[i].n)),
			rows[i].is, "%s", rows[i].name);
}

Test(postgres, types_have_classes)
{
	static const struct {
		uint32_t oid;
		enum value_class class;
		uint8_t width;
	} rows[] = {{16, VALUE_BOOL, 0}, {17, VALUE_BYTES, 0}, {20, VALUE_INT, 8},
		{21, VALUE_INT, 2}, {23, VALUE_INT, 4}, {25, VALUE_TEXT, 0}, {26, VALUE_INT, 4},
		{114, VALUE_JSON, 0}, {701, VALUE_NUMBER, 0}, {869, VALUE_NET, 0},
		{1007, VALUE_ARRAY, 0}, {1043, VALUE_TEXT, 0}, {1082, VALUE_TIME, 0},
		{1184, VALUE_TIME, 0}, {1700, VALUE_NUMBER, 0}, {2950, VALUE_UUID, 0},
		{3802, VALUE_JSON, 0}, {4536, VALUE_ARRAY, 0}, {600, VALUE_OTHER, 0},
		{0, VALUE_OTHER, 0}, {16384, VALUE_OTHER, 0}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_expect_eq(pg_type_class(rows[i].oid), rows[i].class, "%u", rows[i].oid);
		cr_expect_eq(pg_type_width(rows[i].oid), rows[i].width, "%u", rows[i].oid);
	}
}

Test(postgres, cancel_key_matches_only_whole)
{
	struct pool pool = {.max = protocol_postgres.session_mem_max};
	struct pg *st = calloc(1, protocol_postgres.state_size);

	cr_assert_eq(protocol_postgres.init(st, &pool, (const uint8_t *)"vkey"), 0);
	cr_expect_not(protocol_postgres.cancel_matches(st, 0, SLICE_LIT("vkey")));
	cr_expect_eq(protocol_postgres.server_id(st), 0);
	st->real_id = 77;
	st->real_key_len = 4;
	cr_expect_eq(protocol_postgres.server_id(st), 77);
	cr_expect(protocol_postgres.cancel_matches(st, 77, SLICE_LIT("vkey")));
	cr_expect_not(protocol_postgres.cancel_matches(st, 78, SLICE_LIT("vkey")));
	cr_expect_not(protocol_postgres.cancel_matches(st, 77, SLICE_LIT("vkez")));
	cr_expect_not(protocol_postgres.cancel_matches(st, 77, SLICE_LIT("vke")));
	cr_expect_not(protocol_postgres.cancel_matches(st, 77, SLICE_LIT("vkey1")));
	cr_expect_not(protocol_postgres.cancel_matches(st, 77, SLICE_NULL));
	protocol_postgres.fini(st);
	cr_expect_eq(pool.used, 0);
	free(st);
}

/* More than fits the ring, without a Sync: the client waits, a Flush makes the server answer. */
Test(postgres, pipeline_deeper_than_the_ring_waits)
{
	enum { N = 700 };
	struct replay *r = logged_in();

	for (int i = 0; i < N; i++)
		play(r, "C> B \"\" \"x\" 0h 0h 0h ; E \"\" 0\n");
	cr_expect_lt(seen_count(r, "= REQUEST"), N);
	cr_expect_eq(seen_count(r, "=> H"), 1);
	for (int i = 0; i < N; i++)
		play(r, "S> 2 ; C \"SELECT 0\"\n");
	cr_expect_eq(seen_count(r, "= REQUEST"), N + 1);
	cr_expect_eq(seen_count(r, "= REPLY"), N + 1);
	cr_expect_not(vector_is_over(r));
	vector_free(r);
}

Test(postgres, batch_that_cannot_fit_the_ring_is_refused)
{
	struct replay *r = logged_in();

	for (int i = 0; i < PG_PLACES_MAX + 1 && !vector_is_over(r); i++)
		play(r, "C> D 'S' \"x\"\n");
	cr_expect(vector_is_over(r));
	cr_expect_eq(seen_count(r, "= OVER client 2"), 1);
	vector_free(r);
}

Test(postgres, names_are_capped)
{
	struct replay *r = logged_in();
	struct buf line;

	buf_init(&line, 4096);
	for (int i = 0; i <= PG_NAMES_MAX && !vector_is_over(r); i++) {
		wire_printf(&line, "C> P \"s%d\" \"SELECT 1\" 0h ; S\nS> 1 ; Z 'I'\n", i);
		vector_run(r, buf_slice(&line));
		buf_consume(&line, buf_len(&line));
	}
	cr_expect_eq(seen_count(r, "= REPLY"), 1 + PG_NAMES_MAX);
	cr_expect_eq(seen_count(r, "= OVER server 2"), 1);
	buf_deinit(&line);
	vector_free(r);
}

/* Each statement takes over the memory of the one before. */
Test(postgres, statements_leave_no_memory_behind)
{
	static const char once[] =
		"C> P \"\" \"SELECT $1\" 0h ; B \"\" \"\" 0h 1h =\"x\" 0h ; D 'P' \"\" ; "
		"E \"\" 0 ; S\n"
		"S> 1 ; 2 ; T 1h \"a\" 0 0h 25 4h -1 0h ; D 1h =\"1\" ; "
		"C \"SELECT 1\" ; Z 'I'\n";
	struct replay *r = logged_in();
	size_t before;

	for (int i = 0; i < 3; i++)
		play(r, once);
	before = vector_memory(r);
	for (int i = 0; i < 50; i++)
		play(r, once);
	cr_expect_eq(vector_memory(r), before);
	vector_free(r);
}

Test(postgres, large_parameters_stay_under_the_cap)
{
	struct replay *r = logged_in();

	play(r, "C> P \"\" \"SELECT $1\" 0h ; B \"\" \"\" 0h 1h 15000000 *15000000 'x' 0h ; E \"\" "
		"0 ; S\n"
		"S> 1 ; 2 ; C \"SELECT 1\" ; Z 'I'\n");
	cr_expect_eq(seen_count(r, "= REPLY 2 ok"), 1);
	cr_expect_leq(vector_memory(r), (size_t)PG_MEM_MAX);
	vector_free(r);
}

Test(postgres, portals_are_bounded_by_the_cap_of_memory)
{
	struct replay *r = logged_in();
	struct buf line;

	buf_init(&line, 4096);
	for (int i = 0; i < 8 && !vector_is_over(r); i++) {
		wire_printf(&line, "C> B \"p%d\" \"x\" 0h 1h 9000000 *9000000 'x' 0h ; H\n", i);
		vector_run(r, buf_slice(&line));
		play(r, "S> 2\n");
		buf_consume(&line, buf_len(&line));
	}
	cr_expect(vector_is_over(r));
	cr_expect_leq(vector_memory(r), (size_t)PG_MEM_MAX);
	buf_deinit(&line);
	vector_free(r);
}

/* Words of ours never break the frame they are in. */
Test(postgres, refusal_with_a_nul_ends_at_it)
{
	struct arena a;
	struct verdict v = {.message = slice_of("one\0two", 7)};
	struct slice e;

	arena_init(&a, 4096);
	e = pg_words(&a, NULL, 'E', "ERROR", "42501", &v);
	cr_assert(e.n > 5);
	cr_expect_eq(memmem(e.p, e.n, "two", 3), NULL);
	cr_expect(memmem(e.p, e.n, "Mone\0", 5));
	cr_expect_eq((size_t)(e.p[3] << 8 | e.p[4]), e.n - 1);
	arena_deinit(&a);
}

static void split(const char *options, struct arena *a, struct pg_settings *s)
{
	*s = (struct pg_settings){.v = arena_array(a, 32, sizeof(*s->v)), .max = 32};
	cr_assert_eq(pg_options_split(slice_str(options), a, s), 0, "%s", options);
}

Test(postgres, options_are_split_as_the_server_does)
{
	static const struct {
		const char *options, *name, *value;
	} rows[] = {
		{"-c a=b", "a", "b"},
		{"-ca=b", "a", "b"},
		{"--a=b", "a", "b"},
		{"--a-b=c", "a_b", "c"},
		{"-c a=b=c", "a", "b=c"},
		{"-c\\ a=b", " a", "b"},
		{"-c a=b\\ c\\\\", "a", "b c\\"},
		{"\t-c\n a=b ", "a", "b"},
		{"-c a", "a", ""},
		{"-c", "", ""},
		{"-F", "-F", ""},
		{"-S 5", "-S", "5"},
		{"-p5", "-p", "5"},
		{"word", "options", "word"},
		{"-", "options", "-"},
	};
	struct pg_settings s;
	struct arena a;

	arena_init(&a, 1 << 20);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		split(rows[i].options, &a, &s);
		cr_assert_eq(s.n, 1, "%s: %zu", rows[i].options, s.n);
		cr_expect(slice_eq_str(s.v[0].name, rows[i].name), "%s", rows[i].options);
		cr_expect(slice_eq_str(s.v[0].value, rows[i].value), "%s", rows[i].options);
	}
	split("-eFc a=b -d 3 --c=d", &a, &s);
	cr_expect_eq(s.n, 5);
	cr_expect(slice_eq_str(s.v[2].name, "a") && slice_eq_str(s.v[3].name, "-d"));
	split("   ", &a, &s);
	cr_expect_eq(s.n, 0);
	arena_deinit(&a);
}

Test(postgres, startup_with_too_many_settings_is_too_big)
{
	struct replay *r = vector_new(0, 0);
	struct buf line;

	buf_init(&line, 1 << 16);
	wire_printf(&line, "C> @ 196608 \"user\" \"bob\" \"options\" '");
	for (int i = 0; i < 600; i++)
		wire_printf(&line, "-e ");
	wire_printf(&line, "' 0b 0b\n");
	vector_run(r, buf_slice(&line));
	cr_expect_eq(seen_count(r, "= OVER client 2"), 1);
	buf_deinit(&line);
	vector_free(r);
}

Test(postgres, say_waits_for_the_end_of_a_streamed_unit)
{
	struct replay *r = logged_in();

	play(r, "C> Q \"SELECT 1\"\n");
	vector_feed(r, SIDE_SERVER, slice_of("D\0\0\0\x0b\0\1\0", 8));
	play(r, "@ say \"held\"\n");
	cr_expect_eq(seen_count(r, "= say 3"), 1);
	vector_feed(r, SIDE_SERVER, slice_of("\0\0\1x", 4));
	play(r, "@ say \"held\"\n");
	cr_expect_eq(seen_count(r, "<= N"), 1);
	vector_free(r);
}
