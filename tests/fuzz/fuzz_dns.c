/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both messages that strangers send: a run's question and an upstream resolver's answer to it. What
 * was understood is written, and what was written must be understood, and the same.
 *
 * Input: a byte for how long the question is, the question, the answer; or 255, four bytes of
 * counts, and the records of an answer to a known question.
 *
 * fuzz-links: user/proto/dns.c user/util/[a-z]*.c
 */
#include "proto/dns.h"
#include "util/err.h"

static bool may(void *arg, const uint8_t addr[static 16])
{
	(void)arg;
	return addr[15] & 1;
}

static const struct dns_filter filter = {.may = may};
static struct dns_answer answer, again;
static uint8_t out[DNS_MESSAGE_MAX];

/* What was understood of an answer is written, and understood to be the same. */
static void try_answer(const struct dns_question *q, uint16_t id, struct slice message)
{
	size_t len;

	if (dns_read_answer(q, id, message, &filter, &answer))
		return;
	len = dns_write_answer(q, &answer, out, sizeof(out));
	require(len && !dns_read_answer(q, q->id, slice_of(out, len), &filter, &again));
	require(again.n_addrs == answer.n_addrs && again.n_records == answer.n_records);
	require(!again.n_refused && again.n == answer.n);
	require(dns_write_answer(q, &answer, out, 512));
}

static void try_records(struct slice in)
{
	static const uint16_t types[] = {
		DNS_A, DNS_AAAA, DNS_CNAME, DNS_MX, DNS_SRV, DNS_HTTPS, DNS_TXT};
	struct dns_question q = {.name = "a.test",
		.type = types[in.p[0] % (sizeof(types) / sizeof(types[0]))],
		.udp_max = 512};
	uint8_t message[4096] = {0, 0, 0x81, 0x80, 0, 1, 0, in.p[1] & 15, 0, in.p[2] & 3, 0,
		in.p[3] & 3, 1, 'a', 4, 't', 'e', 's', 't', 0, 0, (uint8_t)q.type, 0, 1};
	struct slice records = slice_head(slice_skip(in, 4), sizeof(message) - 24);

	memcpy(message + 24, records.p, records.n);
	try_answer(&q, 0, slice_of(message, 24 + records.n));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice all = slice_of(p, n), head = slice_head(slice_skip(all, 1), n ? p[0] : 0),
		     rest;
	struct dns_question q, same;
	size_t len;

	if (!n)
		return 0;
	if (p[0] == 255 && n > 5) {
		try_records(slice_skip(all, 1));
		return 0;
	}
	rest = slice_skip(all, 1 + head.n);
	if (dns_read_question(head, &q))
		q = (struct dns_question){.name = "a.test", .type = DNS_HTTPS, .udp_max = 512};
	len = dns_write_query(&q, 7, out, sizeof(out));
	require(len && !dns_read_question(slice_of(out, len), &same));
	require(!strcmp(q.name, same.name) && q.type == same.type);
	(void)dns_looks_encoded(q.name);
	require(dns_write_error(&q, DNS_REFUSED, DNS_EDE_BLOCKED, out, sizeof(out)));
	try_answer(&q, rest.n > 1 ? (uint16_t)(rest.p[0] << 8 | rest.p[1]) : 0, rest);
	return 0;
}
