/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of mask/ share: the plan that plan.c builds, value.c and piece.c follow, and what
 * a catalog knows about a column. Not for other layers.
 */
#pragma once

#include "fact/lineage.h"
#include "mask/detect.h"
#include "mask/mask.h"

/* ---- catalog --------------------------------------------------------------------------------- */

/* What all rules together say about one column. */
struct column_fate {
	bool is_protected;      /* proven: `as` applies */
	bool is_unproven;       /* may derive from a protected one: `unproven` applies */
	enum transform as;      /* the strictest */
	enum unproven unproven; /* the strictest */
	uint64_t rules;         /* 1 << place of each that is about it */
};

struct column_fate catalog_fate(const struct mask_catalog *c, uint32_t table, uint16_t attr);
/* The strictest fate of whatever a source of that lineage may name. */
struct column_fate catalog_source_fate(
	const struct mask_catalog *c, const struct lineage *l, size_t source);
/* Is that column protected in every table that may be meant? */
bool catalog_protects(const struct mask_catalog *c, struct slice object, struct slice column);
/* What the rules of the catalog say about what nobody knows. */
enum unproven catalog_unknown(const struct mask_catalog *c);
/* The fate of a column about which nothing is known. */
struct column_fate rules_unknown_fate(const struct mask_rule *const *rules);

/* ---- plan ------------------------------------------------------------------------------------ */

/* Which detectors, and the strictest transform among the rules that list each. */
struct detect_rules {
	uint32_t want;
	enum transform as[DETECTOR_N];
	uint64_t rules[DETECTOR_N]; /* 1 << place of each that lists it */
};

struct detect_rules detect_rules_of(const struct mask_rule *const *rules);

enum column_action { COLUMN_CLEAR, COLUMN_WHOLE, COLUMN_DETECT };

struct plan_column {
	enum column_action action;
	enum transform as; /* COLUMN_WHOLE */
	bool hides_null;   /* NULL would tell: nullif(ssn, 'a guess') */
	uint32_t want;     /* COLUMN_DETECT: detectors that can find anything in this class */
	enum value_class class;
	bool is_binary;
	uint64_t rules; /* COLUMN_WHOLE: for whose sake */
};

/* One value was changed for their sake. */
void plan_count(struct mask_stats *stats, uint64_t rules);
/* The rules of the detectors that found something since `before`. */
uint64_t plan_found(const struct detect_rules *rules, const uint64_t before[DETECTOR_N],
	const struct mask_stats *after);

/* The huge value at work: one at a time per plan. */
struct piece {
	bool is_started;
	size_t column;
	uint64_t offset;               /* bytes of the value already finished */
	uint8_t before[DETECT_BEFORE]; /* the last of them, as they were */
	size_t n_before;
	const char *tail; /* the end of a hit is still to come, see detect_tail() */
	bool is_changed, has_version;
	uint64_t counted; /* rules that this value was counted for */
	/* Where in JSON the next byte is. */
	bool is_string, is_number;
	uint8_t escape; /* bytes left of an escape; ESCAPE_LETTER: its letter is next */
};

struct mask_plan {
	struct detect_rules detect;
	struct plan_column *columns;
	size_t n_columns;
	struct piece *piece;
	bool is_clear;
};

/* A number or address in text, so that detectors can read it, in buf; n == 0: it holds nothing. */
enum { PLAIN_MAX = 128 };
struct slice value_plain(
	const struct plan_column *col, struct slice value, char buf[static PLAIN_MAX]);
