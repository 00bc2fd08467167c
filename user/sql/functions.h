/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known about PostgreSQL's own functions: functions.def and harmless.def.
 *
 * Names only: which overload runs, and whether somebody put a function of the same name into a
 * schema that the server searches first, is not visible in a text. Both need CREATE FUNCTION or a
 * changed search_path, which are `define` and `admin`, hence seen when they are made through us.
 */
#pragma once

#include "fact/facts.h"

enum function_object { FUNCTION_NONE, FUNCTION_NAME, FUNCTION_ARG };
/* What a ROLLBACK does to what it did: see functions.def. */
enum function_after { FUNCTION_ROLLS, FUNCTION_STAYS, FUNCTION_TAKES_ID };

struct function_info {
	const char *name;
	enum effect effect;
	enum function_object object;
	enum function_after after;
};

/* A function that only computes. */
bool sql_function_is_harmless(struct slice name);
/* One that the information schema is made of; they compute. Drivers call them by their full names,
 * where a superuser could have put another one. */
bool sql_function_is_information(struct slice schema, struct slice name);
/* A function that is known to do more, or NULL. */
const struct function_info *sql_function_find(struct slice name);

/* True if the row stands for all names that begin like this. */
static inline bool sql_function_is_prefix(const struct function_info *f)
{
	return f->name[strlen(f->name) - 1] == '*';
}
