/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bringing an older ledger to the schema of this version. There are no steps from version to
 * version: schema.sql is run in memory and compared with what is there. Missing tables and indexes
 * are made, missing columns added with 0 or nothing in them, views made anew. Nothing else changes,
 * so that no row can be lost; all of it is one transaction.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "audit/ledger_int.h"
#include "audit/row.h"
#include "audit/words.h"
#include "schema.sql.h"
#include "util/cleanup.h"
#include "util/log.h"

enum {
	MIGRATE_APPLICATION_ID = 0x68646661,
	MIGRATE_SQL_MAX = 4096,
	MIGRATE_LINK_ROWS = 4000, /* entries of one link, where old rows enter the chain */
};

const char *ledger_schema(void)
{
	return schema_sql;
}

/* A prepared statement that is finalized with its scope. */
static void migrate_finalizep(sqlite3_stmt **stmt)
{
	sqlite3_finalize(*stmt);
}

static void migrate_closep(sqlite3 **db)
{
	sqlite3_close(*db);
}

static const char *migrate_text(sqlite3_stmt *stmt, int column)
{
	const char *text = (const char *)sqlite3_column_text(stmt, column);

	return text ? text : "";
}

/* ---- looking ---- */

/* 0, LEDGER_E_UNWRITABLE. */
static int migrate_prepare(const struct ledger *l, sqlite3 *db, const char *sql, sqlite3_stmt **ret)
{
	return sqlite3_prepare_v2(db, sql, -1, ret, NULL) == SQLITE_OK
		       ? 0
		       : ledger_error(l, sqlite3_errcode(db));
}

/* Is there such a thing in the ledger, made by the same words (NULL: by any)? */
static int migrate_has(
	const struct ledger *l, const char *type, const char *name, const char *sql, bool *ret)
{
	_cleanup_(migrate_finalizep) sqlite3_stmt *stmt = NULL;
	int r = migrate_prepare(l, l->db,
		"SELECT 1 FROM sqlite_schema WHERE type = ?1 AND name = ?2 AND sql = ifnull(?3, "
		"sql)",
		&stmt);

	if (r)
		return r;
	sqlite3_bind_text(stmt, 1, type, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 2, name, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 3, sql, -1, SQLITE_STATIC);
	*ret = sqlite3_step(stmt) == SQLITE_ROW;
	return 0;
}

static bool migrate_has_column(const struct ledger *l, const char *table, const char *column)
{
	return sqlite3_table_column_metadata(
		       l->db, "main", table, column, NULL, NULL, NULL, NULL, NULL) == SQLITE_OK;
}

/* ---- changing ---- */

/* What an old row has in a new column. */
static const char *migrate_nothing(const char *type)
{
	return !strcmp(type, "INTEGER") ? "0" : !strcmp(type, "BLOB") ? "x''" : "''";
}

/* A table that had no key of its own gets one: what was its hidden row number. The rows are copied
 * column by column. 0, LEDGER_E_UNWRITABLE. */
static int migrate_rebuild(const struct ledger *l, const char *table, const char *create)
{
	_cleanup_(migrate_finalizep) sqlite3_stmt *stmt = NULL;
	char sql[MIGRATE_SQL_MAX];
	char names[MIGRATE_SQL_MAX / 4], values[MIGRATE_SQL_MAX / 4];
	struct writer columns = writer_of(names, sizeof(names));
	struct writer from = writer_of(values, sizeof(values));
	int n, r;

	snprintf(sql, sizeof(sql), "ALTER TABLE \"%s\" RENAME TO \"old_%s\"", table, table);
	r = ledger_exec(l, sql);
	if (!r)
		r = ledger_exec(l, create);
	snprintf(sql, sizeof(sql),
		"SELECT new.name, new.type, old.name IS NULL FROM pragma_table_info('%s') AS new "
		"LEFT JOIN pragma_table_info('old_%s') AS old ON old.name = new.name "
		"WHERE NOT new.pk ORDER BY new.cid",
		table, table);
	if (!r)
		r = migrate_prepare(l, l->db, sql, &stmt);
	if (r)
		return r;
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		bool is_new = sqlite3_column_int(stmt, 2);

		wr_str(&columns, ", \"");
		wr_str(&columns, migrate_text(stmt, 0));
		wr_str(&columns, "\"");
		wr_str(&from, is_new ? ", " : ", \"");
		wr_str(&from,
			is_new ? migrate_nothing(migrate_text(stmt, 1)) : migrate_text(stmt, 0));
		wr_str(&from, is_new ? "" : "\"");
	}
	wr_cstr(&columns, SLICE_NULL);
	wr_cstr(&from, SLICE_NULL);
	sqlite3_finalize(TAKE(stmt));
	if (columns.bad || from.bad)
		return err_raise(-E2BIG);
	n = snprintf(sql, sizeof(sql),
		"INSERT INTO \"%s\" (id%s) SELECT rowid%s FROM \"old_%s\" ORDER BY rowid; "
		"DROP TABLE \"old_%s\"",
		table, names, values, table, table);
	return n < (int)sizeof(sql) ? ledger_exec(l, sql) : err_raise(-E2BIG);
}

/* Adds what a table lacks. 0, LEDGER_E_UNWRITABLE. */
static int migrate_columns(
	const struct ledger *l, sqlite3 *wanted, const char *table, const char *create)
{
	_cleanup_(migrate_finalizep) sqlite3_stmt *stmt = NULL;
	char sql[MIGRATE_SQL_MAX];
	int r;

	snprintf(sql, sizeof(sql), "SELECT name, type, pk FROM pragma_table_info('%s')", table);
	r = migrate_prepare(l, wanted, sql, &stmt);
	while (!r && sqlite3_step(stmt) == SQLITE_ROW) {
		const char *name = migrate_text(stmt, 0), *type = migrate_text(stmt, 1);

		if (migrate_has_column(l, table, name))
			continue;
		if (sqlite3_column_int(stmt, 2))
			return migrate_rebuild(l, table, create);
		snprintf(sql, sizeof(sql),
			"ALTER TABLE \"%s\" ADD COLUMN \"%s\" %s NOT NULL DEFAULT %s", table, name,
			type, migrate_nothing(type));
		r = ledger_exec(l, sql);
	}
	return r;
}

/* A table that FTS5 keeps for itself is made and named by its virtual table. */
static bool migrate_is_shadow(const char *table)
{
	return !strncmp(table, "sqlite_", 7) || !strncmp(table, "words_", 6);
}

/* 0, LEDGER_E_UNWRITABLE. */
static int migrate_object(const struct ledger *l, sqlite3 *wanted, const char *type,
	const char *name, const char *sql)
{
	bool is_table = !strcmp(type, "table"), is_there = false;
	char drop[256];
	int r;

	if (is_table && migrate_is_shadow(name))
		return 0;
	r = migrate_has(l, type, name, is_table ? NULL : sql, &is_there);
	if (r)
		return r;
	if (is_there)
		return is_table && strncmp(sql, "CREATE VIRTUAL", 14)
			       ? migrate_columns(l, wanted, name, sql)
			       : 0;
	/* An index by other words than today's is made anew. */
	snprintf(drop, sizeof(drop), "DROP INDEX IF EXISTS \"%s\"", name);
	r = strcmp(type, "index") ? 0 : ledger_exec(l, drop);
	return r ? r : ledger_exec(l, sql);
}

/* What is not in the schema any more: indexes; and all views, which are made anew. */
static int migrate_drop(const struct ledger *l)
{
	_cleanup_(migrate_finalizep) sqlite3_stmt *stmt = NULL;
	char sql[MIGRATE_SQL_MAX] = "";
	struct writer w = writer_of(sql, sizeof(sql));
	int r = migrate_prepare(
		l, l->db, "SELECT name FROM sqlite_schema WHERE type = 'view'", &stmt);

	while (!r && sqlite3_step(stmt) == SQLITE_ROW) {
		wr_str(&w, "DROP VIEW \"");
		wr_str(&w, migrate_text(stmt, 0));
		wr_str(&w, "\";");
	}
	wr_cstr(&w, SLICE_NULL);
	sqlite3_finalize(TAKE(stmt));
	if (r)
		return r;
	return w.bad ? err_raise(-E2BIG) : ledger_exec(l, sql);
}

/* Tables before indexes before views. 0, LEDGER_E_UNWRITABLE. */
static int migrate_upgrade(const struct ledger *l)
{
	_cleanup_(migrate_closep) sqlite3 *wanted = NULL;
	_cleanup_(migrate_finalizep) sqlite3_stmt *stmt = NULL;
	int r = migrate_drop(l);

	if (r)
		return r;
	if (sqlite3_open(":memory:", &wanted) || sqlite3_exec(wanted, schema_sql, NULL, NULL, NULL))
		return err_raise(-ENOMEM);
	r = migrate_prepare(l, wanted,
		"SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type = "
		"'view', type = 'index', rowid",
		&stmt);
	while (!r && sqlite3_step(stmt) == SQLITE_ROW)
		r = migrate_object(l, wanted, migrate_text(stmt, 0), migrate_text(stmt, 1),
			migrate_text(stmt, 2));
	return r;
}

/* ---- the chain ---- */

/* 0, LEDGER_E_UNWRITABLE. */
static int migrate_write_link(struct ledger *l)
{
	uint8_t head[SHA256_SIZE];
	int r;

	if (!l->chain.n)
		return 0;
	r = ledger_write_link(l);
	if (r)
		return r;
	chain_link(&l->chain, head);
	chain_close_link(&l->chain, head);
	return 0;
}

/* 0, LEDGER_E_UNWRITABLE. */
static int migrate_adopt_kind(struct ledger *l, enum record_kind kind)
{
	_cleanup_(migrate_finalizep) sqlite3_stmt *stmt = NULL;
	char sql[MIGRATE_SQL_MAX];
	struct writer w = writer_of(sql, sizeof(sql));
	int r;

	row_write_select(&w, l->db, kind);
	wr_cstr(&w, SLICE_LIT(" ORDER BY rowid"));
	r = migrate_prepare(l, l->db, sql, &stmt);
	while (!r && sqlite3_step(stmt) == SQLITE_ROW) {
		union record rec;
		int64_t id, at;

		row_read(stmt, kind, &id, &at, &rec);
		r = chain_add(&l->chain, (uint8_t)kind, id, at, &rec);
		if (!r && l->chain.n == MIGRATE_LINK_ROWS)
			r = migrate_write_link(l);
	}
	return r;
}

/* Rows from before there was a chain enter it, table by table. 0, LEDGER_E_UNWRITABLE. */
static int migrate_adopt(struct ledger *l)
{
	int r = 0;

	for (enum record_kind kind = RECORD_NONE + 1; !r && kind < RECORD_N; kind++)
		r = migrate_adopt_kind(l, kind);
	return r ? r : migrate_write_link(l);
}

/* Rows from before there was a search become part of it; the index of words is made anew, for the
 * marks that it lacks. What is there of times and durations stays. 0, LEDGER_E_UNWRITABLE. */
static int migrate_find(struct ledger *l)
{
	static const enum record_kind kinds[] = {RECORD_RUN, RECORD_SESSION, RECORD_REQUEST,
		RECORD_HOLD, RECORD_DECISION, RECORD_REPLY, RECORD_EVENT};
	int r = ledger_find_prepare(l);

	if (!r)
		r = ledger_exec(l, "INSERT INTO words (words) VALUES ('delete-all')");
	for (size_t i = 0; !r && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		_cleanup_(migrate_finalizep) sqlite3_stmt *stmt = NULL;
		char sql[MIGRATE_SQL_MAX];
		struct writer w = writer_of(sql, sizeof(sql));
		int rc = SQLITE_DONE;

		row_write_select(&w, l->db, kinds[i]);
		wr_cstr(&w, SLICE_LIT(" ORDER BY rowid"));
		r = migrate_prepare(l, l->db, sql, &stmt);
		while (!r && rc == SQLITE_DONE && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
			union record rec;
			int64_t id, at;

			row_read(stmt, kinds[i], &id, &at, &rec);
			rc = ledger_find_put(l, kinds[i], id, at, &rec);
		}
		if (rc != SQLITE_DONE)
			return ledger_error(l, rc);
	}
	return r ? r : ledger_find_flush(l);
}

/* 0, LEDGER_E_UNWRITABLE. */
static int migrate_identify(const struct ledger *l)
{
	uint8_t id[CHAIN_ID_SIZE];
	char sql[128];
	struct writer w = writer_of(sql, sizeof(sql));

	if (getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id))
		return err_raise(-errno);
	wr_str(&w, "INSERT INTO identity (id) VALUES (x'");
	for (size_t i = 0; i < sizeof(id); i++) {
		char hex[3];

		snprintf(hex, sizeof(hex), "%02x", id[i]);
		wr_str(&w, hex);
	}
	wr_cstr(&w, SLICE_LIT("')"));
	return ledger_exec(l, sql);
}

/* ---- all of it ---- */

/* 0, LEDGER_E_UNWRITABLE. */
static int migrate_run(struct ledger *l, bool is_new, int64_t from)
{
	char sql[64];
	int r = ledger_exec(l, "BEGIN IMMEDIATE");

	if (!r)
		r = is_new ? ledger_exec(l, schema_sql) : migrate_upgrade(l);
	if (!r && from < 2)
		r = migrate_identify(l);
	if (!r)
		r = ledger_load_chain(l);
	if (!r && !is_new && from < 2)
		r = migrate_adopt(l);
	if (!r && !is_new && from < WORDS_MARKED_VERSION)
		r = migrate_find(l);
	snprintf(sql, sizeof(sql), "PRAGMA user_version = %d", LEDGER_VERSION);
	if (!r)
		r = ledger_exec(l, sql);
	if (!r)
		r = ledger_exec(l, "COMMIT");
	if (r)
		ledger_rollback(l);
	else if (!is_new)
		log_info("ledger.migrated", "from=%lld to=%d", (long long)from, LEDGER_VERSION);
	return r;
}

int ledger_migrate(struct ledger *l)
{
	int64_t version = 0, application = 0, n_tables = 0;
	int r;

	r = ledger_number(l, "PRAGMA user_version", &version);
	if (!r)
		r = ledger_number(l, "PRAGMA application_id", &application);
	if (!r)
		r = ledger_number(l, "SELECT count(*) FROM sqlite_schema", &n_tables);
	if (r)
		return r;
	if (n_tables && application != MIGRATE_APPLICATION_ID) {
		log_error("ledger.foreign", "application_id=%lld", (long long)application);
		return err_raise(-EUCLEAN);
	}
	if (version > LEDGER_VERSION)
		return LEDGER_E_VERSION;
	return version == LEDGER_VERSION ? ledger_load_chain(l)
					 : migrate_run(l, !n_tables, version);
}
