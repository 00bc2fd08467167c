/* SPDX-License-Identifier: Apache-2.0 */
/* What a COPY … TO STDOUT writes, for those who mask its rows. */
#pragma once

#include "fact/copy.h"
#include "util/arena.h"
#include "util/err.h"

enum { SQL_E_NOT_COPY = 4 };

/*
 * `text` is one COPY TO STDOUT and nothing else, in a form that can be followed: *ret_query, in the
 * arena or the text, is a query with the same columns (but those that a table computes by itself,
 * which COPY leaves out), *ret how the rows are written. 0; SQL_E_NOT_COPY: anything else, also
 * what is too long or deep to be parsed here; -ENOMEM. The caller knows that the text can be read
 * as it stands (protocol.lexing).
 */
ERR_CHECK int sql_copy_out(
	struct slice text, struct arena *arena, struct slice *ret_query, struct copy_format *ret);
