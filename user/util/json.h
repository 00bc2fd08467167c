/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A JSON writer into a growing, bounded buffer. Commas and nesting are kept by the writer; a full
 * buffer sets `bad`. Strings are escaped; bytes that are not UTF-8 become U+FFFD, so that what
 * agents sent can never break the reader of the output.
 */
#pragma once

#include "util/buf.h"

struct json {
	struct buf out;
	bool bad;
	bool need_comma;
};

/* jansson, which the command line tool reads answers with, has functions of these names: ours must
 * not take their place inside of it. */
#pragma GCC visibility push(hidden)

void json_init(struct json *j, size_t max);
void json_deinit(struct json *j);
/* The finished text; empty if anything went wrong. Borrowed until the next call. */
struct slice json_done(struct json *j);

/* key is NULL inside arrays and at the top. */
void json_object(struct json *j, const char *key);
void json_object_end(struct json *j);
void json_array(struct json *j, const char *key);
void json_array_end(struct json *j);
void json_string(struct json *j, const char *key, struct slice value);
void json_int(struct json *j, const char *key, int64_t value);
void json_uint(struct json *j, const char *key, uint64_t value);
void json_bool(struct json *j, const char *key, bool value);
void json_null(struct json *j, const char *key);

#pragma GCC visibility pop
