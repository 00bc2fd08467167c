/* SPDX-License-Identifier: Apache-2.0 */
/* The relay's role over a transcript: see replay.h. */
#include "replay_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "util/cleanup.h"

/* ---- life ------------------------------------------------------------------------------------ */

struct replay *vector_new(size_t cut, uint64_t seed)
{
	struct replay *r = calloc(1, sizeof(*r));

	r->proto = &protocol_postgres;
	r->st = calloc(1, r->proto->state_size);
	r->pool.max = r->proto->session_mem_max;
	arena_init(&r->arena, 64 << 20);
	arena_init(&r->words, 64 << 20);
	r->sink = (struct sink){.arena = &r->arena, .ops = r->ops, .max_ops = REPLAY_OPS};
	for (int i = 0; i < 2; i++) {
		r->in[i].map = mmap(NULL, REPLAY_IN_MAX + 4096, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		r->in[i].end = r->in[i].map + REPLAY_IN_MAX;
		mprotect(r->in[i].end, 4096, PROT_NONE);
		buf_init(&r->out[i], 64 << 20);
	}
	buf_init(&r->seen, 64 << 20);
	r->cut = cut;
	r->seed = seed;
	if (r->proto->init(r->st, &r->pool, (const uint8_t *)"vkey"))
		abort();
	return r;
}

struct replay *vector_free(struct replay *r)
{
	r->proto->fini(r->st);
	/* What init() and the rest took must have come back. */
	if (r->pool.used)
		abort();
	free(r->st);
	arena_deinit(&r->arena);
	arena_deinit(&r->words);
	for (int i = 0; i < 2; i++) {
		munmap(r->in[i].map, REPLAY_IN_MAX + 4096);
		buf_deinit(&r->out[i]);
	}
	buf_deinit(&r->seen);
	free(r);
	return NULL;
}

struct slice vector_seen(const struct replay *r)
{
	return buf_slice(&r->seen);
}

bool vector_is_over(const struct replay *r)
{
	return r->is_over;
}

size_t vector_longest(const struct replay *r)
{
	return r->longest;
}

size_t vector_memory(const struct replay *r)
{
	return r->pool.used;
}

/* The session is over; `what` failed. Both sides see what was put before. */
static void vector_over(struct replay *r, const char *what, int err)
{
	wire_printf(&r->seen, "= OVER %s %d\n", what, err);
	r->is_over = true;
}

static void vector_apply(struct replay *r, enum side from, struct slice bytes)
{
	size_t covered = 0;

	for (size_t i = 0; i < r->sink.n_ops; i++) {
		const struct op *op = &r->sink.ops[i];

		if (op->kind == OP_PUT) {
			/* Nothing that the server says makes us ask it for more. */
			if (from == SIDE_SERVER && op->to == SIDE_SERVER && bytes.n)
				abort();
			vector_put(&r->out[op->to], op->data);
			continue;
		}
		if (op->kind == OP_PASS)
			vector_put(&r->out[!from], slice_head(slice_skip(bytes, covered), op->n));
		covered += op->n;
	}
	/* A relay would lose or double bytes from here on: no outcome, a broken decoder. */
	if (covered != bytes.n)
		abort();
	vector_print_out(r, SIDE_SERVER);
	vector_print_out(r, SIDE_CLIENT);
}

/* ---- events of the server -------------------------------------------------------------------- */

static int vector_on_row(struct replay *r, struct slice unit, struct event ev)
{
	struct value *v = arena_array(&r->arena, ev.row.n + 1, sizeof(*v));
	struct row_verdict rv = {.pass_rest = r->rest_passes};

	vector_print_row(r, &ev);
	for (size_t i = 0; i < ev.row.n; i++) {
		v[i] = ev.row.values[i];
		if (i < 16 && r->has_mask && (r->mask[i].p || r->mask[i].n) && v[i].bytes.p)
			v[i].bytes = r->mask[i].n == SIZE_MAX ? SLICE_NULL : r->mask[i];
	}
	if (r->has_mask)
		rv.values = v;
	sink_begin(&r->sink);
	return r->proto->settle_row(r->st, unit, &rv, &r->sink);
}

static int vector_on_text(struct replay *r, struct slice unit, struct event ev)
{
	struct slice *fields = arena_array(&r->arena, ev.text.n + 1, sizeof(*fields));

	wire_printf(&r->seen, "= TEXT %llu%s", (unsigned long long)ev.text.seq,
		ev.text.is_row ? " row" : "");
	for (size_t i = 0; i < ev.text.n; i++) {
		vector_text(r, "", ev.text.fields[i]);
		fields[i] =
			slice_eq(ev.text.fields[i], r->swap[0]) ? r->swap[1] : ev.text.fields[i];
	}
	wire_printf(&r->seen, "\n");
	sink_begin(&r->sink);
	return r->proto->settle_text(r->st, unit, fields, ev.text.n, &r->sink);
}

/* In front of all that the client sent since. */
static void vector_put_again(struct replay *r, struct slice more)
{
	struct vector_in *in = &r->in[SIDE_CLIENT];

	if (r->span_len || !r->n_again)
		abort();
	in->n += more.n;
	memcpy(in->end - in->n, more.p ? more.p : r->again, more.n);
	in->n += r->n_again;
	memcpy(in->end - in->n, r->again, r->n_again);
	r->client_waits = true;
}

static void vector_print_event(struct replay *r, const struct event *ev)
{
	switch (ev->kind) {
	case EV_REPLY:
		vector_print_reply(r, &ev->reply);
		if (ev->reply.status == REPLY_RETRY)
			vector_put_again(r, ev->reply.more);
		break;
	case EV_LOGIN:
		wire_printf(&r->seen, "= LOGIN %.*s@%.*s\n", SLICE_FMT(ev->login.user),
			SLICE_FMT(ev->login.database));
		break;
	case EV_ANSWER:
		wire_printf(&r->seen, "= ANSWER%s%s", ev->answer.is_end ? " end" : "",
			!ev->answer.failed                    ? ""
			: ev->answer.why == REFUSAL_CANCELLED ? " failed in time"
			: ev->answer.why == REFUSAL_LOCKED    ? " failed for a lock"
							      : " failed");
		if (ev->answer.failed)
			vector_text(r, "", ev->answer.text);
		for (size_t i = 0; i < ev->answer.n; i++)
			vector_text(r, "", ev->answer.values[i].bytes);
		wire_printf(&r->seen, "\n");
		break;
	case EV_CANCEL:
		wire_printf(&r->seen, "= CANCEL %u", ev->cancel.id);
		vector_text(r, "", ev->cancel.key);
		wire_printf(&r->seen, "\n");
		r->is_over = true;
		break;
	case EV_CLOSE:
		wire_printf(&r->seen, "= CLOSE\n");
		r->is_over = true;
		break;
	default:
		break;
	}
}

static void vector_next_events(struct replay *r)
{
	sink_begin(&r->sink);
	while (r->proto->next_event(r->st, &r->sink)) {
		vector_print_event(r, &r->sink.event);
		sink_begin(&r->sink);
	}
}

/* ---- client units ---------------------------------------------------------------------------- */

static struct slice vector_in_head(const struct vector_in *in, size_t n)
{
	return slice_of(in->end - in->n, n);
}

static void vector_settle(struct replay *r, const struct verdict *given)
{
	const struct verdict refuse = {.kind = VERDICT_REFUSE, .message = SLICE_LIT("no")};
	struct verdict copy = r->refuses_all && !r->is_login ? refuse : *given, *v = &copy;
	struct slice span = vector_in_head(&r->in[SIDE_CLIENT], r->span_len);
	struct event ev;
	int err;

	v->may_retry = v->may_retry && r->is_whole && span.n <= sizeof(r->again);
	r->n_again = v->may_retry ? span.n : 0;
	if (r->n_again)
		memcpy(r->again, span.p, span.n);
	sink_begin(&r->sink);
	err = r->proto->settle(r->st, span, v, &r->sink);
	r->is_held = false;
	if (err) {
		vector_over(r, "settle", err);
		return;
	}
	ev = r->sink.event;
	vector_apply(r, SIDE_CLIENT, span);
	r->in[SIDE_CLIENT].n -= r->span_len;
	r->span_len = 0;
	vector_print_event(r, &ev);
	vector_next_events(r);
	arena_reset(&r->arena);
}

static void vector_on_request(struct replay *r)
{
	static const struct verdict pass = {.kind = VERDICT_PASS};
	const struct vector_verdict *v;

	vector_print_request(r, &r->sink.event.request);
	r->is_whole = r->sink.event.request.is_whole;
	r->is_login = request_is_login(&r->sink.event.request);
	if (r->next_verdict == r->n_verdicts) {
		vector_settle(r, &pass);
		return;
	}
	v = &r->verdicts[r->next_verdict++];
	if (v->is_hold)
		r->is_held = true;
	else
		vector_settle(r, &v->v);
}

/* The host may only look again when the server has said more; meanwhile it makes it. */
static void vector_drain(struct replay *r)
{
	sink_begin(&r->sink);
	if (r->proto->drain(r->st, &r->sink))
		vector_over(r, "drain", -1);
	else
		vector_apply(r, SIDE_CLIENT, SLICE_NULL);
}

/* One client unit; false when there is nothing more to do now. */
static bool vector_client_unit(struct replay *r, size_t len)
{
	struct vector_in *in = &r->in[SIDE_CLIENT];
	struct slice all = vector_in_head(in, r->span_len + len),
		     unit = slice_skip(all, r->span_len);
	size_t used = r->arena.used;
	struct event ev;
	int err;

	sink_begin(&r->sink);
	err = r->proto->decode(r->st, SIDE_CLIENT, unit, &r->sink);
	ev = r->sink.event;
	if (err == PROTO_E_NOT_NOW) {
		r->client_waits = true;
		/* The arena is the request's: it gives nothing back before that one ends. */
		if (r->arena.used != used)
			vector_over(r, "a unit that waits took memory", -1);
		vector_drain(r);
		return false;
	}
	if (err) {
		vector_over(r, "client", err);
		return false;
	}
	if (ev.kind == EV_KEEP || ev.kind == EV_REQUEST) {
		r->span_len += len;
		if (ev.kind == EV_REQUEST)
			vector_on_request(r);
		return true;
	}
	vector_apply(r, SIDE_CLIENT, all);
	in->n -= all.n;
	r->span_len = 0;
	vector_print_event(r, &ev);
	vector_next_events(r);
	arena_reset(&r->arena);
	return true;
}

static bool vector_server_unit(struct replay *r, size_t len)
{
	struct vector_in *in = &r->in[SIDE_SERVER];
	struct slice unit = vector_in_head(in, len);
	struct event ev;
	int err;

	sink_begin(&r->sink);
	err = r->proto->decode(r->st, SIDE_SERVER, unit, &r->sink);
	ev = r->sink.event;
	if (!err && ev.kind == EV_ROW)
		err = vector_on_row(r, unit, ev);
	if (!err && ev.kind == EV_TEXT)
		err = vector_on_text(r, unit, ev);
	if (err) {
		vector_over(r, "server", err);
		return false;
	}
	ev = r->sink.event;
	vector_apply(r, SIDE_SERVER, unit);
	in->n -= len;
	vector_print_event(r, &ev);
	vector_next_events(r);
	if (!r->is_held && !r->span_len)
		arena_reset(&r->arena);
	return true;
}

/* ---- streams --------------------------------------------------------------------------------- */

/* Every piece but a value's last gives half of itself back: a detector would do so now and then. */
static size_t vector_on_value(struct replay *r, const struct event *ev)
{
	bool is_last = ev->value.offset + ev->value.n == ev->value.total;
	size_t back = is_last || !ev->value.columns ? 0 : ev->value.n / 2;

	for (size_t i = 0; i < ev->value.n - back; i++)
		if (r->has_mask && ev->value.columns && r->mask[ev->value.index].n)
			ev->value.p[i] = '*';
	if (is_last)
		wire_printf(&r->seen, "= VALUE %s%zu %s %llu bytes\n",
			ev->value.columns ? "" : "copy ", ev->value.index,
			ev->value.is_null ? "null," : "of", (unsigned long long)ev->value.total);
	return back;
}

static bool vector_stream(struct replay *r, enum side side)
{
	struct vector_in *in = &r->in[side];
	size_t n = in->n - (side == SIDE_CLIENT ? r->span_len : 0), used = 0, back = 0;
	uint8_t *p = in->end - in->n;
	int err;

	if (n > in->stream_left)
		n = in->stream_left;
	sink_begin(&r->sink);
	err = r->proto->stream(r->st, side, p, n, &used, &r->sink);
	if (err || used > n || !used) {
		vector_over(r, "stream", err);
		return false;
	}
	if (r->sink.event.kind == EV_VALUE)
		back = vector_on_value(r, &r->sink.event);
	if (back)
		r->proto->unread(r->st, back);
	used -= back;
	vector_put(&r->out[!side], slice_of(p, used));
	in->n -= used;
	in->stream_left -= used;
	vector_print_out(r, !side);
	vector_next_events(r);
	return used != 0;
}

/* ---- pump ------------------------------------------------------------------------------------ */

static bool vector_step(struct replay *r, enum side side)
{
	struct vector_in *in = &r->in[side];
	size_t span = side == SIDE_CLIENT ? r->span_len : 0;
	struct frame f;
	int err;

	if (r->is_over || in->n == span || (side == SIDE_CLIENT && r->is_held))
		return false;
	if (in->stream_left)
		return vector_stream(r, side);
	err = r->proto->frame(r->st, side, slice_of(in->end - in->n + span, in->n - span), &f);
	if (err) {
		vector_over(r, side == SIDE_CLIENT ? "client frame" : "server frame", err);
		return false;
	}
	if (f.is_stream) {
		in->stream_left = f.len;
		return true;
	}
	if (f.len > in->n - span)
		return false;
	return side == SIDE_CLIENT ? vector_client_unit(r, f.len) : vector_server_unit(r, f.len);
}

static void vector_pump(struct replay *r)
{
	r->client_waits = false;
	while (vector_step(r, SIDE_CLIENT))
		;
	while (vector_step(r, SIDE_SERVER)) {
		r->client_waits = false;
		while (vector_step(r, SIDE_CLIENT))
			;
	}
}

void vector_feed(struct replay *r, enum side side, struct slice bytes)
{
	struct vector_in *in = &r->in[side];

	if (r->is_over || !bytes.n || in->n + bytes.n > REPLAY_IN_MAX)
		return;
	memmove(in->end - in->n - bytes.n, in->end - in->n, in->n);
	memcpy(in->end - bytes.n, bytes.p, bytes.n);
	in->n += bytes.n;
	vector_pump(r);
}

static uint64_t vector_random(struct replay *r)
{
	r->seed ^= r->seed << 13;
	r->seed ^= r->seed >> 7;
	r->seed ^= r->seed << 17;
	return r->seed;
}

/* One line in three is hurt: a bit flipped, a length byte replaced, the end cut off, a part
 * doubled. */
static void vector_mutate(struct replay *r, struct buf *bytes)
{
	uint64_t what = vector_random(r) % 12, at = vector_random(r);
	size_t n = buf_len(bytes);
	uint8_t *p = bytes->mem + bytes->head;

	if (!n)
		return;
	at %= n;
	if (what == 0)
		p[at] ^= (uint8_t)(1u << (vector_random(r) % 8));
	else if (what == 1 && n > 5)
		p[1 + at % 4] = (uint8_t)vector_random(r);
	else if (what == 2)
		bytes->tail -= n - at;
	else if (what == 3)
		vector_put(bytes, slice_of(memcpy(arena_alloc(&r->words, n), p, n), n - at));
}

/* The length of the message at the beginning of what one line feeds: what has no type by its line.
 */
static size_t vector_message(struct slice bytes, bool is_typed)
{
	size_t n = is_typed && bytes.n >= 5
			   ? 1 + ((size_t)bytes.p[1] << 24 | (size_t)bytes.p[2] << 16 |
					 (size_t)bytes.p[3] << 8 | bytes.p[4])
			   : bytes.n;

	return n && n < bytes.n ? n : bytes.n;
}

static void vector_damage(
	struct replay *r, enum side side, struct buf *bytes, size_t at, size_t len, bool is_typed)
{
	uint8_t *p = bytes->mem + bytes->head + at;
	size_t field = is_typed ? 1 : 0, cut;

	switch (r->mangle.damage) {
	case VECTOR_LENGTH:
		for (size_t i = 0; i < 4 && field + i < len; i++)
			p[field + i] = (uint8_t)(r->mangle.value >> (24 - 8 * i));
		return;
	case VECTOR_BYTE:
		p[r->mangle.at] ^= (uint8_t)r->mangle.value;
		return;
	case VECTOR_CUT:
	case VECTOR_END:
		cut = len - r->mangle.at;
		if (r->mangle.damage == VECTOR_END) {
			r->has_ended[side] = true;
			cut = buf_len(bytes) - at - r->mangle.at;
		}
		memmove(p + r->mangle.at, p + r->mangle.at + cut,
			buf_len(bytes) - at - r->mangle.at - cut);
		bytes->tail -= cut;
		return;
	}
}

/* Counts the messages of a line, and damages the one that is meant. */
static void vector_count(struct replay *r, enum side side, struct buf *bytes, bool is_typed)
{
	size_t at = 0;

	while (at < buf_len(bytes)) {
		size_t len = vector_message(slice_skip(buf_slice(bytes), at), is_typed);
		bool is_it = r->mangles && r->n_messages == r->mangle.message;

		if (r->n_messages < VECTOR_MESSAGES_MAX)
			r->messages[r->n_messages] = len;
		r->n_messages++;
		if (is_it) {
			vector_damage(r, side, bytes, at, len, is_typed);
			r->n_messages = VECTOR_MESSAGES_MAX;
			return;
		}
		at += len;
	}
}

void vector_mangle(struct replay *r, const struct vector_mangle *m)
{
	r->mangle = *m;
	r->mangles = true;
}

size_t vector_messages(const struct replay *r, const size_t **ret_lens)
{
	*ret_lens = r->messages;
	return r->n_messages < VECTOR_MESSAGES_MAX ? r->n_messages : VECTOR_MESSAGES_MAX;
}

void vector_refuse_all(struct replay *r)
{
	r->refuses_all = true;
}

static void vector_feed_line(struct replay *r, enum side side, struct slice line)
{
	struct buf bytes;
	struct slice all;
	size_t first;

	buf_init(&bytes, 64 << 20);
	if (!wire_write(line, &bytes))
		vector_over(r, "vector line makes no sense", 0);
	all = buf_slice(&bytes);
	if (all.n > r->longest)
		r->longest = all.n;
	if (r->has_ended[side]) {
		buf_deinit(&bytes);
		return;
	}
	vector_count(r, side, &bytes, line.n && line.p[0] != '@' && line.p[0] != '~');
	if (r->seed)
		vector_mutate(r, &bytes);
	all = buf_slice(&bytes);
	if (r->cut == 1) {
		for (size_t i = 0; i < all.n; i++)
			vector_feed(r, side, slice_of(all.p + i, 1));
	} else {
		first = r->cut ? r->cut - 1 : all.n;
		first = first < all.n ? first : all.n;
		if (first)
			vector_feed(r, side, slice_head(all, first));
		if (first < all.n)
			vector_feed(r, side, slice_skip(all, first));
	}
	buf_deinit(&bytes);
}

/* ---- transcript lines ------------------------------------------------------------------------ */

/* The next word or quoted text; empty at the end. */
static struct slice vector_word(struct replay *r, struct slice *line)
{
	struct slice w;
	size_t n = 0;

	while (line->n && line->p[0] == ' ')
		*line = slice_skip(*line, 1);
	if (line->n && line->p[0] == '"') {
		*line = slice_skip(*line, 1);
		while (n < line->n && line->p[n] != '"')
			n++;
		w = slice_head(*line, n);
		*line = slice_skip(*line, n + 1);
		return w.n ? arena_dup(&r->words, w) : SLICE_LIT("");
	}
	while (n < line->n && line->p[n] != ' ')
		n++;
	w = arena_dup(&r->words, slice_head(*line, n));
	*line = slice_skip(*line, n);
	return w;
}

static void vector_refuse_line(struct replay *r, struct slice line, struct verdict *v)
{
	struct slice why = vector_word(r, &line);

	v->kind = VERDICT_REFUSE;
	v->message = why;
	v->refusal = slice_eq_str(why, "cancelled") ? REFUSAL_CANCELLED
		     : slice_eq_str(why, "limit")   ? REFUSAL_LIMIT
		     : slice_eq_str(why, "record")  ? REFUSAL_RECORD
						    : REFUSAL_POLICY;
	v->detail = vector_word(r, &line);
	v->hint = vector_word(r, &line);
}

static void vector_copy_line(struct replay *r, struct slice line, struct vector_verdict *v)
{
	static const struct copy_format formats[] = {
		{.kind = COPY_TEXT, .delimiter = '\t', .null = "\\N", .null_len = 2},
		{.kind = COPY_CSV, .delimiter = ',', .quote = '"', .escape = '"'},
		{.kind = COPY_BINARY},
	};
	struct slice word = vector_word(r, &line);

	v->copy = formats[slice_eq_str(word, "csv")      ? COPY_CSV
			  : slice_eq_str(word, "binary") ? COPY_BINARY
							 : COPY_TEXT];
	v->copy.has_header = slice_eq_str(vector_word(r, &line), "header");
	v->v.copy = &v->copy;
	v->v.want_rows = true;
}

static void vector_verdict_line(struct replay *r, struct slice line)
{
	struct vector_verdict *v = &r->verdicts[r->n_verdicts];
	struct slice word = vector_word(r, &line);

	*v = (struct vector_verdict){.is_hold = slice_eq_str(word, "hold")};
	v->v.names = v->names;
	if (slice_eq_str(word, "refuse")) {
		vector_refuse_line(r, line, &v->v);
		line = SLICE_NULL;
	}
	while ((word = vector_word(r, &line)).n) {
		struct name_change *c = &v->names[v->v.n_names];

		v->v.want_rows |= slice_eq_str(word, "rows");
		v->v.streams_copy |= slice_eq_str(word, "copy");
		v->v.changes_lexing |= slice_eq_str(word, "lexing");
		v->v.may_change_lexing |= slice_eq_str(word, "open");
		v->v.read_only |= slice_eq_str(word, "read-only");
		v->v.may_retry |= slice_eq_str(word, "retry");
		if (slice_eq_str(word, "by-column"))
			vector_copy_line(r, line, v);
		if (slice_eq_str(word, "define") || slice_eq_str(word, "remove")) {
			c->kind = slice_eq_str(word, "define") ? NAME_DEFINE : NAME_REMOVE;
			c->name = vector_word(r, &line);
			c->text = c->kind == NAME_DEFINE ? vector_word(r, &line) : SLICE_NULL;
		} else if (slice_eq_str(word, "remove-all"))
			*c = (struct name_change){.kind = NAME_REMOVE_ALL};
		else
			continue;
		v->v.n_names++;
	}
	if (r->is_held) {
		vector_settle(r, &v->v);
		vector_pump(r);
	} else {
		r->n_verdicts++;
	}
}

void vector_verdict(struct replay *r, const char *line)
{
	if (!r->is_over && (r->is_held || r->n_verdicts < REPLAY_VERDICTS))
		vector_verdict_line(r, slice_str(line));
}

static void vector_show(struct replay *r)
{
	static const char *const tx[] = {"none", "open", "failed", "unknown"};
	bool readable;

	r->proto->lexing(r->st, &readable);
	wire_printf(&r->seen, "= tx=%s readable=%d drained=%d", tx[r->proto->tx(r->st)], readable,
		r->proto->is_drained(r->st));
	vector_text(r, "cancel=", slice_skip(r->proto->cancel_request(r->st, &r->arena), 8));
	wire_printf(&r->seen, "\n");
}

static void vector_call(struct replay *r, const char *what, int err)
{
	if (err)
		wire_printf(&r->seen, "= %s %d\n", what, err);
	vector_apply(r, SIDE_SERVER, SLICE_NULL);
}

static void vector_command_line(struct replay *r, struct slice line)
{
	struct slice word = vector_word(r, &line), arg = vector_word(r, &line), more;
	size_t i;

	sink_begin(&r->sink);
	if (slice_eq_str(word, "mask")) {
		i = strtoul((const char *)arg.p, NULL, 10) - 1;
		more = vector_word(r, &line);
		r->has_mask = true;
		r->mask[i] = slice_eq_str(more, "null") ? slice_of(NULL, SIZE_MAX) : more;
	} else if (slice_eq_str(word, "swap")) {
		r->swap[0] = arg;
		r->swap[1] = vector_word(r, &line);
	} else if (slice_eq_str(word, "rest")) {
		r->rest_passes = true;
	} else if (slice_eq_str(word, "say")) {
		vector_call(
			r, "say", r->proto->say(r->st, SAY_HELD, REFUSAL_POLICY, arg, &r->sink));
	} else if (slice_eq_str(word, "fatal")) {
		vector_call(
			r, "fatal", r->proto->say(r->st, SAY_FATAL, REFUSAL_RECORD, arg, &r->sink));
	} else if (slice_eq_str(word, "ask")) {
		vector_call(r, "ask", r->proto->ask(r->st, ASK_IDLE, arg, &r->sink));
	} else if (slice_eq_str(word, "split")) {
		vector_call(r, "split", r->proto->split(r->st, &r->sink));
	} else if (slice_eq_str(word, "inside")) {
		vector_call(r, "inside", r->proto->ask(r->st, ASK_INSIDE, arg, &r->sink));
	} else if (slice_eq_str(word, "columns")) {
		vector_call(r, "columns",
			r->proto->ask_columns(r->st, arg,
				slice_eq_str(vector_word(r, &line), "read-only"), &r->sink));
	} else if (slice_eq_str(word, "drain")) {
		vector_drain(r);
	} else if (slice_eq_str(word, "show")) {
		vector_show(r);
	} else if (slice_eq_str(word, "name")) {
		wire_printf(&r->seen, "= name");
		vector_text(r, "", r->proto->name_text(r->st, arg));
		wire_printf(&r->seen, "\n");
	} else {
		vector_over(r, "vector command makes no sense", 0);
	}
}

void vector_command(struct replay *r, const char *line)
{
	if (!r->is_over)
		vector_command_line(r, slice_str(line));
}

void vector_run(struct replay *r, struct slice text)
{
	while (text.n) {
		const uint8_t *nl = memchr(text.p, '\n', text.n);
		size_t n = nl ? (size_t)(nl - text.p) : text.n;
		struct slice line = slice_head(text, n), rest = slice_skip(line, 3);

		text = slice_skip(text, n + 1);
		if (slice_starts(line, "C> "))
			vector_feed_line(r, SIDE_CLIENT, rest);
		else if (slice_starts(line, "S> "))
			vector_feed_line(r, SIDE_SERVER, rest);
		else if (slice_starts(line, "! ") && !r->is_over)
			vector_verdict_line(r, slice_skip(line, 2));
		else if (slice_starts(line, "@ ") && !r->is_over)
			vector_command_line(r, slice_skip(line, 2));
	}
}
