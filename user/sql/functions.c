/* SPDX-License-Identifier: Apache-2.0 */
/* Known functions: see functions.h. */
#include "sql/functions.h"

#define N_OF(table) (sizeof(table) / sizeof((table)[0]))

static const char *const function_harmless[] = {
#define HARMLESS(name) name,
#include "sql/harmless.def"
#undef HARMLESS
};

static const struct function_info function_table[] = {
#define FUNCTION(name, effect, object, after)                                                      \
	{name, EFFECT_##effect, FUNCTION_##object, FUNCTION_##after},
#include "sql/functions.def"
#undef FUNCTION
};

static int function_compare(struct slice a, const char *b)
{
	size_t n = strlen(b), common = a.n < n ? a.n : n;
	int order = memcmp(a.p, b, common);

	return order ? order : (a.n > n) - (a.n < n);
}

bool sql_function_is_harmless(struct slice name)
{
	size_t low = 0, high = N_OF(function_harmless);

	while (name.n && low < high) {
		size_t mid = low + (high - low) / 2;
		int order = function_compare(name, function_harmless[mid]);

		if (!order)
			return true;
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return false;
}

bool sql_function_is_information(struct slice schema, struct slice name)
{
	static const char *const names[] = {"_pg_char_max_length", "_pg_char_octet_length",
		"_pg_datetime_precision", "_pg_expandarray", "_pg_index_position",
		"_pg_interval_type", "_pg_numeric_precision", "_pg_numeric_precision_radix",
		"_pg_numeric_scale", "_pg_truetypid", "_pg_truetypmod"};

	for (size_t i = 0; i < N_OF(names) && slice_eq_str(schema, "information_schema"); i++)
		if (slice_eq_str(name, names[i]))
			return true;
	return false;
}

const struct function_info *sql_function_find(struct slice name)
{
	for (size_t i = 0; i < N_OF(function_table); i++) {
		const struct function_info *f = &function_table[i];
		size_t n = strlen(f->name);

		if (sql_function_is_prefix(f) ? name.n >= n - 1 && !memcmp(name.p, f->name, n - 1)
					      : slice_eq_str(name, f->name))
			return f;
	}
	return NULL;
}
