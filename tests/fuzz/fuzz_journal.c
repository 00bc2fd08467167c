/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of a ring whose writer was taken over: any header and any content must end in an
 * outcome. The first bytes of the input are the numbers of the header, the rest is the ring.
 *
 * fuzz-links: user/audit/journal.c user/audit/record.c user/audit/crc32c.c user/util/[a-z]*.c
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "audit/crc32c.h"
#include "audit/journal.h"
#include "util/log.h"

/* As in journal.c: the lines of writer and reader, and a record's header. */
enum { HEAD = 4096, LINES_AT = 64, LINES = 192, CRC_AT = 4, LEN_AT = 8, REC = 32 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static uint8_t *file;
static int fd;
static uint8_t clean[HEAD];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char path[] = "/dev/shm/holdfast-fuzz-XXXXXX";
	char ring[sizeof(path) + 8];

	(void)argc;
	(void)argv;
	log_setup("fuzz", 0);
	if (!mkdtemp(path))
		abort();
	strcat(strcpy(ring, path), "/ring");
	if (journal_create(ring, JOURNAL_SIZE_MIN, (uid_t)-1, (gid_t)-1))
		abort();
	fd = open(ring, O_RDWR);
	file = mmap(NULL, HEAD + JOURNAL_SIZE_MIN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (file == MAP_FAILED)
		abort();
	memcpy(clean, file, HEAD);
	unlink(ring);
	rmdir(path);
	return 0;
}

/* Makes the first record's sum right, so that what is behind the sum is reached. */
static void mend_sum(void)
{
	uint32_t len, crc;

	memcpy(&len, file + HEAD + LEN_AT, 4);
	len = REC + len % 1024;
	memcpy(file + HEAD, "tmoc", 4);
	memcpy(file + HEAD + LEN_AT, &len, 4);
	crc = crc32c(slice_of(file + HEAD + LEN_AT, len - LEN_AT));
	memcpy(file + HEAD + CRC_AT, &crc, 4);
}

static void read_all(void)
{
	enum record_kind kind;
	struct journal *j;
	union record rec;
	int64_t at;
	uint64_t seq;
	int r;

	if (journal_open_reader_fd(fd, &j))
		abort();
	while (!(r = journal_next(j, &kind, &at, &seq, &rec))) {
		volatile size_t len = record_len(kind, &rec);

		if (len > JOURNAL_SIZE_MIN / 4)
			abort();
	}
	if (r != JOURNAL_E_EMPTY && r != JOURNAL_E_BROKEN)
		abort();
	journal_release(j);
	if (r == JOURNAL_E_BROKEN)
		journal_abandon(j, 1);
	journal_close(j);
}

/* Whoever comes next must be able to go on. */
static void write_one(void)
{
	struct record_event event = {.kind = SLICE_LIT("fuzz")};
	struct journal *w;
	int r = journal_open_writer_fd(fd, -1, &w);

	if (r == JOURNAL_E_BROKEN)
		return;
	if (r)
		abort();
	r = journal_append(w, RECORD_EVENT, &event, NULL);
	if (r < 0)
		abort();
	journal_close(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n_lines = size < LINES ? size : LINES, n;

	memcpy(file, clean, HEAD);
	memset(file + HEAD, 0, JOURNAL_SIZE_MIN);
	if (size && data[0] & 1) {
		memcpy(file + LINES_AT, data, n_lines);
		data += n_lines;
		size -= n_lines;
	}
	n = size < JOURNAL_SIZE_MIN ? size : JOURNAL_SIZE_MIN;
	if (n)
		memcpy(file + HEAD, data, n);
	if (n > REC && data[1] & 1)
		mend_sum();
	read_all();
	write_one();
	read_all();
	return 0;
}
