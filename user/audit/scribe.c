/* SPDX-License-Identifier: Apache-2.0 */
/* The scribe: see scribe.h. */
#include "audit/scribe_int.h"

#include <errno.h>
#include <poll.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

/* One transaction: so many rows, or so long after its first. A commit that someone waits for comes
 * at once. */
enum { SCRIBE_BATCH_ROWS = 4000, SCRIBE_BATCH_MS = 20 };
/* While the ledger is unwritable. */
enum { SCRIBE_RETRY_MS = 200, SCRIBE_RETRY_MAX_MS = 2000 };
/* So many records between ledger and ring may be lost (an older ledger was put in its place); more
 * were never written, and a number near the end of all numbers would end the ring for good. */
#define SCRIBE_GAP_MAX (UINT64_C(1) << 40)
enum { SCRIBE_TIDY_MS = 250, SCRIBE_PRUNE_MS = 5000 };

static void scribe_deinit(struct scribe *s)
{
	for (size_t i = 0; i < s->n_rings; i++)
		journal_close(s->rings[i].journal);
	free(s->rings);
	ledger_close(s->ledger);
}

static int scribe_open_rings(struct scribe *s)
{
	const struct scribe_config *c = s->config;
	size_t n = 0;

	while (c->ring_paths[n])
		n++;
	if (n > LEDGER_RINGS_MAX)
		return err_raise(-E2BIG);
	s->rings = calloc(n + 1, sizeof(*s->rings));
	if (!s->rings)
		return err_raise(-ENOMEM);
	for (size_t i = 0; i < n; i++) {
		int r = c->ring_fds ? journal_open_reader_fd(c->ring_fds[i], &s->rings[i].journal)
				    : journal_open_reader(c->ring_paths[i], &s->rings[i].journal);

		if (r == JOURNAL_E_NOT_RING) {
			log_error("scribe.not_ring", "path=%s", c->ring_paths[i]);
			return err_raise(-EBADF);
		}
		if (r)
			return err_fold(r);
		s->rings[i].is_given_up = journal_is_broken(s->rings[i].journal);
		s->n_rings = i + 1;
	}
	return 0;
}

static void scribe_set_writable(struct scribe *s, bool writable)
{
	for (size_t i = 0; i < s->n_rings; i++)
		if (!writable || !s->rings[i].is_given_up)
			journal_set_writable(s->rings[i].journal, writable);
}

/* Something of the scribe's own, in the open transaction. 0, LEDGER_E_UNWRITABLE. */
int scribe_note(struct scribe *s, const char *kind, const char *detail)
{
	struct record_event event = {.kind = slice_str(kind), .detail = slice_str(detail)};
	int r;

	r = ledger_put(s->ledger, LEDGER_NO_RING, 0, RECORD_EVENT, clock_wall_ns(), &event);
	if (r == LEDGER_E_UNWRITABLE)
		return LEDGER_E_UNWRITABLE;
	return r ? err_fold(r) : 0;
}

/* 0, LEDGER_E_UNWRITABLE. */
int scribe_begin(struct scribe *s)
{
	int r;

	if (s->n_rows)
		return 0;
	r = ledger_begin(s->ledger);
	if (r == LEDGER_E_UNWRITABLE)
		return LEDGER_E_UNWRITABLE;
	if (r)
		return err_fold(r);
	s->batch_ns = clock_mono_ns();
	return 0;
}

/* A first record beyond what the ledger expects: some were lost between them, and history says so.
 * 0, LEDGER_E_UNWRITABLE. */
static int scribe_check_gap(struct scribe *s, size_t i, uint64_t seq)
{
	uint64_t had = ledger_ring_seq(s->ledger, (int)i);
	char detail[128];

	if (s->rings[i].is_known || seq <= had + 1)
		return 0;
	snprintf(detail, sizeof(detail), "ring=%zu after=%llu next=%llu", i,
		(unsigned long long)had, (unsigned long long)seq);
	log_error("scribe.gap", "%s", detail);
	return scribe_note(s, "gap", detail);
}

/* 0, LEDGER_E_UNWRITABLE. */
static int scribe_put(struct scribe *s, size_t i, enum record_kind kind, int64_t at_ns,
	uint64_t seq, const union record *rec)
{
	int r;

	r = scribe_begin(s);
	if (!r)
		r = scribe_check_gap(s, i, seq);
	if (!r)
		r = ledger_put(s->ledger, (int)i, seq, kind, at_ns, rec);
	if (r == LEDGER_E_UNWRITABLE)
		return LEDGER_E_UNWRITABLE;
	if (r)
		return err_fold(r);
	s->rings[i].is_known = true;
	s->n_rows++;
	return 0;
}

/* 0, LEDGER_E_UNWRITABLE. */
static int scribe_put_broken(struct scribe *s, size_t i)
{
	char detail[64];
	int r;

	snprintf(detail, sizeof(detail), "ring=%zu after=%llu", i,
		(unsigned long long)ledger_ring_seq(s->ledger, (int)i));
	r = scribe_begin(s);
	if (!r)
		r = scribe_note(s, "journal-broken", detail);
	if (r)
		return r;
	log_error("scribe.broken", "%s path=%s", detail, s->config->ring_paths[i]);
	s->rings[i].is_broken = true;
	s->n_rows++;
	return 0;
}

/* Moves what ring i holds into the transaction, as far as it has room. 0, LEDGER_E_UNWRITABLE. */
static int scribe_drain_ring(struct scribe *s, size_t i)
{
	struct scribe_ring *ring = &s->rings[i];

	if (ring->is_given_up && !journal_is_broken(ring->journal)) {
		ring->is_given_up = false;
		journal_set_writable(ring->journal, true);
	}
	while (s->n_rows < SCRIBE_BATCH_ROWS && !ring->is_broken) {
		enum record_kind kind;
		union record rec;
		int64_t at_ns;
		uint64_t seq;
		int r;

		r = journal_next(ring->journal, &kind, &at_ns, &seq, &rec);
		if (r == JOURNAL_E_EMPTY)
			return 0;
		if (r == JOURNAL_E_BROKEN)
			r = scribe_put_broken(s, i);
		else if (!r)
			r = scribe_put(s, i, kind, at_ns, seq, &rec);
		else
			return err_fold(r);
		if (r)
			return r;
	}
	return 0;
}

/* 0, LEDGER_E_UNWRITABLE. */
static int scribe_drain(struct scribe *s)
{
	for (size_t n = 0; n < s->n_rings; n++) {
		int r = scribe_drain_ring(s, (s->first + n) % s->n_rings);

		if (r)
			return r;
	}
	if (s->n_rings)
		s->first = (s->first + 1) % s->n_rings;
	return 0;
}

/* The transaction is on disk: gives the space back and tells who waits for it. */
static void scribe_publish(struct scribe *s)
{
	static const uint64_t one = 1;

	for (size_t i = 0; i < s->n_rings; i++) {
		struct scribe_ring *ring = &s->rings[i];
		bool was_wanted = journal_wants_commit(ring->journal);

		journal_release(ring->journal);
		if (was_wanted && !journal_wants_commit(ring->journal) && s->config->commit_fds &&
			write(s->config->commit_fds[i], &one, sizeof(one)) < 0 && errno != EAGAIN)
			log_warn("scribe.commit_fd", "ring=%zu errno=%d", i, errno);
		if (!ring->is_broken)
			continue;
		journal_abandon(ring->journal, ledger_ring_seq(s->ledger, (int)i) + 1);
		ring->is_broken = false;
		ring->is_given_up = true;
	}
	s->n_rows = 0;
}

/* 0, LEDGER_E_UNWRITABLE. */
int scribe_commit(struct scribe *s)
{
	int r;

	if (!s->n_rows)
		return 0;
	r = ledger_commit(s->ledger);
	if (r == LEDGER_E_UNWRITABLE)
		return LEDGER_E_UNWRITABLE;
	if (r)
		return err_fold(r);
	scribe_publish(s);
	return 0;
}

/* ---- the ledger: there, gone, back ---- */

/* 0, LEDGER_E_UNWRITABLE. */
static int scribe_open_ledger(struct scribe *s)
{
	uint64_t seq;
	int r;

	if (s->ledger)
		return 0;
	r = ledger_open(s->config->ledger_path, &s->ledger);
	if (r == LEDGER_E_VERSION) {
		log_error("scribe.version", "path=%s: made by a newer holdfast",
			s->config->ledger_path);
		return err_raise(-EPROTONOSUPPORT);
	}
	for (size_t i = 0; !r && i < s->n_rings; i++) {
		r = ledger_attach_ring(s->ledger, (int)i, journal_birth(s->rings[i].journal), &seq);
		if (!r) {
			journal_set_committed(s->rings[i].journal, seq);
			journal_expect(s->rings[i].journal,
				s->config->ring_kinds ? s->config->ring_kinds[i] : UINT32_MAX,
				seq + SCRIBE_GAP_MAX);
		}
		/* Where the next writer begins is for the ledger to say, whatever the ring does. */
		if (!r && s->rings[i].is_given_up)
			journal_abandon(s->rings[i].journal, seq + 1);
	}
	/* Once: what is there later is of our own making. */
	if (!r && !s->has_found) {
		s->found_entry = ledger_last_entry(s->ledger);
		s->has_found = true;
	}
	if (!r)
		return 0;
	s->ledger = ledger_close(s->ledger);
	return r == LEDGER_E_UNWRITABLE ? LEDGER_E_UNWRITABLE : err_fold(r);
}

/* Nothing of the batch was kept: it waits in the rings, and they take no more. */
static void scribe_suspend(struct scribe *s)
{
	if (!s->retry_ms)
		log_error("scribe.unwritable",
			"path=%s: requests are refused until it can be written",
			s->config->ledger_path);
	scribe_set_writable(s, false);
	if (s->ledger)
		ledger_rollback(s->ledger);
	for (size_t i = 0; i < s->n_rings; i++) {
		journal_rewind(s->rings[i].journal);
		s->rings[i].is_broken = s->rings[i].is_known = false;
	}
	s->n_rows = 0;
	s->retry_ms = s->retry_ms ? 2 * s->retry_ms : SCRIBE_RETRY_MS;
	if (s->retry_ms > SCRIBE_RETRY_MAX_MS)
		s->retry_ms = SCRIBE_RETRY_MAX_MS;
}

/* A write went through: all is well (again). */
static void scribe_resume(struct scribe *s)
{
	if (s->retry_ms)
		log_warn("scribe.writable", "path=%s: requests are taken again",
			s->config->ledger_path);
	s->retry_ms = 0;
	scribe_set_writable(s, true);
}

/* Everything a dead daemon left is in the ledger. 0, LEDGER_E_UNWRITABLE. */
static int scribe_become_ready(struct scribe *s)
{
	struct ledger_ids ids;
	int r = scribe_reconcile(s);

	if (!r && s->config->close_orphans)
		r = ledger_close_orphans(s->ledger, clock_wall_ns());
	if (r == LEDGER_E_UNWRITABLE)
		return LEDGER_E_UNWRITABLE;
	if (r)
		return err_fold(r);
	r = ledger_ids(s->ledger, &ids);
	if (r)
		return err_trace(r);
	s->is_ready = true;
	scribe_resume(s);
	if (s->config->ready_fd < 0)
		return 0;
	if (write(s->config->ready_fd, &ids, sizeof(ids)) != (ssize_t)sizeof(ids))
		return err_raise(-EPIPE);
	close(s->config->ready_fd);
	return 0;
}

/* A step of what retention asks for, or the question whether it may be; while there is more to do,
 * one at each tidying. 0, LEDGER_E_UNWRITABLE. */
static int scribe_prune(struct scribe *s)
{
	struct ledger_retention retention = s->config->retention;
	int64_t now = clock_mono_ns();
	struct checkpoint upto;
	int r;

	if ((!retention.age_ns && !retention.size) || now < s->prune_ns || !s->config->signer)
		return 0;
	retention.now_ns = clock_wall_ns();
	if (s->permit.number) {
		r = ledger_prune(s->ledger, &retention, &s->permit);
		/* If it was for nothing, what may go is looked for anew. */
		s->permit.number = r == LEDGER_E_UNWRITABLE ? s->permit.number : 0;
	} else {
		r = ledger_prune_choose(s->ledger, &retention, &upto);
		if (!r)
			scribe_ask_permit(s, &upto);
		s->prune_ns = now + SCRIBE_PRUNE_MS * CLOCK_NS_PER_MS;
	}
	if (!r || r == LEDGER_E_NONE)
		return 0;
	return r == LEDGER_E_UNWRITABLE ? LEDGER_E_UNWRITABLE : err_fold(r);
}

/* While a writer or a disk gives us a moment. 0, LEDGER_E_UNWRITABLE. */
static int scribe_tidy(struct scribe *s)
{
	int64_t now = clock_mono_ns();
	bool is_pinned;
	int r;

	if (now - s->tidied_ns < SCRIBE_TIDY_MS * CLOCK_NS_PER_MS)
		return 0;
	s->tidied_ns = now;
	r = scribe_prune(s);
	if (!r)
		r = ledger_tidy(s->ledger, &is_pinned);
	/* What is written stays readable; the next commit will tell whether anything is wrong. */
	if (r == LEDGER_E_UNWRITABLE)
		return 0;
	if (r)
		return err_fold(r);
	if (is_pinned && !s->is_wal_pinned)
		log_warn("scribe.wal_pinned", "path=%s: a reader keeps the WAL from shrinking",
			s->config->ledger_path);
	s->is_wal_pinned = is_pinned;
	return 0;
}

/* ---- the loop ---- */

static bool scribe_wants_commit(const struct scribe *s)
{
	for (size_t i = 0; i < s->n_rings; i++)
		if (journal_wants_commit(s->rings[i].journal))
			return true;
	return false;
}

/* Nothing is open: how long until a signature, or a look at what is too old, is due; -1: for ever.
 */
static int64_t scribe_idle_ns(const struct scribe *s)
{
	const struct ledger_retention *retention = &s->config->retention;
	int64_t sign = scribe_sign_due_ns(s), prune;

	if (!retention->age_ns && !retention->size)
		return sign;
	prune = s->prune_ns - clock_mono_ns();
	/* Tidying has a rhythm of its own. */
	prune = prune > SCRIBE_TIDY_MS * CLOCK_NS_PER_MS ? prune : SCRIBE_TIDY_MS * CLOCK_NS_PER_MS;
	return sign >= 0 && sign < prune ? sign : prune;
}

/* How long until the open transaction, or else something to do without one, is due; -1: for ever.
 */
static int64_t scribe_due_ns(const struct scribe *s)
{
	int64_t left;

	if (!s->n_rows)
		return scribe_idle_ns(s);
	left = s->batch_ns + SCRIBE_BATCH_MS * CLOCK_NS_PER_MS - clock_mono_ns();
	return left > 0 ? left : 0;
}

/* Waits for a record, a wish, the stop or the time. */
static int scribe_wait(struct scribe *s, int64_t ns)
{
	struct timespec t = {.tv_sec = ns / CLOCK_NS_PER_S, .tv_nsec = ns % CLOCK_NS_PER_S};
	struct pollfd fds[] = {
		{.fd = s->config->stop_fd, .events = POLLIN},
		/* A ledger that is away is not back sooner because somebody asks. */
		{.fd = s->retry_ms ? -1 : s->config->wake_fd, .events = POLLIN},
		{.fd = (s->asked_ns || s->permit_asked_ns) && !s->retry_ms ? s->config->signer->fd
									   : -1,
			.events = POLLIN},
	};
	uint64_t count;

	if (ppoll(fds, 3, ns < 0 ? NULL : &t, NULL) < 0)
		return errno == EINTR ? 0 : err_raise(-errno);
	if (fds[0].revents)
		s->is_stopping = true;
	if (fds[1].revents & POLLIN && read(s->config->wake_fd, &count, sizeof(count)) < 0 &&
		errno != EAGAIN && errno != EINTR)
		return err_raise(-errno);
	return 0;
}

/* Tells the writers how we sleep, and sleeps unless one of them was faster. */
static int scribe_sleep(struct scribe *s, int64_t ns)
{
	bool may_sleep = true;
	int r = 0;

	for (size_t i = 0; i < s->n_rings; i++)
		if (!journal_sleep(
			    s->rings[i].journal, s->n_rows ? JOURNAL_LINGERING : JOURNAL_ASLEEP))
			may_sleep = false;
	if (may_sleep)
		r = scribe_wait(s, ns);
	for (size_t i = 0; i < s->n_rings; i++)
		if (!journal_sleep(s->rings[i].journal, JOURNAL_AWAKE))
			continue;
	return r;
}

/* One turn with a ledger that works: take what is there, commit what is due. *ret_is_idle: all
 * rings are empty and nothing is open. 0, LEDGER_E_UNWRITABLE. */
static int scribe_turn(struct scribe *s, bool *ret_is_idle)
{
	size_t before = s->n_rows;
	int r;

	*ret_is_idle = false;
	r = scribe_sign(s);
	if (!r)
		r = scribe_drain(s);
	if (r)
		return r;
	if (s->n_rows && (s->n_rows >= SCRIBE_BATCH_ROWS || s->is_stopping || !s->is_ready ||
				 !scribe_due_ns(s) || scribe_wants_commit(s))) {
		r = scribe_commit(s);
		if (!r)
			scribe_resume(s);
		return r ? r : scribe_tidy(s);
	}
	if (!s->n_rows && !s->is_ready)
		return scribe_become_ready(s);
	*ret_is_idle = s->n_rows == before;
	return s->n_rows ? 0 : scribe_tidy(s);
}

static int scribe_loop(struct scribe *s)
{
	for (;;) {
		bool is_idle = false;
		int r;

		r = scribe_open_ledger(s);
		if (!r)
			r = scribe_turn(s, &is_idle);
		if (r == LEDGER_E_UNWRITABLE) {
			scribe_suspend(s);
			if (s->is_stopping)
				return 0;
			r = scribe_wait(s, s->retry_ms * CLOCK_NS_PER_MS);
		} else if (!r && is_idle && s->is_stopping) {
			scribe_sign_last(s);
			return 0;
		} else if (!r) {
			r = is_idle ? scribe_sleep(s, scribe_due_ns(s)) : scribe_wait(s, 0);
		}
		if (r)
			return err_fold(r);
	}
}

int scribe_run(const struct scribe_config *config)
{
	_cleanup_(scribe_deinit) struct scribe s = {.config = config};
	int r;

	/* Nobody asks how much SQLite has allocated, and counting takes a lock each time: 6 % of a
	 * row. Refused, as harmless, where a test has used SQLite before. */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	r = scribe_open_rings(&s);
	if (!r)
		r = scribe_loop(&s);
	/* Nobody may be let through on the word of a ledger that nobody writes. */
	if (r)
		scribe_set_writable(&s, false);
	return r ? err_trace(r) : 0;
}
