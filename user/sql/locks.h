/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which locks a session of the server holds, and who waits behind it: for the person who keeps its
 * transaction open by not deciding. Sans-I/O, one question, as in impact.h; no right but LOGIN is
 * needed for it. Row locks are not in it: the server keeps no list of those.
 */
#pragma once

#include <stdio.h>

#include "util/arena.h"
#include "util/err.h"
#include "util/json.h"

enum { LOCKS_TABLES_MAX = 64, LOCKS_WORDS_MAX = 2048, LOCKS_E_BAD = 1 };

struct lock_table {
	struct slice name, mode;
};

struct locks {
	struct arena arena;
	char backend[16];
	char role[64];
	struct slice params[2];
	struct lock_table tables[LOCKS_TABLES_MAX];
	size_t n_tables, n_left_out;
	uint64_t n_advisory, n_waiting, waiting_s; /* waiting_s: the longest; 0 where unknown */
	bool is_found;                             /* the server has such a session */
	bool has_failed;
};

/* backend: the process that the server says serves the session of that role. */
void locks_init(struct locks *l, uint32_t backend, const char *role);
void locks_deinit(struct locks *l);
/* The question; its parameters are l->params, both of them. */
struct slice locks_question(void);
/* 0, LOCKS_E_BAD, -ENOMEM. */
ERR_CHECK int locks_row(struct locks *l, const struct slice *columns, size_t n);
void locks_write_json(const struct locks *l, struct json *j);
void locks_write_words(const struct locks *l, FILE *f);
