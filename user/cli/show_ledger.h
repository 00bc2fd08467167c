/* SPDX-License-Identifier: Apache-2.0 */
/* How `audit` and `replay` open the ledger and show what is in it: text of agents made safe. */
#pragma once

#include <stdio.h>

#include "audit/query.h"

/* Opens path, or the usual ledger if it is NULL; says what is wrong and returns a cli_exit. */
int show_ledger_open(const char *path, struct query **ret);
void show_ledger_closep(struct query **q);
/* Says why a query_*() failed; returns a cli_exit. */
int show_ledger_explain(int r);

/* Local time, "2026-01-31 14:03:07.123"; buf of SHOW_TIME_MAX. Returns buf. */
enum { SHOW_TIME_MAX = 32 };
const char *show_time(char *buf, int64_t at_ns);

/* One line of a table, with a head line before the first. columns: of the terminal. */
void show_ledger_head(FILE *to, enum query_what what, unsigned columns);
void show_ledger_row(
	FILE *to, enum query_what what, unsigned columns, const struct query_row *row, bool is_tty);
/* One JSON object on a line. */
int show_ledger_json(FILE *to, const struct query_row *row);
/* A line of RFC 4180; the names of the columns if is_head. On a terminal control characters are
 * escaped. */
void show_ledger_csv(FILE *to, const struct query_row *row, bool is_head, bool is_tty);
