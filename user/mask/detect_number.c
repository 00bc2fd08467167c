/* SPDX-License-Identifier: Apache-2.0 */
/* Detectors of numbers: cards, accounts, phones, addresses (detect.h). */
#include "mask/detect.h"

#include <arpa/inet.h>
#include <stdlib.h>

/* ---- credit cards ---------------------------------------------------------------------------- */

enum { CARD_MIN = 13, CARD_MAX = 19 };

/* First six digits (ISO/IEC 7812 issuer ranges) and the lengths that issuer uses. */
static const struct card_range {
	uint32_t first, last;
	uint8_t min, max;
} card_ranges[] = {
	{220000, 220499, 16, 19},                           /* Mir */
	{222100, 272099, 16, 16},                           /* Mastercard */
	{300000, 305999, 14, 19},                           /* Diners */
	{309500, 309599, 14, 19}, {340000, 349999, 15, 15}, /* American Express */
	{352800, 358999, 16, 19},                           /* JCB */
	{360000, 369999, 14, 19},                           /* Diners */
	{370000, 379999, 15, 15},                           /* American Express */
	{380000, 399999, 14, 19},                           /* Diners */
	{400000, 499999, 13, 19},                           /* Visa */
	{500000, 509999, 13, 19},                           /* Maestro, RuPay, Elo */
	{510000, 559999, 16, 16},                           /* Mastercard */
	{560000, 589999, 13, 19},                           /* Maestro */
	{601100, 601199, 16, 19},                           /* Discover */
	{606985, 608500, 16, 16},                           /* RuPay */
	{620000, 629999, 16, 19},                           /* UnionPay */
	{630400, 630499, 13, 19},                           /* Maestro */
	{636000, 639999, 16, 19},                           /* Elo, InstaPayment, Maestro */
	{644000, 659999, 16, 19},                           /* Discover */
	{670000, 679999, 13, 19},                           /* Maestro */
	{810000, 829999, 16, 16},                           /* UnionPay, RuPay */
};

static bool card_has_issuer(const uint8_t *digits, size_t n)
{
	uint32_t head = 0;

	for (size_t i = 0; i < 6; i++)
		head = head * 10 + digits[i];
	for (size_t i = 0; i < sizeof(card_ranges) / sizeof(card_ranges[0]); i++) {
		const struct card_range *r = &card_ranges[i];

		if (head >= r->first && head <= r->last)
			return n >= r->min && n <= r->max;
	}
	return false;
}

static bool card_has_luhn_sum(const uint8_t *digits, size_t n)
{
	unsigned int sum = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned int d = digits[n - 1 - i];

		if (i & 1)
			d = d > 4 ? 2 * d - 9 : 2 * d;
		sum += d;
	}
	return sum % 10 == 0;
}

/* Not inside a word, and not the integer part of a decimal number. */
static bool number_ends(struct slice t, size_t at)
{
	if (text_at(t, at) == '.' && byte_is_digit(text_at(t, at + 1)))
		return false;
	return text_ends_word(t, at);
}

/* Not inside a word, and not the fraction of a decimal number. */
static bool number_starts(struct slice t, size_t at)
{
	if (at >= 2 && t.p[at - 1] == '.' && byte_is_digit(t.p[at - 2]))
		return false;
	return text_starts_word(t, at);
}

/*
 * Digits in one run, or in groups of three or more (the last may be shorter) with one kind of
 * single separator. The longest run of groups that checks wins, so that `4111 1111 1111 1111 12/29`
 * is a card and a date.
 */
size_t detect_card(struct slice t, size_t at)
{
	uint8_t digits[CARD_MAX], separator = 0;
	size_t n = 0, i = at, best = 0;

	if (!number_starts(t, at))
		return 0;
	for (;;) {
		size_t group = i;

		for (; byte_is_digit(text_at(t, i)); i++) {
			if (n == CARD_MAX)
				return best;
			digits[n++] = (uint8_t)(t.p[i] - '0');
		}
		if (n >= CARD_MIN && number_ends(t, i) && card_has_issuer(digits, n) &&
			card_has_luhn_sum(digits, n))
			best = i;
		if (i - group < 3 || !byte_is_digit(text_at(t, i + 1)))
			return best;
		if (separator ? t.p[i] != separator : t.p[i] != ' ' && t.p[i] != '-')
			return best;
		separator = t.p[i++];
	}
}

/* ---- social security numbers ----------------------------------------------------------------- */

/* AAA-GG-SSSS; areas 000, 666 and 9xx, group 00 and serial 0000 were never given out. */
size_t detect_ssn(struct slice t, size_t at)
{
	static const char shape[] = "ddd-dd-dddd";
	const uint8_t *p = t.p + at;
	size_t end = at + sizeof(shape) - 1;

	if (end > t.n || !number_starts(t, at))
		return 0;
	if (at >= 2 && t.p[at - 1] == '-' && byte_is_digit(t.p[at - 2]))
		return 0;
	for (size_t i = 0; shape[i]; i++)
		if (shape[i] == 'd' ? !byte_is_digit(p[i]) : p[i] != '-')
			return 0;
	if (!memcmp(p, "000", 3) || !memcmp(p, "666", 3) || p[0] == '9' ||
		!memcmp(p + 4, "00", 2) || !memcmp(p + 7, "0000", 4))
		return 0;
	if (text_at(t, end) == '-' && byte_is_digit(text_at(t, end + 1)))
		return 0;
	return number_ends(t, end) ? end : 0;
}

/* ---- bank accounts --------------------------------------------------------------------------- */

/* SWIFT IBAN registry: country and total length, sorted. */
static const struct iban_country {
	char code[3];
	uint8_t len;
} iban_countries[] = {
	{"AD", 24},
	{"AE", 23},
	{"AL", 28},
	{"AT", 20},
	{"AZ", 28},
	{"BA", 20},
	{"BE", 16},
	{"BG", 22},
	{"BH", 22},
	{"BI", 27},
	{"BR", 29},
	{"BY", 28},
	{"CH", 21},
	{"CR", 22},
	{"CY", 28},
	{"CZ", 24},
	{"DE", 22},
	{"DJ", 27},
	{"DK", 18},
	{"DO", 28},
	{"EE", 20},
	{"EG", 29},
	{"ES", 24},
	{"FI", 18},
	{"FK", 18},
	{"FO", 18},
	{"FR", 27},
	{"GB", 22},
	{"GE", 22},
	{"GI", 23},
	{"GL", 18},
	{"GR", 27},
	{"GT", 28},
	{"HN", 28},
	{"HR", 21},
	{"HU", 28},
	{"IE", 22},
	{"IL", 23},
	{"IQ", 23},
	{"IS", 26},
	{"IT", 27},
	{"JO", 30},
	{"KW", 30},
	{"KZ", 20},
	{"LB", 28},
	{"LC", 32},
	{"LI", 21},
	{"LT", 20},
	{"LU", 20},
	{"LV", 21},
	{"LY", 25},
	{"MC", 27},
	{"MD", 24},
	{"ME", 22},
	{"MK", 19},
	{"MN", 20},
	{"MR", 27},
	{"MT", 31},
	{"MU", 30},
	{"NI", 28},
	{"NL", 18},
	{"NO", 15},
	{"OM", 23},
	{"PK", 24},
	{"PL", 28},
	{"PS", 29},
	{"PT", 25},
	{"QA", 29},
	{"RO", 24},
	{"RS", 22},
	{"RU", 33},
	{"SA", 24},
	{"SC", 31},
	{"SD", 18},
	{"SE", 24},
	{"SI", 19},
	{"SK", 24},
	{"SM", 27},
	{"SO", 23},
	{"ST", 25},
	{"SV", 28},
	{"TL", 23},
	{"TN", 24},
	{"TR", 26},
	{"UA", 29},
	{"VA", 22},
	{"VG", 24},
	{"XK", 20},
	{"YE", 30},
};

static int iban_compare(const void *key, const void *country)
{
	return memcmp(key, ((const struct iban_country *)country)->code, 2);
}

static size_t iban_len(const uint8_t *code)
{
	const uint8_t upper[2] = {code[0] & 0xdf, code[1] & 0xdf};
	const struct iban_country *c =
		bsearch(upper, iban_countries, sizeof(iban_countries) / sizeof(iban_countries[0]),
			sizeof(iban_countries[0]), iban_compare);

	return c ? c->len : 0;
}

static unsigned int iban_step(unsigned int mod, uint8_t c)
{
	if (byte_is_digit(c))
		return (mod * 10 + c - '0') % 97;
	return (mod * 100 + (c & ~0x20u) - 'A' + 10) % 97;
}

/* In one piece, or with a space after every four characters; either case. */
size_t detect_iban(struct slice t, size_t at)
{
	uint8_t c[34];
	size_t len, i = at;
	unsigned int mod = 0;
	bool is_spaced = text_at(t, at + 4) == ' ';

	if (at + 4 > t.n || !text_starts_word(t, at))
		return 0;
	if (!byte_is_letter(t.p[at]) || !byte_is_letter(t.p[at + 1]) ||
		!byte_is_digit(t.p[at + 2]) || !byte_is_digit(t.p[at + 3]))
		return 0;
	/* The shortest has 15: most candidates are the end of a hexadecimal number. */
	if (!is_spaced && !byte_is_alnum(text_at(t, at + 14)))
		return 0;
	len = iban_len(t.p + at);
	for (size_t n = 0; n < len; n++, i++) {
		if (is_spaced && n && n % 4 == 0 && text_at(t, i++) != ' ')
			return 0;
		c[n] = text_at(t, i);
		if (!byte_is_alnum(c[n]))
			return 0;
	}
	if (!len || !text_ends_word(t, i))
		return 0;
	for (size_t n = 4; n < len + 4; n++)
		mod = iban_step(mod, c[n % len]);
	return mod == 1 ? i : 0;
}

/* ---- phones ---------------------------------------------------------------------------------- */

static bool phone_separates(uint8_t c)
{
	return c == ' ' || c == '-' || c == '.' || c == '(' || c == ')' || c == '/';
}

/*
 * E.164 with its plus: 8 to 15 digits, at most two separators between groups. Ends after the last
 * group that still fits, so that a number which follows a phone does not hide it.
 */
size_t detect_phone(struct slice t, size_t at)
{
	size_t n = 0, i = at + 1, best = 0;

	if (text_at(t, at) != '+' || !text_starts_word(t, at))
		return 0;
	if (text_at(t, i) < '1' || text_at(t, i) > '9')
		return 0;
	for (;;) {
		size_t gap = 0;

		for (; byte_is_digit(text_at(t, i)); i++)
			if (++n > 15)
				return best;
		if (n >= 8)
			best = i;
		while (gap < 3 && phone_separates(text_at(t, i + gap)))
			gap++;
		if (!gap || gap > 2 || !byte_is_digit(text_at(t, i + gap)))
			return best;
		i += gap;
	}
}

/* ---- addresses ------------------------------------------------------------------------------- */

/* Four octets in decimal without leading zeros, not part of a longer dotted number. */
size_t detect_ipv4(struct slice t, size_t at)
{
	size_t i = at;

	if (!number_starts(t, at))
		return 0;
	for (int octet = 0; octet < 4; octet++) {
		unsigned int v = 0;
		size_t n = 0;

		if (octet && text_at(t, i++) != '.')
			return 0;
		for (; n < 4 && byte_is_digit(text_at(t, i)); n++, i++)
			v = v * 10 + t.p[i] - '0';
		if (!n || v > 255 || (n > 1 && t.p[i - n] == '0'))
			return 0;
	}
	return number_ends(t, i) ? i : 0;
}

/*
 * What inet_pton() takes, of at least four hexadecimal digits: `::1` protects nobody, and `a::b` is
 * a name in many languages.
 */
size_t detect_ipv6(struct slice t, size_t at)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr addr;
	size_t n = 0, n_hex = 0, n_colons = 0;
	bool is_short = false; /* has :: */
	uint8_t c;

	/* Nor in the middle of one, or of a time of day. */
	if (at >= 2 && t.p[at - 1] == ':' && byte_is_digit(t.p[at - 2]))
		return 0;
	if (!text_starts_word(t, at) || (text_at(t, at) == ':' && at && t.p[at - 1] == ':'))
		return 0;
	for (; c = text_at(t, at + n), byte_is_hex(c) || c == ':' || c == '.'; n++) {
		/* Most words that start so have no colon where a first group must end. */
		if (n == sizeof(text) - 1 || (n == 4 && !n_colons && c != ':'))
			return 0;
		n_colons += c == ':';
		is_short |= n && c == ':' && text[n - 1] == ':';
		n_hex += byte_is_hex(c);
		text[n] = (char)c;
	}
	/* Times of day end here. */
	if ((!is_short && n_colons < 6) || n_hex < 4 || !text_ends_word(t, at + n))
		return 0;
	while (n && text[n - 1] == '.')
		n--;
	if (n > 2 && text[n - 1] == ':' && text[n - 2] != ':')
		n--;
	text[n] = 0;
	return inet_pton(AF_INET6, text, &addr) == 1 ? at + n : 0;
}
