/* SPDX-License-Identifier: Apache-2.0 */
/* The parser's JSON: see json_tree.h. */
#include "sql/json_tree.h"

#include <errno.h>
#include <stdlib.h>

/* Between two members, in front of a value: what the reader is about to see. */
struct json_reader {
	const uint8_t *p, *end;
	struct json_tree *tree;
	uint32_t open;  /* innermost container that is not closed yet */
	bool is_inside; /* false before the root and after it */
};

static int json_grow(struct json_tree *t)
{
	uint32_t cap = t->cap * 2;
	struct json_node *nodes = t->nodes == t->first ? NULL : t->nodes;

	nodes = realloc(nodes, (size_t)cap * sizeof(*nodes));
	if (!nodes)
		return err_raise(-ENOMEM);
	if (t->nodes == t->first)
		memcpy(nodes, t->first, sizeof(t->first));
	t->nodes = nodes;
	t->cap = cap;
	return 0;
}

/* Offset and length of a string whose opening quote is at r->p, which moves behind the closing one.
 */
static bool json_read_string(struct json_reader *r, uint32_t *ret_at, uint32_t *ret_len)
{
	const uint8_t *start = r->p + 1;

	for (r->p = start; r->p < r->end && *r->p != '"'; r->p++)
		if (*r->p == '\\')
			r->p++;
	if (r->p >= r->end)
		return false;
	*ret_at = (uint32_t)(start - r->tree->text.p);
	*ret_len = (uint32_t)(r->p++ - start);
	return true;
}

static void json_skip_space(struct json_reader *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\t' || *r->p == ','))
		r->p++;
}

static bool json_read_key(struct json_reader *r, struct json_node *node)
{
	uint32_t len;

	if (*r->p != '"' || !json_read_string(r, &node->key, &len) || len > UINT16_MAX)
		return false;
	node->key_len = (uint16_t)len;
	json_skip_space(r);
	if (r->p >= r->end || *r->p++ != ':')
		return false;
	json_skip_space(r);
	return r->p < r->end;
}

static bool json_read_scalar(struct json_reader *r, struct json_node *node)
{
	const uint8_t *start = r->p;

	if (*r->p == '"') {
		node->kind = JSON_STRING;
		return json_read_string(r, &node->value, &node->value_len);
	}
	node->kind = JSON_OTHER;
	while (r->p < r->end && *r->p != ',' && *r->p != '}' && *r->p != ']')
		r->p++;
	node->value = (uint32_t)(start - r->tree->text.p);
	node->value_len = (uint32_t)(r->p - start);
	return r->p > start;
}

/* One member or element; containers are only opened. */
static int json_read_node(struct json_reader *r)
{
	struct json_tree *t = r->tree;
	struct json_node node = {.parent = r->open};
	int err;

	if (t->n == t->cap) {
		err = json_grow(t);
		if (err)
			return err_trace(err);
	}
	if (r->is_inside && t->nodes[r->open].kind == JSON_OBJECT && !json_read_key(r, &node))
		return JSON_E_MALFORMED;
	if (*r->p == '{' || *r->p == '[') {
		node.kind = *r->p++ == '{' ? JSON_OBJECT : JSON_ARRAY;
		r->open = t->n;
		r->is_inside = true;
	} else if (!r->is_inside || !json_read_scalar(r, &node)) {
		return JSON_E_MALFORMED;
	}
	node.end = t->n + 1;
	t->nodes[t->n++] = node;
	return 0;
}

static bool json_close(struct json_reader *r)
{
	struct json_node *open = &r->tree->nodes[r->open];

	if (!r->is_inside || open->kind != (*r->p == '}' ? JSON_OBJECT : JSON_ARRAY))
		return false;
	r->p++;
	open->end = r->tree->n;
	r->is_inside = r->open != 0;
	r->open = open->parent;
	return true;
}

int json_tree_init(struct json_tree *t, struct slice text)
{
	struct json_reader r = {.p = text.p, .end = text.p + text.n, .tree = t};
	int err;

	t->text = text;
	t->nodes = t->first;
	t->n = 0;
	t->cap = sizeof(t->first) / sizeof(t->first[0]);
	if (text.n >= UINT32_MAX)
		return JSON_E_MALFORMED;
	for (json_skip_space(&r); r.p < r.end; json_skip_space(&r)) {
		if (t->n && !r.is_inside)
			return JSON_E_MALFORMED;
		if (*r.p == '}' || *r.p == ']') {
			if (!json_close(&r))
				return JSON_E_MALFORMED;
			continue;
		}
		err = json_read_node(&r);
		if (err == JSON_E_MALFORMED)
			return JSON_E_MALFORMED;
		if (err)
			return err_fold(err);
	}
	return t->n && !r.is_inside ? 0 : JSON_E_MALFORMED;
}

void json_tree_deinit(struct json_tree *t)
{
	if (t->nodes != t->first)
		free(t->nodes);
	t->nodes = NULL;
}

uint32_t json_child(const struct json_tree *t, uint32_t node, const char *key)
{
	struct slice name = slice_str(key);

	if (t->nodes[node].kind != JSON_OBJECT)
		return 0;
	for (uint32_t i = json_first(t, node); i; i = json_next(t, i))
		if (slice_eq(json_key(t, i), name))
			return i;
	return 0;
}

/* libpg_query escapes control characters and a few others as \u00XX, nothing beyond one byte. */
static uint8_t json_unescape(const uint8_t **p, const uint8_t *end)
{
	unsigned code = 0;

	switch (**p) {
	case 'n':
		return '\n';
	case 't':
		return '\t';
	case 'r':
		return '\r';
	case 'b':
		return '\b';
	case 'f':
		return '\f';
	case 'u':
		for (int i = 0; i < 4 && *p + 1 < end; i++) {
			uint8_t c = *++*p;

			code = code * 16 + (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
		}
		return (uint8_t)code;
	}
	return **p;
}

struct slice json_text(const struct json_tree *t, uint32_t node, struct arena *arena)
{
	struct slice raw = json_raw(t, node);
	size_t n = 0;
	uint8_t *out;

	if (t->nodes[node].kind != JSON_STRING)
		return SLICE_NULL;
	if (!raw.n || !memchr(raw.p, '\\', raw.n))
		return raw;
	out = arena_alloc(arena, raw.n);
	if (!out)
		return SLICE_NULL;
	for (const uint8_t *p = raw.p, *end = raw.p + raw.n; p < end; p++) {
		if (*p == '\\' && p + 1 < end) {
			p++;
			out[n++] = json_unescape(&p, end);
		} else {
			out[n++] = *p;
		}
	}
	return slice_of(out, n);
}
