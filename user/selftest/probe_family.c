/* SPDX-License-Identifier: Apache-2.0 */
/* Families and protocols that no hook sees, so that not even a socket of theirs may be made: see
 * probe.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "selftest/probe.h"

enum { FAMILY_SMC = 43, FAMILY_XDP = 44, FAMILY_QIPCRTR = 42, FAMILY_KCM = 41 };

static int family_open(int family, int type, int protocol)
{
	int fd = socket(family, type | SOCK_CLOEXEC, protocol);

	if (fd < 0)
		return -errno;
	close(fd);
	return PROBE_OUT;
}

/* Raw frames to everybody on the far side's wire. */
static int family_packet(const struct probe_context *c, int type)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_IP),
		.sll_ifindex = (int)c->world->far_ifindex,
		.sll_halen = ETH_ALEN};
	char frame[64] = {0};
	int fd = socket(AF_PACKET, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	memset(to.sll_addr, 0xff, ETH_ALEN);
	memset(frame, 0xff, ETH_ALEN);
	frame[12] = 0x08;
	memcpy(frame + 14, c->mark, strlen(c->mark));
	/* Who has the socket has the wire; without a far side nothing is sent. */
	if (to.sll_ifindex &&
		sendto(fd, frame, sizeof(frame), 0, (struct sockaddr *)&to, sizeof(to)) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	close(fd);
	return PROBE_OUT;
}

int probe_packet_raw(struct probe_context *c)
{
	return family_packet(c, SOCK_RAW);
}

int probe_packet_dgram(struct probe_context *c)
{
	return family_packet(c, SOCK_DGRAM);
}

int probe_packet_old(struct probe_context *c)
{
	(void)c;
	return family_open(AF_INET, SOCK_PACKET, htons(ETH_P_ALL));
}

static int family_ip(const struct probe_context *c, int type, int protocol)
{
	return family_open(probe_is_v6(c) ? AF_INET6 : AF_INET, type, protocol);
}

int probe_sctp(struct probe_context *c)
{
	return family_ip(c, SOCK_STREAM, IPPROTO_SCTP);
}

int probe_dccp(struct probe_context *c)
{
	return family_ip(c, SOCK_DCCP, IPPROTO_DCCP);
}

int probe_smc(struct probe_context *c)
{
	int r = family_open(FAMILY_SMC, SOCK_STREAM, probe_is_v6(c) ? 1 : 0);

	/* Newer kernels make it as a protocol of IP, too. */
	return r == -EAFNOSUPPORT ? family_ip(c, SOCK_STREAM, 256) : r;
}

#define FAMILY(id, family, type, protocol)                                                         \
	int probe_##id(struct probe_context *c)                                                    \
	{                                                                                          \
		(void)c;                                                                           \
		return family_open(family, type, protocol);                                        \
	}

FAMILY(vsock, AF_VSOCK, SOCK_STREAM, 0)
FAMILY(netlink_route, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)
FAMILY(netlink_generic, AF_NETLINK, SOCK_RAW, NETLINK_GENERIC)
FAMILY(netlink_uevent, AF_NETLINK, SOCK_DGRAM, NETLINK_KOBJECT_UEVENT)
FAMILY(xdp, FAMILY_XDP, SOCK_RAW, 0)
FAMILY(alg, AF_ALG, SOCK_SEQPACKET, 0)
FAMILY(bluetooth, AF_BLUETOOTH, SOCK_SEQPACKET, 0)
FAMILY(can, AF_CAN, SOCK_RAW, 1)
FAMILY(tipc, AF_TIPC, SOCK_SEQPACKET, 0)
FAMILY(rds, AF_RDS, SOCK_SEQPACKET, 0)
FAMILY(key, AF_KEY, SOCK_RAW, 2)
FAMILY(qipcrtr, FAMILY_QIPCRTR, SOCK_DGRAM, 0)
FAMILY(nfc, AF_NFC, SOCK_SEQPACKET, 0)
FAMILY(kcm, FAMILY_KCM, SOCK_DGRAM, 0)

/* The kernel reads 32 bits of the family, a filter may compare 64. */
int probe_family_high_bits(struct probe_context *c)
{
	long fd = syscall(SYS_socket, 1L << 32 | AF_NETLINK, (long)SOCK_RAW, (long)NETLINK_ROUTE);

	(void)c;
	if (fd < 0)
		return -errno;
	close((int)fd);
	return PROBE_OUT;
}
