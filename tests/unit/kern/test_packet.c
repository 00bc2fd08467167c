/* SPDX-License-Identifier: Apache-2.0 */
/* The pure half of bpf/: what the backstop lets pass, and where a target's token lies. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <string.h>

#include "bpf/lib.bpf.h"

enum { PORT = 24871 };

static __u32 v4(const char *text)
{
	__u32 a;

	cr_assert(inet_pton(AF_INET, text, &a) == 1, "%s", text);
	return a;
}

static void words_of(__u32 ret[4], const char *text)
{
	cr_assert(inet_pton(AF_INET6, text, ret) == 1, "%s", text);
}

static struct packet4 packet4_of(const char *src, __u16 src_port, const char *dst, __u16 dst_port)
{
	return (struct packet4){
		.version_ihl = 0x45,
		.protocol = PROTO_TCP,
		.src = v4(src),
		.dst = v4(dst),
		.src_port = htons(src_port),
		.dst_port = htons(dst_port),
	};
}

static bool is_ours4(const struct packet4 *from, bool is_egress)
{
	struct packet p;

	return packet_of4(from, &p) && packet_is_ours(&p, is_egress, v4("127.64.0.0"), htons(PORT));
}

static bool is_ours6(const struct packet6 *from, bool is_egress)
{
	struct packet p;

	return packet_of6(from, &p) && packet_is_ours(&p, is_egress, v4("127.64.0.0"), htons(PORT));
}

Test(packet, v4_passes_only_between_agent_and_enforcer)
{
	static const struct {
		const char *src, *dst;
		__u16 src_port, dst_port;
		bool out, in;
	} rows[] = {
		{"127.0.0.1", "127.64.1.2", 40000, PORT, true, false},
		{"10.0.0.5", "127.127.255.255", 40000, PORT, true, false},
		{"127.64.1.2", "127.0.0.1", PORT, 40000, false, true},
		{"127.0.0.1", "127.0.0.1", 40000, PORT, false, false},
		{"127.0.0.1", "127.128.0.1", 40000, PORT, false, false},
		{"127.0.0.1", "127.63.255.255", 40000, PORT, false, false},
		{"127.0.0.1", "10.0.0.5", 40000, PORT, false, false},
		{"127.0.0.1", "127.64.1.2", 40000, 5432, false, false},
		{"127.0.0.1", "127.64.1.2", PORT, 5432, false, false},
		{"10.0.0.5", "127.0.0.1", PORT, 40000, false, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct packet4 p =
			packet4_of(rows[i].src, rows[i].src_port, rows[i].dst, rows[i].dst_port);

		cr_expect_eq(is_ours4(&p, true), rows[i].out, "row %zu out", i);
		cr_expect_eq(is_ours4(&p, false), rows[i].in, "row %zu in", i);
	}
}

Test(packet, v4_that_cannot_be_read_plainly_does_not_pass)
{
	struct packet4 good = packet4_of("127.0.0.1", 40000, "127.64.1.2", PORT), p;

	cr_assert(is_ours4(&good, true));
	p = good, p.version_ihl = 0x46; /* options */
	cr_expect_not(is_ours4(&p, true));
	p = good, p.version_ihl = 0x65;
	cr_expect_not(is_ours4(&p, true));
	p = good, p.fragment = htons(0x2000); /* more fragments */
	cr_expect_not(is_ours4(&p, true));
	p = good, p.fragment = htons(1); /* a later one: no ports in it */
	cr_expect_not(is_ours4(&p, true));
	p = good, p.fragment = htons(0x4000); /* do not fragment */
	cr_expect(is_ours4(&p, true));
	p = good, p.protocol = 1; /* ICMP */
	cr_expect_not(is_ours4(&p, true));
	p = good, p.protocol = PROTO_UDP; /* a question to a resolver */
	cr_expect(is_ours4(&p, true));
}

static struct packet6 packet6_of(const char *src, __u16 src_port, const char *dst, __u16 dst_port)
{
	struct packet6 p = {
		.version_flow = htonl(0x60000000),
		.next_header = PROTO_TCP,
		.src_port = htons(src_port),
		.dst_port = htons(dst_port),
	};

	words_of(p.src, src);
	words_of(p.dst, dst);
	return p;
}

Test(packet, v6_passes_only_between_agent_and_enforcer)
{
	struct packet6 out = packet6_of("fd00::1", 40000, "::1", PORT), p;
	struct packet6 in = packet6_of("::1", PORT, "fd00::1", 40000);

	cr_expect(is_ours6(&out, true));
	cr_expect(is_ours6(&in, false));
	cr_expect_not(is_ours6(&out, false));
	cr_expect_not(is_ours6(&in, true));
	p = packet6_of("::1", 40000, "fd00::1", PORT);
	cr_expect_not(is_ours6(&p, true));
	p = packet6_of("::1", 40000, "::ffff:127.64.1.2", PORT);
	cr_expect_not(is_ours6(&p, true));
	p = packet6_of("::1", 40000, "::1", 5432);
	cr_expect_not(is_ours6(&p, true));
}

/* Fast open: what a SYN carries is on its way before anybody has proved who listens. */
Test(packet, data_in_a_syn_is_seen)
{
	static const struct {
		__u8 flags, offset;
		__u16 n_tcp; /* header and data */
		bool is_syn, is_syn_ack, has_data;
	} rows[] = {
		{TCP_SYN, 5 << 4, 20, true, false, false},
		{TCP_SYN, 10 << 4, 40, true, false, false},
		{TCP_SYN, 10 << 4, 41, true, false, true},
		{TCP_SYN | TCP_ACK, 10 << 4, 40, false, true, false},
		{TCP_ACK, 8 << 4, 33, false, false, true},
		{0x04 /* RST */, 5 << 4, 20, false, false, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct packet4 v4 = packet4_of("127.0.0.1", 40000, "127.64.1.2", PORT);
		struct packet6 v6 = packet6_of("::1", 40000, "::1", PORT);
		struct packet p4, p6;

		v4.tcp.flags = v6.tcp.flags = rows[i].flags;
		v4.tcp.offset = v6.tcp.offset = rows[i].offset;
		v4.len = htons((__u16)(20 + rows[i].n_tcp));
		v6.payload_len = htons(rows[i].n_tcp);
		cr_assert(packet_of4(&v4, &p4) && packet_of6(&v6, &p6));
		cr_expect_eq(packet_is_syn(&p4), rows[i].is_syn, "row %zu", i);
		cr_expect_eq(packet_is_syn_ack(&p4), rows[i].is_syn_ack, "row %zu", i);
		cr_expect_eq(p4.has_data, rows[i].has_data, "row %zu", i);
		cr_expect_eq(p6.has_data, rows[i].has_data, "row %zu v6", i);
		cr_expect_eq(p6.flags, rows[i].flags, "row %zu v6", i);
	}
}

Test(packet, v6_extension_headers_do_not_pass)
{
	static const __u8 headers[] = {0, 43, 44, 50, 51, 60, 58};
	struct packet6 p = packet6_of("::1", 40000, "::1", PORT);

	for (size_t i = 0; i < sizeof(headers); i++) {
		p.next_header = headers[i];
		cr_expect_not(is_ours6(&p, true), "header %u", headers[i]);
	}
	p.next_header = PROTO_UDP; /* a question to a resolver */
	cr_expect(is_ours6(&p, true));
}

Test(packet, loopback_and_unspecified_are_known_in_both_forms)
{
	static const struct {
		const char *addr;
		bool is_loopback, is_any;
	} rows[] = {
		{"::1", true, false},
		{"::ffff:127.0.0.1", true, false},
		{"::ffff:127.255.1.2", true, false},
		{"::", false, true},
		{"::ffff:0.0.0.0", false, true},
		{"::127.0.0.1", false, false},
		{"::2", false, false},
		{"::ffff:126.0.0.1", false, false},
		{"1::", false, false},
		{"0:0:1::1", false, false},
		{"fe80::1", false, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		__u32 a[4];

		words_of(a, rows[i].addr);
		cr_expect_eq(addr_is_loopback(a), rows[i].is_loopback, "%s", rows[i].addr);
		cr_expect_eq(addr_is_any(a), rows[i].is_any, "%s", rows[i].addr);
	}
}

Test(packet, a_token_stays_in_its_network_and_depends_on_address_and_port)
{
	__u32 net = v4("127.64.0.0"), a[4], b[4];

	words_of(a, "::ffff:10.0.0.5");
	words_of(b, "::ffff:10.0.0.6");
	cr_expect_eq(token_of(net, a, htons(5432)), token_of(net, a, htons(5432)));
	cr_expect_neq(token_of(net, a, htons(5432)), token_of(net, a, htons(5433)));
	cr_expect_neq(token_of(net, a, htons(5432)), token_of(net, b, htons(5432)));
	for (unsigned i = 0; i < 65536; i++)
		cr_assert_eq(token_of(net, a, (__u16)i) & htonl(0xffc00000), net);
}

/* 4,000 neighbours in 2^22 places: by chance about two meet. A poor hash loses hundreds. */
Test(packet, neighbouring_targets_rarely_share_a_token)
{
	static __u8 seen[1 << 22];
	unsigned n_shared = 0;
	__u32 a[4];

	words_of(a, "::ffff:10.0.0.0");
	for (unsigned host = 0; host < 1000; host++)
		for (unsigned port = 5432; port < 5436; port++) {
			__u32 t;

			a[3] = htonl(0x0a000000 + host);
			t = ntohl(token_of(v4("127.64.0.0"), a, htons((__u16)port))) & TOKEN_MASK;
			n_shared += seen[t];
			seen[t] = 1;
		}
	cr_expect_lt(n_shared, 12, "%u", n_shared);
}
