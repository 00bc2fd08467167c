/* SPDX-License-Identifier: Apache-2.0 */
/* What a protected value becomes: see transform.h. */
#include "mask/transform.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <pthread.h>

#include "util/utf8.h"

enum transform transform_stricter(enum transform a, enum transform b)
{
	static const uint8_t rank[TRANSFORM_N] = {
		[TRANSFORM_NULL] = 3,
		[TRANSFORM_REDACT] = 2,
		[TRANSFORM_HASH] = 1,
		[TRANSFORM_PARTIAL] = 0,
	};

	return rank[a] >= rank[b] ? a : b;
}

/* ---- hash ------------------------------------------------------------------------------------ */

/* Set up once and only copied from: fetching an algorithm by name costs more than the hash. */
static EVP_MAC_CTX *hash_template;
static pthread_once_t hash_once = PTHREAD_ONCE_INIT;

static void hash_prepare(void)
{
	static const uint8_t no_key[32];
	char digest[] = "SHA256";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);

	hash_template = mac ? EVP_MAC_CTX_new(mac) : NULL;
	EVP_MAC_free(mac);
	if (hash_template && !EVP_MAC_init(hash_template, no_key, sizeof(no_key), params)) {
		EVP_MAC_CTX_free(hash_template);
		hash_template = NULL;
	}
}

/* HMAC-SHA256; false if OpenSSL would not: the value is redacted then. */
static bool hash_value(struct slice value, const uint8_t key[static 32], uint8_t ret[static 32])
{
	EVP_MAC_CTX *ctx;
	size_t n = 0;
	bool ok;

	pthread_once(&hash_once, hash_prepare);
	ctx = hash_template ? EVP_MAC_CTX_dup(hash_template) : NULL;
	ok = ctx && EVP_MAC_init(ctx, key, 32, NULL) && EVP_MAC_update(ctx, value.p, value.n) &&
	     EVP_MAC_final(ctx, ret, &n, 32) && n == 32;
	EVP_MAC_CTX_free(ctx);
	return ok;
}

static void wr_hex(struct writer *w, const uint8_t *p, size_t n)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		wr_u8(w, (uint8_t)hex[p[i] >> 4]);
		wr_u8(w, (uint8_t)hex[p[i] & 15]);
	}
}

static void transform_hash(struct writer *w, struct slice value, const uint8_t key[static 32])
{
	uint8_t mac[32];

	if (!hash_value(value, key, mac)) {
		wr_str(w, "****");
		return;
	}
	wr_str(w, "h:");
	wr_hex(w, mac, 8);
}

/* ---- partial --------------------------------------------------------------------------------- */

/* Stars for letters and digits but for the first `head` and last `tail` of them; the rest as it is.
 */
static void partial_stars(struct writer *w, struct slice s, size_t head, size_t tail)
{
	size_t n = 0, seen = 0;

	for (size_t i = 0; i < s.n; i++)
		n += byte_is_alnum(s.p[i]);
	for (size_t i = 0; i < s.n; i++) {
		bool is_kept = !byte_is_alnum(s.p[i]) || seen < head || seen + tail >= n;

		seen += byte_is_alnum(s.p[i]);
		wr_u8(w, is_kept ? s.p[i] : '*');
	}
}

static void partial_email(struct writer *w, struct slice s)
{
	const uint8_t *at = memchr(s.p, '@', s.n);

	wr_slice(w, slice_head(s, 1));
	wr_str(w, "***");
	if (at)
		wr_slice(w, slice_skip(s, (size_t)(at - s.p)));
}

static void transform_partial(struct writer *w, enum detector d, struct slice s)
{
	switch (d) {
	case DETECTOR_CREDIT_CARD:
	case DETECTOR_US_SSN:
		partial_stars(w, s, 0, 4);
		return;
	case DETECTOR_IBAN:
		partial_stars(w, s, 2, 4);
		return;
	case DETECTOR_PHONE:
		partial_stars(w, s, 0, 2);
		return;
	case DETECTOR_EMAIL:
		partial_email(w, s);
		return;
	case DETECTOR_URL_PASSWORD:
		wr_str(w, "****");
		return;
	case DETECTOR_IPV4:
	case DETECTOR_IPV6:
	case DETECTOR_JWT:
	case DETECTOR_SECRET:
	case DETECTOR_N:
		wr_slice(w, slice_head(s, 1));
		wr_str(w, "***");
		return;
	}
}

/* A column's value whose form no detector knows. */
static void partial_text(struct writer *w, struct slice s)
{
	size_t n = 0, first = 0, at = 0;
	uint32_t code;

	for (; n < 3 && at < s.n; n++) {
		size_t len = utf8_decode(slice_skip(s, at), &code);

		first = n ? first : len;
		at += len ? len : 1;
	}
	if (n > 2)
		wr_slice(w, slice_head(s, first));
	wr_str(w, "***");
}

void transform_hit(struct writer *w, enum transform as, struct slice text, struct hit h,
	const uint8_t key[static 32])
{
	struct slice s = slice_head(slice_skip(text, h.start), h.end - h.start);

	if (w->bad)
		return;
	switch (as) {
	case TRANSFORM_PARTIAL:
		transform_partial(w, h.detector, s);
		return;
	case TRANSFORM_HASH:
		transform_hash(w, s, key);
		return;
	case TRANSFORM_REDACT:
	case TRANSFORM_NULL:
	case TRANSFORM_N:
		wr_str(w, "****");
		return;
	}
}

/* ---- whole values ---------------------------------------------------------------------------- */

/* A value that is one thing a detector knows is shown as that detector shows it. */
static struct slice whole_partial(struct slice value, struct arena *arena)
{
	struct slice trimmed = value;
	struct writer w;
	struct scan scan;
	struct hit h;
	uint8_t *p = arena_alloc(arena, value.n + TRANSFORM_GROWTH_MAX);

	if (!p)
		return SLICE_NULL;
	while (trimmed.n && trimmed.p[trimmed.n - 1] == ' ')
		trimmed.n--;
	w = writer_of(p, value.n + TRANSFORM_GROWTH_MAX);
	scan_init(&scan, trimmed, 0, trimmed.n ? 1 : 0, DETECT_ALL);
	if (scan_next(&scan, &h) && h.end == trimmed.n)
		transform_partial(&w, h.detector, trimmed);
	else
		partial_text(&w, trimmed);
	return wr_done(&w);
}

static struct slice whole_text(
	enum transform as, struct slice value, const uint8_t key[static 32], struct arena *arena)
{
	struct writer w;

	if (as == TRANSFORM_PARTIAL)
		return whole_partial(value, arena);
	if (as == TRANSFORM_REDACT)
		return SLICE_LIT("****");
	w = writer_of(arena_alloc(arena, TRANSFORM_GROWTH_MAX), TRANSFORM_GROWTH_MAX);
	if (!w.p)
		return SLICE_NULL;
	transform_hash(&w, value, key);
	return wr_done(&w);
}

/* jsonb in binary has a version byte before the text, which no JSON text can start with. */
static struct slice whole_json(bool is_binary, enum transform as, struct slice value,
	const uint8_t key[static 32], struct arena *arena)
{
	enum { MAX = 1 + 2 + TRANSFORM_GROWTH_MAX };
	struct writer w = writer_of(arena_alloc(arena, MAX), MAX);

	if (!w.p)
		return SLICE_NULL;
	if (is_binary && value.n && value.p[0] == 1) {
		wr_u8(&w, 1);
		value = slice_skip(value, 1);
	}
	wr_u8(&w, '"');
	if (as == TRANSFORM_HASH)
		transform_hash(&w, value, key);
	else
		wr_str(&w, "****");
	wr_u8(&w, '"');
	return wr_done(&w);
}

bool bytes_from_hex(struct slice text, uint8_t *buf, struct slice *ret)
{
	size_t n = text.n / 2;

	if (!slice_starts(text, "\\x") || text.n % 2)
		return false;
	for (size_t i = 1; i < n; i++) {
		const uint8_t *p = text.p + 2 * i;

		if (!byte_is_hex(p[0]) || !byte_is_hex(p[1]))
			return false;
		buf[i - 1] = (uint8_t)(byte_hex_value(p[0]) << 4 | byte_hex_value(p[1]));
	}
	*ret = slice_of(buf, n - 1);
	return true;
}

static struct slice whole_bytes(
	bool is_binary, struct slice value, const uint8_t key[static 32], struct arena *arena)
{
	uint8_t hash[TRANSFORM_GROWTH_MAX];
	struct writer plain = writer_of(hash, sizeof(hash)), w;
	uint8_t *buf = is_binary ? NULL : arena_alloc(arena, value.n / 2 + 1);

	if (!is_binary && (!buf || !bytes_from_hex(value, buf, &value)))
		return SLICE_NULL;
	transform_hash(&plain, value, key);
	if (is_binary)
		return arena_dup(arena, wr_done(&plain));
	w = writer_of(arena_alloc(arena, 2 + 2 * sizeof(hash)), 2 + 2 * sizeof(hash));
	if (!w.p)
		return SLICE_NULL;
	wr_str(&w, "\\x");
	wr_hex(&w, plain.p, plain.n);
	return wr_done(&w);
}

static bool uuid_parse(struct slice text, uint8_t ret[static 16])
{
	size_t n = 0;

	memset(ret, 0, 16);
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '-')
			continue;
		if (n == 32 || !byte_is_hex(text.p[i]))
			return false;
		ret[n / 2] = (uint8_t)(ret[n / 2] << 4 | byte_hex_value(text.p[i]));
		n++;
	}
	return n == 32;
}

/* Another uuid, of version 8 and with the mark, the same for the same uuid in text and binary. */
static struct slice whole_uuid(
	bool is_binary, struct slice value, const uint8_t key[static 32], struct arena *arena)
{
	static const uint8_t groups[] = {4, 2, 2, 2, 6};
	uint8_t id[16], mac[32];
	struct writer w = writer_of(arena_alloc(arena, 36), 36);

	if (is_binary ? value.n != 16 : !uuid_parse(value, id))
		return SLICE_NULL;
	if (!w.p || !hash_value(is_binary ? value : slice_of(id, 16), key, mac))
		return SLICE_NULL;
	mac[0] = UUID_MARK_0;
	mac[1] = UUID_MARK_1;
	mac[6] = (mac[6] & 0x0f) | 0x80;
	mac[8] = (mac[8] & 0x3f) | 0x80;
	if (is_binary) {
		wr_bytes(&w, mac, 16);
		return wr_done(&w);
	}
	for (size_t i = 0, at = 0; i < sizeof(groups); at += groups[i++]) {
		if (i)
			wr_u8(&w, '-');
		wr_hex(&w, mac + at, groups[i]);
	}
	return wr_done(&w);
}

struct slice transform_whole(enum value_class class, bool is_binary, enum transform as,
	struct slice value, const uint8_t key[static 32], struct arena *arena)
{
	if (as == TRANSFORM_NULL)
		return SLICE_NULL;
	switch (class) {
	case VALUE_TEXT:
		return whole_text(as, value, key, arena);
	case VALUE_JSON:
		return whole_json(is_binary, as, value, key, arena);
	case VALUE_BYTES:
		return as == TRANSFORM_HASH ? whole_bytes(is_binary, value, key, arena)
					    : SLICE_NULL;
	case VALUE_UUID:
		return as == TRANSFORM_HASH ? whole_uuid(is_binary, value, key, arena) : SLICE_NULL;
	case VALUE_INT:
	case VALUE_NUMBER:
	case VALUE_BOOL:
	case VALUE_TIME:
	case VALUE_NET:
	case VALUE_ARRAY:
	case VALUE_OTHER:
		return SLICE_NULL;
	}
	return SLICE_NULL;
}
