/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser's JSON as a flat tree: nodes in the order of the text, each knowing where its subtree
 * ends. Built without recursion, so that nesting costs heap and not stack, and walked by index.
 *
 * Reads what libpg_query writes, which is trusted to be JSON but not trusted to be short. The text
 * is borrowed and must outlive the tree. Node 0 is the root; as a result it means "none".
 */
#pragma once

#include "util/arena.h"
#include "util/err.h"

enum { JSON_E_MALFORMED = 1 };

enum json_kind { JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON_OTHER };

struct json_node {
	uint32_t key;   /* offset of the member name in the text */
	uint32_t value; /* scalars: offset and length, strings without their quotes */
	uint32_t value_len;
	uint32_t end; /* index one past the subtree */
	uint32_t parent;
	uint16_t key_len; /* 0 inside arrays */
	uint8_t kind;     /* enum json_kind */
	bool is_claimed;  /* the walker's: this node was dealt with by the statement around it */
};

struct json_tree {
	struct slice text;
	struct json_node *nodes; /* `first` until more are needed */
	uint32_t n, cap;
	struct json_node first[160];
};

/* 0, JSON_E_MALFORMED, -ENOMEM. Whatever the result, json_tree_deinit() is due. */
ERR_CHECK int json_tree_init(struct json_tree *t, struct slice text);
void json_tree_deinit(struct json_tree *t);

/* The member of object `node` with this name, or 0. */
uint32_t json_child(const struct json_tree *t, uint32_t node, const char *key);
/* A string value with its escapes undone: borrowed from the text if it has none, otherwise in
 * `arena`. Empty if the node is no string, or on lack of memory. */
struct slice json_text(const struct json_tree *t, uint32_t node, struct arena *arena);

static inline struct slice json_key(const struct json_tree *t, uint32_t node)
{
	return slice_of(t->text.p + t->nodes[node].key, t->nodes[node].key_len);
}

/* A scalar as it is written: for enum names, numbers and booleans. */
static inline struct slice json_raw(const struct json_tree *t, uint32_t node)
{
	return slice_of(t->text.p + t->nodes[node].value, t->nodes[node].value_len);
}

/* First element or member, or 0. */
static inline uint32_t json_first(const struct json_tree *t, uint32_t node)
{
	return t->nodes[node].end > node + 1 ? node + 1 : 0;
}

/* The next one under the same parent, or 0. */
static inline uint32_t json_next(const struct json_tree *t, uint32_t node)
{
	uint32_t next = t->nodes[node].end;

	return next < t->nodes[t->nodes[node].parent].end ? next : 0;
}
