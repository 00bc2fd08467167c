/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of verify share: verify.c (the chain), verify_read.c (what people look at),
 * verify_find.c (what decides where a search looks). */
#pragma once

#include <sqlite3.h>

#include "audit/chain.h"
#include "audit/verify.h"
#include "util/buf.h"

enum { VERIFY_RINGS = 256 };

struct verify {
	const struct verify_config *config;
	struct verify_report *report;
	sqlite3 *db;
	sqlite3_stmt *link, *checkpoint, *prune, *rows[RECORD_N];
	uint8_t id[CHAIN_ID_SIZE];
	struct chain chain; /* what the links should be */
	struct buf scratch;
	uint64_t all; /* entries there were at the start */
	struct checkpoint next_checkpoint;
	bool has_next_checkpoint, is_first_link, is_damaged, is_pruned;
	uint64_t n_chained[RECORD_N];
	uint64_t position[VERIFY_RINGS];
	uint64_t version;  /* of the schema */
	uint64_t replaced; /* number of the last checkpoint of another ledger before this one */
};

/* What SQLite's word means: a database that cannot be read is a finding, once (0); what waits for
 * better times is an error. */
ERR_CHECK int verify_error(struct verify *v, int rc);
/* A statement; the caller finalizes. A database that cannot be read is a finding, and *ret NULL. */
ERR_CHECK int verify_prepare(struct verify *v, const char *sql, sqlite3_stmt **ret);
/* The one number of a query; otherwise what it was. */
void verify_number(struct verify *v, const char *sql, uint64_t *ret);
/* Says which checkpoints are around it, and tells. */
void verify_find(struct verify *v, struct verify_finding f);

/* After the chain: the views, and the indexes by which rows are found. */
ERR_CHECK int verify_read(struct verify *v);
/* The tables that follow from the rows and say where a search looks. */
ERR_CHECK int verify_found(struct verify *v);
