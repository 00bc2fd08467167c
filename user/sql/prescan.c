/* SPDX-License-Identifier: Apache-2.0 */
/* Pre-scan: see prescan.h. Where a run stands (in a string, in a comment) is not looked at: being
 * wrong there costs a detour, and being fooled about it would cost the event loop. */
#include "sql/prescan.h"

enum {
	PRESCAN_SQUARES_QUICK = 64 * 1024, /* sum of squared run lengths: about 0.2 ms */
	PRESCAN_SQUARES_MAX = 1024 * 1024, /* about 3 ms */
	PRESCAN_NESTED_COMMENTS_MAX = 32,  /* in one run */
};

static const bool prescan_is_op[256] = {
	['~'] = true,
	['!'] = true,
	['@'] = true,
	['#'] = true,
	['^'] = true,
	['&'] = true,
	['|'] = true,
	['?'] = true,
	['+'] = true,
	['-'] = true,
	['*'] = true,
	['/'] = true,
	['%'] = true,
	['<'] = true,
	['>'] = true,
	['='] = true,
	['`'] = true,
};

/* `-----`, `*****` and `=====` are lines that people draw; the lexer takes them in one bite. */
static bool prescan_is_banner(const uint8_t *p, size_t n)
{
	return (*p == '-' || *p == '*' || *p == '=') && (n < 2 || !memcmp(p, p + 1, n - 1));
}

static unsigned prescan_comments(const uint8_t *p, size_t n)
{
	unsigned opened = 0;

	for (size_t i = 0; i + 1 < n; i++)
		opened += p[i] == '/' && p[i + 1] == '*';
	return opened;
}

enum prescan sql_prescan(struct slice text)
{
	uint64_t squares = 0;

	for (size_t i = 0, n; i < text.n; i += n) {
		const uint8_t *run = text.p + i;

		n = 1;
		if (!*run)
			return PRESCAN_HOPELESS;
		if (!prescan_is_op[*run])
			continue;
		while (i + n < text.n && prescan_is_op[run[n]])
			n++;
		if (n < 4 || prescan_is_banner(run, n))
			continue;
		if (prescan_comments(run, n) > PRESCAN_NESTED_COMMENTS_MAX)
			return PRESCAN_HOPELESS;
		squares += (uint64_t)n * n;
	}
	if (squares > PRESCAN_SQUARES_MAX)
		return PRESCAN_HOPELESS;
	return squares > PRESCAN_SQUARES_QUICK ? PRESCAN_SLOW : PRESCAN_QUICK;
}
