/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contents of replies in the ledger: parts of at most CONTENTS_PART_MAX bytes, each packed by
 * itself, so that neither who writes nor who reads them ever holds more than one. schema.sql says
 * what they consist of.
 *
 * zlib and not zstd, which is three times as fast: the sqlite3 shell and every scripting language
 * unpack it, so that the ledger stays readable without us. A part that does not get shorter is kept
 * as it is.
 */
#pragma once

#include "audit/record.h"
#include "util/buf.h"
#include "util/err.h"

enum {
	CONTENTS_PART_MAX = 64 * 1024,
	CONTENTS_HEAD_MAX = 16 * 1024, /* `record: head` */
};

enum { CONTENTS_E_DAMAGED = 1 };

/* What packing needs, made once and used by one thread. NULL: no memory. */
struct contents_packer;
struct contents_packer *contents_packer_new(void);
struct contents_packer *contents_packer_free(struct contents_packer *p);
/* At most CONTENTS_PART_MAX bytes; the answer is `text` itself or valid until the next call. */
struct slice contents_pack(struct contents_packer *p, struct slice text);

/* The text of a part, appended to `to`. 0, CONTENTS_E_DAMAGED. */
ERR_CHECK int contents_unpack(const struct record_content *part, struct buf *to);
/* How many of its bytes are whole characters: all, but for one that is cut at the end. */
size_t contents_whole(struct slice text);
