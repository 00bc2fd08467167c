/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser thread: long or deeply nested text is parsed on a thread with a stack that fits
 * (SQL_PARSER_STACK), never on an event loop. The answer comes as MAIL_FACTS to the worker.
 */
#pragma once

#include "session/enforcer.h"
#include "util/slice.h"

struct parser;

enum { PARSER_E_FULL = 1 };

/* Starts the thread; borrows the enforcer. 0, -errno. */
ERR_CHECK int parser_new(struct enforcer *e, struct parser **ret);
/* Waits for the text at hand; forgets those that wait. */
struct parser *parser_free(struct parser *p);
/* Copies the text. Runs have their turns. 0, PARSER_E_FULL (too many of this run wait), -ENOMEM. */
ERR_CHECK int parser_ask(struct parser *p, uint64_t run, unsigned worker, uint64_t session,
	uint64_t seq, struct slice text);
