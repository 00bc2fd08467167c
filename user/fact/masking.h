/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of masking, shared by those who write rules (policy), those who know the columns
 * (decoders) and those who change the values (mask). Data only.
 */
#pragma once

#include "util/slice.h"

enum detector {
#define DETECTOR(id, keyword, help) DETECTOR_##id,
#include "fact/detectors.def"
#undef DETECTOR
	DETECTOR_N
};

#define DETECTOR_BIT(d) (1u << (d))

struct detector_info {
	const char *keyword, *help;
};

extern const struct detector_info detector_table[DETECTOR_N];

/* What a protected value becomes. */
enum transform {
	TRANSFORM_REDACT,  /* nothing of it is left */
	TRANSFORM_PARTIAL, /* enough to recognise: last four digits, first letter and domain */
	TRANSFORM_HASH,    /* keyed and stable: equal values stay equal */
	TRANSFORM_NULL,    /* SQL NULL */
	TRANSFORM_N
};

extern const char *const transform_keywords[TRANSFORM_N + 1];

/* A result column that may derive from a protected one. */
enum unproven { UNPROVEN_REDACT, UNPROVEN_HOLD, UNPROVEN_DENY, UNPROVEN_N };

extern const char *const unproven_keywords[UNPROVEN_N + 1];

/* A masked value that comes back in a change; the strictest of several rules counts. */
enum written_back { WRITTEN_BACK_DENY, WRITTEN_BACK_HOLD, WRITTEN_BACK_ALLOW, WRITTEN_BACK_N };

extern const char *const written_back_keywords[WRITTEN_BACK_N + 1];

/* One entry of `masks:`; owned by the policy. */
struct mask_rule {
	const char *name;
	/* NULL-terminated patterns "schema.table.column" with `*`; may be empty */
	const char **columns;
	uint32_t detectors; /* DETECTOR_BIT()s */
	enum transform as;
	enum unproven unproven;
	enum written_back written_back;
};

/* What a value is, so that a masked one keeps its wire type. */
enum value_class {
	VALUE_TEXT,   /* text, varchar, char, name, xml, unknown: any text is valid */
	VALUE_JSON,   /* json, jsonb: must stay valid JSON */
	VALUE_INT,    /* int2, int4, int8, oid: binary is big-endian two's complement */
	VALUE_NUMBER, /* numeric, float, money */
	VALUE_BOOL,
	VALUE_TIME,  /* date, time, timestamp, interval */
	VALUE_BYTES, /* bytea */
	VALUE_UUID,
	VALUE_NET,   /* inet, cidr, macaddr */
	VALUE_ARRAY, /* array, composite, range, hstore: values inside a value */
	VALUE_OTHER, /* not known here: enum, domain types of users, geometry … */
};

/* One result column as the protocol described it. */
struct column {
	struct slice name; /* as the agent sees it: never a criterion */
	uint32_t table;    /* table id at the server (PostgreSQL: OID); 0 = no provenance */
	uint16_t attr;     /* column number in that table; 0 with a table = whole row */
	enum value_class class;
	uint8_t width; /* bytes of a VALUE_INT in binary; 0 = unknown */
	bool is_binary;
};
