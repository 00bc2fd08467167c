/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a change would touch, for the person who decides on it: its tables with their rows and size,
 * the tables that foreign keys take along, triggers, views that a DROP takes along, and how many
 * rows its condition selects (estimate.h).
 *
 * Sans-I/O: the owner puts the questions to the server, one after another, over a side connection
 * that searches pg_catalog alone and is read-only, and hands the rows back. None of them runs
 * anything of the statement's. It is no permission and no reason for one: what could not be found
 * out is said to be unknown, and is never a number.
 */
#pragma once

#include <stdio.h>

#include "util/err.h"
#include "util/json.h"
#include "util/slice.h"

enum {
	IMPACT_E_BAD = 1, /* a row that is no answer to the question */
	IMPACT_OBJECTS_MAX = 64,
	IMPACT_WORDS_MAX = 4096,
	IMPACT_JSON_MAX = 24 * 1024,
};

/* What is done to a table, by the statement or by what follows from it; letters in impact.sql. */
enum impact_op {
	IMPACT_DELETE = 'd',
	IMPACT_UPDATE = 'u',
	IMPACT_INSERT = 'i',
	IMPACT_TRUNCATE = 't',
	IMPACT_DROP = 'x',
	IMPACT_ALTER = 'a',
	IMPACT_SET_NULL = 'n',
	IMPACT_SET_DEFAULT = 's',
	IMPACT_DROP_KEY = 'k',
};

struct impact;

struct impact_ask {
	struct slice text;
	const char *role;  /* that the session is logged in as */
	bool may_be_own;   /* it may have changed names in a way that nobody else can see */
	bool has_odd_path; /* … or its search_path */
};

/* Reads the text, for which it needs SQL_PARSER_STACK. NULL: no memory. */
struct impact *impact_new(const struct impact_ask *ask);
struct impact *impact_free(struct impact *m);
/* The next question and its parameters, valid until the next call. False: there is none. */
bool impact_next(
	struct impact *m, struct slice *ret_text, const struct slice **ret_params, size_t *ret_n);
/* One row of its answer. 0, IMPACT_E_BAD, -ENOMEM. */
ERR_CHECK int impact_row(struct impact *m, const struct slice *columns, size_t n);
/* It is answered; code: NULL, or the SQLSTATE of the failure (of the connection: ""). */
void impact_answered(struct impact *m, const char *code);

/* What was found out: an object for programs, and words for people. The words quote names of
 * somebody's as they are. */
void impact_write_json(const struct impact *m, size_t list_max, struct json *j);
void impact_write_words(const struct impact *m, FILE *f);
