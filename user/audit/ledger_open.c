/* SPDX-License-Identifier: Apache-2.0 */
/* Opening the ledger for writing: see ledger.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "audit/ledger_int.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/writer.h"

static int ledger_count_wal(void *arg, sqlite3 *db, const char *name, int n_pages)
{
	struct ledger *l = arg;

	(void)db;
	(void)name;
	l->wal_pages = n_pages;
	return SQLITE_OK;
}

/* SQLite would make the file readable by everyone; its WAL inherits the mode of the file. */
static int ledger_make_file(const char *path)
{
	_cleanup_(fd_closep) int fd = -1;

	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0 && errno == EEXIST)
		return 0;
	if (fd < 0 && (errno == ENOSPC || errno == EROFS || errno == EDQUOT || errno == EIO))
		return LEDGER_E_UNWRITABLE;
	if (fd < 0 || fchmod(fd, 0640) < 0)
		return err_raise(-errno);
	return 0;
}

static int ledger_configure(struct ledger *l)
{
	static const struct {
		int option, value;
	} options[] = {
		{SQLITE_DBCONFIG_DEFENSIVE, 1},
		{SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
		{SQLITE_DBCONFIG_DQS_DML, 0},
		{SQLITE_DBCONFIG_DQS_DDL, 0},
		{SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
	};
	int keep_wal = 1, r;

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (sqlite3_db_config(l->db, options[i].option, options[i].value, NULL))
			return err_raise(-ENOTSUP);
	sqlite3_busy_timeout(l->db, LEDGER_BUSY_MS);
	/* A reader that may not write the folder needs the WAL's files to be there (WAL mode). */
	sqlite3_file_control(l->db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep_wal);
	/* The page size counts only before the first table. No mmap: an I/O error would be SIGBUS.
	 */
	r = ledger_exec(l, "PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL;"
			   "PRAGMA mmap_size = 0;"
			   "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
			   "PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 67108864;"
			   "PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY;"
			   "PRAGMA cell_size_check = ON;");
	/* After wal_autocheckpoint, which is a hook of SQLite's own. */
	sqlite3_wal_hook(l->db, ledger_count_wal, l);
	return r;
}

/* Notes which columns are BLOBs: STRICT tables take no text there. */
static int ledger_describe(struct ledger *l, enum record_kind kind)
{
	const struct record_info *info = &record_table[kind];

	for (size_t i = 0; i < info->n_fields; i++) {
		const char *type = NULL;
		int rc = sqlite3_table_column_metadata(l->db, "main", info->name,
			info->fields[i].name, &type, NULL, NULL, NULL, NULL);

		if (rc != SQLITE_OK)
			return ledger_error(l, SQLITE_CORRUPT);
		l->is_blob[kind][i] = !strcmp(type, "BLOB");
	}
	return 0;
}

static int ledger_prepare_one(const struct ledger *l, const char *sql, sqlite3_stmt **ret)
{
	int rc = sqlite3_prepare_v3(l->db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL);

	return rc == SQLITE_OK ? 0 : ledger_error(l, rc);
}

static int ledger_prepare_insert(struct ledger *l, enum record_kind kind)
{
	const struct record_info *info = &record_table[kind];
	char sql[1024], marks[2 * RECORD_FIELDS_MAX + 1] = "";
	struct writer w = writer_of(sql, sizeof(sql)), m = writer_of(marks, sizeof(marks));

	wr_str(&w, "INSERT INTO \"");
	wr_str(&w, info->name);
	wr_str(&w, "\" (at");
	for (size_t i = 0; i < info->n_fields; i++) {
		wr_str(&w, ", \"");
		wr_str(&w, info->fields[i].name);
		wr_str(&w, "\"");
		wr_str(&m, ",?");
	}
	wr_str(&w, ") VALUES (?");
	wr_slice(&w, wr_done(&m));
	wr_cstr(&w, SLICE_LIT(")"));
	if (bug(w.bad || m.bad))
		return err_raise(-EOVERFLOW);
	return ledger_prepare_one(l, sql, &l->insert[kind]);
}

static int ledger_prepare(struct ledger *l)
{
	int r;

	r = ledger_prepare_one(l, "BEGIN IMMEDIATE", &l->begin);
	if (!r)
		r = ledger_prepare_one(l, "COMMIT", &l->commit);
	if (!r)
		r = ledger_prepare_one(
			l, "UPDATE ring_position SET seq = ?2 WHERE ring = ?1", &l->position);
	if (!r)
		r = ledger_prepare_one(l,
			"INSERT INTO checkpoint (number, at, entry, head, signature) "
			"VALUES (?1, ?2, ?3, ?4, ?5)",
			&l->checkpoint);
	if (!r)
		r = ledger_find_prepare(l);
	for (enum record_kind kind = RECORD_NONE + 1; !r && kind < RECORD_N; kind++) {
		r = ledger_prepare_insert(l, kind);
		if (!r)
			r = ledger_describe(l, kind);
	}
	return r;
}

struct ledger *ledger_close(struct ledger *l)
{
	if (!l)
		return NULL;
	sqlite3_finalize(l->begin);
	sqlite3_finalize(l->commit);
	sqlite3_finalize(l->position);
	sqlite3_finalize(l->link);
	sqlite3_finalize(l->checkpoint);
	ledger_find_deinit(l);
	for (size_t i = 0; i < RECORD_N; i++)
		sqlite3_finalize(l->insert[i]);
	if (sqlite3_close(l->db) != SQLITE_OK)
		log_error("ledger.close", "text=\"%s\"", sqlite3_errmsg(l->db));
	chain_deinit(&l->chain);
	free(l);
	return NULL;
}

static void ledger_closep(struct ledger **l)
{
	ledger_close(*l);
}

int ledger_open(const char *path, struct ledger **ret)
{
	_cleanup_(ledger_closep) struct ledger *l = calloc(1, sizeof(*l));
	int r, rc;

	if (!l)
		return err_raise(-ENOMEM);
	r = ledger_make_file(path);
	if (r)
		return r < 0 ? err_trace(r) : LEDGER_E_UNWRITABLE;
	rc = sqlite3_open_v2(path, &l->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	r = rc == SQLITE_OK ? ledger_configure(l) : ledger_error(l, rc);
	if (!r)
		r = ledger_migrate(l);
	if (r == LEDGER_E_VERSION)
		return LEDGER_E_VERSION;
	if (!r)
		r = ledger_prepare(l);
	if (r == LEDGER_E_UNWRITABLE)
		return LEDGER_E_UNWRITABLE;
	if (r)
		return err_fold(r);
	*ret = TAKE(l);
	return 0;
}
