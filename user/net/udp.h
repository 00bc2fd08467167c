/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UDP: the resolver's side towards runs, where the address that a datagram was sent to says who
 * sent it and whom they meant, and its side towards other resolvers.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"
#include "util/slice.h"

/* Who sent a datagram, and to which of our addresses. Network order. */
struct udp_ends {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} peer;
	struct in_addr to; /* of IPv4; over IPv6 it is ::1 */
	uint32_t mark;     /* the packet's; 0: none */
};

enum { UDP_E_AGAIN = 1 }; /* nothing there */

/* A socket at the port, loopback interface only, v6: at ::1; reuse_port: one of several sharing it.
 * An fd, or -errno. */
int udp_listen(bool is_v6, uint16_t port, bool reuse_port);
/* A socket that speaks with this address alone, from a port of the kernel's choice. */
int udp_dial(const uint8_t addr[static 16], uint16_t port);
/* The next datagram, at most `max` bytes of it. 0, UDP_E_AGAIN, -errno. */
ERR_CHECK int udp_receive(int fd, uint8_t *buf, size_t max, size_t *ret_n, struct udp_ends *ret);
/* An answer: from the address that was asked. Lost ones are asked for again, so nobody is told. */
void udp_answer(int fd, struct slice s, const struct udp_ends *ends);
