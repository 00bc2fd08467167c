/* SPDX-License-Identifier: Apache-2.0 */
/* What every decoder shares: the sink and the pool (proto.h). */
#include "proto/proto.h"

#include <stdlib.h>

struct pool_block {
	size_t n;
	_Alignas(16) uint8_t mem[];
};

void *pool_alloc(struct pool *p, size_t n)
{
	struct pool_block *b;

	if (n > p->max - p->used)
		return NULL;
	b = calloc(1, sizeof(*b) + n);
	if (!b)
		return NULL;
	b->n = n;
	p->used += n;
	return b->mem;
}

void pool_free(struct pool *p, void *mem)
{
	struct pool_block *b;

	if (!mem)
		return;
	b = (struct pool_block *)((uint8_t *)mem - offsetof(struct pool_block, mem));
	p->used -= b->n;
	free(b);
}

void sink_begin(struct sink *s)
{
	s->n_ops = 0;
	s->overflow = false;
	s->event.kind = EV_NONE;
}

static void sink_add(struct sink *s, struct op op)
{
	struct op *last = s->n_ops ? &s->ops[s->n_ops - 1] : NULL;

	/* Neighbours of one kind become one: the common unit is one OP_PASS. */
	if (last && last->kind == op.kind && op.kind != OP_PUT) {
		last->n += op.n;
		return;
	}
	if (s->n_ops == s->max_ops) {
		s->overflow = true;
		return;
	}
	s->ops[s->n_ops++] = op;
}

void sink_pass(struct sink *s, size_t n)
{
	sink_add(s, (struct op){.kind = OP_PASS, .n = n});
}

void sink_skip(struct sink *s, size_t n)
{
	sink_add(s, (struct op){.kind = OP_SKIP, .n = n});
}

void sink_put(struct sink *s, enum side to, struct slice data)
{
	if (!data.p && data.n)
		s->overflow = true;
	else if (data.n)
		sink_add(s, (struct op){.kind = OP_PUT, .to = to, .data = data});
}
