/* SPDX-License-Identifier: Apache-2.0 */
/* Checking a ledger: see verify.h. */
#include "audit/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/ledger.h"
#include "audit/row.h"
#include "audit/verify_int.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/reader.h"

enum {
	VERIFY_SQL_MAX = 4096,
	VERIFY_SNAPSHOT_MS = 200, /* a reader pins the WAL no longer than this */
	VERIFY_BUSY_MS = 5000,
	VERIFY_ROWS_MAX = 32 << 20, /* of one table, among which inserted ones are looked for */
};

const char *const verify_words[VERIFY_WHAT_N] = {
	[VERIFY_CHANGED] = "changed",
	[VERIFY_REMOVED] = "removed",
	[VERIFY_INSERTED] = "inserted",
	[VERIFY_REORDERED] = "reordered",
	[VERIFY_GAP] = "gap",
	[VERIFY_FORGED] = "forged",
	[VERIFY_UNSIGNED] = "unsigned",
	[VERIFY_CUT] = "cut",
	[VERIFY_OTHER] = "other",
	[VERIFY_PRUNED] = "pruned",
	[VERIFY_EXTENDED] = "extended",
	[VERIFY_POSITION] = "position",
	[VERIFY_SCHEMA] = "schema",
	[VERIFY_UNFOUND] = "unfound",
	[VERIFY_DAMAGED] = "damaged",
};

/* ---- SQLite ---- */

int verify_error(struct verify *v, int rc)
{
	const struct verify_finding f = {.what = VERIFY_DAMAGED, .first = v->chain.next};

	if ((rc & 0xff) != SQLITE_CORRUPT && (rc & 0xff) != SQLITE_NOTADB) {
		log_debug("verify", "sqlite=%d text=\"%s\"", rc, sqlite3_errmsg(v->db));
		return err_raise((rc & 0xff) == SQLITE_NOMEM ? -ENOMEM : -EIO);
	}
	if (!v->is_damaged) {
		v->report->n_findings++;
		v->config->on_finding(v->config->arg, &f);
	}
	v->is_damaged = true;
	return 0;
}

int verify_prepare(struct verify *v, const char *sql, sqlite3_stmt **ret)
{
	int rc = sqlite3_prepare_v2(v->db, sql, -1, ret, NULL);

	return rc == SQLITE_OK ? 0 : verify_error(v, rc);
}

/* The one number of a query; otherwise what it was. */
void verify_number(struct verify *v, const char *sql, uint64_t *ret)
{
	sqlite3_stmt *stmt = NULL;

	if (sqlite3_prepare_v2(v->db, sql, -1, &stmt, NULL) == SQLITE_OK &&
		sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_type(stmt, 0) != SQLITE_NULL)
		*ret = (uint64_t)sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
}

static bool verify_blob(sqlite3_stmt *stmt, int column, uint8_t *to, int n)
{
	const void *p = sqlite3_column_blob(stmt, column);

	if (!p || sqlite3_column_bytes(stmt, column) != n)
		return false;
	memcpy(to, p, (size_t)n);
	return true;
}

/* ---- findings ---- */

/* Says which checkpoints are around it, and tells. */
void verify_find(struct verify *v, struct verify_finding f)
{
	char sql[128];

	if (f.first) {
		snprintf(sql, sizeof(sql),
			"SELECT max(number) FROM checkpoint WHERE entry < %" PRIu64, f.first);
		verify_number(v, sql, &f.after);
		snprintf(sql, sizeof(sql),
			"SELECT min(number) FROM checkpoint WHERE entry >= %" PRIu64, f.last);
		verify_number(v, sql, &f.until);
	}
	v->report->n_findings++;
	v->config->on_finding(v->config->arg, &f);
}

static void verify_find_entries(
	struct verify *v, enum verify_what what, uint64_t first, uint64_t last)
{
	verify_find(v, (struct verify_finding){.what = what, .first = first, .last = last});
}

/* ---- what the warden signed away ---- */

/* Its word that everything up to the entry of this checkpoint may be gone: is it here, and (head
 * NULL: whatever that is) of this head? */
static bool verify_permit(
	struct verify *v, uint64_t number, uint64_t entry, const uint8_t head[SHA256_SIZE])
{
	struct checkpoint c = {.kind = CHECKPOINT_PRUNED, .number = number};
	bool is_good;

	if (!v->prune)
		return false;
	memcpy(c.ledger, v->id, sizeof(c.ledger));
	sqlite3_bind_int64(v->prune, 1, (int64_t)number);
	is_good = sqlite3_step(v->prune) == SQLITE_ROW &&
		  verify_blob(v->prune, 2, c.head, sizeof(c.head)) &&
		  verify_blob(v->prune, 3, c.signature, sizeof(c.signature));
	c.at_ns = sqlite3_column_int64(v->prune, 0);
	c.entry = (uint64_t)sqlite3_column_int64(v->prune, 1);
	sqlite3_reset(v->prune);
	return is_good && c.entry == entry && (!head || !memcmp(head, c.head, sizeof(c.head))) &&
	       (!v->config->key || !checkpoint_verify(v->config->key, &c));
}

/* Some events of the scribe's are findings, or speak of something that has to be here. */
static void verify_event(
	struct verify *v, const struct record_event *event, int64_t id, uint64_t entry)
{
	struct verify_finding f = {.what = VERIFY_PRUNED,
		.table = record_table[RECORD_EVENT].name,
		.row = id,
		.first = entry,
		.last = entry};
	uint64_t a = 0, b = 0;
	char detail[64];

	snprintf(detail, sizeof(detail), "%.*s", SLICE_FMT(event->detail));
	if (slice_eq_str(event->kind, "pruned")) {
		if (sscanf(detail, "entry=%" SCNu64 " checkpoint=%" SCNu64 " ", &a, &b) != 2 ||
			!verify_permit(v, b, a, NULL))
			verify_find(v, f);
	} else if (slice_eq_str(event->kind, "ledger-extended")) {
		f.what = VERIFY_EXTENDED;
		if (sscanf(detail, "first=%" SCNu64 " last=%" SCNu64, &a, &b) == 2) {
			f.first = a;
			f.last = b;
		}
		verify_find(v, f);
	} else if (slice_eq_str(event->kind, "ledger-replaced")) {
		/* Up to here the numbers went to another ledger. */
		if (sscanf(detail, "checkpoint=%" SCNu64 " ", &a) == 1)
			v->replaced = a;
	}
}

/* ---- rows ---- */

/* The leaf of an entry as its row is now; *ret_is_there false: it is gone. */
static int verify_leaf(struct verify *v, const struct chain_entry *e, uint64_t number,
	bool *ret_is_there, uint8_t leaf[SHA256_SIZE])
{
	enum record_kind kind = (enum record_kind)(e->kind & ~CHAIN_CARRIED);
	sqlite3_stmt *stmt = v->rows[kind];
	union record rec;
	int64_t id, at;
	int rc, r = 0;

	sqlite3_bind_int64(stmt, 1, (int64_t)e->row);
	rc = sqlite3_step(stmt);
	*ret_is_there = rc == SQLITE_ROW;
	if (rc == SQLITE_ROW) {
		row_read(stmt, kind, &id, &at, &rec);
		r = chain_leaf(&v->scratch, (uint8_t)kind, id, at, &rec, leaf);
		if (kind == RECORD_EVENT)
			verify_event(v, &rec.event, id, number);
	} else if (rc != SQLITE_DONE) {
		r = verify_error(v, rc);
	}
	sqlite3_reset(stmt);
	return r ? err_trace(r) : 0;
}

/* One entry of a link. *ret_is_good: the row is as it was written. */
static int verify_entry(
	struct verify *v, const struct chain_entry *e, uint64_t number, bool *ret_is_good)
{
	uint8_t kind = e->kind & (uint8_t)~CHAIN_CARRIED, leaf[SHA256_SIZE] = {0};
	struct verify_finding f = {.row = (int64_t)e->row, .first = number, .last = number};
	bool is_there = true;
	int r = 0;

	*ret_is_good = kind < RECORD_N;
	if (!*ret_is_good)
		return 0;
	if (kind == CHAIN_POSITION) {
		memcpy(leaf, e->tag, sizeof(e->tag));
		if (e->row < VERIFY_RINGS) {
			struct reader rd = reader_of(slice_of(e->tag, sizeof(e->tag)));

			v->position[e->row] = rd_be64(&rd);
		}
		return err_trace(chain_add_leaf(&v->chain, e->kind, e->row, leaf));
	}
	r = verify_leaf(v, e, number, &is_there, leaf);
	if (r)
		return err_trace(r);
	v->report->n_rows++;
	v->n_chained[kind] += is_there;
	*ret_is_good = is_there && !memcmp(leaf, e->tag, sizeof(e->tag));
	if (!*ret_is_good && !v->is_damaged) {
		f.what = is_there ? VERIFY_CHANGED : VERIFY_REMOVED;
		f.table = record_table[kind].name;
		verify_find(v, f);
	}
	return err_trace(chain_add_leaf(&v->chain, e->kind, e->row, leaf));
}

/* ---- checkpoints ---- */

static int verify_next_checkpoint(struct verify *v)
{
	uint64_t last = v->next_checkpoint.number;
	struct checkpoint *c = &v->next_checkpoint;
	int rc;

	sqlite3_bind_int64(v->checkpoint, 1, (int64_t)last);
	rc = sqlite3_step(v->checkpoint);
	v->has_next_checkpoint = rc == SQLITE_ROW;
	if (rc == SQLITE_ROW) {
		*c = (struct checkpoint){.number = (uint64_t)sqlite3_column_int64(v->checkpoint, 0),
			.at_ns = sqlite3_column_int64(v->checkpoint, 1),
			.entry = (uint64_t)sqlite3_column_int64(v->checkpoint, 2)};
		memcpy(c->ledger, v->id, sizeof(c->ledger));
		/* What has another length stays zero, and is not what was signed. */
		(void)verify_blob(v->checkpoint, 3, c->head, sizeof(c->head));
		(void)verify_blob(v->checkpoint, 4, c->signature, sizeof(c->signature));
	}
	sqlite3_reset(v->checkpoint);
	if (rc == SQLITE_ROW && last && c->number != last + 1)
		verify_find(v, (struct verify_finding){.what = VERIFY_UNSIGNED,
				       .first = v->chain.next,
				       .last = v->chain.next,
				       .after = last,
				       .until = c->number});
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : verify_error(v, rc);
}

/* Is it signed, and of this head? */
static int verify_checkpoint(struct verify *v, bool is_here, const uint8_t head[SHA256_SIZE])
{
	const struct checkpoint *c = &v->next_checkpoint;
	bool is_good = is_here && !memcmp(head, c->head, SHA256_SIZE) &&
		       (!v->config->key || !checkpoint_verify(v->config->key, c));

	/* Numbers begin with 1, or behind those of the ledger whose place this one took; what was
	 * pruned is behind a checkpoint that stays. */
	if (!v->report->n_checkpoints && !v->is_pruned && c->number != 1 &&
		c->number != v->replaced + 1)
		verify_find(v, (struct verify_finding){.what = VERIFY_UNSIGNED,
				       .first = v->report->first,
				       .last = c->entry,
				       .until = c->number});
	v->report->n_checkpoints++;
	v->report->last_checkpoint = c->number;
	v->report->last_checkpoint_at_ns = c->at_ns;
	if (!is_good)
		verify_find(v, (struct verify_finding){.what = VERIFY_FORGED,
				       .table = "checkpoint",
				       .row = (int64_t)c->number,
				       .first = c->entry,
				       .last = c->entry});
	else
		v->report->n_unsigned = 0;
	return err_trace(verify_next_checkpoint(v));
}

/* Those that stand at or before the end of the link just read. */
static int verify_checkpoints(struct verify *v, uint64_t last, const uint8_t head[SHA256_SIZE])
{
	int r = 0;

	while (!r && v->has_next_checkpoint && v->next_checkpoint.entry <= last)
		r = verify_checkpoint(v, v->next_checkpoint.entry == last, head);
	return r ? err_trace(r) : 0;
}

/* ---- links ---- */

/*
 * The first link begins the chain, or follows a part that was pruned: then a checkpoint says with
 * which head that part ended.
 */
static int verify_first_link(struct verify *v, uint64_t first)
{
	const struct checkpoint *c = &v->next_checkpoint;
	bool is_pruned = first > 1 && v->has_next_checkpoint && c->entry == first - 1;

	v->is_first_link = false;
	v->report->first = first;
	if (is_pruned) {
		/* Who removes rows without the warden's word has not pruned. */
		if (!verify_permit(v, c->number, c->entry, c->head))
			verify_find_entries(v, VERIFY_GAP, 1, first - 1);
		v->is_pruned = true;
		chain_deinit(&v->chain);
		chain_init(&v->chain, first, c->head);
		return err_trace(verify_checkpoint(v, true, c->head));
	}
	return 0;
}

/* Goes on with what the ledger says although it is not what it should be, so that one change is
 * one finding. */
static void verify_resume(struct verify *v, uint64_t next, const uint8_t head[SHA256_SIZE])
{
	chain_deinit(&v->chain);
	chain_init(&v->chain, next, head);
}

/* The link that the statement stands on. */
static int verify_link(struct verify *v)
{
	uint64_t first = (uint64_t)sqlite3_column_int64(v->link, 0), n_bad = 0, last;
	struct slice entries =
		slice_of(sqlite3_column_blob(v->link, 2), (size_t)sqlite3_column_bytes(v->link, 2));
	uint8_t head[SHA256_SIZE] = {0}, computed[SHA256_SIZE];
	bool has_head = verify_blob(v->link, 3, head, sizeof(head));
	size_t n = entries.n / CHAIN_ENTRY_SIZE;
	struct chain_entry e;
	int r = 0;

	if (v->is_first_link)
		r = verify_first_link(v, first);
	if (!r && first != v->chain.next) {
		if (first > v->chain.next)
			verify_find_entries(v, VERIFY_GAP, v->chain.next, first - 1);
		else
			verify_find_entries(v, VERIFY_REORDERED, first, v->chain.next);
		n_bad++;
	}
	for (size_t i = 0; !r && i < n && chain_read_entry(entries, i, &e); i++) {
		bool is_good;

		r = verify_entry(v, &e, first + i, &is_good);
		n_bad += !is_good;
	}
	if (r)
		return err_trace(r);
	chain_link(&v->chain, computed);
	last = first + (n ? n - 1 : 0);
	if (!n_bad && (!has_head || memcmp(head, computed, sizeof(head)) ||
			      entries.n != n * CHAIN_ENTRY_SIZE ||
			      (uint64_t)sqlite3_column_int64(v->link, 1) != n))
		verify_find_entries(v, VERIFY_REORDERED, first, last);
	verify_resume(v, last + 1, head);
	v->report->n_links++;
	v->report->last = last;
	v->report->n_unsigned += n;
	return err_trace(verify_checkpoints(v, last, head));
}

/* Links until there are no more (*ret_is_end) or the snapshot was held long enough. */
static int verify_links(struct verify *v, bool *ret_is_end)
{
	int64_t deadline = clock_mono_ns() + VERIFY_SNAPSHOT_MS * CLOCK_NS_PER_MS;
	int rc = SQLITE_ROW, r = 0;

	if (!v->has_next_checkpoint)
		r = verify_next_checkpoint(v);
	sqlite3_bind_int64(v->link, 1, v->is_first_link ? INT64_MIN : (int64_t)v->chain.next);
	while (!r && !v->is_damaged && clock_mono_ns() < deadline) {
		rc = sqlite3_step(v->link);
		if (rc != SQLITE_ROW)
			break;
		r = verify_link(v);
	}
	sqlite3_reset(v->link);
	*ret_is_end = rc != SQLITE_ROW || v->is_damaged;
	if (!r && rc != SQLITE_ROW && rc != SQLITE_DONE)
		r = verify_error(v, rc);
	if (v->config->on_progress)
		v->config->on_progress(v->config->arg, v->report->last, v->all);
	return r ? err_trace(r) : 0;
}

/* ---- the whole ---- */

static int verify_compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* All rows of a kind that the chain has, sorted; *ret_n of them, the caller frees. NULL: too many.
 */
static int64_t *verify_chained(struct verify *v, enum record_kind kind, size_t *ret_n)
{
	size_t max = v->n_chained[kind];
	int64_t *rows = max <= VERIFY_ROWS_MAX ? malloc((max + 1) * sizeof(*rows)) : NULL;
	struct chain_entry e;

	*ret_n = 0;
	sqlite3_bind_int64(v->link, 1, INT64_MIN);
	while (rows && sqlite3_step(v->link) == SQLITE_ROW) {
		struct slice entries = slice_of(
			sqlite3_column_blob(v->link, 2), (size_t)sqlite3_column_bytes(v->link, 2));

		for (size_t i = 0; chain_read_entry(entries, i, &e) && *ret_n < max; i++)
			if ((e.kind & ~CHAIN_CARRIED) == (int)kind)
				rows[(*ret_n)++] = (int64_t)e.row;
	}
	sqlite3_reset(v->link);
	if (rows)
		qsort(rows, *ret_n, sizeof(*rows), verify_compare);
	return rows;
}

/* A table has more rows than the chain knows: which? */
static int verify_inserted(struct verify *v, enum record_kind kind)
{
	struct verify_finding f = {
		.what = VERIFY_INSERTED, .table = record_table[kind].name, .row = 0};
	sqlite3_stmt *stmt = NULL;
	char sql[128];
	size_t n = 0;
	int64_t *rows = verify_chained(v, kind, &n);
	int r;

	snprintf(sql, sizeof(sql), "SELECT rowid FROM \"%s\" ORDER BY rowid", f.table);
	r = verify_prepare(v, sql, &stmt);
	while (!r && rows && sqlite3_step(stmt) == SQLITE_ROW) {
		f.row = sqlite3_column_int64(stmt, 0);
		if (!bsearch(&f.row, rows, n, sizeof(*rows), verify_compare))
			verify_find(v, f);
	}
	if (!rows)
		verify_find(v, f);
	sqlite3_finalize(stmt);
	free(rows);
	return r ? err_trace(r) : 0;
}

/* With the chain read to its end in this very snapshot, the tables hold its rows and no others. */
static int verify_tables(struct verify *v)
{
	int r = 0;

	for (enum record_kind kind = RECORD_NONE + 1; !r && kind < RECORD_N; kind++) {
		uint64_t n = 0;
		char sql[128];

		snprintf(sql, sizeof(sql), "SELECT count(*) FROM \"%s\"", record_table[kind].name);
		verify_number(v, sql, &n);
		if (n > v->n_chained[kind])
			r = verify_inserted(v, kind);
	}
	for (unsigned ring = 0; !r && ring < VERIFY_RINGS; ring++) {
		uint64_t seq = v->position[ring];
		char sql[96];

		if (!seq)
			continue;
		snprintf(sql, sizeof(sql), "SELECT seq FROM ring_position WHERE ring = %u", ring);
		verify_number(v, sql, &seq);
		/* 0: another ring file took its place. */
		if (seq && seq != v->position[ring])
			verify_find(v, (struct verify_finding){.what = VERIFY_POSITION,
					       .table = "ring_position",
					       .row = ring});
	}
	return r ? err_trace(r) : 0;
}

/* Checkpoints behind the end of the chain: what they cover is not there any more. */
static int verify_end(struct verify *v)
{
	int r = 0;

	while (!r && v->has_next_checkpoint) {
		verify_find(v, (struct verify_finding){.what = VERIFY_CUT,
				       .table = "checkpoint",
				       .row = (int64_t)v->next_checkpoint.number,
				       .first = v->report->last + 1,
				       .last = v->next_checkpoint.entry});
		r = verify_next_checkpoint(v);
	}
	return r ? err_trace(r) : 0;
}

/* Does the chain, which has been followed by now, stand at this head? Then all that it covers is
 * here, although the checkpoint itself may not be: the scribe can be killed between its signature
 * and its row. */
static bool verify_reaches(struct verify *v, const struct checkpoint *c)
{
	uint8_t head[SHA256_SIZE];
	sqlite3_stmt *stmt = NULL;
	bool is_same;

	if (sqlite3_prepare_v2(v->db, "SELECT head FROM chain WHERE first + n - 1 = ?1", -1, &stmt,
		    NULL) != SQLITE_OK)
		return false;
	sqlite3_bind_int64(stmt, 1, (int64_t)c->entry);
	is_same = sqlite3_step(stmt) == SQLITE_ROW && verify_blob(stmt, 0, head, sizeof(head)) &&
		  !memcmp(head, c->head, sizeof(head));
	sqlite3_finalize(stmt);
	return is_same;
}

/* Heads that were kept elsewhere: each must be of this ledger's chain, unless it is older than what
 * pruning has left. */
static void verify_heads(struct verify *v)
{
	uint64_t n_other = 0, lowest = 0;

	verify_number(v, "SELECT min(number) FROM checkpoint", &lowest);
	for (size_t i = 0; i < v->config->n_heads; i++) {
		const struct checkpoint *c = &v->config->heads[i];
		uint64_t entry = 0;
		char sql[128];

		if (memcmp(c->ledger, v->id, sizeof(v->id))) {
			n_other++;
			continue;
		}
		snprintf(sql, sizeof(sql), "SELECT entry FROM checkpoint WHERE number = %" PRIu64,
			c->number);
		verify_number(v, sql, &entry);
		if (v->config->key && checkpoint_verify(v->config->key, c))
			verify_find_entries(v, VERIFY_FORGED, c->entry, c->entry);
		else if (entry == c->entry || (lowest && c->number < lowest) ||
			 verify_reaches(v, c))
			v->report->n_heads++;
		else
			verify_find(v, (struct verify_finding){.what = VERIFY_CUT,
					       .table = "checkpoint",
					       .row = (int64_t)c->number,
					       .first = v->report->last + 1,
					       .last = c->entry});
	}
	if (n_other && n_other == v->config->n_heads)
		verify_find(v, (struct verify_finding){.what = VERIFY_OTHER});
}

/* After a daemon that ended well nobody has written; the next one takes that word away. */
static void verify_stopped(struct verify *v)
{
	const struct checkpoint *c = v->config->stopped;

	if (c && !memcmp(c->ledger, v->id, sizeof(v->id)) && v->report->last > c->entry &&
		(!v->config->key || !checkpoint_verify(v->config->key, c)))
		verify_find_entries(v, VERIFY_EXTENDED, c->entry + 1, v->report->last);
}

/* ---- opening ---- */

static void verify_deinit(struct verify *v)
{
	sqlite3_finalize(v->link);
	sqlite3_finalize(v->checkpoint);
	sqlite3_finalize(v->prune);
	for (size_t i = 0; i < RECORD_N; i++)
		sqlite3_finalize(v->rows[i]);
	sqlite3_close(v->db);
	chain_deinit(&v->chain);
	buf_deinit(&v->scratch);
}

/* 0, VERIFY_E_NO_LEDGER, VERIFY_E_VERSION. */
static int verify_open(struct verify *v)
{
	uint8_t genesis[SHA256_SIZE];
	sqlite3_stmt *stmt = NULL;
	uint64_t version = 0;
	bool has_id;
	int rc;

	if (sqlite3_open_v2(
		    v->config->path, &v->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL))
		return VERIFY_E_NO_LEDGER;
	sqlite3_db_config(v->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_db_config(v->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_busy_timeout(v->db, VERIFY_BUSY_MS);
	rc = sqlite3_exec(v->db, "PRAGMA query_only = ON; SELECT 1 FROM ring_position LIMIT 1",
		NULL, NULL, NULL);
	if ((rc & 0xff) == SQLITE_CORRUPT)
		return verify_error(v, rc);
	if (rc)
		return VERIFY_E_NO_LEDGER;
	verify_number(v, "PRAGMA user_version", &version);
	v->version = version;
	if (version < 2 || version > LEDGER_VERSION)
		return VERIFY_E_VERSION;
	has_id = sqlite3_prepare_v2(v->db, "SELECT id FROM identity", -1, &stmt, NULL) ==
			 SQLITE_OK &&
		 sqlite3_step(stmt) == SQLITE_ROW && verify_blob(stmt, 0, v->id, sizeof(v->id));
	sqlite3_finalize(stmt);
	if (!has_id)
		return VERIFY_E_NO_LEDGER;
	chain_genesis(slice_of(v->id, sizeof(v->id)), genesis);
	chain_init(&v->chain, 1, genesis);
	buf_init(&v->scratch, CHAIN_ROW_MAX);
	return 0;
}

static int verify_prepare_all(struct verify *v)
{
	int r = verify_prepare(v,
		"SELECT first, n, entries, head FROM chain WHERE first >= ?1 ORDER BY first",
		&v->link);

	if (!r)
		r = verify_prepare(v,
			"SELECT number, at, entry, head, signature FROM checkpoint "
			"WHERE number > ?1 ORDER BY number LIMIT 1",
			&v->checkpoint);
	/* A ledger of an earlier version has no such table, and nothing that was signed away. */
	if (sqlite3_prepare_v2(v->db,
		    "SELECT at, entry, head, signature FROM prune WHERE number = ?1", -1, &v->prune,
		    NULL) != SQLITE_OK)
		v->prune = NULL;
	for (enum record_kind kind = RECORD_NONE + 1; !r && kind < RECORD_N; kind++) {
		char sql[VERIFY_SQL_MAX];
		struct writer w = writer_of(sql, sizeof(sql));

		row_write_select(&w, v->db, kind);
		wr_cstr(&w, SLICE_LIT(" WHERE rowid = ?1"));
		r = verify_prepare(v, sql, &v->rows[kind]);
	}
	verify_number(v, "SELECT first + n - 1 FROM chain ORDER BY first DESC LIMIT 1", &v->all);
	return r ? err_trace(r) : 0;
}

/* Snapshot by snapshot; the last one sees the end of the chain and all tables at once. */
static int verify_all(struct verify *v)
{
	bool is_end = false;
	int r = 0;

	while (!r && !is_end) {
		if (sqlite3_exec(v->db, "BEGIN", NULL, NULL, NULL))
			return err_raise(-EIO);
		r = verify_links(v, &is_end);
		if (!r && is_end)
			r = verify_end(v);
		if (!r && is_end && !v->is_damaged)
			r = verify_tables(v);
		if (!r && is_end) {
			verify_heads(v);
			verify_stopped(v);
		}
		sqlite3_exec(v->db, "COMMIT", NULL, NULL, NULL);
	}
	return r ? err_trace(r) : 0;
}

int verify_run(const struct verify_config *config, struct verify_report *ret)
{
	struct verify v = {.config = config, .report = ret, .is_first_link = true};
	int r;

	*ret = (struct verify_report){0};
	r = verify_open(&v);
	if (!r && !v.is_damaged) {
		r = verify_prepare_all(&v);
		if (!r && !v.is_damaged)
			r = verify_all(&v);
		if (!r && !v.is_damaged)
			r = verify_read(&v);
		r = r ? err_trace(r) : 0;
	}
	verify_deinit(&v);
	return r;
}
