/* SPDX-License-Identifier: Apache-2.0 */
/* Rows as records: see row.h. */
#include "audit/row.h"

#include <sqlite3.h>

void row_write_select(struct writer *w, enum record_kind kind)
{
	const struct record_info *info = &record_table[kind];

	wr_str(w, "SELECT rowid, at");
	for (size_t i = 0; i < info->n_fields; i++) {
		wr_str(w, ", \"");
		wr_str(w, info->fields[i].name);
		wr_str(w, "\"");
	}
	wr_str(w, " FROM \"");
	wr_str(w, info->name);
	wr_str(w, "\"");
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
