/* SPDX-License-Identifier: Apache-2.0 */
/* The PostgreSQL decoder's vtable, its framing, and the small questions. See postgres_int.h. */
#include "proto/postgres_int.h"

/* ---- frame ----------------------------------------------------------------------------------- */

/* Longest message of each type, its header included; 0: no such type. Anything that may legally be
 * longer than its cap (a 1 GiB Query) is refused, never split. */
static size_t pg_client_max(uint8_t type)
{
	switch (type) {
	case 'Q':
	case 'P':
	case 'B':
	case 'F':
	case 'd':
		return PG_UNIT_MAX;
	case 'p':
		return PG_AUTH_MAX;
	case 'E':
	case 'D':
	case 'C':
	case 'H':
	case 'S':
	case 'X':
	case 'c':
	case 'f':
		return PG_SMALL_MAX;
	}
	return 0;
}

static size_t pg_server_max(uint8_t type)
{
	return type && strchr("RSKNEAZvTtnD123CIsGHWcdV", type) ? PG_UNIT_MAX : 0;
}

/* Bytes in all of a typed message, or 0 for nonsense. 64-bit: a length near 4 GiB must not wrap. */
static uint64_t pg_message_len(struct slice in)
{
	struct reader r = reader_of(slice_of(in.p + 1, 4));
	uint32_t n = rd_be32(&r);

	return n < 4 || n > INT32_MAX ? 0 : 1 + (uint64_t)n;
}

static bool pg_is_stream(const struct pg *st, enum side from, uint8_t type, uint64_t len)
{
	const struct pg_place *p = pg_head(st);

	if (from == SIDE_CLIENT)
		return type == 'd' && (st->copy == PG_COPY_IN || st->copy == PG_COPY_BOTH);
	if (st->ask)
		return false;
	if (type == 'D')
		return p && (p->kind == PG_QUERY || p->kind == PG_EXECUTE) &&
		       (!pg_wants_rows(st, p) || len > PG_ROW_WHOLE_MAX);
	return type == 'd' &&
	       (st->copy == PG_COPY_BOTH ||
		       (st->copy == PG_COPY_OUT && p &&
			       (!p->want_rows || (p->is_copied && st->rest_passes) ||
				       (p->streams_copy && len > PG_ROW_WHOLE_MAX))));
}

/* Rows that nobody looks at pass in one go: as many as begin within the bytes at hand. */
static size_t pg_run_len(struct slice in, size_t len)
{
	while (len < in.n && in.n - len >= PG_HEADER && in.p[len] == in.p[0]) {
		uint64_t next = pg_message_len(slice_skip(in, len));

		if (!next)
			break;
		len += next;
	}
	return len;
}

static int pg_frame(const void *state, enum side from, struct slice in, struct frame *ret)
{
	const struct pg *st = state;
	size_t max;
	uint64_t len;

	*ret = (struct frame){.len = PG_HEADER};
	if (from == SIDE_CLIENT && st->phase == PG_START)
		return pg_startup_frame(in, ret);
	if (!in.n)
		return 0;
	max = from == SIDE_CLIENT ? pg_client_max(in.p[0]) : pg_server_max(in.p[0]);
	if (!max)
		return PROTO_E_MALFORMED;
	if (in.n < PG_HEADER)
		return 0;
	len = pg_message_len(in);
	if (!len)
		return PROTO_E_MALFORMED;
	ret->is_stream = pg_is_stream(st, from, in.p[0], len);
	if (!ret->is_stream && len > max)
		return PROTO_E_TOO_BIG;
	ret->len = len;
	if (ret->is_stream && from == SIDE_SERVER && st->copy != PG_COPY_BOTH &&
		!pg_wants_rows(st, pg_head(st)))
		ret->len = pg_run_len(in, len);
	return 0;
}

/* ---- life ------------------------------------------------------------------------------------ */

static int pg_init(void *state, struct pool *pool, const uint8_t vkey[static 4])
{
	struct pg *st = state;

	*st = (struct pg){.pool = pool, .tx = TX_UNKNOWN, .n_ring = PG_PLACES_MIN};
	memcpy(st->vkey, vkey, sizeof(st->vkey));
	st->ring = pool_alloc(pool, PG_PLACES_MIN * sizeof(*st->ring));
	return st->ring ? 0 : PROTO_E_TOO_BIG;
}

static void pg_fini(void *state)
{
	struct pg *st = state;
	struct slice *const kept[] = {&st->encoding, &st->scs, &st->search_path, &st->superuser,
		&st->server_version, &st->user, &st->database};

	for (; st->ring && st->head != st->tail; st->head++)
		pg_place_clear(st, pg_place_at(st, st->head));
	pool_free(st->pool, st->ring);
	pg_names_deinit(st, &st->portals);
	pg_names_deinit(st, &st->stmts);
	pg_mem_free(st, st->columns);
	pg_mem_free(st, st->copy_out.columns);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		pg_mem_free(st, (void *)(uintptr_t)kept[i]->p);
	for (size_t i = 0; i < 2; i++) {
		while (st->spare[i]) {
			void *block = st->spare[i];

			/* The link is the first member of a spare block. */
			st->spare[i] = *(struct pg_block **)block;
			pool_free(st->pool, block);
		}
	}
	explicit_bzero(st->real_key, sizeof(st->real_key));
	*st = (struct pg){0};
}

/* ---- decode ---------------------------------------------------------------------------------- */

static int pg_decode(void *state, enum side from, struct slice unit, struct sink *sink)
{
	struct pg *st = state;
	int r;

	if (from == SIDE_CLIENT)
		r = st->phase < PG_READY ? pg_startup_client(st, unit, sink)
					 : pg_decode_client(st, unit, sink);
	else if (st->ask)
		r = pg_ask_unit(st, unit, sink);
	else if (st->phase < PG_READY)
		r = pg_startup_server(st, unit, sink);
	else
		r = pg_decode_server(st, unit, sink);
	if (!r && sink->overflow)
		return PROTO_E_TOO_BIG;
	return r;
}

/* ---- questions ------------------------------------------------------------------------------- */

static enum tx_state pg_tx(const void *state)
{
	return ((const struct pg *)state)->tx;
}

static struct slice pg_name_text(const void *state, struct slice name)
{
	const struct pg *st = state;
	const struct pg_stmt *s = (const struct pg_stmt *)pg_names_get(&st->stmts, name);

	/* Either of two texts is not a text. */
	return s && !s->is_suspect ? s->text : SLICE_NULL;
}

static bool pg_name_is_sql(const void *state, bool is_portal, struct slice name)
{
	const struct pg *st = state;
	const struct pg_named *n = pg_names_get(is_portal ? &st->portals : &st->stmts, name);
	const struct pg_stmt *s =
		n && is_portal ? ((const struct pg_portal *)n)->stmt : (const struct pg_stmt *)n;

	return s && s->is_sql;
}

static struct slice pg_portal_text(const void *state, struct slice name)
{
	const struct pg *st = state;
	const struct pg_portal *p = (const struct pg_portal *)pg_names_get(&st->portals, name);

	return p && p->stmt && !p->stmt->is_suspect ? p->stmt->text : SLICE_NULL;
}

static void pg_name_forget(void *state, bool is_portal, struct slice name)
{
	struct pg *st = state;

	pg_names_remove(st, is_portal ? &st->portals : &st->stmts, name);
}

static uint64_t pg_lexing(const void *state, bool *ret_readable)
{
	const struct pg *st = state;

	*ret_readable = st->is_readable && !st->lexing_unknown;
	return *ret_readable ? st->lexing : 0;
}

static struct slice pg_cancel_request(const void *state, struct arena *arena)
{
	const struct pg *st = state;
	size_t n = 12 + st->real_key_len;
	uint8_t *mem = st->real_key_len ? arena_alloc(arena, n) : NULL;
	struct writer w;

	if (!mem)
		return SLICE_NULL;
	w = writer_of(mem, n);
	wr_be32(&w, (uint32_t)n);
	wr_be32(&w, 80877102);
	wr_be32(&w, st->real_id);
	wr_bytes(&w, st->real_key, st->real_key_len);
	return wr_done(&w);
}

static bool pg_cancel_matches(const void *state, uint32_t id, struct slice key)
{
	const struct pg *st = state;
	uint8_t diff = (uint8_t)(key.n != sizeof(st->vkey));

	/* Every byte is looked at, whatever the others were: time tells nothing about the key. */
	for (size_t i = 0; i < sizeof(st->vkey); i++)
		diff |= (uint8_t)(st->vkey[i] ^ (i < key.n ? key.p[i] : 0));
	return diff == 0 && st->real_key_len && id == st->real_id;
}

static uint32_t pg_server_id(const void *state)
{
	const struct pg *st = state;

	return st->real_key_len ? st->real_id : 0;
}

const struct protocol protocol_postgres = {
	.name = "postgres",
	.port = 5432,
	.state_size = sizeof(struct pg),
	.unit_max = PG_UNIT_MAX,
	.request_max = PG_SPAN_MAX,
	.session_mem_max = PG_MEM_MAX,
	.init = pg_init,
	.fini = pg_fini,
	.probe = pg_probe,
	.frame = pg_frame,
	.decode = pg_decode,
	.stream = pg_stream,
	.unread = pg_unread,
	.next_event = pg_next_event,
	.settle = pg_settle,
	.settle_row = pg_settle_row,
	.settle_text = pg_settle_text,
	.is_drained = pg_is_drained,
	.drain = pg_drain,
	.say = pg_say,
	.ask = pg_ask,
	.ask_columns = pg_ask_columns,
	.where = pg_where,
	.has_portals = pg_has_portals,
	.split = pg_split,
	.tx = pg_tx,
	.name_text = pg_name_text,
	.portal_text = pg_portal_text,
	.name_is_sql = pg_name_is_sql,
	.name_forget = pg_name_forget,
	.lexing = pg_lexing,
	.cancel_request = pg_cancel_request,
	.cancel_matches = pg_cancel_matches,
	.server_id = pg_server_id,
};
