/* SPDX-License-Identifier: Apache-2.0 */
/* Lists and watchers: see watch.h. */
#include "ctl/watch.h"

#include <stdlib.h>

#include "ctl/looks.h"
#include "ctl/report.h"
#include "session/worker.h"

enum { WATCH_LOW = 8 /* packets queued: below it, the list goes on */ };

static void watch_send(struct ctl_client *cl, const struct hold *h, bool is_event)
{
	const struct hold_past past = hold_seen(&cl->ctl->holds, h);
	struct json j;

	jsonw_init(&j, CTL_PACKET_MAX - 64);
	report_hold(h, &past, is_event, REPORT_TEXT_MAX, &j);
	/* An agent may send bytes that each become six. They must not keep its hold from being
	 * seen. */
	if (!jsonw_done(&j).n) {
		jsonw_deinit(&j);
		jsonw_init(&j, CTL_PACKET_MAX - 64);
		report_hold(h, &past, is_event, REPORT_TEXT_MAX / 8, &j);
	}
	ctl_client_data(cl, &j);
	jsonw_deinit(&j);
}

/* ---- lists ----------------------------------------------------------------------------------- */

static int watch_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* What there is now, oldest first. */
static void watch_begin(struct ctl_client *cl)
{
	const struct map *all = &cl->ctl->holds.by_id;
	size_t pos = 0;
	void *h;

	free(cl->list);
	cl->list_n = cl->list_at = 0;
	cl->list = calloc(all->n + 1, sizeof(*cl->list));
	if (!cl->list) {
		ctl_client_error(cl, CTL_ERR_FAILED, "out of memory");
		ctl_client_close(cl);
		return;
	}
	while (map_next(all, &pos, NULL, &h))
		if (!((const struct hold *)h)->leader)
			cl->list[cl->list_n++] = ((const struct hold *)h)->view.id;
	qsort(cl->list, cl->list_n, sizeof(*cl->list), watch_compare);
	ctl_watch_refill(cl);
}

static void watch_reset(struct ctl_client *cl)
{
	struct json j;

	cl->is_behind = false;
	jsonw_init(&j, 64);
	jsonw_object(&j, NULL);
	jsonw_string(&j, "event", SLICE_LIT("reset"));
	jsonw_object_end(&j);
	ctl_client_data(cl, &j);
	jsonw_deinit(&j);
	watch_begin(cl);
}

void ctl_watch_refill(struct ctl_client *cl)
{
	if (cl->is_filling || cl->is_dead)
		return;
	cl->is_filling = true; /* sending may find room again and call us */
	while (cl->list && !cl->is_dead && cl->n_queued < WATCH_LOW) {
		struct hold *h;

		if (cl->list_at == cl->list_n) {
			free(cl->list);
			cl->list = NULL;
			if (!cl->is_watching)
				ctl_client_end(cl);
			break;
		}
		h = hold_find(&cl->ctl->holds, cl->list[cl->list_at++]);
		if (!h || h->leader)
			continue;
		watch_send(cl, h, cl->is_watching);
		/* For whoever asks next: nobody waits for a server. */
		if (!cl->is_watching)
			ctl_look_again(cl->ctl, h);
	}
	cl->is_filling = false;
	if (cl->is_behind && !cl->is_dead && !cl->n_queued)
		watch_reset(cl);
}

void ctl_pending(struct ctl_client *cl, struct reader *r)
{
	(void)r;
	if (cl->list) {
		ctl_client_error(cl, CTL_ERR_FAILED, "one list at a time");
		return;
	}
	watch_begin(cl);
}

void ctl_watch(struct ctl_client *cl, struct reader *r)
{
	(void)r;
	cl->is_watching = true;
	watch_begin(cl);
}

/* ---- somebody is deciding -------------------------------------------------------------------- */

/* The first one stops the clock, the last one lets it go on. */
static void watch_clock(struct ctl *c, uint64_t id, bool begins)
{
	struct hold *h = id ? hold_find(&c->holds, id) : NULL;
	struct mail *m;

	if (!h || (!begins && !h->n_deciding))
		return;
	h->n_deciding += begins ? 1 : -1u;
	h->is_dirty = true;
	if (h->n_deciding != (begins ? 1 : 0) || h->view.is_ticket)
		return;
	m = mail_new(MAIL_CLOCK);
	if (m) {
		m->hold = id;
		m->session = h->view.session;
		m->stops = begins;
	}
	mailbox_send(&c->enforcer->workers[h->worker]->mail, m);
}

void ctl_watch_gone(struct ctl_client *cl)
{
	watch_clock(cl->ctl, cl->deciding, false);
	cl->deciding = 0;
}

void ctl_deciding(struct ctl_client *cl, struct reader *r)
{
	uint64_t id = rd_be64(r);

	if (!rd_done(r) || !cl->is_watching) {
		ctl_client_error(cl, CTL_ERR_UNKNOWN, "malformed, or not by one who watches");
		return;
	}
	ctl_watch_gone(cl);
	if (!hold_find(&cl->ctl->holds, id))
		return;
	cl->deciding = id;
	watch_clock(cl->ctl, id, true);
}

/* ---- events ---------------------------------------------------------------------------------- */

void ctl_watch_tell(struct ctl *c, struct hold *h)
{
	struct list *pos, *tmp;

	h->is_dirty = false;
	if (h->leader)
		return;
	list_for_each_safe (pos, tmp, &c->clients) {
		struct ctl_client *cl = list_entry(pos, struct ctl_client, link);

		if (cl->is_watching && !ctl_client_refuse_agent(cl))
			watch_send(cl, h, true);
	}
}

void ctl_watch_tell_end(struct ctl *c, uint64_t hold, enum hold_outcome outcome)
{
	struct list *pos, *tmp;
	struct json j;

	list_for_each_safe (pos, tmp, &c->clients) {
		struct ctl_client *cl = list_entry(pos, struct ctl_client, link);

		if (!cl->is_watching || ctl_client_refuse_agent(cl))
			continue;
		jsonw_init(&j, 1024);
		report_end(hold, hold_outcome_word(outcome), &j);
		ctl_client_data(cl, &j);
		jsonw_deinit(&j);
	}
}

void ctl_watch_tick(struct ctl *c)
{
	size_t pos = 0;
	void *h;

	while (map_next(&c->holds.by_id, &pos, NULL, &h))
		if (((struct hold *)h)->is_dirty)
			ctl_watch_tell(c, h);
}
