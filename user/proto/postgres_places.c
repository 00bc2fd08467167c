/* SPDX-License-Identifier: Apache-2.0 */
/* The FIFO of replies that the server owes: see postgres_int.h for its three cursors. */
#include "proto/postgres_int.h"

int pg_places_reserve(struct pg *st, uint32_t n)
{
	uint32_t used = st->tail - st->head, size = st->n_ring;
	struct pg_place *ring;

	if (used + n <= size)
		return 0;
	while (size < used + n)
		size *= 2;
	if (size > PG_PLACES_MAX)
		return pg_has_outstanding(st) ? PROTO_E_NOT_NOW : PROTO_E_TOO_BIG;
	ring = pool_alloc(st->pool, size * sizeof(*ring));
	if (!ring)
		return PROTO_E_TOO_BIG;
	for (uint32_t i = st->head; i != st->tail; i++)
		ring[i & (size - 1)] = *pg_place_at(st, i);
	pool_free(st->pool, st->ring);
	st->ring = ring;
	st->n_ring = size;
	return 0;
}

struct pg_place *pg_place_push(
	struct pg *st, enum pg_place_kind kind, struct pg_named *obj, size_t len)
{
	struct pg_place *p = pg_place_at(st, st->tail++);

	*p = (struct pg_place){.kind = kind, .obj = obj, .len = len};
	return p;
}

void pg_place_clear(struct pg *st, struct pg_place *p)
{
	if (p->is_barrier)
		st->n_barriers--;
	pg_unref(st, p->obj);
	pg_changes_free(st, p->changes);
	pg_mem_free(st, (void *)(uintptr_t)p->error.p);
	*p = (struct pg_place){0};
}

size_t pg_span_len(const struct pg *st)
{
	size_t n = 0;

	for (uint32_t i = st->sent; i != st->tail; i++)
		n += pg_place_at(st, i)->len;
	return n;
}

void pg_span_drop(struct pg *st)
{
	while (st->tail != st->sent)
		pg_place_clear(st, pg_place_at(st, --st->tail));
}

static void pg_pop(struct pg *st)
{
	pg_place_clear(st, pg_place_at(st, st->head++));
	st->tag_len = st->error_len = 0;
	st->error_code[0] = 0;
	st->rest_passes = false;
}

void pg_count(struct pg *st, size_t n)
{
	struct pg_place *p = pg_head(st);

	if (p)
		p->bytes += n;
}

static const uint8_t pg_sync_unit[] = {'S', 0, 0, 0, 4};

void pg_reply_emit(
	struct pg *st, const struct pg_place *p, enum reply_status status, struct sink *sink)
{
	sink->event.kind = EV_REPLY;
	sink->event.reply = (struct reply){
		.seq = p->seq,
		.status = status,
		.n_rows = p->n_rows,
		.bytes = p->bytes,
	};
	if (status == REPLY_SKIPPED)
		return;
	if (status == REPLY_OK) {
		sink->event.reply.tag = arena_dup(sink->arena, slice_of(st->tag, st->tag_len));
		return;
	}
	if (status == REPLY_RETRY && p->kind != PG_QUERY)
		sink->event.reply.more = slice_of(pg_sync_unit, sizeof(pg_sync_unit));
	sink->event.reply.code = arena_dup(sink->arena, slice_str(st->error_code));
	sink->event.reply.text = arena_dup(sink->arena, slice_of(st->error_text, st->error_len));
}

/* All places from `from` up to the next Sync are ignored by the server. */
static void pg_places_skip(struct pg *st, uint32_t from)
{
	for (; from != st->sent; from++) {
		struct pg_place *p = pg_place_at(st, from);

		if (p->kind == PG_SYNC) {
			/* A Sync of ours does not end the client's batch. */
			st->skips_to_sync = p->is_hidden;
			return;
		}
		p->is_skipped = true;
	}
	st->skips_to_sync = true;
}

/* What a completed reply proves, before it is forgotten. */
static int pg_place_confirm(struct pg *st, const struct pg_place *p)
{
	int r = pg_changes_apply(st, p->changes, p->has_error);

	if (r)
		return r;
	if (p->kind == PG_QUERY && !p->has_error) {
		/* A simple query forgets the unnamed statement and portal before anything else. */
		pg_names_remove(st, &st->stmts, SLICE_LIT(""));
		pg_names_remove(st, &st->portals, SLICE_LIT(""));
	}
	/* In a batch, settings are reported only before ReadyForQuery. */
	if (p->is_lexing && p->kind == PG_EXECUTE)
		st->lexing_unknown = true;
	return 0;
}

int pg_place_done(struct pg *st, struct sink *sink)
{
	struct pg_place *p = pg_head(st);
	int r = pg_place_confirm(st, p);

	if (r)
		return r;
	st->is_retrying |= p->is_retried;
	st->told.n_places += p->seq == st->told.seq && !p->has_error && p->kind != PG_BELT &&
			     !(p->is_hidden && p->kind == PG_DESCRIBE_P);
	if (p->ends_request)
		pg_reply_emit(st, p,
			!p->has_error   ? REPLY_OK
			: p->is_retried ? REPLY_RETRY
			: p->is_refused ? REPLY_REFUSED
					: REPLY_ERROR,
			sink);
	pg_pop(st);
	return 0;
}

int pg_place_failed(struct pg *st, bool is_fatal, struct sink *sink)
{
	struct pg_place *p = pg_head(st);
	uint64_t seq;
	int r;

	if (!p)
		return 0;
	p->has_error = true;
	/* Query, FunctionCall and Sync go on to their ReadyForQuery. */
	if (!is_fatal && !(PG_BIT(p->kind) & PG_EXTENDED))
		return 0;
	seq = p->seq;
	p->ends_request = seq != 0;
	for (uint32_t i = st->head + 1; i != st->sent; i++)
		if (seq && pg_place_at(st, i)->seq == seq)
			pg_place_at(st, i)->ends_request = false;
	pg_places_skip(st, st->head + 1);
	for (uint32_t i = st->head + 1; is_fatal && i != st->sent; i++)
		pg_place_at(st, i)->is_skipped = true;
	/* The error was the last word of its place even in a batch that changed lexing. */
	r = pg_place_done(st, sink);
	return r;
}

bool pg_next_event(void *state, struct sink *sink)
{
	struct pg *st = state;
	struct pg_place *p;

	while ((p = pg_head(st)) && (p->is_skipped || p->is_answered)) {
		bool has_reply = p->ends_request;

		if (has_reply)
			pg_reply_emit(st, p, p->is_skipped ? REPLY_SKIPPED : REPLY_OK, sink);
		pg_pop(st);
		if (has_reply)
			return true;
	}
	return false;
}
