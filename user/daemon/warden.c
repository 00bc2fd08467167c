/* SPDX-License-Identifier: Apache-2.0 */
/* The warden: see warden.h. */
#include "daemon/warden.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit/journal.h"
#include "daemon/child.h"
#include "daemon/denials.h"
#include "daemon/nets.h"
#include "daemon/reach.h"
#include "daemon/run_record.h"
#include "daemon/signer.h"
#include "daemon/tamper.h"
#include "net/loop.h"
#include "net/sock.h"
#include "priv/channel.h"
#include "priv/run_server.h"
#include "priv/sweeper.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/map.h"
#include "util/notify.h"

/* How long the enforcer may be silent before new connections are refused instead of waiting. */
#define FROZEN_NS (5 * CLOCK_NS_PER_S)
/* How long the hooks go on to use the unix socket of a warden that says nothing. */
#define ALIVE_NS          (5 * CLOCK_NS_PER_S)
#define ANSWER_TIMEOUT_MS 2000
#define START_TIMEOUT_MS  10000
struct warden {
	struct process *p;
	struct loop loop;
	struct loop_source signal_src, runs_src, channel_src;
	struct signer signer;
	struct child enforcer, scribe;
	int channel, scribe_stop_fd;
	bool is_enforcer_ready, is_stopping, is_refusing;
	uint64_t acknowledged_run; /* the run that RUN_ADDED named last */
	struct run_server *runs;
	struct sweeper *sweeper; /* NULL: this kernel has no iterators */
	struct denials *denials;
	struct nets *nets;
	struct journal *journal;
	uint64_t last_run;
	struct tamper tamper;
	struct intercept_state state; /* as the hooks read it */
	struct slice coming_policy;   /* sent, not yet judged */
	bool wants_policy;            /* the file was to be read again meanwhile */
	const char *why;              /* a failed start, for the last line */
};

/* ---- records --------------------------------------------------------------------------------- */

static void warden_event(struct warden *w, const char *kind, uint64_t run, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static void warden_event(struct warden *w, const char *kind, uint64_t run, const char *fmt, ...)
{
	char detail[512];
	struct record_event rec;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(detail, sizeof(detail), fmt, ap);
	va_end(ap);
	tamper_note(w->p, kind);
	rec = (struct record_event){
		.kind = slice_str(kind), .run = run, .detail = slice_str(detail)};
	if (!w->journal || journal_append(w->journal, RECORD_EVENT, &rec, NULL))
		log_warn("event.lost", "kind=%s %s", kind, detail);
	else
		log_info("event", "kind=%s run=%llu %s", kind, (unsigned long long)run, detail);
}

static void warden_on_denial(void *arg, const char *kind, uint64_t run, const char *detail)
{
	warden_event(arg, kind, run, "%s", detail);
}

/* Who is refused may have helped himself otherwise. */
static void warden_on_denials(void *arg)
{
	struct warden *w = arg;

	sweeper_look(w->sweeper, w->runs);
}

/* ---- the kernel's state ---------------------------------------------------------------------- */

static int warden_set_refusing(struct warden *w, bool is_refusing)
{
	w->is_refusing = is_refusing;
	w->state.is_refusing = is_refusing;
	w->state.alive_until_ns = (uint64_t)(clock_mono_ns() + ALIVE_NS);
	memcpy(w->state.unix_name, w->p->unix_name, sizeof(w->state.unix_name));
	return err_trace(kern_set_state(w->p->kern, &w->state));
}

/* Our own network namespace, and none that an earlier daemon had listeners in. */
static int warden_serve_own(struct warden *w)
{
	int r = kern_serve_none(w->p->kern);

	return r ? err_trace(r) : err_trace(kern_serve_netns(w->p->kern, w->p->netns, true));
}

/* What the policy in force names, for the hooks. */
static void warden_on_reach(struct warden *w, int fd)
{
	int r = reach_apply(w->p->kern, fd, &w->state);

	if (r)
		log_error("reach", "errno=%d: what no resource names is refused later", -r);
	if (kern_set_state(w->p->kern, &w->state))
		log_error("state", "the kernel side could not be told of the new policy");
}

static void warden_watch_enforcer(struct warden *w, int64_t now)
{
	/* A dead one is missed as late as a frozen one: connections wait for its successor. */
	bool is_frozen = now - w->p->vitals->beat_ns > FROZEN_NS;

	if (is_frozen == w->is_refusing)
		return;
	if (warden_set_refusing(w, is_frozen))
		log_error("state", "the kernel side could not be told refusing=%d", is_frozen);
	warden_event(w, is_frozen ? "refusing" : "serving", 0,
		is_frozen ? "the enforcer gives no sign of life; connections are refused"
			  : "the enforcer works");
}

/* ---- children -------------------------------------------------------------------------------- */

static void warden_child_on_exit(struct loop_source *src, uint32_t events);

/* The scribe first: it replays what an earlier life left, and says which ids are in use. */
static int warden_start_scribe(struct warden *w, bool close_orphans)
{
	int ready[2] = {-1, -1}, stop[2] = {-1, -1};
	pid_t pid, parent = getpid();
	int r;

	r = signer_begin(&w->signer);
	if (r)
		return err_trace(r);
	if (pipe2(ready, O_CLOEXEC) < 0 || pipe2(stop, O_CLOEXEC) < 0)
		return err_raise(-errno);
	pid = fork();
	if (pid < 0)
		return err_raise(-errno);
	if (!pid) {
		child_prepare(parent);
		close(ready[0]);
		close(stop[1]);
		process_forget_keys(w->p);
		_exit(scribe_main(w->p, stop[0], ready[1], close_orphans));
	}
	close(ready[1]);
	close(stop[0]);
	fd_close(w->scribe_stop_fd);
	w->scribe_stop_fd = stop[1];
	r = child_watch(&w->scribe, &w->loop, pid, warden_child_on_exit, w);
	/* Before it is ready it wants to know what was signed last. */
	if (!r && (!signer_attend(&w->signer, ready[0], START_TIMEOUT_MS) ||
			  read(ready[0], &w->p->ids, sizeof(w->p->ids)) != sizeof(w->p->ids)))
		r = -EIO;
	close(ready[0]);
	return r ? err_trace(r) : 0;
}

static void warden_on_channel(struct loop_source *src, uint32_t events);

static int warden_start_enforcer(struct warden *w)
{
	const struct timeval patience = {.tv_sec = ANSWER_TIMEOUT_MS / 1000};
	pid_t pid, parent = getpid();
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_raise(-errno);
	if (setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
		return err_raise(-errno);
	r = nets_open_doors(w->nets, w->p->door_fds);
	if (r)
		return err_trace(r);
	pid = fork();
	if (pid < 0)
		return err_raise(-errno);
	if (!pid) {
		child_prepare(parent);
		close(pair[0]);
		_exit(enforcer_main(w->p, pair[1]));
	}
	close(pair[1]);
	for (unsigned i = 0; i < w->p->config->workers; i++)
		w->p->door_fds[i] = fd_close(w->p->door_fds[i]);
	w->channel = pair[0];
	w->is_enforcer_ready = false;
	r = child_watch(&w->enforcer, &w->loop, pid, warden_child_on_exit, w);
	w->channel_src =
		(struct loop_source){.fd = w->channel, .fn = warden_on_channel, .owner = w};
	return r ? err_trace(r) : err_trace(loop_watch(&w->loop, &w->channel_src, EPOLLIN));
}

/* ---- what the enforcer says ------------------------------------------------------------------ */

/* One that reads nothing (it may be stopped) must neither stop the warden too, nor go on one day
 * with half of what it should know. 0, -EPIPE. */
static int warden_tell(struct warden *w, const struct channel_message *m, int fd)
{
	if (!channel_send(w->channel, m, fd))
		return 0;
	log_error("channel", "the enforcer takes no messages; it is replaced");
	if (w->enforcer.pid)
		kill(w->enforcer.pid, SIGKILL);
	return -EPIPE;
}

static void warden_drop_coming(struct warden *w)
{
	free((void *)(uintptr_t)w->coming_policy.p);
	w->coming_policy = SLICE_NULL;
}

/* One at a time: of which of two an answer speaks, nobody could tell. */
static void warden_send_policy(struct warden *w)
{
	const struct channel_message m = {.type = CHANNEL_POLICY};
	_cleanup_(fd_closep) int from = open(w->p->config->policy, O_RDONLY | O_CLOEXEC);
	_cleanup_(fd_closep) int to = memfd_create("policy", MFD_CLOEXEC);
	enum { MAX = 1024 * 1024 };
	uint8_t *text = malloc(MAX + 1);
	ssize_t n;

	w->wants_policy = !w->is_enforcer_ready || w->coming_policy.p;
	if (w->wants_policy || !text) {
		free(text);
		return;
	}
	n = from < 0 ? -1 : read(from, text, MAX + 1);
	/* A copy: what is judged good is what a later enforcer starts with, whatever happens to the
	 * file. */
	if (n < 0 || n > MAX || to < 0 || write(to, text, (size_t)n) != n) {
		warden_event(w, "policy-bad", 0, "%s cannot be read: %s", w->p->config->policy,
			strerror(errno));
		n = 0;
	}
	w->coming_policy = slice_of(text, n > 0 ? (size_t)n : 0);
	if (to < 0 || warden_tell(w, &m, to))
		warden_drop_coming(w);
}

static void warden_policy_judged(struct warden *w, bool is_good)
{
	if (is_good && w->coming_policy.p) {
		free((void *)(uintptr_t)w->p->policy_text.p);
		w->p->policy_text = w->coming_policy;
		w->coming_policy = SLICE_NULL;
		nets_read_policy(w->nets, w->p->policy_text);
	}
	warden_drop_coming(w);
	if (w->wants_policy)
		warden_send_policy(w);
}

static int warden_send_run(struct warden *w, enum channel_type type, const struct run *run)
{
	struct channel_message m = {.type = type,
		.run = {.id = run->id,
			.cgroup = run->cgroup,
			.uid = run->uid,
			.owner_uid = run->owner_uid}};

	snprintf(m.run.name, sizeof(m.run.name), "%s", run->name);
	return warden_tell(w, &m, -1);
}

static void warden_announce(void *arg, const struct run *run)
{
	if (warden_send_run(arg, CHANNEL_RUN_ADD, run))
		log_error("channel", "the enforcer was not told of run %llu",
			(unsigned long long)run->id);
}

/* What waits in the backlog belongs to a run that the enforcer knows by now. */
static void warden_let_begin(struct warden *w)
{
	const struct channel_message m = {.type = CHANNEL_BEGIN};

	if (warden_tell(w, &m, -1))
		log_error("channel", "the enforcer was not told to begin");
}

/* One message; false: nothing more, or the channel ended. */
static bool warden_read_channel(struct warden *w)
{
	_cleanup_(fd_closep) int fd = -1;
	struct channel_message m;
	int r;

	r = channel_receive(w->channel,
		w->is_enforcer_ready ? CHANNEL_IN_WARDEN : CHANNEL_IN_WARDEN_STARTING, &m, &fd);
	if (r == CHANNEL_E_BAD) {
		log_error("channel", "the enforcer said what it may not say; it is replaced");
		kill(w->enforcer.pid, SIGKILL);
	}
	if (r)
		return false;
	if (m.type == CHANNEL_READY) {
		w->is_enforcer_ready = true;
		atomic_store(&w->p->vitals->beat_ns, clock_mono_ns());
		/* An enforcer that was replaced learns of the runs that live on. */
		if (w->runs) {
			run_server_each(w->runs, warden_announce, w);
			nets_announce(w->nets);
			warden_let_begin(w);
		}
		warden_watch_enforcer(w, clock_mono_ns());
		if (w->wants_policy)
			warden_send_policy(w);
	} else if (m.type == CHANNEL_REACH) {
		warden_on_reach(w, fd);
	} else if (m.type == CHANNEL_RUN_ADDED) {
		w->acknowledged_run = m.run.id;
	} else if (m.type == CHANNEL_WANT_POLICY) {
		warden_send_policy(w);
	} else if (m.type == CHANNEL_POLICY_GOOD || m.type == CHANNEL_POLICY_BAD) {
		warden_policy_judged(w, m.type == CHANNEL_POLICY_GOOD);
	}
	return true;
}

static void warden_on_channel(struct loop_source *src, uint32_t events)
{
	struct warden *w = src->owner;

	if (warden_read_channel(w))
		return;
	if (events & (EPOLLHUP | EPOLLERR))
		loop_forget(&w->loop, src); /* its end comes through the pidfd */
}

/* Waits until *what is `wanted`, reading the channel meanwhile. */
static bool warden_wait(struct warden *w, const uint64_t *run, uint64_t wanted, int timeout_ms)
{
	int64_t deadline = clock_mono_ns() + timeout_ms * CLOCK_NS_PER_MS;

	while (run ? *run != wanted : !w->is_enforcer_ready) {
		struct pollfd pfd = {.fd = w->channel, .events = POLLIN};
		int64_t left = (deadline - clock_mono_ns()) / CLOCK_NS_PER_MS;

		if (left <= 0 || poll(&pfd, 1, (int)left) < 0)
			return false;
		if ((pfd.revents & POLLIN) && !warden_read_channel(w) && (pfd.revents & POLLHUP))
			return false;
		if ((pfd.revents & POLLHUP) && !(pfd.revents & POLLIN))
			return false;
	}
	return true;
}

/* ---- runs ------------------------------------------------------------------------------------ */

static uint64_t warden_next_run(void *arg)
{
	struct warden *w = arg;

	/* The hooks may have been taken off a moment ago: no run begins without them. */
	return w->is_enforcer_ready && !w->is_refusing && w->journal &&
			       journal_is_writable(w->journal) && tamper_verify(&w->tamper)
		       ? ++w->last_run
		       : 0;
}

static int warden_announce_run(struct warden *w, const struct run *run)
{
	if (warden_send_run(w, CHANNEL_RUN_ADD, run))
		return -EPIPE;
	return warden_wait(w, &w->acknowledged_run, run->id, ANSWER_TIMEOUT_MS) ? 0 : -ETIMEDOUT;
}

static int warden_on_placed(void *arg, const struct run *run)
{
	struct warden *w = arg;

	if (run_record_start(w->journal, run, w->p->mask_key))
		return -EIO;
	if (!run->is_attached)
		sweeper_begin(w->sweeper, run->cgroup);
	return warden_announce_run(w, run);
}

static int warden_on_adopted(void *arg, const struct run *run)
{
	struct warden *w = arg;

	w->last_run = run->id > w->last_run ? run->id : w->last_run;
	if (!run->is_attached)
		sweeper_begin(w->sweeper, run->cgroup);
	warden_event(w, "adopted", run->id, "name=%s uid=%u", run->name, run->uid);
	return warden_announce_run(w, run);
}

static void warden_on_exit(void *arg, const struct run *run, int status)
{
	run_record_end(((struct warden *)arg)->journal, run, status);
}

static void warden_on_event(void *arg, const char *kind, uint64_t run, const char *text)
{
	warden_event(arg, kind, run, "%s", text);
}

static void warden_on_attached(
	void *arg, const struct run *run, void (*fn)(void *fn_arg, const char *text), void *fn_arg)
{
	struct warden *w = arg;

	sweeper_attach(w->sweeper, w->runs, run->cgroup, run->is_cut, fn, fn_arg);
}

static int warden_on_netns(void *arg, const struct run *run, int ns_fd, uint64_t cookie)
{
	return nets_serve(((struct warden *)arg)->nets, run, ns_fd, cookie);
}

static void warden_on_end(void *arg, const struct run *run)
{
	struct warden *w = arg;

	nets_leave(w->nets, run);
	sweeper_end(w->sweeper, run->cgroup);
	if (warden_send_run(w, CHANNEL_RUN_END, run))
		log_warn("channel", "the enforcer was not told that run %llu ended",
			(unsigned long long)run->id);
}

static void warden_on_runs(struct loop_source *src, uint32_t events)
{
	struct warden *w = src->owner;

	(void)events;
	if (run_server_dispatch(w->runs) < 0)
		log_error("runs", "the run socket is broken; no more runs can be started");
}

/* Without it, what is passed into a run from outside is not noticed: said by doctor, and here. */
static int warden_start_sweeper(struct warden *w)
{
	int r = sweeper_new(w->p->config->kills_foreign_sockets, kern_daemon_cgroup(w->p->kern),
		warden_on_event, w, &w->sweeper);

	if (r == SWEEP_E_MISSING)
		log_warn("degraded", "sweep=absent");
	return r < 0 ? err_trace(r) : 0;
}

static int warden_start_runs(struct warden *w)
{
	const struct config *c = w->p->config;
	const struct run_server_config config = {
		.run = {.runs_path = w->p->runs_path,
			.state_dir = c->dir,
			.uid_first = c->run_uid_first,
			.uid_last = c->run_uid_last,
			.has_connect_unix = kern_has_connect_unix(w->p->kern),
			.allow_degraded = c->allow_degraded,
			.degraded = w->p->degraded,
			.homes_dir = c->homes,
			.hide_paths = w->p->hidden},
		.cgroup_root = w->p->cgroup_root,
		.operators = c->operators_group,
		.attach = c->attach,
		.callbacks = {.arg = w,
			.next_id = warden_next_run,
			.on_placed = warden_on_placed,
			.on_exit = warden_on_exit,
			.on_event = warden_on_event,
			.on_attached = warden_on_attached,
			.on_netns = warden_on_netns,
			.on_end = warden_on_end},
	};
	int r = run_server_new(&config, &w->runs);

	if (!r)
		r = run_server_adopt(w->runs, warden_on_adopted);
	if (r)
		return err_trace(r);
	w->runs_src = (struct loop_source){
		.fd = run_server_epoll_fd(w->runs), .fn = warden_on_runs, .owner = w};
	return err_trace(loop_watch(&w->loop, &w->runs_src, EPOLLIN));
}

/* ---- deaths ---------------------------------------------------------------------------------- */

static void warden_stop_scribe(struct warden *w)
{
	w->scribe_stop_fd = fd_close(w->scribe_stop_fd);
	/* It is waited for while it is signed for: afterwards it has ended, or will not. */
	if (w->scribe.pid)
		signer_attend(&w->signer, w->scribe.src.fd, CHILD_STOP_MS);
	child_end(&w->scribe, &w->loop, CHILD_STOP_MS / 5);
}

/*
 * A dead enforcer's sessions are over. The scribe is replaced too: in the way of a fresh start it
 * drains what the dead one wrote, closes in the ledger what it left open, and tells the ids that
 * the next one continues.
 */
static void warden_replace_enforcer(struct warden *w)
{
	int r;

	warden_stop_scribe(w);
	r = warden_start_scribe(w, true);
	if (!r)
		r = warden_start_enforcer(w);
	if (!r)
		return;
	log_error("restart", "the enforcer could not be started again: errno=%d", -r);
	child_delay_restart(&w->enforcer);
}

static void warden_child_on_exit(struct loop_source *src, uint32_t events)
{
	struct warden *w = src->owner;
	struct child *c = list_entry(src, struct child, src);
	bool is_enforcer = c == &w->enforcer;
	int status = child_reap(c, &w->loop);

	(void)events;
	if (w->is_stopping)
		return;
	warden_event(w, is_enforcer ? "enforcer-died" : "scribe-died", 0, "%s %d",
		WIFSIGNALED(status) ? "signal" : "exit",
		WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	if (is_enforcer) {
		loop_forget(&w->loop, &w->channel_src);
		w->channel = fd_close(w->channel);
		w->is_enforcer_ready = false;
		w->wants_policy |= w->coming_policy.p != NULL;
		warden_drop_coming(w);
	}
	child_delay_restart(c);
}

static void warden_restart_due(struct warden *w, int64_t now)
{
	if (!w->enforcer.pid && now >= w->enforcer.restart_at_ns) {
		warden_replace_enforcer(w);
	} else if (!w->scribe.pid && now >= w->scribe.restart_at_ns &&
		   warden_start_scribe(w, false)) {
		log_error("restart", "the scribe could not be started again");
		if (!w->scribe.pid)
			child_delay_restart(&w->scribe);
	}
}

/* ---- the loop -------------------------------------------------------------------------------- */

static void warden_tick(struct loop *l, int64_t now_ns)
{
	struct warden *w = l->owner;

	(void)now_ns;
	if (process_mend_ring(w->p, RING_WARDEN, &w->journal))
		loop_stop(l); /* nothing can be recorded: closed, until somebody starts us again */
	warden_restart_due(w, clock_mono_ns());
	warden_watch_enforcer(w, clock_mono_ns());
	if (w->denials)
		denials_tick(w->denials);
	run_server_gather(w->runs);
	sweeper_look(w->sweeper, w->runs);
	if (warden_set_refusing(w, w->is_refusing))
		log_error("state", "the kernel side could not be told that we live");
	run_server_watch(w->runs);
	tamper_tick(&w->tamper);
	notify_supervisor("WATCHDOG=1");
}

static void warden_on_signal(struct loop_source *src, uint32_t events)
{
	struct warden *w = src->owner;
	struct signalfd_siginfo info;

	(void)events;
	if (read(src->fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP) {
		warden_send_policy(w);
		return;
	}
	loop_stop(&w->loop);
}

static int warden_watch_signals(struct warden *w)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_raise(-errno);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return err_raise(-errno);
	w->signal_src = (struct loop_source){.fd = fd, .fn = warden_on_signal, .owner = w};
	return err_trace(loop_watch(&w->loop, &w->signal_src, EPOLLIN));
}

static uint64_t warden_run_of(void *arg, uint64_t cgroup)
{
	const struct warden *w = arg;

	return w->runs ? run_server_find(w->runs, cgroup) : 0;
}

static int warden_watch_denials(struct warden *w)
{
	const struct denials_config config = {.arg = w,
		.tell = warden_on_denial,
		.told = warden_on_denials,
		.run_of = warden_run_of};

	return err_trace(denials_open(w->p->kern, &w->loop, &config, &w->denials));
}

static int warden_tell_of_nets(void *arg, const struct channel_message *m, int fd)
{
	struct warden *w = arg;

	return w->is_enforcer_ready ? warden_tell(w, m, fd) : -EPIPE;
}

static void warden_on_bad_door(void *arg)
{
	const struct warden *w = arg;

	log_error("channel", "the enforcer said at a door what it may not say; it is replaced");
	if (w->enforcer.pid)
		kill(w->enforcer.pid, SIGKILL);
}

static uid_t warden_uid_of(void *arg, uint64_t cgroup)
{
	const struct warden *w = arg;

	return w->runs ? run_server_uid(w->runs, cgroup) : 0;
}

static int warden_start_nets(struct warden *w)
{
	const struct nets_config config = {.arg = w,
		.kern = w->p->kern,
		.loop = &w->loop,
		.port = (uint16_t)w->p->config->port,
		.unix_name = w->p->unix_fd >= 0 ? w->p->unix_name : NULL,
		.n_doors = (unsigned)w->p->config->workers,
		.tell = warden_tell_of_nets,
		.on_bad = warden_on_bad_door,
		.policy_text = w->p->policy_text,
		.uid_of = warden_uid_of,
		.uid_first = w->p->config->run_uid_first,
		.uid_last = w->p->config->run_uid_last,
		.on_event = warden_on_event};

	return err_trace(nets_new(&config, &w->nets));
}

static int warden_start(struct warden *w)
{
	int r = loop_init(&w->loop, w);

	w->loop.tick = warden_tick;
	w->tamper = (struct tamper){.p = w->p, .on_event = warden_on_event, .arg = w};
	if (!r)
		r = warden_watch_signals(w);
	if (r)
		return err_trace(r);
	/* Until there is somebody to accept, nobody shall wait. */
	r = warden_set_refusing(w, true);
	if (!r)
		r = warden_serve_own(w);
	if (!r)
		r = warden_start_nets(w);
	if (r)
		return err_trace(r);
	r = signer_init(&w->signer, w->p->config);
	if (!r)
		r = signer_watch(&w->signer, &w->loop);
	if (r) {
		w->why = "the key that signs the ledger cannot be had; see `keys:`";
		return err_trace(r);
	}
	w->p->signer = &w->signer;
	r = warden_start_scribe(w, true);
	if (r) {
		w->why = "the ledger cannot be opened; see the scribe's message above";
		return err_trace(r);
	}
	w->last_run = w->p->ids.run;
	r = process_open_ring(w->p, RING_WARDEN, &w->journal);
	if (r)
		return err_trace(r);
	r = warden_start_sweeper(w);
	if (!r)
		r = warden_start_enforcer(w);
	if (!r && !warden_wait(w, NULL, 0, START_TIMEOUT_MS)) {
		w->why = "the enforcer did not start; see its message above";
		r = -ETIMEDOUT;
	}
	if (!r)
		r = warden_watch_denials(w);
	if (!r)
		r = warden_start_runs(w);
	if (!r)
		warden_let_begin(w);
	return err_trace(r);
}

static void warden_stop(struct warden *w)
{
	const struct channel_message m = {.type = CHANNEL_STOP};

	w->is_stopping = true;
	notify_supervisor("STOPPING=1");
	if (warden_set_refusing(w, true))
		log_warn("state", "the kernel side could not be told");
	if (w->journal)
		warden_event(w, "stop", 0, "runs that live on stay closed in until the next start");
	/* Killed if it cannot be told. */
	if (w->enforcer.pid && !warden_tell(w, &m, -1))
		log_debug("stop", "enforcer=%d", (int)w->enforcer.pid);
	child_end(&w->enforcer, &w->loop, CHILD_STOP_MS);
	w->runs = run_server_free(w->runs);
	w->nets = nets_free(w->nets);
	w->sweeper = sweeper_free(w->sweeper);
	w->denials = denials_close(w->denials);
	w->journal = journal_close(w->journal);
	warden_stop_scribe(w);
	signer_finish(&w->signer);
	warden_drop_coming(w);
	loop_deinit(&w->loop);
}

int warden_run(struct process *p)
{
	struct warden w = {.p = p, .channel = -1, .scribe_stop_fd = -1};
	int r = warden_start(&w);

	if (!r) {
		warden_event(&w, "start", 0, "pid=%d degraded=\"%s\"", (int)getpid(), p->degraded);
		notify_supervisor("READY=1");
		log_info("ready", "dir=%s policy=%s", p->config->dir, p->config->policy);
		r = loop_run(&w.loop);
	} else {
		fprintf(stderr, "holdfastd: %s\n", w.why ? w.why : strerror(-r));
	}
	warden_stop(&w);
	return r ? 1 : 0;
}
