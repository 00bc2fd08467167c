/* SPDX-License-Identifier: Apache-2.0 */
/* Replay: see replay.h. */
#include "audit/replay.h"

#include <errno.h>
#include <stdlib.h>

struct replay {
	struct query *query;
	struct query_ref *refs;
	size_t n_refs, next;
	int64_t start_ns, last_ns;
};

int replay_new(struct query *q, uint64_t session, struct replay **ret)
{
	struct replay *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return err_raise(-ENOMEM);
	p->query = q;
	r = query_session(q, session, &p->refs, &p->n_refs);
	if (!r) {
		p->start_ns = p->last_ns = p->refs[0].at_ns;
		*ret = p;
		return 0;
	}
	replay_free(p);
	if (r == QUERY_E_END)
		return REPLAY_E_NONE;
	if (r == QUERY_E_TOO_LONG)
		return REPLAY_E_TOO_LONG;
	return err_fold(r);
}

struct replay *replay_free(struct replay *p)
{
	if (!p)
		return NULL;
	free(p->refs);
	free(p);
	return NULL;
}

int replay_next(struct replay *p, struct replay_step *ret)
{
	const struct query_ref *ref = &p->refs[p->next];
	int r;

	if (p->next == p->n_refs)
		return REPLAY_E_END;
	r = query_record(p->query, ref->kind, ref->rowid, &ret->at_ns, &ret->record);
	/* A row that was there a moment ago: retention may have taken it, with all before it. */
	if (r == QUERY_E_END)
		return REPLAY_E_END;
	if (r)
		return err_fold(r);
	ret->kind = ref->kind;
	ret->since_start_ns = ref->at_ns - p->start_ns;
	ret->since_last_ns = ref->at_ns - p->last_ns;
	p->last_ns = ref->at_ns;
	p->next++;
	return 0;
}
