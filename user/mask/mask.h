/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Masking: what becomes of a value on its way back to the agent.
 *
 *   catalog   which (table, attribute) pairs of one database are protected, found by asking it
 *   plan      per result: what to do with each column; built once per set of columns
 *   detector  recognises values by content, whatever column they are in
 *
 * No I/O, no locks. Rules are borrowed from the policy, which outlives plans and catalogs.
 */
#pragma once

#include "fact/facts.h"
#include "fact/lineage.h"
#include "fact/masking.h"
#include "util/arena.h"
#include "util/err.h"

/* ---- catalog --------------------------------------------------------------------------------- */

enum { MASK_E_FULL = 1 };

struct mask_catalog;

/* rules: NULL-terminated, of one resource. */
struct mask_catalog *mask_catalog_new(const struct mask_rule *const *rules);
struct mask_catalog *mask_catalog_free(struct mask_catalog *c);
/* True if any rule names columns, so that a catalog is needed at all. */
bool mask_rules_need_catalog(const struct mask_rule *const *rules);
/*
 * A table or view that the database has, with its name as the database has it (unquoted). Those
 * never added are unknown, and their columns unproven, but for the system's own (ids below 16384)
 * that quote no values. Worth adding of those: pg_stats and its like, whose ids vary; the catalog
 * knows them by name as unproven. 0, MASK_E_FULL, -ENOMEM.
 */
ERR_CHECK int mask_catalog_add_table(
	struct mask_catalog *c, uint32_t table, struct slice schema, struct slice name);
/*
 * A column of it; adds the table too. Matched here against the rules' patterns and kept only if
 * protected. Patterns are compared by component from the right: "email" and "*.email" are that
 * column of any table, "customers.ssn" of a table in any schema. `*` stands for any characters
 * within a component; a component in double quotes may hold dots. Case counts.
 */
ERR_CHECK int mask_catalog_add_column(struct mask_catalog *c, uint32_t table, uint16_t attr,
	struct slice schema, struct slice name, struct slice column);
/* View or partition `table` shows that column (0: any) of from_table, which makes all its columns
 * unproven if that one is protected or itself unproven. In any order with the calls above. */
ERR_CHECK int mask_catalog_add_derived(
	struct mask_catalog *c, uint32_t table, uint32_t from_table, uint16_t from_attr);
/* The same, shown in column `attr` (named `column`) alone; attr 0: in any. */
ERR_CHECK int mask_catalog_add_derived_column(struct mask_catalog *c, uint32_t table, uint16_t attr,
	struct slice column, uint32_t from_table, uint16_t from_attr);

/* Column `attr` of a view, named `column`, is that column of from_table and nothing else: so it is
 * what that one is, whatever else the view shows. */
ERR_CHECK int mask_catalog_add_shown(struct mask_catalog *c, uint32_t table, uint16_t attr,
	struct slice column, uint32_t from_table, uint16_t from_attr);

/* Names of code that is not the server's own: an expression that uses them may show anything. */
enum mask_word {
	MASK_WORD_FUNCTION,
	MASK_WORD_ROW_FUNCTION, /* takes a row: `t.name` may call it */
	MASK_WORD_OPERATOR,
	MASK_WORD_CAST, /* without a name: some conversion runs such code */
	MASK_WORD_TYPE, /* making a value of it does */
	MASK_WORD_N
};

ERR_CHECK int mask_catalog_add_word(struct mask_catalog *c, enum mask_word kind, struct slice word);
/* Touching the table (only_written: changing it) runs such code. */
ERR_CHECK int mask_catalog_add_code(struct mask_catalog *c, uint32_t table, bool only_written);
/* False: a table of users (id from 16384) that was never added, so that asking again may help. */
bool mask_catalog_knows(const struct mask_catalog *c, uint32_t table);
/* May a table with this name as the agent wrote it ("schema.name" or "name", components quoted
 * where they must be; empty = any) hold or show a protected column? Unknown names: yes. */
bool mask_catalog_may_touch(const struct mask_catalog *c, struct slice object);
/* May touching what has this name, as above, run code of somebody's? Unknown names: yes. */
bool mask_catalog_runs_code(const struct mask_catalog *c, struct slice object, bool is_written);
/* May what the text uses without saying what it does (facts.uses)? */
bool mask_catalog_uses_code(const struct mask_catalog *c, struct slice uses);
/* Is there any type of which making a value does? */
bool mask_catalog_has_coded_types(const struct mask_catalog *c);

/* ---- lineage --------------------------------------------------------------------------------- */

/* Which columns of a result cannot show anything protected. By place: those before the first star,
 * counted from the left, those behind the last one, from the right, and all in between. */
struct mask_proof {
	uint64_t head, tail; /* bit: is clear */
	uint8_t n_head, n_tail;
	bool has_middle, is_middle_clear;
	bool is_valid;    /* false: nothing is proven */
	bool is_released; /* a human said that unproven columns may be shown; protected ones not */
};

/* What a statement shows, as far as its text tells. */
struct mask_shown {
	struct mask_proof proof;
	bool is_clear;    /* every column is */
	bool is_apart;    /* nothing that it names is protected: no condition either */
	bool is_unproven; /* some column may derive from a protected one, and no table that the
			   * server names for it will say what becomes of it */
	enum unproven unproven; /* the strictest of what the rules say about those */
	unsigned column;        /* the first of them, from 1; 0: behind a star */
};

/* l: with one of LINEAGE_HAS_COLUMNS. */
struct mask_shown mask_shown_of(const struct mask_catalog *c, const struct lineage *l);
/* What the rules say about a column of which nothing is known: the strictest `unproven:`. */
enum unproven mask_rules_unknown(const struct mask_rule *const *rules);
/* Is a result of n columns what was proven, and column i (from 0) clear? */
bool mask_proof_is_clear(const struct mask_proof *p, size_t i, size_t n);
/* Does it hang on code that is not the server's own, though it is named like that? */
bool mask_catalog_has_code(const struct mask_catalog *c, const struct lineage *l);
/* May its conditions hang on a protected column, or on what derives from one? */
bool mask_filters_protected(const struct mask_catalog *c, const struct lineage *l);
/* May a store of this lineage put something protected where it is not? */
bool mask_stores_elsewhere(const struct mask_catalog *c, const struct lineage *l);

/* ---- plan ------------------------------------------------------------------------------------ */

struct mask_plan; /* lives in the arena given */

enum { MASK_RULES_MAX = 64 }; /* of one resource */

struct mask_stats {
	uint64_t n_values; /* values changed */
	/* … by each of the resource's rules, in their order; a value that several rules are about
	 * counts for each. */
	uint32_t by_rule[MASK_RULES_MAX];
	uint64_t by_detector[DETECTOR_N];
	uint64_t n_columns; /* whole values by column rule, or unproven */
};

/* One value more that was changed, for the sake of all rules that name columns. */
void mask_count_withheld(const struct mask_rule *const *rules, struct mask_stats *stats);

/*
 * catalog may be NULL (no column rules). `touches`: the statement may touch a protected table, so
 * columns without provenance are unproven unless `proof` (may be NULL) clears them. Where several
 * rules apply to a column, the strictest transform wins: null, redact, hash, partial. The strictest
 * `unproven:` of any column (deny, hold, redact) is in *ret_unproven; the plan redacts such columns
 * in any case. A plan may be used by one thread at a time. 0, -ENOMEM.
 */
ERR_CHECK int mask_plan_build(const struct mask_rule *const *rules,
	const struct mask_catalog *catalog, const struct column *columns, size_t n_columns,
	bool touches, const struct mask_proof *proof, struct arena *arena, struct mask_plan **ret,
	enum unproven *ret_unproven);
/* True if no value of such a result can ever change: rows need not be looked at. */
bool mask_plan_is_clear(const struct mask_plan *p);
/* May a row of it go through mask_piece()? Not if a masked column is computed: pieces keep the
 * length of a value, and NULL, and what computes it can make a length of any value. */
bool mask_plan_fits_pieces(const struct mask_plan *p);

/*
 * One value of column i. Returns true and the replacement in *ret (arena; p == NULL is SQL NULL) if
 * it changes; false leaves it. A value that should change and cannot (arena full) becomes NULL.
 * `key` is the 32-byte key of TRANSFORM_HASH.
 */
bool mask_value(const struct mask_plan *p, size_t i, struct slice value,
	const uint8_t key[static 32], struct arena *arena, struct slice *ret,
	struct mask_stats *stats);

/* What NULL in column i becomes: NULL ({NULL, 0}), or what hides that it was NULL. */
struct slice mask_null(const struct mask_plan *p, size_t i);

/*
 * A piece of one huge value, changed in place without changing its length: protected columns become
 * filler, detectors overwrite what they find. *hold_back is how many bytes at the end of p may be
 * the start of something and must be given again with the next piece (at most MASK_TAIL_MAX; 0 on
 * the last piece). Returns 0, or MASK_E_FULL if the value cannot be filled within its wire type:
 * the session must end.
 *
 * The plan remembers what it must from piece to piece, so pieces of one value come in order, the
 * last with is_last, before those of the next. Found is what mask_value() finds, but for detectors
 * in bytea in its text form, which only mask_value() reads (up to 64 KiB).
 */
enum { MASK_TAIL_MAX = 512 };
ERR_CHECK int mask_piece(const struct mask_plan *p, size_t i, uint8_t *bytes, size_t n,
	bool is_last, size_t *hold_back, struct mask_stats *stats);

/*
 * A masked value that an agent read and gives back: is all of `value` one, or with `is_inside` some
 * part of it? A hash or a marked uuid for certain, the stars of redact and partial by their form.
 * In binary, text is text and a uuid its 16 bytes.
 */
bool mask_is_trace(struct slice value, bool is_binary, bool is_inside);
/* What the rules together say about that. */
enum written_back mask_rules_written_back(const struct mask_rule *const *rules);

/* Prose (errors, notices, parameters for the ledger): detectors of all rules. true if changed; no
 * room in the arena gives an empty slice. */
bool mask_text(const struct mask_rule *const *rules, struct slice text,
	const uint8_t key[static 32], struct arena *arena, struct slice *ret,
	struct mask_stats *stats);
