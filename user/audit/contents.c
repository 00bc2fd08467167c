/* SPDX-License-Identifier: Apache-2.0 */
/* Packing of contents: see contents.h. */
#include "audit/contents.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#include "util/cleanup.h"

enum {
	PACK_LEVEL = 1,
	PACK_MIN = 128, /* below this nothing gets shorter */
};

struct contents_packer {
	z_stream z;
	uint8_t out[CONTENTS_PART_MAX];
};

struct contents_packer *contents_packer_new(void)
{
	struct contents_packer *p = calloc(1, sizeof(*p));

	if (p && deflateInit(&p->z, PACK_LEVEL) != Z_OK) {
		free(p);
		return NULL;
	}
	return p;
}

struct contents_packer *contents_packer_free(struct contents_packer *p)
{
	if (p)
		deflateEnd(&p->z);
	free(p);
	return NULL;
}

struct slice contents_pack(struct contents_packer *p, struct slice text)
{
	if (text.n < PACK_MIN || bug(text.n > CONTENTS_PART_MAX) || deflateReset(&p->z) != Z_OK)
		return text;
	/* zlib takes what it only reads without const. */
	p->z.next_in = (Bytef *)(uintptr_t)text.p;
	p->z.avail_in = (uInt)text.n;
	p->z.next_out = p->out;
	/* Without room for as much as there was, the end is not reached. */
	p->z.avail_out = (uInt)text.n - 1;
	if (deflate(&p->z, Z_FINISH) != Z_STREAM_END)
		return text;
	return slice_of(p->out, text.n - 1 - p->z.avail_out);
}

int contents_unpack(const struct record_content *part, struct buf *to)
{
	uLongf n = (uLongf)part->text_len;
	size_t room;
	int r;

	/* Who may have written it is not known: no more memory than a part may have. */
	if (!part->text_len || part->text_len > CONTENTS_PART_MAX || part->bytes.n > part->text_len)
		return CONTENTS_E_DAMAGED;
	r = buf_reserve(to, part->text_len);
	if (r)
		return r == BUF_E_FULL ? err_raise(-ENOBUFS) : err_trace(r);
	if (part->bytes.n == part->text_len) {
		memcpy(buf_space(to, &room), part->bytes.p, part->bytes.n);
	} else if (uncompress(buf_space(to, &room), &n, part->bytes.p, (uLong)part->bytes.n) !=
			   Z_OK ||
		   n != part->text_len) {
		return CONTENTS_E_DAMAGED;
	}
	buf_commit(to, part->text_len);
	return 0;
}

size_t contents_whole(struct slice text)
{
	size_t n = text.n, back = 0;

	/* Back to where the last character begins; a stray byte is one by itself. */
	while (back < 3 && back < n && (text.p[n - 1 - back] & 0xc0) == 0x80)
		back++;
	if (back == n)
		return n;
	if (text.p[n - 1 - back] >= 0xf0)
		return back < 3 ? n - 1 - back : n;
	if (text.p[n - 1 - back] >= 0xe0)
		return back < 2 ? n - 1 - back : n;
	if (text.p[n - 1 - back] >= 0xc0)
		return back < 1 ? n - 1 - back : n;
	return n;
}
