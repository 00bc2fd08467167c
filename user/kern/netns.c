/* SPDX-License-Identifier: Apache-2.0 */
#include "kern/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "util/cleanup.h"

enum {
	NETNS_LOOPBACK = 1
}; /* the index of the loopback interface in each: the kernel's own rule */

int netns_call(int ns_fd, int (*fn)(void *arg), void *arg)
{
	_cleanup_(fd_closep) int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int r;

	if (home < 0 || setns(ns_fd, CLONE_NEWNET) < 0)
		return err_raise(-errno);
	r = fn(arg);
	require(!setns(home, CLONE_NEWNET));
	return r;
}

struct netns_wanted {
	int family, type, protocol;
};

static int netns_make(void *arg)
{
	const struct netns_wanted *w = arg;
	int fd = socket(w->family, w->type | SOCK_CLOEXEC, w->protocol);

	return fd < 0 ? -errno : fd;
}

int netns_socket(int ns_fd, int family, int type, int protocol)
{
	struct netns_wanted w = {.family = family, .type = type, .protocol = protocol};

	return netns_call(ns_fd, netns_make, &w);
}

int netns_cookie(int ns_fd, uint64_t *ret)
{
	_cleanup_(fd_closep) int fd = netns_socket(ns_fd, AF_UNIX, SOCK_DGRAM, 0);
	socklen_t len = sizeof(*ret);

	if (fd < 0)
		return err_trace(fd);
	return getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, ret, &len) < 0 ? err_raise(-errno) : 0;
}

/* By its number: there, others may have given the name to something else. */
int netns_raise_loopback(int ns_fd)
{
	_cleanup_(fd_closep) int fd = netns_socket(ns_fd, AF_INET, SOCK_DGRAM, 0);
	struct ifreq ifr = {.ifr_ifindex = NETNS_LOOPBACK};

	if (fd < 0)
		return err_trace(fd);
	if (ioctl(fd, SIOCGIFNAME, &ifr) < 0 || ioctl(fd, SIOCGIFFLAGS, &ifr) < 0)
		return err_raise(-errno);
	if (ifr.ifr_flags & IFF_UP)
		return 0;
	ifr.ifr_flags |= IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &ifr) < 0 ? err_raise(-errno) : 0;
}
