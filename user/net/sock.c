/* SPDX-License-Identifier: Apache-2.0 */
/* Socket calls: see sock.h. */
#include "net/sock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "util/cleanup.h"
#include "util/log.h"

/* Younger than the headers that we are built with. */
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

enum { SOCK_BACKLOG = 1024, SOCK_LOOPBACK = 1 /* its index, in every network namespace */ };

static const uint8_t v4_mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

int sock_listen(bool is_v6, uint16_t port, bool reuse_port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	_cleanup_(fd_closep) int fd = -1;
	const int on = 1, reuse = reuse_port, loopback = SOCK_LOOPBACK;
	int r;

	fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_raise(-errno);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &reuse, sizeof(reuse));
	if (is_v6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	/* Only what the hooks sent over the loopback interface is ours; a neighbour's packet is
	 * not. By its number: in another namespace "lo" can be anything. */
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &loopback, sizeof(loopback)) < 0)
		return err_raise(-errno);
	r = is_v6 ? bind(fd, (struct sockaddr *)&sin6, sizeof(sin6))
		  : bind(fd, (struct sockaddr *)&sin, sizeof(sin));
	if (r < 0 || listen(fd, SOCK_BACKLOG) < 0)
		return err_raise(-errno);
	return TAKE_FD(fd);
}

static bool sock_read_setting(const char *path, char *text, size_t max)
{
	_cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, max - 1);

	text[n > 0 ? n : 0] = 0;
	return n > 0;
}

bool sock_is_port_given_away(uint16_t port)
{
	char range[64], reserved[4096], *rest = reserved, *one;
	unsigned first, last;

	if (!sock_read_setting("/proc/sys/net/ipv4/ip_local_port_range", range, sizeof(range)) ||
		sscanf(range, "%u %u", &first, &last) != 2 || port < first || port > last)
		return false;
	sock_read_setting("/proc/sys/net/ipv4/ip_local_reserved_ports", reserved, sizeof(reserved));
	while ((one = strsep(&rest, ","))) {
		int n = sscanf(one, "%u-%u", &first, &last);

		if (n > 0 && port >= first && port <= (n == 2 ? last : first))
			return false;
	}
	return true;
}

int sock_listen_unix(const char *path, unsigned mode)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	_cleanup_(fd_closep) int fd = -1;

	if (strlen(path) >= sizeof(sun.sun_path))
		return err_raise(-ENAMETOOLONG);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_raise(-errno);
	if (unlink(path) < 0 && errno != ENOENT)
		return err_raise(-errno);
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 || chmod(path, mode) < 0)
		return err_raise(-errno);
	if (sock_want_sender(fd))
		return err_raise(-ENOTSUP);
	if (!sock_refuse_rights(fd))
		log_warn("socket.rights", "path=%s: descriptors can be sent to it", path);
	if (listen(fd, 64) < 0)
		return err_raise(-errno);
	return TAKE_FD(fd);
}

_Static_assert(SOCK_SENDER_SPACE == CMSG_SPACE(sizeof(struct ucred)), "sock: room for a sender");

int sock_want_sender(int listener)
{
	const int on = 1;

	/* Inherited by what is accepted; a packet that was sent before that has it, too. */
	return setsockopt(listener, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0
		       ? err_raise(-errno)
		       : 0;
}

bool sock_refuse_rights(int fd)
{
	const int off = 0;

	return !setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off));
}

bool sock_may_refuse_rights(void)
{
	_cleanup_(fd_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && sock_refuse_rights(fd);
}

bool sock_sender_of(struct msghdr *msg, struct sock_sender *ret)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h; h = CMSG_NXTHDR(msg, h)) {
		struct ucred cred;

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_CREDENTIALS ||
			h->cmsg_len != CMSG_LEN(sizeof(cred)))
			continue;
		memcpy(&cred, CMSG_DATA(h), sizeof(cred));
		*ret = (struct sock_sender){.pid = cred.pid, .uid = cred.uid};
		return true;
	}
	return false;
}

ssize_t sock_read_packet(int fd, void *buf, size_t max, struct sock_sender *ret)
{
	/* No more room than for the one, so that the kernel drops descriptors. */
	union {
		struct cmsghdr align;
		char mem[SOCK_SENDER_SPACE];
	} control;
	struct iovec iov = {.iov_base = buf, .iov_len = max};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.mem,
		.msg_controllen = sizeof(control.mem)};
	ssize_t n = recvmsg(fd, &msg, MSG_TRUNC | MSG_CMSG_CLOEXEC);

	*ret = (struct sock_sender){0};
	if (n > 0 && !sock_sender_of(&msg, ret))
		ret->pid = 0;
	return n;
}

int sock_listen_abstract(const char *name, size_t n)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	_cleanup_(fd_closep) int fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);

	if (fd < 0 || n > sizeof(sun.sun_path))
		return err_raise(fd < 0 ? -errno : -ENAMETOOLONG);
	memcpy(sun.sun_path, name, n);
	/* Where the kernel cannot, runs may not linger: sandbox_enter_run(). */
	(void)sock_refuse_rights(fd);
	if (bind(fd, (struct sockaddr *)&sun, len) < 0 || listen(fd, SOCK_BACKLOG) < 0)
		return err_raise(-errno);
	return TAKE_FD(fd);
}

int sock_dial_abstract(int socket_fd, const char *name)
{
	_cleanup_(fd_closep) int fd = socket_fd;
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	size_t n = strlen(name);

	if (n >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	(void)sock_refuse_rights(fd);
	memcpy(sun.sun_path + 1, name + 1, n - 1);
	if (connect(fd, (struct sockaddr *)&sun,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int sock_dial_unix(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	_cleanup_(fd_closep) int at = -1;
	_cleanup_(fd_closep) int fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct stat st;

	if (fd < 0)
		return err_raise(-errno);
	if (*path == '@')
		return sock_dial_abstract(TAKE_FD(fd), path);
	at = open(path, O_PATH | O_CLOEXEC);
	if (at < 0 || fstat(at, &st) < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	(void)sock_refuse_rights(fd);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "/proc/self/fd/%d", at);
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int sock_accept(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int sock_family(const uint8_t addr[static 16])
{
	return !memcmp(addr, v4_mapped, sizeof(v4_mapped)) ? AF_INET : AF_INET6;
}

int sock_dial(const uint8_t addr[static 16], uint16_t port)
{
	int fd = socket(sock_family(addr), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? err_raise(-errno) : sock_dial_on(fd, addr, port);
}

int sock_dial_on(int socket_fd, const uint8_t addr[static 16], uint16_t port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	bool is_v4 = sock_family(addr) == AF_INET;
	_cleanup_(fd_closep) int fd = socket_fd;
	int r;

	memcpy(&sin.sin_addr, addr + 12, 4);
	memcpy(&sin6.sin6_addr, addr, 16);
	sock_tune(fd);
	r = is_v4 ? connect(fd, (struct sockaddr *)&sin, sizeof(sin))
		  : connect(fd, (struct sockaddr *)&sin6, sizeof(sin6));
	if (r < 0 && errno != EINPROGRESS)
		return -errno;
	return TAKE_FD(fd);
}

int sock_connect_result(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return errno;
	return error;
}

static int sock_keepalive_s = 30;

void sock_set_keepalive(unsigned idle_s)
{
	sock_keepalive_s = (int)idle_s;
}

void sock_tune(int fd)
{
	const int on = 1, idle = sock_keepalive_s, interval = (idle + 2) / 3;
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};

	/* Best effort: a socket without them still carries bytes. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
}

void sock_end_well(int fd)
{
	const struct linger fin = {.l_onoff = 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &fin, sizeof(fin));
}

int sock_read(int fd, struct buf *b, size_t want, size_t *ret_n)
{
	size_t space;
	uint8_t *p;
	ssize_t n;
	int r;

	*ret_n = 0;
	r = buf_reserve(b, want);
	if (r == BUF_E_FULL)
		return SOCK_E_AGAIN;
	if (r)
		return err_trace(r);
	p = buf_space(b, &space);
	n = recv(fd, p, space, 0);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? SOCK_E_AGAIN : SOCK_E_EOF;
	if (!n)
		return SOCK_E_EOF;
	buf_commit(b, (size_t)n);
	*ret_n = (size_t)n;
	return 0;
}

int sock_write(int fd, struct slice s, size_t *ret_n)
{
	ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);

	*ret_n = 0;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? SOCK_E_AGAIN : SOCK_E_EOF;
	*ret_n = (size_t)n;
	return 0;
}

const char *sock_name(const uint8_t addr[static 16], uint16_t port, char *buf, size_t max)
{
	char text[INET6_ADDRSTRLEN] = "?";

	if (!memcmp(addr, v4_mapped, sizeof(v4_mapped))) {
		inet_ntop(AF_INET, addr + 12, text, sizeof(text));
		snprintf(buf, max, "%s:%u", text, port);
	} else {
		inet_ntop(AF_INET6, addr, text, sizeof(text));
		snprintf(buf, max, "[%s]:%u", text, port);
	}
	return buf;
}
