/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pieces of a value too large to hold: changed in place, never in length. See mask.h.
 *
 * Detectors read a window: the bytes before the piece as they were, and the piece. A start is
 * decided when DETECT_WINDOW bytes follow it; what is nearer to the end is held back. Hits that run
 * on beyond that are overwritten as they come.
 */
#include "mask/rewrite.h"

enum {
	WINDOW = 16 * 1024,
	SMALL_MAX = 64, /* numbers, times, addresses: held back until whole */
	ESCAPE_LETTER = 5,
};

_Static_assert((int)DETECT_WINDOW <= (int)MASK_TAIL_MAX, "what is held back is promised in mask.h");

/* ---- filler for small values ----------------------------------------------------------------- */

static void fill_digits(uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (byte_is_hex(p[i]))
			p[i] = '0';
}

/* ISO dates become the first of January 2000, times midnight. Other styles have words in them. */
static int fill_time_text(uint8_t *p, size_t n)
{
	static const char day[] = "2000-01-01";

	for (size_t i = 0; i < n; i++)
		if (!byte_is_digit(p[i]) && !strchr("-+:. ", p[i]))
			return MASK_E_FULL;
	fill_digits(p, n);
	if (n >= sizeof(day) - 1 && p[4] == '-' && p[7] == '-')
		memcpy(p, day, sizeof(day) - 1);
	return 0;
}

/* inet: the address after its header becomes zero; macaddr has no header. */
static void fill_net_binary(uint8_t *p, size_t n)
{
	size_t header = n > 4 && (p[0] == 2 || p[0] == 3) && p[3] == n - 4 ? 4 : 0;

	memset(p + header, 0, n - header);
}

/* numeric: the number of digits stays, all of them zero; eight bytes or less are another type. */
static void fill_number_binary(uint8_t *p, size_t n)
{
	size_t header = n > 8 ? 2 : 0;

	memset(p + header, 0, n - header);
}

static int fill_small(const struct plan_column *col, uint8_t *p, size_t n)
{
	switch (col->class) {
	case VALUE_INT:
		memset(p, col->is_binary ? 0 : '0', n);
		return 0;
	case VALUE_NUMBER:
		if (col->is_binary)
			fill_number_binary(p, n);
		else
			memset(p, '0', n);
		return 0;
	case VALUE_BOOL:
		memset(p, col->is_binary ? 0 : 'f', n);
		return n == 1 ? 0 : MASK_E_FULL;
	case VALUE_TIME:
		if (!col->is_binary)
			return fill_time_text(p, n);
		memset(p, 0, n);
		return 0;
	case VALUE_UUID:
	case VALUE_NET:
		if (!col->is_binary)
			fill_digits(p, n);
		else
			fill_net_binary(p, n);
		return 0;
	case VALUE_TEXT:
	case VALUE_JSON:
	case VALUE_BYTES:
	case VALUE_ARRAY:
	case VALUE_OTHER:
		break;
	}
	return MASK_E_FULL;
}

/* ---- filler for protected columns ------------------------------------------------------------ */

/* JSON: a string of stars. Its last byte is known only with the last piece. */
static void fill_json(struct piece *st, const struct plan_column *col, uint8_t *p, size_t n,
	bool is_last, size_t *hold_back)
{
	uint64_t first;

	if (!st->offset && n && col->is_binary && p[0] == 1)
		st->has_version = true;
	first = st->has_version;
	*hold_back = !is_last && n ? 1 : 0;
	for (size_t i = 0; i + *hold_back < n; i++) {
		uint64_t at = st->offset + i;

		if (at >= first)
			p[i] = at == first ? '"' : '*';
	}
	if (is_last && n && st->offset + n > first)
		p[n - 1] = st->offset + n == first + 1 ? '0' : '"';
}

/* bytea in text: `\x` stays, and all digits become zero. */
static void fill_hex(const struct piece *st, uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (st->offset + i > 1 || p[i] != "\\x"[st->offset + i])
			p[i] = '0';
}

static int fill_whole(struct piece *st, const struct plan_column *col, uint8_t *p, size_t n,
	bool is_last, size_t *hold_back)
{
	switch (col->class) {
	case VALUE_TEXT:
		memset(p, '*', n);
		return 0;
	case VALUE_JSON:
		fill_json(st, col, p, n, is_last, hold_back);
		return 0;
	case VALUE_BYTES:
		if (col->is_binary)
			memset(p, '*', n);
		else
			fill_hex(st, p, n);
		return 0;
	case VALUE_NUMBER:
		if (!col->is_binary) {
			memset(p, '0', n);
			return 0;
		}
		break;
	case VALUE_INT:
	case VALUE_BOOL:
	case VALUE_TIME:
	case VALUE_UUID:
	case VALUE_NET:
		break;
	case VALUE_ARRAY:
	case VALUE_OTHER:
		return n ? MASK_E_FULL : 0;
	}
	if (is_last && !st->offset)
		return fill_small(col, p, n);
	*hold_back = n;
	return n > SMALL_MAX || st->offset ? MASK_E_FULL : 0;
}

/* ---- detectors ------------------------------------------------------------------------------- */

/* Follows JSON byte by byte. Of a hit, only what is inside a string or number is overwritten, and
 * no escape is cut: what was JSON stays JSON. */
static void json_put(struct piece *st, uint8_t *p, size_t n, bool is_hit)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t c = p[i];

		if (!st->is_string) {
			st->is_string = c == '"';
			if (is_hit && byte_is_digit(c))
				p[i] = st->is_number ? '0' : '1';
			st->is_number = byte_is_digit(c);
		} else if (st->escape == ESCAPE_LETTER) {
			st->escape = c == 'u' ? 4 : 0;
		} else if (st->escape) {
			st->escape--;
		} else if (c == '\\') {
			st->escape = ESCAPE_LETTER;
		} else if (c == '"') {
			st->is_string = false;
		} else if (is_hit) {
			p[i] = '*';
		}
	}
}

/* The window at work: `text` as the server sent it, `out` the bytes of the piece in it. */
struct window {
	struct slice text;
	size_t n_before; /* where the piece begins in text */
	size_t at;       /* text before this is settled */
	uint8_t *out;
	bool is_last;
};

/* Settles text up to `end`. */
static void window_put(struct window *w, struct piece *st, const struct plan_column *col,
	size_t end, bool is_hit, uint8_t fill)
{
	uint8_t *p = w->out + (w->at - w->n_before);
	size_t n = end - w->at;

	if (col->class == VALUE_JSON)
		json_put(st, p, n, is_hit);
	else if (is_hit)
		memset(p, fill, n);
	w->at = end;
}

static uint8_t window_fill(const struct window *w, const struct plan_column *col, struct hit h)
{
	if (col->class == VALUE_NUMBER)
		return '0';
	if (!col->is_binary && (col->class == VALUE_ARRAY || col->class == VALUE_OTHER))
		return item_fill(w->text, h);
	return '*';
}

/* The rest of a hit that began in an earlier window. False: it goes on beyond this one. */
static bool window_resume(struct window *w, struct piece *st, const struct plan_column *col)
{
	size_t end, cut;

	if (!st->tail)
		return true;
	end = detect_resume(w->text, w->at, st->tail);
	cut = w->is_last ? 0 : detect_cut(w->text, end, st->tail);
	if (cut && cut < w->at)
		cut = w->at;
	window_put(w, st, col, cut ? cut : end, true, '*');
	if (!cut)
		st->tail = NULL;
	return !cut;
}

/* Settles as much of the window as can be. */
static void window_scan(
	struct window *w, struct piece *st, const struct plan_column *col, struct mask_stats *stats)
{
	size_t stop = w->text.n;
	struct scan s;
	struct hit h;

	if (!window_resume(w, st, col))
		return;
	if (!w->is_last)
		stop = stop > DETECT_WINDOW ? stop - DETECT_WINDOW : 0;
	scan_init(&s, w->text, w->at, stop, col->want);
	while (scan_next(&s, &h)) {
		const char *tail = w->is_last ? NULL : detect_tail(w->text, h);
		size_t cut = tail ? detect_cut(w->text, h.end, tail) : 0;

		stats->by_detector[h.detector]++;
		stats->n_values += !st->is_changed;
		st->is_changed = true;
		window_put(w, st, col, h.start, false, 0);
		window_put(w, st, col, cut ? cut : h.end, true, window_fill(w, col, h));
		if (cut) {
			st->tail = tail;
			return;
		}
	}
	if (w->at < stop)
		window_put(w, st, col, stop, false, 0);
}

/* Keeps the last bytes of what is settled, as they were, for the next window. */
static void piece_remember(struct piece *st, const struct window *w)
{
	size_t n = w->at < DETECT_BEFORE ? w->at : DETECT_BEFORE;

	memcpy(st->before, w->text.p + w->at - n, n);
	st->n_before = n;
}

static void piece_scan(struct piece *st, const struct plan_column *col, uint8_t *bytes, size_t n,
	bool is_last, size_t *hold_back, struct mask_stats *stats)
{
	uint8_t text[DETECT_BEFORE + WINDOW];
	size_t done = 0, take;

	do {
		struct window w = {
			.n_before = st->n_before, .at = st->n_before, .out = bytes + done};

		take = n - done < WINDOW ? n - done : WINDOW;
		w.is_last = is_last && done + take == n;
		memcpy(text, st->before, st->n_before);
		memcpy(text + st->n_before, bytes + done, take);
		w.text = slice_of(text, st->n_before + take);
		window_scan(&w, st, col, stats);
		piece_remember(st, &w);
		done += w.at - w.n_before;
		take -= w.at - w.n_before;
	} while (done + take < n);
	*hold_back = n - done;
}

/* Numbers and addresses that detectors read as text, once they are whole. */
static int piece_detect_small(struct piece *st, const struct plan_column *col, uint8_t *bytes,
	size_t n, bool is_last, size_t *hold_back, struct mask_stats *stats)
{
	char buf[PLAIN_MAX];
	struct slice plain;
	struct scan s;
	struct hit h;

	/* Longer ones are numbers of more digits than a card has. */
	if (st->offset || n > SMALL_MAX)
		return 0;
	if (!is_last) {
		*hold_back = n;
		return 0;
	}
	plain = value_plain(col, slice_of(bytes, n), buf);
	scan_init(&s, plain, 0, plain.n, col->want);
	if (!scan_next(&s, &h))
		return 0;
	stats->by_detector[h.detector]++;
	stats->n_values++;
	return fill_small(col, bytes, n);
}

static int piece_detect(struct piece *st, const struct plan_column *col, uint8_t *bytes, size_t n,
	bool is_last, size_t *hold_back, struct mask_stats *stats)
{
	switch (col->class) {
	case VALUE_INT:
	case VALUE_NET:
		return piece_detect_small(st, col, bytes, n, is_last, hold_back, stats);
	case VALUE_NUMBER:
		if (col->is_binary)
			return piece_detect_small(st, col, bytes, n, is_last, hold_back, stats);
		break;
	case VALUE_BYTES:
		if (!col->is_binary)
			return 0;
		break;
	case VALUE_TEXT:
	case VALUE_JSON:
	case VALUE_ARRAY:
	case VALUE_OTHER:
	case VALUE_BOOL:
	case VALUE_TIME:
	case VALUE_UUID:
		break;
	}
	piece_scan(st, col, bytes, n, is_last, hold_back, stats);
	return 0;
}

int mask_piece(const struct mask_plan *p, size_t i, uint8_t *bytes, size_t n, bool is_last,
	size_t *hold_back, struct mask_stats *stats)
{
	struct piece *st = p->piece;
	const struct plan_column *col;
	uint64_t offset, rules = 0, before[DETECTOR_N];
	int r = 0;

	*hold_back = 0;
	if (i >= p->n_columns)
		return MASK_E_FULL;
	col = &p->columns[i];
	if (!st->is_started || st->column != i)
		*st = (struct piece){.is_started = true, .column = i};
	offset = st->offset;
	if (col->action == COLUMN_WHOLE) {
		r = fill_whole(st, col, bytes, n, is_last, hold_back);
		stats->n_columns += !st->is_changed;
		stats->n_values += !st->is_changed;
		st->is_changed = true;
		rules = col->rules;
	} else if (col->action == COLUMN_DETECT) {
		memcpy(before, stats->by_detector, sizeof(before));
		r = piece_detect(st, col, bytes, n, is_last, hold_back, stats);
		rules = plan_found(&p->detect, before, stats);
	}
	plan_count(stats, rules & ~st->counted);
	st->counted |= rules;
	st->offset = offset + n - *hold_back;
	if (is_last)
		st->is_started = false;
	return r;
}
