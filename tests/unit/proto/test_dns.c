/* SPDX-License-Identifier: Apache-2.0 */
/* DNS messages: what is understood, what is written anew, what never gets through. */
#include <criterion/criterion.h>

#include "proto/dns.h"
#include "util/writer.h"

static uint8_t mem[4096], out[DNS_MESSAGE_MAX];
static struct dns_answer answer;

static void put_name(struct writer *w, const char *name)
{
	while (*name) {
		size_t n = strcspn(name, ".");

		wr_u8(w, (uint8_t)n);
		wr_bytes(w, name, n);
		name += n + (name[n] == '.');
	}
	wr_u8(w, 0);
}

static struct writer message(
	uint16_t id, uint16_t flags, uint16_t n_answers, const char *name, uint16_t type)
{
	struct writer w = writer_of(mem, sizeof(mem));

	wr_be16(&w, id);
	wr_be16(&w, flags);
	wr_be16(&w, 1);
	wr_be16(&w, n_answers);
	wr_be32(&w, 0);
	put_name(&w, name);
	wr_be16(&w, type);
	wr_be16(&w, 1);
	return w;
}

static void put_record(
	struct writer *w, const char *name, uint16_t type, const char *data, size_t n)
{
	put_name(w, name);
	wr_be16(w, type);
	wr_be16(w, 1);
	wr_be32(w, 60);
	wr_be16(w, (uint16_t)n);
	wr_bytes(w, data, n);
}

static struct slice done(const struct writer *w)
{
	return slice_of(w->p, w->n);
}

static bool all(void *arg, const uint8_t addr[static 16])
{
	(void)arg, (void)addr;
	return true;
}
static bool no_tens(void *arg, const uint8_t addr[static 16])
{
	(void)arg;
	return addr[12] != 10;
}
static const struct dns_filter pass = {.may = all}, without_tens = {.may = no_tens};

Test(dns, question_is_read_and_asked_anew)
{
	struct writer w = message(0x1234, 0x0100, 0, "Shop.Internal", DNS_A);
	struct dns_question q, again;
	size_t n;

	cr_assert_eq(dns_read_question(done(&w), &q), 0);
	cr_expect_str_eq(q.name, "shop.internal");
	cr_expect(q.id == 0x1234 && q.type == DNS_A && q.udp_max == 512 && !q.has_edns);
	n = dns_write_query(&q, 77, out, sizeof(out));
	cr_assert_gt(n, 0);
	cr_assert_eq(dns_read_question(slice_of(out, n), &again), 0);
	cr_expect(again.id == 77 && again.has_edns && again.udp_max == DNS_UDP_MAX);
	cr_expect_str_eq(again.name, q.name);
}

Test(dns, odd_questions_are_refused)
{
	static const struct {
		const char *name;
		uint16_t flags, type;
		int want;
	} rows[] = {
		{"a.b", 0x0100, 255 /* ANY */, DNS_E_REFUSED},
		{"a.b", 0x0100, 10 /* NULL */, DNS_E_REFUSED},
		{"a.b", 0x0100, 252 /* AXFR */, DNS_E_REFUSED},
		{"a.b", 0x2000 /* NOTIFY */, DNS_A, DNS_E_REFUSED},
		{"a.b", 0x8100 /* an answer */, DNS_A, DNS_E_MALFORMED},
		{"a b", 0x0100, DNS_A, DNS_E_REFUSED},
		{"a\"b", 0x0100, DNS_A, DNS_E_REFUSED},
		{"", 0x0100, DNS_A, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct writer w = message(1, rows[i].flags, 0, rows[i].name, rows[i].type);
		struct dns_question q;

		size_t n;

		cr_expect_eq(dns_read_question(done(&w), &q), rows[i].want, "row %zu", i);
		if (rows[i].want != DNS_E_REFUSED)
			continue;
		n = dns_write_error(&q, DNS_REFUSED, DNS_EDE_NONE, out, sizeof(out));
		cr_expect_eq(n, w.n, "row %zu", i);
		cr_expect(!memcmp(out + 12, mem + 12, n - 12), "row %zu", i);
	}
}

/* A dot inside a label would read as two labels: "a.shop.internal" is not "a\.shop" in internal. */
Test(dns, dot_within_a_label_is_not_a_dot_between_two)
{
	struct writer w = message(1, 0x0100, 0, "axshop.internal", DNS_A);
	struct dns_question q;

	mem[14] = '.';
	cr_expect_eq(dns_read_question(done(&w), &q), DNS_E_REFUSED);
}

Test(dns, every_cut_of_a_message_is_refused)
{
	struct writer w = message(1, 0x8180, 1, "shop.internal", DNS_A);
	struct dns_question q = {.name = "shop.internal", .type = DNS_A};

	put_record(&w, "shop.internal", DNS_A, "\12\0\0\5", 4);
	for (size_t n = 0; n < w.n; n++) {
		uint8_t *exact = malloc(n ? n : 1);

		memcpy(exact, mem, n);
		cr_expect_eq(dns_read_answer(&q, 1, slice_of(exact, n), &pass, &answer),
			DNS_E_MALFORMED, "%zu", n);
		free(exact);
	}
	cr_expect_eq(dns_read_answer(&q, 1, done(&w), &pass, &answer), 0);
	cr_expect_eq(answer.n_addrs, 1);
}

Test(dns, only_the_answer_to_our_question_counts)
{
	struct dns_question q = {.name = "shop.internal", .type = DNS_A};
	struct writer w = message(9, 0x8180, 0, "shop.internal", DNS_A);

	cr_expect_eq(dns_read_answer(&q, 8, done(&w), &pass, &answer), DNS_E_MALFORMED, "id");
	w = message(9, 0x8180, 0, "shop.external", DNS_A);
	cr_expect_eq(dns_read_answer(&q, 9, done(&w), &pass, &answer), DNS_E_MALFORMED, "name");
	w = message(9, 0x8180, 0, "shop.internal", DNS_AAAA);
	cr_expect_eq(dns_read_answer(&q, 9, done(&w), &pass, &answer), DNS_E_MALFORMED, "type");
	w = message(9, 0x0180, 0, "shop.internal", DNS_A);
	cr_expect_eq(
		dns_read_answer(&q, 9, done(&w), &pass, &answer), DNS_E_MALFORMED, "no answer");
	w = message(9, 0x8380, 0, "shop.internal", DNS_A);
	cr_expect_eq(dns_read_answer(&q, 9, done(&w), &pass, &answer), DNS_E_TRUNCATED);
}

Test(dns, aliases_are_followed_and_strangers_are_not)
{
	struct dns_question q = {.name = "a.test", .type = DNS_A, .udp_max = 512};
	struct writer w = message(1, 0x8180, 4, "a.test", DNS_A);

	put_record(&w, "b.test", DNS_A, "\12\0\0\5", 4); /* order does not matter */
	put_record(&w, "a.test", DNS_CNAME, "\1b\4test\0", 8);
	put_record(&w, "c.test", DNS_A, "\12\0\0\6", 4);
	put_record(&w, "b.test", DNS_AAAA, "0123456789abcdef", 16);
	cr_assert_eq(dns_read_answer(&q, 1, done(&w), &pass, &answer), 0);
	cr_expect_eq(answer.n_records, 2);
	cr_expect_eq(answer.n_addrs, 1);
	cr_expect_eq(answer.addrs[0].addr[15], 5);
	cr_expect_eq(answer.addrs[0].ttl, 60);
}

Test(dns, circle_of_aliases_ends)
{
	struct dns_question q = {.name = "a.test", .type = DNS_A};
	struct writer w = message(1, 0x8180, 2, "a.test", DNS_A);

	put_record(&w, "a.test", DNS_CNAME, "\1b\4test\0", 8);
	put_record(&w, "b.test", DNS_CNAME, "\1a\4test\0", 8);
	cr_assert_eq(dns_read_answer(&q, 1, done(&w), &pass, &answer), 0);
	cr_expect_eq(answer.n_addrs, 0);
	cr_expect_leq(answer.n_records, DNS_CHAIN_MAX);
}

Test(dns, addresses_that_may_not_be_are_taken_out)
{
	struct dns_question q = {.name = "a.test", .type = DNS_A, .udp_max = 512, .id = 5};
	struct writer w = message(1, 0x8180, 3, "a.test", DNS_A);
	struct dns_answer again;
	size_t n;

	put_record(&w, "a.test", DNS_A, "\12\0\0\5", 4);
	put_record(&w, "a.test", DNS_A, "\313\0\161\5", 4);
	put_record(&w, "a.test", DNS_A, "\12\0\0\5\6", 5); /* no address */
	cr_assert_eq(dns_read_answer(&q, 1, done(&w), &without_tens, &answer), 0);
	cr_expect(answer.n_addrs == 1 && answer.n_refused == 1 && answer.n_records == 1);
	n = dns_write_answer(&q, &answer, out, sizeof(out));
	cr_assert_gt(n, 0);
	cr_assert_eq(dns_read_answer(&q, 5, slice_of(out, n), &pass, &again), 0);
	cr_expect(again.n_addrs == 1 && again.addrs[0].addr[12] == 203);
}

Test(dns, service_records_lose_hints_ech_and_h3)
{
	static const char data[] = "\0\1\0"
				   "\0\1\0\6\2h2\2h3"
				   "\0\3\0\2\0\120"
				   "\0\4\0\4\177\0\0\1"
				   "\0\5\0\3ech"
				   "\0\6\0\20"
				   "0123456789abcdef";
	struct dns_question q = {.name = "a.test", .type = DNS_HTTPS, .udp_max = 512};
	struct writer w = message(1, 0x8180, 1, "a.test", DNS_HTTPS);

	put_record(&w, "a.test", DNS_HTTPS, data, sizeof(data) - 1);
	cr_assert_eq(dns_read_answer(&q, 1, done(&w), &pass, &answer), 0);
	cr_assert_eq(answer.n_records, 1);
	cr_expect_eq(answer.n, 12 + 3 + 4 + 3 + 6);
	cr_expect_arr_eq(answer.body + 12,
		"\0\1\0"
		"\0\1\0\3\2h2"
		"\0\3\0\2\0\120",
		16);
}

Test(dns, service_record_that_needs_what_is_lost_is_left_out)
{
	static const char data[] = "\0\1\0"
				   "\0\0\0\2\0\4"
				   "\0\4\0\4\177\0\0\1";
	struct dns_question q = {.name = "a.test", .type = DNS_HTTPS};
	struct writer w = message(1, 0x8180, 1, "a.test", DNS_HTTPS);

	put_record(&w, "a.test", DNS_HTTPS, data, sizeof(data) - 1);
	cr_assert_eq(dns_read_answer(&q, 1, done(&w), &pass, &answer), 0);
	cr_expect_eq(answer.n_records, 0);
	cr_expect_eq(answer.n, 0);
}

Test(dns, long_answers_are_truncated_for_udp)
{
	struct dns_question q = {.name = "a.test", .type = DNS_A, .udp_max = 512, .id = 3};
	struct writer w = message(1, 0x8180, 40, "a.test", DNS_A);
	size_t n;

	for (char i = 0; i < 40; i++)
		put_record(&w, "a.test", DNS_A, (char[]){1, 2, 3, i}, 4);
	cr_assert_eq(dns_read_answer(&q, 1, done(&w), &pass, &answer), 0);
	cr_expect_eq(answer.n_addrs, DNS_ADDRS_MAX);
	n = dns_write_answer(&q, &answer, out, q.udp_max);
	cr_assert(n > 0 && n <= 512);
	cr_expect_eq(dns_read_answer(&q, 3, slice_of(out, n), &pass, &answer), DNS_E_TRUNCATED);
}

Test(dns, refusals_carry_the_reason_where_it_is_understood)
{
	struct dns_question q = {.name = "a.test", .type = DNS_A, .id = 3};
	size_t plain = dns_write_error(&q, DNS_NXDOMAIN, DNS_EDE_BLOCKED, out, sizeof(out)), n;

	cr_expect_eq(plain, 12 + 8 + 4);
	cr_expect_eq(out[3] & 15, DNS_NXDOMAIN);
	q.has_edns = true;
	n = dns_write_error(&q, DNS_NXDOMAIN, DNS_EDE_BLOCKED, out, sizeof(out));
	cr_expect_eq(n, plain + 11 + 6);
	cr_expect_eq(out[n - 1], DNS_EDE_BLOCKED);
	cr_expect_eq(dns_write_error(&q, DNS_REFUSED, DNS_EDE_NONE, out, 20), 0);
}

Test(dns, encoded_data_is_told_from_names)
{
	static const char *const names[] = {"shop.internal",
		"ec2-12-34-56-78.us-west-2.compute.amazonaws.com",
		"my-very-long-service-name-in-production.svc.cluster.local",
		"d111111abcdef8.cloudfront.net", "kubernetes.default.svc.cluster.local", "",
		"a.b.c.d.e.f"};
	static const char *const data[] = {"mfrggzdfmztwq2lknnwg23tpobyxe43uov3ho6dz.t.test",
		"t.q7x2kd9fj3mzp8wv5nb4rh6c.test"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		cr_expect_not(dns_looks_encoded(names[i]), "%s", names[i]);
	for (size_t i = 0; i < sizeof(data) / sizeof(data[0]); i++)
		cr_expect(dns_looks_encoded(data[i]), "%s", data[i]);
}
