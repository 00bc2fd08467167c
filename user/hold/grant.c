/* SPDX-License-Identifier: Apache-2.0 */
/* Grants and tickets: see grant.h. */
#include "hold/grant.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void grant_table_init(struct grant_table *t)
{
	pthread_mutex_init(&t->lock, NULL);
	map_init(&t->by_id, GRANTS_MAX);
	map_init(&t->tickets, GRANTS_MAX);
	list_init(&t->wide);
	atomic_store(&t->n, 0);
}

struct grant *grant_free(struct grant *g)
{
	if (!g)
		return NULL;
	free(g->what);
	free(g->resource);
	free(g->rule);
	free(g);
	return NULL;
}

void grant_table_deinit(struct grant_table *t)
{
	size_t pos = 0;
	void *g;

	while (map_next(&t->by_id, &pos, NULL, &g))
		grant_free(g);
	map_deinit(&t->by_id);
	map_deinit(&t->tickets);
	pthread_mutex_destroy(&t->lock);
}

static bool grant_is_wide(const struct grant *g)
{
	return g->kind == GRANT_SHAPE || g->kind == GRANT_REFUSAL;
}

static struct slice grant_key(const struct grant *g)
{
	return slice_of(g->key, sizeof(g->key));
}

/* Under the lock; it is the caller's then. */
static struct grant *grant_unlink(struct grant_table *t, uint64_t id)
{
	struct grant *g = map_take(&t->by_id, map_id(&id));

	if (!g)
		return NULL;
	list_remove(&g->link);
	if (!grant_is_wide(g) && map_get(&t->tickets, grant_key(g)) == g)
		map_take(&t->tickets, grant_key(g));
	atomic_store(&t->n, t->by_id.n);
	return g;
}

static int grant_link(struct grant_table *t, struct grant *g)
{
	int r = map_put(&t->by_id, map_id(&g->id), g, NULL);

	if (r)
		return r;
	if (grant_is_wide(g))
		list_append(&t->wide, &g->link);
	else
		r = map_put(&t->tickets, grant_key(g), g, NULL);
	if (r)
		map_take(&t->by_id, map_id(&g->id));
	atomic_store(&t->n, t->by_id.n);
	return r;
}

int grant_add(struct grant_table *t, struct grant *g)
{
	struct grant *old;
	int r;

	list_init(&g->link);
	pthread_mutex_lock(&t->lock);
	old = grant_unlink(t, g->id);
	r = grant_link(t, g);
	pthread_mutex_unlock(&t->lock);
	grant_free(old);
	if (!r)
		return 0;
	grant_free(g);
	return r == MAP_E_FULL ? GRANT_E_FULL : err_trace(r);
}

static bool grant_is_over(const struct grant *g, int64_t now_ns)
{
	return g->until_ns && now_ns >= g->until_ns;
}

static const uint8_t *grant_key_of(const struct grant_asker *who, enum grant_kind kind)
{
	switch (kind) {
	case GRANT_SHAPE:
		return who->keys->has_shape ? who->keys->shape : NULL;
	case GRANT_REFUSAL:
		return who->keys->kind;
	case GRANT_WAITING:
	case GRANT_TICKET:
	case GRANT_NO:
		return who->takes_ticket ? who->keys->same : NULL;
	}
	return NULL;
}

static bool grant_covers(const struct grant *g, const struct grant_asker *who, int64_t now_ns)
{
	const uint8_t *key = grant_key_of(who, g->kind);

	if (!key || grant_is_over(g, now_ns) || memcmp(g->key, key, sizeof(g->key)) != 0)
		return false;
	if (g->run)
		return g->run == who->run;
	return g->owner_uid == who->owner_uid && !strcmp(g->run_name, who->run_name);
}

/* A refusal is the stricter one, whichever came first. */
static bool grant_is_before(const struct grant *a, const struct grant *b)
{
	return !b || (a->kind == GRANT_REFUSAL && b->kind != GRANT_REFUSAL);
}

bool grant_use(
	struct grant_table *t, const struct grant_asker *who, int64_t now_ns, struct grant *ret)
{
	struct grant *best = NULL, *taken = NULL, *ticket;
	struct list *pos;

	if (!atomic_load(&t->n))
		return false;
	pthread_mutex_lock(&t->lock);
	list_for_each (pos, &t->wide) {
		struct grant *g = list_entry(pos, struct grant, link);

		if (grant_covers(g, who, now_ns) && grant_is_before(g, best))
			best = g;
	}
	ticket = map_get(&t->tickets, slice_of(who->keys->same, sizeof(who->keys->same)));
	if (!best && ticket && grant_covers(ticket, who, now_ns))
		best = ticket;
	if (best) {
		best->n_uses++;
		*ret = *best;
		ret->what = ret->resource = ret->rule = NULL;
		if (best->kind == GRANT_TICKET || best->kind == GRANT_NO)
			taken = grant_unlink(t, best->id);
	}
	pthread_mutex_unlock(&t->lock);
	grant_free(taken);
	return best;
}

struct grant *grant_take(struct grant_table *t, uint64_t id)
{
	struct grant *g;

	pthread_mutex_lock(&t->lock);
	g = grant_unlink(t, id);
	pthread_mutex_unlock(&t->lock);
	return g;
}

struct grant *grant_take_over(struct grant_table *t, int64_t now_ns, uint64_t run)
{
	struct grant *found = NULL;
	size_t pos = 0;
	void *g;

	if (!atomic_load(&t->n))
		return NULL;
	pthread_mutex_lock(&t->lock);
	while (!found && map_next(&t->by_id, &pos, NULL, &g))
		if (run ? ((const struct grant *)g)->run == run : grant_is_over(g, now_ns))
			found = g;
	if (found)
		grant_unlink(t, found->id);
	pthread_mutex_unlock(&t->lock);
	return found;
}

void grant_each(struct grant_table *t, void (*fn)(void *arg, const struct grant *g), void *arg)
{
	size_t pos = 0;
	void *g;

	pthread_mutex_lock(&t->lock);
	while (map_next(&t->by_id, &pos, NULL, &g))
		fn(arg, g);
	pthread_mutex_unlock(&t->lock);
}

const char *grant_kind_word(enum grant_kind kind)
{
	switch (kind) {
	case GRANT_SHAPE:
		return "shape";
	case GRANT_REFUSAL:
		return "refusal";
	case GRANT_WAITING:
		return "ticket waiting";
	case GRANT_TICKET:
		return "ticket approved";
	case GRANT_NO:
		return "ticket denied";
	}
	return "?";
}
