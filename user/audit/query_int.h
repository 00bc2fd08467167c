/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the ledger's read side share: query.c (opening, records), query_list.c
 * (listings). */
#pragma once

#include <sqlite3.h>

#include "audit/query.h"
#include "util/arena.h"

enum {
	QUERY_PAGE_ROWS = 500,
	QUERY_PAGE_BYTES = 8 << 20,     /* a page ends early when it is this large … */
	QUERY_ROW_BYTES_MAX = 64 << 20, /* … and one row may have this much more */
	QUERY_SQL_MAX = 8192,
	QUERY_WORDS_MAX = 4096,
	QUERY_BUSY_MS = 2000,
	QUERY_SECONDS_MAX = 30, /* a reader pins the WAL no longer than this */
	QUERY_STEPS = 10000,    /* of SQLite's machine between looks at the clock */
	QUERY_REFS_MAX = 64 << 20,
	QUERY_WORDS_VERSION = 3, /* of a ledger with words, zones and durations */
};

struct query {
	sqlite3 *db;
	int64_t deadline_ns;

	/* the listing */
	sqlite3_stmt *list;
	struct arena page; /* struct query_row *rows[] and what they point to */
	struct query_row *rows[QUERY_PAGE_ROWS];
	size_t n_rows, next;
	int64_t after; /* the highest id fetched */
	bool is_last_page, has_words;
	bool has_marks;              /* the index tells words of ours from others */
	bool is_window;              /* only the newest ids are looked at, row by row */
	int64_t from, before;        /* ids between which the times that are asked for lie */
	char words[QUERY_WORDS_MAX]; /* what is asked of the index of words; "" = nothing */

	/* the record */
	sqlite3_stmt *records[RECORD_N], *content;
	struct arena record; /* what the last one's slices point to */
};

/* A reader holds no snapshot longer than from here on QUERY_SECONDS_MAX. */
void query_start_clock(struct query *q);
/* QUERY_E_TOO_LONG, or < 0. */
ERR_CHECK int query_error(const struct query *q, int rc);
/* 0, QUERY_E_TOO_LONG. */
ERR_CHECK int query_prepare(const struct query *q, const struct writer *sql, sqlite3_stmt **ret);
/* A copy of the bytes of a column. False: no room. */
bool query_read_bytes(struct arena *a, sqlite3_stmt *stmt, int i, struct slice *ret);
