/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every order of what can happen to a hold, enumerated: two approvers, the disk, the worker, the
 * client, the policy, the accounts, the end of the daemon. The two sides (control thread, worker)
 * are the real code of ballot.c and fate.c, with the two queues between them as a step each.
 *
 * In each order: one outcome, recorded once; a request runs only if enough different people who may
 * have agreed, on disk, and nothing that they agreed to has changed.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "hold/ballot.h"
#include "hold/fate.h"

enum { ANN = 101, BOB = 102, GID = 500, DEPTH = 6 };

enum step {
	STEP_ANN_APPROVES,
	STEP_BOB_APPROVES,
	STEP_BOB_DENIES,
	STEP_ANN_LOSES_RIGHT,
	STEP_COMMIT,  /* the votes are on disk; the control thread sends what is decided */
	STEP_DELIVER, /* the worker reads the decision */
	STEP_GRANT,   /* a grant that covers it arrives at the worker */
	STEP_TIMEOUT,
	STEP_CANCEL,
	STEP_DISCONNECT,
	STEP_RELOAD_SAME,
	STEP_RELOAD_DENIES,
	STEP_RELOAD_TERMS,
	STEP_CHANGE, /* the session is not what it was */
	STEP_RESTART,
	STEP_N
};

static bool ann_may;

static bool member(uint32_t uid, uint32_t gid)
{
	(void)gid;
	return uid != ANN || ann_may;
}

struct model {
	struct ballot ballot;
	/* the queue to the worker */
	bool is_sent;
	enum decision_kind sent;
	/* the worker */
	enum hold_outcome outcome;
	unsigned n_recorded;
	struct hold_now now;
	bool is_down;
	/* what was true when it counted */
	size_t people_when_sent;
	bool all_committed;
};

static uint32_t gids[] = {GID};

static void model_vote(struct model *m, uint32_t uid, enum decision_kind kind)
{
	struct vote v = {.uid = uid, .kind = kind, .gids = NULL};
	const struct approver a = {.uid = uid, .gids = gids, .n_gids = 1, .approver_gid = GID};
	const char *why;

	if (m->is_down || m->outcome != HOLD_OPEN || ballot_may(&m->ballot, &a, &v, &why))
		return;
	v.gids = malloc(sizeof(gids));
	memcpy(v.gids, gids, sizeof(gids));
	v.n_gids = 1;
	ballot_cast(&m->ballot, &v);
	m->all_committed = false;
}

static void model_commit(struct model *m)
{
	size_t lost;

	m->all_committed = true;
	if (m->ballot.state != BALLOT_DECIDED || m->is_down || !ballot_seal(&m->ballot, GID, &lost))
		return;
	cr_assert_not(m->is_sent, "one decision is sent once");
	m->is_sent = true;
	m->sent = m->ballot.kind;
	m->people_when_sent = ballot_approvals(&m->ballot);
	cr_assert(m->sent == DECISION_DENY || ann_may || m->people_when_sent < 2,
		"a person who lost the right was counted");
}

static void model_meet(struct model *m, enum hold_event event)
{
	enum hold_outcome o;

	if (m->is_down || m->outcome != HOLD_OPEN)
		return;
	o = hold_meet(event, &m->now);
	if (o == HOLD_OPEN)
		return;
	m->outcome = o;
	m->n_recorded++;
}

static void model_step(struct model *m, enum step step)
{
	switch (step) {
	case STEP_ANN_APPROVES:
		model_vote(m, ANN, DECISION_APPROVE);
		return;
	case STEP_BOB_APPROVES:
		model_vote(m, BOB, DECISION_APPROVE);
		return;
	case STEP_BOB_DENIES:
		model_vote(m, BOB, DECISION_DENY);
		return;
	case STEP_ANN_LOSES_RIGHT:
		ann_may = false;
		return;
	case STEP_COMMIT:
		model_commit(m);
		return;
	case STEP_DELIVER:
		if (m->is_sent)
			model_meet(m, m->sent == DECISION_APPROVE ? HOLD_EV_APPROVE : HOLD_EV_DENY);
		return;
	case STEP_GRANT:
		model_meet(m, HOLD_EV_GRANT);
		return;
	case STEP_TIMEOUT:
		model_meet(m, HOLD_EV_TIMEOUT);
		return;
	case STEP_CANCEL:
		model_meet(m, HOLD_EV_CANCEL);
		return;
	case STEP_DISCONNECT:
		model_meet(m, HOLD_EV_DISCONNECT);
		return;
	case STEP_RELOAD_SAME:
		model_meet(m, HOLD_EV_RELOAD);
		return;
	case STEP_RELOAD_DENIES:
		m->now.denies = true;
		model_meet(m, HOLD_EV_RELOAD);
		return;
	case STEP_RELOAD_TERMS:
		m->now.same_terms = false;
		model_meet(m, HOLD_EV_RELOAD);
		return;
	case STEP_CHANGE:
		m->now.is_unchanged = false;
		return;
	case STEP_RESTART:
		m->is_down = true;
		return;
	case STEP_N:
		break;
	}
}

static void model_check(const struct model *m, const enum step *steps, size_t n)
{
	enum hold_outcome o = m->outcome;
	unsigned recorded = m->n_recorded;

	/* What the scribe does at the next start, and only for what is open. */
	if (o == HOLD_OPEN && m->is_down) {
		o = HOLD_STOPPED;
		recorded++;
	}
	cr_assert(recorded == (o != HOLD_OPEN), "recorded %u times after %zu steps from %d",
		recorded, n, steps[0]);
	if (o == HOLD_APPROVED)
		cr_assert(m->is_sent && m->people_when_sent >= m->ballot.terms.quorum);
}

static void model_walk(size_t quorum, enum step *steps, size_t n)
{
	struct ruling ruling = {.kind = RULING_HOLD, .quorum = quorum};
	struct model m = {.now = {.is_unchanged = true, .same_terms = true}};
	bool was_open;

	ann_may = true;
	cr_assert_eq(ballot_init(&m.ballot, &ruling, 1), 0);
	for (size_t i = 0; i < n; i++) {
		enum hold_outcome before = m.outcome;

		model_step(&m, steps[i]);
		cr_assert(before == HOLD_OPEN || m.outcome == before, "an outcome changed");
		if (before == HOLD_OPEN && m.outcome == HOLD_APPROVED)
			cr_assert(m.now.is_unchanged && !m.now.denies && m.now.same_terms);
	}
	model_check(&m, steps, n);
	was_open = m.outcome == HOLD_OPEN && !m.is_down;
	ballot_deinit(&m.ballot);
	/* Once it has ended nothing but two late events need to be tried. */
	if (n == DEPTH || (!was_open && n >= 2 && n < DEPTH - 2))
		n = DEPTH;
	if (n == DEPTH)
		return;
	for (enum step s = 0; s < STEP_N; s++) {
		steps[n] = s;
		/* The same thing twice in a row changes nothing that once does not. */
		if (n && steps[n - 1] == s)
			continue;
		model_walk(quorum, steps, n + 1);
	}
}

Test(fate, every_order_of_events_has_one_outcome_recorded_once, .timeout = 120)
{
	enum step steps[DEPTH];

	ballot_set_member_fn(member);
	for (size_t quorum = 1; quorum <= 2; quorum++)
		model_walk(quorum, steps, 0);
	ballot_set_member_fn(NULL);
}

Test(fate, words)
{
	cr_expect_str_eq(hold_outcome_word(HOLD_APPROVED), "approved");
	cr_expect_str_eq(hold_outcome_word(HOLD_OPEN), "open");
	for (enum hold_outcome o = HOLD_OPEN; o < HOLD_OUTCOME_N; o++)
		cr_expect_eq(hold_outcome_runs(o), o == HOLD_APPROVED || o == HOLD_GRANTED);
}

/* What never makes a request run, whatever else is true. */
Test(fate, only_people_release)
{
	for (enum hold_event e = HOLD_EV_APPROVE; e < HOLD_EV_N; e++)
		for (unsigned bits = 0; bits < 8; bits++) {
			const struct hold_now now = {.is_unchanged = bits & 1,
				.denies = bits & 2,
				.same_terms = bits & 4};
			bool may = (e == HOLD_EV_APPROVE || e == HOLD_EV_GRANT) && bits == 5;

			cr_expect_eq(hold_outcome_runs(hold_meet(e, &now)), may, "event %d, %u", e,
				bits);
		}
}
