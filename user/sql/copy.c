/* SPDX-License-Identifier: Apache-2.0 */
/* The columns and the format of a COPY … TO STDOUT: see copy.h. */
#include "sql/copy.h"

#include <errno.h>
#include <pg_query.h>

#include "sql/json_tree.h"
#include "sql/lex.h"
#include "sql/prescan.h"
#include "sql/sql.h"
#include "util/writer.h"

struct copy {
	struct json_tree tree;
	struct arena *arena;
	uint32_t tag; /* CopyStmt */
};

static struct slice copy_member(struct copy *c, uint32_t node, const char *key)
{
	uint32_t member = node ? json_child(&c->tree, node, key) : 0;

	return member ? json_text(&c->tree, member, c->arena) : SLICE_NULL;
}

static bool copy_says(const struct copy *c, uint32_t node, const char *key, const char *value)
{
	uint32_t member = json_child(&c->tree, node, key);

	return member && slice_eq_str(json_raw(&c->tree, member), value);
}

/* ---- options --------------------------------------------------------------------------------- */

/* The words of an option: a string, a number or a boolean. False: something else. */
static bool copy_value(struct copy *c, uint32_t element, struct slice *ret)
{
	static const char *const members[] = {"sval", "str", "ival", "boolval", NULL};
	uint32_t arg = json_child(&c->tree, element, "arg"), tag;

	*ret = SLICE_NULL;
	if (!arg)
		return true;
	tag = json_first(&c->tree, arg);
	if (!tag || (!slice_eq_str(json_key(&c->tree, tag), "String") &&
			    !slice_eq_str(json_key(&c->tree, tag), "Integer") &&
			    !slice_eq_str(json_key(&c->tree, tag), "Boolean")))
		return false;
	for (size_t i = 0; members[i]; i++) {
		uint32_t value = json_child(&c->tree, tag, members[i]);

		if (!value)
			continue;
		*ret = c->tree.nodes[value].kind == JSON_STRING
			       ? json_text(&c->tree, value, c->arena)
			       : json_raw(&c->tree, value);
		return true;
	}
	/* Zero, false and the empty string are left out of the tree. */
	*ret = slice_of("0", slice_eq_str(json_key(&c->tree, tag), "String") ? 0 : 1);
	return true;
}

/* As defGetBoolean() reads it; no value is yes. */
static bool copy_flag(struct slice value, bool *ret)
{
	static const char *const yes[] = {"true", "on", "1"}, *const no[] = {"false", "off", "0"};

	*ret = !value.p;
	for (size_t i = 0; value.p && i < 3; i++) {
		*ret |= slice_caseeq_str(value, yes[i]);
		if (slice_caseeq_str(value, no[i]))
			return true;
	}
	return *ret;
}

static bool copy_byte(struct slice value, uint8_t *ret)
{
	if (value.n != 1 || value.p[0] >= 0x80)
		return false;
	*ret = value.p[0];
	return true;
}

static bool copy_null_is(struct copy_format *f, struct slice value)
{
	if (value.n > COPY_NULL_MAX)
		return false;
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] >= 0x80 || value.p[i] < ' ')
			return false;
		f->null[i] = (char)value.p[i];
	}
	f->null_len = (uint8_t)value.n;
	return true;
}

static bool copy_kind_is(struct copy_format *f, struct slice value)
{
	static const char *const names[] = {
		[COPY_TEXT] = "text", [COPY_CSV] = "csv", [COPY_BINARY] = "binary"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!slice_eq_str(value, names[i]))
			continue;
		f->kind = (enum copy_kind)i;
		return true;
	}
	return false;
}

/* Encodings in which no byte of a longer character is one of those that mean something here. */
static bool copy_encoding_is_plain(struct slice value)
{
	static const char *const plain[] = {
		"utf8", "utf-8", "unicode", "sql_ascii", "latin1", "latin9", NULL};

	for (size_t i = 0; plain[i]; i++)
		if (slice_caseeq_str(value, plain[i]))
			return true;
	return false;
}

enum { COPY_HAS_NULL = 1, COPY_HAS_DELIMITER = 2, COPY_HAS_QUOTE = 4, COPY_HAS_ESCAPE = 8 };

static bool copy_option(struct copy *c, uint32_t element, struct copy_format *f, unsigned *has)
{
	struct slice name = copy_member(c, element, "defname"), value;

	if (slice_eq_str(name, "force_quote")) {
		f->forces_quotes = true;
		return true;
	}
	if (!copy_value(c, element, &value))
		return false;
	if (slice_eq_str(name, "format"))
		return copy_kind_is(f, value);
	if (slice_eq_str(name, "header"))
		return copy_flag(value, &f->has_header);
	if (slice_eq_str(name, "encoding"))
		return copy_encoding_is_plain(value);
	if (slice_eq_str(name, "null")) {
		*has |= COPY_HAS_NULL;
		return copy_null_is(f, value);
	}
	if (slice_eq_str(name, "delimiter")) {
		*has |= COPY_HAS_DELIMITER;
		return copy_byte(value, &f->delimiter);
	}
	if (slice_eq_str(name, "quote")) {
		*has |= COPY_HAS_QUOTE;
		return copy_byte(value, &f->quote);
	}
	*has |= COPY_HAS_ESCAPE;
	return slice_eq_str(name, "escape") && copy_byte(value, &f->escape);
}

/* False: an option that nobody here knows, or twice the same. The server refuses what does not go
 * together. */
static bool copy_options(struct copy *c, struct copy_format *f)
{
	uint32_t options = json_child(&c->tree, c->tag, "options");
	unsigned has = 0;

	*f = (struct copy_format){.kind = COPY_TEXT};
	for (uint32_t i = options ? json_first(&c->tree, options) : 0; i;
		i = json_next(&c->tree, i)) {
		uint32_t element = json_first(&c->tree, i);

		if (!element || !copy_option(c, element, f, &has))
			return false;
	}
	if (!(has & COPY_HAS_DELIMITER))
		f->delimiter = f->kind == COPY_CSV ? ',' : '\t';
	if (!(has & COPY_HAS_QUOTE))
		f->quote = '"';
	if (!(has & COPY_HAS_ESCAPE))
		f->escape = f->quote;
	if (!(has & COPY_HAS_NULL))
		(void)copy_null_is(f, f->kind == COPY_CSV ? SLICE_LIT("") : SLICE_LIT("\\N"));
	return true;
}

/* ---- columns --------------------------------------------------------------------------------- */

static void copy_quoted(struct writer *w, struct slice name)
{
	wr_u8(w, '"');
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == '"')
			wr_u8(w, '"');
		wr_u8(w, name.p[i]);
	}
	wr_u8(w, '"');
}

/* A table: its columns, or those that are named, in the table alone and not in its children. */
static struct slice copy_of_table(struct copy *c, uint32_t relation, size_t max)
{
	uint32_t columns = json_child(&c->tree, c->tag, "attlist");
	struct slice schema = copy_member(c, relation, "schemaname");
	uint8_t *mem = arena_alloc(c->arena, max);
	struct writer w = writer_of(mem, mem ? max : 0);

	if (json_child(&c->tree, relation, "catalogname"))
		return SLICE_NULL;
	wr_str(&w, "SELECT ");
	for (uint32_t i = columns ? json_first(&c->tree, columns) : 0; i;
		i = json_next(&c->tree, i)) {
		uint32_t tag = json_first(&c->tree, i);
		struct slice name = copy_member(c, tag, "sval");

		copy_quoted(&w, name.n ? name : copy_member(c, tag, "str"));
		if (json_next(&c->tree, i))
			wr_str(&w, ", ");
	}
	wr_str(&w, columns ? " FROM ONLY " : "* FROM ONLY ");
	if (schema.n) {
		copy_quoted(&w, schema);
		wr_u8(&w, '.');
	}
	copy_quoted(&w, copy_member(c, relation, "relname"));
	return wr_done(&w);
}

/* What stands in the brackets behind COPY. */
static struct slice copy_of_query(struct slice text)
{
	struct lex l = lex_of(text);
	struct lex_token t = lex_next(&l);
	const uint8_t *begin;
	size_t depth = 1;

	if (!lex_is_word(&t, "copy"))
		return SLICE_NULL;
	t = lex_next(&l);
	if (t.kind != LEX_OTHER || t.text.p[0] != '(')
		return SLICE_NULL;
	begin = l.p;
	for (t = lex_next(&l); t.kind != LEX_END; t = lex_next(&l)) {
		if (t.kind != LEX_OTHER)
			continue;
		depth += t.text.p[0] == '(';
		depth -= t.text.p[0] == ')';
		if (!depth)
			return slice_of(begin, (size_t)(t.text.p - begin));
	}
	return SLICE_NULL;
}

/* The next node that is no position in the text. */
static uint32_t copy_next_node(const struct json_tree *t, uint32_t i, uint32_t end)
{
	while (i < end && slice_eq_str(json_key(t, i), "location"))
		i++;
	return i;
}

/* Is the text that query, and no other? It was cut out by its tokens: whoever reads those otherwise
 * than the server would ask about another query. */
static int copy_is_query(struct copy *c, uint32_t query, struct slice text, bool *ret)
{
	const struct json_tree *a = &c->tree;
	struct json_tree b = {0};
	char *sql = arena_cstr(c->arena, text);
	PgQueryParseResult parsed;
	uint32_t stmts, raw, i, j, end;
	int r;

	*ret = false;
	if (!sql)
		return err_raise(-ENOMEM);
	parsed = pg_query_parse(sql);
	r = parsed.error ? JSON_E_MALFORMED : json_tree_init(&b, slice_str(parsed.parse_tree));
	stmts = r ? 0 : json_child(&b, 0, "stmts");
	raw = stmts ? json_first(&b, stmts) : 0;
	j = raw && !json_next(&b, raw) ? json_child(&b, raw, "stmt") : 0;
	if (j) {
		end = b.nodes[j].end;
		i = copy_next_node(a, query + 1, a->nodes[query].end);
		j = copy_next_node(&b, j + 1, end);
		while (i < a->nodes[query].end && j < end && a->nodes[i].kind == b.nodes[j].kind &&
			slice_eq(json_key(a, i), json_key(&b, j)) &&
			slice_eq(json_raw(a, i), json_raw(&b, j))) {
			i = copy_next_node(a, i + 1, a->nodes[query].end);
			j = copy_next_node(&b, j + 1, end);
		}
		*ret = i == a->nodes[query].end && j == end;
	}
	json_tree_deinit(&b);
	pg_query_free_parse_result(parsed);
	return r < 0 ? err_trace(r) : 0;
}

static int copy_read(
	struct copy *c, struct slice text, struct slice *ret_query, struct copy_format *ret)
{
	uint32_t stmts = json_child(&c->tree, 0, "stmts"),
		 raw = stmts ? json_first(&c->tree, stmts) : 0,
		 wrapper = raw ? json_child(&c->tree, raw, "stmt") : 0, relation, query;
	bool is_it;
	int r;

	c->tag = wrapper ? json_first(&c->tree, wrapper) : 0;
	if (!c->tag || json_next(&c->tree, raw) ||
		!slice_eq_str(json_key(&c->tree, c->tag), "CopyStmt") ||
		copy_says(c, c->tag, "is_from", "true") ||
		copy_says(c, c->tag, "is_program", "true") ||
		json_child(&c->tree, c->tag, "filename") || !copy_options(c, ret))
		return SQL_E_NOT_COPY;
	relation = json_child(&c->tree, c->tag, "relation");
	/* Every character of a name may be a quote; so may the words around it. */
	if (relation) {
		*ret_query = copy_of_table(c, relation, 64 + 4 * text.n + 4 * 64);
		return ret_query->n ? 0 : SQL_E_NOT_COPY;
	}
	*ret_query = copy_of_query(text);
	query = json_child(&c->tree, c->tag, "query");
	if (!query || !ret_query->n)
		return SQL_E_NOT_COPY;
	r = copy_is_query(c, query, *ret_query, &is_it);
	return r ? err_trace(r) : is_it ? 0 : SQL_E_NOT_COPY;
}

int sql_copy_out(
	struct slice text, struct arena *arena, struct slice *ret_query, struct copy_format *ret)
{
	struct copy c = {.arena = arena};
	PgQueryParseResult parsed;
	int r;
	char *sql;

	if (text.n > SQL_INLINE_MAX || sql_prescan(text) != PRESCAN_QUICK)
		return SQL_E_NOT_COPY;
	sql = arena_cstr(arena, text);
	if (!sql)
		return err_raise(-ENOMEM);
	parsed = pg_query_parse(sql);
	r = parsed.error ? SQL_E_NOT_COPY : json_tree_init(&c.tree, slice_str(parsed.parse_tree));
	if (!r)
		r = copy_read(&c, text, ret_query, ret);
	else if (r > 0)
		r = SQL_E_NOT_COPY;
	json_tree_deinit(&c.tree);
	pg_query_free_parse_result(parsed);
	return r < 0 ? err_trace(r) : r;
}
