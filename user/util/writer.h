/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded message builder over memory of the caller, the mirror of reader.h: a write that does
 * not fit sets `bad` and writes nothing, and the caller checks once at the end.
 */
#pragma once

#include "util/slice.h"

struct writer {
	uint8_t *p;
	size_t n, max;
	bool bad;
};

static inline struct writer writer_of(void *p, size_t max)
{
	return (struct writer){.p = p, .max = max};
}

static inline void wr_bytes(struct writer *w, const void *p, size_t n)
{
	if (w->bad || n > w->max - w->n) {
		w->bad = true;
		return;
	}
	if (n)
		memcpy(w->p + w->n, p, n);
	w->n += n;
}

static inline void wr_slice(struct writer *w, struct slice s)
{
	wr_bytes(w, s.p, s.n);
}

static inline void wr_str(struct writer *w, const char *s)
{
	wr_bytes(w, s, strlen(s));
}

static inline void wr_u8(struct writer *w, uint8_t v)
{
	wr_bytes(w, &v, 1);
}

static inline void wr_be16(struct writer *w, uint16_t v)
{
	wr_bytes(w, (uint8_t[]){(uint8_t)(v >> 8), (uint8_t)v}, 2);
}

static inline void wr_be32(struct writer *w, uint32_t v)
{
	wr_bytes(w,
		(uint8_t[]){(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v},
		4);
}

static inline void wr_be64(struct writer *w, uint64_t v)
{
	wr_be32(w, (uint32_t)(v >> 32));
	wr_be32(w, (uint32_t)v);
}

/* The bytes and a NUL behind them. */
static inline void wr_cstr(struct writer *w, struct slice s)
{
	wr_slice(w, s);
	wr_u8(w, 0);
}

/* A big-endian 32-bit length and the bytes. */
static inline void wr_be32_bytes(struct writer *w, struct slice s)
{
	wr_be32(w, (uint32_t)s.n);
	wr_slice(w, s);
}

/* One element of an array as PostgreSQL reads it from text, quoted. */
static inline void wr_array_element(struct writer *w, bool is_first, struct slice s)
{
	wr_str(w, is_first ? "\"" : ",\"");
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			wr_u8(w, '\\');
		wr_u8(w, s.p[i]);
	}
	wr_u8(w, '"');
}

/* Overwrites four bytes written earlier: a length known only at the end. */
static inline void wr_patch_be32(struct writer *w, size_t at, uint32_t v)
{
	if (w->bad || at + 4 > w->n)
		return;
	w->p[at] = (uint8_t)(v >> 24);
	w->p[at + 1] = (uint8_t)(v >> 16);
	w->p[at + 2] = (uint8_t)(v >> 8);
	w->p[at + 3] = (uint8_t)v;
}

static inline struct slice wr_done(const struct writer *w)
{
	return w->bad ? SLICE_NULL : slice_of(w->p, w->n);
}
