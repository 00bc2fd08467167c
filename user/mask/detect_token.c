/* SPDX-License-Identifier: Apache-2.0 */
/* Detectors of words: e-mail, tokens, secrets, passwords in URLs (detect.h). */
#include "mask/detect.h"

/* ---- e-mail ---------------------------------------------------------------------------------- */

enum { EMAIL_DOMAIN_MAX = 255 };

/* The end of the longest name of two labels or more whose last label can be a top-level domain. */
static size_t email_domain_end(struct slice t, size_t at)
{
	size_t i = at, best = 0, n_labels = 0;

	while (i - at < EMAIL_DOMAIN_MAX) {
		size_t label = i, n_letters = 0;

		while (i - at < EMAIL_DOMAIN_MAX &&
			(byte_is_alnum(text_at(t, i)) || text_at(t, i) == '-'))
			n_letters += byte_is_letter(t.p[i++]);
		if (i == label || t.p[label] == '-')
			break;
		n_labels++;
		if (n_labels > 1 && n_letters == i - label && n_letters >= 2)
			best = i;
		else if (n_labels > 1 && i - label > 4 &&
			 !strncasecmp((const char *)t.p + label, "xn--", 4))
			best = i;
		if (text_at(t, i) != '.' || t.p[i - 1] == '-')
			break;
		i++;
	}
	return best;
}

bool detect_email(struct slice t, size_t at, struct hit *ret)
{
	size_t start = at;

	while (start && at - start < EMAIL_LOCAL_MAX && byte_is_email_local(t.p[start - 1]))
		start--;
	/* `\nbob@…`: the n belongs to the escape, not to bob. */
	if (start && start < at && t.p[start - 1] == '\\')
		start += start + 5 < at && t.p[start] == 'u' && text_follows_escape(t, start + 5)
				 ? 5
				 : 1;
	if (start == at || t.p[start] == '.')
		return false;
	*ret = (struct hit){DETECTOR_EMAIL, start, email_domain_end(t, at + 1)};
	return ret->end;
}

/* ---- runs of a class of bytes ---------------------------------------------------------------- */

/* Tails: letters, digits and these. A dot that ends a JWT ends the sentence around it instead. */
static const char tail_jwt[] = "_-.";
static const char tail_pem[] = "-----END";

static bool tail_takes(const char *tail, uint8_t c)
{
	return byte_is_alnum(c) || (c && strchr(tail, c));
}

static size_t tail_end(struct slice t, size_t at, const char *tail)
{
	for (; tail_takes(tail, text_at(t, at)); at++)
		if (tail == tail_jwt && t.p[at] == '.' &&
			(text_at(t, at + 1) == '.' || !tail_takes(tail, text_at(t, at + 1))))
			break;
	return at;
}

/* ---- JSON web tokens ------------------------------------------------------------------------- */

enum { JWT_HEADER_MAX = 400 };

static int base64url_value(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (byte_is_digit(c))
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* Does the run at p decode to the start of a JSON object that names an algorithm or type? */
static bool jwt_is_header(const uint8_t *p, size_t n)
{
	uint8_t text[JWT_HEADER_MAX * 3 / 4 + 3];
	size_t len = 0;
	uint32_t bits = 0;

	for (size_t i = 0; i < n; i++) {
		bits = bits << 6 | (uint32_t)base64url_value(p[i]);
		if (i % 4 == 3) {
			text[len++] = (uint8_t)(bits >> 16);
			text[len++] = (uint8_t)(bits >> 8);
			text[len++] = (uint8_t)bits;
		}
	}
	if (n % 4 == 3)
		text[len++] = (uint8_t)(bits >> 10);
	return len && text[0] == '{' &&
	       (memmem(text, len, "\"alg\"", 5) || memmem(text, len, "\"typ\"", 5));
}

/*
 * A base64url JSON header, a dot, and at least one byte more. The other parts are not asked for: a
 * token that was cut still shows its claims.
 */
size_t detect_jwt(struct slice t, size_t at)
{
	size_t n = 0;

	/* `{"` and a letter. */
	if (!slice_starts(slice_skip(t, at), "eyJ") || !text_starts_word(t, at))
		return 0;
	while (n < JWT_HEADER_MAX && base64url_value(text_at(t, at + n)) >= 0)
		n++;
	if (n < JWT_HEADER_MAX &&
		(text_at(t, at + n) != '.' || base64url_value(text_at(t, at + n + 1)) < 0))
		return 0;
	return jwt_is_header(t.p + at, n) ? tail_end(t, at, tail_jwt) : 0;
}

/* ---- secrets --------------------------------------------------------------------------------- */

/* A known prefix and then at least `min` bytes of letters, digits and `tail`, as many as there are.
 */
static const struct secret_form {
	const char *prefix;
	uint8_t min;
	const char *tail;
} secret_forms[] = {
	{"ghp_", 36, ""},
	{"gho_", 36, ""},
	{"ghu_", 36, ""},
	{"ghs_", 36, ""},
	{"ghr_", 36, ""},
	{"github_pat_", 40, "_"},
	{"npm_", 36, ""},
	{"xoxa-", 10, "-"},
	{"xoxb-", 10, "-"},
	{"xoxe-", 10, "-"},
	{"xoxo-", 10, "-"},
	{"xoxp-", 10, "-"},
	{"xoxr-", 10, "-"},
	{"xoxs-", 10, "-"},
	{"sk_live_", 16, ""},
	{"rk_live_", 16, ""},
	{"AIza", 35, "_-"},
	{"SCRAM-SHA-256$", 60, "+/=:$"},
	{"$2a$", 56, "./$"},
	{"$2b$", 56, "./$"},
	{"$2x$", 56, "./$"},
	{"$2y$", 56, "./$"},
	{"$argon2", 40, "$=,+/.-"},
	{"$1$", 24, "./$"},
	{"$5$", 44, "./$="},
	{"$6$", 87, "./$="},
	{"$y$", 48, "./$="},
};

static const struct secret_form *secret_form_at(struct slice t, size_t at)
{
	const struct slice rest = slice_skip(t, at);

	for (size_t i = 0; i < sizeof(secret_forms) / sizeof(secret_forms[0]); i++)
		if (secret_forms[i].prefix[0] == text_at(rest, 0) &&
			slice_starts(rest, secret_forms[i].prefix))
			return &secret_forms[i];
	return NULL;
}

static size_t secret_prefixed(struct slice t, size_t at)
{
	const struct secret_form *f = secret_form_at(t, at);
	size_t body, end;

	if (!f)
		return 0;
	body = at + strlen(f->prefix);
	end = tail_end(t, body, f->tail);
	return end - body >= f->min ? end : 0;
}

/* A prefix and then exactly n bytes of one kind: AWS key ids, PostgreSQL's md5 passwords. */
static size_t secret_fixed(struct slice t, size_t at, const char *prefix, size_t n, const char *set)
{
	size_t i = at + strlen(prefix), end = i + n;

	if (!slice_starts(slice_skip(t, at), prefix))
		return 0;
	for (; i < end; i++)
		if (!text_at(t, i) || !strchr(set, t.p[i]))
			return 0;
	return text_ends_word(t, end) ? end : 0;
}

static bool secret_is_base64(uint8_t c)
{
	return byte_is_alnum(c) || c == '/' || c == '+';
}

/* Does a key id, or the word "secret", stand close before? */
static bool secret_is_announced(struct slice t, size_t at)
{
	for (size_t back = 4; back <= at && back <= 128; back++) {
		const char *p = (const char *)t.p + at - back;

		if (!strncmp(p, "AKIA", 4) || !strncmp(p, "ASIA", 4))
			return true;
		if (back >= 6 && !strncasecmp(p, "secret", 6))
			return true;
	}
	return false;
}

/* An AWS secret key: 40 bytes of base64, upper and lower case and digits, announced. */
static size_t secret_aws(struct slice t, size_t at)
{
	size_t n_upper = 0, n_lower = 0, n_digits = 0;

	if (!secret_is_base64(text_at(t, at + 39)) || secret_is_base64(text_at(t, at + 40)))
		return 0;
	if (at && secret_is_base64(t.p[at - 1]) && !text_follows_escape(t, at))
		return 0;
	for (size_t i = at; i < at + 40; i++) {
		if (!secret_is_base64(t.p[i]))
			return 0;
		n_digits += byte_is_digit(t.p[i]);
		n_upper += t.p[i] >= 'A' && t.p[i] <= 'Z';
		n_lower += t.p[i] >= 'a' && t.p[i] <= 'z';
	}
	if (!n_upper || !n_lower || !n_digits || !secret_is_announced(t, at))
		return 0;
	return at + 40;
}

/* The end of the block's last line, or of the text: half a key is a key. */
static size_t pem_end(struct slice t, size_t at)
{
	while (at < t.n) {
		const uint8_t *mark = memmem(t.p + at, t.n - at, "-----END", 8), *close;
		size_t left;

		if (!mark)
			break;
		at = (size_t)(mark - t.p) + 8;
		left = t.n - at < 64 ? t.n - at : 64;
		close = memmem(t.p + at, left, "-----", 5);
		if (close)
			return (size_t)(close - t.p) + 5;
	}
	return t.n;
}

static size_t secret_pem(struct slice t, size_t at)
{
	static const char begin[] = "-----BEGIN ", key[] = "PRIVATE KEY";
	struct slice head = slice_head(slice_skip(t, at), 64);
	const uint8_t *mark;

	if (!slice_starts(head, begin))
		return 0;
	mark = memmem(head.p, head.n, key, sizeof(key) - 1);
	if (!mark)
		return 0;
	for (const uint8_t *p = head.p + sizeof(begin) - 1; p < mark; p++)
		if (*p != ' ' && !byte_is_digit(*p) && (*p < 'A' || *p > 'Z'))
			return 0;
	return pem_end(t, (size_t)(mark - t.p));
}

size_t detect_secret(struct slice t, size_t at)
{
	size_t end;

	if (text_at(t, at) == '-')
		return secret_pem(t, at);
	end = secret_aws(t, at);
	if (end || (text_at(t, at) != '$' && !text_starts_word(t, at)))
		return end;
	switch (text_at(t, at)) {
	case 'A':
		end = secret_fixed(t, at, "AKIA", 16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
		if (!end)
			end = secret_fixed(
				t, at, "ASIA", 16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
		return end ? end : secret_prefixed(t, at);
	case 'm':
		return secret_fixed(t, at, "md5", 32, "0123456789abcdef");
	case '$':
	case 'S':
	case 'g':
	case 'n':
	case 'r':
	case 's':
	case 'x':
		return secret_prefixed(t, at);
	}
	return 0;
}

/* ---- passwords in URLs ----------------------------------------------------------------------- */

enum { URL_USER_MAX = 100, URL_PASSWORD_MAX = 380 };

static bool url_ends_password(uint8_t c)
{
	return c <= ' ' || c == '/' || c == '?' || c == '#' || c == '"' || c == '\'' || c == '<' ||
	       c == '>' || c == 0x7f;
}

/* `at` is the colon of `://` (or of `:\/\/`, as some write JSON). The hit is the password alone. */
bool detect_url_password(struct slice t, size_t at, struct hit *ret)
{
	struct slice rest = slice_skip(t, at);
	size_t i, start, end = 0;

	if (slice_starts(rest, "://"))
		i = at + 3;
	else if (slice_starts(rest, ":\\/\\/"))
		i = at + 5;
	else
		return false;
	for (start = i; text_at(t, i) != ':'; i++)
		if (i - start >= URL_USER_MAX || text_at(t, i) == '@' || text_at(t, i) == '\\' ||
			url_ends_password(text_at(t, i)))
			return false;
	start = ++i;
	/* Of several @ the last ends the password, as browsers and libpq's users mean it. */
	for (; i - start <= URL_PASSWORD_MAX && !url_ends_password(text_at(t, i)); i++) {
		if (t.p[i] == '@' && i > start)
			end = i;
		else if (t.p[i] == '\\' && !url_ends_password(text_at(t, i + 1)))
			i++;
	}
	*ret = (struct hit){DETECTOR_URL_PASSWORD, start, end};
	return end;
}

/* ---- what goes on beyond a cut --------------------------------------------------------------- */

const char *detect_tail(struct slice t, struct hit h)
{
	const struct secret_form *f;

	if (h.detector == DETECTOR_JWT)
		return tail_jwt;
	if (h.detector != DETECTOR_SECRET)
		return NULL;
	if (text_at(t, h.start) == '-')
		return tail_pem;
	f = secret_form_at(t, h.start);
	return f ? f->tail : NULL;
}

size_t detect_resume(struct slice t, size_t at, const char *tail)
{
	return tail == tail_pem ? pem_end(t, at) : tail_end(t, at, tail);
}

size_t detect_cut(struct slice t, size_t end, const char *tail)
{
	/* One byte more is needed to tell whether a dot ends a token. */
	if (end + 1 < t.n)
		return 0;
	if (tail != tail_pem)
		return end;
	return t.n > DETECT_RESUME_TAIL ? t.n - DETECT_RESUME_TAIL : 1;
}
