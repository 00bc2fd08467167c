/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Pure predicates over addresses and packets: no helper, no map, no context. They compile for the
 * host too, where tests/unit/kern tries them. Addresses are four words in network order, v4 as
 * v4-mapped, so that one function serves both families.
 */
#pragma once

#include <stdbool.h>

#ifdef __bpf__
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#else
#include <linux/types.h>
#include <sys/cdefs.h>
#endif

#include "abi.h"

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BE32(x) __builtin_bswap32(x)
#define BE16(x) __builtin_bswap16(x)
#else
#define BE32(x) (x)
#define BE16(x) (x)
#endif

enum { PROTO_TCP = 6, PROTO_UDP = 17 };

/* A token network is a /10: 22 bits are left for the token. */
#define TOKEN_MASK 0x3fffffu

static __always_inline bool addr_is_mapped(const __u32 a[4])
{
	return !a[0] && !a[1] && a[2] == BE32(0xffff);
}

static __always_inline bool addr_is_loopback(const __u32 a[4])
{
	if (addr_is_mapped(a))
		return (a[3] & BE32(0xff000000)) == BE32(0x7f000000);
	return !a[0] && !a[1] && !a[2] && a[3] == BE32(1);
}

/* :: and 0.0.0.0, which the kernel takes for this host. */
static __always_inline bool addr_is_any(const __u32 a[4])
{
	return !a[3] && (addr_is_mapped(a) || (!a[0] && !a[1] && !a[2]));
}

/*
 * The loopback address that stands for a target: a hash of address and port alone, so that two
 * connects which would differ in their tuple without us still differ in it, and two that would
 * collide still collide. Who asked does not enter, or one socket too many would be allowed.
 * The mixer is murmur3's; an agent that searches for collisions only loses its own ports.
 */
static __always_inline __u32 token_of(__u32 net, const __u32 a[4], __u16 port)
{
	__u32 h = a[0] ^ (a[1] * 0x9e3779b1u) ^ (a[2] * 0x85ebca77u);

	h = (h ^ a[3]) * 0xcc9e2d51u;
	h = (h ^ (h >> 15) ^ port) * 0x85ebca6bu;
	h = (h ^ (h >> 13)) * 0xc2b2ae35u;
	h ^= h >> 16;
	return net | BE32(h & TOKEN_MASK);
}

/* Behind the ports of a TCP header. A UDP packet of that length has data of at least 8 bytes. */
struct tcp_start {
	__u32 seq, ack;
	__u8 offset, flags;
	__u16 window;
};
enum { TCP_SYN = 0x02, TCP_ACK = 0x10 };

/* The start of a packet, as far as the backstop reads it. */
struct packet4 {
	__u8 version_ihl, tos;
	__u16 len, id, fragment;
	__u8 ttl, protocol;
	__u16 check;
	__u32 src, dst;
	__u16 src_port, dst_port;
	struct tcp_start tcp;
};
_Static_assert(sizeof(struct packet4) == 36, "lib: packet4");

struct packet6 {
	__u32 version_flow;
	__u16 payload_len;
	__u8 next_header, hop_limit;
	__u32 src[4], dst[4];
	__u16 src_port, dst_port;
	struct tcp_start tcp;
};
_Static_assert(sizeof(struct packet6) == 56, "lib: packet6");

/* What both come down to, where nothing unusual is in them. */
struct packet {
	__u32 src[4], dst[4]; /* v4 as v4-mapped */
	__u16 src_port, dst_port;
	__u8 is_udp, flags; /* flags: of TCP */
	__u8 has_data;
	__u8 _pad;
};

static __always_inline bool packet_is_syn(const struct packet *p)
{
	return (p->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

static __always_inline bool packet_is_syn_ack(const struct packet *p)
{
	return (p->flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK);
}

/*
 * False: options (a source route changes where a packet goes), a fragment (no ports to read) or
 * another protocol, none of which may pass.
 */
static __always_inline bool packet_of4(const struct packet4 *from, struct packet *ret)
{
	if (from->version_ihl != 0x45 || (from->fragment & BE16(0x3fff)) ||
		(from->protocol != PROTO_TCP && from->protocol != PROTO_UDP))
		return false;
	ret->src[0] = ret->src[1] = ret->dst[0] = ret->dst[1] = 0;
	ret->src[2] = ret->dst[2] = BE32(0xffff);
	ret->src[3] = from->src;
	ret->dst[3] = from->dst;
	ret->src_port = from->src_port;
	ret->dst_port = from->dst_port;
	ret->is_udp = from->protocol == PROTO_UDP;
	ret->flags = ret->is_udp ? 0 : from->tcp.flags;
	ret->has_data = BE16(from->len) > 20 + (from->tcp.offset >> 4) * 4;
	ret->_pad = 0;
	return true;
}

/* The same for v6: any extension header is another next_header. */
static __always_inline bool packet_of6(const struct packet6 *from, struct packet *ret)
{
	if ((from->version_flow & BE32(0xf0000000)) != BE32(0x60000000) ||
		(from->next_header != PROTO_TCP && from->next_header != PROTO_UDP))
		return false;
	for (int i = 0; i < 4; i++) {
		ret->src[i] = from->src[i];
		ret->dst[i] = from->dst[i];
	}
	/* On the wire a mapped address is no IPv4 one, and would be taken for it. */
	if (addr_is_mapped(ret->src) || addr_is_mapped(ret->dst))
		return false;
	ret->src_port = from->src_port;
	ret->dst_port = from->dst_port;
	ret->is_udp = from->next_header == PROTO_UDP;
	ret->flags = ret->is_udp ? 0 : from->tcp.flags;
	ret->has_data = BE16(from->payload_len) > (from->tcp.offset >> 4) * 4;
	ret->_pad = 0;
	return true;
}

/*
 * Towards the enforcer (or from it): its side of the packet is a token address, or ::1, and its
 * port. The agent's side is not looked at, since a source bound before connect() stays what it was.
 */
static __always_inline bool packet_is_ours(
	const struct packet *p, bool is_egress, __u32 token_net, __u16 port)
{
	const __u32 *addr = is_egress ? p->dst : p->src;

	if ((is_egress ? p->dst_port : p->src_port) != port)
		return false;
	if (addr_is_mapped(addr))
		return (addr[3] & ~BE32(TOKEN_MASK)) == token_net;
	return addr_is_loopback(addr);
}
