/* SPDX-License-Identifier: Apache-2.0 */
/* Text with its hits replaced: see rewrite.h. */
#include "mask/rewrite.h"

#include "mask/transform.h"

bool rewrite_finds(const struct rewrite *rw, struct slice text)
{
	struct scan s;
	struct hit h;

	scan_init(&s, text, 0, text.n, rw->want);
	if (!scan_next(&s, &h))
		return false;
	rw->stats->by_detector[h.detector]++;
	return true;
}

/* How many hits there are; 0 is the common answer and costs one walk. */
static size_t rewrite_count(const struct rewrite *rw, struct slice text)
{
	struct scan s;
	struct hit h;
	size_t n = 0;

	scan_init(&s, text, 0, text.n, rw->want);
	while (scan_next(&s, &h))
		n++;
	return n;
}

/* Room for the text and n_hits replacements; p == NULL: none. */
static struct writer rewrite_room(const struct rewrite *rw, struct slice text, size_t n_hits)
{
	size_t max = text.n + n_hits * TRANSFORM_GROWTH_MAX;

	return writer_of(arena_alloc(rw->arena, max), max);
}

static void rewrite_hit(const struct rewrite *rw, struct writer *w, struct slice text, struct hit h)
{
	rw->stats->by_detector[h.detector]++;
	transform_hit(w, rw->rules->as[h.detector], text, h, rw->key);
}

bool rewrite_text(const struct rewrite *rw, struct slice text, struct slice *ret)
{
	size_t n_hits = rewrite_count(rw, text), done = 0;
	struct writer w;
	struct scan s;
	struct hit h;

	if (!n_hits)
		return false;
	*ret = SLICE_NULL;
	w = rewrite_room(rw, text, n_hits);
	if (!w.p)
		return true;
	scan_init(&s, text, 0, text.n, rw->want);
	while (scan_next(&s, &h)) {
		wr_slice(&w, slice_of(text.p + done, h.start - done));
		rewrite_hit(rw, &w, text, h);
		done = h.end;
	}
	wr_slice(&w, slice_skip(text, done));
	*ret = wr_done(&w);
	return true;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

/* Over one character or escape of a string. */
static size_t json_step(struct slice text, size_t at)
{
	if (text.p[at] != '\\')
		return at + 1;
	at += text_at(text, at + 1) == 'u' ? 6 : 2;
	return at < text.n ? at : text.n;
}

/* The end of the string or number that starts at `at`, or of anything else: one byte. */
static size_t json_token_end(struct slice text, size_t at)
{
	size_t i = at + 1;

	if (text.p[at] == '"') {
		while (i < text.n && text.p[i] != '"')
			i = json_step(text, i);
		return i < text.n ? i + 1 : text.n;
	}
	if (text.p[at] != '-' && !byte_is_digit(text.p[at]))
		return i;
	while (byte_is_alnum(text_at(text, i)) || text_at(text, i) == '.' ||
		text_at(text, i) == '-' || text_at(text, i) == '+')
		i++;
	return i;
}

/* The content of the string text[from..end). Escapes are taken whole: half of one is no JSON. */
static size_t json_string(
	const struct rewrite *rw, struct slice text, size_t from, size_t end, struct writer *w)
{
	struct slice content = slice_head(text, end);
	size_t step = from, done = from, n_hits = 0;
	struct scan s;
	struct hit h;

	scan_init(&s, content, from, end, rw->want);
	for (; scan_next(&s, &h); n_hits++) {
		if (!w)
			continue;
		while (step < h.start)
			step = json_step(content, step);
		h.start = step < h.end ? step : h.end;
		while (step < h.end)
			step = json_step(content, step);
		h.end = step;
		wr_slice(w, slice_of(text.p + done, h.start - done));
		rewrite_hit(rw, w, text, h);
		done = h.end;
	}
	if (w)
		wr_slice(w, slice_of(text.p + done, end - done));
	return n_hits;
}

static size_t json_number(
	const struct rewrite *rw, struct slice text, size_t from, size_t end, struct writer *w)
{
	struct scan s;
	struct hit h;
	bool is_hit;

	scan_init(&s, slice_head(text, end), from, end, rw->want);
	is_hit = scan_next(&s, &h);
	if (is_hit && w)
		rw->stats->by_detector[h.detector]++;
	if (w)
		wr_slice(w, is_hit ? SLICE_LIT("null") : slice_of(text.p + from, end - from));
	return is_hit;
}

/* Rewrites into w, or only counts the hits if that is NULL. */
static size_t json_walk(const struct rewrite *rw, struct slice text, struct writer *w)
{
	size_t n_hits = 0, end;

	for (size_t i = 0; i < text.n; i = end) {
		bool is_string = text.p[i] == '"';

		end = json_token_end(text, i);
		if (is_string && end - i >= 2 && text.p[end - 1] == '"') {
			if (w)
				wr_u8(w, '"');
			n_hits += json_string(rw, text, i + 1, end - 1, w);
			if (w)
				wr_u8(w, '"');
		} else if (!is_string && end - i > 1) {
			n_hits += json_number(rw, text, i, end, w);
		} else if (w) {
			wr_slice(w, slice_of(text.p + i, end - i));
		}
	}
	return n_hits;
}

bool rewrite_json(const struct rewrite *rw, struct slice text, struct slice *ret)
{
	struct writer w;
	size_t n_hits;

	/* Quotes end every detector's words, so that no hit in the whole is no hit in any string.
	 */
	n_hits = rewrite_count(rw, text) ? json_walk(rw, text, NULL) : 0;
	if (!n_hits)
		return false;
	*ret = SLICE_NULL;
	w = rewrite_room(rw, text, n_hits);
	if (!w.p)
		return true;
	json_walk(rw, text, &w);
	*ret = wr_done(&w);
	return true;
}

/* ---- in place -------------------------------------------------------------------------------- */

uint8_t item_fill(struct slice text, struct hit h)
{
	uint8_t before = h.start ? text.p[h.start - 1] : 0, after = text_at(text, h.end);

	for (size_t i = h.start; i < h.end; i++)
		if (!byte_is_digit(text.p[i]))
			return '*';
	if (before == '-')
		before = h.start > 1 ? text.p[h.start - 2] : 0;
	return strchr("{,([", before) && strchr("},)]", after) ? '0' : '*';
}

bool rewrite_in_place(const struct rewrite *rw, struct slice text, bool items, struct slice *ret)
{
	struct scan s;
	struct hit h;
	uint8_t *p;

	scan_init(&s, text, 0, text.n, rw->want);
	if (!scan_next(&s, &h))
		return false;
	*ret = SLICE_NULL;
	p = arena_alloc(rw->arena, text.n);
	if (!p)
		return true;
	memcpy(p, text.p, text.n);
	do {
		rw->stats->by_detector[h.detector]++;
		memset(p + h.start, items ? item_fill(text, h) : '*', h.end - h.start);
	} while (scan_next(&s, &h));
	*ret = slice_of(p, text.n);
	return true;
}
