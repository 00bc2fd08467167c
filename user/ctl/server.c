/* SPDX-License-Identifier: Apache-2.0 */
/* The control thread: see server.h. */
#include "ctl/server.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/decisions.h"
#include "ctl/grants.h"
#include "ctl/herald.h"
#include "ctl/looks.h"
#include "ctl/watch.h"
#include "session/worker.h"
#include "util/clock.h"
#include "util/log.h"

enum { HOLDS_MAX = 10000, CTL_ACCEPT_BATCH = 16, CTL_REFUSED_A_SECOND = 10 };

static const char *const ctl_refused_kinds[CTL_REFUSED_N] = {
	[CTL_REFUSED_CONTROL] = "control-refused",
	[CTL_REFUSED_DECISION] = "decision-refused",
};

struct ctl_retired {
	struct list link;
	struct policy *policy;
};

void ctl_event(struct ctl *c, const char *kind, uint64_t run, const char *detail)
{
	const struct record_event rec = {
		.kind = slice_str(kind),
		.run = run,
		.detail = slice_str(detail),
	};

	if (journal_append(c->config.journal, RECORD_EVENT, &rec, NULL))
		log_warn("event.lost", "kind=%s %s", kind, detail);
}

/* What was left out of a second that is over. */
static void ctl_refused_end(struct ctl *c, enum ctl_refused what, int64_t second)
{
	char detail[64];

	if (c->refused[what].second == second)
		return;
	snprintf(detail, sizeof(detail), "%llu more like it in a second",
		(unsigned long long)(c->refused[what].n - CTL_REFUSED_A_SECOND));
	if (c->refused[what].n > CTL_REFUSED_A_SECOND)
		ctl_event(c, ctl_refused_kinds[what], 0, detail);
	c->refused[what].second = second;
	c->refused[what].n = 0;
}

void ctl_event_refused(struct ctl *c, enum ctl_refused what, uint64_t run, const char *detail)
{
	ctl_refused_end(c, what, clock_mono_ns() / CLOCK_NS_PER_S);
	if (++c->refused[what].n <= CTL_REFUSED_A_SECOND)
		ctl_event(c, ctl_refused_kinds[what], run, detail);
}

/* ---- policies -------------------------------------------------------------------------------- */

static bool ctl_is_in_use(const struct ctl *c, const struct policy *policy)
{
	for (unsigned i = 0; i < c->enforcer->n_workers; i++)
		if (atomic_load(&c->enforcer->workers[i]->oldest_policy) != c->policy)
			return true;
	return policy == c->policy;
}

/* Policies are freed once every worker says that none of its sessions is older than the newest. */
static void ctl_free_retired(struct ctl *c, bool all)
{
	struct list *pos, *tmp;

	list_for_each_safe (pos, tmp, &c->retired) {
		struct ctl_retired *old = list_entry(pos, struct ctl_retired, link);

		if (!all && ctl_is_in_use(c, old->policy))
			continue;
		list_remove(pos);
		policy_free(old->policy);
		free(old);
	}
}

static void ctl_answer_reload(struct ctl *c, const char *errors)
{
	struct ctl_client *cl = ctl_client_find(c, c->reload_client);
	struct json j;

	c->reload_client = 0;
	if (!cl)
		return;
	jsonw_init(&j, CTL_PACKET_MAX - 64);
	jsonw_object(&j, NULL);
	jsonw_bool(&j, "ok", !errors);
	jsonw_string(&j, "version", slice_str(policy_version(c->policy)));
	if (errors)
		jsonw_string(&j, "errors", slice_head(slice_str(errors), 32 * 1024));
	jsonw_object_end(&j);
	ctl_client_data(cl, &j);
	jsonw_deinit(&j);
	ctl_client_end(cl);
}

int ctl_set_policy(struct ctl *c, struct policy *policy)
{
	struct ctl_retired *old = calloc(1, sizeof(*old));
	char detail[96];

	if (!old)
		return err_raise(-ENOMEM);
	/* A const away: the policy is ours, only its readers may not change it. */
	old->policy = (struct policy *)(uintptr_t)c->policy;
	list_append(&c->retired, &old->link);
	snprintf(detail, sizeof(detail), "old=%s new=%s", policy_version(c->policy),
		policy_version(policy));
	c->policy = policy;
	ctl_grants_policy_changed(c);
	for (unsigned i = 0; i < c->enforcer->n_workers; i++) {
		struct mail *m = mail_new(MAIL_POLICY);

		if (!m)
			return err_raise(-ENOMEM);
		m->policy = policy;
		mailbox_send(&c->enforcer->workers[i]->mail, m);
	}
	ctl_event(c, "policy", 0, detail);
	log_info("policy.loaded", "%s", detail);
	ctl_answer_reload(c, NULL);
	return 0;
}

void ctl_policy_bad(struct ctl *c, const char *errors)
{
	ctl_event(c, "policy-bad", 0, "the file has errors; the old policy stays in force");
	log_error("policy.bad", "version=%s stays in force", policy_version(c->policy));
	ctl_answer_reload(c, errors);
}

/* ---- events ---------------------------------------------------------------------------------- */

static void ctl_on_listener(struct loop_source *src, uint32_t events)
{
	(void)events;
	/* Several a round: who floods the queue of the socket must not keep others out of it. */
	for (int i = 0; i < CTL_ACCEPT_BATCH; i++)
		ctl_client_accept(list_entry(src, struct ctl, listener_src));
}

static void ctl_new_hold(struct ctl *c, struct hold *h)
{
	ctl_watch_tell(c, h);
	/* One word for many that are identical, as at the prompt. */
	if (h->leader)
		return;
	ctl_herald_hold(c, h);
	ctl_look_new(c, h);
}

static void ctl_read_letter(struct ctl *c, struct mail *m)
{
	struct hold *h;

	if (m->kind == MAIL_HOLD) {
		h = m->parked;
		m->parked = NULL;
		/* A hold that is not in the table still waits at its worker, and expires there. */
		if (hold_park(&c->holds, h))
			log_error("hold.lost", "too many holds at once");
		else
			ctl_new_hold(c, h);
	} else if (m->kind == MAIL_HOLD_END) {
		ctl_hold_ended(c, m->hold, m->outcome);
	} else if (m->kind == MAIL_DEADLINE) {
		h = hold_find(&c->holds, m->hold);
		if (h) {
			h->view.deadline_wall_ns = m->deadline_wall_ns;
			ctl_watch_tell(c, h);
		}
	} else if (m->kind == MAIL_LOOK) {
		ctl_look_answer(c, m);
	}
}

static void ctl_on_mail(struct loop_source *src, uint32_t events)
{
	struct ctl *c = list_entry(src, struct ctl, mail_src);
	struct list letters, *pos, *tmp;

	(void)events;
	list_init(&letters);
	mailbox_take_all(&c->enforcer->control, &letters);
	list_for_each_safe (pos, tmp, &letters) {
		struct mail *m = list_entry(pos, struct mail, link);

		list_remove(pos);
		ctl_read_letter(c, m);
		mail_free(m);
	}
}

static void ctl_on_commit(struct loop_source *src, uint32_t events)
{
	uint64_t count;

	(void)events;
	if (read(src->fd, &count, sizeof(count)) < 0)
		return;
	ctl_send_decided(list_entry(src, struct ctl, commit_src));
}

static bool ctl_has_broken_journal(const struct ctl *c)
{
	bool is_broken = journal_is_broken(c->config.journal);

	for (unsigned i = 0; i < c->enforcer->n_workers; i++)
		is_broken |= journal_is_broken(c->enforcer->workers[i]->journal);
	return is_broken;
}

static void ctl_tick(struct loop *l, int64_t now_ns)
{
	struct ctl *c = l->owner;
	int64_t oldest = clock_mono_ns();

	(void)now_ns;
	/* The enforcer is as alive as its slowest thread. */
	for (unsigned i = 0; i < c->enforcer->n_workers; i++) {
		int64_t beat = atomic_load(&c->enforcer->workers[i]->beat_ns);

		oldest = beat < oldest ? beat : oldest;
	}
	atomic_store(c->config.beat_ns, oldest);
	if (ctl_has_broken_journal(c)) {
		/* The scribe gave a ring up: only a new enforcer can open it again. */
		log_error("journal.broken", "the enforcer ends so that the rings can be made anew");
		c->has_failed = true;
		loop_stop(l);
	}
	ctl_send_decided(c);
	ctl_grants_tick(c);
	ctl_watch_tick(c);
	ctl_looks_tick(c);
	ctl_herald_tick(c);
	for (enum ctl_refused what = 0; what < CTL_REFUSED_N; what++)
		ctl_refused_end(c, what, clock_mono_ns() / CLOCK_NS_PER_S);
	ctl_free_retired(c, false);
}

static void ctl_after(struct loop *l)
{
	struct ctl *c = l->owner;
	struct list *pos, *tmp;

	list_for_each_safe (pos, tmp, &c->dead) {
		list_remove(pos);
		ctl_client_free(list_entry(pos, struct ctl_client, link));
	}
}

/* ---- life ------------------------------------------------------------------------------------ */

static int ctl_watch_fd(struct ctl *c, struct loop_source *src, int fd, loop_fn fn)
{
	*src = (struct loop_source){.fd = fd, .fn = fn};
	return err_trace(loop_watch(&c->loop, src, EPOLLIN));
}

int ctl_init(
	struct ctl *c, const struct ctl_config *config, struct enforcer *e, struct policy *policy)
{
	int r;

	*c = (struct ctl){.config = *config, .enforcer = e, .policy = policy};
	list_init(&c->clients);
	list_init(&c->dead);
	list_init(&c->deciding);
	list_init(&c->retired);
	hold_table_init(&c->holds, HOLDS_MAX);
	c->started_ns = clock_mono_ns();
	r = loop_init(&c->loop, c);
	if (!r)
		r = ctl_watch_fd(c, &c->listener_src, config->listener_fd, ctl_on_listener);
	if (!r)
		r = ctl_watch_fd(c, &c->mail_src, e->control.event_fd, ctl_on_mail);
	if (!r)
		r = ctl_watch_fd(c, &c->commit_src, config->commit_fd, ctl_on_commit);
	c->loop.tick = ctl_tick;
	c->loop.after = ctl_after;
	return err_trace(r);
}

int ctl_run(struct ctl *c)
{
	return err_trace(loop_run(&c->loop));
}

void ctl_deinit(struct ctl *c)
{
	struct list *pos, *tmp;

	list_for_each_safe (pos, tmp, &c->clients)
		ctl_client_close(list_entry(pos, struct ctl_client, link));
	ctl_after(&c->loop);
	list_for_each_safe (pos, tmp, &c->deciding)
		free(list_entry(pos, struct ctl_decision, link));
	ctl_free_retired(c, true);
	policy_free((struct policy *)(uintptr_t)c->policy);
	hold_table_deinit(&c->holds);
	loop_deinit(&c->loop);
}
