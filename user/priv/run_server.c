/* SPDX-License-Identifier: Apache-2.0 */
/* run.sock and the life of runs: see run_server.h. */
#include "priv/run_server.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "ctl/wire.h"
#include "priv/run_server_int.h"
#include "priv/run_wire.h"
#include "util/cleanup.h"
#include "util/log.h"

enum {
	SERVER_CLIENTS_MAX = 512,    /* connections: one per waiting CLI */
	SERVER_CLIENTS_OF_ONE = 256, /* of one user */
	SERVER_CLIENTS_OF_ROOT = 16, /* of the places, those that only root gets */
	SERVER_BACKLOG = 16,
	SERVER_EVENTS_PER_DISPATCH = 64,
	SERVER_ANSWER_MAX = 1024,
	SERVER_FDS = 3,
};

static int server_watch(struct run_server *s, int fd, uint32_t events, struct source *source)
{
	struct epoll_event ev = {.events = events, .data.ptr = source};

	return epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0 ? err_raise(-errno) : 0;
}

/* Before every close: while a child that was just born still has copies of our descriptors, closing
 * ours does not end the watch, and its next event would come for memory that is gone. */
static void server_unwatch(struct run_server *s, int fd)
{
	if (fd >= 0)
		epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

/* ---- answers --------------------------------------------------------------------------------- */

/* Who does not read its one answer does not get it. */
void server_send(struct client *c, struct writer *w)
{
	if (!w->bad && send(c->fd, w->p, w->n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug("run.answer", "pid=%d errno=%d", c->peer.pid, errno);
}

static struct writer client_answer(uint8_t *mem, enum ctl_type type)
{
	struct writer w = writer_of(mem, SERVER_ANSWER_MAX);

	wr_be16(&w, CTL_VERSION);
	wr_be16(&w, (uint16_t)type);
	return w;
}

void server_send_error(struct client *c, enum ctl_error error, const char *text)
{
	uint8_t mem[SERVER_ANSWER_MAX];
	struct writer w = client_answer(mem, CTL_ERROR);

	wr_be32(&w, error);
	wr_be32_bytes(&w, slice_str(text));
	server_send(c, &w);
}

void server_send_end(struct client *c)
{
	uint8_t mem[SERVER_ANSWER_MAX];
	struct writer w = client_answer(mem, CTL_END);

	server_send(c, &w);
}

void server_event(struct run_server *s, const struct run *run, const char *kind, uid_t by)
{
	char text[RUN_FROM_MAX + 128];

	snprintf(text, sizeof(text), "by uid=%u name=%s%s%s", by, run->name,
		run->is_attached ? " from=" : "", run->from);
	s->config.callbacks.on_event(s->config.callbacks.arg, kind, run->id, text);
}

static void client_send_started(struct client *c, const struct run *run)
{
	uint8_t mem[SERVER_ANSWER_MAX];
	struct writer w = client_answer(mem, RUN_STARTED);

	wr_be64(&w, run->id);
	wr_be32(&w, run->uid);
	wr_be32_bytes(&w, slice_str(run->name));
	server_send(c, &w);
}

static void client_send_exited(struct client *c, int status)
{
	uint8_t mem[SERVER_ANSWER_MAX];
	struct writer w = client_answer(mem, RUN_EXITED);

	wr_be32(&w, (uint32_t)status);
	server_send(c, &w);
}

/* ---- runs ------------------------------------------------------------------------------------ */

/* The command's group, or the command alone while it has not made its group yet. */
static void served_signal(const struct served *v, int sig)
{
	if (v->run->pid <= 0)
		return;
	if (kill(-v->run->pid, sig) < 0 && errno == ESRCH)
		syscall(SYS_pidfd_send_signal, v->run->pidfd, sig, NULL, 0);
}

static void served_forget_client(struct served *v)
{
	if (v->client)
		v->client->served = NULL;
	v->client = NULL;
	v->run->client_fd = -1;
}

struct served *served_new(struct run_server *s, struct run *run)
{
	struct served *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->run = run;
	v->pid_source = (struct source){SOURCE_PIDFD, v};
	v->events_source = (struct source){SOURCE_EVENTS, v};
	list_append(&s->runs, &v->link);
	s->n_runs++;
	return v;
}

static void served_free(struct run_server *s, struct served *v)
{
	served_forget_client(v);
	server_unwatch(s, v->run->pidfd);
	server_unwatch(s, v->run->events_fd);
	list_remove(&v->link);
	s->n_runs--;
	run_watch_deinit(&v->watch);
	free(v);
}

static void served_look(struct run_server *s, struct served *v)
{
	if (!v->is_released)
		run_watch_look(&v->watch, &s->config.run, v->run, s->config.callbacks.on_event,
			s->config.callbacks.arg);
}

/* Edge-triggered: a read of cgroup.events is what arms the next one, and run_is_alive() reads. */
int served_watch(struct run_server *s, struct served *v)
{
	int r = 0;

	if (v->run->pidfd >= 0)
		r = server_watch(s, v->run->pidfd, EPOLLIN, &v->pid_source);
	if (!r && v->run->events_fd >= 0)
		r = server_watch(s, v->run->events_fd, EPOLLPRI | EPOLLET, &v->events_source);
	if (!r)
		served_look(s, v);
	return r ? err_trace(r) : 0;
}

/* The run is over when nothing of it is left: its command has been waited for, its group is empty.
 */
static void served_check_end(struct run_server *s, struct served *v)
{
	struct run *run = v->run;
	int alive = run_is_alive(run);

	if (alive < 0)
		log_error("run.alive", "id=%" PRIu64 " errno=%d", run->id, -alive);
	if (alive || run->pid > 0)
		return;
	/* The last of it may have been moved out. */
	served_look(s, v);
	log_info("run.end", "id=%" PRIu64 " name=\"%s\"", run->id, run->name);
	s->config.callbacks.on_end(s->config.callbacks.arg, run);
	served_free(s, v);
	run_end(&s->config.run, run);
}

static void served_on_exit(struct run_server *s, struct served *v)
{
	struct run *run = v->run;
	char why[256];
	int status, exit_code;
	pid_t pid = waitpid(run->pid, &status, WNOHANG);

	if (pid == 0)
		return;
	if (pid < 0)
		status = 1 << 8; /* somebody else waited for it: it ended, how is lost */
	run_note_exit(run);
	server_unwatch(s, run->pidfd);
	run->pidfd = fd_close(run->pidfd);
	if (run_failure(run, why, sizeof(why), &exit_code)) {
		status = exit_code << 8;
		log_warn("run.exec", "id=%" PRIu64 " why=\"%s\"", run->id, why);
		if (v->client)
			server_send_error(v->client, CTL_ERR_FAILED, why);
	}
	log_info("run.exit", "id=%" PRIu64 " status=0x%x", run->id, (unsigned)status);
	s->config.callbacks.on_exit(s->config.callbacks.arg, run, status);
	if (v->client)
		client_send_exited(v->client, status);
	served_forget_client(v);
	served_check_end(s, v);
}

struct served *server_find(const struct run_server *s, uint64_t id)
{
	struct list *l;

	list_for_each (l, &s->runs) {
		struct served *v = list_entry(l, struct served, link);

		if (v->run->id == id)
			return v;
	}
	return NULL;
}

/* ---- clients --------------------------------------------------------------------------------- */

/* A CLI that went away is a terminal that hung up. */
static void client_free(struct run_server *s, struct client *c)
{
	struct served *v = c->served;

	if (v) {
		served_signal(v, SIGHUP);
		served_signal(v, SIGCONT);
		served_forget_client(v);
	}
	list_remove(&c->link);
	s->n_clients--;
	server_unwatch(s, c->fd);
	close(c->fd);
	free(c);
}

static void server_start(struct run_server *s, struct client *c, struct slice body, const int *fds)
{
	const struct run_server_callbacks *cb = &s->config.callbacks;
	struct run_request req;
	struct served *v;
	struct run *run;
	const char *why;
	uint64_t id;
	int r;

	if (c->served || fds[SERVER_FDS - 1] < 0 || run_wire_parse_start(body, &req)) {
		server_send_error(c, CTL_ERR_UNKNOWN, "the request to run is malformed");
		return;
	}
	memcpy(req.fds, fds, sizeof(req.fds));
	req.owner_uid = c->peer.uid;
	id = cb->next_id(cb->arg);
	if (!id) {
		server_send_error(c, CTL_ERR_FAILED,
			"no run can begin now: the enforcer, its hooks or the ledger do not work; "
			"see `holdfast status` and the daemon's log");
		return;
	}
	r = run_start(&s->config.run, &req, id, cb->on_placed, cb->arg, &run, &why);
	if (r) {
		server_send_error(c, r == RUN_E_REFUSED ? CTL_ERR_FORBIDDEN : CTL_ERR_FAILED,
			r == RUN_E_REFUSED ? why : "the run cannot be made");
		return;
	}
	v = served_new(s, run);
	if (!v || served_watch(s, v)) {
		/* A run that nobody watches must not be: its group dies, the next daemon sweeps it.
		 */
		log_error("run.watch", "id=%" PRIu64 " killed=%d", run->id, !run_kill(run));
		server_send_error(c, CTL_ERR_FAILED, "the run cannot be watched");
		return;
	}
	v->client = c;
	c->served = v;
	run->client_fd = c->fd;
	log_info("run.start", "id=%" PRIu64 " name=\"%s\" uid=%u owner=%u", run->id, run->name,
		run->uid, run->owner_uid);
	client_send_started(c, run);
}

static void server_kill(struct run_server *s, struct client *c, struct slice body)
{
	struct reader r = reader_of(body);
	uint64_t id = rd_be64(&r);
	struct served *v = server_find(s, id);

	if (!rd_done(&r)) {
		server_send_error(c, CTL_ERR_UNKNOWN, "the request to kill is malformed");
	} else if (!v) {
		server_send_error(c, CTL_ERR_NOT_FOUND, "there is no such run");
	} else if (c->peer.uid && c->peer.uid != v->run->owner_uid) {
		server_send_error(
			c, CTL_ERR_FORBIDDEN, "only root and who started the run may kill it");
	} else if (run_kill(v->run)) {
		server_send_error(c, CTL_ERR_FAILED, "the kernel could not kill the run");
	} else {
		log_info("run.kill", "id=%" PRIu64 " by=%u", id, c->peer.uid);
		server_event(s, v->run, "killed", c->peer.uid);
		server_send_end(c);
	}
}

static void server_signal(struct client *c, struct slice body)
{
	struct reader r = reader_of(body);
	uint32_t sig = rd_be32(&r);

	if (!rd_done(&r) || !run_wire_may_signal(sig))
		server_send_error(c, CTL_ERR_UNKNOWN, "that signal is not passed on");
	else if (c->served)
		served_signal(c->served, (int)sig);
}

/* One packet. False: the connection is of no more use. */
static bool server_message(
	struct run_server *s, struct client *c, struct slice packet, const int *fds)
{
	struct reader r = reader_of(packet);
	uint16_t version = rd_be16(&r), type = rd_be16(&r);
	struct slice body = rd_rest(&r);

	if (r.bad) {
		server_send_error(c, CTL_ERR_UNKNOWN, "the message is cut short");
		return false;
	}
	if (version != CTL_VERSION) {
		server_send_error(c, CTL_ERR_VERSION,
			"holdfast and holdfastd are of different versions: restart the daemon");
		return false;
	}
	switch (type) {
	case RUN_START:
		server_start(s, c, body, fds);
		return c->served;
	case RUN_SIGNAL:
		server_signal(c, body);
		return c->served;
	case RUN_KILL:
		server_kill(s, c, body);
		return c->served;
	case RUN_ATTACH:
		server_attach(s, c, body);
		return c->served;
	case RUN_RELEASE:
		server_release(s, c, body);
		return c->served;
	default:
		server_send_error(c, CTL_ERR_UNKNOWN, "run.sock does not know this message");
		return false;
	}
}

/* Every descriptor that came along, the first three into fds. True if there were three or none. */
static bool server_take_fds(struct msghdr *msg, int fds[SERVER_FDS])
{
	size_t n = 0;

	for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h; h = CMSG_NXTHDR(msg, h)) {
		size_t count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(fd));
			if (n < SERVER_FDS)
				fds[n] = fd;
			else
				close(fd);
			n++;
		}
	}
	return (n == 0 || n == SERVER_FDS) && !(msg->msg_flags & MSG_CTRUNC);
}

/* May the peer ask, now? A process can be attached, and so be in a run, long after it connected;
 * and others may have its connection by then (sender NULL: nobody has spoken yet). False: it was
 * told why not. */
static bool server_may_ask(struct run_server *s, struct client *c, const struct sock_sender *sender)
{
	bool may = false;

	if (run_peer_check(c->fd, &s->config, &c->peer, &may) ||
		(may && sender &&
			run_peer_check_sender(&s->config, &c->peer, sender, &c->peer.why)))
		c->peer.why = "it cannot be told who is asking";
	if (!c->peer.why)
		return true;
	log_warn("run.refuse", "pid=%d uid=%u why=\"%s\"", c->peer.pid, c->peer.uid, c->peer.why);
	server_send_error(c, CTL_ERR_FORBIDDEN, c->peer.why);
	return false;
}

static void server_on_client(struct run_server *s, struct client *c)
{
	union {
		struct cmsghdr align;
		char mem[SOCK_SENDER_SPACE + CMSG_SPACE(SERVER_FDS * sizeof(int))];
	} control;
	struct sock_sender sender = {0};
	struct iovec iov = {.iov_base = s->packet, .iov_len = CTL_PACKET_MAX};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.mem,
		.msg_controllen = sizeof(control.mem)};
	int fds[SERVER_FDS] = {-1, -1, -1};
	ssize_t n = recvmsg(c->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	bool is_open = false;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		if (!server_take_fds(&msg, fds) || msg.msg_flags & MSG_TRUNC)
			server_send_error(c, CTL_ERR_UNKNOWN, "the message is too large");
		else if (sock_sender_of(&msg, &sender) && server_may_ask(s, c, &sender))
			is_open = server_message(s, c, slice_of(s->packet, (size_t)n), fds);
	}
	for (size_t i = 0; i < SERVER_FDS; i++)
		fd_close(fds[i]);
	if (!is_open)
		client_free(s, c);
}

/* Nobody but root may have all of the places: whoever is locked out could not kill a run. */
static bool server_has_room(struct run_server *s, const struct client *c)
{
	struct list *pos;
	size_t n = 0;

	list_for_each (pos, &s->clients)
		n += list_entry(pos, struct client, link)->peer.uid == c->peer.uid;
	return !c->peer.uid || (n <= SERVER_CLIENTS_OF_ONE &&
				       s->n_clients <= SERVER_CLIENTS_MAX - SERVER_CLIENTS_OF_ROOT);
}

/* Refusals are told, so that a person knows what to do, and the connection closed. */
static void server_admit(struct run_server *s, struct client *c)
{
	if (server_may_ask(s, c, NULL)) {
		if (server_has_room(s, c) && !server_watch(s, c->fd, EPOLLIN, &c->source))
			return;
		log_warn("run.refuse", "pid=%d uid=%u why=\"no room\"", c->peer.pid, c->peer.uid);
		server_send_error(c, CTL_ERR_FORBIDDEN, "too many wait for the daemon; try again");
	}
	client_free(s, c);
}

static void server_on_accept(struct run_server *s)
{
	int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *c;

	if (fd < 0)
		return;
	c = s->n_clients < SERVER_CLIENTS_MAX ? calloc(1, sizeof(*c)) : NULL;
	if (!c) {
		log_warn("run.refuse", "clients=%zu why=\"too many connections\"", s->n_clients);
		close(fd);
		return;
	}
	c->fd = fd;
	c->source = (struct source){SOURCE_CLIENT, c};
	list_append(&s->clients, &c->link);
	s->n_clients++;
	server_admit(s, c);
}

/* ---- the server ------------------------------------------------------------------------------ */

/* One event at a time: handling one may free the source of another. */
int run_server_dispatch(struct run_server *s)
{
	for (int i = 0; i < SERVER_EVENTS_PER_DISPATCH; i++) {
		struct epoll_event ev;
		int n = epoll_wait(s->epoll_fd, &ev, 1, 0);
		struct source *source = ev.data.ptr;

		if (n < 0 && errno != EINTR)
			return err_raise(-errno);
		if (n <= 0)
			return 0;
		switch (source->kind) {
		case SOURCE_LISTENER:
			server_on_accept(s);
			break;
		case SOURCE_CLIENT:
			server_on_client(s, source->owner);
			break;
		case SOURCE_PIDFD:
			served_on_exit(s, source->owner);
			break;
		case SOURCE_EVENTS:
			served_check_end(s, source->owner);
			break;
		}
	}
	return 0;
}

static int server_listen(struct run_server *s)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int n = snprintf(s->path, sizeof(s->path), "%s/" RUN_SOCKET, s->config.run.state_dir);

	if (n < 0 || (size_t)n >= sizeof(addr.sun_path))
		return err_raise(-ENAMETOOLONG);
	memcpy(addr.sun_path, s->path, (size_t)n + 1);
	s->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->listen_fd < 0)
		return err_raise(-errno);
	if (unlink(s->path) < 0 && errno != ENOENT)
		return err_raise(-errno);
	if (bind(s->listen_fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
		chown(s->path, 0, s->config.operators) < 0 || chmod(s->path, 0660) < 0)
		return err_raise(-errno);
	if (sock_want_sender(s->listen_fd) || listen(s->listen_fd, SERVER_BACKLOG) < 0)
		return err_raise(-errno);
	return server_watch(s, s->listen_fd, EPOLLIN, &s->listener);
}

int run_server_new(const struct run_server_config *config, struct run_server **ret)
{
	struct run_server *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_raise(-ENOMEM);
	s->config = *config;
	s->config.run.cgroup_root = config->cgroup_root;
	s->listener.kind = SOURCE_LISTENER;
	s->listen_fd = -1;
	list_init(&s->clients);
	list_init(&s->runs);
	s->packet = malloc(CTL_PACKET_MAX);
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	r = !s->packet        ? err_raise(-ENOMEM)
	    : s->epoll_fd < 0 ? err_raise(-errno)
			      : server_listen(s);
	if (r) {
		run_server_free(s);
		return err_trace(r);
	}
	*ret = s;
	return 0;
}

struct run_server *run_server_free(struct run_server *s)
{
	struct list *l, *next;

	if (!s)
		return NULL;
	list_for_each_safe (l, next, &s->runs) {
		struct served *v = list_entry(l, struct served, link);
		struct run *run = v->run;

		served_free(s, v);
		run_free(run);
	}
	list_for_each_safe (l, next, &s->clients)
		client_free(s, list_entry(l, struct client, link));
	fd_close(s->listen_fd);
	fd_close(s->epoll_fd);
	free(s->packet);
	free(s);
	return NULL;
}

struct server_adoption {
	struct run_server *server;
	int (*on_adopted)(void *arg, const struct run *run);
};

static int server_adopt_one(void *arg, struct run *run)
{
	struct server_adoption *a = arg;
	struct run_server *s = a->server;
	struct served *v;
	int r = a->on_adopted(s->config.callbacks.arg, run);

	v = r ? NULL : served_new(s, run);
	if (!v) {
		run_free(run);
		return r ? r : err_raise(-ENOMEM);
	}
	r = served_watch(s, v);
	if (!r && run->is_attached)
		server_serve_netns(s, run, true);
	if (!r && run->is_attached)
		s->config.callbacks.on_attached(s->config.callbacks.arg, run, NULL, NULL);
	return r ? err_trace(r) : 0;
}

int run_server_adopt(struct run_server *s, int (*on_adopted)(void *arg, const struct run *run))
{
	struct server_adoption a = {.server = s, .on_adopted = on_adopted};
	struct list *l, *next;
	int r = run_adopt_all(&s->config.run, server_adopt_one, &a);

	if (r)
		return r < 0 ? err_trace(r) : err_fold(r);
	list_for_each_safe (l, next, &s->runs)
		served_check_end(s, list_entry(l, struct served, link));
	return 0;
}

int run_server_epoll_fd(const struct run_server *s)
{
	return s->epoll_fd;
}

static struct run *server_run_of(const struct run_server *s, uint64_t cgroup)
{
	struct list *l;

	list_for_each (l, &s->runs) {
		struct run *run = list_entry(l, struct served, link)->run;

		if (run->cgroup == cgroup)
			return run;
	}
	return NULL;
}

uint64_t run_server_find(const struct run_server *s, uint64_t cgroup)
{
	const struct run *run = server_run_of(s, cgroup);

	return run ? run->id : 0;
}

uid_t run_server_uid(const struct run_server *s, uint64_t cgroup)
{
	const struct run *run = server_run_of(s, cgroup);

	return run && run->uid != (uid_t)-1 ? run->uid : 0;
}

void run_server_kill(struct run_server *s, uint64_t cgroup)
{
	const struct run *run = server_run_of(s, cgroup);

	if (run && run_kill(run))
		log_error("run.kill", "id=%" PRIu64 " killed=0", run->id);
}

void run_server_watch(struct run_server *s)
{
	struct list *l;

	list_for_each (l, &s->runs)
		served_look(s, list_entry(l, struct served, link));
}

void run_server_each(
	const struct run_server *s, void (*fn)(void *arg, const struct run *run), void *arg)
{
	struct list *l;

	list_for_each (l, &s->runs)
		fn(arg, list_entry(l, struct served, link)->run);
}
