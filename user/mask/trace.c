/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Masked values on their way back: see mask.h. The forms are those of transform.c.
 *
 * What only looks like one is refused too, which a policy can switch off; so each form asks for
 * more than people write by chance: boundaries around it, and stars in numbers that nobody counts
 * by eye.
 */
#include "mask/plan.h"
#include "mask/transform.h"
#include "util/utf8.h"

/* What a mask makes has so many groups at most (an IBAN with a space after every character), so
 * many digits behind them, and a domain. Beyond that nothing is looked at: any star may begin one,
 * and a text of stars would be read from each of them to its end. */
enum {
	TRACE_HASH_DIGITS = 16,
	TRACE_STARS_MIN = 5,
	TRACE_GROUPS_MAX = 34,
	TRACE_DIGITS_MAX = 4,
	TRACE_DOMAIN_MAX = 256,
};

static bool trace_is_lower_hex(uint8_t c)
{
	return byte_is_digit(c) || (c >= 'a' && c <= 'f');
}

/* h:0123456789abcdef; its length, or 0. */
static size_t trace_hash(struct slice s, size_t at)
{
	size_t n = at + 2;

	if (text_at(s, at) != 'h' || text_at(s, at + 1) != ':')
		return 0;
	while (trace_is_lower_hex(text_at(s, n)) && n - at < 2 + TRACE_HASH_DIGITS)
		n++;
	return n - at == 2 + TRACE_HASH_DIGITS && !byte_is_alnum(text_at(s, n)) ? n - at : 0;
}

static bool trace_is_separator(uint8_t c)
{
	return c && strchr(" -().+", c);
}

/* Stars and what they left: `***-**-6789`, `************1111`, `DE** **** **30 00`. */
struct stars {
	size_t n, end;       /* how many, and where the last run of them ends */
	size_t groups;       /* runs of them, with single separators between */
	size_t digits, rest; /* behind them, and where those end */
};

static struct stars trace_stars(struct slice s, size_t at)
{
	struct stars found = {.end = at};
	size_t i = at;

	while (text_at(s, i) == '*' && found.groups < TRACE_GROUPS_MAX) {
		while (text_at(s, i) == '*') {
			found.n++;
			i++;
		}
		found.end = i;
		found.groups++;
		while (trace_is_separator(text_at(s, i)) && i - found.end < 2)
			i++;
	}
	i = found.rest = found.end;
	while (found.digits <= TRACE_DIGITS_MAX &&
		(byte_is_digit(text_at(s, i)) ||
			(trace_is_separator(text_at(s, i)) && byte_is_digit(text_at(s, i + 1))))) {
		found.digits += byte_is_digit(s.p[i++]);
		found.rest = i;
	}
	return found;
}

/* The first of some stars is at `at`; true if a mask left them there. */
static bool trace_at_stars(struct slice s, size_t at, bool *ret_is_whole)
{
	struct stars found = trace_stars(s, at);
	bool is_apart = !byte_is_digit(text_at(s, found.end));
	size_t before = at;

	/* ****, by itself */
	*ret_is_whole = s.n == 4;
	if (found.n == 4 && found.groups == 1 && !byte_is_alnum(text_at(s, found.end)) &&
		text_starts_word(s, at))
		return true;
	/* j***@example.com */
	*ret_is_whole = at == 1;
	if (found.n == 3 && found.groups == 1 && at && text_at(s, found.end) == '@' &&
		byte_is_alnum(text_at(s, found.end + 1)))
		return memchr(s.p + found.end, '.',
			s.n - found.end < TRACE_DOMAIN_MAX ? s.n - found.end : TRACE_DOMAIN_MAX);
	while (before && at - before < 3 &&
		(byte_is_alnum(s.p[before - 1]) || trace_is_separator(s.p[before - 1])))
		before--;
	*ret_is_whole = before == 0 && found.rest == s.n;
	return found.n >= TRACE_STARS_MIN && found.digits >= 2 &&
	       found.digits <= TRACE_DIGITS_MAX && (!is_apart || found.groups > 1) &&
	       text_ends_word(s, found.rest);
}

/* x***, and *** for what was shorter: too common to be looked for inside a text. */
static bool trace_is_partial(struct slice s)
{
	uint32_t code;
	size_t n;

	if (s.n < 3 || memcmp(s.p + s.n - 3, "***", 3))
		return false;
	s.n -= 3;
	n = s.n ? utf8_decode(s, &code) : 0;
	return n == s.n && !(s.n == 1 && s.p[0] == '*');
}

static bool trace_is_uuid(struct slice s)
{
	static const uint8_t dashes[] = {8, 13, 18, 23};

	if (s.n != 36 || memcmp(s.p, "6866", 4) || s.p[14] != '8')
		return false;
	for (size_t i = 0; i < sizeof(dashes); i++)
		if (s.p[dashes[i]] != '-')
			return false;
	return true;
}

/* A hash in the text form of bytea: \x683a… */
static bool trace_is_bytes(struct slice s)
{
	uint8_t buf[2 + TRACE_HASH_DIGITS + 1];
	struct slice plain;

	return s.n == 2 + 2 * (2 + TRACE_HASH_DIGITS) && bytes_from_hex(s, buf, &plain) &&
	       trace_hash(plain, 0) == plain.n;
}

static bool trace_is_whole(struct slice s, bool is_binary)
{
	if (is_binary && s.n == 16)
		return s.p[0] == UUID_MARK_0 && s.p[1] == UUID_MARK_1 && s.p[6] >> 4 == 8;
	return (s.n && trace_hash(s, 0) == s.n) || trace_is_partial(s) || trace_is_uuid(s) ||
	       trace_is_bytes(s);
}

bool mask_is_trace(struct slice value, bool is_binary, bool is_inside)
{
	bool is_whole;

	/* A string of JSON. */
	if (!is_binary && value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
		value = slice_of(value.p + 1, value.n - 2);
	if (value.n < 3)
		return false;
	if (trace_is_whole(value, is_binary))
		return true;
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] == 'h' && is_inside && text_starts_word(value, i) &&
			trace_hash(value, i))
			return true;
		if (value.p[i] != '*')
			continue;
		if (trace_at_stars(value, i, &is_whole) && (is_inside || is_whole))
			return true;
		while (i + 1 < value.n && value.p[i + 1] == '*')
			i++;
	}
	return false;
}

enum written_back mask_rules_written_back(const struct mask_rule *const *rules)
{
	enum written_back strictest = WRITTEN_BACK_ALLOW;

	for (; rules && *rules; rules++)
		if ((*rules)->written_back < strictest)
			strictest = (*rules)->written_back;
	return strictest;
}
