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
	if (!pg_has_outstanding(st) || st->is_flushed || pg_copy_reads(st))
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

static void pg_ask_close(struct writer *w, const char *kinds)
{
	size_t at;

	for (; *kinds; kinds++) {
		pg_ask_part(w, 'C', &at);
		wr_u8(w, (uint8_t)*kinds);
		wr_cstr(w, SLICE_LIT(PG_ASK_NAME));
		pg_ask_part_end(w, at);
	}
}

static void pg_ask_parse(struct writer *w, struct slice text)
{
	size_t at;

	pg_ask_part(w, 'P', &at);
	wr_cstr(w, SLICE_LIT(PG_ASK_NAME));
	wr_cstr(w, text);
	wr_be16(w, 0);
	pg_ask_part_end(w, at);
}

/* Extended protocol under names of our own: the client's unnamed statement and portal stay what
 * they were, and nothing of ours is there to be seen afterwards. `end`: Sync or Flush. */
static struct slice pg_ask_messages(struct slice text, uint8_t end, struct arena *arena)
{
	const struct slice name = SLICE_LIT(PG_ASK_NAME);
	size_t max = 160 + text.n, at;
	uint8_t *mem = arena_alloc(arena, max);
	struct writer w = writer_of(mem, mem ? max : 0);

	pg_ask_parse(&w, text);
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
	pg_ask_close(&w, "PS");
	pg_ask_part(&w, end, &at);
	pg_ask_part_end(&w, at);
	return wr_done(&w);
}

static bool pg_may_ask(const struct pg *st, enum ask_place place)
{
	if (st->phase != PG_READY || st->ask || pg_has_outstanding(st) || st->skips_to_sync ||
		st->loose_syncs || st->copy != PG_COPY_NONE)
		return false;
	switch (place) {
	case ASK_IDLE:
		return st->tx == TX_NONE && !st->batch_open;
	case ASK_INSIDE:
		return st->tx != TX_FAILED;
	}
	return false;
}

int pg_ask(void *state, enum ask_place place, struct slice text, struct sink *sink)
{
	struct pg *st = state;
	struct slice messages;

	if (!pg_may_ask(st, place))
		return PROTO_E_NOT_NOW;
	/* A Sync would end the batch of the client, which is one transaction. */
	st->ask_has_sync = !st->batch_open;
	messages = pg_ask_messages(text, st->ask_has_sync ? 'S' : 'H', sink->arena);
	if (!messages.p || memchr(text.p, 0, text.n))
		return PROTO_E_TOO_BIG;
	st->ask = PG_ASK_RUNNING;
	st->ask_is_inside = place == ASK_INSIDE;
	st->ask_is_columns = st->ask_opened_batch = false;
	st->ask_closes = 2;
	sink_put(sink, SIDE_SERVER, messages);
	return sink->overflow ? PROTO_E_TOO_BIG : 0;
}

/* Without a Sync: the request is put in the same batch, so the locks of this last until it runs. */
int pg_ask_columns(void *state, struct slice text, bool read_only, struct sink *sink)
{
	struct pg *st = state;
	size_t max = 96 + text.n, at;
	uint8_t *mem = arena_alloc(sink->arena, max);
	struct writer w = writer_of(mem, mem ? max : 0);

	pg_mem_free(st, st->copy_out.columns);
	st->copy_out.columns = NULL;
	if (!pg_may_ask(st, ASK_INSIDE))
		return PROTO_E_NOT_NOW;
	pg_ask_parse(&w, text);
	pg_ask_part(&w, 'D', &at);
	wr_u8(&w, 'S');
	wr_cstr(&w, SLICE_LIT(PG_ASK_NAME));
	pg_ask_part_end(&w, at);
	pg_ask_close(&w, "S");
	pg_ask_part(&w, 'H', &at);
	pg_ask_part_end(&w, at);
	if (w.bad || memchr(text.p, 0, text.n))
		return PROTO_E_TOO_BIG;
	st->ask = PG_ASK_RUNNING;
	st->ask_is_inside = st->ask_is_columns = true;
	st->ask_has_sync = false;
	st->ask_opened_batch = !st->batch_open;
	st->ask_closes = read_only ? 3 : 1;
	if (read_only)
		pg_belt_say(sink);
	st->batch_open = st->is_flushed = true;
	sink_put(sink, SIDE_SERVER, wr_done(&w));
	return sink->overflow ? PROTO_E_TOO_BIG : 0;
}

void pg_where(const void *state, struct tx_where *ret)
{
	const struct pg *st = state;

	*ret = (struct tx_where){
		.batch = st->batch,
		.ready = st->ready,
		.is_idle = st->ready == TX_NONE && st->tx == TX_NONE && !st->batch_open &&
			   !pg_has_outstanding(st) && !st->ask,
	};
}

/* The client's own limits run for our question too. */
static enum refusal pg_ask_why(const char *code)
{
	if (!strcmp(code, "57014"))
		return REFUSAL_CANCELLED;
	return strcmp(code, "55P03") ? REFUSAL_INTERNAL : REFUSAL_LOCKED;
}

static int pg_ask_end(struct pg *st, struct sink *sink)
{
	sink->event.kind = EV_ANSWER;
	sink->event.answer.is_end = true;
	sink->event.answer.failed = st->ask == PG_ASK_FAILED;
	if (sink->event.answer.failed) {
		sink->event.answer.why = pg_ask_why(st->error_code);
		sink->event.answer.code = slice_str(st->error_code);
		sink->event.answer.text = slice_of(st->error_text, st->error_len);
	}
	sink->event.answer.values = NULL;
	sink->event.answer.n = 0;
	st->ask = PG_ASK_NONE;
	return 0;
}

static int pg_ask_ready(struct pg *st, struct slice unit, struct sink *sink)
{
	if (unit.n != PG_HEADER + 1 || !st->ask_has_sync)
		return PROTO_E_MALFORMED;
	switch (unit.p[PG_HEADER]) {
	case 'I':
		st->tx = TX_NONE;
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
	if (!st->ask_is_inside && st->tx != TX_NONE)
		return PROTO_E_MALFORMED;
	st->ready = st->tx;
	return pg_ask_end(st, sink);
}

static int pg_ask_closed(struct pg *st, struct sink *sink)
{
	if (!st->ask_closes)
		return PROTO_E_MALFORMED;
	return --st->ask_closes || st->ask_has_sync ? 0 : pg_ask_end(st, sink);
}

/* In the middle of a batch the server ignores the rest of it now, as after any error: the client
 * has to hear why. The words are ours, since the question is. */
static int pg_ask_failed(struct pg *st, struct slice unit, struct sink *sink)
{
	struct verdict v = {
		.message = SLICE_LIT("the transaction could not be checked before it goes on"),
	};
	char code[6] = "XX000";

	st->ask = PG_ASK_FAILED;
	if (pg_error_keep(st, unit))
		return PROTO_E_MALFORMED;
	if (st->ask_has_sync)
		return 0;
	/* Nobody but us is in this batch: it ends in front of the request, which finds out for
	 * itself what is wrong. */
	if (st->ask_opened_batch) {
		st->owes_sync = true;
		if (st->tx != TX_NONE)
			st->tx = TX_FAILED;
		return pg_ask_end(st, sink);
	}
	/* It is about the client's own text. */
	if (st->ask_is_columns)
		v.message = pg_error_message(unit);
	if (pg_error_code(unit, code))
		return PROTO_E_MALFORMED;
	sink_put(sink, SIDE_CLIENT, pg_words(sink->arena, NULL, 'E', "ERROR", code, &v));
	st->skips_to_sync = true;
	st->tx = TX_FAILED;
	return pg_ask_end(st, sink);
}

static int pg_ask_described(struct pg *st, struct slice unit)
{
	if (!st->ask_is_columns || st->copy_out.columns)
		return PROTO_E_MALFORMED;
	return pg_columns_new(st, unit, &st->copy_out.columns);
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
		sink_skip(sink, unit.n);
		return pg_ask_failed(st, unit, sink);
	case '3':
		sink_skip(sink, unit.n);
		return pg_ask_closed(st, sink);
	case '1':
	case '2':
	case 'C':
	case 'I':
	case 'N':
		break;
	case 'T':
		sink_skip(sink, unit.n);
		return pg_ask_described(st, unit);
	case 't':
	case 'n':
		if (!st->ask_is_columns)
			return PROTO_E_MALFORMED;
		break;
	case 'D':
		/* What the belt says. */
		if (st->ask_is_columns) {
			if (st->ask_closes != 3)
				return PROTO_E_MALFORMED;
			break;
		}
		sink_skip(sink, unit.n);
		return pg_ask_row(unit, sink);
	case 'Z':
		sink_skip(sink, unit.n);
		return pg_ask_ready(st, unit, sink);
	default:
		return PROTO_E_MALFORMED;
	}
	sink_skip(sink, unit.n);
	return 0;
}
