/* SPDX-License-Identifier: Apache-2.0 */
/* Messages between the processes: see channel.h. */
#include "priv/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "util/cleanup.h"

/* The whole of what one process may make the other do. */
static const struct {
	enum channel_type type;
	unsigned phases;
	bool takes_fd;
} channel_table[] = {
	{CHANNEL_RUN_ADD, CHANNEL_IN_ENFORCER, false},
	{CHANNEL_RUN_END, CHANNEL_IN_ENFORCER, false},
	{CHANNEL_POLICY, CHANNEL_IN_ENFORCER, true},
	{CHANNEL_STOP, CHANNEL_IN_ENFORCER, false},
	{CHANNEL_BEGIN, CHANNEL_IN_ENFORCER, false},
	{CHANNEL_NETNS, CHANNEL_IN_ENFORCER, true},
	{CHANNEL_NETNS_END, CHANNEL_IN_ENFORCER, false},
	{CHANNEL_WANT_SOCKET, CHANNEL_AT_DOOR, false},
	{CHANNEL_SOCKET, CHANNEL_IN_WORKER, true},
	{CHANNEL_NO_SOCKET, CHANNEL_IN_WORKER, false},
	{CHANNEL_READY, CHANNEL_IN_WARDEN_STARTING, false},
	{CHANNEL_RUN_ADDED, CHANNEL_IN_WARDEN_STARTING | CHANNEL_IN_WARDEN, false},
	{CHANNEL_WANT_POLICY, CHANNEL_IN_WARDEN, false},
	{CHANNEL_POLICY_GOOD, CHANNEL_IN_WARDEN, false},
	{CHANNEL_POLICY_BAD, CHANNEL_IN_WARDEN, false},
	{CHANNEL_REACH, CHANNEL_IN_WARDEN_STARTING | CHANNEL_IN_WARDEN, true},
	{CHANNEL_SIGN, CHANNEL_IN_SIGNER, false},
	{CHANNEL_PRUNE, CHANNEL_IN_SIGNER, false},
	{CHANNEL_SEALED, CHANNEL_IN_SIGNER, false},
	{CHANNEL_NEWEST, CHANNEL_IN_SIGNER, false},
	{CHANNEL_SIGNED, CHANNEL_IN_SCRIBE, false},
	{CHANNEL_PRUNABLE, CHANNEL_IN_SCRIBE, false},
	{CHANNEL_KEPT, CHANNEL_IN_SCRIBE, false},
};

int channel_send(int channel, const struct channel_message *m, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)m, .iov_len = sizeof(*m)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd >= 0) {
		msg.msg_control = control.space;
		msg.msg_controllen = sizeof(control.space);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
	}
	if (sendmsg(channel, &msg, MSG_NOSIGNAL) != sizeof(*m))
		return CHANNEL_E_EOF;
	return 0;
}

static int channel_check(const struct channel_message *m, enum channel_phase phase, bool has_fd)
{
	for (size_t i = 0; i < sizeof(channel_table) / sizeof(channel_table[0]); i++)
		if (channel_table[i].type == m->type)
			return (channel_table[i].phases & phase) &&
					       channel_table[i].takes_fd == has_fd
				       ? 0
				       : CHANNEL_E_BAD;
	return CHANNEL_E_BAD;
}

int channel_receive(int channel, enum channel_phase phase, struct channel_message *ret, int *ret_fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = ret, .iov_len = sizeof(*ret)};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space)};
	_cleanup_(fd_closep) int fd = -1;
	struct cmsghdr *c;
	ssize_t n = recvmsg(channel, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	*ret_fd = -1;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? CHANNEL_E_AGAIN : CHANNEL_E_EOF;
	if (!n)
		return CHANNEL_E_EOF;
	c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(c), sizeof(int));
	if (phase & (CHANNEL_IN_ENFORCER | CHANNEL_IN_WARDEN_STARTING | CHANNEL_IN_WARDEN))
		ret->run.name[sizeof(ret->run.name) - 1] = 0;
	if (n != sizeof(*ret) || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) ||
		channel_check(ret, phase, fd >= 0))
		return CHANNEL_E_BAD;
	*ret_fd = TAKE_FD(fd);
	return 0;
}
