/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The enforcer process: everything that needs a right is opened first, then the rights go, then the
 * threads start. From there on it is `session/` and `ctl/`.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/server.h"
#include "daemon/doorman.h"
#include "daemon/process.h"
#include "daemon/reach.h"
#include "kern/unix_peer.h"
#include "net/sock.h"
#include "priv/channel.h"
#include "priv/sandbox.h"
#include "session/abroad.h"
#include "session/parser.h"
#include "session/resolver.h"
#include "session/side.h"
#include "session/worker.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/fd.h"
#include "util/log.h"

enum { POLICY_TEXT_MAX = 1024 * 1024 };

struct enforcer_process {
	const struct process *p;
	int channel;
	struct loop_source channel_src;
	struct enforcer shared;
	struct worker workers[ENFORCER_WORKERS_MAX];
	struct doorman doormen[ENFORCER_WORKERS_MAX];
	struct journal *journals[RINGS_MAX];
	struct ctl ctl;
	struct side_login *logins;
	bool is_orphan; /* the warden is gone */
};

static int enforcer_say(
	struct enforcer_process *e, enum channel_type type, const struct channel_run *run)
{
	struct channel_message m = {.type = type};

	if (run)
		m.run = *run;
	return channel_send(e->channel, &m, -1) ? err_raise(-EPIPE) : 0;
}

static int enforcer_want_policy(void *arg)
{
	return enforcer_say(arg, CHANNEL_WANT_POLICY, NULL);
}

/* The kernel side learns what this policy names. */
static int enforcer_say_reach(struct enforcer_process *e, const struct policy *policy)
{
	const struct channel_message m = {.type = CHANNEL_REACH};
	_cleanup_(fd_closep) int fd = reach_write(policy);

	if (fd < 0)
		return err_trace(fd);
	return channel_send(e->channel, &m, fd) ? err_raise(-EPIPE) : 0;
}

/* ---- what the warden says -------------------------------------------------------------------- */

static int enforcer_load(
	const struct process *p, struct slice text, struct policy **ret, char **ret_errors)
{
	static struct diag d; /* too large for a stack; one thread loads policies */
	size_t n_errors = 0;
	FILE *f;
	int r;

	*ret_errors = NULL;
	diag_init(&d, p->config->policy, text);
	r = policy_load(text, POLICY_RESOLVE, &d, ret);
	if (r != POLICY_E_BAD)
		return r;
	f = open_memstream(ret_errors, &n_errors);
	if (f) {
		diag_print(&d, f);
		fclose(f);
	}
	return POLICY_E_BAD;
}

static void enforcer_on_policy(struct enforcer_process *e, int fd)
{
	_cleanup_(freep) uint8_t *text = malloc(POLICY_TEXT_MAX);
	_cleanup_(freep) char *errors = NULL;
	struct policy *policy = NULL;
	ssize_t n = text ? pread(fd, text, POLICY_TEXT_MAX, 0) : -1;
	int r = n < 0 ? -EIO : enforcer_load(e->p, slice_of(text, (size_t)n), &policy, &errors);

	/* First the kernel, so that nobody is refused there for what is allowed here. */
	if (!r)
		r = enforcer_say_reach(e, policy);
	if (!r)
		r = ctl_set_policy(&e->ctl, policy);
	if (r)
		ctl_policy_bad(&e->ctl, errors ? errors : "the policy file could not be read");
	if (enforcer_say(e, r ? CHANNEL_POLICY_BAD : CHANNEL_POLICY_GOOD, NULL))
		loop_stop(&e->ctl.loop);
}

static void enforcer_on_run(struct enforcer_process *e, const struct channel_run *run)
{
	struct run_info info = {
		.id = run->id, .cgroup = run->cgroup, .uid = run->uid, .owner_uid = run->owner_uid};

	snprintf(info.name, sizeof(info.name), "%s", run->name);
	/* Not added, not acknowledged: the warden then refuses the run. */
	if (!enforcer_add_run(&e->shared, &info) && enforcer_say(e, CHANNEL_RUN_ADDED, run))
		loop_stop(&e->ctl.loop);
}

static void enforcer_on_run_end(struct enforcer_process *e, uint64_t cgroup)
{
	struct run_info run;

	if (enforcer_find_run(&e->shared, cgroup, &run))
		ctl_run_ended(&e->ctl, run.id);
	enforcer_remove_run(&e->shared, cgroup);
}

_Static_assert((int)CHANNEL_PLACES == (int)ABROAD_PLACES && (int)CHANNEL_DIAG == (int)ABROAD_DIAG &&
		       (int)CHANNEL_QUESTIONS6 == (int)ABROAD_QUESTIONS6,
	"the channel and session count alike");

/* All of one namespace is one worker's: few are served, and each has its own queue. */
static void enforcer_on_netns(struct enforcer_process *e, const struct channel_message *m, int *fd)
{
	bool is_end = m->type == CHANNEL_NETNS_END;
	struct mail *letter = mail_new(is_end ? MAIL_NETNS_END : MAIL_NETNS);

	if (!letter) {
		log_error("netns", "no memory: what connects there waits for nobody");
		return;
	}
	letter->netns = m->netns.cookie;
	letter->place = (enum abroad_place)m->netns.place;
	if (!is_end)
		letter->fd = TAKE_FD(*fd);
	mailbox_send(&e->workers[m->netns.cookie % e->shared.n_workers].mail, letter);
}

static void enforcer_begin(struct enforcer_process *e)
{
	for (unsigned i = 0; i < e->shared.n_workers; i++)
		mailbox_send(&e->workers[i].mail, mail_new(MAIL_BEGIN));
}

static void enforcer_on_channel(struct loop_source *src, uint32_t events)
{
	struct enforcer_process *e = src->owner;
	_cleanup_(fd_closep) int fd = -1;
	struct channel_message m;
	int r = channel_receive(e->channel, CHANNEL_IN_ENFORCER, &m, &fd);

	(void)events;
	if (r == CHANNEL_E_AGAIN)
		return;
	if (r) {
		/* Nobody supervises us any more: end, and everything resets. */
		log_error("channel", "outcome=%d", r);
		e->is_orphan = true;
		loop_stop(&e->ctl.loop);
		return;
	}
	if (m.type == CHANNEL_RUN_ADD)
		enforcer_on_run(e, &m.run);
	else if (m.type == CHANNEL_RUN_END)
		enforcer_on_run_end(e, m.run.cgroup);
	else if (m.type == CHANNEL_POLICY)
		enforcer_on_policy(e, fd);
	else if (m.type == CHANNEL_NETNS || m.type == CHANNEL_NETNS_END)
		enforcer_on_netns(e, &m, &fd);
	else if (m.type == CHANNEL_BEGIN)
		enforcer_begin(e);
	else
		loop_stop(&e->ctl.loop);
}

/* ---- start ----------------------------------------------------------------------------------- */

static int enforcer_open_journals(struct enforcer_process *e)
{
	for (unsigned i = RING_CONTROL; i < RING_WORKERS + e->p->config->workers; i++) {
		int r = process_open_ring(e->p, i, &e->journals[i]);

		if (r)
			return err_trace(r);
	}
	return 0;
}

/* What was inherited and is not needed goes: rings (mapped by now), links and writable maps of the
 * kernel side, the warden's sockets. */
static int enforcer_drop_descriptors(const struct enforcer_process *e)
{
	const struct process *p = e->p;
	int keep[12 + 6 * ENFORCER_WORKERS_MAX];
	size_t n = 0;

	keep[n++] = e->channel;
	keep[n++] = p->ctl_fd;
	if (p->herald_fds[0] >= 0)
		keep[n++] = p->herald_fds[0];
	keep[n++] = p->wake_fd;
	keep[n++] = kern_origin_fd(p->kern);
	keep[n++] = kern_askers_fd(p->kern);
	keep[n++] = kern_unix_origins_fd(p->kern);
	if (p->unix_fd >= 0) {
		keep[n++] = p->unix_fd;
		keep[n++] = e->shared.unix_diag_fd;
	}
	keep[n++] = kern_counts_fd(p->kern);
	keep[n++] = p->commit_fds[RING_CONTROL];
	keep[n++] = e->shared.control.event_fd;
	for (unsigned i = 0; i < p->config->workers; i++) {
		keep[n++] = p->listener_fds[i][0];
		keep[n++] = p->listener_fds[i][1];
		keep[n++] = p->question_fds[i][0];
		keep[n++] = p->question_fds[i][1];
		keep[n++] = p->door_fds[i];
		keep[n++] = p->commit_fds[RING_WORKERS + i];
	}
	return err_trace(fd_close_except(keep, n));
}

/* All the descriptors that we may have: a limit of 1024 is what a shell gives. */
static int enforcer_raise_limits(struct enforcer_process *e)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return err_raise(-errno);
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		return err_raise(-errno);
	enforcer_divide(&e->shared, files.rlim_cur);
	return 0;
}

static int enforcer_sandbox(const struct process *p)
{
	uint64_t counts[HOOK_N][COUNT_N];
	const struct sandbox_enforcer sandbox = {
		.uid = p->config->user,
		.gid = p->config->user_gid,
		.state_dir = p->config->dir,
		.read_paths = (const char *const[]){"/proc", NULL},
	};
	int r;

	/* libbpf learns the number of CPUs on first use, from files that are out of reach later. */
	r = kern_read_counts(kern_counts_fd(p->kern), counts);
	if (r)
		return err_trace(r);
	r = sandbox_enter_enforcer(&sandbox);
	return r > 0 ? 0 : err_trace(r); /* without Landlock: degraded, as the warden recorded */
}

/* A file that only root writes and others cannot read: what is in it opens a database. */
static int enforcer_read_password(const char *path, char *ret, size_t max)
{
	_cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_raise(-errno);
	if (!S_ISREG(st.st_mode) || st.st_uid || st.st_mode & (S_IWGRP | S_IRWXO))
		return err_raise(-EPERM);
	n = read(fd, ret, max);
	while (n > 0 && (ret[n - 1] == '\n' || ret[n - 1] == '\r'))
		n--;
	if (n <= 0 || (size_t)n >= max || memchr(ret, 0, (size_t)n))
		return err_raise(-EINVAL);
	ret[n] = 0;
	return 0;
}

/* While we may still read them; nobody else of ours has a copy. */
static int enforcer_read_logins(struct enforcer_process *e)
{
	const struct config *c = e->p->config;

	if (!c->n_catalogs)
		return 0;
	e->logins = calloc(c->n_catalogs, sizeof(*e->logins));
	if (!e->logins)
		return err_raise(-ENOMEM);
	for (size_t i = 0; i < c->n_catalogs; i++) {
		const struct config_catalog *from = &c->catalogs[i];
		struct side_login *to = &e->logins[i];
		int r = 0;

		snprintf(to->resource, sizeof(to->resource), "%s", from->resource);
		snprintf(to->user, sizeof(to->user), "%s", from->user);
		if (from->password_file)
			r = enforcer_read_password(
				from->password_file, to->password, sizeof(to->password));
		if (r) {
			log_error("catalog.password",
				"file=%s errno=%d: it must be root's, a regular file, not readable "
				"for "
				"others, with 1 to %d bytes",
				from->password_file, -r, SIDE_PASSWORD_MAX - 1);
			return err_trace(r);
		}
	}
	return 0;
}

static int enforcer_start_side(struct enforcer_process *e)
{
	size_t n = e->p->config->n_catalogs;
	int r;

	if (!n)
		return 0;
	r = side_new(&e->shared, e->logins, n, &e->shared.side);
	explicit_bzero(e->logins, n * sizeof(*e->logins));
	free(e->logins);
	e->logins = NULL;
	return err_trace(r);
}

static int enforcer_start_workers(struct enforcer_process *e, const struct policy *policy)
{
	const struct process *p = e->p;
	int r;

	for (unsigned i = 0; i < p->config->workers; i++) {
		struct worker *w = &e->workers[i];

		r = worker_init(w, &e->shared, i, p->listener_fds[i], e->journals[RING_WORKERS + i],
			p->commit_fds[RING_WORKERS + i], policy);
		if (r)
			return err_trace(r);
		r = resolver_new(w, p->question_fds[i], kern_askers_fd(p->kern), &w->resolver);
		if (!r)
			r = doorman_start(&e->doormen[i], w, p->door_fds[i]);
		if (r)
			return err_trace(r);
		e->shared.workers[i] = w;
		e->shared.n_workers = i + 1;
	}
	r = parser_new(&e->shared, &e->shared.parser);
	if (!r)
		r = enforcer_start_side(e);
	for (unsigned i = 0; !r && i < e->shared.n_workers; i++)
		r = worker_start(&e->workers[i]);
	return err_trace(r);
}

static int enforcer_start_ctl(struct enforcer_process *e, struct policy *policy)
{
	const struct process *p = e->p;
	const struct ctl_config config = {
		.listener_fd = p->ctl_fd,
		.counts_fd = kern_counts_fd(p->kern),
		.journal = e->journals[RING_CONTROL],
		.commit_fd = p->commit_fds[RING_CONTROL],
		.cgroup_root = p->cgroup_root,
		.runs_path = p->runs_path,
		.policy_path = p->config->policy,
		.ledger_path = p->config->ledger,
		.degraded = p->degraded,
		.agent_uid_first = p->config->run_uid_first,
		.agent_uid_last = p->config->run_uid_last,
		.approver_gid = p->config->approvers_group,
		.self_approval = p->config->self_approval,
		.herald_fd = p->herald_fds[0],
		.herald_text = p->config->webhook_text,
		.beat_ns = &p->vitals->beat_ns,
		.alarms = &p->vitals->alarms,
		.arg = e,
		.want_policy = enforcer_want_policy,
	};
	int r = ctl_init(&e->ctl, &config, &e->shared, policy);

	if (r)
		return err_trace(r);
	e->channel_src =
		(struct loop_source){.fd = e->channel, .fn = enforcer_on_channel, .owner = e};
	return err_trace(loop_watch(&e->ctl.loop, &e->channel_src, EPOLLIN));
}

static int enforcer_start(struct enforcer_process *e)
{
	const struct process *p = e->p;
	_cleanup_(freep) char *errors = NULL;
	struct policy *policy = NULL;
	int r;

	enforcer_init(&e->shared);
	e->shared.origin_fd = kern_origin_fd(p->kern);
	e->shared.unix_fd = p->unix_fd;
	e->shared.unix_origins_fd = kern_unix_origins_fd(p->kern);
	if (p->unix_fd >= 0) {
		e->shared.unix_diag_fd = unix_peer_open();
		if (e->shared.unix_diag_fd < 0)
			return err_trace(e->shared.unix_diag_fd);
	}
	e->shared.run_holds_max = p->config->holds_per_run;
	e->shared.say_ns = p->config->keepalive_ms * CLOCK_NS_PER_MS;
	sock_set_keepalive((unsigned)(p->config->keepalive_ms / 1000));
	e->shared.netns = p->netns;
	e->shared.own_port = (uint16_t)p->config->port;
	e->shared.last_session = p->ids.session;
	e->shared.last_request = p->ids.request;
	e->shared.last_hold = p->ids.hold;
	memcpy(e->shared.ledger_key, p->ledger_key, sizeof(p->ledger_key));
	memcpy(e->shared.mask_key, p->mask_key, sizeof(p->mask_key));
	r = enforcer_load(p, p->policy_text, &policy, &errors);
	if (r)
		return r > 0 ? err_fold(r) : err_trace(r);
	r = mailbox_init(&e->shared.control);
	if (!r)
		r = enforcer_read_logins(e);
	if (!r)
		r = enforcer_open_journals(e);
	if (!r)
		r = enforcer_raise_limits(e);
	if (!r)
		r = enforcer_drop_descriptors(e);
	if (!r)
		r = enforcer_sandbox(p);
	if (!r)
		r = enforcer_start_workers(e, policy);
	return r ? err_trace(r) : err_trace(enforcer_start_ctl(e, policy));
}

static void enforcer_stop(struct enforcer_process *e)
{
	for (unsigned i = 0; i < e->shared.n_workers; i++)
		mailbox_send(&e->workers[i].mail, mail_new(MAIL_STOP));
	for (unsigned i = 0; i < e->shared.n_workers; i++)
		pthread_join(e->workers[i].thread, NULL);
	e->shared.parser = parser_free(e->shared.parser);
	side_stop(e->shared.side);
	for (unsigned i = 0; i < e->shared.n_workers; i++)
		worker_deinit(&e->workers[i]);
	e->shared.side = side_free(e->shared.side);
	ctl_deinit(&e->ctl);
	mailbox_deinit(&e->shared.control);
	enforcer_deinit(&e->shared);
	for (unsigned i = RING_CONTROL; i < RINGS_MAX; i++)
		journal_close(e->journals[i]);
}

int enforcer_main(const struct process *p, int channel)
{
	struct enforcer_process *e = calloc(1, sizeof(*e));
	int r;

	log_setup("enforcer", log_max());
	if (!e)
		return 1;
	e->p = p;
	e->channel = channel;
	r = enforcer_start(e);
	if (!r)
		r = enforcer_say_reach(e, e->ctl.policy);
	if (!r)
		r = enforcer_say(e, CHANNEL_READY, NULL);
	if (r) {
		log_error("enforcer.start", "errno=%d", -r);
		return 1;
	}
	r = ctl_run(&e->ctl);
	enforcer_stop(e);
	r = r || e->is_orphan || e->ctl.has_failed;
	free(e);
	return r;
}
