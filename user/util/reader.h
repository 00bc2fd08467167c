/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only way foreign bytes are read: a cursor that remembers the first mistake.
 *
 * After a read past the end, `bad` is set, every later read returns zero or an empty slice, and
 * nothing is touched outside the slice. Code reads a message straight down and checks once.
 */
#pragma once

#include "util/slice.h"

struct reader {
	const uint8_t *p, *end;
	bool bad;
};

static inline struct reader reader_of(struct slice s)
{
	return (struct reader){.p = s.p, .end = s.p ? s.p + s.n : s.p};
}

static inline size_t rd_left(const struct reader *r)
{
	return (size_t)(r->end - r->p);
}

/* n bytes, or an empty slice and `bad`. */
static inline struct slice rd_bytes(struct reader *r, size_t n)
{
	struct slice s = {r->p, n};

	if (r->bad || n > rd_left(r)) {
		r->bad = true;
		r->p = r->end;
		return SLICE_NULL;
	}
	r->p += n;
	return s;
}

static inline uint8_t rd_u8(struct reader *r)
{
	struct slice s = rd_bytes(r, 1);

	return s.n ? s.p[0] : 0;
}

static inline uint16_t rd_be16(struct reader *r)
{
	struct slice s = rd_bytes(r, 2);

	return s.n ? (uint16_t)(s.p[0] << 8 | s.p[1]) : 0;
}

static inline uint32_t rd_be32(struct reader *r)
{
	struct slice s = rd_bytes(r, 4);

	return s.n ? (uint32_t)s.p[0] << 24 | (uint32_t)s.p[1] << 16 | (uint32_t)s.p[2] << 8 |
			       s.p[3]
		   : 0;
}

static inline uint64_t rd_be64(struct reader *r)
{
	uint64_t hi = rd_be32(r);

	return hi << 32 | rd_be32(r);
}

/* Bytes up to a NUL, which is consumed and not part of the result; no NUL is `bad`. */
static inline struct slice rd_cstr(struct reader *r)
{
	const uint8_t *nul = rd_left(r) ? memchr(r->p, 0, rd_left(r)) : NULL;
	struct slice s;

	if (r->bad || !nul) {
		r->bad = true;
		r->p = r->end;
		return SLICE_NULL;
	}
	s = slice_of(r->p, (size_t)(nul - r->p));
	r->p = nul + 1;
	return s;
}

/* Bytes behind a big-endian 32-bit length. */
static inline struct slice rd_be32_bytes(struct reader *r)
{
	return rd_bytes(r, rd_be32(r));
}

static inline struct slice rd_rest(struct reader *r)
{
	return rd_bytes(r, rd_left(r));
}

/* True if everything was read, nothing is left and nothing went wrong. */
static inline bool rd_done(const struct reader *r)
{
	return !r->bad && r->p == r->end;
}
