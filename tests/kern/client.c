/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/kern/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/kern/try.h"
#include "util/cleanup.h"

/* A target that exists nowhere: whoever answers is the enforcer. */
#define TARGET4 "203.0.113.7"
#define TARGET6 "2001:db8::7"

static void addr16_of(uint8_t ret[16], const struct sockaddr_storage *a)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)a;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)a;

	memset(ret, 0, 16);
	if (a->ss_family == AF_INET6) {
		memcpy(ret, &v6->sin6_addr, 16);
		return;
	}
	ret[10] = ret[11] = 0xff;
	memcpy(ret + 12, &v4->sin_addr, 4);
}

/* Who we are and where we wanted to go, as the enforcer was told. */
static const char *check_origin(
	const struct world *w, const struct origin *o, const struct sockaddr_storage *to)
{
	uint8_t want[16];
	char comm[16] = "";

	addr16_of(want, to);
	prctl(PR_GET_NAME, comm);
	must(!memcmp(o->addr, want, 16));
	must(o->port == ((const struct sockaddr_in *)to)->sin_port);
	must(o->family == to->ss_family);
	must(o->is_set == 1);
	must(o->cgroup == w->shared->run_cgroup);
	must(o->netns == world_netns());
	must(o->tgid == (uint32_t)getpid() && o->pid == (uint32_t)getpid());
	must(o->uid == getuid() && o->gid == getgid());
	must(!strncmp(o->comm, comm, sizeof(o->comm)));
	return NULL;
}

static const char *check_peername(int fd, const struct sockaddr_storage *to, socklen_t n)
{
	struct sockaddr_storage peer = {0};
	socklen_t m = sizeof(peer);

	must(!getpeername(fd, (struct sockaddr *)&peer, &m));
	must(m == n && !memcmp(&peer, to, n));
	return NULL;
}

/* An established socket: is the origin right, and the peer's name what we asked for? */
static const char *check_redirected(
	const struct world *w, int fd, const struct sockaddr_storage *to, socklen_t n)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);
	struct origin o;

	must(read_all(fd, &o, sizeof(o)));
	try_(check_origin(w, &o, to));
	must(!getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) && o.cookie == cookie);
	return check_peername(fd, to, n);
}

static const char *check_connect(struct world *w, int fd, const char *addr, uint16_t port)
{
	struct sockaddr_storage to;
	socklen_t n = sockaddr_of(&to, addr, port);

	must(fd >= 0);
	must(!connect(fd, (struct sockaddr *)&to, n));
	return check_redirected(w, fd, &to, n);
}

static int tcp(int family)
{
	return socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

const char *client_v4(struct world *w)
{
	try_(check_connect(w, tcp(AF_INET), TARGET4, 5432));
	/* Also where someone does listen. */
	return check_connect(w, tcp(AF_INET), REAL_ADDR4, REAL_PORT);
}

const char *client_v6(struct world *w)
{
	try_(check_connect(w, tcp(AF_INET6), TARGET6, 5432));
	return check_connect(w, tcp(AF_INET6), REAL_ADDR6, REAL_PORT);
}

const char *client_mapped(struct world *w)
{
	return check_connect(w, tcp(AF_INET6), "::ffff:" REAL_ADDR4, REAL_PORT);
}

/* Were data carried by the SYN? Otherwise the test shows nothing about fast open. */
static const char *check_syn_data(int fd)
{
	struct tcp_info info = {0};
	socklen_t n = sizeof(info);

	must(!getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n));
	must(info.tcpi_options & TCPI_OPT_SYN_DATA);
	return NULL;
}

static const char *fastopen_message(struct world *w, const char *addr)
{
	struct sockaddr_storage to;
	socklen_t n = sockaddr_of(&to, addr, REAL_PORT);
	int fd = tcp(to.ss_family);

	must(sendto(fd, "O", 1, MSG_FASTOPEN, (struct sockaddr *)&to, n) == 1);
	try_(check_redirected(w, fd, &to, n));
	return check_syn_data(fd);
}

const char *client_fastopen_message(struct world *w)
{
	try_(fastopen_message(w, REAL_ADDR4));
	return fastopen_message(w, REAL_ADDR6);
}

static const char *fastopen_connect(struct world *w, const char *addr)
{
	struct sockaddr_storage to;
	socklen_t n = sockaddr_of(&to, addr, REAL_PORT);
	int one = 1, fd = tcp(to.ss_family);

	must(!setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof(one)));
	must(!connect(fd, (struct sockaddr *)&to, n));
	must(write(fd, "O", 1) == 1);
	try_(check_redirected(w, fd, &to, n));
	return check_syn_data(fd);
}

const char *client_fastopen_connect(struct world *w)
{
	try_(fastopen_connect(w, REAL_ADDR4));
	return fastopen_connect(w, REAL_ADDR6);
}

static int tcp_bound(const char *addr, uint16_t port)
{
	struct sockaddr_storage at;
	socklen_t n = sockaddr_of(&at, addr, port);
	int one = 1, fd = tcp(at.ss_family);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	return bind(fd, (struct sockaddr *)&at, n) ? -1 : fd;
}

/* A source that is not loopback keeps its address through the rewrite. */
const char *client_bound_source(struct world *w)
{
	try_(check_connect(w, tcp_bound(REAL_ADDR4, 0), TARGET4, 80));
	try_(check_connect(w, tcp_bound(REAL_ADDR6, 0), TARGET6, 80));
	try_(check_connect(w, tcp_bound("127.0.0.1", 0), TARGET4, 80));
	return check_connect(w, tcp_bound("::ffff:" REAL_ADDR4, 0), "::ffff:" TARGET4, 80);
}

/* All at once from one port: as without us, only the tuples must differ. */
const char *client_fixed_port(struct world *w)
{
	/* Each caller its own: what the one before left may not be torn down yet. */
	uint16_t from = geteuid() ? 24900 : 24902;

	for (int i = 1; i <= 200; i++) {
		char addr[32];

		snprintf(addr, sizeof(addr), "198.51.100.%d", i);
		try_(check_connect(w, tcp_bound("0.0.0.0", from), addr, (uint16_t)(5000 + i)));
	}
	return NULL;
}

/* accept() runs the getpeername hook. The backstop lets nothing in but from the enforcer's side, so
 * that is where the other end is bound; it was opened outside and handed to us as fd 10. */
/* Whom the policy does not let in, the socket at fd 10 above all, hears nothing from a listener. */
const char *client_unheard(struct world *w)
{
	struct sockaddr_storage at;
	socklen_t n = sockaddr_of(&at, "127.0.0.1", 24873);
	struct pollfd p = {.fd = 10, .events = POLLOUT};
	int listener = tcp_bound("127.0.0.1", 24873);

	(void)w;
	must(listener >= 0 && !listen(listener, 4));
	must(!fcntl(10, F_SETFL, O_NONBLOCK));
	must(connect(10, (struct sockaddr *)&at, n) < 0 && errno == EINPROGRESS);
	must(poll(&p, 1, 500) == 0);
	return NULL;
}

const char *client_accept(struct world *w)
{
	struct sockaddr_storage at, from, expect;
	socklen_t n = sockaddr_of(&at, "127.0.0.1", 24873), m = sizeof(from);
	int fd, listener = tcp_bound("127.0.0.1", 24873);

	(void)w;
	must(listener >= 0 && !listen(listener, 4));
	must(!connect(10, (struct sockaddr *)&at, n));
	fd = accept(listener, (struct sockaddr *)&from, &m);
	must(fd >= 0);
	n = sockaddr_of(&expect, "127.64.9.9", ENFORCER_PORT);
	must(m == n && !memcmp(&from, &expect, n));
	return check_peername(fd, &expect, n);
}

static const char *connect_on_device(struct world *w, const char *addr)
{
	struct sockaddr_storage to;
	int fd;

	sockaddr_of(&to, addr, 80);
	fd = tcp(to.ss_family);
	must(!setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, REAL_DEVICE, sizeof(REAL_DEVICE)));
	return check_connect(w, fd, addr, 80);
}

const char *client_bound_device(struct world *w)
{
	try_(connect_on_device(w, "10.99.0.2"));
	return connect_on_device(w, "fd99::2");
}

/* A link-local source binds to its device, past the setsockopt hook. */
static int tcp_bound_to_scope(void)
{
	struct sockaddr_storage at;
	socklen_t n = sockaddr_of(&at, LINK_ADDR6, 0);
	int fd = tcp(AF_INET6);

	((struct sockaddr_in6 *)&at)->sin6_scope_id = if_nametoindex(REAL_DEVICE);
	return bind(fd, (struct sockaddr *)&at, n) ? -1 : fd;
}

const char *client_link_local(struct world *w)
{
	struct sockaddr_storage to;
	socklen_t n = sockaddr_of(&to, TARGET6, 80);
	int fd = tcp_bound_to_scope();

	(void)w;
	must(fd >= 0);
	must(connect(fd, (struct sockaddr *)&to, n) && errno == EPERM);
	return NULL;
}

/* A loose source route through 10.99.0.2. */
const char *client_ip_options(struct world *w)
{
	static const uint8_t route[] = {131, 7, 4, 10, 99, 0, 2, 0};
	struct sockaddr_storage to;
	socklen_t n = sockaddr_of(&to, TARGET4, 80);
	int fd = tcp(AF_INET);

	(void)w;
	must(!setsockopt(fd, IPPROTO_IP, IP_OPTIONS, route, sizeof(route)));
	must(connect(fd, (struct sockaddr *)&to, n) && errno == EPERM);
	return NULL;
}

/* One socket, disconnected and used for another target: the second origin counts. */
const char *client_reconnect(struct world *w)
{
	struct sockaddr_storage none = {.ss_family = AF_UNSPEC};
	int fd = tcp(AF_INET);

	try_(check_connect(w, fd, TARGET4, 1111));
	must(!connect(fd, (struct sockaddr *)&none, sizeof(none)));
	return check_connect(w, fd, TARGET4, 2222);
}

/* The enforcer's queue is short and nobody accepts: most of these connects, all from one port, are
 * still in their handshake when the next one starts. Each must come out with its own target. */
const char *client_half_open(struct world *w)
{
	enum { N = 24 };
	struct sockaddr_storage to[N];
	int fds[N];

	must(!kill(w->shared->enforcer, SIGSTOP));
	for (int i = 0; i < N; i++) {
		char addr[32];
		socklen_t n;

		snprintf(addr, sizeof(addr), "198.51.100.%d", i + 1);
		n = sockaddr_of(&to[i], addr, 6000);
		fds[i] = tcp_bound("0.0.0.0", 24901);
		must(fds[i] >= 0 && !fcntl(fds[i], F_SETFL, O_NONBLOCK));
		must(connect(fds[i], (struct sockaddr *)&to[i], n) && errno == EINPROGRESS);
	}
	kill(w->shared->enforcer, SIGCONT);
	for (int i = 0; i < N; i++)
		try_(check_redirected(w, fds[i], &to[i], sizeof(struct sockaddr_in)));
	return NULL;
}

enum { N_PORTS = 64, N_TARGETS = 4, N_BATCHES = 10 };

/* Tells the truth and is gone at once, so that the port is used again while this connection still
 * waits in the accept queue. */
static const char *say_truth(unsigned port, unsigned target)
{
	struct truth t = {.command = SAY_TRUTH};
	struct linger now = {1, 0};
	struct sockaddr_storage to;
	char addr[32];
	socklen_t n;
	int fd = tcp_bound("0.0.0.0", (uint16_t)(25000 + port));

	snprintf(addr, sizeof(addr), "192.0.2.%u", target + 1);
	n = sockaddr_of(&to, addr, (uint16_t)(7000 + target));
	addr16_of(t.addr, &to);
	t.port = ((struct sockaddr_in *)&to)->sin_port;
	must(fd >= 0);
	must(!connect(fd, (struct sockaddr *)&to, n));
	must(write(fd, &t, sizeof(t)) == sizeof(t));
	must(!setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
	must(!close(fd));
	return NULL;
}

/* 5,120 connects over 64 ports, each batch into an enforcer that does not accept meanwhile. */
const char *client_truth(struct world *w)
{
	unsigned done = w->shared->n_accepted;

	for (int batch = 0; batch < N_BATCHES; batch++) {
		must(!kill(w->shared->enforcer, SIGSTOP));
		for (unsigned i = 0; i < 2 * N_PORTS * N_TARGETS; i++) {
			const char *why = say_truth(i % N_PORTS, (i / N_PORTS + i) % N_TARGETS);

			if (why)
				kill(w->shared->enforcer, SIGCONT);
			try_(why);
		}
		kill(w->shared->enforcer, SIGCONT);
		done += 2 * N_PORTS * N_TARGETS;
		must(wait_until(&w->shared->n_accepted, done));
	}
	return NULL;
}

/* Stays connected until told over fd 4 that the loader was replaced, then looks again. */
const char *client_live(struct world *w)
{
	struct sockaddr_storage to;
	socklen_t n = sockaddr_of(&to, TARGET4, 4242);
	int fd = tcp(AF_INET);
	struct origin o;

	must(!connect(fd, (struct sockaddr *)&to, n));
	try_(check_redirected(w, fd, &to, n));
	close(3);
	must(read_all(4, &(char){0}, 1));
	must(write(fd, "O", 1) == 1);
	must(read_all(fd, &o, sizeof(o)));
	try_(check_origin(w, &o, &to));
	return check_peername(fd, &to, n);
}

static const char *udp_is_denied(int fd, const char *addr)
{
	struct sockaddr_storage to;
	socklen_t n = sockaddr_of(&to, addr, 53);

	must(fd >= 0);
	must(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, n) < 0 && errno == EPERM);
	must(connect(fd, (struct sockaddr *)&to, n) && errno == EPERM);
	must(send(fd, "x", 1, 0) < 0);
	return NULL;
}

const char *client_udp(struct world *w)
{
	(void)w;
	try_(udp_is_denied(socket(AF_INET, SOCK_DGRAM, 0), REAL_ADDR4));
	try_(udp_is_denied(socket(AF_INET6, SOCK_DGRAM, 0), REAL_ADDR6));
	try_(udp_is_denied(socket(AF_INET6, SOCK_DGRAM, 0), "::ffff:" REAL_ADDR4));
	return udp_is_denied(socket(AF_INET, SOCK_DGRAM, 0), "127.0.0.1");
}

static void unix_addr(struct sockaddr_un *a, const char *path, bool is_abstract)
{
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	strcpy(a->sun_path + is_abstract, path);
}

static int unix_dial(const char *path, bool is_abstract)
{
	struct sockaddr_un to;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	unix_addr(&to, path, is_abstract);
	return connect(fd, (struct sockaddr *)&to, sizeof(to)) ? -1 : fd;
}

const char *client_unix(struct world *w)
{
	struct sockaddr_un to;
	int pair[2], fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	must(unix_dial(w->unix_path, false) < 0 && errno == EPERM);
	must(unix_dial(w->unix_path, true) < 0 && errno == EPERM);
	unix_addr(&to, w->unix_path, false);
	must(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)) < 0 && errno == EPERM);
	must(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	must(write(pair[0], "x", 1) == 1);
	must(read_all(pair[1], &(char){0}, 1));
	return NULL;
}

const char *client_unix_open(struct world *w)
{
	must(unix_dial(w->unix_path, false) >= 0);
	must(unix_dial(w->unix_path, true) >= 0);
	return NULL;
}

const char *client_other_sockets(struct world *w)
{
	static const struct {
		int type, protocol;
	} refused[] = {
		{SOCK_STREAM, 262 /* MPTCP */},
		{SOCK_DGRAM, 136 /* UDP-Lite */},
		{SOCK_RAW, IPPROTO_TCP},
		{SOCK_RAW, IPPROTO_RAW},
		{SOCK_DGRAM, IPPROTO_ICMP},
		{SOCK_RAW, IPPROTO_ICMP},
	};

	(void)w;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		errno = 0;
		must(socket(AF_INET, refused[i].type, refused[i].protocol) < 0);
		must(errno == EPROTONOSUPPORT);
	}
	must(socket(AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6) < 0 && errno == EPROTONOSUPPORT);
	must(socket(AF_INET6, SOCK_RAW, IPPROTO_UDP) < 0 && errno == EPROTONOSUPPORT);
	must(tcp(AF_INET6) >= 0 && socket(AF_INET6, SOCK_DGRAM, 0) >= 0);
	return NULL;
}

const char *client_own_port(struct world *w)
{
	static const char *const at[] = {
		"127.0.0.1", "127.64.1.2", "0.0.0.0", "::1", "::", "::ffff:127.64.1.2"};

	(void)w;
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++)
		must(dial(at[i], ENFORCER_PORT) < 0 && errno == ECONNREFUSED);
	must(tcp_bound("127.64.1.2", ENFORCER_PORT) < 0 && errno == EADDRINUSE);
	must(tcp_bound("::1", ENFORCER_PORT) < 0 && errno == EADDRINUSE);
	return NULL;
}

const char *client_is_refused(struct world *w)
{
	(void)w;
	must(dial(REAL_ADDR4, REAL_PORT) < 0 && errno == ECONNREFUSED);
	must(dial(REAL_ADDR6, REAL_PORT) < 0 && errno == ECONNREFUSED);
	must(dial("::ffff:" REAL_ADDR4, REAL_PORT) < 0 && errno == ECONNREFUSED);
	return NULL;
}

const char *client_unserved_netns(struct world *w)
{
	must(!unshare(CLONE_NEWNET));
	return client_is_refused(w);
}

/* Without the connect hook nobody refuses; the packets must not arrive all the same. */
const char *client_is_dropped(struct world *w)
{
	struct sockaddr_storage to;
	socklen_t n = sockaddr_of(&to, REAL_ADDR4, REAL_PORT);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	(void)w;
	must(connect(fd, (struct sockaddr *)&to, n) && errno == EINPROGRESS);
	/* A server on this very host answers within microseconds; a second SYN falls in this time.
	 */
	must(poll(&p, 1, 1500) == 0);
	return NULL;
}

const char *client_reaches_real(struct world *w)
{
	char text[4];
	int fd = dial(REAL_ADDR4, REAL_PORT);

	(void)w;
	must(fd >= 0);
	must(read_all(fd, text, 4) && !memcmp(text, "REAL", 4));
	return NULL;
}
