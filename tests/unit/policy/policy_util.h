/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the policy tests: policies from text, rulings in one call. */
#pragma once

#include <criterion/criterion.h>

#include "policy/model.h"

/* The policy, or a failed test with all errors printed. */
struct policy *pt_policy(const char *text);
/* The errors as "line:col: text\n" lines (whole-file ones as "0:0: …"); "" when there are none. */
const char *pt_errors(const char *text, unsigned flags, char *buf, size_t n);

/* An object of NULL is none, "?" is one that could be anything. */
struct fact pt_fact(enum effect e, const char *object, enum tri bounded);
struct ruling pt_rule(const struct policy *p, const char *resource, struct fact f);
