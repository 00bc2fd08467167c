/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast results go through the detectors: whole texts, and rows of short values. Prints GB/s,
 * the median of several rounds. usage: mask_bench [MB]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "mask/detect.h"
#include "mask/mask.h"

static const char *const clean[] = {"the", "quick", "brown", "fox", "2024-05-17", "customer",
	"Berlin", "17.25", "order", "pending", "12:34:56.789", "of", "Springfield", "0042",
	"is_active", "t", "a1b2c3d4-e5f6-7890-abcd-ef1234567890", "shipped", "and", "Müller",
	"http://example.com/a/b"};

static const char *const hits[] = {"4111-1111-1111-1111", "bob@example.com", "123-45-6789",
	"10.0.0.5", "+14155550100", "DE89370400440532013000", "sk_live_4eC39HqLyjWDarjtT1zdp7dc"};

/* Tab-separated words, one in `dense` of them a hit; 0: none. */
static size_t make_text(char *p, size_t max, unsigned int dense)
{
	uint64_t x = 88172645463325252ull;
	size_t n = 0;

	while (n + 64 < max) {
		const char *word;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		if (dense && x % dense == 0)
			word = hits[(x >> 20) % (sizeof(hits) / sizeof(hits[0]))];
		else
			word = clean[(x >> 20) % (sizeof(clean) / sizeof(clean[0]))];
		n += (size_t)sprintf(
			p + n, "%s%c", word, x >> 60 ? ((x >> 50) & 1 ? ' ' : '\t') : '\n');
	}
	return n;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static size_t run_scan(struct slice t, uint32_t want)
{
	struct scan s;
	struct hit h;
	size_t n = 0;

	scan_init(&s, t, 0, t.n, want);
	while (scan_next(&s, &h))
		n++;
	return n;
}

/* Values of a text column, 24 bytes each, through mask_value(). */
static size_t run_values(struct slice t, uint32_t want)
{
	const char *columns[] = {NULL};
	const struct mask_rule rule = {.name = "r", .columns = columns, .detectors = want};
	const struct mask_rule *rules[] = {&rule, NULL};
	const struct column column = {.class = VALUE_TEXT};
	const uint8_t key[32] = {0};
	struct mask_stats stats = {0};
	enum unproven unproven;
	struct mask_plan *plan;
	struct arena arena;
	struct slice out;

	arena_init(&arena, 1 << 20);
	if (mask_plan_build(rules, NULL, &column, 1, false, NULL, &arena, &plan, &unproven))
		return 0;
	for (size_t i = 0; i + 24 <= t.n; i += 24)
		if (mask_value(plan, 0, slice_of(t.p + i, 24), key, &arena, &out, &stats) &&
			arena.used > 1 << 19) {
			arena_reset(&arena);
			if (mask_plan_build(
				    rules, NULL, &column, 1, false, NULL, &arena, &plan, &unproven))
				return 0;
		}
	arena_deinit(&arena);
	return stats.n_values;
}

static void bench(
	const char *name, struct slice t, uint32_t want, size_t (*run)(struct slice, uint32_t))
{
	enum { ROUNDS = 7 };
	double took[ROUNDS];
	size_t n = 0;

	for (int i = 0; i < ROUNDS; i++) {
		double start = seconds();

		n = run(t, want);
		took[i] = seconds() - start;
	}
	qsort(took, ROUNDS, sizeof(took[0]), compare);
	printf("%-34s %6.2f GB/s  %9zu hits\n", name, (double)t.n / took[ROUNDS / 2] / 1e9, n);
}

int main(int argc, char **argv)
{
	size_t max = (size_t)(argc > 1 ? atoi(argv[1]) : 32) << 20;
	char *p = malloc(max);
	uint32_t usual = DETECTOR_BIT(DETECTOR_CREDIT_CARD) | DETECTOR_BIT(DETECTOR_US_SSN) |
			 DETECTOR_BIT(DETECTOR_IBAN) | DETECTOR_BIT(DETECTOR_EMAIL) |
			 DETECTOR_BIT(DETECTOR_SECRET);
	struct slice t;

	if (!p)
		return 1;
	t = slice_of(p, make_text(p, max, 0));
	bench("clean text, all detectors", t, DETECT_ALL, run_scan);
	bench("clean text, card ssn iban email key", t, usual, run_scan);
	bench("clean text, card", t, DETECTOR_BIT(DETECTOR_CREDIT_CARD), run_scan);
	bench("clean values of 24 bytes, all", t, DETECT_ALL, run_values);
	t = slice_of(p, make_text(p, max, 15));
	bench("a hit every 100 bytes, all", t, DETECT_ALL, run_scan);
	bench("values of 24 bytes with hits, all", t, DETECT_ALL, run_values);
	free(p);
	return 0;
}
