/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass over a text before PostgreSQL's lexer sees it. That lexer reads some input again and
 * again: every sign of a run like `+++++` re-reads the rest of the run, and so does every nested
 * comment of a run like `/` `*` `/` `*`. 128 KB of it take seconds.
 */
#pragma once

#include "util/slice.h"

enum prescan {
	PRESCAN_QUICK, /* costs what its length says */
	PRESCAN_SLOW,  /* some ten milliseconds: not on an event loop */
	/* must not be parsed at all; also NUL bytes, which end the parser's string */
	PRESCAN_HOPELESS,
};

/* Pure; one pass, whatever the text. */
enum prescan sql_prescan(struct slice text);
