/* SPDX-License-Identifier: Apache-2.0 */
/* The strict binder: see bind.h. */
#include "policy/bind.h"

#include <stdarg.h>

enum { BIND_SHOWN = 60, BIND_KEYS_MAX = 32, BIND_DURATION_MAX_S = 7 * 24 * 3600 };

void bind_error(struct binder *b, const struct yaml_node *at, const char *fmt, ...)
{
	char text[sizeof(((struct diag_entry *)0)->text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	diag_add(b->d, at->line, at->col, "%s", text);
}

void *bind_alloc(struct binder *b, size_t n, size_t size)
{
	void *p = arena_array(b->a, n, size);

	if (!p)
		b->is_oom = true;
	return p;
}

/* What a node is, in words: "\"dney\"", "a list". */
static const char *bind_shown(const struct yaml_node *n, char buf[static BIND_SHOWN + 8])
{
	switch (n->kind) {
	case YAML_LIST:
		return "a list";
	case YAML_MAP:
		return "a map";
	case YAML_BAD:
	case YAML_SCALAR:
		break;
	}
	if (!n->text.n)
		return "nothing";
	snprintf(buf, BIND_SHOWN + 8, "\"%.*s%s\"",
		(int)(n->text.n < BIND_SHOWN ? n->text.n : BIND_SHOWN), (const char *)n->text.p,
		n->text.n > BIND_SHOWN ? "…" : "");
	return buf;
}

/* False, in silence for what was reported before, else with what was expected and found. */
static bool bind_expected(
	struct binder *b, const struct yaml_node *n, const char *what, const char *expected)
{
	char buf[BIND_SHOWN + 8];

	if (n->kind != YAML_BAD)
		bind_error(b, n, "%s: expected %s, found %s", what, expected, bind_shown(n, buf));
	return false;
}

static void bind_unknown(struct binder *b, const struct yaml_node *n, const char *what,
	const char *kind, const char *const *words)
{
	char buf[BIND_SHOWN + 8], list[160];
	const char *near = diag_nearest(n->text, words);
	size_t len = 0;

	if (near) {
		bind_error(b, n, "%s: unknown %s %s; did you mean \"%s\"?", what, kind,
			bind_shown(n, buf), near);
		return;
	}
	for (size_t i = 0; words[i] && len < sizeof(list); i++)
		len += (size_t)snprintf(
			list + len, sizeof(list) - len, "%s%s", i ? ", " : "", words[i]);
	bind_error(b, n, "%s: unknown %s %s; known: %s", what, kind, bind_shown(n, buf), list);
}

static void bind_one(struct binder *b, const struct yaml_node *key, const char *what,
	const struct bind_key *keys, void *obj, uint32_t *seen)
{
	const char *words[BIND_KEYS_MAX] = {NULL};

	if (key->kind != YAML_SCALAR)
		return;
	for (size_t i = 0; keys[i].name; i++) {
		words[i] = keys[i].name;
		if (!slice_eq_str(key->text, keys[i].name))
			continue;
		if (*seen & 1u << i) /* a duplicate was reported by yaml.c */
			return;
		*seen |= 1u << i;
		keys[i].bind(b, key->next, obj);
		return;
	}
	bind_unknown(b, key, what, "key", words);
}

bool bind_map(struct binder *b, const struct yaml_node *n, const char *what,
	const struct bind_key *keys, void *obj)
{
	size_t before = b->d->n;
	uint32_t seen = 0;

	if (n->kind != YAML_MAP)
		return bind_expected(b, n, what, "a map");
	for (const struct yaml_node *k = n->first; k; k = k->next->next)
		bind_one(b, k, what, keys, obj, &seen);
	for (size_t i = 0; keys[i].name; i++)
		if (keys[i].is_required && !(seen & 1u << i))
			bind_error(b, n, "%s: key \"%s\" is missing", what, keys[i].name);
	return b->d->n == before;
}

const struct yaml_node *bind_items(struct binder *b, const struct yaml_node *n, const char *what,
	bool may_single, size_t *ret_n)
{
	*ret_n = 0;
	if (may_single && n->kind == YAML_SCALAR && n->text.n) {
		*ret_n = 1;
		return n;
	}
	if (n->kind != YAML_LIST) {
		(void)bind_expected(
			b, n, what, may_single ? "a word or a list of words" : "a list");
		return NULL;
	}
	if (!n->n)
		bind_error(b, n, "%s: the list is empty: fill it or leave the key out", what);
	*ret_n = n->n;
	return n->first;
}

bool bind_text(struct binder *b, const struct yaml_node *n, const char *what, size_t max,
	bool lines, const char **ret)
{
	struct slice s = n->text;

	if (n->kind != YAML_SCALAR || !s.n)
		return bind_expected(b, n, what, "text");
	while (lines && s.n && s.p[s.n - 1] == '\n') /* a block scalar ends with one */
		s.n--;
	if (!lines && memchr(s.p, '\n', s.n)) {
		bind_error(b, n, "%s: must be one line", what);
		return false;
	}
	if (s.n > max) {
		bind_error(b, n, "%s: longer than %zu bytes", what, max);
		return false;
	}
	*ret = arena_cstr(b->a, s);
	b->is_oom |= !*ret;
	return *ret != NULL;
}

bool bind_name(struct binder *b, const struct yaml_node *n, const char *what, const char **ret)
{
	char buf[BIND_SHOWN + 8];

	if (n->kind != YAML_SCALAR || !n->text.n)
		return bind_expected(b, n, what, "a name");
	for (size_t i = 0; i < n->text.n; i++) {
		uint8_t c = n->text.p[i];

		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-')
			continue;
		bind_error(b, n, "%s: a name has only a-z, 0-9, _ and -, not %s", what,
			bind_shown(n, buf));
		return false;
	}
	return bind_text(b, n, what, 63, false, ret);
}

bool bind_word(struct binder *b, const struct yaml_node *n, const char *what,
	const char *const *words, size_t *ret)
{
	if (n->kind != YAML_SCALAR || !n->text.n)
		return bind_expected(b, n, what, "a word");
	for (size_t i = 0; words[i]; i++) {
		if (!slice_eq_str(n->text, words[i]))
			continue;
		*ret = i;
		return true;
	}
	bind_unknown(b, n, what, "value", words);
	return false;
}

bool bind_bool(struct binder *b, const struct yaml_node *n, const char *what, bool *ret)
{
	bool is_true = slice_eq_str(n->text, "true");

	if (n->kind != YAML_SCALAR || !n->is_plain || (!is_true && !slice_eq_str(n->text, "false")))
		return bind_expected(b, n, what, "true or false");
	*ret = is_true;
	return true;
}

/* Digits at the start of s → *ret; how many there are, 0 when the number is above max. */
static size_t bind_digits(struct slice s, uint64_t max, uint64_t *ret)
{
	size_t i = 0;

	for (*ret = 0; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++) {
		*ret = *ret * 10 + (s.p[i] - '0');
		if (*ret > max)
			return 0;
	}
	/* YAML 1.1 read 010 as octal: whoever writes it means one or the other. */
	return i > 1 && s.p[0] == '0' ? 0 : i;
}

bool bind_uint(
	struct binder *b, const struct yaml_node *n, const char *what, uint64_t max, uint64_t *ret)
{
	char expected[64];

	snprintf(expected, sizeof(expected), "a number up to %llu", (unsigned long long)max);
	if (n->kind != YAML_SCALAR || !n->is_plain || !n->text.n ||
		bind_digits(n->text, max, ret) != n->text.n)
		return bind_expected(b, n, what, expected);
	return true;
}

bool bind_duration(struct binder *b, const struct yaml_node *n, const char *what, int64_t *ret_ms)
{
	static const char expected[] = "a time such as 30s, 30m or 2h, at most 168h";
	uint64_t number, unit = 0;
	size_t digits;

	if (n->kind != YAML_SCALAR)
		return bind_expected(b, n, what, expected);
	digits = bind_digits(n->text, BIND_DURATION_MAX_S, &number);
	if (digits && n->text.n == digits + 1) {
		switch (n->text.p[digits]) {
		case 's':
			unit = 1;
			break;
		case 'm':
			unit = 60;
			break;
		case 'h':
			unit = 3600;
			break;
		}
	}
	if (!unit || !number || number * unit > BIND_DURATION_MAX_S)
		return bind_expected(b, n, what, expected);
	*ret_ms = (int64_t)(number * unit) * 1000;
	return true;
}
