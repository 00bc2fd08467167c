/* SPDX-License-Identifier: Apache-2.0 */
/* Words for the herald: see herald.h. Never waits: what does not fit is counted. */
#include "ctl/herald.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "ctl/report.h"
#include "ctl/wire.h"
#include "util/clock.h"

enum { HERALD_BODY_MAX = 24 * 1024, HERALD_TEXT_MAX = 2000, HERALD_WORDS_MAX = 500 };

static void herald_send(struct ctl *c, struct json *j)
{
	struct slice text = jsonw_done(j);

	if (!text.n || send(c->config.herald_fd, text.p, text.n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		c->n_herald_lost++;
	jsonw_deinit(j);
}

/* Words that people chose may be long. */
static void herald_words(struct json *j, const char *key, const char *value)
{
	jsonw_string(j, key, slice_head(slice_str(value ? value : ""), HERALD_TEXT_MAX));
}

/* What every message has. The statement goes only where the configuration says so: these words
 * leave the host. */
static void herald_begin(struct ctl *c, const struct hold *h, const char *event, struct json *j)
{
	const struct hold_view *v = &h->view;

	jsonw_init(j, HERALD_BODY_MAX);
	jsonw_object(j, NULL);
	report_string(j, "event", event);
	report_id(j, v->id);
	jsonw_int(j, "at_ms", clock_wall_ns() / CLOCK_NS_PER_MS);
	jsonw_uint(j, "run", v->run);
	herald_words(j, "run_name", v->run_name);
	herald_words(j, "resource", v->resource);
	herald_words(j, "role", v->role);
	herald_words(j, "database", v->database);
	herald_words(j, "effects", v->effects);
	herald_words(j, "objects", v->objects);
	herald_words(j, "rule", v->rule);
	if (c->config.herald_text)
		herald_words(j, "text", v->text);
}

void ctl_herald_hold(struct ctl *c, const struct hold *h)
{
	struct json j;

	if (c->config.herald_fd < 0)
		return;
	herald_begin(c, h, "hold", &j);
	herald_words(&j, "ask", h->view.ask);
	jsonw_bool(&j, "is_ticket", h->view.is_ticket);
	jsonw_int(&j, "timeout_seconds",
		(h->view.deadline_wall_ns - clock_wall_ns()) / CLOCK_NS_PER_S);
	jsonw_object_end(&j);
	herald_send(c, &j);
}

void ctl_herald_vote(struct ctl *c, const struct hold *h, const struct vote *v)
{
	struct json j;

	if (c->config.herald_fd < 0)
		return;
	herald_begin(c, h, "decision", &j);
	report_string(&j, "decision", v->kind == DECISION_APPROVE ? "approve" : "deny");
	herald_words(&j, "by", v->by);
	herald_words(&j, "reason", v->reason);
	jsonw_bool(&j, "break_glass", v->is_break_glass);
	jsonw_object_end(&j);
	herald_send(c, &j);
}

void ctl_herald_end(struct ctl *c, const struct hold *h, enum hold_outcome outcome)
{
	struct json j;

	if (c->config.herald_fd < 0)
		return;
	herald_begin(c, h, "end", &j);
	report_string(&j, "outcome", hold_outcome_word(outcome));
	jsonw_object_end(&j);
	herald_send(c, &j);
}

void ctl_herald_tick(struct ctl *c)
{
	char text[HERALD_WORDS_MAX + 1];
	ssize_t n;

	if (c->config.herald_fd < 0)
		return;
	while ((n = recv(c->config.herald_fd, text, HERALD_WORDS_MAX, MSG_DONTWAIT)) > 0) {
		text[n] = 0;
		ctl_event(c, "webhook.failed", 0, text);
	}
	if (c->n_herald_lost) {
		snprintf(text, sizeof(text), "%llu messages were lost: the herald is slow or gone",
			(unsigned long long)c->n_herald_lost);
		ctl_event(c, "webhook.failed", 0, text);
	}
	c->n_herald_lost = 0;
}
