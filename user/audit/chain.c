/* SPDX-License-Identifier: Apache-2.0 */
/* The hash chain: see chain.h. */
#include "audit/chain.h"

#include <errno.h>

#include "util/reader.h"

/* One transaction of the scribe, with room to spare. */
enum { CHAIN_ENTRIES_MAX = 64 << 20 };

static void chain_begin_link(struct chain *c)
{
	struct writer w;
	uint8_t first[8];

	c->n = 0;
	buf_consume(&c->entries, buf_len(&c->entries));
	w = writer_of(first, sizeof(first));
	wr_be64(&w, c->next);
	sha256_begin(&c->link);
	sha256_add(&c->link, slice_of(c->head, sizeof(c->head)));
	sha256_add(&c->link, wr_done(&w));
}

void chain_init(struct chain *c, uint64_t next, const uint8_t head[SHA256_SIZE])
{
	*c = (struct chain){.next = next};
	memcpy(c->head, head, sizeof(c->head));
	buf_init(&c->entries, CHAIN_ENTRIES_MAX);
	buf_init(&c->scratch, CHAIN_ROW_MAX);
	chain_begin_link(c);
}

void chain_deinit(struct chain *c)
{
	buf_deinit(&c->entries);
	buf_deinit(&c->scratch);
}

void chain_genesis(struct slice ledger_id, uint8_t head[SHA256_SIZE])
{
	struct sha256 s;

	sha256_begin(&s);
	sha256_add(&s, SLICE_LIT("holdfast ledger 1"));
	sha256_add(&s, ledger_id);
	sha256_end(&s, head);
}

int chain_leaf(struct buf *scratch, uint8_t kind, int64_t row, int64_t at_ns, const void *rec,
	uint8_t leaf[SHA256_SIZE])
{
	size_t len = 1 + 8 + 8 + record_canonical_len((enum record_kind)kind, rec), room;
	struct writer w;
	int r;

	buf_consume(scratch, buf_len(scratch));
	r = buf_reserve(scratch, len);
	if (r)
		return err_fold(r);
	w = writer_of(buf_space(scratch, &room), len);
	wr_u8(&w, kind);
	wr_be64(&w, (uint64_t)row);
	wr_be64(&w, (uint64_t)at_ns);
	record_encode_canonical((enum record_kind)kind, rec, &w);
	if (bug(w.bad || w.n != len))
		return err_raise(-EOVERFLOW);
	sha256_of(wr_done(&w), leaf);
	return 0;
}

void chain_position_leaf(uint64_t seq, uint8_t leaf[SHA256_SIZE])
{
	struct writer w = writer_of(leaf, SHA256_SIZE);

	wr_be64(&w, seq);
	memset(leaf + w.n, 0, SHA256_SIZE - w.n);
}

int chain_add_leaf(struct chain *c, uint8_t kind, uint64_t row, const uint8_t leaf[SHA256_SIZE])
{
	uint8_t bytes[CHAIN_ENTRY_SIZE - CHAIN_TAG_SIZE + SHA256_SIZE];
	struct writer w = writer_of(bytes, sizeof(bytes));
	int r;

	wr_u8(&w, kind);
	wr_be64(&w, row);
	wr_bytes(&w, leaf, SHA256_SIZE);
	r = buf_put(&c->entries, slice_of(bytes, CHAIN_ENTRY_SIZE));
	if (r)
		return err_fold(r);
	sha256_add(&c->link, wr_done(&w));
	c->n++;
	return 0;
}

int chain_add(struct chain *c, uint8_t kind, int64_t row, int64_t at_ns, const void *rec)
{
	uint8_t leaf[SHA256_SIZE];
	int r = chain_leaf(&c->scratch, (uint8_t)(kind & ~CHAIN_CARRIED), row, at_ns, rec, leaf);

	return r ? err_trace(r) : err_trace(chain_add_leaf(c, kind, (uint64_t)row, leaf));
}

int chain_add_position(struct chain *c, uint64_t ring, uint64_t seq)
{
	uint8_t leaf[SHA256_SIZE];

	chain_position_leaf(seq, leaf);
	return err_trace(chain_add_leaf(c, CHAIN_POSITION, ring, leaf));
}

struct slice chain_link(const struct chain *c, uint8_t ret_head[SHA256_SIZE])
{
	struct sha256 link = c->link;
	struct writer w;
	uint8_t n[8];

	w = writer_of(n, sizeof(n));
	wr_be64(&w, c->n);
	sha256_add(&link, wr_done(&w));
	sha256_end(&link, ret_head);
	return buf_slice(&c->entries);
}

void chain_close_link(struct chain *c, const uint8_t head[SHA256_SIZE])
{
	memcpy(c->head, head, sizeof(c->head));
	c->next += c->n;
	chain_begin_link(c);
}

void chain_drop_link(struct chain *c)
{
	chain_begin_link(c);
}

bool chain_read_entry(struct slice entries, size_t i, struct chain_entry *ret)
{
	struct reader r = reader_of(slice_skip(entries, i * CHAIN_ENTRY_SIZE));
	struct slice tag;

	ret->kind = rd_u8(&r);
	ret->row = rd_be64(&r);
	tag = rd_bytes(&r, CHAIN_TAG_SIZE);
	if (r.bad)
		return false;
	memcpy(ret->tag, tag.p, CHAIN_TAG_SIZE);
	return true;
}
