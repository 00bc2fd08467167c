/* SPDX-License-Identifier: Apache-2.0 */
/* The registry of holds: see hold.h. A DROP waits here. */
#include "hold/hold.h"

#include <errno.h>
#include <stdlib.h>

#include "util/cleanup.h"

enum { HOLD_PAST_MAX = 4096 };

void hold_table_init(struct hold_table *t, size_t max)
{
	map_init(&t->by_id, max);
	map_init(&t->leaders, max);
	map_init(&t->past, HOLD_PAST_MAX);
}

void hold_table_deinit(struct hold_table *t)
{
	size_t pos = 0;
	void *h;

	while (map_next(&t->by_id, &pos, NULL, &h))
		hold_free(h);
	map_deinit(&t->by_id);
	map_deinit(&t->leaders);
	pos = 0;
	while (map_next(&t->past, &pos, NULL, &h))
		free(h);
	map_deinit(&t->past);
}

static struct slice hold_same(const struct hold *h)
{
	return slice_of(h->view.keys.same, sizeof(h->view.keys.same));
}

static int hold_join(struct hold_table *t, struct hold *h)
{
	struct hold *leader = map_get(&t->leaders, hold_same(h));

	if (!leader)
		return map_put(&t->leaders, hold_same(h), h, NULL);
	h->leader = leader;
	list_append(&leader->followers, &h->link);
	leader->n_followers++;
	leader->is_dirty = true;
	return 0;
}

int hold_park(struct hold_table *t, struct hold *h)
{
	int r;

	list_init(&h->link);
	list_init(&h->followers);
	r = map_put(&t->by_id, map_id(&h->view.id), h, NULL);
	if (!r) {
		r = hold_join(t, h);
		if (r)
			map_take(&t->by_id, map_id(&h->view.id));
	}
	if (!r)
		return 0;
	hold_free(h);
	return r == MAP_E_FULL ? HOLD_E_FULL : err_trace(r);
}

struct hold *hold_find(const struct hold_table *t, uint64_t id)
{
	return map_get(&t->by_id, map_id(&id));
}

/* The oldest follower leads now. */
static struct hold *hold_promote(struct hold_table *t, struct hold *old)
{
	struct hold *h;

	map_take(&t->leaders, hold_same(old));
	if (list_is_empty(&old->followers))
		return NULL;
	h = list_entry(old->followers.next, struct hold, link);
	list_remove(&h->link);
	h->leader = NULL;
	while (!list_is_empty(&old->followers)) {
		struct hold *f = list_entry(old->followers.next, struct hold, link);

		list_remove(&f->link);
		list_append(&h->followers, &f->link);
		f->leader = h;
		h->n_followers++;
	}
	/* There was room for the old one a moment ago; without it, later ones will not follow. */
	if (map_put(&t->leaders, hold_same(h), h, NULL))
		h->is_dirty = true;
	return h;
}

struct hold *hold_take(struct hold_table *t, uint64_t id, struct hold **ret_leader)
{
	struct hold *h = map_take(&t->by_id, map_id(&id));

	*ret_leader = NULL;
	if (!h)
		return NULL;
	if (!h->leader) {
		*ret_leader = hold_promote(t, h);
		return h;
	}
	list_remove(&h->link);
	h->leader->n_followers--;
	h->leader->is_dirty = true;
	*ret_leader = h->leader;
	h->leader = NULL;
	return h;
}

struct hold *hold_free(struct hold *h)
{
	struct hold_view *v;

	if (!h)
		return NULL;
	v = &h->view;
	ballot_deinit(&h->ballot);
	free(h->look.impact);
	free(h->look.impact_words);
	free(h->look.locks);
	free(h->look.locks_words);
	free(v->ask);
	free(v->free);
	free(v->tags);
	free(v->unknowns);
	free(v->run_name);
	free(v->resource);
	free(v->target);
	free(v->role);
	free(v->database);
	free(v->application);
	free(v->text);
	free(v->params);
	free(v->effects);
	free(v->objects);
	free(v->rule);
	free(v->message);
	free(v->tx);
	free(v->comm);
	free(v->tree);
	free(h);
	return NULL;
}

static struct slice hold_like(const struct hold *h)
{
	const struct hold_keys *k = &h->view.keys;

	return k->has_shape ? slice_of(k->shape, sizeof(k->shape))
			    : slice_of(k->kind, sizeof(k->kind));
}

void hold_remember(struct hold_table *t, const struct hold *h, enum hold_outcome outcome)
{
	struct hold_past *p = map_get(&t->past, hold_like(h));

	if (!p) {
		p = calloc(1, sizeof(*p));
		if (!p || map_put(&t->past, hold_like(h), p, NULL)) {
			free(p);
			return;
		}
	}
	p->n++;
	p->n_ran += hold_outcome_runs(outcome);
	p->n_denied += outcome == HOLD_DENIED;
}

struct hold_past hold_seen(const struct hold_table *t, const struct hold *h)
{
	const struct hold_past *p = map_get(&t->past, hold_like(h));

	return p ? *p : (struct hold_past){0};
}
