/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DNS messages, sans-I/O. Nothing of a message is passed on: a question is taken apart and asked
 * anew, an answer is taken apart and written anew from what is understood and allowed. What a
 * message holds besides (options, other sections, unknown records) ends here.
 *
 * Names are kept as text, in lower case, without a dot at the end, of letters, digits, - and _
 * only: what else a label may hold would read as something it is not.
 */
#pragma once

#include "util/err.h"
#include "util/slice.h"

enum {
	DNS_E_MALFORMED = 1, /* not a message that can be taken apart, or no answer to us */
	DNS_E_REFUSED = 2,   /* a question, but of a kind that nobody is answered */
	DNS_E_TRUNCATED = 3, /* the answer is longer than UDP carries: ask over TCP */
};

enum {
	DNS_NAME_MAX = 253,
	DNS_UDP_MAX = 1232, /* what crosses any path unfragmented */
	DNS_BODY_MAX = 16 * 1024,
	DNS_MESSAGE_MAX = 12 + DNS_NAME_MAX + 2 + 4 + DNS_BODY_MAX + 64,
	DNS_ADDRS_MAX = 32,
	DNS_CHAIN_MAX = 8, /* aliases behind one name */
};

enum dns_type {
	DNS_A = 1,
	DNS_CNAME = 5,
	DNS_PTR = 12,
	DNS_MX = 15,
	DNS_TXT = 16,
	DNS_AAAA = 28,
	DNS_SRV = 33,
	DNS_SVCB = 64,
	DNS_HTTPS = 65,
};

enum dns_rcode { DNS_OK, DNS_FORMERR, DNS_SERVFAIL, DNS_NXDOMAIN, DNS_NOTIMP, DNS_REFUSED };

/* Extended errors (RFC 8914). */
enum dns_ede {
	DNS_EDE_NONE = -1,
	DNS_EDE_BLOCKED = 15,
	DNS_EDE_PROHIBITED = 18,
	DNS_EDE_NETWORK = 23
};

struct dns_question {
	char name[DNS_NAME_MAX + 1]; /* "" is the root */
	uint16_t id, type;
	uint16_t udp_max; /* what the asker takes over UDP */
	uint8_t opcode;   /* 0 but in refusals */
	bool has_edns;
	struct slice echo; /* DNS_E_REFUSED: the question as it was put, in the message */
};

struct dns_addr {
	uint8_t addr[16]; /* v4 as v4-mapped */
	uint32_t ttl;
};

struct dns_answer {
	enum dns_rcode rcode;
	struct dns_addr addrs[DNS_ADDRS_MAX];
	size_t n_addrs;
	unsigned n_refused; /* addresses that `may` took out */
	uint16_t n_records;
	size_t n; /* bytes of body */
	uint8_t body[DNS_BODY_MAX];
};

/* May this address be an answer? */
struct dns_filter {
	void *arg;
	bool (*may)(void *arg, const uint8_t addr[static 16]);
};

/* "A", "AAAA", …; "TYPE257" for others. buf of at least 16. */
const char *dns_type_name(uint16_t type, char *buf);

/* Reads a client's question. DNS_E_REFUSED: *ret has its id, and its name and type where they could
 * be read. 0, DNS_E_MALFORMED, DNS_E_REFUSED. */
ERR_CHECK int dns_read_question(struct slice message, struct dns_question *ret);
/* The same question as our own, with this id. Bytes written; 0: it does not fit. */
size_t dns_write_query(const struct dns_question *q, uint16_t id, uint8_t *to, size_t max);
/* Reads what the upstream resolver says to it. 0, DNS_E_MALFORMED, DNS_E_TRUNCATED. */
ERR_CHECK int dns_read_answer(const struct dns_question *q, uint16_t id, struct slice message,
	const struct dns_filter *filter, struct dns_answer *ret);
/* Writes the answer for the client; where it is longer than max, a truncated one without records.
 * Bytes written; 0: max is too small for anything. */
size_t dns_write_answer(
	const struct dns_question *q, const struct dns_answer *a, uint8_t *to, size_t max);
/* A refusal, with an extended error where the client understands one. */
size_t dns_write_error(const struct dns_question *q, enum dns_rcode rcode, enum dns_ede ede,
	uint8_t *to, size_t max);

/* Does a label of it look like data in disguise: long, and with as many different characters as
 * random ones have? */
bool dns_looks_encoded(const char *name);
