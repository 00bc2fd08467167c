/* SPDX-License-Identifier: Apache-2.0 */
/* How the rows of a copy out of the server are written: for those who read them apart. Data only.
 */
#pragma once

#include "util/slice.h"

enum copy_kind { COPY_TEXT, COPY_CSV, COPY_BINARY };

enum { COPY_NULL_MAX = 64 };

/* As PostgreSQL's COPY TO writes it (src/backend/commands/copyto.c). */
struct copy_format {
	enum copy_kind kind;
	bool has_header;                  /* the first line is names */
	bool forces_quotes;               /* CSV: of some columns whatever stands in them */
	uint8_t delimiter, quote, escape; /* not in COPY_BINARY; the last two in COPY_CSV */
	char null[COPY_NULL_MAX];         /* what stands for NULL, ASCII */
	uint8_t null_len;
};

static inline struct slice copy_null(const struct copy_format *f)
{
	return slice_of(f->null, f->null_len);
}
