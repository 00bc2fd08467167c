/* SPDX-License-Identifier: Apache-2.0 */
/* Control connections: see client.h. */
#include "ctl/client.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/commands.h"
#include "ctl/watch.h"
#include "hold/ballot.h"
#include "kern/cgroup.h"
#include "net/sock.h"
#include "util/log.h"
#include "util/writer.h"

struct ctl_packet {
	struct list link;
	size_t n;
	uint8_t bytes[];
};

/* ---- who is it ------------------------------------------------------------------------------- */

static const char client_in_run[] = "the control socket is not for processes of a run";

enum ctl_place { CTL_OUTSIDE, CTL_IN_RUN, CTL_NOWHERE };

static enum ctl_place ctl_is_in_run(const struct ctl *c, pid_t pid)
{
	size_t n = strlen(c->config.runs_path);
	char path[4096];

	if (cgroup_of_pid(c->config.cgroup_root, pid, path, sizeof(path)))
		return CTL_NOWHERE;
	return !strncmp(path, c->config.runs_path, n) && (!path[n] || path[n] == '/') ? CTL_IN_RUN
										      : CTL_OUTSIDE;
}

/*
 * A peer is an agent if its process is in a run's cgroup, if its uid is one that runs use, or if we
 * cannot tell: a process that is gone by now is nobody who may decide.
 */
static bool ctl_client_is_agent(const struct ctl *c, pid_t pid, uid_t uid)
{
	size_t pos = 0;
	void *run;
	bool is_agent = uid >= c->config.agent_uid_first && uid <= c->config.agent_uid_last;

	pthread_mutex_lock(&c->enforcer->runs_lock);
	while (!is_agent && map_next(&c->enforcer->runs, &pos, NULL, &run))
		is_agent = ((const struct run_info *)run)->uid == uid;
	pthread_mutex_unlock(&c->enforcer->runs_lock);
	return is_agent || ctl_is_in_run(c, pid) != CTL_OUTSIDE;
}

bool ctl_client_has_run_process(const struct ctl_client *cl)
{
	DIR *proc = opendir("/proc");
	const struct dirent *e;
	bool has = !proc; /* cannot be told: as above */

	/* Of root nobody keeps root. */
	while (cl->uid && proc && !has && (e = readdir(proc))) {
		pid_t pid = isdigit((unsigned char)e->d_name[0])
				    ? (pid_t)strtol(e->d_name, NULL, 10)
				    : 0;
		struct stat st;

		if (pid && !fstatat(dirfd(proc), e->d_name, &st, 0) && st.st_uid == cl->uid)
			has = ctl_is_in_run(cl->ctl, pid) == CTL_IN_RUN;
	}
	if (proc)
		closedir(proc);
	return cl->uid && has;
}

static int ctl_client_identify(struct ctl_client *cl)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(cl->src.fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return err_raise(-errno);
	cl->pid = cl->speaker = cred.pid;
	cl->uid = cred.uid;
	cl->gids[0] = cred.gid;
	len = sizeof(cl->gids) - sizeof(cl->gids[0]);
	if (!getsockopt(cl->src.fd, SOL_SOCKET, SO_PEERGROUPS, cl->gids + 1, &len))
		cl->n_gids = 1 + len / sizeof(cl->gids[0]);
	else
		cl->n_gids = 1; /* more groups than fit: the primary one counts */
	return 0;
}

bool ctl_client_is_approver(const struct ctl_client *cl)
{
	bool has = !cl->uid;

	for (size_t i = 0; i < cl->n_gids && !has; i++)
		has = cl->gids[i] == cl->ctl->config.approver_gid;
	/* The groups are those of a login that may be long ago. */
	return has && (!cl->uid || ballot_is_member(cl->uid, cl->ctl->config.approver_gid));
}

/* ---- packets --------------------------------------------------------------------------------- */

/* Who does not read answers is not asked for more questions. */
static void ctl_client_watch(struct ctl_client *cl)
{
	uint32_t events = list_is_empty(&cl->queue) ? EPOLLIN : EPOLLOUT;

	if (!cl->is_dead && loop_watch(&cl->ctl->loop, &cl->src, events))
		ctl_client_close(cl);
}

/* Sends what is queued; false: the client is closed. */
static bool ctl_client_flush(struct ctl_client *cl)
{
	while (!list_is_empty(&cl->queue)) {
		struct ctl_packet *p = list_entry(cl->queue.next, struct ctl_packet, link);

		if (send(cl->src.fd, p->bytes, p->n, MSG_NOSIGNAL) < 0) {
			if (errno == EAGAIN || errno == EINTR)
				break;
			ctl_client_close(cl);
			return false;
		}
		list_remove(&p->link);
		cl->n_queued--;
		free(p);
	}
	return true;
}

static void ctl_client_send(
	struct ctl_client *cl, enum ctl_type type, const uint32_t *number, const struct slice *text)
{
	size_t max = CTL_HEADER_LEN + 4 + 4 + (text ? text->n : 0);
	struct ctl_packet *p;
	struct writer w;

	if (cl->is_dead)
		return;
	/* Whoever only watches loses events, not the connection. */
	if (cl->is_watching && type == CTL_DATA && cl->n_queued >= CTL_BEHIND_MAX) {
		cl->is_behind = true;
		return;
	}
	p = malloc(sizeof(*p) + max);
	if (!p || cl->n_queued >= CTL_QUEUE_MAX) {
		free(p);
		ctl_client_close(cl);
		return;
	}
	w = writer_of(p->bytes, max);
	wr_be16(&w, CTL_VERSION);
	wr_be16(&w, (uint16_t)type);
	if (number)
		wr_be32(&w, *number);
	if (text)
		wr_be32_bytes(&w, *text);
	p->n = w.n;
	list_append(&cl->queue, &p->link);
	cl->n_queued++;
	if (ctl_client_flush(cl))
		ctl_client_watch(cl);
}

void ctl_client_data(struct ctl_client *cl, struct json *j)
{
	struct slice text = jsonw_done(j);

	if (text.n)
		ctl_client_send(cl, CTL_DATA, NULL, &text);
	else
		ctl_client_error(cl, CTL_ERR_FAILED, "the answer is too large");
}

void ctl_client_end(struct ctl_client *cl)
{
	ctl_client_send(cl, CTL_END, NULL, NULL);
}

void ctl_client_error(struct ctl_client *cl, enum ctl_error error, const char *text)
{
	struct slice s = slice_str(text);
	uint32_t number = error;

	ctl_client_send(cl, CTL_ERROR, &number, &s);
}

/* ---- life ------------------------------------------------------------------------------------ */

/* The last word that this connection hears. */
static void ctl_client_refuse(struct ctl_client *cl, pid_t pid, uid_t uid, const char *why)
{
	char detail[96];

	snprintf(detail, sizeof(detail), "pid=%d uid=%u", (int)pid, (unsigned)uid);
	ctl_event_refused(cl->ctl, CTL_REFUSED_CONTROL, 0, detail);
	log_warn("control.refused", "%s", detail);
	ctl_client_error(cl, CTL_ERR_FORBIDDEN, why);
	ctl_client_close(cl);
}

/*
 * Who connected need not be who speaks: a child has the descriptor, too, and it can be sent to
 * anybody. So each packet is asked who sent it: the same user, and outside of every run as well.
 * True: it was refused.
 */
static bool ctl_client_refuse_sender(struct ctl_client *cl, const struct sock_sender *sender)
{
	cl->speaker = sender->pid;
	if (sender->pid == cl->pid && sender->uid == cl->uid)
		return false; /* ctl_dispatch() asks about that one */
	if (!sender->pid || ctl_client_is_agent(cl->ctl, sender->pid, sender->uid))
		ctl_client_refuse(cl, sender->pid, sender->uid, client_in_run);
	else if (sender->uid != cl->uid)
		ctl_client_refuse(cl, sender->pid, sender->uid,
			"another user has made this connection; make one of your own");
	else
		return false;
	return true;
}

static void ctl_client_on_event(struct loop_source *src, uint32_t events)
{
	struct ctl_client *cl = list_entry(src, struct ctl_client, src);
	uint8_t packet[CTL_QUESTION_MAX];
	struct sock_sender sender;
	ssize_t n;

	if ((events & EPOLLOUT) && !ctl_client_flush(cl))
		return;
	if (events & EPOLLOUT)
		ctl_watch_refill(cl);
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		n = sock_read_packet(src->fd, packet, sizeof(packet), &sender);
		if (n <= 0 && !(n < 0 && (errno == EAGAIN || errno == EINTR))) {
			ctl_client_close(cl);
			return;
		}
		if (n > 0 && ctl_client_refuse_sender(cl, &sender))
			return;
		if (n > (ssize_t)sizeof(packet))
			ctl_client_error(cl, CTL_ERR_UNKNOWN, "the message is too long");
		else if (n > 0)
			ctl_dispatch(cl, slice_of(packet, (size_t)n));
	}
	ctl_client_watch(cl);
}

struct ctl_client *ctl_client_find(struct ctl *c, uint64_t id)
{
	struct list *pos;

	list_for_each (pos, &c->clients) {
		struct ctl_client *cl = list_entry(pos, struct ctl_client, link);

		if (cl->id == id)
			return cl;
	}
	return NULL;
}

void ctl_client_close(struct ctl_client *cl)
{
	if (cl->is_dead)
		return;
	cl->is_dead = true;
	ctl_watch_gone(cl);
	loop_forget(&cl->ctl->loop, &cl->src);
	close(cl->src.fd);
	list_remove(&cl->link);
	list_append(&cl->ctl->dead, &cl->link);
	cl->ctl->n_clients--;
}

void ctl_client_free(struct ctl_client *cl)
{
	struct list *pos, *tmp;

	list_for_each_safe (pos, tmp, &cl->queue)
		free(list_entry(pos, struct ctl_packet, link));
	free(cl->list);
	free(cl);
}

bool ctl_client_refuse_agent(struct ctl_client *cl)
{
	if (cl->is_dead)
		return true;
	cl->is_in_run = ctl_client_is_agent(cl->ctl, cl->pid, cl->uid);
	if (!cl->is_in_run)
		return false;
	ctl_client_refuse(cl, cl->pid, cl->uid, client_in_run);
	return true;
}

/* The socket is open to all, so nobody but root may have all of its places; nor may many who decide
 * nothing, or one who can be many. */
static bool ctl_client_is_greedy(const struct ctl_client *cl)
{
	struct list *pos;
	size_t n = 0;

	if (cl->ctl->n_clients > CTL_CLIENTS_MAX - CTL_CLIENTS_OF_APPROVERS &&
		!ctl_client_is_approver(cl))
		return true;
	list_for_each (pos, &cl->ctl->clients)
		n += list_entry(pos, struct ctl_client, link)->uid == cl->uid;
	return cl->uid && n > CTL_CLIENTS_OF_ONE;
}

void ctl_client_accept(struct ctl *c)
{
	int fd = sock_accept(c->config.listener_fd);
	struct ctl_client *cl;

	if (fd < 0)
		return;
	cl = c->n_clients < CTL_CLIENTS_MAX ? calloc(1, sizeof(*cl)) : NULL;
	if (!cl) {
		close(fd);
		return;
	}
	cl->ctl = c;
	cl->id = ++c->last_client;
	cl->src = (struct loop_source){.fd = fd, .fn = ctl_client_on_event};
	list_init(&cl->queue);
	list_append(&c->clients, &cl->link);
	c->n_clients++;
	if (ctl_client_identify(cl)) {
		ctl_client_close(cl);
		return;
	}
	if (ctl_client_refuse_agent(cl))
		return;
	if (ctl_client_is_greedy(cl)) {
		ctl_client_error(cl, CTL_ERR_FAILED,
			"too many control connections are open, yours or others'");
		ctl_client_close(cl);
		return;
	}
	ctl_client_watch(cl);
}
