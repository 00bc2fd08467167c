/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What we make of a text: one text a line on stdin, in hex; one line out: how many statements, then
 * the effects. For fuzz.py, which asks the server the same.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "sql/sql.h"

enum { LEXDIFF_TEXT_MAX = 1 << 16 };

static int nibble(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

static void lexdiff_one(const char *hex)
{
	static uint8_t text[LEXDIFF_TEXT_MAX];
	struct arena arena;
	struct facts f;
	size_t n = 0;
	uint32_t effects;

	for (; hex[0] >= '0' && hex[1] >= '0' && n < sizeof(text); hex += 2)
		text[n++] = (uint8_t)(nibble(hex[0]) << 4 | nibble(hex[1]));
	arena_init(&arena, 16 << 20);
	if (sql_classify_deep(slice_of(text, n), &arena, &f))
		abort();
	effects = facts_effects(&f);
	printf("%u", f.n_statements);
	for (int i = 0; i < EFFECT_N; i++)
		if (effects & EFFECT_BIT(i))
			printf(" %s", effect_table[i].keyword);
	printf("\n");
	arena_deinit(&arena);
}

static void *lexdiff(void *arg)
{
	static char line[2 * LEXDIFF_TEXT_MAX + 2];

	(void)arg;
	while (fgets(line, sizeof(line), stdin)) {
		lexdiff_one(line);
		fflush(stdout);
	}
	return NULL;
}

int main(void)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, SQL_PARSER_STACK);
	if (pthread_create(&thread, &attr, lexdiff, NULL))
		return 1;
	pthread_join(thread, NULL);
	return 0;
}
