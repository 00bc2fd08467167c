/* SPDX-License-Identifier: Apache-2.0 */
#include "audit_fixture.h"

#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static char fixture_dir[64];
static uint64_t fixture_state;

void fixture_make(void)
{
	snprintf(fixture_dir, sizeof(fixture_dir), "/dev/shm/holdfast-audit-XXXXXX");
	cr_assert(mkdtemp(fixture_dir), "a folder on tmpfs");
}

static int fixture_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void fixture_remove(void)
{
	nftw(fixture_dir, fixture_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *fixture_path(const char *name)
{
	static char paths[8][128];
	static unsigned next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", fixture_dir, name);
	return path;
}

uint64_t fixture_random(void)
{
	if (!fixture_state) {
		const char *seed = getenv("HOLDFAST_SEED");

		fixture_state =
			seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL) * 2654435761u;
		fixture_state |= 1;
		fprintf(stderr, "HOLDFAST_SEED=%llu\n", (unsigned long long)fixture_state);
	}
	fixture_state ^= fixture_state << 13;
	fixture_state ^= fixture_state >> 7;
	fixture_state ^= fixture_state << 17;
	return fixture_state;
}

union record fixture_record(enum record_kind kind, size_t slice_max)
{
	static uint8_t bytes[1 << 16];
	const struct record_info *info = &record_table[kind];
	union record rec;
	char *member = (char *)&rec;

	for (size_t i = 0; i < sizeof(bytes); i += 8)
		memcpy(bytes + i, &(uint64_t){fixture_random()}, 8);
	memset(&rec, 0, sizeof(rec));
	for (size_t i = 0; i < info->n_fields; i++) {
		if (info->fields[i].is_slice) {
			size_t n = fixture_random() % (slice_max + 1);

			*(struct slice *)(void *)member =
				slice_of(bytes + fixture_random() % (sizeof(bytes) - n), n);
			member += sizeof(struct slice);
		} else {
			*(uint64_t *)(void *)member = fixture_random();
			member += sizeof(uint64_t);
		}
	}
	return rec;
}

bool fixture_equal(enum record_kind kind, const union record *a, const union record *b)
{
	const struct record_info *info = &record_table[kind];
	const void *x = a, *y = b;

	for (size_t i = 0; i < info->n_fields; i++) {
		const struct record_field *f = &info->fields[i];

		if (f->is_slice ? !slice_eq(*(const struct slice *)x, *(const struct slice *)y)
				: *(const uint64_t *)x != *(const uint64_t *)y)
			return false;
		x = record_next_member(f, x);
		y = record_next_member(f, y);
	}
	return true;
}

struct record_request fixture_request(
	uint64_t id, uint64_t session, const char *text, const char *ruling)
{
	return (struct record_request){.id = id,
		.session = session,
		.kind = SLICE_LIT("query"),
		.text = slice_str(text),
		.text_len = strlen(text),
		.hmac = SLICE_LIT("\x00\x01\xfe\xff"),
		.effects = SLICE_LIT("read"),
		.ruling = slice_str(ruling),
		.tx = SLICE_LIT("none")};
}

int64_t fixture_sql(const char *path, const char *sql)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *stmt = NULL;
	int64_t n;

	cr_assert_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK, "%s: %s", sql,
		sqlite3_errmsg(db));
	cr_assert_eq(sqlite3_step(stmt), SQLITE_ROW, "%s: %s", sql, sqlite3_errmsg(db));
	n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return n;
}
