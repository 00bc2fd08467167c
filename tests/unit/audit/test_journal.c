/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit_fixture.h"

enum { SIZE = JOURNAL_SIZE_MIN, HEAD = 4096, LAST_AT = 64, TAIL_AT = 128 };

static struct journal *w, *r;
static int wake;

static void open_writer(void)
{
	cr_assert_eq(journal_open_writer(fixture_path("ring"), SIZE, wake, &w), 0);
}

static void open_reader(void)
{
	cr_assert_eq(journal_open_reader(fixture_path("ring"), &r), 0);
}

static void setup(void)
{
	fixture_make();
	wake = eventfd(0, EFD_NONBLOCK);
	open_writer();
	open_reader();
	eventfd_read(wake, &(eventfd_t){0});
}

static void teardown(void)
{
	w = journal_close(w);
	r = journal_close(r);
	close(wake);
	fixture_remove();
}

TestSuite(journal, .init = setup, .fini = teardown);

static int append(const char *detail)
{
	struct record_event event = {.kind = SLICE_LIT("test"), .detail = slice_str(detail)};

	return journal_append(w, RECORD_EVENT, &event, NULL);
}

/* A record of something that is about to be done. */
static int append_request(void)
{
	struct record_request request = {.id = 1, .text = SLICE_LIT("SELECT 1")};

	return journal_append(w, RECORD_REQUEST, &request, NULL);
}

/* The detail of the next event, or NULL with *ret_r. */
static int next(struct slice *ret_detail, uint64_t *ret_seq)
{
	enum record_kind kind;
	union record rec;
	int64_t at;
	int e = journal_next(r, &kind, &at, ret_seq, &rec);

	if (!e) {
		cr_assert_eq(kind, RECORD_EVENT);
		cr_assert_gt(at, 0);
		*ret_detail = rec.event.detail;
	}
	return e;
}

static void expect_next(const char *detail, uint64_t want_seq)
{
	struct slice got;
	uint64_t seq;

	cr_assert_eq(next(&got, &seq), 0, "%s", detail);
	cr_expect(slice_eq_str(got, detail), "%s", detail);
	cr_expect_eq(seq, want_seq);
}

static void expect_outcome(int want)
{
	struct slice got;
	uint64_t seq;

	cr_expect_eq(next(&got, &seq), want);
}

/* The file, to damage it. */
static uint8_t *ring_file(void)
{
	int fd = open(fixture_path("ring"), O_RDWR);
	uint8_t *p = mmap(NULL, HEAD + SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	cr_assert_neq(p, MAP_FAILED);
	close(fd);
	return p;
}

Test(journal, what_is_appended_is_read_in_order)
{
	uint64_t seq = 0;
	struct record_hold_end end = {.hold = 42, .outcome = SLICE_LIT("denied")};
	enum record_kind kind;
	union record rec;
	int64_t at;

	expect_outcome(JOURNAL_E_EMPTY);
	cr_assert_eq(append("one"), 0);
	cr_assert_eq(journal_append(w, RECORD_HOLD_END, &end, &seq), 0);
	cr_expect_eq(seq, 2);
	expect_next("one", 1);
	cr_assert_eq(journal_next(r, &kind, &at, &seq, &rec), 0);
	cr_expect_eq(kind, RECORD_HOLD_END);
	cr_expect_eq(rec.hold_end.hold, 42);
	cr_expect(slice_eq_str(rec.hold_end.outcome, "denied"));
	expect_outcome(JOURNAL_E_EMPTY);
}

Test(journal, random_records_survive_many_laps)
{
	for (unsigned i = 1; i <= 20000; i++) {
		enum record_kind kind = 1 + fixture_random() % (RECORD_N - 1), got_kind;
		union record rec = fixture_record(kind, fixture_random() % 200), got;
		uint64_t seq;
		int64_t at;

		cr_assert_eq(journal_append(w, kind, &rec, NULL), 0);
		cr_assert_eq(journal_next(r, &got_kind, &at, &seq, &got), 0);
		cr_assert(got_kind == kind && seq == i && fixture_equal(kind, &rec, &got));
		journal_release(r);
	}
}

Test(journal, a_full_ring_refuses_and_takes_again_after_release)
{
	unsigned n = 0;
	int e;

	while (!(e = append("some record of a usual length, more or less")))
		n++;
	cr_expect_eq(e, JOURNAL_E_FULL);
	cr_expect_gt(n, 100);
	for (unsigned i = 1; i <= n; i++)
		expect_next("some record of a usual length, more or less", i);
	expect_outcome(JOURNAL_E_EMPTY);
	cr_expect_eq(append("still"), JOURNAL_E_FULL, "read is not released");
	journal_release(r);
	cr_expect_eq(append("again"), 0);
	expect_next("again", n + 1);
}

Test(journal, a_record_over_a_quarter_is_too_big)
{
	static char text[SIZE / 4 + 1];

	memset(text, 'x', SIZE / 4);
	cr_expect_eq(append(text), JOURNAL_E_TOO_BIG);
	text[SIZE / 4 - 100] = 0;
	cr_expect_eq(append(text), 0);
	expect_next(text, 1);
}

Test(journal, the_scribe_can_make_it_unwritable)
{
	cr_expect(journal_is_writable(w));
	journal_set_writable(r, false);
	cr_expect(!journal_is_writable(w));
	cr_expect_eq(append_request(), JOURNAL_E_UNWRITABLE);
	cr_expect_eq(append("what already happened"), 0);
	journal_set_writable(r, true);
	cr_expect_eq(append("yes"), 0);
	expect_next("what already happened", 1);
	expect_next("yes", 2);
}

Test(journal, requests_leave_room_for_the_replies_of_earlier_ones)
{
	unsigned n_requests = 0, n_events = 0;

	while (!append_request())
		n_requests++;
	cr_expect_eq(append_request(), JOURNAL_E_FULL);
	while (!append("the reply"))
		n_events++;
	cr_expect_gt(n_requests, 10);
	cr_expect_gt(n_events, 10);
}

Test(journal, a_rewound_batch_is_handed_out_again)
{
	cr_assert_eq(append("a"), 0);
	cr_assert_eq(append("b"), 0);
	expect_next("a", 1);
	journal_release(r);
	expect_next("b", 2);
	journal_rewind(r);
	expect_next("b", 2);
	cr_expect_eq(journal_committed(w), 1);
	journal_release(r);
	cr_expect_eq(journal_committed(w), 2);
}

Test(journal, a_new_writer_goes_on_behind_undrained_records)
{
	for (unsigned i = 0; i < 5; i++)
		cr_assert_eq(append("old"), 0);
	expect_next("old", 1);
	journal_release(r);
	w = journal_close(w);
	open_writer();
	cr_assert_eq(append("new"), 0);
	for (unsigned i = 2; i <= 5; i++)
		expect_next("old", i);
	expect_next("new", 6);
}

Test(journal, a_new_writer_goes_on_when_all_was_drained)
{
	for (unsigned i = 1; i <= 3; i++) {
		cr_assert_eq(append("old"), 0);
		expect_next("old", i);
	}
	journal_release(r);
	w = journal_close(w);
	r = journal_close(r);
	open_writer();
	open_reader();
	cr_assert_eq(append("new"), 0);
	expect_next("new", 4);
}

Test(journal, half_a_record_is_not_there)
{
	uint8_t *file = ring_file();

	cr_assert_eq(append("whole"), 0);
	cr_assert_eq(append("half"), 0);
	/* As if killed before the commit word of the second. */
	for (size_t at = 16; at < 256; at += 16)
		if (!memcmp(file + HEAD + at, "tmoc", 4))
			memset(file + HEAD + at, 0, 4);
	memcpy(file + LAST_AT, &(uint64_t){1}, 8);
	w = journal_close(w);
	open_writer();
	expect_next("whole", 1);
	expect_outcome(JOURNAL_E_EMPTY);
	cr_assert_eq(append("next"), 0);
	expect_next("next", 2);
	munmap(file, HEAD + SIZE);
}

Test(journal, text_that_looks_like_a_record_is_never_read_as_one)
{
	/* The image of a valid record, as the text of another, at every offset a lap later: without
	 * the zero before each commit, reading would go on into it. */
	uint8_t *file = ring_file();
	char image[160];

	cr_assert_eq(append("forged"), 0);
	memcpy(image, file + HEAD, sizeof(image) - 1);
	for (size_t i = 0; i < sizeof(image); i++)
		image[i] = image[i] ? image[i] : 1;
	memcpy(image, file + HEAD, 4);
	image[sizeof(image) - 1] = 0;
	expect_next("forged", 1);
	journal_release(r);
	for (unsigned i = 2; i < 3000; i++) {
		cr_assert_eq(append(image + fixture_random() % 32), 0);
		cr_assert_eq(next(&(struct slice){0}, &(uint64_t){0}), 0);
		expect_outcome(JOURNAL_E_EMPTY);
		journal_release(r);
	}
	munmap(file, HEAD + SIZE);
}

Test(journal, a_changed_byte_breaks_the_ring_and_a_new_writer_mends_it)
{
	uint8_t *file = ring_file();

	cr_assert_eq(append("good"), 0);
	cr_assert_eq(append("evil"), 0);
	cr_assert_eq(append("rest"), 0);
	for (uint8_t *p = file + HEAD; p < file + HEAD + 512; p++)
		if (!memcmp(p, "evil", 4))
			*p = 'E';
	expect_next("good", 1);
	expect_outcome(JOURNAL_E_BROKEN);
	journal_release(r);
	w = journal_close(w);
	cr_expect_eq(journal_open_writer(fixture_path("ring"), SIZE, wake, &w), JOURNAL_E_BROKEN,
		"nobody has given the rest up yet");
	journal_abandon(r, 2);
	expect_outcome(JOURNAL_E_EMPTY);
	open_writer();
	cr_expect_eq(append_request(), JOURNAL_E_UNWRITABLE);
	journal_set_writable(r, true);
	cr_assert_eq(append("after"), 0);
	expect_next("after", 2);
	expect_outcome(JOURNAL_E_EMPTY);
	munmap(file, HEAD + SIZE);
}

Test(journal, a_wiped_commit_word_is_noticed)
{
	uint8_t *file = ring_file();

	cr_assert_eq(append("a"), 0);
	memset(file + HEAD, 0, 4);
	expect_outcome(JOURNAL_E_BROKEN);
	munmap(file, HEAD + SIZE);
}

Test(journal, damage_to_what_was_drained_is_given_up_too)
{
	/* The sequence is in the last record alone: without it the writer cannot go on, and the
	 * reader sees an empty ring. */
	uint8_t *file = ring_file();

	cr_assert_eq(append("drained"), 0);
	expect_next("drained", 1);
	journal_release(r);
	file[HEAD + 40] ^= 1;
	w = journal_close(w);
	cr_assert(journal_sleep(r, JOURNAL_ASLEEP));
	cr_expect_eq(journal_open_writer(fixture_path("ring"), SIZE, wake, &w), JOURNAL_E_BROKEN);
	cr_expect(!journal_sleep(r, JOURNAL_ASLEEP), "the reader has something to do");
	expect_outcome(JOURNAL_E_BROKEN);
	journal_abandon(r, 2);
	open_writer();
	journal_set_writable(r, true);
	cr_assert_eq(append("after"), 0);
	expect_next("after", 2);
	munmap(file, HEAD + SIZE);
}

Test(journal, the_reader_survives_any_content)
{
	uint8_t *file = ring_file();

	for (unsigned round = 0; round < 300; round++) {
		enum record_kind kind;
		union record rec;
		uint64_t seq;
		int64_t at;
		int e = 0;

		for (unsigned i = 0; i < 10; i++)
			if (append("something to be damaged"))
				break;
		/* Some of it, anywhere; the writer's and the reader's own numbers too. */
		for (unsigned i = 0; i < 1 + round % 20; i++) {
			size_t at_byte = 64 + fixture_random() % (HEAD + 2048 - 64);

			file[at_byte] = (uint8_t)fixture_random();
		}
		if (round % 3 == 0)
			for (size_t i = HEAD; i < HEAD + SIZE; i += 8)
				memcpy(file + i, &(uint64_t){fixture_random()}, 8);
		if (round % 7 == 0)
			memcpy(file + TAIL_AT, &(uint64_t){fixture_random()}, 8);
		journal_close(r);
		open_reader();
		for (unsigned i = 0; i < 1000 && !e; i++)
			e = journal_next(r, &kind, &at, &seq, &rec);
		cr_assert(e == JOURNAL_E_EMPTY || e == JOURNAL_E_BROKEN, "round %u: %d", round, e);
		journal_release(r);
		journal_abandon(r, round + 1);
		journal_close(w);
		open_writer();
		journal_set_writable(r, true);
		cr_assert_eq(append("mended"), 0);
		expect_next("mended", round + 1);
		journal_release(r);
	}
	munmap(file, HEAD + SIZE);
}

Test(journal, appends_wake_only_a_sleeping_reader)
{
	eventfd_t n;

	cr_assert_eq(append("a"), 0);
	cr_expect_lt(eventfd_read(wake, &n), 0, "an awake reader needs no system call");
	cr_expect(!journal_sleep(r, JOURNAL_ASLEEP), "there is something to read first");
	expect_next("a", 1);
	cr_expect(journal_sleep(r, JOURNAL_ASLEEP));
	cr_assert_eq(append("b"), 0);
	cr_expect_eq(eventfd_read(wake, &n), 0);
	cr_assert_eq(append("c"), 0);
	cr_expect_lt(eventfd_read(wake, &n), 0, "once is enough");
}

Test(journal, a_lingering_reader_is_woken_by_a_wish_or_a_filling_ring)
{
	eventfd_t n;
	unsigned i;

	cr_expect(journal_sleep(r, JOURNAL_LINGERING));
	cr_assert_eq(append("a"), 0);
	cr_expect_lt(eventfd_read(wake, &n), 0);
	cr_expect(!journal_wants_commit(r));
	journal_want_commit(w, 1);
	cr_expect_eq(eventfd_read(wake, &n), 0);
	cr_expect(journal_wants_commit(r));
	expect_next("a", 1);
	journal_release(r);
	cr_expect(!journal_wants_commit(r));
	for (i = 0; i < 1000 && eventfd_read(wake, &n); i++)
		cr_assert_eq(append("fills the ring until more than a quarter of it is full"), 0);
	cr_expect_gt(i, 25);
	cr_expect_lt(i, 55);
}

Test(journal, making_a_ring_keeps_what_is_there)
{
	cr_assert_eq(append("keep me"), 0);
	cr_assert_eq(journal_create(fixture_path("ring"), 4 * SIZE, (uid_t)-1, (gid_t)-1), 0);
	w = journal_close(w);
	open_writer();
	r = journal_close(r);
	open_reader();
	expect_next("keep me", 1);
}

Test(journal, a_file_that_is_no_ring_is_moved_aside)
{
	const char *path = fixture_path("other");
	struct stat st;
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	cr_assert_eq(write(fd, "not a ring", 10), 10);
	close(fd);
	r = journal_close(r);
	cr_expect_eq(journal_open_reader(path, &r), JOURNAL_E_NOT_RING);
	cr_assert_eq(journal_create(path, SIZE, (uid_t)-1, (gid_t)-1), 0);
	cr_assert_eq(journal_open_reader(path, &r), 0);
	cr_expect_eq(stat(fixture_path("other.unreadable"), &st), 0);
	cr_expect_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0660);
}

Test(journal, two_rings_are_told_apart_by_their_birth)
{
	struct journal *other;

	cr_assert_eq(journal_open_writer(fixture_path("second"), SIZE, -1, &other), 0);
	cr_expect_neq(journal_birth(other), journal_birth(w));
	cr_expect_eq(journal_birth(r), journal_birth(w));
	journal_close(other);
}
