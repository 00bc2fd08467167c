/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/nets.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "daemon/dial_as.h"
#include "kern/netns.h"
#include "kern/unix_peer.h"
#include "net/sock.h"
#include "net/udp.h"
#include "session/enforcer.h"
#include "util/cleanup.h"
#include "util/log.h"

enum { NETS_UNIX_NAME = 32 }; /* bytes, as in struct intercept_state */

/* One namespace. */
struct net {
	struct list link;
	uint64_t cookie;
	int ns_fd;
	int fds[CHANNEL_PLACES]; /* -1: not there */
	uint64_t *runs;          /* ids of those it is served for */
	size_t n_runs;
};

struct door {
	struct loop_source src;
	struct nets *nets;
};

struct nets {
	struct nets_config config;
	struct list list;
	size_t n;
	struct door doors[ENFORCER_WORKERS_MAX];
	struct policy *policy; /* NULL: none could be read, and nobody is dialled as anybody */
};

/* ---- doors: sockets for the enforcer --------------------------------------------------------- */

static struct net *nets_find(const struct nets *n, uint64_t cookie)
{
	struct list *pos;

	list_for_each (pos, &n->list) {
		struct net *net = list_entry(pos, struct net, link);

		if (net->cookie == cookie)
			return net;
	}
	return NULL;
}

/* A socket as it was asked for, or -errno. */
static int nets_make_socket(const struct nets *n, const struct channel_socket *want)
{
	const struct net *net = nets_find(n, want->cookie);

	if (want->family != AF_INET && want->family != AF_INET6 && want->family != AF_UNIX)
		return -EAFNOSUPPORT;
	if (!net)
		return -ENETUNREACH;
	return netns_socket(net->ns_fd, (int)want->family, SOCK_STREAM | SOCK_NONBLOCK, 0);
}

/* Connected as the policy says, in the agent's network namespace: an abstract name is of that. */
static int nets_dial_as(const struct nets *n, const struct channel_socket *want)
{
	const struct policy *p = n->policy;
	const struct net *net = nets_find(n, want->cookie);
	const struct resource *resource = NULL;
	_cleanup_(fd_closep) int fd = -1;
	const char *named = NULL;
	uid_t uid;
	int r;

	for (size_t i = 0; p && (named = policy_unix(p, i, &resource)); i++)
		if (policy_unix_id(named) == want->unix_id)
			break;
	if (!named || resource->unix_auth == UNIX_AUTH_ENFORCER)
		return -EACCES;
	uid = n->config.uid_of(n->config.arg, want->run);
	fd = net ? netns_socket(net->ns_fd, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0)
		 : socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_trace(fd);
	(void)sock_refuse_rights(fd);
	r = dial_as(
		fd, named, resource->unix_auth == UNIX_AUTH_USER ? resource->unix_user : NULL, uid);
	return r ? -r : TAKE_FD(fd);
}

/* To a socket that the run itself listens on: `in_run:`. Which one it asked for is the kernel's
 * word and not the enforcer's. Its uid tells the run apart from others, where it has one of its
 * own. */
static int nets_dial_in_run(const struct nets *n, const struct channel_socket *want)
{
	uid_t uid = n->config.uid_of(n->config.arg, want->run);
	_cleanup_(fd_closep) int fd = -1;
	char path[sizeof(((struct unix_origin *)0)->path) + 1] = "";
	struct unix_origin o;
	int r;

	if (!n->policy || !policy_may_in_run(n->policy) || !uid || uid < n->config.uid_first ||
		uid > n->config.uid_last)
		return -EACCES;
	r = unix_peer_asked(kern_unix_origins_fd(n->config.kern), want->unix_cookie, &o);
	if (r < 0)
		return err_trace(r);
	if (r || o.origin.cgroup != want->run || o.origin.uid != uid)
		return -EACCES;
	memcpy(path, o.path, o.len);
	if (*path != '/')
		return -EACCES;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_raise(-errno);
	/* The run listens there, and answers what it likes. */
	(void)sock_refuse_rights(fd);
	r = dial_own(fd, path, uid);
	return r ? -r : TAKE_FD(fd);
}

static void door_close(struct door *d)
{
	loop_forget(d->nets->config.loop, &d->src);
	d->src.fd = fd_close(d->src.fd);
}

static void door_on_event(struct loop_source *src, uint32_t events)
{
	struct door *d = list_entry(src, struct door, src);
	_cleanup_(fd_closep) int taken = -1;
	_cleanup_(fd_closep) int made = -1;
	struct channel_message m;
	int r = channel_receive(src->fd, CHANNEL_AT_DOOR, &m, &taken);

	(void)events;
	if (r == CHANNEL_E_AGAIN)
		return;
	if (r == CHANNEL_E_BAD)
		d->nets->config.on_bad(d->nets->config.arg);
	if (!r) {
		made = m.socket.unix_cookie ? nets_dial_in_run(d->nets, &m.socket)
		       : m.socket.unix_id   ? nets_dial_as(d->nets, &m.socket)
					    : nets_make_socket(d->nets, &m.socket);
		m.type = made < 0 ? CHANNEL_NO_SOCKET : CHANNEL_SOCKET;
		m.socket.error = made < 0 ? -made : 0;
		r = channel_send(src->fd, &m, made);
	}
	if (r)
		door_close(d); /* it died, or will */
}

int nets_open_doors(struct nets *n, int *ret_fds)
{
	for (unsigned i = 0; i < n->config.n_doors; i++) {
		struct door *d = &n->doors[i];
		int pair[2], r;

		door_close(d);
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
			return err_raise(-errno);
		d->src = (struct loop_source){.fd = pair[0], .fn = door_on_event};
		ret_fds[i] = pair[1];
		r = loop_watch(n->config.loop, &d->src, EPOLLIN);
		if (r)
			return err_trace(r);
	}
	return 0;
}

/* ---- listeners ------------------------------------------------------------------------------- */

struct net_opening {
	const struct nets_config *config;
	struct net *net;
};

/* In the namespace. The port is ours alone there: whoever has it already is not joined. */
static int net_open(void *arg)
{
	const struct net_opening *o = arg;
	const struct nets_config *c = o->config;
	int *fds = o->net->fds;

	fds[CHANNEL_TCP4] = sock_listen(false, c->port, false);
	if (fds[CHANNEL_TCP4] < 0)
		return fds[CHANNEL_TCP4];
	/* There may be no IPv6 at all: then nobody connects over it either. */
	fds[CHANNEL_TCP6] = sock_listen(true, c->port, false);
	fds[CHANNEL_QUESTIONS4] = udp_listen(false, c->port, false);
	if (fds[CHANNEL_QUESTIONS4] < 0)
		return fds[CHANNEL_QUESTIONS4];
	fds[CHANNEL_QUESTIONS6] = udp_listen(true, c->port, false);
	if (!c->unix_name)
		return 0;
	fds[CHANNEL_DIAG] = unix_peer_open();
	fds[CHANNEL_UNIX] = sock_listen_abstract(c->unix_name, NETS_UNIX_NAME);
	return fds[CHANNEL_UNIX] < 0 || fds[CHANNEL_DIAG] < 0 ? -EADDRINUSE : 0;
}

static void net_tell(const struct nets *n, const struct net *net)
{
	struct channel_message m = {.type = CHANNEL_NETNS, .netns = {.cookie = net->cookie}};

	for (; m.netns.place < CHANNEL_PLACES; m.netns.place++)
		if (net->fds[m.netns.place] >= 0 &&
			n->config.tell(n->config.arg, &m, net->fds[m.netns.place]))
			return; /* its successor is told */
}

static struct net *net_free(struct net *net)
{
	for (unsigned i = 0; i < CHANNEL_PLACES; i++)
		fd_close(net->fds[i]);
	fd_close(net->ns_fd);
	free(net->runs);
	free(net);
	return NULL;
}

static void nets_end(struct nets *n, struct net *net)
{
	const struct channel_message m = {
		.type = CHANNEL_NETNS_END, .netns = {.cookie = net->cookie}};

	if (kern_serve_netns(n->config.kern, net->cookie, false))
		log_error("netns", "cookie=%" PRIu64 " closed=0", net->cookie);
	if (n->config.tell(n->config.arg, &m, -1))
		log_debug("netns", "cookie=%" PRIu64 " told=0", net->cookie);
	list_remove(&net->link);
	n->n--;
	net_free(net);
}

static int nets_add(struct nets *n, int ns_fd, uint64_t cookie, struct net **ret)
{
	struct net *net = n->n < NETS_MAX ? calloc(1, sizeof(*net)) : NULL;
	struct net_opening opening = {.config = &n->config, .net = net};
	int r;

	if (!net)
		return err_raise(-ENOMEM);
	net->cookie = cookie;
	for (unsigned i = 0; i < CHANNEL_PLACES; i++)
		net->fds[i] = -1;
	net->ns_fd = fcntl(ns_fd, F_DUPFD_CLOEXEC, 0);
	r = net->ns_fd < 0 ? -errno : netns_raise_loopback(net->ns_fd);
	if (!r)
		r = netns_call(net->ns_fd, net_open, &opening);
	if (!r)
		r = kern_mark_own(n->config.kern, net->fds[CHANNEL_QUESTIONS4]);
	if (!r && net->fds[CHANNEL_QUESTIONS6] >= 0)
		r = kern_mark_own(n->config.kern, net->fds[CHANNEL_QUESTIONS6]);
	if (r) {
		net_free(net);
		return err_trace(r);
	}
	list_append(&n->list, &net->link);
	n->n++;
	/* The enforcer first: who connects then is waited for. */
	net_tell(n, net);
	r = kern_serve_netns(n->config.kern, cookie, true);
	if (r) {
		nets_end(n, net);
		return err_trace(r);
	}
	*ret = net;
	return 0;
}

static int net_add_run(struct net *net, uint64_t run)
{
	uint64_t *runs;

	for (size_t i = 0; i < net->n_runs; i++)
		if (net->runs[i] == run)
			return 0;
	runs = reallocarray(net->runs, net->n_runs + 1, sizeof(*runs));
	if (!runs)
		return err_raise(-ENOMEM);
	net->runs = runs;
	runs[net->n_runs++] = run;
	return 0;
}

static void nets_say(
	const struct nets *n, const char *kind, uint64_t run, uint64_t cookie, const char *why)
{
	char text[160];

	snprintf(text, sizeof(text), "network namespace %" PRIu64 "%s%s", cookie, *why ? ": " : "",
		why);
	n->config.on_event(n->config.arg, kind, run, text);
}

int nets_serve(struct nets *n, const struct run *run, int ns_fd, uint64_t cookie)
{
	struct net *net = nets_find(n, cookie);
	bool is_new = !net;
	int r = net ? 0 : nets_add(n, ns_fd, cookie, &net);

	if (!r) {
		r = net_add_run(net, run->id);
		if (r && is_new)
			nets_end(n, net);
	}
	nets_say(n, r ? "netns-refused" : "netns-served", run->id, cookie, r ? strerror(-r) : "");
	return r ? err_trace(r) : 0;
}

void nets_leave(struct nets *n, const struct run *run)
{
	struct list *pos, *tmp;

	list_for_each_safe (pos, tmp, &n->list) {
		struct net *net = list_entry(pos, struct net, link);

		for (size_t i = 0; i < net->n_runs; i++)
			if (net->runs[i] == run->id)
				net->runs[i--] = net->runs[--net->n_runs];
		if (!net->n_runs)
			nets_end(n, net);
	}
}

void nets_announce(struct nets *n)
{
	struct list *pos;

	list_for_each (pos, &n->list)
		net_tell(n, list_entry(pos, struct net, link));
}

/* ---- life ------------------------------------------------------------------------------------ */

void nets_read_policy(struct nets *n, struct slice text)
{
	static struct diag d; /* too large for a stack */

	n->policy = policy_free(n->policy);
	diag_init(&d, "policy", text);
	if (policy_load(text, 0, &d, &n->policy))
		log_error("policy", "not understood by the warden: unix_auth is refused");
}

int nets_new(const struct nets_config *config, struct nets **ret)
{
	struct nets *n = calloc(1, sizeof(*n));

	if (!n)
		return err_raise(-ENOMEM);
	n->config = *config;
	list_init(&n->list);
	for (unsigned i = 0; i < ENFORCER_WORKERS_MAX; i++)
		n->doors[i] = (struct door){.src.fd = -1, .nets = n};
	nets_read_policy(n, config->policy_text);
	*ret = n;
	return 0;
}

struct nets *nets_free(struct nets *n)
{
	struct list *pos, *tmp;

	if (!n)
		return NULL;
	/* The kernel side stays closed: nobody is served while no daemon is there. */
	list_for_each_safe (pos, tmp, &n->list) {
		list_remove(pos);
		net_free(list_entry(pos, struct net, link));
	}
	for (unsigned i = 0; i < n->config.n_doors; i++)
		door_close(&n->doors[i]);
	policy_free(n->policy);
	free(n);
	return NULL;
}
