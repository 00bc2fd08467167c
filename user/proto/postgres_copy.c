/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of COPY TO that the host wants to see: CopyData taken apart into values, and put together
 * again as the server would have written them (src/backend/commands/copyto.c). What the columns are
 * was asked before (pg_ask_columns). The server writes one row a message, the header of a binary
 * copy in front of the first; whatever is not of that form ends the session.
 *
 * How a value is written must not tell anything of the one that it replaces: whether CSV quotes it
 * hangs on the new one alone.
 */
#include "proto/postgres_int.h"

enum { PG_COPY_SIGNATURE = 11 };
static const uint8_t pg_copy_signature[PG_COPY_SIGNATURE] = "PGCOPY\n\377\r\n";

/* One CopyData: what stands in front of the row, and the row; `has_row`: there is one. In the arena
 * from pg_copy_row() to pg_copy_settle(). */
struct pg_copy_unit {
	struct slice head;
	bool has_row;
	struct slice *raw; /* each field as it is written; p == NULL: NULL of COPY_BINARY */
	struct value *values;
};

/* ---- text ------------------------------------------------------------------------------------ */

static uint8_t pg_copy_unescape(uint8_t c)
{
	switch (c) {
	case 'b':
		return '\b';
	case 'f':
		return '\f';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	case 'v':
		return '\v';
	}
	return c;
}

/* The field at the beginning of *line, without the delimiter behind it; false: it is not closed. */
static bool pg_copy_text_field(
	const struct copy_format *f, struct slice *line, struct slice *ret_raw, bool *ret_more)
{
	size_t n = 0;

	while (n < line->n && line->p[n] != f->delimiter && line->p[n] != '\n') {
		n += line->p[n] == '\\' ? 2 : 1;
		if (n > line->n)
			return false;
	}
	*ret_raw = slice_head(*line, n);
	*ret_more = n < line->n && line->p[n] == f->delimiter;
	*line = slice_skip(*line, n + *ret_more);
	return true;
}

static struct slice pg_copy_text_value(struct slice raw, uint8_t *to)
{
	size_t n = 0;

	for (size_t i = 0; i < raw.n; i++)
		to[n++] =
			raw.p[i] == '\\' && i + 1 < raw.n ? pg_copy_unescape(raw.p[++i]) : raw.p[i];
	return slice_of(to, n);
}

static void pg_copy_text_write(const struct copy_format *f, struct writer *w, struct slice value)
{
	static const char plain[] = "\b\f\n\r\t\v\\", written[] = "bfnrtv\\";

	for (size_t i = 0; i < value.n; i++) {
		uint8_t c = value.p[i];
		const char *at = c ? strchr(plain, c) : NULL;

		if (at || c == f->delimiter)
			wr_u8(w, '\\');
		wr_u8(w, at ? (uint8_t)written[at - plain] : c);
	}
}

/* ---- CSV ------------------------------------------------------------------------------------- */

static bool pg_copy_csv_field(
	const struct copy_format *f, struct slice *line, struct slice *ret_raw, bool *ret_more)
{
	bool is_quoted = line->n && line->p[0] == f->quote;
	size_t n = is_quoted;

	if (is_quoted) {
		for (;; n++) {
			if (n + 1 >= line->n)
				return false;
			if (line->p[n] == f->escape &&
				(line->p[n + 1] == f->escape || line->p[n + 1] == f->quote))
				n++;
			else if (line->p[n] == f->quote)
				break;
		}
		n++;
	} else {
		while (n < line->n && line->p[n] != f->delimiter && line->p[n] != '\n')
			n++;
	}
	if (n >= line->n || (line->p[n] != f->delimiter && line->p[n] != '\n'))
		return false;
	*ret_raw = slice_head(*line, n);
	*ret_more = line->p[n] == f->delimiter;
	*line = slice_skip(*line, n + *ret_more);
	return true;
}

static struct slice pg_copy_csv_value(const struct copy_format *f, struct slice raw, uint8_t *to)
{
	size_t n = 0;

	if (!raw.n || raw.p[0] != f->quote)
		return raw;
	raw = slice_head(slice_skip(raw, 1), raw.n - 2);
	for (size_t i = 0; i < raw.n; i++) {
		bool is_escape = raw.p[i] == f->escape && i + 1 < raw.n &&
				 (raw.p[i + 1] == f->escape || raw.p[i + 1] == f->quote);

		i += is_escape;
		to[n++] = raw.p[i];
	}
	return slice_of(to, n);
}

static void pg_copy_csv_write(
	const struct copy_format *f, struct writer *w, struct slice value, bool is_alone)
{
	bool quotes = f->forces_quotes || slice_eq(value, copy_null(f)) ||
		      (is_alone && slice_eq_str(value, "\\."));

	for (size_t i = 0; i < value.n; i++)
		quotes |= value.p[i] == f->delimiter || value.p[i] == f->quote ||
			  value.p[i] == '\n' || value.p[i] == '\r';
	if (!quotes) {
		wr_slice(w, value);
		return;
	}
	wr_u8(w, f->quote);
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] == f->quote || value.p[i] == f->escape)
			wr_u8(w, f->escape);
		wr_u8(w, value.p[i]);
	}
	wr_u8(w, f->quote);
}

/* ---- units ----------------------------------------------------------------------------------- */

/* In text a value that is the same as what stands for NULL is written the same, and whoever chooses
 * that would learn by it which value it is. So only `\N`, which no value is written as, is NULL;
 * anything else may be a value. CSV quotes such a value. */
static bool pg_copy_is_null(const struct copy_format *f, struct slice raw)
{
	return slice_eq(raw, copy_null(f)) && (f->kind == COPY_CSV || slice_eq_str(raw, "\\N"));
}

/* One line. */
static int pg_copy_read_line(const struct copy_format *f, struct slice line, size_t n,
	struct pg_copy_unit *u, struct arena *arena)
{
	uint8_t *to = arena_alloc(arena, line.n + 1);
	bool more = true;

	if (!to)
		return PROTO_E_TOO_BIG;
	for (size_t i = 0; i < n; i++) {
		struct slice raw;

		if (!more || !(f->kind == COPY_CSV ? pg_copy_csv_field(f, &line, &raw, &more)
						   : pg_copy_text_field(f, &line, &raw, &more)))
			return PROTO_E_MALFORMED;
		u->raw[i] = raw;
		if (pg_copy_is_null(f, raw))
			u->values[i].bytes = SLICE_NULL;
		else
			u->values[i].bytes = f->kind == COPY_CSV ? pg_copy_csv_value(f, raw, to)
								 : pg_copy_text_value(raw, to);
		/* An empty value is none that is NULL. */
		if (!pg_copy_is_null(f, raw) && !u->values[i].bytes.p)
			u->values[i].bytes = slice_of(to, 0);
		to += u->values[i].bytes.n;
	}
	u->has_row = true;
	return (n && more) || line.n != 1 || line.p[0] != '\n' ? PROTO_E_MALFORMED : 0;
}

static int pg_copy_read_binary(const struct pg *st, struct reader *r, struct pg_copy_unit *u)
{
	const uint8_t *begin = r->p;
	size_t n = st->copy_out.columns->n;
	uint16_t count;

	if (!st->copy_out.has_begun) {
		struct slice signature = rd_bytes(r, PG_COPY_SIGNATURE);

		if (!slice_eq(signature, slice_of(pg_copy_signature, PG_COPY_SIGNATURE)))
			return PROTO_E_MALFORMED;
		rd_be32(r); /* flags */
		rd_be32_bytes(r);
	}
	count = rd_be16(r);
	u->has_row = count != UINT16_MAX;
	if (r->bad || (u->has_row && count != n))
		return PROTO_E_MALFORMED;
	u->head = slice_of(begin, (size_t)(r->p - begin));
	for (size_t i = 0; u->has_row && i < n; i++) {
		uint32_t len = rd_be32(r);

		u->raw[i] = len == UINT32_MAX ? SLICE_NULL : rd_bytes(r, len);
		u->values[i].bytes = u->raw[i];
	}
	return rd_done(r) ? 0 : PROTO_E_MALFORMED;
}

static int pg_copy_read(
	const struct pg *st, struct slice unit, struct pg_copy_unit *u, struct arena *arena)
{
	const struct copy_format *f = &st->copy_out.format;
	struct reader r = reader_of(slice_skip(unit, PG_HEADER));
	size_t n = st->copy_out.columns->n;

	*u = (struct pg_copy_unit){
		.raw = arena_array(arena, n + 1, sizeof(*u->raw)),
		.values = arena_array(arena, n + 1, sizeof(*u->values)),
	};
	if (!u->raw || !u->values)
		return PROTO_E_TOO_BIG;
	if (f->kind == COPY_BINARY)
		return pg_copy_read_binary(st, &r, u);
	if (f->has_header && !st->copy_out.has_begun) {
		u->head = rd_rest(&r);
		return 0;
	}
	return pg_copy_read_line(f, rd_rest(&r), n, u, arena);
}

/* The message with these values, of which those that are the same stay as they are written. */
static int pg_copy_build(const struct pg *st, const struct pg_copy_unit *u,
	const struct value *values, struct arena *arena, struct slice *ret)
{
	const struct copy_format *f = &st->copy_out.format;
	size_t n = st->copy_out.columns->n, max = PG_HEADER + u->head.n + 2;
	struct writer w;
	uint8_t *mem;

	for (size_t i = 0; i < n; i++)
		max += u->raw[i].n + 2 * values[i].bytes.n + f->null_len + 8;
	mem = max < INT32_MAX ? arena_alloc(arena, max) : NULL;
	w = writer_of(mem, mem ? max : 0);
	wr_u8(&w, 'd');
	wr_be32(&w, 0);
	wr_slice(&w, u->head);
	for (size_t i = 0; i < n; i++) {
		struct slice v = values[i].bytes, was = u->values[i].bytes;
		bool is_same = v.p == was.p && v.n == was.n;

		if (f->kind == COPY_BINARY) {
			if (v.p)
				wr_be32_bytes(&w, v);
			else
				wr_be32(&w, UINT32_MAX);
			continue;
		}
		if (i)
			wr_u8(&w, f->delimiter);
		if (is_same)
			wr_slice(&w, u->raw[i]);
		else if (!v.p)
			wr_slice(&w, copy_null(f));
		else if (f->kind == COPY_CSV)
			pg_copy_csv_write(f, &w, v, n == 1);
		else
			pg_copy_text_write(f, &w, v);
	}
	if (f->kind != COPY_BINARY)
		wr_u8(&w, '\n');
	wr_patch_be32(&w, 1, (uint32_t)w.n - 1);
	*ret = wr_done(&w);
	return ret->p ? 0 : PROTO_E_TOO_BIG;
}

static void pg_copy_out(struct pg *st, struct slice unit, struct slice shown, struct sink *sink)
{
	pg_count(st, shown.n);
	if (shown.p == unit.p) {
		sink_pass(sink, unit.n);
		return;
	}
	sink_skip(sink, unit.n);
	sink_put(sink, SIDE_CLIENT, shown);
}

/* ---- the copy -------------------------------------------------------------------------------- */

int pg_copy_begin(struct pg *st, struct slice unit)
{
	struct pg_copy_out *c = &st->copy_out;
	struct reader r = reader_of(slice_skip(unit, PG_HEADER));
	bool is_binary = rd_u8(&r);
	uint16_t n = rd_be16(&r);

	c->has_begun = false;
	st->rest_passes = false;
	if (is_binary != (c->format.kind == COPY_BINARY))
		return PROTO_E_MALFORMED;
	c->is_blind = !c->columns || c->columns->n != n;
	if (c->is_blind) {
		pg_mem_free(st, c->columns);
		c->columns = pg_mem(st, sizeof(*c->columns) + n * sizeof(c->columns->v[0]));
		if (!c->columns)
			return PROTO_E_TOO_BIG;
		*c->columns = (struct pg_columns){.id = ++st->columns_id, .n = n};
		memset(c->columns->v, 0, n * sizeof(c->columns->v[0]));
	}
	for (uint16_t i = 0; i < n; i++)
		c->columns->v[i].is_binary = is_binary;
	return 0;
}

int pg_copy_row(struct pg *st, struct slice unit, struct sink *sink)
{
	struct pg_copy_out *c = &st->copy_out;
	struct pg_place *p = pg_head(st);
	struct slice shown = unit;
	struct pg_copy_unit *u;
	int r;

	if (st->rest_passes) {
		p->n_rows++;
		pg_copy_out(st, unit, unit, sink);
		return 0;
	}
	u = arena_alloc(sink->arena, sizeof(*u));
	r = u ? pg_copy_read(st, unit, u, sink->arena) : PROTO_E_TOO_BIG;
	if (r)
		return r;
	p->n_rows += u->has_row;
	if (u->has_row && !c->is_blind) {
		c->unit = u;
		sink->event.kind = EV_ROW;
		sink->event.row.seq = p->seq;
		sink->event.row.columns = c->columns->v;
		sink->event.row.columns_id = c->columns->id;
		sink->event.row.n = c->columns->n;
		sink->event.row.values = u->values;
		return 0;
	}
	if (u->has_row) {
		struct value *nothing =
			arena_array(sink->arena, (size_t)c->columns->n + 1, sizeof(*nothing));

		r = nothing ? pg_copy_build(st, u, nothing, sink->arena, &shown) : PROTO_E_TOO_BIG;
	}
	c->has_begun = true;
	if (!r)
		pg_copy_out(st, unit, shown, sink);
	return r;
}

int pg_copy_settle(struct pg *st, struct slice unit, const struct row_verdict *v, struct sink *sink)
{
	struct slice shown = unit;
	int r = 0;

	if (bug(!st->copy_out.unit))
		return PROTO_E_MALFORMED;
	st->rest_passes = v->pass_rest;
	if (v->values)
		r = pg_copy_build(st, st->copy_out.unit, v->values, sink->arena, &shown);
	st->copy_out.unit = NULL;
	st->copy_out.has_begun = true;
	if (r)
		return r;
	pg_copy_out(st, unit, shown, sink);
	return sink->overflow ? PROTO_E_TOO_BIG : 0;
}
