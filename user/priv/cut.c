/* SPDX-License-Identifier: Apache-2.0 */
/* Spoiling sockets: see cut.h. */
#include "priv/cut.h"

#include <dirent.h>
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/sock.h"
#include "util/cleanup.h"

const char *cut_kind(const struct sweep_socket *found)
{
	if (found->family == AF_UNIX)
		return "unix";
	if (found->family != AF_INET && found->family != AF_INET6)
		return "other";
	return found->type == SOCK_STREAM && found->protocol == IPPROTO_TCP  ? "tcp"
	       : found->type == SOCK_DGRAM && found->protocol == IPPROTO_UDP ? "udp"
									     : "other";
}

/* Beside is_on_its_way() of bpf/sweep.bpf.c, where it says why there are both. */
bool cut_is_ours(const struct sweep_socket *found)
{
	DIR *d = opendir("/proc/self/fd");
	const struct dirent *e;
	bool is_ours = false;
	struct stat st;

	while (d && !is_ours && (e = readdir(d)))
		is_ours = !fstatat(dirfd(d), e->d_name, &st, 0) && S_ISSOCK(st.st_mode) &&
			  st.st_ino == found->inode;
	if (d)
		closedir(d);
	return is_ours;
}

/* The descriptor, if it still is the socket that was found: numbers are used again. */
static int cut_take(const struct sweep_socket *found)
{
	_cleanup_(fd_closep) int pidfd = (int)syscall(SYS_pidfd_open, found->pid, 0);
	_cleanup_(fd_closep) int fd = -1;
	struct stat st;

	if (pidfd < 0)
		return -errno;
	fd = (int)syscall(SYS_pidfd_getfd, pidfd, found->fd, 0);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISSOCK(st.st_mode) || st.st_ino != found->inode)
		return -EBADF;
	return TAKE_FD(fd);
}

static void cut_name(int fd, char *target, size_t max)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct sockaddr_storage a = {0};
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&a;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&a;
	const struct sockaddr_un *un = (const struct sockaddr_un *)&a;
	socklen_t len = sizeof(a);
	uint8_t addr[16];

	snprintf(target, max, "-");
	if (getpeername(fd, (struct sockaddr *)&a, &len) < 0)
		return;
	if (a.ss_family == AF_INET) {
		memcpy(addr, mapped, sizeof(mapped));
		memcpy(addr + 12, &v4->sin_addr, 4);
		sock_name(addr, ntohs(v4->sin_port), target, max);
	} else if (a.ss_family == AF_INET6) {
		memcpy(addr, &v6->sin6_addr, 16);
		sock_name(addr, ntohs(v6->sin6_port), target, max);
	} else if (a.ss_family == AF_UNIX && len > sizeof(sa_family_t) && un->sun_path[0]) {
		snprintf(target, max, "%.48s", un->sun_path);
	}
}

void cut_target(const struct sweep_socket *found, char *target, size_t max)
{
	_cleanup_(fd_closep) int fd = cut_take(found);

	snprintf(target, max, "-");
	if (fd >= 0)
		cut_name(fd, target, max);
}

/* What drops all and cannot be taken off: ours, of this daemon or an earlier one. */
static bool cut_is_deaf(int fd)
{
	struct sock_filter have[2] = {{0}};
	socklen_t n = 2; /* instructions, not bytes */
	int is_locked = 0;
	socklen_t len = sizeof(is_locked);

	return !getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, have, &n) && n == 1 &&
	       have[0].code == (BPF_RET | BPF_K) && have[0].k == 0 &&
	       !getsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &is_locked, &len) && is_locked;
}

/* In this order: nothing is received from the first step on, so that a connection that was on its
 * way cannot come to be while the others are taken. */
static int cut_inet(int fd, bool is_tcp)
{
	struct sock_filter drop = {.code = BPF_RET | BPF_K, .k = 0};
	const struct sock_fprog filter = {.len = 1, .filter = &drop};
	const struct sockaddr unspec = {.sa_family = AF_UNSPEC};
	const int on = 1, loopback = 1; /* its index, in every network namespace */

	/* One that somebody else locked lets in what it pleases. */
	if ((setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) < 0 ||
		    setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof(on)) < 0) &&
		!cut_is_deaf(fd))
		return CUT_E_CANNOT;
	/* Resets a connection, ends a listener, throws away what was not sent yet. */
	if (is_tcp && connect(fd, &unspec, sizeof(unspec)) < 0)
		return CUT_E_CANNOT;
	/* Taking it off needs CAP_NET_RAW. What it would still send ends on this host. */
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &loopback, sizeof(loopback)) < 0)
		return CUT_E_CANNOT;
	/* A socket that is not connected says so, and is shut down all the same. */
	return shutdown(fd, SHUT_RDWR) < 0 && errno != ENOTCONN ? CUT_E_CANNOT : 0;
}

int cut_socket(const struct sweep_socket *found, char *target, size_t max)
{
	_cleanup_(fd_closep) int fd = cut_take(found);
	const char *kind = cut_kind(found);

	snprintf(target, max, "-");
	if (fd == -ESRCH || fd == -EBADF)
		return CUT_E_GONE;
	if (fd < 0)
		return err_raise(fd);
	cut_name(fd, target, max);
	if (!strcmp(kind, "unix"))
		return shutdown(fd, SHUT_RDWR) < 0 && errno != ENOTCONN ? CUT_E_CANNOT : 0;
	return strcmp(kind, "other") != 0 ? cut_inet(fd, !strcmp(kind, "tcp")) : CUT_E_CANNOT;
}
