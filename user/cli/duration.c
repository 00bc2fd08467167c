/* SPDX-License-Identifier: Apache-2.0 */
/* Times as people type them: see duration.h. */
#include "cli/duration.h"

#include <string.h>

enum { DURATION_MAX = 7 * 24 * 3600 };

bool duration_parse(const char *text, uint32_t *ret_seconds)
{
	static const char letters[] = "smhd";
	static const uint32_t units[] = {1, 60, 3600, 86400};
	size_t digits = strspn(text, "0123456789");
	const char *unit = text[digits] ? strchr(letters, text[digits]) : NULL;
	uint32_t n = 0;

	if (!digits || digits > 6 || !unit || text[digits + 1])
		return false;
	for (size_t i = 0; i < digits; i++)
		n = n * 10 + (uint32_t)(text[i] - '0');
	if (!n || n > DURATION_MAX / units[unit - letters])
		return false;
	*ret_seconds = n * units[unit - letters];
	return true;
}
