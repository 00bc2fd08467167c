/* SPDX-License-Identifier: Apache-2.0 */
/* Where a connection wants to go → which resource that is. */
#include <arpa/inet.h>

#include "policy_util.h"

static const char text[] =
	"version: 1\n"
	"default: deny\n"
	"resources:\n"
	"- {name: all-v4, at: '0.0.0.0/0:5432', protocol: postgres}\n"
	"- {name: ten, at: ['10.0.0.0/8:*', '10.9.9.9:5432'], protocol: opaque}\n"
	"- {name: ten-pg, at: '10.0.0.0/8:5432', protocol: postgres}\n"
	"- {name: ten-one, at: '10.1.0.0/16:5432', protocol: postgres}\n"
	"- {name: host, at: '10.1.2.3:*', protocol: opaque}\n"
	"- {name: exact, at: ['10.1.2.3:5432', '[fd00::1]:5432'], protocol: postgres}\n"
	"- {name: six, at: ['[fd00::/9]:5432', 'unix:/run/x.sock'], protocol: postgres}\n"
	"- {name: all-v6, at: '[::/0]:5433', protocol: opaque}\n"
	"- {name: named-link, at: '169.254.7.0/24:5432', protocol: opaque}\n"
	"- {name: local, at: 'localhost:6000', protocol: postgres}\n";

static const char *find(const struct policy *p, const char *host, uint16_t port)
{
	uint8_t addr[16] = {[10] = 0xff, [11] = 0xff};
	const struct resource *r;

	if (strchr(host, ':'))
		cr_assert_eq(inet_pton(AF_INET6, host, addr), 1);
	else
		cr_assert_eq(inet_pton(AF_INET, host, addr + 12), 1);
	r = policy_find_resource(p, addr, port);
	return r ? r->name : "none";
}

static const struct {
	const char *host;
	uint16_t port;
	const char *want;
} rows[] = {
	{"10.1.2.3", 5432, "exact"},
	{"10.1.2.3", 5433, "host"},
	{"10.1.2.4", 5432, "ten-one"},
	{"10.1.2.4", 5433, "ten"},
	{"10.2.0.0", 5432, "ten-pg"},
	{"10.2.0.0", 1, "ten"},
	{"10.9.9.9", 5432, "ten"},
	{"10.9.9.9", 5433, "ten"},
	{"11.0.0.0", 5432, "all-v4"},
	{"11.0.0.0", 5433, "none"}, /* an IPv6 network has no IPv4 address in it */
	/* What only the enforcer's host means by it, a wide network never covers. */
	{"255.255.255.255", 5432, "none"},
	{"127.0.0.1", 5432, "none"},
	{"0.0.0.0", 5432, "none"},
	{"169.254.169.254", 5432, "none"},
	{"169.254.7.7", 5432, "named-link"},
	{"168.63.129.16", 5432, "none"},
	{"100.100.100.200", 5432, "none"},
	{"224.0.0.251", 5432, "none"},
	{"126.255.255.255", 5432, "all-v4"},
	{"169.253.0.1", 5432, "all-v4"},
	{"::1", 5433, "none"},
	{"fe80::1", 5433, "none"},
	{"fd00:ec2::254", 5433, "none"},
	{"64:ff9b::a9fe:a9fe", 5433, "none"},
	{"2002:7f00:1::", 5433, "none"},
	{"ff02::1", 5433, "none"},
	{"2001:db8::1", 5433, "all-v6"},
	{"fd00::1", 5432, "exact"},
	{"fd00::1", 5433, "all-v6"},
	{"fd7f::2", 5432, "six"},
	{"fd80::2", 5432, "none"},
	{"::ffff:10.1.2.3", 5432, "exact"},
	{"::a01:203", 5432, "none"},
	{"10.1.2.3", 0, "host"},
};

Test(policy_find, most_specific_network_then_port_wins)
{
	struct policy *p = pt_policy(text);

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		cr_expect_str_eq(find(p, rows[i].host, rows[i].port), rows[i].want, "%s:%u: %s",
			rows[i].host, rows[i].port, find(p, rows[i].host, rows[i].port));
	cr_expect_str_eq(find(p, "127.0.0.1", 6000), "none");
	policy_free(p);
}

Test(policy_find, names_are_resolved_at_load_when_asked)
{
	struct policy *p = NULL;
	struct diag d;

	diag_init(&d, "test.yaml", slice_str(text));
	cr_assert_eq(policy_load(slice_str(text), POLICY_RESOLVE, &d, &p), 0);
	cr_expect_str_eq(find(p, "127.0.0.1", 6000), "local");
	policy_free(p);
}

Test(policy_find, every_bit_of_a_prefix_counts)
{
	for (unsigned prefix = 1; prefix <= 32; prefix++) {
		uint32_t base = htonl(0xAAAAAAAAu & (UINT32_MAX << (32 - prefix)));
		/* Of /1 the last that is not multicast: that is nobody's but by name. */
		uint32_t in = ntohl(base) | (prefix == 1          ? 0xdfffffff
						    : prefix < 32 ? UINT32_MAX >> prefix
								  : 0);
		uint32_t out = ntohl(base) ^ (1u << (32 - prefix));
		char host[INET_ADDRSTRLEN], a[INET_ADDRSTRLEN], b[INET_ADDRSTRLEN], yaml[256];
		struct policy *p;

		in = htonl(in);
		out = htonl(out);
		inet_ntop(AF_INET, &base, host, sizeof(host));
		inet_ntop(AF_INET, &in, a, sizeof(a));
		inet_ntop(AF_INET, &out, b, sizeof(b));
		snprintf(yaml, sizeof(yaml),
			"version: 1\ndefault: deny\nresources: [{name: n, at: '%s/%u:1', protocol: "
			"postgres}]\n",
			host, prefix);
		p = pt_policy(yaml);
		cr_expect_str_eq(find(p, host, 1), "n", "/%u base", prefix);
		cr_expect_str_eq(find(p, a, 1), "n", "/%u last", prefix);
		cr_expect_str_eq(find(p, b, 1), "none", "/%u outside", prefix);
		policy_free(p);
	}
}

Test(policy_find, unix_sockets_are_listed_with_their_resources)
{
	struct policy *p =
		pt_policy("version: 1\ndefault: deny\nresources:\n"
			  "- {name: a, at: ['10.0.0.1:1', 'unix:/run/a'], protocol: opaque}\n"
			  "- {name: b, at: ['unix:@b', 'unix:/run/b'], protocol: opaque}\n");
	static const char *const want[][2] = {{"/run/a", "a"}, {"@b", "b"}, {"/run/b", "b"}};
	const struct resource *r;

	for (size_t i = 0; i < 3; i++) {
		cr_expect_str_eq(policy_unix(p, i, &r), want[i][0]);
		cr_expect_str_eq(r->name, want[i][1]);
	}
	cr_expect_null(policy_unix(p, 3, &r));
	policy_free(p);
}

Test(policy_find, by_name)
{
	struct policy *p = pt_policy(text);

	cr_expect_str_eq(policy_resource_by_name(p, SLICE_LIT("six"))->name, "six");
	cr_expect_null(policy_resource_by_name(p, SLICE_LIT("seven")));
	cr_expect_null(policy_resource_by_name(p, SLICE_NULL));
	policy_free(p);
}

Test(policy_find, endpoints_print_as_they_are_written)
{
	static const char *const same[] = {"10.0.0.5:5432", "10.0.0.0/8:*", "0.0.0.0/0:1",
		"[::1]:5432", "[fd00::/8]:65535", "[::/0]:*"};
	struct arena a;

	arena_init(&a, 65536);
	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++) {
		struct at at = {0};
		const char *why = NULL;
		char buf[80];

		cr_assert(at_parse(slice_str(same[i]), &a, &at, &why), "%s: %s", same[i], why);
		at_print(&at.endpoint, buf, sizeof(buf));
		cr_expect_str_eq(buf, same[i]);
	}
	arena_deinit(&a);
}
