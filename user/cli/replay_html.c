/* SPDX-License-Identifier: Apache-2.0 */
/* A session as a page: see replay_html.h. */
#include "cli/replay_html.h"

#include <inttypes.h>

#include "cli/cli.h"
#include "cli/html.h"
#include "cli/show_contents.h"
#include "cli/show_ledger.h"
#include "util/cleanup.h"

/* Shorter waits are no news. */
enum { REPLAY_WAIT_MS = 1000 };

static void replay_html_word(struct html *h, const char *before, struct slice s)
{
	if (!s.n)
		return;
	html_str(h, before);
	html_text(h, s);
}

static void replay_html_pre(struct html *h, struct slice s)
{
	if (!s.n)
		return;
	html_raw(h, "<pre>");
	html_text(h, s);
	html_raw(h, "</pre>");
}

static void replay_html_request(struct html *h, const struct record_request *q)
{
	fprintf(h->f, "<b>request %" PRIu64 "</b> <span class=\"%s\">", q->id,
		slice_eq_str(q->ruling, "deny")   ? "deny"
		: slice_eq_str(q->ruling, "hold") ? "hold"
						  : "ok");
	html_text(h, q->ruling);
	html_raw(h, "</span>");
	replay_html_word(h, " by rule ", q->rule);
	replay_html_word(h, " · ", q->effects);
	replay_html_word(h, " · ", q->objects);
	replay_html_word(h, " · transaction ", q->tx);
	replay_html_pre(h, q->text);
	replay_html_pre(h, q->params);
}

static void replay_html_reply(struct html *h, const struct record_reply *r)
{
	fprintf(h->f, "reply to %" PRIu64 ": <span class=\"%s\">", r->request,
		slice_eq_str(r->status, "ok") ? "ok" : "error");
	html_text(h, r->status);
	html_raw(h, "</span>");
	replay_html_word(h, " ", r->tag);
	replay_html_word(h, " ", r->code);
	replay_html_word(h, " ", r->message);
	fprintf(h->f, " · %" PRIu64 " rows, %" PRIu64 " bytes", r->n_rows, r->n_bytes);
	if (r->n_affected)
		fprintf(h->f, ", %" PRIu64 " changed", r->n_affected);
	if (r->n_masked)
		fprintf(h->f, ", %" PRIu64 " values masked", r->n_masked);
	replay_html_word(h, " by ", r->masked);
	replay_html_word(h, " of ", r->masked_by);
	if (r->contents.n)
		fprintf(h->f, " · %" PRIu64 " bytes of contents", r->contents_len);
	replay_html_word(h, ": ", r->contents);
}

static void replay_html_content(
	struct html *h, struct show_contents *c, const struct record_content *part)
{
	struct slice text = show_contents_part(c, part, SHOW_CONTENTS_MAX);

	fprintf(h->f, "given for %" PRIu64 ": part %" PRIu64 ", %" PRIu64 " bytes%s", part->request,
		part->part, part->text_len,
		text.n < part->text_len ? ", of which this page shows the beginning" : "");
	replay_html_pre(h, text);
}

static void replay_html_decision(struct html *h, const struct record_decision *d)
{
	fprintf(h->f, "<b>h%" PRIu64 "</b>: <b>", d->hold);
	html_text(h, d->decision);
	html_raw(h, "</b> by ");
	html_text(h, d->user);
	fprintf(h->f, " (uid %" PRIu64, d->uid);
	replay_html_word(h, ", sudo from ", d->sudo_uid);
	html_raw(h, ")");
	replay_html_word(h, ", scope ", d->scope);
	replay_html_word(h, ": ", d->reason);
	html_raw(h, "<br>");
	replay_html_word(h, "known: ", d->auth);
	replay_html_word(h, "; shown: ", d->shown);
}

static void replay_html_what(struct html *h, struct show_contents *c, const struct replay_step *s)
{
	const union record *rec = &s->record;

	switch (s->kind) {
	case RECORD_SESSION:
		fprintf(h->f, "session of run %" PRIu64 ", pid %" PRIu64, rec->session.run,
			rec->session.pid);
		replay_html_word(h, " ", rec->session.comm);
		replay_html_word(h, " to ", rec->session.resource);
		replay_html_word(h, " at ", rec->session.target);
		replay_html_word(h, ", ", rec->session.protocol);
		replay_html_word(h, ", policy ", rec->session.policy);
		break;
	case RECORD_LOGIN:
		replay_html_word(h, "login as ", rec->login.role);
		replay_html_word(h, " on ", rec->login.database);
		replay_html_word(h, ", application ", rec->login.application);
		break;
	case RECORD_REQUEST:
		replay_html_request(h, &rec->request);
		break;
	case RECORD_HOLD:
		fprintf(h->f,
			"<b>h%" PRIu64 "</b>: <span class=\"hold\">held</span>, for at most "
			"%" PRIu64 " s",
			rec->hold.id, rec->hold.timeout_ms / 1000);
		replay_html_word(h, ", by rule ", rec->hold.rule);
		break;
	case RECORD_DECISION:
		replay_html_decision(h, &rec->decision);
		break;
	case RECORD_HOLD_END:
		fprintf(h->f, "<b>h%" PRIu64 "</b>", rec->hold_end.hold);
		replay_html_word(h, ": ", rec->hold_end.outcome);
		break;
	case RECORD_REPLY:
		replay_html_reply(h, &rec->reply);
		break;
	case RECORD_CONTENT:
		replay_html_content(h, c, &rec->content);
		break;
	case RECORD_EVENT:
		replay_html_word(h, "event ", rec->event.kind);
		replay_html_word(h, ": ", rec->event.detail);
		break;
	case RECORD_SESSION_END:
		replay_html_word(h, "end: ", rec->session_end.reason);
		fprintf(h->f, " · %" PRIu64 " bytes up, %" PRIu64 " down",
			rec->session_end.bytes_up, rec->session_end.bytes_down);
		break;
	default:
		break;
	}
}

static void replay_html_step(struct html *h, struct show_contents *c, const struct replay_step *s)
{
	if (s->since_last_ns >= REPLAY_WAIT_MS * 1000000LL)
		fprintf(h->f, "<tr><td></td><td></td><td class=\"wait\">… %.1f s later</td></tr>\n",
			(double)s->since_last_ns / 1e9);
	html_raw(h, "<tr>");
	html_cell_time(h, s->at_ns);
	fprintf(h->f, "<td class=\"n\">%+.3f s</td><td>", (double)s->since_start_ns / 1e9);
	replay_html_what(h, c, s);
	html_raw(h, "</td></tr>\n");
}

int replay_html(struct replay *p, uint64_t session, const char *path)
{
	_cleanup_(show_contents_deinit) struct show_contents contents;
	_cleanup_(html_deinit) struct html h = {0};
	struct replay_step step;
	char title[64];
	int r;

	show_contents_init(&contents);
	snprintf(title, sizeof(title), "holdfast: session %" PRIu64, session);
	r = html_open(&h, path, title);
	if (r)
		return r;
	html_raw(
		&h, "<table><tr><th>time</th><th>from the start</th><th>what happened</th></tr>\n");
	while (!(r = replay_next(p, &step)))
		replay_html_step(&h, &contents, &step);
	html_raw(&h, "</table>\n");
	return r == REPLAY_E_END ? html_close(&h) : show_ledger_explain(r);
}
