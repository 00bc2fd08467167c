/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Client units after the login. Parse, Bind, Describe and Close are kept until an Execute, Sync or
 * Flush makes a request of them (postgres_request.c).
 *
 * What a name stands for is only ever taken from the server's confirmation, or from a unit of the
 * same batch: if that one fails, the server skips everything up to the Sync, and so whoever uses
 * the name. Across a Sync that implication ends, and the unit has to wait (PROTO_E_NOT_NOW).
 */
#include "proto/postgres_int.h"

/* What drops the span in favour of this unit: ops cover both. */
static void pg_span_skip(struct pg *st, struct sink *sink)
{
	size_t n = pg_span_len(st);

	pg_span_drop(st);
	if (n)
		sink_skip(sink, n);
}

static int pg_client_skip(struct pg *st, struct slice unit, struct sink *sink)
{
	pg_span_skip(st, sink);
	sink_skip(sink, unit.n);
	return 0;
}

static int pg_client_pass(struct slice unit, struct sink *sink)
{
	sink_pass(sink, unit.n);
	return 0;
}

static int pg_keep(
	struct pg *st, enum pg_place_kind kind, struct pg_named *obj, size_t len, struct sink *sink)
{
	pg_place_push(st, kind, obj, len);
	sink->event.kind = EV_KEEP;
	return 0;
}

/* ---- what a name stands for ------------------------------------------------------------------ */

/* The place of the latest unit in flight or kept that defines or closes the name. 0 with *ret NULL
 * if there is none; PROTO_E_NOT_NOW if it has to be confirmed first. */
static int pg_pending(const struct pg *st, enum pg_place_kind define, enum pg_place_kind close,
	struct slice name, const struct pg_place **ret)
{
	bool is_same_batch = true;

	*ret = NULL;
	for (uint32_t i = st->tail; i != st->head;) {
		const struct pg_place *p = pg_place_at(st, --i);

		if (p->kind == PG_SYNC || p->kind == PG_QUERY || p->kind == PG_CALL)
			is_same_batch = false;
		/* What was refused defines nothing. */
		if ((p->kind != define && p->kind != close) || !p->obj ||
			!slice_eq(p->obj->name, name))
			continue;
		*ret = p;
		return is_same_batch ? 0 : PROTO_E_NOT_NOW;
	}
	return 0;
}

/* *ret NULL: not known. The reference is the table's or the place's. */
static int pg_stmt_find(const struct pg *st, struct slice name, struct pg_stmt **ret)
{
	const struct pg_place *p;
	int r = pg_pending(st, PG_PARSE, PG_CLOSE_S, name, &p);

	*ret = NULL;
	if (r)
		return r;
	if (!p)
		*ret = (struct pg_stmt *)pg_names_get(&st->stmts, name);
	else if (p->kind == PG_PARSE)
		*ret = (struct pg_stmt *)p->obj;
	return 0;
}

/* Is something in flight, behind the Bind of this portal, that may close it and make a cursor of
 * the same name (CLOSE p, or ROLLBACK TO x, and DECLARE p)? Nothing makes one without a name. */
static bool pg_portal_is_in_doubt(const struct pg *st, struct slice name)
{
	for (uint32_t i = st->tail; name.n && i != st->head;) {
		const struct pg_place *p = pg_place_at(st, --i);

		if (p->kind == PG_QUERY)
			return true;
		if (p->kind != PG_EXECUTE && p->kind != PG_BIND)
			continue;
		if (p->obj && slice_eq(p->obj->name, name)) {
			if (p->kind == PG_BIND)
				return false;
		} else if (p->kind == PG_EXECUTE) {
			return true;
		}
	}
	return false;
}

static int pg_portal_find(const struct pg *st, struct slice name, struct pg_portal **ret)
{
	const struct pg_place *p;
	int r = pg_pending(st, PG_BIND, PG_CLOSE_P, name, &p);

	*ret = NULL;
	if (r)
		return r;
	if (pg_portal_is_in_doubt(st, name))
		return PROTO_E_NOT_NOW;
	if (!p)
		*ret = (struct pg_portal *)pg_names_get(&st->portals, name);
	else if (p->kind == PG_BIND)
		*ret = (struct pg_portal *)p->obj;
	return 0;
}

/* Carries the name of what is not known. NULL at the cap. */
static struct pg_stmt *pg_stmt_unknown(struct pg *st, struct slice name)
{
	struct pg_stmt *s = pg_stmt_new(st, name, SLICE_NULL, SLICE_NULL);

	if (s)
		s->is_unknown = true;
	return s;
}

/* ---- extended units -------------------------------------------------------------------------- */

static int pg_client_parse(struct pg *st, struct slice unit, struct sink *sink)
{
	struct reader r = reader_of(slice_skip(unit, PG_HEADER));
	struct slice name = pg_name_read(&r), text = rd_cstr(&r),
		     types = rd_bytes(&r, rd_be16(&r) * 4u);
	struct pg_stmt *old, *s;
	int err;

	if (!rd_done(&r))
		return PROTO_E_MALFORMED;
	err = pg_stmt_find(st, name, &old);
	/* Overwriting the unnamed statement needs no confirmation of what was there. */
	if (err && name.n)
		return err;
	s = pg_stmt_new(st, name, text, types);
	if (!s)
		return PROTO_E_TOO_BIG;
	/* A name that exists cannot be parsed again (42P05): whoever binds it may get the old text.
	 */
	if (!err && old && name.n) {
		uint8_t *both = arena_alloc(sink->arena, old->text.n + 2 + text.n);
		struct writer w = writer_of(both, both ? old->text.n + 2 + text.n : 0);

		wr_slice(&w, old->text);
		wr_str(&w, ";\n");
		wr_slice(&w, text);
		pg_unref(st, &s->named);
		s = w.bad ? NULL : pg_stmt_new(st, name, wr_done(&w), types);
		if (!s)
			return PROTO_E_TOO_BIG;
		s->is_suspect = true;
	}
	return pg_keep(st, PG_PARSE, &s->named, unit.n, sink);
}

static int pg_client_bind(struct pg *st, struct slice unit, struct sink *sink)
{
	struct reader r = reader_of(slice_skip(unit, PG_HEADER));
	struct slice name = pg_name_read(&r), stmt_name = pg_name_read(&r), rest;
	const struct param *params;
	struct pg_portal *portal;
	struct pg_stmt *stmt;
	size_t n_params;
	int err;

	/* Before anything is allocated: the unit may come again, and the arena keeps what it gave.
	 */
	err = pg_stmt_find(st, stmt_name, &stmt);
	if (err)
		return err;
	rest = slice_of(r.p, rd_left(&r));
	err = pg_params_read(&r, SLICE_NULL, sink->arena, &params, &n_params);
	if (err)
		return err;
	rd_bytes(&r,
		rd_be16(&r) * 2u); /* result formats: the server repeats them in RowDescription */
	if (!rd_done(&r))
		return PROTO_E_MALFORMED;
	stmt = stmt ? (struct pg_stmt *)pg_ref(&stmt->named) : pg_stmt_unknown(st, stmt_name);
	if (!stmt)
		return PROTO_E_TOO_BIG;
	portal = pg_portal_new(st, name, stmt, rest);
	pg_unref(st, &stmt->named);
	if (!portal)
		return PROTO_E_TOO_BIG;
	return pg_keep(st, PG_BIND, &portal->named, unit.n, sink);
}

/* Describe and Close: a letter that says what, and a name. */
static int pg_client_named(struct pg *st, struct slice unit, struct sink *sink)
{
	struct reader r = reader_of(slice_skip(unit, PG_HEADER));
	uint8_t what = rd_u8(&r);
	struct slice name = pg_name_read(&r);
	bool is_close = unit.p[0] == 'C';
	struct pg_portal *portal = NULL;
	struct pg_stmt *stmt = NULL;
	int err = 0;

	if (!rd_done(&r) || (what != 'S' && what != 'P'))
		return PROTO_E_MALFORMED;
	if (!is_close)
		err = what == 'S' ? pg_stmt_find(st, name, &stmt)
				  : pg_portal_find(st, name, &portal);
	if (err)
		return err;
	if (what == 'S') {
		stmt = stmt ? (struct pg_stmt *)pg_ref(&stmt->named) : pg_stmt_unknown(st, name);
		if (!stmt)
			return PROTO_E_TOO_BIG;
		return pg_keep(
			st, is_close ? PG_CLOSE_S : PG_DESCRIBE_S, &stmt->named, unit.n, sink);
	}
	portal = portal ? (struct pg_portal *)pg_ref(&portal->named)
			: pg_portal_new(st, name, NULL, SLICE_NULL);
	if (!portal)
		return PROTO_E_TOO_BIG;
	return pg_keep(st, is_close ? PG_CLOSE_P : PG_DESCRIBE_P, &portal->named, unit.n, sink);
}

static int pg_client_execute(struct pg *st, struct slice unit, struct sink *sink)
{
	struct reader r = reader_of(slice_skip(unit, PG_HEADER));
	struct slice name = pg_name_read(&r);
	struct request req = {.kind = REQUEST_TEXT};
	struct pg_portal *portal;
	int err;

	rd_be32(&r);
	if (!rd_done(&r))
		return PROTO_E_MALFORMED;
	err = pg_portal_find(st, name, &portal);
	if (err)
		return err;
	portal = portal ? (struct pg_portal *)pg_ref(&portal->named)
			: pg_portal_new(st, name, NULL, SLICE_NULL);
	if (!portal)
		return PROTO_E_TOO_BIG;
	pg_place_push(st, PG_EXECUTE, &portal->named, unit.n);
	return pg_request_emit(st, &req, sink);
}

/* Sync and Flush: what they end is judged unless it does nothing but close. */
static int pg_client_sync(struct pg *st, struct slice unit, struct sink *sink)
{
	struct request req = {.kind = REQUEST_TEXT, .is_prepare_only = true};
	bool is_harmless = true;

	if (unit.n != PG_HEADER)
		return PROTO_E_MALFORMED;
	for (uint32_t i = st->sent; i != st->tail; i++)
		if (!(PG_BIT(pg_place_at(st, i)->kind) & (PG_BIT(PG_CLOSE_S) | PG_BIT(PG_CLOSE_P))))
			is_harmless = false;
	pg_place_push(st, unit.p[0] == 'S' ? PG_SYNC : PG_FLUSH, NULL, unit.n);
	if (!is_harmless)
		return pg_request_emit(st, &req, sink);
	sink_pass(sink, pg_span_len(st));
	st->is_flushed = true;
	if (unit.p[0] == 'H') {
		st->tail--;
	} else {
		st->skips_to_sync = false;
		st->batch++;
	}
	st->batch_open = st->batch_open || st->sent != st->tail;
	st->sent = st->tail;
	return 0;
}

/* ---- simple units ---------------------------------------------------------------------------- */

static int pg_client_query(struct pg *st, struct slice unit, struct sink *sink)
{
	struct reader r = reader_of(slice_skip(unit, PG_HEADER));
	struct request req = {.kind = st->is_replication ? REQUEST_REPLICATION : REQUEST_TEXT,
		.text = rd_cstr(&r)};

	if (!rd_done(&r))
		return PROTO_E_MALFORMED;
	pg_place_push(st, PG_QUERY, NULL, unit.n);
	return pg_request_emit(st, &req, sink);
}

static int pg_client_call(struct pg *st, struct slice unit, struct sink *sink)
{
	struct reader r = reader_of(slice_skip(unit, PG_HEADER));
	uint32_t oid = rd_be32(&r);
	struct request req = {.kind = REQUEST_CALL, .function = oid};
	int err = pg_params_read(&r, SLICE_NULL, sink->arena, &req.params, &req.n_params);

	if (err)
		return err;
	rd_be16(&r); /* result format */
	if (!rd_done(&r))
		return PROTO_E_MALFORMED;
	req.text = slice_str(arena_printf(
		sink->arena, "function call by number %u, %zu arguments", oid, req.n_params));
	if (!req.text.p)
		return PROTO_E_TOO_BIG;
	pg_place_push(st, PG_CALL, NULL, unit.n);
	return pg_request_emit(st, &req, sink);
}

static int pg_client_close(struct pg *st, struct slice unit, struct sink *sink)
{
	if (unit.n != PG_HEADER)
		return PROTO_E_MALFORMED;
	pg_span_skip(st, sink);
	sink_pass(sink, unit.n);
	sink->event.kind = EV_CLOSE;
	st->phase = PG_DONE;
	return 0;
}

/* ---- COPY ------------------------------------------------------------------------------------ */

/* The server reads data until CopyDone or CopyFail and ignores Sync and Flush among it; a Sync may
 * however find that copy-in has just failed, so its ReadyForQuery is expected and not insisted on.
 */
static int pg_client_copy(struct pg *st, struct slice unit, struct sink *sink)
{
	switch (unit.p[0]) {
	case 'c':
	case 'f':
		if (unit.p[0] == 'c' && unit.n != PG_HEADER)
			return PROTO_E_MALFORMED;
		if (st->copy == PG_COPY_IN)
			st->copy = PG_COPY_NONE;
		return pg_client_pass(unit, sink);
	case 'S':
	case 'H':
		if (unit.n != PG_HEADER)
			return PROTO_E_MALFORMED;
		st->loose_syncs += unit.p[0] == 'S';
		return pg_client_pass(unit, sink);
	}
	return PROTO_E_MALFORMED;
}

/* ---- dispatch -------------------------------------------------------------------------------- */

static int pg_client_unit(struct pg *st, struct slice unit, struct sink *sink)
{
	switch (unit.p[0]) {
	case 'Q':
		return pg_client_query(st, unit, sink);
	case 'P':
		return pg_client_parse(st, unit, sink);
	case 'B':
		return pg_client_bind(st, unit, sink);
	case 'D':
	case 'C':
		return pg_client_named(st, unit, sink);
	case 'E':
		return pg_client_execute(st, unit, sink);
	case 'S':
	case 'H':
		return pg_client_sync(st, unit, sink);
	case 'F':
		return pg_client_call(st, unit, sink);
	}
	return PROTO_E_MALFORMED;
}

bool pg_text_hangs_on_settings(struct slice text)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] == '\\' || text.p[i] >= 0x80)
			return true;
	return false;
}

/* Must the unit wait for the server? */
static bool pg_client_waits(const struct pg *st, struct slice unit)
{
	uint8_t type = unit.p[0];
	bool is_sync = type == 'S' || type == 'H';

	if (st->ask || bug(st->has_request))
		return true;
	/* What comes again comes before it. */
	if (pg_head(st) && pg_head(st)->is_retried)
		return true;
	if (is_sync)
		return false;
	if (st->n_barriers)
		return true;
	/* A ReadyForQuery more or less would give the answers that follow to the wrong places. */
	if (st->loose_syncs && !st->skips_to_sync)
		return true;
	if (!pg_has_outstanding(st))
		return false;
	/* A Sync on its way will bring the settings that the batch before it changed. */
	if (st->lexing_unknown)
		return true;
	return st->doubts_lexing && (type == 'Q' || type == 'P') &&
	       pg_text_hangs_on_settings(slice_skip(unit, PG_HEADER));
}

int pg_decode_client(struct pg *st, struct slice unit, struct sink *sink)
{
	uint8_t type = unit.p[0];
	int r;

	if (st->phase == PG_DONE)
		return PROTO_E_MALFORMED;
	if (type == 'X')
		return pg_client_close(st, unit, sink);
	/* Before anything waits for the server: the server waits for the end of the data. */
	if (st->copy == PG_COPY_IN || st->copy == PG_COPY_BOTH)
		return pg_client_copy(st, unit, sink);
	if (pg_client_waits(st, unit))
		return PROTO_E_NOT_NOW;
	if (type == 'd' || type == 'c' || type == 'f') {
		/* The server ignores copy messages out of place; whether they are depends on its
		 * reply. */
		return pg_has_outstanding(st) ? PROTO_E_NOT_NOW : pg_client_skip(st, unit, sink);
	}
	if (st->skips_to_sync && type != 'S')
		return pg_client_skip(st, unit, sink);
	r = pg_places_reserve(st, 1 + PG_PLACES_SPARE);
	if (r)
		return r;
	if (st->skips_to_sync)
		pg_span_skip(st, sink);
	return pg_client_unit(st, unit, sink);
}
