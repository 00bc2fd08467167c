/* SPDX-License-Identifier: Apache-2.0 */
/* Building the outside and taking it down: see world.h. What it does is in world_serve.c. */
#include "selftest/world.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/world_serve.h"
#include "util/cleanup.h"

enum { WORLD_NETS = 254, WORLD_ARGS_MAX = 16 };

/* ip(8) with these words; its complaints are not for the person at the terminal. */
static int world_ip(const char *line)
{
	char copy[192], *rest = copy, *args[WORLD_ARGS_MAX] = {0};
	size_t n = 0;
	int status;
	pid_t pid;

	snprintf(copy, sizeof(copy), "ip %s", line);
	while (n < WORLD_ARGS_MAX - 1 && (args[n] = strsep(&rest, " ")))
		n++;
	pid = fork();
	if (!pid) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		dup2(null, 1);
		dup2(null, 2);
		execvp("ip", args);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 127 ? -ENOENT : status ? -EIO : 0;
}

static int world_ips(const char *const *lines, uint32_t net, pid_t pid)
{
	char line[160];

	for (; *lines; lines++) {
		const char *from = *lines;
		size_t at = 0;
		int r;

		/* %N is the number of the net, %P the world's pid. */
		for (; *from && at < sizeof(line) - 12; from++) {
			if (from[0] == '%' &&
				(from[1] == 'N' || from[1] == 'X' || from[1] == 'P')) {
				at += (size_t)snprintf(line + at, sizeof(line) - at,
					from[1] == 'X' ? "%x" : "%u",
					from[1] == 'P' ? (unsigned)pid : (unsigned)net);
				from++;
			} else {
				line[at++] = *from;
			}
		}
		line[at] = 0;
		r = world_ip(line);
		if (r)
			return r;
	}
	return 0;
}

/* Our end: addresses of a range that is for measuring, and of one that is nobody's. Neighbours are
 * written down, so that not even an ARP request has to be told from a packet. */
static const char *const world_near_lines[] = {
	"link add hfs%N type veth peer name hfs0 netns %P",
	"link set hfs%N address 02:68:66:00:00:01 up",
	"addr add 198.18.%N.1/30 dev hfs%N",
	"-6 addr add fd68:6f6c:6466:%X::1/64 dev hfs%N nodad",
	"neigh add 198.18.%N.2 lladdr 02:68:66:00:00:02 dev hfs%N nud permanent",
	"-6 neigh add fd68:6f6c:6466:%X::2 lladdr 02:68:66:00:00:02 dev hfs%N nud permanent",
	NULL,
};

static const char *const world_far_lines[] = {
	"link set lo up",
	"link set hfs0 address 02:68:66:00:00:02 up",
	"addr add 198.18.%N.2/30 dev hfs0",
	"-6 addr add fd68:6f6c:6466:%X::2/64 dev hfs0 nodad",
	"neigh add 198.18.%N.1 lladdr 02:68:66:00:00:01 dev hfs0 nud permanent",
	"-6 neigh add fd68:6f6c:6466:%X::1 lladdr 02:68:66:00:00:01 dev hfs0 nud permanent",
	NULL,
};

static uint32_t world_net_of(pid_t pid)
{
	return 1 + (uint32_t)pid % WORLD_NETS;
}

/* ---- the process ------------------------------------------------------------------------------
 */

struct world_pipes {
	int to[2], from[2];
};

static int world_tell(int fd, char word)
{
	return write(fd, &word, 1) == 1 ? 0 : -EPIPE;
}

static char world_hear(int fd)
{
	char word;
	ssize_t n;

	do
		n = read(fd, &word, 1);
	while (n < 0 && errno == EINTR);
	return n == 1 ? word : 0;
}

/* In the far namespace only: it takes the routes that a sender chose. Where it cannot, those
 * attempts do not work outside either, and count as untested. */
static void world_far_settings(void)
{
	static const char *const files[] = {"ipv4/conf/all/accept_source_route",
		"ipv4/conf/hfs0/accept_source_route", "ipv6/conf/all/seg6_enabled",
		"ipv6/conf/hfs0/seg6_enabled", NULL};
	char path[96];

	for (const char *const *file = files; *file; file++) {
		_cleanup_(fd_closep) int fd = -1;

		snprintf(path, sizeof(path), "/proc/sys/net/%s", *file);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd >= 0 && write(fd, "1", 1) != 1)
			continue;
	}
}

/* Own namespace → veth → far sockets → serve. Each step is told to the parent. */
static _Noreturn void world_child(struct world *w, int in, int out)
{
	char word;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	w->probe.far_net = world_net_of(getpid());
	if (unshare(CLONE_NEWNET) < 0 || world_tell(out, 'u'))
		_exit(1);
	word = world_hear(in);
	if (word == 'v' && world_ips(world_far_lines, w->probe.far_net, 0) == 0 &&
		world_serve_far(&w->sockets, &w->probe) == 0)
		word = 'f';
	world_far_settings();
	if (!word || world_tell(out, word))
		_exit(1);
	world_serve(&w->sockets, &w->probe, w->log);
}

/* Without a far side the rest is tried all the same, and why it is not there is said. */
static int world_connect_far(struct world *w, const struct world_pipes *p)
{
	char name[IFNAMSIZ], word;
	int r;

	w->probe.far_net = world_net_of(w->pid);
	if (world_hear(p->from[0]) != 'u')
		return -ECHILD;
	r = world_ips(world_near_lines, w->probe.far_net, w->pid);
	if (world_tell(p->to[1], r ? '-' : 'v'))
		return -EPIPE;
	word = world_hear(p->from[0]);
	if (!word)
		return -ECHILD;
	snprintf(name, sizeof(name), "hfs%u", w->probe.far_net);
	w->probe.far_ifindex = if_nametoindex(name);
	if (word != 'f') {
		snprintf(w->no_far_why, sizeof(w->no_far_why), "%s",
			r == -ENOENT ? "ip(8) is not installed" : "a veth could not be made");
		w->probe.far_net = w->probe.far_ifindex = 0;
	}
	return 0;
}

static int world_make_dir(struct world *w)
{
	char path[80];

	snprintf(w->probe.dir, sizeof(w->probe.dir), "/tmp/holdfast-selftest.XXXXXX");
	if (!mkdtemp(w->probe.dir) || chmod(w->probe.dir, 0755) < 0)
		return -errno;
	snprintf(path, sizeof(path), "%s/open", w->probe.dir);
	return mkdir(path, 0777) < 0 || chmod(path, 01777) < 0 ? -errno : 0;
}

static int world_fork(struct world *w, const struct world_pipes *p)
{
	w->pid = fork();
	if (w->pid < 0)
		return -errno;
	if (!w->pid) {
		close(p->to[1]);
		close(p->from[0]);
		world_child(w, p->to[0], p->from[1]);
	}
	w->probe.pid = w->pid;
	return 0;
}

int world_start(struct world *w)
{
	struct world_pipes p;
	int r;

	w->log = mmap(
		NULL, sizeof(*w->log), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (w->log == MAP_FAILED) {
		w->log = NULL;
		return err_raise(-ENOMEM);
	}
	r = world_make_dir(w);
	if (!r)
		r = world_serve_near(&w->sockets, &w->probe);
	if (!r && (pipe2(p.to, O_CLOEXEC) < 0 || pipe2(p.from, O_CLOEXEC) < 0))
		r = -errno;
	if (!r)
		r = world_fork(w, &p);
	world_serve_close(&w->sockets);
	if (r)
		return err_raise(r);
	close(p.to[0]);
	close(p.from[1]);
	r = world_connect_far(w, &p);
	close(p.to[1]);
	close(p.from[0]);
	return r ? err_raise(r) : 0;
}

/* The veth goes with the namespace, and that with its only process. */
void world_stop(struct world *w)
{
	static const char *const names[] = {"stream", "seqpacket", "dgram", "open", "", NULL};
	char path[96];

	if (w->pid > 0) {
		kill(w->pid, SIGKILL);
		waitpid(w->pid, NULL, 0);
	}
	for (const char *const *name = names; *w->probe.dir && *name; name++) {
		snprintf(path, sizeof(path), "%s/%s", w->probe.dir, *name);
		if (remove(path) < 0 && errno == ENOTEMPTY)
			fprintf(stderr, "holdfast: something was left in %s\n", path);
	}
	if (w->log)
		munmap(w->log, sizeof(*w->log));
	w->log = NULL;
}

/* ---- as text ----------------------------------------------------------------------------------
 */

int world_print(const struct probe_world *w, char *buf, size_t max)
{
	int n = snprintf(buf, max, "%u %u %u %d %u %u %s %s %s", w->tcp_port, w->udp_port,
		w->inbound_port, (int)w->pid, w->far_net, w->far_ifindex, w->dir, w->holdfast_dir,
		w->ledger);

	return n < 0 || (size_t)n >= max ? err_raise(-ENAMETOOLONG) : 0;
}

int world_scan(const char *text, struct probe_world *ret)
{
	unsigned ports[3];
	int pid;

	*ret = (struct probe_world){0};
	if (sscanf(text, "%u %u %u %d %u %u %63s %107s %255s", &ports[0], &ports[1], &ports[2],
		    &pid, &ret->far_net, &ret->far_ifindex, ret->dir, ret->holdfast_dir,
		    ret->ledger) != 9)
		return err_raise(-EINVAL);
	ret->tcp_port = (uint16_t)ports[0];
	ret->udp_port = (uint16_t)ports[1];
	ret->inbound_port = (uint16_t)ports[2];
	ret->pid = pid;
	return 0;
}
