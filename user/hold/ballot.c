/* SPDX-License-Identifier: Apache-2.0 */
/* Votes on a hold: see ballot.h. */
#include "hold/ballot.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

enum { BALLOT_GROUPS_MAX = 1024 };

static ballot_member_fn ballot_member = ballot_is_member;

void ballot_set_member_fn(ballot_member_fn fn)
{
	ballot_member = fn ? fn : ballot_is_member;
}

bool ballot_is_member(uint32_t uid, uint32_t gid)
{
	gid_t groups[BALLOT_GROUPS_MAX];
	const struct passwd *pw = getpwuid(uid);
	int n = BALLOT_GROUPS_MAX;

	/* No account: its groups are what its process has, there is nothing they could differ from.
	 */
	if (!pw)
		return true;
	if (getgrouplist(pw->pw_name, pw->pw_gid, groups, &n) < 0)
		return false;
	for (int i = 0; i < n; i++)
		if (groups[i] == gid)
			return true;
	return false;
}

/* ---- terms ----------------------------------------------------------------------------------- */

static int ballot_copy_list(const char **list, char ***ret)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	*ret = n ? calloc(n + 1, sizeof(**ret)) : NULL;
	for (size_t i = 0; *ret && i < n; i++) {
		(*ret)[i] = strdup(list[i]);
		if (!(*ret)[i])
			return err_raise(-ENOMEM);
	}
	return n && !*ret ? err_raise(-ENOMEM) : 0;
}

static void ballot_free_list(char **list)
{
	for (char **who = list; who && *who; who++)
		free(*who);
	free(list);
}

static int ballot_copy_seats(struct ballot_terms *t, const struct ruling *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_seats; i++)
		for (const struct seat *s = r->seats[i]; s->who; s++)
			n++;
	t->seats = n ? calloc(n, sizeof(*t->seats)) : NULL;
	for (size_t i = 0; t->seats && i < r->n_seats; i++)
		for (const struct seat *s = r->seats[i]; s->who; s++) {
			struct ballot_seat *copy = &t->seats[t->n_seats++];

			*copy = (struct ballot_seat){
				.who = strdup(s->who), .n = s->n, .list = (unsigned)i};
			if (!copy->who)
				return err_raise(-ENOMEM);
		}
	return n && !t->seats ? err_raise(-ENOMEM) : 0;
}

int ballot_init(struct ballot *b, const struct ruling *ruling, uint32_t owner_uid)
{
	int r;

	*b = (struct ballot){.owner_uid = owner_uid,
		.terms = {.quorum = ruling->quorum ? ruling->quorum : 1,
			.needs_reason = ruling->needs_reason}};
	r = ballot_copy_list(ruling->approvers, &b->terms.approvers);
	if (!r)
		r = ballot_copy_list(ruling->break_glass, &b->terms.break_glass);
	if (!r)
		r = ballot_copy_seats(&b->terms, ruling);
	return err_trace(r);
}

void vote_deinit(struct vote *v)
{
	free(v->by);
	free(v->reason);
	free(v->gids);
}

static void ballot_drop(struct ballot *b, size_t i)
{
	vote_deinit(&b->votes[i]);
	memmove(&b->votes[i], &b->votes[i + 1], (b->n - i - 1) * sizeof(b->votes[0]));
	b->n--;
}

void ballot_deinit(struct ballot *b)
{
	while (b->n)
		ballot_drop(b, b->n - 1);
	for (size_t i = 0; i < b->terms.n_seats; i++)
		free(b->terms.seats[i].who);
	free(b->terms.seats);
	ballot_free_list(b->terms.approvers);
	ballot_free_list(b->terms.break_glass);
	b->terms = (struct ballot_terms){0};
}

/* ---- who ------------------------------------------------------------------------------------- */

/* Both what the process is and what the host's accounts say now. */
static bool ballot_is_in(const struct approver *a, uint32_t gid)
{
	bool has = false;

	for (size_t i = 0; i < a->n_gids && !has; i++)
		has = a->gids[i] == gid;
	return has && ballot_member(a->uid, gid);
}

/* Does "user:x" or "group:y" name this person? */
static bool ballot_is_named(const char *who, const struct approver *a)
{
	if (!strncmp(who, "user:", 5)) {
		const struct passwd *pw = getpwnam(who + 5);

		return pw && pw->pw_uid == a->uid;
	}
	if (!strncmp(who, "group:", 6)) {
		const struct group *gr = getgrnam(who + 6);

		return gr && ballot_is_in(a, gr->gr_gid);
	}
	return false;
}

static bool ballot_is_listed(char *const *list, const struct approver *a)
{
	for (; list && *list; list++)
		if (ballot_is_named(*list, a))
			return true;
	return false;
}

static bool ballot_is_approver(const struct ballot *b, const struct approver *a)
{
	if (b->terms.approvers)
		return ballot_is_listed(b->terms.approvers, a);
	return !a->uid || ballot_is_in(a, a->approver_gid);
}

static bool ballot_has_voted(const struct ballot *b, uint32_t uid)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->votes[i].uid == uid)
			return true;
	return false;
}

int ballot_may(const struct ballot *b, const struct approver *a, const struct vote *v,
	const char **ret_why)
{
	bool has_reason = v->reason && v->reason[strspn(v->reason, " ")];

	if (a->is_in_run)
		*ret_why = "requests from inside a run are not decisions";
	else if (v->is_break_glass && !ballot_is_listed(b->terms.break_glass, a))
		*ret_why = "the rule does not let you break the glass";
	else if (!v->is_break_glass && !ballot_is_approver(b, a))
		*ret_why = "you are not among the approvers that the rule names";
	else if (a->uid == b->owner_uid && !a->may_self)
		*ret_why = "whoever started a run may not approve what it asks for (self_approval "
			   "is off)";
	else
		*ret_why = NULL;
	if (*ret_why)
		return BALLOT_E_FORBIDDEN;
	if (!has_reason && (v->is_break_glass || b->terms.needs_reason)) {
		*ret_why = v->is_break_glass ? "breaking the glass needs a reason"
					     : "the rule wants a reason for this";
		return BALLOT_E_REASON;
	}
	if (b->state != BALLOT_OPEN || b->n == BALLOT_MAX) {
		*ret_why = "somebody else decided it a moment ago";
		return BALLOT_E_LATE;
	}
	if (v->kind == DECISION_APPROVE && !v->is_break_glass && ballot_has_voted(b, a->uid)) {
		*ret_why = "you have approved it already; it takes somebody else, too";
		return BALLOT_E_AGAIN;
	}
	return 0;
}

/* The one who cast a vote, as of now: what the process was then, and what the accounts say today.
 */
static struct approver ballot_voter(const struct vote *v, uint32_t approver_gid)
{
	return (struct approver){
		.uid = v->uid, .gids = v->gids, .n_gids = v->n_gids, .approver_gid = approver_gid};
}

/* ---- counting -------------------------------------------------------------------------------- */

size_t ballot_approvals(const struct ballot *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++)
		n += b->votes[i].kind == DECISION_APPROVE;
	return n;
}

/* Which places of one list each vote could take, and which it has: a matching, since a person of
 * two groups fills one place only. */
struct seating {
	bool fits[BALLOT_MAX][BALLOT_MAX]; /* [place][vote] */
	int taken_by[BALLOT_MAX];          /* place → vote, or -1 */
	int place_of[BALLOT_MAX];          /* vote → place, or -1 */
	size_t n_places, n_votes;
};

static bool ballot_seat_one(struct seating *s, size_t place, bool *tried)
{
	for (size_t v = 0; v < s->n_votes; v++) {
		if (!s->fits[place][v] || tried[v])
			continue;
		tried[v] = true;
		if (s->place_of[v] < 0 || ballot_seat_one(s, (size_t)s->place_of[v], tried)) {
			s->place_of[v] = (int)place;
			s->taken_by[place] = (int)v;
			return true;
		}
	}
	return false;
}

static bool ballot_fills(const struct ballot *b, unsigned list)
{
	struct seating s = {.n_votes = b->n};

	for (size_t i = 0; i < b->terms.n_seats; i++) {
		const struct ballot_seat *seat = &b->terms.seats[i];

		for (uint64_t k = 0; seat->list == list && k < seat->n; k++) {
			if (s.n_places == BALLOT_MAX)
				return false;
			for (size_t v = 0; v < b->n; v++) {
				const struct approver a = ballot_voter(&b->votes[v], 0);

				s.fits[s.n_places][v] = b->votes[v].kind == DECISION_APPROVE &&
							ballot_is_named(seat->who, &a);
			}
			s.n_places++;
		}
	}
	memset(s.taken_by, -1, sizeof(s.taken_by));
	memset(s.place_of, -1, sizeof(s.place_of));
	for (size_t place = 0; place < s.n_places; place++) {
		bool tried[BALLOT_MAX] = {false};

		if (!ballot_seat_one(&s, place, tried))
			return false;
	}
	return true;
}

static void ballot_count(struct ballot *b)
{
	bool is_approved = ballot_approvals(b) >= b->terms.quorum;

	b->state = BALLOT_OPEN;
	for (unsigned list = 0; is_approved && list < RULING_SEATS_MAX; list++)
		is_approved = ballot_fills(b, list);
	for (size_t i = 0; i < b->n; i++) {
		is_approved |= b->votes[i].kind == DECISION_APPROVE && b->votes[i].is_break_glass;
		if (b->votes[i].kind != DECISION_DENY)
			continue;
		b->state = BALLOT_DECIDED;
		b->kind = DECISION_DENY;
		return;
	}
	if (!is_approved)
		return;
	b->state = BALLOT_DECIDED;
	b->kind = DECISION_APPROVE;
}

bool ballot_cast(struct ballot *b, const struct vote *v)
{
	require(b->state == BALLOT_OPEN && b->n < BALLOT_MAX);
	/* One person, one vote, whoever called this without asking first. */
	for (size_t i = b->n; i-- > 0;)
		if (b->votes[i].uid == v->uid)
			ballot_drop(b, i);
	b->votes[b->n++] = *v;
	ballot_count(b);
	return b->state == BALLOT_DECIDED;
}

size_t ballot_purge(struct ballot *b, uint32_t approver_gid)
{
	size_t n_lost = 0;

	for (size_t i = b->n; i-- > 0;) {
		const struct vote *v = &b->votes[i];
		const struct approver a = ballot_voter(v, approver_gid);
		bool may = v->is_break_glass ? ballot_is_listed(b->terms.break_glass, &a)
					     : ballot_is_approver(b, &a);

		if (may)
			continue;
		ballot_drop(b, i);
		n_lost++;
	}
	return n_lost;
}

bool ballot_seal(struct ballot *b, uint32_t approver_gid, size_t *ret_lost)
{
	*ret_lost = ballot_purge(b, approver_gid);
	ballot_count(b);
	if (b->state != BALLOT_DECIDED)
		return false;
	b->state = BALLOT_SENT;
	return true;
}

struct scope ballot_scope(const struct ballot *b)
{
	struct scope s = {.kind = SCOPE_TIME, .for_ms = INT64_MAX};
	bool has_run = false;

	for (size_t i = 0; i < b->n; i++) {
		const struct vote *v = &b->votes[i];

		if (v->kind != b->kind)
			continue;
		if (v->scope.kind == SCOPE_ONCE)
			return (struct scope){.kind = SCOPE_ONCE};
		has_run |= v->scope.kind == SCOPE_RUN;
		if (v->scope.kind == SCOPE_TIME && v->scope.for_ms < s.for_ms)
			s.for_ms = v->scope.for_ms;
	}
	if (s.for_ms == INT64_MAX)
		s = (struct scope){.kind = has_run ? SCOPE_RUN : SCOPE_ONCE};
	else if (has_run)
		s = (struct scope){.kind = SCOPE_ONCE};
	return s;
}
