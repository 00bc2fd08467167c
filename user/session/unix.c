/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unix connections. The string that an agent connects to is resolved here, in the host's root, and
 * only to find out whether it is a socket that the policy names: compared by device and inode, not
 * by its letters. What is dialled is the policy's own path. So the worst that a crafted string does
 * is to name something that the agent may reach anyway. A relative one begins at the folder that
 * the hook saw the agent in, which has to be one on the way to the socket: then it can be found.
 *
 * The server sees the enforcer as its peer, or whom `unix_auth:` of the resource says:
 * session/door.h.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "kern/origin.h"
#include "kern/unix_peer.h"
#include "session/session.h"
#include "util/cleanup.h"
#include "util/log.h"

/* Where decisions and holds remember a target: an address that no network has, made of the path. */
static void unix_addr(uint8_t addr[16], const char *path)
{
	const uint64_t hash = policy_unix_id(path);

	memcpy(addr, "unix\0\0\0\0", 8);
	memcpy(addr + 8, &hash, sizeof(hash));
}

/* `in_run: allow`: sockets that no resource names, but the run itself listens on. Whether it does
 * is the warden's to say (daemon/nets.c), who dials them as the run. */
static const char *const unix_no_texts[] = {NULL};
static const struct resource unix_in_run = {.name = "in_run",
	.protocol = "opaque",
	.tags = (const char **)(uintptr_t)unix_no_texts,
	.at = (const char **)(uintptr_t)unix_no_texts,
	.unix_auth = UNIX_AUTH_AGENT};

bool session_is_in_run(const struct session *s)
{
	return s->resource == &unix_in_run;
}

const struct resource *session_unix_resource_again(const struct session *s)
{
	const struct policy *p = s->worker->policy;
	const struct resource *resource;
	const char *named;

	if (session_is_in_run(s))
		return policy_may_in_run(p) ? &unix_in_run : NULL;
	for (size_t i = 0; (named = policy_unix(p, i, &resource)); i++)
		if (!strcmp(named, s->path))
			return resource;
	return NULL;
}

/* An abstract name is what it says; `said` has @ in place of its NUL. */
static const char *unix_find_abstract(
	const struct policy *p, const char *said, const struct resource **ret)
{
	const char *named;

	for (size_t i = 0; (named = policy_unix(p, i, ret)); i++)
		if (*named == '@' && !strcmp(named, said))
			return named;
	return NULL;
}

static const char *unix_find_path(
	const struct policy *p, int from, const char *said, const struct resource **ret)
{
	_cleanup_(fd_closep) int fd = openat(from, said, O_PATH | O_CLOEXEC);
	struct stat meant, st;
	const char *named;

	if (fd < 0 || fstat(fd, &meant) < 0 || !S_ISSOCK(meant.st_mode))
		return NULL;
	for (size_t i = 0; (named = policy_unix(p, i, ret)); i++)
		if (*named == '/' && !stat(named, &st) && st.st_dev == meant.st_dev &&
			st.st_ino == meant.st_ino)
			return named;
	return NULL;
}

/* Is it the folder that the agent was in? */
static bool unix_is_folder(const struct stat *st, const struct unix_origin *o)
{
	enum { MINOR_BITS = 20 };

	return st->st_ino == o->dir_ino && major(st->st_dev) == o->dir_dev >> MINOR_BITS &&
	       minor(st->st_dev) == (o->dir_dev & ((1u << MINOR_BITS) - 1));
}

/* The folder, if it is one of those above a named socket; or -1. */
static int unix_open_folder(const char *named, const struct unix_origin *o)
{
	char at[sizeof(o->path) + 1];
	char *slash;

	snprintf(at, sizeof(at), "%s", named);
	while ((slash = strrchr(at, '/'))) {
		_cleanup_(fd_closep) int fd = -1;
		struct stat st;

		slash[slash == at] = 0; /* the first one is the root's name */
		fd = open(at, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0 && !fstat(fd, &st) && unix_is_folder(&st, o))
			return TAKE_FD(fd);
		if (slash == at)
			break;
	}
	return -1;
}

static const char *unix_find_relative(const struct policy *p, const struct unix_origin *o,
	const char *said, const struct resource **ret)
{
	const char *named, *found = NULL;

	for (size_t i = 0; !found && (named = policy_unix(p, i, ret)); i++) {
		_cleanup_(fd_closep) int fd = *named == '/' ? unix_open_folder(named, o) : -1;

		if (fd >= 0)
			found = unix_find_path(p, fd, said, ret);
	}
	return found;
}

/* The policy's words for what was said; NULL: it has none. */
static const char *unix_find(
	const struct policy *p, const struct unix_origin *o, const struct resource **ret)
{
	char said[sizeof(o->path) + 1] = "";
	const char *named;

	memcpy(said, o->path, o->len);
	if (!said[0] && o->len > 1) {
		said[0] = '@';
		/* A NUL within would cut it to another's name. */
		return strlen(said) == o->len ? unix_find_abstract(p, said, ret) : NULL;
	}
	if (said[0] != '/')
		return said[0] ? unix_find_relative(p, o, said, ret) : NULL;
	for (size_t i = 0; (named = policy_unix(p, i, ret)); i++)
		if (!strcmp(named, said))
			return named;
	return unix_find_path(p, AT_FDCWD, said, ret);
}

/* May it be one of the run's own? Only one with a path: the file says whose it is before it is
 * knocked at. *ret_path then. */
static bool unix_may_be_own(const struct policy *p, const struct run_info *run,
	const struct unix_origin *o, char ret_path[static sizeof(o->path) + 1])
{
	memcpy(ret_path, o->path, o->len);
	ret_path[o->len] = 0;
	return policy_may_in_run(p) && *ret_path == '/' && o->origin.uid == run->uid;
}

/* For people: what is not plain is a dot. */
static void unix_describe(struct session_birth *b, const struct unix_origin *o)
{
	char text[sizeof(o->path) + 1] = "";

	for (uint32_t i = 0; i < o->len && (o->path[i] || !i); i++)
		text[i] = o->path[i] > ' ' && o->path[i] < 127 ? o->path[i] : i ? '.' : '@';
	snprintf(b->detail, sizeof(b->detail), "target=unix:%s pid=%u comm=%.15s", text,
		o->origin.tgid, o->origin.comm);
}

void session_accept_unix(struct worker *w, int fd, int diag_fd)
{
	const struct enforcer *e = w->enforcer;
	struct session_birth b = {0};
	struct unix_origin o;
	char own[sizeof(o.path) + 1];
	const char *path;

	if (unix_peer_origin(diag_fd, e->unix_origins_fd, fd, &o)) {
		session_reject(
			w, fd, NULL, "no-origin", "a unix connection that no hook sent here");
		return;
	}
	b.origin = o.origin;
	unix_describe(&b, &o);
	if (!enforcer_find_run(w->enforcer, b.origin.cgroup, &b.run)) {
		session_reject(w, fd, NULL, "no-run", b.detail);
		return;
	}
	path = unix_find(w->policy, &o, &b.resource);
	if (!path && unix_may_be_own(w->policy, &b.run, &o, own)) {
		path = own;
		b.resource = &unix_in_run;
	}
	if (!path) {
		session_reject(w, fd, &b.run, "target-denied", b.detail);
		return;
	}
	snprintf(b.path, sizeof(b.path), "%s", path);
	unix_addr(b.origin.addr, path);
	b.origin.port = 0;
	session_begin(w, fd, &b);
}
