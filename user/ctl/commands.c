/* SPDX-License-Identifier: Apache-2.0 */
/* Control commands: see commands.h. */
#include "ctl/commands.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "ctl/report.h"
#include "session/worker.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/reader.h"
#include "util/utf8.h"

enum { REASON_MAX = 1024 };

/* ---- questions ------------------------------------------------------------------------------- */

static void ctl_status(struct ctl_client *cl, struct reader *r)
{
	struct json j;

	(void)r;
	jsonw_init(&j, CTL_PACKET_MAX - 64);
	report_status(cl->ctl, &j);
	ctl_client_data(cl, &j);
	jsonw_deinit(&j);
	ctl_client_end(cl);
}

static void ctl_send_hold(struct ctl_client *cl, const struct hold *h, bool is_event)
{
	struct json j;

	jsonw_init(&j, CTL_PACKET_MAX - 64);
	report_hold(&h->view, is_event, REPORT_TEXT_MAX, &j);
	/* An agent may send bytes that each become six. They must not keep its hold from being
	 * seen. */
	if (!jsonw_done(&j).n) {
		jsonw_deinit(&j);
		jsonw_init(&j, CTL_PACKET_MAX - 64);
		report_hold(&h->view, is_event, REPORT_TEXT_MAX / 8, &j);
	}
	ctl_client_data(cl, &j);
	jsonw_deinit(&j);
}

static void ctl_send_holds(struct ctl_client *cl, bool is_event)
{
	size_t pos = 0;
	void *h;

	while (map_next(&cl->ctl->holds.by_id, &pos, NULL, &h))
		ctl_send_hold(cl, h, is_event);
}

static void ctl_pending(struct ctl_client *cl, struct reader *r)
{
	(void)r;
	ctl_send_holds(cl, false);
	ctl_client_end(cl);
}

static void ctl_watch(struct ctl_client *cl, struct reader *r)
{
	(void)r;
	cl->is_watching = true;
	ctl_send_holds(cl, true);
}

/* ---- decisions ------------------------------------------------------------------------------- */

void ctl_decision_free(struct ctl_decision *d)
{
	free(d->reason);
	free(d->by);
	free(d);
}

static char *ctl_user_name(uid_t uid)
{
	const struct passwd *pw = getpwuid(uid);
	char number[16];

	snprintf(number, sizeof(number), "uid %u", (unsigned)uid);
	return strdup(pw ? pw->pw_name : number);
}

static int ctl_record_decision(struct ctl *c, const struct ctl_client *cl, const struct hold *h,
	struct ctl_decision *d, struct slice sudo_uid)
{
	const struct record_decision rec = {
		.hold = h->view.id,
		.decision = d->kind == DECISION_APPROVE ? SLICE_LIT("approve") : SLICE_LIT("deny"),
		.uid = cl->uid,
		.user = slice_str(d->by),
		.sudo_uid = sudo_uid,
		.reason = slice_str(d->reason),
		.scope = SLICE_LIT("once"),
		.hmac = slice_of(h->view.hmac, sizeof(h->view.hmac)),
	};
	int r = journal_append(c->config.journal, RECORD_DECISION, &rec, &d->record_seq);

	if (!r)
		journal_want_commit(c->config.journal, d->record_seq);
	return r;
}

/* May this client decide this hold now? Answers it if not. */
static struct hold *ctl_find_decidable(struct ctl_client *cl, uint64_t id)
{
	const struct approver who = {
		.uid = cl->uid,
		.gids = cl->gids,
		.n_gids = cl->n_gids,
		.is_in_run = cl->is_in_run,
		.may_self = cl->ctl->config.self_approval,
		.approver_gid = cl->ctl->config.approver_gid,
	};
	struct hold *h = hold_find(&cl->ctl->holds, id);
	const char *why;

	if (!h) {
		ctl_client_error(cl, CTL_ERR_NOT_FOUND, "no such hold; it may have ended");
		return NULL;
	}
	if (h->state == HOLD_DECIDED) {
		ctl_client_error(cl, CTL_ERR_TOO_LATE, "somebody else decided it a moment ago");
		return NULL;
	}
	if (hold_may(h, &who, &why)) {
		ctl_event(cl->ctl, "decision-refused", h->view.run, why);
		ctl_client_error(cl, CTL_ERR_FORBIDDEN, why);
		return NULL;
	}
	return h;
}

static void ctl_decide(struct ctl_client *cl, struct reader *r, enum decision_kind kind)
{
	uint64_t id = rd_be64(r);
	struct slice reason = rd_be32_bytes(r), sudo_uid = rd_be32_bytes(r);
	struct ctl_decision *d;
	struct hold *h;

	if (!rd_done(r) || reason.n > REASON_MAX || sudo_uid.n > 16 || !utf8_is_valid(reason)) {
		ctl_client_error(cl, CTL_ERR_UNKNOWN, "malformed decision");
		return;
	}
	h = ctl_find_decidable(cl, id);
	d = h ? calloc(1, sizeof(*d)) : NULL;
	if (!d)
		return;
	*d = (struct ctl_decision){.hold = id,
		.client = cl->id,
		.kind = kind,
		.reason = strndup(reason.n ? (const char *)reason.p : "", reason.n),
		.by = ctl_user_name(cl->uid)};
	list_init(&d->link);
	if (!d->reason || !d->by || ctl_record_decision(cl->ctl, cl, h, d, sudo_uid)) {
		ctl_decision_free(d);
		ctl_client_error(cl, CTL_ERR_FAILED,
			"the decision could not be recorded, so it was not taken");
		return;
	}
	h->state = HOLD_DECIDED;
	list_append(&cl->ctl->deciding, &d->link);
	log_info("decision", "hold=h%llu decision=%s uid=%u", (unsigned long long)id,
		kind == DECISION_APPROVE ? "approve" : "deny", (unsigned)cl->uid);
	ctl_send_decided(cl->ctl);
}

static void ctl_approve(struct ctl_client *cl, struct reader *r)
{
	ctl_decide(cl, r, DECISION_APPROVE);
}

static void ctl_deny(struct ctl_client *cl, struct reader *r)
{
	ctl_decide(cl, r, DECISION_DENY);
}

void ctl_send_decided(struct ctl *c)
{
	struct list *pos;

	list_for_each (pos, &c->deciding) {
		struct ctl_decision *d = list_entry(pos, struct ctl_decision, link);
		const struct hold *h = hold_find(&c->holds, d->hold);
		struct mail *m;

		if (d->is_sent || !h || journal_committed(c->config.journal) < d->record_seq)
			continue;
		m = mail_new(MAIL_RELEASE);
		if (!m)
			continue; /* tried again at the next tick */
		m->hold = d->hold;
		m->session = h->view.session;
		m->decision = d->kind;
		m->text = strdup(d->reason);
		m->by = strdup(d->by);
		d->is_sent = true;
		mailbox_send(&c->enforcer->workers[h->worker]->mail, m);
	}
}

static void ctl_answer_decision(struct ctl *c, const struct ctl_decision *d, const char *outcome)
{
	struct ctl_client *cl = ctl_client_find(c, d->client);
	bool approved = !strcmp(outcome, "approved"), denied = !strcmp(outcome, "denied");
	const char *answer = d->kind == DECISION_APPROVE && approved ? "released"
			     : d->kind == DECISION_DENY && denied    ? "refused"
								     : "too_late";
	char id[24];
	struct json j;

	if (!cl)
		return;
	snprintf(id, sizeof(id), "h%llu", (unsigned long long)d->hold);
	jsonw_init(&j, 1024);
	jsonw_object(&j, NULL);
	jsonw_string(&j, "id", slice_str(id));
	jsonw_string(&j, "outcome", slice_str(answer));
	jsonw_string(&j, "ended", slice_str(outcome));
	jsonw_object_end(&j);
	ctl_client_data(cl, &j);
	jsonw_deinit(&j);
	ctl_client_end(cl);
}

void ctl_hold_ended(struct ctl *c, uint64_t id, const char *outcome)
{
	struct list *pos, *tmp;
	struct json j;

	hold_free(hold_take(&c->holds, id));
	list_for_each_safe (pos, tmp, &c->deciding) {
		struct ctl_decision *d = list_entry(pos, struct ctl_decision, link);

		if (d->hold != id)
			continue;
		list_remove(pos);
		ctl_answer_decision(c, d, outcome);
		ctl_decision_free(d);
	}
	list_for_each_safe (pos, tmp, &c->clients) {
		struct ctl_client *cl = list_entry(pos, struct ctl_client, link);

		if (!cl->is_watching)
			continue;
		jsonw_init(&j, 1024);
		report_end(id, outcome, &j);
		ctl_client_data(cl, &j);
		jsonw_deinit(&j);
	}
}

void ctl_hold_began(struct ctl *c, const struct hold *h)
{
	struct list *pos, *tmp;

	list_for_each_safe (pos, tmp, &c->clients) {
		struct ctl_client *cl = list_entry(pos, struct ctl_client, link);

		if (cl->is_watching)
			ctl_send_hold(cl, h, true);
	}
}

/* ---- administration -------------------------------------------------------------------------- */

static void ctl_reload(struct ctl_client *cl, struct reader *r)
{
	struct ctl *c = cl->ctl;

	(void)r;
	if (ctl_client_find(c, c->reload_client)) {
		ctl_client_error(cl, CTL_ERR_FAILED, "another reload is under way");
		return;
	}
	if (c->config.want_policy(c->config.arg)) {
		ctl_client_error(cl, CTL_ERR_FAILED, "the warden does not answer");
		return;
	}
	c->reload_client = cl->id;
}

/* ---- the table ------------------------------------------------------------------------------- */

enum ctl_who { CTL_ANYONE, CTL_APPROVER, CTL_ROOT };

static const struct {
	enum ctl_type type;
	enum ctl_who who;
	size_t min;
	void (*fn)(struct ctl_client *cl, struct reader *r);
} ctl_table[] = {
	{CTL_STATUS, CTL_ANYONE, 0, ctl_status},
	{CTL_PENDING, CTL_APPROVER, 0, ctl_pending},
	{CTL_WATCH, CTL_APPROVER, 0, ctl_watch},
	{CTL_APPROVE, CTL_ANYONE, 16, ctl_approve}, /* hold_may(): the rule says who */
	{CTL_DENY, CTL_ANYONE, 16, ctl_deny},
	{CTL_RELOAD, CTL_ROOT, 0, ctl_reload},
};

static bool ctl_may(const struct ctl_client *cl, enum ctl_who who)
{
	if (cl->is_in_run)
		return false;
	return who == CTL_ANYONE || (who == CTL_APPROVER && ctl_client_is_approver(cl)) || !cl->uid;
}

void ctl_dispatch(struct ctl_client *cl, struct slice packet)
{
	struct reader r = reader_of(packet);
	uint16_t version = rd_be16(&r), type = rd_be16(&r);

	if (version != CTL_VERSION) {
		ctl_client_error(cl, CTL_ERR_VERSION,
			"holdfast and holdfastd are of different versions; restart the daemon "
			"after an upgrade");
		return;
	}
	for (size_t i = 0; i < sizeof(ctl_table) / sizeof(ctl_table[0]); i++) {
		if (ctl_table[i].type != type || rd_left(&r) < ctl_table[i].min)
			continue;
		if (ctl_may(cl, ctl_table[i].who))
			ctl_table[i].fn(cl, &r);
		else
			ctl_client_error(cl, CTL_ERR_FORBIDDEN,
				ctl_table[i].who == CTL_ROOT
					? "only root may do this"
					: "only approvers may see or decide holds");
		return;
	}
	ctl_client_error(cl, CTL_ERR_UNKNOWN, "unknown or malformed message");
}
