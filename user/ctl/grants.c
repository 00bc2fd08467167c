/* SPDX-License-Identifier: Apache-2.0 */
/* Grants and tickets on the control thread: see grants.h. */
#include "ctl/grants.h"

#include <stdio.h>
#include <stdlib.h>

#include "ctl/decisions.h"
#include "session/worker.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/utf8.h"

enum { GRANT_WORDS_MAX = 1024 };

/* ---- making ---------------------------------------------------------------------------------- */

static void grant_sign(struct grant *g, const struct ballot *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++) {
		const struct vote *v = &b->votes[i];

		if (v->kind != b->kind)
			continue;
		n += (size_t)snprintf(g->by + n, sizeof(g->by) - n, "%s%s", n ? ", " : "", v->by);
		n = n < sizeof(g->by) ? n : sizeof(g->by) - 1;
		g->uid = v->uid;
		snprintf(g->reason, sizeof(g->reason), "%s", v->reason);
	}
}

static struct grant *grant_of(const struct hold *h, enum grant_kind kind, int64_t for_ms)
{
	const struct hold_view *v = &h->view;
	struct grant *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	*g = (struct grant){.id = v->id,
		.kind = kind,
		.run = v->run,
		.owner_uid = v->owner_uid,
		.since_wall_ns = clock_wall_ns(),
		.what = strndup(v->text, GRANT_WORDS_MAX),
		.resource = strdup(v->resource),
		.rule = strdup(v->rule)};
	snprintf(g->run_name, sizeof(g->run_name), "%s", v->run_name);
	if (for_ms) {
		g->until_ns = clock_mono_ns() + for_ms * CLOCK_NS_PER_MS;
		g->until_wall_ns = g->since_wall_ns + for_ms * CLOCK_NS_PER_MS;
	}
	grant_sign(g, &h->ballot);
	return g;
}

/* What is true of a hold that is covered now goes the way of a decision, to be checked there. */
static void grant_release(struct ctl *c, const struct grant *g, const struct hold *h)
{
	struct mail *m = mail_new(MAIL_RELEASE);

	if (!m)
		return; /* its client waits, and people see it */
	m->hold = h->view.id;
	m->session = h->view.session;
	m->is_grant = true;
	m->decision = g->kind == GRANT_SHAPE ? DECISION_APPROVE : DECISION_DENY;
	mailbox_send(&c->enforcer->workers[h->worker]->mail, m);
}

/* Others that wait already, and that this covers. */
static void grant_release_others(struct ctl *c, const struct grant *g)
{
	size_t pos = 0;
	void *p;

	while (map_next(&c->holds.by_id, &pos, NULL, &p)) {
		const struct hold *h = p;
		const struct hold_keys *k = &h->view.keys;
		bool is_covered = g->kind == GRANT_SHAPE ? k->has_shape && !memcmp(k->shape, g->key,
										   sizeof(g->key))
							 : !memcmp(k->kind, g->key, sizeof(g->key));

		is_covered &= g->run ? h->view.run == g->run
				     : h->view.owner_uid == g->owner_uid &&
					       !strcmp(h->view.run_name, g->run_name);
		if (is_covered && !h->view.is_ticket && h->ballot.state == BALLOT_OPEN)
			grant_release(c, g, h);
	}
}

/* Takes the grant. */
static void grant_make(struct ctl *c, struct grant *g)
{
	const struct grant copy = *g;
	char detail[256];

	snprintf(detail, sizeof(detail), "grant=g%llu kind=%s scope=%s seconds=%lld by=\"%.60s\"",
		(unsigned long long)g->id, grant_kind_word(g->kind), g->run ? "run" : "name",
		g->until_ns ? (long long)((g->until_ns - clock_mono_ns()) / CLOCK_NS_PER_S) : 0LL,
		g->by);
	if (grant_add(&c->enforcer->grants, g)) {
		ctl_event(c, "grant-lost", copy.run, "too many grants: it covers nothing");
		return;
	}
	if (copy.kind == GRANT_SHAPE || copy.kind == GRANT_REFUSAL) {
		ctl_event(c, "grant", copy.run, detail);
		log_info("grant", "%s", detail);
		grant_release_others(c, &copy);
	}
}

void ctl_grant(struct ctl *c, const struct hold *h)
{
	const struct scope scope = ballot_scope(&h->ballot);
	bool approves = h->ballot.kind == DECISION_APPROVE;
	struct grant *g;

	if (h->ballot.state != BALLOT_SENT || scope.kind == SCOPE_ONCE ||
		(approves && !h->view.keys.has_shape))
		return;
	g = grant_of(h, approves ? GRANT_SHAPE : GRANT_REFUSAL,
		scope.kind == SCOPE_TIME ? scope.for_ms : 0);
	if (!g)
		return;
	memcpy(g->key, approves ? h->view.keys.shape : h->view.keys.kind, sizeof(g->key));
	if (scope.kind == SCOPE_TIME)
		g->run = 0;
	grant_make(c, g);
}

/* ---- tickets --------------------------------------------------------------------------------- */

static void ticket_record_end(struct ctl *c, const struct hold *h, enum hold_outcome outcome)
{
	const struct record_hold_end rec = {
		.hold = h->view.id, .outcome = slice_str(hold_outcome_word(outcome))};

	if (journal_append(c->config.journal, RECORD_HOLD_END, &rec, NULL))
		log_error("ticket.end_lost", "hold=h%llu", (unsigned long long)h->view.id);
}

void ctl_ticket_end(struct ctl *c, struct hold *h, enum hold_event event)
{
	/* There is no session that could have changed; who comes back is compared in full. */
	const struct hold_now now = {
		.is_unchanged = true, .denies = false, .same_terms = event != HOLD_EV_RELOAD};
	enum hold_outcome outcome = hold_meet(event, &now);

	if (event != HOLD_EV_APPROVE && event != HOLD_EV_DENY)
		grant_free(grant_take(&c->enforcer->grants, h->view.id));
	ticket_record_end(c, h, outcome);
	ctl_hold_ended(c, h->view.id, outcome);
}

void ctl_ticket_decided(struct ctl *c, struct hold *h)
{
	bool approves = h->ballot.kind == DECISION_APPROVE;
	struct grant *g = grant_of(h, approves ? GRANT_TICKET : GRANT_NO, h->view.ticket_ms);

	if (g) {
		memcpy(g->key, h->view.keys.same, sizeof(g->key));
		grant_make(c, g);
	}
	ctl_ticket_end(c, h, approves ? HOLD_EV_APPROVE : HOLD_EV_DENY);
}

/* ---- ends ------------------------------------------------------------------------------------ */

static void grant_tell_end(struct ctl *c, const struct grant *g, const char *why)
{
	char detail[256];

	snprintf(detail, sizeof(detail), "grant=g%llu kind=%s uses=%llu why=%.120s",
		(unsigned long long)g->id, grant_kind_word(g->kind), (unsigned long long)g->n_uses,
		why);
	ctl_event(c, "grant-end", g->run, detail);
}

static void grant_end_all(struct ctl *c, int64_t now_ns, uint64_t run, const char *why)
{
	struct grant *g;

	while ((g = grant_take_over(&c->enforcer->grants, now_ns, run))) {
		if (g->kind != GRANT_WAITING)
			grant_tell_end(c, g, why);
		grant_free(g);
	}
}

/* Ends waiting tickets that the test finds; the table changes while we walk, so one by one. */
static void ticket_end_all(struct ctl *c, uint64_t run, int64_t now_ns, enum hold_event event)
{
	bool found = true;

	while (found) {
		size_t pos = 0;
		void *p;

		found = false;
		while (!found && map_next(&c->holds.by_id, &pos, NULL, &p)) {
			struct hold *h = p;

			if (!h->view.is_ticket || h->ballot.state != BALLOT_OPEN ||
				(run && h->view.run != run) ||
				(now_ns && h->view.deadline_ns > now_ns))
				continue;
			found = true;
			ctl_ticket_end(c, h, event);
		}
	}
}

void ctl_grants_tick(struct ctl *c)
{
	grant_end_all(c, clock_mono_ns(), 0, "its time is over");
	ticket_end_all(c, 0, clock_mono_ns(), HOLD_EV_TIMEOUT);
}

void ctl_run_ended(struct ctl *c, uint64_t run)
{
	ticket_end_all(c, run, 0, HOLD_EV_DISCONNECT);
	grant_end_all(c, 0, run, "its run ended");
}

void ctl_grants_policy_changed(struct ctl *c)
{
	ticket_end_all(c, 0, 0, HOLD_EV_RELOAD);
}

/* ---- questions ------------------------------------------------------------------------------- */

struct grants_list {
	struct ctl_client *cl;
	int64_t now_ns;
};

static void grants_send(void *arg, const struct grant *g)
{
	struct grants_list *list = arg;
	char id[24];
	struct json j;

	if (g->kind == GRANT_WAITING)
		return; /* `pending` has it */
	snprintf(id, sizeof(id), "g%llu", (unsigned long long)g->id);
	jsonw_init(&j, 64 * 1024);
	jsonw_object(&j, NULL);
	jsonw_string(&j, "id", slice_str(id));
	jsonw_string(&j, "kind", slice_str(grant_kind_word(g->kind)));
	jsonw_uint(&j, "run", g->run);
	jsonw_string(&j, "run_name", slice_str(g->run_name));
	jsonw_string(&j, "resource", slice_str(g->resource));
	jsonw_string(&j, "rule", slice_str(g->rule));
	jsonw_string(&j, "text", slice_str(g->what));
	jsonw_string(&j, "by", slice_str(g->by));
	jsonw_string(&j, "reason", slice_str(g->reason));
	jsonw_uint(&j, "uses", g->n_uses);
	if (g->until_ns)
		jsonw_int(&j, "seconds_left", (g->until_ns - list->now_ns) / CLOCK_NS_PER_S);
	else
		jsonw_null(&j, "seconds_left");
	jsonw_object_end(&j);
	ctl_client_data(list->cl, &j);
	jsonw_deinit(&j);
}

void ctl_grants(struct ctl_client *cl, struct reader *r)
{
	struct grants_list list = {.cl = cl, .now_ns = clock_mono_ns()};

	(void)r;
	grant_each(&cl->ctl->enforcer->grants, grants_send, &list);
	ctl_client_end(cl);
}

void ctl_revoke(struct ctl_client *cl, struct reader *r)
{
	uint64_t id = rd_be64(r);
	struct grant *g;
	struct json j;
	char why[64];

	if (!rd_done(r)) {
		ctl_client_error(cl, CTL_ERR_UNKNOWN, "malformed");
		return;
	}
	g = grant_take(&cl->ctl->enforcer->grants, id);
	if (!g || g->kind == GRANT_WAITING) {
		/* A ticket that waits is decided, not revoked. */
		if (g && grant_add(&cl->ctl->enforcer->grants, g))
			log_warn("grant.lost", "id=g%llu", (unsigned long long)id);
		ctl_client_error(cl, CTL_ERR_NOT_FOUND, "no such grant; it may be over");
		return;
	}
	snprintf(why, sizeof(why), "revoked by uid %u", (unsigned)cl->uid);
	grant_tell_end(cl->ctl, g, why);
	jsonw_init(&j, 256);
	jsonw_object(&j, NULL);
	jsonw_uint(&j, "uses", g->n_uses);
	jsonw_object_end(&j);
	ctl_client_data(cl, &j);
	jsonw_deinit(&j);
	ctl_client_end(cl);
	grant_free(g);
}
