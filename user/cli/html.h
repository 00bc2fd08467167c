/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages that a person opens in a browser, far from here: one file, nothing loaded from anywhere, no
 * script. Whatever a stranger wrote is text in them: every value goes through html_text(), and the
 * page's own policy (CSP) forbids what would not need it.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "util/slice.h"

struct html {
	FILE *f;
	char *path, *part; /* it is written beside, and renamed when it is whole */
};

/* Begins a page; title is text. 0 or a cli_exit, having said why. */
int html_open(struct html *h, const char *path, const char *title);
/* Ends it and puts it in its place. 0 or a cli_exit. */
int html_close(struct html *h);
/* Gives up what was not closed. */
void html_deinit(struct html *h);

/* Text of whomever; control characters and what hides are shown as what they are. */
void html_text(struct html *h, struct slice s);
void html_str(struct html *h, const char *s);
/* Markup of ours; no values. */
void html_raw(struct html *h, const char *markup);
/* A cell of a table: class may be NULL. */
void html_cell(struct html *h, const char *class, struct slice s);
void html_cell_number(struct html *h, int64_t n);
void html_cell_time(struct html *h, int64_t at_ns);
/* A row of a two-column table. */
void html_fact(struct html *h, const char *name, struct slice value);
