/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A checkpoint: the head of the chain at one moment, signed with Ed25519. The private key is the
 * warden's and never near the database; whoever checks needs the public one.
 *
 * What is signed is a line of text, so that others can check it too (`openssl pkeyutl -verify
 * -rawin`):
 *     holdfast checkpoint 1 number=7 at=1790000000000000000 entry=4711 ledger=HEX head=HEX
 * and the same line with ` signature=HEX` behind it is what head file and anchor hold.
 *
 * Two more lines of that form are signed, with another word in front, so that none can be taken for
 * another: `holdfast pruned 1 …`, that all entries up to that checkpoint's may be gone; and
 * `holdfast stopped 1 …`, that at the end of a daemon's life the ledger ended with that checkpoint.
 */
#pragma once

#include "audit/chain.h"
#include "util/err.h"

enum {
	CHECKPOINT_E_BAD = 1,  /* no such line; a signature that is not of this key */
	CHECKPOINT_E_NONE = 2, /* no such file, or an empty one */
};

enum { CHECKPOINT_SIGNATURE_SIZE = 64, CHECKPOINT_LINE_MAX = 512 };

enum checkpoint_kind {
	CHECKPOINT_HEAD,    /* `checkpoint`: the head of the chain at one moment */
	CHECKPOINT_PRUNED,  /* `pruned`: what it covers may be gone; at_ns: since when */
	CHECKPOINT_STOPPED, /* `stopped`: nothing stood behind it when the daemon ended */
	CHECKPOINT_KINDS
};

struct checkpoint {
	enum checkpoint_kind kind;
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

/* The first line of that kind in the file, of its first two. 0, CHECKPOINT_E_NONE (also: none of
 * that kind), CHECKPOINT_E_BAD (a line that is none), < 0. */
ERR_CHECK int checkpoint_read_file(
	const char *path, enum checkpoint_kind kind, struct checkpoint *ret);
