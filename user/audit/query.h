/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger's read side: listings of its views, with filters, and single records.
 *
 * Read-only in every way SQLite knows, and never a snapshot for longer than it takes to fetch a
 * page of rows: a reader that stops (a pager, a terminal) must not keep the WAL from shrinking.
 */
#pragma once

#include "audit/record.h"
#include "util/err.h"
#include "util/writer.h"

enum {
	QUERY_E_MISSING = 1,   /* no such file */
	QUERY_E_FORBIDDEN = 2, /* may not be read */
	QUERY_E_NO_LEDGER = 3, /* no ledger, or a damaged one */
	QUERY_E_VERSION = 4,   /* made by a newer holdfast */
	QUERY_E_END = 5,       /* no more rows; no such record */
	QUERY_E_TOO_LONG = 6,  /* took longer than a reader may */
	QUERY_E_FILTER = 7,    /* this listing has nothing that the filter asks about */
};

struct query;

/* 0, QUERY_E_MISSING, QUERY_E_FORBIDDEN, QUERY_E_NO_LEDGER, QUERY_E_VERSION. */
ERR_CHECK int query_open(const char *path, struct query **ret);
struct query *query_close(struct query *q);

/* ---- listings ---- */

enum query_what {
	QUERY_REQUESTS,
	QUERY_RUNS,
	QUERY_SESSIONS,
	QUERY_HOLDS,
	QUERY_DECISIONS,
	QUERY_EVENTS,
	QUERY_WHAT_N
};

/* All that are set must hold. */
struct query_filter {
	uint64_t run, session; /* 0 = any */
	const char *run_name;
	const char *verdict; /* a word of query_verdicts */
	const char *effect;  /* a keyword of effects.def */
	const char *text;    /* in the statement, from the beginning of a word; ASCII case folded */
	const char *role;    /* at the server */
	const char *database;
	const char *target; /* name of the resource, or address */
	const char *object; /* with or without its schema */
	const char *rule;
	const char *decided_by;     /* name of the user who approved or denied */
	uint64_t min_us;            /* took so long at least, the wait for a human included */
	uint64_t min_rows;          /* given to the agent, or changed at the server */
	int64_t since_ns, until_ns; /* wall time; 0 = any */
	uint64_t limit;             /* the newest so many; 0 = all */
};

/* What --verdict takes, NULL-terminated: rulings, outcomes of holds, statuses of replies. */
extern const char *const query_verdicts[];

enum query_type { QUERY_NULL, QUERY_INT, QUERY_TEXT, QUERY_BLOB };

struct query_value {
	enum query_type type;
	int64_t number;
	struct slice bytes; /* TEXT, BLOB */
};

enum { QUERY_COLUMNS_MAX = 48 };

struct query_row {
	size_t n;
	const char *names[QUERY_COLUMNS_MAX];
	struct query_value values[QUERY_COLUMNS_MAX];
};

/* Begins a listing, oldest first; an older one is dropped. 0, QUERY_E_TOO_LONG, QUERY_E_FILTER. */
ERR_CHECK int query_list(struct query *q, enum query_what what, const struct query_filter *filter);
/* What SQLite makes of such a listing, a line a step, each with a newline; for tests of the
 * indexes. */
ERR_CHECK int query_explain(struct query *q, enum query_what what,
	const struct query_filter *filter, struct writer *ret);
/* The next row, valid until the next call. 0, QUERY_E_END, QUERY_E_TOO_LONG. */
ERR_CHECK int query_next(struct query *q, struct query_row *ret);

/* The value of a column; QUERY_NULL if the row has none of that name. */
const struct query_value *query_value(const struct query_row *row, const char *name);

/* ---- records ---- */

/* Row number `rowid` of the table of that kind, as it was written; slices valid until the next
 * call. 0, QUERY_E_END (no such row). */
ERR_CHECK int query_record(struct query *q, enum record_kind kind, int64_t rowid,
	int64_t *ret_at_ns, union record *ret);

/* The next part of the contents of the reply to that request, behind row *after (0: the first),
 * which is then its own. 0, QUERY_E_END. */
ERR_CHECK int query_content(struct query *q, uint64_t request, int64_t *after, union record *ret);

/* A record's place in time, enough to fetch it by. */
struct query_ref {
	int64_t at_ns;
	int64_t rowid;
	enum record_kind kind;
};

/* All that is known of a session, in the order it happened; *ret is the caller's to free().
 * 0, QUERY_E_END (no such session), QUERY_E_TOO_LONG. */
ERR_CHECK int query_session(
	struct query *q, uint64_t session, struct query_ref **ret, size_t *ret_n);
