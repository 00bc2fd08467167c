/* SPDX-License-Identifier: Apache-2.0 */
#include "net/udp.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "util/cleanup.h"
#include "util/log.h"

#ifndef SO_RCVMARK
#define SO_RCVMARK 75 /* Linux 5.19 */
#endif

int udp_listen(bool is_v6, uint16_t port, bool reuse_port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
		.sin6_port = htons(port),
		.sin6_addr = IN6ADDR_LOOPBACK_INIT};
	_cleanup_(fd_closep) int fd =
		socket(is_v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	const int on = 1, reuse = reuse_port, loopback = 1; /* its index, everywhere */
	int r;

	if (fd < 0)
		return err_raise(-errno);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &reuse, sizeof(reuse)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_RCVMARK, &on, sizeof(on)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &loopback, sizeof(loopback)) < 0)
		return err_raise(-errno);
	r = is_v6 ? setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on))
		  : setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
	if (!r)
		r = is_v6 ? bind(fd, (struct sockaddr *)&v6, sizeof(v6))
			  : bind(fd, (struct sockaddr *)&v4, sizeof(v4));
	if (r < 0)
		return err_raise(-errno);
	return TAKE_FD(fd);
}

int udp_dial(const uint8_t addr[static 16], uint16_t port)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	bool is_v4 = !memcmp(addr, mapped, sizeof(mapped));
	_cleanup_(fd_closep) int fd =
		socket(is_v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_raise(-errno);
	memcpy(&v4.sin_addr, addr + 12, 4);
	memcpy(&v6.sin6_addr, addr, 16);
	if (is_v4 ? connect(fd, (struct sockaddr *)&v4, sizeof(v4))
		  : connect(fd, (struct sockaddr *)&v6, sizeof(v6)))
		return -errno;
	return TAKE_FD(fd);
}

int udp_receive(int fd, uint8_t *buf, size_t max, size_t *ret_n, struct udp_ends *ret)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(uint32_t))];
	} control = {0};
	struct iovec iov = {.iov_base = buf, .iov_len = max};
	struct msghdr msg = {.msg_name = &ret->peer,
		.msg_namelen = sizeof(ret->peer),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space)};
	ssize_t n = recvmsg(fd, &msg, 0);
	struct in_pktinfo info = {0};

	ret->mark = 0;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? UDP_E_AGAIN : err_raise(-errno);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)
			memcpy(&info, CMSG_DATA(c), sizeof(info));
		else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_MARK)
			memcpy(&ret->mark, CMSG_DATA(c), sizeof(ret->mark));
	ret->to = info.ipi_addr;
	*ret_n = (size_t)n;
	return 0;
}

void udp_answer(int fd, struct slice s, const struct udp_ends *ends)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(struct in_pktinfo))];
	} control = {0};
	const struct in_pktinfo info = {.ipi_spec_dst = ends->to};
	bool is_v6 = ends->peer.any.sa_family == AF_INET6;
	struct udp_ends to = *ends;
	struct iovec iov = {.iov_base = (void *)(uintptr_t)s.p, .iov_len = s.n};
	struct msghdr msg = {.msg_name = &to.peer,
		.msg_namelen = is_v6 ? sizeof(to.peer.v6) : sizeof(to.peer.v4),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = is_v6 ? NULL : control.space,
		.msg_controllen = is_v6 ? 0 : sizeof(control.space)};

	control.header.cmsg_level = IPPROTO_IP;
	control.header.cmsg_type = IP_PKTINFO;
	control.header.cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(CMSG_DATA(&control.header), &info, sizeof(info));
	if (sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_debug("udp.answer", "errno=%d", errno);
}
