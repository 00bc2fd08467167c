/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Query text → facts, by PostgreSQL's own parser (libpg_query).
 *
 * Unknown is a fact (EFFECT_UNKNOWN), never an absence: text that does not parse, is too large, has
 * a construct that nobody here has thought of, or comes from a session whose lexing the parser
 * cannot follow, says so.
 *
 * Objects are "schema.name" or "name", folded and cut at 63 bytes a part as the server does; a
 * database in front is dropped. A part that holds a dot or a double quote stands in double quotes,
 * with quotes inside doubled, so that `"a.b"` is not taken for table b of schema a.
 *
 * What a text cannot show: which overload of a function runs, functions behind operators, casts,
 * views, triggers and column defaults, and objects that the search_path puts in front of the
 * server's own. Making those is `define`, moving the search_path is `admin`.
 */
#pragma once

#include "fact/facts.h"
#include "util/arena.h"
#include "util/err.h"

enum {
	/* Text longer than this, or refused by the pre-scan, must not be parsed on a thread with an
	 * ordinary stack: call sql_classify_deep() on a parser thread instead. */
	SQL_E_DEEP = 1,
	SQL_E_NOT_REPLICATION = 2,
	SQL_E_NOT_KNOWN = 3,
	SQL_INLINE_MAX = 2048,
	/* Longer text than this is not parsed at all: one fact, unknown. */
	SQL_TEXT_MAX = 256 * 1024,
	/* Parser threads need this much stack (130 bytes a nesting level, two bytes of SQL a
	   level). */
	SQL_PARSER_STACK = 256 * 1024 * 1024,
};

/* A cache of facts by exact text, and by shape where the facts are proven constant-free. One per
 * worker thread, no locks. */
struct sql_cache;

struct sql_cache *sql_cache_new(size_t max_entries);
struct sql_cache *sql_cache_free(struct sql_cache *c);
/* Does anybody ask for the lineage of what is parsed with this cache? At first, yes. A change
 * empties it. */
void sql_cache_want_lineage(struct sql_cache *c, bool wants);

/*
 * Facts of one text (any number of statements). `lexing` is the decoder's digest of the settings
 * under which the server will read it (part of the cache key). Everything in *ret lives in `arena`
 * (but objects that are pieces of the text), nothing in the cache. cache may be NULL.
 *
 * 0; SQL_E_DEEP: nothing was parsed, see above; -ENOMEM.
 */
ERR_CHECK int sql_classify(struct sql_cache *cache, struct slice text, uint64_t lexing,
	struct arena *arena, struct facts *ret);
/* Facts of a text that nobody could look at: nothing is known, so everything is possible. 0,
 * -ENOMEM. */
ERR_CHECK int sql_classify_nothing(struct arena *arena, struct facts *ret);
/* As sql_classify(), without the limit and the cache, for threads with SQL_PARSER_STACK. 0,
 * -ENOMEM. */
ERR_CHECK int sql_classify_deep(struct slice text, struct arena *arena, struct facts *ret);

/* The same without lineage, for what functions do. */
ERR_CHECK int sql_classify_body(struct slice text, struct arena *arena, struct facts *ret);

/* Keeps what sql_classify_deep() found for this text, so that the cache finds it next time. */
void sql_cache_keep(
	struct sql_cache *cache, struct slice text, uint64_t lexing, const struct facts *facts);

/* Facts of a start-up parameter, judged as `SET name = value`. */
ERR_CHECK int sql_classify_setting(
	struct slice name, struct slice value, struct arena *arena, struct facts *ret);

/* Facts of a function by its number: those for large objects, which libpq calls so. Numbers of the
 * server's own never change. 0; SQL_E_NOT_KNOWN: any other; -ENOMEM. */
ERR_CHECK int sql_classify_call(uint32_t oid, struct arena *arena, struct facts *ret);

/* Facts of a command of the replication grammar (`admin`; those that stream data say so by the
 * flags of a binary COPY). 0; SQL_E_NOT_REPLICATION: the server reads this text as SQL; -ENOMEM. */
ERR_CHECK int sql_classify_replication(struct slice text, struct arena *arena, struct facts *ret);

/* Appends copies of the lineages of `more` to *list. 0, -ENOMEM. */
ERR_CHECK int sql_lineage_join(
	const struct lineage **list, const struct lineage *more, struct arena *arena);

/* Puts copies of all that f points to into `arena`. 0; -ENOMEM, and f is as it was. */
ERR_CHECK int sql_facts_keep(struct facts *f, struct arena *arena);

/* Appends the facts of b to a (both stay valid; the result lives in `arena`). 0, -ENOMEM. */
ERR_CHECK int sql_facts_merge(struct facts *a, const struct facts *b, struct arena *arena);

/*
 * Text for display and record with every string constant that is a password (CREATE/ALTER ROLE …
 * PASSWORD '…', connection strings of dblink, foreign servers, subscriptions) replaced by '***'.
 * Returns `text` itself when there is none.
 */
struct slice sql_redact(struct slice text, struct arena *arena);
