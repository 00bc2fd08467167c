/* SPDX-License-Identifier: Apache-2.0 */
/* What the servers say of what is held: see looks.h. */
#include "ctl/looks.h"

#include <stdlib.h>

#include "ctl/watch.h"
#include "session/look.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/reader.h"

#define LOOK_AGAIN_NS (3 * CLOCK_NS_PER_S)

static void look_ask(struct ctl *c, struct hold *h, bool wants_impact)
{
	const struct hold_view *v = &h->view;
	struct hold_look *l = &h->look;

	l->asked_ns = clock_mono_ns();
	l->is_asked = look_begin(l->place, &c->enforcer->control,
		&(struct look_ask){.hold = v->id,
			.wants_impact = wants_impact,
			.wants_locks = l->wants_locks,
			.text = slice_str(v->text),
			.may_be_own = l->may_be_own,
			.has_odd_path = l->has_odd_path,
			.backend = l->backend,
			.role = v->role});
}

void ctl_look_new(struct ctl *c, struct hold *h)
{
	if (h->look.place && !h->look.asked_ns)
		look_ask(c, h, h->look.wants_impact);
}

void ctl_look_again(struct ctl *c, struct hold *h)
{
	struct hold_look *l = &h->look;
	bool wants_impact = l->wants_impact && !l->has_impact;

	if (!l->place || h->leader || l->is_asked || !(wants_impact || l->wants_locks) ||
		clock_mono_ns() - l->asked_ns < LOOK_AGAIN_NS)
		return;
	look_ask(c, h, wants_impact);
}

/* True: they are others than before. */
static bool look_take(char **json, char **words, char **new_json, char **new_words)
{
	bool is_new = *new_json && *new_words && (!*words || strcmp(*words, *new_words) != 0);

	if (!is_new)
		return false;
	free(*json);
	free(*words);
	*json = TAKE(*new_json);
	*words = TAKE(*new_words);
	return true;
}

void ctl_look_answer(struct ctl *c, struct mail *m)
{
	struct hold *h = hold_find(&c->holds, m->hold);
	struct hold_look *l;
	bool is_new;

	if (!h)
		return;
	l = &h->look;
	l->is_asked = false;
	if (!m->look)
		return;
	l->has_impact |= m->look->impact_words && !m->look->is_lost;
	is_new = look_take(&l->impact, &l->impact_words, &m->look->impact, &m->look->impact_words);
	is_new |= look_take(&l->locks, &l->locks_words, &m->look->locks, &m->look->locks_words);
	if (!is_new)
		return;
	l->n++;
	ctl_watch_tell(c, h);
}

void ctl_looking(struct ctl_client *cl, struct reader *r)
{
	uint64_t id = rd_be64(r);

	if (!rd_done(r) || !cl->is_watching) {
		ctl_client_error(cl, CTL_ERR_UNKNOWN, "malformed, or not by one who watches");
		return;
	}
	cl->looking = id;
}

void ctl_looks_tick(struct ctl *c)
{
	struct list *pos;

	list_for_each (pos, &c->clients) {
		const struct ctl_client *cl = list_entry(pos, struct ctl_client, link);
		struct hold *h = cl->looking ? hold_find(&c->holds, cl->looking) : NULL;

		if (h && !cl->is_dead)
			ctl_look_again(c, h);
	}
}
