/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal: a fixed ring in a file on tmpfs, one per writing thread, where each record goes
 * before the thing it records is done (P3).
 *
 * The memory is allocated and touched when the file is made, so an append never faults, never waits
 * for a disk and makes no system call but the wake-up of a sleeping reader. It survives the death
 * of all our processes; journal_open_reader() after a crash finds every record whose commit word
 * was stored. One writer thread, one reader process (the scribe).
 *
 * The writer may be a process that was taken over: the reader checks every length and offset
 * against the ring, works on a private copy of each record, and a bad record ends the reading of
 * that ring, loudly. What it cannot survive is a file that shrinks: whoever may be taken over maps
 * the ring while it is still privileged and keeps neither a descriptor nor the right to open it.
 */
#pragma once

#include <sys/types.h>

#include "audit/record.h"
#include "util/err.h"

enum { JOURNAL_VERSION = 1 };

enum {
	JOURNAL_E_FULL = 1,    /* no room: the scribe is behind; refuse the request (P2) */
	JOURNAL_E_TOO_BIG = 2, /* one record larger than a quarter of the ring */
	JOURNAL_E_UNWRITABLE =
		3,           /* the scribe says that the ledger cannot be written (disk full …) */
	JOURNAL_E_EMPTY = 4, /* reader: nothing more */
	JOURNAL_E_BROKEN = 5,   /* a record that cannot be one; the rest is not believed */
	JOURNAL_E_NOT_RING = 6, /* opening: no journal, or one of another version */
};

enum { JOURNAL_SIZE_MIN = 1 << 14, JOURNAL_SIZE_MAX = 1 << 30 };

struct journal;

/* ---- making ---- */

/*
 * Makes an empty ring file, mode 0660 and owned by uid:gid (-1 = leave). A ring that is there is
 * kept with what it holds, whatever its size; a file that is no ring of this version is moved aside
 * to `<path>.unreadable`. size: bytes, a power of two.
 */
ERR_CHECK int journal_create(const char *path, size_t size, uid_t uid, gid_t gid);

/* ---- the writer ---- */

/*
 * Makes the ring, or continues it behind the last whole record. wake_fd (borrowed): eventfd that
 * the reader sleeps on. 0, JOURNAL_E_NOT_RING, JOURNAL_E_BROKEN (the reader has been told; open
 * again once it has given the rest up).
 */
ERR_CHECK int journal_open_writer(const char *path, size_t size, int wake_fd, struct journal **ret);
/* The same over an open descriptor of a ring, which is needed only for the time of the call. */
ERR_CHECK int journal_open_writer_fd(int fd, int wake_fd, struct journal **ret);
struct journal *journal_close(struct journal *j);

/*
 * Appends; rec points to the struct record_* of that kind. What is recorded before it is done (run,
 * session, request, hold, decision) is refused while the ledger cannot be written, and leaves the
 * last quarter of the ring to what already happened (replies, ends, events), which is not. Contents
 * of replies are refused then too, and find room in the first half only. On 0 the record is safe
 * from the death of our processes; *ret_seq (may be NULL) is its number in this ring. 0,
 * JOURNAL_E_FULL, JOURNAL_E_TOO_BIG, JOURNAL_E_UNWRITABLE.
 */
ERR_CHECK int journal_append(
	struct journal *j, enum record_kind kind, const void *rec, uint64_t *ret_seq);
/* The longest record that fits, as record_len() has it. */
size_t journal_record_max(const struct journal *j);
/* Highest sequence that is on disk in the ledger (synchronous=FULL), as the scribe published it. */
uint64_t journal_committed(const struct journal *j);
/* False while the scribe cannot write the ledger; appends answer JOURNAL_E_UNWRITABLE then. */
bool journal_is_writable(const struct journal *j);
/* The reader has given this ring up; it stays unwritable until a new writer opens it. */
bool journal_is_broken(const struct journal *j);
/* Asks the scribe to commit up to here soon, and to write 1 to the writer's eventfd when done. */
void journal_want_commit(struct journal *j, uint64_t seq);

/* ---- the reader ---- */

/* 0, JOURNAL_E_NOT_RING. */
ERR_CHECK int journal_open_reader(const char *path, struct journal **ret);
ERR_CHECK int journal_open_reader_fd(int fd, struct journal **ret);
/* Random number of this ring, drawn when it was made: its sequence began at 1 then. */
uint64_t journal_birth(const struct journal *j);

/* What is taken from this ring: these kinds (bit 1 << kind each), and as its first record none with
 * a higher number than seq_max. Any other is JOURNAL_E_BROKEN. Without it: all kinds, any number.
 */
void journal_expect(struct journal *j, uint32_t kinds, uint64_t seq_max);
/* The next record, decoded into *ret; its slices are valid until the next call. 0, JOURNAL_E_EMPTY,
 * JOURNAL_E_BROKEN. */
ERR_CHECK int journal_next(struct journal *j, enum record_kind *ret_kind, int64_t *ret_at_ns,
	uint64_t *ret_seq, union record *ret);
/* Everything handed out so far is committed; the space may be used again. */
void journal_release(struct journal *j);
/* Nothing since the last release was committed; it will be handed out again. */
void journal_rewind(struct journal *j);
/* After JOURNAL_E_BROKEN and a release: gives the rest up. The ring is unwritable and reads as
 * empty until a new writer has opened it and goes on with next_seq. */
void journal_abandon(struct journal *j, uint64_t next_seq);
/* What the ledger itself says is committed, when the reader opens it: the ring's own word for it
 * may be damaged, and decisions are released by it. */
void journal_set_committed(struct journal *j, uint64_t seq);
void journal_set_writable(struct journal *j, bool writable);
/* The writer asked for a commit of something that journal_release() has not covered yet. */
bool journal_wants_commit(const struct journal *j);

enum journal_sleep {
	JOURNAL_AWAKE,     /* appends need not wake the reader */
	JOURNAL_ASLEEP,    /* every append does */
	JOURNAL_LINGERING, /* only those into a ring a quarter full, and wanted commits */
};

/* Says how the reader is about to sleep. False: there is something to do first. */
bool journal_sleep(struct journal *j, enum journal_sleep how);
