/* SPDX-License-Identifier: Apache-2.0 */
/* The warden's signatures, asked for by a real scribe in a process of its own. */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../audit/audit_fixture.h"
#include "audit/verify.h"
#include "daemon/signer.h"
#include "priv/channel.h"
#include "util/clock.h"

static struct config config;
static struct signer signer;
static struct journal *ring;
static const char *db, *head, *ring_paths[2];
static int wake, stop;
static pid_t scribe;
static uint64_t next_id;

static void setup(void)
{
	fixture_make();
	db = fixture_path("ledger.db");
	ring_paths[0] = fixture_path("ring");
	config = (struct config){.keys = (char *)(uintptr_t)fixture_path("keys")};
	cr_assert_eq(mkdir(config.keys, 0755), 0);
	head = fixture_path("keys/" SIGNER_HEAD);
	wake = eventfd(0, EFD_NONBLOCK);
	cr_assert_eq(journal_open_writer(ring_paths[0], 1 << 16, wake, &ring), 0);
}

/* A daemon's life begins: with what it kept. */
static void begin(void)
{
	cr_assert_eq(signer_init(&signer, &config), 0);
}

static void attend(int ms)
{
	signer_attend(&signer, -1, ms);
}

static void start(void)
{
	struct ledger_ids ids;
	int ready[2];

	cr_assert_eq(signer_begin(&signer), 0);
	stop = eventfd(0, EFD_NONBLOCK);
	cr_assert_eq(pipe(ready), 0);
	scribe = fork();
	if (!scribe) {
		const struct scribe_signer asks = signer_of_scribe(&signer);
		const struct scribe_config c = {.ledger_path = db,
			.ring_paths = ring_paths,
			.wake_fd = wake,
			.stop_fd = stop,
			.ready_fd = ready[1],
			.signer = &asks,
			.retention = {.age_ns = config.retention_age_ns},
			.close_orphans = true};

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(scribe_run(&c) ? 1 : 0);
	}
	close(ready[1]);
	for (int i = 0;
		i < 500 && poll(&(struct pollfd){.fd = ready[0], .events = POLLIN}, 1, 0) != 1; i++)
		attend(20);
	cr_assert_eq(read(ready[0], &ids, sizeof(ids)), (ssize_t)sizeof(ids));
	close(ready[0]);
}

static void halt(void)
{
	int fd = (int)syscall(SYS_pidfd_open, scribe, 0), status;

	eventfd_write(stop, 1);
	signer_attend(&signer, fd, 10000);
	cr_assert_eq(waitpid(scribe, &status, 0), scribe);
	cr_expect_eq(status, 0);
	close(fd);
	close(stop);
}

static void end(void)
{
	signer_finish(&signer);
	close(signer.fds[0]);
	close(signer.fds[1]);
	checkpoint_key_free(signer.key);
}

static void teardown(void)
{
	journal_close(ring);
	close(wake);
	fixture_remove();
}

TestSuite(signer, .init = setup, .fini = teardown, .timeout = 120);

static void ask(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct record_request q = fixture_request(++next_id, 1, "SELECT 1", "allow");

		cr_assert_eq(journal_append(ring, RECORD_REQUEST, &q, NULL), 0);
	}
}

static int64_t count(const char *sql)
{
	return fixture_sql(db, sql);
}

#define ATTEND_UNTIL(cond)                                                                         \
	do {                                                                                       \
		int64_t deadline_ = clock_mono_ns() + 20 * CLOCK_NS_PER_S;                         \
		while (!(cond)) {                                                                  \
			cr_assert(clock_mono_ns() < deadline_, "never came: %s", #cond);           \
			attend(10);                                                                \
		}                                                                                  \
	} while (0)

static void on_finding(void *arg, const struct verify_finding *f)
{
	(void)arg;
	fprintf(stderr, "%s %s %lld entry %llu\n", verify_words[f->what], f->table ? f->table : "",
		(long long)f->row, (unsigned long long)f->first);
}

static uint64_t n_findings(void)
{
	struct verify_report report;
	struct checkpoint kept[1], stopped = {0};
	struct verify_config c = {
		.path = db, .heads = kept, .n_heads = 1, .on_finding = on_finding};
	struct checkpoint_key *key;
	int r = checkpoint_read_file(head, CHECKPOINT_STOPPED, &stopped);

	cr_assert(!r || r == CHECKPOINT_E_NONE);
	c.stopped = r ? NULL : &stopped;
	cr_assert_eq(checkpoint_read_file(head, CHECKPOINT_HEAD, &kept[0]), 0);
	cr_assert_eq(checkpoint_key_read(fixture_path("keys/" SIGNER_PUBLIC), &key), 0);
	c.key = key;
	cr_assert_eq(verify_run(&c, &report), 0);
	checkpoint_key_free(key);
	return report.n_findings;
}

/* What somebody adds who may write the file, and knows how the scribe does it. */
static void forge(const char *kind)
{
	struct record_event e = {.kind = slice_str(kind), .detail = SLICE_LIT("forged")};
	struct ledger *l;

	cr_assert_eq(ledger_open(db, &l), 0);
	cr_assert_eq(ledger_begin(l), 0);
	cr_assert_eq(ledger_put(l, LEDGER_NO_RING, 0, RECORD_EVENT, 1, &e), 0);
	cr_assert_eq(ledger_commit(l), 0);
	ledger_close(l);
}

Test(signer, what_retention_removes_is_signed_away_first)
{
	config.retention_age_ns = 1;
	begin();
	start();
	ask(10);
	ATTEND_UNTIL(count("SELECT count(*) FROM checkpoint") == 1);
	ask(10);
	ATTEND_UNTIL(count("SELECT count(*) FROM event WHERE kind = 'pruned'") == 1);
	ATTEND_UNTIL(count("SELECT min(id) FROM request") > 10);
	halt();
	end();
	cr_expect_eq(count("SELECT count(*) FROM prune"), 1);
	cr_expect_eq(n_findings(), 0);
}

/* What the warden answers a scribe that may have been taken over, and would like to lose its past.
 */
static uint64_t may_go(const struct checkpoint_key *key, int64_t age)
{
	struct channel_message m = {.type = CHANNEL_PRUNE}, answer;
	int fd;

	m.checkpoint = (struct checkpoint){
		.number = 3, .at_ns = clock_wall_ns() - age * CLOCK_NS_PER_S, .entry = 10};
	cr_assert_eq(checkpoint_sign(key, &m.checkpoint), 0);
	cr_assert_eq(channel_send(signer.fds[SIGNER_SCRIBE], &m, -1), 0);
	attend(20);
	cr_assert_eq(
		channel_receive(signer.fds[SIGNER_SCRIBE], CHANNEL_IN_SCRIBE, &answer, &fd), 0);
	cr_expect_eq(answer.type, CHANNEL_PRUNABLE);
	return answer.checkpoint.number;
}

Test(signer, what_is_too_young_or_not_ours_is_not_signed_away)
{
	struct checkpoint_key *other;

	config.retention_age_ns = 3600 * CLOCK_NS_PER_S;
	begin();
	cr_assert_eq(checkpoint_key_load(fixture_path("key2"), fixture_path("pub2"), &other), 0);
	signer.last.number = 9;
	cr_expect_eq(may_go(signer.key, 3500), 0);
	cr_expect_eq(may_go(signer.key, 3700), 3);
	cr_expect_eq(may_go(other, 3700), 0);
	signer.retention_size = 1;
	cr_expect_eq(may_go(signer.key, 50), 0);
	cr_expect_eq(may_go(signer.key, 70), 3);
	/* Never the last one. */
	signer.last.number = 3;
	cr_expect_eq(may_go(signer.key, 3700), 0);
	signer.last.number = 9;
	signer.retention_age_ns = 0;
	signer.retention_size = 0;
	cr_expect_eq(may_go(signer.key, 1000000), 0, "everything is kept");
	checkpoint_key_free(other);
	end();
}

Test(signer, rows_appended_behind_a_good_end_are_found_and_told)
{
	begin();
	start();
	ask(10);
	halt();
	end();
	cr_expect_eq(n_findings(), 0);
	forge("nice");
	cr_expect_eq(n_findings(), 1, "before the next start");
	begin();
	start();
	ATTEND_UNTIL(count("SELECT count(*) FROM event WHERE kind = 'ledger-extended'") == 1);
	halt();
	end();
	cr_expect_eq(n_findings(), 1, "and for ever");
}

Test(signer, a_good_end_and_a_start_find_nothing_also_when_records_wait)
{
	begin();
	start();
	ask(10);
	halt();
	/* The warden itself writes between two scribes. */
	ask(5);
	start();
	ATTEND_UNTIL(count("SELECT count(*) FROM request") == 15);
	halt();
	end();
	begin();
	ask(5);
	start();
	halt();
	end();
	cr_expect_eq(count("SELECT count(*) FROM event"), 0);
	cr_expect_eq(n_findings(), 0);
}

Test(signer, what_a_bad_end_left_unsigned_is_told_but_no_finding)
{
	begin();
	start();
	ask(10);
	ATTEND_UNTIL(count("SELECT count(*) FROM checkpoint") == 1);
	ask(10);
	/* It commits, and nobody signs. */
	while (count("SELECT count(*) FROM request") < 20)
		poll(NULL, 0, 5);
	kill(scribe, SIGKILL);
	cr_assert_eq(waitpid(scribe, NULL, 0), scribe);
	end();
	begin();
	start();
	halt();
	end();
	cr_expect_eq(count("SELECT count(*) FROM event WHERE kind = 'ledger-unsigned'"), 1);
	cr_expect_eq(n_findings(), 0);
}

/* ---- what was kept is old, or lost ---- */

static void copy_file(const char *from, const char *to)
{
	char sh[300];

	snprintf(sh, sizeof(sh), "cp '%s' '%s'", from, to);
	cr_assert_eq(system(sh), 0);
}

static void kill_scribe(void)
{
	kill(scribe, SIGKILL);
	cr_assert_eq(waitpid(scribe, NULL, 0), scribe);
}

/* Four checkpoints; what was kept of the first is in "old". Then all of it dies. */
static void live_and_die(void)
{
	begin();
	start();
	for (int i = 1; i <= 4; i++) {
		ask(5);
		ATTEND_UNTIL(count("SELECT count(*) FROM checkpoint") == i);
		if (i == 1)
			copy_file(head, fixture_path("old"));
	}
	kill_scribe();
	end();
}

static void expect_to_go_on(const char *head_lost)
{
	struct checkpoint kept;

	begin();
	start();
	ask(5);
	ATTEND_UNTIL(count("SELECT count(*) FROM checkpoint") >= 5);
	halt();
	end();
	cr_expect_eq(count("SELECT count(*) = max(number) FROM checkpoint"), 1, "no hole");
	cr_assert_eq(checkpoint_read_file(head, CHECKPOINT_HEAD, &kept), 0);
	cr_expect_eq((int64_t)kept.number, count("SELECT max(number) FROM checkpoint"));
	cr_expect_eq(count("SELECT count(*) FROM event WHERE kind IN ('ledger-cut', "
			   "'ledger-replaced', 'ledger-extended')"),
		0);
	cr_expect_eq(count(head_lost), 1);
	cr_expect_eq(count("SELECT count(*) FROM event WHERE kind = 'head-lost'"), 1);
	cr_expect_eq(n_findings(), 0);
}

Test(signer, an_old_head_is_no_tampering_and_stops_nothing)
{
	live_and_die();
	copy_file(fixture_path("old"), head);
	expect_to_go_on("SELECT count(*) FROM event WHERE detail LIKE 'kept=1 found=4:%'");
}

Test(signer, a_lost_head_is_no_tampering_and_stops_nothing)
{
	live_and_die();
	cr_assert_eq(unlink(head), 0);
	expect_to_go_on("SELECT count(*) FROM event WHERE detail LIKE 'kept=0 found=4:%'");
}

Test(signer, with_a_new_key_the_numbers_go_on)
{
	live_and_die();
	cr_assert_eq(unlink(head), 0);
	cr_assert_eq(unlink(fixture_path("keys/" SIGNER_KEY)), 0);
	cr_assert_eq(unlink(fixture_path("keys/" SIGNER_PUBLIC)), 0);
	begin();
	start();
	ask(5);
	ATTEND_UNTIL(count("SELECT max(number) FROM checkpoint") == 5);
	halt();
	end();
	cr_expect_eq(n_findings(), 4, "of what the old key signed, and nothing else");
}

Test(signer, a_number_that_is_taken_does_not_stop_the_scribe)
{
	sqlite3 *other;

	begin();
	start();
	ask(5);
	ATTEND_UNTIL(count("SELECT count(*) FROM checkpoint") == 1);
	cr_assert_eq(sqlite3_open(db, &other), SQLITE_OK);
	sqlite3_busy_timeout(other, 5000);
	cr_assert_eq(sqlite3_exec(other, "INSERT INTO checkpoint VALUES (2, 1, 3, x'00', x'00')",
			     NULL, NULL, NULL),
		SQLITE_OK);
	sqlite3_close(other);
	ask(5);
	ATTEND_UNTIL(count("SELECT max(number) FROM checkpoint") == 3);
	cr_expect_eq(count("SELECT count(*) FROM event WHERE kind = 'conflict' AND detail LIKE "
			   "'record=checkpoint number=2 %'"),
		1);
	halt();
	end();
	cr_expect_geq(n_findings(), 1);
}

Test(signer, the_same_head_is_not_signed_twice)
{
	struct channel_message m = {.type = CHANNEL_SIGN, .checkpoint = {.entry = 7}}, answer;
	int fd;

	begin();
	for (unsigned i = 0; i < 3; i++) {
		cr_assert_eq(channel_send(signer.fds[SIGNER_SCRIBE], &m, -1), 0);
		attend(20);
		cr_assert_eq(
			channel_receive(signer.fds[SIGNER_SCRIBE], CHANNEL_IN_SCRIBE, &answer, &fd),
			0);
		cr_expect_eq(answer.checkpoint.number, i < 2 ? 1 : 2);
		m.checkpoint.head[0] = i == 1;
	}
	end();
}

static void stop_after(struct loop *l)
{
	loop_stop(l);
}

Test(signer, who_asks_without_end_has_a_share_of_a_turn)
{
	struct channel_message m = {.type = CHANNEL_NEWEST}, answer;
	struct loop loop;
	unsigned n_asked = 0, n_answered = 0;
	int fd;

	begin();
	cr_assert_eq(loop_init(&loop, NULL), 0);
	loop.after = stop_after;
	cr_assert_eq(signer_watch(&signer, &loop), 0);
	while (n_asked < 50 && !channel_send(signer.fds[SIGNER_SCRIBE], &m, -1))
		n_asked++;
	cr_assert_geq(n_asked, 20);
	cr_assert_eq(loop_run(&loop), 0);
	while (!channel_receive(signer.fds[SIGNER_SCRIBE], CHANNEL_IN_SCRIBE, &answer, &fd))
		n_answered++;
	cr_expect_geq(n_answered, 1);
	cr_expect_leq(n_answered, 4);
	loop_forget(&loop, &signer.src);
	loop_deinit(&loop);
	end();
}
