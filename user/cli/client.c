/* SPDX-License-Identifier: Apache-2.0 */
/* Talking to the daemon: see client.h. */
#include "cli/client.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/utf8.h"

enum { CLIENT_FDS_MAX = 3, CLIENT_TEXT_MAX = 4000 };

static int client_set_patience(struct client *c, time_t seconds)
{
	const struct timeval t = {.tv_sec = seconds};

	return setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)) < 0 ||
			       setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t)) < 0
		       ? -errno
		       : 0;
}

void client_wait_for_ever(struct client *c)
{
	if (client_set_patience(c, 0))
		return; /* then it gives up sooner */
}

int client_open(struct client *c, const char *socket_name)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int size = 2 * CTL_PACKET_MAX;
	int n = snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%s", cli_dir(), socket_name);

	*c = (struct client){.fd = -1};
	if (n < 0 || (size_t)n >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	c->packet = malloc(CTL_PACKET_MAX);
	c->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (!c->packet || c->fd < 0)
		return c->packet ? -errno : -ENOMEM;
	/* A whole packet has to fit the send buffer; the kernel cuts this to what it allows. */
	if (setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) < 0 ||
		client_set_patience(c, CLIENT_PATIENCE_S))
		return -errno;
	if (!connect(c->fd, (struct sockaddr *)&addr, sizeof(addr)))
		return 0;
	if (errno == EACCES || errno == EPERM)
		return CLIENT_E_FORBIDDEN;
	if (errno == EAGAIN)
		return CLIENT_E_SILENT;
	return errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR ? CLIENT_E_DOWN
									    : -errno;
}

void client_deinit(struct client *c)
{
	c->fd = fd_close(c->fd);
	free(c->packet);
	c->packet = NULL;
}

int client_send(
	struct client *c, enum ctl_type type, struct slice body, const int *fds, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char mem[CMSG_SPACE(CLIENT_FDS_MAX * sizeof(int))];
	} control = {0};
	uint8_t header[CTL_HEADER_LEN];
	struct writer w = writer_of(header, sizeof(header));
	struct iovec iov[2] = {{header, sizeof(header)}, {(void *)(uintptr_t)body.p, body.n}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};

	if (body.n > CTL_PACKET_MAX - CTL_HEADER_LEN || n_fds > CLIENT_FDS_MAX)
		return CLIENT_E_TOO_BIG;
	wr_be16(&w, CTL_VERSION);
	wr_be16(&w, (uint16_t)type);
	if (n_fds) {
		struct cmsghdr *h;

		msg.msg_control = control.mem;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		h = CMSG_FIRSTHDR(&msg);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(h), fds, n_fds * sizeof(int));
	}
	/* Who refuses us says why and hangs up, maybe before we asked: the answer is there to read.
	 */
	if (sendmsg(c->fd, &msg, MSG_NOSIGNAL) >= 0 || errno == EPIPE || errno == ECONNRESET)
		return 0;
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return CLIENT_E_SILENT;
	return errno == EMSGSIZE ? CLIENT_E_TOO_BIG : -errno;
}

int client_read(struct client *c)
{
	struct reader r;
	uint16_t version;
	bool was_reset = false;
	ssize_t n;

	/* A peer that closed without having read our question: the kernel tells that first, and
	 * then gives out what the peer had said before. */
	do
		n = recv(c->fd, c->packet, CTL_PACKET_MAX, MSG_TRUNC);
	while (n < 0 &&
		(errno == EINTR || (errno == ECONNRESET && !was_reset && (was_reset = true))));
	if (n < 0)
		return errno == ECONNRESET                       ? CLIENT_E_GONE
		       : errno == EAGAIN || errno == EWOULDBLOCK ? CLIENT_E_SILENT
								 : -errno;
	if (!n)
		return CLIENT_E_GONE;
	if (n > CTL_PACKET_MAX)
		return CLIENT_E_BAD;
	r = reader_of(slice_of(c->packet, (size_t)n));
	version = rd_be16(&r);
	c->type = rd_be16(&r);
	c->body = rd_rest(&r);
	/* An error is readable in every version: it may be about just that. */
	return r.bad || (version != CTL_VERSION && c->type != CTL_ERROR) ? CLIENT_E_BAD : 0;
}

int client_explain(int r)
{
	switch (r) {
	case CLIENT_E_DOWN:
		return cli_fail(CLI_HOST,
			"holdfastd is not running (nothing listens in %s): start it with "
			"`systemctl start holdfast` or `holdfastd --config FILE`, or set "
			"HOLDFAST_DIR",
			cli_dir());
	case CLIENT_E_FORBIDDEN:
		return cli_fail(CLI_FORBIDDEN, "you may not talk to holdfastd: be root or a member "
					       "of its operators' group");
	case CLIENT_E_GONE:
		return cli_fail(CLI_FAILED, "holdfastd closed the connection without an answer");
	case CLIENT_E_BAD:
		return cli_fail(CLI_HOST, "holdfastd answered something that this holdfast does "
					  "not know: they are of "
					  "different versions; restart the daemon");
	case CLIENT_E_SILENT:
		return cli_fail(CLI_HOST,
			"holdfastd does not answer within %d s: its enforcer is stopped or "
			"overloaded; see `systemctl status holdfast` and its log",
			CLIENT_PATIENCE_S);
	case CLIENT_E_TOO_BIG:
		return cli_fail(CLI_USAGE, "that is too much to ask at once (over %d KiB)",
			CTL_PACKET_MAX / 1024);
	}
	return cli_fail(CLI_FAILED, "talking to holdfastd failed: %s", strerror(-r));
}

int client_explain_error(const struct client *c)
{
	static const enum cli_exit codes[] = {
		[CTL_ERR_VERSION] = CLI_HOST,
		[CTL_ERR_UNKNOWN] = CLI_FAILED,
		[CTL_ERR_FORBIDDEN] = CLI_FORBIDDEN,
		[CTL_ERR_NOT_FOUND] = CLI_NONE,
		[CTL_ERR_TOO_LATE] = CLI_NONE,
		[CTL_ERR_FAILED] = CLI_FAILED,
		[CTL_ERR_REASON] = CLI_USAGE,
	};
	struct reader r = reader_of(c->body);
	uint32_t code = rd_be32(&r);
	struct slice text = rd_be32_bytes(&r);

	if (r.bad)
		return client_explain(CLIENT_E_BAD);
	fflush(stdout);
	fputs("holdfast: ", stderr);
	utf8_print_safe(stderr, text, true, CLIENT_TEXT_MAX);
	fputc('\n', stderr);
	return code < sizeof(codes) / sizeof(codes[0]) && codes[code] ? (int)codes[code]
								      : CLI_FAILED;
}

json_t *client_json(const struct client *c)
{
	struct reader r = reader_of(c->body);
	struct slice text = rd_be32_bytes(&r);
	json_t *j = r.bad ? NULL : json_loadb((const char *)text.p, text.n, JSON_ALLOW_NUL, NULL);

	if (j && !json_is_object(j)) {
		json_decref(j);
		return NULL;
	}
	return j;
}

static int client_answers(struct client *c, int (*fn)(void *arg, json_t *answer), void *arg)
{
	int r, code = CLI_OK;

	for (;;) {
		_cleanup_(client_json_freep) json_t *j = NULL;

		r = client_read(c);
		if (r)
			return client_explain(r);
		if (c->type == CTL_END)
			return code;
		if (c->type == CTL_ERROR)
			return client_explain_error(c);
		j = c->type == CTL_DATA ? client_json(c) : NULL;
		if (!j)
			return client_explain(CLIENT_E_BAD);
		r = fn(arg, j);
		if (r == CLI_STOP)
			return code;
		if (code == CLI_OK)
			code = r;
	}
}

int client_ask(
	enum ctl_type type, struct slice body, int (*fn)(void *arg, json_t *answer), void *arg)
{
	_cleanup_(client_deinit) struct client c;
	int r = client_open(&c, CTL_SOCKET);

	if (!r)
		r = client_send(&c, type, body, NULL, 0);
	if (!r && type == CTL_WATCH)
		client_wait_for_ever(&c);
	return r ? client_explain(r) : client_answers(&c, fn, arg);
}
