/* SPDX-License-Identifier: Apache-2.0 */
/* Marks: see marks.h. */
#include "cli/marks.h"

#include <stdbool.h>
#include <strings.h>

#include "util/utf8.h"

static const char *const marks_words[] = {"DROP", "TRUNCATE", "DELETE", "UPDATE", "INSERT", "MERGE",
	"ALTER", "CREATE", "GRANT", "REVOKE", "CASCADE", "COPY", "PROGRAM", "EXECUTE", "DO", "CALL",
	"SET", "RESET", "VACUUM", "REASSIGN", "LOCK", "SECURITY", "OWNER", "SUPERUSER", NULL};

enum { MARKS_LETTERS_MAX = 5 };

static bool marks_is_word(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '_' || c == '$' || c >= 0x80;
}

size_t marks_word(struct slice s)
{
	size_t n = 0;

	while (n < s.n && marks_is_word(s.p[n]))
		n++;
	for (size_t i = 0; n && marks_words[i]; i++)
		if (strlen(marks_words[i]) == n &&
			!strncasecmp(marks_words[i], (const char *)s.p, n))
			return n;
	return 0;
}

void marks_print_words(FILE *to, struct slice text)
{
	uint64_t seen = 0;
	const char *sep = "";

	for (size_t at = 0; at < text.n;) {
		struct slice rest = slice_skip(text, at);
		size_t n = marks_word(rest);

		for (size_t i = 0; n && marks_words[i]; i++) {
			if (strncasecmp(marks_words[i], (const char *)rest.p, n) != 0 ||
				strlen(marks_words[i]) != n || seen & UINT64_C(1) << i)
				continue;
			seen |= UINT64_C(1) << i;
			fprintf(to, "%s%s", sep, marks_words[i]);
			sep = ", ";
		}
		while (at < text.n && marks_is_word(text.p[at]))
			at++;
		while (at < text.n && !marks_is_word(text.p[at]))
			at++;
	}
}

static bool marks_is_lookalike(uint32_t c)
{
	static const struct {
		uint32_t from, to;
	} ranges[] = {{0x131, 0x131}, {0x17f, 0x17f}, {0x1c0, 0x1c3}, {0x250, 0x2ff},
		{0x370, 0x58f}, {0x10a0, 0x10ff}, {0x13a0, 0x13ff}, {0x1d00, 0x1dbf},
		{0x1e9e, 0x1e9e}, {0x1f00, 0x1fff}, {0x2100, 0x218f}, {0x2460, 0x24ff},
		{0x2c60, 0x2cff}, {0xa4d0, 0xa4ff}, {0xa640, 0xa69f}, {0xab30, 0xabbf},
		{0xff01, 0xff5e}, {0x10400, 0x1044f}, {0x1d400, 0x1d7ff}};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (c >= ranges[i].from && c <= ranges[i].to)
			return true;
	return false;
}

/* Terminals that know of it show a line with such letters in another order than it is written in.
 */
static bool marks_is_backward(uint32_t c)
{
	static const struct {
		uint32_t from, to;
	} ranges[] = {{0x590, 0x8ff}, {0xfb1d, 0xfdff}, {0xfe70, 0xfefc}, {0x10800, 0x10fff},
		{0x1e800, 0x1efff}};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (c >= ranges[i].from && c <= ranges[i].to)
			return true;
	return false;
}

/* The ASCII letter that some of the most used ones look like, or 0. */
static char marks_twin(uint32_t c)
{
	static const struct {
		uint32_t code;
		char twin;
	} rows[] = {{0x430, 'a'}, {0x435, 'e'}, {0x43e, 'o'}, {0x440, 'p'}, {0x441, 'c'},
		{0x443, 'y'}, {0x445, 'x'}, {0x455, 's'}, {0x456, 'i'}, {0x458, 'j'}, {0x410, 'A'},
		{0x412, 'B'}, {0x415, 'E'}, {0x41a, 'K'}, {0x41c, 'M'}, {0x41d, 'H'}, {0x41e, 'O'},
		{0x420, 'P'}, {0x421, 'C'}, {0x422, 'T'}, {0x425, 'X'}, {0x3bf, 'o'}, {0x3c1, 'p'},
		{0x391, 'A'}, {0x392, 'B'}, {0x395, 'E'}, {0x397, 'H'}, {0x399, 'I'}, {0x39a, 'K'},
		{0x39c, 'M'}, {0x39d, 'N'}, {0x39f, 'O'}, {0x3a1, 'P'}, {0x3a4, 'T'}, {0x3a7, 'X'},
		{0x131, 'i'}, {0x17f, 's'}};

	if (c >= 0xff21 && c <= 0xff5a)
		return (char)(c - 0xff21 + 'A');
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].code == c)
			return rows[i].twin;
	return 0;
}

void marks_print_letters(FILE *to, struct slice text)
{
	uint32_t seen[MARKS_LETTERS_MAX];
	size_t n = 0;

	while (text.n && n < MARKS_LETTERS_MAX) {
		uint32_t code = 0;
		size_t len = utf8_decode(text, &code), k = 0;

		if (len && (marks_is_lookalike(code) || marks_is_backward(code))) {
			while (k < n && seen[k] != code)
				k++;
			if (k == n) {
				fprintf(to, n ? ", U+%04X" : "U+%04X", code);
				if (marks_twin(code))
					fprintf(to, " (not the letter %c)", marks_twin(code));
				else if (marks_is_backward(code))
					fputs(" (from right to left)", to);
				seen[n++] = code;
			}
		}
		text = slice_skip(text, len ? len : 1);
	}
}
