/* SPDX-License-Identifier: Apache-2.0 */
/* The registry of holds, and who may decide one. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "hold/hold.h"

enum { OWNER = 1000, APPROVER = 1001, STRANGER = 1002, APPROVERS = 500, OTHERS = 501 };

static struct hold *hold_new(uint64_t id)
{
	struct hold *h = calloc(1, sizeof(*h));

	h->view.id = id;
	h->view.owner_uid = OWNER;
	h->view.text = strdup("DROP TABLE orders");
	return h;
}

/* NULL-terminated names as a rule's `approvers:` has them. */
static void hold_name(struct hold *h, const char *const *names, size_t n)
{
	h->view.approvers = calloc(n + 1, sizeof(char *));
	for (size_t i = 0; i < n; i++)
		h->view.approvers[i] = strdup(names[i]);
}

Test(hold, is_found_until_it_is_taken)
{
	struct hold_table t;
	struct hold *h = hold_new(42);

	hold_table_init(&t, 2);
	cr_assert_eq(hold_park(&t, h), 0);
	cr_assert_eq(hold_park(&t, hold_new(43)), 0);
	cr_expect_eq(hold_park(&t, hold_new(44)), HOLD_E_FULL);
	cr_expect_eq(hold_find(&t, 42), h);
	cr_expect_null(hold_find(&t, 44));
	cr_expect_eq(hold_take(&t, 42), h);
	cr_expect_null(hold_take(&t, 42), "exactly one outcome");
	cr_expect_null(hold_find(&t, 42));
	hold_free(h);
	hold_table_deinit(&t);
}

Test(hold, who_may_decide)
{
	static const uint32_t approvers[] = {OTHERS, APPROVERS}, others[] = {OTHERS};
	static const struct {
		const char *name;
		struct approver who;
		bool may;
	} rows[] = {
		{"an approver", {.uid = APPROVER, .gids = approvers, .n_gids = 2}, true},
		{"root", {.uid = 0, .gids = others, .n_gids = 1}, true},
		{"a stranger", {.uid = STRANGER, .gids = others, .n_gids = 1}, false},
		{"no groups", {.uid = STRANGER}, false},
		{"the owner", {.uid = OWNER, .gids = approvers, .n_gids = 2}, false},
		{"the owner, where that is allowed",
			{.uid = OWNER, .gids = approvers, .n_gids = 2, .may_self = true}, true},
		{"may_self makes no approver",
			{.uid = OWNER, .gids = others, .n_gids = 1, .may_self = true}, false},
		{"an approver inside a run",
			{.uid = APPROVER, .gids = approvers, .n_gids = 2, .is_in_run = true},
			false},
		{"root inside a run", {.uid = 0, .is_in_run = true, .may_self = true}, false},
	};
	struct hold *h = hold_new(1);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct approver who = rows[i].who;
		const char *why = "";

		who.approver_gid = APPROVERS;
		cr_expect_eq(hold_may(h, &who, &why), rows[i].may ? 0 : HOLD_E_FORBIDDEN, "%s",
			rows[i].name);
		cr_expect_eq(why == NULL, rows[i].may, "%s", rows[i].name);
	}
	hold_free(h);
}

Test(hold, names_in_the_rule_replace_the_approvers_group)
{
	static const char *const names[] = {"user:nobody-of-that-name", "user:daemon", "group:bin"};
	static const uint32_t approvers[] = {APPROVERS}, bin[] = {2}, none[] = {OTHERS};
	static const struct {
		const char *name;
		struct approver who;
		bool may;
	} rows[] = {
		{"a named user", {.uid = 1, .gids = none, .n_gids = 1}, true},
		{"a member of a named group", {.uid = STRANGER, .gids = bin, .n_gids = 1}, true},
		{"the approvers group", {.uid = APPROVER, .gids = approvers, .n_gids = 1}, false},
		{"root, who is not named", {.uid = 0, .gids = none, .n_gids = 1}, false},
	};
	struct hold *h = hold_new(1);

	hold_name(h, names, 3);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct approver who = rows[i].who;
		const char *why;

		who.approver_gid = APPROVERS;
		cr_expect_eq(hold_may(h, &who, &why), rows[i].may ? 0 : HOLD_E_FORBIDDEN, "%s",
			rows[i].name);
	}
	hold_free(h);
}
