/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unix connections. The string that an agent connects to is resolved here, in the host's root, and
 * only to find out whether it is a socket that the policy names: compared by device and inode, not
 * by its letters. What is dialled is the policy's own path. So the worst that a crafted string does
 * is to name something that the agent may reach anyway.
 *
 * The server sees the enforcer as its peer, or whom `unix_auth:` of the resource says:
 * session/door.h.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
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

const struct resource *session_unix_resource(const struct policy *p, const char *path)
{
	const struct resource *resource;
	const char *named;

	for (size_t i = 0; (named = policy_unix(p, i, &resource)); i++)
		if (!strcmp(named, path))
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
	const struct policy *p, const char *said, const struct resource **ret)
{
	_cleanup_(fd_closep) int fd = open(said, O_PATH | O_CLOEXEC);
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
	for (size_t i = 0; (named = policy_unix(p, i, ret)); i++)
		if (!strcmp(named, said))
			return named;
	return said[0] == '/' ? unix_find_path(p, said, ret) : NULL;
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
	if (!path) {
		session_reject(w, fd, &b.run, "target-denied", b.detail);
		return;
	}
	snprintf(b.path, sizeof(b.path), "%s", path);
	unix_addr(b.origin.addr, path);
	b.origin.port = 0;
	session_begin(w, fd, &b);
}
