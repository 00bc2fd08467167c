/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Facts: what a request is, in the words that policies use. Data only.
 *
 *   effect   what is done (effects.def)
 *   object   what it is done to, as written by the agent: "schema.name", or "name" where the agent
 *            left the schema to the server
 *   fact     one (effect, object) pair; a request is a set of them
 *   unknown  a fact with EFFECT_UNKNOWN, or an object that could be anything (object.n == 0)
 *
 * Nothing here is a guess: what could not be told is a fact with EFFECT_UNKNOWN, never left out.
 */
#pragma once

#include "fact/lineage.h"
#include "util/slice.h"

enum risk { RISK_LOW, RISK_MEDIUM, RISK_HIGH };

enum effect {
#define EFFECT(id, keyword, risk, help) EFFECT_##id,
#include "fact/effects.def"
#undef EFFECT
	EFFECT_N
};

/* Sets of effects, one bit each. */
#define EFFECT_BIT(e) (1u << (e))
#define EFFECT_ALL    (EFFECT_BIT(EFFECT_N) - 1)

struct effect_info {
	const char *keyword;
	enum risk risk;
	const char *help;
};

/* Indexed by enum effect. */
extern const struct effect_info effect_table[EFFECT_N];

/* The effect with this keyword, or EFFECT_N. */
enum effect effect_by_keyword(struct slice keyword);

enum tri { TRI_NO, TRI_YES, TRI_UNKNOWN };

/* How a fact came to be one of the request, and so which rules it concerns. */
enum fact_sight {
	/* The text says it, or what the text does brings it about. */
	FACT_PLAIN,
	/* Seen through a view, or as a child of a table, that the request names: whoever made those
	 * gave what they show. Hold and deny rules apply; no rule and no default need allow it. */
	FACT_SHOWN,
	/* A call of code whose effects are facts of their own beside it: rules apply that name
	 * objects, since they may mean this very function. */
	FACT_READ_OFF,
};

struct fact {
	enum effect effect;
	enum fact_sight sight;
	/* DELETE and UPDATE: is there a condition that can exclude a row? TRI_UNKNOWN elsewhere. */
	enum tri bounded;
	/* Folded as the server folds it, NUL-free. A part that is empty or holds `.` or `"` stands
	 * in double quotes, those inside doubled. Empty: could be anything, or the effect has no
	 * object (session, admin): `no_object` tells which. */
	struct slice object;
	bool no_object;
};

/* What else the text tells the session; none of it is a permission. */
enum facts_flag {
	FACTS_COPY_IN = 1 << 0,     /* asks the server to enter copy-in */
	FACTS_COPY_OUT = 1 << 1,    /* … copy-out */
	FACTS_COPY_BINARY = 1 << 2, /* … in binary, or in a format that could not be told */
	/* may change names, columns or views: what was asked of the catalog is stale */
	FACTS_CATALOG = 1 << 3,
	FACTS_LEXING = 1 << 4,     /* may change how the server reads the text that follows */
	FACTS_TX_CONTROL = 1 << 5, /* holds BEGIN, COMMIT, ROLLBACK, SAVEPOINT … */
	/* Result columns may come from somewhere that `list` does not name (FETCH, functions,
	 * EXECUTE of an unknown name): nothing is proven about columns without provenance. */
	FACTS_OPAQUE_ROWS = 1 << 6,
	/* The facts would be the same if any number or plain string constant in the text were
	 * another one, so that a shape cache may keep them. */
	FACTS_CONSTANT_FREE = 1 << 7,
	/* Makes a table of what it reads: CREATE TABLE AS, SELECT INTO. */
	FACTS_STORES_ROWS = 1 << 8,
	/* Something of a kind that no rollback takes back: sequences, advisory locks, files … */
	FACTS_STAYS = 1 << 9,
	/* Takes a transaction id, or row locks (which take one), without writing anything. */
	FACTS_TAKES_ID = 1 << 10,
	FACTS_ROW_LOCKS = 1 << 11,
	/* Runs something that the text does not show whole: a relation (is it a view?), an
	 * operator, a cast, a function with arguments, a cursor, a prepared statement. Without this
	 * flag, what `list` says is all that can happen. */
	FACTS_OPEN = 1 << 12,
	/* With FACTS_TX_CONTROL. Begins a transaction block (or chains one to the last); ends one,
	 * either way; ends one so that its effects stay (COMMIT, PREPARE TRANSACTION). */
	FACTS_BEGINS_TX = 1 << 13,
	FACTS_ENDS_TX = 1 << 14,
	FACTS_COMMITS = 1 << 15,
	/* Several statements, a transaction that ends among them, and one that looks like a read
	 * but is FACTS_OPEN: what that one did is committed before anybody could look. */
	FACTS_NO_STAND = 1 << 16,
	/* A cursor that COMMIT runs to its end: what it does then, it does after the last look. */
	FACTS_HOLD_CURSOR = 1 << 17,
	/* Names something that lives in this session only, as a temporary table does. */
	FACTS_TEMPORARY = 1 << 18,
	/* ROLLBACK TO: a transaction that failed goes on. */
	FACTS_REVIVES_TX = 1 << 19,
};

/* What a text uses without saying what it does: see facts.uses. */
enum use_kind {
	USE_FUNCTION = 'f', /* named like a harmless one of the server's */
	USE_OPERATOR = 'o',
	USE_TYPE = 't',      /* a cast to it */
	USE_ATTRIBUTE = 'a', /* value.name, which may be a call of name(value) */
	USE_ANYTHING = '*',  /* more than could be kept */
};

enum name_change_kind { NAME_DEFINE, NAME_REMOVE, NAME_REMOVE_ALL };

/* Session-wide statement names that the text itself defines or drops: PREPARE, DEALLOCATE, DISCARD.
 * They share one namespace with the wire's own prepared statements. */
struct name_change {
	enum name_change_kind kind;
	struct slice name;
	struct slice text; /* NAME_DEFINE: the whole `PREPARE name AS …` text's inner statement */
};

/* A statement that EXECUTE runs by its name; what that does belongs to the request, too. Of the
 * changes of names in the same text, the first `n_names` come before it. */
struct execute {
	struct slice name;
	size_t n_names;
};

struct facts {
	struct fact *list; /* arena of the request */
	size_t n;
	uint32_t flags; /* enum facts_flag */
	unsigned n_statements;
	struct name_change *names;
	size_t n_names;
	struct execute *executes;
	size_t n_executes;
	/* What the text shows, stores and filters by; NULL: nothing that comes from a table. Where
	 * the facts say unknown or FACTS_OPAQUE_ROWS, more than it says may be true. */
	const struct lineage *lineage;
	/* Names whose meaning is the server's choice: of each its enum use_kind, the last part of
	 * the name, and NUL; each once. */
	struct slice uses;
};

/* The use at the head of *uses, which is taken off; false at the end. */
static inline bool facts_next_use(
	struct slice *uses, enum use_kind *ret_kind, struct slice *ret_name)
{
	const uint8_t *nul = uses->n > 1 ? memchr(uses->p + 1, 0, uses->n - 1) : NULL;

	if (!nul)
		return false;
	*ret_kind = (enum use_kind)uses->p[0];
	*ret_name = slice_of(uses->p + 1, (size_t)(nul - uses->p) - 1);
	*uses = slice_skip(*uses, ret_name->n + 2);
	return true;
}

/* Union of the effects in the list, as EFFECT_BIT()s. */
uint32_t facts_effects(const struct facts *f);
