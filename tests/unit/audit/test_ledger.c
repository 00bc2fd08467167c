/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit_fixture.h"

static struct ledger *l;
static const char *db;

static void setup(void)
{
	fixture_make();
	db = fixture_path("ledger.db");
	cr_assert_eq(ledger_open(db, &l), 0);
	cr_assert_eq(ledger_attach_ring(l, 0, 7, &(uint64_t){0}), 0);
}

static void teardown(void)
{
	ledger_close(l);
	fixture_remove();
}

TestSuite(ledger, .init = setup, .fini = teardown);

static void put(uint64_t seq, enum record_kind kind, const void *rec)
{
	cr_assert_eq(ledger_put(l, 0, seq, kind, 1700000000000000000 + (int64_t)seq, rec), 0);
}

static void put_request(uint64_t seq, uint64_t id, const char *ruling)
{
	struct record_request req = fixture_request(id, 1, "SELECT 1", ruling);

	put(seq, RECORD_REQUEST, &req);
}

static void write_sql(const char *sql)
{
	sqlite3 *other;

	cr_assert_eq(sqlite3_open(db, &other), SQLITE_OK);
	cr_assert_eq(
		sqlite3_exec(other, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(other));
	sqlite3_close(other);
}

Test(ledger, every_kind_has_a_table_that_takes_it)
{
	char sql[128];

	cr_assert_eq(ledger_begin(l), 0);
	for (enum record_kind kind = RECORD_NONE + 1; kind < RECORD_N; kind++)
		for (unsigned round = 0; round < 20; round++) {
			union record rec = fixture_record(kind, round * 10);

			put(kind * 100 + round, kind, &rec);
		}
	cr_assert_eq(ledger_commit(l), 0);
	for (enum record_kind kind = RECORD_NONE + 1; kind < RECORD_N; kind++) {
		snprintf(sql, sizeof(sql), "SELECT count(*) FROM \"%s\"", record_table[kind].name);
		cr_expect_eq(fixture_sql(db, sql), 20, "%s", record_table[kind].name);
	}
	cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM event WHERE kind = 'conflict'"), 0);
}

Test(ledger, a_replayed_record_is_skipped)
{
	cr_assert_eq(ledger_begin(l), 0);
	put_request(1, 10, "allow");
	put_request(2, 11, "allow");
	cr_assert_eq(ledger_commit(l), 0);
	l = ledger_close(l);
	cr_assert_eq(ledger_open(db, &l), 0);
	uint64_t seq;
	cr_assert_eq(ledger_attach_ring(l, 0, 7, &seq), 0);
	cr_expect_eq(seq, 2);
	cr_assert_eq(ledger_begin(l), 0);
	put_request(2, 11, "allow");
	put_request(3, 12, "allow");
	cr_assert_eq(ledger_commit(l), 0);
	cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM request"), 3);
	cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM event"), 0);
}

Test(ledger, another_ring_file_begins_anew)
{
	uint64_t seq;

	cr_assert_eq(ledger_begin(l), 0);
	put_request(5, 10, "allow");
	cr_assert_eq(ledger_commit(l), 0);
	cr_assert_eq(ledger_attach_ring(l, 0, 8, &seq), 0);
	cr_expect_eq(seq, 0);
	cr_assert_eq(ledger_begin(l), 0);
	put_request(1, 11, "allow");
	cr_assert_eq(ledger_commit(l), 0);
	cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM request"), 2);
}

Test(ledger, a_rollback_forgets_rows_and_position)
{
	cr_assert_eq(ledger_begin(l), 0);
	put_request(1, 10, "allow");
	ledger_rollback(l);
	cr_expect_eq(ledger_ring_seq(l, 0), 0);
	cr_assert_eq(ledger_begin(l), 0);
	put_request(1, 10, "allow");
	cr_assert_eq(ledger_commit(l), 0);
	cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM request"), 1);
}

Test(ledger, an_id_that_is_taken_changes_nothing_and_leaves_an_event)
{
	struct record_request lie = fixture_request(10, 99, "SELECT 'a lie'", "allow");

	cr_assert_eq(ledger_begin(l), 0);
	put_request(1, 10, "deny");
	put(2, RECORD_REQUEST, &lie);
	put_request(3, 11, "allow");
	cr_assert_eq(ledger_commit(l), 0);
	cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM request"), 2);
	cr_expect_eq(fixture_sql(db, "SELECT session FROM request WHERE id = 10"), 1);
	cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM event WHERE kind = 'conflict' AND "
				     "detail LIKE 'record=request ring=0 seq=2 %'"),
		1);
}

Test(ledger, bytes_of_any_kind_are_kept_as_they_are)
{
	struct record_request req = fixture_request(1, 1, "", "allow");

	req.text = SLICE_LIT("a\xff\xfe\x00z\x1b[2J");
	cr_assert_eq(ledger_begin(l), 0);
	put(1, RECORD_REQUEST, &req);
	cr_assert_eq(ledger_commit(l), 0);
	cr_expect_eq(fixture_sql(db, "SELECT hex(text) = '61FFFE007A1B5B324A' FROM request"), 1);
	cr_expect_eq(fixture_sql(db, "SELECT hex(hmac) = '0001FEFF' FROM request"), 1);
	cr_expect_eq(fixture_sql(db, "SELECT typeof(rule) = 'text' AND rule = '' FROM request"), 1);
}

Test(ledger, ids_go_on_where_they_were)
{
	struct ledger_ids ids;
	struct record_hold hold = {.id = 42, .request = 10};

	cr_assert_eq(ledger_ids(l, &ids), 0);
	cr_expect(!ids.run && !ids.session && !ids.request && !ids.hold);
	cr_assert_eq(ledger_begin(l), 0);
	put_request(1, 10, "hold");
	put(2, RECORD_HOLD, &hold);
	cr_assert_eq(ledger_commit(l), 0);
	cr_assert_eq(ledger_ids(l, &ids), 0);
	cr_expect_eq(ids.request, 10);
	cr_expect_eq(ids.hold, 42);
}

Test(ledger, orphans_are_closed_once_and_truthfully)
{
	struct record_session session = {.id = 1};
	struct record_reply reply = {.request = 10, .status = SLICE_LIT("ok")};
	struct record_hold held = {.id = 1, .request = 12}, approved = {.id = 2, .request = 13},
			   denied = {.id = 3, .request = 14};
	struct record_hold_end yes = {.hold = 2, .outcome = SLICE_LIT("approved")},
			       no = {.hold = 3, .outcome = SLICE_LIT("denied")};

	cr_assert_eq(ledger_begin(l), 0);
	put(1, RECORD_SESSION, &session);
	put_request(2, 10, "allow");
	put(3, RECORD_REPLY, &reply);
	put_request(4, 11, "allow"); /* forwarded, for all we know */
	put_request(5, 12, "hold");  /* still held */
	put(6, RECORD_HOLD, &held);
	put_request(7, 13, "hold"); /* approved, maybe forwarded */
	put(8, RECORD_HOLD, &approved);
	put(9, RECORD_HOLD_END, &yes);
	put_request(10, 14, "hold"); /* denied */
	put(11, RECORD_HOLD, &denied);
	put(12, RECORD_HOLD_END, &no);
	cr_assert_eq(ledger_commit(l), 0);
	for (unsigned i = 0; i < 2; i++) {
		cr_assert_eq(ledger_close_orphans(l, 1800000000000000000), 0);
		cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM reply"), 5);
		cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM hold_end"), 3);
		cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM session_end"), 1);
	}
	cr_expect_eq(fixture_sql(db, "SELECT group_concat(request || status, ' ') = "
				     "'10ok 11lost 12unsent 13lost 14unsent' FROM reply"),
		1);
	cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM hold_end WHERE hold = 1 AND "
				     "outcome = 'stopped'"),
		1);
	/* What comes later is looked at again. */
	cr_assert_eq(ledger_begin(l), 0);
	put_request(13, 15, "allow");
	cr_assert_eq(ledger_commit(l), 0);
	cr_assert_eq(ledger_close_orphans(l, 1900000000000000000), 0);
	cr_expect_eq(fixture_sql(db, "SELECT status = 'lost' FROM reply WHERE request = 15"), 1);
}

Test(ledger, its_file_is_not_for_everyone)
{
	struct stat st;

	cr_assert_eq(ledger_begin(l), 0);
	put_request(1, 1, "allow");
	cr_assert_eq(ledger_commit(l), 0);
	cr_assert_eq(stat(db, &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0640);
	cr_assert_eq(stat(fixture_path("ledger.db-wal"), &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0640);
}

Test(ledger, one_of_a_newer_holdfast_is_left_alone)
{
	l = ledger_close(l);
	write_sql("PRAGMA user_version = 9999");
	cr_expect_eq(ledger_open(db, &l), LEDGER_E_VERSION);
}

Test(ledger, what_is_no_ledger_is_not_written_to)
{
	struct ledger *other;
	const char *path = fixture_path("other.db");
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	cr_assert_eq(write(fd, "this is a text and no database at all, sorry", 44), 44);
	close(fd);
	cr_expect_lt(ledger_open(path, &other), 0);
	l = ledger_close(l);
	write_sql("PRAGMA application_id = 1");
	cr_expect_lt(ledger_open(db, &l), 0);
}

Test(ledger, the_views_join_a_request_with_what_became_of_it)
{
	struct record_run run = {.id = 3, .name = SLICE_LIT("nightly")};
	struct record_session session = {.id = 1, .run = 3, .target = SLICE_LIT("10.0.0.5:5432")};
	struct record_login login = {.session = 1, .role = SLICE_LIT("app")};
	struct record_hold hold = {.id = 42, .request = 10};
	struct record_decision decision = {.hold = 42,
		.decision = SLICE_LIT("approve"),
		.user = SLICE_LIT("alice"),
		.reason = SLICE_LIT("fine")};
	struct record_hold_end end = {.hold = 42, .outcome = SLICE_LIT("approved")};
	struct record_reply reply = {.request = 10, .status = SLICE_LIT("ok"), .n_rows = 2};

	cr_assert_eq(ledger_begin(l), 0);
	put(1, RECORD_RUN, &run);
	put(2, RECORD_SESSION, &session);
	put(3, RECORD_LOGIN, &login);
	put_request(4, 10, "hold");
	put(5, RECORD_HOLD, &hold);
	put(6, RECORD_DECISION, &decision);
	put(7, RECORD_HOLD_END, &end);
	put(4004, RECORD_REPLY, &reply);
	put_request(4005, 11, "allow");
	cr_assert_eq(ledger_commit(l), 0);
	cr_expect_eq(
		fixture_sql(db, "SELECT run_name = 'nightly' AND target = '10.0.0.5:5432' AND "
				"role = 'app' AND hold = 42 AND hold_outcome = 'approved' AND "
				"decided_by = 'alice' AND reason = 'fine' AND status = 'ok' AND "
				"n_rows = 2 AND us = 4 AND time LIKE '2023-11-14T22:13:20.%Z' "
				"FROM requests WHERE id = 10"),
		1);
	cr_expect_eq(
		fixture_sql(db, "SELECT hold IS NULL AND hold_outcome IS NULL AND status IS NULL "
				"FROM requests WHERE id = 11"),
		1);
	cr_expect_eq(fixture_sql(db, "SELECT outcome = 'approved' AND run = 3 FROM holds"), 1);
	cr_expect_eq(fixture_sql(db, "SELECT user = 'alice' AND request = 10 FROM decisions"), 1);
	cr_expect_eq(fixture_sql(db, "SELECT n_rows = 2 AND session = 1 FROM replies"), 1);
	cr_expect_eq(fixture_sql(db, "SELECT end_at IS NULL AND role = 'app' FROM sessions"), 1);
	cr_expect_eq(fixture_sql(db, "SELECT name = 'nightly' FROM runs"), 1);
	cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM events"), 0);
}

Test(ledger, a_reader_that_stays_is_reported_and_the_wal_shrinks_after_it)
{
	static char text[100000];
	struct record_request req;
	bool is_pinned = false;
	sqlite3 *reader;
	struct stat st;
	uint64_t seq = 0;

	memset(text, 'x', sizeof(text) - 1);
	cr_assert_eq(sqlite3_open_v2(db, &reader, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM request", NULL, NULL, NULL);
	for (unsigned batch = 0; batch < 20; batch++) {
		cr_assert_eq(ledger_begin(l), 0);
		for (unsigned i = 0; i < 40; i++) {
			req = fixture_request(seq + 1, 1, text, "allow");
			put(++seq, RECORD_REQUEST, &req);
		}
		cr_assert_eq(ledger_commit(l), 0);
	}
	cr_assert_eq(ledger_tidy(l, &is_pinned), 0);
	cr_expect(is_pinned);
	sqlite3_exec(reader, "COMMIT", NULL, NULL, NULL);
	sqlite3_close(reader);
	cr_assert_eq(ledger_tidy(l, &is_pinned), 0);
	cr_expect(!is_pinned);
	cr_assert_eq(stat(fixture_path("ledger.db-wal"), &st), 0);
	cr_expect_eq(st.st_size, 0);
	cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM request"), 800);
}
