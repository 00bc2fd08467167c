/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the record of a request costs: an append to the journal (median, mean, worst of a million),
 * and the drain of request + reply pairs into the ledger (rows/s, CPU µs a row).
 *
 * usage: bench_audit FOLDER-ON-TMPFS FOLDER-ON-DISK
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "audit/scribe.h"
#include "util/clock.h"
#include "util/log.h"

enum { N_APPENDS = 1000000, N_PAIRS = 250000, RING = 64 << 20 };

static const struct record_request request = {
	.session = 7,
	.kind = SLICE_LIT("query"),
	.text = SLICE_LIT("SELECT o.id, o.total, c.name FROM orders o JOIN customers c ON c.id = "
			  "o.customer WHERE o.id = $1 AND o.state = 'open'"),
	.text_len = 112,
	.hmac = SLICE_LIT("0123456789abcdef0123456789abcdef"),
	.params = SLICE_LIT("$1=4711"),
	.effects = SLICE_LIT("read"),
	.objects = SLICE_LIT("public.orders public.customers"),
	.ruling = SLICE_LIT("allow"),
	.policy = SLICE_LIT("a1b2c3d4"),
	.tx = SLICE_LIT("none"),
};

static const struct record_reply reply = {
	.status = SLICE_LIT("ok"), .n_rows = 1, .n_bytes = 64, .tag = SLICE_LIT("SELECT 1")};

static int bench_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void bench_die(const char *what, int r)
{
	fprintf(stderr, "bench_audit: %s: %d\n", what, r);
	exit(1);
}

/* Every record is taken out at once, as by a scribe that keeps up. */
static void bench_append(const char *path)
{
	uint32_t *ns = malloc(N_APPENDS * sizeof(*ns));
	struct journal *w, *r;
	struct record_request rec = request;
	int64_t from, sum = 0;
	int e;

	e = journal_open_writer(path, 1 << 20, -1, &w);
	if (!e)
		e = journal_open_reader(path, &r);
	if (e || !ns)
		bench_die("open", e);
	for (unsigned i = 0; i < N_APPENDS; i++) {
		enum record_kind kind;
		union record got;
		uint64_t seq;
		int64_t at;

		rec.id = i + 1;
		from = clock_mono_ns();
		e = journal_append(w, RECORD_REQUEST, &rec, NULL);
		ns[i] = (uint32_t)(clock_mono_ns() - from);
		if (e || journal_next(r, &kind, &at, &seq, &got))
			bench_die("append", e);
		journal_release(r);
		sum += ns[i];
	}
	qsort(ns, N_APPENDS, sizeof(*ns), bench_compare);
	printf("append: %zu bytes, median %u ns, mean %.0f ns, p99 %u ns, p99.99 %u ns, worst of "
	       "%d: "
	       "%u ns\n",
		record_len(RECORD_REQUEST, &rec) + 32, ns[N_APPENDS / 2], (double)sum / N_APPENDS,
		ns[N_APPENDS / 100 * 99], ns[N_APPENDS / 10000 * 9999], N_APPENDS,
		ns[N_APPENDS - 1]);
	journal_close(w);
	journal_close(r);
	free(ns);
}

struct bench_scribe {
	struct scribe_config config;
	int64_t cpu_ns;
};

static void *bench_run_scribe(void *arg)
{
	struct bench_scribe *s = arg;
	int r = scribe_run(&s->config);

	if (r)
		bench_die("scribe", r);
	s->cpu_ns = clock_ns_of(CLOCK_THREAD_CPUTIME_ID);
	return NULL;
}

static void bench_drain(const char *ring, const char *ledger)
{
	const char *rings[] = {ring, NULL};
	int wake = eventfd(0, EFD_NONBLOCK), stop = eventfd(0, 0),
	    commit = eventfd(0, EFD_NONBLOCK);
	struct bench_scribe s = {.config = {.ledger_path = ledger,
					 .ring_paths = rings,
					 .wake_fd = wake,
					 .commit_fds = &commit,
					 .stop_fd = stop,
					 .ready_fd = -1,
					 .close_orphans = true}};
	struct record_request ask = request;
	struct record_reply answer = reply;
	struct journal *w;
	pthread_t thread;
	int64_t from;
	double s_all;
	int e = journal_open_writer(ring, RING, wake, &w);

	if (e || pthread_create(&thread, NULL, bench_run_scribe, &s))
		bench_die("start", e);
	from = clock_mono_ns();
	for (unsigned i = 1; i <= N_PAIRS; i++) {
		ask.id = answer.request = i;
		ask.session = i % 16;
		while ((e = journal_append(w, RECORD_REQUEST, &ask, NULL)) == JOURNAL_E_FULL)
			usleep(200);
		while (!e && (e = journal_append(w, RECORD_REPLY, &answer, NULL)) == JOURNAL_E_FULL)
			usleep(200);
		if (e)
			bench_die("append", e);
	}
	eventfd_write(stop, 1);
	pthread_join(thread, NULL);
	s_all = (double)(clock_mono_ns() - from) / 1e9;
	printf("drain: %d request + reply pairs, %.0f rows/s, scribe CPU %.2f us/row\n", N_PAIRS,
		2 * N_PAIRS / s_all, (double)s.cpu_ns / 1e3 / (2 * N_PAIRS));
	journal_close(w);
}

int main(int argc, char **argv)
{
	char append[512], drain[512], ledger[512];

	if (argc != 3) {
		fprintf(stderr, "usage: bench_audit FOLDER-ON-TMPFS FOLDER-ON-DISK\n");
		return 2;
	}
	log_setup("bench_audit", LOG_LEVEL_WARN);
	snprintf(append, sizeof(append), "%s/append.ring", argv[1]);
	snprintf(drain, sizeof(drain), "%s/drain.ring", argv[1]);
	snprintf(ledger, sizeof(ledger), "%s/bench.db", argv[2]);
	bench_append(append);
	bench_drain(drain, ledger);
	return 0;
}
