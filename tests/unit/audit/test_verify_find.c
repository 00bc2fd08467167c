/* SPDX-License-Identifier: Apache-2.0 */
/* What decides where a search looks, edited by somebody who may write the file: the search misses a
 * row, and verify says which. */
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "audit/query.h"
#include "audit/verify.h"
#include "audit_fixture.h"

enum { N = 9000, MS = 1000000, SLOW_EVERY = 1000 };

static const char *db;
static struct verify_finding first;
static char first_name[96];
static size_t n_found;

static void put(struct ledger *l, enum record_kind kind, int64_t at_ns, const void *rec)
{
	cr_assert_eq(ledger_put(l, LEDGER_NO_RING, 0, kind, at_ns, rec), 0);
}

/* Requests 1…9000, one a millisecond; every thousandth takes 100 ms, the one after it a little
 * less, every other one nothing. A session, a run, a hold, a decision and an event. */
static void setup(void)
{
	struct ledger *l;
	struct record_run run = {.id = 1, .name = SLICE_LIT("nightly")};
	struct record_session session = {.id = 1, .run = 1};
	struct record_hold hold = {.id = 1, .request = 1};
	struct record_decision decision = {.hold = 1, .user = SLICE_LIT("alice")};
	struct record_event event = {.kind = SLICE_LIT("start")};

	fixture_make();
	db = fixture_path("ledger.db");
	cr_assert_eq(ledger_open(db, &l), 0);
	cr_assert_eq(ledger_begin(l), 0);
	put(l, RECORD_RUN, MS, &run);
	put(l, RECORD_SESSION, MS, &session);
	put(l, RECORD_EVENT, MS, &event);
	for (uint64_t id = 1; id <= N; id++) {
		struct record_request q = fixture_request(id, 1, "SELECT 1", "allow");
		struct record_reply p = {.request = id, .status = SLICE_LIT("ok")};
		int64_t at = (int64_t)id * MS, took = 0;

		took = id % SLOW_EVERY == 0 ? 100 * MS : id % SLOW_EVERY == 1 ? 100 * MS - 1 : 0;
		put(l, RECORD_REQUEST, at, &q);
		put(l, RECORD_REPLY, at + took, &p);
	}
	put(l, RECORD_HOLD, MS, &hold);
	put(l, RECORD_DECISION, MS, &decision);
	cr_assert_eq(ledger_commit(l), 0);
	ledger_close(l);
}

static void teardown(void)
{
	fixture_remove();
}

TestSuite(verify_find, .init = setup, .fini = teardown);

static void tamper(const char *sql)
{
	sqlite3 *other;

	cr_assert_eq(sqlite3_open(db, &other), SQLITE_OK);
	cr_assert_eq(
		sqlite3_exec(other, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(other));
	cr_assert(sqlite3_total_changes(other) > 0, "changes something: %s", sql);
	sqlite3_close(other);
}

static void on_finding(void *arg, const struct verify_finding *f)
{
	(void)arg;
	if (!n_found++) {
		first = *f;
		snprintf(first_name, sizeof(first_name), "%s", f->name ? f->name : "");
	}
}

static void check(void)
{
	const struct verify_config config = {.path = db, .on_finding = on_finding};
	struct verify_report report;

	n_found = 0;
	cr_assert_eq(verify_run(&config, &report), 0);
	cr_expect_eq(report.n_findings, n_found);
}

static unsigned count(struct query_filter f)
{
	struct query_row row;
	struct query *q;
	unsigned n = 0;

	cr_assert_eq(query_open(db, &q), 0);
	cr_assert_eq(query_list(q, QUERY_REQUESTS, &f), 0);
	while (!query_next(q, &row))
		n++;
	query_close(q);
	return n;
}

/* n findings, the first of which is of this row. */
static void expect(size_t n, enum verify_what what, const char *table, int64_t row)
{
	check();
	cr_assert_eq(n_found, n, "%zu findings, the first: %s", n_found, first_name);
	cr_expect_eq(first.what, what, "%s", verify_words[first.what]);
	cr_expect_str_eq(first.table, table);
	cr_expect_eq(first.row, row, "row %lld", (long long)first.row);
}

Test(verify_find, an_untouched_ledger_is_verified)
{
	check();
	cr_expect_eq(n_found, 0, "%s", first_name);
}

static const struct query_filter since = {.since_ns = 8501LL * MS},
				 until = {.until_ns = 1001LL * MS}, slow = {.min_us = 100000};

Test(verify_find, a_block_whose_end_was_moved_forward_hides_no_rows_unseen)
{
	cr_assert_eq(count(since), 500);
	tamper("UPDATE zone SET last = first WHERE kind = 6 AND zone = 2");
	cr_expect_eq(count(since), 0, "that it was worth it");
	expect(1, VERIFY_UNFOUND, "request", 8193);
	cr_expect_str_eq(first_name, "request 8193 (by its time, table zone)");
}

Test(verify_find, a_block_whose_beginning_was_moved_back_is_found)
{
	cr_assert_eq(count(until), 1000);
	tamper("UPDATE zone SET first = last WHERE kind = 6 AND zone = 0");
	cr_expect_eq(count(until), 0);
	expect(1, VERIFY_UNFOUND, "request", 1);
}

Test(verify_find, blocks_that_are_gone_are_found_each)
{
	tamper("DELETE FROM zone WHERE kind = 6");
	cr_expect_eq(count(since), 0);
	expect(3, VERIFY_UNFOUND, "request", 1);
}

Test(verify_find, every_listing_is_checked)
{
	static const enum record_kind kinds[] = {
		RECORD_RUN, RECORD_SESSION, RECORD_HOLD, RECORD_DECISION, RECORD_EVENT};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		char sql[128];

		snprintf(sql, sizeof(sql), "UPDATE zone SET first = first + 1 WHERE kind = %d",
			(int)kinds[i]);
		tamper(sql);
		expect(1, VERIFY_UNFOUND, record_table[kinds[i]].name, 1);
		snprintf(sql, sizeof(sql), "UPDATE zone SET first = first - 1 WHERE kind = %d",
			(int)kinds[i]);
		tamper(sql);
	}
}

/* One that says more than it need only makes a search look longer: retention leaves such. */
Test(verify_find, a_block_that_says_more_hides_nothing_and_is_no_finding)
{
	tamper("UPDATE zone SET first = first - 5, last = last + 5");
	cr_expect_eq(count(since), 500);
	check();
	cr_expect_eq(n_found, 0, "%s", first_name);
}

/* Numbers of blocks that no id can be in: times four thousand they would be ids like others. */
Test(verify_find, a_block_beyond_all_ids_hides_nothing)
{
	tamper("INSERT INTO zone (kind, zone, first, last) VALUES "
	       "(6, -4503599627370496 + 1125899906842624, 0, 9223372036854775807), "
	       "(6, 4503599627370496 - 1125899906842624, 0, 9223372036854775807)");
	cr_expect_eq(count(since), 500);
	cr_expect_eq(count(until), 1000);
}

Test(verify_find, a_slow_request_that_is_not_in_the_table_is_found)
{
	cr_assert_eq(count(slow), 9);
	tamper("DELETE FROM slow WHERE request = 3000");
	cr_expect_eq(count(slow), 8);
	expect(1, VERIFY_UNFOUND, "request", 3000);
	cr_expect_str_eq(first_name, "request 3000 (by how long it took, table slow)");
}

Test(verify_find, a_slow_request_that_is_said_to_be_less_so_is_found)
{
	tamper("UPDATE slow SET us = 1 WHERE request = 3000");
	cr_expect_eq(count(slow), 8);
	expect(2, VERIFY_UNFOUND, "request", 3000);
}

Test(verify_find, a_request_that_was_not_slow_is_found)
{
	tamper("INSERT INTO slow (us, request) VALUES (100000, 3001)");
	expect(1, VERIFY_INSERTED, "request", 3001);
	cr_expect_str_eq(first_name, "what table slow says of request 3001");
}

/* Of many, so many are said. */
Test(verify_find, a_table_that_was_emptied_does_not_flood)
{
	tamper("INSERT INTO slow (us, request) SELECT 100000 + id, id FROM request");
	expect(100, VERIFY_INSERTED, "request", 1);
}
