/* SPDX-License-Identifier: Apache-2.0 */
/* Ways out over TCP: see probe.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/probe.h"
#include "util/cleanup.h"

enum { TCP_FLOOD_THREADS = 16, TCP_DNS_PORT = 53, TCP_DOT_PORT = 853, TCP_HTTPS_PORT = 443 };

#ifndef IPV6_UNICAST_IF
#define IPV6_UNICAST_IF 76
#endif

static int tcp_open(const struct probe_context *c)
{
	return probe_socket(probe_is_v6(c) ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
}

static int tcp_dial(const struct probe_context *c, int fd)
{
	if (connect(fd, (const struct sockaddr *)&c->to, c->to_len) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return probe_talk(c, fd);
}

int probe_tcp_connect(struct probe_context *c)
{
	int fd = tcp_open(c);

	return fd < 0 ? fd : tcp_dial(c, fd);
}

int probe_tcp_mapped(struct probe_context *c)
{
	const struct sockaddr_in6 to = probe_mapped(c, false);
	int fd = probe_socket(AF_INET6, SOCK_STREAM, 0);

	if (fd < 0)
		return fd;
	memcpy(&c->to, &to, sizeof(to));
	c->to_len = sizeof(to);
	return tcp_dial(c, fd);
}

int probe_tcp_bound(struct probe_context *c)
{
	struct sockaddr_storage any = {.ss_family = probe_is_v6(c) ? AF_INET6 : AF_INET};
	int fd = tcp_open(c);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&any, c->to_len) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd < 0 ? fd : tcp_dial(c, fd);
}

/* With an option set before; what refuses the option refuses the way out. */
static int tcp_with(
	const struct probe_context *c, int level, int name, const void *value, socklen_t n)
{
	int fd = tcp_open(c), r;

	if (fd < 0)
		return fd;
	if (setsockopt(fd, level, name, value, n) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return tcp_dial(c, fd);
}

int probe_tcp_device(struct probe_context *c)
{
	char name[16] = "lo";

	if (c->target & FAR)
		snprintf(name, sizeof(name), "hfs%u", c->world->far_net);
	return tcp_with(c, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name) + 1);
}

int probe_tcp_ifindex(struct probe_context *c)
{
	int index = (int)c->world->far_ifindex;

	return tcp_with(c, SOL_SOCKET, SO_BINDTOIFINDEX, &index, sizeof(index));
}

int probe_tcp_unicast_if(struct probe_context *c)
{
	uint32_t index = htonl(c->world->far_ifindex);

	return probe_is_v6(c) ? tcp_with(c, IPPROTO_IPV6, IPV6_UNICAST_IF, &index, sizeof(index))
			      : tcp_with(c, IPPROTO_IP, IP_UNICAST_IF, &index, sizeof(index));
}

int probe_tcp_nonblocking(struct probe_context *c)
{
	int fd = tcp_open(c), r = 0;
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	if (fd < 0)
		return fd;
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ||
		(connect(fd, (struct sockaddr *)&c->to, c->to_len) < 0 && errno != EINPROGRESS))
		r = -errno;
	if (!r && (poll(&p, 1, 1500) != 1 || fcntl(fd, F_SETFL, 0) < 0))
		r = -ETIMEDOUT;
	if (r) {
		close(fd);
		return r;
	}
	return probe_talk(c, fd);
}

int probe_tcp_fastopen_send(struct probe_context *c)
{
	int fd = tcp_open(c), r;

	if (fd < 0)
		return fd;
	if (sendto(fd, c->mark, strlen(c->mark), MSG_FASTOPEN | MSG_NOSIGNAL,
		    (struct sockaddr *)&c->to, c->to_len) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return probe_talk(c, fd);
}

int probe_tcp_fastopen_connect(struct probe_context *c)
{
	const int on = 1;

	return tcp_with(c, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof(on));
}

int probe_tcp_unspec(struct probe_context *c)
{
	const struct sockaddr unspec = {.sa_family = AF_UNSPEC};
	int fd = tcp_open(c);

	if (fd < 0)
		return fd;
	/* Whether it connects or not: the second one is what counts. */
	if (connect(fd, (struct sockaddr *)&c->to, c->to_len) < 0 && errno == EAFNOSUPPORT)
		return -errno;
	if (connect(fd, &unspec, sizeof(unspec)) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return tcp_dial(c, fd);
}

int probe_tcp_twice(struct probe_context *c)
{
	struct sockaddr_storage closed = c->to;
	int fd = tcp_open(c);

	if (fd < 0)
		return fd;
	/* Port 1 is nobody's; in both families the port is at the same place. */
	((struct sockaddr_in *)&closed)->sin_port = htons(1);
	if (!connect(fd, (struct sockaddr *)&closed, c->to_len)) {
		char byte;

		/* The enforcer took it; it is over once it says so. */
		if (recv(fd, &byte, 1, 0) < 0 && errno == EBADF)
			return -errno;
		close(fd);
		fd = tcp_open(c);
		if (fd < 0)
			return fd;
	}
	return tcp_dial(c, fd);
}

int probe_tcp_source_route(struct probe_context *c)
{
	const struct sockaddr_in *to = (const struct sockaddr_in *)&c->to;
	uint8_t option[8] = {131, 7, 4}; /* loose source route by way of the target */

	memcpy(option + 3, &to->sin_addr, 4);
	return tcp_with(c, IPPROTO_IP, IP_OPTIONS, option, sizeof(option));
}

int probe_tcp_routing_header(struct probe_context *c)
{
	const struct sockaddr_in6 *to = (const struct sockaddr_in6 *)&c->to;
	uint8_t header[24] = {0, 2, 4}; /* segment routing, one segment, none left */

	memcpy(header + 8, &to->sin6_addr, 16);
	return tcp_with(c, IPPROTO_IPV6, IPV6_RTHDR, header, sizeof(header));
}

int probe_tcp_repair(struct probe_context *c)
{
	const int on = 1, off = 0;
	int fd = tcp_open(c), r = 0;

	if (fd < 0)
		return fd;
	if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) < 0 ||
		connect(fd, (struct sockaddr *)&c->to, c->to_len) < 0 ||
		setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off)) < 0)
		r = -errno;
	/* Nobody over there knows of it; that the packet went is what counts. */
	if (!r && send(fd, c->mark, strlen(c->mark), MSG_NOSIGNAL) < 0 && errno == EPERM)
		r = -errno;
	close(fd);
	return r;
}

int probe_tcp_transparent(struct probe_context *c)
{
	const int on = 1;

	return tcp_with(c, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof(on));
}

int probe_tcp_any(struct probe_context *c)
{
	if (probe_is_v6(c))
		((struct sockaddr_in6 *)&c->to)->sin6_addr = in6addr_any;
	else
		((struct sockaddr_in *)&c->to)->sin_addr.s_addr = INADDR_ANY;
	return probe_tcp_connect(c);
}

static void *tcp_flood_one(void *arg)
{
	return probe_tcp_connect(arg) == PROBE_OUT ? arg : NULL;
}

int probe_tcp_flood(struct probe_context *c)
{
	pthread_t threads[TCP_FLOOD_THREADS];
	int n = 0, r = -ECONNRESET;

	while (n < TCP_FLOOD_THREADS && !pthread_create(&threads[n], NULL, tcp_flood_one, c))
		n++;
	for (int i = 0; i < n; i++) {
		void *is_out = NULL;

		if (!pthread_join(threads[i], &is_out) && is_out)
			r = PROBE_OUT;
	}
	return r;
}

static void *tcp_make_socket(void *arg)
{
	*(int *)arg = socket(*(int *)arg, SOCK_STREAM, 0);
	return NULL;
}

int probe_tcp_thread(struct probe_context *c)
{
	int fd = probe_is_v6(c) ? AF_INET6 : AF_INET;
	pthread_t thread;

	if (pthread_create(&thread, NULL, tcp_make_socket, &fd) || pthread_join(thread, NULL))
		return -EAGAIN;
	return fd < 0 ? -EACCES : tcp_dial(c, fd);
}

/* In a child after fn() prepared it: its result, which survives the death of the child. */
static int tcp_in_child(struct probe_context *c, int (*fn)(struct probe_context *c))
{
	int pair[2], r = -ECHILD;
	pid_t pid;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (!pid) {
		r = fn(c);
		if (write(pair[1], &r, sizeof(r)) < 0)
			_exit(1);
		_exit(0);
	}
	close(pair[1]);
	if (pid > 0 && read(pair[0], &r, sizeof(r)) != sizeof(r))
		r = -ECHILD;
	close(pair[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return r;
}

int probe_tcp_pidns(struct probe_context *c)
{
	if (unshare((c->guise == GUISE_CONTROL ? 0 : CLONE_NEWUSER) | CLONE_NEWPID | CLONE_NEWNS) <
		0)
		return c->guise == GUISE_CONTROL ? probe_tcp_connect(c) : -errno;
	return tcp_in_child(c, probe_tcp_connect);
}

int probe_tcp_cgroupns(struct probe_context *c)
{
	if (unshare((c->guise == GUISE_CONTROL ? 0 : CLONE_NEWUSER) | CLONE_NEWCGROUP) < 0)
		return c->guise == GUISE_CONTROL ? probe_tcp_connect(c) : -errno;
	return probe_tcp_connect(c);
}

/* Forks once more; the middle one ends first. */
static int tcp_orphan_child(struct probe_context *c)
{
	pid_t parent = getpid(), pid = fork();

	if (pid)
		_exit(0);
	for (int i = 0; getppid() == parent && i < 1000; i++)
		poll(NULL, 0, 1);
	return probe_tcp_connect(c);
}

int probe_tcp_orphan(struct probe_context *c)
{
	return tcp_in_child(c, tcp_orphan_child);
}

int probe_mptcp(struct probe_context *c)
{
	int fd = probe_socket(probe_is_v6(c) ? AF_INET6 : AF_INET, SOCK_STREAM, 262);

	return fd < 0 ? fd : tcp_dial(c, fd);
}

int probe_io_uring(struct probe_context *c)
{
	uint8_t params[120] = {0};
	long fd = syscall(SYS_io_uring_setup, 4, params);

	(void)c;
	if (fd < 0)
		return -errno;
	close((int)fd);
	return PROBE_OUT;
}

int probe_inbound_tcp(struct probe_context *c)
{
	_cleanup_(fd_closep) int fd = tcp_open(c);
	const int on = 1;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int peer;

	if (fd < 0)
		return fd;
	((struct sockaddr_in *)&c->to)->sin_port = htons(c->world->inbound_port);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		bind(fd, (struct sockaddr *)&c->to, c->to_len) < 0 || listen(fd, 4) < 0)
		return -errno;
	if (poll(&p, 1, 500) != 1)
		return probe_refused(c, "nobody came");
	peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	return peer < 0 ? -errno : probe_talk(c, peer);
}

static int tcp_at_port(struct probe_context *c, uint16_t port)
{
	((struct sockaddr_in *)&c->to)->sin_port = htons(port);
	return probe_tcp_connect(c);
}

int probe_dns_tcp(struct probe_context *c)
{
	return tcp_at_port(c, TCP_DNS_PORT);
}

int probe_dns_tls(struct probe_context *c)
{
	return tcp_at_port(c, TCP_DOT_PORT);
}

int probe_dns_https(struct probe_context *c)
{
	return tcp_at_port(c, TCP_HTTPS_PORT);
}
