/* SPDX-License-Identifier: Apache-2.0 */
/* Votes and decisions: see decisions.h. */
#include "ctl/decisions.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>

#include "ctl/grants.h"
#include "ctl/herald.h"
#include "ctl/looks.h"
#include "ctl/report.h"
#include "ctl/watch.h"
#include "ctl/witness.h"
#include "session/worker.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/reader.h"
#include "util/utf8.h"

enum { REASON_MAX = 1024, SUDO_UID_MAX = 16, GRANT_SECONDS_MAX = 7 * 24 * 3600 };

/* ---- asking ---------------------------------------------------------------------------------- */

struct ctl_question {
	uint64_t hold;
	enum decision_kind kind;
	struct scope scope;
	bool is_break_glass, is_all;
	struct slice reason, sudo_uid, seen;
	uint32_t look; /* which answer of the server had been shown, 0 = none */
};

/* "HASH/N": the hash stays in `seen`. */
static void ctl_split_seen(struct ctl_question *q)
{
	const uint8_t *slash = q->seen.n ? memchr(q->seen.p, '/', q->seen.n) : NULL;
	size_t n = slash ? (size_t)(slash - q->seen.p) : q->seen.n;

	if (slash)
		q->look = slice_u32(slice_skip(q->seen, n + 1));
	q->seen.n = n;
}

static bool ctl_read_question(struct reader *r, struct ctl_question *q)
{
	uint8_t flags, scope;
	uint32_t seconds;

	q->hold = rd_be64(r);
	flags = rd_u8(r);
	scope = rd_u8(r);
	seconds = rd_be32(r);
	q->reason = rd_be32_bytes(r);
	q->sudo_uid = rd_be32_bytes(r);
	q->seen = rd_be32_bytes(r);
	ctl_split_seen(q);
	q->is_break_glass = flags & CTL_DECIDE_BREAK_GLASS;
	q->is_all = flags & CTL_DECIDE_ALL;
	q->scope = (struct scope){
		.kind = scope == CTL_SCOPE_TIME  ? SCOPE_TIME
			: scope == CTL_SCOPE_RUN ? SCOPE_RUN
						 : SCOPE_ONCE,
		.for_ms = (int64_t)seconds * 1000,
	};
	return rd_done(r) && q->reason.n <= REASON_MAX && q->sudo_uid.n <= SUDO_UID_MAX &&
	       utf8_is_valid(q->reason) && scope <= CTL_SCOPE_TIME &&
	       !(flags & ~(CTL_DECIDE_BREAK_GLASS | CTL_DECIDE_ALL)) &&
	       seconds <= GRANT_SECONDS_MAX && (scope == CTL_SCOPE_TIME) == (seconds > 0) &&
	       !(q->is_break_glass && (scope != CTL_SCOPE_ONCE || q->kind != DECISION_APPROVE));
}

static char *ctl_user_name(uid_t uid)
{
	const struct passwd *pw = getpwuid(uid);
	char number[16];

	snprintf(number, sizeof(number), "uid %u", (unsigned)uid);
	return strdup(pw ? pw->pw_name : number);
}

/* Is that the one the person looked at? Ids are never used twice, so this tells of a mistake or a
 * trick on the way, not of a race. */
static bool ctl_is_seen(const struct hold *h, struct slice seen)
{
	char hash[REPORT_HASH_MAX];

	report_hash(&h->view, hash);
	return !seen.n || slice_eq_str(seen, hash);
}

/* May this client vote so on this hold now? 0, BALLOT_E_*, the reason for people in *ret_why. */
ERR_CHECK static int ctl_may_vote(const struct ctl_client *cl, const struct hold *h,
	const struct ctl_question *q, const char **ret_why)
{
	char reason[REASON_MAX + 1];
	const struct vote v = {.kind = q->kind,
		.uid = cl->uid,
		.is_break_glass = q->is_break_glass,
		.reason = reason};
	const struct approver who = {
		.uid = cl->uid,
		.gids = cl->gids,
		.n_gids = cl->n_gids,
		.is_in_run = cl->is_in_run || ctl_client_has_run_process(cl),
		.may_self = cl->ctl->config.self_approval,
		.approver_gid = cl->ctl->config.approver_gid,
	};

	snprintf(reason, sizeof(reason), "%.*s", SLICE_FMT(q->reason));
	return ballot_may(&h->ballot, &who, &v, ret_why);
}

/* The hold that this client may decide so; NULL: it has been told why not. */
static struct hold *ctl_find_decidable(struct ctl_client *cl, const struct ctl_question *q)
{
	static const enum ctl_error errors[] = {
		[BALLOT_E_FORBIDDEN] = CTL_ERR_FORBIDDEN,
		[BALLOT_E_AGAIN] = CTL_ERR_FORBIDDEN,
		[BALLOT_E_LATE] = CTL_ERR_TOO_LATE,
		[BALLOT_E_REASON] = CTL_ERR_REASON,
	};
	struct hold *h = hold_find(&cl->ctl->holds, q->hold);
	const char *why;
	int r;

	if (!h) {
		ctl_client_error(cl, CTL_ERR_NOT_FOUND, "no such hold; it may have ended");
		return NULL;
	}
	if (q->kind == DECISION_APPROVE && q->scope.kind != SCOPE_ONCE && !h->view.keys.has_shape) {
		ctl_client_error(cl, CTL_ERR_FAILED,
			"this request has no shape that could be granted: approve it once");
		return NULL;
	}
	if (!ctl_is_seen(h, q->seen)) {
		ctl_client_error(cl, CTL_ERR_TOO_LATE, "that is not the request that was shown");
		return NULL;
	}
	r = ctl_may_vote(cl, h, q, &why);
	if (!r)
		return h;
	if (r == BALLOT_E_FORBIDDEN)
		ctl_event_refused(cl->ctl, CTL_REFUSED_DECISION, h->view.run, why);
	ctl_client_error(cl, errors[r], why);
	return NULL;
}

/* ---- recording ------------------------------------------------------------------------------- */

static const char *ctl_scope_name(const struct vote *v, char *buf, size_t n)
{
	switch (v->scope.kind) {
	case SCOPE_ONCE:
		return v->is_break_glass ? "break-glass" : "once";
	case SCOPE_RUN:
		return "run";
	case SCOPE_TIME:
		snprintf(buf, n, "%llds", (long long)(v->scope.for_ms / 1000));
		break;
	}
	return buf;
}

/* is_follower: decided along with the one that was asked about. */
static int ctl_record_vote(const struct ctl_client *cl, const struct hold *h, struct vote *v,
	const struct ctl_question *q, bool is_follower)
{
	char scope[24] = "", auth[WITNESS_MAX], shown[WITNESS_MAX];
	struct ctl *c = cl->ctl;
	uint8_t hmac[32];
	struct record_decision rec = {
		.hold = h->view.id,
		.decision = v->kind == DECISION_APPROVE ? SLICE_LIT("approve") : SLICE_LIT("deny"),
		.uid = v->uid,
		.user = slice_str(v->by),
		.sudo_uid = q->sudo_uid,
		.reason = slice_str(v->reason),
		.scope = slice_str(ctl_scope_name(v, scope, sizeof(scope))),
		.hmac = slice_of(h->view.hmac, sizeof(h->view.hmac)),
	};
	int r;

	witness_auth(cl, auth);
	witness_shown(cl, h, q->seen.n > 0, is_follower ? 0 : q->look, is_follower ? q->hold : 0,
		shown, hmac);
	rec.auth = slice_str(auth);
	rec.shown = slice_str(shown);
	rec.shown_hmac = slice_of(hmac, sizeof(hmac));
	r = journal_append(c->config.journal, RECORD_DECISION, &rec, &v->record_seq);
	if (!r)
		journal_want_commit(c->config.journal, v->record_seq);
	return r;
}

/* Somebody went past the rule's people: whoever reads the ledger must not have to look for it. */
static void ctl_tell_broken_glass(struct ctl *c, const struct hold *h, const struct vote *v)
{
	char detail[400];

	if (!v->is_break_glass)
		return;
	snprintf(detail, sizeof(detail), "hold=h%llu rule=%s user=%s uid=%u reason=\"%.200s\"",
		(unsigned long long)h->view.id, h->view.rule, v->by, (unsigned)v->uid, v->reason);
	ctl_event(c, "BREAK-GLASS", h->view.run, detail);
	log_warn("decision.break_glass", "%s", detail);
}

/* ---- answers --------------------------------------------------------------------------------- */

static void ctl_answer(struct ctl *c, uint64_t client, const struct hold *h, const char *outcome,
	const char *ended)
{
	struct ctl_client *cl = ctl_client_find(c, client);
	char id[24];
	struct json j;

	if (!cl)
		return;
	snprintf(id, sizeof(id), "h%llu", (unsigned long long)h->view.id);
	jsonw_init(&j, 1024);
	jsonw_object(&j, NULL);
	jsonw_string(&j, "id", slice_str(id));
	jsonw_string(&j, "outcome", slice_str(outcome));
	if (ended)
		jsonw_string(&j, "ended", slice_str(ended));
	jsonw_uint(&j, "have", ballot_approvals(&h->ballot));
	jsonw_uint(&j, "need", h->ballot.terms.quorum);
	jsonw_object_end(&j);
	ctl_client_data(cl, &j);
	jsonw_deinit(&j);
	ctl_client_end(cl);
}

/* ---- the way of a decision ------------------------------------------------------------------- */

/* The strings are the vote's: false = out of memory. */
static bool ctl_fill_vote(struct vote *v, const struct ctl_client *cl, struct slice reason)
{
	v->reason = strndup(reason.n ? (const char *)reason.p : "", reason.n);
	v->by = ctl_user_name(cl->uid);
	v->gids = calloc(cl->n_gids + 1, sizeof(*v->gids));
	if (!v->reason || !v->by || !v->gids)
		return false;
	for (size_t i = 0; i < cl->n_gids; i++)
		v->gids[v->n_gids++] = cl->gids[i];
	return true;
}

/* Who has lost the right since hears that his vote does not count. */
static void ctl_tell_lost(
	struct ctl *c, const struct hold *h, const uint64_t clients[], size_t n, size_t n_lost)
{
	char detail[96];

	snprintf(detail, sizeof(detail), "hold=h%llu votes=%zu: who cast them may not any more",
		(unsigned long long)h->view.id, n_lost);
	ctl_event(c, "decision-void", h->view.run, detail);
	for (size_t i = 0; i < n; i++) {
		struct ctl_client *cl = ctl_client_find(c, clients[i]);
		bool counts = false;

		for (size_t k = 0; k < h->ballot.n; k++)
			counts |= h->ballot.votes[k].client == clients[i];
		if (cl && !counts)
			ctl_client_error(cl, CTL_ERR_FORBIDDEN,
				"you may not decide this any more: your decision does not count");
	}
}

/* Whose earlier vote does not count any more has been answered already: only the ledger is told. */
static void ctl_purge(struct ctl *c, struct hold *h)
{
	size_t n_lost = ballot_purge(&h->ballot, c->config.approver_gid);

	if (n_lost)
		ctl_tell_lost(c, h, NULL, 0, n_lost);
}

static void ctl_vote(struct ctl_client *cl, struct hold *h, struct vote *v, struct ctl_decision *d)
{
	struct ctl *c = cl->ctl;

	log_info("decision", "hold=h%llu decision=%s uid=%u", (unsigned long long)h->view.id,
		v->kind == DECISION_APPROVE ? "approve" : "deny", (unsigned)cl->uid);
	ctl_tell_broken_glass(c, h, v);
	ctl_herald_vote(c, h, v);
	ctl_purge(c, h);
	if (!ballot_cast(&h->ballot, v)) {
		h->ballot.votes[h->ballot.n - 1].client = 0;
		free(d);
		ctl_answer(c, v->client, h, "counted", NULL);
		ctl_watch_tell(c, h);
		return;
	}
	d->hold = h->view.id;
	list_append(&c->deciding, &d->link);
	ctl_send_decided(c);
}

/* client: who is to be told, 0 = nobody. False: it could not be recorded, so it was not taken. */
static bool ctl_decide_one(
	struct ctl_client *cl, struct hold *h, const struct ctl_question *q, uint64_t client)
{
	struct ctl_decision *d = calloc(1, sizeof(*d));
	struct vote v = {.kind = q->kind,
		.scope = q->scope,
		.uid = cl->uid,
		.is_break_glass = q->is_break_glass,
		.client = client};

	if (!d || !ctl_fill_vote(&v, cl, q->reason) || ctl_record_vote(cl, h, &v, q, !client)) {
		free(d);
		vote_deinit(&v);
		return false;
	}
	list_init(&d->link);
	ctl_vote(cl, h, &v, d);
	return true;
}

/* The same for those that are identical and wait, too: each is a hold of its own, with votes of its
 * own. Where this person's does not count, or has been counted, it stays as it is. */
static void ctl_decide_followers(
	struct ctl_client *cl, const struct ctl_question *q, const uint64_t *ids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct hold *h = hold_find(&cl->ctl->holds, ids[i]);
		const char *why;

		if (h && !ctl_may_vote(cl, h, q, &why) && !ctl_decide_one(cl, h, q, 0))
			return;
	}
}

static void ctl_decide(struct ctl_client *cl, struct reader *r, enum decision_kind kind)
{
	struct ctl_question q = {.kind = kind};
	struct list *pos;
	uint64_t *ids;
	struct hold *h;
	size_t n = 0;

	if (!ctl_read_question(r, &q)) {
		ctl_client_error(cl, CTL_ERR_UNKNOWN, "malformed decision");
		return;
	}
	h = ctl_find_decidable(cl, &q);
	if (!h)
		return;
	ids = q.is_all ? calloc(h->n_followers + 1, sizeof(*ids)) : NULL;
	if (ids)
		list_for_each (pos, &h->followers)
			ids[n++] = list_entry(pos, struct hold, link)->view.id;
	if (!ctl_decide_one(cl, h, &q, cl->id))
		ctl_client_error(cl, CTL_ERR_FAILED,
			"the decision could not be recorded, so it was not taken");
	else
		ctl_decide_followers(cl, &q, ids, n);
	free(ids);
}

void ctl_approve(struct ctl_client *cl, struct reader *r)
{
	ctl_decide(cl, r, DECISION_APPROVE);
}

void ctl_deny(struct ctl_client *cl, struct reader *r)
{
	ctl_decide(cl, r, DECISION_DENY);
}

/* True: it still stands. */
static bool ctl_seal(struct ctl *c, struct hold *h)
{
	uint64_t clients[BALLOT_MAX];
	size_t n = h->ballot.n, n_lost;
	bool stands;

	for (size_t i = 0; i < n; i++)
		clients[i] = h->ballot.votes[i].client;
	stands = ballot_seal(&h->ballot, c->config.approver_gid, &n_lost);
	if (n_lost)
		ctl_tell_lost(c, h, clients, n, n_lost);
	if (stands)
		return true;
	for (size_t i = 0; i < h->ballot.n; i++) {
		if (h->ballot.votes[i].client)
			ctl_answer(c, h->ballot.votes[i].client, h, "counted", NULL);
		h->ballot.votes[i].client = 0;
	}
	ctl_watch_tell(c, h);
	return false;
}

/* Everybody who agreed, or who said no; and the words of the last of them. */
static void ctl_sign(const struct ballot *b, struct mail *m)
{
	size_t n = 0;
	FILE *f = open_memstream(&m->by, &n);

	for (size_t i = 0; f && i < b->n; i++) {
		if (b->votes[i].kind != b->kind)
			continue;
		fprintf(f, "%s%s", ftell(f) ? ", " : "", b->votes[i].by);
		free(m->text);
		m->text = strdup(b->votes[i].reason);
	}
	if (f)
		fclose(f);
}

static bool ctl_is_committed(const struct ctl *c, const struct hold *h)
{
	for (size_t i = 0; i < h->ballot.n; i++)
		if (journal_committed(c->config.journal) < h->ballot.votes[i].record_seq)
			return false;
	return true;
}

void ctl_send_decided(struct ctl *c)
{
	struct list *pos, *tmp;

	list_for_each_safe (pos, tmp, &c->deciding) {
		struct ctl_decision *d = list_entry(pos, struct ctl_decision, link);
		struct hold *h = hold_find(&c->holds, d->hold);
		struct mail *m;

		if (!h || h->ballot.state != BALLOT_DECIDED || !ctl_is_committed(c, h))
			continue;
		m = mail_new(MAIL_RELEASE);
		if (!m)
			continue; /* tried again at the next tick */
		if (!ctl_seal(c, h)) {
			mail_free(m);
			list_remove(pos);
			free(d);
			continue;
		}
		if (h->view.is_ticket) {
			mail_free(m);
			list_remove(pos);
			free(d);
			ctl_ticket_decided(c, h);
			continue;
		}
		m->hold = d->hold;
		m->session = h->view.session;
		m->decision = h->ballot.kind;
		ctl_sign(&h->ballot, m);
		mailbox_send(&c->enforcer->workers[h->worker]->mail, m);
	}
}

static void ctl_answer_deciders(struct ctl *c, const struct hold *h, enum hold_outcome outcome)
{
	for (size_t i = 0; i < h->ballot.n; i++) {
		const struct vote *v = &h->ballot.votes[i];
		const char *answer = "too_late";

		if (!v->client)
			continue;
		if (v->kind == DECISION_APPROVE && hold_outcome_runs(outcome))
			answer = "released";
		else if (v->kind == DECISION_DENY && outcome == HOLD_DENIED)
			answer = "refused";
		ctl_answer(c, v->client, h, answer, hold_outcome_word(outcome));
	}
}

void ctl_hold_ended(struct ctl *c, uint64_t id, enum hold_outcome outcome)
{
	struct hold *leader, *h = hold_take(&c->holds, id, &leader);
	struct list *pos, *tmp;

	list_for_each_safe (pos, tmp, &c->deciding) {
		struct ctl_decision *d = list_entry(pos, struct ctl_decision, link);

		if (d->hold != id)
			continue;
		list_remove(pos);
		free(d);
	}
	if (h)
		metrics_observe(&c->waits, metrics_hold_ms,
			(uint64_t)((clock_wall_ns() - h->view.since_wall_ns) / CLOCK_NS_PER_MS));
	if (h)
		c->outcomes[outcome]++;
	if (h)
		ctl_answer_deciders(c, h, outcome);
	if (h && (outcome == HOLD_APPROVED || outcome == HOLD_DENIED))
		ctl_grant(c, h);
	if (h) {
		hold_remember(&c->holds, h, outcome);
		ctl_herald_end(c, h, outcome);
	}
	if (h && h->view.is_ticket)
		enforcer_give_hold(c->enforcer, h->view.cgroup);
	hold_free(h);
	ctl_watch_tell_end(c, id, outcome);
	if (leader) {
		ctl_watch_tell(c, leader);
		ctl_look_new(c, leader);
	}
}
