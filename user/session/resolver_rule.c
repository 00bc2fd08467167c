/* SPDX-License-Identifier: Apache-2.0 */
#include "session/resolver_rule.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "session/worker.h"
#include "util/clock.h"
#include "util/writer.h"

#define TOLD_NS (30 * CLOCK_NS_PER_S)
enum { TOLD_A_TICK = 50, ADDRS_TOLD = 8 };

bool resolver_is_on(const struct worker *w)
{
	return policy_resolves(w->policy);
}

bool resolver_upstream(const struct worker *w, unsigned n, struct endpoint *ret)
{
	size_t n_upstreams;
	const struct endpoint *v = policy_upstreams(w->policy, &n_upstreams);

	if (!n_upstreams)
		return false;
	*ret = v[n % n_upstreams];
	return true;
}

struct resolver_ruling resolver_rule(
	struct worker *w, const struct run_info *run, const struct dns_question *q, bool is_odd)
{
	enum policy_name may = policy_may_resolve(w->policy, q->name);
	struct resolver_ruling r = {.may = may, .ede = DNS_EDE_BLOCKED, .rcode = DNS_REFUSED};
	bool is_made_up = may == POLICY_NAME_PATTERN;

	/* "No such name" rather than a refusal: a client's search list goes on to its next try. */
	if (!policy_resolves(w->policy)) {
		r.why = "the policy has no dns:";
	} else if (is_odd) {
		r.why = "not an ordinary question";
		r.ede = DNS_EDE_PROHIBITED;
	} else if (may == POLICY_NAME_DENIED) {
		r.why = "the policy does not name it";
		r.rcode = DNS_NXDOMAIN;
	} else if (is_made_up && dns_looks_encoded(q->name)) {
		r.why = "looks like encoded data";
	} else if (!names_may_ask(&w->enforcer->names, run->cgroup, q->name, is_made_up,
			   clock_mono_ns())) {
		r.why = "too many questions";
		r.ede = DNS_EDE_PROHIBITED;
	}
	return r;
}

bool resolver_may(void *filter, const uint8_t addr[static 16])
{
	const struct resolver_filter *f = filter;

	return policy_may_answer(f->worker->policy, (enum policy_name)f->may, addr);
}

/* Was the same told a moment ago, or too much else? */
static bool told_lately(
	struct resolver_told *t, const struct run_info *run, const struct dns_question *q, int what)
{
	uint64_t key = hash_bytes(slice_str(q->name)) ^ run->id * 0x9e3779b97f4a7c15u ^
		       (uint64_t)q->type << 8 ^ (uint64_t)what;
	int64_t now = clock_mono_ns();
	size_t at = key % RESOLVER_TOLD;

	if (t->v[at].key == key && now < t->v[at].until_ns)
		return true;
	t->v[at].key = key;
	t->v[at].until_ns = now + TOLD_NS;
	return t->n++ >= TOLD_A_TICK;
}

void resolver_tell_refusal(struct resolver_told *t, struct worker *w, const struct run_info *run,
	const struct dns_question *q, const char *why)
{
	char type[16];

	if (!told_lately(t, run, q, 'r'))
		worker_event(w, "dns-denied", run->id, 0, "name=%s type=%s why=\"%s\"", q->name,
			dns_type_name(q->type, type), why);
}

void resolver_tell_answer(struct resolver_told *t, struct worker *w, const struct run_info *run,
	const struct dns_question *q, const struct dns_answer *a)
{
	char type[16], text[ADDRS_TOLD * 48 + 8];
	struct writer out = writer_of((uint8_t *)text, sizeof(text) - 1);

	if (a->n_refused && !told_lately(t, run, q, 'f'))
		worker_event(w, "dns-denied", run->id, 0,
			"name=%s type=%s why=\"%u addresses that the policy does not name\"",
			q->name, dns_type_name(q->type, type), a->n_refused);
	if (!a->n_addrs || told_lately(t, run, q, 'a'))
		return;
	for (size_t i = 0; i < a->n_addrs && i < ADDRS_TOLD; i++) {
		const uint8_t *addr = a->addrs[i].addr;
		char one[INET6_ADDRSTRLEN] = "";

		if (q->type == DNS_A)
			inet_ntop(AF_INET, addr + 12, one, sizeof(one));
		else
			inet_ntop(AF_INET6, addr, one, sizeof(one));
		wr_str(&out, i ? "," : "");
		wr_str(&out, one);
	}
	text[out.n] = '\0';
	worker_event(w, "dns-resolved", run->id, 0, "name=%s addresses=%s", q->name, text);
}

void resolver_told_tick(struct resolver_told *t, struct worker *w)
{
	if (t->n > TOLD_A_TICK)
		worker_event(w, "dns-denied", 0, 0, "%llu more names, not listed",
			(unsigned long long)(t->n - TOLD_A_TICK));
	t->n = 0;
}
