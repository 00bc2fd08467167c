/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML nodes → typed values, strictly: a value is what its key asks for, or an error with position
 * and a suggestion. Binding goes on after an error, so that one run shows them all.
 *
 * Functions return true and set *ret, or report and return false. `what` is the key as people wrote
 * it, for the message.
 */
#pragma once

#include "policy/yaml.h"

struct binder {
	struct diag *d;
	struct arena *a; /* of the policy: results live there */
	bool is_oom;     /* the arena is full or memory is: everything else is void */
};

struct bind_key {
	const char *name;
	void (*bind)(struct binder *b, const struct yaml_node *n, void *obj);
	bool is_required;
};

void bind_error(struct binder *b, const struct yaml_node *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Hands each value to its key's function; unknown and missing keys are errors. `keys` ends with
 * .name == NULL. */
bool bind_map(struct binder *b, const struct yaml_node *n, const char *what,
	const struct bind_key *keys, void *obj);
/* The entries of a list that is not empty, or, where `may_single`, a scalar as the only entry:
 * first node, *ret_n of them along ->next. */
const struct yaml_node *bind_items(struct binder *b, const struct yaml_node *n, const char *what,
	bool may_single, size_t *ret_n);

/* A scalar that is not empty and has at most max bytes; `lines`: newlines may be in it. */
bool bind_text(struct binder *b, const struct yaml_node *n, const char *what, size_t max,
	bool lines, const char **ret);
/* [a-z0-9_-]{1,63} */
bool bind_name(struct binder *b, const struct yaml_node *n, const char *what, const char **ret);
/* Position in the NULL-terminated list of words. */
bool bind_word(struct binder *b, const struct yaml_node *n, const char *what,
	const char *const *words, size_t *ret);
/* true or false, nothing else YAML ever took for one. */
bool bind_bool(struct binder *b, const struct yaml_node *n, const char *what, bool *ret);
/* Plain decimal digits, at most max. */
bool bind_uint(
	struct binder *b, const struct yaml_node *n, const char *what, uint64_t max, uint64_t *ret);
/* 30s, 30m, 2h; up to a week. */
bool bind_duration(struct binder *b, const struct yaml_node *n, const char *what, int64_t *ret_ms);

/* From the policy's arena; NULL has set is_oom. */
void *bind_alloc(struct binder *b, size_t n, size_t size);
