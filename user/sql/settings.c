/* SPDX-License-Identifier: Apache-2.0 */
/* Harmless settings: see settings.h. */
#include "sql/settings.h"

#include <ctype.h>

static const struct {
	const char *name, *values;
} setting_table[] = {
#define SETTING(name, values) {name, values},
#include "sql/settings.def"
#undef SETTING
};

/* The server reads UTF-8, utf8 and "Utf 8" alike. */
static bool setting_same(struct slice value, const char *word, size_t word_len)
{
	size_t at = 0;

	for (size_t i = 0; i < value.n; i++) {
		if (!isalnum(value.p[i]) && value.p[i] != '_')
			continue;
		if (value.p[i] == '_' && !(at < word_len && word[at] == '_'))
			continue;
		if (at >= word_len || tolower(value.p[i]) != word[at++])
			return false;
	}
	return at == word_len && at > 0;
}

static bool setting_value_is_listed(struct slice value, const char *values)
{
	while (*values) {
		size_t n = strcspn(values, " ");

		if (setting_same(value, values, n))
			return true;
		values += n;
		values += strspn(values, " ");
	}
	return false;
}

bool sql_setting_is_harmless(struct slice name, struct slice value, bool *ret_looked)
{
	for (size_t i = 0; i < sizeof(setting_table) / sizeof(setting_table[0]); i++) {
		if (!slice_caseeq_str(name, setting_table[i].name))
			continue;
		if (!setting_table[i].values)
			return true;
		if (ret_looked)
			*ret_looked = true;
		return setting_value_is_listed(value, setting_table[i].values);
	}
	return false;
}
