/* SPDX-License-Identifier: Apache-2.0 */
/* Tampering, kind by kind, by another connection to the database; and what verify says of it. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/verify.h"
#include "audit_fixture.h"

enum { COMMITS = 12, PER_COMMIT = 5, SIGN_EVERY = 4 };

static const char *db;
static struct checkpoint_key *key;
static struct checkpoint heads[16];
static size_t n_heads;
static struct verify_finding found[512];
static size_t n_found;
static char found_names[8][64];
static struct verify_report report;

static void sign(struct ledger *l)
{
	static const struct checkpoint none;
	struct checkpoint c;

	cr_assert(ledger_head(l, n_heads ? &heads[n_heads - 1] : &none, &c));
	c.number = n_heads + 1;
	c.at_ns = 1700000000000000000;
	cr_assert_eq(checkpoint_sign(key, &c), 0);
	cr_assert_eq(ledger_put_checkpoint(l, &c), 0);
	heads[n_heads++] = c;
}

/* Requests 1…60 with replies, in commits of five; every fourth is signed; an event in each. */
static void fill(struct ledger *l, bool has_contents)
{
	for (unsigned i = 0; i < COMMITS; i++) {
		cr_assert_eq(ledger_begin(l), 0);
		for (unsigned k = 1; k <= PER_COMMIT; k++) {
			uint64_t id = i * PER_COMMIT + k;
			struct record_request q = fixture_request(id, 1, "SELECT 1", "allow");
			struct record_reply p = {.request = id,
				.status = SLICE_LIT("ok"),
				.tag = SLICE_LIT("SELECT 1")};
			struct record_content c = {
				.request = id, .text_len = 2, .bytes = SLICE_LIT("=1")};

			cr_assert_eq(ledger_put(l, 0, 2 * id, RECORD_REQUEST, (int64_t)id, &q), 0);
			cr_assert_eq(
				ledger_put(l, 0, 2 * id + 1, RECORD_REPLY, (int64_t)id, &p), 0);
			if (has_contents)
				cr_assert_eq(ledger_put(l, LEDGER_NO_RING, 0, RECORD_CONTENT,
						     (int64_t)id, &c),
					0);
		}
		struct record_event e = {.kind = SLICE_LIT("test")};
		cr_assert_eq(ledger_put(l, LEDGER_NO_RING, 0, RECORD_EVENT, i, &e), 0);
		cr_assert_eq(ledger_commit(l), 0);
		if (i % SIGN_EVERY == SIGN_EVERY - 1)
			sign(l);
	}
}

static void setup(void)
{
	struct ledger *l;

	fixture_make();
	db = fixture_path("ledger.db");
	cr_assert_eq(checkpoint_key_load(fixture_path("key"), fixture_path("pub"), &key), 0);
	cr_assert_eq(ledger_open(db, &l), 0);
	cr_assert_eq(ledger_attach_ring(l, 0, 7, &(uint64_t){0}), 0);
	fill(l, false);
	ledger_close(l);
}

static void teardown(void)
{
	checkpoint_key_free(key);
	fixture_remove();
}

TestSuite(verify, .init = setup, .fini = teardown);

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
	if (n_found < 8)
		snprintf(
			found_names[n_found], sizeof(found_names[0]), "%s", f->name ? f->name : "");
	if (n_found < 512)
		found[n_found++] = *f;
}

static void check_with(const struct checkpoint *kept, size_t n_kept)
{
	const struct verify_config config = {
		.path = db, .key = key, .heads = kept, .n_heads = n_kept, .on_finding = on_finding};

	n_found = 0;
	cr_assert_eq(verify_run(&config, &report), 0);
	cr_expect_eq(report.n_findings, n_found);
}

static void check(void)
{
	check_with(heads, n_heads);
}

/* Exactly one finding: this one. */
static void expect(enum verify_what what, const char *table, int64_t row)
{
	cr_assert_eq(n_found, 1, "%zu findings, the first: %s", n_found,
		n_found ? verify_words[found[0].what] : "none");
	cr_expect_eq(found[0].what, what, "%s", verify_words[found[0].what]);
	cr_expect_str_eq(found[0].table ? found[0].table : "", table);
	cr_expect_eq(found[0].row, row, "row %lld", (long long)found[0].row);
}

Test(verify, an_untouched_ledger_is_verified)
{
	check();
	cr_expect_eq(n_found, 0, "%s", n_found ? verify_words[found[0].what] : "");
	cr_expect_eq(report.n_rows, COMMITS * (2 * PER_COMMIT + 1));
	cr_expect_eq(report.n_links, COMMITS);
	cr_expect_eq(report.n_checkpoints, n_heads);
	cr_expect_eq(report.n_heads, n_heads);
	cr_expect_eq(report.n_unsigned, 0);
	cr_expect_eq(report.first, 1);
}

Test(verify, a_changed_row_is_found_and_placed)
{
	tamper("UPDATE request SET text = 'SELECT 2' WHERE id = 27");
	check();
	expect(VERIFY_CHANGED, "request", 27);
	cr_expect_eq(found[0].after, 1);
	cr_expect_eq(found[0].until, 2);
}

Test(verify, every_column_of_every_kind_is_covered)
{
	tamper("UPDATE reply SET n_masked = 1 WHERE request = 3");
	tamper("UPDATE event SET at = at + 1 WHERE id = 2");
	tamper("UPDATE request SET hmac = x'00' WHERE id = 11");
	check();
	cr_assert_eq(n_found, 3);
	for (size_t i = 0; i < n_found; i++)
		cr_expect_eq(found[i].what, VERIFY_CHANGED);
}

Test(verify, a_removed_row_is_found)
{
	tamper("DELETE FROM reply WHERE request = 44");
	check();
	expect(VERIFY_REMOVED, "reply", 44);
}

Test(verify, an_inserted_row_is_found)
{
	tamper("INSERT INTO event (at, kind, run, session, detail) VALUES (5, 'nice', 0, 0, '')");
	check();
	expect(VERIFY_INSERTED, "event", COMMITS + 1);
}

Test(verify, rows_put_into_another_order_are_found)
{
	tamper("UPDATE request SET id = -1 WHERE id = 8; UPDATE request SET id = 8 WHERE id = 9;"
	       "UPDATE request SET id = 9 WHERE id = -1");
	check();
	cr_assert_eq(n_found, 2);
	cr_expect(found[0].what == VERIFY_CHANGED && found[0].row == 8);
	cr_expect(found[1].what == VERIFY_CHANGED && found[1].row == 9);
}

Test(verify, entries_of_a_commit_in_another_order_are_found)
{
	tamper("UPDATE chain SET entries = CAST(substr(entries, 18, 17) || substr(entries, 1, 17) "
	       "|| "
	       "substr(entries, 35) AS BLOB) WHERE first = (SELECT min(first) FROM chain)");
	check();
	expect(VERIFY_REORDERED, "", 0);
	cr_expect_eq(found[0].first, 1);
}

Test(verify, commits_in_another_order_are_found)
{
	/* The second and the third: as long as each other, so that the numbers still fit. */
	tamper("CREATE TABLE t AS SELECT first, entries, head FROM chain ORDER BY first LIMIT 2 "
	       "OFFSET 1;"
	       "UPDATE chain SET (entries, head) = (SELECT entries, head FROM t WHERE t.first <> "
	       "chain.first) WHERE first IN (SELECT first FROM t); DROP TABLE t");
	check();
	cr_expect_geq(n_found, 1);
	cr_expect_eq(found[0].what, VERIFY_REORDERED);
}

Test(verify, a_row_changed_together_with_its_entry_is_found)
{
	/* As one would who knows the scheme up to the head of the commit. */
	struct record_request lie = fixture_request(27, 1, "SELECT 2", "allow");
	struct buf scratch;
	uint8_t leaf[SHA256_SIZE];
	char sql[512];

	buf_init(&scratch, 1 << 16);
	cr_assert_eq(chain_leaf(&scratch, RECORD_REQUEST, 27, 27, &lie, leaf), 0);
	buf_deinit(&scratch);
	tamper("UPDATE request SET text = 'SELECT 2' WHERE id = 27");
	/* Commit 6 begins with 26 and its reply, then 27. */
	snprintf(sql, sizeof(sql),
		"UPDATE chain SET entries = CAST(substr(entries, 1, 17 * 2 + 9) || "
		"x'%02x%02x%02x%02x%02x"
		"%02x%02x%02x' || substr(entries, 17 * 3 + 1) AS BLOB) WHERE first = (SELECT first "
		"FROM chain "
		"ORDER BY first LIMIT 1 OFFSET 5)",
		leaf[0], leaf[1], leaf[2], leaf[3], leaf[4], leaf[5], leaf[6], leaf[7]);
	tamper(sql);
	check();
	expect(VERIFY_REORDERED, "", 0);
	cr_expect_eq(found[0].after, 1);
	cr_expect_eq(found[0].until, 2);
}

Test(verify, a_chain_made_anew_without_the_key_is_found)
{
	struct ledger *l;

	/* What the scribe itself would have written had there been another row. */
	tamper("DELETE FROM chain; DELETE FROM request; DELETE FROM reply; DELETE FROM event");
	cr_assert_eq(ledger_open(db, &l), 0);
	size_t had = n_heads;
	struct checkpoint kept[16];
	memcpy(kept, heads, sizeof(kept));
	cr_assert_eq(ledger_begin(l), 0);
	struct record_request q = fixture_request(1, 1, "SELECT 'nothing happened'", "allow");
	cr_assert_eq(ledger_put(l, LEDGER_NO_RING, 0, RECORD_REQUEST, 1, &q), 0);
	cr_assert_eq(ledger_commit(l), 0);
	ledger_close(l);
	check_with(kept, had);
	cr_expect_geq(n_found, 1);
}

Test(verify, removed_commits_are_a_gap)
{
	tamper("DELETE FROM chain WHERE first = (SELECT first FROM chain ORDER BY first LIMIT 1 "
	       "OFFSET 4)");
	check();
	cr_assert_geq(n_found, 1);
	cr_expect_eq(found[0].what, VERIFY_GAP);
	/* Its rows are now in no link. */
	cr_expect_eq(n_found, 1 + 2 * PER_COMMIT + 1);
	cr_expect_eq(found[1].what, VERIFY_INSERTED);
}

Test(verify, a_removed_beginning_is_a_gap)
{
	tamper("DELETE FROM request WHERE id <= 5; DELETE FROM reply WHERE request <= 5;"
	       "DELETE FROM event WHERE id = 1; DELETE FROM chain WHERE first = 1");
	check();
	expect(VERIFY_GAP, "", 0);
	cr_expect_eq(found[0].first, 1);
}

/* The last four commits and their checkpoint, cleanly. */
static const char cut[] =
	"DELETE FROM request WHERE id > 40; DELETE FROM reply WHERE request > 40;"
	"DELETE FROM event WHERE id > 8;"
	"DELETE FROM chain WHERE first > (SELECT entry FROM checkpoint WHERE number = 2);"
	"UPDATE ring_position SET seq = 81;"
	"DELETE FROM checkpoint WHERE number = 3";

Test(verify, a_cut_end_is_found_by_a_head_that_was_kept)
{
	tamper(cut);
	check_with(&heads[n_heads - 1], 1);
	expect(VERIFY_CUT, "checkpoint", (int64_t)n_heads);
	/* And by nothing else: a prefix is what the ledger once was. */
	check_with(NULL, 0);
	cr_expect_eq(n_found, 0);
}

Test(verify, a_cut_end_leaves_a_hole_in_the_numbers_when_it_goes_on)
{
	struct ledger *l;
	struct checkpoint c;

	tamper(cut);
	cr_assert_eq(ledger_open(db, &l), 0);
	cr_expect_eq(ledger_reconcile(l, &heads[n_heads - 1]), LEDGER_E_CUT);
	cr_assert_eq(ledger_begin(l), 0);
	struct record_event e = {.kind = SLICE_LIT("ledger-cut")};
	cr_assert_eq(ledger_put(l, LEDGER_NO_RING, 0, RECORD_EVENT, 1, &e), 0);
	cr_assert_eq(ledger_commit(l), 0);
	cr_assert(ledger_head(l, &heads[1], &c));
	c.number = n_heads + 1;
	cr_assert_eq(checkpoint_sign(key, &c), 0);
	cr_assert_eq(ledger_put_checkpoint(l, &c), 0);
	ledger_close(l);
	check_with(&c, 1);
	cr_assert_eq(n_found, 1);
	cr_expect_eq(found[0].what, VERIFY_UNSIGNED);
	cr_expect_eq(found[0].after, 2);
	cr_expect_eq(found[0].until, 4);
}

Test(verify, rows_without_their_end_of_the_chain_are_found)
{
	tamper("DELETE FROM chain WHERE first = (SELECT max(first) FROM chain)");
	check();
	cr_assert_geq(n_found, 2);
	cr_expect_eq(found[0].what, VERIFY_CUT, "its checkpoint has nothing to stand on");
}

Test(verify, a_swapped_file_is_found)
{
	struct ledger *l;
	const char *other = fixture_path("other.db");

	cr_assert_eq(ledger_open(other, &l), 0);
	cr_assert_eq(ledger_attach_ring(l, 0, 7, &(uint64_t){0}), 0);
	size_t had = n_heads;
	n_heads = 0;
	struct checkpoint kept[16];
	memcpy(kept, heads, sizeof(kept));
	fill(l, false);
	cr_expect_eq(ledger_reconcile(l, &kept[had - 1]), LEDGER_E_OTHER);
	ledger_close(l);
	db = other;
	check_with(&kept[had - 1], 1);
	expect(VERIFY_OTHER, "", 0);
}

Test(verify, rows_behind_a_good_end_are_found)
{
	struct record_event e = {.kind = SLICE_LIT("nice")};
	struct checkpoint stopped = heads[n_heads - 1];
	const struct verify_config config = {
		.path = db, .key = key, .stopped = &stopped, .on_finding = on_finding};
	struct ledger *l;

	stopped.kind = CHECKPOINT_STOPPED;
	cr_assert_eq(checkpoint_sign(key, &stopped), 0);
	cr_assert_eq(verify_run(&config, &report), 0);
	cr_expect_eq(report.n_findings, 0);
	/* As the scribe itself would have written it. */
	cr_assert_eq(ledger_open(db, &l), 0);
	cr_assert_eq(ledger_begin(l), 0);
	cr_assert_eq(ledger_put(l, LEDGER_NO_RING, 0, RECORD_EVENT, 1, &e), 0);
	cr_assert_eq(ledger_commit(l), 0);
	ledger_close(l);
	n_found = 0;
	cr_assert_eq(verify_run(&config, &report), 0);
	expect(VERIFY_EXTENDED, "", 0);
	cr_expect_eq(found[0].first, stopped.entry + 1);
	cr_expect_eq(found[0].last, stopped.entry + 1);
	/* Without that word it is what was written last. */
	check();
	cr_expect_eq(n_found, 0);
	cr_expect_eq(report.n_unsigned, 1);
}

Test(verify, what_the_scribe_noticed_is_a_finding_for_ever)
{
	struct record_event e = {.kind = SLICE_LIT("ledger-extended"),
		.detail = SLICE_LIT("first=7 last=9: forged")};
	struct ledger *l;

	cr_assert_eq(ledger_open(db, &l), 0);
	cr_assert_eq(ledger_begin(l), 0);
	cr_assert_eq(ledger_put(l, LEDGER_NO_RING, 0, RECORD_EVENT, 1, &e), 0);
	cr_assert_eq(ledger_commit(l), 0);
	sign(l);
	ledger_close(l);
	check();
	expect(VERIFY_EXTENDED, "event", COMMITS + 1);
	cr_expect_eq(found[0].first, 7);
	cr_expect_eq(found[0].last, 9);
}

/* ---- what people read ---- */

/* Exactly these findings of the schema, in this order. */
static void expect_schema(const char *sql, size_t n, const char *const names[])
{
	tamper(sql);
	check();
	cr_assert_eq(n_found, n, "%zu findings after: %s", n_found, sql);
	for (size_t i = 0; i < n; i++) {
		cr_expect_eq(found[i].what, VERIFY_SCHEMA);
		cr_expect_str_eq(found_names[i], names[i]);
	}
}

/* tamper() wants a row to change. */
#define SOMETHING "INSERT OR REPLACE INTO settled VALUES ('x', 1);"

Test(verify, views_that_show_something_else_are_found)
{
	expect_schema(SOMETHING "DROP VIEW decisions; CREATE VIEW decisions AS SELECT 1 AS id "
				"WHERE 0; DROP VIEW runs",
		2, (const char *const[]){"view decisions", "view runs"});
}

Test(verify, triggers_tables_and_columns_that_are_not_ours_are_found)
{
	expect_schema(SOMETHING
		"CREATE TRIGGER t AFTER INSERT ON event BEGIN DELETE FROM event; END;"
		"CREATE TABLE \"x\x1b[2J\" (a);"
		"ALTER TABLE run ADD COLUMN more TEXT NOT NULL DEFAULT 'x'; DROP INDEX run_of_name",
		4,
		(const char *const[]){
			"table run", "trigger t", "table x?[2J", "index run_of_name"});
}

Test(verify, an_index_that_lacks_a_row_is_found)
{
	tamper("DROP INDEX request_of_session;"
	       "CREATE INDEX request_of_session ON request (session) WHERE id <> 27;"
	       "PRAGMA writable_schema = ON;"
	       "UPDATE sqlite_schema SET sql = 'CREATE INDEX request_of_session ON request "
	       "(session)' WHERE name = 'request_of_session'");
	check();
	cr_assert_eq(n_found, 1);
	cr_expect_eq(found[0].what, VERIFY_UNFOUND);
	cr_expect_str_eq(found_names[0], "a row of table request");
}

Test(verify, an_index_of_words_that_was_emptied_is_found)
{
	check();
	cr_expect_eq(report.n_searched, COMMITS * PER_COMMIT);
	tamper(SOMETHING "INSERT INTO words (words) VALUES ('delete-all')");
	check();
	cr_expect_eq(n_found, COMMITS * PER_COMMIT);
	cr_expect_eq(found[0].what, VERIFY_UNFOUND);
}

Test(verify, a_request_without_its_words_is_found)
{
	/* All of it, and then so that the words alone are missing. */
	tamper("INSERT INTO words (words, rowid, doc) VALUES ('delete', 27, 'SELECT 1 zzeread "
	       "zzvallow')");
	check();
	expect(VERIFY_UNFOUND, "request", 27);
	tamper("INSERT INTO words_docsize VALUES (27, x'05')");
	check();
	expect(VERIFY_UNFOUND, "request", 27);
}

Test(verify, a_version_that_it_is_not_of_hides_no_views)
{
	tamper(SOMETHING "DROP VIEW decisions; PRAGMA user_version = 3");
	check();
	cr_assert_eq(n_found, 1);
	cr_expect_str_eq(found_names[0], "pragma user_version");
	cr_expect(report.has_old_schema);
}

Test(verify, the_first_checkpoints_are_missed)
{
	tamper("DELETE FROM checkpoint WHERE number = 1");
	check_with(&heads[n_heads - 1], 1);
	cr_assert_eq(n_found, 1);
	cr_expect_eq(found[0].what, VERIFY_UNSIGNED);
	cr_expect_eq(found[0].until, 2);
}

Test(verify, a_forged_checkpoint_is_found)
{
	tamper("UPDATE checkpoint SET signature = zeroblob(64) WHERE number = 2");
	check();
	expect(VERIFY_FORGED, "checkpoint", 2);
}

Test(verify, a_removed_checkpoint_is_found)
{
	tamper("DELETE FROM checkpoint WHERE number = 2");
	check_with(&heads[n_heads - 1], 1);
	cr_assert_eq(n_found, 1);
	cr_expect_eq(found[0].what, VERIFY_UNSIGNED);
}

Test(verify, another_key_signed_nothing_here)
{
	struct checkpoint_key *mine = key, *other;

	cr_assert_eq(checkpoint_key_load(fixture_path("key2"), fixture_path("pub2"), &other), 0);
	key = other;
	check_with(NULL, 0);
	key = mine;
	checkpoint_key_free(other);
	cr_expect_eq(n_found, n_heads);
	cr_expect_eq(found[0].what, VERIFY_FORGED);
}

Test(verify, a_position_that_was_moved_is_found)
{
	tamper("UPDATE ring_position SET seq = 100000");
	check();
	expect(VERIFY_POSITION, "ring_position", 0);
}

Test(verify, a_checkpoint_that_was_signed_but_not_kept_is_put_in)
{
	struct ledger *l;

	tamper("DELETE FROM checkpoint WHERE number = 3");
	cr_assert_eq(ledger_open(db, &l), 0);
	cr_expect_eq(ledger_reconcile(l, &heads[2]), 0);
	ledger_close(l);
	check();
	cr_expect_eq(n_found, 0);
	cr_expect_eq(report.n_checkpoints, 3);
}

/* Flips a bit of every statement in the file itself, past SQLite. Returns how many there were. */
static unsigned flip_statements(void)
{
	static uint8_t bytes[1 << 21];
	FILE *f = fopen(db, "r+b");
	size_t size = fread(bytes, 1, sizeof(bytes), f);
	unsigned n = 0;

	for (uint8_t *p = bytes; (p = memmem(p, size - (size_t)(p - bytes), "ELECT 1", 7));
		p += 7) {
		p[5] ^= 1;
		n++;
	}
	rewind(f);
	cr_assert_eq(fwrite(bytes, 1, size, f), size);
	fclose(f);
	return n;
}

Test(verify, bytes_of_the_file_changed_past_sqlite_are_found)
{
	tamper("INSERT INTO settled VALUES ('x', 1); PRAGMA wal_checkpoint(TRUNCATE)");
	cr_assert_geq(flip_statements(), COMMITS * PER_COMMIT);
	check();
	cr_expect_geq(n_found, COMMITS * PER_COMMIT);
	cr_expect_eq(found[0].what, VERIFY_CHANGED);
}

Test(verify, contents_that_were_changed_or_left_out_are_found)
{
	struct ledger *l;

	db = fixture_path("contents.db");
	cr_assert_eq(ledger_open(db, &l), 0);
	cr_assert_eq(ledger_attach_ring(l, 0, 7, &(uint64_t){0}), 0);
	n_heads = 0;
	fill(l, true);
	ledger_close(l);
	tamper("UPDATE content SET bytes = x'3d32' WHERE request = 7");
	check();
	expect(VERIFY_CHANGED, "content", 7);
	tamper("DELETE FROM content WHERE request = 7");
	check();
	expect(VERIFY_REMOVED, "content", 7);
	tamper("INSERT INTO content SELECT 7, at, 7, 0, 2, x'3d32' FROM content WHERE id = 8");
	check();
	expect(VERIFY_CHANGED, "content", 7);
	tamper("INSERT INTO content SELECT 9999, at, 7, 1, 2, x'3d32' FROM content WHERE id = 8");
	check();
	cr_expect_eq(n_found, 2);
}

/* ---- older versions ---- */

static void make_version_1(const char *path)
{
	static char sql[1 << 16];
	FILE *f = fopen("tests/unit/audit/schema_1.sql", "re");
	sqlite3 *old;
	char *why = NULL;

	cr_assert(f);
	sql[fread(sql, 1, sizeof(sql) - 1, f)] = 0;
	fclose(f);
	cr_assert_eq(sqlite3_open(path, &old), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(old, sql, NULL, NULL, &why), SQLITE_OK, "%s", why);
	cr_assert_eq(sqlite3_exec(old,
			     "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE "
			     "i < 9000)"
			     " INSERT INTO request SELECT i, i, 1, 'query', 'SELECT ' || i, 8, "
			     "x'00ff', '',"
			     " 'read', '', 'allow', '', '', 'none' FROM n;"
			     "INSERT INTO login VALUES (5, 1, 'agent', 'shop', 'psql');"
			     "INSERT INTO login VALUES (6, 2, 'agent', 'shop', 'psql');"
			     "DELETE FROM login WHERE session = 1;"
			     "INSERT INTO decision VALUES (7, 1, 'approve', 0, 'root', '', 'why', "
			     "'once', "
			     "x'01');"
			     "INSERT INTO event VALUES (8, 'start', 0, 0, 'pid=1');"
			     "INSERT INTO ring_position VALUES (0, 7, 42)",
			     NULL, NULL, &why),
		SQLITE_OK, "%s", why);
	sqlite3_close(old);
}

Test(verify, a_ledger_of_version_1_is_brought_forward_without_losing_a_row)
{
	struct ledger *l;
	uint64_t seq;

	db = fixture_path("old.db");
	make_version_1(db);
	cr_assert_eq(ledger_open(db, &l), 0);
	cr_assert_eq(ledger_attach_ring(l, 0, 7, &seq), 0);
	cr_expect_eq(seq, 42);
	/* It goes on working. */
	cr_assert_eq(ledger_begin(l), 0);
	struct record_request q = fixture_request(9001, 1, "SELECT 1", "allow");
	cr_assert_eq(ledger_put(l, 0, 43, RECORD_REQUEST, 1, &q), 0);
	struct record_event e = {.kind = SLICE_LIT("test")};
	cr_assert_eq(ledger_put(l, 0, 44, RECORD_EVENT, 1, &e), 0);
	cr_assert_eq(ledger_commit(l), 0);
	n_heads = 0;
	sign(l);
	ledger_close(l);
	cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM requests"), 9001);
	cr_expect_eq(fixture_sql(db, "SELECT id FROM login"), 2, "row numbers stay");
	cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM decisions WHERE reason = 'why'"), 1);
	cr_expect_eq(fixture_sql(db, "SELECT max(id) FROM event"), 2);
	cr_expect_eq(fixture_sql(db, "PRAGMA user_version"), LEDGER_VERSION);
	check();
	cr_expect_eq(n_found, 0, "%s", n_found ? verify_words[found[0].what] : "");
	cr_expect_eq(report.n_rows, 9001 + 1 + 1 + 2);
	tamper("UPDATE request SET text = '' WHERE id = 4711");
	check();
	expect(VERIFY_CHANGED, "request", 4711);
}

Test(verify, a_migrated_ledger_has_the_schema_of_a_new_one)
{
	struct ledger *l;
	const char *old = fixture_path("old.db");

	make_version_1(old);
	cr_assert_eq(ledger_open(old, &l), 0);
	ledger_close(l);
	char sql[512];
	snprintf(sql, sizeof(sql), "ATTACH '%s' AS o; CREATE TEMP TABLE x (a)", old);
	sqlite3 *both;
	sqlite3_stmt *stmt;
	cr_assert_eq(sqlite3_open(db, &both), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(both, sql, NULL, NULL, NULL), SQLITE_OK);
	cr_assert_eq(
		sqlite3_prepare_v2(both,
			"SELECT count(*) FROM main.sqlite_schema n LEFT JOIN o.sqlite_schema s "
			"ON s.type = n.type AND s.name = n.name WHERE s.name IS NULL",
			-1, &stmt, NULL),
		SQLITE_OK);
	cr_assert_eq(sqlite3_step(stmt), SQLITE_ROW);
	cr_expect_eq(sqlite3_column_int(stmt, 0), 0);
	sqlite3_finalize(stmt);
	sqlite3_close(both);
}

/* A ledger as version 3 wrote it: its schema, and rows that have nothing in what came later. */
static void make_version_3(const char *path)
{
	static char sql[1 << 16];
	FILE *f = fopen("tests/unit/audit/schema_3.sql", "re");
	sqlite3 *old;
	struct ledger *l;
	char *why = NULL;

	cr_assert(f);
	snprintf(sql, sizeof(sql), "ATTACH '%s' AS new;", path);
	sql[strlen(sql) + fread(sql + strlen(sql), 1, sizeof(sql) - 1024, f)] = 0;
	fclose(f);
	cr_assert_eq(ledger_open(fixture_path("new.db"), &l), 0);
	cr_assert_eq(ledger_attach_ring(l, 0, 7, &(uint64_t){0}), 0);
	n_heads = 0;
	fill(l, false);
	ledger_close(l);
	cr_assert_eq(sqlite3_open(path, &old), SQLITE_OK);
	cr_assert_eq(
		sqlite3_exec(old, strchr(sql, ';') + 1, NULL, NULL, &why), SQLITE_OK, "%s", why);
	snprintf(sql, sizeof(sql),
		"ATTACH '%s' AS new;"
		"INSERT INTO request SELECT * FROM new.request;"
		"INSERT INTO reply SELECT at, request, status, n_rows, n_bytes, n_masked, tag, "
		"code, "
		"message, n_affected, masked FROM new.reply;"
		"INSERT INTO event SELECT * FROM new.event;"
		"INSERT INTO decision SELECT id, at, hold, decision, uid, user, sudo_uid, reason, "
		"scope, hmac FROM new.decision;"
		"INSERT INTO chain SELECT * FROM new.chain;"
		"INSERT INTO checkpoint SELECT * FROM new.checkpoint;"
		"INSERT INTO identity SELECT * FROM new.identity;"
		"INSERT INTO ring_position SELECT * FROM new.ring_position;"
		"INSERT INTO zone SELECT * FROM new.zone;"
		"INSERT INTO words (rowid, doc) SELECT id, text || ' zzeread zzvallow' FROM "
		"new.request",
		fixture_path("new.db"));
	cr_assert_eq(sqlite3_exec(old, sql, NULL, NULL, &why), SQLITE_OK, "%s", why);
	sqlite3_close(old);
}

Test(verify, a_ledger_of_version_3_is_verified_as_it_is_and_brought_forward)
{
	struct ledger *l;

	db = fixture_path("three.db");
	make_version_3(db);
	cr_assert_eq(fixture_sql(db, "PRAGMA user_version"), 3);
	check();
	cr_expect_eq(n_found, 0, "%s", n_found ? verify_words[found[0].what] : "");
	cr_expect_eq(report.n_rows, 2 * COMMITS * PER_COMMIT + COMMITS);
	cr_assert_eq(ledger_open(db, &l), 0);
	cr_assert_eq(ledger_begin(l), 0);
	struct record_content c = {.request = 1, .text_len = 2, .bytes = SLICE_LIT("=1")};
	cr_assert_eq(ledger_put(l, LEDGER_NO_RING, 0, RECORD_CONTENT, 1, &c), 0);
	cr_assert_eq(ledger_commit(l), 0);
	sign(l);
	ledger_close(l);
	cr_expect_eq(fixture_sql(db, "PRAGMA user_version"), LEDGER_VERSION);
	cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM requests WHERE status = 'ok'"), 60);
	cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM replies WHERE contents = ''"), 60);
	check();
	cr_expect_eq(n_found, 0, "%s", n_found ? verify_words[found[0].what] : "");
	tamper("UPDATE reply SET contents = 'full' WHERE request = 3");
	check();
	expect(VERIFY_CHANGED, "reply", 3);
}
