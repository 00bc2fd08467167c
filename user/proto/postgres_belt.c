/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The read-only belt: what a verdict with `read_only` puts in front of a request, so that the
 * server itself refuses to write in the transaction that is to run it. Nothing outlives that
 * transaction.
 *
 * A simple query gets it as a first statement of its text: one more CommandComplete, which is
 * hidden, and error positions that are moved back. An extended batch gets it as messages under a
 * name of our own. SET LOCAL would leave a warning in the server's log there, for want of a
 * transaction block. Plain SET is as short-lived for this one setting: every transaction starts
 * with default_transaction_read_only (StartTransaction of the server's xact.c), whatever was set
 * before. Neither can be undone by the time anybody's code runs: that takes a snapshot, behind
 * which a transaction cannot be made read-write again (its check hook in variable.c).
 */
#include <stdio.h>

#include "proto/postgres_int.h"

#define PG_BELT_NAME  "holdfast_ro"
#define PG_BELT_QUERY "SET LOCAL transaction_read_only=on;"
#define PG_BELT_TEXT  "SET transaction_read_only=on"

/* ---- putting it on --------------------------------------------------------------------------- */

struct pg_place *pg_place_insert(struct pg *st, enum pg_place_kind kind)
{
	struct pg_place *p;

	for (uint32_t i = st->tail++; i != st->sent; i--)
		*pg_place_at(st, i) = *pg_place_at(st, i - 1);
	p = pg_place_at(st, st->sent++);
	*p = (struct pg_place){.kind = kind, .is_hidden = true};
	return p;
}

/* The head of the query with our statement in front; the caller passes the rest of its unit. */
static void pg_belt_query(struct pg *st, struct slice span, struct sink *sink)
{
	const size_t n = sizeof(PG_BELT_QUERY) - 1;
	uint8_t *mem = arena_alloc(sink->arena, PG_HEADER + n);
	struct writer w = writer_of(mem, mem ? PG_HEADER + n : 0);
	struct pg_place *p = pg_place_at(st, st->sent);

	wr_u8(&w, 'Q');
	wr_be32(&w, (uint32_t)(span.n - 1 + n));
	wr_str(&w, PG_BELT_QUERY);
	sink_skip(sink, PG_HEADER);
	sink_put(sink, SIDE_SERVER, wr_done(&w));
	sink->overflow = sink->overflow || w.bad;
	sink_pass(sink, span.n - PG_HEADER);
	p->n_hidden_tags = 1;
	p->shift = n;
}

void pg_belt_say(struct sink *sink)
{
	static const char name[] = PG_BELT_NAME, text[] = PG_BELT_TEXT;
	const struct {
		uint8_t type;
		size_t n;
	} parts[] = {
		{'P', sizeof(name) + sizeof(text) + 2},
		{'B', 2 * sizeof(name) + 6},
		{'E', sizeof(name) + 4},
		{'C', 1 + sizeof(name)},
		{'C', 1 + sizeof(name)},
	};
	uint8_t mem[256];
	struct writer w = writer_of(mem, sizeof(mem));

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		wr_u8(&w, parts[i].type);
		wr_be32(&w, (uint32_t)parts[i].n + 4);
		if (i >= 3)
			wr_u8(&w, i == 3 ? 'P' : 'S');
		wr_bytes(&w, name, sizeof(name));
		switch (parts[i].type) {
		case 'P':
			wr_bytes(&w, text, sizeof(text));
			wr_be16(&w, 0);
			break;
		case 'B':
			wr_bytes(&w, name, sizeof(name));
			wr_be32(&w, 0);
			wr_be16(&w, 0);
			break;
		case 'E':
			wr_be32(&w, 0);
			break;
		}
	}
	sink_put(sink, SIDE_SERVER, arena_dup(sink->arena, wr_done(&w)));
}

bool pg_belt_put(struct pg *st, struct slice span, struct sink *sink)
{
	if (pg_place_at(st, st->sent)->kind == PG_QUERY) {
		pg_belt_query(st, span, sink);
		return true;
	}
	pg_belt_say(sink);
	pg_place_insert(st, PG_BELT)->seq = st->seq;
	return false;
}

/* ---- answers to it --------------------------------------------------------------------------- */

int pg_belt_unit(struct pg *st, struct slice unit, struct sink *sink)
{
	struct pg_place *p = pg_head(st);

	sink_skip(sink, unit.n);
	switch (unit.p[0]) {
	case '1':
	case '2':
	case 'D':
	case 'C':
		return 0;
	case '3':
		return ++p->n_hidden_tags == 2 ? pg_place_done(st, sink) : 0;
	}
	return PROTO_E_MALFORMED;
}

/* ---- positions ------------------------------------------------------------------------------- */

/* Where the position's digits stand in an error or notice; empty if it has none. */
static struct slice pg_position_find(struct slice unit)
{
	struct reader r = reader_of(slice_skip(unit, PG_HEADER));
	uint8_t type;

	while ((type = rd_u8(&r))) {
		struct slice s = rd_cstr(&r);

		if (type == 'P')
			return s;
	}
	return SLICE_NULL;
}

int pg_position_shift(struct pg *st, struct slice *unit, struct arena *arena)
{
	const struct pg_place *p = pg_head(st);
	struct slice digits;
	unsigned long at = 0;
	struct writer w;
	uint8_t *mem;
	char text[24];

	if (!p || !p->shift || (unit->p[0] != 'E' && unit->p[0] != 'N'))
		return 0;
	digits = pg_position_find(*unit);
	for (size_t i = 0; i < digits.n; i++) {
		if (digits.p[i] < '0' || digits.p[i] > '9' || at > INT32_MAX)
			return 0;
		at = at * 10 + (digits.p[i] - '0');
	}
	if (at <= p->shift)
		return 0;
	snprintf(text, sizeof(text), "%lu", at - p->shift);
	mem = arena_alloc(arena, unit->n + sizeof(text));
	w = writer_of(mem, mem ? unit->n + sizeof(text) : 0);
	wr_bytes(&w, unit->p, (size_t)(digits.p - unit->p));
	wr_str(&w, text);
	wr_bytes(&w, digits.p + digits.n, (size_t)(unit->p + unit->n - digits.p - digits.n));
	wr_patch_be32(&w, 1, (uint32_t)w.n - 1);
	*unit = wr_done(&w);
	return unit->p ? 0 : PROTO_E_TOO_BIG;
}

/* ---- words that quote the text -----------------------------------------------------------------
 */

/* The server's log, which a client may have sent to itself, quotes the whole text that it was sent.
 * Where our part of it stands; empty if it does not. */
static struct slice pg_belt_quoted(struct slice unit)
{
	struct reader r = reader_of(slice_skip(unit, PG_HEADER));
	bool is_log = false;
	uint8_t type;

	while ((type = rd_u8(&r))) {
		struct slice s = rd_cstr(&r);
		const uint8_t *at;

		if (type == 'V')
			is_log = slice_eq_str(s, "LOG") || slice_starts(s, "DEBUG");
		if (type != 'M' || !is_log || !s.n)
			continue;
		at = memmem(s.p, s.n, PG_BELT_QUERY, sizeof(PG_BELT_QUERY) - 1);
		return slice_of(at, at ? sizeof(PG_BELT_QUERY) - 1 : 0);
	}
	return SLICE_NULL;
}

int pg_belt_unquote(struct pg *st, struct slice *unit, struct arena *arena)
{
	const struct pg_place *p = pg_head(st);
	struct slice ours;
	struct writer w;
	uint8_t *mem;

	if (!p || !p->shift || unit->p[0] != 'N')
		return 0;
	ours = pg_belt_quoted(*unit);
	if (!ours.n)
		return 0;
	mem = arena_alloc(arena, unit->n - ours.n);
	w = writer_of(mem, mem ? unit->n - ours.n : 0);
	wr_bytes(&w, unit->p, (size_t)(ours.p - unit->p));
	wr_bytes(&w, ours.p + ours.n, (size_t)(unit->p + unit->n - ours.p - ours.n));
	wr_patch_be32(&w, 1, (uint32_t)w.n - 1);
	*unit = wr_done(&w);
	return unit->p ? 0 : PROTO_E_TOO_BIG;
}

/* ---- a write that was refused ---------------------------------------------------------------- */

static uint64_t pg_belt_hash(struct slice s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ s.p[i]) * UINT64_C(0x100000001b3);
	return h;
}

void pg_belt_places(struct pg *st, const struct verdict *v)
{
	uint32_t n_known = st->is_retrying ? st->told.n_places : 0;

	if (v->read_only)
		st->belt_batch = st->batch + 1;
	for (uint32_t i = st->sent; i != st->tail; i++) {
		struct pg_place *p = pg_place_at(st, i);

		p->is_belted = st->belt_batch == st->batch + 1;
		p->may_retry = v->may_retry;
		p->is_hidden = i - st->sent < n_known;
		p->hides_columns = st->is_retrying;
	}
	st->is_retrying = false;
	if (v->may_retry)
		st->told = (struct pg_told){.seq = st->seq};
}

/* Nothing but what comes before rows has reached the client, and nothing else is on its way. */
static bool pg_belt_may_retry(const struct pg *st, const struct pg_place *p)
{
	if (!p->may_retry || p->seq != st->told.seq || p->n_rows || p->n_hidden_tags ||
		st->copy != PG_COPY_NONE || st->tag_len || st->sent != st->tail)
		return false;
	if (p->kind == PG_QUERY)
		return st->tail == st->head + 1 && p->bytes == st->told.columns_len;
	/* The rest of its units, and the Sync that the server goes on at. */
	for (uint32_t i = st->head; i != st->tail - 1; i++)
		if (pg_place_at(st, i)->seq != p->seq)
			return false;
	return !p->bytes && st->tail != st->head + 1 &&
	       pg_place_at(st, st->tail - 1)->kind == PG_SYNC;
}

int pg_belt_error(struct pg *st, struct slice unit, struct sink *sink, struct slice *ret_shown)
{
	struct pg_place *p = pg_head(st);
	/* Never the server's words: whoever wrote the code may give that SQLSTATE to any. */
	struct verdict v = {
		.message = SLICE_LIT("cannot write in a read-only transaction"),
		.hint = SLICE_LIT(
			"holdfast let this through as a read, so it could not write. Run it "
			"between BEGIN and COMMIT: the COMMIT will be judged."),
	};

	sink_skip(sink, unit.n);
	*ret_shown = pg_words(sink->arena, NULL, 'E', "ERROR", "25006", &v);
	p->is_retried = pg_belt_may_retry(st, p);
	if (!p->is_retried)
		sink_put(sink, SIDE_CLIENT, *ret_shown);
	return ret_shown->p ? 0 : PROTO_E_TOO_BIG;
}

int pg_belt_columns(struct pg *st, struct slice unit, bool *ret_is_known)
{
	const struct pg_place *p = pg_head(st);
	struct pg_told *told = &st->told;
	uint64_t hash = pg_belt_hash(unit);

	*ret_is_known = p->hides_columns && told->columns_len;
	if (p->is_hidden && !p->hides_columns)
		return 0; /* a Describe of ours */
	if (p->seq == told->seq) {
		told->columns_len = (uint32_t)unit.n;
		told->columns_hash = hash;
		return 0;
	}
	if (!*ret_is_known)
		return 0;
	/* The client has been promised other columns. Only the first result can be known. */
	if (unit.n != told->columns_len || hash != told->columns_hash)
		return PROTO_E_MALFORMED;
	told->columns_len = 0;
	return 0;
}

/* ---- split ----------------------------------------------------------------------------------- */

/* Does a Bind among these places make a portal with a name, or the unnamed one? */
static bool pg_binds(const struct pg *st, uint32_t from, uint32_t to, bool is_named)
{
	for (uint32_t i = from; i != to; i++) {
		const struct pg_place *p = pg_place_at(st, i);

		if (p->kind == PG_BIND && !p->obj->name.n == !is_named)
			return true;
	}
	return false;
}

static bool pg_has_portal(const struct pg *st, bool is_named)
{
	for (uint32_t i = 0; i < st->portals.n_slots; i++)
		for (const struct pg_named *p = st->portals.slots[i]; p; p = p->next)
			if (!p->name.n == !is_named)
				return true;
	return pg_binds(st, st->head, st->sent, is_named);
}

bool pg_has_portals(const void *state)
{
	const struct pg *st = state;

	/* The unnamed one that the request at hand replaces is no loss: so do pipelines. */
	return pg_has_portal(st, true) ||
	       (pg_has_portal(st, false) && !pg_binds(st, st->sent, st->tail, false));
}

int pg_split(void *state, struct sink *sink)
{
	struct pg *st = state;

	if (!st->has_request || st->phase != PG_READY || pg_copy_reads(st) || st->ask)
		return PROTO_E_NOT_NOW;
	if (pg_places_reserve(st, 1 + PG_PLACES_SPARE))
		return PROTO_E_TOO_BIG;
	pg_place_insert(st, PG_SYNC);
	st->is_flushed = st->batch_open = true;
	st->batch++;
	sink_put(sink, SIDE_SERVER, pg_message(sink->arena, 'S', SLICE_LIT("")));
	return sink->overflow ? PROTO_E_TOO_BIG : 0;
}
