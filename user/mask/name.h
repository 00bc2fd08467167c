/* SPDX-License-Identifier: Apache-2.0 */
/* Names of columns and tables as agents and policies write them. Not for other layers. */
#pragma once

#include "fact/masking.h"
#include "util/slice.h"

enum { NAME_MAX_LEN = 256 };

/*
 * Takes the last component off a dotted name, as the agent or a policy writes it: `public."We.ird"`
 * has two. The text without its quotes goes to buf. False: not a name.
 */
bool name_pop(struct slice *name, char buf[static NAME_MAX_LEN], struct slice *ret);
/* Does any pattern of the rule name that column? */
bool name_fits_rule(
	const struct mask_rule *rule, struct slice schema, struct slice table, struct slice column);
