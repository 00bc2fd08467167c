/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Detectors: values recognised by what they look like.
 *
 * scan_*() walks a text once, for any set of detectors, and gives hits in order, never overlapping:
 * the leftmost start first; at one start url_password, then the longest, then the order of
 * detectors.def. detect_*() is the definition of each detector: does one start exactly here? The
 * walk only decides where it is worth asking.
 *
 * A detector sees at most DETECT_BEFORE bytes before a start and has decided after DETECT_WINDOW
 * bytes; what it found may be longer (a key block, a token of any length): detect_resume() goes on
 * where a text was cut. That is what makes pieces of a value give the hits of the whole.
 */
#pragma once

#include "fact/masking.h"

enum {
	DETECT_WINDOW = 448,
	DETECT_BEFORE = 160,
	/* What must be held back so that the end of a long hit is seen whole. */
	DETECT_RESUME_TAIL = 80,
	EMAIL_LOCAL_MAX = 64,
	DETECT_ALL = (1 << DETECTOR_N) - 1,
};

struct hit {
	enum detector detector;
	size_t start, end;
};

struct scan {
	struct slice text;
	uint32_t want;   /* DETECTOR_BIT()s */
	size_t from;     /* earliest start still allowed */
	size_t stop;     /* starts are before this; text up to text.n is looked at */
	size_t base;     /* of the block at work */
	uint64_t todo;   /* candidates left in it, one bit a byte */
	bool is_started; /* base is valid */
	/* Of the block before: what the first bytes of this one need to know. */
	uint64_t alnum, escape, base64;
	struct hit url; /* found ahead, start not reached yet; end == 0: none */
};

/* text is borrowed until the last scan_next(). */
void scan_init(struct scan *s, struct slice text, size_t from, size_t stop, uint32_t want);
bool scan_next(struct scan *s, struct hit *ret);

/* The end of what starts at `at`, or 0. */
size_t detect_card(struct slice t, size_t at);
size_t detect_ssn(struct slice t, size_t at);
size_t detect_iban(struct slice t, size_t at);
size_t detect_phone(struct slice t, size_t at);
size_t detect_ipv4(struct slice t, size_t at);
size_t detect_ipv6(struct slice t, size_t at);
size_t detect_jwt(struct slice t, size_t at);
size_t detect_secret(struct slice t, size_t at);
/* These are found by a byte in their middle: `at` is the @ and the colon of ://. */
bool detect_email(struct slice t, size_t at, struct hit *ret);
bool detect_url_password(struct slice t, size_t at, struct hit *ret);

/* What a hit goes on with beyond its end; NULL: it cannot. */
const char *detect_tail(struct slice t, struct hit h);
/* The end of such a hit whose earlier part is already gone, from `at` on. */
size_t detect_resume(struct slice t, size_t at, const char *tail);
/* Where a hit that ends at `end` of a text that goes on can be cut, to be resumed; 0: it has ended.
 */
size_t detect_cut(struct slice t, size_t end, const char *tail);

/* ---- inline helpers -------------------------------------------------------------------------- */

static inline bool byte_is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static inline bool byte_is_letter(uint8_t c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static inline bool byte_is_alnum(uint8_t c)
{
	return byte_is_digit(c) || byte_is_letter(c);
}

static inline bool byte_is_hex(uint8_t c)
{
	return byte_is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static inline uint8_t byte_hex_value(uint8_t c)
{
	return byte_is_digit(c) ? (uint8_t)(c - '0') : (uint8_t)((c | 0x20) - 'a' + 10);
}

static inline bool byte_is_email_local(uint8_t c)
{
	return byte_is_alnum(c) || c == '.' || c == '_' || c == '%' || c == '+' || c == '-';
}

/* The byte at i, or 0 beyond the end: no detector takes a NUL. */
static inline uint8_t text_at(struct slice t, size_t i)
{
	return i < t.n ? t.p[i] : 0;
}

/*
 * Is the byte before `at` the end of an escape, as in `\n4111…` or `\u00a04111…`? JSON and COPY
 * text write line ends so, and a letter there is not part of the word.
 */
static inline bool text_follows_escape(struct slice t, size_t at)
{
	if (at >= 2 && t.p[at - 2] == '\\')
		return true;
	return at >= 6 && t.p[at - 6] == '\\' && t.p[at - 5] == 'u' && byte_is_hex(t.p[at - 4]) &&
	       byte_is_hex(t.p[at - 3]) && byte_is_hex(t.p[at - 2]) && byte_is_hex(t.p[at - 1]);
}

static inline bool text_starts_word(struct slice t, size_t at)
{
	return !at || !byte_is_alnum(t.p[at - 1]) || text_follows_escape(t, at);
}

static inline bool text_ends_word(struct slice t, size_t at)
{
	return !byte_is_alnum(text_at(t, at));
}
