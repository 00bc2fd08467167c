/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checking a ledger against its chain, its signed checkpoints, and heads that were kept elsewhere.
 * Read-only; never a snapshot for longer than a moment, so that it may run beside the daemon.
 *
 * What it can tell with the public key alone: whether anything between the first row and the last
 * checkpoint was changed; and that what is missing before the first row was signed away. That the
 * end was cut off, or the file swapped for an older one or another, only a head that was kept
 * elsewhere can tell: the warden's head file, or an anchor. What is behind the last checkpoint is
 * believed unless the head file says that nothing is.
 */
#pragma once

#include "audit/checkpoint.h"
#include "util/err.h"

enum {
	VERIFY_E_NO_LEDGER = 1, /* no such file, or not one that can be read as a ledger */
	VERIFY_E_VERSION = 2,   /* older than the chain, or made by a newer holdfast */
};

enum verify_what {
	VERIFY_CHANGED,   /* a row is not as it was written */
	VERIFY_REMOVED,   /* a row is gone */
	VERIFY_INSERTED,  /* a row is in no link of the chain */
	VERIFY_REORDERED, /* a link's entries are not those it was made of, or not in their order */
	VERIFY_GAP,       /* links are missing */
	VERIFY_FORGED,    /* a checkpoint that the key did not sign, or of another head */
	VERIFY_UNSIGNED,  /* checkpoints between two others are missing */
	VERIFY_CUT,       /* a head that was signed is not here: the end is missing, or all of it */
	VERIFY_OTHER,     /* this is another ledger than the one whose head was kept */
	VERIFY_PRUNED,    /* an event says that rows were removed, and the warden did not */
	VERIFY_EXTENDED,  /* rows were appended while nothing ran that may */
	VERIFY_POSITION,  /* how far a ring was drained is not what the chain says */
	VERIFY_SCHEMA,    /* a view, table, index or trigger is not as this version makes it */
	VERIFY_UNFOUND,   /* a row that is there, but not where a search comes by */
	VERIFY_DAMAGED,   /* SQLite cannot read it */
	VERIFY_WHAT_N
};

extern const char *const verify_words[VERIFY_WHAT_N];

struct verify_finding {
	enum verify_what what;
	const char *table; /* NULL: of no table */
	const char *name;  /* instead of a row: "view requests"; valid during the call */
	int64_t row;
	uint64_t first, last;  /* entries of the chain that it is about; 0 = none */
	uint64_t after, until; /* numbers of the checkpoints around it; 0 = none */
};

struct verify_report {
	uint64_t n_rows, n_links, n_checkpoints;
	uint64_t first, last;     /* entries */
	uint64_t n_unsigned;      /* entries behind the last checkpoint */
	uint64_t last_checkpoint; /* its number */
	int64_t last_checkpoint_at_ns;
	uint64_t n_heads;    /* kept elsewhere, of this ledger, found here */
	uint64_t n_searched; /* requests that were looked for in the index of words */
	bool has_old_schema; /* of an earlier version: what its views show was not checked */
	uint64_t n_findings;
};

struct verify_config {
	const char *path;
	const struct checkpoint_key *key; /* NULL: signatures are not checked */
	const struct checkpoint *heads;   /* kept elsewhere */
	size_t n_heads;
	const struct checkpoint *stopped; /* the warden's word that nothing is behind it; or NULL */
	void (*on_finding)(void *arg, const struct verify_finding *f);
	void (*on_progress)(void *arg, uint64_t done, uint64_t all); /* in entries; may be NULL */
	void *arg;
};

/* 0 (the report says whether anything was found), VERIFY_E_NO_LEDGER, VERIFY_E_VERSION. */
ERR_CHECK int verify_run(const struct verify_config *config, struct verify_report *ret);
