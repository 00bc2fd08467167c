/* SPDX-License-Identifier: Apache-2.0 */
/* The client's side of PostgreSQL's password methods: bytes only. See pg_client.h. */
#pragma once

#include "proto/pg_client.h"

/* The answer to AuthenticationMD5Password: "md5" and 32 digits. False: no MD5 on this host. */
bool pg_md5_answer(
	const char *user, const char *password, const uint8_t salt[static 4], char ret[static 36]);

/* Begins: the client-first message, of which *ret points into c. 0, < 0. */
ERR_CHECK int pg_scram_begin(struct pg_client *c, char *ret, size_t max);
/* The server-first message → the client-final message. 0, PG_CLIENT_E_*, < 0. */
ERR_CHECK int pg_scram_continue(struct pg_client *c, struct slice message, char *ret, size_t max);
/* Does the server know the password too? */
bool pg_scram_end(struct pg_client *c, struct slice message);
