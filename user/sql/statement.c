/* SPDX-License-Identifier: Apache-2.0 */
/* What each kind of statement does: statements.def, and what its rows cannot say. */
#include <stdlib.h>

#include "sql/lex.h"
#include "sql/settings.h"
#include "sql/walk.h"

struct statement_info {
	const char *name;
	uint32_t effects;
	const char *object;
	uint32_t flags;
	void (*more)(struct walk *w, uint32_t tag);
};

/* ---- queries --------------------------------------------------------------------------------- */

/* Only a query whose rows go to the agent is a read of its own; the tables of the others (WITH,
 * subqueries, the source of an INSERT) are reported wherever they stand. */
static void statement_select(struct walk *w, uint32_t tag)
{
	struct slice wrapper = json_key(&w->tree, w->tree.nodes[tag].parent);

	if (slice_eq_str(wrapper, "stmt") || slice_eq_str(wrapper, "query"))
		w->has_select = true;
}

/* RETURNING shows rows of the target. */
static void statement_returning(struct walk *w, uint32_t tag, uint32_t relation)
{
	if (json_child(&w->tree, tag, "returningList"))
		walk_add(w, EFFECT_READ, walk_object(w, relation, false), TRI_UNKNOWN);
}

static void statement_insert(struct walk *w, uint32_t tag)
{
	uint32_t relation = json_child(&w->tree, tag, "relation");
	uint32_t conflict = json_child(&w->tree, tag, "onConflictClause");
	uint32_t source = json_child(&w->tree, tag, "selectStmt");
	bool is_values = source && json_first(&w->tree, source) &&
			 json_child(&w->tree, json_first(&w->tree, source), "valuesLists");

	walk_add_target(w, EFFECT_INSERT, relation, TRI_UNKNOWN);
	/* At most the rows that the VALUES name are changed. */
	if (conflict && !walk_says(w, conflict, "action", "ONCONFLICT_NOTHING"))
		walk_add_target(w, EFFECT_UPDATE, relation, is_values ? TRI_YES : TRI_UNKNOWN);
	statement_returning(w, tag, relation);
}

/* `other`: the member that joins more tables. A condition on those bounds nothing of the target. */
static void statement_change(struct walk *w, uint32_t tag, enum effect effect, const char *other)
{
	uint32_t relation = json_child(&w->tree, tag, "relation");
	enum tri bounded = where_is_bounded(w, json_child(&w->tree, tag, "whereClause"));

	if (bounded == TRI_YES && json_child(&w->tree, tag, other))
		bounded = TRI_UNKNOWN;
	walk_add_target(w, effect, relation, bounded);
	statement_returning(w, tag, relation);
}

static void statement_update(struct walk *w, uint32_t tag)
{
	statement_change(w, tag, EFFECT_UPDATE, "fromClause");
}

static void statement_delete(struct walk *w, uint32_t tag)
{
	statement_change(w, tag, EFFECT_DELETE, "usingClause");
}

static void statement_merge(struct walk *w, uint32_t tag)
{
	uint32_t relation = json_child(&w->tree, tag, "relation");
	uint32_t clauses = json_child(&w->tree, tag, "mergeWhenClauses");

	walk_claim(w, relation);
	for (uint32_t i = clauses ? json_first(&w->tree, clauses) : 0; i;
		i = json_next(&w->tree, i)) {
		uint32_t clause = json_first(&w->tree, i);

		if (walk_says(w, clause, "commandType", "CMD_INSERT"))
			walk_add_target(w, EFFECT_INSERT, relation, TRI_UNKNOWN);
		else if (walk_says(w, clause, "commandType", "CMD_UPDATE"))
			walk_add_target(w, EFFECT_UPDATE, relation, TRI_UNKNOWN);
		else if (walk_says(w, clause, "commandType", "CMD_DELETE"))
			walk_add_target(w, EFFECT_DELETE, relation, TRI_UNKNOWN);
		else if (!walk_says(w, clause, "commandType", "CMD_NOTHING"))
			walk_add_unknown(w);
	}
	walk_add(w, EFFECT_READ, walk_object(w, relation, false), TRI_UNKNOWN);
}

/* The value of an option: a name, a string or a number; empty if it has none or is something else.
 */
static struct slice statement_option(struct walk *w, uint32_t element)
{
	uint32_t arg = json_child(&w->tree, element, "arg"), tag, value;
	struct slice text;

	if (!arg)
		return SLICE_NULL;
	if (walk_constant(w, arg, &text))
		return text;
	tag = json_first(&w->tree, arg);
	value = tag ? json_first(&w->tree, tag) : 0;
	if (!value && tag && slice_eq_str(json_key(&w->tree, tag), "Integer"))
		return SLICE_LIT("0");
	return value ? json_raw(&w->tree, value) : SLICE_NULL;
}

/* EXPLAIN runs the statement unless the last `analyze` among the options plainly says no. */
static bool statement_analyzes(struct walk *w, uint32_t tag)
{
	static const char *const no[] = {"off", "false", "0"};
	uint32_t options = json_child(&w->tree, tag, "options");
	bool analyzes = false;

	for (uint32_t i = options ? json_first(&w->tree, options) : 0; i;
		i = json_next(&w->tree, i)) {
		uint32_t element = json_first(&w->tree, i),
			 name = json_child(&w->tree, element, "defname");

		if (!name || !slice_caseeq_str(json_raw(&w->tree, name), "analyze"))
			continue;
		analyzes = true;
		for (size_t j = 0; j < sizeof(no) / sizeof(no[0]); j++)
			if (slice_caseeq_str(statement_option(w, element), no[j]))
				analyzes = false;
	}
	return analyzes;
}

static void statement_explain(struct walk *w, uint32_t tag)
{
	if (!statement_analyzes(w, tag) && w->tree.nodes[tag].end > w->plan_only_end)
		w->plan_only_end = w->tree.nodes[tag].end;
}

/* ---- COPY ------------------------------------------------------------------------------------ */

/* True unless the format is text or CSV for certain. */
static bool statement_copy_is_binary(struct walk *w, uint32_t tag)
{
	uint32_t options = json_child(&w->tree, tag, "options");
	bool is_binary = false;

	for (uint32_t i = options ? json_first(&w->tree, options) : 0; i;
		i = json_next(&w->tree, i)) {
		uint32_t element = json_first(&w->tree, i),
			 name = json_child(&w->tree, element, "defname");
		struct slice format;

		if (!name || !slice_caseeq_str(json_raw(&w->tree, name), "format"))
			continue;
		format = statement_option(w, element);
		is_binary |= !slice_eq_str(format, "text") && !slice_eq_str(format, "csv");
	}
	return is_binary;
}

/* COPY (query) exports what the query reads: told once the query has been walked ahead. */
static void statement_copy_query(struct walk *w, uint32_t query)
{
	bool found = false;

	for (uint32_t i = query; i < w->tree.nodes[query].end; i++) {
		if (!walk_is_range_var(w, i) || w->tree.nodes[i].is_claimed)
			continue;
		found = true;
		/* WITH names are exported under their own name too: more than is so, never less. */
		walk_add(w, EFFECT_EXPORT, walk_object(w, i, false), TRI_UNKNOWN);
		w->tree.nodes[i].is_claimed = false;
	}
	if (!found)
		walk_add_any(w, EFFECT_EXPORT);
}

static void statement_copy(struct walk *w, uint32_t tag)
{
	uint32_t relation = json_child(&w->tree, tag, "relation"),
		 query = json_child(&w->tree, tag, "query");
	bool is_from = walk_says(w, tag, "is_from", "true");
	bool is_program = walk_says(w, tag, "is_program", "true");

	if (query)
		statement_copy_query(w, query);
	if (relation) {
		struct slice object = walk_object(w, relation, false);

		if (is_from)
			walk_add_target(w, EFFECT_INSERT, relation, TRI_UNKNOWN);
		else
			walk_add(w, EFFECT_READ, object, TRI_UNKNOWN);
		walk_add(w, is_from ? EFFECT_IMPORT : EFFECT_EXPORT, object, TRI_UNKNOWN);
	}
	if (is_program || json_child(&w->tree, tag, "filename")) {
		walk_add_bare(w, EFFECT_ADMIN);
		walk_add_execute(w, is_program ? SLICE_LIT("program") : SLICE_LIT("file"));
		return;
	}
	w->facts->flags |= is_from ? FACTS_COPY_IN : FACTS_COPY_OUT;
	if (statement_copy_is_binary(w, tag))
		w->facts->flags |= FACTS_COPY_BINARY;
}

/* ---- session --------------------------------------------------------------------------------- */

static void statement_setting(struct walk *w, struct slice name, struct slice value)
{
	if (sql_setting_is_harmless(name, value, &w->looked_at_constant)) {
		walk_add_bare(w, EFFECT_SESSION);
		return;
	}
	w->facts->flags |= FACTS_LEXING;
	walk_add_bare(w, EFFECT_ADMIN);
}

/* Modes of BEGIN and SET TRANSACTION: isolation, read only, deferrable. */
static void statement_modes(struct walk *w, uint32_t list)
{
	for (uint32_t i = list ? json_first(&w->tree, list) : 0; i; i = json_next(&w->tree, i)) {
		uint32_t element = json_first(&w->tree, i);
		uint32_t name = element ? json_child(&w->tree, element, "defname") : 0;

		if (name)
			statement_setting(
				w, json_raw(&w->tree, name), statement_option(w, element));
		else
			walk_add_bare(w, EFFECT_ADMIN);
	}
}

static uint32_t statement_transaction_flags(struct walk *w, uint32_t tag)
{
	static const struct {
		const char *kind;
		uint32_t flags;
	} kinds[] = {
		{"TRANS_STMT_BEGIN", FACTS_BEGINS_TX},
		{"TRANS_STMT_START", FACTS_BEGINS_TX},
		{"TRANS_STMT_COMMIT", FACTS_ENDS_TX | FACTS_COMMITS},
		{"TRANS_STMT_PREPARE", FACTS_ENDS_TX | FACTS_COMMITS},
		{"TRANS_STMT_ROLLBACK", FACTS_ENDS_TX},
		{"TRANS_STMT_SAVEPOINT", 0},
		{"TRANS_STMT_RELEASE", 0},
		{"TRANS_STMT_ROLLBACK_TO", FACTS_REVIVES_TX},
	};
	uint32_t chain = walk_says(w, tag, "chain", "true") ? FACTS_BEGINS_TX : 0;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (walk_says(w, tag, "kind", kinds[i].kind))
			return kinds[i].flags | chain;
	/* COMMIT PREPARED and its like, and whatever a later grammar brings. */
	return FACTS_ENDS_TX | FACTS_COMMITS;
}

static void statement_transaction(struct walk *w, uint32_t tag)
{
	static const char *const usual[] = {
		"BEGIN", "START", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "ROLLBACK_TO"};
	struct slice kind = json_raw(&w->tree, json_child(&w->tree, tag, "kind"));

	w->facts->flags |= FACTS_TX_CONTROL | statement_transaction_flags(w, tag);
	statement_modes(w, json_child(&w->tree, tag, "options"));
	kind = slice_starts(kind, "TRANS_STMT_") ? slice_skip(kind, strlen("TRANS_STMT_"))
						 : SLICE_NULL;
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
		if (slice_eq_str(kind, usual[i])) {
			walk_add_bare(w, EFFECT_SESSION);
			return;
		}
	}
	/* Two-phase commit: another session's transaction, or one that outlives this session. */
	walk_add_bare(w, EFFECT_ADMIN);
}

static void statement_set(struct walk *w, uint32_t tag)
{
	uint32_t name = json_child(&w->tree, tag, "name"), args = json_child(&w->tree, tag, "args");
	uint32_t first = args ? json_first(&w->tree, args) : 0;
	struct slice value = SLICE_NULL;

	if (walk_says(w, tag, "kind", "VAR_SET_MULTI")) {
		statement_modes(w, args);
		return;
	}
	if (walk_says(w, tag, "kind", "VAR_SET_VALUE") && first && !json_next(&w->tree, first) &&
		!walk_constant(w, first, &value))
		value = SLICE_NULL;
	statement_setting(w, name ? json_text(&w->tree, name, w->arena) : SLICE_NULL, value);
}

/* The text behind `PREPARE name (types) AS`; the tree does not say where it begins. */
static struct slice statement_prepared_text(struct slice statement)
{
	struct lex l = lex_of(statement);
	struct lex_token t = lex_next(&l);
	unsigned depth = 0;

	if (!lex_is_word(&t, "prepare"))
		return SLICE_NULL;
	t = lex_next(&l);
	if (t.kind != LEX_WORD && t.kind != LEX_QUOTED)
		return SLICE_NULL;
	for (t = lex_next(&l); t.kind != LEX_END; t = lex_next(&l)) {
		if (!depth && lex_is_word(&t, "as"))
			return slice_of(l.p, (size_t)(l.end - l.p));
		if (t.kind == LEX_OTHER && *t.text.p == '(')
			depth++;
		else if (t.kind == LEX_OTHER && *t.text.p == ')' && depth)
			depth--;
	}
	return SLICE_NULL;
}

static struct slice statement_name(struct walk *w, uint32_t tag)
{
	uint32_t name = json_child(&w->tree, tag, "name");

	return name ? json_text(&w->tree, name, w->arena) : SLICE_NULL;
}

static void statement_prepare(struct walk *w, uint32_t tag)
{
	walk_add_bare(w, EFFECT_SESSION);
	walk_add_name(
		w, NAME_DEFINE, statement_name(w, tag), statement_prepared_text(w->statement));
}

static void statement_execute(struct walk *w, uint32_t tag)
{
	walk_add_executes(w, statement_name(w, tag));
}

/* `options` are bits: CURSOR_OPT_HOLD is 0x10 in version 13 and 0x20 from 14 on, where 0x10 says a
 * thing that hardly anybody writes. */
static void statement_declare(struct walk *w, uint32_t tag)
{
	uint32_t options = json_child(&w->tree, tag, "options");

	if (!options || strtoul((const char *)json_raw(&w->tree, options).p, NULL, 10) & 0x30)
		w->facts->flags |= FACTS_HOLD_CURSOR;
}

static void statement_deallocate(struct walk *w, uint32_t tag)
{
	struct slice name = statement_name(w, tag);

	walk_add_name(w, name.n ? NAME_REMOVE : NAME_REMOVE_ALL, name, SLICE_NULL);
}

static void statement_discard(struct walk *w, uint32_t tag)
{
	w->facts->flags |= FACTS_CATALOG;
	/* Dropping temporary tables changes the catalog. */
	if (!walk_says(w, tag, "target", "DISCARD_PLANS"))
		w->facts->flags |= FACTS_TAKES_ID;
	if (walk_says(w, tag, "target", "DISCARD_PLANS") ||
		walk_says(w, tag, "target", "DISCARD_SEQUENCES") ||
		walk_says(w, tag, "target", "DISCARD_TEMP"))
		return;
	/* ALL goes back to how the session began: settings, role, and no statement names. */
	w->facts->flags |= FACTS_LEXING;
	walk_add_name(w, NAME_REMOVE_ALL, SLICE_NULL, SLICE_NULL);
}

/* ---- code ------------------------------------------------------------------------------------ */

static void statement_do(struct walk *w, uint32_t tag)
{
	(void)tag;
	walk_add_execute(w, SLICE_NULL);
	walk_add_unknown(w);
}

static void statement_call(struct walk *w, uint32_t tag)
{
	uint32_t call = json_child(&w->tree, tag, "funccall"), name;

	name = call ? json_child(&w->tree, call, "funcname") : 0;
	walk_add_execute(w, name ? walk_object(w, name, false) : SLICE_NULL);
}

/* ---- objects --------------------------------------------------------------------------------- */

/* CASCADE takes along what depends on the object: that could be anything. */
static void statement_cascade(struct walk *w, uint32_t node)
{
	if (walk_says(w, node, "behavior", "DROP_CASCADE"))
		walk_add_any(w, EFFECT_DESTROY);
}

/* Objects that are named as `table.name`: what is done is done to the table. */
static bool statement_is_on_table(struct walk *w, uint32_t tag, const char *member)
{
	static const char *const kinds[] = {"OBJECT_COLUMN", "OBJECT_TRIGGER", "OBJECT_RULE",
		"OBJECT_POLICY", "OBJECT_TABCONSTRAINT"};
	bool is_on_table = false;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		is_on_table |= walk_says(w, tag, member, kinds[i]);
	return is_on_table;
}

static void statement_drop(struct walk *w, uint32_t tag)
{
	uint32_t objects = json_child(&w->tree, tag, "objects");
	bool is_on_table = statement_is_on_table(w, tag, "removeType");

	for (uint32_t i = objects ? json_first(&w->tree, objects) : 0; i;
		i = json_next(&w->tree, i))
		walk_add(w, EFFECT_DESTROY, walk_object(w, i, is_on_table), TRI_UNKNOWN);
	if (!objects)
		walk_add_any(w, EFFECT_DESTROY);
	statement_cascade(w, tag);
	if (walk_says(w, tag, "removeType", "OBJECT_POLICY"))
		walk_add_any(w, EFFECT_GRANT);
}

static void statement_describe(struct walk *w, uint32_t tag, enum effect effect)
{
	uint32_t object = json_child(&w->tree, tag, "object");
	bool is_on_table = statement_is_on_table(w, tag, "objtype");

	walk_add(w, effect, object ? walk_object(w, object, is_on_table) : SLICE_NULL, TRI_UNKNOWN);
}

static void statement_comment(struct walk *w, uint32_t tag)
{
	statement_describe(w, tag, EFFECT_DEFINE);
}

static void statement_label(struct walk *w, uint32_t tag)
{
	statement_describe(w, tag, EFFECT_GRANT);
}

static void statement_grant(struct walk *w, uint32_t tag)
{
	uint32_t objects = json_child(&w->tree, tag, "objects");

	for (uint32_t i = objects ? json_first(&w->tree, objects) : 0; i;
		i = json_next(&w->tree, i))
		walk_add(w, EFFECT_GRANT, walk_object(w, i, false), TRI_UNKNOWN);
	if (!objects || !walk_says(w, tag, "targtype", "ACL_TARGET_OBJECT"))
		walk_add_any(w, EFFECT_GRANT);
}

/* Is it of these kinds? Their members end with NULL. */
static bool statement_kind_is(
	struct walk *w, uint32_t tag, const char *member, const char *const kinds[])
{
	for (size_t i = 0; kinds[i]; i++)
		if (walk_says(w, tag, member, kinds[i]))
			return true;
	return false;
}

/* All tables below a node are defined anew in some way. They stay unclaimed: they are read, too. */
static void statement_define_tables(struct walk *w, uint32_t node)
{
	for (uint32_t i = node; i < w->tree.nodes[node].end; i++) {
		bool was_claimed = w->tree.nodes[i].is_claimed;

		if (!walk_is_range_var(w, i) || walk_is_with_name(w, i))
			continue;
		walk_add(w, EFFECT_DEFINE, walk_object(w, i, false), TRI_UNKNOWN);
		w->tree.nodes[i].is_claimed = was_claimed;
	}
}

/* Parents get a child: their rows are more than before. Referenced tables get triggers. */
static void statement_create_table(struct walk *w, uint32_t tag)
{
	uint32_t parents = json_child(&w->tree, tag, "inhRelations"),
		 elements = json_child(&w->tree, tag, "tableElts");

	for (uint32_t i = parents ? json_first(&w->tree, parents) : 0; i;
		i = json_next(&w->tree, i))
		walk_add(w, EFFECT_DEFINE, walk_object(w, i, false), TRI_UNKNOWN);
	for (uint32_t i = elements; i && i < w->tree.nodes[elements].end; i++)
		if (slice_eq_str(json_key(&w->tree, i), "pktable"))
			statement_define_tables(w, i);
}

/* A view is another name for its tables: what is done to it is done to them. */
static void statement_view(struct walk *w, uint32_t tag)
{
	uint32_t query = json_child(&w->tree, tag, "query");

	if (!query)
		return;
	statement_define_tables(w, query);
	for (uint32_t i = query; i < w->tree.nodes[query].end; i++) {
		if (!walk_is_range_var(w, i) || walk_is_with_name(w, i) || !walk_is_system(w, i))
			continue;
		/* A change of pg_settings is SET, whatever it is called. */
		w->facts->flags |= FACTS_LEXING;
		walk_add_bare(w, EFFECT_ADMIN);
	}
}

static void statement_code(struct walk *w, uint32_t tag)
{
	(void)tag;
	walk_add_code(w);
}

/* Aggregates, operators and types have functions behind them; collations and configurations of
 * text search have none. */
static void statement_define(struct walk *w, uint32_t tag)
{
	static const char *const plain[] = {
		"OBJECT_COLLATION", "OBJECT_TSDICTIONARY", "OBJECT_TSCONFIGURATION", NULL};

	if (!statement_kind_is(w, tag, "kind", plain))
		walk_add_code(w);
}

/* Where it goes there is something new, as if it had been made there. */
static void statement_move(struct walk *w, uint32_t tag)
{
	uint32_t schema = json_child(&w->tree, tag, "newschema"),
		 relation = json_child(&w->tree, tag, "relation"),
		 object = json_child(&w->tree, tag, "object");
	struct slice parts[2] = {SLICE_NULL, SLICE_NULL};

	if (schema)
		parts[0] = json_text(&w->tree, schema, w->arena);
	if (relation)
		parts[1] = json_text(&w->tree, json_child(&w->tree, relation, "relname"), w->arena);
	for (uint32_t i = object; i && !parts[1].n && i < w->tree.nodes[object].end; i++)
		if (w->tree.nodes[i].kind == JSON_ARRAY)
			walk_strings(w, i, &parts[1], 1);
	walk_add(w, EFFECT_DEFINE, parts[0].n && parts[1].n ? walk_name(w, parts, 2) : SLICE_NULL,
		TRI_UNKNOWN);
}

static void statement_foreign_table(struct walk *w, uint32_t tag)
{
	uint32_t base = json_child(&w->tree, tag, "base");
	uint32_t relation = base ? json_child(&w->tree, base, "relation") : 0;

	walk_add(w, EFFECT_DEFINE, relation ? walk_object(w, relation, false) : SLICE_NULL,
		TRI_UNKNOWN);
}

static void statement_table_command(struct walk *w, uint32_t cmd, struct slice table)
{
	uint32_t subtype = json_child(&w->tree, cmd, "subtype");
	struct slice kind = subtype ? json_raw(&w->tree, subtype) : SLICE_NULL;

	if (slice_eq_str(kind, "AT_DropColumn")) {
		walk_add(w, EFFECT_DESTROY, table, TRI_UNKNOWN);
		statement_cascade(w, cmd);
	} else if (slice_eq_str(kind, "AT_ChangeOwner") ||
		   (kind.n > 11 && memmem(kind.p, kind.n, "RowSecurity", 11))) {
		walk_add(w, EFFECT_GRANT, table, TRI_UNKNOWN);
	}
}

static void statement_alter_table(struct walk *w, uint32_t tag)
{
	uint32_t relation = json_child(&w->tree, tag, "relation"),
		 cmds = json_child(&w->tree, tag, "cmds");
	struct slice table = relation ? walk_object(w, relation, false) : SLICE_NULL;

	for (uint32_t i = cmds ? json_first(&w->tree, cmds) : 0; i; i = json_next(&w->tree, i)) {
		uint32_t cmd = json_first(&w->tree, i);

		statement_table_command(w, cmd, table);
		/* Partitions, parents and referenced tables are changed with it. */
		for (uint32_t j = cmd; j < w->tree.nodes[cmd].end; j++)
			if (walk_is_range_var(w, j))
				walk_add(w, EFFECT_DEFINE, walk_object(w, j, false), TRI_UNKNOWN);
	}
}

static void statement_rename(struct walk *w, uint32_t tag)
{
	if (walk_says(w, tag, "renameType", "OBJECT_ROLE"))
		walk_add_any(w, EFFECT_GRANT);
	else if (walk_says(w, tag, "renameType", "OBJECT_DATABASE"))
		walk_add_bare(w, EFFECT_ADMIN);
}

/* ---- the table ------------------------------------------------------------------------------- */

#define STATEMENT_READ    EFFECT_BIT(EFFECT_READ)
#define STATEMENT_SESSION EFFECT_BIT(EFFECT_SESSION)
#define STATEMENT_UPDATE  EFFECT_BIT(EFFECT_UPDATE)
#define STATEMENT_DESTROY EFFECT_BIT(EFFECT_DESTROY)
#define STATEMENT_DEFINE  EFFECT_BIT(EFFECT_DEFINE)
#define STATEMENT_GRANT   EFFECT_BIT(EFFECT_GRANT)
#define STATEMENT_EXECUTE EFFECT_BIT(EFFECT_EXECUTE)
#define STATEMENT_ADMIN   EFFECT_BIT(EFFECT_ADMIN)

static const struct statement_info statement_table[] = {
#define STATEMENT(name, effects, object, flags, more) {name, effects, object, flags, more},
#include "sql/statements.def"
#undef STATEMENT
};

static int statement_compare(const void *key, const void *row)
{
	const struct slice *name = key;
	const char *other = ((const struct statement_info *)row)->name;
	int order = strncmp((const char *)name->p, other, name->n);

	return order ? order : -(int)(strlen(other) > name->n);
}

static const struct statement_info *statement_find(struct slice name)
{
	return bsearch(&name, statement_table, sizeof(statement_table) / sizeof(statement_table[0]),
		sizeof(statement_table[0]), statement_compare);
}

/* The member that `a|b` or `*a` names, or 0. */
static uint32_t statement_member(struct walk *w, uint32_t tag, const char *spec)
{
	char key[32];

	for (spec += *spec == '*'; *spec;) {
		size_t n = strcspn(spec, "|");
		uint32_t member = 0;

		if (n < sizeof(key)) {
			memcpy(key, spec, n);
			key[n] = '\0';
			member = json_child(&w->tree, tag, key);
		}
		if (member)
			return member;
		spec += n + (spec[n] == '|');
	}
	return 0;
}

static void statement_effect(struct walk *w, enum effect effect, struct slice object)
{
	if (effect == EFFECT_READ || effect == EFFECT_SESSION || effect == EFFECT_ADMIN)
		walk_add_bare(w, effect);
	else
		walk_add(w, effect, object, TRI_UNKNOWN);
}

static void statement_effects(
	struct walk *w, const struct statement_info *info, struct slice object)
{
	for (int e = 0; e < EFFECT_N; e++)
		if (info->effects & EFFECT_BIT(e))
			statement_effect(w, (enum effect)e, object);
}

void statement_walk(struct walk *w, uint32_t tag)
{
	const struct statement_info *info = statement_find(json_key(&w->tree, tag));
	uint32_t member;

	if (!info) {
		walk_add_unknown(w);
		return;
	}
	w->facts->flags |= info->flags;
	member = info->object ? statement_member(w, tag, info->object) : 0;
	if (member && *info->object == '*') {
		for (uint32_t i = json_first(&w->tree, member); i; i = json_next(&w->tree, i))
			statement_effects(w, info, walk_object(w, i, false));
	} else {
		statement_effects(w, info, member ? walk_object(w, member, false) : SLICE_NULL);
	}
	if (info->effects & STATEMENT_DESTROY)
		statement_cascade(w, tag);
	if (info->more)
		info->more(w, tag);
}

bool statement_is_shapeable(const struct walk *w, uint32_t tag)
{
	static const char *const kinds[] = {
		"SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (slice_eq_str(json_key(&w->tree, tag), kinds[i]))
			return true;
	return slice_eq_str(json_key(&w->tree, tag), "TransactionStmt") &&
	       !json_child(&w->tree, tag, "options") && !json_child(&w->tree, tag, "gid");
}
