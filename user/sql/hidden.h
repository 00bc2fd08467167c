/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a database's objects do that no text shows: views and rules, triggers, foreign keys that
 * cascade, defaults, checks, row security, index expressions, partitions and children, functions
 * and the operators, casts and domains made of them.
 *
 * Built once from the answer to one question, by one thread; then immutable and shared, so that a
 * look-up takes no lock. Worked out beforehand, for each relation and event and for each function:
 * the facts that touching it adds.
 *
 *   event   what is done to a relation: it is read, rows are inserted …
 *   edge    something that an object uses when it is touched
 *   reach   the facts that come of it in the end
 *
 * Names are taken as widely as they could be meant: a name without a schema is every object of that
 * name, and a call is every function of that name, whatever its arguments. So the search_path of a
 * session does not matter, and what is found may be too much, never too little.
 */
#pragma once

#include "fact/facts.h"
#include "util/arena.h"
#include "util/err.h"

enum {
	HIDDEN_E_BAD = 1, /* a row that is no answer to the question */
	HIDDEN_OBJECTS_MAX = 1000000,
	/* Facts that one touch may add; beyond it is unknown what it does. */
	HIDDEN_REACH_MAX = 4096,
};

/* The columns of the answer, all of them text and never NULL: a letter, and what it says. */
enum hidden_answer {
	HIDDEN_KIND,
	HIDDEN_A,
	HIDDEN_B,
	HIDDEN_C,
	HIDDEN_D,
	HIDDEN_E,
	HIDDEN_F,
	HIDDEN_G,
	HIDDEN_ANSWER_N
};

/* hidden.sql, for PostgreSQL 11 and later; it has no parameters. */
const char *hidden_question(void);

enum hidden_flag {
	/* The session may search other schemas before the server's own. */
	HIDDEN_ODD_PATH = 1 << 0,
	/* A call of a function that reads tables stays a call: where columns are protected, what it
	 * gives is followed by nobody. */
	HIDDEN_KEEP_READERS = 1 << 1,
};

struct hidden;

/* Empty, with one reference. NULL: no memory. */
struct hidden *hidden_new(void);
/* One row of the answer. 0, HIDDEN_E_BAD, -ENOMEM, -E2BIG. */
ERR_CHECK int hidden_add(struct hidden *h, const struct slice *columns, size_t n);
/* All rows are there: reads the bodies of functions and works out what touching adds. Needs
 * SQL_PARSER_STACK and takes its time. 0, < 0. */
ERR_CHECK int hidden_build(struct hidden *h);
struct hidden *hidden_ref(struct hidden *h);
/* NULL is fine; returns NULL. From any thread. */
struct hidden *hidden_unref(struct hidden *h);

/*
 * Adds to the facts of a text what the objects in it do. Facts that were there stay, but calls of
 * functions that are known whole become FACT_READ_OFF. New facts and lists live in `arena`; where
 * there is nothing to add, nothing is allocated. flags: enum hidden_flag. 0, -ENOMEM.
 */
ERR_CHECK int hidden_apply(
	const struct hidden *h, unsigned flags, struct facts *f, struct arena *arena);
/* Has any session a temporary relation of that name? */
bool hidden_has_temporary(const struct hidden *h, struct slice name);
