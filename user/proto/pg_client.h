/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A PostgreSQL client of our own, sans-I/O like the decoders: bytes in, bytes out, rows to a
 * callback. It logs in (trust, password, md5, SCRAM-SHA-256) and asks one question at a time, in
 * the extended protocol, parameters apart from the text. No COPY, no TLS, no channel binding.
 *
 * Not libpq: that reads ~/.pgpass, service files and PG… variables, looks names up and makes its
 * own sockets, while what is dialled here was vetted and opened by the caller; and what is left is
 * less code than the guarding of libpq would be.
 *
 * What the server sends is foreign: lengths are capped, and anything out of order ends it.
 */
#pragma once

#include "util/buf.h"
#include "util/err.h"
#include "util/slice.h"

enum {
	PG_CLIENT_E_BROKEN = 1,  /* not the protocol, or more than it may send: hang up */
	PG_CLIENT_E_REFUSED = 2, /* the server does not let us in, or we do not trust it */
	PG_CLIENT_COLUMNS_MAX = 16,
	PG_CLIENT_MESSAGE_MAX = 16 * 1024 * 1024,
	PG_CLIENT_OUT_MAX = 1024 * 1024,
	PG_CLIENT_WHY_MAX = 200,
};

enum pg_client_state {
	PG_CLIENT_LOGIN,
	PG_CLIENT_IDLE, /* may ask */
	PG_CLIENT_BUSY, /* an answer is on its way */
	PG_CLIENT_OVER,
};

/* One row of the answer; NULL columns have .p == NULL. Slices are valid during the call. < 0 or
 * > 0: the rest of the answer is of no use; it is read, and counted as failed. */
typedef int (*pg_client_row_fn)(void *arg, const struct slice *columns, size_t n);

struct pg_client {
	enum pg_client_state state;
	const char *user, *password, *database; /* borrowed; password may be NULL */
	struct buf out;                         /* to be sent; the caller consumes it */
	pg_client_row_fn on_row;
	void *arg;
	bool is_in;                  /* the server let us in */
	bool has_failed;             /* the question at hand, or the login */
	char why[PG_CLIENT_WHY_MAX]; /* what the server said of it; not for terminals */
	char code[6];                /* its SQLSTATE */
	struct {
		char nonce[40];
		char first[160]; /* what we said first, bare */
		char final[320]; /* what was said so far, as both sides sign it */
		uint8_t server_signature[32];
		bool is_begun, is_proven;
	} scram;
};

/* Writes the start-up message. options: for the server's `options` parameter. 0, -ENOMEM. */
ERR_CHECK int pg_client_init(struct pg_client *c, const char *user, const char *password,
	const char *database, const char *options);
void pg_client_deinit(struct pg_client *c);

/* Reads what it can of `in`: *ret_used bytes are done with. 0, PG_CLIENT_E_*, < 0. */
ERR_CHECK int pg_client_feed(struct pg_client *c, struct slice in, size_t *ret_used);

/* Asks; the state must be PG_CLIENT_IDLE. The answer is complete when it is IDLE again. 0, -E2BIG,
 * -ENOMEM. */
ERR_CHECK int pg_client_ask(struct pg_client *c, struct slice text, const struct slice *params,
	size_t n_params, pg_client_row_fn on_row, void *arg);
