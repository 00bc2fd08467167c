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
/* False: a table of users (id from 16384) that was never added, so that asking again may help. */
bool mask_catalog_knows(const struct mask_catalog *c, uint32_t table);
/* May a table with this name as the agent wrote it ("schema.name" or "name", components quoted
 * where they must be; empty = any) hold or show a protected column? Unknown names: yes. */
bool mask_catalog_may_touch(const struct mask_catalog *c, struct slice object);

/* ---- plan ------------------------------------------------------------------------------------ */

struct mask_plan; /* lives in the arena given */

struct mask_stats {
	uint64_t n_values; /* values changed */
	uint64_t by_detector[DETECTOR_N];
	uint64_t n_columns; /* whole values by column rule, or unproven */
};

/*
 * catalog may be NULL (no column rules). `touches`: the statement may touch a protected table, so
 * columns without provenance are unproven. Where several rules apply to a column, the strictest
 * transform wins: null, redact, hash, partial. The strictest `unproven:` of any column (deny, hold,
 * redact) is in *ret_unproven; the plan redacts such columns in any case. A plan may be used by one
 * thread at a time. 0, -ENOMEM.
 */
ERR_CHECK int mask_plan_build(const struct mask_rule *const *rules,
	const struct mask_catalog *catalog, const struct column *columns, size_t n_columns,
	bool touches, struct arena *arena, struct mask_plan **ret, enum unproven *ret_unproven);
/* True if no value of such a result can ever change: rows need not be looked at. */
bool mask_plan_is_clear(const struct mask_plan *p);

/*
 * One value of column i. Returns true and the replacement in *ret (arena; p == NULL is SQL NULL) if
 * it changes; false leaves it. A value that should change and cannot (arena full) becomes NULL.
 * `key` is the 32-byte key of TRANSFORM_HASH.
 */
bool mask_value(const struct mask_plan *p, size_t i, struct slice value,
	const uint8_t key[static 32], struct arena *arena, struct slice *ret,
	struct mask_stats *stats);

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

/* Prose (errors, notices, parameters for the ledger): detectors of all rules. true if changed; no
 * room in the arena gives an empty slice. */
bool mask_text(const struct mask_rule *const *rules, struct slice text,
	const uint8_t key[static 32], struct arena *arena, struct slice *ret,
	struct mask_stats *stats);
