/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of any class and wire format: whole, and in pieces cut anywhere, which must find the same.
 *
 * fuzz-links: user/mask/[a-z]*.c user/fact/[a-z]*.c user/util/[a-z]*.c
 *
 * Input: class, flags (binary, whole column, transform), piece size, then the value.
 */
#include <stdlib.h>

#include "mask/detect.h"
#include "mask/mask.h"

static const uint8_t key[32];
static const char *every_column[] = {"*", NULL};

static struct mask_plan *plan_for(const uint8_t *head, struct mask_rule *rule, struct arena *arena)
{
	const struct mask_rule *const rules[] = {rule, NULL};
	const struct column column = {.class = (enum value_class)(head[0] % (VALUE_OTHER + 1)),
		.is_binary = head[1] & 1,
		.table = 20000};
	enum unproven unproven;
	struct mask_plan *plan;

	*rule = (struct mask_rule){.name = "r",
		.detectors = DETECT_ALL,
		.columns = head[1] & 2 ? every_column : NULL,
		.as = (enum transform)((head[1] >> 2) % TRANSFORM_N)};
	if (mask_plan_build(rules, NULL, &column, 1, true, NULL, arena, &plan, &unproven))
		abort();
	return plan;
}

/* In pieces of about `size` bytes; the masked value in out. */
static int feed(struct mask_plan *plan, const uint8_t *p, size_t n, size_t size, uint8_t *out,
	struct mask_stats *stats)
{
	size_t done = 0, given = 0;

	do {
		size_t more = n - given < size ? n - given : size, len = given + more - done, hold;
		uint8_t *copy = malloc(len ? len : 1);
		int r;

		if (len)
			memcpy(copy, p + done, len);
		given += more;
		r = mask_piece(plan, 0, copy, len, given == n, &hold, stats);
		if (hold > MASK_TAIL_MAX && !r)
			abort();
		if (!r && len > hold)
			memcpy(out + done, copy, len - hold);
		free(copy);
		if (r)
			return r;
		done += len - hold;
	} while (given < n);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct mask_stats stats = {0}, by_piece = {0}, at_once = {0};
	struct mask_rule rule;
	struct mask_plan *plan;
	struct arena arena;
	struct slice ret;
	uint8_t *a, *b;
	int r, s;

	if (n < 3 || n > 100000)
		return 0;
	arena_init(&arena, 1 << 20);
	plan = plan_for(p, &rule, &arena);
	a = malloc(n);
	b = malloc(n);
	if (mask_value(plan, 0, slice_of(p + 3, n - 3), key, &arena, &ret, &stats) && ret.p)
		for (size_t i = 0; i < ret.n; i++)
			a[0] = ret.p[i];
	r = feed(plan, p + 3, n - 3, (size_t)p[2] + 1, a, &by_piece);
	s = feed(plan, p + 3, n - 3, n, b, &at_once);
	if (!r && !s && (memcmp(a, b, n - 3) || memcmp(&by_piece, &at_once, sizeof(by_piece))))
		abort();
	free(a);
	free(b);
	arena_deinit(&arena);
	return 0;
}
