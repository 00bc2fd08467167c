/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring: see journal.h.
 *
 * File: one page of header, then `size` bytes of ring. The ring is mapped twice, back to back, so
 * that a record that wraps is still one piece of memory. Positions count bytes since the ring was
 * made and never wrap.
 *
 * A record is committed by storing its commit word. The word of the record after it is zeroed
 * before: what an agent wrote a lap ago, and what lies there still, is never taken for a record.
 */
#include "audit/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "audit/crc32c.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

#define JOURNAL_MAGIC  UINT64_C(0x6a746661666c6468) /* "hdlfaftj" */
#define JOURNAL_COMMIT 0x636f6d74u

enum { JOURNAL_HEAD_LEN = 4096, JOURNAL_ALIGN = 16, JOURNAL_LINE = 64 };

/* Each cache line has one side that writes it, except the last. */
struct journal_head {
	/* fixed when the ring is made */
	uint64_t magic;
	uint64_t version;
	uint64_t size;
	uint64_t birth;

	/* the writer */
	alignas(JOURNAL_LINE) _Atomic uint64_t last; /* position of the last record, |1; 0 = none */
	_Atomic uint64_t want_commit;

	/* the reader */
	alignas(JOURNAL_LINE) _Atomic uint64_t tail; /* everything before is in the ledger */
	_Atomic uint64_t committed;                  /* highest sequence before tail */
	_Atomic uint64_t reset_seq;                  /* where a new writer begins after `broken` */
	_Atomic uint32_t unwritable;

	/* both */
	alignas(JOURNAL_LINE) _Atomic uint32_t sleep; /* enum journal_sleep */
	_Atomic uint32_t broken; /* set by the reader, cleared by a new writer */
	_Atomic uint32_t lost;   /* set by a writer that cannot go on, cleared by the next */
};
_Static_assert(sizeof(struct journal_head) <= JOURNAL_HEAD_LEN, "journal: header");

struct journal_rec {
	_Atomic uint32_t commit;
	uint32_t crc; /* of everything behind it */
	uint32_t len; /* with this header, without padding */
	uint16_t kind;
	uint16_t zero;
	uint64_t seq;
	int64_t at_ns;
};
enum { JOURNAL_CRC_FROM = offsetof(struct journal_rec, len) };
_Static_assert(RECORD_N <= 32, "journal: kinds are bits of 32");
_Static_assert(sizeof(struct journal_rec) % JOURNAL_ALIGN == 0, "journal: record header");

struct journal {
	struct journal_head *head;
	uint8_t *ring; /* size bytes, and the same again behind them */
	size_t size;
	uint64_t birth;
	uint64_t pos; /* of the next record, to write or to read */
	uint64_t seq; /* of the next record; reader: 0 = not known yet */
	int wake_fd;

	/* reader only */
	uint64_t released_pos, released_seq;
	uint64_t seq_max; /* of the first record */
	uint32_t kinds;   /* bits */
	uint8_t *copy;    /* size / 4 */
	bool is_abandoned;
};

static size_t journal_padded(size_t len)
{
	return (len + JOURNAL_ALIGN - 1) & ~(size_t)(JOURNAL_ALIGN - 1);
}

static struct journal_rec *journal_at(const struct journal *j, uint64_t pos)
{
	return (struct journal_rec *)(void *)(j->ring + (pos & (j->size - 1)));
}

/* ---- making ---- */

static bool journal_size_is_valid(uint64_t size)
{
	return size >= JOURNAL_SIZE_MIN && size <= JOURNAL_SIZE_MAX && !(size & (size - 1));
}

/* Is this a ring of our version, as large as it says? 0, JOURNAL_E_NOT_RING. */
static int journal_read_head(int fd, struct journal_head *ret)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_raise(-errno);
	if (!S_ISREG(st.st_mode))
		return JOURNAL_E_NOT_RING;
	if (pread(fd, ret, sizeof(*ret), 0) != (ssize_t)sizeof(*ret) ||
		ret->magic != JOURNAL_MAGIC || ret->version != JOURNAL_VERSION ||
		!journal_size_is_valid(ret->size) ||
		(uint64_t)st.st_size != JOURNAL_HEAD_LEN + ret->size)
		return JOURNAL_E_NOT_RING;
	return 0;
}

static int journal_write_new(int fd, size_t size, uid_t uid, gid_t gid)
{
	struct journal_head head = {
		.magic = JOURNAL_MAGIC, .version = JOURNAL_VERSION, .size = size};
	int r;

	if (getrandom(&head.birth, sizeof(head.birth), 0) != (ssize_t)sizeof(head.birth))
		return err_raise(-EIO);
	r = posix_fallocate(fd, 0, (off_t)(JOURNAL_HEAD_LEN + size));
	if (r)
		return err_raise(-r);
	if (pwrite(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head))
		return err_raise(-EIO);
	if (fchown(fd, uid, gid) < 0 || fchmod(fd, 0660) < 0)
		return err_raise(-errno);
	return 0;
}

/* Is there a ring already? 0, JOURNAL_E_NOT_RING (nothing is there, or not any more). */
static int journal_keep(const char *path, uid_t uid, gid_t gid)
{
	_cleanup_(fd_closep) int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	struct journal_head head;
	char aside[4096];
	int r;

	if (fd < 0 && errno == ENOENT)
		return JOURNAL_E_NOT_RING;
	if (fd < 0)
		return err_raise(-errno);
	r = journal_read_head(fd, &head);
	if (r == JOURNAL_E_NOT_RING) {
		if ((size_t)snprintf(aside, sizeof(aside), "%s.unreadable", path) >= sizeof(aside))
			return err_raise(-ENAMETOOLONG);
		if (rename(path, aside) < 0)
			return err_raise(-errno);
		log_error("journal.unreadable", "path=%s moved_to=%s", path, aside);
		return JOURNAL_E_NOT_RING;
	}
	if (r)
		return err_fold(r);
	if (fchown(fd, uid, gid) < 0)
		return err_raise(-errno);
	return 0;
}

int journal_create(const char *path, size_t size, uid_t uid, gid_t gid)
{
	_cleanup_(fd_closep) int fd = -1;
	char fresh[4096];
	int r;

	if (!journal_size_is_valid(size))
		return err_raise(-EINVAL);
	r = journal_keep(path, uid, gid);
	if (r != JOURNAL_E_NOT_RING)
		return r ? err_fold(r) : 0;
	/* Renamed when whole: nobody ever sees half a header. */
	if ((size_t)snprintf(fresh, sizeof(fresh), "%s.new", path) >= sizeof(fresh))
		return err_raise(-ENAMETOOLONG);
	if (unlink(fresh) < 0 && errno != ENOENT)
		return err_raise(-errno);
	fd = open(fresh, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_raise(-errno);
	r = journal_write_new(fd, size, uid, gid);
	if (!r && rename(fresh, path) < 0)
		r = err_raise(-errno);
	if (r && unlink(fresh) < 0)
		log_warn("journal.leftover", "path=%s errno=%d", fresh, errno);
	return r ? err_trace(r) : 0;
}

/* ---- mapping ---- */

static int journal_map(struct journal *j, int fd, size_t size)
{
	enum { PROT = PROT_READ | PROT_WRITE, FLAGS = MAP_SHARED | MAP_POPULATE | MAP_FIXED };
	uint8_t *at = mmap(NULL, JOURNAL_HEAD_LEN + 2 * size, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		return err_raise(-errno);
	j->size = size;
	j->head = (struct journal_head *)(void *)at;
	j->ring = at + JOURNAL_HEAD_LEN;
	if (mmap(at, JOURNAL_HEAD_LEN + size, PROT, FLAGS, fd, 0) == MAP_FAILED ||
		mmap(j->ring + size, size, PROT, FLAGS, fd, JOURNAL_HEAD_LEN) == MAP_FAILED)
		return err_raise(-errno);
	/* A ring has one writer: the enforcer must not find the warden's among its own memory. */
	if (madvise(at, JOURNAL_HEAD_LEN + 2 * size, MADV_DONTFORK) < 0)
		return err_raise(-errno);
	return 0;
}

struct journal *journal_close(struct journal *j)
{
	if (!j)
		return NULL;
	if (j->head)
		munmap(j->head, JOURNAL_HEAD_LEN + 2 * j->size);
	free(j->copy);
	free(j);
	return NULL;
}

static void journal_closep(struct journal **j)
{
	journal_close(*j);
}

static int journal_open_fd(int fd, struct journal **ret)
{
	_cleanup_(journal_closep) struct journal *j = calloc(1, sizeof(*j));
	struct journal_head head;
	int r;

	if (!j)
		return err_raise(-ENOMEM);
	r = journal_read_head(fd, &head);
	if (r == JOURNAL_E_NOT_RING)
		return JOURNAL_E_NOT_RING;
	if (r)
		return err_fold(r);
	j->wake_fd = -1;
	j->birth = head.birth;
	r = journal_map(j, fd, head.size);
	if (r)
		return err_trace(r);
	*ret = TAKE(j);
	return 0;
}

static int journal_open(const char *path, int *ret_fd)
{
	*ret_fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	return *ret_fd < 0 ? err_raise(-errno) : 0;
}

/* ---- the writer ---- */

/* A whole record at pos: its length, which is read once, since another process may have the ring
 * mapped too; 0: there is none. */
static uint32_t journal_record_at(const struct journal *j, uint64_t pos, uint64_t *ret_seq)
{
	const struct journal_rec *rec = journal_at(j, pos);
	uint32_t len;

	if (atomic_load_explicit(&rec->commit, memory_order_acquire) != JOURNAL_COMMIT)
		return 0;
	len = *(const volatile uint32_t *)&rec->len;
	*ret_seq = *(const volatile uint64_t *)&rec->seq;
	if (len < sizeof(*rec) || len > j->size / 4 ||
		crc32c(slice_of(&rec->len, len - JOURNAL_CRC_FROM)) != rec->crc)
		return 0;
	return len;
}

/* Goes on where the reader gave up what a dead writer had left. */
static void journal_restart(struct journal *j)
{
	j->pos = atomic_load(&j->head->tail) & ~(uint64_t)(JOURNAL_ALIGN - 1);
	j->seq = atomic_load(&j->head->reset_seq);
	atomic_store(&j->head->last, 0);
	atomic_store(&j->head->want_commit, 0);
	atomic_store(&j->head->lost, 0);
	atomic_store(&journal_at(j, j->pos)->commit, 0);
	atomic_store(&j->head->broken, 0);
}

/*
 * Finds the end of what a dead writer left, from the records themselves: no pair of numbers in the
 * header could be written by one store, and any other may be torn by the kill. 0, JOURNAL_E_BROKEN.
 */
static int journal_find_end(struct journal *j)
{
	uint64_t tail = atomic_load(&j->head->tail), last = atomic_load(&j->head->last);
	uint64_t seq;
	uint32_t len;

	j->pos = tail;
	if (tail % JOURNAL_ALIGN)
		return JOURNAL_E_BROKEN;
	for (; (len = journal_record_at(j, j->pos, &seq)); j->pos += journal_padded(len)) {
		if (j->pos - tail + len > j->size || (j->seq && seq != j->seq) || seq == UINT64_MAX)
			return JOURNAL_E_BROKEN;
		j->seq = seq + 1;
	}
	if (atomic_load(&journal_at(j, j->pos)->commit) || (last & 1 && (last ^ 1) > j->pos))
		return JOURNAL_E_BROKEN;
	if (j->seq)
		return 0;
	/* All drained: the last record is still there, right before the tail. */
	if (!last)
		j->seq = atomic_load(&j->head->reset_seq) ? atomic_load(&j->head->reset_seq) : 1;
	else if (last % JOURNAL_ALIGN == 1 && (len = journal_record_at(j, last ^ 1, &seq)) &&
		 (last ^ 1) + journal_padded(len) == tail && seq != UINT64_MAX)
		j->seq = seq + 1;
	else
		return JOURNAL_E_BROKEN;
	return 0;
}

static void journal_wake(struct journal *j)
{
	static const uint64_t one = 1;

	/* EAGAIN: the counter is far from zero, so the reader is awake anyway. */
	if (j->wake_fd >= 0 && write(j->wake_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		log_error("journal.wake", "errno=%d", errno);
}

int journal_open_writer_fd(int fd, int wake_fd, struct journal **ret)
{
	_cleanup_(journal_closep) struct journal *j = NULL;
	int r;

	r = journal_open_fd(fd, &j);
	if (r == JOURNAL_E_NOT_RING)
		return JOURNAL_E_NOT_RING;
	if (r)
		return err_fold(r);
	/* Best effort: without it a host that swaps could make one append wait. */
	if (mlock(j->head, JOURNAL_HEAD_LEN + j->size) < 0)
		log_debug("journal.mlock", "errno=%d", errno);
	j->wake_fd = wake_fd;
	if (atomic_load(&j->head->broken)) {
		journal_restart(j);
	} else {
		r = journal_find_end(j);
		/* The reader may see nothing wrong: damage to what it has drained is only ours to
		 * find. */
		if (r == JOURNAL_E_BROKEN) {
			atomic_store(&j->head->lost, 1);
			journal_wake(j);
			return JOURNAL_E_BROKEN;
		}
		if (r)
			return err_fold(r);
	}
	journal_wake(j);
	*ret = TAKE(j);
	return 0;
}

int journal_open_writer(const char *path, size_t size, int wake_fd, struct journal **ret)
{
	_cleanup_(fd_closep) int fd = -1;
	int r;

	r = journal_create(path, size, (uid_t)-1, (gid_t)-1);
	if (r)
		return err_trace(r);
	r = journal_open(path, &fd);
	if (r)
		return err_trace(r);
	r = journal_open_writer_fd(fd, wake_fd, ret);
	if (r == JOURNAL_E_NOT_RING)
		return JOURNAL_E_NOT_RING;
	if (r == JOURNAL_E_BROKEN)
		return JOURNAL_E_BROKEN;
	return r ? err_fold(r) : 0;
}

/* After a commit: the reader either sees the record or is seen asleep, never neither. */
static void journal_wake_sleeper(struct journal *j)
{
	struct journal_head *head = j->head;
	uint32_t sleep;

	atomic_thread_fence(memory_order_seq_cst);
	sleep = atomic_load_explicit(&head->sleep, memory_order_relaxed);
	if (sleep == JOURNAL_AWAKE)
		return;
	if (sleep == JOURNAL_LINGERING &&
		j->pos - atomic_load_explicit(&head->tail, memory_order_relaxed) < j->size / 4)
		return;
	atomic_store(&head->sleep, JOURNAL_AWAKE);
	journal_wake(j);
}

/* Fills the memory at the head; nothing of it counts before its commit word is stored. */
static void journal_fill(struct journal *j, enum record_kind kind, const void *body, size_t len)
{
	struct journal_rec *rec = journal_at(j, j->pos);
	struct writer w = writer_of(rec + 1, len - sizeof(*rec));

	rec->len = (uint32_t)len;
	rec->kind = (uint16_t)kind;
	rec->zero = 0;
	rec->seq = j->seq;
	rec->at_ns = clock_wall_ns();
	record_encode(kind, body, &w);
	rec->crc = crc32c(slice_of(&rec->len, len - JOURNAL_CRC_FROM));
}

bool journal_is_broken(const struct journal *j)
{
	return atomic_load_explicit(&j->head->broken, memory_order_acquire);
}

/* Records of what is about to be done. The others are of what already happened: refusing those
 * would undo nothing and lose history, so they may use the last quarter of the ring, and go there
 * also while the ledger cannot be written. */
static bool journal_is_ahead(enum record_kind kind)
{
	return kind == RECORD_RUN || kind == RECORD_SESSION || kind == RECORD_REQUEST ||
	       kind == RECORD_HOLD || kind == RECORD_DECISION;
}

/* Contents of replies are the first to find no room: they may be many, and nothing waits for them.
 */
static uint64_t journal_room(const struct journal *j, enum record_kind kind)
{
	if (kind == RECORD_CONTENT)
		return j->size / 2;
	return journal_is_ahead(kind) ? j->size / 4 * 3 : j->size;
}

size_t journal_record_max(const struct journal *j)
{
	return j->size / 4 - sizeof(struct journal_rec);
}

int journal_append(struct journal *j, enum record_kind kind, const void *rec, uint64_t *ret_seq)
{
	struct journal_head *head = j->head;
	uint64_t room = journal_room(j, kind);
	size_t len, padded;
	uint64_t used;

	if (bug(kind <= RECORD_NONE || kind >= RECORD_N))
		return err_raise(-EINVAL);
	len = sizeof(struct journal_rec) + record_len(kind, rec);
	if (len > j->size / 4)
		return JOURNAL_E_TOO_BIG;
	if (atomic_load_explicit(&head->unwritable, memory_order_relaxed) &&
		(journal_is_ahead(kind) || kind == RECORD_CONTENT || journal_is_broken(j)))
		return JOURNAL_E_UNWRITABLE;
	padded = journal_padded(len);
	used = j->pos - atomic_load_explicit(&head->tail, memory_order_acquire);
	/* One unit more than the record: the zero behind it. */
	if (used > room || padded + JOURNAL_ALIGN > room - used)
		return JOURNAL_E_FULL;
	journal_fill(j, kind, rec, len);
	atomic_store_explicit(&journal_at(j, j->pos + padded)->commit, 0, memory_order_relaxed);
	atomic_store_explicit(&journal_at(j, j->pos)->commit, JOURNAL_COMMIT, memory_order_release);
	atomic_store_explicit(&head->last, j->pos | 1, memory_order_release);
	if (ret_seq)
		*ret_seq = j->seq;
	j->pos += padded;
	j->seq++;
	journal_wake_sleeper(j);
	return 0;
}

uint64_t journal_committed(const struct journal *j)
{
	return atomic_load_explicit(&j->head->committed, memory_order_acquire);
}

bool journal_is_writable(const struct journal *j)
{
	return !atomic_load_explicit(&j->head->unwritable, memory_order_acquire);
}

void journal_want_commit(struct journal *j, uint64_t seq)
{
	if (seq <= journal_committed(j))
		return;
	atomic_store(&j->head->want_commit, seq);
	journal_wake(j);
}

/* ---- the reader ---- */

int journal_open_reader_fd(int fd, struct journal **ret)
{
	_cleanup_(journal_closep) struct journal *j = NULL;
	int r;

	r = journal_open_fd(fd, &j);
	if (r == JOURNAL_E_NOT_RING)
		return JOURNAL_E_NOT_RING;
	if (r)
		return err_fold(r);
	j->copy = malloc(j->size / 4);
	if (!j->copy)
		return err_raise(-ENOMEM);
	j->pos = j->released_pos = atomic_load(&j->head->tail);
	j->is_abandoned = atomic_load(&j->head->broken);
	journal_expect(j, UINT32_MAX, UINT64_MAX - 1);
	*ret = TAKE(j);
	return 0;
}

int journal_open_reader(const char *path, struct journal **ret)
{
	_cleanup_(fd_closep) int fd = -1;
	int r;

	r = journal_open(path, &fd);
	if (r)
		return err_trace(r);
	r = journal_open_reader_fd(fd, ret);
	if (r == JOURNAL_E_NOT_RING)
		return JOURNAL_E_NOT_RING;
	return r ? err_fold(r) : 0;
}

void journal_expect(struct journal *j, uint32_t kinds, uint64_t seq_max)
{
	j->kinds = kinds;
	j->seq_max = seq_max;
}

uint64_t journal_birth(const struct journal *j)
{
	return j->birth;
}

static uint32_t journal_commit_word(const struct journal *j)
{
	return atomic_load_explicit(&journal_at(j, j->pos)->commit, memory_order_acquire);
}

/* Nothing at pos: is that the end, or does the writer claim to have written here, or to have lost
 * its way? */
static bool journal_is_end(const struct journal *j)
{
	uint64_t last = atomic_load_explicit(&j->head->last, memory_order_acquire);

	if (atomic_load_explicit(&j->head->lost, memory_order_acquire))
		return false;
	return !(last & 1) || (last ^ 1) < j->pos || journal_commit_word(j);
}

/* Copies the record at pos and checks it. The length is read once: the writer may change what it
 * likes at any time, but not the copy. 0, JOURNAL_E_BROKEN. */
static int journal_copy(struct journal *j, struct journal_rec *ret)
{
	uint32_t len = *(volatile uint32_t *)&journal_at(j, j->pos)->len;

	if (len < sizeof(*ret) || len > j->size / 4 ||
		j->pos - j->released_pos + journal_padded(len) > j->size)
		return JOURNAL_E_BROKEN;
	memcpy(j->copy, j->ring + (j->pos & (j->size - 1)), len);
	memcpy(ret, j->copy, sizeof(*ret));
	if (ret->len != len || ret->kind <= RECORD_NONE || ret->kind >= RECORD_N || !ret->seq ||
		(j->seq && ret->seq != j->seq) ||
		ret->crc != crc32c(slice_of(j->copy + JOURNAL_CRC_FROM, len - JOURNAL_CRC_FROM)))
		return JOURNAL_E_BROKEN;
	if ((j->kinds >> ret->kind & 1) && (j->seq || ret->seq <= j->seq_max))
		return 0;
	log_error("journal.refused", "record=%s seq=%llu: not from this ring",
		record_table[ret->kind].name, (unsigned long long)ret->seq);
	return JOURNAL_E_BROKEN;
}

int journal_next(struct journal *j, enum record_kind *ret_kind, int64_t *ret_at_ns,
	uint64_t *ret_seq, union record *ret)
{
	struct journal_rec rec;
	uint32_t commit;

	if (j->is_abandoned && atomic_load(&j->head->broken))
		return JOURNAL_E_EMPTY;
	j->is_abandoned = false;
	if (j->pos % JOURNAL_ALIGN)
		return JOURNAL_E_BROKEN;
	commit = journal_commit_word(j);
	if (!commit)
		return journal_is_end(j) ? JOURNAL_E_EMPTY : JOURNAL_E_BROKEN;
	if (commit != JOURNAL_COMMIT || journal_copy(j, &rec))
		return JOURNAL_E_BROKEN;
	if (record_decode(rec.kind, slice_of(j->copy + sizeof(rec), rec.len - sizeof(rec)), ret))
		return JOURNAL_E_BROKEN;
	*ret_kind = rec.kind;
	*ret_at_ns = rec.at_ns;
	*ret_seq = rec.seq;
	j->pos += journal_padded(rec.len);
	j->seq = rec.seq + 1;
	return 0;
}

void journal_release(struct journal *j)
{
	if (j->pos == j->released_pos)
		return;
	j->released_pos = j->pos;
	j->released_seq = j->seq;
	atomic_store_explicit(&j->head->tail, j->pos, memory_order_release);
	atomic_store_explicit(&j->head->committed, j->seq - 1, memory_order_release);
}

void journal_rewind(struct journal *j)
{
	j->pos = j->released_pos;
	j->seq = j->released_seq;
}

void journal_abandon(struct journal *j, uint64_t next_seq)
{
	j->pos = j->released_pos = journal_padded(j->pos);
	j->seq = j->released_seq = next_seq;
	j->is_abandoned = true;
	journal_set_writable(j, false);
	atomic_store(&j->head->tail, j->pos);
	atomic_store(&j->head->committed, next_seq - 1);
	atomic_store(&j->head->reset_seq, next_seq);
	atomic_store(&j->head->broken, 1);
}

void journal_set_committed(struct journal *j, uint64_t seq)
{
	atomic_store(&j->head->committed, seq);
}

void journal_set_writable(struct journal *j, bool writable)
{
	atomic_store(&j->head->unwritable, !writable);
}

bool journal_wants_commit(const struct journal *j)
{
	return atomic_load(&j->head->want_commit) > atomic_load(&j->head->committed);
}

bool journal_sleep(struct journal *j, enum journal_sleep how)
{
	atomic_store(&j->head->sleep, how);
	atomic_thread_fence(memory_order_seq_cst);
	if (j->is_abandoned)
		return atomic_load(&j->head->broken);
	return how == JOURNAL_AWAKE || !(journal_commit_word(j) || atomic_load(&j->head->lost));
}
