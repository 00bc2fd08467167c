/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon says of itself and its holds, as JSON. */
#pragma once

#include "ctl/server.h"

/* What goes into an object about a hold, wherever it goes: a string (NULL: empty), and "h42". */
void report_string(struct json *j, const char *key, const char *value);
void report_id(struct json *j, uint64_t hold);

/* One object: what `holdfast status --json` prints. */
void report_status(struct ctl *c, struct json *j);
enum { REPORT_TEXT_MAX = 64 * 1024 };

/* One hold as approvers see it; is_event adds `"event":"hold"`. Of the statement at most text_max
 * bytes, of its parameters a quarter of that: text_len and the ledger have the whole. */
void report_hold(const struct hold *h, const struct hold_past *past, bool is_event, size_t text_max,
	struct json *j);
/* How many bytes of a statement those who watch are sent at most. */
size_t report_shown(const char *text, size_t text_len);
/* `"event":"end"` of a hold, for those who watch. */
void report_end(uint64_t hold, const char *outcome, struct json *j);
enum { REPORT_HASH_MAX = 25 };
/* What an approval is bound to, as people and `seen` have it. */
void report_hash(const struct hold_view *v, char buf[REPORT_HASH_MAX]);
