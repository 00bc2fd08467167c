/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a session asks the server in order to know protected columns by their numbers.
 *
 * The question reads system catalogs only, names every operator, type and function with its schema,
 * so that no search_path of the agent bends it, and runs on PostgreSQL 11 and later.
 */
#pragma once

#include "util/arena.h"

/* The columns of the answer, all of them text and never NULL. */
enum catalog_answer {
	CATALOG_KIND, /* enum catalog_kind, one letter */
	CATALOG_OID,
	CATALOG_ATTNUM, /* 0: the whole relation */
	CATALOG_SCHEMA,
	CATALOG_RELATION,
	CATALOG_COLUMN,   /* empty with attnum 0 */
	CATALOG_FROM_OID, /* CATALOG_DERIVED: the column that it may show; otherwise 0 */
	CATALOG_FROM_ATTNUM,
	CATALOG_ANSWER_N
};

enum catalog_kind {
	CATALOG_TABLE = 't', /* a relation that the database has, once each */
	/* A column whose name fits some pattern; whether its table and schema do is the reader's to
	   say. */
	CATALOG_FITS = 'c',
	/* A view, partition, parent or child that may show such a column. A view as a whole (attnum
	 * 0): what it computes from the column is not followed. */
	CATALOG_DERIVED = 'd',
	/* A column of such a view that is that column of a table or view, as it is. */
	CATALOG_SHOWN = 'w',
	/* Names (CATALOG_RELATION) that somebody gave to code of their own, so that they need not
	 * mean the server's. */
	CATALOG_FUNCTION = 'f',
	CATALOG_ROW_FUNCTION = 'a', /* takes a row, so that `row.name` may call it */
	CATALOG_OPERATOR = 'o',
	CATALOG_CAST = 'k', /* without a name: some conversion runs such code */
	CATALOG_TYPE = 'p', /* making a value of it runs such code */
	/* A relation that runs such code when it is touched, or only when it is changed. */
	CATALOG_RUNS = 'x',
	CATALOG_RUNS_WRITTEN = 'y',
};

/*
 * The text of the question. patterns: NULL-terminated "schema.table.column" with `*` inside parts;
 * fewer parts stand for the rightmost ones. Parts with dots are in double quotes, as in sql.h.
 * Empty if the arena is full.
 */
struct slice sql_catalog_question(const char *const *patterns, struct arena *arena);
