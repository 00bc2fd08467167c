/* SPDX-License-Identifier: Apache-2.0 */
/* Recording of contents: see contents.h. */
#include "session/contents.h"

#include <inttypes.h>

#include "audit/contents.h"
#include "util/reader.h"

enum { CONTENTS_HEX = 64 };

static const struct inflight *contents_inflight(const struct session *s, uint64_t seq)
{
	for (size_t i = 0; s->n_recording && i < s->inflight.n; i++) {
		const struct inflight *f =
			&s->inflight.ring[(s->inflight.head + i) & (s->inflight.cap - 1)];

		if (f->seq == seq)
			return f->recording >= RECORDING_HEAD && !f->is_done ? f : NULL;
	}
	return NULL;
}

static bool contents_is_over(const struct contents *c)
{
	return c->is_cut || c->is_dropped;
}

bool contents_wants(const struct session *s, uint64_t seq)
{
	return contents_inflight(s, seq) &&
	       !(s->contents.seq == seq && contents_is_over(&s->contents));
}

/* ---- to the journal -------------------------------------------------------------------------- */

static bool contents_append(struct session *s, struct slice text)
{
	struct worker *w = s->worker;
	struct contents *c = &s->contents;
	struct record_content rec = {.request = c->request, .part = c->n_parts, .text_len = text.n};

	if (!w->packer)
		w->packer = contents_packer_new();
	if (!w->packer)
		return false;
	rec.bytes = contents_pack(w->packer, text);
	/* Not worker_record(): finding no room is nothing to complain about here. */
	return !journal_append(w->journal, RECORD_CONTENT, &rec, NULL);
}

/* Hands over what was gathered, in parts that the journal takes; what is left is a character whose
 * rest did not come yet. */
static void contents_flush(struct session *s, bool is_last)
{
	struct contents *c = &s->contents;
	size_t max = journal_record_max(s->worker->journal) / 2;

	max = max < CONTENTS_PART_MAX ? max : CONTENTS_PART_MAX;
	while (buf_len(&c->text)) {
		struct slice text = buf_slice(&c->text), part = slice_head(text, max);

		if (part.n < text.n || !is_last)
			part.n = contents_whole(part);
		if (!part.n)
			break;
		c->is_dropped = !contents_append(s, part);
		if (c->is_dropped) {
			c->len -= text.n;
			part.n = text.n;
		}
		buf_consume(&c->text, part.n);
		c->n_parts++;
	}
}

static void contents_put(struct session *s, struct slice text)
{
	struct contents *c = &s->contents;

	while (text.n && !contents_is_over(c)) {
		size_t n = CONTENTS_PART_MAX - buf_len(&c->text);

		n = n < text.n ? n : text.n;
		if (c->recording == RECORDING_HEAD) {
			n = n < CONTENTS_HEAD_MAX - c->len ? n : CONTENTS_HEAD_MAX - c->len;
			c->is_cut = !n;
		}
		if (buf_put(&c->text, slice_head(text, n))) {
			c->is_dropped = true;
			c->len -= buf_len(&c->text);
			return;
		}
		c->len += n;
		text = slice_skip(text, n);
		if (buf_len(&c->text) == CONTENTS_PART_MAX)
			contents_flush(s, false);
	}
}

static void contents_str(struct session *s, const char *text)
{
	contents_put(s, slice_str(text));
}

/* ---- what it consists of --------------------------------------------------------------------- */

/* In COPY's own lines a backslash is one already. */
static void contents_escaped(struct session *s, struct slice text, bool is_copy)
{
	static const char *const escapes[256] = {
		['\t'] = "\\t", ['\n'] = "\\n", ['\r'] = "\\r", ['\\'] = "\\\\"};
	size_t from = 0;

	for (size_t i = 0; i < text.n; i++) {
		const char *escape = escapes[text.p[i]];

		if (!escape || (is_copy && text.p[i] == '\\'))
			continue;
		contents_put(s, slice_of(text.p + from, i - from));
		contents_str(s, escape);
		from = i + 1;
	}
	contents_put(s, slice_of(text.p + from, text.n - from));
}

static void contents_hex(struct session *s, struct slice bytes)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t hex[2 * CONTENTS_HEX];

	while (bytes.n) {
		size_t n = bytes.n < CONTENTS_HEX ? bytes.n : CONTENTS_HEX;

		for (size_t i = 0; i < n; i++) {
			hex[2 * i] = (uint8_t)digits[bytes.p[i] >> 4];
			hex[2 * i + 1] = (uint8_t)digits[bytes.p[i] & 15];
		}
		contents_put(s, slice_of(hex, 2 * n));
		bytes = slice_skip(bytes, n);
	}
}

static void contents_int(struct session *s, struct slice bytes)
{
	struct reader r = reader_of(bytes);
	char text[32];
	int64_t v = bytes.n == 8   ? (int64_t)rd_be64(&r)
		    : bytes.n == 4 ? (int32_t)rd_be32(&r)
				   : (int16_t)rd_be16(&r);

	snprintf(text, sizeof(text), "%" PRId64, v);
	contents_str(s, text);
}

/* bytes: of the value from `offset` on. */
static void contents_binary(
	struct session *s, enum value_class class, struct slice bytes, uint64_t offset)
{
	bool is_number =
		class == VALUE_INT && !offset && (bytes.n == 2 || bytes.n == 4 || bytes.n == 8);

	if (class == VALUE_TEXT || class == VALUE_JSON) {
		/* jsonb: its version comes first. */
		if (class == VALUE_JSON && !offset && bytes.n && bytes.p[0] == 1)
			bytes = slice_skip(bytes, 1);
		contents_escaped(s, bytes, false);
	} else if (is_number) {
		contents_int(s, bytes);
	} else if (class == VALUE_BOOL && bytes.n == 1 && !offset) {
		contents_str(s, bytes.p[0] ? "t" : "f");
	} else {
		if (!offset)
			contents_str(s, "\\x");
		contents_hex(s, bytes);
	}
}

static void contents_field(struct session *s, const struct column *c, struct slice bytes)
{
	if (!bytes.p)
		contents_str(s, "\\N");
	else if (c->is_binary)
		contents_binary(s, c->class, bytes, 0);
	else
		contents_escaped(s, bytes, false);
}

/* ---- events ---------------------------------------------------------------------------------- */

/* A row that came in pieces ends where something else begins. */
static void contents_end_row(struct session *s)
{
	if (s->contents.is_inside_row)
		contents_str(s, "\n");
	s->contents.is_inside_row = false;
}

/* False: nothing of it is wanted. */
static bool contents_begin(struct session *s, uint64_t seq)
{
	const struct inflight *f = contents_inflight(s, seq);
	struct contents *c = &s->contents;

	if (!f)
		return false;
	if (c->seq != seq) {
		buf_deinit(&c->text);
		*c = (struct contents){.seq = seq, .request = f->id, .recording = f->recording};
		buf_init(&c->text, CONTENTS_PART_MAX);
	}
	return !contents_is_over(c);
}

static void contents_columns(
	struct session *s, const struct column *columns, size_t n, uint32_t columns_id)
{
	struct contents *c = &s->contents;

	if (c->has_columns && c->columns_id == columns_id)
		return;
	c->has_columns = true;
	c->columns_id = columns_id;
	contents_str(s, "#");
	for (size_t i = 0; i < n; i++) {
		contents_str(s, i ? "\t" : "");
		contents_escaped(s, columns[i].name, false);
	}
	contents_str(s, "\n");
}

void contents_row(struct session *s, const struct event *ev, const struct value *values)
{
	if (!contents_begin(s, ev->row.seq))
		return;
	contents_end_row(s);
	contents_columns(s, ev->row.columns, ev->row.n, ev->row.columns_id);
	for (size_t i = 0; i < ev->row.n; i++) {
		contents_str(s, i ? "\t" : "=");
		contents_field(s, &ev->row.columns[i], values[i].bytes);
	}
	contents_str(s, "\n");
}

/* One of a CopyData that is passed on piece by piece. */
static void contents_copy_piece(struct session *s, const struct event *ev, struct slice bytes)
{
	if (!ev->value.offset) {
		contents_end_row(s);
		contents_str(s, "<");
		s->contents.is_inside_row = true;
	}
	if (ev->value.offset + ev->value.n == ev->value.total && bytes.n &&
		bytes.p[bytes.n - 1] == '\n')
		bytes.n--;
	contents_escaped(s, bytes, true);
}

void contents_value(struct session *s, const struct event *ev, size_t hold_back)
{
	struct slice bytes = slice_of(ev->value.p, ev->value.n - hold_back);
	const struct column *column;

	/* All of it comes again: it has not begun. */
	if (ev->value.n && !bytes.n)
		return;
	if (!contents_begin(s, ev->value.seq))
		return;
	if (!ev->value.columns) {
		contents_copy_piece(s, ev, bytes);
		return;
	}
	column = &ev->value.columns[ev->value.index];
	if (!ev->value.offset) {
		if (!ev->value.index) {
			contents_end_row(s);
			contents_columns(
				s, ev->value.columns, ev->value.n_columns, ev->value.columns_id);
		}
		contents_str(s, ev->value.index ? "\t" : "=");
		s->contents.is_inside_row = true;
	}
	if (ev->value.is_null)
		contents_str(s, "\\N");
	else if (column->is_binary)
		contents_binary(s, column->class, bytes, ev->value.offset);
	else
		contents_escaped(s, bytes, false);
}

void contents_text(struct session *s, const struct event *ev, const struct slice *fields, size_t n)
{
	const char *kind = ev->text.is_value ? "=" : ev->text.is_row ? "<" : "!";

	/* Settings, and what others notify, are of no request. */
	if (ev->text.is_foreign || (ev->text.is_value && !ev->text.is_row) ||
		!contents_begin(s, ev->text.seq))
		return;
	contents_end_row(s);
	for (size_t i = 0; i < n; i++) {
		contents_str(s, i ? "\t" : kind);
		contents_escaped(s, fields[i], ev->text.is_row && !ev->text.is_value);
	}
	contents_str(s, n ? "\n" : "");
}

void contents_end(struct session *s, const struct inflight *f, struct record_reply *rec)
{
	struct contents *c = &s->contents;

	if (f->recording < RECORDING_HEAD)
		return;
	s->n_recording--;
	if (c->seq != f->seq)
		return;
	contents_end_row(s);
	contents_flush(s, !c->is_cut);
	c->len -= buf_len(&c->text);
	if (c->len || c->is_dropped) {
		rec->contents = c->is_dropped ? SLICE_LIT("dropped")
				: c->is_cut   ? SLICE_LIT("head")
					      : SLICE_LIT("full");
		rec->contents_len = c->len;
	}
	contents_deinit(c);
}

void contents_deinit(struct contents *c)
{
	buf_deinit(&c->text);
	*c = (struct contents){0};
}
