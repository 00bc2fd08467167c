/* SPDX-License-Identifier: Apache-2.0 */
/* Ways out over UDP, UDP-Lite, ICMP and raw IP: see probe.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "selftest/probe.h"
#include "util/cleanup.h"

enum {
	UDP_DNS_PORT = 53,
	UDP_QUIC_PORT = 853,
	UDP_MDNS_PORT = 5353,
	UDP_DISCARD_PORT = 9,
	PROTO_UDPLITE = 136,
};

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

static int udp_family(const struct probe_context *c)
{
	return probe_is_v6(c) ? AF_INET6 : AF_INET;
}

static int udp_open(const struct probe_context *c)
{
	return probe_socket(udp_family(c), SOCK_DGRAM, 0);
}

static int udp_failed(int fd)
{
	int r = -errno;

	close(fd);
	return r;
}

/* The mark to an address, and the answer. */
static int udp_send(const struct probe_context *c, int fd, const void *to, socklen_t len)
{
	if (fd < 0)
		return fd;
	if (sendto(fd, c->mark, strlen(c->mark), MSG_NOSIGNAL, to, len) < 0)
		return udp_failed(fd);
	return probe_hear(fd);
}

static int udp_connect_send(const struct probe_context *c, int fd, const void *to, socklen_t len)
{
	if (fd < 0)
		return fd;
	if (connect(fd, to, len) < 0)
		return udp_failed(fd);
	return udp_send(c, fd, NULL, 0);
}

int probe_udp_sendto(struct probe_context *c)
{
	return udp_send(c, udp_open(c), &c->to_udp, c->to_len);
}

int probe_udp_connected(struct probe_context *c)
{
	return udp_connect_send(c, udp_open(c), &c->to_udp, c->to_len);
}

int probe_udp_mapped(struct probe_context *c)
{
	const struct sockaddr_in6 to = probe_mapped(c, true);

	return udp_send(c, probe_socket(AF_INET6, SOCK_DGRAM, 0), &to, sizeof(to));
}

int probe_udp_mapped_connected(struct probe_context *c)
{
	const struct sockaddr_in6 to = probe_mapped(c, true);

	return udp_connect_send(c, probe_socket(AF_INET6, SOCK_DGRAM, 0), &to, sizeof(to));
}

int probe_udp_sendmmsg(struct probe_context *c)
{
	struct iovec iov = {.iov_base = c->mark, .iov_len = strlen(c->mark)};
	struct mmsghdr m = {.msg_hdr = {.msg_name = &c->to_udp,
				    .msg_namelen = c->to_len,
				    .msg_iov = &iov,
				    .msg_iovlen = 1}};
	int fd = udp_open(c);

	if (fd < 0)
		return fd;
	return sendmmsg(fd, &m, 1, 0) < 0 ? udp_failed(fd) : probe_hear(fd);
}

int probe_udp_pktinfo(struct probe_context *c)
{
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	} control = {0};
	struct iovec iov = {.iov_base = c->mark, .iov_len = strlen(c->mark)};
	struct msghdr m = {.msg_name = &c->to_udp,
		.msg_namelen = c->to_len,
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space};
	const struct in_pktinfo info4 = {.ipi_ifindex = (int)c->world->far_ifindex};
	const struct in6_pktinfo info6 = {.ipi6_ifindex = c->world->far_ifindex};
	size_t n = probe_is_v6(c) ? sizeof(info6) : sizeof(info4);
	int fd = udp_open(c);

	if (fd < 0)
		return fd;
	control.h.cmsg_level = probe_is_v6(c) ? IPPROTO_IPV6 : IPPROTO_IP;
	control.h.cmsg_type = probe_is_v6(c) ? IPV6_PKTINFO : IP_PKTINFO;
	control.h.cmsg_len = CMSG_LEN(n);
	memcpy(CMSG_DATA(&control.h), probe_is_v6(c) ? (const void *)&info6 : &info4, n);
	m.msg_controllen = CMSG_SPACE(n);
	return sendmsg(fd, &m, MSG_NOSIGNAL) < 0 ? udp_failed(fd) : probe_hear(fd);
}

int probe_udp_device(struct probe_context *c)
{
	char name[16];
	int fd = udp_open(c);

	snprintf(name, sizeof(name), "hfs%u", c->world->far_net);
	if (fd >= 0 &&
		setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name) + 1) < 0)
		return udp_failed(fd);
	return udp_send(c, fd, &c->to_udp, c->to_len);
}

int probe_udp_unspec(struct probe_context *c)
{
	struct sockaddr_in to;

	memcpy(&to, &c->to_udp, sizeof(to));
	to.sin_family = AF_UNSPEC;
	return udp_send(c, udp_open(c), &to, sizeof(to));
}

int probe_udp_reconnect(struct probe_context *c)
{
	const struct sockaddr unspec = {.sa_family = AF_UNSPEC};
	int fd = udp_open(c);

	if (fd < 0)
		return fd;
	/* Refused or not: the second one is what counts. */
	if (!connect(fd, (struct sockaddr *)&c->to_udp, c->to_len) &&
		connect(fd, &unspec, sizeof(unspec)) < 0)
		return udp_failed(fd);
	return udp_connect_send(c, fd, &c->to_udp, c->to_len);
}

int probe_udp_corked(struct probe_context *c)
{
	int fd = udp_open(c);

	if (fd < 0)
		return fd;
	if (sendto(fd, c->mark, strlen(c->mark), MSG_MORE, (struct sockaddr *)&c->to_udp,
		    c->to_len) < 0)
		return udp_failed(fd);
	return udp_send(c, fd, &c->to_udp, c->to_len);
}

int probe_udp_segmented(struct probe_context *c)
{
	const int size = (int)strlen(c->mark);
	int fd = udp_open(c);

	if (fd >= 0 && setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)) < 0)
		return udp_failed(fd);
	return udp_send(c, fd, &c->to_udp, c->to_len);
}

/* To whoever listens. Nobody answers, the capture on the far side hears it. */
static int udp_announce(const struct probe_context *c, int fd, const void *to, socklen_t len)
{
	int r = 0;

	if (sendto(fd, c->mark, strlen(c->mark), MSG_NOSIGNAL, to, len) < 0)
		r = -errno;
	close(fd);
	return r;
}

int probe_udp_broadcast(struct probe_context *c)
{
	struct sockaddr_in *to = (struct sockaddr_in *)&c->to_udp;
	const int on = 1;
	int fd = udp_open(c);

	if (fd < 0)
		return fd;
	if (setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)) < 0)
		return udp_failed(fd);
	to->sin_addr.s_addr |= htonl(3); /* of a /30 */
	return udp_announce(c, fd, to, sizeof(*to));
}

static int udp_multicast(struct probe_context *c, uint16_t port)
{
	const struct ip_mreqn leaf = {.imr_ifindex = (int)c->world->far_ifindex};
	const int index = (int)c->world->far_ifindex;
	struct sockaddr_in *v4 = (struct sockaddr_in *)&c->to_udp;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&c->to_udp;
	int fd = udp_open(c);

	if (fd < 0)
		return fd;
	if (probe_is_v6(c)) {
		inet_pton(AF_INET6, "ff02::fb", &v6->sin6_addr);
		v6->sin6_port = htons(port);
		if (setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, sizeof(index)) < 0)
			return udp_failed(fd);
	} else {
		inet_pton(AF_INET, "224.0.0.251", &v4->sin_addr);
		v4->sin_port = htons(port);
		if (setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &leaf, sizeof(leaf)) < 0)
			return udp_failed(fd);
	}
	return udp_announce(c, fd, &c->to_udp, c->to_len);
}

int probe_udp_multicast(struct probe_context *c)
{
	return udp_multicast(c, UDP_DISCARD_PORT);
}

int probe_dns_multicast(struct probe_context *c)
{
	return udp_multicast(c, UDP_MDNS_PORT);
}

/*
 * The kernel itself reports which groups a socket joins, to everybody on the wire, and the address
 * of a group is the agent's to choose. serve_note_group() reads it there.
 */
static void udp_group(const struct probe_context *c, struct sockaddr_storage *ret)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

	*ret = (struct sockaddr_storage){.ss_family = (sa_family_t)udp_family(c)};
	if (probe_is_v6(c)) {
		v6->sin6_addr.s6_addr[0] = 0xff;
		v6->sin6_addr.s6_addr[1] = 0x05;
		memcpy(v6->sin6_addr.s6_addr + 2, c->mark, strnlen(c->mark, 14));
	} else {
		v4->sin_addr.s_addr = htonl(239u << 24 | c->row << 8 | (uint32_t)c->guise);
	}
}

static int udp_set_group(struct probe_context *c, int name4, int name6, const void *v, size_t n)
{
	int fd = udp_open(c);

	if (fd < 0)
		return fd;
	if (setsockopt(fd, probe_is_v6(c) ? IPPROTO_IPV6 : IPPROTO_IP,
		    probe_is_v6(c) ? name6 : name4, v, (socklen_t)n) < 0)
		return udp_failed(fd);
	close(fd);
	return PROBE_OUT;
}

int probe_group_join(struct probe_context *c)
{
	struct ip_mreqn v4 = {.imr_ifindex = (int)c->world->far_ifindex};
	struct ipv6_mreq v6 = {.ipv6mr_interface = c->world->far_ifindex};
	struct sockaddr_storage group;

	udp_group(c, &group);
	v4.imr_multiaddr = ((struct sockaddr_in *)&group)->sin_addr;
	v6.ipv6mr_multiaddr = ((struct sockaddr_in6 *)&group)->sin6_addr;
	return udp_set_group(c, IP_ADD_MEMBERSHIP, IPV6_ADD_MEMBERSHIP,
		probe_is_v6(c) ? (const void *)&v6 : &v4, probe_is_v6(c) ? sizeof(v6) : sizeof(v4));
}

int probe_group_join_any(struct probe_context *c)
{
	struct group_req request = {.gr_interface = c->world->far_ifindex};

	udp_group(c, &request.gr_group);
	return udp_set_group(c, MCAST_JOIN_GROUP, MCAST_JOIN_GROUP, &request, sizeof(request));
}

/* From one source only: that is reported, too. */
int probe_group_join_source(struct probe_context *c)
{
	struct group_source_req request = {
		.gsr_interface = c->world->far_ifindex, .gsr_source = c->to_udp};

	udp_group(c, &request.gsr_group);
	return udp_set_group(
		c, MCAST_JOIN_SOURCE_GROUP, MCAST_JOIN_SOURCE_GROUP, &request, sizeof(request));
}

static int udp_at_port(struct probe_context *c, uint16_t port)
{
	((struct sockaddr_in *)&c->to_udp)->sin_port = htons(port);
	return probe_udp_sendto(c);
}

/* A name server inside may answer (the enforcer's own): what counts is whether this one was heard
 * outside, so that an answer alone is no way out. */
int probe_dns_udp(struct probe_context *c)
{
	int r = udp_at_port(c, UDP_DNS_PORT);

	return r || c->guise == GUISE_CONTROL ? r : probe_refused(c, "answered by the enforcer");
}

int probe_dns_quic(struct probe_context *c)
{
	return udp_at_port(c, UDP_QUIC_PORT);
}

int probe_udplite_sendto(struct probe_context *c)
{
	return udp_send(
		c, probe_socket(udp_family(c), SOCK_DGRAM, PROTO_UDPLITE), &c->to_udp, c->to_len);
}

int probe_udplite_connected(struct probe_context *c)
{
	return udp_connect_send(
		c, probe_socket(udp_family(c), SOCK_DGRAM, PROTO_UDPLITE), &c->to_udp, c->to_len);
}

int probe_inbound_udp(struct probe_context *c)
{
	int fd = udp_open(c);
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (fd < 0)
		return fd;
	((struct sockaddr_in *)&c->to_udp)->sin_port = htons(c->world->inbound_port);
	if (bind(fd, (struct sockaddr *)&c->to_udp, c->to_len) < 0)
		return udp_failed(fd);
	if (poll(&p, 1, 500) != 1) {
		close(fd);
		return probe_refused(c, "nobody came");
	}
	return probe_hear(fd);
}

/* ---- ICMP and raw IP --------------------------------------------------------------------------
 */

struct echo {
	uint8_t type, code;
	uint16_t check, id, sequence;
	char mark[PROBE_MARK_MAX];
};

static uint16_t udp_checksum(const void *p, size_t n)
{
	const uint16_t *words = p;
	uint32_t sum = 0;

	for (size_t i = 0; i < n / 2; i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~(sum + (sum >> 16));
}

static struct echo udp_echo(const struct probe_context *c)
{
	struct echo e = {.type = probe_is_v6(c) ? 128 : 8, .id = htons(7)};

	memcpy(e.mark, c->mark, sizeof(e.mark));
	if (!probe_is_v6(c)) /* the kernel fills in that of v6 */
		e.check = udp_checksum(&e, sizeof(e));
	return e;
}

static int udp_echo_by(const struct probe_context *c, int type)
{
	const struct echo e = udp_echo(c);
	struct sockaddr_storage to = c->to_udp;
	int fd = probe_socket(udp_family(c), type, probe_is_v6(c) ? IPPROTO_ICMPV6 : IPPROTO_ICMP);

	((struct sockaddr_in *)&to)->sin_port = 0;
	if (fd < 0)
		return fd;
	if (sendto(fd, &e, sizeof(e), 0, (struct sockaddr *)&to, c->to_len) < 0)
		return udp_failed(fd);
	return probe_hear(fd);
}

int probe_ping(struct probe_context *c)
{
	return udp_echo_by(c, SOCK_DGRAM);
}

int probe_raw_icmp(struct probe_context *c)
{
	return udp_echo_by(c, SOCK_RAW);
}

struct raw4 {
	struct iphdr ip;
	struct udphdr udp;
	char mark[PROBE_MARK_MAX];
};

struct raw6 {
	struct ip6_hdr ip;
	struct udphdr udp;
	char mark[PROBE_MARK_MAX];
};

/* Closes fd. */
static int udp_announce_raw(const struct probe_context *c, int fd,
	const struct sockaddr_storage *to, const void *packet, size_t n)
{
	int r = 0;

	if (sendto(fd, packet, n, 0, (const struct sockaddr *)to, c->to_len) < 0)
		r = -errno;
	close(fd);
	return r;
}

static struct udphdr udp_header(const struct probe_context *c)
{
	return (struct udphdr){.uh_sport = htons(7),
		.uh_dport = ((const struct sockaddr_in *)&c->to_udp)->sin_port,
		.uh_ulen = htons(sizeof(struct udphdr) + PROBE_MARK_MAX)};
}

/* That it went is enough: who can send with any header needs no answer. */
int probe_raw_header(struct probe_context *c)
{
	struct raw4 p4 = {.ip = {.version = 4,
				  .ihl = 5,
				  .ttl = 64,
				  .protocol = IPPROTO_UDP,
				  .tot_len = htons(sizeof(p4))},
		.udp = udp_header(c)};
	struct raw6 p6 = {.udp = udp_header(c)};
	struct sockaddr_storage to = c->to_udp;
	int fd = probe_socket(udp_family(c), SOCK_RAW, IPPROTO_RAW);

	if (fd < 0)
		return fd;
	p4.ip.daddr = ((struct sockaddr_in *)&to)->sin_addr.s_addr;
	p6.ip.ip6_flow = htonl(6u << 28);
	p6.ip.ip6_plen = htons(sizeof(p6) - sizeof(p6.ip));
	p6.ip.ip6_nxt = IPPROTO_UDP;
	p6.ip.ip6_hlim = 64;
	p6.ip.ip6_dst = ((struct sockaddr_in6 *)&to)->sin6_addr;
	memcpy(p4.mark, c->mark, sizeof(p4.mark));
	memcpy(p6.mark, c->mark, sizeof(p6.mark));
	((struct sockaddr_in *)&to)->sin_port = 0;
	return udp_announce_raw(c, fd, &to, probe_is_v6(c) ? (const void *)&p6 : &p4,
		probe_is_v6(c) ? sizeof(p6) : sizeof(p4));
}

int probe_raw_udp(struct probe_context *c)
{
	struct {
		struct udphdr udp;
		char mark[PROBE_MARK_MAX];
	} p = {.udp = udp_header(c)};
	struct sockaddr_storage to = c->to_udp;
	int fd = probe_socket(udp_family(c), SOCK_RAW, IPPROTO_UDP);

	if (fd < 0)
		return fd;
	memcpy(p.mark, c->mark, sizeof(p.mark));
	((struct sockaddr_in *)&to)->sin_port = 0;
	return udp_announce_raw(c, fd, &to, &p, sizeof(p));
}
