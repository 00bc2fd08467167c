/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the ledger keeps so that it can be searched: the words of requests (words.h), the times of
 * blocks of ids, and which requests took long. None of it is history: it follows from the rows, and
 * is not in the chain.
 */
#include <errno.h>
#include <string.h>

#include "audit/ledger_int.h"
#include "audit/words.h"

enum { FIND_SLOW_NS = 100 * 1000 * 1000 };

/* ---- words ---- */

static const char find_session_sql[] =
	"SELECT run.id, run.name, login.role, login.\"database\", session.resource, session.target"
	" FROM session LEFT JOIN run ON run.id = session.run LEFT JOIN login ON login.id ="
	" (SELECT max(id) FROM login WHERE session = session.id) WHERE session.id = ?1";

static struct slice find_column(sqlite3_stmt *stmt, int column)
{
	struct slice s = {.p = sqlite3_column_blob(stmt, column)};

	s.n = s.p ? (size_t)sqlite3_column_bytes(stmt, column) : 0;
	return s;
}

/* Our words of a session, which each of its requests gets. NULL: SQLite said no. */
static const struct find_session *find_session(struct ledger *l, uint64_t id)
{
	static const enum words_kind kinds[] = {WORDS_RUN, WORDS_RUN_NAME, WORDS_ROLE,
		WORDS_DATABASE, WORDS_RESOURCE, WORDS_TARGET};
	struct find_session *s = &l->find.sessions[id % FIND_SESSIONS];
	struct writer w;
	int rc;

	if (s->id == id && s->is_known)
		return s;
	*s = (struct find_session){.id = id};
	sqlite3_bind_int64(l->find.session, 1, (int64_t)id);
	rc = sqlite3_step(l->find.session);
	w = writer_of(s->words, sizeof(s->words));
	for (int i = 0; rc == SQLITE_ROW && i < 6; i++)
		words_put(&w, kinds[i], find_column(l->find.session, i));
	sqlite3_reset(l->find.session);
	s->n = w.n;
	s->is_known = rc == SQLITE_ROW;
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? s : NULL;
}

/* The words of a request as they are indexed; valid until the next call. */
static int find_doc(struct ledger *l, const struct record_request *q, struct slice *ret)
{
	const struct find_session *s = find_session(l, q->session);
	struct slice text = slice_head(q->text, WORDS_TEXT_MAX);
	struct writer w;
	size_t room, max;
	int r;

	buf_consume(&l->find.doc, buf_len(&l->find.doc));
	max = text.n * 5 / 2 + 3 + (size_t)2 * WORDS_OURS_MAX;
	r = s ? buf_reserve(&l->find.doc, max) : -EIO;
	if (r)
		return err_fold(r);
	w = writer_of(buf_space(&l->find.doc, &room), max);
	words_put_text(&w, text);
	wr_bytes(&w, s->words, s->n);
	words_put_request(&w, q);
	/* Too many of ours do not fit: those are not found by the index. */
	*ret = slice_of(w.p, w.n);
	return 0;
}

static int find_put_words(struct ledger *l, int64_t id, const struct record_request *q)
{
	struct slice doc;
	int rc;

	if (find_doc(l, q, &doc))
		return SQLITE_NOMEM;
	sqlite3_bind_int64(l->find.put, 1, id);
	sqlite3_bind_text64(l->find.put, 2, (const char *)doc.p, doc.n, SQLITE_STATIC, SQLITE_UTF8);
	rc = sqlite3_step(l->find.put);
	sqlite3_reset(l->find.put);
	return rc;
}

/* ---- times ---- */

static int find_write_zone(struct ledger *l, enum record_kind kind, struct find_zone *z)
{
	int rc;

	if (!z->is_new)
		return SQLITE_DONE;
	sqlite3_bind_int(l->find.zone, 1, (int)kind);
	sqlite3_bind_int64(l->find.zone, 2, z->zone);
	sqlite3_bind_int64(l->find.zone, 3, z->first_ns);
	sqlite3_bind_int64(l->find.zone, 4, z->last_ns);
	rc = sqlite3_step(l->find.zone);
	sqlite3_reset(l->find.zone);
	z->is_new = false;
	return rc;
}

/* Ids of several workers interleave at a block's edge: two are kept open. */
static int find_put_zone(struct ledger *l, enum record_kind kind, int64_t id, int64_t at_ns)
{
	int64_t zone = id >> LEDGER_ZONE_BITS;
	struct find_zone *z = &l->find.zones[kind][zone & 1];
	int rc = SQLITE_DONE;

	if (z->zone != zone || !z->is_new) {
		rc = find_write_zone(l, kind, z);
		*z = (struct find_zone){
			.zone = zone, .first_ns = at_ns, .last_ns = at_ns, .is_new = true};
	}
	z->first_ns = at_ns < z->first_ns ? at_ns : z->first_ns;
	z->last_ns = at_ns > z->last_ns ? at_ns : z->last_ns;
	return rc;
}

/* ---- durations ---- */

static int find_put_duration(struct ledger *l, uint64_t request, int64_t at_ns)
{
	const struct find_asked *a = &l->find.asked[request % FIND_ASKED];
	int64_t asked_ns = a->at_ns;
	int rc;

	if (a->request != request) {
		sqlite3_bind_int64(l->find.when, 1, (int64_t)request);
		rc = sqlite3_step(l->find.when);
		asked_ns = rc == SQLITE_ROW ? sqlite3_column_int64(l->find.when, 0) : at_ns;
		sqlite3_reset(l->find.when);
	}
	if (at_ns - asked_ns < FIND_SLOW_NS)
		return SQLITE_DONE;
	sqlite3_bind_int64(l->find.slow, 1, (at_ns - asked_ns) / 1000);
	sqlite3_bind_int64(l->find.slow, 2, (int64_t)request);
	rc = sqlite3_step(l->find.slow);
	sqlite3_reset(l->find.slow);
	return rc;
}

/* ---- for the writer ---- */

int ledger_find_put(
	struct ledger *l, enum record_kind kind, int64_t id, int64_t at_ns, const void *rec)
{
	int rc = find_put_zone(l, kind, id, at_ns);

	if (rc != SQLITE_DONE)
		return rc;
	switch (kind) {
	case RECORD_REQUEST:
		l->find.asked[(uint64_t)id % FIND_ASKED] =
			(struct find_asked){.request = (uint64_t)id, .at_ns = at_ns};
		return find_put_words(l, id, rec);
	case RECORD_REPLY:
		return find_put_duration(l, (uint64_t)id, at_ns);
	case RECORD_SESSION:
		l->find.sessions[(uint64_t)id % FIND_SESSIONS].is_known = false;
		return rc;
	case RECORD_LOGIN:
		l->find.sessions[((const struct record_login *)rec)->session % FIND_SESSIONS]
			.is_known = false;
		return rc;
	default:
		return rc;
	}
}

int ledger_find_remove(struct ledger *l, int64_t id, const struct record_request *q)
{
	struct slice doc;
	int rc;

	if (find_doc(l, q, &doc))
		return SQLITE_NOMEM;
	sqlite3_bind_int64(l->find.remove, 1, id);
	sqlite3_bind_text64(
		l->find.remove, 2, (const char *)doc.p, doc.n, SQLITE_STATIC, SQLITE_UTF8);
	rc = sqlite3_step(l->find.remove);
	sqlite3_reset(l->find.remove);
	return rc;
}

int ledger_find_flush(struct ledger *l)
{
	int rc = SQLITE_DONE;

	for (enum record_kind kind = 0; kind < RECORD_N && rc == SQLITE_DONE; kind++)
		for (int i = 0; i < 2 && rc == SQLITE_DONE; i++)
			rc = find_write_zone(l, kind, &l->find.zones[kind][i]);
	return rc == SQLITE_DONE ? 0 : ledger_error(l, rc);
}

void ledger_find_drop(struct ledger *l)
{
	memset(l->find.zones, 0, sizeof(l->find.zones));
	memset(l->find.sessions, 0, sizeof(l->find.sessions));
	memset(l->find.asked, 0, sizeof(l->find.asked));
}

int ledger_find_prepare(struct ledger *l)
{
	const struct {
		sqlite3_stmt **stmt;
		const char *sql;
	} all[] = {
		{&l->find.session, find_session_sql},
		{&l->find.put, "INSERT INTO words (rowid, doc) VALUES (?1, ?2)"},
		{&l->find.remove,
			"INSERT INTO words (words, rowid, doc) VALUES ('delete', ?1, ?2)"},
		{&l->find.zone, "INSERT INTO zone (kind, zone, first, last) VALUES (?1, ?2, ?3, ?4)"
				" ON CONFLICT (kind, zone) DO UPDATE SET first = min(first, "
				"excluded.first),"
				" last = max(last, excluded.last)"},
		{&l->find.when, "SELECT at FROM request WHERE id = ?1"},
		{&l->find.slow, "INSERT OR IGNORE INTO slow (us, request) VALUES (?1, ?2)"},
	};

	if (l->find.put)
		return 0;
	buf_init(&l->find.doc, WORDS_MARKED_MAX + 4 * WORDS_OURS_MAX);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (sqlite3_prepare_v3(l->db, all[i].sql, -1, SQLITE_PREPARE_PERSISTENT,
			    all[i].stmt, NULL) != SQLITE_OK)
			return ledger_error(l, sqlite3_errcode(l->db));
	return 0;
}

void ledger_find_deinit(struct ledger *l)
{
	sqlite3_finalize(l->find.session);
	sqlite3_finalize(l->find.put);
	sqlite3_finalize(l->find.remove);
	sqlite3_finalize(l->find.zone);
	sqlite3_finalize(l->find.when);
	sqlite3_finalize(l->find.slow);
	buf_deinit(&l->find.doc);
}
