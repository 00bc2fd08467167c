/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of the ledger's tables as records: one SELECT a kind, and what it answers. */
#pragma once

#include "audit/record.h"
#include "util/writer.h"

struct sqlite3;
struct sqlite3_stmt;

/* SELECT id, at, every field of the kind, FROM its table; the caller adds WHERE and ORDER BY. What
 * a ledger of an earlier version has no column for is 0 or nothing, and of what it has no table for
 * there are no rows. */
void row_write_select(struct writer *w, struct sqlite3 *db, enum record_kind kind);
/* Has it that table at all? */
bool row_has_table(struct sqlite3 *db, enum record_kind kind);
/* The row that such a statement stands on; slices are valid until it moves. */
void row_read(struct sqlite3_stmt *stmt, enum record_kind kind, int64_t *ret_id, int64_t *ret_at_ns,
	union record *ret);
