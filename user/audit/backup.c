/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of the ledger: see backup.h. */
#include "audit/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/log.h"

enum { BACKUP_PAGES = 2000 };

static void backup_closep(sqlite3 **db)
{
	sqlite3_close(*db);
}

/* The read transaction makes that it is one moment's state, however long it takes: without it a
 * busy writer would make the copy begin anew for ever. */
static int backup_copy(sqlite3 *from, sqlite3 *to,
	void (*on_progress)(void *arg, uint64_t done, uint64_t all), void *arg)
{
	sqlite3_backup *b;
	int rc;

	if (sqlite3_exec(from, "BEGIN; SELECT 1 FROM ring_position LIMIT 1", NULL, NULL, NULL))
		return BACKUP_E_NO_LEDGER;
	b = sqlite3_backup_init(to, "main", from, "main");
	if (!b)
		return BACKUP_E_UNWRITABLE;
	while (sqlite3_backup_step(b, BACKUP_PAGES) == SQLITE_OK)
		if (on_progress)
			on_progress(arg,
				(uint64_t)(sqlite3_backup_pagecount(b) -
					   sqlite3_backup_remaining(b)),
				(uint64_t)sqlite3_backup_pagecount(b));
	rc = sqlite3_backup_finish(b);
	sqlite3_exec(from, "COMMIT", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(to, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		return 0;
	log_debug("backup", "sqlite=%d", rc);
	return (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB ? BACKUP_E_NO_LEDGER
									     : BACKUP_E_UNWRITABLE;
}

int backup_make(const char *ledger, const char *to,
	void (*on_progress)(void *arg, uint64_t done, uint64_t all), void *arg)
{
	_cleanup_(backup_closep) sqlite3 *source = NULL, *copy = NULL;
	_cleanup_(fd_closep) int fd = -1;
	char path[4096];
	int r;

	if (snprintf(path, sizeof(path), "%s.part", to) >= (int)sizeof(path))
		return BACKUP_E_UNWRITABLE;
	if (access(to, F_OK) == 0)
		return BACKUP_E_EXISTS;
	if (sqlite3_open_v2(ledger, &source, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL))
		return BACKUP_E_NO_LEDGER;
	sqlite3_db_config(source, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_busy_timeout(source, 5000);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (fd < 0 || sqlite3_open_v2(path, &copy, SQLITE_OPEN_READWRITE, NULL))
		return BACKUP_E_UNWRITABLE;
	r = backup_copy(source, copy, on_progress, arg);
	copy = sqlite3_close(copy) ? copy : NULL;
	/* link: another one of that name, made meanwhile, is not replaced. */
	if (!r && (fsync(fd) < 0 || link(path, to) < 0))
		r = errno == EEXIST ? BACKUP_E_EXISTS : BACKUP_E_UNWRITABLE;
	unlink(path);
	return r;
}
