/* SPDX-License-Identifier: Apache-2.0 */
/* Who may decide a hold, how many it takes, and who does not count any more. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "hold/ballot.h"

enum { OWNER = 1000, APPROVER = 1001, STRANGER = 1002, APPROVERS = 500, OTHERS = 501 };
/* Groups that every host has. */
enum { GID_DAEMON = 1, GID_BIN = 2, GID_SYS = 3 };

static uint32_t lost_uid; /* whom the accounts do not have in any group any more */

static bool member(uint32_t uid, uint32_t gid)
{
	(void)gid;
	return uid != lost_uid;
}

static void begin(void)
{
	lost_uid = UINT32_MAX;
	ballot_set_member_fn(member);
}

static void end(void)
{
	ballot_set_member_fn(NULL);
}

TestSuite(ballot, .init = begin, .fini = end);

static void ballot_of(struct ballot *b, struct ruling r)
{
	r.kind = RULING_HOLD;
	cr_assert_eq(ballot_init(b, &r, OWNER), 0);
}

static struct vote vote_of(uint32_t uid, const uint32_t *gids, size_t n, enum decision_kind kind)
{
	struct vote v = {.uid = uid,
		.kind = kind,
		.by = strdup("somebody"),
		.reason = strdup(""),
		.gids = calloc(n + 1, sizeof(*gids)),
		.n_gids = n};

	for (size_t i = 0; i < n; i++)
		v.gids[i] = gids[i];
	return v;
}

/* Asks, and casts if that may be. */
static int vote(struct ballot *b, struct vote v)
{
	const struct approver a = {
		.uid = v.uid, .gids = v.gids, .n_gids = v.n_gids, .approver_gid = APPROVERS};
	const char *why = NULL;
	int r = ballot_may(b, &a, &v, &why);

	cr_assert_eq(r == 0, why == NULL);
	if (r)
		vote_deinit(&v);
	else
		ballot_cast(b, &v);
	return r;
}

static int approve(struct ballot *b, uint32_t uid, uint32_t gid)
{
	return vote(b, vote_of(uid, &gid, 1, DECISION_APPROVE));
}

Test(ballot, who_may_decide)
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
	struct ballot b;

	ballot_of(&b, (struct ruling){0});
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct vote v = {.kind = DECISION_APPROVE, .uid = rows[i].who.uid};
		struct approver who = rows[i].who;
		const char *why = "";

		who.approver_gid = APPROVERS;
		cr_expect_eq(ballot_may(&b, &who, &v, &why), rows[i].may ? 0 : BALLOT_E_FORBIDDEN,
			"%s", rows[i].name);
		cr_expect_eq(why == NULL, rows[i].may, "%s", rows[i].name);
	}
	ballot_deinit(&b);
}

Test(ballot, names_in_the_rule_replace_the_approvers_group)
{
	static const char *names[] = {"user:nobody-of-that-name", "user:daemon", "group:bin", NULL};
	struct ballot b;

	ballot_of(&b, (struct ruling){.approvers = names, .quorum = 9});
	cr_expect_eq(approve(&b, 1, OTHERS), 0, "a named user");
	cr_expect_eq(approve(&b, STRANGER, GID_BIN), 0, "a member of a named group");
	cr_expect_eq(approve(&b, APPROVER, APPROVERS), BALLOT_E_FORBIDDEN, "the approvers group");
	cr_expect_eq(approve(&b, 0, OTHERS), BALLOT_E_FORBIDDEN, "root, who is not named");
	ballot_deinit(&b);
}

Test(ballot, a_process_that_kept_a_group_its_owner_lost_does_not_count)
{
	struct ballot b;

	ballot_of(&b, (struct ruling){0});
	lost_uid = APPROVER;
	cr_expect_eq(approve(&b, APPROVER, APPROVERS), BALLOT_E_FORBIDDEN);
	ballot_deinit(&b);
}

Test(ballot, quorum_takes_different_people)
{
	struct ballot b;

	ballot_of(&b, (struct ruling){.quorum = 2});
	cr_expect_eq(approve(&b, APPROVER, APPROVERS), 0);
	cr_expect_eq(b.state, BALLOT_OPEN);
	cr_expect_eq(approve(&b, APPROVER, APPROVERS), BALLOT_E_AGAIN);
	cr_expect_eq(b.state, BALLOT_OPEN);
	cr_expect_eq(approve(&b, 0, OTHERS), 0);
	cr_expect_eq(b.state, BALLOT_DECIDED);
	cr_expect_eq(b.kind, DECISION_APPROVE);
	cr_expect_eq(approve(&b, STRANGER, APPROVERS), BALLOT_E_LATE);
	ballot_deinit(&b);
}

Test(ballot, a_person_counts_once_even_if_nobody_asked_first)
{
	struct ballot b;
	const uint32_t gid = APPROVERS;
	struct vote first, again;

	ballot_of(&b, (struct ruling){.quorum = 2});
	first = vote_of(APPROVER, &gid, 1, DECISION_APPROVE);
	again = vote_of(APPROVER, &gid, 1, DECISION_APPROVE);
	cr_expect(!ballot_cast(&b, &first));
	cr_expect(!ballot_cast(&b, &again));
	cr_expect_eq(ballot_approvals(&b), 1);
	cr_expect_eq(b.state, BALLOT_OPEN);
	ballot_deinit(&b);
}

Test(ballot, one_denial_decides_a_quorum)
{
	struct ballot b;
	uint32_t gid = APPROVERS;

	ballot_of(&b, (struct ruling){.quorum = 3});
	cr_expect_eq(approve(&b, APPROVER, APPROVERS), 0);
	/* Whoever approved may think again. */
	cr_expect_eq(vote(&b, vote_of(APPROVER, &gid, 1, DECISION_DENY)), 0);
	cr_expect_eq(b.state, BALLOT_DECIDED);
	cr_expect_eq(b.kind, DECISION_DENY);
	ballot_deinit(&b);
}

Test(ballot, each_group_has_its_seats_and_a_person_fills_one)
{
	static const struct seat seats[] = {{"group:bin", 1}, {"group:sys", 1}, {NULL, 0}};
	static const char *names[] = {"group:bin", "group:sys", NULL};
	static const uint32_t both[] = {GID_BIN, GID_SYS};
	struct ballot b;

	ballot_of(&b,
		(struct ruling){.approvers = names, .quorum = 2, .seats = {seats}, .n_seats = 1});
	cr_expect_eq(approve(&b, 11, GID_BIN), 0);
	cr_expect_eq(approve(&b, 12, GID_BIN), 0);
	cr_expect_eq(b.state, BALLOT_OPEN, "two of bin, none of sys");
	cr_expect_eq(approve(&b, 13, GID_SYS), 0);
	cr_expect_eq(b.state, BALLOT_DECIDED);
	ballot_deinit(&b);

	/* One of both groups takes the seat that the other cannot. */
	ballot_of(&b,
		(struct ruling){.approvers = names, .quorum = 2, .seats = {seats}, .n_seats = 1});
	cr_expect_eq(vote(&b, vote_of(11, both, 2, DECISION_APPROVE)), 0);
	cr_expect_eq(b.state, BALLOT_OPEN, "one person is not two");
	cr_expect_eq(approve(&b, 12, GID_BIN), 0);
	cr_expect_eq(b.state, BALLOT_DECIDED);
	ballot_deinit(&b);
}

Test(ballot, a_reason_is_wanted_where_the_rule_says_so)
{
	struct ballot b;
	uint32_t gid = APPROVERS;
	struct vote v = vote_of(APPROVER, &gid, 1, DECISION_APPROVE);

	ballot_of(&b, (struct ruling){.needs_reason = true});
	cr_expect_eq(approve(&b, APPROVER, APPROVERS), BALLOT_E_REASON);
	free(v.reason);
	v.reason = strdup("  because");
	cr_expect_eq(vote(&b, v), 0);
	ballot_deinit(&b);
}

Test(ballot, breaking_the_glass)
{
	static const char *glass[] = {"group:sys", NULL}, *names[] = {"group:bin", NULL};
	uint32_t sys = GID_SYS, bin = GID_BIN;
	struct ballot b;
	struct vote v;

	ballot_of(&b, (struct ruling){.approvers = names, .break_glass = glass, .quorum = 3});
	cr_expect_eq(approve(&b, 11, GID_SYS), BALLOT_E_FORBIDDEN, "only as what it is");
	v = vote_of(11, &sys, 1, DECISION_APPROVE);
	v.is_break_glass = true;
	cr_expect_eq(vote(&b, v), BALLOT_E_REASON);
	v = vote_of(12, &bin, 1, DECISION_APPROVE);
	v.is_break_glass = true;
	free(v.reason);
	v.reason = strdup("fire");
	cr_expect_eq(vote(&b, v), BALLOT_E_FORBIDDEN);
	v = vote_of(OWNER, &sys, 1, DECISION_APPROVE);
	v.is_break_glass = true;
	free(v.reason);
	v.reason = strdup("fire");
	cr_expect_eq(vote(&b, v), BALLOT_E_FORBIDDEN, "never for one's own run");
	v = vote_of(11, &sys, 1, DECISION_APPROVE);
	v.is_break_glass = true;
	free(v.reason);
	v.reason = strdup("fire");
	cr_expect_eq(vote(&b, v), 0);
	cr_expect_eq(b.state, BALLOT_DECIDED);
	ballot_deinit(&b);
}

Test(ballot, who_lost_the_right_does_not_count)
{
	struct ballot b;
	size_t lost;

	ballot_of(&b, (struct ruling){.quorum = 2});
	approve(&b, APPROVER, APPROVERS);
	approve(&b, STRANGER, APPROVERS);
	cr_expect_eq(b.state, BALLOT_DECIDED);
	lost_uid = APPROVER;
	cr_expect_not(ballot_seal(&b, APPROVERS, &lost));
	cr_expect_eq(lost, 1);
	cr_expect_eq(b.state, BALLOT_OPEN, "it waits again");
	cr_expect_eq(ballot_approvals(&b), 1);
	cr_expect_eq(approve(&b, 0, OTHERS), 0);
	cr_expect(ballot_seal(&b, APPROVERS, &lost));
	cr_expect_eq(b.state, BALLOT_SENT);
	ballot_deinit(&b);
}

Test(ballot, the_narrowest_scope_counts)
{
	static const struct {
		struct scope a, b, want;
	} rows[] = {
		{{SCOPE_RUN, 0}, {SCOPE_RUN, 0}, {SCOPE_RUN, 0}},
		{{SCOPE_RUN, 0}, {SCOPE_ONCE, 0}, {SCOPE_ONCE, 0}},
		{{SCOPE_TIME, 5}, {SCOPE_TIME, 9}, {SCOPE_TIME, 5}},
		{{SCOPE_TIME, 5}, {SCOPE_RUN, 0}, {SCOPE_ONCE, 0}},
		{{SCOPE_ONCE, 0}, {SCOPE_ONCE, 0}, {SCOPE_ONCE, 0}},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t gid = APPROVERS;
		struct vote x = vote_of(APPROVER, &gid, 1, DECISION_APPROVE),
			    y = vote_of(0, &gid, 1, DECISION_APPROVE);
		struct ballot b;
		struct scope got;

		x.scope = rows[i].a;
		y.scope = rows[i].b;
		ballot_of(&b, (struct ruling){.quorum = 2});
		vote(&b, x);
		vote(&b, y);
		got = ballot_scope(&b);
		cr_expect_eq(got.kind, rows[i].want.kind, "row %zu", i);
		if (got.kind == SCOPE_TIME)
			cr_expect_eq(got.for_ms, rows[i].want.for_ms, "row %zu", i);
		ballot_deinit(&b);
	}
}
