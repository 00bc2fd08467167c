/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patterns of conditions: `*` is any run of characters, dots included, `?` is one character.
 *
 * Answers are three-valued: TRI_UNKNOWN means that what is asked about may match, because it is
 * not known or not known whole.
 */
#pragma once

#include "fact/facts.h"

enum glob_kind { GLOB_ANY, GLOB_EXACT, GLOB_PREFIX, GLOB_OTHER };

struct glob {
	struct slice text; /* borrowed */
	enum glob_kind kind;
};

struct pattern {
	struct glob whole; /* its text is NUL-terminated too */
	/* Split at the last dot, for objects; without a dot `name` is all of it. */
	struct glob schema, name;
	bool has_dot;
	unsigned line, col;
};

struct pattern_list {
	struct pattern *v;
	size_t n; /* 0 = no condition */
};

/* Borrows the text. */
struct pattern pattern_of(struct slice text);
bool pattern_matches(const struct pattern *p, struct slice s);

/* A name of the subject (run, role, database); empty is unknown. An empty list is TRI_YES. */
enum tri pattern_list_text(const struct pattern_list *l, struct slice s);
/*
 * The object of a fact, taken apart. Schema and name are compared each by itself, so that a dot
 * inside a quoted name (public."a.b") is never taken for the one between them.
 */
enum { OBJECT_QUOTED_MAX = 256 }; /* two names of 63 bytes, with room */

struct object {
	struct slice schema, name;
	bool is_none;    /* there is none */
	bool is_unknown; /* it could be anything, or is not one or two names */
	bool has_schema;
	uint8_t mem[OBJECT_QUOTED_MAX]; /* what was between quotes; else points into the fact */
};

/* Borrows the fact, and points into itself: not to be copied. */
void object_init(struct object *o, const struct fact *f);

/*
 *   "orders"        the name in any schema: proven for "orders" and "public.orders"
 *   "public.orders" proven for "public.orders"; "orders" may be it
 *   "*"             anything, known or not, and requests without an object
 *
 * An empty list is TRI_YES.
 */
enum tri pattern_list_object(const struct pattern_list *l, const struct object *o);
