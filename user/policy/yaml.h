/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of YAML that policy files may use, as a tree with positions.
 *
 * One document of maps, lists and scalars. Anchors, aliases, tags, directives, duplicate keys and
 * keys that are not words are errors, since each lets a file say something else than it seems to.
 * Scalars stay text: what `no` or `010` means is decided by the key it is bound to, never guessed.
 *
 * The tree lives in the arena; texts are copies.
 */
#pragma once

#include "util/arena.h"
#include "util/diag.h"
#include "util/err.h"

enum {
	YAML_E_BAD = 1, /* not one well-formed document; said in the diag */
	YAML_MAX_BYTES = 1024 * 1024,
	YAML_MAX_DEPTH = 16,
	YAML_MAX_KEYS = 64, /* of one map */
	YAML_MAX_NODES = 100 * 1000,
};

enum yaml_kind {
	YAML_BAD, /* an error was already reported for it: binders pass over it in silence */
	YAML_SCALAR,
	YAML_LIST,
	YAML_MAP,
};

struct yaml_node {
	enum yaml_kind kind;
	bool is_plain; /* scalar without quotes */
	unsigned line, col;
	struct slice text;
	struct yaml_node *next;         /* sibling */
	struct yaml_node *first, *last; /* of a map: key, value, key, value … */
	size_t n;                       /* children */
};

/*
 * Parses text. `d` may get errors although the outcome is 0: the tree is then whole enough to be
 * looked at for more of them, and the caller compares d->n. 0, YAML_E_BAD, -errno.
 */
ERR_CHECK int yaml_parse(
	struct slice text, struct arena *a, struct diag *d, struct yaml_node **ret);
