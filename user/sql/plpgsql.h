/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a PL/pgSQL body does, by reading its statements, not its grammar: the queries in it are cut
 * out and judged by PostgreSQL's own parser, what is left is looked through for calls, and any word
 * that could mean something else (EXECUTE, CALL, SET, COMMIT, definitions …) makes it unknown.
 *
 * Not pg_query_parse_plpgsql(): its own authors call it partial, and the text is the agent's.
 */
#pragma once

#include "fact/facts.h"
#include "util/arena.h"
#include "util/err.h"

/* Needs SQL_PARSER_STACK. 0, -ENOMEM. */
ERR_CHECK int sql_plpgsql_facts(struct slice body, struct arena *arena, struct facts *ret);
