/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One walk over a text for all detectors: see detect.h.
 *
 * Blocks of 64 bytes become bit masks of byte classes; shifting and joining them leaves the few
 * places where a detector could start, and only there is it asked. The masks may say too much,
 * never too little. Blocks overlap by 16 bytes, so that a start is judged by at least so many bytes
 * behind it: without, half of all candidates were words cut by the end of a block.
 */
#include "mask/detect.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { BLOCK = 64, STEP = 48 };

/* ---- byte classes of a block ----------------------------------------------------------------- */

#ifdef __SSE2__

struct block {
	__m128i v[4];
};

static inline struct block block_load(const uint8_t *p)
{
	const __m128i *v = (const __m128i *)(const void *)p;

	return (struct block){{_mm_loadu_si128(v), _mm_loadu_si128(v + 1), _mm_loadu_si128(v + 2),
		_mm_loadu_si128(v + 3)}};
}

static inline uint64_t block_mask(__m128i a, __m128i b, __m128i c, __m128i d)
{
	uint64_t low = (uint32_t)_mm_movemask_epi8(a) | (uint32_t)_mm_movemask_epi8(b) << 16;
	uint64_t high = (uint32_t)_mm_movemask_epi8(c) | (uint32_t)_mm_movemask_epi8(d) << 16;

	return low | high << 32;
}

static inline __m128i bytes_in_range(__m128i v, __m128i fold, __m128i first, __m128i span)
{
	v = _mm_sub_epi8(_mm_or_si128(v, fold), first);
	return _mm_cmpeq_epi8(_mm_min_epu8(v, span), v);
}

/* Bytes in first..last after setting the bits of `fold`. */
static inline uint64_t block_range(const struct block *b, uint8_t fold, uint8_t first, uint8_t last)
{
	const __m128i f = _mm_set1_epi8((char)fold), low = _mm_set1_epi8((char)first),
		      span = _mm_set1_epi8((char)(last - first));

	return block_mask(bytes_in_range(b->v[0], f, low, span),
		bytes_in_range(b->v[1], f, low, span), bytes_in_range(b->v[2], f, low, span),
		bytes_in_range(b->v[3], f, low, span));
}

static inline uint64_t block_eq(const struct block *b, char c)
{
	const __m128i x = _mm_set1_epi8(c);

	return block_mask(_mm_cmpeq_epi8(b->v[0], x), _mm_cmpeq_epi8(b->v[1], x),
		_mm_cmpeq_epi8(b->v[2], x), _mm_cmpeq_epi8(b->v[3], x));
}

/* Any of four. */
static inline uint64_t block_any(const struct block *b, const char set[static 4])
{
	__m128i r[4];

	for (int i = 0; i < 4; i++)
		r[i] = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(b->v[i], _mm_set1_epi8(set[0])),
					    _mm_cmpeq_epi8(b->v[i], _mm_set1_epi8(set[1]))),
			_mm_or_si128(_mm_cmpeq_epi8(b->v[i], _mm_set1_epi8(set[2])),
				_mm_cmpeq_epi8(b->v[i], _mm_set1_epi8(set[3]))));
	return block_mask(r[0], r[1], r[2], r[3]);
}

#else

struct block {
	uint8_t v[BLOCK];
};

static inline struct block block_load(const uint8_t *p)
{
	struct block b;

	memcpy(b.v, p, BLOCK);
	return b;
}

static inline uint64_t block_range(const struct block *b, uint8_t fold, uint8_t first, uint8_t last)
{
	uint64_t r = 0;

	for (int i = 0; i < BLOCK; i++)
		r |= (uint64_t)((uint8_t)((b->v[i] | fold) - first) <= last - first) << i;
	return r;
}

static inline uint64_t block_eq(const struct block *b, char c)
{
	return block_range(b, 0, (uint8_t)c, (uint8_t)c);
}

static inline uint64_t block_any(const struct block *b, const char set[static 4])
{
	return block_eq(b, set[0]) | block_eq(b, set[1]) | block_eq(b, set[2]) |
	       block_eq(b, set[3]);
}

#endif

/* Bit i: is the class at i + n? Known for the starts in the first STEP bytes, which alone count. */
static inline uint64_t ahead(uint64_t m, int n)
{
	return m >> n;
}

/* ---- where a detector could start ------------------------------------------------------------ */

struct classes {
	uint64_t digit, letter, hex, alnum, word; /* word: first byte of one */
	uint64_t dot, dash, slash, plus, colon, escape;
};

static uint64_t filter_numbers(uint32_t want, const struct block *b, const struct classes *c)
{
	uint64_t m = 0, start = c->word & c->digit;

	if (want & DETECTOR_BIT(DETECTOR_CREDIT_CARD)) {
		uint64_t run = c->digit | c->dash | block_eq(b, ' ');

		run &= ahead(run, 1);
		run &= ahead(run, 2);
		run &= ahead(run, 4);
		run &= ahead(run, 5); /* 13 bytes long */
		m |= start & run & ahead(c->digit, 1) & ahead(c->digit, 2);
	}
	if (want & DETECTOR_BIT(DETECTOR_US_SSN))
		m |= start & ahead(c->dash, 3) & ahead(c->dash, 6);
	if (want & DETECTOR_BIT(DETECTOR_IPV4)) {
		uint64_t run = c->digit | c->dot;

		run &= ahead(run, 1);
		run &= ahead(run, 2);
		run &= ahead(run, 3); /* 7 bytes long */
		m |= start & run & (ahead(c->dot, 1) | ahead(c->dot, 2) | ahead(c->dot, 3));
	}
	return m;
}

/* Classes that few blocks have are looked for first, those they are joined with only then. */
static uint64_t filter_secrets(const struct block *b, const struct classes *c)
{
	uint64_t under = block_eq(b, '_'), i = block_eq(b, 'I'), m = 0, dashes, run;

	/* `ghp_` and `npm_`, `github_`, `sk_` and `rk_`. */
	if (under)
		m |= block_any(b, "gnrs") & (ahead(under, 2) | ahead(under, 3) | ahead(under, 6));
	/* `AKIA` and `ASIA` and `AIza`. */
	if (i)
		m |= block_eq(b, 'A') & (ahead(i, 1) | ahead(i, 2));
	/* `md5…`, `SCRAM-`, `xoxb-`. */
	if (c->digit)
		m |= block_eq(b, 'm') & ahead(c->digit, 2);
	if (c->dash) {
		m |= block_any(b, "SSxx") & (ahead(c->dash, 5) | ahead(c->dash, 4));
		/* The last five of a run of dashes, with which PEM begins. */
		dashes = c->dash & ahead(c->dash, 1);
		dashes &= ahead(dashes, 2) & ahead(c->dash, 4) & ahead(c->letter, 5);
		m |= dashes;
	}
	/* The first 16 of the 40 bytes of an AWS key. */
	run = c->alnum | c->slash | c->plus;
	run &= ahead(run, 1);
	run &= ahead(run, 2);
	run &= ahead(run, 4);
	run &= ahead(run, 8);
	return (m & (c->word | c->dash)) | block_eq(b, '$') | run;
}

/* A group of up to four digits and a colon, or two colons; but not the time of day. */
static uint64_t filter_ipv6(const struct classes *c)
{
	uint64_t group, day;

	/* Bytes with a colon behind, if the rest of the group is hexadecimal: from its end to its
	 * start. */
	group = c->hex & ahead(c->colon, 1);
	for (int i = 1; i < 4; i++)
		group |= c->hex & ahead(group, 1);
	group &= c->word & ~(c->colon << 1 & c->digit << 2);
	day = ahead(c->colon, 2) & ahead(c->colon, 5) & ahead(c->digit, 6) & ahead(c->digit, 7) &
	      ~ahead(c->hex | c->colon, 8);
	return (group & ~day) | (c->colon & ahead(c->colon, 1));
}

static uint64_t filter_words(uint32_t want, const struct block *b, const struct classes *c)
{
	uint64_t m = 0;

	if (want & DETECTOR_BIT(DETECTOR_IBAN))
		m |= c->word & c->letter & ahead(c->letter, 1) & ahead(c->digit, 2) &
		     ahead(c->digit, 3);
	if (want & DETECTOR_BIT(DETECTOR_EMAIL))
		m |= block_eq(b, '@');
	if (want & DETECTOR_BIT(DETECTOR_PHONE))
		m |= c->plus & ahead(c->digit, 1);
	if (want & DETECTOR_BIT(DETECTOR_IPV6))
		m |= filter_ipv6(c);
	if (want & DETECTOR_BIT(DETECTOR_JWT))
		m |= c->word & (block_eq(b, 'J') >> 2);
	if (want & DETECTOR_BIT(DETECTOR_URL_PASSWORD))
		m |= c->colon & ahead(c->slash, 2);
	return m;
}

/* Starts of runs of base64 are where AWS keys can start, and only there. */
static uint64_t scan_candidates(struct scan *s, const struct block *b)
{
	struct classes c = {
		.digit = block_range(b, 0, '0', '9'),
		.letter = block_range(b, 0x20, 'a', 'z'),
		.hex = block_range(b, 0x20, 'a', 'f'),
		.dot = block_eq(b, '.'),
		.dash = block_eq(b, '-'),
		.slash = block_eq(b, '/'),
		.plus = block_eq(b, '+'),
		.colon = block_eq(b, ':'),
		.escape = block_eq(b, '\\'),
	};
	uint64_t m, base64, escaped;

	c.alnum = c.digit | c.letter;
	c.hex |= c.digit;
	base64 = c.alnum | c.slash | c.plus;
	/* Behind `\n` and behind `\u00a0` a word may start although a letter is before it. */
	escaped = c.escape << 2 | s->escape >> 62 | c.escape << 6 | s->escape >> 58;
	c.word = c.alnum & (~(c.alnum << 1 | s->alnum >> 63) | escaped);
	m = filter_numbers(s->want, b, &c) | filter_words(s->want, b, &c);
	if (s->want & DETECTOR_BIT(DETECTOR_SECRET)) {
		uint64_t secrets = filter_secrets(b, &c);

		m |= secrets & (c.word | escaped | ~base64 | ~(base64 << 1 | s->base64 >> 63));
	}
	s->alnum = c.alnum << (BLOCK - STEP);
	s->escape = c.escape << (BLOCK - STEP);
	s->base64 = base64 << (BLOCK - STEP);
	return m & (~0ull >> (BLOCK - STEP));
}

/* ---- asking the detectors -------------------------------------------------------------------- */

typedef size_t (*detect_fn)(struct slice t, size_t at);

static const detect_fn detect_fns[DETECTOR_N] = {
	[DETECTOR_CREDIT_CARD] = detect_card,
	[DETECTOR_US_SSN] = detect_ssn,
	[DETECTOR_IBAN] = detect_iban,
	[DETECTOR_PHONE] = detect_phone,
	[DETECTOR_IPV4] = detect_ipv4,
	[DETECTOR_IPV6] = detect_ipv6,
	[DETECTOR_JWT] = detect_jwt,
	[DETECTOR_SECRET] = detect_secret,
};

static uint32_t detectors_by_first(uint8_t c)
{
	enum {
		NUMBER = DETECTOR_BIT(DETECTOR_CREDIT_CARD) | DETECTOR_BIT(DETECTOR_US_SSN) |
			 DETECTOR_BIT(DETECTOR_IPV4),
		IPV6 = DETECTOR_BIT(DETECTOR_IPV6),
		SECRET = DETECTOR_BIT(DETECTOR_SECRET),
		WORD = SECRET | DETECTOR_BIT(DETECTOR_IBAN),
	};

	if (byte_is_digit(c))
		return NUMBER | IPV6 | SECRET;
	if (c == 'e')
		return WORD | IPV6 | DETECTOR_BIT(DETECTOR_JWT);
	if (byte_is_letter(c))
		return byte_is_hex(c) ? WORD | IPV6 : WORD;
	if (c == '+')
		return DETECTOR_BIT(DETECTOR_PHONE) | SECRET;
	return c == ':' ? IPV6 : c == '$' || c == '-' || c == '/' ? SECRET : 0;
}

/* The longest that starts exactly at i. */
static bool scan_ask(const struct scan *s, size_t i, struct hit *ret)
{
	uint32_t want = s->want & detectors_by_first(s->text.p[i]);

	*ret = (struct hit){.start = i};
	for (; want; want &= want - 1) {
		enum detector d = (enum detector)__builtin_ctz(want);
		size_t end = detect_fns[d](s->text, i);

		if (end > ret->end) {
			ret->detector = d;
			ret->end = end;
		}
	}
	return ret->end;
}

static bool scan_ask_email(const struct scan *s, size_t at, struct hit *ret)
{
	return detect_email(s->text, at, ret) && ret->start >= s->from && ret->start < s->stop;
}

/* A hit may lie in an address whose @ was not reached yet, but which starts earlier or is longer.
 */
static void scan_prefer_email(const struct scan *s, struct hit *h)
{
	struct hit email;
	size_t at = h->start;

	if (!(s->want & DETECTOR_BIT(DETECTOR_EMAIL)))
		return;
	while (at - h->start < EMAIL_LOCAL_MAX && byte_is_email_local(text_at(s->text, at)))
		at++;
	if (text_at(s->text, at) != '@' || !scan_ask_email(s, at, &email))
		return;
	if (email.start < h->start || (email.start == h->start && email.end > h->end))
		*h = email;
}

/* ---- the walk -------------------------------------------------------------------------------- */

/* Without the detectors whose shortest hit does not fit: most values are short. */
static uint32_t detectors_by_len(size_t n)
{
	uint32_t fit = DETECT_ALL;

	if (n < 15)
		fit &= ~(DETECTOR_BIT(DETECTOR_IBAN) | DETECTOR_BIT(DETECTOR_SECRET) |
			 DETECTOR_BIT(DETECTOR_JWT));
	if (n < 13)
		fit &= ~DETECTOR_BIT(DETECTOR_CREDIT_CARD);
	if (n < 11)
		fit &= ~DETECTOR_BIT(DETECTOR_US_SSN);
	return n < 6 ? 0 : fit;
}

void scan_init(struct scan *s, struct slice text, size_t from, size_t stop, uint32_t want)
{
	want &= detectors_by_len(text.n);
	*s = (struct scan){.text = text, .want = want, .from = from, .stop = want ? stop : from};
	/* A password of a URL is found by what is before it. */
	s->base = from > DETECT_BEFORE ? from - DETECT_BEFORE : 0;
}

static bool scan_block(struct scan *s)
{
	uint8_t last[BLOCK] = {0};
	const uint8_t *p = last;
	struct block b;
	size_t limit = s->stop;

	if (s->is_started)
		s->base += STEP;
	s->is_started = true;
	if (s->from >= s->stop)
		return false;
	/* An address that starts before the stop has its @ up to 64 bytes behind it. */
	if (s->want & DETECTOR_BIT(DETECTOR_EMAIL))
		limit += EMAIL_LOCAL_MAX;
	if (s->base >= s->text.n || s->base >= limit)
		return false;
	if (s->text.n - s->base >= BLOCK)
		p = s->text.p + s->base;
	else
		memcpy(last, s->text.p + s->base, s->text.n - s->base);
	b = block_load(p);
	s->todo = scan_candidates(s, &b);
	return true;
}

static bool scan_take(struct scan *s, struct hit h, struct hit *ret)
{
	s->from = h.end;
	if (s->url.end && s->url.start < h.end)
		s->url.end = 0;
	/* No need to look at the inside of a long one. */
	if (h.end > s->base + BLOCK + DETECT_BEFORE) {
		s->base = h.end - DETECT_BEFORE;
		s->is_started = false;
		s->todo = s->alnum = s->escape = s->base64 = 0;
	}
	*ret = h;
	return true;
}

/* What candidate i turns out to be. */
static bool scan_candidate(struct scan *s, size_t i, struct hit *ret)
{
	uint8_t c = s->text.p[i];
	struct hit url;

	if (c == '@')
		return scan_ask_email(s, i, ret);
	if (c == ':' && (s->want & DETECTOR_BIT(DETECTOR_URL_PASSWORD)) &&
		detect_url_password(s->text, i, &url) && url.start >= s->from &&
		url.start < s->stop)
		s->url = url;
	if (i < s->from || i >= s->stop || !scan_ask(s, i, ret))
		return false;
	scan_prefer_email(s, ret);
	return true;
}

bool scan_next(struct scan *s, struct hit *ret)
{
	struct hit h;

	for (;;) {
		while (!s->todo)
			if (!scan_block(s))
				return s->url.end && scan_take(s, s->url, ret);
		for (; s->todo; s->todo &= s->todo - 1) {
			size_t i = s->base + (size_t)__builtin_ctzll(s->todo);

			if (i >= s->text.n)
				continue;
			if (s->url.end && s->url.start <= i)
				return scan_take(s, s->url, ret);
			if (!scan_candidate(s, i, &h))
				continue;
			if (s->todo)
				s->todo &= s->todo - 1;
			return scan_take(s, h, ret);
		}
	}
}
