/* SPDX-License-Identifier: Apache-2.0 */
/* The registry of holds: see hold.h. A DROP waits here. */
#include "hold/hold.h"

#include <errno.h>
#include <stdlib.h>

#include "util/cleanup.h"

void hold_table_init(struct hold_table *t, size_t max)
{
	map_init(&t->by_id, max);
}

void hold_table_deinit(struct hold_table *t)
{
	size_t pos = 0;
	void *h;

	while (map_next(&t->by_id, &pos, NULL, &h))
		hold_free(h);
	map_deinit(&t->by_id);
}

int hold_park(struct hold_table *t, struct hold *h)
{
	int r = map_put(&t->by_id, map_id(&h->view.id), h, NULL);

	if (!r)
		return 0;
	hold_free(h);
	return r == MAP_E_FULL ? HOLD_E_FULL : err_trace(r);
}

struct hold *hold_find(const struct hold_table *t, uint64_t id)
{
	return map_get(&t->by_id, map_id(&id));
}

struct hold *hold_take(struct hold_table *t, uint64_t id)
{
	return map_take(&t->by_id, map_id(&id));
}

struct hold *hold_free(struct hold *h)
{
	struct hold_view *v;

	if (!h)
		return NULL;
	v = &h->view;
	ballot_deinit(&h->ballot);
	free(v->ask);
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
