/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A JSON writer into a growing, bounded buffer. Commas and nesting are kept by the writer; a full
 * buffer sets `bad`. Strings are escaped; bytes that are not UTF-8 become U+FFFD, so that what
 * agents sent can never break the reader of the output. (jsonw_: jansson, which the command line
 * tool reads answers with, owns the names that begin with json_.)
 */
#pragma once

#include "util/buf.h"

struct json {
	struct buf out;
	bool bad;
	bool need_comma;
};

void jsonw_init(struct json *j, size_t max);
void jsonw_deinit(struct json *j);
/* The finished text; empty if anything went wrong. Borrowed until the next call. */
struct slice jsonw_done(struct json *j);

/* key is NULL inside arrays and at the top. */
void jsonw_object(struct json *j, const char *key);
void jsonw_object_end(struct json *j);
void jsonw_array(struct json *j, const char *key);
void jsonw_array_end(struct json *j);
void jsonw_string(struct json *j, const char *key, struct slice value);
void jsonw_int(struct json *j, const char *key, int64_t value);
void jsonw_uint(struct json *j, const char *key, uint64_t value);
void jsonw_bool(struct json *j, const char *key, bool value);
void jsonw_null(struct json *j, const char *key);
/* A value that such a writer made before. */
void jsonw_made(struct json *j, const char *key, struct slice json);
