/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit/crc32c.h"
#include "audit_fixture.h"
#include "scribe_fixture.h"
#include "util/clock.h"

static struct scribe_fixture s;
static const char *db;

static void setup(void)
{
	fixture_make();
	db = fixture_path("ledger.db");
	scribe_fixture_init(&s, db);
}

static void teardown(void)
{
	scribe_fixture_deinit(&s);
	fixture_remove();
}

TestSuite(scribe, .init = setup, .fini = teardown, .timeout = 120);

static int append(unsigned ring, uint64_t id, uint64_t *ret_seq)
{
	struct record_request req = fixture_request(id, 1, "SELECT 1", "allow");

	return journal_append(s.rings[ring], RECORD_REQUEST, &req, ret_seq);
}

static bool is_readable(int fd, int timeout_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, timeout_ms) == 1;
}

static int64_t n_requests(void)
{
	return fixture_sql(db, "SELECT count(*) FROM request");
}

Test(scribe, what_is_appended_reaches_the_ledger)
{
	scribe_fixture_start(&s, true);
	cr_assert_eq(append(0, 1, NULL), 0);
	cr_assert_eq(append(1, 2, NULL), 0);
	WAIT_UNTIL(n_requests() == 2);
	WAIT_UNTIL(journal_committed(s.rings[0]) == 1 && journal_committed(s.rings[1]) == 1);
	scribe_fixture_stop(&s);
}

Test(scribe, a_wanted_commit_comes_soon_and_is_announced)
{
	uint64_t seq;

	scribe_fixture_start(&s, true);
	for (unsigned i = 1; i <= 20; i++) {
		cr_assert_eq(append(1, i, &seq), 0);
		journal_want_commit(s.rings[1], seq);
		cr_assert(is_readable(s.commit_fds[1], 5000));
		eventfd_read(s.commit_fds[1], &(eventfd_t){0});
		cr_assert_geq(journal_committed(s.rings[1]), seq);
		cr_assert_eq(n_requests(), i);
	}
	cr_expect(!is_readable(s.commit_fds[0], 0), "nobody asked on that ring");
	scribe_fixture_stop(&s);
}

Test(scribe, a_stop_drains_what_is_there)
{
	scribe_fixture_start(&s, true);
	for (unsigned i = 1; i <= 200; i++)
		cr_assert_eq(append(i % 2, i, NULL), 0);
	scribe_fixture_stop(&s);
	cr_expect_eq(n_requests(), 200);
}

Test(scribe, a_start_replays_closes_orphans_and_tells_the_ids)
{
	for (unsigned i = 1; i <= 100; i++)
		cr_assert_eq(append(0, i, NULL), 0);
	scribe_fixture_start(&s, true);
	cr_expect_eq(s.ids.request, 100);
	cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM reply WHERE status = 'lost'"), 100);
	scribe_fixture_stop(&s);
}

Test(scribe, a_scribe_alone_that_starts_again_closes_nothing)
{
	cr_assert_eq(append(0, 1, NULL), 0);
	scribe_fixture_start(&s, false);
	WAIT_UNTIL(n_requests() == 1);
	cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM reply"), 0);
	scribe_fixture_stop(&s);
}

/* ---- signatures ---- */

/* What scribe and warden say to each other, over a socket pair as in life; the test is the warden.
 */
static int signer_fds[2];

/* This warden only signs: what was signed last is what a scribe was started with. */
static bool signer_ask(
	const struct scribe_signer *me, enum scribe_word word, const struct checkpoint *c)
{
	return word == SCRIBE_SIGN && write(me->fd, c, sizeof(*c)) == (ssize_t)sizeof(*c);
}

static bool signer_answer(
	const struct scribe_signer *me, enum scribe_word *ret_word, struct checkpoint *ret)
{
	*ret_word = SCRIBE_SIGN;
	return recv(me->fd, ret, sizeof(*ret), MSG_DONTWAIT) == (ssize_t)sizeof(*ret);
}

static struct scribe_signer signer = {.ask = signer_ask, .answer = signer_answer};

static void signer_init(void)
{
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, signer_fds), 0);
	signer.fd = signer_fds[0];
	s.signer = &signer;
}

static struct checkpoint signer_asked(uint64_t number)
{
	struct checkpoint c = {0};

	cr_assert(is_readable(signer_fds[1], 10000), "the scribe asks");
	cr_assert_eq(read(signer_fds[1], &c, sizeof(c)), (ssize_t)sizeof(c));
	c.number = number;
	return c;
}

static void signer_say(const struct checkpoint *c)
{
	cr_assert_eq(write(signer_fds[1], c, sizeof(*c)), (ssize_t)sizeof(*c));
}

static int64_t n_checkpoints(void)
{
	return fixture_sql(db, "SELECT count(*) FROM checkpoint");
}

Test(scribe, a_signature_that_a_killed_scribe_had_asked_for_is_kept)
{
	struct checkpoint c;

	signer_init();
	scribe_fixture_start(&s, true);
	cr_assert_eq(append(0, 1, NULL), 0);
	c = signer_asked(1);
	scribe_fixture_kill(&s);
	/* Signed after the next one was started, and not told of by `last`. */
	scribe_fixture_start(&s, false);
	signer_say(&c);
	cr_assert_eq(append(0, 2, NULL), 0);
	WAIT_UNTIL(n_checkpoints() == 1);
	c = signer_asked(2);
	/* Asked by the first one or by this one, in whatever order: each number is kept. */
	while (c.entry <= 1)
		c = signer_asked(2);
	signer_say(&c);
	WAIT_UNTIL(n_checkpoints() == 2);
	cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM event"), 0);
	scribe_fixture_kill(&s);
}

Test(scribe, a_kill_between_signature_and_checkpoint_row_is_no_cut)
{
	signer_init();
	scribe_fixture_start(&s, true);
	cr_assert_eq(append(0, 1, NULL), 0);
	signer.last = signer_asked(1);
	scribe_fixture_kill(&s);
	/* What waits in the ring comes before the look at what was signed last. */
	for (unsigned i = 2; i < 20; i++)
		cr_assert_eq(append(0, i, NULL), 0);
	scribe_fixture_start(&s, true);
	cr_expect_eq(n_checkpoints(), 1);
	cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM event WHERE kind LIKE 'ledger-%'"), 0);
	/* And what is no head of this ledger is not taken. */
	signer.last.number = 2;
	signer.last.head[0] ^= 1;
	signer_say(&signer.last);
	cr_assert_eq(append(0, 20, NULL), 0);
	WAIT_UNTIL(n_requests() == 20);
	scribe_fixture_kill(&s);
	cr_expect_eq(n_checkpoints(), 1);
	/* … but told of at a start it is a ledger that was cut. */
	scribe_fixture_start(&s, true);
	cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM event WHERE kind = 'ledger-cut'"), 1);
	scribe_fixture_kill(&s);
}

Test(scribe, a_broken_ring_does_not_stop_the_others_and_is_mended_by_a_new_writer)
{
	uint8_t *file;
	int fd;

	scribe_fixture_start(&s, true);
	cr_assert_eq(append(0, 1, NULL), 0);
	WAIT_UNTIL(journal_committed(s.rings[0]) == 1);
	fd = open(s.ring_paths[0], O_RDWR);
	file = mmap(NULL, 4096 + SCRIBE_RING_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	cr_assert_neq(file, MAP_FAILED);
	close(fd);
	/* The writer's memory goes mad: no record begins like this. */
	memset(file + 4096, 0xa5, SCRIBE_RING_SIZE);
	cr_assert_eq(append(1, 2, NULL), 0);
	WAIT_UNTIL(journal_is_broken(s.rings[0]));
	cr_expect_eq(append(0, 3, NULL), JOURNAL_E_UNWRITABLE);
	cr_assert_eq(append(1, 4, NULL), 0);
	WAIT_UNTIL(n_requests() == 3);
	cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM event WHERE kind = 'journal-broken' AND "
				     "detail = 'ring=0 after=1'"),
		1);
	journal_close(s.rings[0]);
	cr_assert_eq(
		journal_open_writer(s.ring_paths[0], SCRIBE_RING_SIZE, s.wake, &s.rings[0]), 0);
	WAIT_UNTIL(journal_is_writable(s.rings[0]));
	cr_assert_eq(append(0, 5, NULL), 0);
	WAIT_UNTIL(n_requests() == 4);
	scribe_fixture_stop(&s);
	munmap(file, 4096 + SCRIBE_RING_SIZE);
}

/* Ring 0 is given up after one record, and goes on with a new writer. */
static void expect_given_up_and_mended(void)
{
	WAIT_UNTIL(journal_is_broken(s.rings[0]));
	cr_expect_eq(
		fixture_sql(db, "SELECT count(*) FROM event WHERE kind = 'journal-broken'"), 1);
	cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM event WHERE kind = 'conflict'"), 0);
	journal_close(s.rings[0]);
	cr_assert_eq(
		journal_open_writer(s.ring_paths[0], SCRIBE_RING_SIZE, s.wake, &s.rings[0]), 0);
	WAIT_UNTIL(journal_is_writable(s.rings[0]));
	cr_assert_eq(append(0, 5, NULL), 0);
	WAIT_UNTIL(n_requests() == 2);
	WAIT_UNTIL(journal_committed(s.rings[0]) == 2);
	cr_expect_eq(fixture_sql(db, "SELECT seq FROM ring_position WHERE ring = 0"), 2);
}

Test(scribe, what_its_writer_may_not_record_breaks_a_ring)
{
	static const uint32_t kinds[SCRIBE_RINGS] = {1 << RECORD_REQUEST, 1 << RECORD_RUN};
	struct record_run run = {.id = 7, .name = SLICE_LIT("forged")};

	s.kinds = kinds;
	scribe_fixture_start(&s, true);
	cr_assert_eq(append(0, 1, NULL), 0);
	WAIT_UNTIL(n_requests() == 1);
	cr_assert_eq(journal_append(s.rings[0], RECORD_RUN, &run, NULL), 0);
	expect_given_up_and_mended();
	/* Who may has the id that the other wanted to take. */
	run.name = SLICE_LIT("true");
	cr_assert_eq(journal_append(s.rings[1], RECORD_RUN, &run, NULL), 0);
	WAIT_UNTIL(fixture_sql(db, "SELECT count(*) FROM run WHERE name = 'true'") == 1);
	scribe_fixture_stop(&s);
}

Test(scribe, events_of_its_own_are_taken_from_no_ring)
{
	struct record_event e = {.kind = SLICE_LIT("pruned"), .detail = SLICE_LIT("entry=1 ")};

	scribe_fixture_start(&s, true);
	cr_assert_eq(journal_append(s.rings[0], RECORD_EVENT, &e, NULL), 0);
	e.kind = SLICE_LIT("ledger-replaced");
	cr_assert_eq(journal_append(s.rings[0], RECORD_EVENT, &e, NULL), 0);
	e.kind = SLICE_LIT("start");
	cr_assert_eq(journal_append(s.rings[0], RECORD_EVENT, &e, NULL), 0);
	WAIT_UNTIL(fixture_sql(db, "SELECT count(*) FROM event") == 3);
	cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM event WHERE kind = 'conflict'"), 2);
	scribe_fixture_stop(&s);
}

/* A record whose number is changed in the ring's memory, as a taken-over writer would. */
Test(scribe, a_number_near_the_end_of_numbers_does_not_end_the_ring)
{
	static const uint64_t numbers[] = {UINT64_MAX, UINT64_MAX - 1, UINT64_C(1) << 63};
	uint8_t *file;
	uint32_t len;
	int fd;

	for (unsigned i = 0; i < 3; i++) {
		scribe_fixture_start(&s, true);
		if (!i)
			cr_assert_eq(append(0, 1, NULL), 0);
		WAIT_UNTIL(n_requests() == i + 1);
		scribe_fixture_stop(&s);
		fd = open(s.ring_paths[0], O_RDWR);
		file = mmap(
			NULL, 4096 + SCRIBE_RING_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		cr_assert_neq(file, MAP_FAILED);
		close(fd);
		uint64_t tail;
		memcpy(&tail, file + 128, sizeof(tail));
		cr_assert_eq(append(0, 100 + i, NULL), 0);
		uint8_t *rec = file + 4096 + tail % SCRIBE_RING_SIZE;
		memcpy(rec + 16, &numbers[i], 8);
		memcpy(&len, rec + 8, 4);
		uint32_t crc = crc32c(slice_of(rec + 8, len - 8));
		memcpy(rec + 4, &crc, 4);
		munmap(file, 4096 + SCRIBE_RING_SIZE);
		/* A scribe that starts knows no number yet. */
		scribe_fixture_start(&s, true);
		WAIT_UNTIL(journal_is_broken(s.rings[0]));
		journal_close(s.rings[0]);
		cr_assert_eq(
			journal_open_writer(s.ring_paths[0], SCRIBE_RING_SIZE, s.wake, &s.rings[0]),
			0);
		WAIT_UNTIL(journal_is_writable(s.rings[0]));
		cr_assert_eq(append(0, 2 + i, NULL), 0);
		WAIT_UNTIL(n_requests() == i + 2);
		cr_expect_eq(
			fixture_sql(db, "SELECT seq FROM ring_position WHERE ring = 0"), i + 2);
		scribe_fixture_stop(&s);
	}
}

Test(scribe, a_gap_between_ledger_and_ring_is_written_down)
{
	scribe_fixture_start(&s, true);
	cr_assert_eq(append(0, 1, NULL), 0);
	WAIT_UNTIL(journal_committed(s.rings[0]) == 1);
	scribe_fixture_stop(&s);
	/* The ledger is lost, the ring goes on. */
	unlink(db);
	unlink(fixture_path("ledger.db-wal"));
	unlink(fixture_path("ledger.db-shm"));
	scribe_fixture_start(&s, true);
	cr_assert_eq(append(0, 2, NULL), 0);
	WAIT_UNTIL(n_requests() == 1);
	cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM event WHERE kind = 'gap' AND "
				     "detail = 'ring=0 after=0 next=2'"),
		1);
	scribe_fixture_stop(&s);
}

Test(scribe, a_corrupt_ledger_ends_it_and_nothing_is_taken)
{
	int fd = open(db, O_WRONLY | O_CREAT, 0640), status;
	struct scribe_config config = {.ledger_path = db,
		.ring_paths = s.ring_paths,
		.wake_fd = s.wake,
		.stop_fd = s.stop,
		.ready_fd = -1};

	for (unsigned i = 0; i < 1000; i++)
		cr_assert_eq(write(fd, "no database ", 12), 12);
	close(fd);
	s.pid = fork();
	if (!s.pid)
		_exit(scribe_run(&config) < 0 ? 42 : 0);
	cr_assert_eq(waitpid(s.pid, &status, 0), s.pid);
	s.pid = 0;
	cr_expect_eq(WEXITSTATUS(status), 42);
	cr_expect_eq(append(0, 1, NULL), JOURNAL_E_UNWRITABLE);
}

/* ---- no room ---- */

static void fill_disk(const char *path)
{
	static const char block[4096];
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	cr_assert_geq(fd, 0);
	while (write(fd, block, sizeof(block)) > 0)
		continue;
	while (write(fd, block, 1) > 0)
		continue;
	close(fd);
}

Test(scribe, a_full_disk_refuses_and_resumes_and_loses_nothing)
{
	static char text[4096];
	struct record_request req;
	const char *small = fixture_path("small"), *ballast = fixture_path("small/ballast");
	uint64_t id = 0, n_refused = 0;
	int e = 0;

	if (geteuid())
		cr_skip_test("needs root, to mount a small tmpfs");
	cr_assert_eq(unshare(CLONE_NEWNS), 0);
	cr_assert_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	cr_assert_eq(mkdir(small, 0700), 0);
	cr_assert_eq(mount("tmpfs", small, "tmpfs", 0, "size=8m"), 0);
	s.ledger = db = fixture_path("small/ledger.db");
	memset(text, 'x', sizeof(text) - 1);
	scribe_fixture_start(&s, true);
	fill_disk(ballast);
	for (int64_t deadline = clock_mono_ns() + 10 * CLOCK_NS_PER_S;
		e != JOURNAL_E_UNWRITABLE && clock_mono_ns() < deadline;) {
		req = fixture_request(id + 1, 1, text, "allow");
		e = journal_append(s.rings[0], RECORD_REQUEST, &req, NULL);
		id += !e;
		poll(NULL, 0, 1);
	}
	cr_assert_eq(e, JOURNAL_E_UNWRITABLE);
	cr_expect(!journal_is_writable(s.rings[1]), "no ring is taken from");
	for (; n_refused < 10; n_refused++)
		cr_assert_eq(journal_append(s.rings[0], RECORD_REQUEST, &req, NULL),
			JOURNAL_E_UNWRITABLE);
	unlink(ballast);
	WAIT_UNTIL(journal_is_writable(s.rings[0]) && journal_is_writable(s.rings[1]));
	req.id = ++id;
	cr_assert_eq(journal_append(s.rings[0], RECORD_REQUEST, &req, NULL), 0);
	scribe_fixture_stop(&s);
	cr_expect_eq(n_requests(), (int64_t)id);
	cr_expect_eq(fixture_sql(db, "SELECT max(id) FROM request"), (int64_t)id);
	cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM event"), 0);
	umount2(small, MNT_DETACH);
}

/* ---- kill -9 ---- */

enum { KILL_TEXT_MAX = 4096 };

static unsigned n_kills(unsigned few)
{
	const char *scale = getenv("HOLDFAST_KILLS");

	return scale ? (unsigned)strtoul(scale, NULL, 10) : few;
}

/* Appends until it is killed, and tells each number whose append returned. */
static void append_forever(_Atomic uint64_t *told)
{
	struct journal *w;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (journal_open_writer(s.ring_paths[0], SCRIBE_RING_SIZE, s.wake, &w))
		_exit(1);
	for (uint64_t i = 0;; i++) {
		struct record_event event = {.kind = SLICE_LIT("kill"), .run = i};
		char detail[KILL_TEXT_MAX];
		uint64_t seq;
		int e;

		memset(detail, 'a' + (int)(i % 26), sizeof(detail));
		event.detail = slice_of(detail, (size_t)(i * 7919 % sizeof(detail)));
		while ((e = journal_append(w, RECORD_EVENT, &event, &seq)) == JOURNAL_E_FULL)
			poll(NULL, 0, 1);
		if (e)
			_exit(1);
		*told = seq;
	}
}

static void check_event(const union record *rec)
{
	struct slice detail = rec->event.detail;

	cr_assert_eq(detail.n, rec->event.run * 7919 % KILL_TEXT_MAX);
	for (size_t i = 0; i < detail.n; i++)
		if (detail.p[i] != 'a' + rec->event.run % 26)
			cr_assert_fail(
				"byte %zu of record %llu", i, (unsigned long long)rec->event.run);
}

/* Reads what is there; *seen counts. Any record that is not whole fails the test. */
static int read_events(struct journal *reader, uint64_t *seen)
{
	enum record_kind kind;
	union record rec;
	uint64_t seq;
	int64_t at;
	int e;

	while (!(e = journal_next(reader, &kind, &at, &seq, &rec))) {
		check_event(&rec);
		cr_assert_eq(seq, ++*seen);
	}
	return e;
}

Test(scribe, a_writer_killed_at_any_instant_leaves_every_record_it_was_told_of)
{
	_Atomic uint64_t *told =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct journal *reader;
	uint64_t seen = 0;

	cr_assert_neq(told, MAP_FAILED);
	cr_assert_eq(journal_open_reader(s.ring_paths[0], &reader), 0);
	for (unsigned round = 0; round < n_kills(100); round++) {
		int64_t until;
		pid_t pid = fork();

		if (!pid)
			append_forever(told);
		until = clock_mono_ns() + (int64_t)(fixture_random() % (8 * CLOCK_NS_PER_MS));
		/* Drained meanwhile in some rounds, so that it dies at every place of the ring. */
		while (clock_mono_ns() < until)
			if (round % 2) {
				cr_assert_eq(read_events(reader, &seen), JOURNAL_E_EMPTY);
				journal_release(reader);
			}
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		cr_assert_eq(read_events(reader, &seen), JOURNAL_E_EMPTY, "round %u", round);
		cr_assert_geq(seen, *told);
		cr_assert_leq(seen, *told + 1, "at most the one it could not tell of any more");
		/* Else the next writer must go on behind what nobody has let go of. */
		if (round % 3)
			journal_release(reader);
	}
	cr_expect_gt(seen, 1000);
	journal_close(reader);
}

Test(scribe, a_scribe_killed_at_any_instant_loses_and_doubles_nothing)
{
	uint64_t id = 0;

	for (unsigned round = 0; round < n_kills(25); round++) {
		int64_t until;

		scribe_fixture_start(&s, false);
		until = clock_mono_ns() + (int64_t)(fixture_random() % (20 * CLOCK_NS_PER_MS));
		while (clock_mono_ns() < until) {
			unsigned ring = id % SCRIBE_RINGS;
			int e = append(ring, id + 1, NULL);

			cr_assert(!e || e == JOURNAL_E_FULL, "%d", e);
			id += !e;
		}
		scribe_fixture_kill(&s);
	}
	scribe_fixture_start(&s, false);
	scribe_fixture_stop(&s);
	cr_expect_gt(id, 100);
	cr_expect_eq(n_requests(), (int64_t)id);
	cr_expect_eq(fixture_sql(db, "SELECT max(id) FROM request"), (int64_t)id);
	cr_expect_eq(fixture_sql(db, "SELECT count(*) FROM event"), 0, "no conflict, no gap");
	cr_expect_eq(fixture_sql(db, "SELECT sum(seq) FROM ring_position"), (int64_t)id);
}
