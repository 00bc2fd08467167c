/* SPDX-License-Identifier: Apache-2.0 */
/* JSON writer: see json.h. */
#include "util/json.h"

#include <inttypes.h>
#include <stdio.h>

#include "util/utf8.h"

void jsonw_init(struct json *j, size_t max)
{
	*j = (struct json){0};
	buf_init(&j->out, max);
}

void jsonw_deinit(struct json *j)
{
	buf_deinit(&j->out);
}

struct slice jsonw_done(struct json *j)
{
	return j->bad ? SLICE_NULL : buf_slice(&j->out);
}

static void json_raw(struct json *j, struct slice s)
{
	if (!j->bad && buf_put(&j->out, s))
		j->bad = true;
}

static void json_quoted(struct json *j, struct slice s)
{
	json_raw(j, SLICE_LIT("\""));
	while (s.n) {
		size_t plain = 0, len;
		uint32_t code;
		char esc[8];

		while (plain < s.n && s.p[plain] >= 0x20 && s.p[plain] < 0x7f &&
			s.p[plain] != '"' && s.p[plain] != '\\')
			plain++;
		json_raw(j, slice_head(s, plain));
		s = slice_skip(s, plain);
		if (!s.n)
			break;
		len = utf8_decode(s, &code);
		if (!len) {
			json_raw(j, SLICE_LIT("\\ufffd"));
			len = 1;
		} else if (code < 0x20 || code == '"' || code == '\\' || code == 0x7f) {
			snprintf(esc, sizeof(esc), "\\u%04x", code);
			json_raw(j, slice_str(esc));
		} else {
			json_raw(j, slice_head(s, len));
		}
		s = slice_skip(s, len);
	}
	json_raw(j, SLICE_LIT("\""));
}

static void json_begin(struct json *j, const char *key)
{
	if (j->need_comma)
		json_raw(j, SLICE_LIT(","));
	j->need_comma = true;
	if (!key)
		return;
	json_quoted(j, slice_str(key));
	json_raw(j, SLICE_LIT(":"));
}

static void json_open(struct json *j, const char *key, const char *bracket)
{
	json_begin(j, key);
	json_raw(j, slice_str(bracket));
	j->need_comma = false;
}

static void json_close(struct json *j, const char *bracket)
{
	json_raw(j, slice_str(bracket));
	j->need_comma = true;
}

void jsonw_object(struct json *j, const char *key)
{
	json_open(j, key, "{");
}

void jsonw_object_end(struct json *j)
{
	json_close(j, "}");
}

void jsonw_array(struct json *j, const char *key)
{
	json_open(j, key, "[");
}

void jsonw_array_end(struct json *j)
{
	json_close(j, "]");
}

void jsonw_string(struct json *j, const char *key, struct slice value)
{
	json_begin(j, key);
	json_quoted(j, value);
}

void jsonw_int(struct json *j, const char *key, int64_t value)
{
	char text[24];

	json_begin(j, key);
	snprintf(text, sizeof(text), "%" PRId64, value);
	json_raw(j, slice_str(text));
}

void jsonw_uint(struct json *j, const char *key, uint64_t value)
{
	char text[24];

	json_begin(j, key);
	snprintf(text, sizeof(text), "%" PRIu64, value);
	json_raw(j, slice_str(text));
}

void jsonw_bool(struct json *j, const char *key, bool value)
{
	json_begin(j, key);
	json_raw(j, value ? SLICE_LIT("true") : SLICE_LIT("false"));
}

void jsonw_null(struct json *j, const char *key)
{
	json_begin(j, key);
	json_raw(j, SLICE_LIT("null"));
}

void jsonw_made(struct json *j, const char *key, struct slice json)
{
	json_begin(j, key);
	json_raw(j, json);
}
