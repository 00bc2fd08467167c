/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the ledger's writer share: ledger.c (writing), ledger_open.c (opening),
 * ledger_seal.c (the chain's ends), ledger_find.c (search), migrate.c (older versions). */
#pragma once

#include <sqlite3.h>

#include "audit/chain.h"
#include "audit/ledger.h"

struct ledger_ring {
	uint64_t seq;           /* last record put */
	uint64_t committed_seq; /* last record committed */
};

enum {
	FIND_SESSIONS = 256, /* whose words are remembered */
	FIND_ASKED = 8192,   /* requests whose time is */
};

struct find_session {
	uint64_t id;
	size_t n;
	bool is_known;
	char words[1024];
};

/* A block of ids: when their rows were written. */
struct find_zone {
	int64_t zone, first_ns, last_ns;
	bool is_new; /* since it was written */
};

struct find_asked {
	uint64_t request;
	int64_t at_ns;
};

struct ledger_find {
	sqlite3_stmt *session, *put, *remove, *zone, *when, *slow;
	struct buf doc;
	struct find_session sessions[FIND_SESSIONS];
	struct find_zone zones[RECORD_N][2];
	struct find_asked asked[FIND_ASKED];
};

struct ledger {
	sqlite3 *db;
	sqlite3_stmt *begin, *commit, *position, *link, *checkpoint;
	sqlite3_stmt *insert[RECORD_N];
	bool is_blob[RECORD_N][RECORD_FIELDS_MAX];
	struct ledger_ring rings[LEDGER_RINGS_MAX];
	struct chain chain;
	uint8_t id[CHAIN_ID_SIZE];
	int wal_pages;
	struct ledger_find find;
};

/* What SQLite's word means to us. LEDGER_E_UNWRITABLE, or < 0 where waiting would not help. */
ERR_CHECK int ledger_error(const struct ledger *l, int rc);
/* 0, LEDGER_E_UNWRITABLE. */
ERR_CHECK int ledger_exec(const struct ledger *l, const char *sql);
/* Runs a statement that returns no rows. 0, LEDGER_E_UNWRITABLE. */
ERR_CHECK int ledger_step(const struct ledger *l, sqlite3_stmt *stmt);
/* The one number that a query gives. 0, LEDGER_E_UNWRITABLE. */
ERR_CHECK int ledger_number(const struct ledger *l, const char *sql, int64_t *ret);
/* The one value of a query, exactly n bytes. 0, LEDGER_E_UNWRITABLE, LEDGER_E_NONE. */
ERR_CHECK int ledger_bytes(const struct ledger *l, const char *sql, uint8_t *to, size_t n);
/* One row, and its entry in the chain. SQLITE_DONE, SQLITE_CONSTRAINT (the id is taken), or what
 * else SQLite says. */
int ledger_insert(struct ledger *l, enum record_kind kind, int64_t at_ns, const void *rec);
/* Writes the open link into the open transaction. 0, LEDGER_E_UNWRITABLE. */
ERR_CHECK int ledger_write_link(struct ledger *l);
/* Reads where the chain ends. 0, LEDGER_E_UNWRITABLE. */
ERR_CHECK int ledger_load_chain(struct ledger *l);

/* ---- ledger_find.c ---- */

ERR_CHECK int ledger_find_prepare(struct ledger *l);
void ledger_find_deinit(struct ledger *l);
/* After a row was put: what is searched. SQLITE_DONE, or what SQLite says. */
int ledger_find_put(
	struct ledger *l, enum record_kind kind, int64_t id, int64_t at_ns, const void *rec);
/* Before a request is removed, its session still being there. */
int ledger_find_remove(struct ledger *l, int64_t id, const struct record_request *q);
/* Before a commit. 0, LEDGER_E_UNWRITABLE. */
ERR_CHECK int ledger_find_flush(struct ledger *l);
/* After a rollback. */
void ledger_find_drop(struct ledger *l);

/* Makes the tables of a new ledger, or brings an older one to this version; its rows enter the
 * chain if they are in none. 0, LEDGER_E_UNWRITABLE, LEDGER_E_VERSION. */
ERR_CHECK int ledger_migrate(struct ledger *l);
