/* SPDX-License-Identifier: Apache-2.0 */
/* Which text of a replication session is a command of its own, and which is SQL. */
#include "sql/sql.h"

#include <criterion/criterion.h>

Test(replication, commands_are_told_from_sql)
{
	static const struct {
		const char *text;
		int r;
		uint32_t flags;
	} rows[] = {
		{"IDENTIFY_SYSTEM", 0, 0},
		{"identify_system;", 0, 0},
		{"CREATE_REPLICATION_SLOT s TEMPORARY LOGICAL test_decoding", 0, 0},
		{"/* c */ -- d\n START_REPLICATION SLOT s LOGICAL 0/0", 0,
			FACTS_COPY_OUT | FACTS_COPY_BINARY | FACTS_OPAQUE_ROWS},
		{"BASE_BACKUP (LABEL 'x')", 0,
			FACTS_COPY_OUT | FACTS_COPY_BINARY | FACTS_OPAQUE_ROWS},
		{"SHOW wal_level", SQL_E_NOT_REPLICATION, 0},
		{"DROP TABLE t", SQL_E_NOT_REPLICATION, 0},
		{"\"BASE_BACKUP\"", SQL_E_NOT_REPLICATION, 0},
		{"", SQL_E_NOT_REPLICATION, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct arena arena;
		struct facts f = {0};

		arena_init(&arena, 1 << 16);
		cr_expect_eq(sql_classify_replication(slice_str(rows[i].text), &arena, &f),
			rows[i].r, "%s", rows[i].text);
		cr_expect_eq(f.flags, rows[i].flags, "%s", rows[i].text);
		cr_expect_eq(facts_effects(&f), rows[i].r ? 0 : EFFECT_BIT(EFFECT_ADMIN), "%s",
			rows[i].text);
		arena_deinit(&arena);
	}
}
