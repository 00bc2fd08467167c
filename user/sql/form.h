/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The form of a statement: which of its constants are free, so that an approval may cover others in
 * their place. A constant or a parameter is free if all that is done with it is to be compared with
 * a plain column (=, <>, <, <=, >, >=, IN, BETWEEN), or to be assigned to one (SET, VALUES).
 *
 * Everything else is part of the form, byte for byte: limits, arguments of functions, names,
 * blanks. This is not the shape of shape.h, which only says that two texts parse alike.
 */
#pragma once

#include "util/arena.h"
#include "util/err.h"

enum { FORM_FREE_MAX = 64, FORM_TEXT_MAX = 2048, FORM_PARAMS_MAX = 64 };

struct form {
	struct slice
		key; /* the text with free constants taken out, the kind of each in its place */
	struct slice free[FORM_FREE_MAX]; /* each as "column op value", in the order of the text */
	size_t n_free;
	uint64_t free_params; /* bit n - 1: every use of $n is free */
};

enum { FORM_E_NONE = 1 }; /* not one SELECT, INSERT, UPDATE or DELETE of the plainest tokens */

/* Everything in *ret lives in the arena. The text passed sql_classify() as one statement without
 * anything unknown. 0, FORM_E_NONE, -ENOMEM. */
ERR_CHECK int sql_form(struct slice text, struct arena *arena, struct form *ret);
