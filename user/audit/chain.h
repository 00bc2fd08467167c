/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hash chain over the rows of the ledger. Pure: no database, no clock, no key.
 *
 * Rows are entries, numbered from 1 in the order in which the scribe commits them; the entries of
 * one commit are a link. With H for SHA-256 and numbers big-endian:
 *
 *     leaf  = H(kind u8, row u64, at u64, record in canonical form)
 *     head  = H(previous head, first u64, (kind u8, row u64, leaf) of each entry, n u64)
 *     head of nothing = H("holdfast ledger 1", the ledger's random id)
 *
 * The ledger keeps of each entry kind, row and the first eight bytes of its leaf (which say what
 * row was changed), and of each link its head (which says that one was). Checkpoints sign heads.
 */
#pragma once

#include "audit/record.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/sha256.h"

enum {
	CHAIN_ENTRY_SIZE = 17, /* kind u8, row u64, tag[8] */
	CHAIN_TAG_SIZE = 8,
	CHAIN_ID_SIZE = 16,
	CHAIN_ROW_MAX = 64 << 20, /* bytes of one row */
};

/* Kinds of entries besides enum record_kind. */
enum {
	/* Not a row: ring number `row` was drained up to the sequence that stands in the tag. */
	CHAIN_POSITION = 0,
	/* Added to the kind of a row that is here a second time: its first entry was pruned. */
	CHAIN_CARRIED = 0x80,
};

struct chain_entry {
	uint8_t kind;
	uint64_t row;
	uint8_t tag[CHAIN_TAG_SIZE];
};

struct chain {
	uint64_t next; /* number of the entry that comes next */
	uint8_t head[SHA256_SIZE];

	/* the open link */
	size_t n;
	struct sha256 link;
	struct buf entries, scratch;
};

/* Starts behind an entry: next and head as the ledger has them. */
void chain_init(struct chain *c, uint64_t next, const uint8_t head[SHA256_SIZE]);
void chain_deinit(struct chain *c);
/* The head of nothing. */
void chain_genesis(struct slice ledger_id, uint8_t head[SHA256_SIZE]);

/* Adds a row to the open link. kind: enum record_kind, perhaps with CHAIN_CARRIED. 0, < 0. */
ERR_CHECK int chain_add(struct chain *c, uint8_t kind, int64_t row, int64_t at_ns, const void *rec);
ERR_CHECK int chain_add_position(struct chain *c, uint64_t ring, uint64_t seq);
/* An entry of which only the leaf is known. 0, < 0. */
ERR_CHECK int chain_add_leaf(
	struct chain *c, uint8_t kind, uint64_t row, const uint8_t leaf[SHA256_SIZE]);
/* What the ledger is to store of the open link: its entries (valid until the next call) and its
 * head. The link stays open. */
struct slice chain_link(const struct chain *c, uint8_t ret_head[SHA256_SIZE]);
/* The link is committed: the next one begins. */
void chain_close_link(struct chain *c, const uint8_t head[SHA256_SIZE]);
/* Nothing of the open link was kept. */
void chain_drop_link(struct chain *c);

/* ---- for those who check ---- */

/* Entry i of a link's entries; false: there is none. */
bool chain_read_entry(struct slice entries, size_t i, struct chain_entry *ret);
/* The leaf of a row (kind without CHAIN_CARRIED). scratch: any buffer. 0, < 0. */
ERR_CHECK int chain_leaf(struct buf *scratch, uint8_t kind, int64_t row, int64_t at_ns,
	const void *rec, uint8_t leaf[SHA256_SIZE]);
/* The leaf of CHAIN_POSITION, made of the entry itself. */
void chain_position_leaf(uint64_t seq, uint8_t leaf[SHA256_SIZE]);
