/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of `at:` ↔ endpoints: see model.h. */
#include <arpa/inet.h>

#include "policy/model.h"

static const uint8_t at_mapped[12] = {[10] = 0xff, [11] = 0xff};

/* Decimal digits without sign, blank or leading zero; false above max. */
static bool at_number(struct slice s, unsigned max, unsigned *ret)
{
	*ret = 0;
	if (!s.n || (s.n > 1 && s.p[0] == '0'))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		*ret = *ret * 10 + (s.p[i] - '0');
		if (*ret > max)
			return false;
	}
	return true;
}

static bool at_has_host_bits(const struct endpoint *e)
{
	for (unsigned bit = e->prefix; bit < 128; bit++)
		if (e->addr[bit / 8] & (0x80 >> bit % 8))
			return true;
	return false;
}

/* "1.2.3.4" or "1.2.3.0/24"; without a slash the prefix is the whole address. */
static bool at_address(struct slice s, int family, struct at *at, const char **ret_why)
{
	const uint8_t *slash = s.n ? memchr(s.p, '/', s.n) : NULL;
	struct slice host = slash ? slice_head(s, (size_t)(slash - s.p)) : s;
	unsigned width = family == AF_INET ? 32 : 128, prefix = width;
	char text[INET6_ADDRSTRLEN];
	uint8_t *to = at->endpoint.addr;

	*ret_why = "not an IP address";
	if (host.n >= sizeof(text))
		return false;
	memcpy(text, host.p, host.n);
	text[host.n] = '\0';
	if (family == AF_INET) {
		memcpy(to, at_mapped, sizeof(at_mapped));
		to += sizeof(at_mapped);
	}
	if (inet_pton(family, text, to) != 1)
		return false;
	*ret_why = family == AF_INET ? "a prefix is /0 to /32" : "a prefix is /0 to /128";
	if (slash && !at_number(slice_skip(s, host.n + 1), width, &prefix))
		return false;
	at->endpoint.prefix = (uint8_t)(prefix + 128 - width);
	*ret_why = "bits are set behind the prefix: write the network's own address";
	at->kind = AT_ADDRESS;
	return !at_has_host_bits(&at->endpoint);
}

static bool at_is_name(struct slice s)
{
	bool has_letter = false;

	if (slice_starts(s, "*."))
		s = slice_skip(s, 2);

	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i], low = c | 0x20;

		if (low >= 'a' && low <= 'z')
			has_letter = true;
		else if (!(c >= '0' && c <= '9') && c != '.' && c != '-' && c != '_')
			return false;
	}
	return has_letter && s.n <= 250 && s.p[0] != '.' && s.p[0] != '-';
}

static bool at_port(struct slice s, struct at *at, const char **ret_why)
{
	unsigned port = 0;

	*ret_why = "a port is 1 to 65535, or * for any";
	if (!slice_eq_str(s, "*") && (!at_number(s, 65535, &port) || !port))
		return false;
	at->endpoint.port = (uint16_t)port;
	return true;
}

static bool at_unix(struct slice path, struct at *at, const char **ret_why)
{
	if (path.n > 1 && path.n <= 107 && path.p[0] == '@') {
		at->kind = AT_UNIX;
		return true;
	}
	*ret_why =
		"a socket path is absolute, shorter than 108 bytes, and has no . or .. in it; an "
		"abstract name begins with @";
	if (path.n < 2 || path.p[0] != '/' || path.n > 107)
		return false;
	for (size_t i = 0; i < path.n; i++) {
		struct slice rest = slice_skip(path, i);
		size_t dots = slice_starts(rest, "/..") ? 3 : slice_starts(rest, "/.") ? 2 : 0;

		if (dots && (rest.n == dots || rest.p[dots] == '/'))
			return false;
	}
	at->kind = AT_UNIX;
	return true;
}

/* "host:port" without brackets: IPv4, a network, or a name. */
static bool at_plain(struct slice host, struct arena *a, struct at *at, const char **ret_why)
{
	if (memchr(host.p, ':', host.n)) {
		*ret_why = "put an IPv6 address into brackets: [::1]:5432";
		return false;
	}
	if (slice_eq_str(host, "*")) {
		*ret_why = "for any host write 0.0.0.0/0 or [::/0]";
		return false;
	}
	if (at_is_name(host)) {
		at->kind = AT_NAME;
		at->endpoint.prefix = 128;
		at->host = arena_cstr(a, host);
		*ret_why = "out of memory";
		return at->host != NULL;
	}
	return at_address(host, AF_INET, at, ret_why);
}

bool at_parse(struct slice text, struct arena *a, struct at *ret, const char **ret_why)
{
	const uint8_t *colon = text.n ? memrchr(text.p, ':', text.n) : NULL;
	struct slice host;

	if (slice_starts(text, "unix:"))
		return at_unix(slice_skip(text, 5), ret, ret_why);
	*ret_why = "expected host:port, address:port, [v6]:port, network/bits:port or unix:/path";
	if (!colon || colon == text.p)
		return false;
	host = slice_head(text, (size_t)(colon - text.p));
	if (host.p[0] == '[' && host.p[host.n - 1] != ']')
		return false;
	if (!at_port(slice_skip(text, host.n + 1), ret, ret_why))
		return false;
	if (host.p[0] == '[' && host.n > 2)
		return at_address(slice_of(host.p + 1, host.n - 2), AF_INET6, ret, ret_why);
	return at_plain(host, a, ret, ret_why);
}

void at_print(const struct endpoint *e, char *buf, size_t n)
{
	bool is_v4 = e->prefix >= 96 && !memcmp(e->addr, at_mapped, sizeof(at_mapped));
	char host[INET6_ADDRSTRLEN] = "?", prefix[8] = "", port[8] = "*";

	inet_ntop(is_v4 ? AF_INET : AF_INET6, e->addr + (is_v4 ? 12 : 0), host, sizeof(host));
	if (e->prefix != 128)
		snprintf(prefix, sizeof(prefix), "/%u", e->prefix - (is_v4 ? 96U : 0U));
	if (e->port)
		snprintf(port, sizeof(port), "%u", e->port);
	snprintf(buf, n, is_v4 ? "%s%s:%s" : "[%s%s]:%s", host, prefix, port);
}
