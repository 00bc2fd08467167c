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
/* A table that the database has. Tables never added are unknown: their columns are unproven. */
ERR_CHECK int mask_catalog_add_table(struct mask_catalog *c, uint32_t table);
/* A column of it. Matched against the rules' patterns here; kept only if protected. `derived`: a
 * view's or partition's column that may show a protected one: unproven. 0, MASK_E_FULL, -ENOMEM. */
ERR_CHECK int mask_catalog_add_column(struct mask_catalog *c, uint32_t table, uint16_t attr,
	struct slice schema, struct slice name, struct slice column);
ERR_CHECK int mask_catalog_add_derived(struct mask_catalog *c, uint32_t table, uint32_t from_table,
	uint16_t from_attr);
/* May a table with this name as the agent wrote it ("schema.name" or "name"; empty = any) hold or
 * show a protected column? Unknown names: yes. */
bool mask_catalog_may_touch(const struct mask_catalog *c, struct slice object);

/* ---- plan ------------------------------------------------------------------------------------ */

struct mask_plan; /* lives in the arena given */

struct mask_stats {
	uint64_t n_values;		     /* values changed */
	uint64_t by_detector[DETECTOR_N];
	uint64_t n_columns;		     /* whole values by column rule, or unproven */
};

/*
 * catalog may be NULL (no column rules). `touches`: the statement may touch a protected table, so
 * columns without provenance are unproven. First of `unproven:` hold/deny that applies is in
 * *ret_unproven (UNPROVEN_REDACT when there is none). 0, -ENOMEM.
 */
ERR_CHECK int mask_plan_build(const struct mask_rule *const *rules, const struct mask_catalog *catalog,
	const struct column *columns, size_t n_columns, bool touches, struct arena *arena,
	struct mask_plan **ret, enum unproven *ret_unproven);
/* True if no value of such a result can ever change: rows need not be looked at. */
bool mask_plan_is_clear(const struct mask_plan *p);

/*
 * One value of column i. Returns true and the replacement in *ret (arena; p == NULL is SQL NULL) if
 * it changes; false leaves it. A value that should change and cannot (arena full) becomes NULL.
 * `key` is the 32-byte key of TRANSFORM_HASH.
 */
bool mask_value(const struct mask_plan *p, size_t i, struct slice value, const uint8_t key[static 32],
	struct arena *arena, struct slice *ret, struct mask_stats *stats);

/*
 * A piece of one huge value, changed in place without changing its length: protected columns become
 * filler, detectors overwrite what they find. *hold_back is how many bytes at the end of p may be
 * the start of something and must be given again with the next piece (at most MASK_TAIL_MAX; 0 on
 * the last piece). Returns 0, or MASK_E_FULL if the value cannot be filled within its wire type: the
 * session must end.
 */
enum { MASK_TAIL_MAX = 512 };
ERR_CHECK int mask_piece(const struct mask_plan *p, size_t i, uint8_t *bytes, size_t n, bool is_last,
	size_t *hold_back, struct mask_stats *stats);

/* Prose (errors, notices, parameters for the ledger): detectors of all rules. true if changed. */
bool mask_text(const struct mask_rule *const *rules, struct slice text,
	const uint8_t key[static 32], struct arena *arena, struct slice *ret, struct mask_stats *stats);
