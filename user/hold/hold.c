/* SPDX-License-Identifier: Apache-2.0 */
/* The registry of holds: see hold.h. A DROP waits here. */
#include "hold/hold.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
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
	for (char **a = v->approvers; a && *a; a++)
		free(*a);
	free(v->approvers);
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

/* Does "user:x" or "group:y" name this person? Names are looked up now: a person who lost the group
 * yesterday is no approver today. */
static bool hold_is_named(const char *who, const struct approver *a)
{
	if (!strncmp(who, "user:", 5)) {
		const struct passwd *pw = getpwnam(who + 5);

		return pw && pw->pw_uid == a->uid;
	}
	if (!strncmp(who, "group:", 6)) {
		const struct group *gr = getgrnam(who + 6);

		for (size_t i = 0; gr && i < a->n_gids; i++)
			if (a->gids[i] == gr->gr_gid)
				return true;
	}
	return false;
}

static bool hold_is_approver(const struct hold *h, const struct approver *a)
{
	if (h->view.approvers) {
		for (char **who = h->view.approvers; *who; who++)
			if (hold_is_named(*who, a))
				return true;
		return false;
	}
	if (!a->uid)
		return true;
	for (size_t i = 0; i < a->n_gids; i++)
		if (a->gids[i] == a->approver_gid)
			return true;
	return false;
}

int hold_may(const struct hold *h, const struct approver *a, const char **ret_why)
{
	*ret_why = NULL;
	if (a->is_in_run)
		*ret_why = "requests from inside a run are not decisions";
	else if (!hold_is_approver(h, a))
		*ret_why = "you are not among the approvers that the rule names";
	else if (a->uid == h->view.owner_uid && !a->may_self)
		*ret_why = "whoever started a run may not approve what it asks for (self_approval "
			   "is off)";
	return *ret_why ? HOLD_E_FORBIDDEN : 0;
}
