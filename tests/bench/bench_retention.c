/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two days of a busy ledger, as fast as they can be written: every minute its requests and a signed
 * head, every ten minutes a look at what is older than a day. Prints the bytes in use every two
 * hours: they grow for a day and then stay.
 *
 * usage: bench_retention FOLDER-ON-DISK [REQUESTS-A-DAY]
 */
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/ledger.h"
#include "util/clock.h"
#include "util/log.h"

#define MINUTE_NS (60LL * 1000000000)
#define START_NS  (1700000000LL * 1000000000)

enum { MINUTES_A_DAY = 24 * 60, DAYS = 2, LOOK_MINUTES = 10, SAY_MINUTES = 120 };

static void die(const char *what, int r)
{
	fprintf(stderr, "bench_retention: %s: %d\n", what, r);
	exit(1);
}

static void put(struct ledger *l, enum record_kind kind, int64_t at_ns, const void *rec)
{
	int r = ledger_put(l, LEDGER_NO_RING, 0, kind, at_ns, rec);

	if (r)
		die("put", r);
}

/* What one minute asks for, and its end: a commit. */
static void live_a_minute(struct ledger *l, int64_t at_ns, uint64_t *id, uint64_t n)
{
	int r = ledger_begin(l);

	for (uint64_t i = 0; !r && i < n; i++) {
		struct record_request q = {.id = ++*id,
			.session = 1,
			.kind = SLICE_LIT("query"),
			.text = SLICE_LIT(
				"SELECT o.id, o.total, c.name FROM orders o JOIN customers c ON "
				"c.id = o.customer WHERE o.id = $1 AND o.state = 'open'"),
			.text_len = 112,
			.hmac = SLICE_LIT("0123456789abcdef0123456789abcdef"),
			.params = SLICE_LIT("$1 = '4711'"),
			.effects = SLICE_LIT("read"),
			.objects = SLICE_LIT("public.orders, public.customers"),
			.ruling = SLICE_LIT("allow"),
			.policy = SLICE_LIT("a1b2c3d4e5f6"),
			.tx = SLICE_LIT("none")};
		struct record_reply p = {.request = *id,
			.status = SLICE_LIT("ok"),
			.n_rows = 1,
			.n_bytes = 64,
			.tag = SLICE_LIT("SELECT 1")};

		put(l, RECORD_REQUEST, at_ns + (int64_t)i, &q);
		put(l, RECORD_REPLY, at_ns + (int64_t)i, &p);
	}
	if (r || ledger_commit(l))
		die("commit", r);
}

static void sign(struct ledger *l, int64_t at_ns, struct checkpoint *last)
{
	struct checkpoint c;

	if (!ledger_head(l, last, &c))
		return;
	c.number = last->number + 1;
	c.at_ns = at_ns;
	if (ledger_put_checkpoint(l, &c))
		die("checkpoint", 0);
	*last = c;
}

static int64_t prune(struct ledger *l, int64_t now_ns)
{
	const struct ledger_retention retention = {
		.now_ns = now_ns, .age_ns = MINUTES_A_DAY * MINUTE_NS};
	int64_t from = clock_mono_ns();
	struct checkpoint c;
	bool is_pinned;
	int r;

	while (!(r = ledger_prune_choose(l, &retention, &c))) {
		c.kind = CHECKPOINT_PRUNED;
		r = ledger_prune(l, &retention, &c);
		if (r)
			break;
	}
	if (r != LEDGER_E_NONE || ledger_tidy(l, &is_pinned))
		die("prune", r);
	return clock_mono_ns() - from;
}

static int64_t number(const char *path, const char *sql)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *stmt = NULL;
	int64_t n = -1;

	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
		sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
		sqlite3_step(stmt) == SQLITE_ROW)
		n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return n;
}

static void say(const char *path, int minute, int64_t prune_ns)
{
	struct stat st;

	if (stat(path, &st))
		die("stat", 0);
	printf("%2d h: %6" PRId64 " MB in use, file %6lld MB, %8" PRId64
	       " requests, pruning so far %.1f s\n",
		minute / 60,
		number(path, "SELECT (p.page_count - f.freelist_count) * s.page_size >> 20 FROM "
			     "pragma_page_count p, pragma_freelist_count f, pragma_page_size s"),
		(long long)st.st_size >> 20, number(path, "SELECT count(*) FROM request"),
		(double)prune_ns / 1e9);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	uint64_t a_day = argc > 2 ? strtoull(argv[2], NULL, 10) : 500000, id = 0;
	struct checkpoint last = {0};
	struct record_run run = {.id = 1, .name = SLICE_LIT("bench")};
	struct record_session session = {.id = 1, .run = 1, .resource = SLICE_LIT("shop")};
	int64_t prune_ns = 0;
	struct ledger *l;
	char path[512];

	if (argc < 2 || !a_day) {
		fprintf(stderr, "usage: bench_retention FOLDER-ON-DISK [REQUESTS-A-DAY]\n");
		return 2;
	}
	log_setup("bench_retention", LOG_LEVEL_WARN);
	snprintf(path, sizeof(path), "%s/retention.db", argv[1]);
	if (ledger_open(path, &l) || ledger_begin(l))
		die("open", 0);
	put(l, RECORD_RUN, START_NS, &run);
	put(l, RECORD_SESSION, START_NS, &session);
	if (ledger_commit(l))
		die("commit", 0);
	for (int minute = 1; minute <= DAYS * MINUTES_A_DAY; minute++) {
		int64_t now = START_NS + minute * MINUTE_NS;

		live_a_minute(l, now, &id, a_day / MINUTES_A_DAY);
		sign(l, now, &last);
		if (minute % LOOK_MINUTES == 0)
			prune_ns += prune(l, now);
		if (minute % SAY_MINUTES == 0)
			say(path, minute, prune_ns);
	}
	ledger_close(l);
	return 0;
}
