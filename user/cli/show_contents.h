/* SPDX-License-Identifier: Apache-2.0 */
/* Contents of replies, part by part, for people. */
#pragma once

#include "audit/contents.h"

enum { SHOW_CONTENTS_MAX = 16 * 1024 }; /* of one reply, among other things */

struct show_contents {
	uint64_t request, next; /* next: the part that should come */
	uint64_t n_shown;       /* bytes of this reply */
	struct buf text;
	bool is_inside; /* a line */
};

void show_contents_init(struct show_contents *c);
void show_contents_deinit(struct show_contents *c);
/* The text of the next part of a reply, as much of it as is still to be shown; empty: no more.
 * Damaged and missing parts are said in words. Valid until the next call. */
struct slice show_contents_part(
	struct show_contents *c, const struct record_content *part, uint64_t max);
/* Prints it, each line behind `bar`, safe for a terminal; the last one stays open. */
void show_contents_print(struct show_contents *c, struct slice text, const char *bar);
/* Ends the line, and says what was left out of a reply with so many bytes. */
void show_contents_end(
	struct show_contents *c, uint64_t request, uint64_t contents_len, const char *bar);
