/* SPDX-License-Identifier: Apache-2.0 */
/* The client of our own: conversations, whole and byte by byte. */
#include "proto/pg_client.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "proto/pg_scram.h"
#include "util/writer.h"

static uint8_t wire[8192];
static struct writer server;
static size_t n_rows;
static char last[64];

static int on_row(void *arg, const struct slice *columns, size_t n)
{
	(void)arg;
	n_rows++;
	snprintf(last, sizeof(last), "%zu:%.*s%s", n, SLICE_FMT(columns[0]),
		columns[0].p ? "" : "NULL");
	return slice_eq_str(columns[0], "bad");
}

static void say(char type, const void *body, size_t n)
{
	wr_u8(&server, (uint8_t)type);
	wr_be32(&server, (uint32_t)n + 4);
	wr_bytes(&server, body, n);
}
#define SAY(type, literal) say(type, literal, sizeof(literal) - 1)

/* Hands it over in pieces of `step` bytes; what is not used comes again with more behind it. */
static int hear(struct pg_client *c, size_t step)
{
	size_t from = 0, to = 0;
	int r = 0;

	while (!r && to < server.n) {
		size_t used;

		to = to + step < server.n ? to + step : server.n;
		r = pg_client_feed(c, slice_of(server.p + from, to - from), &used);
		from += used;
	}
	server = writer_of(wire, sizeof(wire));
	return r;
}

static bool sent(struct pg_client *c, const char *text, size_t n)
{
	struct slice out = buf_slice(&c->out);
	bool has = memmem(out.p, out.n, text, n);

	buf_consume(&c->out, out.n);
	return has;
}

#define SENT(c, literal) sent(c, literal, sizeof(literal) - 1)

static void begin(struct pg_client *c, const char *password)
{
	server = writer_of(wire, sizeof(wire));
	n_rows = 0;
	cr_assert_eq(pg_client_init(c, "eve", password, "shop", "-c a=b"), 0);
	cr_assert(SENT(c, "\0\3\0\0user\0eve\0database\0shop\0"));
}

static const size_t steps[] = {1, 2, 7, 4096};
#define FOR_STEPS for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)

Test(pg_client, logs_in_and_reads_rows)
{
	FOR_STEPS
	{
		struct pg_client c;

		begin(&c, NULL);
		SAY('R', "\0\0\0\0");
		SAY('S', "a\0b\0");
		SAY('K', "\0\0\0\1\0\0\0\2");
		SAY('Z', "I");
		cr_assert_eq(hear(&c, steps[i]), 0);
		cr_assert_eq(c.state, PG_CLIENT_IDLE);
		cr_assert_eq(pg_client_ask(&c, SLICE_LIT("SELECT $1"),
				     (struct slice[]){SLICE_LIT("x'y")}, 1, on_row, NULL),
			0);
		cr_expect_eq(c.state, PG_CLIENT_BUSY);
		cr_expect(SENT(&c, "\0\0\0\1\0\0\0\3x'y"), "parameters stand by themselves");
		SAY('1', "");
		SAY('2', "");
		SAY('D', "\0\2\0\0\0\1a\xff\xff\xff\xff");
		SAY('N', "SNOTICE\0\0");
		SAY('D', "\0\1\xff\xff\xff\xff");
		SAY('C', "SELECT 2\0");
		cr_assert_eq(hear(&c, steps[i]), 0);
		cr_expect_eq(c.state, PG_CLIENT_BUSY);
		SAY('Z', "I");
		cr_assert_eq(hear(&c, steps[i]), 0);
		cr_expect_eq(c.state, PG_CLIENT_IDLE);
		cr_expect_eq(n_rows, 2);
		cr_expect_str_eq(last, "1:NULL");
		cr_expect(!c.has_failed);
		pg_client_deinit(&c);
	}
}

Test(pg_client, an_error_fails_the_question_and_not_the_connection)
{
	FOR_STEPS
	{
		struct pg_client c;

		begin(&c, NULL);
		SAY('R', "\0\0\0\0");
		SAY('Z', "I");
		cr_assert_eq(hear(&c, steps[i]), 0);
		cr_assert_eq(pg_client_ask(&c, SLICE_LIT("x"), NULL, 0, on_row, NULL), 0);
		SAY('E', "SERROR\0C42501\0Mno\0\0");
		SAY('Z', "I");
		cr_assert_eq(hear(&c, steps[i]), 0);
		cr_expect(c.has_failed);
		cr_expect_str_eq(c.code, "42501");
		cr_expect_str_eq(c.why, "no");
		cr_assert_eq(pg_client_ask(&c, SLICE_LIT("y"), NULL, 0, on_row, NULL), 0);
		cr_expect(!c.has_failed);
		SAY('D', "\0\1\0\0\0\3bad");
		SAY('D', "\0\1\0\0\0\1b");
		SAY('Z', "I");
		cr_assert_eq(hear(&c, steps[i]), 0);
		cr_expect(c.has_failed, "a row that is refused");
		cr_expect_eq(n_rows, 1, "and no further one is looked at");
		pg_client_deinit(&c);
	}
}

Test(pg_client, passwords_in_clear_and_md5)
{
	struct pg_client c;

	begin(&c, "secret");
	SAY('R', "\0\0\0\3");
	cr_assert_eq(hear(&c, 1), 0);
	cr_expect(SENT(&c, "p\0\0\0\013secret\0"));
	pg_client_deinit(&c);
	begin(&c, "secret");
	SAY('R', "\0\0\0\5\1\2\3\4");
	cr_assert_eq(hear(&c, 1), 0);
	/* md5(md5("secreteve") in hex, and the salt), by md5sum */
	cr_expect(SENT(&c, "md51aa87c8f9421ea0fe29d16a856ef59f8"));
	pg_client_deinit(&c);
}

/* The conversation of RFC 7677. */
Test(pg_client, scram_as_in_the_standard)
{
	static const char first[] = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
				    "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
	struct pg_client c = {.password = "pencil",
		.scram = {.nonce = "rOprNGfwEbeRWgbNEkqO",
			.first = "n=user,r=rOprNGfwEbeRWgbNEkqO",
			.is_begun = true}};
	char final[512];

	cr_assert_eq(pg_scram_continue(&c, slice_str(first), final, sizeof(final)), 0);
	cr_expect_str_eq(final, "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
				"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
	cr_expect(!pg_scram_end(&c, SLICE_LIT("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")));
	cr_expect(pg_scram_end(&c, SLICE_LIT("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")));
}

Test(pg_client, scram_refuses_a_server_that_plays_foul)
{
	static const struct {
		const char *first;
		int outcome;
	} servers[] = {
		{"r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", PG_CLIENT_E_REFUSED},
		{"r=mine,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", PG_CLIENT_E_REFUSED},
		{"r=mine+,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=99999999", PG_CLIENT_E_BROKEN},
		{"r=mine+,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=900000", PG_CLIENT_E_BROKEN},
		{"r=mine+,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=0", PG_CLIENT_E_BROKEN},
		{"r=mine+,s=!!!!,i=4096", PG_CLIENT_E_BROKEN},
		{"r=mine+,i=4096", PG_CLIENT_E_BROKEN},
		{"", PG_CLIENT_E_BROKEN},
	};

	for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
		struct pg_client c = {.password = "pencil",
			.scram = {.nonce = "mine", .first = "n=,r=mine", .is_begun = true}};
		char final[512];

		cr_expect_eq(
			pg_scram_continue(&c, slice_str(servers[i].first), final, sizeof(final)),
			servers[i].outcome, "%s", servers[i].first);
	}
}

Test(pg_client, a_server_that_does_not_prove_itself_is_refused)
{
	struct pg_client c;

	begin(&c, "secret");
	SAY('R', "\0\0\0\012SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0");
	cr_assert_eq(hear(&c, 1), 0);
	cr_expect(SENT(&c, "SCRAM-SHA-256\0"));
	SAY('R', "\0\0\0\0");
	cr_expect_eq(hear(&c, 1), PG_CLIENT_E_REFUSED);
	pg_client_deinit(&c);
}

Test(pg_client, what_is_out_of_order_ends_it)
{
	static const struct {
		const char *bytes;
		size_t n;
		int outcome;
	} openings[] = {
#define BYTES(literal) literal, sizeof(literal) - 1
		{BYTES("Z\0\0\0\5I"), PG_CLIENT_E_BROKEN}, /* before the login */
		{BYTES("R\0\0\0\10\0\0\0\3"),
			PG_CLIENT_E_REFUSED}, /* a password, of which there is none */
		{BYTES("R\0\0\0\10\0\0\0\7"), PG_CLIENT_E_REFUSED},  /* GSSAPI */
		{BYTES("R\0\0\0\10\0\0\0\13"), PG_CLIENT_E_REFUSED}, /* SCRAM's second step first */
		{BYTES("R\0\0\0\6\0\0"), PG_CLIENT_E_BROKEN},
		{BYTES("D\0\0\0\6\0\0"), PG_CLIENT_E_BROKEN},   /* a row of no question */
		{BYTES("G\0\0\0\7\0\0\0"), PG_CLIENT_E_BROKEN}, /* COPY */
		{BYTES("S\0\0\0\3"), PG_CLIENT_E_BROKEN},
		{BYTES("S\x7f\xff\xff\xff"), PG_CLIENT_E_BROKEN},
		{BYTES("E\0\0\0\020SFATAL\0C28000"), PG_CLIENT_E_REFUSED},
	};

	for (size_t i = 0; i < sizeof(openings) / sizeof(openings[0]); i++) {
		struct pg_client c;

		begin(&c, NULL);
		wr_bytes(&server, openings[i].bytes, openings[i].n);
		cr_expect_eq(hear(&c, 1), openings[i].outcome, "opening %zu", i);
		pg_client_deinit(&c);
	}
}
