/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lineage: which columns of which tables the parts of a text may derive from, as the text names
 * them. Data only; sql/ finds it, mask/ and policy/ compare it with what they protect.
 *
 *   source   one thing that a value may derive from, or that its meaning hangs on
 *   set      of sources; `may_be_anything` where something was not understood
 *   column   one column of the only result that the text gives, or a star that stands for some
 *   store    what a statement writes where
 *   filters  what decides which rows there are, and in which order: conditions, joins, groups
 *
 * Never too little: a name without a table is that column of every table in sight.
 *
 * One block without pointers but `next`, so that a copy is a memcpy of `size` bytes.
 */
#pragma once

#include "util/slice.h"

enum { LINEAGE_SOURCES_MAX = 256, LINEAGE_COLUMNS_MAX = 256, LINEAGE_STORES_MAX = 256 };

enum lineage_kind {
	LINEAGE_COLUMN,    /* column `name` of table `object`, or a function of that name of it */
	LINEAGE_ROW,       /* any column of table `object` */
	LINEAGE_TABLE,     /* only whether `object` is a table and no view */
	LINEAGE_FUNCTION,  /* built-in function `name`, if nobody made another one of that name */
	LINEAGE_OPERATOR,  /* the same for an operator */
	LINEAGE_ATTRIBUTE, /* value.name: a part of the value, if nobody made such a function */
	LINEAGE_CAST,      /* conversions are the server's own */
};

struct lineage_source {
	enum lineage_kind kind;
	/* Offsets from the start of the block. `object` is written as in struct fact. */
	uint32_t object, object_len, name, name_len;
};

struct lineage_set {
	uint64_t bits[LINEAGE_SOURCES_MAX / 64];
	bool may_be_anything; /* not understood */
	bool is_from_code;    /* a function of somebody's: anything too, but judged as `execute` */
};

struct lineage_column {
	struct lineage_set from;
	bool is_star;   /* any number of columns */
	bool is_direct; /* nothing but a column of a table: the server says which */
};

struct lineage_store {
	uint16_t target; /* a source, LINEAGE_COLUMN or LINEAGE_ROW; UINT16_MAX: a new table */
	struct lineage_set from;
};

enum lineage_flag {
	LINEAGE_IS_RESULT = 1 << 0,  /* the columns are those of the only statement's rows */
	LINEAGE_IS_COPY = 1 << 1,    /* … of its COPY TO */
	LINEAGE_IS_EXECUTE = 1 << 2, /* the only statement is EXECUTE; `next` is what it runs */
	LINEAGE_IS_CURSOR = 1 << 3,  /* the columns are those that FETCH will give */
	LINEAGE_HAS_COLUMNS = LINEAGE_IS_RESULT | LINEAGE_IS_COPY | LINEAGE_IS_CURSOR,
};

struct lineage {
	size_t size;
	const struct lineage *next; /* of other texts that belong to the request */
	uint32_t flags;             /* enum lineage_flag */
	uint32_t n_sources, n_columns, n_stores;
	uint32_t sources, columns, stores; /* offsets */
	struct lineage_set filters;
};

static inline const struct lineage_source *lineage_source(const struct lineage *l, size_t i)
{
	return (const struct lineage_source *)((const uint8_t *)l + l->sources) + i;
}

static inline const struct lineage_column *lineage_column(const struct lineage *l, size_t i)
{
	return (const struct lineage_column *)((const uint8_t *)l + l->columns) + i;
}

static inline const struct lineage_store *lineage_store(const struct lineage *l, size_t i)
{
	return (const struct lineage_store *)((const uint8_t *)l + l->stores) + i;
}

static inline struct slice lineage_object(const struct lineage *l, size_t i)
{
	const struct lineage_source *s = lineage_source(l, i);

	return slice_of((const uint8_t *)l + s->object, s->object_len);
}

static inline struct slice lineage_name(const struct lineage *l, size_t i)
{
	const struct lineage_source *s = lineage_source(l, i);

	return slice_of((const uint8_t *)l + s->name, s->name_len);
}

static inline bool lineage_set_has(const struct lineage_set *s, size_t i)
{
	return s->bits[i / 64] >> (i % 64) & 1;
}

static inline void lineage_set_join(struct lineage_set *to, const struct lineage_set *from)
{
	for (size_t i = 0; i < LINEAGE_SOURCES_MAX / 64; i++)
		to->bits[i] |= from->bits[i];
	to->may_be_anything |= from->may_be_anything;
	to->is_from_code |= from->is_from_code;
}

static inline bool lineage_set_eq(const struct lineage_set *a, const struct lineage_set *b)
{
	return !memcmp(a->bits, b->bits, sizeof(a->bits)) &&
	       a->may_be_anything == b->may_be_anything && a->is_from_code == b->is_from_code;
}
