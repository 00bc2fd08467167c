/* SPDX-License-Identifier: Apache-2.0 */
/* Prints the catalog question for the patterns given as arguments. For tests/sql/catalog. */
#include <stdio.h>

#include "sql/catalog.h"

int main(int argc, char **argv)
{
	struct arena arena;
	struct slice text;

	(void)argc;
	arena_init(&arena, 1 << 20);
	text = sql_catalog_question((const char *const *)argv + 1, &arena);
	printf("%.*s\n", SLICE_FMT(text));
	arena_deinit(&arena);
	return 0;
}
