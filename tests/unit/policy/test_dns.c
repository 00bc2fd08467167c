/* SPDX-License-Identifier: Apache-2.0 */
/* `dns:`: which names may be resolved, to what, and which resource a resolved name leads to. */
#include <arpa/inet.h>

#include "policy_util.h"

static const char text[] =
	"version: 1\n"
	"default: deny\n"
	"dns:\n"
	"  upstream: ['10.0.0.53', '10.0.0.54:5353', '[fd00::53]:53']\n"
	"  names: ['*.pypi.org', 'plain.example']\n"
	"resources:\n"
	"- {name: orders, at: ['orders.db.internal:5432', '10.7.7.7:5432'], protocol: postgres}\n"
	"- {name: any-db, at: '*.db.internal:5432', protocol: postgres}\n"
	"- {name: web, at: ['web.example:443', '0.0.0.0/0:443'], protocol: opaque}\n"
	"- {name: odd, at: ['orders.db.internal:*', '127.0.0.9:1'], protocol: opaque}\n"
	"- {name: inner, at: '192.168.5.0/24:80', protocol: opaque}\n";

static void addr_of(uint8_t addr[16], const char *host)
{
	memset(addr, 0, 16);
	addr[10] = addr[11] = 0xff;
	cr_assert_eq(inet_pton(AF_INET, host, addr + 12), 1);
}

static const char *find(
	const struct policy *p, const char *host, uint16_t port, const char *a, const char *b)
{
	const char *const names[] = {a, b};
	const struct resource *r;
	const char *name;
	uint8_t addr[16];

	addr_of(addr, host);
	r = policy_find_target(p, addr, port, names, !a ? 0 : !b ? 1 : 2, &name);
	return r ? r->name : name ? "ambiguous" : "none";
}

Test(policy_dns, name_leads_to_its_resource)
{
	struct policy *p = pt_policy(text);

	cr_expect_str_eq(find(p, "10.1.1.1", 5432, "x.db.internal", NULL), "any-db");
	cr_expect_str_eq(find(p, "10.1.1.1", 5433, "x.db.internal", NULL), "none");
	cr_expect_str_eq(
		find(p, "10.1.1.1", 5432, NULL, NULL), "none", "a bare address has no name");
	cr_expect_str_eq(find(p, "10.1.1.1", 5432, "db.internal", NULL), "none");
	cr_expect_str_eq(find(p, "8.8.8.8", 443, "web.example", NULL), "web");
	/* An entry of the address comes before any name, a name before a network. */
	cr_expect_str_eq(find(p, "10.7.7.7", 5432, "web.example", NULL), "orders");
	cr_expect_str_eq(find(p, "8.8.8.8", 443, "x.db.internal", NULL), "web");
	/* A name that is written out comes before a pattern; two protocols of one name are no
	 * answer. */
	cr_expect_str_eq(find(p, "10.1.1.1", 9999, "orders.db.internal", NULL), "odd");
	cr_expect_str_eq(find(p, "10.1.1.1", 5432, "orders.db.internal", NULL), "ambiguous");
	cr_expect_str_eq(find(p, "10.1.1.1", 443, "web.example", "orders.db.internal"), "web");
	policy_free(p);
}

Test(policy_dns, what_may_be_resolved)
{
	static const struct {
		const char *name;
		enum policy_name may;
	} rows[] = {
		{"orders.db.internal", POLICY_NAME_EXACT},
		{"web.example", POLICY_NAME_EXACT},
		{"x.db.internal", POLICY_NAME_PATTERN},
		{"files.pypi.org", POLICY_NAME_PATTERN},
		{"plain.example", POLICY_NAME_LISTED},
		{"pypi.org", POLICY_NAME_DENIED},
		{"db.internal", POLICY_NAME_DENIED},
		{"example", POLICY_NAME_DENIED},
		{"", POLICY_NAME_DENIED},
	};
	struct policy *p = pt_policy(text), *none = pt_policy("version: 1\ndefault: deny\n");

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_expect_eq(policy_may_resolve(p, rows[i].name), rows[i].may, "%s", rows[i].name);
		cr_expect_eq(policy_may_resolve(none, rows[i].name), POLICY_NAME_DENIED);
	}
	cr_expect(policy_resolves(p) && !policy_resolves(none));
	policy_free(p);
	policy_free(none);
}

Test(policy_dns, what_a_name_may_have_for_an_address)
{
	static const struct {
		const char *addr;
		bool exact, listed, pattern;
	} rows[] = {
		{"8.8.8.8", true, true, true},
		{"10.1.2.3", true, false, false},
		{"172.16.0.1", true, false, false},
		{"192.168.5.6", true, true, true}, /* an entry covers it */
		{"192.168.6.6", true, false, false},
		{"127.0.0.1", false, false, false},
		{"127.0.0.9", true, true, true},          /* an entry names it */
		{"169.254.169.254", false, false, false}, /* 0.0.0.0/0 does not cover it */
		{"0.0.0.0", false, false, false},
	};
	struct policy *p = pt_policy(text);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t addr[16];

		addr_of(addr, rows[i].addr);
		cr_expect_eq(policy_may_answer(p, POLICY_NAME_EXACT, addr), rows[i].exact, "%s",
			rows[i].addr);
		cr_expect_eq(policy_may_answer(p, POLICY_NAME_LISTED, addr), rows[i].listed, "%s",
			rows[i].addr);
		cr_expect_eq(policy_may_answer(p, POLICY_NAME_PATTERN, addr), rows[i].pattern, "%s",
			rows[i].addr);
		cr_expect_not(policy_may_answer(p, POLICY_NAME_DENIED, addr));
	}
	policy_free(p);
}

Test(policy_dns, upstreams_are_addresses)
{
	struct policy *p = pt_policy(text);
	size_t n;
	const struct endpoint *v = policy_upstreams(p, &n);

	cr_assert_eq(n, 3);
	cr_expect(v[0].port == 53 && v[1].port == 5353 && v[2].port == 53);
	policy_free(p);
}

Test(policy_dns, errors)
{
	static const struct {
		const char *dns, *want;
	} rows[] = {
		{"dns: {names: [a.b]}\n", "3:6: dns: key \"upstream\" is missing\n"},
		{"dns: {upstream: dns.example}\n", "3:17: upstream: \"dns.example\" is not the "
						   "address of a resolver: 10.0.0.53, "
						   "10.0.0.53:5353 or [fd00::53]\n"},
		{"dns: {upstream: 10.0.0.53, names: [A.b]}\n",
			"3:36: names: \"A.b\": a name has lower-case letters, digits, - _ and "
			"dots; * "
			"and ? stand for any\n"},
		{"resources: [{name: x, at: '*.a.b:1', protocol: opaque}]\n",
			"3:27: at: \"*.a.b\" is many names, which only `dns:` can tell\n"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char yaml[256], errors[1024];

		snprintf(yaml, sizeof(yaml), "version: 1\ndefault: deny\n%s", rows[i].dns);
		cr_expect_str_eq(
			pt_errors(yaml, POLICY_RESOLVE, errors, sizeof(errors)), rows[i].want);
	}
}
