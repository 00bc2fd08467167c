/* SPDX-License-Identifier: Apache-2.0 */
/* DNS messages: see dns.h. The C library's ns_* walk the records; every length is checked there. */
#include "proto/dns.h"

#include <arpa/nameser.h>
#include <stdio.h>

#include "util/reader.h"
#include "util/writer.h"

enum { DNS_CLASS_IN = 1, DNS_OPT = 41, DNS_UDP_MIN = 512, DNS_HEADER = 12 };
enum { DNS_FLAG_QR = 0x8000, DNS_FLAG_TC = 0x0200, DNS_FLAG_RD = 0x0100, DNS_FLAG_RA = 0x0080 };
enum { DNS_OPT_EDE = 15, DNS_OPCODE_SHIFT = 11 };
enum { DNS_POINTER_QUESTION = 0xc00c }; /* the question's name, behind the header */

/* Parameters of SVCB and HTTPS records that stay. ech would hide the name from us, hints are
 * addresses that nobody vetted, dohpath leads around us. */
enum { SVCB_MANDATORY = 0, SVCB_ALPN = 1, SVCB_NO_DEFAULT_ALPN = 2, SVCB_PORT = 3 };

/* ---- names ----------------------------------------------------------------------------------- */

static bool dns_is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Presentation text (as ns_* write it) → our form. False: something unusual is in it. */
static bool dns_name_take(const char *from, char to[DNS_NAME_MAX + 1])
{
	size_t n = 0, label = 0;

	to[0] = '\0';
	if (!strcmp(from, "."))
		return true;
	for (; *from; from++) {
		char c = *from >= 'A' && *from <= 'Z' ? (char)(*from + 32) : *from;

		if (c == '.') {
			if (!label)
				return false;
			if (!from[1])
				break;
			label = 0;
		} else if (!dns_is_plain(c) || ++label > 63) {
			return false;
		}
		if (n == DNS_NAME_MAX)
			return false;
		to[n++] = c;
	}
	to[n] = '\0';
	return true;
}

static void dns_put_name(struct writer *w, const char *name)
{
	while (*name) {
		size_t n = strcspn(name, ".");

		wr_u8(w, (uint8_t)n);
		wr_bytes(w, name, n);
		name += n + (name[n] == '.');
	}
	wr_u8(w, 0);
}

const char *dns_type_name(uint16_t type, char *buf)
{
	static const struct {
		uint16_t type;
		const char *name;
	} names[] = {{DNS_A, "A"}, {DNS_CNAME, "CNAME"}, {DNS_PTR, "PTR"}, {DNS_MX, "MX"},
		{DNS_TXT, "TXT"}, {DNS_AAAA, "AAAA"}, {DNS_SRV, "SRV"}, {DNS_SVCB, "SVCB"},
		{DNS_HTTPS, "HTTPS"}};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].type == type)
			return names[i].name;
	snprintf(buf, 16, "TYPE%u", type);
	return buf;
}

static bool dns_is_ordinary(uint16_t type)
{
	char buf[16];

	return dns_type_name(type, buf) != buf;
}

/* Entropy in bits a character: words have 3 to 3.5, hexadecimal 3.6 to 4, base32 more. */
static bool dns_label_is_encoded(const char *label, size_t n)
{
	enum { LONG = 24 };
	/* 16 × log2(i) */
	static const uint8_t log2_16[] = {0, 0, 16, 25, 32, 37, 41, 45, 48, 51, 53, 55, 57, 59, 61,
		63, 64, 65, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 79, 80, 81, 81, 82,
		83, 83, 84, 85, 85, 86, 86, 87, 87, 88, 88, 89, 89, 90, 90, 91, 91, 92, 92, 93, 93,
		93, 94, 94, 95, 95, 95, 96};
	unsigned counts[128] = {0}, sum = 0, n_digits = 0;

	if (n < LONG || n > 63)
		return false;
	for (size_t i = 0; i < n; i++)
		counts[label[i] & 127]++;
	for (size_t c = '0'; c <= '9'; c++)
		n_digits += counts[c];
	for (size_t c = 0; c < 128; c++)
		sum += counts[c] * log2_16[counts[c]];
	/* Names of several words are as varied, but have no digits strewn in. */
	return n_digits >= 3 && log2_16[n] - sum / n >= 16 * 36 / 10;
}

bool dns_looks_encoded(const char *name)
{
	while (*name) {
		size_t n = strcspn(name, ".");

		if (dns_label_is_encoded(name, n))
			return true;
		name += n + (name[n] == '.');
	}
	return false;
}

/* ---- questions ------------------------------------------------------------------------------- */

/* The one question of a message; false if there are more or fewer, or it cannot be read. */
static bool dns_take_question(ns_msg *m, struct dns_question *q)
{
	ns_rr rr;

	if (ns_msg_count(*m, ns_s_qd) != 1 || ns_parserr(m, ns_s_qd, 0, &rr) < 0)
		return false;
	q->type = (uint16_t)ns_rr_type(rr);
	if (dns_name_take(ns_rr_name(rr), q->name) && ns_rr_class(rr) == ns_c_in)
		return true;
	q->name[0] = '\0';
	return false;
}

/* A refusal says again what was asked, whatever it was, or its asker would not know it for one. */
static int dns_refuse(struct slice message, struct dns_question *q)
{
	const uint8_t *p = message.p + DNS_HEADER, *end = message.p + message.n;
	int n = ns_name_skip(&p, end) ? 0 : (int)(p - message.p);

	if (n && message.n >= (size_t)n + 4)
		q->echo = slice_of(message.p + DNS_HEADER, (size_t)n + 4 - DNS_HEADER);
	return DNS_E_REFUSED;
}

/* The only thing that may stand beside the question. */
static bool dns_take_edns(ns_msg *m, struct dns_question *q)
{
	ns_rr rr;

	q->udp_max = DNS_UDP_MIN;
	if (!ns_msg_count(*m, ns_s_ar))
		return true;
	if (ns_msg_count(*m, ns_s_ar) != 1 || ns_parserr(m, ns_s_ar, 0, &rr) < 0 ||
		(uint16_t)ns_rr_type(rr) != DNS_OPT)
		return false;
	q->has_edns = true;
	q->udp_max = (uint16_t)ns_rr_class(rr);
	if (q->udp_max < DNS_UDP_MIN)
		q->udp_max = DNS_UDP_MIN;
	if (q->udp_max > DNS_UDP_MAX)
		q->udp_max = DNS_UDP_MAX;
	return true;
}

int dns_read_question(struct slice message, struct dns_question *ret)
{
	ns_msg m;

	*ret = (struct dns_question){.udp_max = DNS_UDP_MIN};
	if (message.n < DNS_HEADER || message.n > UINT16_MAX ||
		ns_initparse(message.p, (int)message.n, &m) < 0)
		return DNS_E_MALFORMED;
	if (ns_msg_getflag(m, ns_f_qr))
		return DNS_E_MALFORMED;
	ret->id = (uint16_t)ns_msg_id(m);
	ret->opcode = (uint8_t)ns_msg_getflag(m, ns_f_opcode);
	if (ns_msg_count(m, ns_s_qd) != 1)
		return DNS_E_MALFORMED;
	if (!dns_take_question(&m, ret) || ret->opcode != ns_o_query || ns_msg_count(m, ns_s_an) ||
		ns_msg_count(m, ns_s_ns) || !dns_take_edns(&m, ret) || !dns_is_ordinary(ret->type))
		return dns_refuse(message, ret);
	return 0;
}

static void dns_put_head(
	struct writer *w, uint16_t id, uint16_t flags, uint16_t n_answers, uint16_t n_additional)
{
	wr_be16(w, id);
	wr_be16(w, flags);
	wr_be16(w, 1);
	wr_be16(w, n_answers);
	wr_be16(w, 0);
	wr_be16(w, n_additional);
}

static void dns_put_question(struct writer *w, const struct dns_question *q)
{
	dns_put_name(w, q->name);
	wr_be16(w, q->type);
	wr_be16(w, DNS_CLASS_IN);
}

static void dns_put_edns(struct writer *w, enum dns_ede ede)
{
	wr_u8(w, 0);
	wr_be16(w, DNS_OPT);
	wr_be16(w, DNS_UDP_MAX);
	wr_be32(w, 0);
	wr_be16(w, ede == DNS_EDE_NONE ? 0 : 6);
	if (ede == DNS_EDE_NONE)
		return;
	wr_be16(w, DNS_OPT_EDE);
	wr_be16(w, 2);
	wr_be16(w, (uint16_t)ede);
}

size_t dns_write_query(const struct dns_question *q, uint16_t id, uint8_t *to, size_t max)
{
	struct writer w = writer_of(to, max);

	dns_put_head(&w, id, DNS_FLAG_RD, 0, 1);
	dns_put_question(&w, q);
	dns_put_edns(&w, DNS_EDE_NONE);
	return wr_done(&w).n;
}

size_t dns_write_error(const struct dns_question *q, enum dns_rcode rcode, enum dns_ede ede,
	uint8_t *to, size_t max)
{
	uint16_t flags = (uint16_t)(DNS_FLAG_QR | DNS_FLAG_RD | DNS_FLAG_RA | rcode |
				    q->opcode << DNS_OPCODE_SHIFT);
	struct writer w = writer_of(to, max);

	dns_put_head(&w, q->id, flags, 0, q->has_edns);
	if (q->echo.n)
		wr_slice(&w, q->echo);
	else
		dns_put_question(&w, q);
	if (q->has_edns)
		dns_put_edns(&w, ede);
	return wr_done(&w).n;
}

size_t dns_write_answer(
	const struct dns_question *q, const struct dns_answer *a, uint8_t *to, size_t max)
{
	uint16_t flags = (uint16_t)(DNS_FLAG_QR | DNS_FLAG_RD | DNS_FLAG_RA | a->rcode);
	struct writer w = writer_of(to, max);

	dns_put_head(&w, q->id, flags, a->n_records, q->has_edns);
	dns_put_question(&w, q);
	wr_bytes(&w, a->body, a->n);
	if (q->has_edns)
		dns_put_edns(&w, DNS_EDE_NONE);
	if (!w.bad)
		return w.n;
	w = writer_of(to, max);
	dns_put_head(&w, q->id, flags | DNS_FLAG_TC, 0, 0);
	dns_put_question(&w, q);
	return wr_done(&w).n;
}

/* ---- answers --------------------------------------------------------------------------------- */

/* What one pass over the answers carries along. */
struct dns_reading {
	const struct dns_question *q;
	const struct dns_filter *filter;
	ns_msg *m;
	struct dns_answer *answer;
	struct writer w;               /* answer->body */
	char owner[DNS_NAME_MAX + 1];  /* the name that is being answered: q's, or an alias's */
	char target[DNS_NAME_MAX + 1]; /* room for names in records */
};

/* A name inside of a record's data, at p. Bytes it takes there; 0: none that we take. */
static size_t dns_data_name(struct dns_reading *d, const uint8_t *p)
{
	char text[NS_MAXDNAME];
	int n = ns_name_uncompress(ns_msg_base(*d->m), ns_msg_end(*d->m), p, text, sizeof(text));

	return n > 0 && dns_name_take(text, d->target) ? (size_t)n : 0;
}

static void dns_put_addr(struct dns_reading *d, const ns_rr *rr)
{
	struct dns_answer *a = d->answer;
	struct dns_addr *to = &a->addrs[a->n_addrs];
	size_t n = ns_rr_rdlen(*rr);

	if (n != (ns_rr_type(*rr) == ns_t_a ? 4 : 16) || a->n_addrs == DNS_ADDRS_MAX)
		return;
	*to = (struct dns_addr){.ttl = (uint32_t)ns_rr_ttl(*rr)};
	if (n == 4)
		to->addr[10] = to->addr[11] = 0xff;
	memcpy(to->addr + 16 - n, ns_rr_rdata(*rr), n);
	if (!d->filter->may(d->filter->arg, to->addr)) {
		a->n_refused++;
		return;
	}
	a->n_addrs++;
	wr_bytes(&d->w, ns_rr_rdata(*rr), n);
}

/* MX, SRV: numbers, then a name; CNAME, PTR: a name alone. */
static void dns_put_numbers_and_name(struct dns_reading *d, const ns_rr *rr, size_t n_numbers)
{
	const uint8_t *p = ns_rr_rdata(*rr);

	if (ns_rr_rdlen(*rr) <= n_numbers ||
		dns_data_name(d, p + n_numbers) != ns_rr_rdlen(*rr) - n_numbers)
		return;
	wr_bytes(&d->w, p, n_numbers);
	dns_put_name(&d->w, d->target);
}

/* The protocols without those that go over UDP, which nobody gets through. */
static void dns_put_alpn(struct writer *w, struct slice value)
{
	struct reader r = reader_of(value);
	size_t at = w->n;

	wr_be16(w, SVCB_ALPN);
	wr_be16(w, 0);
	while (rd_left(&r)) {
		struct slice id = rd_bytes(&r, rd_u8(&r));

		if (r.bad || !id.n) {
			w->bad = true;
			return;
		}
		if (slice_starts(id, "h3"))
			continue;
		wr_u8(w, (uint8_t)id.n);
		wr_slice(w, id);
	}
	if (w->bad)
		return;
	if (w->n == at + 4) {
		w->n = at;
		return;
	}
	w->p[at + 2] = (uint8_t)((w->n - at - 4) >> 8);
	w->p[at + 3] = (uint8_t)(w->n - at - 4);
}

/* False: a record that is worth nothing without what we take out. */
static bool dns_put_parameter(struct writer *w, uint16_t key, struct slice value)
{
	if (key == SVCB_MANDATORY) {
		struct reader r = reader_of(value);

		while (rd_left(&r))
			if (rd_be16(&r) > SVCB_PORT)
				return false;
	} else if (key == SVCB_ALPN) {
		dns_put_alpn(w, value);
		return true;
	} else if (key > SVCB_PORT) {
		return true;
	}
	wr_be16(w, key);
	wr_be16(w, (uint16_t)value.n);
	wr_slice(w, value);
	return true;
}

static void dns_put_service(struct dns_reading *d, const ns_rr *rr)
{
	struct reader r = reader_of(slice_of(ns_rr_rdata(*rr), ns_rr_rdlen(*rr)));
	size_t before = d->w.n;
	uint16_t priority = rd_be16(&r);

	if (r.bad || !rd_left(&r))
		return;
	rd_bytes(&r, dns_data_name(d, r.p));
	wr_be16(&d->w, priority);
	dns_put_name(&d->w, d->target);
	while (rd_left(&r)) {
		uint16_t key = rd_be16(&r);
		struct slice value = rd_bytes(&r, rd_be16(&r));

		if (r.bad || !dns_put_parameter(&d->w, key, value)) {
			d->w.n = before;
			return;
		}
	}
}

/* The record's data, written anew; nothing if it is not to be passed on. */
static void dns_put_data(struct dns_reading *d, const ns_rr *rr)
{
	switch ((unsigned)ns_rr_type(*rr)) {
	case DNS_A:
	case DNS_AAAA:
		dns_put_addr(d, rr);
		return;
	case DNS_CNAME:
	case DNS_PTR:
		dns_put_numbers_and_name(d, rr, 0);
		return;
	case DNS_MX:
		dns_put_numbers_and_name(d, rr, 2);
		return;
	case DNS_SRV:
		dns_put_numbers_and_name(d, rr, 6);
		return;
	case DNS_TXT:
		wr_bytes(&d->w, ns_rr_rdata(*rr), ns_rr_rdlen(*rr));
		return;
	case DNS_SVCB:
	case DNS_HTTPS:
		dns_put_service(d, rr);
		return;
	}
}

/* One record of the answer: of the name that is asked for, or of the alias that it has. */
static void dns_put_record(struct dns_reading *d, const ns_rr *rr)
{
	bool is_alias = ns_rr_type(*rr) == ns_t_cname;
	size_t before = d->w.n, data;

	if (!is_alias && (uint16_t)ns_rr_type(*rr) != d->q->type)
		return;
	if (strcmp(d->owner, d->q->name) != 0)
		dns_put_name(&d->w, d->owner);
	else
		wr_be16(&d->w, DNS_POINTER_QUESTION);
	wr_be16(&d->w, (uint16_t)ns_rr_type(*rr));
	wr_be16(&d->w, DNS_CLASS_IN);
	wr_be32(&d->w, (uint32_t)ns_rr_ttl(*rr));
	wr_be16(&d->w, 0);
	data = d->w.n;
	dns_put_data(d, rr);
	if (d->w.bad)
		return;
	if (d->w.n == data || d->w.n - data > UINT16_MAX) {
		d->w.n = before;
		return;
	}
	d->w.p[data - 2] = (uint8_t)((d->w.n - data) >> 8);
	d->w.p[data - 1] = (uint8_t)(d->w.n - data);
	d->answer->n_records++;
}

/* All records of d->owner; true if it is an alias, whose name is in d->target then. */
static bool dns_put_owner(struct dns_reading *d)
{
	char alias[DNS_NAME_MAX + 1];
	bool is_alias = false;

	for (int i = 0; i < ns_msg_count(*d->m, ns_s_an) && !d->w.bad; i++) {
		char name[DNS_NAME_MAX + 1];
		uint16_t n_before = d->answer->n_records;
		ns_rr rr;

		if (ns_parserr(d->m, ns_s_an, i, &rr) < 0 || ns_rr_class(rr) != ns_c_in ||
			!dns_name_take(ns_rr_name(rr), name) || strcmp(name, d->owner) != 0)
			continue;
		if (ns_rr_type(rr) == ns_t_cname && is_alias)
			continue;
		dns_put_record(d, &rr);
		if (ns_rr_type(rr) != ns_t_cname || d->q->type == DNS_CNAME ||
			d->answer->n_records == n_before)
			continue;
		is_alias = true;
		memcpy(alias, d->target, sizeof(alias));
	}
	if (is_alias)
		memcpy(d->target, alias, sizeof(alias));
	return is_alias;
}

int dns_read_answer(const struct dns_question *q, uint16_t id, struct slice message,
	const struct dns_filter *filter, struct dns_answer *ret)
{
	struct dns_reading d = {.q = q, .filter = filter, .answer = ret};
	struct dns_question theirs = {0};
	ns_msg m;

	ret->n_addrs = ret->n_records = 0;
	ret->n_refused = 0;
	ret->n = 0;
	if (message.n < DNS_HEADER || message.n > UINT16_MAX ||
		ns_initparse(message.p, (int)message.n, &m) < 0)
		return DNS_E_MALFORMED;
	if (!ns_msg_getflag(m, ns_f_qr) || ns_msg_id(m) != id || !dns_take_question(&m, &theirs) ||
		theirs.type != q->type || strcmp(theirs.name, q->name) != 0)
		return DNS_E_MALFORMED;
	if (ns_msg_getflag(m, ns_f_tc))
		return DNS_E_TRUNCATED;
	ret->rcode = (enum dns_rcode)ns_msg_getflag(m, ns_f_rcode);
	if (ret->rcode > DNS_REFUSED)
		ret->rcode = DNS_SERVFAIL;
	d.m = &m;
	d.w = writer_of(ret->body, sizeof(ret->body));
	memcpy(d.owner, q->name, sizeof(d.owner));
	for (int i = 0; i < DNS_CHAIN_MAX && dns_put_owner(&d); i++)
		memcpy(d.owner, d.target, sizeof(d.owner));
	if (d.w.bad)
		return DNS_E_MALFORMED;
	ret->n = d.w.n;
	return 0;
}
