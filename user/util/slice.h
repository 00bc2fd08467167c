/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Borrowed bytes. A slice owns nothing and is valid until the call it was given to returns, unless
 * a header says longer; to keep it, arena_dup() or buf_put() it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct slice {
	const uint8_t *p;
	size_t n;
};

#define SLICE_NULL ((struct slice){0})
/* A slice over a string literal, without its NUL. */
#define SLICE_LIT(s) ((struct slice){(const uint8_t *)(s), sizeof(s) - 1})
/* For printf's "%.*s". */
#define SLICE_FMT(s) (int)(s).n, (const char *)(s).p

static inline struct slice slice_of(const void *p, size_t n)
{
	return (struct slice){p, n};
}

static inline struct slice slice_str(const char *s)
{
	return (struct slice){(const uint8_t *)s, s ? strlen(s) : 0};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (!a.n || !memcmp(a.p, b.p, a.n));
}

static inline bool slice_eq_str(struct slice a, const char *s)
{
	return slice_eq(a, slice_str(s));
}

/* ASCII case folding only, as SQL keywords and protocol names want it. */
static inline bool slice_caseeq_str(struct slice a, const char *s)
{
	return a.n == strlen(s) && !strncasecmp((const char *)a.p, s, a.n);
}

static inline bool slice_starts(struct slice a, const char *prefix)
{
	size_t n = strlen(prefix);

	return a.n >= n && !memcmp(a.p, prefix, n);
}

/* The rest after the first n bytes; n beyond the end gives an empty slice. */
static inline struct slice slice_skip(struct slice a, size_t n)
{
	if (n > a.n)
		n = a.n;
	/* NULL + 0 is undefined in C. */
	return (struct slice){a.p ? a.p + n : NULL, a.n - n};
}

static inline struct slice slice_head(struct slice a, size_t n)
{
	return (struct slice){a.p, n < a.n ? n : a.n};
}

/* A decimal number as PostgreSQL prints object ids; anything else is 0, which is no object's. */
static inline uint32_t slice_u32(struct slice s)
{
	uint64_t v = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9' || v > UINT32_MAX)
			return 0;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	return v > UINT32_MAX ? 0 : (uint32_t)v;
}
