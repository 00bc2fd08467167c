/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prose on its way to the client: errors, notices, parameter values, notifications, lines of COPY.
 * Any of it can quote a protected value, so the host may see and replace it. And the words that we
 * put in ourselves.
 */
#include "proto/postgres_int.h"

enum { PG_TEXT_FIELDS_MAX = 4096 };

/* ---- our own words --------------------------------------------------------------------------- */

const char *pg_refusal_code(enum refusal why)
{
	switch (why) {
	case REFUSAL_POLICY:
		return "42501";
	case REFUSAL_CANCELLED:
		return "57014";
	case REFUSAL_LOCKED:
		return "55P03";
	case REFUSAL_LIMIT:
		return "54000";
	case REFUSAL_RECORD:
		return "53100";
	case REFUSAL_INTERNAL:
		return "XX000";
	case REFUSAL_UNREACHABLE:
		return "08001";
	}
	return "XX000";
}

static void pg_words_field(struct writer *w, char field, struct slice text)
{
	const uint8_t *nul = text.n ? memchr(text.p, 0, text.n) : NULL;

	if (!text.n)
		return;
	wr_u8(w, (uint8_t)field);
	wr_cstr(w, nul ? slice_of(text.p, (size_t)(nul - text.p)) : text);
}

struct slice pg_words(struct arena *arena, struct pg *mem_st, uint8_t type, const char *severity,
	const char *code, const struct verdict *v)
{
	size_t max = 64 + v->message.n + v->detail.n + v->hint.n;
	uint8_t *mem = mem_st ? pg_mem(mem_st, max) : arena_alloc(arena, max);
	struct writer w = writer_of(mem, mem ? max : 0);

	wr_u8(&w, type);
	wr_be32(&w, 0);
	pg_words_field(&w, 'S', slice_str(severity));
	pg_words_field(&w, 'V', slice_str(severity));
	pg_words_field(&w, 'C', slice_str(code));
	pg_words_field(&w, 'M', v->message.n ? v->message : SLICE_LIT("refused"));
	pg_words_field(&w, 'D', v->detail);
	pg_words_field(&w, 'H', v->hint);
	wr_u8(&w, 0);
	wr_patch_be32(&w, 1, (uint32_t)w.n - 1);
	return wr_done(&w);
}

struct slice pg_message(struct arena *arena, uint8_t type, struct slice body)
{
	uint8_t *mem = arena_alloc(arena, PG_HEADER + body.n);
	struct writer w = writer_of(mem, mem ? PG_HEADER + body.n : 0);

	wr_u8(&w, type);
	wr_be32(&w, (uint32_t)body.n + 4);
	wr_slice(&w, body);
	return wr_done(&w);
}

/* ---- fields ---------------------------------------------------------------------------------- */

struct pg_fields {
	struct slice *v;
	size_t n, max;
};

static int pg_fields_add(struct pg_fields *f, struct slice s)
{
	if (f->n == f->max)
		return PROTO_E_TOO_BIG;
	f->v[f->n++] = s;
	return 0;
}

/* Everything in an error that can hold text from elsewhere. Not S, V, C, nor positions and sources.
 */
static int pg_fields_of_error(struct reader *r, struct pg_fields *f)
{
	for (;;) {
		uint8_t type = rd_u8(r);
		struct slice s;

		if (r->bad || !type)
			return rd_done(r) ? 0 : PROTO_E_MALFORMED;
		s = rd_cstr(r);
		if (r->bad)
			return PROTO_E_MALFORMED;
		if (strchr("MDHWqsctdn", type) && pg_fields_add(f, s))
			return PROTO_E_TOO_BIG;
	}
}

/* One line of text COPY is split at its tabs; data that is not one line is one field. */
static int pg_fields_of_copy(const struct pg *st, struct reader *r, struct pg_fields *f)
{
	struct slice data = rd_rest(r);
	const uint8_t *end = data.n ? memchr(data.p, '\n', data.n) : NULL;

	if (!st->copy_is_text || !end || end != data.p + data.n - 1)
		return pg_fields_add(f, data);
	data.n--;
	for (;;) {
		const uint8_t *tab = data.n ? memchr(data.p, '\t', data.n) : NULL;
		size_t n = tab ? (size_t)(tab - data.p) : data.n;

		if (pg_fields_add(f, slice_head(data, n)))
			return PROTO_E_TOO_BIG;
		if (!tab)
			return 0;
		data = slice_skip(data, n + 1);
	}
}

static int pg_fields_of_value(struct reader *r, struct pg_fields *f)
{
	uint32_t n = rd_be32(r);

	if (n == UINT32_MAX)
		return rd_done(r) ? 0 : PROTO_E_MALFORMED;
	return pg_fields_add(f, rd_bytes(r, n));
}

static int pg_fields_read(const struct pg *st, struct slice unit, struct pg_fields *f)
{
	struct reader r = reader_of(slice_skip(unit, PG_HEADER));
	int err = 0;

	switch (unit.p[0]) {
	case 'E':
	case 'N':
		return pg_fields_of_error(&r, f);
	case 'S':
		rd_cstr(&r);
		err = pg_fields_add(f, rd_cstr(&r));
		break;
	case 'A':
		rd_be32(&r);
		err = pg_fields_add(f, rd_cstr(&r));
		if (!err)
			err = pg_fields_add(f, rd_cstr(&r));
		break;
	case 'V':
		err = pg_fields_of_value(&r, f);
		break;
	default:
		return pg_fields_of_copy(st, &r, f);
	}
	if (err)
		return err;
	return rd_done(&r) ? 0 : PROTO_E_MALFORMED;
}

/* More tabs than there can be columns: what is behind the last is one field with it. */
static int pg_fields_new(
	const struct pg *st, struct slice unit, struct arena *arena, struct pg_fields *ret)
{
	size_t n = 64;

	if (unit.p[0] == 'd')
		for (size_t i = PG_HEADER; i < unit.n; i++)
			n += unit.p[i] == '\t';
	if (n > PG_TEXT_FIELDS_MAX)
		return PROTO_E_TOO_BIG;
	*ret = (struct pg_fields){.v = arena_array(arena, n, sizeof(*ret->v)), .max = n};
	if (!ret->v)
		return PROTO_E_TOO_BIG;
	return pg_fields_read(st, unit, ret);
}

/* One literal, so that no comma can be missing. */
#define PG_ABORTED                                                                                 \
	"25P02 current transaction is aborted, commands ignored until end of transaction block"

/* Words of the server that hold nothing but themselves. A code is no proof: anybody's code may
 * raise any, and the server's own functions quote their arguments under most of them. */
static bool pg_words_are_constant(struct slice code, struct slice message)
{
	static const char *const words[] = {
		"0A000 cached plan must not change result type",
		"21000 more than one row returned by a subquery used as an expression",
		"22003 bigint out of range",
		"22003 integer out of range",
		"22003 smallint out of range",
		"22012 division by zero",
		"25006 cannot execute DELETE in a read-only transaction",
		"25006 cannot execute INSERT in a read-only transaction",
		"25006 cannot execute MERGE in a read-only transaction",
		"25006 cannot execute SELECT FOR UPDATE in a read-only transaction",
		"25006 cannot execute UPDATE in a read-only transaction",
		PG_ABORTED,
		"40001 could not serialize access due to concurrent delete",
		"40001 could not serialize access due to concurrent update",
		"40P01 deadlock detected",
		"55P03 canceling statement due to lock timeout",
		"57014 canceling statement due to statement timeout",
		"57014 canceling statement due to user request",
		"57P01 terminating connection due to administrator command",
	};

	for (size_t i = 0; code.n == 5 && i < sizeof(words) / sizeof(words[0]); i++)
		if (!memcmp(code.p, words[i], 5) && slice_eq_str(message, words[i] + 6))
			return true;
	return false;
}

/* The server's commands that look for a name, which stands in the client's own message or text.
 * Code that gives such a command a name of its own making says where it was ('W'). */
static bool pg_words_are_of_a_name(struct slice code, struct slice routine)
{
	static const char *const routines[] = {
		"26000 FetchPreparedStatement",
		"26000 exec_bind_message",
		"26000 exec_describe_statement_message",
		"34000 PerformPortalFetch",
		"34000 exec_describe_portal_message",
		"34000 exec_execute_message",
	};

	for (size_t i = 0; code.n == 5 && i < sizeof(routines) / sizeof(routines[0]); i++)
		if (!memcmp(code.p, routines[i], 5) && slice_eq_str(routine, routines[i] + 6))
			return true;
	return false;
}

/* Who is refused while logging in is told names of its own startup message; nothing of a row has
 * been read yet. (Codes of PostgreSQL's auth.c, postinit.c and hba.c.) */
static bool pg_words_are_of_login(struct slice code)
{
	static const char *const codes[] = {"28000", "28P01", "3D000", "42501", "53300", "57P03"};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (slice_eq_str(code, codes[i]))
			return true;
	return false;
}

/*
 * May an error or notice quote what stands in a row? Not if its words are constant, and not if it
 * is the server's parser that speaks, of the text that the client sent: those carry a position
 * ('P'). What goes wrong while something runs has none, or one in a text of its own ('p', 'q');
 * where code runs while the text is looked at (the CHECK of a domain behind a constant), it says
 * where it was ('W').
 */
static bool pg_words_may_quote(const struct pg *st, struct slice unit)
{
	struct reader r = reader_of(slice_skip(unit, PG_HEADER));
	struct slice code = SLICE_NULL, message = SLICE_NULL, routine = SLICE_NULL;
	bool has_position = false, has_context = false, has_more = false;
	uint8_t type;

	if (unit.p[0] != 'E' && unit.p[0] != 'N')
		return false;
	while ((type = rd_u8(&r))) {
		struct slice s = rd_cstr(&r);

		switch (type) {
		case 'C':
			code = s;
			break;
		case 'M':
			message = s;
			break;
		case 'P':
			has_position = true;
			break;
		case 'W':
		case 'p':
		case 'q':
			has_context = true;
			break;
		case 'S':
		case 'V':
		case 'F':
		case 'L':
			break;
		case 'R':
			routine = s;
			break;
		default:
			has_more = true;
			break;
		}
	}
	if (has_context)
		return true;
	if (has_position || (st->phase != PG_READY && pg_words_are_of_login(code)))
		return false;
	return has_more ||
	       (!pg_words_are_constant(code, message) && !pg_words_are_of_a_name(code, routine));
}

/* Settings whose value is one of a few words, numbers or names that the server knows. */
static bool pg_setting_is_plain(struct slice unit)
{
	static const char *const plain[] = {"client_encoding", "DateStyle", "IntervalStyle",
		"default_transaction_read_only", "in_hot_standby", "integer_datetimes",
		"is_superuser", "scram_iterations", "server_encoding", "server_version",
		"standard_conforming_strings"};
	struct reader r = reader_of(slice_skip(unit, PG_HEADER));
	struct slice name = rd_cstr(&r);

	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (slice_eq_str(name, plain[i]))
			return true;
	return false;
}

static bool pg_may_quote(const struct pg *st, struct slice unit)
{
	switch (unit.p[0]) {
	case 'A':
	case 'V':
		return true;
	case 'S':
		return !pg_setting_is_plain(unit);
	}
	return pg_words_may_quote(st, unit);
}

/* Ops for a unit of which the client gets `shown`. */
static int pg_text_out(struct pg *st, struct slice unit, struct slice shown, struct sink *sink)
{
	int r = pg_position_shift(st, &shown, sink->arena);

	if (!r)
		r = pg_belt_unquote(st, &shown, sink->arena);
	if (r)
		return r;
	if (shown.p == unit.p) {
		sink_pass(sink, unit.n);
		return 0;
	}
	sink_skip(sink, unit.n);
	sink_put(sink, SIDE_CLIENT, shown);
	return 0;
}

int pg_text(struct pg *st, struct slice unit, bool is_row, struct sink *sink)
{
	struct pg_fields f;
	int r;

	if (!is_row && !st->wants_text)
		return pg_text_out(st, unit, unit, sink);
	r = pg_fields_new(st, unit, sink->arena, &f);
	if (r)
		return r;
	st->has_text = true;
	sink->event.kind = EV_TEXT;
	sink->event.text.seq = pg_head(st) ? pg_head(st)->seq : 0;
	sink->event.text.is_row = is_row;
	sink->event.text.may_quote = pg_may_quote(st, unit);
	sink->event.text.is_foreign = unit.p[0] == 'A';
	sink->event.text.is_value = unit.p[0] == 'S' || unit.p[0] == 'V';
	sink->event.text.fields = f.v;
	sink->event.text.n = f.n;
	return 0;
}

/* ---- errors ---------------------------------------------------------------------------------- */

struct pg_error {
	struct slice code, message;
	bool is_fatal;
};

static int pg_error_read(struct slice unit, struct pg_error *ret)
{
	struct reader r = reader_of(slice_skip(unit, PG_HEADER));

	*ret = (struct pg_error){0};
	for (;;) {
		uint8_t type = rd_u8(&r);
		struct slice s;

		if (r.bad || !type)
			return rd_done(&r) ? 0 : PROTO_E_MALFORMED;
		s = rd_cstr(&r);
		if (type == 'C')
			ret->code = s;
		if (type == 'M')
			ret->message = s;
		/* S is translated, V is not; servers before 9.6 have S alone. */
		if ((type == 'V' || type == 'S') &&
			(slice_eq_str(s, "FATAL") || slice_eq_str(s, "PANIC")))
			ret->is_fatal = true;
	}
}

int pg_error_code(struct slice unit, char code[static 6])
{
	struct pg_error e;

	if (pg_error_read(unit, &e))
		return PROTO_E_MALFORMED;
	if (e.code.n == 5)
		memcpy(code, e.code.p, 5);
	return 0;
}

struct slice pg_error_message(struct slice unit)
{
	struct pg_error e;

	return pg_error_read(unit, &e) ? SLICE_NULL : e.message;
}

/* What the client got, for the EV_REPLY. */
int pg_error_keep(struct pg *st, struct slice shown)
{
	struct pg_error e;

	if (pg_error_read(shown, &e))
		return PROTO_E_MALFORMED;
	if (e.code.n >= sizeof(st->error_code))
		e.code.n = sizeof(st->error_code) - 1;
	memcpy(st->error_code, e.code.n ? (const char *)e.code.p : "", e.code.n);
	st->error_code[e.code.n] = 0;
	st->error_len = e.message.n < sizeof(st->error_text) ? e.message.n : sizeof(st->error_text);
	if (st->error_len)
		memcpy(st->error_text, e.message.p, st->error_len);
	return 0;
}

/* After the ops for an ErrorResponse were given: `shown` is what the client got. */
static int pg_error_passed(struct pg *st, struct slice unit, struct slice shown, struct sink *sink)
{
	struct pg_error e;

	if (pg_error_read(unit, &e) || pg_error_keep(st, shown))
		return PROTO_E_MALFORMED;
	pg_count(st, shown.n);
	if (st->phase < PG_READY) {
		if (st->login_seq && !st->login_failed)
			pg_reply_emit(
				st, &(struct pg_place){.seq = st->login_seq}, REPLY_ERROR, sink);
		st->login_failed = true;
		return 0;
	}
	/* The end of the session is no refusal, whatever the place was. */
	if (e.is_fatal && pg_head(st))
		pg_head(st)->is_refused = false;
	st->copy = PG_COPY_NONE;
	return pg_place_failed(st, e.is_fatal, sink);
}

int pg_error(struct pg *st, struct slice unit, struct sink *sink)
{
	const struct pg_place *p = pg_head(st);
	struct slice shown;
	bool is_retried;
	struct pg_error e;
	int r;

	if (pg_error_read(unit, &e))
		return PROTO_E_MALFORMED;
	if (p && p->is_refused && !e.is_fatal) {
		sink_skip(sink, unit.n);
		shown = arena_dup(sink->arena, p->error);
		sink_put(sink, SIDE_CLIENT, shown);
		return shown.p ? pg_error_passed(st, unit, shown, sink) : PROTO_E_TOO_BIG;
	}
	if (p && p->is_belted && !e.is_fatal && slice_eq_str(e.code, "25006")) {
		r = pg_belt_error(st, unit, sink, &shown);
		is_retried = p->is_retried && p->kind != PG_QUERY;
		if (!r)
			r = pg_error_passed(st, unit, shown, sink);
		/* Its ReadyForQuery is nobody's business; the one after the second time is. */
		if (!r && is_retried)
			pg_place_at(st, st->tail - 1)->is_hidden = true;
		return r;
	}
	r = pg_text(st, unit, false, sink);
	if (r || st->has_text)
		return r;
	return pg_error_passed(st, unit, unit, sink);
}

/* ---- putting it together again --------------------------------------------------------------- */

/* A field must not break its frame: text ends at a NUL, a COPY field at a tab or newline. */
static struct slice pg_field_fit(struct slice s, uint8_t type)
{
	size_t n = 0;

	if (type == 'V')
		return s;
	while (n < s.n && s.p[n] && (type != 'd' || (s.p[n] != '\t' && s.p[n] != '\n')))
		n++;
	return slice_head(s, n);
}

static int pg_text_rebuild(struct slice unit, const struct pg_fields *f, const struct slice *fields,
	struct arena *arena, struct slice *ret)
{
	size_t max = unit.n;
	const uint8_t *at = unit.p;
	struct writer w;
	uint8_t *mem;

	for (size_t i = 0; i < f->n; i++)
		max += fields[i].n;
	mem = max <= UINT32_MAX / 2 ? arena_alloc(arena, max) : NULL;
	w = writer_of(mem, mem ? max : 0);
	for (size_t i = 0; i < f->n; i++) {
		bool is_same = fields[i].p == f->v[i].p && fields[i].n == f->v[i].n;

		wr_bytes(&w, at, (size_t)(f->v[i].p - at));
		wr_slice(&w, is_same ? fields[i] : pg_field_fit(fields[i], unit.p[0]));
		at = f->v[i].p + f->v[i].n;
	}
	wr_bytes(&w, at, (size_t)(unit.p + unit.n - at));
	wr_patch_be32(&w, 1, (uint32_t)w.n - 1);
	if (unit.p[0] == 'V')
		wr_patch_be32(&w, PG_HEADER, (uint32_t)(w.n - PG_HEADER - 4));
	*ret = wr_done(&w);
	return ret->p ? 0 : PROTO_E_TOO_BIG;
}

int pg_settle_text(
	void *state, struct slice unit, const struct slice *fields, size_t n, struct sink *sink)
{
	struct pg *st = state;
	struct slice shown = unit;
	struct pg_fields f;
	bool is_same = true;
	int r;

	if (bug(!st->has_text))
		return PROTO_E_MALFORMED;
	st->has_text = false;
	r = pg_fields_new(st, unit, sink->arena, &f);
	if (r)
		return r;
	if (bug(n != f.n))
		return PROTO_E_MALFORMED;
	for (size_t i = 0; i < n; i++)
		is_same = is_same && slice_eq(fields[i], f.v[i]);
	r = is_same ? 0 : pg_text_rebuild(unit, &f, fields, sink->arena, &shown);
	if (!r)
		r = pg_text_out(st, unit, shown, sink);
	if (r)
		return r;
	if (unit.p[0] == 'E')
		return pg_error_passed(st, unit, shown, sink);
	pg_count(st, shown.n);
	return sink->overflow ? PROTO_E_TOO_BIG : 0;
}
