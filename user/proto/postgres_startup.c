/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the first byte to the first ReadyForQuery: negotiation, the start-up packet, authentication.
 *
 * TLS and GSS encryption are answered "no" here: what is encrypted end to end cannot be judged. The
 * authentication itself is between client and server; of the client only 'p' messages pass.
 */
#include "proto/postgres_int.h"

enum {
	PG_CODE_CANCEL = 80877102,
	PG_CODE_SSL = 80877103,
	PG_CODE_GSS = 80877104,
	PG_TLS_HANDSHAKE = 0x16,
	PG_SETTINGS_MAX = 512,
};

enum tri pg_probe(struct slice first)
{
	struct reader r = reader_of(first);
	uint32_t len, code;

	if (first.n < 8)
		return first.n && first.p[0] ? TRI_NO : TRI_UNKNOWN;
	len = rd_be32(&r);
	code = rd_be32(&r);
	if (len < 8 || len > PG_STARTUP_MAX)
		return TRI_NO;
	return code >> 16 == 3 || (code >= PG_CODE_CANCEL && code <= PG_CODE_GSS) ? TRI_YES
										  : TRI_NO;
}

int pg_startup_frame(struct slice in, struct frame *ret)
{
	struct reader r = reader_of(in);
	uint32_t len;

	ret->len = 8;
	if (in.n && in.p[0] == PG_TLS_HANDSHAKE)
		return PROTO_E_MALFORMED;
	if (in.n < 8)
		return 0;
	len = rd_be32(&r);
	if (len < 8 || len > PG_STARTUP_MAX)
		return PROTO_E_MALFORMED;
	ret->len = len;
	return 0;
}

/* ---- the start-up packet --------------------------------------------------------------------- */

/* clean_encoding_name(): the server ignores everything but letters and digits. */
static bool pg_encoding_is(struct slice value, const char *clean)
{
	for (size_t i = 0; i < value.n; i++) {
		uint8_t c = value.p[i];

		if (c >= 'A' && c <= 'Z')
			c = (uint8_t)(c + 'a' - 'A');
		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9'))
			continue;
		if (c != (uint8_t)*clean++)
			return false;
	}
	return !*clean;
}

static bool pg_is_harmless(struct slice name, struct slice value)
{
	static const char *const names[] = {"application_name", "datestyle", "intervalstyle",
		"timezone", "extra_float_digits", NULL};

	if (slice_caseeq_str(name, "client_encoding"))
		return pg_encoding_is(value, "utf8") || pg_encoding_is(value, "unicode") ||
		       pg_encoding_is(value, "sqlascii");
	for (size_t i = 0; names[i]; i++)
		if (slice_caseeq_str(name, names[i]))
			return true;
	/* Extensions of the protocol: the server says itself which it does not know. */
	return slice_starts(name, "_pq_.");
}

/* parse_bool(): unique prefixes of false, off, no; and 0. */
static bool pg_is_false(struct slice v)
{
	static const char *const words[] = {"false", "off", "no", NULL};

	if (slice_eq_str(v, "0"))
		return true;
	for (size_t i = 0; words[i]; i++)
		if (v.n && v.n <= strlen(words[i]) &&
			!strncasecmp((const char *)v.p, words[i], v.n))
			return v.n > 1 || words[i][0] != 'o';
	return false;
}

struct pg_startup {
	struct request *req;
	struct pg_settings settings;
	struct slice names[64];
	size_t n_names;
};

/* GUC names are not case-sensitive, and whichever comes last wins at the server. */
static void pg_startup_note_name(struct pg_startup *s, struct slice name)
{
	for (size_t i = 0; i < s->n_names; i++)
		if (s->names[i].n == name.n &&
			!strncasecmp((const char *)s->names[i].p, (const char *)name.p, name.n))
			s->req->is_suspect = true;
	if (s->n_names < sizeof(s->names) / sizeof(s->names[0]))
		s->names[s->n_names++] = name;
	else
		s->req->is_suspect = true;
}

static int pg_startup_parameter(
	struct pg_startup *s, struct slice name, struct slice value, struct arena *arena)
{
	struct request *req = s->req;

	pg_startup_note_name(s, name);
	if (slice_eq_str(name, "user"))
		req->user = value;
	else if (slice_eq_str(name, "database"))
		req->database = value;
	else if (slice_eq_str(name, "options"))
		return pg_options_split(value, arena, &s->settings);
	else if (slice_eq_str(name, "replication"))
		req->kind = pg_is_false(value) ? req->kind : REQUEST_REPLICATION;
	else if (!pg_is_harmless(name, value))
		pg_settings_add(&s->settings, name, value);
	if (slice_caseeq_str(name, "application_name"))
		req->application = value;
	return s->settings.overflow ? PROTO_E_TOO_BIG : 0;
}

static int pg_startup_parse(struct reader *r, struct request *req, struct arena *arena)
{
	struct pg_startup s = {.req = req, .settings.max = PG_SETTINGS_MAX};
	int err;

	s.settings.v = arena_array(arena, PG_SETTINGS_MAX, sizeof(*s.settings.v));
	if (!s.settings.v)
		return PROTO_E_TOO_BIG;
	for (;;) {
		struct slice name = rd_cstr(r), value;

		if (r->bad)
			return PROTO_E_MALFORMED;
		if (!name.n)
			break;
		value = rd_cstr(r);
		if (r->bad)
			return PROTO_E_MALFORMED;
		err = pg_startup_parameter(&s, name, value, arena);
		if (err)
			return err;
	}
	if (!rd_done(r))
		return PROTO_E_MALFORMED;
	req->settings = s.settings.v;
	req->n_settings = s.settings.n;
	if (!req->database.n)
		req->database = req->user;
	return 0;
}

static int pg_startup_login(struct pg *st, struct reader *r, struct sink *sink)
{
	struct request *req = &sink->event.request;
	int err;

	*req = (struct request){.kind = REQUEST_LOGIN};
	err = pg_startup_parse(r, req, sink->arena);
	if (err)
		return err;
	st->user = pg_mem_dup(st, req->user);
	st->database = pg_mem_dup(st, req->database);
	if ((req->user.n && !st->user.p) || (req->database.n && !st->database.p))
		return PROTO_E_TOO_BIG;
	st->is_replication = req->kind == REQUEST_REPLICATION;
	st->login_seq = req->seq = ++st->seq;
	st->has_request = true;
	st->phase = PG_LOGIN;
	sink->event.kind = EV_REQUEST;
	return 0;
}

/* ---- the client's side ----------------------------------------------------------------------- */

static int pg_startup_deny(bool *was_asked, struct slice unit, struct sink *sink)
{
	if (*was_asked || unit.n != 8)
		return PROTO_E_MALFORMED;
	*was_asked = true;
	sink_skip(sink, unit.n);
	sink_put(sink, SIDE_CLIENT, SLICE_LIT("N"));
	return 0;
}

static int pg_startup_cancel(struct pg *st, struct reader *r, struct slice unit, struct sink *sink)
{
	uint32_t id = rd_be32(r);
	struct slice key = rd_rest(r);

	if (r->bad || key.n < 4 || key.n > PG_KEY_MAX)
		return PROTO_E_MALFORMED;
	st->phase = PG_DONE;
	sink_skip(sink, unit.n);
	sink->event.kind = EV_CANCEL;
	sink->event.cancel.id = id;
	sink->event.cancel.key = key;
	return 0;
}

static int pg_startup_packet(struct pg *st, struct slice unit, struct sink *sink)
{
	struct reader r = reader_of(unit);
	uint32_t code;

	rd_be32(&r);
	code = rd_be32(&r);
	if (code == PG_CODE_SSL)
		return pg_startup_deny(&st->has_ssl, unit, sink);
	if (code == PG_CODE_GSS)
		return pg_startup_deny(&st->has_gss, unit, sink);
	if (code == PG_CODE_CANCEL)
		return pg_startup_cancel(st, &r, unit, sink);
	if (code >> 16 != 3)
		return PROTO_E_MALFORMED;
	return pg_startup_login(st, &r, sink);
}

int pg_startup_client(struct pg *st, struct slice unit, struct sink *sink)
{
	if (st->phase == PG_START)
		return pg_startup_packet(st, unit, sink);
	if (st->phase == PG_LOGIN)
		return PROTO_E_NOT_NOW;
	if (unit.p[0] == 'X') {
		sink_pass(sink, unit.n);
		sink->event.kind = EV_CLOSE;
		st->phase = PG_DONE;
		return 0;
	}
	if (unit.p[0] != 'p')
		return PROTO_E_NOT_NOW;
	if (st->phase == PG_AUTHED)
		return PROTO_E_MALFORMED;
	if (!st->awaits_password)
		return PROTO_E_NOT_NOW;
	st->awaits_password = false;
	sink_pass(sink, unit.n);
	return 0;
}

int pg_startup_settle(struct pg *st, struct slice span, const struct verdict *v, struct sink *sink)
{
	if (v->kind == VERDICT_PASS) {
		st->phase = PG_AUTH;
		sink_pass(sink, span.n);
		return 0;
	}
	st->phase = PG_DONE;
	sink_skip(sink, span.n);
	sink_put(sink, SIDE_CLIENT,
		pg_words(sink->arena, NULL, 'E', "FATAL", pg_refusal_code(v->refusal), v));
	sink->event.kind = EV_CLOSE;
	return sink->overflow ? PROTO_E_TOO_BIG : 0;
}

/* ---- the server's side ----------------------------------------------------------------------- */

static int pg_auth(struct pg *st, struct slice unit, struct sink *sink)
{
	struct reader r = reader_of(slice_skip(unit, PG_HEADER));
	uint32_t code = rd_be32(&r);

	if (r.bad || st->phase != PG_AUTH)
		return PROTO_E_MALFORMED;
	switch (code) {
	case 0:
		st->phase = PG_AUTHED;
		break;
	case 2:  /* Kerberos V5 */
	case 3:  /* cleartext */
	case 5:  /* md5 */
	case 7:  /* GSS */
	case 8:  /* GSS, further data */
	case 9:  /* SSPI */
	case 10: /* SASL */
	case 11: /* SASL, further data */
		st->awaits_password = true;
		break;
	case 12: /* SASL, final: nothing is expected back */
		break;
	default:
		return PROTO_E_MALFORMED;
	}
	sink_pass(sink, unit.n);
	return 0;
}

/* The client gets a key of ours; the real one never leaves. The id is no secret (pg_backend_pid()),
 * and clients compare it with that of a notification. */
static int pg_backend_key(struct pg *st, struct slice unit, struct sink *sink)
{
	struct reader r = reader_of(slice_skip(unit, PG_HEADER));
	uint32_t id = rd_be32(&r);
	struct slice key = rd_rest(&r);
	uint8_t *mem = arena_alloc(sink->arena, PG_HEADER + 8);
	struct writer w = writer_of(mem, mem ? PG_HEADER + 8 : 0);

	if (r.bad || st->phase != PG_AUTHED || key.n < 4 || key.n > PG_KEY_MAX)
		return PROTO_E_MALFORMED;
	st->real_id = id;
	st->real_key_len = key.n;
	memcpy(st->real_key, key.p, key.n);
	wr_u8(&w, 'K');
	wr_be32(&w, 12);
	wr_be32(&w, id);
	wr_bytes(&w, st->vkey, sizeof(st->vkey));
	sink_skip(sink, unit.n);
	sink_put(sink, SIDE_CLIENT, wr_done(&w));
	return w.bad ? PROTO_E_TOO_BIG : 0;
}

static uint64_t pg_digest(uint64_t h, struct slice s)
{
	/* FNV-1a, since an approval may outlive the process and its hash seed. */
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ s.p[i]) * UINT64_C(0x100000001b3);
	return (h ^ 0xff) * UINT64_C(0x100000001b3);
}

/* The parser's grammar is that of version 15. What the versions up to this one read otherwise is an
 * error to it, hence unknown; of newer ones nobody has looked. */
enum { PG_SERVER_MAX = 18 };

static bool pg_version_is_known(struct slice v)
{
	unsigned major = 0;

	for (size_t i = 0; i < v.n && v.p[i] >= '0' && v.p[i] <= '9' && major < 1000; i++)
		major = major * 10 + (v.p[i] - '0');
	return major && major <= PG_SERVER_MAX;
}

/* In these encodings no byte of a longer character looks like a quote or a backslash. */
static bool pg_encoding_is_readable(struct slice e)
{
	return slice_eq_str(e, "UTF8") || slice_eq_str(e, "SQL_ASCII") ||
	       slice_starts(e, "LATIN") || slice_starts(e, "WIN125");
}

int pg_parameter_status(struct pg *st, struct slice unit)
{
	const struct {
		const char *name;
		struct slice *kept;
	} rows[] = {
		{"client_encoding", &st->encoding},
		{"standard_conforming_strings", &st->scs},
		{"search_path", &st->search_path},
		{"is_superuser", &st->superuser},
		{"server_version", &st->server_version},
	};
	struct reader r = reader_of(slice_skip(unit, PG_HEADER));
	struct slice name = rd_cstr(&r), value = rd_cstr(&r);

	if (!rd_done(&r))
		return PROTO_E_MALFORMED;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!slice_eq_str(name, rows[i].name))
			continue;
		pg_mem_free(st, (void *)(uintptr_t)rows[i].kept->p);
		*rows[i].kept = pg_mem_dup(st, value);
		if (value.n && !rows[i].kept->p)
			return PROTO_E_TOO_BIG;
	}
	st->is_readable = slice_eq_str(st->scs, "on") && pg_encoding_is_readable(st->encoding) &&
			  pg_version_is_known(st->server_version);
	st->lexing = pg_digest(UINT64_C(0xcbf29ce484222325), st->encoding);
	st->lexing = pg_digest(st->lexing, st->scs);
	st->lexing = pg_digest(st->lexing, st->search_path);
	st->lexing = pg_digest(st->lexing, st->superuser);
	return 0;
}

static int pg_first_ready(struct pg *st, struct slice unit, struct sink *sink)
{
	if (st->phase != PG_AUTHED || unit.n != PG_HEADER + 1 || unit.p[PG_HEADER] != 'I')
		return PROTO_E_MALFORMED;
	st->phase = PG_READY;
	st->tx = st->ready = TX_NONE;
	sink_pass(sink, unit.n);
	sink->event.kind = EV_LOGIN;
	sink->event.login.user = st->user;
	sink->event.login.database = st->database;
	/* Its EV_REPLY comes from next_event(). */
	pg_place_push(st, PG_SYNC, NULL, 0)->seq = st->login_seq;
	st->sent = st->tail;
	pg_head(st)->ends_request = pg_head(st)->is_answered = true;
	return 0;
}

int pg_startup_server(struct pg *st, struct slice unit, struct sink *sink)
{
	int r;

	switch (unit.p[0]) {
	case 'R':
		return pg_auth(st, unit, sink);
	case 'K':
		return pg_backend_key(st, unit, sink);
	case 'Z':
		return pg_first_ready(st, unit, sink);
	case 'S':
		r = st->phase == PG_AUTHED ? pg_parameter_status(st, unit) : PROTO_E_MALFORMED;
		return r ? r : pg_text(st, unit, false, sink);
	case 'N':
		return pg_text(st, unit, false, sink);
	case 'E':
		return pg_error(st, unit, sink);
	case 'v':
		if (st->phase != PG_AUTH)
			return PROTO_E_MALFORMED;
		sink_pass(sink, unit.n);
		return 0;
	}
	return PROTO_E_MALFORMED;
}
