/* SPDX-License-Identifier: Apache-2.0 */
/* What the host itself wants of the stream: words to the client, a flush, questions to the server.
 */
#include "proto/postgres_int.h"

#define PG_ASK_NAME "holdfast_q"

/* ---- say ------------------------------------------------------------------------------------- */

/* Half a unit is already on its way to the client. */
static bool pg_is_mid_unit(const struct pg *st)
{
	const struct pg_stream *s = &st->stream[SIDE_SERVER];

	return s->is_open || s->n_head;
}

int pg_say(void *state, enum say_kind kind, enum refusal why, struct slice text, struct sink *sink)
{
	struct pg *st = state;
	struct verdict v = {.message = text};

	if (pg_is_mid_unit(st))
		return PROTO_E_NOT_NOW;
	switch (kind) {
	case SAY_HELD:
	case SAY_STILL:
		if (st->phase != PG_AUTHED && st->phase != PG_READY)
			return PROTO_E_NOT_NOW;
		sink_put(
			sink, SIDE_CLIENT, pg_words(sink->arena, NULL, 'N', "NOTICE", "01000", &v));
		break;
	case SAY_FATAL:
		st->phase = PG_DONE;
		sink_put(sink, SIDE_CLIENT,
			pg_words(sink->arena, NULL, 'E', "FATAL", pg_refusal_code(why), &v));
		break;
	}
	return sink->overflow ? PROTO_E_TOO_BIG : 0;
}

/* ---- drain ----------------------------------------------------------------------------------- */

bool pg_is_drained(const void *state)
{
	const struct pg *st = state;

	return !pg_has_outstanding(st) && !st->ask;
}

/* Syncs among data of a COPY that failed: were they swallowed, or does the server answer them? That
 * is told by the answer to something behind them; nothing is closed by it. */
static int pg_probe_syncs(struct pg *st, struct sink *sink)
{
	const struct slice name = SLICE_LIT(PG_ASK_NAME "_sync");
	uint8_t body[64];
	struct writer w = writer_of(body, sizeof(body));
	struct pg_stmt *s;

	if (st->is_probing || st->sent != st->tail || pg_places_reserve(st, 1))
		return 0;
	s = pg_stmt_new(st, name, SLICE_NULL, SLICE_NULL);
	if (!s)
		return PROTO_E_TOO_BIG;
	pg_place_push(st, PG_CLOSE_S, &s->named, 0)->is_hidden = true;
	st->sent = st->tail;
	st->is_probing = st->is_flushed = st->batch_open = true;
	wr_u8(&w, 'S');
	wr_cstr(&w, name);
	sink_put(sink, SIDE_SERVER, pg_message(sink->arena, 'C', wr_done(&w)));
	sink_put(sink, SIDE_SERVER, pg_message(sink->arena, 'H', SLICE_LIT("")));
	return sink->overflow ? PROTO_E_TOO_BIG : 0;
}

int pg_drain(void *state, struct sink *sink)
{
	struct pg *st = state;
	const struct pg_place *p = pg_head(st);

	if (st->loose_syncs && !st->skips_to_sync && (!p || p->kind == PG_SYNC))
		return pg_probe_syncs(st, sink);
	if (!pg_has_outstanding(st) || st->is_flushed || st->copy != PG_COPY_NONE)
		return 0;
	st->is_flushed = true;
	sink_put(sink, SIDE_SERVER, pg_message(sink->arena, 'H', SLICE_LIT("")));
	return sink->overflow ? PROTO_E_TOO_BIG : 0;
}

/* ---- ask ------------------------------------------------------------------------------------- */

static void pg_ask_part(struct writer *w, uint8_t type, size_t *ret_at)
{
	wr_u8(w, type);
	*ret_at = w->n;
	wr_be32(w, 0);
}

static void pg_ask_part_end(struct writer *w, size_t at)
{
	wr_patch_be32(w, at, (uint32_t)(w->n - at));
}

/* Extended protocol under names of our own: the client's unnamed statement stays what it was. */
static struct slice pg_ask_messages(struct slice text, struct arena *arena)
{
	const struct slice name = SLICE_LIT(PG_ASK_NAME);
	size_t max = 128 + text.n, at;
	uint8_t *mem = arena_alloc(arena, max);
	struct writer w = writer_of(mem, mem ? max : 0);

	pg_ask_part(&w, 'P', &at);
	wr_cstr(&w, name);
	wr_cstr(&w, text);
	wr_be16(&w, 0);
	pg_ask_part_end(&w, at);
	pg_ask_part(&w, 'B', &at);
	wr_cstr(&w, name);
	wr_cstr(&w, name);
	wr_be16(&w, 0); /* parameter formats */
	wr_be16(&w, 0); /* parameters */
	wr_be16(&w, 0); /* result formats: all text */
	pg_ask_part_end(&w, at);
	pg_ask_part(&w, 'E', &at);
	wr_cstr(&w, name);
	wr_be32(&w, 0);
	pg_ask_part_end(&w, at);
	pg_ask_part(&w, 'C', &at);
	wr_u8(&w, 'S');
	wr_cstr(&w, name);
	pg_ask_part_end(&w, at);
	pg_ask_part(&w, 'S', &at);
	pg_ask_part_end(&w, at);
	return wr_done(&w);
}

int pg_ask(void *state, struct slice text, struct sink *sink)
{
	struct pg *st = state;
	struct slice messages;

	if (st->phase != PG_READY || st->tx != TX_NONE || st->ask || pg_has_outstanding(st) ||
		st->batch_open || st->skips_to_sync || st->loose_syncs || st->copy != PG_COPY_NONE)
		return PROTO_E_NOT_NOW;
	messages = pg_ask_messages(text, sink->arena);
	if (!messages.p || memchr(text.p, 0, text.n))
		return PROTO_E_TOO_BIG;
	st->ask = PG_ASK_RUNNING;
	sink_put(sink, SIDE_SERVER, messages);
	return sink->overflow ? PROTO_E_TOO_BIG : 0;
}

static int pg_ask_end(struct pg *st, struct slice unit, struct sink *sink)
{
	if (unit.n != PG_HEADER + 1 || unit.p[PG_HEADER] != 'I')
		return PROTO_E_MALFORMED;
	sink->event.kind = EV_ANSWER;
	sink->event.answer.is_end = true;
	sink->event.answer.failed = st->ask == PG_ASK_FAILED;
	sink->event.answer.values = NULL;
	sink->event.answer.n = 0;
	st->ask = PG_ASK_NONE;
	return 0;
}

static int pg_ask_row(struct slice unit, struct sink *sink)
{
	struct value *v;
	size_t n;
	int r = pg_row_values(unit, sink->arena, &v, &n);

	if (r)
		return r;
	sink->event.kind = EV_ANSWER;
	sink->event.answer.is_end = sink->event.answer.failed = false;
	sink->event.answer.values = v;
	sink->event.answer.n = n;
	return 0;
}

int pg_ask_unit(struct pg *st, struct slice unit, struct sink *sink)
{
	int r;

	switch (unit.p[0]) {
	case 'S':
		r = pg_parameter_status(st, unit);
		return r ? r : pg_text(st, unit, false, sink);
	case 'A':
		return pg_text(st, unit, false, sink);
	case 'E':
		st->ask = PG_ASK_FAILED;
		break;
	case '1':
	case '2':
	case '3':
	case 'C':
	case 'I':
	case 'N':
		break;
	case 'D':
		sink_skip(sink, unit.n);
		return pg_ask_row(unit, sink);
	case 'Z':
		sink_skip(sink, unit.n);
		return pg_ask_end(st, unit, sink);
	default:
		return PROTO_E_MALFORMED;
	}
	sink_skip(sink, unit.n);
	return 0;
}
