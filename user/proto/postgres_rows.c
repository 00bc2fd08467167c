/* SPDX-License-Identifier: Apache-2.0 */
/* Results: what their columns are, and the rows that the host wants to see. */
#include "proto/postgres_int.h"

bool pg_wants_rows(const struct pg *st, const struct pg_place *p)
{
	return p->want_rows && !st->rest_passes;
}

/* ---- RowDescription -------------------------------------------------------------------------- */

static void pg_column_read(struct reader *r, struct column *c)
{
	uint16_t format;
	uint32_t type;

	c->name = rd_cstr(r);
	c->table = rd_be32(r);
	c->attr = rd_be16(r);
	type = rd_be32(r);
	rd_be16(r); /* type length */
	rd_be32(r); /* type modifier */
	format = rd_be16(r);
	c->is_binary = format == 1;
	c->class = pg_type_class(type);
	c->width = pg_type_width(type);
	if (format > 1)
		r->bad = true;
}

int pg_columns_new(struct pg *st, struct slice unit, struct pg_columns **ret)
{
	struct slice body = slice_skip(unit, PG_HEADER);
	struct reader r = reader_of(body);
	uint16_t n = rd_be16(&r);
	struct pg_columns *c;
	uint8_t *copy;

	if (r.bad || n > PG_COLUMNS_MAX)
		return PROTO_E_MALFORMED;
	c = pg_mem(st, sizeof(*c) + n * sizeof(c->v[0]) + body.n);
	if (!c)
		return PROTO_E_TOO_BIG;
	*c = (struct pg_columns){.id = ++st->columns_id, .n = n};
	/* The names live as long as the columns do, hence a copy of the message behind them. */
	copy = (uint8_t *)&c->v[n];
	memcpy(copy, body.p, body.n);
	r = reader_of(slice_of(copy, body.n));
	rd_be16(&r);
	for (uint16_t i = 0; i < n; i++)
		pg_column_read(&r, &c->v[i]);
	if (!rd_done(&r)) {
		pg_mem_free(st, c);
		return PROTO_E_MALFORMED;
	}
	*ret = c;
	return 0;
}

/* ---- whole rows ------------------------------------------------------------------------------ */

int pg_row_values(struct slice unit, struct arena *arena, struct value **ret, size_t *ret_n)
{
	struct reader r = reader_of(slice_skip(unit, PG_HEADER));
	uint16_t n = rd_be16(&r);
	struct value *v;

	if (r.bad || (size_t)n * 4 > rd_left(&r))
		return PROTO_E_MALFORMED;
	v = arena_array(arena, n ? n : 1, sizeof(*v));
	if (!v)
		return PROTO_E_TOO_BIG;
	for (uint16_t i = 0; i < n; i++) {
		uint32_t len = rd_be32(&r);

		if (len != UINT32_MAX)
			v[i].bytes = rd_bytes(&r, len);
	}
	if (!rd_done(&r))
		return PROTO_E_MALFORMED;
	*ret = v;
	*ret_n = n;
	return 0;
}

/* Columns of the result that the head is giving. */
static const struct pg_columns *pg_columns(const struct pg *st)
{
	const struct pg_place *p = pg_head(st);

	if (!p)
		return NULL;
	return p->kind == PG_EXECUTE ? ((const struct pg_portal *)p->obj)->columns : st->columns;
}

int pg_row(struct pg *st, struct slice unit, struct sink *sink)
{
	struct pg_place *p = pg_head(st);
	const struct pg_columns *c = pg_columns(st);
	struct value *v;
	size_t n;
	int r;

	p->n_rows++;
	if (!pg_wants_rows(st, p)) {
		pg_count(st, unit.n);
		sink_pass(sink, unit.n);
		return 0;
	}
	r = pg_row_values(unit, sink->arena, &v, &n);
	if (r)
		return r;
	/* A row that cannot be told apart into its columns cannot be masked. */
	if (!c || c->n != n)
		return PROTO_E_MALFORMED;
	sink->event.kind = EV_ROW;
	sink->event.row.seq = p->seq;
	sink->event.row.columns = c->v;
	sink->event.row.columns_id = c->id;
	sink->event.row.n = n;
	sink->event.row.values = v;
	return 0;
}

static struct slice pg_row_build(const struct value *v, size_t n, struct arena *arena)
{
	size_t len = PG_HEADER + 2;
	struct writer w;
	uint8_t *mem;

	for (size_t i = 0; i < n; i++)
		len += 4 + (v[i].bytes.p ? v[i].bytes.n : 0);
	mem = len < INT32_MAX ? arena_alloc(arena, len) : NULL;
	w = writer_of(mem, mem ? len : 0);
	wr_u8(&w, 'D');
	wr_be32(&w, (uint32_t)len - 1);
	wr_be16(&w, (uint16_t)n);
	for (size_t i = 0; i < n; i++) {
		if (v[i].bytes.p)
			wr_be32_bytes(&w, v[i].bytes);
		else
			wr_be32(&w, UINT32_MAX);
	}
	return wr_done(&w);
}

int pg_settle_row(void *state, struct slice unit, const struct row_verdict *v, struct sink *sink)
{
	struct pg *st = state;
	const struct pg_columns *c = pg_columns(st);
	struct slice row;

	if (st->copy == PG_COPY_OUT)
		return pg_copy_settle(st, unit, v, sink);
	if (bug(!c))
		return PROTO_E_MALFORMED;
	st->rest_passes = v->pass_rest;
	if (!v->values) {
		pg_count(st, unit.n);
		sink_pass(sink, unit.n);
		return 0;
	}
	row = pg_row_build(v->values, c->n, sink->arena);
	if (!row.p)
		return PROTO_E_TOO_BIG;
	pg_count(st, row.n);
	sink_skip(sink, unit.n);
	sink_put(sink, SIDE_CLIENT, row);
	return sink->overflow ? PROTO_E_TOO_BIG : 0;
}

/* ---- streams --------------------------------------------------------------------------------- */

/* Gathers n bytes in s->head from the piece; true when they are there. */
static bool pg_gather(struct pg_stream *s, size_t n, uint8_t *p, size_t len, size_t *at)
{
	while (s->n_head < n && *at < len)
		s->head[s->n_head++] = p[(*at)++];
	if (s->n_head < n)
		return false;
	s->n_head = 0;
	return true;
}

static uint32_t pg_gathered_be32(const struct pg_stream *s, size_t at)
{
	struct reader r = reader_of(slice_of(s->head + at, 4));

	return rd_be32(&r);
}

static int pg_stream_open(struct pg *st, enum side from, struct pg_stream *s)
{
	const struct pg_place *p = pg_head(st);
	uint32_t n = pg_gathered_be32(s, 1);

	if (n < 4 || n > INT32_MAX || (s->head[0] != 'D' && s->head[0] != 'd'))
		return PROTO_E_MALFORMED;
	*s = (struct pg_stream){.is_open = true, .left = n - 4, .head = {s->head[0]}};
	if (from == SIDE_CLIENT)
		return 0;
	if (s->head[0] == 'd') {
		s->is_copy = st->copy == PG_COPY_OUT && p && p->want_rows && !p->is_copied;
		s->total = s->left;
		return 0;
	}
	if (!p)
		return PROTO_E_MALFORMED;
	s->is_row = pg_wants_rows(st, p);
	return s->is_row && !pg_columns(st) ? PROTO_E_MALFORMED : 0;
}

static void pg_stream_close(struct pg *st, enum side from, struct pg_stream *s)
{
	struct pg_place *p = pg_head(st);

	if (from == SIDE_SERVER && p)
		p->n_rows++;
	*s = (struct pg_stream){0};
}

/* A piece of a value that begins, or goes on, at p. */
static void pg_stream_show(
	struct pg *st, const struct pg_stream *s, uint8_t *p, size_t n, struct sink *sink)
{
	const struct pg_columns *c = s->is_copy ? NULL : pg_columns(st);

	sink->event.kind = EV_VALUE;
	sink->event.value.seq = pg_head(st)->seq;
	sink->event.value.columns = c ? c->v : NULL;
	sink->event.value.n_columns = c ? c->n : 0;
	sink->event.value.columns_id = c ? c->id : 0;
	sink->event.value.index = s->i;
	sink->event.value.p = p;
	sink->event.value.n = n;
	sink->event.value.offset = s->offset;
	sink->event.value.total = s->total;
}

/* The lengths between the values of a wanted row. 0 with *ret_ready when a value begins or goes on.
 */
static int pg_stream_lengths(struct pg *st, struct pg_stream *s, uint8_t *p, size_t n, size_t *at,
	bool *ret_ready, struct sink *sink)
{
	const struct pg_columns *c = pg_columns(st);
	size_t from = *at;
	uint32_t len;

	*ret_ready = false;
	if (!pg_gather(s, s->has_count ? 4 : 2, p, n, at))
		goto out;
	if (!s->has_count) {
		s->has_count = true;
		if (!c || c->n != (size_t)(s->head[0] << 8 | s->head[1]))
			return PROTO_E_MALFORMED;
		goto out;
	}
	len = pg_gathered_be32(s, 0);
	if (s->i >= c->n || (len != UINT32_MAX && len > s->left - (*at - from)))
		return PROTO_E_MALFORMED;
	s->offset = 0;
	s->total = len == UINT32_MAX ? 0 : len;
	if (!s->total) {
		pg_stream_show(st, s, p + *at, 0, sink);
		sink->event.value.is_null = len == UINT32_MAX;
		s->i++;
		goto out;
	}
	s->has_value = true;
	*ret_ready = true;
out:
	if (*at - from > s->left)
		return PROTO_E_MALFORMED;
	s->left -= *at - from;
	return 0;
}

static void pg_stream_value(
	struct pg *st, struct pg_stream *s, uint8_t *p, size_t n, size_t *at, struct sink *sink)
{
	size_t len = n - *at;

	if (len > s->total - s->offset)
		len = (size_t)(s->total - s->offset);
	if (!len)
		return;
	pg_stream_show(st, s, p + *at, len, sink);
	s->offset += len;
	s->left -= len;
	*at += len;
	if (s->offset == s->total) {
		s->has_value = false;
		s->i++;
	}
}

/* Up to the next EV_VALUE, the end of the row, or the end of the piece. */
static int pg_stream_row(
	struct pg *st, struct pg_stream *s, uint8_t *p, size_t n, size_t *at, struct sink *sink)
{
	while (s->left && *at < n && sink->event.kind == EV_NONE) {
		bool is_ready = s->has_value;
		size_t before = s->left;
		int r = is_ready ? 0 : pg_stream_lengths(st, s, p, n, at, &is_ready, sink);

		if (r)
			return r;
		if (is_ready)
			pg_stream_value(st, s, p, n, at, sink);
		if (bug(s->left > before))
			return PROTO_E_MALFORMED;
	}
	if (!s->left && (s->n_head || !s->has_count || s->i != pg_columns(st)->n))
		return PROTO_E_MALFORMED;
	return 0;
}

int pg_stream(
	void *state, enum side from, uint8_t *p, size_t n, size_t *ret_used, struct sink *sink)
{
	struct pg *st = state;
	struct pg_stream *s = &st->stream[from];
	size_t at = 0;
	int r;

	while (at < n && sink->event.kind == EV_NONE) {
		if (!s->is_open) {
			if (!pg_gather(s, PG_HEADER, p, n, &at))
				break;
			r = pg_stream_open(st, from, s);
			if (r)
				return r;
			if (s->is_row) {
				pg_stream_show(st, s, p + at, 0, sink);
				sink->event.kind = EV_BIG_ROW;
			}
		} else if (s->is_row) {
			r = pg_stream_row(st, s, p, n, &at, sink);
			if (r)
				return r;
		} else {
			size_t len = s->left < n - at ? s->left : n - at;

			if (s->is_copy && len)
				pg_stream_show(st, s, p + at, len, sink);
			s->offset += s->is_copy ? len : 0;
			s->left -= len;
			at += len;
		}
		if (s->is_open && !s->left)
			pg_stream_close(st, from, s);
	}
	if (from == SIDE_SERVER)
		pg_count(st, at);
	*ret_used = at;
	return 0;
}

void pg_unread(void *state, size_t n)
{
	struct pg *st = state;
	struct pg_stream *s = &st->stream[SIDE_SERVER];

	if (!n && s->is_row && !s->has_count && !s->n_head) {
		*s = (struct pg_stream){0};
		return;
	}
	if (bug(!s->is_open || !s->has_value || n > s->offset))
		return;
	s->offset -= n;
	s->left += n;
	if (pg_head(st))
		pg_head(st)->bytes -= n;
}
