/* SPDX-License-Identifier: Apache-2.0 */
/* Servers and capture: see world_serve.h. */
#include "selftest/world_serve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/clock.h"

enum { SERVE_TICK_MS = 40, SERVE_BACKLOG = 64, SERVE_TRIES = 20 };

static const char serve_answer[] = "welcome outside";

static int serve_add(struct world_sockets *s, int fd, enum world_kind kind)
{
	if (fd < 0)
		return fd;
	if (s->n >= WORLD_SOCKETS_MAX) {
		close(fd);
		return -EMFILE;
	}
	s->kinds[s->n] = kind;
	s->polls[s->n++] = (struct pollfd){.fd = fd, .events = POLLIN};
	return 0;
}

static void serve_drop(struct world_sockets *s, unsigned i)
{
	close(s->polls[i].fd);
	s->n--;
	s->polls[i] = s->polls[s->n];
	s->kinds[i] = s->kinds[s->n];
}

void world_serve_close(struct world_sockets *s)
{
	while (s->n)
		serve_drop(s, 0);
	s->near_netns = fd_close(s->near_netns > 0 ? s->near_netns : -1);
}

/* ---- opening ----------------------------------------------------------------------------------
 */

static int serve_bind(const void *addr, socklen_t len, int type)
{
	const struct sockaddr *a = addr;
	const int on = 1;
	int fd = socket(a->sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if ((a->sa_family == AF_INET6 &&
		    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0) ||
		(a->sa_family != AF_UNIX && type == SOCK_STREAM &&
			setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0) ||
		bind(fd, addr, len) < 0 || (type != SOCK_DGRAM && listen(fd, SERVE_BACKLOG) < 0)) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

static int serve_ip(struct world_sockets *s, bool is_v6, bool is_any, int type, uint16_t port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(is_any ? INADDR_ANY : INADDR_LOOPBACK)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd;

	v6.sin6_addr = is_any ? in6addr_any : in6addr_loopback;
	fd = is_v6 ? serve_bind(&v6, sizeof(v6), type) : serve_bind(&v4, sizeof(v4), type);
	return serve_add(s, fd, type == SOCK_STREAM ? WORLD_LISTENER : WORLD_DATAGRAM);
}

static int serve_unix(struct world_sockets *s, const char *dir, const char *name, int type)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int r;

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s", dir, name);
	r = serve_add(s, serve_bind(&a, sizeof(a), type),
		type == SOCK_DGRAM ? WORLD_DATAGRAM : WORLD_LISTENER);
	/* Anyone may connect: what stops a run is not to be the mode of a file. */
	return r ? r : chmod(a.sun_path, 0666) < 0 ? -errno : 0;
}

static int serve_abstract(struct world_sockets *s, const char *dir)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int n = snprintf(a.sun_path + 1, sizeof(a.sun_path) - 1, "%s/abstract", dir);

	return serve_add(s,
		serve_bind(&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n),
			SOCK_STREAM),
		WORLD_LISTENER);
}

/* One port, free for both kinds in both families. */
static int serve_loopback(struct world_sockets *s, struct probe_world *w)
{
	static const struct {
		bool is_v6;
		int type;
	} all[] = {
		{false, SOCK_STREAM}, {true, SOCK_STREAM}, {false, SOCK_DGRAM}, {true, SOCK_DGRAM}};
	int r = -EADDRINUSE;

	for (unsigned try = 0; r == -EADDRINUSE && try < SERVE_TRIES; try++) {
		uint16_t port = (uint16_t)(10000 + (unsigned)(clock_mono_ns() / 1000) % 20000);

		r = 0;
		for (size_t i = 0; !r && i < sizeof(all) / sizeof(all[0]); i++)
			r = serve_ip(s, all[i].is_v6, false, all[i].type, port);
		if (r)
			while (s->n)
				serve_drop(s, 0);
		w->tcp_port = w->udp_port = port;
		w->inbound_port = port + 1;
	}
	return r;
}

int world_serve_near(struct world_sockets *s, struct probe_world *w)
{
	int r;

	s->near_netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	r = s->near_netns < 0 ? -errno : serve_loopback(s, w);
	if (!r)
		r = serve_unix(s, w->dir, "stream", SOCK_STREAM);
	if (!r)
		r = serve_unix(s, w->dir, "seqpacket", SOCK_SEQPACKET);
	if (!r)
		r = serve_unix(s, w->dir, "dgram", SOCK_DGRAM);
	if (!r)
		r = serve_abstract(s, w->dir);
	return r ? err_raise(r) : 0;
}

int world_serve_far(struct world_sockets *s, const struct probe_world *w)
{
	static const uint16_t tcp[] = {53, 443, 853}, udp[] = {53, 853};
	int r = 0;

	for (int v6 = 0; !r && v6 < 2; v6++) {
		r = serve_ip(s, v6, true, SOCK_STREAM, w->tcp_port);
		if (!r)
			r = serve_ip(s, v6, true, SOCK_DGRAM, w->udp_port);
		for (size_t i = 0; !r && i < sizeof(tcp) / sizeof(tcp[0]); i++)
			r = serve_ip(s, v6, true, SOCK_STREAM, tcp[i]);
		for (size_t i = 0; !r && i < sizeof(udp) / sizeof(udp[0]); i++)
			r = serve_ip(s, v6, true, SOCK_DGRAM, udp[i]);
	}
	if (!r)
		r = serve_add(s,
			socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
				htons(ETH_P_ALL)),
			WORLD_CAPTURE);
	return r ? err_raise(r) : 0;
}

/* ---- serving ----------------------------------------------------------------------------------
 */

/* "HFESC 017 1." anywhere in what arrived. */
static void serve_note(struct world_log *log, const char *bytes, size_t n)
{
	const char *at = memmem(bytes, n, "HFESC ", 6);
	char text[PROBE_MARK_MAX];
	unsigned row, guise;
	size_t left;

	if (!at)
		return;
	left = n - (size_t)(at - bytes);
	if (left >= sizeof(text))
		left = sizeof(text) - 1;
	memcpy(text, at, left);
	text[left] = 0;
	if (sscanf(text, "HFESC %u %u.", &row, &guise) == 2 && row < PROBE_ROWS_MAX &&
		guise < GUISE_N)
		atomic_fetch_add(&log->received[guise][row], 1);
}

/* 239.x.x.x in a report of multicast groups: the last bytes say who joined it (probe_udp.c). */
static void serve_note_group(struct world_log *log, const uint8_t group[4])
{
	unsigned row = (unsigned)group[1] << 8 | group[2], guise = group[3];

	if (group[0] == 239 && row < PROBE_ROWS_MAX && guise < GUISE_N)
		atomic_fetch_add(&log->received[guise][row], 1);
}

/* IGMP, where the kernel tells what sockets join. Of MLD the mark itself is the group's address. */
static void serve_note_groups(struct world_log *log, const uint8_t *p, size_t n)
{
	enum { IGMP_V3_REPORT = 0x22, IGMP_HEAD = 8, IGMP_RECORD = 8 };
	size_t at = n ? (size_t)(p[0] & 15) * 4 : 0;

	if (n < 20 || p[0] >> 4 != 4 || p[9] != IPPROTO_IGMP || n < at + IGMP_HEAD)
		return;
	if (p[at] != IGMP_V3_REPORT) {
		serve_note_group(log, p + at + 4);
		return;
	}
	for (at += IGMP_HEAD; n >= at + IGMP_RECORD;) {
		serve_note_group(log, p + at + 4);
		/* Behind it as many sources and words as its head says. */
		at += IGMP_RECORD + 4u * (p[at + 1] + (p[at + 2] << 8 | p[at + 3]));
	}
}

bool world_is_noise(const uint8_t *p, size_t n)
{
	size_t at = 40;
	uint8_t next;

	if (n < 20)
		return true;
	if (p[0] >> 4 == 4)
		return p[9] == IPPROTO_IGMP;
	if (p[0] >> 4 != 6 || n < 48)
		return true; /* ARP, 802.1X and kin: no packet of IP */
	next = p[6];
	if (next == IPPROTO_HOPOPTS && n > 48) { /* listener reports carry one */
		next = p[40];
		at = 48;
	}
	/* Router and neighbour discovery (133–137), listener reports (130–132, 143). */
	return next == IPPROTO_ICMPV6 && at < n && ((p[at] >= 130 && p[at] <= 137) || p[at] == 143);
}

static void serve_describe(struct world_log *log, const uint8_t *p, size_t n)
{
	char from[INET6_ADDRSTRLEN] = "", to[INET6_ADDRSTRLEN] = "";
	bool is_v6 = p[0] >> 4 == 6;

	if (n < (is_v6 ? 40 : 20))
		return;
	inet_ntop(is_v6 ? AF_INET6 : AF_INET, p + (is_v6 ? 8 : 12), from, sizeof(from));
	inet_ntop(is_v6 ? AF_INET6 : AF_INET, p + (is_v6 ? 24 : 16), to, sizeof(to));
	snprintf(log->first_packet, sizeof(log->first_packet), "%s > %s protocol %u", from, to,
		p[is_v6 ? 6 : 9]);
}

static void serve_capture(int fd, struct world_log *log)
{
	uint8_t packet[2048];
	struct sockaddr_ll from = {0};
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(fd, packet, sizeof(packet), 0, (struct sockaddr *)&from, &len);
	unsigned phase = atomic_load(&log->is_run_phase);

	if (n <= 0 || from.sll_pkttype == PACKET_OUTGOING || from.sll_hatype != 1)
		return;
	serve_note(log, (const char *)packet, (size_t)n);
	serve_note_groups(log, packet, (size_t)n);
	if (world_is_noise(packet, (size_t)n))
		return;
	if (atomic_fetch_add(&log->packets[phase], 1) == 0 && phase)
		serve_describe(log, packet, (size_t)n);
}

static void serve_datagram(int fd, struct world_log *log)
{
	char bytes[2048];
	struct sockaddr_storage from = {0};
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &len);

	if (n <= 0)
		return;
	serve_note(log, bytes, (size_t)n);
	/* A unix sender without a name gets none; nobody is owed an answer. */
	if (len > sizeof(sa_family_t) && from.ss_family != AF_UNIX &&
		sendto(fd, serve_answer, sizeof(serve_answer), 0, (struct sockaddr *)&from, len) <
			0)
		return;
}

/* False: it is over. */
static bool serve_peer(int fd, struct world_log *log)
{
	char bytes[2048];
	ssize_t n = recv(fd, bytes, sizeof(bytes), 0);

	if (n <= 0)
		return false;
	serve_note(log, bytes, (size_t)n);
	return send(fd, serve_answer, sizeof(serve_answer), MSG_NOSIGNAL) > 0;
}

static void serve_listener(struct world_sockets *s, int fd)
{
	int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	/* One too many is closed, and its prober told so. */
	if (peer >= 0 && serve_add(s, peer, WORLD_PEER) == -EMFILE)
		return;
}

static void serve_ready(struct world_sockets *s, struct world_log *log)
{
	for (unsigned i = s->n; i-- > 0;) {
		int fd = s->polls[i].fd;

		if (!s->polls[i].revents)
			continue;
		switch (s->kinds[i]) {
		case WORLD_LISTENER:
			serve_listener(s, fd);
			break;
		case WORLD_PEER:
			if (!serve_peer(fd, log))
				serve_drop(s, i);
			break;
		case WORLD_DATAGRAM:
			serve_datagram(fd, log);
			break;
		case WORLD_CAPTURE:
			serve_capture(fd, log);
			break;
		}
	}
}

/* ---- visiting ---------------------------------------------------------------------------------
 */

/* From the near namespace: whoever listens at the agreed port gets a word, and who answers is
 * answered as any peer. */
static void serve_visit_one(struct world_sockets *s, const void *to, socklen_t len, int type)
{
	int fd = socket(
		((const struct sockaddr *)to)->sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	if (fd < 0)
		return;
	if ((connect(fd, to, len) < 0 && (errno != EINPROGRESS || poll(&p, 1, 5) != 1)) ||
		send(fd, serve_answer, sizeof(serve_answer), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ||
		type == SOCK_DGRAM) {
		close(fd);
		return;
	}
	if (serve_add(s, fd, WORLD_PEER) < 0)
		return;
}

/* Sockets that were made out here, for whoever listens at the agreed path: a TCP connection, a TCP
 * socket, a UDP socket, a unix connection. */
static void serve_pass(const struct probe_world *w)
{
	const struct sockaddr_in tcp = {.sin_family = AF_INET,
		.sin_port = htons(w->tcp_port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_un un = {.sun_family = AF_UNIX}, to = {.sun_family = AF_UNIX};
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(4 * sizeof(int))];
	} control = {0};
	char word = 'p';
	struct iovec iov = {.iov_base = &word, .iov_len = 1};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space)};
	_cleanup_(fd_closep) int visitor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fds[4];

	snprintf(to.sun_path, sizeof(to.sun_path), "%.80s/open/pass", w->dir);
	snprintf(un.sun_path, sizeof(un.sun_path), "%.80s/stream", w->dir);
	if (visitor < 0 || connect(visitor, (struct sockaddr *)&to, sizeof(to)) < 0)
		return;
	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	fds[2] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	fds[3] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	control.h.cmsg_level = SOL_SOCKET;
	control.h.cmsg_type = SCM_RIGHTS;
	control.h.cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(&control.h), fds, sizeof(fds));
	if (!connect(fds[0], (const struct sockaddr *)&tcp, sizeof(tcp)) &&
		!connect(fds[3], (struct sockaddr *)&un, sizeof(un)) &&
		sendmsg(visitor, &msg, MSG_NOSIGNAL) < 0)
		word = 0;
	for (size_t i = 0; i < 4; i++)
		fd_close(fds[i]);
}

static void serve_visit(struct world_sockets *s, const struct probe_world *w, int own_netns)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET,
		.sin_port = htons(w->inbound_port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
		.sin6_port = htons(w->inbound_port),
		.sin6_addr = IN6ADDR_LOOPBACK_INIT};

	if (setns(s->near_netns, CLONE_NEWNET) < 0)
		return;
	serve_visit_one(s, &v4, sizeof(v4), SOCK_STREAM);
	serve_visit_one(s, &v6, sizeof(v6), SOCK_STREAM);
	serve_visit_one(s, &v4, sizeof(v4), SOCK_DGRAM);
	serve_visit_one(s, &v6, sizeof(v6), SOCK_DGRAM);
	serve_pass(w);
	if (setns(own_netns, CLONE_NEWNET) < 0)
		_exit(1);
}

_Noreturn void world_serve(
	struct world_sockets *s, const struct probe_world *w, struct world_log *log)
{
	int own_netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int64_t next = 0;

	for (;;) {
		if (poll(s->polls, s->n, SERVE_TICK_MS) < 0 && errno != EINTR)
			_exit(1);
		serve_ready(s, log);
		if (clock_mono_ns() < next)
			continue;
		serve_visit(s, w, own_netns);
		next = clock_mono_ns() + SERVE_TICK_MS * CLOCK_NS_PER_MS;
	}
}
