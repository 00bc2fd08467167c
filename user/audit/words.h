/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the full-text index holds of a request, and how it is asked. Besides the words of the
 * statement these are words of ours, one for each property that people filter by; so one index
 * answers any mixture of filters, newest first. A word of the statement that begins as ours do
 * (with z) stands there with a mark in front that no word of ours has, so that neither finds the
 * other's rows: an agent that writes our words would else be looked for among all that have them.
 */
#pragma once

#include "audit/record.h"
#include "util/writer.h"

enum {
	WORDS_TEXT_MAX = 64 << 10,                       /* bytes of a statement that are indexed */
	WORDS_MARKED_MAX = 5 * (WORDS_TEXT_MAX / 2) + 3, /* the same with marks: "z z z" */
	WORDS_OURS_MAX = 1024,    /* bytes of our own words of a session, or of a request */
	WORDS_MARKED_VERSION = 6, /* of a ledger whose index has the marks */
};

enum words_kind {
	WORDS_RUN = 'r',
	WORDS_RUN_NAME = 'n',
	WORDS_ROLE = 'u',
	WORDS_DATABASE = 'd',
	WORDS_RESOURCE = 't',
	WORDS_TARGET = 'a',
	WORDS_EFFECT = 'e',
	WORDS_OBJECT = 'o',
	WORDS_RULING = 'v',
	WORDS_RULE = 'l',
};

/* The word for a property: its kind and what of the value can be in a word; a blank before it. */
void words_put(struct writer *w, enum words_kind kind, struct slice value);
/* Our words of a request itself: effects, objects (each also without its schema), ruling, rule. */
void words_put_request(struct writer *w, const struct record_request *q);

/* The words of a statement, marked; at most WORDS_MARKED_MAX bytes of WORDS_TEXT_MAX. */
void words_put_text(struct writer *w, struct slice text);

/* As an FTS5 query: all of the words that text consists of, the last one as a beginning. Writes
 * nothing if there is no word in it. Joined by AND to what stands in w already. is_marked: the
 * index is of WORDS_MARKED_VERSION or younger. */
void words_put_query_text(struct writer *w, struct slice text, bool is_marked);
/* As an FTS5 query: the word for a property, joined likewise. */
void words_put_query(struct writer *w, enum words_kind kind, struct slice value);
