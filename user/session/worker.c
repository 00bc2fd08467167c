/* SPDX-License-Identifier: Apache-2.0 */
/* A worker thread: see worker.h. */
#include "session/worker.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "audit/contents.h"
#include "session/abroad.h"
#include "session/cancel.h"
#include "session/catalog.h"
#include "session/decide.h"
#include "session/held.h"
#include "session/relay.h"
#include "session/resolver.h"
#include "session/session.h"
#include "session/side.h"
#include "util/clock.h"
#include "util/log.h"

enum { SESSIONS_MAX = 100000, CATALOGS_MAX = 1024, SQL_CACHE_ENTRIES = 4096, ACCEPT_BATCH = 32 };

/* ---- connections ----------------------------------------------------------------------------- */

void worker_on_listener(struct loop_source *src, uint32_t events)
{
	struct worker *w = src->owner;

	(void)events;
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		int fd = sock_accept(src->fd);

		if (fd == -EAGAIN)
			return;
		if (fd < 0) {
			/* Out of descriptors: connects wait in the backlog until sessions end. */
			log_warn("accept", "errno=%d", -fd);
			return;
		}
		session_accept(w, fd);
	}
}

void worker_accept_unix(struct worker *w, int listener, int diag_fd)
{
	for (int i = 0, fd; i < ACCEPT_BATCH && (fd = sock_accept(listener)) >= 0; i++)
		session_accept_unix(w, fd, diag_fd);
}

static void worker_on_unix(struct loop_source *src, uint32_t events)
{
	struct worker *w = list_entry(src, struct worker, unix_listener);

	(void)events;
	worker_accept_unix(w, src->fd, w->enforcer->unix_diag_fd);
}

/* Whoever connected before waited in the backlog. */
static void worker_begin(struct worker *w)
{
	int r = 0;

	for (int i = 0; !r && i < 2; i++)
		r = loop_watch(&w->loop, &w->listeners[i], EPOLLIN);
	if (!r && w->unix_listener.fd >= 0)
		r = loop_watch(&w->loop, &w->unix_listener, EPOLLIN);
	abroad_begin(w);
	if (r)
		log_error("worker.begin", "worker=%u errno=%d", w->index, -r);
}

/* ---- letters --------------------------------------------------------------------------------- */

/* What a decision, a cancel or an answer did to a session: go on, or it is gone. */
static void worker_resume(struct session *s, int r)
{
	if (r == DECIDE_E_CLOSED || s->is_dead)
		return;
	if (!r || r == DECIDE_E_PARKED)
		r = relay_resume(s);
	if (r < 0)
		session_close(s, "internal error");
}

static void worker_on_release(struct worker *w, const struct mail *m)
{
	struct session *s = session_find(w, m->session);

	/* The session may be gone, or on to another request: then there is nothing to release. */
	if (!s || s->park != PARK_HOLD || s->asked.hold != m->hold)
		return;
	if (m->is_grant) {
		worker_resume(s, held_try_grants(s));
		return;
	}
	worker_resume(s,
		decide_released(s, m->decision == DECISION_APPROVE ? HOLD_EV_APPROVE : HOLD_EV_DENY,
			m->by, m->text));
}

static void worker_on_clock(struct worker *w, const struct mail *m)
{
	struct session *s = session_find(w, m->session);

	if (s && s->park == PARK_HOLD && s->asked.hold == m->hold)
		held_clock(s, m->stops);
}

static void worker_on_cancel(struct worker *w, const struct mail *m)
{
	struct list *pos;
	bool is_sent = false;

	list_for_each (pos, &w->sessions) {
		struct session *s = list_entry(pos, struct session, link);

		/* Only the same run and target: a key alone is four bytes that could be guessed. */
		if (s->run.id != m->run || !s->proto ||
			memcmp(s->origin.addr, m->addr, sizeof(m->addr)) != 0 ||
			s->origin.port != m->port ||
			!s->proto->cancel_matches(
				s->state, m->key_id, slice_of(m->key, m->key_len)))
			continue;
		if (s->park == PARK_HOLD)
			worker_resume(s, decide_released(s, HOLD_EV_CANCEL, NULL, NULL));
		/* What is asked on behalf of a request that waits is cancelled with it; what is
		 * asked for ourselves is not the client's business. */
		else if (s->park == PARK_NONE || s->park == PARK_DRAIN ||
			 (s->park == PARK_ASK && s->asked.has_facts))
			is_sent = cancel_send(s, m);
		break;
	}
	if (!is_sent)
		cancel_answer(w, m);
}

static void worker_on_facts(struct worker *w, const struct mail *m)
{
	struct session *s = session_find(w, m->session);

	if (s && s->park == PARK_FACTS && s->asked.request.seq == m->seq)
		worker_resume(s, decide_facts(s, &m->facts, m->error));
}

static void worker_on_hidden(struct worker *w, struct mail *m)
{
	struct list *pos, *tmp;

	beneath_on_answer(w, m);
	list_for_each_safe (pos, tmp, &w->sessions) {
		struct session *s = list_entry(pos, struct session, link);

		if (beneath_waits(s, m->side))
			worker_resume(s, decide_advance(s));
	}
}

static void worker_cut_run(struct worker *w, uint64_t run)
{
	struct list *pos, *tmp;

	list_for_each_safe (pos, tmp, &w->sessions) {
		struct session *s = list_entry(pos, struct session, link);

		if (s->run.id == run)
			session_close(s, "the run ended");
	}
	resolver_cut_run(w->resolver, run);
}

static void worker_on_policy(struct worker *w, const struct policy *policy)
{
	struct list *pos, *tmp;

	catalog_drop_all(w);
	w->policy = policy;
	sql_cache_want_lineage(w->sql_cache, policy_needs_lineage(policy));
	/* Idle sessions follow at once, so that a target that is no longer named is cut now. */
	list_for_each_safe (pos, tmp, &w->sessions) {
		struct session *s = list_entry(pos, struct session, link);

		if (s->park == PARK_HOLD)
			worker_resume(s, held_reload(s));
		else if (s->park == PARK_NONE && session_sync_policy(s) < 0)
			session_close(s, "internal error");
	}
}

static void worker_read_letter(struct worker *w, struct mail *m)
{
	struct session *s;

	switch (m->kind) {
	case MAIL_POLICY:
		worker_on_policy(w, m->policy);
		return;
	case MAIL_RELEASE:
		worker_on_release(w, m);
		return;
	case MAIL_CANCEL:
		worker_on_cancel(w, m);
		return;
	case MAIL_CANCELLED:
		s = session_find(w, m->session);
		if (s)
			cancel_answered(s);
		return;
	case MAIL_FACTS:
		worker_on_facts(w, m);
		return;
	case MAIL_HIDDEN:
		worker_on_hidden(w, m);
		return;
	case MAIL_CUT_RUN:
		worker_cut_run(w, m->run);
		return;
	case MAIL_CLOCK:
		worker_on_clock(w, m);
		return;
	case MAIL_BEGIN:
		worker_begin(w);
		return;
	case MAIL_NETNS:
		abroad_add(w, m->netns, m->place, m->fd);
		m->fd = -1;
		return;
	case MAIL_NETNS_END:
		abroad_end(w, m->netns);
		return;
	case MAIL_STOP:
		loop_stop(&w->loop);
		return;
	case MAIL_HOLD:
	case MAIL_HOLD_END:
	case MAIL_DEADLINE:
	case MAIL_LOOK:
		break;
	}
	(void)bug(true);
}

static void worker_on_mail(struct loop_source *src, uint32_t events)
{
	struct worker *w = list_entry(src, struct worker, mail_src);
	struct list letters, *pos, *tmp;

	(void)events;
	list_init(&letters);
	mailbox_take_all(&w->mail, &letters);
	list_for_each_safe (pos, tmp, &letters) {
		struct mail *m = list_entry(pos, struct mail, link);

		list_remove(pos);
		worker_read_letter(w, m);
		mail_free(m);
	}
}

/* ---- the ledger committed -------------------------------------------------------------------- */

static void worker_on_commit(struct loop_source *src, uint32_t events)
{
	struct worker *w = list_entry(src, struct worker, commit_src);
	struct list *pos, *tmp;
	uint64_t count;

	(void)events;
	if (read(src->fd, &count, sizeof(count)) < 0)
		return;
	list_for_each_safe (pos, tmp, &w->recording) {
		struct session *s = list_entry(pos, struct session, recording_link);

		if (journal_committed(w->journal) >= s->asked.record_seq)
			worker_resume(s, decide_advance(s));
	}
}

/* ---- the loop -----------------------------------------------------------------------------------
 */

static void worker_tick(struct loop *l, int64_t now_ns)
{
	struct worker *w = l->owner;
	const struct policy *oldest = w->policy;
	struct list *pos, *tmp;

	atomic_store(&w->beat_ns, clock_mono_ns());
	list_for_each_safe (pos, tmp, &w->sessions) {
		struct session *s = list_entry(pos, struct session, link);

		if (s->policy != w->policy)
			oldest = s->policy;
		session_tick(s, now_ns);
	}
	atomic_store(&w->oldest_policy, oldest);
	resolver_tick(w->resolver, now_ns);
}

static void worker_after(struct loop *l)
{
	struct worker *w = l->owner;
	struct list *pos, *tmp;

	list_for_each_safe (pos, tmp, &w->dead) {
		struct session *s = list_entry(pos, struct session, link);

		list_remove(pos);
		session_free(s);
	}
}

/* ---- life ------------------------------------------------------------------------------------ */

void worker_hmac(struct worker *w, const struct slice *parts, size_t n, uint8_t out[32])
{
	hmac_parts(&w->hmac, parts, n, out);
}

static int worker_watch(struct worker *w, struct loop_source *src, int fd, loop_fn fn)
{
	*src = (struct loop_source){.fd = fd, .fn = fn};
	return err_trace(loop_watch(&w->loop, src, EPOLLIN));
}

int worker_init(struct worker *w, struct enforcer *e, unsigned index, const int listener_fds[2],
	struct journal *journal, int commit_fd, const struct policy *policy)
{
	int r;

	*w = (struct worker){.enforcer = e,
		.index = index,
		.journal = journal,
		.commit_fd = commit_fd,
		.policy = policy};
	list_init(&w->sessions);
	list_init(&w->dead);
	list_init(&w->cancels);
	list_init(&w->recording);
	list_init(&w->abroad);
	list_init(&w->door.waiting);
	map_init(&w->by_id, SESSIONS_MAX);
	map_init(&w->catalogs, CATALOGS_MAX);
	map_init(&w->beneath, SIDE_PLACES_MAX);
	atomic_store(&w->oldest_policy, policy);
	atomic_store(&w->beat_ns, clock_mono_ns());
	w->sql_cache = sql_cache_new(SQL_CACHE_ENTRIES);
	if (!w->sql_cache)
		return err_raise(-ENOMEM);
	sql_cache_want_lineage(w->sql_cache, policy_needs_lineage(policy));
	hmac_key_init(&w->hmac, slice_of(e->ledger_key, sizeof(e->ledger_key)));
	r = loop_init(&w->loop, w);
	if (!r)
		r = mailbox_init(&w->mail);
	if (!r)
		r = worker_watch(w, &w->mail_src, w->mail.event_fd, worker_on_mail);
	if (!r)
		r = worker_watch(w, &w->commit_src, commit_fd, worker_on_commit);
	for (int i = 0; i < 2; i++)
		w->listeners[i] = (struct loop_source){
			.fd = listener_fds[i], .fn = worker_on_listener, .owner = w};
	w->unix_listener =
		(struct loop_source){.fd = index ? -1 : e->unix_fd, .fn = worker_on_unix};
	w->loop.tick = worker_tick;
	w->loop.after = worker_after;
	return err_trace(r);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	int r = loop_run(&w->loop);

	if (r)
		log_error("worker.end", "worker=%u errno=%d", w->index, -r);
	return NULL;
}

int worker_start(struct worker *w)
{
	int r = pthread_create(&w->thread, NULL, worker_main, w);

	return r ? err_raise(-r) : 0;
}

void worker_deinit(struct worker *w)
{
	struct list *pos, *tmp;

	list_for_each_safe (pos, tmp, &w->sessions)
		session_close(list_entry(pos, struct session, link), "the daemon stopped");
	worker_after(&w->loop);
	abroad_deinit(w);
	w->resolver = resolver_free(w->resolver);
	cancel_deinit(w);
	catalog_drop_all(w);
	map_deinit(&w->catalogs);
	beneath_drop_all(w);
	map_deinit(&w->by_id);
	sql_cache_free(w->sql_cache);
	contents_packer_free(w->packer);
	mailbox_deinit(&w->mail);
	loop_deinit(&w->loop);
}

/* ---- records --------------------------------------------------------------------------------- */

int worker_record(struct worker *w, enum record_kind kind, const void *rec, uint64_t *ret_seq)
{
	uint64_t seq;
	int r = journal_append(w->journal, kind, rec, &seq);

	if (!r && ret_seq)
		*ret_seq = seq;
	if (!r)
		atomic_store_explicit(&w->metrics.recorded, seq, memory_order_relaxed);
	if (r > 0)
		metrics_add(&w->metrics.n_lost, 1);
	if (r > 0)
		log_error("journal.refused", "worker=%u kind=%s outcome=%d", w->index,
			record_table[kind].name, r);
	return r;
}

void worker_event(
	struct worker *w, const char *kind, uint64_t run, uint64_t session, const char *fmt, ...)
{
	char detail[512];
	struct record_event rec;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(detail, sizeof(detail), fmt, ap);
	va_end(ap);
	rec = (struct record_event){
		.kind = slice_str(kind),
		.run = run,
		.session = session,
		.detail = slice_str(detail),
	};
	if (worker_record(w, RECORD_EVENT, &rec, NULL))
		log_warn("event.lost", "kind=%s %s", kind, detail);
}
