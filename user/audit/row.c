/* SPDX-License-Identifier: Apache-2.0 */
/* Rows as records: see row.h. */
#include "audit/row.h"

#include <sqlite3.h>

static bool row_has(sqlite3 *db, const char *table, const char *column)
{
	return sqlite3_table_column_metadata(
		       db, "main", table, column, NULL, NULL, NULL, NULL, NULL) == SQLITE_OK;
}

bool row_has_table(sqlite3 *db, enum record_kind kind)
{
	return row_has(db, record_table[kind].name, "at");
}

void row_write_select(struct writer *w, sqlite3 *db, enum record_kind kind)
{
	const struct record_info *info = &record_table[kind];

	wr_str(w, "SELECT rowid, at");
	for (size_t i = 0; i < info->n_fields; i++) {
		const struct record_field *f = &info->fields[i];

		if (row_has(db, info->name, f->name)) {
			wr_str(w, ", \"");
			wr_str(w, f->name);
			wr_str(w, "\"");
		} else {
			wr_str(w, f->is_slice ? ", ''" : ", 0");
		}
	}
	if (row_has_table(db, kind)) {
		wr_str(w, " FROM \"");
		wr_str(w, info->name);
		wr_str(w, "\"");
	} else {
		wr_str(w, " FROM (SELECT 0 AS rowid, 0 AS at WHERE 0)");
	}
}

void row_read(sqlite3_stmt *stmt, enum record_kind kind, int64_t *ret_id, int64_t *ret_at_ns,
	union record *ret)
{
	const struct record_info *info = &record_table[kind];
	char *member = (char *)ret;

	*ret_id = sqlite3_column_int64(stmt, 0);
	*ret_at_ns = sqlite3_column_int64(stmt, 1);
	for (int i = 0; i < (int)info->n_fields; i++) {
		if (info->fields[i].is_slice) {
			struct slice *s = (struct slice *)(void *)member;

			s->p = sqlite3_column_blob(stmt, i + 2);
			s->n = (size_t)sqlite3_column_bytes(stmt, i + 2);
			member += sizeof(struct slice);
		} else {
			*(uint64_t *)(void *)member = (uint64_t)sqlite3_column_int64(stmt, i + 2);
			member += sizeof(uint64_t);
		}
	}
}
