/* SPDX-License-Identifier: Apache-2.0 */
/* Listings of the ledger, filtered: see query.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "audit/ledger.h"
#include "audit/query_int.h"
#include "audit/words.h"
#include "util/cleanup.h"

/* Each filter once: what it adds to WHERE, with the parameter it binds. */
enum query_by {
	QUERY_BY_RUN,
	QUERY_BY_RUN_NAME,
	QUERY_BY_SESSION,
	QUERY_BY_EFFECT,
	QUERY_BY_TEXT,
	QUERY_BY_SINCE,
	QUERY_BY_UNTIL,
	QUERY_BY_VERDICT,
	QUERY_BY_ROLE,
	QUERY_BY_DATABASE,
	QUERY_BY_TARGET,
	QUERY_BY_OBJECT,
	QUERY_BY_RULE,
	QUERY_BY_DECIDER,
	QUERY_BY_DURATION,
	QUERY_BY_ROWS,
	QUERY_BY_N
};

#define QUERY_LIST(column) "', ' || " column " || ', '"
static const char *const query_conditions[QUERY_BY_N] = {
	[QUERY_BY_RUN] = " AND run = ?1",
	[QUERY_BY_RUN_NAME] = " AND run_name = ?2",
	[QUERY_BY_SESSION] = " AND session = ?3",
	[QUERY_BY_EFFECT] = " AND ' ' || replace(effects, ',', ' ') || ' ' LIKE '% ' || ?4 || ' %'",
	[QUERY_BY_TEXT] = " AND text LIKE ?5 ESCAPE '\\'",
	[QUERY_BY_SINCE] = " AND at >= ?6",
	[QUERY_BY_UNTIL] = " AND at < ?7",
	[QUERY_BY_VERDICT] = "", /* query_verdict_table has them */
	[QUERY_BY_ROLE] = " AND role = ?10",
	[QUERY_BY_DATABASE] = " AND \"database\" = ?11",
	[QUERY_BY_TARGET] = " AND ?12 IN (resource, target)",
	[QUERY_BY_OBJECT] =
		" AND (instr(" QUERY_LIST("objects") ", ', ' || ?13 || ', ') OR instr(" QUERY_LIST(
			"objects") ", '.' || ?13 || ', '))",
	[QUERY_BY_RULE] = " AND rule = ?14",
	[QUERY_BY_DECIDER] = (" AND id IN (SELECT request FROM decision JOIN hold ON hold.id = "
			      "decision.hold WHERE request > ?8 AND request < ?19 AND "
			      "decision.user = ?15)"),
	[QUERY_BY_DURATION] = " AND us >= ?16",
	[QUERY_BY_ROWS] = " AND max(n_rows, n_affected) >= ?17",
};
enum {
	QUERY_PARAM_AFTER = 8,
	QUERY_PARAM_LIMIT = 9,
	QUERY_PARAM_WORDS = 18,
	QUERY_PARAM_BEFORE = 19,
	QUERY_DURATION_US = 100000, /* from here on there is an index of durations … */
	QUERY_ROWS = 1000,          /* … and of numbers of rows */
	QUERY_WINDOW_IDS = 4096,
};

enum {
	QUERY_TIMES = 1 << QUERY_BY_SINCE | 1 << QUERY_BY_UNTIL,
	QUERY_RUN = 1 << QUERY_BY_RUN | 1 << QUERY_BY_RUN_NAME,
	QUERY_TEXTS = 1 << QUERY_BY_EFFECT | 1 << QUERY_BY_TEXT,
	QUERY_PLACES = 1 << QUERY_BY_ROLE | 1 << QUERY_BY_DATABASE | 1 << QUERY_BY_TARGET,
	QUERY_HELD = QUERY_TIMES | QUERY_RUN | QUERY_TEXTS | 1 << QUERY_BY_SESSION,
	QUERY_ALL = (1 << QUERY_BY_N) - 1,
};

static const struct {
	const char *view;
	enum record_kind kind; /* whose ids the rows have */
	uint32_t filters;      /* 1 << QUERY_BY_* that it has columns for */
} query_listings[QUERY_WHAT_N] = {
	[QUERY_REQUESTS] = {"requests", RECORD_REQUEST, QUERY_ALL},
	[QUERY_RUNS] = {"(SELECT *, id AS run, name AS run_name FROM runs)", RECORD_RUN,
		QUERY_TIMES | QUERY_RUN},
	[QUERY_SESSIONS] = {"(SELECT *, id AS session FROM sessions)", RECORD_SESSION,
		QUERY_TIMES | QUERY_RUN | QUERY_PLACES | 1 << QUERY_BY_SESSION},
	[QUERY_HOLDS] = {"holds", RECORD_HOLD,
		QUERY_HELD | 1 << QUERY_BY_VERDICT | 1 << QUERY_BY_RULE},
	[QUERY_DECISIONS] = {"decisions", RECORD_DECISION, QUERY_HELD & ~(1 << QUERY_BY_EFFECT)},
	[QUERY_EVENTS] = {"events", RECORD_EVENT,
		QUERY_TIMES | 1 << QUERY_BY_RUN | 1 << QUERY_BY_SESSION},
};

#define QUERY_OUTCOME(word)                                                                        \
	"id IN (SELECT request FROM hold_end JOIN hold ON hold.id = hold_end.hold WHERE "          \
	"request > ?8 AND request < ?19 AND hold_end.outcome = '" word "')"
#define QUERY_STATUS(word)                                                                         \
	"id IN (SELECT request FROM reply WHERE request > ?8 AND request < ?19 AND status <> "     \
	"'ok' "                                                                                    \
	"AND status = '" word "')"

/* What each verdict asks of requests and of holds; `ruling <> 'allow'` names the partial index. */
static const struct {
	const char *word, *requests, *holds;
} query_verdict_table[] = {
	{"allow", "ruling = 'allow'", NULL},
	{"hold", "ruling <> 'allow' AND ruling = 'hold'", "1"},
	{"deny", "ruling <> 'allow' AND ruling = 'deny'", NULL},
	{"approved", QUERY_OUTCOME("approved"), "outcome = 'approved'"},
	{"denied", QUERY_OUTCOME("denied"), "outcome = 'denied'"},
	{"expired", QUERY_OUTCOME("expired"), "outcome = 'expired'"},
	{"cancelled", QUERY_OUTCOME("cancelled"), "outcome = 'cancelled'"},
	{"disconnected", QUERY_OUTCOME("disconnected"), "outcome = 'disconnected'"},
	{"stopped", QUERY_OUTCOME("stopped"), "outcome = 'stopped'"},
	{"granted", QUERY_OUTCOME("granted"), "outcome = 'granted'"},
	{"void", QUERY_OUTCOME("void"), "outcome = 'void'"},
	{"crowded", QUERY_OUTCOME("crowded"), "outcome = 'crowded'"},
	{"pending", "ruling <> 'allow' AND hold IS NOT NULL AND hold_outcome IS NULL",
		"outcome IS NULL"},
	{"ok", "status = 'ok'", NULL},
	{"error", QUERY_STATUS("error"), NULL},
	{"refused", QUERY_STATUS("refused"), NULL},
	{"skipped", QUERY_STATUS("skipped"), NULL},
	{"lost", QUERY_STATUS("lost"), NULL},
	{"unsent", QUERY_STATUS("unsent"), NULL},
};

const char *const query_verdicts[] = {"allow", "hold", "deny", "approved", "denied", "expired",
	"cancelled", "disconnected", "stopped", "granted", "void", "crowded", "pending", "ok",
	"error", "refused", "skipped", "lost", "unsent", NULL};
enum { QUERY_N_VERDICTS = sizeof(query_verdicts) / sizeof(query_verdicts[0]) - 1 };
_Static_assert(QUERY_N_VERDICTS == sizeof(query_verdict_table) / sizeof(query_verdict_table[0]),
	"query: verdicts");

static uint32_t query_filters_set(const struct query_filter *f)
{
	const struct {
		enum query_by by;
		bool is_set;
	} all[] = {
		{QUERY_BY_RUN, f->run},
		{QUERY_BY_RUN_NAME, f->run_name},
		{QUERY_BY_SESSION, f->session},
		{QUERY_BY_EFFECT, f->effect},
		{QUERY_BY_TEXT, f->text},
		{QUERY_BY_SINCE, f->since_ns},
		{QUERY_BY_UNTIL, f->until_ns},
		{QUERY_BY_VERDICT, f->verdict},
		{QUERY_BY_ROLE, f->role},
		{QUERY_BY_DATABASE, f->database},
		{QUERY_BY_TARGET, f->target},
		{QUERY_BY_OBJECT, f->object},
		{QUERY_BY_RULE, f->rule},
		{QUERY_BY_DECIDER, f->decided_by},
		{QUERY_BY_DURATION, f->min_us},
		{QUERY_BY_ROWS, f->min_rows},
	};
	uint32_t set = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		set |= all[i].is_set ? 1u << all[i].by : 0;
	return set;
}

/* ---- what the indexes are asked ---- */

/* Is there an index of few rows that answers a part of this? Then that leads, not the words. */
static bool query_is_narrow(const struct query_filter *f)
{
	return f->decided_by || f->session || f->min_us >= QUERY_DURATION_US ||
	       f->min_rows >= QUERY_ROWS ||
	       (f->verdict && strcmp(f->verdict, "allow") && strcmp(f->verdict, "ok") &&
		       strcmp(f->verdict, "hold") && strcmp(f->verdict, "deny"));
}

/* Words that all rows must have; rows that have them are looked at all the same. */
static void query_choose_words(struct query *q, enum query_what what, const struct query_filter *f)
{
	struct writer w = writer_of(q->words, sizeof(q->words));
	char run[24], either[512];
	const struct {
		enum words_kind kind;
		const char *value;
	} all[] = {
		{WORDS_RUN, f->run ? run : NULL},
		{WORDS_RUN_NAME, f->run_name},
		{WORDS_ROLE, f->role},
		{WORDS_DATABASE, f->database},
		{WORDS_EFFECT, f->effect},
		{WORDS_OBJECT, f->object},
		{WORDS_RULE, f->rule},
	};

	q->words[0] = 0;
	if (what != QUERY_REQUESTS || !q->has_words || query_is_narrow(f))
		return;
	snprintf(run, sizeof(run), "%llu", (unsigned long long)f->run);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i].value)
			words_put_query(&w, all[i].kind, slice_str(all[i].value));
	if (f->target) {
		struct writer target = writer_of(either, sizeof(either));

		words_put_query(&target, WORDS_RESOURCE, slice_str(f->target));
		wr_str(&w, w.n ? " AND (" : "(");
		wr_slice(&w, wr_done(&target));
		wr_str(&w, " OR ");
		target.n = 0;
		words_put_query(&target, WORDS_TARGET, slice_str(f->target));
		wr_slice(&w, wr_done(&target));
		wr_str(&w, ")");
	}
	if (f->verdict && (!strcmp(f->verdict, "hold") || !strcmp(f->verdict, "deny")))
		words_put_query(&w, WORDS_RULING, slice_str(f->verdict));
	if (f->text)
		words_put_query_text(&w, slice_str(f->text), q->has_marks);
	wr_cstr(&w, SLICE_NULL);
	if (w.bad)
		q->words[0] = 0;
}

/* One number; what it was before if there is none. */
static int query_number(const struct query *q, const char *sql, int64_t a, int64_t b, int64_t *ret)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(q->db, sql, -1, &stmt, NULL);

	sqlite3_bind_int64(stmt, 1, a);
	sqlite3_bind_int64(stmt, 2, b);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW && sqlite3_column_type(stmt, 0) != SQLITE_NULL)
		*ret = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : query_error(q, rc);
}

/* Is there a session at all with that role, in that database? The index of words folds case and has
 * room for so much of a name: without this, a name that almost everybody has in another case would
 * be looked for in all that they asked. 0, QUERY_E_TOO_LONG. */
static int query_has_login(struct query *q, const struct query_filter *f, bool *ret)
{
	sqlite3_stmt *stmt = NULL;
	int rc;

	*ret = true;
	if (!f->role && !f->database)
		return 0;
	rc = sqlite3_prepare_v2(q->db,
		"SELECT 1 FROM login WHERE role = ifnull(?1, role) AND \"database\" = "
		"ifnull(?2, \"database\") LIMIT 1",
		-1, &stmt, NULL);
	sqlite3_bind_text(stmt, 1, f->role, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 2, f->database, -1, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	*ret = rc == SQLITE_ROW;
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : query_error(q, rc);
}

/* Between which ids do the times lie? 0, QUERY_E_TOO_LONG. */
static int query_choose_ids(struct query *q, enum query_what what, const struct query_filter *f)
{
	const int64_t least = (INT64_MIN >> LEDGER_ZONE_BITS) + 1,
		      most = (INT64_MAX >> LEDGER_ZONE_BITS) - 1;
	int64_t kind = (int64_t)query_listings[what].kind, lowest = least, highest = most;
	bool has_login = true;
	int r = 0;

	if (q->has_words && f->since_ns) {
		lowest = highest;
		r = query_number(q, "SELECT min(zone) FROM zone WHERE kind = ?1 AND last >= ?2",
			kind, f->since_ns, &lowest);
	}
	if (!r && q->has_words && f->until_ns) {
		highest = least - 1;
		r = query_number(q, "SELECT max(zone) FROM zone WHERE kind = ?1 AND first < ?2",
			kind, f->until_ns, &highest);
	}
	if (!r)
		r = query_has_login(q, f, &has_login);
	/* The file says which blocks there are: none is beyond all ids. */
	lowest = lowest < least ? least : lowest > most ? most : lowest;
	highest = highest < least - 1 ? least - 1 : highest > most ? most : highest;
	q->from = lowest * (1 << LEDGER_ZONE_BITS);
	q->before = has_login ? (highest + 1) * (1 << LEDGER_ZONE_BITS) : q->from;
	return r;
}

/* The condition of a verdict, or NULL: no such word, or it says nothing about these rows. */
static const char *query_verdict_condition(enum query_what what, const char *verdict)
{
	for (size_t i = 0; i < QUERY_N_VERDICTS; i++)
		if (!strcmp(verdict, query_verdict_table[i].word))
			return what == QUERY_HOLDS ? query_verdict_table[i].holds
						   : query_verdict_table[i].requests;
	return NULL;
}

/* The conditions that name an index of few rows, as they are of a single row. */
static void query_write_window(struct writer *w, const struct query_filter *f)
{
	static const char *const outcomes[] = {
		"approved", "denied", "expired", "cancelled", "disconnected", "stopped", NULL};
	static const char *const statuses[] = {
		"error", "refused", "skipped", "lost", "unsent", NULL};
	const char *column = NULL, *verdict = f->verdict ? f->verdict : "";

	for (size_t i = 0; outcomes[i]; i++)
		column = strcmp(verdict, outcomes[i]) ? column : "hold_outcome";
	for (size_t i = 0; statuses[i]; i++)
		column = strcmp(verdict, statuses[i]) ? column : "status";
	if (column) {
		wr_str(w, column);
		wr_str(w, " = '");
		wr_str(w, verdict);
		wr_str(w, "'");
	} else {
		wr_str(w, f->verdict ? query_verdict_condition(QUERY_REQUESTS, verdict) : "1");
	}
	if (f->decided_by)
		wr_str(w, " AND EXISTS (SELECT 1 FROM hold AS h CROSS JOIN decision AS d ON d.hold "
			  "= h.id "
			  "WHERE h.request = requests.id AND d.user = ?15)");
}

/* The listing and what the filter adds; ids between ?8 and ?19. 0, QUERY_E_FILTER. */
static int query_write_from(
	const struct query *q, struct writer *w, enum query_what what, const struct query_filter *f)
{
	uint32_t set = query_filters_set(f);
	bool is_narrow;
	const char *verdict = f->verdict ? query_verdict_condition(what, f->verdict) : "1";

	if (set & ~query_listings[what].filters || !verdict)
		return QUERY_E_FILTER;
	/* CROSS JOIN: the words come first, whatever SQLite thinks of it. */
	wr_str(w, q->words[0] ? " FROM words CROSS JOIN requests ON id = words.rowid WHERE words "
				"MATCH ?18 AND words.rowid > ?8 AND words.rowid < ?19 AND "
			      : " FROM ");
	if (!q->words[0]) {
		wr_str(w, query_listings[what].view);
		wr_str(w, " WHERE id > ?8 AND id < ?19 AND ");
	}
	if (q->is_window)
		query_write_window(w, f);
	else
		wr_str(w, verdict);
	/* `+`: where an index of few rows leads, SQLite shall not take that of a run's sessions. */
	is_narrow = what == QUERY_REQUESTS && q->has_words && query_is_narrow(f) && !f->session;
	for (size_t by = 0; by < QUERY_BY_N; by++)
		if (is_narrow && set & 1u << by & QUERY_RUN)
			wr_str(w, by == QUERY_BY_RUN ? " AND +run = ?1" : " AND +run_name = ?2");
		else if (set & 1u << by && !(q->is_window && by == QUERY_BY_DECIDER))
			wr_str(w, query_conditions[by]);
	if (q->is_window)
		return 0;
	if (q->has_words && f->min_us >= QUERY_DURATION_US)
		wr_str(w, " AND id IN (SELECT request FROM slow WHERE us >= ?16 AND request > ?8 "
			  "AND request < ?19)");
	if (q->has_words && f->min_rows >= QUERY_ROWS)
		wr_str(w, " AND id IN (SELECT request FROM reply WHERE max(n_rows, n_affected) >= "
			  "1000 AND max(n_rows, n_affected) >= ?17 AND request > ?8 AND request < "
			  "?19)");
	return 0;
}

/* %text% with LIKE's own signs escaped. */
static void query_write_pattern(struct writer *w, const char *text)
{
	wr_u8(w, '%');
	for (; *text; text++) {
		if (strchr("%_\\", *text))
			wr_u8(w, '\\');
		wr_u8(w, (uint8_t)*text);
	}
	wr_u8(w, '%');
}

static void query_bind_text(sqlite3_stmt *stmt, int at, const char *text)
{
	sqlite3_bind_text(stmt, at, text ? text : "", -1, SQLITE_TRANSIENT);
}

/* Parameters that the statement does not have are refused by SQLite, which is what we want. */
static void query_bind(const struct query *q, sqlite3_stmt *stmt, const struct query_filter *f)
{
	char pattern[2048];
	struct writer w = writer_of(pattern, sizeof(pattern));

	sqlite3_bind_int64(stmt, 1, (int64_t)f->run);
	query_bind_text(stmt, 2, f->run_name);
	sqlite3_bind_int64(stmt, 3, (int64_t)f->session);
	query_bind_text(stmt, 4, f->effect);
	query_write_pattern(&w, f->text ? f->text : "");
	sqlite3_bind_text(stmt, 5, pattern, (int)w.n, SQLITE_TRANSIENT);
	sqlite3_bind_int64(stmt, 6, f->since_ns);
	sqlite3_bind_int64(stmt, 7, f->until_ns);
	sqlite3_bind_int64(stmt, QUERY_PARAM_AFTER, q->from - 1);
	query_bind_text(stmt, 10, f->role);
	query_bind_text(stmt, 11, f->database);
	query_bind_text(stmt, 12, f->target);
	query_bind_text(stmt, 13, f->object);
	query_bind_text(stmt, 14, f->rule);
	query_bind_text(stmt, 15, f->decided_by);
	sqlite3_bind_int64(stmt, 16, (int64_t)f->min_us);
	sqlite3_bind_int64(stmt, 17, (int64_t)f->min_rows);
	query_bind_text(stmt, QUERY_PARAM_WORDS, q->words);
	sqlite3_bind_int64(stmt, QUERY_PARAM_BEFORE, q->before);
}

static const char *query_order(const struct query *q)
{
	return q->words[0] ? " ORDER BY words.rowid" : " ORDER BY id";
}

/* The id right before the newest `limit` rows; *ret_is_all: there are so many. What is before the
 * first of fewer has been looked at, and need not be again. 0, QUERY_E_TOO_LONG, QUERY_E_FILTER. */
static int query_find_start(
	struct query *q, enum query_what what, const struct query_filter *f, bool *ret_is_all)
{
	char sql[QUERY_SQL_MAX];
	struct writer w = writer_of(sql, sizeof(sql));
	sqlite3_stmt *stmt = NULL;
	int r, rc;

	*ret_is_all = false;
	q->after = q->from - 1;
	if (!f->limit)
		return 0;
	wr_str(&w, "SELECT min(id), count(*) FROM (SELECT id");
	r = query_write_from(q, &w, what, f);
	wr_str(&w, query_order(q));
	wr_str(&w, " DESC LIMIT ?9)");
	if (!r)
		r = query_prepare(q, &w, &stmt);
	if (r)
		return r;
	query_bind(q, stmt, f);
	sqlite3_bind_int64(stmt, QUERY_PARAM_LIMIT, (int64_t)f->limit);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		int64_t n = sqlite3_column_int64(stmt, 1);

		*ret_is_all = (uint64_t)n >= f->limit;
		q->after = n ? sqlite3_column_int64(stmt, 0) - 1 : q->before;
	}
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW ? 0 : query_error(q, rc);
}

/*
 * Are there as many rows as are asked for among the newest? Then there is no faster way than to
 * look at these: of a property that many rows have, an index gathers them all first.
 * *ret_is_enough: the listing begins in this window. 0, QUERY_E_TOO_LONG, QUERY_E_FILTER.
 */
static int query_try_window(
	struct query *q, enum query_what what, const struct query_filter *f, bool *ret_is_enough)
{
	int64_t from = q->from, newest = 0;
	int r;

	*ret_is_enough = false;
	q->is_window = what == QUERY_REQUESTS && f->limit && !f->session && !f->since_ns &&
		       !f->until_ns && (f->text || query_is_narrow(f));
	if (!q->is_window)
		return 0;
	r = query_number(q, "SELECT max(id) FROM request WHERE id > ?1 AND id < ?2", INT64_MIN,
		INT64_MAX, &newest);
	q->from = newest - QUERY_WINDOW_IDS;
	if (!r)
		r = query_find_start(q, what, f, ret_is_enough);
	if (!*ret_is_enough) {
		q->from = from;
		q->is_window = false;
	}
	return r;
}

/* 0, QUERY_E_TOO_LONG, QUERY_E_FILTER. */
static int query_write_list(
	struct query *q, struct writer *w, enum query_what what, const struct query_filter *f)
{
	bool is_enough = false;
	int r;

	query_start_clock(q);
	q->words[0] = 0;
	r = query_choose_ids(q, what, f);
	if (!r)
		r = query_try_window(q, what, f, &is_enough);
	if (!is_enough)
		query_choose_words(q, what, f);
	wr_str(w, q->words[0] ? "SELECT requests.*" : "SELECT *");
	if (!r)
		r = query_write_from(q, w, what, f);
	wr_str(w, query_order(q));
	wr_str(w, " LIMIT ?9");
	return r;
}

int query_list(struct query *q, enum query_what what, const struct query_filter *filter)
{
	char sql[QUERY_SQL_MAX];
	struct writer w = writer_of(sql, sizeof(sql));
	bool is_all;
	int r;

	sqlite3_finalize(TAKE(q->list));
	arena_reset(&q->page);
	q->n_rows = q->next = 0;
	q->is_last_page = false;
	r = query_write_list(q, &w, what, filter);
	if (!r && !q->is_window)
		r = query_find_start(q, what, filter, &is_all);
	if (!r)
		r = query_prepare(q, &w, &q->list);
	if (r == QUERY_E_FILTER)
		return QUERY_E_FILTER;
	if (r)
		return r < 0 ? err_trace(r) : QUERY_E_TOO_LONG;
	query_bind(q, q->list, filter);
	sqlite3_bind_int64(q->list, QUERY_PARAM_LIMIT, QUERY_PAGE_ROWS);
	return 0;
}

int query_explain(struct query *q, enum query_what what, const struct query_filter *filter,
	struct writer *ret)
{
	char sql[QUERY_SQL_MAX];
	struct writer w = writer_of(sql, sizeof(sql));
	sqlite3_stmt *stmt = NULL;
	int r;

	wr_str(&w, "EXPLAIN QUERY PLAN ");
	r = query_write_list(q, &w, what, filter);
	if (!r)
		r = query_prepare(q, &w, &stmt);
	if (r)
		return err_fold(r);
	query_bind(q, stmt, filter);
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		wr_str(ret, (const char *)sqlite3_column_text(stmt, 3));
		wr_str(ret, "\n");
	}
	sqlite3_finalize(stmt);
	return 0;
}

static bool query_read_value(struct arena *a, sqlite3_stmt *stmt, int i, struct query_value *ret)
{
	switch (sqlite3_column_type(stmt, i)) {
	case SQLITE_INTEGER:
		ret->type = QUERY_INT;
		ret->number = sqlite3_column_int64(stmt, i);
		return true;
	case SQLITE_FLOAT:
	case SQLITE_TEXT:
		ret->type = QUERY_TEXT;
		return query_read_bytes(a, stmt, i, &ret->bytes);
	case SQLITE_BLOB:
		ret->type = QUERY_BLOB;
		return query_read_bytes(a, stmt, i, &ret->bytes);
	}
	ret->type = QUERY_NULL;
	return true;
}

/* Copies the row that the statement stands on. NULL: no room. */
static struct query_row *query_read_row(struct query *q)
{
	int n = sqlite3_column_count(q->list);
	struct query_row *row = arena_alloc(&q->page, sizeof(*row));

	if (!row)
		return NULL;
	for (int i = 0; i < n && i < QUERY_COLUMNS_MAX; i++) {
		row->names[i] = sqlite3_column_name(q->list, i);
		if (!query_read_value(&q->page, q->list, i, &row->values[i]))
			return NULL;
		row->n++;
	}
	return row;
}

/* Fetches a page and lets go of the snapshot. 0, QUERY_E_TOO_LONG. */
static int query_fetch(struct query *q)
{
	int rc;

	arena_reset(&q->page);
	q->n_rows = q->next = 0;
	query_start_clock(q);
	sqlite3_bind_int64(q->list, QUERY_PARAM_AFTER, q->after);
	while ((rc = sqlite3_step(q->list)) == SQLITE_ROW && q->page.used < QUERY_PAGE_BYTES &&
		q->n_rows < QUERY_PAGE_ROWS) {
		struct query_row *row = query_read_row(q);

		if (!row)
			break;
		q->after = query_value(row, "id")->number;
		q->rows[q->n_rows++] = row;
	}
	q->is_last_page = rc == SQLITE_DONE && q->n_rows < QUERY_PAGE_ROWS;
	sqlite3_reset(q->list);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return query_error(q, rc);
	/* A row that does not fit an empty page never will. */
	return rc == SQLITE_ROW && !q->n_rows ? err_raise(-E2BIG) : 0;
}

int query_next(struct query *q, struct query_row *ret)
{
	int r;

	if (q->next == q->n_rows) {
		if (q->is_last_page)
			return QUERY_E_END;
		r = query_fetch(q);
		if (r)
			return r < 0 ? err_trace(r) : QUERY_E_TOO_LONG;
		if (!q->n_rows)
			return QUERY_E_END;
	}
	*ret = *q->rows[q->next++];
	return 0;
}

const struct query_value *query_value(const struct query_row *row, const char *name)
{
	static const struct query_value none = {.type = QUERY_NULL};

	for (size_t i = 0; i < row->n; i++)
		if (!strcmp(row->names[i], name))
			return &row->values[i];
	return &none;
}
