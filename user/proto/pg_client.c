/* SPDX-License-Identifier: Apache-2.0 */
/* A client of our own: see pg_client.h. */
#include "proto/pg_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/pg_scram.h"
#include "util/reader.h"
#include "util/writer.h"

enum {
	CLIENT_PROTOCOL = 3 << 16,
	CLIENT_HEAD = 5,
	CLIENT_START_MAX = 1024,
	CLIENT_ANSWER_MAX = 512,
	CLIENT_PARAMS_MAX = 16,
	/* AuthenticationRequest */
	AUTH_OK = 0,
	AUTH_CLEARTEXT = 3,
	AUTH_MD5 = 5,
	AUTH_SASL = 10,
	AUTH_SASL_CONTINUE = 11,
	AUTH_SASL_FINAL = 12,
};

int pg_client_init(struct pg_client *c, const char *user, const char *password,
	const char *database, const char *options)
{
	const char *const pairs[] = {"user", user, "database", database, "client_encoding", "UTF8",
		"application_name", "holdfast", "options", options};
	uint8_t bytes[CLIENT_START_MAX];
	struct writer w = writer_of(bytes, sizeof(bytes));

	*c = (struct pg_client){.user = user, .password = password, .database = database};
	buf_init(&c->out, PG_CLIENT_OUT_MAX);
	wr_be32(&w, 0);
	wr_be32(&w, CLIENT_PROTOCOL);
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		wr_cstr(&w, slice_str(pairs[i]));
	wr_u8(&w, 0);
	wr_patch_be32(&w, 0, (uint32_t)w.n);
	if (w.bad)
		return err_raise(-E2BIG);
	return err_trace(buf_put(&c->out, wr_done(&w)));
}

void pg_client_deinit(struct pg_client *c)
{
	buf_deinit(&c->out);
}

static int client_put(struct pg_client *c, char type, const struct writer *body)
{
	uint8_t head[CLIENT_HEAD];
	struct writer w = writer_of(head, sizeof(head));
	int r;

	if (body->bad)
		return err_raise(-E2BIG);
	wr_u8(&w, (uint8_t)type);
	wr_be32(&w, (uint32_t)body->n + 4);
	r = buf_put(&c->out, wr_done(&w));
	if (!r && body->n)
		r = buf_put(&c->out, slice_of(body->p, body->n));
	return r ? err_fold(r) : 0;
}

/* ---- logging in ------------------------------------------------------------------------------ */

static int client_put_text(struct pg_client *c, const char *text)
{
	uint8_t bytes[CLIENT_ANSWER_MAX];
	struct writer w = writer_of(bytes, sizeof(bytes));
	int r;

	wr_cstr(&w, slice_str(text));
	r = client_put(c, 'p', &w);
	explicit_bzero(bytes, sizeof(bytes));
	return err_trace(r);
}

static int client_refuse(struct pg_client *c, const char *why)
{
	c->has_failed = true;
	snprintf(c->why, sizeof(c->why), "%s", why);
	return PG_CLIENT_E_REFUSED;
}

static int client_md5(struct pg_client *c, struct reader *r)
{
	struct slice salt = rd_bytes(r, 4);
	char answer[36];

	if (r->bad)
		return PG_CLIENT_E_BROKEN;
	if (!pg_md5_answer(c->user, c->password, salt.p, answer))
		return client_refuse(c, "the server wants md5, which this host does not allow");
	return err_trace(client_put_text(c, answer));
}

static int client_sasl(struct pg_client *c, struct reader *r)
{
	static const char method[] = "SCRAM-SHA-256";
	char first[CLIENT_ANSWER_MAX];
	uint8_t bytes[CLIENT_ANSWER_MAX];
	struct writer w = writer_of(bytes, sizeof(bytes));
	bool is_offered = false;
	int e;

	for (struct slice name = rd_cstr(r); name.n; name = rd_cstr(r))
		is_offered |= slice_eq_str(name, method);
	if (!is_offered || c->scram.is_begun)
		return client_refuse(c, "the server offers no SCRAM-SHA-256");
	e = pg_scram_begin(c, first, sizeof(first));
	if (e)
		return err_trace(e);
	wr_cstr(&w, slice_str(method));
	wr_be32_bytes(&w, slice_str(first));
	return err_trace(client_put(c, 'p', &w));
}

static int client_sasl_continue(struct pg_client *c, struct reader *r)
{
	char final[CLIENT_ANSWER_MAX];
	struct writer w;
	int e;

	if (!c->scram.is_begun || *c->scram.final)
		return PG_CLIENT_E_BROKEN;
	e = pg_scram_continue(c, rd_rest(r), final, sizeof(final));
	if (e == PG_CLIENT_E_REFUSED)
		return client_refuse(c, "the server's nonce is not ours");
	if (e)
		return e > 0 ? e : err_trace(e);
	w = (struct writer){.p = (uint8_t *) final, .n = strlen(final), .max = sizeof(final)};
	return err_trace(client_put(c, 'p', &w));
}

static int client_authenticate(struct pg_client *c, struct reader *r)
{
	uint32_t kind = rd_be32(r);

	if (c->is_in || c->state != PG_CLIENT_LOGIN || r->bad)
		return PG_CLIENT_E_BROKEN;
	if (kind != AUTH_OK && !c->password)
		return client_refuse(c, "the server wants a password, and none is configured");
	switch (kind) {
	case AUTH_OK:
		/* Who began to prove that it knows the password has to go through with it. */
		if (c->scram.is_begun && !c->scram.is_proven)
			return client_refuse(
				c, "the server did not prove that it knows the password");
		c->is_in = true;
		return 0;
	case AUTH_CLEARTEXT:
		return err_trace(client_put_text(c, c->password));
	case AUTH_MD5:
		return client_md5(c, r);
	case AUTH_SASL:
		return client_sasl(c, r);
	case AUTH_SASL_CONTINUE:
		return client_sasl_continue(c, r);
	case AUTH_SASL_FINAL:
		return c->scram.is_begun && *c->scram.final && pg_scram_end(c, rd_rest(r))
			       ? 0
			       : client_refuse(
					 c, "the server did not prove that it knows the password");
	default:
		return client_refuse(c, "the server wants a way of logging in that we do not have");
	}
}

/* ---- answers --------------------------------------------------------------------------------- */

static void client_error(struct pg_client *c, struct reader *r)
{
	c->has_failed = true;
	for (uint8_t field = rd_u8(r); field && !r->bad; field = rd_u8(r)) {
		struct slice text = rd_cstr(r);

		if (field == 'C')
			snprintf(c->code, sizeof(c->code), "%.*s", SLICE_FMT(slice_head(text, 5)));
		else if (field == 'M')
			snprintf(c->why, sizeof(c->why), "%.*s",
				SLICE_FMT(slice_head(text, sizeof(c->why) - 1)));
	}
}

static int client_row(struct pg_client *c, struct reader *r)
{
	struct slice columns[PG_CLIENT_COLUMNS_MAX];
	size_t n = rd_be16(r);

	if (n > PG_CLIENT_COLUMNS_MAX)
		return PG_CLIENT_E_BROKEN;
	for (size_t i = 0; i < n; i++) {
		uint32_t len = rd_be32(r);

		columns[i] = len == UINT32_MAX ? SLICE_NULL : rd_bytes(r, len);
	}
	if (r->bad)
		return PG_CLIENT_E_BROKEN;
	if (!c->has_failed && c->on_row && c->on_row(c->arg, columns, n)) {
		c->has_failed = true;
		snprintf(c->why, sizeof(c->why), "the answer is not what was asked for");
	}
	return 0;
}

static int client_message(struct pg_client *c, uint8_t type, struct reader r)
{
	switch (type) {
	case 'R':
		return client_authenticate(c, &r);
	case 'E':
		client_error(c, &r);
		return c->state == PG_CLIENT_LOGIN ? PG_CLIENT_E_REFUSED : 0;
	case 'D':
		return c->state == PG_CLIENT_BUSY ? client_row(c, &r) : PG_CLIENT_E_BROKEN;
	case 'Z':
		if (!c->is_in)
			return PG_CLIENT_E_BROKEN;
		c->state = PG_CLIENT_IDLE;
		return 0;
	case '1': /* ParseComplete */
	case '2': /* BindComplete */
	case 'C': /* CommandComplete */
	case 'I': /* EmptyQueryResponse */
	case 'N': /* NoticeResponse */
	case 'S': /* ParameterStatus */
	case 'K': /* BackendKeyData */
	case 'v': /* NegotiateProtocolVersion */
	case 'A': /* NotificationResponse */
		return 0;
	default:
		return PG_CLIENT_E_BROKEN;
	}
}

int pg_client_feed(struct pg_client *c, struct slice in, size_t *ret_used)
{
	*ret_used = 0;
	while (in.n >= CLIENT_HEAD) {
		struct reader head = reader_of(in);
		uint8_t type = rd_u8(&head);
		uint32_t len = rd_be32(&head);
		int r;

		if (len < 4 || len > PG_CLIENT_MESSAGE_MAX || c->state == PG_CLIENT_OVER)
			return PG_CLIENT_E_BROKEN;
		if (in.n - 1 < len)
			return 0;
		r = client_message(
			c, type, reader_of(slice_head(slice_skip(in, CLIENT_HEAD), len - 4)));
		if (r) {
			c->state = PG_CLIENT_OVER;
			return r > 0 ? r : err_trace(r);
		}
		*ret_used += len + 1;
		in = slice_skip(in, len + 1);
	}
	return 0;
}

int pg_client_ask(struct pg_client *c, struct slice text, const struct slice *params,
	size_t n_params, pg_client_row_fn on_row, void *arg)
{
	struct writer none = writer_of(NULL, 0), w;
	size_t max = text.n + 256;
	uint8_t *bytes;
	int r;

	if (bug(c->state != PG_CLIENT_IDLE) || n_params > CLIENT_PARAMS_MAX)
		return err_raise(-EINVAL);
	for (size_t i = 0; i < n_params; i++)
		max += params[i].n + 4;
	bytes = max <= PG_CLIENT_OUT_MAX ? malloc(max) : NULL;
	if (!bytes)
		return err_raise(max > PG_CLIENT_OUT_MAX ? -E2BIG : -ENOMEM);
	w = writer_of(bytes, max);
	wr_cstr(&w, SLICE_NULL); /* the unnamed statement */
	wr_cstr(&w, text);
	wr_be16(&w, 0);
	r = client_put(c, 'P', &w);
	w = writer_of(bytes, max);
	wr_cstr(&w, SLICE_NULL);
	wr_cstr(&w, SLICE_NULL);
	wr_be16(&w, 0);
	wr_be16(&w, (uint16_t)n_params);
	for (size_t i = 0; i < n_params; i++)
		wr_be32_bytes(&w, params[i]);
	wr_be16(&w, 0);
	if (!r)
		r = client_put(c, 'B', &w);
	w = writer_of(bytes, max);
	wr_cstr(&w, SLICE_NULL);
	wr_be32(&w, 0);
	if (!r)
		r = client_put(c, 'E', &w);
	if (!r)
		r = client_put(c, 'S', &none);
	free(bytes);
	if (r)
		return err_trace(r);
	c->state = PG_CLIENT_BUSY;
	c->has_failed = false;
	c->why[0] = c->code[0] = 0;
	c->on_row = on_row;
	c->arg = arg;
	return 0;
}
