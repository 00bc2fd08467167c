/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of expected rulings, kept beside a policy as NAME.expect. One row a line, `#` begins a
 * comment, words are separated by blanks:
 *
 *   RULING [run=NAME] [role=NAME] [database=NAME] WHAT [rule=NAME]
 *
 * WHAT is either one pair of facts, or a command as the agent would send it:
 *
 *   delete [bounded=true|false] RESOURCE:public.orders
 *   session RESOURCE                  no object
 *   read RESOURCE:?                   an object that could be anything
 *   RESOURCE "DELETE FROM orders"     \" and \\ inside the quotes
 */
#pragma once

#include "policy/policy.h"
#include "util/arena.h"

struct expect_row {
	unsigned line;
	enum ruling_kind kind;
	struct policy_subject subject;
	struct fact fact; /* when sql.p is NULL */
	struct slice sql;
	struct slice rule; /* empty: any */
	struct slice text; /* the row as written */
};

/*
 * Reads the whole table; errors are in the diag, all of them. Rows live in the arena, their texts
 * in `text` or the arena. 0, POLICY_E_BAD, -errno.
 */
ERR_CHECK int expect_parse(struct slice text, const struct policy *p, struct arena *a,
	struct diag *d, struct expect_row **ret, size_t *ret_n);
/* Is this the ruling that the row expects? */
bool expect_is_met(const struct expect_row *row, const struct ruling *r);
