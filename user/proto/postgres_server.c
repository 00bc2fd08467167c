/* SPDX-License-Identifier: Apache-2.0 */
/* Server units after the login: each is checked against the place that it answers. */
#include "proto/postgres_int.h"

static int pg_pass(struct pg *st, struct slice unit, struct sink *sink)
{
	const struct pg_place *p = pg_head(st);

	if (p && (p->is_hidden || p->is_retried)) {
		sink_skip(sink, unit.n);
		return 0;
	}
	pg_count(st, unit.n);
	sink_pass(sink, unit.n);
	return 0;
}

static int pg_pass_and_done(struct pg *st, struct slice unit, struct sink *sink)
{
	int r = pg_pass(st, unit, sink);

	return r ? r : pg_place_done(st, sink);
}

/* ---- statements and portals ------------------------------------------------------------------ */

static int pg_on_defined(struct pg *st, struct slice unit, struct sink *sink)
{
	const struct pg_place *p = pg_head(st);
	int r;

	/* What cannot be lexed was parsed: this is no PostgreSQL, nothing about it can be trusted.
	 */
	if (p->is_refused)
		return PROTO_E_MALFORMED;
	r = pg_names_put(st, p->kind == PG_PARSE ? &st->stmts : &st->portals, p->obj);
	return r ? r : pg_pass_and_done(st, unit, sink);
}

static int pg_on_closed(struct pg *st, struct slice unit, struct sink *sink)
{
	const struct pg_place *p = pg_head(st);

	pg_names_remove(st, p->kind == PG_CLOSE_S ? &st->stmts : &st->portals, p->obj->name);
	/* Ours: what the server did not answer before this, it never will. */
	if (p->is_hidden) {
		st->is_probing = false;
		st->loose_syncs = 0;
	}
	return pg_pass_and_done(st, unit, sink);
}

static int pg_on_columns(struct pg *st, struct slice unit, struct sink *sink)
{
	struct pg_place *p = pg_head(st);
	struct pg_columns **at = &st->columns;
	bool is_known;
	int r;

	r = pg_belt_columns(st, unit, &is_known);
	if (r)
		return r;
	if (p->kind == PG_DESCRIBE_S)
		return pg_pass_and_done(st, unit, sink);
	if (p->kind == PG_DESCRIBE_P)
		at = &((struct pg_portal *)p->obj)->columns;
	else
		st->rest_passes = false;
	if (p->want_rows) {
		pg_mem_free(st, *at);
		*at = NULL;
		r = pg_columns_new(st, unit, at);
		if (r)
			return r;
	}
	if (p->kind == PG_QUERY && is_known)
		sink_skip(sink, unit.n);
	else if (p->kind == PG_QUERY)
		return pg_pass(st, unit, sink);
	if (p->kind == PG_QUERY)
		return 0;
	((struct pg_portal *)p->obj)->is_described = p->want_rows;
	return pg_pass_and_done(st, unit, sink);
}

static int pg_on_no_columns(struct pg *st, struct slice unit, struct sink *sink)
{
	struct pg_place *p = pg_head(st);

	if (p->kind == PG_DESCRIBE_P)
		((struct pg_portal *)p->obj)->is_described = true;
	return pg_pass_and_done(st, unit, sink);
}

/* ---- the end of a statement ------------------------------------------------------------------ */

/* Tags of what ends portals, whoever made them: their names are free for another cursor. */
static bool pg_tag_ends_portals(struct slice tag)
{
	static const char *const tags[] = {"COMMIT", "ROLLBACK", "PREPARE TRANSACTION",
		"CLOSE CURSOR", "CLOSE CURSOR ALL", "DISCARD ALL", "DO", "CALL", NULL};

	for (size_t i = 0; tags[i]; i++)
		if (slice_eq_str(tag, tags[i]))
			return true;
	return false;
}

/* What a tag says about the transaction before ReadyForQuery says it for sure. */
static void pg_tag_tx(struct pg *st, struct slice tag)
{
	if (slice_eq_str(tag, "COMMIT") || slice_eq_str(tag, "ROLLBACK") ||
		slice_eq_str(tag, "PREPARE TRANSACTION"))
		st->tx = TX_UNKNOWN;
	else if (st->tx == TX_NONE)
		st->tx = TX_OPEN;
}

static int pg_on_complete(struct pg *st, struct slice unit, struct sink *sink)
{
	struct reader r = reader_of(slice_skip(unit, PG_HEADER));
	struct slice tag = rd_cstr(&r);
	struct pg_place *p = pg_head(st);

	if (!rd_done(&r) || p->is_refused || st->copy == PG_COPY_IN)
		return PROTO_E_MALFORMED;
	if (p->n_hidden_tags) {
		p->n_hidden_tags--;
		sink_skip(sink, unit.n);
		return 0;
	}
	st->copy = PG_COPY_NONE;
	st->loose_syncs = 0; /* the server read on to CopyDone, or there were none */
	st->rest_passes = false;
	st->tag_len = tag.n < sizeof(st->tag) ? tag.n : sizeof(st->tag);
	if (st->tag_len)
		memcpy(st->tag, tag.p, st->tag_len);
	if (pg_tag_ends_portals(tag))
		pg_names_clear(st, &st->portals);
	pg_tag_tx(st, tag);
	if (p->kind == PG_QUERY)
		return pg_pass(st, unit, sink);
	return pg_pass_and_done(st, unit, sink);
}

static int pg_on_empty(struct pg *st, struct slice unit, struct sink *sink)
{
	if (pg_head(st)->is_refused)
		return PROTO_E_MALFORMED;
	return pg_head(st)->kind == PG_QUERY ? pg_pass(st, unit, sink)
					     : pg_pass_and_done(st, unit, sink);
}

static void pg_tx_end(struct pg *st)
{
	st->tx_lexing = false;
	pg_names_clear(st, &st->portals);
}

/* Does the server owe the answer to our question about loose Syncs next? */
static bool pg_is_probe(const struct pg *st)
{
	const struct pg_place *p = pg_head(st);

	return st->is_probing && p && p->is_hidden;
}

static int pg_on_ready(struct pg *st, struct slice unit, struct sink *sink)
{
	struct pg_place *p = pg_is_probe(st) ? NULL : pg_head(st);
	int r = 0;

	if (unit.n != PG_HEADER + 1 || (!p && !st->loose_syncs))
		return PROTO_E_MALFORMED;
	switch (unit.p[PG_HEADER]) {
	case 'I':
		st->tx = TX_NONE;
		pg_tx_end(st);
		break;
	case 'T':
		st->tx = TX_OPEN;
		break;
	case 'E':
		st->tx = TX_FAILED;
		break;
	default:
		return PROTO_E_MALFORMED;
	}
	st->ready = st->tx;
	st->lexing_unknown = false;
	st->copy = PG_COPY_NONE;
	pg_mem_free(st, st->columns);
	st->columns = NULL;
	if (p && p->is_refused && !p->has_error)
		return PROTO_E_MALFORMED;
	/* The end of what our Sync ended failed: so did the client's batch, of which it was a part.
	 */
	if (p && p->is_hidden && p->has_error)
		st->skips_to_sync = true;
	if (p) {
		r = pg_pass_and_done(st, unit, sink);
	} else {
		st->loose_syncs--;
		st->skips_to_sync = false;
		sink_pass(sink, unit.n);
	}
	st->batch_open = pg_has_outstanding(st);
	/* All that changed was reported, and nothing is left that a rollback could change back. */
	if (st->tx == TX_NONE && !pg_has_outstanding(st) && !st->loose_syncs)
		st->doubts_lexing = false;
	return r;
}

/* ---- COPY ------------------------------------------------------------------------------------ */

static bool pg_copy_read(struct slice unit, bool *ret_is_text)
{
	struct reader r = reader_of(slice_skip(unit, PG_HEADER));

	*ret_is_text = rd_u8(&r) == 0;
	rd_bytes(&r, rd_be16(&r) * 2u);
	return rd_done(&r);
}

/* The server reads data now. A Sync that was already on its way will be taken for part of it; any
 * other message would be an error there. */
static int pg_on_copy_in(struct pg *st, struct slice unit, struct sink *sink)
{
	if (!pg_copy_read(unit, &st->copy_is_text) || pg_head(st)->is_refused || st->has_request)
		return PROTO_E_MALFORMED;
	while (st->tail != st->head + 1) {
		struct pg_place *p = pg_place_at(st, st->tail - 1);

		if (p->kind != PG_SYNC)
			return PROTO_E_MALFORMED;
		pg_place_clear(st, p);
		st->tail--;
		st->loose_syncs++;
	}
	st->sent = st->tail;
	st->copy = PG_COPY_IN;
	return pg_pass(st, unit, sink);
}

static int pg_on_copy_out(struct pg *st, struct slice unit, struct sink *sink)
{
	if (!pg_copy_read(unit, &st->copy_is_text) || pg_head(st)->is_refused)
		return PROTO_E_MALFORMED;
	if (pg_head(st)->is_copied) {
		int r = pg_copy_begin(st, unit);

		if (r)
			return r;
	}
	st->copy = PG_COPY_OUT;
	return pg_pass(st, unit, sink);
}

static int pg_on_copy_both(struct pg *st, struct slice unit, struct sink *sink)
{
	if (!pg_copy_read(unit, &st->copy_is_text) || !pg_head(st)->is_replication)
		return PROTO_E_MALFORMED;
	st->copy = PG_COPY_BOTH;
	return pg_pass(st, unit, sink);
}

static int pg_on_copy_data(struct pg *st, struct slice unit, struct sink *sink)
{
	if (st->copy != PG_COPY_OUT)
		return PROTO_E_MALFORMED;
	if (unit.n > PG_ROW_WHOLE_MAX)
		return PROTO_E_TOO_BIG;
	if (pg_head(st)->is_copied)
		return pg_copy_row(st, unit, sink);
	pg_head(st)->n_rows++;
	return pg_text(st, unit, true, sink);
}

static int pg_on_copy_done(struct pg *st, struct slice unit, struct sink *sink)
{
	if (unit.n != PG_HEADER || (st->copy != PG_COPY_OUT && st->copy != PG_COPY_BOTH))
		return PROTO_E_MALFORMED;
	if (st->copy == PG_COPY_OUT)
		st->copy = PG_COPY_NONE;
	return pg_pass(st, unit, sink);
}

/* ---- the rest -------------------------------------------------------------------------------- */

static int pg_on_call(struct pg *st, struct slice unit, struct sink *sink)
{
	return pg_text(st, unit, pg_head(st)->want_rows, sink);
}

static int pg_on_row(struct pg *st, struct slice unit, struct sink *sink)
{
	return pg_head(st)->is_refused ? PROTO_E_MALFORMED : pg_row(st, unit, sink);
}

/* Type → the places that it may answer. */
static const struct pg_answer {
	uint8_t type;
	uint32_t kinds;
	int (*fn)(struct pg *st, struct slice unit, struct sink *sink);
} pg_answers[] = {
	{'D', PG_BIT(PG_QUERY) | PG_BIT(PG_EXECUTE), pg_on_row},
	{'C', PG_BIT(PG_QUERY) | PG_BIT(PG_EXECUTE), pg_on_complete},
	{'1', PG_BIT(PG_PARSE), pg_on_defined},
	{'2', PG_BIT(PG_BIND), pg_on_defined},
	{'3', PG_BIT(PG_CLOSE_S) | PG_BIT(PG_CLOSE_P), pg_on_closed},
	{'T', PG_BIT(PG_QUERY) | PG_BIT(PG_DESCRIBE_S) | PG_BIT(PG_DESCRIBE_P), pg_on_columns},
	{'n', PG_BIT(PG_DESCRIBE_S) | PG_BIT(PG_DESCRIBE_P), pg_on_no_columns},
	{'t', PG_BIT(PG_DESCRIBE_S), pg_pass},
	{'I', PG_BIT(PG_QUERY) | PG_BIT(PG_EXECUTE), pg_on_empty},
	{'s', PG_BIT(PG_EXECUTE), pg_pass_and_done},
	{'G', PG_BIT(PG_QUERY) | PG_BIT(PG_EXECUTE), pg_on_copy_in},
	{'H', PG_BIT(PG_QUERY) | PG_BIT(PG_EXECUTE), pg_on_copy_out},
	{'W', PG_BIT(PG_QUERY), pg_on_copy_both},
	{'d', PG_BIT(PG_QUERY) | PG_BIT(PG_EXECUTE), pg_on_copy_data},
	{'c', PG_BIT(PG_QUERY) | PG_BIT(PG_EXECUTE), pg_on_copy_done},
	{'V', PG_BIT(PG_CALL), pg_on_call},
};

int pg_decode_server(struct pg *st, struct slice unit, struct sink *sink)
{
	const struct pg_place *p = pg_head(st);
	int r;

	if (bug(st->has_text) || bug(p && (p->is_skipped || p->is_answered)))
		return PROTO_E_MALFORMED;
	switch (unit.p[0]) {
	case 'S':
		r = pg_parameter_status(st, unit);
		return r ? r : pg_text(st, unit, false, sink);
	case 'N':
		if (p && p->kind == PG_BELT) {
			sink_skip(sink, unit.n);
			return 0;
		}
		return pg_text(st, unit, false, sink);
	case 'A':
		return pg_text(st, unit, false, sink);
	case 'E':
		return pg_error(st, unit, sink);
	case 'Z':
		if (p && !pg_is_probe(st) &&
			!(PG_BIT(p->kind) & (PG_BIT(PG_QUERY) | PG_BIT(PG_CALL) | PG_BIT(PG_SYNC))))
			return PROTO_E_MALFORMED;
		return pg_on_ready(st, unit, sink);
	}
	if (p && p->kind == PG_BELT)
		return pg_belt_unit(st, unit, sink);
	for (size_t i = 0; p && i < sizeof(pg_answers) / sizeof(pg_answers[0]); i++)
		if (pg_answers[i].type == unit.p[0])
			return pg_answers[i].kinds & PG_BIT(p->kind)
				       ? pg_answers[i].fn(st, unit, sink)
				       : PROTO_E_MALFORMED;
	return PROTO_E_MALFORMED;
}
