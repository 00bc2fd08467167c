/* SPDX-License-Identifier: Apache-2.0 */
/* One value of a row, and prose: see mask.h. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>

#include "mask/rewrite.h"
#include "mask/transform.h"
#include "util/reader.h"

enum { HEX_TEXT_MAX = 2 + 2 * 64 * 1024 };

/* ---- numbers and addresses as text ----------------------------------------------------------- */

static struct slice plain_int(struct slice value, char *buf)
{
	struct reader r = reader_of(value);
	int64_t v = value.n == 8 ? (int64_t)rd_be64(&r) : 0;

	return slice_of(buf, (size_t)snprintf(buf, PLAIN_MAX, "%" PRId64, v));
}

/* A float8 that may be a card: an integer of 13 digits or more, which it holds up to 2^53 exactly.
 */
static struct slice plain_float(struct slice value, char *buf)
{
	struct reader r = reader_of(value);
	uint64_t bits = rd_be64(&r);
	double d;

	memcpy(&d, &bits, sizeof(d));
	if (!(d >= 1e12 && d < 1e19) || d != (double)(uint64_t)d)
		return SLICE_NULL;
	return slice_of(buf, (size_t)snprintf(buf, PLAIN_MAX, "%.0f", d));
}

/* numeric: digits of base 10000 behind a header (src/backend/utils/adt/numeric.c: numeric_send). */
static struct slice plain_numeric(struct slice value, char *buf)
{
	struct reader r = reader_of(value);
	uint16_t n_digits = rd_be16(&r);
	int weight = (int16_t)rd_be16(&r);
	size_t n = 0;

	rd_be16(&r);
	rd_be16(&r);
	if (n_digits > 24 || rd_left(&r) != 2u * n_digits || weight < 0 || weight > 24)
		return SLICE_NULL;
	for (int i = 0; i <= weight || i < n_digits; i++) {
		unsigned int digit = i < n_digits ? rd_be16(&r) : 0;

		if (i == weight + 1)
			buf[n++] = '.';
		n += (size_t)snprintf(buf + n, PLAIN_MAX - n, i ? "%04u" : "%u", digit % 10000);
	}
	return slice_of(buf, n);
}

/* inet and cidr: family, bits, is_cidr, length, address (network.c: network_send). */
static struct slice plain_net(struct slice value, char *buf)
{
	int family;

	if (value.n == 8 && value.p[0] == 2 && value.p[3] == 4)
		family = AF_INET;
	else if (value.n == 20 && value.p[0] == 3 && value.p[3] == 16)
		family = AF_INET6;
	else
		return SLICE_NULL;
	if (!inet_ntop(family, value.p + 4, buf, PLAIN_MAX))
		return SLICE_NULL;
	return slice_of(buf, strlen(buf));
}

struct slice value_plain(
	const struct plan_column *col, struct slice value, char buf[static PLAIN_MAX])
{
	if (!col->is_binary)
		return value;
	if (col->class == VALUE_NET)
		return plain_net(value, buf);
	if (col->class == VALUE_INT)
		return plain_int(value, buf);
	/* Eight bytes are a float8, or a numeric zero, which reads as a tiny one. */
	return value.n == 8 ? plain_float(value, buf) : plain_numeric(value, buf);
}

/* ---- one value ------------------------------------------------------------------------------- */

/* jsonb in binary: a version byte and then the text. */
static bool detect_json(
	const struct rewrite *rw, bool is_binary, struct slice value, struct slice *ret)
{
	bool has_version = is_binary && value.n && value.p[0] == 1;
	uint8_t *p;

	if (!rewrite_json(rw, slice_skip(value, has_version), ret))
		return false;
	if (!has_version || !ret->p)
		return true;
	p = arena_alloc(rw->arena, ret->n + 1);
	if (p) {
		p[0] = 1;
		memcpy(p + 1, ret->p, ret->n);
	}
	*ret = slice_of(p, p ? ret->n + 1 : 0);
	return true;
}

/* bytea in text: what its bytes say as text is overwritten, in hexadecimal. */
static bool detect_hex(const struct rewrite *rw, struct slice value, struct slice *ret)
{
	static const char hex[] = "0123456789abcdef";
	uint8_t buf[HEX_TEXT_MAX / 2];
	struct slice bytes, masked;
	struct writer w;

	if (value.n > HEX_TEXT_MAX)
		return false;
	if (!slice_starts(value, "\\x"))
		return rewrite_in_place(rw, value, false, ret);
	if (!bytes_from_hex(value, buf, &bytes) || !rewrite_in_place(rw, bytes, false, &masked))
		return false;
	*ret = SLICE_NULL;
	w = writer_of(arena_alloc(rw->arena, value.n), value.n);
	if (!masked.p || !w.p)
		return true;
	wr_str(&w, "\\x");
	for (size_t i = 0; i < masked.n; i++) {
		wr_u8(&w, (uint8_t)hex[masked.p[i] >> 4]);
		wr_u8(&w, (uint8_t)hex[masked.p[i] & 15]);
	}
	*ret = wr_done(&w);
	return true;
}

/* Numbers and addresses, and what cannot be taken apart: all or nothing. */
static bool detect_whole(const struct rewrite *rw, struct slice text, struct slice *ret)
{
	if (!rewrite_finds(rw, text))
		return false;
	*ret = SLICE_NULL;
	return true;
}

static bool detect_value(const struct rewrite *rw, const struct plan_column *col,
	struct slice value, struct slice *ret)
{
	char buf[PLAIN_MAX];

	switch (col->class) {
	case VALUE_TEXT:
		return rewrite_text(rw, value, ret);
	case VALUE_JSON:
		return detect_json(rw, col->is_binary, value, ret);
	case VALUE_BYTES:
		return col->is_binary ? rewrite_in_place(rw, value, false, ret)
				      : detect_hex(rw, value, ret);
	case VALUE_ARRAY:
	case VALUE_OTHER:
		return col->is_binary ? detect_whole(rw, value, ret)
				      : rewrite_in_place(rw, value, true, ret);
	case VALUE_INT:
	case VALUE_NUMBER:
	case VALUE_NET:
		return detect_whole(rw, value_plain(col, value, buf), ret);
	case VALUE_BOOL:
	case VALUE_TIME:
	case VALUE_UUID:
		return false;
	}
	return false;
}

/* Did a detector find something, of which the rule makes the whole value NULL? */
static bool detect_asks_null(const struct detect_rules *rules, const uint64_t before[DETECTOR_N],
	const struct mask_stats *after)
{
	for (int d = 0; d < DETECTOR_N; d++)
		if (after->by_detector[d] > before[d] && rules->as[d] == TRANSFORM_NULL)
			return true;
	return false;
}

bool mask_value(const struct mask_plan *p, size_t i, struct slice value,
	const uint8_t key[static 32], struct arena *arena, struct slice *ret,
	struct mask_stats *stats)
{
	const struct plan_column *col = i < p->n_columns ? &p->columns[i] : NULL;
	struct rewrite rw = {.rules = &p->detect, .key = key, .arena = arena, .stats = stats};
	uint64_t before[DETECTOR_N];

	if (!value.p || (col && col->action == COLUMN_CLEAR))
		return false;
	if (!col) {
		/* A value the plan knows nothing of. */
		*ret = SLICE_NULL;
	} else if (col->action == COLUMN_WHOLE) {
		*ret = transform_whole(col->class, col->is_binary, col->as, value, key, arena);
		plan_count(stats, col->rules);
	} else {
		rw.want = col->want;
		memcpy(before, stats->by_detector, sizeof(before));
		if (!detect_value(&rw, col, value, ret))
			return false;
		if (detect_asks_null(&p->detect, before, stats))
			*ret = SLICE_NULL;
		plan_count(stats, plan_found(&p->detect, before, stats));
	}
	stats->n_columns += !col || col->action == COLUMN_WHOLE;
	stats->n_values++;
	return true;
}

/* ---- prose ----------------------------------------------------------------------------------- */

bool mask_text(const struct mask_rule *const *rules, struct slice text,
	const uint8_t key[static 32], struct arena *arena, struct slice *ret,
	struct mask_stats *stats)
{
	struct detect_rules detect = detect_rules_of(rules);
	struct rewrite rw = {
		.rules = &detect, .want = detect.want, .key = key, .arena = arena, .stats = stats};

	uint64_t before[DETECTOR_N];

	memcpy(before, stats->by_detector, sizeof(before));
	if (!detect.want || !rewrite_text(&rw, text, ret))
		return false;
	stats->n_values++;
	plan_count(stats, plan_found(&detect, before, stats));
	return true;
}

struct slice mask_null(const struct mask_plan *p, size_t i)
{
	const struct plan_column *col = &p->columns[i];

	if (i >= p->n_columns || !col->hides_null || col->as == TRANSFORM_NULL)
		return SLICE_NULL;
	switch (col->class) {
	case VALUE_TEXT:
		return SLICE_LIT("****");
	case VALUE_JSON:
		return SLICE_LIT("\"****\"");
	case VALUE_INT:
	case VALUE_NUMBER:
	case VALUE_BOOL:
	case VALUE_TIME:
	case VALUE_BYTES:
	case VALUE_UUID:
	case VALUE_NET:
	case VALUE_ARRAY:
	case VALUE_OTHER:
		/* All of those become NULL. */
		return SLICE_NULL;
	}
	return SLICE_NULL;
}
