/* SPDX-License-Identifier: Apache-2.0 */
/* Rows, guises and what all probes share: see probe.h. */
#include "selftest/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "util/cleanup.h"

enum { PROBE_PATIENCE_MS = 1500, PROBE_HEAR_MS = 250 };

const char *const probe_group_names[GROUP_N] = {
	[GROUP_TRANSPORT] = "transports",
	[GROUP_NAMES] = "names",
	[GROUP_UNIX] = "unix sockets",
	[GROUP_ELSEWHERE] = "sockets from elsewhere",
	[GROUP_STAYING] = "staying in",
};

const char *const probe_guise_names[GUISE_N] = {
	[GUISE_CONTROL] = "control",
	[GUISE_AGENT] = "agent",
	[GUISE_USERNS] = "root of a user namespace",
	[GUISE_NETNS] = "own network namespace",
};

static const struct probe probes[] = {
#define PROBE(id, group, text, targets, flags)                                                     \
	{#id, text, GROUP_##group, targets, flags, probe_##id},
#include "selftest/probes.def"
#undef PROBE
};

static const struct {
	enum probe_target target;
	const char *name;
} probe_targets[] = {{NEAR4, "near4"}, {NEAR6, "near6"}, {FAR4, "far4"}, {FAR6, "far6"}};

static void probe_add_row(struct probe_row *rows, unsigned *n, const struct probe *p,
	enum probe_target target, const char *suffix)
{
	struct probe_row *row = &rows[*n];

	require(*n < PROBE_ROWS_MAX);
	row->probe = p;
	row->target = target;
	snprintf(row->name, sizeof(row->name), "%s%s%s", p->id, *suffix ? " " : "", suffix);
	(*n)++;
}

const struct probe_row *probe_rows(unsigned *ret_n)
{
	static struct probe_row rows[PROBE_ROWS_MAX];
	static unsigned n;

	if (!n)
		for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
			if (!probes[i].targets)
				probe_add_row(rows, &n, &probes[i], 0, "");
			for (size_t t = 0; t < sizeof(probe_targets) / sizeof(probe_targets[0]);
				t++)
				if (probes[i].targets & probe_targets[t].target)
					probe_add_row(rows, &n, &probes[i], probe_targets[t].target,
						probe_targets[t].name);
		}
	*ret_n = n;
	return rows;
}

bool probe_has_guise(const struct probe_row *row, enum guise guise)
{
	switch (guise) {
	case GUISE_CONTROL:
	case GUISE_AGENT:
		return true;
	case GUISE_USERNS:
		return !(row->probe->flags & BY_OWNER);
	case GUISE_NETNS:
		return row->probe->flags & OWN_NETNS;
	case GUISE_N:
		break;
	}
	return false;
}

bool probe_is_of_sockets(const struct probe_row *row)
{
	const struct probe *p = row->probe;

	/* Other people's sockets (BY_ROOT) are told open by connect() alone, which meets us. */
	return (p->group == GROUP_TRANSPORT && p->targets) || p->group == GROUP_NAMES ||
	       (p->group == GROUP_UNIX && !(p->flags & BY_ROOT));
}

/* ---- addresses --------------------------------------------------------------------------------
 */

bool probe_is_v6(const struct probe_context *c)
{
	return c->target & ALL6;
}

static void probe_address(struct sockaddr_storage *to, const struct probe_world *w,
	enum probe_target target, uint16_t port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)to;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;
	char text[INET6_ADDRSTRLEN];

	if (target & ALL4) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		v4->sin_addr.s_addr =
			htonl(target == NEAR4 ? INADDR_LOOPBACK : 0xc6120002u | w->far_net << 8);
	} else if (target & ALL6) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		snprintf(text, sizeof(text), "fd68:6f6c:6466:%x::2", w->far_net);
		if (target == NEAR6)
			v6->sin6_addr = in6addr_loopback;
		else
			inet_pton(AF_INET6, text, &v6->sin6_addr);
	}
}

struct sockaddr_in6 probe_mapped(const struct probe_context *c, bool is_udp)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)(is_udp ? &c->to_udp : &c->to);
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = v4->sin_port};

	v6.sin6_addr.s6_addr[10] = v6.sin6_addr.s6_addr[11] = 0xff;
	memcpy(&v6.sin6_addr.s6_addr[12], &v4->sin_addr, 4);
	return v6;
}

/* ---- words ------------------------------------------------------------------------------------
 */

int probe_absent(struct probe_context *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->why, sizeof(c->why), fmt, ap);
	va_end(ap);
	return PROBE_E_ABSENT;
}

int probe_refused(struct probe_context *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->why, sizeof(c->why), fmt, ap);
	va_end(ap);
	return PROBE_E_REFUSED;
}

/* ---- talking ----------------------------------------------------------------------------------
 */

static void probe_set_patience(int fd, int ms)
{
	const struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	/* Without a deadline the probe's own alarm ends it. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) < 0)
		return;
}

int probe_socket(int family, int type, int protocol)
{
	int fd = socket(family, type | SOCK_CLOEXEC, protocol);

	if (fd < 0)
		return -errno;
	probe_set_patience(fd, PROBE_PATIENCE_MS);
	return fd;
}

int probe_talk(const struct probe_context *c, int fd)
{
	_cleanup_(fd_closep) int owned = fd;
	char answer[64];
	ssize_t n = send(owned, c->mark, strlen(c->mark), MSG_NOSIGNAL);

	if (n >= 0)
		n = recv(owned, answer, sizeof(answer), 0);
	if (n < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return n ? PROBE_OUT : -ECONNRESET;
}

int probe_hear(int fd)
{
	_cleanup_(fd_closep) int owned = fd;
	char answer[64];

	probe_set_patience(owned, PROBE_HEAR_MS);
	if (recv(owned, answer, sizeof(answer), 0) < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return PROBE_OUT;
}

/* ---- guises -----------------------------------------------------------------------------------
 */

static bool probe_write_file(const char *path, const char *text)
{
	_cleanup_(fd_closep) int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

/* Root of a user namespace: every capability there is, over nothing that matters. */
static int probe_become_inner_root(int more_flags)
{
	char map[64];
	uid_t uid = getuid();
	gid_t gid = getgid();

	if (unshare(CLONE_NEWUSER | more_flags) < 0)
		return -errno;
	snprintf(map, sizeof(map), "0 %u 1", uid);
	if (!probe_write_file("/proc/self/uid_map", map))
		return -errno;
	snprintf(map, sizeof(map), "0 %u 1", gid);
	if (!probe_write_file("/proc/self/setgroups", "deny") ||
		!probe_write_file("/proc/self/gid_map", map))
		return -errno;
	return 0;
}

static int probe_loopback_up(void)
{
	_cleanup_(fd_closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};

	return fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr) < 0 ? -errno : 0;
}

static int probe_dress(enum guise guise)
{
	int r;

	switch (guise) {
	case GUISE_CONTROL:
	case GUISE_AGENT:
	case GUISE_N:
		return 0;
	case GUISE_USERNS:
		return probe_become_inner_root(CLONE_NEWNS);
	case GUISE_NETNS:
		r = probe_become_inner_root(CLONE_NEWNET);
		return r ? r : probe_loopback_up();
	}
	return 0;
}

int probe_try(unsigned row, enum guise guise, const struct probe_world *world, char *why)
{
	const struct probe_row *rows;
	struct probe_context c = {.world = world, .guise = guise, .row = row};
	unsigned n = 0;
	int r;

	rows = probe_rows(&n);
	if (row >= n)
		return -EINVAL;
	c.target = rows[row].target;
	if ((c.target & FAR) && !world->far_net)
		r = probe_absent(&c, "no far side: a veth could not be made");
	else {
		probe_address(&c.to, world, c.target, world->tcp_port);
		probe_address(&c.to_udp, world, c.target, world->udp_port);
		c.to_len =
			probe_is_v6(&c) ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
		snprintf(c.mark, sizeof(c.mark), "HFESC %03u %u.", row, (unsigned)guise);
		r = probe_dress(guise);
		if (r)
			r = probe_absent(&c, "no such namespace: %s", strerror(-r));
		else
			r = rows[row].probe->fn(&c);
	}
	snprintf(why, PROBE_WHY_MAX, "%s", r < 0 ? strerror(-r) : c.why);
	return r;
}
