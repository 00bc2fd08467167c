/* SPDX-License-Identifier: Apache-2.0 */
/* Showing answers: see text.h. */
#include "cli/text.h"

#include <inttypes.h>
#include <stdlib.h>

#include "util/cleanup.h"
#include "util/utf8.h"

const char *text_duration(char *buf, uint64_t s)
{
	const uint64_t min = 60, hour = 60 * min, day = 24 * hour;

	if (s < min)
		snprintf(buf, TEXT_DURATION_MAX, "%" PRIu64 " s", s);
	else if (s < hour)
		snprintf(buf, TEXT_DURATION_MAX, "%" PRIu64 " min %" PRIu64 " s", s / min, s % min);
	else if (s < day)
		snprintf(buf, TEXT_DURATION_MAX, "%" PRIu64 " h %" PRIu64 " min", s / hour,
			s % hour / min);
	else
		snprintf(buf, TEXT_DURATION_MAX, "%" PRIu64 " d %" PRIu64 " h", s / day % 100000,
			s % day / hour);
	return buf;
}

struct slice text_field(const json_t *j, const char *key)
{
	const json_t *v = json_object_get(j, key);

	return json_is_string(v) ? slice_of(json_string_value(v), json_string_length(v))
				 : SLICE_NULL;
}

uint64_t text_number(const json_t *j, const char *key)
{
	json_int_t v = json_integer_value(json_object_get(j, key));

	return v > 0 ? (uint64_t)v : 0;
}

void text_print(FILE *to, const json_t *j, const char *key, size_t max)
{
	const json_t *v = json_object_get(j, key);

	if (json_is_string(v))
		utf8_print_safe(to, text_field(j, key), false, max);
	else if (json_is_integer(v))
		fprintf(to, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
}

void text_print_json(FILE *to, const json_t *j)
{
	_cleanup_(freep) char *line = json_dumps(j, JSON_COMPACT | JSON_ENSURE_ASCII);

	if (line)
		fprintf(to, "%s\n", line);
}
