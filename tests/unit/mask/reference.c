/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The slow second opinion about detectors: regular expressions anchored at every offset, and plain
 * checks of what they found. Nothing is shared with user/mask but the order of detectors.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "mask_test.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define ESC   "(?<=\\\\.)|(?<=\\\\u[0-9A-Fa-f]{4})"
#define START "(?:(?<![A-Za-z0-9])|" ESC ")"
#define NUM   "(?<![0-9]\\.)" START
#define ENDS  "(?![A-Za-z0-9])(?!\\.[0-9])"

static const char *const patterns[] = {
	[DETECTOR_CREDIT_CARD] = NUM "[0-9](?:[0-9]|[ -](?=[0-9]))*+",
	[DETECTOR_US_SSN] = NUM
	"(?<![0-9]-)(?!000|666|9)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}" ENDS "(?!-[0-9])",
	[DETECTOR_IBAN] = START "[A-Za-z]{2}[0-9]{2}(?:[A-Za-z0-9]{11,30}|"
				"(?: [A-Za-z0-9]{4}){2,7}(?: [A-Za-z0-9]{1,4})?)(?![A-Za-z0-9])",
	[DETECTOR_EMAIL] = "(?:(?<![A-Za-z0-9._%+\\\\-])|" ESC "|(?=[A-Za-z0-9._%+-]{64}@))"
			   "(?!\\.)([A-Za-z0-9._%+-]{1,64})@[A-Za-z0-9.-]+",
	[DETECTOR_PHONE] = START "\\+(?=[1-9])",
	[DETECTOR_IPV4] = NUM
	"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(?:\\.(?=[0-9])|" ENDS ")){4}(?<!\\.)",
	[DETECTOR_IPV6] = START "(?<![0-9]:)(?:(?!:)|(?<!:))[0-9A-Fa-f:.]{4,45}+(?![0-9A-Za-z:.])",
	[DETECTOR_JWT] = START "eyJ[A-Za-z0-9_-]*\\.(?=[A-Za-z0-9_-])"
			       "(?:[A-Za-z0-9_-]|\\.(?=[A-Za-z0-9_-]))*",
	[DETECTOR_SECRET] =
		"-----BEGIN [A-Z0-9 ]*?PRIVATE KEY(?s:.*?-----END(?=.{0,59}-----).*?-----|.*)|"
		"\\$(?:2[abxy]\\$[A-Za-z0-9./$]{56,}|argon2[A-Za-z0-9$=,+/.-]{40,}|1\\$[A-Za-z0-9./"
		"$]{24,}|"
		"5\\$[A-Za-z0-9./$=]{44,}|6\\$[A-Za-z0-9./$=]{87,}|y\\$[A-Za-z0-9./$=]{48,})|" START
		"(?:A[KS]IA[A-Z0-9]{16}(?![A-Za-z0-9])|md5[0-9a-f]{32}(?![A-Za-z0-9])|"
		"(?:gh[pousr]|npm)_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,}|"
		"xox[abeoprs]-[A-Za-z0-9-]{10,}|[sr]k_live_[A-Za-z0-9]{16,}|AIza[A-Za-z0-9_-]{35,}|"
		"SCRAM-SHA-256\\$[A-Za-z0-9+/=:$]{60,})|"
		"(?:(?<![A-Za-z0-9/+])|" ESC ")[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])",
	[DETECTOR_URL_PASSWORD] = "",
};

static pcre2_code *compiled[DETECTOR_N];

static size_t regex_at(enum detector d, struct slice t, size_t at)
{
	static pcre2_match_data *data;
	int err;
	PCRE2_SIZE where;

	if (!data)
		data = pcre2_match_data_create(8, NULL);
	if (!compiled[d])
		compiled[d] = pcre2_compile((PCRE2_SPTR)patterns[d], PCRE2_ZERO_TERMINATED,
			PCRE2_ANCHORED | PCRE2_NEVER_UTF, &err, &where, NULL);
	if (!compiled[d]) {
		fprintf(stderr, "pattern %d does not compile at %zu: %d\n", d, where, err);
		abort();
	}
	if (pcre2_match(compiled[d], t.p, t.n, at, 0, data, NULL) < 0)
		return 0;
	return pcre2_get_ovector_pointer(data)[1];
}

static bool ends_at(struct slice t, size_t at)
{
	if (at < t.n && isalnum(t.p[at]))
		return false;
	return !(at + 1 < t.n && t.p[at] == '.' && isdigit(t.p[at + 1]));
}

/* The issuers in words of Wikipedia: by prefix as text. */
static bool issuer_ok(const char *d, size_t n)
{
	unsigned int p2 = (unsigned int)(d[0] - '0') * 10 + (unsigned int)(d[1] - '0');
	unsigned int p4 = p2 * 100 + (unsigned int)(d[2] - '0') * 10 + (unsigned int)(d[3] - '0');
	unsigned int p6 = p4 * 100 + (unsigned int)(d[4] - '0') * 10 + (unsigned int)(d[5] - '0');

	if (d[0] == '4')
		return true;
	if (p2 == 34 || p2 == 37)
		return n == 15;
	if (p2 >= 51 && p2 <= 55)
		return n == 16;
	if (p4 >= 2221 && p4 <= 2720)
		return n == 16;
	if (p4 >= 2200 && p4 <= 2204)
		return n >= 16;
	if (p2 == 36 || p2 == 38 || p2 == 39 || (p4 >= 3000 && p4 <= 3059) || p4 == 3095)
		return n >= 14;
	if (p4 >= 3528 && p4 <= 3589)
		return n >= 16;
	if (p2 == 50 || (p2 >= 56 && p2 <= 58) || p2 == 67 || p4 == 6304)
		return true;
	if (p6 >= 606985 && p6 <= 608500)
		return n == 16;
	if (p2 == 81 || p2 == 82)
		return n == 16;
	return n >= 16 && (p4 == 6011 || p2 == 62 || p2 == 65 || (p4 >= 6360 && p4 <= 6399) ||
				  (p4 >= 6440 && p4 <= 6499));
}

static bool luhn_ok(const char *d, size_t n)
{
	int sum = 0;

	for (size_t i = n, k = 0; i-- > 0; k++) {
		int v = (d[i] - '0') * (k % 2 ? 2 : 1);

		sum += v / 10 + v % 10;
	}
	return sum % 10 == 0;
}

/* Every way to cut the digits and separators at `at`, longest first. */
static size_t card_at(struct slice t, size_t at)
{
	size_t far = regex_at(DETECTOR_CREDIT_CARD, t, at);

	for (size_t end = far; end > at; end--) {
		char digits[64];
		size_t n = 0, group = 0;
		char sep = 0;
		bool ok =
			isdigit(t.p[end - 1]) && !(end < t.n && isdigit(t.p[end])) && end - at < 60;

		for (size_t i = at; ok && i < end; i++) {
			if (isdigit(t.p[i])) {
				digits[n++] = (char)t.p[i];
				group++;
				continue;
			}
			ok = group >= 3 && (!sep || sep == (char)t.p[i]);
			sep = (char)t.p[i];
			group = 0;
		}
		if (ok && n >= 13 && n <= 19 && ends_at(t, end) && issuer_ok(digits, n) &&
			luhn_ok(digits, n))
			return end;
	}
	return 0;
}

static size_t phone_at(struct slice t, size_t at)
{
	size_t n = 0, best = 0;

	if (!regex_at(DETECTOR_PHONE, t, at))
		return 0;
	for (size_t i = at + 1, gap = 0; i < t.n; i++) {
		if (isdigit(t.p[i])) {
			n++;
			gap = 0;
			if (n >= 8 && n <= 15 && !(i + 1 < t.n && isdigit(t.p[i + 1])))
				best = i + 1;
		} else if (!strchr(" -.()/", t.p[i] ? t.p[i] : 'x') || ++gap > 2) {
			break;
		}
	}
	return best;
}

static size_t iban_at(struct slice t, size_t at)
{
	static const char lens[] = "NO15BE16DK18FI18FK18FO18GL18NL18SD18MK19SI19AT20BA20EE20KZ20LT2"
				   "0LU20MN20XK20YE30CH21HR21"
				   "LI21LV21BG22BH22CR22DE22GB22GE22IE22ME22RS22VA22AE23GI23IL23IQ2"
				   "3OM23SO23TL23AD24CZ24ES24"
				   "MD24PK24RO24SA24SE24SK24TN24VG24LY25PT25ST25IS26TR26BI27DJ27FR2"
				   "7GR27IT27MC27MR27SM27AL28"
				   "AZ28BY28CY28DO28GT28HN28HU28LB28NI28PL28SV28BR29EG29PS29QA29UA2"
				   "9JO30KW30MU30MT31SC31LC32"
				   "RU33";
	size_t end = regex_at(DETECTOR_IBAN, t, at), n = 0;
	char text[64], number[160] = "", *p = number;
	unsigned int mod = 0;

	for (size_t i = at; i < end && n < 60; i++)
		if (t.p[i] != ' ')
			text[n++] = (char)toupper(t.p[i]);
	/* With spaces the expression may run into the word behind: give groups back. */
	for (; end; n = end ? n : 0) {
		bool ok = false;

		for (const char *l = lens; *l; l += 4)
			ok |= l[0] == text[0] && l[1] == text[1] &&
			      (size_t)atoi((char[]){l[2], l[3], 0}) == n;
		if (ok)
			break;
		do {
			end--;
			n -= t.p[end] != ' ';
		} while (end > at && t.p[end] != ' ');
		if (end <= at + 4)
			return 0;
	}
	if (!end)
		return 0;
	for (size_t i = 4; i < n + 4; i++) {
		char c = text[i % n];

		p += isdigit(c) ? sprintf(p, "%c", c) : sprintf(p, "%d", c - 'A' + 10);
	}
	for (p = number; *p; p++)
		mod = (mod * 10 + (unsigned int)(*p - '0')) % 97;
	return mod == 1 ? end : 0;
}

static size_t email_at(struct slice t, size_t at)
{
	size_t end = regex_at(DETECTOR_EMAIL, t, at), host = at;

	/* A letter that belongs to `\n` is no start, nor is what comes right behind the backslash.
	 */
	if (!end || (at && t.p[at - 1] == '\\'))
		return 0;
	while (t.p[host++] != '@')
		;
	/* … nor the digits of `\u00e4` before a name. */
	if (at >= 2 && t.p[at - 2] == '\\' && t.p[at - 1] == 'u' && host - 1 > at + 4 &&
		host - 1 < at + 64 && isxdigit(t.p[at]) && isxdigit(t.p[at + 1]) &&
		isxdigit(t.p[at + 2]) && isxdigit(t.p[at + 3]))
		return 0;
	if (end - host > 255)
		end = host + 255;
	for (; end > host; end--) {
		size_t label = end, letters = 0;
		bool ok = true;

		if (end < t.n && end - host < 255 && (isalnum(t.p[end]) || t.p[end] == '-'))
			continue;
		while (label > host && t.p[label - 1] != '.')
			letters += !!isalpha(t.p[--label]);
		if (label == host || label == end)
			continue;
		if (letters != end - label || letters < 2)
			ok = end - label > 4 && !strncasecmp((const char *)t.p + label, "xn--", 4);
		for (size_t i = host; ok && i < end; i++) {
			bool first = i == host || t.p[i - 1] == '.';

			ok = !(first && (t.p[i] == '.' || t.p[i] == '-')) &&
			     !(t.p[i] == '.' && t.p[i - 1] == '-');
		}
		if (ok)
			return end;
	}
	return 0;
}

static size_t ipv6_at(struct slice t, size_t at)
{
	size_t end = regex_at(DETECTOR_IPV6, t, at), hex = 0, colons = 0;
	char text[64];
	struct in6_addr a;

	if (!end)
		return 0;
	for (size_t i = at; i < end; i++) {
		hex += !!isxdigit(t.p[i]);
		colons += t.p[i] == ':';
	}
	while (end > at && t.p[end - 1] == '.')
		end--;
	if (end - at > 2 && t.p[end - 1] == ':' && t.p[end - 2] != ':')
		end--;
	snprintf(text, sizeof(text), "%.*s", (int)(end - at), (const char *)t.p + at);
	return hex >= 4 && colons >= 2 && inet_pton(AF_INET6, text, &a) == 1 ? end : 0;
}

static size_t jwt_at(struct slice t, size_t at)
{
	static const char set[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	size_t end = regex_at(DETECTOR_JWT, t, at), n = 0;
	char text[512] = "";
	unsigned int bits = 0, n_bits = 0;

	for (size_t i = at; end && t.p[i] != '.' && n < 300; i++) {
		bits = bits << 6 | (unsigned int)(strchr(set, t.p[i]) - set);
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			text[n++] = (char)(bits >> n_bits);
		}
	}
	return end && text[0] == '{' &&
			       (memmem(text, n, "\"alg\"", 5) || memmem(text, n, "\"typ\"", 5))
		       ? end
		       : 0;
}

static size_t secret_at(struct slice t, size_t at)
{
	size_t end = regex_at(DETECTOR_SECRET, t, at), from = at > 128 ? at - 128 : 0;
	int upper = 0, lower = 0, digit = 0;
	bool is_known = end && regex_at(DETECTOR_SECRET, slice_of(t.p + at, t.n - at), 0) &&
			(t.p[at] == '$' || t.p[at] == '-');
	char near[129] = "";

	if (!end || is_known)
		return end;
	if (end - at != 40 || !strncmp((const char *)t.p + at, "AIza", 4) ||
		memchr(t.p + at, '_', 40) || memchr(t.p + at, '-', 40))
		return end;
	for (size_t i = at; i < end; i++) {
		upper |= isupper(t.p[i]);
		lower |= islower(t.p[i]);
		digit |= isdigit(t.p[i]);
	}
	if (!upper || !lower || !digit)
		return 0;
	for (size_t i = from; i < at; i++)
		near[i - from] = t.p[i] ? (char)t.p[i] : ' ';
	return strstr(near, "AKIA") || strstr(near, "ASIA") || strcasestr(near, "secret") ? end : 0;
}

static bool stops(uint8_t c)
{
	return c <= ' ' || c == 0x7f || strchr("/?#\"'<>", c);
}

static size_t url_at(struct slice t, size_t at)
{
	size_t i = at, end = 0;

	if (!at || t.p[at - 1] != ':')
		return 0;
	for (i = at - 1; i > 0; i--) {
		uint8_t c = t.p[i - 1];

		if (c == ':' || c == '@' || c == '\\' || stops(c))
			break;
		if (at - 1 - i >= 100)
			return 0;
	}
	if (!(i >= 3 && !memcmp(t.p + i - 3, "://", 3)) &&
		!(i >= 5 && !memcmp(t.p + i - 5, ":\\/\\/", 5)))
		return 0;
	for (i = at; i < t.n && i <= at + 380 && !stops(t.p[i]); i++) {
		if (t.p[i] == '@' && i > at)
			end = i;
		else if (t.p[i] == '\\' && i + 1 < t.n && !stops(t.p[i + 1]))
			i++;
	}
	return end;
}

static size_t reference_at(enum detector d, struct slice t, size_t at)
{
	switch (d) {
	case DETECTOR_CREDIT_CARD:
		return card_at(t, at);
	case DETECTOR_IBAN:
		return iban_at(t, at);
	case DETECTOR_EMAIL:
		return email_at(t, at);
	case DETECTOR_PHONE:
		return phone_at(t, at);
	case DETECTOR_IPV6:
		return ipv6_at(t, at);
	case DETECTOR_JWT:
		return jwt_at(t, at);
	case DETECTOR_SECRET:
		return secret_at(t, at);
	case DETECTOR_URL_PASSWORD:
		return url_at(t, at);
	case DETECTOR_US_SSN:
	case DETECTOR_IPV4:
	case DETECTOR_N:
		break;
	}
	return regex_at(d, t, at);
}

size_t reference_hits(struct slice text, uint32_t want, struct hit *ret, size_t max)
{
	size_t n = 0, i = 0;

	while (i < text.n && n < max) {
		struct hit best = {.start = i};

		for (int d = 0; d < DETECTOR_N; d++) {
			size_t end = want & DETECTOR_BIT(d)
					     ? reference_at((enum detector)d, text, i)
					     : 0;

			if (end > best.end || (end && d == DETECTOR_URL_PASSWORD))
				best = (struct hit){(enum detector)d, i, end};
		}
		if (best.end)
			ret[n++] = best;
		i = best.end ? best.end : i + 1;
	}
	return n;
}

/* ---- texts ----------------------------------------------------------------------------------- */

static size_t guarded_map(size_t n)
{
	return (n + 4095) / 4096 * 4096 + 4096;
}

struct slice guarded(struct slice s)
{
	size_t size = guarded_map(s.n);
	uint8_t *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + size - 4096, 4096, PROT_NONE))
		abort();
	p += size - 4096 - s.n;
	if (s.n)
		memcpy(p, s.p, s.n);
	return slice_of(p, s.n);
}

void guarded_free(struct slice s)
{
	size_t size = guarded_map(s.n);

	munmap((void *)((uintptr_t)s.p + s.n + 4096 - size), size);
}

uint64_t noise_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 2685821657736338717ull;
}

static const char *const fragments[] = {
	"4111111111111111",
	"4111-1111-1111-1111",
	"4111 1111 1111 1111",
	"378282246310005",
	"5555555555554444",
	"4222222222222",
	"6011 0009 9013 9424",
	"30569309025904",
	"0.",
	"12/29",
	"123-45-6789",
	"000-12-3456",
	"666-12-3456",
	"123-00-1234",
	"DE89370400440532013000",
	"DE89 3704 0044 0532 0130 00",
	"GB82WEST12345698765432",
	"gb82 west 1234 5698 7654 32",
	"FR1420041010050500013M02606",
	"NO9386011117947",
	"bob@example.com",
	"a.b-c+d@mail.example.co.uk",
	"x@y",
	"@",
	"@example.com",
	"first.last@",
	"+14155550100",
	"+44 (20) 7946-0958",
	"+49.30.123456",
	"+1",
	"10.0.0.5",
	"192.168.001.1",
	"255.255.255.255",
	"1.2.3.4.5",
	"2001:db8::1",
	"fe80::a:b%eth0",
	"::ffff:10.1.2.3",
	"2001:0db8:85a3:0000:0000:8a2e:0370:7334",
	"12:34:56",
	"std::vector",
	"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_"
	"XgL0n3I9",
	"eyJhbGciOiJub25lIn0.e30.",
	"eyJub3BlIjoxfQ.e30.x",
	"AKIAIOSFODNN7EXAMPLE",
	"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
	"aws_secret_access_key=",
	"Secret",
	"ghp_16C7e42F292c6912E7710c838347Ae178B4a",
	"github_pat_11ABCDEFG0abcdefghijkl_0123456789abcdefghij",
	"xoxb-123456789012-abcdefABCDEF",
	"sk_live_4eC39HqLyjWDarjtT1zdp7dc",
	"rk_live_short",
	"AIzaSyA-1234567890abcdefghijklmnopqrstu",
	"npm_0123456789abcdefghijABCDEFGHIJ012345",
	"-----BEGIN RSA PRIVATE KEY-----",
	"-----BEGIN PUBLIC KEY-----",
	"MIIEpAIBAAKCAQEA75\n",
	"-----END RSA PRIVATE KEY-----",
	"-----",
	"--------",
	"md5a3556571e93b0d20722ba62be61e8c2d",
	"$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW",
	"$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b7dWRWJTmaaJObG",
	"SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0$c3RvcmVkc3RvcmVkc3RvcmVkc3Q=:c2VydmVyc2VydmVyc2Vy",
	"postgres://bob:s3cr3t@db.example.com/x",
	"redis:\\/\\/:pw@cache:6379",
	"https://user@host/",
	"http://h:80/a@b",
	"://a:b",
	"p@ss@w@",
	":",
	"::",
	"/",
	"//",
	"+",
	"-",
	".",
	"..",
	"\\",
	"\\n",
	"\\t",
	"\\u00e9",
	"\"",
	"'",
	"=",
	";",
	",",
	" ",
	" ",
	" ",
	"\t",
	"\n",
	"_",
	"$",
	"a",
	"e",
	"n",
	"u",
	"0",
	"1",
	"9",
	"12",
	"4111",
	"1111",
	"13",
	"the",
	"quick",
	"brown",
	"customers",
	"\xc3\xa4",
	"\x01",
	"%",
	"(",
	")",
	"{",
	"}",
};

size_t noise_text(uint64_t *state, uint8_t *p, size_t max)
{
	size_t n = 0;

	while (n < max) {
		uint64_t r = noise_next(state);
		const char *f = fragments[(r >> 8) % (sizeof(fragments) / sizeof(fragments[0]))];
		size_t len = strlen(f);

		/* Sometimes only a part of it, or one odd byte. */
		if (r % 7 == 0)
			len = (r >> 40) % (len + 1);
		if (n + len > max)
			break;
		memcpy(p + n, f, len);
		n += len;
		if (r % 11 == 0 && n < max)
			p[n++] = (uint8_t)(r >> 32);
		if (!len && r % 5 == 0)
			break;
	}
	return n;
}

static size_t put_json_string(uint64_t *state, uint8_t *p, size_t max)
{
	uint8_t noise[200];
	size_t len = noise_text(state, noise, sizeof(noise)), n = 0;

	p[n++] = '"';
	for (size_t i = 0; i < len && n + 8 < max; i++) {
		uint8_t c = noise[i];

		if (c < ' ' || (c == '/' && noise_next(state) % 4 == 0))
			n += (size_t)sprintf((char *)p + n,
				c == '\n'  ? "\\n"
				: c == '/' ? "\\/"
					   : "\\u%04x",
				c);
		else if (c == '"' || c == '\\')
			n += (size_t)sprintf((char *)p + n, "\\%c", c);
		else
			p[n++] = c;
	}
	p[n++] = '"';
	return n;
}

size_t noise_json(uint64_t *state, uint8_t *p, size_t max)
{
	size_t n = 0;

	p[n++] = '[';
	while (n + 500 < max) {
		n += put_json_string(state, p + n, 400);
		n += (size_t)sprintf((char *)p + n,
			",%s4111111111111111%s, {\"k\": ", noise_next(state) % 2 ? "-" : "",
			noise_next(state) % 3 ? "" : "e2");
		n += put_json_string(state, p + n, 400);
		n += (size_t)sprintf((char *)p + n, "},");
		if (noise_next(state) % 3 == 0)
			break;
	}
	n += (size_t)sprintf((char *)p + n, "1.5]");
	return n;
}

static size_t json_value_end(struct slice s, size_t i);

static size_t json_blank(struct slice s, size_t i)
{
	while (i < s.n && strchr(" \t\n", s.p[i] ? s.p[i] : 'x'))
		i++;
	return i;
}

static size_t json_string_ends(struct slice s, size_t i)
{
	for (i++; i < s.n && s.p[i] != '"'; i++) {
		if (s.p[i] < ' ')
			return 0;
		if (s.p[i] != '\\')
			continue;
		if (++i >= s.n || !strchr("\"\\/bfnrtu", s.p[i] ? s.p[i] : 'x'))
			return 0;
		for (int k = 0; s.p[i] == 'u' && k < 4; k++)
			if (i + 4 >= s.n || !isxdigit(s.p[i + 1 + (size_t)k]))
				return 0;
	}
	return i < s.n ? i + 1 : 0;
}

static size_t json_list_end(struct slice s, size_t i, bool is_object)
{
	uint8_t close = is_object ? '}' : ']';

	i = json_blank(s, i + 1);
	if (i < s.n && s.p[i] == close)
		return i + 1;
	for (;;) {
		if (is_object) {
			i = i < s.n && s.p[i] == '"' ? json_string_ends(s, i) : 0;
			if (!i || (i = json_blank(s, i)) >= s.n || s.p[i] != ':')
				return 0;
			i++;
		}
		i = json_value_end(s, i);
		if (!i || i >= s.n || (s.p[i] != ',' && s.p[i] != close))
			return 0;
		if (s.p[i] == close)
			return i + 1;
		i = json_blank(s, i + 1);
	}
}

static size_t json_number_end(struct slice s, size_t i)
{
	char text[64];
	size_t n = 0;

	while (i + n < s.n && n < 60 && strchr("0123456789+-.eE", s.p[i + n] ? s.p[i + n] : 'x')) {
		text[n] = (char)s.p[i + n];
		n++;
	}
	text[n] = 0;
	if (text[0] == '-' ? text[1] == '0' && isdigit(text[2])
			   : text[0] == '0' && isdigit(text[1]))
		return 0;
	return n && isdigit(text[n - 1]) && strspn(text + 1, "-") == 0 ? i + n : 0;
}

static size_t json_value_end(struct slice s, size_t i)
{
	i = json_blank(s, i);
	if (i >= s.n)
		return 0;
	if (s.p[i] == '"')
		i = json_string_ends(s, i);
	else if (s.p[i] == '[' || s.p[i] == '{')
		i = json_list_end(s, i, s.p[i] == '{');
	else if (s.n - i >= 4 && !memcmp(s.p + i, "null", 4))
		i += 4;
	else
		i = json_number_end(s, i);
	return i ? json_blank(s, i) : 0;
}

bool json_is_valid(struct slice s)
{
	return s.n && json_value_end(s, 0) == s.n;
}
