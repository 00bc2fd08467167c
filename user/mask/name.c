/* SPDX-License-Identifier: Apache-2.0 */
/* Names as agents and policies write them: see name.h. */
#include "mask/name.h"

static bool glob_matches(struct slice pattern, struct slice s)
{
	size_t p = 0, i = 0, star = SIZE_MAX, mark = 0;

	while (i < s.n) {
		if (p < pattern.n && pattern.p[p] == '*') {
			star = p++;
			mark = i;
		} else if (p < pattern.n && pattern.p[p] == s.p[i]) {
			p++;
			i++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			i = ++mark;
		} else {
			return false;
		}
	}
	while (p < pattern.n && pattern.p[p] == '*')
		p++;
	return p == pattern.n;
}

bool name_pop(struct slice *name, char buf[static NAME_MAX_LEN], struct slice *ret)
{
	size_t start = 0, n = 0;
	bool is_quoted = false;
	struct slice part;

	for (size_t i = 0; i < name->n; i++) {
		is_quoted ^= name->p[i] == '"';
		if (!is_quoted && name->p[i] == '.')
			start = i + 1;
	}
	part = slice_skip(*name, start);
	name->n = start ? start - 1 : 0;
	is_quoted = part.n >= 2 && part.p[0] == '"' && part.p[part.n - 1] == '"';
	if (is_quoted)
		part = slice_of(part.p + 1, part.n - 2);
	if (part.n > NAME_MAX_LEN)
		return false;
	for (size_t i = 0; i < part.n; i++) {
		buf[n++] = (char)part.p[i];
		if (is_quoted && part.p[i] == '"')
			i++;
	}
	*ret = slice_of(buf, n);
	return n;
}

/* Components from the right: "*.email" is a column of any table, "email" of any table too. */
static bool pattern_matches(
	const char *pattern, struct slice schema, struct slice table, struct slice column)
{
	const struct slice parts[] = {column, table, schema};
	struct slice rest = slice_str(pattern), part;
	char buf[NAME_MAX_LEN];

	for (size_t i = 0; i < 3 && rest.n; i++)
		if (!name_pop(&rest, buf, &part) || !glob_matches(part, parts[i]))
			return false;
	return true;
}

bool name_fits_rule(
	const struct mask_rule *rule, struct slice schema, struct slice table, struct slice column)
{
	for (const char **pattern = rule->columns; pattern && *pattern; pattern++)
		if (pattern_matches(*pattern, schema, table, column))
			return true;
	return false;
}
