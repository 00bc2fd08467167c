/* SPDX-License-Identifier: Apache-2.0 */
/* Ways out over unix sockets, to the world's own and to the daemons that a host has: see probe.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "selftest/probe.h"
#include "util/cleanup.h"

static socklen_t unix_address(struct sockaddr_un *a, const char *path)
{
	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(a->sun_path, sizeof(a->sun_path), "%.107s", path);
	return sizeof(*a);
}

static int unix_dial(const struct probe_context *c, int type, const struct sockaddr_un *to,
	socklen_t len, bool must_talk)
{
	int fd = probe_socket(AF_UNIX, type, 0);

	if (fd < 0)
		return fd;
	if (connect(fd, (const struct sockaddr *)to, len) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	if (must_talk)
		return probe_talk(c, fd);
	close(fd);
	return PROBE_OUT;
}

static int unix_stream(const struct probe_context *c, const char *path)
{
	struct sockaddr_un to;
	socklen_t len = unix_address(&to, path);

	return unix_dial(c, SOCK_STREAM, &to, len, true);
}

static const char *unix_in_world(const struct probe_context *c, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", c->world->dir, name);
	return path;
}

int probe_unix_path(struct probe_context *c)
{
	return unix_stream(c, unix_in_world(c, "stream"));
}

int probe_unix_relative(struct probe_context *c)
{
	return chdir(c->world->dir) < 0 ? -errno : unix_stream(c, "./stream");
}

int probe_unix_symlink(struct probe_context *c)
{
	char link_path[128];
	int r;

	snprintf(link_path, sizeof(link_path), "%s/open/link-%d", c->world->dir, (int)getpid());
	if (symlink("../stream", link_path) < 0)
		return -errno;
	r = unix_stream(c, link_path);
	unlink(link_path);
	return r;
}

int probe_unix_proc_cwd(struct probe_context *c)
{
	return chdir(c->world->dir) < 0 ? -errno : unix_stream(c, "/proc/self/cwd/stream");
}

int probe_unix_proc_fd(struct probe_context *c)
{
	_cleanup_(fd_closep) int fd = open(unix_in_world(c, "stream"), O_PATH | O_CLOEXEC);
	char path[64];

	if (fd < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return unix_stream(c, path);
}

int probe_unix_mountns(struct probe_context *c)
{
	char open_dir[128];

	snprintf(open_dir, sizeof(open_dir), "%s/open", c->world->dir);
	/* Outside, anyone may do without the namespace. */
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 ||
		mount(c->world->dir, open_dir, NULL, MS_BIND, NULL) < 0)
		return c->guise == GUISE_CONTROL ? probe_unix_path(c) : -errno;
	return unix_stream(c, unix_in_world(c, "open/stream"));
}

static socklen_t unix_abstract_address(const struct probe_context *c, struct sockaddr_un *a)
{
	int n;

	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	n = snprintf(a->sun_path + 1, sizeof(a->sun_path) - 1, "%s/abstract", c->world->dir);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

int probe_unix_abstract(struct probe_context *c)
{
	struct sockaddr_un to;
	socklen_t len = unix_abstract_address(c, &to);

	return unix_dial(c, SOCK_STREAM, &to, len, true);
}

int probe_unix_seqpacket(struct probe_context *c)
{
	struct sockaddr_un to;
	socklen_t len = unix_address(&to, unix_in_world(c, "seqpacket"));

	return unix_dial(c, SOCK_SEQPACKET, &to, len, true);
}

/* One datagram by fd, which is closed; the world hears it. */
static int unix_send(const struct probe_context *c, int fd, const struct sockaddr_un *to)
{
	int r = 0;

	if (sendto(fd, c->mark, strlen(c->mark), MSG_NOSIGNAL, (const struct sockaddr *)to,
		    to ? sizeof(*to) : 0) < 0)
		r = -errno;
	close(fd);
	return r;
}

int probe_unix_dgram(struct probe_context *c)
{
	int fd = probe_socket(AF_UNIX, SOCK_DGRAM, 0);
	struct sockaddr_un to;

	unix_address(&to, unix_in_world(c, "dgram"));
	return fd < 0 ? fd : unix_send(c, fd, &to);
}

int probe_unix_dgram_connected(struct probe_context *c)
{
	int fd = probe_socket(AF_UNIX, SOCK_DGRAM, 0);
	struct sockaddr_un to;

	unix_address(&to, unix_in_world(c, "dgram"));
	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd < 0 ? fd : unix_send(c, fd, NULL);
}

int probe_unix_pair_sendto(struct probe_context *c)
{
	struct sockaddr_un to;
	int pair[2];

	unix_address(&to, unix_in_world(c, "dgram"));
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	close(pair[1]);
	return unix_send(c, pair[0], &to);
}

int probe_unix_sendmmsg(struct probe_context *c)
{
	struct sockaddr_un to;
	struct iovec iov = {.iov_base = c->mark, .iov_len = strlen(c->mark)};
	struct mmsghdr m = {.msg_hdr = {.msg_name = &to, .msg_iov = &iov, .msg_iovlen = 1}};
	int fd = probe_socket(AF_UNIX, SOCK_DGRAM, 0), r = 0;

	if (fd < 0)
		return fd;
	m.msg_hdr.msg_namelen = unix_address(&to, unix_in_world(c, "dgram"));
	if (sendmmsg(fd, &m, 1, MSG_NOSIGNAL) < 0)
		r = -errno;
	close(fd);
	return r;
}

/* ---- daemons of the host ----------------------------------------------------------------------
 */

/* Whether it is there is for the control to say: inside, what is hidden looks absent. */
static int unix_daemon(struct probe_context *c, int type, const char *path)
{
	struct sockaddr_un to;
	socklen_t len = unix_address(&to, path);
	struct stat st;

	if (c->guise == GUISE_CONTROL && (stat(path, &st) < 0 || !S_ISSOCK(st.st_mode)))
		return probe_absent(c, "no %s here", path);
	return unix_dial(c, type, &to, len, false);
}

/* The first that matches. */
static int unix_daemon_glob(struct probe_context *c, const char *pattern)
{
	glob_t g = {0};
	int r;

	if (glob(pattern, GLOB_NOSORT, NULL, &g) || !g.gl_pathc)
		r = c->guise == GUISE_CONTROL ? probe_absent(c, "no %s here", pattern) : -ENOENT;
	else
		r = unix_daemon(c, SOCK_STREAM, g.gl_pathv[0]);
	globfree(&g);
	return r;
}

int probe_unix_ctl(struct probe_context *c)
{
	char path[128];

	snprintf(path, sizeof(path), "%.100s/ctl.sock", c->world->holdfast_dir);
	return unix_daemon(c, SOCK_SEQPACKET, path);
}

int probe_unix_run(struct probe_context *c)
{
	char path[128];

	snprintf(path, sizeof(path), "%.100s/run.sock", c->world->holdfast_dir);
	return unix_daemon(c, SOCK_SEQPACKET, path);
}

#define DAEMON(id, type, path)                                                                     \
	int probe_##id(struct probe_context *c)                                                    \
	{                                                                                          \
		return unix_daemon(c, type, path);                                                 \
	}

DAEMON(daemon_dbus, SOCK_STREAM, "/run/dbus/system_bus_socket")
DAEMON(daemon_systemd, SOCK_STREAM, "/run/systemd/private")
DAEMON(daemon_notify, SOCK_DGRAM, "/run/systemd/notify")
DAEMON(daemon_journal, SOCK_DGRAM, "/dev/log")
DAEMON(daemon_resolve, SOCK_STREAM, "/run/systemd/resolve/io.systemd.Resolve")
DAEMON(daemon_docker, SOCK_STREAM, "/run/docker.sock")
DAEMON(daemon_containerd, SOCK_STREAM, "/run/containerd/containerd.sock")
DAEMON(daemon_podman, SOCK_STREAM, "/run/podman/podman.sock")
DAEMON(daemon_libvirt, SOCK_STREAM, "/run/libvirt/libvirt-sock")
DAEMON(daemon_snapd, SOCK_STREAM, "/run/snapd.socket")
DAEMON(daemon_nscd, SOCK_STREAM, "/run/nscd/socket")

int probe_daemon_x11(struct probe_context *c)
{
	return unix_daemon_glob(c, "/tmp/.X11-unix/X*");
}

int probe_daemon_postgres(struct probe_context *c)
{
	return unix_daemon_glob(c, "/run/postgresql/.s.PGSQL.*[0-9]");
}

int probe_daemon_mysql(struct probe_context *c)
{
	return unix_daemon_glob(c, "/run/mysqld/mysqld.sock");
}
