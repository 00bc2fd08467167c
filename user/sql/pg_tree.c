/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk over all nodes of all statements of a text, in the order of the tree, without recursion.
 *
 * Every node that is a table name is a table that is read, unless the statement around it claimed
 * it for something else first, or it names a WITH query that is visible from there. So a construct
 * that nobody here thought of over-reports, it does not hide a table. Statements do what
 * statement.c says, at whatever depth they stand (WITH, EXPLAIN, COPY, rules).
 */
#include "sql/pg_tree.h"

#include <errno.h>
#include <pg_query.h>
#include <stdlib.h>

#include "sql/functions.h"
#include "sql/lineage.h"
#include "sql/walk.h"

/* Member look-ups for WITH names in one text; beyond it a WITH name is reported as a table. */
enum { TREE_SCOPE_STEPS_MAX = 100000 };

static bool tree_key_is(const struct walk *w, uint32_t node, const char *key)
{
	return slice_eq_str(json_key(&w->tree, node), key);
}

/* Does this WITH show `name` to the node? Those behind it in the same WITH only if it is recursive.
 */
static bool tree_with_shows(struct walk *w, uint32_t with, uint32_t node, struct slice name)
{
	uint32_t ctes = json_child(&w->tree, with, "ctes");
	bool is_recursive = walk_says(w, with, "recursive", "true");

	for (uint32_t i = ctes ? json_first(&w->tree, ctes) : 0; i; i = json_next(&w->tree, i)) {
		uint32_t cte = json_first(&w->tree, i), cte_name;

		w->n_scope_steps++;
		if (!is_recursive && node >= i && node < w->tree.nodes[i].end)
			return false;
		cte_name = cte ? json_child(&w->tree, cte, "ctename") : 0;
		if (cte_name && slice_eq(json_raw(&w->tree, cte_name), name))
			return true;
	}
	return false;
}

bool walk_is_with_name(struct walk *w, uint32_t range_var)
{
	struct slice name = json_raw(&w->tree, json_child(&w->tree, range_var, "relname"));

	if (!w->has_with || json_child(&w->tree, range_var, "schemaname"))
		return false;
	for (uint32_t i = w->tree.nodes[range_var].parent; i; i = w->tree.nodes[i].parent) {
		uint32_t with = json_child(&w->tree, i, "withClause");

		if (w->n_scope_steps++ > TREE_SCOPE_STEPS_MAX)
			return false;
		if (with && tree_with_shows(w, with, range_var, name))
			return true;
	}
	return false;
}

/* The relation that nextval('…') and its like name, as the server reads such a string. */
static struct slice tree_regclass(struct walk *w, struct slice text)
{
	struct slice parts[3];
	size_t n = 0, at = 0;

	while (at < text.n && n < 3) {
		uint8_t *part = arena_alloc(w->arena, text.n);
		bool is_quoted = text.p[at] == '"';
		size_t len = 0;

		if (!part)
			return SLICE_NULL;
		for (at += is_quoted;
			at < text.n && (is_quoted ? text.p[at] != '"' : text.p[at] != '.'); at++) {
			uint8_t c = text.p[at];

			if (!is_quoted && !(c == '_' || c == '$' || (c >= '0' && c <= '9') ||
						  ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')))
				return SLICE_NULL;
			part[len++] = !is_quoted && c >= 'A' && c <= 'Z' ? c | 0x20 : c;
		}
		at += is_quoted;
		parts[n++] = slice_of(part, len < 63 ? len : 63);
		if (at < text.n && text.p[at++] != '.')
			return SLICE_NULL;
	}
	return at >= text.n ? walk_name(w, parts, n) : SLICE_NULL;
}

static struct slice tree_argument(struct walk *w, uint32_t args)
{
	uint32_t first = args ? json_first(&w->tree, args) : 0,
		 tag = first ? json_first(&w->tree, first) : 0;
	struct slice text;

	w->looked_at_constant = true;
	if (tag && tree_key_is(w, tag, "TypeCast"))
		first = json_child(&w->tree, tag, "arg");
	return first && walk_constant(w, first, &text) ? tree_regclass(w, text) : SLICE_NULL;
}

static void tree_known_function(
	struct walk *w, const struct function_info *f, struct slice name, uint32_t args)
{
	if (f->effect == EFFECT_ADMIN)
		w->facts->flags |= FACTS_LEXING | FACTS_OPAQUE_ROWS;
	switch (f->after) {
	case FUNCTION_ROLLS:
		break;
	case FUNCTION_STAYS:
		w->facts->flags |= FACTS_STAYS;
		break;
	case FUNCTION_TAKES_ID:
		w->facts->flags |= FACTS_TAKES_ID;
		break;
	}
	if (f->effect == EFFECT_EXECUTE || sql_function_is_prefix(f))
		walk_add_execute(w, walk_name(w, &name, 1));
	if (f->effect == EFFECT_EXECUTE)
		return;
	switch (f->object) {
	case FUNCTION_NONE:
		walk_add_bare(w, f->effect);
		break;
	case FUNCTION_NAME:
		walk_add(w, f->effect, walk_name(w, &name, 1), TRI_UNKNOWN);
		break;
	case FUNCTION_ARG:
		walk_add(w, f->effect, tree_argument(w, args), TRI_UNKNOWN);
		break;
	}
}

static void tree_function(struct walk *w, uint32_t funcname, uint32_t args)
{
	struct slice parts[3];
	size_t n = walk_strings(w, funcname, parts, 3);
	const struct function_info *f;

	if (n > 1 && sql_function_is_information(parts[n - 2], parts[n - 1])) {
		walk_add_use(w, USE_FUNCTION, parts[n - 1]);
		return;
	}
	if (!n || (n > 1 && !slice_eq_str(parts[n - 2], "pg_catalog"))) {
		walk_add_execute(w, walk_name(w, parts, n));
		return;
	}
	/* Without arguments nothing fits better than the server's own. */
	if (n == 1 && args)
		walk_add_use(w, USE_FUNCTION, parts[0]);
	if (sql_function_is_harmless(parts[n - 1]))
		return;
	f = sql_function_find(parts[n - 1]);
	if (f)
		tree_known_function(w, f, parts[n - 1], args);
	else
		walk_add_execute(w, walk_name(w, parts, n));
}

/* t.f and (t).f call f(t) where t has no column f. Columns are named after harmless functions all
 * the time; a name that means harm is reported. */
static void tree_attribute(struct walk *w, uint32_t list, size_t min)
{
	struct slice parts[2];
	size_t n = walk_strings(w, list, parts, 2);
	const struct function_info *f;

	if (n < min)
		return;
	walk_add_use(w, USE_ATTRIBUTE, parts[n - 1]);
	if (sql_function_is_harmless(parts[n - 1]))
		return;
	f = sql_function_find(parts[n - 1]);
	if (f && !sql_function_is_prefix(f))
		tree_known_function(w, f, parts[n - 1], 0);
}

/* OPERATOR(schema.+) and sampling methods are functions of that schema. */
static void tree_qualified(struct walk *w, uint32_t list)
{
	struct slice parts[3];
	size_t n = walk_strings(w, list, parts, 3);

	if (n > 1 && !slice_eq_str(parts[n - 2], "pg_catalog"))
		walk_add_execute(w, walk_name(w, parts, n));
	if (n == 1)
		walk_add_use(w, USE_OPERATOR, parts[0]);
}

/* A type that is named: casts to it may run code. */
static void tree_type(struct walk *w, uint32_t names)
{
	struct slice parts[3];
	size_t n = walk_strings(w, names, parts, 3);

	if (n && (n == 1 || !slice_eq_str(parts[n - 2], "pg_catalog")))
		walk_add_use(w, USE_TYPE, parts[n - 1]);
}

static void tree_sampling(struct walk *w, uint32_t sample)
{
	uint32_t method = json_child(&w->tree, sample, "method");
	struct slice parts[3];
	size_t n = method ? walk_strings(w, method, parts, 3) : 0;

	if (n == 1 && (slice_eq_str(parts[0], "system") || slice_eq_str(parts[0], "bernoulli")))
		return;
	walk_add_execute(w, walk_name(w, parts, n));
}

/* Members that mean the same wherever they stand; SelectStmt under UNION has no tag of its own. */
static void tree_member(struct walk *w, uint32_t node)
{
	if (tree_key_is(w, node, "lockingClause")) {
		w->facts->flags |= FACTS_ROW_LOCKS | FACTS_TAKES_ID;
		walk_claim(w, node); /* FOR UPDATE OF names what FROM has named already */
		walk_add_bare(w, EFFECT_SESSION);
	} else if (tree_key_is(w, node, "intoClause") || tree_key_is(w, node, "into")) {
		uint32_t rel = json_child(&w->tree, node, "rel");

		w->facts->flags |= FACTS_CATALOG | FACTS_STORES_ROWS;
		if (rel)
			walk_add_target(w, EFFECT_DEFINE, rel, TRI_UNKNOWN);
		else
			walk_add_any(w, EFFECT_DEFINE);
	} else if (tree_key_is(w, node, "name") || tree_key_is(w, node, "operName") ||
		   tree_key_is(w, node, "useOp")) {
		if (w->tree.nodes[node].kind == JSON_ARRAY)
			tree_qualified(w, node);
	} else if (tree_key_is(w, node, "names")) {
		if (w->tree.nodes[node].kind == JSON_ARRAY)
			tree_type(w, node);
	}
}

static void tree_tag(struct walk *w, uint32_t node)
{
	struct slice key = json_key(&w->tree, node);

	if (key.n > 4 && !memcmp(key.p + key.n - 4, "Stmt", 4)) {
		statement_walk(w, node);
	} else if (slice_eq(key, SLICE_LIT("ColumnRef"))) {
		uint32_t fields = json_child(&w->tree, node, "fields");

		if (fields)
			tree_attribute(w, fields, 2);
	} else if (slice_eq(key, SLICE_LIT("FuncCall"))) {
		uint32_t name = json_child(&w->tree, node, "funcname");

		if (name)
			tree_function(w, name, json_child(&w->tree, node, "args"));
		else
			walk_add_unknown(w);
	} else if (slice_eq(key, SLICE_LIT("A_Indirection"))) {
		uint32_t list = json_child(&w->tree, node, "indirection");

		if (list)
			tree_attribute(w, list, 1);
	} else if (slice_eq(key, SLICE_LIT("RangeTableSample"))) {
		tree_sampling(w, node);
	}
}

/* A call that is the server's own whatever else has the name: without arguments there is nothing
 * that somebody's function of the same name could fit better (the server's schema is searched
 * first), and to a plain string constant nothing fits better than text. */
static bool tree_is_own_call(struct walk *w, uint32_t call)
{
	static const char *const usual[] = {"args", "funcname", "funcformat", "location"};
	uint32_t name = json_child(&w->tree, call, "funcname");
	uint32_t args = json_child(&w->tree, call, "args"), first = 0;
	struct slice parts[3];
	size_t n = name ? walk_strings(w, name, parts, 3) : 0;

	for (uint32_t i = json_first(&w->tree, call); i; i = json_next(&w->tree, i)) {
		bool is_usual = false;

		for (size_t j = 0; j < sizeof(usual) / sizeof(usual[0]); j++)
			is_usual |= tree_key_is(w, i, usual[j]);
		if (!is_usual)
			return false;
	}
	if (!n || n > 2 || (n == 2 && !slice_eq_str(parts[0], "pg_catalog")))
		return false;
	if (args)
		first = json_first(&w->tree, args);
	if (!first)
		return sql_function_is_harmless(parts[n - 1]);
	if (!slice_eq_str(parts[n - 1], "current_setting") || json_next(&w->tree, first))
		return false;
	for (uint32_t i = first; i < w->tree.nodes[first].end; i++)
		if (tree_key_is(w, i, "sval") || tree_key_is(w, i, "str"))
			return true;
	return false;
}

/* Kinds of nodes that run nothing by themselves. All others, those of a later grammar too, make the
 * statement open. */
static bool tree_is_closed(struct walk *w, uint32_t node)
{
	static const char *const closed[] = {"SelectStmt", "ResTarget", "A_Const", "Integer",
		"Float", "String", "Boolean", "List", "SQLValueFunction", "NullTest", "Alias"};
	struct slice key = json_key(&w->tree, node);

	if (slice_eq(key, SLICE_LIT("FuncCall")))
		return tree_is_own_call(w, node);
	for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++)
		if (slice_eq_str(key, closed[i]))
			return true;
	return false;
}

static void tree_word(struct walk *w, uint32_t node)
{
	if ((tree_key_is(w, node, "relpersistence") &&
		    slice_eq_str(json_raw(&w->tree, node), "t")) ||
		(tree_key_is(w, node, "schemaname") &&
			slice_starts(json_raw(&w->tree, node), "pg_temp")))
		w->facts->flags |= FACTS_TEMPORARY;
}

static void tree_node(struct walk *w, uint32_t node)
{
	const struct json_node *n = &w->tree.nodes[node];

	if (n->kind == JSON_STRING)
		tree_word(w, node);
	if (n->kind != JSON_OBJECT && n->kind != JSON_ARRAY)
		return;
	if (n->key_len && w->tree.text.p[n->key] <= 'Z') {
		w->is_open |= !tree_is_closed(w, node);
		tree_tag(w, node);
	} else if (n->key_len)
		tree_member(w, node);
	w->is_open |= n->kind == JSON_OBJECT && walk_is_range_var(w, node);
	if (n->kind == JSON_OBJECT && !n->is_claimed && walk_is_range_var(w, node) &&
		!walk_is_with_name(w, node))
		walk_add(w, EFFECT_READ, walk_object(w, node, false), TRI_UNKNOWN);
}

/* The part of the text that belongs to this statement; zero is left out of the JSON. */
static struct slice tree_statement_text(struct walk *w, uint32_t raw)
{
	uint32_t at = json_child(&w->tree, raw, "stmt_location"),
		 len = json_child(&w->tree, raw, "stmt_len");
	struct slice s = w->text;

	if (at)
		s = slice_skip(s, strtoul((const char *)json_raw(&w->tree, at).p, NULL, 10));
	if (len)
		s = slice_head(s, strtoul((const char *)json_raw(&w->tree, len).p, NULL, 10));
	return s;
}

/* Statements that do what they say and nothing else, whatever they name. Not PREPARE: it reads the
 * constants of its statement, and a domain checks its conditions then. */
static bool tree_is_plain(struct slice key)
{
	static const char *const plain[] = {"TransactionStmt", "VariableSetStmt",
		"VariableShowStmt", "DeallocateStmt", "DiscardStmt", "ListenStmt", "UnlistenStmt",
		"ClosePortalStmt", "ConstraintsSetStmt"};

	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (slice_eq_str(key, plain[i]))
			return true;
	return false;
}

/* How the statement stands to those before it in the same text: see FACTS_NO_STAND. `control`:
 * those flags that speak of transactions, of this statement alone. */
static void tree_stand(struct walk *w, uint32_t control)
{
	const uint32_t reads =
		EFFECT_BIT(EFFECT_READ) | EFFECT_BIT(EFFECT_SESSION) | EFFECT_BIT(EFFECT_EXPORT);

	if (w->is_open)
		w->facts->flags |= FACTS_OPEN;
	if (w->is_open && !(w->effects & ~reads)) {
		if (w->has_ended)
			w->facts->flags |= FACTS_NO_STAND;
		w->has_unseen = true;
	}
	if (control & FACTS_ENDS_TX) {
		if ((control & FACTS_COMMITS) && w->has_unseen)
			w->facts->flags |= FACTS_NO_STAND;
		w->has_unseen = false;
		w->has_ended = true;
	}
	if (control & FACTS_BEGINS_TX)
		w->has_ended = false;
}

/* True if its facts may be kept by shape. */
static bool tree_statement(struct walk *w, uint32_t raw)
{
	uint32_t wrapper = json_child(&w->tree, raw, "stmt"),
		 tag = wrapper ? json_first(&w->tree, wrapper) : 0;
	struct slice key = tag ? json_key(&w->tree, tag) : SLICE_NULL;
	const uint32_t control = FACTS_BEGINS_TX | FACTS_ENDS_TX | FACTS_COMMITS;
	uint32_t others = w->facts->flags & control;

	w->facts->n_statements++;
	if (key.n < 4 || memcmp(key.p + key.n - 4, "Stmt", 4)) {
		walk_add_unknown(w);
		return false;
	}
	w->statement = tree_statement_text(w, raw);
	w->has_select = w->has_read = w->is_open = false;
	w->effects = 0;
	w->facts->flags &= ~control;
	for (uint32_t i = tag; i < w->tree.nodes[tag].end; i++)
		tree_node(w, i);
	if (w->has_select && !w->has_read)
		walk_add_bare(w, EFFECT_READ);
	if (tree_is_plain(key))
		w->is_open = false;
	tree_stand(w, w->facts->flags & control);
	w->facts->flags |= others;
	return statement_is_shapeable(w, tag);
}

static void tree_walk(struct walk *w)
{
	uint32_t stmts = json_child(&w->tree, 0, "stmts");
	bool is_shapeable = true;

	for (uint32_t i = stmts ? json_first(&w->tree, stmts) : 0; i; i = json_next(&w->tree, i))
		is_shapeable &= tree_statement(w, i);
	if (w->wants_lineage)
		w->facts->lineage = lineage_find(w, stmts);
	if (!w->facts->n_statements)
		walk_add_bare(w, EFFECT_SESSION);
	if (is_shapeable && !w->looked_at_constant)
		w->facts->flags |= FACTS_CONSTANT_FREE;
}

/* What a replication connection understands besides SQL; elsewhere these are syntax errors. */
static bool tree_is_replication(struct slice text)
{
	static const char *const commands[] = {"IDENTIFY_SYSTEM", "START_REPLICATION",
		"BASE_BACKUP", "CREATE_REPLICATION_SLOT", "DROP_REPLICATION_SLOT",
		"ALTER_REPLICATION_SLOT", "READ_REPLICATION_SLOT", "TIMELINE_HISTORY",
		"UPLOAD_MANIFEST"};
	size_t n = 0;

	while (text.n && (*text.p == ' ' || *text.p == '\t' || *text.p == '\n' || *text.p == '\r'))
		text = slice_skip(text, 1);
	while (n < text.n &&
		(text.p[n] == '_' || ((text.p[n] | 0x20) >= 'a' && (text.p[n] | 0x20) <= 'z')))
		n++;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (slice_caseeq_str(slice_head(text, n), commands[i]))
			return true;
	return false;
}

static int tree_facts_of_json(struct walk *w, const char *json)
{
	struct slice text = slice_str(json);
	int r = json_tree_init(&w->tree, text);

	w->has_with = memmem(text.p, text.n, "\"withClause\"", 12);
	if (!r)
		tree_walk(w);
	else if (r == JSON_E_MALFORMED)
		walk_add_unknown(w);
	json_tree_deinit(&w->tree);
	return r < 0 ? err_trace(r) : 0;
}

int pg_tree_facts(struct slice text, bool wants_lineage, struct arena *arena, struct facts *ret)
{
	struct walk w = {
		.text = text, .arena = arena, .facts = ret, .wants_lineage = wants_lineage};
	char *sql = arena_cstr(arena, text);
	PgQueryParseResult parsed;
	int r = 0;

	*ret = (struct facts){0};
	if (!sql)
		return err_raise(-ENOMEM);
	parsed = pg_query_parse(sql);
	ret->n_statements = parsed.error ? 1 : 0;
	if (!parsed.error) {
		r = tree_facts_of_json(&w, parsed.parse_tree);
	} else if (tree_is_replication(text)) {
		ret->flags |= FACTS_OPAQUE_ROWS | FACTS_CATALOG | FACTS_LEXING;
		walk_add_bare(&w, EFFECT_ADMIN);
	} else {
		walk_add_unknown(&w);
	}
	pg_query_free_parse_result(parsed);
	if (r)
		return err_trace(r);
	return w.no_memory ? err_raise(-ENOMEM) : 0;
}
