/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From kept units to a request, and what its verdict does to them.
 *
 * A refusal is made true at the server: in place of the request it gets a text that cannot be lexed
 * (an unterminated quoted identifier: no side effect, fails in an aborted transaction too). Its own
 * error, transaction state and skip to Sync follow from that; the error's words are replaced when
 * the reply of that very place arrives (pg_error).
 */
#include "proto/postgres_int.h"

#define PG_POISON      "/* refused by holdfast */ \""
#define PG_POISON_NAME "holdfast_refused"

/* ---- EV_REQUEST ------------------------------------------------------------------------------ */

int pg_params_read(struct reader *r, struct slice types, struct arena *arena,
	const struct param **ret, size_t *ret_n)
{
	uint16_t n_formats = rd_be16(r);
	struct reader formats = reader_of(rd_bytes(r, n_formats * 2u)), t = reader_of(types);
	uint16_t n = rd_be16(r), format = 0;
	struct param *v;

	if (r->bad || (n_formats > 1 && n_formats != n) || (size_t)n * 4 > rd_left(r))
		return PROTO_E_MALFORMED;
	v = arena_array(arena, n ? n : 1, sizeof(*v));
	if (!v)
		return PROTO_E_TOO_BIG;
	for (uint16_t i = 0; i < n; i++) {
		uint32_t len = rd_be32(r);

		if (n_formats > 1 || (n_formats == 1 && i == 0))
			format = rd_be16(&formats);
		v[i].is_null = len == UINT32_MAX;
		v[i].is_binary = format == 1;
		v[i].type = rd_left(&t) ? rd_be32(&t) : 0;
		if (!v[i].is_null)
			v[i].value = rd_bytes(r, len);
		if (format > 1)
			return PROTO_E_MALFORMED;
	}
	*ret = v;
	*ret_n = n;
	return r->bad ? PROTO_E_MALFORMED : 0;
}

/* The statement that a place makes the server look at; NULL: none, or not known. */
static const struct pg_stmt *pg_place_stmt(const struct pg_place *p)
{
	switch (p->kind) {
	case PG_PARSE:
	case PG_DESCRIBE_S:
		return (const struct pg_stmt *)p->obj;
	case PG_BIND:
	case PG_DESCRIBE_P:
	case PG_EXECUTE:
		return ((const struct pg_portal *)p->obj)->stmt;
	case PG_QUERY:
	case PG_CALL:
	case PG_CLOSE_S:
	case PG_CLOSE_P:
	case PG_SYNC:
	case PG_FLUSH:
	case PG_BELT:
		return NULL;
	}
	return NULL;
}

/* Appends what differs from everything so far. */
static bool pg_text_add(struct slice *text, struct slice more, struct arena *arena)
{
	uint8_t *mem;

	if (!text->p || slice_eq(*text, more)) {
		*text = more;
		return true;
	}
	mem = arena_alloc(arena, text->n + 2 + more.n);
	if (!mem)
		return false;
	memcpy(mem, text->p, text->n);
	memcpy(mem + text->n, ";\n", 2);
	if (more.n)
		memcpy(mem + text->n + 2, more.p, more.n);
	*text = slice_of(mem, text->n + 2 + more.n);
	return true;
}

/* A cursor or a statement that SQL text made without telling us. NULL: nothing of the kind. */
static const struct pg_named *pg_place_unknown(const struct pg_place *p)
{
	const struct pg_stmt *s = pg_place_stmt(p);

	if (!(PG_BIT(p->kind) & PG_EXTENDED) || p->kind == PG_CLOSE_S || p->kind == PG_CLOSE_P)
		return NULL;
	if (!s)
		return p->obj;
	return s->is_unknown ? &s->named : NULL;
}

/* Is the place about a name that was there before the kept units? Nothing else can be without one
 * in SQL: only names can be taken over. */
static bool pg_place_uses_name(const struct pg *st, const struct pg_place *p)
{
	const bool is_bind = p->kind == PG_BIND;
	const struct pg_named *used;

	if (!is_bind && p->kind != PG_EXECUTE && p->kind != PG_DESCRIBE_P)
		return false;
	used = is_bind ? &((const struct pg_portal *)p->obj)->stmt->named : p->obj;
	if (!used->name.n)
		return false;
	for (uint32_t i = st->sent; i != st->tail; i++) {
		const struct pg_place *q = pg_place_at(st, i);

		if (q->kind == (is_bind ? PG_PARSE : PG_BIND) && q->obj == used)
			return false;
	}
	return true;
}

/* All texts that the kept units name, each once if they follow each other; the request's own text,
 * if it has one, is last. */
static int pg_request_text(struct pg *st, struct request *req, struct arena *arena,
	const struct pg_named **ret_unknown)
{
	const struct pg_stmt *last = NULL;
	struct slice text = SLICE_NULL, own = req->text;
	unsigned n_texts = own.p != NULL, n_binds = 0;
	bool defines = false, is_fresh = own.p && pg_text_hangs_on_settings(own);

	*ret_unknown = NULL;
	for (uint32_t i = st->sent; i != st->tail; i++) {
		const struct pg_place *p = pg_place_at(st, i);
		const struct pg_stmt *s = pg_place_stmt(p);

		n_binds += p->kind == PG_BIND;
		req->binds_sql = req->binds_sql || (p->kind == PG_BIND && s && s->is_sql);
		defines |= p->kind == PG_PARSE && p->obj->name.n;
		is_fresh |= p->kind == PG_PARSE && pg_text_hangs_on_settings(s->text);
		if (pg_place_uses_name(st, p)) {
			req->uses_names = true;
			req->uses_portal = req->uses_portal || p->kind == PG_EXECUTE;
		}
		if (!*ret_unknown)
			*ret_unknown = pg_place_unknown(p);
		if (!s || s == last || s->is_unknown)
			continue;
		last = s;
		n_texts++;
		req->is_suspect = req->is_suspect || s->is_suspect;
		if (!pg_text_add(&text, s->text, arena))
			return PROTO_E_TOO_BIG;
	}
	if (own.p && !pg_text_add(&text, own, arena))
		return PROTO_E_TOO_BIG;
	/* The parameters of one Bind are judged and shown; FETCH could run the portals of others.
	 * Of what is only prepared nothing runs: a driver that prepares all of a batch at first. */
	req->is_suspect = req->is_suspect || n_binds > 1 || st->lexing_unknown ||
			  (n_texts > 1 && (n_binds || !req->is_prepare_only));
	req->is_doubtful = st->doubts_lexing && st->batch_open && is_fresh && !st->lexing_unknown;
	req->has_bind = n_binds;
	req->is_whole = own.p ? st->tail == st->sent + 1
			      : pg_place_at(st, st->tail - 1)->kind == PG_EXECUTE && !defines;
	req->text = text;
	return 0;
}

static int pg_request_opaque(
	struct request *req, const struct pg_named *unknown, struct arena *arena)
{
	const char *text =
		arena_printf(arena, "-- uses %s \"%.*s\", which this session did not define%s%.*s",
			unknown->is_portal ? "portal or cursor" : "prepared statement",
			SLICE_FMT(unknown->name), req->text.n ? ":\n" : "", SLICE_FMT(req->text));

	req->kind = REQUEST_OPAQUE;
	req->text = slice_str(text);
	return text ? 0 : PROTO_E_TOO_BIG;
}

/* The parameters of the last Bind, or of the portal that runs. */
static int pg_request_params(const struct pg *st, struct request *req, struct arena *arena)
{
	for (uint32_t i = st->tail; i != st->sent;) {
		const struct pg_place *p = pg_place_at(st, --i);
		const struct pg_portal *portal = (const struct pg_portal *)p->obj;
		struct reader r;

		if (p->kind != PG_BIND && p->kind != PG_EXECUTE)
			continue;
		if (!portal->bind.n)
			return 0;
		r = reader_of(portal->bind);
		return pg_params_read(&r, portal->stmt ? portal->stmt->types : SLICE_NULL, arena,
			&req->params, &req->n_params);
	}
	return 0;
}

int pg_request_emit(struct pg *st, struct request *req, struct sink *sink)
{
	const struct pg_named *unknown;
	int r;

	if (pg_span_len(st) > PG_SPAN_MAX)
		return PROTO_E_TOO_BIG;
	r = pg_request_text(st, req, sink->arena, &unknown);
	if (!r && unknown)
		r = pg_request_opaque(req, unknown, sink->arena);
	if (!r && req->kind != REQUEST_CALL)
		r = pg_request_params(st, req, sink->arena);
	if (r)
		return r;
	req->seq = ++st->seq;
	st->has_request = true;
	sink->event.kind = EV_REQUEST;
	sink->event.request = *req;
	return 0;
}

/* ---- pass ------------------------------------------------------------------------------------ */

/* Rows can only be masked by columns that the server itself described for this portal: those of an
 * earlier Describe of the statement may be of another table by now (search_path). */
static bool pg_needs_describe(const struct pg *st, const struct pg_place *exec)
{
	if (exec->kind != PG_EXECUTE || !exec->want_rows ||
		((const struct pg_portal *)exec->obj)->is_described)
		return false;
	for (uint32_t i = st->tail; i != st->head;) {
		struct pg_place *p = pg_place_at(st, --i);

		if (p->kind != PG_DESCRIBE_P || p->obj != exec->obj)
			continue;
		p->want_rows = true;
		return false;
	}
	return true;
}

static void pg_describe_put(struct pg *st, size_t exec_len, struct slice name, struct sink *sink)
{
	size_t n = name.n + 2;
	uint8_t *body = arena_alloc(sink->arena, n);
	struct writer w = writer_of(body, body ? n : 0);
	struct pg_place *exec = pg_place_at(st, st->tail - 1);

	wr_u8(&w, 'P');
	wr_cstr(&w, name);
	sink_pass(sink, pg_span_len(st) - exec_len);
	sink_put(sink, SIDE_SERVER, w.bad ? SLICE_NULL : pg_message(sink->arena, 'D', wr_done(&w)));
	sink->overflow = sink->overflow || w.bad;
	sink_pass(sink, exec_len);
	/* The Execute moves up by one. */
	*pg_place_at(st, st->tail++) = *exec;
	*exec = (struct pg_place){
		.kind = PG_DESCRIBE_P,
		.seq = exec->seq,
		.obj = pg_ref(exec->obj),
		.is_hidden = true,
		.want_rows = true,
	};
}

/* Everything from `sent` on is forwarded now. */
static void pg_span_sent(struct pg *st)
{
	const struct pg_place *last = pg_place_at(st, st->tail - 1);

	if (last->kind == PG_FLUSH) {
		st->is_flushed = true;
		st->tail--;
	} else {
		st->is_flushed = !(PG_BIT(last->kind) & PG_EXTENDED);
	}
	if (last->kind != PG_QUERY && last->kind != PG_CALL)
		st->batch_open = true;
	st->batch += PG_BIT(last->kind) & PG_ENDS_BATCH ? 1 : 0;
	if (last->kind == PG_SYNC)
		st->skips_to_sync = false;
	st->sent = st->tail;
}

/* The place that ends the request: the last that has a reply of its own. */
static struct pg_place *pg_span_last(struct pg *st)
{
	struct pg_place *p = pg_place_at(st, st->tail - 1);

	return p->kind == PG_SYNC || p->kind == PG_FLUSH ? pg_place_at(st, st->tail - 2) : p;
}

static int pg_settle_pass(
	struct pg *st, struct slice span, const struct verdict *v, struct sink *sink)
{
	struct pg_place *last = pg_span_last(st);
	int r = pg_changes_new(st, v->names, v->n_names, &last->changes);

	if (r)
		return r;
	for (uint32_t i = st->sent; i != st->tail; i++) {
		struct pg_place *p = pg_place_at(st, i);

		if (p->kind != PG_SYNC)
			p->seq = st->seq;
	}
	last->ends_request = true;
	last->want_rows = v->want_rows;
	last->streams_copy = v->streams_copy;
	last->is_copied = v->copy;
	if (v->copy)
		st->copy_out.format = *v->copy;
	last->is_lexing = v->changes_lexing || st->tx_lexing;
	last->is_replication = st->is_replication;
	last->is_barrier = last->is_lexing || last->changes;
	st->n_barriers += last->is_barrier;
	st->tx_lexing = st->tx_lexing || v->changes_lexing;
	st->doubts_lexing = st->doubts_lexing || v->changes_lexing || v->may_change_lexing;
	pg_belt_places(st, v);
	if (v->read_only && pg_belt_put(st, span, sink)) {
		pg_span_sent(st);
		return 0;
	}
	last = pg_span_last(st);
	if (pg_needs_describe(st, last))
		pg_describe_put(st, last->len, last->obj->name, sink);
	else
		sink_pass(sink, span.n);
	pg_span_sent(st);
	return 0;
}

/* ---- refuse ---------------------------------------------------------------------------------- */

static struct slice pg_poison_query(struct arena *arena)
{
	return pg_message(arena, 'Q', slice_of(PG_POISON, sizeof(PG_POISON)));
}

/* A Parse that fails takes the unnamed statement with it only if it was to replace it. */
static struct slice pg_poison_parse(bool is_unnamed, struct arena *arena)
{
	uint8_t body[64];
	struct writer w = writer_of(body, sizeof(body));

	wr_cstr(&w, is_unnamed ? SLICE_LIT("") : SLICE_LIT(PG_POISON_NAME));
	wr_cstr(&w, SLICE_LIT(PG_POISON));
	wr_be16(&w, 0);
	return w.bad ? SLICE_NULL : pg_message(arena, 'P', wr_done(&w));
}

static int pg_settle_refuse(
	struct pg *st, struct slice span, const struct verdict *v, struct sink *sink)
{
	enum pg_place_kind end = pg_place_at(st, st->tail - 1)->kind;
	bool is_simple = end == PG_QUERY || end == PG_CALL, is_unnamed = false;
	size_t tail_len = end == PG_SYNC || end == PG_FLUSH ? PG_HEADER : 0;
	struct pg_place *p;
	char code[6] = "";

	for (uint32_t i = st->sent; i != st->tail; i++)
		if (pg_place_at(st, i)->kind == PG_PARSE && !pg_place_at(st, i)->obj->name.n)
			is_unnamed = true;
	pg_span_drop(st);
	p = pg_place_push(st, is_simple ? PG_QUERY : PG_PARSE, NULL, 0);
	p->seq = st->seq;
	p->ends_request = p->is_refused = true;
	if (v->code.n == 5)
		memcpy(code, v->code.p, 5);
	p->error = pg_words(NULL, st, 'E', "ERROR", *code ? code : pg_refusal_code(v->refusal), v);
	if (!p->error.p)
		return PROTO_E_TOO_BIG;
	sink_skip(sink, span.n - tail_len);
	sink_put(sink, SIDE_SERVER,
		is_simple ? pg_poison_query(sink->arena)
			  : pg_poison_parse(is_unnamed, sink->arena));
	if (tail_len)
		sink_pass(sink, tail_len);
	if (end == PG_SYNC || end == PG_FLUSH)
		pg_place_push(st, end, NULL, 0);
	pg_span_sent(st);
	st->skips_to_sync = !is_simple && end != PG_SYNC;
	return 0;
}

/* ---- settle ---------------------------------------------------------------------------------- */

/* An earlier part of the batch failed meanwhile: the server would ignore all of it but the Sync. */
static void pg_settle_skipped(struct pg *st, struct slice span, struct sink *sink)
{
	bool has_sync = pg_place_at(st, st->tail - 1)->kind == PG_SYNC;
	struct pg_place *p;

	pg_span_drop(st);
	p = pg_place_push(st, PG_EXECUTE, NULL, 0);
	p->seq = st->seq;
	p->ends_request = p->is_skipped = true;
	sink_skip(sink, span.n - (has_sync ? PG_HEADER : 0));
	if (has_sync) {
		sink_pass(sink, PG_HEADER);
		pg_place_push(st, PG_SYNC, NULL, 0);
		st->skips_to_sync = false;
		st->is_flushed = st->batch_open = true;
		st->batch++;
	}
	st->sent = st->tail;
}

int pg_settle(void *state, struct slice span, const struct verdict *v, struct sink *sink)
{
	struct pg *st = state;
	int r = 0;

	if (bug(!st->has_request))
		return PROTO_E_MALFORMED;
	st->has_request = false;
	if (v->kind == VERDICT_REFUSE)
		st->is_retrying = false;
	st->wants_text = st->wants_text || (v->kind == VERDICT_PASS && v->want_rows);
	if (st->phase < PG_READY)
		return pg_startup_settle(st, span, v, sink);
	if (bug(span.n != pg_span_len(st)))
		return PROTO_E_MALFORMED;
	if (st->owes_sync) {
		st->owes_sync = false;
		pg_place_insert(st, PG_SYNC);
		sink_put(sink, SIDE_SERVER, pg_message(sink->arena, 'S', SLICE_LIT("")));
	}
	if (st->skips_to_sync)
		pg_settle_skipped(st, span, sink);
	else if (v->kind == VERDICT_PASS)
		r = pg_settle_pass(st, span, v, sink);
	else
		r = pg_settle_refuse(st, span, v, sink);
	if (!r && sink->overflow)
		return PROTO_E_TOO_BIG;
	return r;
}
