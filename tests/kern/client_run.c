/* SPDX-License-Identifier: Apache-2.0 */
/* Runs that listen, and what the policy's addresses do to a connect: see client.h. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/kern/client.h"
#include "tests/kern/try.h"
#include "util/cleanup.h"

static int listener(const char *addr, uint16_t port)
{
	struct sockaddr_storage at;
	socklen_t n = sockaddr_of(&at, addr, port);
	int one = 1, queue = 16, fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &queue, sizeof(queue));
	return bind(fd, (struct sockaddr *)&at, n) || listen(fd, 16) ? -1 : fd;
}

/* Both ends are ours: no enforcer in between, and each sees the other as it is. */
static const char *speak(int from, int at, const struct sockaddr_storage *to, socklen_t n)
{
	struct sockaddr_storage peer = {0}, mine = {0};
	socklen_t len = sizeof(peer), mine_len = sizeof(mine);
	int fd = accept(at, (struct sockaddr *)&peer, &len);
	char text[4];

	must(fd >= 0);
	must(!getsockname(from, (struct sockaddr *)&mine, &mine_len));
	must(((struct sockaddr_in *)&mine)->sin_port == ((struct sockaddr_in *)&peer)->sin_port);
	len = sizeof(peer);
	must(!getpeername(from, (struct sockaddr *)&peer, &len));
	must(len == n && !memcmp(&peer, to, n));
	must(write(from, "ping", 4) == 4 && read_all(fd, text, 4) && !memcmp(text, "ping", 4));
	must(write(fd, "pong", 4) == 4 && read_all(from, text, 4) && !memcmp(text, "pong", 4));
	close(fd);
	must(read(from, text, 4) == 0);
	close(from);
	return NULL;
}

static const char *speak_to(int at, const char *addr)
{
	struct sockaddr_storage to;
	socklen_t n = sockaddr_of(&to, addr, RUN_PORT);
	int fd = dial(addr, RUN_PORT);

	must(fd >= 0);
	return speak(fd, at, &to, n);
}

static const char *speak_at_once(int at, const char *addr)
{
	struct sockaddr_storage to;
	socklen_t n = sockaddr_of(&to, addr, RUN_PORT);
	int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), peer;
	char byte;

	must(sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&to, n) == 1);
	peer = accept(at, NULL, NULL);
	must(peer >= 0 && read_all(peer, &byte, 1) && byte == 'x');
	close(peer);
	close(fd);
	return NULL;
}

const char *client_in_run(struct world *w)
{
	int v4 = listener("127.0.0.1", RUN_PORT), v6 = listener("::1", RUN_PORT), dual;

	(void)w;
	must(v4 >= 0 && v6 >= 0);
	try_(speak_to(v4, "127.0.0.1"));
	try_(speak_to(v4, "::ffff:127.0.0.1"));
	try_(speak_to(v6, "::1"));
	try_(speak_at_once(v4, "127.0.0.1"));
	try_(speak_at_once(v6, "::1"));
	close(v4);
	close(v6);
	/* Nobody listens any more: like any other target. */
	must(dial("127.0.0.1", RUN_PORT) < 0 || errno == 0);
	dual = listener("::", RUN_PORT);
	must(dual >= 0);
	try_(speak_to(dual, "::1"));
	return speak_to(dual, "127.1.2.3");
}

/* Stays, listens, and says REAL to whoever comes. */
const char *client_listens(struct world *w)
{
	int fd = listener("0.0.0.0", RUN_PORT);

	(void)w;
	must(fd >= 0);
	close(3);
	for (;;) {
		int peer = accept(fd, NULL, NULL);

		must(peer >= 0);
		(void)!send(peer, "RUNS", 4, MSG_NOSIGNAL);
		close(peer);
	}
}

/* Somebody else's listener is a target like any other: the enforcer hears of it. */
const char *client_meets_enforcer(struct world *w)
{
	int fd = dial("127.0.0.1", RUN_PORT);
	struct origin o;

	must(fd >= 0 && read_all(fd, &o, sizeof(o)));
	must(o.port == htons(RUN_PORT) && o.cgroup == w->shared->run_cgroup);
	return NULL;
}

const char *client_listed(struct world *w)
{
	static const struct {
		const char *addr;
		uint16_t port;
		int error;
	} rows[] = {
		{"203.0.113.7", 5432, 0},
		{"203.0.113.7", 5433, EACCES},
		{"203.0.113.8", 5432, EACCES},
		{"::ffff:203.0.113.7", 5432, 0},
		{"::ffff:203.0.113.8", 5432, EACCES},
		{"198.51.100.77", 1, 0},
		{"198.51.101.77", 1, EACCES},
		{"2001:db8::7", 5432, 0},
		{"2001:db9::7", 5432, EACCES},
		/* [::/0]:7777 has no IPv4 in it. */
		{"2001:db9::7", 7777, 0},
		{"203.0.113.9", 7777, EACCES},
		{"127.0.0.1", 5432, EACCES},
	};

	(void)w;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fd = dial(rows[i].addr, rows[i].port);
		int error = fd < 0 ? errno : 0;

		fd_close(fd);
		errno = error;
		if (error != rows[i].error)
			return rows[i].addr;
	}
	return NULL;
}

/* A connect that nobody may answer: it neither succeeds nor sends anything. */
static const char *stays_alone(const char *addr, bool at_once)
{
	struct sockaddr_storage to;
	socklen_t n = sockaddr_of(&to, addr, 5432);
	int fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct pollfd p = {.fd = fd, .events = POLLOUT | POLLIN};

	if (at_once)
		must(sendto(fd, "secret", 6, MSG_FASTOPEN, (struct sockaddr *)&to, n) == 6 ||
			errno == EINPROGRESS);
	else
		must(connect(fd, (struct sockaddr *)&to, n) && errno == EINPROGRESS);
	/* The impostor is on this very host and answers within microseconds. */
	must(poll(&p, 1, 300) == 0);
	close(fd);
	return NULL;
}

const char *client_meets_nobody(struct world *w)
{
	(void)w;
	try_(stays_alone("203.0.113.7", false));
	try_(stays_alone("2001:db8::7", false));
	try_(stays_alone("203.0.113.7", true));
	return stays_alone("2001:db8::7", true);
}

/* One run may have so many resolvers, and no more: the table is everybody's. */
const char *client_resolvers(struct world *w)
{
	(void)w;
	for (int i = 1; i <= 65; i++) {
		int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		struct sockaddr_storage to;
		char addr[32];
		socklen_t n;

		snprintf(addr, sizeof(addr), "10.99.7.%d", i);
		n = sockaddr_of(&to, addr, 53);
		if (i <= 64)
			must(!connect(fd, (struct sockaddr *)&to, n));
		else
			must(connect(fd, (struct sockaddr *)&to, n) && errno == ECONNREFUSED);
		close(fd);
	}
	return NULL;
}

/* ---- many at once ---------------------------------------------------------------------------- */

/* One of many: a target of its own for each connection, told to the enforcer, who compares. */
const char *client_soak(struct world *w)
{
	for (unsigned i = 0; i < w->shared->n_each; i++) {
		struct truth t = {.command = SAY_TRUTH, .addr = {[10] = 0xff, [11] = 0xff}};
		struct origin o;
		char addr[32];
		int fd;

		t.addr[12] = 198, t.addr[13] = 18 + (i & 1);
		t.addr[14] = (uint8_t)(getpid() & 0xff), t.addr[15] = (uint8_t)(i & 0xff);
		snprintf(addr, sizeof(addr), "%u.%u.%u.%u", t.addr[12], t.addr[13], t.addr[14],
			t.addr[15]);
		t.port = htons((uint16_t)(1 + i % 60000));
		fd = dial(addr, ntohs(t.port));
		must(fd >= 0);
		must(read_all(fd, &o, sizeof(o)));
		must(!memcmp(o.addr, t.addr, 16) && o.port == t.port &&
			o.tgid == (uint32_t)getpid());
		must(write(fd, &t, sizeof(t)) == sizeof(t));
		must(!shutdown(fd, SHUT_WR));
		must(read(fd, &o, 1) <= 0);
		close(fd);
	}
	return NULL;
}

/* The same to the real server, without us. */
const char *client_soak_direct(struct world *w)
{
	for (unsigned i = 0; i < w->shared->n_each; i++) {
		char text[5];
		int fd = dial(REAL_ADDR4, REAL_PORT);

		must(fd >= 0);
		must(read_all(fd, text, 4));
		must(read(fd, text, 1) <= 0);
		close(fd);
	}
	return NULL;
}

/* How long one connect() takes, the connection itself being thrown away. */
static const char *time_connects(struct world *w, const char *addr, uint16_t port)
{
	enum { N = 2000 };
	struct linger now = {1, 0};
	struct timespec a, b;
	int64_t sum = 0;

	for (int i = 0; i < N; i++) {
		struct sockaddr_storage to;
		socklen_t n = sockaddr_of(&to, addr, port);
		int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		int r;

		clock_gettime(CLOCK_MONOTONIC, &a);
		r = connect(fd, (struct sockaddr *)&to, n);
		clock_gettime(CLOCK_MONOTONIC, &b);
		must(!r);
		sum += (b.tv_sec - a.tv_sec) * 1000000000LL + (b.tv_nsec - a.tv_nsec);
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		close(fd);
	}
	w->shared->connect_ns = (unsigned)(sum / N);
	return NULL;
}

const char *client_time_connects(struct world *w)
{
	return time_connects(w, "203.0.113.7", 5432);
}

const char *client_time_real(struct world *w)
{
	return time_connects(w, "127.0.0.1", REAL_PORT);
}
