/* SPDX-License-Identifier: Apache-2.0 */
#include "kern/unix_peer.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "kern/origin.h"
#include "util/cleanup.h"

struct peer_question {
	struct nlmsghdr head;
	struct unix_diag_req body;
};

/* What is known of one socket. */
struct peer_answer {
	uint64_t cookie;
	uint32_t peer; /* inode of the other end; 0: none */
};

int unix_peer_open(void)
{
	_cleanup_(fd_closep) int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	/* The kernel answers at once or not at all. */
	const struct timeval patience = {.tv_sec = 1};

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		return err_raise(-errno);
	return TAKE_FD(fd);
}

static ERR_CHECK int peer_read(const struct nlmsghdr *h, struct peer_answer *ret)
{
	const struct unix_diag_msg *m = NLMSG_DATA(h);
	const struct rtattr *a;
	int left;

	if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY || h->nlmsg_len < NLMSG_LENGTH(sizeof(*m)))
		return ORIGIN_E_NONE; /* an error of the kernel's: no such socket any more */
	*ret = (struct peer_answer){
		.cookie = (uint64_t)m->udiag_cookie[1] << 32 | m->udiag_cookie[0]};
	left = (int)(h->nlmsg_len - NLMSG_LENGTH(sizeof(*m)));
	a = (const struct rtattr *)(const void *)((const char *)m + NLMSG_ALIGN(sizeof(*m)));
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == UNIX_DIAG_PEER && RTA_PAYLOAD(a) >= sizeof(ret->peer))
			memcpy(&ret->peer, RTA_DATA(a), sizeof(ret->peer));
	return 0;
}

static ERR_CHECK int peer_ask(int fd, uint32_t inode, struct peer_answer *ret)
{
	const struct peer_question q = {
		.head = {.nlmsg_len = sizeof(q),
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST},
		.body = {.sdiag_family = AF_UNIX,
			.udiag_states = UINT32_MAX,
			.udiag_ino = inode,
			.udiag_show = UDIAG_SHOW_PEER,
			.udiag_cookie = {UINT32_MAX, UINT32_MAX}},
	};
	_Alignas(struct nlmsghdr) char answer[1024] = {0};
	const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)answer;
	ssize_t n;

	if (send(fd, &q, sizeof(q), 0) != sizeof(q))
		return err_raise(-errno);
	n = recv(fd, answer, sizeof(answer), 0);
	if (n < 0)
		return err_raise(-errno);
	return NLMSG_OK(h, (size_t)n) ? peer_read(h, ret) : err_raise(-EIO);
}

int unix_peer_asked(int origins_fd, uint64_t cookie, struct unix_origin *ret)
{
	if (bpf_map_lookup_elem(origins_fd, &cookie, ret))
		return errno == ENOENT ? ORIGIN_E_NONE : err_raise(-errno);
	return ret->origin.is_set && ret->len <= sizeof(ret->path) ? 0 : ORIGIN_E_NONE;
}

int unix_peer_origin(int diag_fd, int origins_fd, int accepted_fd, struct unix_origin *ret)
{
	struct peer_answer here = {0}, there = {0};
	struct stat st;
	int r;

	if (fstat(accepted_fd, &st) < 0)
		return err_raise(-errno);
	r = peer_ask(diag_fd, (uint32_t)st.st_ino, &here);
	if (!r)
		r = here.peer ? peer_ask(diag_fd, here.peer, &there) : ORIGIN_E_NONE;
	if (r)
		return r == ORIGIN_E_NONE ? r : err_trace(r);
	return unix_peer_asked(origins_fd, there.cookie, ret);
}
