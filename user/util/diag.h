/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages for people about a file they wrote: file:line:col, all of them in one run.
 * Used where text is parsed for a person (policy, config, CLI) and nowhere else.
 */
#pragma once

#include <stdio.h>

#include "util/slice.h"

enum { DIAG_MAX = 50 }; /* further ones are counted, not kept */

struct diag_entry {
	unsigned line, col; /* from 1; 0 = the whole file */
	char text[256];
};

struct diag {
	const char *file;    /* borrowed */
	struct slice source; /* borrowed; for the line and caret; may be empty */
	size_t n;            /* all errors, also those beyond DIAG_MAX */
	struct diag_entry entries[DIAG_MAX];
};

void diag_init(struct diag *d, const char *file, struct slice source);
void diag_add(struct diag *d, unsigned line, unsigned col, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Prints `file:line:col: error: text`, the source line and a caret, for each. */
void diag_print(const struct diag *d, FILE *to);
/* The word of the NULL-terminated list nearest to `word`, or NULL if none is near: "did you mean".
 */
const char *diag_nearest(struct slice word, const char *const *list);
