/* SPDX-License-Identifier: Apache-2.0 */
/* The list of holds: see held.h. */
#include "cli/held.h"

#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/text.h"
#include "util/clock.h"

void held_clear(struct held_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		json_decref(l->items[i].json);
	l->n = 0;
}

void held_deinit(struct held_list *l)
{
	held_clear(l);
	free(l->items);
	*l = (struct held_list){0};
}

size_t held_index(const struct held_list *l, uint64_t id)
{
	size_t i = 0;

	while (i < l->n && l->items[i].id != id)
		i++;
	return i;
}

const struct held *held_find(const struct held_list *l, uint64_t id)
{
	size_t i = held_index(l, id);

	return i < l->n ? &l->items[i] : NULL;
}

static void held_remove(struct held_list *l, size_t i)
{
	json_decref(l->items[i].json);
	memmove(&l->items[i], &l->items[i + 1], (l->n - i - 1) * sizeof(l->items[0]));
	l->n--;
}

static enum held_change held_add(struct held_list *l, json_t *json, uint64_t id, int64_t now_ns)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 16;
		struct held *items =
			l->n < HELD_MAX ? realloc(l->items, cap * sizeof(*items)) : NULL;

		if (!items)
			return HELD_NONE;
		l->items = items;
		l->cap = cap;
	}
	l->items[l->n++] = (struct held){.json = json_incref(json), .id = id, .arrived_ns = now_ns};
	return HELD_CAME;
}

enum held_change held_apply(struct held_list *l, json_t *event, int64_t now_ns, uint64_t *ret_id)
{
	const char *id = json_string_value(json_object_get(event, "id"));
	size_t i;

	*ret_id = 0;
	if (slice_eq_str(text_field(event, "event"), "reset")) {
		held_clear(l);
		return HELD_RESET;
	}
	*ret_id = id ? cli_hold_id(id) : 0;
	if (!*ret_id)
		return HELD_NONE;
	i = held_index(l, *ret_id);
	if (slice_eq_str(text_field(event, "event"), "end")) {
		if (i == l->n)
			return HELD_NONE;
		held_remove(l, i);
		return HELD_ENDED;
	}
	if (i < l->n) {
		json_decref(l->items[i].json);
		l->items[i].json = json_incref(event);
		l->items[i].arrived_ns = now_ns;
		return HELD_NONE;
	}
	return held_add(l, event, *ret_id, now_ns);
}

static uint64_t held_age(const struct held *h, int64_t now_ns)
{
	return now_ns > h->arrived_ns ? (uint64_t)((now_ns - h->arrived_ns) / CLOCK_NS_PER_S) : 0;
}

uint64_t held_waiting(const struct held *h, int64_t now_ns)
{
	return text_number(h->json, "waiting_seconds") + held_age(h, now_ns);
}

uint64_t held_remaining(const struct held *h, int64_t now_ns)
{
	uint64_t total = text_number(h->json, "timeout_seconds"), age = held_age(h, now_ns);

	return total > age ? total - age : 0;
}
