/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A checkpoint: the head of the chain at one moment, signed with Ed25519. The private key is the
 * warden's and never near the database; whoever checks needs the public one.
 *
 * What is signed is a line of text, so that others can check it too (`openssl pkeyutl -verify
 * -rawin`):
 *     holdfast checkpoint 1 number=7 at=1790000000000000000 entry=4711 ledger=HEX head=HEX
 * and the same line with ` signature=HEX` behind it is what head file and anchor hold.
 */
#pragma once

#include "audit/chain.h"
#include "util/err.h"

enum {
	CHECKPOINT_E_BAD = 1,  /* no such line; a signature that is not of this key */
	CHECKPOINT_E_NONE = 2, /* no such file, or an empty one */
};

enum { CHECKPOINT_SIGNATURE_SIZE = 64, CHECKPOINT_LINE_MAX = 512 };

struct checkpoint {
	uint64_t number; /* from 1, without gaps; 0 = there is none */
	int64_t at_ns;   /* wall time, by the one who signed */
	uint64_t entry;  /* the last entry that head covers */
	uint8_t ledger[CHAIN_ID_SIZE];
	uint8_t head[SHA256_SIZE];
	uint8_t signature[CHECKPOINT_SIGNATURE_SIZE];
};

/* The line with its signature and a NUL, without a newline. */
void checkpoint_print(const struct checkpoint *c, char line[CHECKPOINT_LINE_MAX]);
/* 0, CHECKPOINT_E_BAD. The signature is not checked. */
ERR_CHECK int checkpoint_parse(const char *line, struct checkpoint *ret);

struct checkpoint_key; /* a key pair, or its public half */

/* The private key in `path` (made, mode 0600, if there is none), its public half written beside it
 * as PEM to public_path if that is missing. < 0 with errno's meaning. */
ERR_CHECK int checkpoint_key_load(
	const char *path, const char *public_path, struct checkpoint_key **ret);
/* A public key as PEM. 0, CHECKPOINT_E_NONE, CHECKPOINT_E_BAD. */
ERR_CHECK int checkpoint_key_read(const char *public_path, struct checkpoint_key **ret);
struct checkpoint_key *checkpoint_key_free(struct checkpoint_key *k);

/* Sets the signature. */
ERR_CHECK int checkpoint_sign(const struct checkpoint_key *k, struct checkpoint *c);
/* 0, CHECKPOINT_E_BAD. */
ERR_CHECK int checkpoint_verify(const struct checkpoint_key *k, const struct checkpoint *c);

/* The first line of a file. 0, CHECKPOINT_E_NONE, CHECKPOINT_E_BAD, < 0. */
ERR_CHECK int checkpoint_read_file(const char *path, struct checkpoint *ret);
