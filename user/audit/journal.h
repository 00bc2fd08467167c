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
 * against the ring, and a bad record ends the reading of that ring, loudly.
 */
#pragma once

#include "audit/record.h"
#include "util/err.h"

enum { JOURNAL_VERSION = 1 };

enum {
	JOURNAL_E_FULL = 1,	  /* no room: the scribe is behind; refuse the request (P2) */
	JOURNAL_E_TOO_BIG = 2,	  /* one record larger than a quarter of the ring */
	JOURNAL_E_UNWRITABLE = 3, /* the scribe says that the ledger cannot be written (disk full …) */
	JOURNAL_E_EMPTY = 4,	  /* reader: nothing more */
	JOURNAL_E_BROKEN = 5,	  /* reader: a record that cannot be one; the rest is not believed */
};

struct journal;

/* Makes (or reopens, continuing the sequence) the ring file for writing. size: bytes, a power of
 * two. wake_fd: eventfd that the reader sleeps on. */
ERR_CHECK int journal_open_writer(const char *path, size_t size, int wake_fd, struct journal **ret);
ERR_CHECK int journal_open_reader(const char *path, struct journal **ret);
struct journal *journal_close(struct journal *j);

/* Appends; rec points to the struct record_* of that kind. On 0 the record is safe from the death of
 * our processes; *ret_seq (may be NULL) is its number in this ring. */
ERR_CHECK int journal_append(struct journal *j, enum record_kind kind, const void *rec,
	uint64_t *ret_seq);
/* Highest sequence that is on disk in the ledger (synchronous=FULL), as the scribe published it. */
uint64_t journal_committed(const struct journal *j);
/* False while the scribe cannot write the ledger; appends answer JOURNAL_E_UNWRITABLE then. */
bool journal_is_writable(const struct journal *j);
/* Asks the scribe to commit up to here soon, and to write 1 to the writer's eventfd when done. */
void journal_want_commit(struct journal *j, uint64_t seq);

/* Reader: the next record, decoded into *rec (as large as the largest struct; slices point into the
 * ring until journal_release()). 0, JOURNAL_E_EMPTY, JOURNAL_E_BROKEN. */
/* Any record, for readers. */
union record {
#define RECORD(id, name, fields) struct record_##name name;
#include "audit/records.def"
#undef RECORD
};
ERR_CHECK int journal_next(struct journal *j, enum record_kind *ret_kind, int64_t *ret_at_ns,
	uint64_t *ret_seq, union record *ret);
/* Reader: everything handed out so far is committed; the space may be used again. */
void journal_release(struct journal *j);
void journal_set_writable(struct journal *j, bool writable);
