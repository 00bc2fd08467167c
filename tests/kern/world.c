/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/kern/world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kern/cgroup.h"
#include "kern/kern.h"
#include "kern/origin.h"
#include "util/cleanup.h"

void die(const char *what)
{
	fprintf(stderr, "kern-test: %s: %s\n", what, strerror(errno));
	exit(2);
}

void world_sysctl(const char *name, const char *value)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		die(path);
	close(fd);
}

static void loopback_up(void)
{
	struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr))
		die("lo up");
	close(fd);
}

/* A device beside lo, with the real server's addresses, so that there is something to escape to. */
static void namespace_make(void)
{
	if (unshare(CLONE_NEWNET))
		die("unshare");
	loopback_up();
	if (system("ip link add " REAL_DEVICE " type veth peer name hf1 && "
		   "ip addr add " REAL_ADDR4 "/24 dev " REAL_DEVICE " && "
		   "ip -6 addr add " REAL_ADDR6 "/64 dev " REAL_DEVICE " nodad && "
		   "ip -6 addr add " LINK_ADDR6 "/64 dev " REAL_DEVICE " nodad && "
		   "ip link set " REAL_DEVICE " up && ip link set hf1 up"))
		die("ip link");
	/* TFO without cookies, both sides; ping sockets for all, so that only our hook can refuse.
	 */
	world_sysctl("tcp_fastopen", "519");
	world_sysctl("ping_group_range", "0 2147483647");
	/* A client that waits for the server's first word hangs for good when its last ACK was lost
	 * to a full queue and the server kept a cookie only: not what the tests are about. */
	world_sysctl("tcp_syncookies", "0");
}

static void must_make(const char *path)
{
	int fd = cgroup_make(path);

	if (fd < 0)
		die(path);
	close(fd);
}

static void cgroups_make(struct world *w)
{
	if (cgroup_find_root(w->root, sizeof(w->root)))
		die("cgroup2");
	snprintf(w->base, sizeof(w->base), "%s/hf-kern-test-%d", w->root, (int)getpid());
	snprintf(w->daemon, sizeof(w->daemon), "%s/daemon", w->base);
	snprintf(w->runs, sizeof(w->runs), "%s/runs", w->base);
	must_make(w->daemon);
	must_make(w->runs);
	if (cgroup_level(w->root, w->runs, &w->run_level))
		die("cgroup level");
	w->run_level++;
}

uint64_t world_run(struct world *w, const char *name)
{
	char path[PATH_MAX + 64];
	uint64_t id;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", w->runs, name);
	fd = cgroup_make(path);
	if (fd < 0 || cgroup_id(fd, &id))
		die(path);
	close(fd);
	return id;
}

void world_remove(struct world *w, const char *name)
{
	char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/%s", w->runs, name);
	if (cgroup_remove(path))
		die(path);
}

uint64_t world_netns(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint64_t cookie = 0;
	socklen_t n = sizeof(cookie);

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &n))
		die("netns cookie");
	close(fd);
	return cookie;
}

socklen_t sockaddr_of(struct sockaddr_storage *ret, const char *addr, uint16_t port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, addr, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		return sizeof(*v4);
	}
	if (inet_pton(AF_INET6, addr, &v6->sin6_addr) != 1)
		die(addr);
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	return sizeof(*v6);
}

int dial(const char *addr, uint16_t port)
{
	struct sockaddr_storage to;
	socklen_t n = sockaddr_of(&to, addr, port);
	int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, n)) {
		int e = errno;

		fd_close(fd);
		errno = e;
		return -1;
	}
	return fd;
}

bool read_all(int fd, void *p, size_t n)
{
	for (size_t at = 0; at < n;) {
		struct pollfd pfd = {.fd = fd, .events = POLLIN};
		ssize_t r;

		if (poll(&pfd, 1, DEADLINE_S * 1000) <= 0)
			return false;
		r = read(fd, (char *)p + at, n - at);
		if (r <= 0)
			return false;
		at += (size_t)r;
	}
	return true;
}

bool wait_until(const volatile unsigned *n, unsigned want)
{
	for (int i = 0; i < DEADLINE_S * 1000; i++) {
		if (__atomic_load_n(n, __ATOMIC_ACQUIRE) >= want)
			return true;
		poll(NULL, 0, 1);
	}
	return false;
}

static void add(unsigned *n)
{
	__atomic_add_fetch(n, 1, __ATOMIC_RELEASE);
}

/* ---- processes ------------------------------------------------------------------------------- */

/* Forks; the child dies with the test and says ready by closing the pipe's end it gets. */
static pid_t start(int *ret_ready)
{
	int ready[2];
	pid_t pid;

	fflush(NULL);
	if (pipe2(ready, O_CLOEXEC))
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ready[0]);
		*ret_ready = ready[1];
		return 0;
	}
	close(ready[1]);
	if (read(ready[0], &(char){0}, 1) < 0)
		die("ready");
	close(ready[0]);
	return pid;
}

static void stop(pid_t *pid)
{
	if (*pid > 0) {
		kill(*pid, SIGKILL);
		waitpid(*pid, NULL, 0);
	}
	*pid = 0;
}

static int listen_at(const char *addr, uint16_t port, int backlog)
{
	struct sockaddr_storage at;
	socklen_t n = sockaddr_of(&at, addr, port);
	int one = 1, queue = 256, fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, 23 /* TCP_FASTOPEN */, &queue, sizeof(queue));
	if (bind(fd, (struct sockaddr *)&at, n) || listen(fd, backlog))
		die("listen");
	return fd;
}

static void close_by_reset(int fd)
{
	struct linger now = {1, 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

/* ---- the enforcer: who came, from where to where --------------------------------------------- */

enum { FDS_MAX = 1024 };

struct enforcer {
	struct shared *shared;
	int origin_fd;
	struct pollfd fds[FDS_MAX]; /* the first two listen */
	unsigned n_fds;
};

static void enforcer_accept(struct enforcer *e, int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct origin o;

	if (fd < 0)
		return;
	if (origin_lookup(e->origin_fd, fd, &o)) {
		close_by_reset(fd);
		add(&e->shared->n_no_origin);
	} else {
		if (e->n_fds == FDS_MAX)
			die("enforcer is full");
		e->fds[e->n_fds++] = (struct pollfd){.fd = fd, .events = POLLIN};
		(void)!send(fd, &o, sizeof(o), MSG_NOSIGNAL);
	}
	add(&e->shared->n_accepted);
}

static void enforcer_compare(struct enforcer *e, int fd, const struct truth *t)
{
	struct origin o;

	if (!origin_lookup(e->origin_fd, fd, &o) && !memcmp(o.addr, t->addr, sizeof(o.addr)) &&
		o.port == t->port)
		add(&e->shared->n_match);
	else
		add(&e->shared->n_mismatch);
}

/* False: the connection is over. */
static bool enforcer_serve(struct enforcer *e, int fd)
{
	struct origin o;
	struct truth t;
	ssize_t n = recv(fd, &t, sizeof(t), 0);

	if (n <= 0)
		return false;
	if (t.command == SAY_TRUTH && n == sizeof(t))
		enforcer_compare(e, fd, &t);
	else if (t.command == SAY_ORIGIN && !origin_lookup(e->origin_fd, fd, &o))
		(void)!send(fd, &o, sizeof(o), MSG_NOSIGNAL);
	else
		return false;
	return true;
}

static void enforcer_turn(struct enforcer *e)
{
	unsigned n = e->n_fds;

	if (poll(e->fds, n, -1) < 0)
		die("poll");
	for (unsigned i = 0; i < 2; i++)
		if (e->fds[i].revents)
			enforcer_accept(e, e->fds[i].fd);
	for (unsigned i = n; i-- > 2;) {
		if (!e->fds[i].revents || enforcer_serve(e, e->fds[i].fd))
			continue;
		close_by_reset(e->fds[i].fd);
		e->fds[i] = e->fds[--e->n_fds];
	}
}

void enforcer_start(struct world *w, int origin_fd, int backlog)
{
	static struct enforcer e;
	int ready;
	pid_t pid = start(&ready);

	if (pid) {
		w->shared->enforcer = pid;
		return;
	}
	if (cgroup_move(w->daemon, getpid()))
		die("enforcer cgroup");
	e = (struct enforcer){.shared = w->shared, .origin_fd = origin_fd, .n_fds = 2};
	e.fds[0] = (struct pollfd){
		.fd = listen_at("0.0.0.0", ENFORCER_PORT, backlog), .events = POLLIN};
	e.fds[1] = (struct pollfd){.fd = listen_at("::", ENFORCER_PORT, backlog), .events = POLLIN};
	close(ready);
	for (;;)
		enforcer_turn(&e);
}

void enforcer_stop(struct world *w)
{
	stop(&w->shared->enforcer);
}

pid_t impostor_start(struct world *w)
{
	int ready, fds[2];
	pid_t pid = start(&ready);

	if (pid)
		return pid;
	fds[0] = listen_at("0.0.0.0", ENFORCER_PORT, BACKLOG);
	fds[1] = listen_at("::", ENFORCER_PORT, BACKLOG);
	close(ready);
	for (;;) {
		struct pollfd p[2] = {{fds[0], POLLIN, 0}, {fds[1], POLLIN, 0}};

		poll(p, 2, -1);
		for (int i = 0; i < 2; i++) {
			int fd = p[i].revents ? accept(fds[i], NULL, NULL) : -1;

			if (fd < 0)
				continue;
			add(&w->shared->n_taken);
			(void)!send(fd, "FALSE", 5, MSG_NOSIGNAL);
		}
	}
}

void world_stop(pid_t *pid)
{
	stop(pid);
}

/* ---- servers that agents must not reach ------------------------------------------------------ */

static pid_t real_start(void)
{
	int ready, fds[2];
	pid_t pid = start(&ready);

	if (pid)
		return pid;
	fds[0] = listen_at("0.0.0.0", REAL_PORT, BACKLOG);
	fds[1] = listen_at("::", REAL_PORT, BACKLOG);
	close(ready);
	for (;;) {
		struct pollfd p[2] = {{fds[0], POLLIN, 0}, {fds[1], POLLIN, 0}};

		poll(p, 2, -1);
		for (int i = 0; i < 2; i++) {
			int fd = p[i].revents ? accept(fds[i], NULL, NULL) : -1;

			if (fd >= 0)
				(void)!send(fd, "REAL", 4, MSG_NOSIGNAL);
			fd_close(fd);
		}
	}
}

static pid_t unix_start(const char *path)
{
	struct sockaddr_un named = {.sun_family = AF_UNIX}, abstract = {.sun_family = AF_UNIX};
	int ready, a, b;
	pid_t pid = start(&ready);

	if (pid)
		return pid;
	a = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	b = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	strcpy(named.sun_path, path);
	strcpy(abstract.sun_path + 1, path);
	if (bind(a, (struct sockaddr *)&named, sizeof(named)) || listen(a, 16) ||
		bind(b, (struct sockaddr *)&abstract, sizeof(abstract)) || listen(b, 16))
		die("unix listen");
	chmod(path, 0666);
	close(ready);
	for (;;)
		pause();
}

/* ---- the whole ------------------------------------------------------------------------------- */

void world_make(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->shared = mmap(NULL, sizeof(*w->shared), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (w->shared == MAP_FAILED)
		die("mmap");
	snprintf(w->dir, sizeof(w->dir), "/run/hf-kern-test-%d", (int)getpid());
	snprintf(w->bpffs, sizeof(w->bpffs), "%s/bpf", w->dir);
	snprintf(w->unix_path, sizeof(w->unix_path), "%s/socket", w->dir);
	if (mkdir(w->dir, 0755))
		die(w->dir);
	namespace_make();
	cgroups_make(w);
	w->real = real_start();
	w->unix_server = unix_start(w->unix_path);
}

void world_end(struct world *w)
{
	enforcer_stop(w);
	stop(&w->real);
	stop(&w->unix_server);
	if (kern_detach(w->bpffs))
		die("detach");
	if (cgroup_remove(w->base))
		die(w->base);
	unlink(w->unix_path);
	if (rmdir(w->dir))
		die(w->dir);
}

static void enter_run(struct world *w, const char *run, uid_t uid)
{
	char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/%s", w->runs, run);
	if (cgroup_move(path, getpid()))
		die(path);
	if (uid && (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid)))
		die("setuid");
}

static _Noreturn void be_client(struct world *w, const char *(*fn)(struct world *w))
{
	const char *why;

	alarm(2 * DEADLINE_S);
	errno = 0;
	why = fn(w);
	if (why)
		snprintf(w->shared->why, sizeof(w->shared->why), "%s (%s)", why, strerror(errno));
	_exit(why ? 1 : 0);
}

bool in_run_wait(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status);
}

bool in_run(struct world *w, const char *run, uid_t uid, const char *(*fn)(struct world *w))
{
	pid_t pid;

	strcpy(w->shared->why, "client died");
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		enter_run(w, run, uid);
		be_client(w, fn);
	}
	return in_run_wait(pid);
}

/* fd 3 of the child is closed by fn when it is ready. */
pid_t in_run_start(struct world *w, const char *run, uid_t uid, const char *(*fn)(struct world *w))
{
	int ready;
	pid_t pid = start(&ready);

	if (pid)
		return pid;
	enter_run(w, run, uid);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* lost with the uid */
	if (dup2(ready, 3) < 0 || (ready != 3 && close(ready)))
		die("ready");
	be_client(w, fn);
}
