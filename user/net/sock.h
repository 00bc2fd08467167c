/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets: the few calls that the relay and the servers need, non-blocking and close-on-exec. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/buf.h"
#include "util/err.h"

enum {
	SOCK_E_AGAIN = 1, /* would block */
	SOCK_E_EOF = 2,   /* the peer closed its side, or the connection is gone */
};

/* TCP listener; v6 only if is_v6. reuse_port: one of several sharing the port. An fd, or -errno. */
int sock_listen(bool is_v6, uint16_t port, bool reuse_port);
/* Unix SOCK_SEQPACKET listener at path (an old socket there is removed), mode as given; of each
 * packet it is told who sent it. */
int sock_listen_unix(const char *path, unsigned mode);
/* Who sent a packet, as the kernel says. That need not be who connected: descriptors are inherited,
 * and sent. pid 0: it is not of our pid namespace. */
struct sock_sender {
	int pid;
	uint32_t uid;
};
enum { SOCK_SENDER_SPACE = 32 }; /* of control data */
/* What is accepted from this listener says with each packet who sent it, from the first one on. */
ERR_CHECK int sock_want_sender(int listener);
/*
 * Nobody can send descriptors to this socket, or to what is accepted from it. Whoever receives a
 * message drops what came along with it, and to drop the last reference to a connection that
 * lingers is to wait for its other end: a thread of ours would stand still for as long as somebody
 * else likes. False: the kernel cannot (before 6.16).
 */
bool sock_refuse_rights(int fd);
/* Can this kernel? */
bool sock_may_refuse_rights(void);
struct msghdr;
/* False: it is not said. */
bool sock_sender_of(struct msghdr *msg, struct sock_sender *ret);
/* One packet, whole, its sender, and none of the descriptors that come along. As recv() with
 * MSG_TRUNC; *ret of pid 0 where it is not known. */
ssize_t sock_read_packet(int fd, void *buf, size_t max, struct sock_sender *ret);
/* Unix SOCK_STREAM listener at an abstract name, of n bytes with the NUL in front. An fd, -errno.
 */
int sock_listen_abstract(const char *name, size_t n);
/* Does the kernel give this port to whoever asks for none (net.ipv4.ip_local_port_range, without
 * ip_local_reserved_ports)? False where that cannot be told. */
bool sock_is_port_given_away(uint16_t port);
int sock_accept(int listener); /* fd, or -EAGAIN, or -errno */
/* Starts a TCP connect to a v6 or v4-mapped address. An fd (connect may be in progress), or -errno.
 */
int sock_dial(const uint8_t addr[static 16], uint16_t port);
/* The same with a socket that somebody made, in a network namespace of his choice: of this family,
 * non-blocking. Takes it. */
int sock_dial_on(int socket_fd, const uint8_t addr[static 16], uint16_t port);
int sock_dial_abstract(int socket_fd, const char *name); /* @name; a stream of AF_UNIX */
int sock_family(const uint8_t addr[static 16]);          /* AF_INET where it is v4-mapped */
/* The same to a unix socket: a path, or @name for an abstract one. The path is opened once, and
 * what was opened is dialled. */
int sock_dial_unix(const char *path);
/* Result of a connect that was in progress: 0 or a positive errno. */
int sock_connect_result(int fd);
/* TCP_NODELAY, keepalive, and SO_LINGER{1,0}: until a session ended well, its sockets reset, so
 * that a truncated answer never looks complete. */
void sock_tune(int fd);
/* After so many seconds of silence a connection is probed, and what keeps state between here and
 * there is reminded of it. For the whole process, before its first socket; 30 unless said. */
void sock_set_keepalive(unsigned idle_s);
/* From now on close() is an orderly FIN. */
void sock_end_well(int fd);

/* Reads once into b. 0, SOCK_E_AGAIN, SOCK_E_EOF, BUF_E_FULL mapped to SOCK_E_AGAIN by the caller's
 * own limits, -ENOMEM. *ret_n: bytes read. */
ERR_CHECK int sock_read(int fd, struct buf *b, size_t want, size_t *ret_n);
/* Writes what it can of s. 0 (*ret_n may be less), SOCK_E_AGAIN, SOCK_E_EOF. */
ERR_CHECK int sock_write(int fd, struct slice s, size_t *ret_n);

/* "10.0.0.5:5432", "[::1]:5432"; v4-mapped is shown as v4. buf of at least SOCK_NAME_MAX. */
enum { SOCK_NAME_MAX = 64 };
const char *sock_name(const uint8_t addr[static 16], uint16_t port, char *buf, size_t max);
