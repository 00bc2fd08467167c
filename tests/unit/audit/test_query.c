/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <grp.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit/query.h"
#include "audit/replay.h"
#include "audit_fixture.h"

static struct ledger *l;
static struct query *q;
static const char *db;

static void put(enum record_kind kind, int64_t at_ns, const void *rec)
{
	cr_assert_eq(ledger_put(l, LEDGER_NO_RING, 0, kind, at_ns, rec), 0);
}

static void put_request(uint64_t id, uint64_t session, const char *text, const char *ruling,
	const char *effects, const char *status)
{
	struct record_request req = fixture_request(id, session, text, ruling);
	struct record_reply reply = {.request = id,
		.status = slice_str(status),
		.n_rows = id,
		.tag = SLICE_LIT("SELECT")};

	req.effects = slice_str(effects);
	put(RECORD_REQUEST, (int64_t)id * 1000, &req);
	if (status)
		put(RECORD_REPLY, (int64_t)id * 1000 + 500, &reply);
}

static void put_session(uint64_t id, uint64_t run, const char *run_name)
{
	struct record_run r = {.id = run, .name = slice_str(run_name)};
	struct record_session s = {.id = id, .run = run, .target = SLICE_LIT("10.0.0.5:5432")};

	put(RECORD_RUN, (int64_t)id, &r);
	put(RECORD_SESSION, (int64_t)id, &s);
}

static void put_hold(uint64_t id, uint64_t request, const char *outcome)
{
	struct record_hold h = {.id = id, .request = request, .timeout_ms = 60000};
	struct record_decision d = {
		.hold = id, .decision = SLICE_LIT("deny"), .user = SLICE_LIT("alice")};
	struct record_hold_end e = {.hold = id, .outcome = slice_str(outcome)};

	put(RECORD_HOLD, (int64_t)request * 1000 + 100, &h);
	if (!outcome)
		return;
	put(RECORD_DECISION, (int64_t)request * 1000 + 200, &d);
	put(RECORD_HOLD_END, (int64_t)request * 1000 + 201, &e);
}

/* Two runs with a session each; what they asked is in the table of the tests below. */
static void setup(void)
{
	struct record_event event = {.kind = SLICE_LIT("garbage"), .session = 2};

	fixture_make();
	db = fixture_path("ledger.db");
	cr_assert_eq(ledger_open(db, &l), 0);
	cr_assert_eq(ledger_begin(l), 0);
	put_session(1, 1, "nightly");
	put_session(2, 2, "5 o'clock");
	put_request(1, 1, "SELECT 100%", "allow", "read", "ok");
	put_request(2, 1, "DELETE FROM a_b", "hold", "delete,read", "refused");
	put_hold(7, 2, "denied");
	put_request(3, 2, "drop table x", "deny", "destroy", "refused");
	put_request(4, 2, "UPDATE aXb SET c = 1", "hold", "update read", NULL);
	put_hold(8, 4, NULL);
	put_request(5, 2, "SELECT broken", "allow", "read", "error");
	put(RECORD_EVENT, 5000, &event);
	cr_assert_eq(ledger_commit(l), 0);
	cr_assert_eq(query_open(db, &q), 0);
}

static void teardown(void)
{
	query_close(q);
	ledger_close(l);
	fixture_remove();
}

TestSuite(query, .init = setup, .fini = teardown);

/* The ids of a listing, as "1 2 3". */
static const char *ids(enum query_what what, struct query_filter filter)
{
	static char text[256];
	struct query_row row;
	size_t n = 0;
	int r;

	text[0] = 0;
	cr_assert_eq(query_list(q, what, &filter), 0);
	while (!(r = query_next(q, &row)))
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%lld", n ? " " : "",
			(long long)query_value(&row, "id")->number);
	cr_assert_eq(r, QUERY_E_END);
	return text;
}

Test(query, filters_choose_rows)
{
	static const struct {
		struct query_filter filter;
		const char *want;
	} rows[] = {
		{{0}, "1 2 3 4 5"},
		{{.run = 1}, "1 2"},
		{{.run_name = "5 o'clock"}, "3 4 5"},
		{{.session = 2}, "3 4 5"},
		{{.run = 1, .session = 2}, ""},
		{{.verdict = "allow"}, "1 5"},
		{{.verdict = "hold"}, "2 4"},
		{{.verdict = "deny"}, "3"},
		{{.verdict = "denied"}, "2"},
		{{.verdict = "pending"}, "4"},
		{{.verdict = "refused"}, "2 3"},
		{{.verdict = "error"}, "5"},
		{{.verdict = "approved"}, ""},
		{{.effect = "read"}, "1 2 4 5"},
		{{.effect = "delete"}, "2"},
		{{.effect = "update"}, "4"},
		{{.text = "a_b"}, "2"},
		{{.text = "100%"}, "1"},
		{{.text = "%"}, "1"},
		{{.text = "DROP"}, "3"},
		{{.text = "' OR 1 = 1 --"}, ""},
		{{.text = "\\"}, ""},
		{{.since_ns = 3000}, "3 4 5"},
		{{.until_ns = 3000}, "1 2"},
		{{.since_ns = 2000, .until_ns = 3000}, "2"},
		{{.limit = 2}, "4 5"},
		{{.limit = 5}, "1 2 3 4 5"},
		{{.limit = 4, .verdict = "refused"}, "2 3"},
		{{.limit = 1, .verdict = "refused"}, "3"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_str_eq(ids(QUERY_REQUESTS, rows[i].filter), rows[i].want, "row %zu", i);
}

Test(query, every_verdict_is_a_condition_sqlite_takes)
{
	for (size_t i = 0; query_verdicts[i]; i++)
		ids(QUERY_REQUESTS, (struct query_filter){.verdict = query_verdicts[i]});
	cr_expect_str_eq(ids(QUERY_HOLDS, (struct query_filter){.verdict = "denied"}), "7");
	cr_expect_str_eq(ids(QUERY_HOLDS, (struct query_filter){.verdict = "pending"}), "8");
}

Test(query, the_other_listings)
{
	cr_expect_str_eq(ids(QUERY_RUNS, (struct query_filter){0}), "1 2");
	cr_expect_str_eq(ids(QUERY_RUNS, (struct query_filter){.run_name = "nightly"}), "1");
	cr_expect_str_eq(ids(QUERY_SESSIONS, (struct query_filter){.run = 2}), "2");
	cr_expect_str_eq(ids(QUERY_HOLDS, (struct query_filter){.session = 1}), "7");
	cr_expect_str_eq(ids(QUERY_DECISIONS, (struct query_filter){.run = 1}), "1");
	cr_expect_str_eq(ids(QUERY_EVENTS, (struct query_filter){.session = 2}), "1");
	cr_expect_str_eq(ids(QUERY_EVENTS, (struct query_filter){.session = 1}), "");
}

Test(query, a_filter_that_a_listing_cannot_answer_is_not_ignored)
{
	struct query_filter by_text = {.text = "x"}, by_verdict = {.verdict = "deny"};

	cr_expect_eq(query_list(q, QUERY_RUNS, &by_text), QUERY_E_FILTER);
	cr_expect_eq(query_list(q, QUERY_EVENTS, &by_verdict), QUERY_E_FILTER);
	cr_expect_eq(query_list(q, QUERY_HOLDS, &by_verdict), QUERY_E_FILTER);
}

Test(query, long_listings_come_in_pages_that_pin_nothing)
{
	struct query_row row;
	unsigned n = 0;
	bool is_pinned;

	cr_assert_eq(ledger_begin(l), 0);
	for (uint64_t id = 6; id <= 5000; id++)
		put_request(id, 1, "SELECT a row of a page", "allow", "read", "ok");
	cr_assert_eq(ledger_commit(l), 0);
	cr_assert_eq(query_list(q, QUERY_REQUESTS, &(struct query_filter){.limit = 4000}), 0);
	for (; !query_next(q, &row); n++)
		cr_assert_eq(query_value(&row, "id")->number, 1001 + n);
	cr_expect_eq(n, 4000);
	cr_assert_eq(query_list(q, QUERY_REQUESTS, &(struct query_filter){0}), 0);
	cr_assert_eq(query_next(q, &row), 0);
	cr_assert_eq(ledger_tidy(l, &is_pinned), 0);
	cr_expect(!is_pinned);
}

Test(query, it_cannot_write)
{
	sqlite3 *other;

	/* The same way to open as the query layer's, asked to do harm. */
	cr_assert_eq(sqlite3_open_v2(db, &other, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	cr_expect_neq(sqlite3_exec(other, "DELETE FROM request", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(other);
}

Test(query, what_cannot_be_opened_says_why)
{
	struct query *other;
	const char *path = fixture_path("text");
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	cr_assert_eq(write(fd, "no database at all", 18), 18);
	close(fd);
	cr_expect_eq(query_open(fixture_path("nowhere"), &other), QUERY_E_MISSING);
	cr_expect_eq(query_open(path, &other), QUERY_E_NO_LEDGER);
	cr_assert_eq(truncate(path, 0), 0);
	cr_expect_eq(query_open(path, &other), QUERY_E_NO_LEDGER);
}

/* In a child that is nobody, in the ledger's group or not. */
static int open_as(gid_t gid)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		struct query *other;
		struct query_row row;
		int r;

		if (setgroups(0, NULL) || setgid(gid) || setuid(65534))
			_exit(99);
		r = query_open(db, &other);
		if (!r)
			r = query_list(other, QUERY_REQUESTS, &(struct query_filter){0});
		_exit(r ? r : query_next(other, &row));
	}
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

Test(query, a_group_member_reads_with_and_without_a_running_scribe)
{
	enum { GROUP = 54321 };
	static const char *const files[] = {"ledger.db", "ledger.db-wal", "ledger.db-shm"};

	if (geteuid())
		cr_skip_test("needs root, to be others");
	cr_assert_eq(chmod(fixture_path("."), 0755), 0);
	for (size_t i = 0; i < 3; i++)
		cr_assert_eq(chown(fixture_path(files[i]), 0, GROUP), 0);
	cr_expect_eq(open_as(GROUP), 0);
	cr_expect_eq(open_as(65534), QUERY_E_FORBIDDEN);
	q = query_close(q);
	l = ledger_close(l);
	cr_expect_eq(open_as(GROUP), 0, "after a clean stop");
	cr_assert_eq(query_open(db, &q), 0);
}

Test(query, a_record_comes_back_as_it_was_written)
{
	for (enum record_kind kind = RECORD_NONE + 1; kind < RECORD_N; kind++) {
		union record rec = fixture_record(kind, 500), got;
		int64_t at, rowid;
		char sql[128];

		cr_assert_eq(ledger_begin(l), 0);
		put(kind, 77, &rec);
		cr_assert_eq(ledger_commit(l), 0);
		snprintf(sql, sizeof(sql), "SELECT rowid FROM \"%s\" WHERE at = 77",
			record_table[kind].name);
		rowid = fixture_sql(db, sql);
		cr_assert_eq(query_record(q, kind, rowid, &at, &got), 0);
		cr_expect_eq(at, 77);
		cr_expect(fixture_equal(kind, &rec, &got), "%s", record_table[kind].name);
	}
	cr_expect_eq(
		query_record(q, RECORD_HOLD, 999, &(int64_t){0}, &(union record){0}), QUERY_E_END);
}

Test(query, a_session_is_replayed_in_the_order_of_time)
{
	static const enum record_kind want[] = {RECORD_SESSION, RECORD_REQUEST, RECORD_REPLY,
		RECORD_REQUEST, RECORD_HOLD, RECORD_DECISION, RECORD_HOLD_END, RECORD_REPLY};
	struct replay *p;
	struct replay_step step;
	int64_t before = 0;

	cr_expect_eq(replay_new(q, 99, &p), REPLAY_E_NONE);
	cr_assert_eq(replay_new(q, 1, &p), 0);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		cr_assert_eq(replay_next(p, &step), 0, "step %zu", i);
		cr_expect_eq(step.kind, want[i], "step %zu", i);
		cr_expect_eq(step.since_start_ns, before + step.since_last_ns);
		before = step.since_start_ns;
	}
	cr_expect_eq(step.record.reply.request, 2);
	cr_expect(slice_eq_str(step.record.reply.status, "refused"));
	cr_expect_eq(replay_next(p, &step), REPLAY_E_END);
	replay_free(p);
}

/* How SQLite means to answer, as its own text. */
static bool plan_has(const char *sql, const char *what)
{
	char explain[512], pattern[128];
	sqlite3_stmt *stmt;
	sqlite3 *other;
	bool has = false;

	snprintf(explain, sizeof(explain), "EXPLAIN QUERY PLAN %s", sql);
	snprintf(pattern, sizeof(pattern), "%s", what);
	sqlite3_open_v2(db, &other, SQLITE_OPEN_READONLY, NULL);
	cr_assert_eq(sqlite3_prepare_v2(other, explain, -1, &stmt, NULL), SQLITE_OK, "%s",
		sqlite3_errmsg(other));
	while (sqlite3_step(stmt) == SQLITE_ROW)
		has |= strstr((const char *)sqlite3_column_text(stmt, 3), pattern) != NULL;
	sqlite3_finalize(stmt);
	sqlite3_close(other);
	return has;
}

Test(query, the_usual_questions_use_the_indexes)
{
	cr_expect(plan_has("SELECT * FROM requests WHERE session = 1 ORDER BY id LIMIT 500",
		"request USING INDEX request_of_session"));
	cr_expect(plan_has("SELECT * FROM requests WHERE ruling <> 'allow' AND ruling = 'deny' "
			   "ORDER BY id DESC LIMIT 50",
		"request USING INDEX request_not_allowed"));
	cr_expect(!plan_has("SELECT * FROM requests WHERE id > 5 ORDER BY id LIMIT 500", "SCAN"));
	cr_expect(plan_has("SELECT * FROM sessions WHERE run = 1", "session_of_run"));
}
