/* SPDX-License-Identifier: Apache-2.0 */
/* A request that is kept: see keep.h. */
#include "session/keep.h"

#include <errno.h>

static int keep_dup(struct arena *a, struct slice *s)
{
	struct slice copy = arena_dup(a, *s);

	if (s->n && !copy.p)
		return err_raise(-ENOMEM);
	*s = copy;
	return 0;
}

int keep_request(struct session *s)
{
	struct request *q = &s->asked.request;
	struct arena *a = &s->request_arena;
	struct param *params = arena_array(a, q->n_params + 1, sizeof(*params));
	struct setting *settings = arena_array(a, q->n_settings + 1, sizeof(*settings));
	int r = 0;

	if (!params || !settings)
		return err_raise(-ENOMEM);
	for (size_t i = 0; !r && i < q->n_params; i++) {
		params[i] = q->params[i];
		r = keep_dup(a, &params[i].value);
	}
	for (size_t i = 0; !r && i < q->n_settings; i++) {
		settings[i] = q->settings[i];
		r = keep_dup(a, &settings[i].name);
		if (!r)
			r = keep_dup(a, &settings[i].value);
	}
	q->params = params;
	q->settings = settings;
	if (!r)
		r = keep_dup(a, &q->text);
	if (!r)
		r = keep_dup(a, &q->user);
	if (!r)
		r = keep_dup(a, &q->database);
	return r ? r : keep_dup(a, &q->application);
}
