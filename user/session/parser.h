/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser thread: long or deeply nested text is parsed on a thread with a stack that fits
 * (SQL_PARSER_STACK), never on an event loop. The answer comes as MAIL_FACTS to the worker.
 */
#pragma once

#include "session/enforcer.h"
#include "util/slice.h"

struct parser;

/* Starts the thread; borrows the enforcer. 0, -errno. */
ERR_CHECK int parser_new(struct enforcer *e, struct parser **ret);
/* Waits for the text at hand; forgets those that wait. */
struct parser *parser_free(struct parser *p);
/* Copies the text. 0, -ENOMEM, -EAGAIN (too many waiting). */
ERR_CHECK int parser_ask(
	struct parser *p, unsigned worker, uint64_t session, uint64_t seq, struct slice text);
