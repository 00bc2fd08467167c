/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of hidden.h: hidden.c keeps and finds, hidden_build.c works out. */
#pragma once

#include <stdatomic.h>

#include "sql/hidden.h"
#include "util/map.h"

/* As numbers in the question, OR-ed there. */
enum hidden_event {
	HIDDEN_READ,
	HIDDEN_INSERT,
	HIDDEN_UPDATE,
	HIDDEN_DELETE,
	HIDDEN_TRUNCATE,
	HIDDEN_ALTER,
	HIDDEN_EVENT_N
};

enum hidden_use {
	HIDDEN_VIEW,     /* of a view: what it shows */
	HIDDEN_RULE,     /* of a rule, or a body in standard SQL: what it does */
	HIDDEN_EXPR,     /* of an expression */
	HIDDEN_CHILD,    /* inherits */
	HIDDEN_PART,     /* is a partition */
	HIDDEN_CASCADE,  /* a foreign key; `commands`: what happens to the rows that refer */
	HIDDEN_CALL,     /* a function */
	HIDDEN_BUILTINS, /* functions of the server, by their names */
};

struct hidden_edge {
	struct hidden_edge *next;
	enum hidden_use use;
	uint32_t events; /* bits */
	uint32_t ref;    /* the number, then the index + 1 (0: none of ours) */
	uint32_t commands;
	struct slice names;
};

struct hidden_fact {
	struct fact fact;
	bool follows; /* is bounded as the fact is that it comes of */
};

struct hidden_reach {
	struct hidden_fact *list;
	size_t n;
	uint32_t flags; /* of enum facts_flag, those that the session has to know */
	bool is_unknown;
	bool reads; /* some relation */
};

struct hidden_rel {
	struct slice name; /* with its schema */
	bool has_own_types;
	struct hidden_edge *edges;
	const struct hidden_reach *reach[HIDDEN_EVENT_N]; /* NULL: nothing */
};

struct hidden_function {
	struct slice name;
	struct hidden_edge *edges;
	struct slice body;
	struct facts facts; /* of the body */
	bool is_opaque, is_plpgsql;
	bool gives_own; /* values of types of the database's own */
	bool is_shadow; /* the server has the same, and finds it first */
	struct hidden_reach reach;
};

/* Objects that a name can mean: indices. */
struct hidden_names {
	uint32_t n, cap;
	uint32_t *at;
};

struct hidden {
	_Atomic unsigned n_refs;
	struct arena arena;
	struct hidden_rel *rels;
	struct hidden_function *functions;
	size_t n_rels, rels_cap, n_functions, functions_cap;
	struct map rel_oids, function_oids;   /* number → index + 1 */
	struct map rel_names, function_names; /* with and without schema → struct hidden_names */
	struct map operators;                 /* of the server's types */
	struct map own_operators;             /* of types of the database's own */
	struct map shadows; /* operators that the server has the same, and finds first */
	bool has_odd_path;  /* some role or database has a search_path where it does not */
	struct map types, row_functions;
	struct map own_types;               /* names */
	struct map temporary;               /* names of relations that one session has */
	struct hidden_names event_triggers; /* numbers until built */
	struct hidden_names any_use;        /* functions behind operators, types and rows */
};

static inline const struct hidden_names *hidden_find(const struct map *m, struct slice name)
{
	return map_get(m, name);
}

/* Appends; -ENOMEM. */
ERR_CHECK int hidden_names_add(struct hidden *h, struct hidden_names *l, uint32_t at);
/* What an effect is to the relation that it is done to. */
enum hidden_event hidden_event_of(enum effect e);
