/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 and safe display: see utf8.h. */
#include "util/utf8.h"

size_t utf8_decode(struct slice s, uint32_t *ret_code)
{
	static const uint32_t min[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t code;
	size_t len;

	if (!s.n)
		return 0;
	if (s.p[0] < 0x80) {
		*ret_code = s.p[0];
		return 1;
	}
	len = s.p[0] >= 0xf0 ? 4 : s.p[0] >= 0xe0 ? 3 : s.p[0] >= 0xc2 ? 2 : 0;
	if (!len || len > s.n || s.p[0] > 0xf4)
		return 0;
	code = s.p[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s.p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s.p[i] & 0x3fu);
	}
	if (code < min[len] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	*ret_code = code;
	return len;
}

bool utf8_is_valid(struct slice s)
{
	while (s.n) {
		uint32_t code;
		size_t len = utf8_decode(s, &code);

		if (!len)
			return false;
		s = slice_skip(s, len);
	}
	return true;
}

/* Characters that change what others look like, or that nobody can see (Unicode Cf and kin). */
static bool utf8_is_deceptive(uint32_t c)
{
	static const struct {
		uint32_t from, to;
	} ranges[] = {
		{0x7f, 0xa0},
		{0xad, 0xad},
		{0x300, 0x36f}, /* what stands over, under and through another letter */
		{0x483, 0x489},
		{0x61c, 0x61c},
		{0x70f, 0x70f},
		{0x115f, 0x1160},
		{0x1680, 0x1680},
		{0x17b4, 0x17b5},
		{0x180b, 0x180f},
		{0x1ab0, 0x1aff},
		{0x1dc0, 0x1dff},
		{0x2000, 0x200f},
		{0x2028, 0x202f},
		{0x205f, 0x206f},
		{0x20d0, 0x20ff},
		{0x2800, 0x2800},
		{0x3000, 0x3000},
		{0x3164, 0x3164},
		{0xe000, 0xf8ff},
		{0xfdd0, 0xfdef},
		{0xfe00, 0xfe0f},
		{0xfe20, 0xfe2f},
		{0xfeff, 0xfeff},
		{0xffa0, 0xffa0},
		{0xfff0, 0xfffb},
		{0x13430, 0x13455},
		{0x1bca0, 0x1bca3},
		{0x1d159, 0x1d159},
		{0x1d165, 0x1d169},
		{0x1d173, 0x1d17a},
		{0xe0000, 0x10ffff},
	};

	if (c < 0x20)
		return true;
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (c >= ranges[i].from && c <= ranges[i].to)
			return true;
	return false;
}

void utf8_print_safe(FILE *to, struct slice s, bool multiline, size_t max_chars)
{
	for (size_t n = 0; s.n; n++) {
		uint32_t code;
		size_t len = utf8_decode(s, &code);

		if (n >= max_chars) {
			fprintf(to, "…(%zu more bytes)", s.n);
			return;
		}
		if (!len)
			fprintf(to, "\\x%02x", s.p[0]);
		else if (multiline && (code == '\n' || code == '\t'))
			fputc((int)code, to);
		else if (utf8_is_deceptive(code))
			fprintf(to, code < 0x100 ? "\\x%02x" : "\\u{%04x}", code);
		else
			fwrite(s.p, 1, len, to);
		s = slice_skip(s, len ? len : 1);
	}
}
