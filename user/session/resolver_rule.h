/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the resolver asks of the policy, and tells the ledger. Refusals and answers are told once in
 * a while each, and so many a second.
 */
#pragma once

#include "proto/dns.h"
#include "session/enforcer.h"

struct worker;
struct endpoint;

enum { RESOLVER_PORT = 53 };

struct resolver_ruling {
	int may;         /* enum policy_name */
	const char *why; /* NULL: may be asked; else why not, and what the run is told: */
	enum dns_rcode rcode;
	enum dns_ede ede;
};

/* For dns_read_answer(). */
struct resolver_filter {
	struct worker *worker;
	int may;
};

/* What was told lately. */
enum { RESOLVER_TOLD = 512 };
struct resolver_told {
	struct {
		uint64_t key;
		int64_t until_ns;
	} v[RESOLVER_TOLD];
	uint64_t n; /* since the last tick */
};

/* Does the policy in force let runs resolve at all? */
bool resolver_is_on(const struct worker *w);
/* The n-th try goes there; false: nowhere. Port in host order. */
bool resolver_upstream(const struct worker *w, unsigned n, struct endpoint *ret);
/* is_odd: of a kind that is never answered. */
struct resolver_ruling resolver_rule(
	struct worker *w, const struct run_info *run, const struct dns_question *q, bool is_odd);
bool resolver_may(void *filter, const uint8_t addr[static 16]);

void resolver_tell_refusal(struct resolver_told *t, struct worker *w, const struct run_info *run,
	const struct dns_question *q, const char *why);
void resolver_tell_answer(struct resolver_told *t, struct worker *w, const struct run_info *run,
	const struct dns_question *q, const struct dns_answer *a);
/* Once a second. */
void resolver_told_tick(struct resolver_told *t, struct worker *w);
