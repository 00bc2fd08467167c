/* SPDX-License-Identifier: Apache-2.0 */
/* Retention: what goes, what stays, and that the rest is still verified. */
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "audit/backup.h"
#include "audit/verify.h"
#include "audit_fixture.h"

#define DAY (86400LL * 1000000000)

static const char *db;
static struct ledger *l;
static struct checkpoint_key *key;
static struct checkpoint last;
static uint64_t next_request;

static void sign_at(int64_t at)
{
	struct checkpoint c;

	cr_assert(ledger_head(l, &last, &c));
	c.number = last.number + 1;
	c.at_ns = at;
	cr_assert_eq(checkpoint_sign(key, &c), 0);
	cr_assert_eq(ledger_put_checkpoint(l, &c), 0);
	last = c;
}

static void put(enum record_kind kind, int64_t at, const void *rec)
{
	cr_assert_eq(ledger_put(l, LEDGER_NO_RING, 0, kind, at, rec), 0);
}

/* A day on which run `run` (ended that day if `ends`) asks 20 times in one session. */
static void live(int64_t day, uint64_t run, uint64_t session, bool begins, bool ends)
{
	char name[16];

	snprintf(name, sizeof(name), "run-%llu", (unsigned long long)run);
	cr_assert_eq(ledger_begin(l), 0);
	if (begins) {
		struct record_run r = {.id = run, .name = slice_str(name)};
		struct record_session s = {.id = session, .run = run};
		struct record_login g = {.session = session, .role = SLICE_LIT("agent")};

		put(RECORD_RUN, day * DAY, &r);
		put(RECORD_SESSION, day * DAY, &s);
		put(RECORD_LOGIN, day * DAY, &g);
	}
	for (unsigned i = 0; i < 20; i++) {
		struct record_request q =
			fixture_request(++next_request, session, "SELECT 1", "allow");
		struct record_reply p = {.request = next_request, .status = SLICE_LIT("ok")};
		struct record_content c = {
			.request = next_request, .text_len = 2, .bytes = SLICE_LIT("=1")};

		put(RECORD_REQUEST, day * DAY, &q);
		put(RECORD_CONTENT, day * DAY, &c);
		put(RECORD_REPLY, day * DAY, &p);
	}
	if (ends) {
		struct record_session_end e = {.session = session};
		struct record_run_end f = {.run = run};

		put(RECORD_SESSION_END, day * DAY, &e);
		put(RECORD_RUN_END, day * DAY, &f);
	}
	cr_assert_eq(ledger_commit(l), 0);
	sign_at(day * DAY + 1);
}

static void setup(void)
{
	fixture_make();
	db = fixture_path("ledger.db");
	cr_assert_eq(checkpoint_key_load(fixture_path("key"), fixture_path("pub"), &key), 0);
	cr_assert_eq(ledger_open(db, &l), 0);
}

static void teardown(void)
{
	ledger_close(l);
	checkpoint_key_free(key);
	fixture_remove();
}

TestSuite(prune, .init = setup, .fini = teardown);

static void on_finding(void *arg, const struct verify_finding *f)
{
	(void)arg;
	fprintf(stderr, "%s %s %lld entry %llu\n", verify_words[f->what], f->table ? f->table : "",
		(long long)f->row, (unsigned long long)f->first);
}

static void expect_verified(uint64_t n_findings)
{
	struct verify_report report;
	const struct verify_config config = {
		.path = db, .key = key, .heads = &last, .n_heads = 1, .on_finding = on_finding};

	cr_assert_eq(verify_run(&config, &report), 0);
	cr_expect_eq(report.n_findings, n_findings);
}

/* As the warden signs it. */
static struct checkpoint permit_of(struct checkpoint c, int64_t at)
{
	cr_assert_eq(checkpoint_verify(key, &c), 0, "whole");
	c.kind = CHECKPOINT_PRUNED;
	c.at_ns = at;
	cr_assert_eq(checkpoint_sign(key, &c), 0);
	return c;
}

static unsigned prune(const struct ledger_retention *r)
{
	struct checkpoint c;
	unsigned n = 0;
	int e;

	while (!(e = ledger_prune_choose(l, r, &c))) {
		c = permit_of(c, r->now_ns);
		cr_assert_eq(ledger_prune(l, r, &c), 0);
		n++;
	}
	cr_assert_eq(e, LEDGER_E_NONE);
	return n;
}

static int64_t count(const char *table)
{
	char sql[64];

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", table);
	return fixture_sql(db, sql);
}

Test(prune, old_days_go_and_the_rest_is_verified)
{
	struct ledger_ids before, after;

	for (uint64_t day = 1; day <= 10; day++)
		live((int64_t)day, day, day, true, true);
	cr_assert_eq(ledger_ids(l, &before), 0);
	cr_expect_gt(prune(&(struct ledger_retention){.now_ns = 11 * DAY, .age_ns = 3 * DAY}), 0);
	cr_expect_eq(count("request"), 3 * 20, "days 8, 9 and 10");
	cr_expect_eq(count("content"), 3 * 20);
	cr_expect_eq(fixture_sql(db, "SELECT min(session) FROM request"), 8);
	cr_expect_eq(count("run"), 3);
	cr_expect_eq(count("session"), 3);
	cr_expect_eq(count("session_end"), 3);
	cr_expect_eq(count("login"), 3);
	cr_expect_geq(fixture_sql(db, "SELECT count(*) FROM event WHERE kind = 'pruned'"), 1);
	expect_verified(0);
	/* It goes on, and so do the numbers, whatever is left. */
	prune(&(struct ledger_retention){.now_ns = 99 * DAY, .age_ns = DAY});
	cr_assert_eq(ledger_ids(l, &after), 0);
	cr_expect_eq(after.request, before.request);
	cr_expect_eq(after.run, before.run);
	live(99, 99, 99, true, false);
	expect_verified(0);
}

Test(prune, what_lives_stays)
{
	live(1, 1, 1, true, false);
	for (int64_t day = 2; day <= 9; day++)
		live(day, 1, 1, false, false);
	prune(&(struct ledger_retention){.now_ns = 10 * DAY, .age_ns = 2 * DAY});
	cr_expect_eq(count("request"), 2 * 20);
	cr_expect_eq(count("run"), 1);
	cr_expect_eq(count("login"), 1);
	cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM requests WHERE run_name = 'run-1'"), 40);
	expect_verified(0);
	live(10, 1, 1, false, true);
	live(30, 2, 2, true, true);
	live(31, 3, 3, true, true);
	/* Carried once more at first, then gone with all that spoke of it. */
	for (int64_t now = 20; now <= 90; now += 30) {
		struct record_event e = {.kind = SLICE_LIT("test")};

		cr_assert_eq(ledger_begin(l), 0);
		put(RECORD_EVENT, now * DAY, &e);
		cr_assert_eq(ledger_commit(l), 0);
		sign_at(now * DAY);
		prune(&(struct ledger_retention){.now_ns = now * DAY, .age_ns = 2 * DAY});
		expect_verified(0);
	}
	cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM run WHERE id = 1"), 0);
	cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM run_end WHERE run = 1"), 0);
	cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM session_end WHERE session = 1"), 0);
}

Test(prune, a_legal_hold_keeps_a_run_whole)
{
	static const char *const holds[] = {"other", "run-[3]", NULL};

	for (uint64_t day = 1; day <= 6; day++)
		live((int64_t)day, day, day, true, true);
	prune(&(struct ledger_retention){
		.now_ns = 60 * DAY, .age_ns = 2 * DAY, .legal_holds = holds});
	cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM requests WHERE run_name = 'run-3'"), 20);
	cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM requests WHERE run = 3 AND status = "
				     "'ok'"),
		20);
	cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM runs WHERE id = 3 AND end_at > 0"), 1);
	cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM contents WHERE session = 3"), 20);
	cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM request WHERE session IN (1, 2)"), 0);
	cr_expect_eq(count("content"), count("request"));
	expect_verified(0);
}

Test(prune, size_goes_down_to_its_limit)
{
	for (uint64_t day = 1; day <= 60; day++)
		live((int64_t)day, day, day, true, true);
	prune(&(struct ledger_retention){.now_ns = 61 * DAY, .size = 400000});
	cr_expect_lt(fixture_sql(db, "SELECT (p.page_count - f.freelist_count) * s.page_size FROM "
				     "pragma_page_count p, pragma_freelist_count f, "
				     "pragma_page_size s"),
		410000);
	cr_expect_gt(count("request"), 20);
	expect_verified(0);
}

Test(prune, removal_without_a_record_of_it_is_found)
{
	sqlite3 *other;

	for (uint64_t day = 1; day <= 4; day++)
		live((int64_t)day, day, day, true, true);
	/* As cleanly as pruning does it, but for the event. */
	cr_assert_eq(sqlite3_open(db, &other), SQLITE_OK);
	cr_assert_eq(
		sqlite3_exec(other,
			"DELETE FROM request WHERE id <= 20; DELETE FROM reply WHERE request <= 20;"
			"DELETE FROM content WHERE request <= 20;"
			"DELETE FROM run WHERE id = 1; DELETE FROM run_end WHERE run = 1;"
			"DELETE FROM session WHERE id = 1; DELETE FROM session_end WHERE session = "
			"1;"
			"DELETE FROM login WHERE id = 1;"
			"DELETE FROM chain WHERE first <= (SELECT entry FROM checkpoint WHERE "
			"number = 1)",
			NULL, NULL, NULL),
		SQLITE_OK);
	sqlite3_close(other);
	expect_verified(1);
}

/* Whoever may write the file can do all that pruning does, but for the signature. */
Test(prune, removal_that_the_warden_did_not_sign_is_found)
{
	const struct ledger_retention all = {.now_ns = 11 * DAY, .age_ns = DAY};
	struct checkpoint_key *mine = key, *other;
	struct checkpoint c;

	for (uint64_t day = 1; day <= 4; day++)
		live((int64_t)day, day, day, true, true);
	cr_assert_eq(checkpoint_key_load(fixture_path("key2"), fixture_path("pub2"), &other), 0);
	cr_assert_eq(ledger_prune_choose(l, &all, &c), 0);
	c = permit_of(c, 11 * DAY);
	cr_assert_eq(checkpoint_sign(other, &c), 0);
	cr_assert_eq(ledger_prune(l, &all, &c), 0);
	expect_verified(2);
	/* Nor does signing what comes behind it make it good. */
	sign_at(12 * DAY);
	expect_verified(2);
	key = mine;
	checkpoint_key_free(other);
}

Test(prune, a_word_about_one_beginning_is_none_about_another)
{
	const struct ledger_retention two = {.now_ns = 4 * DAY, .age_ns = 2 * DAY};
	struct checkpoint c, wrong;
	sqlite3 *other;

	for (uint64_t day = 1; day <= 6; day++)
		live((int64_t)day, day, day, true, true);
	cr_assert_eq(ledger_prune_choose(l, &two, &c), 0);
	wrong = c = permit_of(c, 4 * DAY);
	wrong.entry--;
	cr_expect_eq(ledger_prune(l, &two, &wrong), LEDGER_E_NONE);
	wrong = c;
	wrong.kind = CHECKPOINT_HEAD;
	cr_expect_eq(ledger_prune(l, &two, &wrong), LEDGER_E_NONE);
	expect_verified(0);
	cr_assert_eq(ledger_prune(l, &two, &c), 0);
	cr_expect_eq(ledger_prune(l, &two, &c), LEDGER_E_NONE, "once");
	sign_at(6 * DAY + 2);
	expect_verified(0);
	/* A day more, with the event and the line of before. */
	cr_assert_eq(sqlite3_open(db, &other), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(other,
			     "DELETE FROM request WHERE session = 2; DELETE FROM reply WHERE "
			     "request <= 40;"
			     "DELETE FROM run WHERE id = 2; DELETE FROM run_end WHERE run = 2;"
			     "DELETE FROM session WHERE id = 2; DELETE FROM session_end WHERE "
			     "session = 2;"
			     "DELETE FROM login WHERE session = 2; DELETE FROM content WHERE "
			     "request <= 40;"
			     "DELETE FROM chain WHERE first <= (SELECT entry FROM checkpoint WHERE "
			     "number = 2); DELETE FROM checkpoint WHERE number < 2",
			     NULL, NULL, NULL),
		SQLITE_OK);
	sqlite3_close(other);
	expect_verified(1);
}

Test(prune, a_copy_taken_meanwhile_is_whole_and_verified)
{
	const char *copy = fixture_path("copy.db");

	for (uint64_t day = 1; day <= 4; day++)
		live((int64_t)day, day, day, true, true);
	cr_assert_eq(ledger_begin(l), 0);
	struct record_event e = {.kind = SLICE_LIT("not yet")};
	put(RECORD_EVENT, 1, &e);
	cr_expect_eq(backup_make(db, copy, NULL, NULL), 0);
	cr_expect_eq(backup_make(db, copy, NULL, NULL), BACKUP_E_EXISTS);
	cr_expect_eq(backup_make(fixture_path("none"), fixture_path("x"), NULL, NULL),
		BACKUP_E_NO_LEDGER);
	cr_assert_eq(ledger_commit(l), 0);
	db = copy;
	expect_verified(0);
	cr_expect_eq(count("event"), 0, "what was not committed is not in it");
	cr_expect_eq(count("request"), 80);
}
