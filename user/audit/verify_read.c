/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people look at is not the chain: it is the views, and the indexes by which rows are found.
 * They are in no chain, since they follow from the schema and from the rows; so they are compared
 * with these.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "audit/ledger.h"
#include "audit/row.h"
#include "audit/verify_int.h"
#include "audit/words.h"
#include "util/cleanup.h"

enum {
	READ_SQL_MAX = 4096,
	READ_CHUNK = 20,        /* requests of one snapshot */
	READ_SEARCHED = 2000,   /* requests that are searched for: a question takes milliseconds */
	READ_TEXT_MAX = 160,    /* bytes of a statement whose words are searched for */
	READ_UNFOUND_MAX = 100, /* findings */
	READ_QUERY_MAX = 4096,
};

static void read_finalizep(sqlite3_stmt **stmt)
{
	sqlite3_finalize(*stmt);
}

static void read_closep(sqlite3 **db)
{
	sqlite3_close(*db);
}

static const char *read_text(sqlite3_stmt *stmt, int column)
{
	const char *text = (const char *)sqlite3_column_text(stmt, column);

	return text ? text : "";
}

/* ---- the schema ---- */

/* type and name come from the file: they are shown to people, who may sit at a terminal. */
static void read_find_object(struct verify *v, const char *type, const char *name)
{
	char text[160];

	snprintf(text, sizeof(text), "%s %s", type, name);
	for (char *c = text; *c; c++)
		if (!isprint((unsigned char)*c))
			*c = '?';
	verify_find(v, (struct verify_finding){.what = VERIFY_SCHEMA, .name = text});
}

/* Removes what in the words of a table may differ: blanks, and what ALTER TABLE … ADD COLUMN puts
 * around a column. In place. */
static void read_plain_table(char *sql)
{
	static const char *const defaults[] = {"DEFAULT0", "DEFAULT''", "DEFAULTx''"};
	char *to = sql, *at;

	for (const char *c = sql; *c; c++)
		if (!isspace((unsigned char)*c) && *c != '"')
			*to++ = *c;
	*to = 0;
	for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
		while ((at = strstr(sql, defaults[i])))
			memmove(at, at + strlen(defaults[i]), strlen(at + strlen(defaults[i])) + 1);
}

static bool read_is_same(const char *type, const char *a, const char *b)
{
	_cleanup_(freep) char *x = strdup(a);
	_cleanup_(freep) char *y = strdup(b);

	if (!x || !y)
		return false;
	if (!strcmp(type, "table")) {
		read_plain_table(x);
		read_plain_table(y);
	}
	return !strcmp(x, y);
}

static const char read_objects_sql[] =
	"SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid";
static const char read_object_sql[] = "SELECT sql FROM sqlite_schema WHERE type = ?1 AND name = ?2";

/* Is every object of `from` also in `in`? Are its words compared, too? */
static int read_compare(struct verify *v, sqlite3 *from, sqlite3 *in, bool with_words)
{
	_cleanup_(read_finalizep) sqlite3_stmt *all = NULL;
	_cleanup_(read_finalizep) sqlite3_stmt *one = NULL;

	if (sqlite3_prepare_v2(from, read_objects_sql, -1, &all, NULL) ||
		sqlite3_prepare_v2(in, read_object_sql, -1, &one, NULL))
		return err_raise(-EIO);
	while (sqlite3_step(all) == SQLITE_ROW) {
		const char *type = read_text(all, 0), *name = read_text(all, 1);
		bool is_there;

		sqlite3_bind_text(one, 1, type, -1, SQLITE_STATIC);
		sqlite3_bind_text(one, 2, name, -1, SQLITE_STATIC);
		is_there = sqlite3_step(one) == SQLITE_ROW;
		if (!is_there ||
			(with_words && !read_is_same(type, read_text(all, 2), read_text(one, 0))))
			read_find_object(v, type, name);
		sqlite3_reset(one);
	}
	return 0;
}

/* The ledger of an earlier version has another schema, which nobody remembers. */
static int read_schema(struct verify *v)
{
	_cleanup_(read_closep) sqlite3 *wanted = NULL;
	uint64_t n = 0;
	int r;

	if (v->version < LEDGER_VERSION) {
		v->report->has_old_schema = true;
		/* … but for one that only says that it is of one. */
		verify_number(v, "SELECT count(*) FROM sqlite_schema WHERE name = 'prune'", &n);
		if (n && v->version < 4)
			read_find_object(v, "pragma", "user_version");
		return 0;
	}
	if (sqlite3_open(":memory:", &wanted) ||
		sqlite3_exec(wanted, ledger_schema(), NULL, NULL, NULL))
		return err_raise(-ENOMEM);
	r = read_compare(v, v->db, wanted, true);
	return r ? err_trace(r) : err_trace(read_compare(v, wanted, v->db, false));
}

/* ---- indexes ---- */

/* One table and its indexes. */
static int read_table(struct verify *v, const char *table)
{
	_cleanup_(read_finalizep) sqlite3_stmt *stmt = NULL;
	char sql[256];
	int r;

	sqlite3_snprintf(sizeof(sql), sql, "PRAGMA integrity_check(%Q)", table);
	r = verify_prepare(v, sql, &stmt);
	if (r || !stmt)
		return r ? err_trace(r) : 0;
	if (sqlite3_step(stmt) != SQLITE_ROW || strcmp(read_text(stmt, 0), "ok")) {
		char name[80];

		snprintf(name, sizeof(name), "a row of table %s", table);
		verify_find(v, (struct verify_finding){.what = VERIFY_UNFOUND, .name = name});
	}
	return 0;
}

/* The tables of this version alone: others are findings already. */
static int read_tables(struct verify *v)
{
	int r = 0;

	for (enum record_kind kind = RECORD_NONE + 1; !r && kind < RECORD_N; kind++)
		if (row_has_table(v->db, kind))
			r = read_table(v, record_table[kind].name);
	return r ? err_trace(r) : 0;
}

/* ---- the index of words ---- */

/* What a request must be found by: words of its own, and of the beginning of its text. */
static void read_query(
	const struct verify *v, const struct record_request *q, char query[READ_QUERY_MAX])
{
	char ours[WORDS_OURS_MAX / 2], text[READ_TEXT_MAX + 1];
	struct writer w = writer_of(query, READ_QUERY_MAX), o = writer_of(ours, sizeof(ours) - 1);
	struct slice head = slice_head(q->text, READ_TEXT_MAX);
	char *rest = ours;

	/* A word that goes on is not cut, and none is asked for by its beginning. */
	while (head.n && head.n < q->text.n &&
		(isalnum(head.p[head.n - 1]) || head.p[head.n - 1] == '_' ||
			head.p[head.n - 1] & 0x80))
		head.n--;
	if (head.n)
		memcpy(text, head.p, head.n);
	text[head.n] = ' ';
	words_put_query_text(&w, slice_of(text, head.n + 1), v->version >= WORDS_MARKED_VERSION);
	words_put_request(&o, q);
	ours[o.n] = 0;
	/* The last one may have been cut. */
	if (o.bad)
		*(strrchr(ours, ' ') ? strrchr(ours, ' ') : ours) = 0;
	for (char *word; (word = strsep(&rest, " "));)
		if (*word) {
			wr_str(&w, w.n ? " AND \"" : "\"");
			wr_str(&w, word);
			wr_str(&w, "\"");
		}
	query[w.bad ? 0 : w.n] = 0;
}

static void read_find_request(struct verify *v, int64_t id)
{
	verify_find(v, (struct verify_finding){.what = VERIFY_UNFOUND,
			       .table = record_table[RECORD_REQUEST].name,
			       .row = id});
}

/* Every request has its row in the index of words, which says how many it has. */
static int read_sizes(struct verify *v)
{
	_cleanup_(read_finalizep) sqlite3_stmt *stmt = NULL;
	unsigned n = 0;
	int r = verify_prepare(v,
		"SELECT id FROM request WHERE NOT EXISTS (SELECT 1 FROM words_docsize AS s WHERE "
		"s.id = request.id)",
		&stmt);

	while (!r && stmt && n++ < READ_UNFOUND_MAX && sqlite3_step(stmt) == SQLITE_ROW)
		read_find_request(v, sqlite3_column_int64(stmt, 0));
	return r ? err_trace(r) : 0;
}

struct read_words {
	sqlite3_stmt *requests, *search;
};

static void read_words_deinit(struct read_words *w)
{
	sqlite3_finalize(w->requests);
	sqlite3_finalize(w->search);
}

static void read_request(
	struct verify *v, struct read_words *w, int64_t id, const struct record_request *q)
{
	char query[READ_QUERY_MAX];

	v->report->n_searched++;
	read_query(v, q, query);
	if (!query[0])
		return;
	sqlite3_bind_text(w->search, 1, query, -1, SQLITE_STATIC);
	sqlite3_bind_int64(w->search, 2, id);
	if (sqlite3_step(w->search) != SQLITE_ROW)
		read_find_request(v, id);
	sqlite3_reset(w->search);
}

/* A chunk of requests behind an id; *ret_last: the last of them, 0: there are no more. */
static int read_chunk(struct verify *v, struct read_words *w, int64_t after, int64_t *ret_last)
{
	union record rec;
	int64_t at;

	*ret_last = 0;
	/* Rows and words of the same moment. */
	if (sqlite3_exec(v->db, "BEGIN", NULL, NULL, NULL))
		return err_raise(-EIO);
	sqlite3_bind_int64(w->requests, 1, after);
	while (sqlite3_step(w->requests) == SQLITE_ROW) {
		row_read(w->requests, RECORD_REQUEST, ret_last, &at, &rec);
		read_request(v, w, *ret_last, &rec.request);
	}
	sqlite3_reset(w->requests);
	sqlite3_exec(v->db, "COMMIT", NULL, NULL, NULL);
	return 0;
}

/* Of many requests a chunk out of each so many ids, and nobody knows beforehand which. */
static int read_sample(struct verify *v, struct read_words *w)
{
	uint64_t first = 0, last = 0, n = 0, step, random = 0;
	int64_t at, end;
	int r = 0;

	verify_number(v, "SELECT min(id) FROM request", &first);
	verify_number(v, "SELECT max(id) FROM request", &last);
	verify_number(v, "SELECT count(*) FROM request", &n);
	if (n && getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return err_raise(-EIO);
	step = n > READ_SEARCHED ? (last - first) / (READ_SEARCHED / READ_CHUNK) : 0;
	at = (int64_t)first - 1 + (step ? (int64_t)(random % step) : 0);
	for (; !r; at = step && at + (int64_t)step > end ? at + (int64_t)step : end) {
		r = read_chunk(v, w, at, &end);
		if (!end || v->is_damaged)
			break;
	}
	return r ? err_trace(r) : 0;
}

static int read_words(struct verify *v)
{
	_cleanup_(read_words_deinit) struct read_words w = {0};
	char sql[READ_SQL_MAX];
	struct writer s = writer_of(sql, sizeof(sql));
	int r = read_sizes(v);

	row_write_select(&s, v->db, RECORD_REQUEST);
	wr_str(&s, " WHERE id > ?1 ORDER BY id LIMIT ");
	snprintf(sql + s.n, sizeof(sql) - s.n, "%d", READ_CHUNK);
	if (!r)
		r = verify_prepare(v, sql, &w.requests);
	if (!r)
		r = verify_prepare(
			v, "SELECT 1 FROM words WHERE words MATCH ?1 AND rowid = ?2", &w.search);
	if (r || !w.requests || !w.search || v->report->n_findings)
		return r ? err_trace(r) : 0;
	return err_trace(read_sample(v, &w));
}

int verify_read(struct verify *v)
{
	int r = read_schema(v);
	bool is_comparable;

	if (!r)
		r = read_tables(v);
	/* Versions before 3 had nothing to search by; and of a row that was changed that says
	 * nothing. */
	is_comparable = v->version >= 3 && !v->report->n_findings;
	if (!r && is_comparable)
		r = read_words(v);
	if (!r && is_comparable)
		r = verify_found(v);
	return r ? err_trace(r) : 0;
}
