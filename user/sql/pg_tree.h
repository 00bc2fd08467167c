/* SPDX-License-Identifier: Apache-2.0 */
/* PostgreSQL's parse tree → facts. */
#pragma once

#include "fact/facts.h"
#include "util/arena.h"
#include "util/err.h"

/* Parses and walks on the stack of the caller, whatever it takes: text is UTF-8 without NUL and has
 * passed the pre-scan. A text that does not parse gives unknown. 0, -ENOMEM. */
ERR_CHECK int pg_tree_facts(
	struct slice text, bool wants_lineage, struct arena *arena, struct facts *ret);
