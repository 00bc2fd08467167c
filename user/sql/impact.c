/* SPDX-License-Identifier: Apache-2.0 */
/* What a change would touch: see impact.h. */
#include "sql/impact.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "impact.sql.h"
#include "sql/estimate.h"
#include "sql/lex.h"
#include "sql/sql.h"
#include "sql/walk.h"

enum {
	IMPACT_ARENA_MAX = 16 * 1024 * 1024,
	IMPACT_ROWS_MAX = 1000, /* of an answer */
	IMPACT_OF_A_KIND_MAX = 200,
	IMPACT_KINDS = 4,
	IMPACT_COLUMNS = 8,
	IMPACT_SHOWN_MAX = 12, /* of each list, in words */
	IMPACT_PARAM_MAX = 16 * 1024,
	IMPACT_UNKNOWN_MAX = 6,
};

/* One more number for each table, which may have to wait for whoever locked it. */
static const char impact_sizes[] =
	"WITH RECURSIVE tree AS ("
	"SELECT r.oid AS root, r.oid FROM pg_catalog.unnest($1::pg_catalog.oid[]) r(oid) UNION "
	"SELECT t.root, i.inhrelid FROM tree t "
	"JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid) "
	"SELECT t.root::pg_catalog.text, "
	"pg_catalog.sum(pg_catalog.pg_total_relation_size(t.oid))::pg_catalog.text "
	"FROM tree t GROUP BY t.root";

/* What the text says that it does to a name. */
struct impact_object {
	struct slice schema, name; /* schema: empty if the text leaves it to the server */
	char ops[8];
	unsigned n_found;
};

struct impact_table {
	uint32_t oid;
	size_t object; /* index */
	struct slice name;
	char kind, op;    /* op: of what follows */
	struct slice via; /* foreign key */
	uint64_t rows, bytes, n_parts;
	bool has_rows, has_bytes;
};

struct impact_trigger {
	struct slice name, table, function;
};

enum impact_step { IMPACT_ASK_TABLES, IMPACT_ASK_SIZES, IMPACT_ESTIMATE, IMPACT_DONE };

struct impact {
	struct arena arena;
	enum impact_step step;
	struct impact_object objects[IMPACT_OBJECTS_MAX];
	size_t n_objects;
	struct impact_table *tables, *follows, *views;
	size_t n_tables, n_follows, n_views, n_rows;
	unsigned n_of_kind[IMPACT_KINDS];
	size_t tables_cap, follows_cap, views_cap;
	struct impact_trigger *triggers;
	size_t n_triggers, triggers_cap;
	struct slice params[3];
	const char *unknown[IMPACT_UNKNOWN_MAX];
	size_t n_unknown;
	bool is_answered; /* the first question */
	struct estimate estimate;
};

static void impact_unknown(struct impact *m, const char *what)
{
	if (m->n_unknown < IMPACT_UNKNOWN_MAX && what)
		m->unknown[m->n_unknown++] = what;
}

/* ---- what the text names --------------------------------------------------------------------- */

/* The next part of an object's name as sql.h writes it, without its quotes. */
static struct slice impact_part(struct impact *m, struct slice *object)
{
	struct slice in = *object;
	uint8_t *out = arena_alloc(&m->arena, in.n + 1);
	bool is_quoted = in.n && in.p[0] == '"';
	size_t n = 0, i = is_quoted;

	if (!out)
		return SLICE_NULL;
	for (; i < in.n; i++) {
		if (is_quoted && in.p[i] == '"') {
			if (i + 1 == in.n || in.p[i + 1] != '"')
				break;
			i++;
		} else if (!is_quoted && in.p[i] == '.') {
			break;
		}
		out[n++] = in.p[i];
	}
	i += is_quoted;
	*object = slice_skip(in, i < in.n ? i + 1 : i); /* with the dot */
	return slice_of(out, n);
}

static void impact_add_object(struct impact *m, struct slice object, char op)
{
	struct slice first = impact_part(m, &object),
		     second = object.n ? impact_part(m, &object) : SLICE_NULL,
		     schema = second.n ? first : SLICE_NULL, name = second.n ? second : first;
	struct impact_object *o;

	if (!name.n)
		return;
	for (size_t i = 0; i < m->n_objects; i++) {
		o = &m->objects[i];
		if (!slice_eq(o->schema, schema) || !slice_eq(o->name, name))
			continue;
		if (!strchr(o->ops, op))
			o->ops[strlen(o->ops)] = op;
		return;
	}
	if (m->n_objects == IMPACT_OBJECTS_MAX) {
		impact_unknown(m, "more objects are named than are looked at");
		return;
	}
	m->objects[m->n_objects++] =
		(struct impact_object){.schema = schema, .name = name, .ops = {op}};
}

/* TRUNCATE and DROP are one effect; and what is dropped may be no table. 0: not looked at. */
static char impact_destroys(struct slice text, unsigned n_statements)
{
	static const char *const tables[] = {"table", "view", "materialized", "foreign"};
	struct lex l = lex_of(text);
	struct lex_token verb = lex_next(&l), what = lex_next(&l);

	if (n_statements != 1)
		return IMPACT_DROP;
	if (lex_is_word(&verb, "truncate"))
		return IMPACT_TRUNCATE;
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		if (lex_is_word(&what, tables[i]))
			return IMPACT_DROP;
	return 0;
}

static void impact_read(struct impact *m, struct slice text)
{
	struct facts f;
	bool is_any = false;
	char op;

	if (sql_classify_body(text, &m->arena, &f)) {
		impact_unknown(m, "what it touches: out of memory");
		return;
	}
	for (size_t i = 0; i < f.n; i++) {
		const struct fact *fact = &f.list[i];

		is_any |= fact->effect == EFFECT_UNKNOWN || (!fact->no_object && !fact->object.n);
		op = fact->effect == EFFECT_DELETE    ? IMPACT_DELETE
		     : fact->effect == EFFECT_UPDATE  ? IMPACT_UPDATE
		     : fact->effect == EFFECT_INSERT  ? IMPACT_INSERT
		     : fact->effect == EFFECT_IMPORT  ? IMPACT_INSERT
		     : fact->effect == EFFECT_DEFINE  ? IMPACT_ALTER
		     : fact->effect == EFFECT_DESTROY ? impact_destroys(text, f.n_statements)
						      : 0;
		if (op && !fact->no_object && fact->object.n)
			impact_add_object(m, fact->object, op);
	}
	if (is_any || f.n_executes)
		impact_unknown(m, "all that it touches: its text does not say it");
}

/* How many rows of it: only where names mean to us what they mean to the session. */
static void impact_read_condition(struct impact *m, const struct impact_ask *ask)
{
	struct estimate *e = &m->estimate;

	if (estimate_read(e, ask->text, ask->role, &m->arena))
		e->why_not = "out of memory";
	if (e->why_not)
		return;
	if (ask->may_be_own)
		e->why_not = "the session may have changed what it reads";
	else if (ask->has_odd_path)
		e->why_not = "the session may have changed its search_path";
}

struct impact *impact_new(const struct impact_ask *ask)
{
	struct impact *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	arena_init(&m->arena, IMPACT_ARENA_MAX);
	impact_read(m, ask->text);
	if (!m->n_objects) {
		m->step = IMPACT_DONE;
		return m;
	}
	impact_read_condition(m, ask);
	if (ask->may_be_own)
		impact_unknown(m, "what this session made or changed and did not commit, or has "
				  "temporary: nobody else sees it");
	return m;
}

struct impact *impact_free(struct impact *m)
{
	if (!m)
		return NULL;
	free(m->tables);
	free(m->follows);
	free(m->views);
	free(m->triggers);
	arena_deinit(&m->arena);
	free(m);
	return NULL;
}

/* ---- questions ------------------------------------------------------------------------------- */

static bool impact_write_names(struct impact *m)
{
	struct writer w[3];
	bool is_bad = false;

	for (size_t k = 0; k < 3; k++) {
		w[k] = writer_of(arena_alloc(&m->arena, IMPACT_PARAM_MAX), IMPACT_PARAM_MAX);
		if (!w[k].p)
			return false;
		wr_u8(&w[k], '{');
	}
	for (size_t i = 0; i < m->n_objects; i++) {
		wr_array_element(&w[0], !i, m->objects[i].schema);
		wr_array_element(&w[1], !i, m->objects[i].name);
		wr_array_element(&w[2], !i, slice_str(m->objects[i].ops));
	}
	for (size_t k = 0; k < 3; k++) {
		wr_u8(&w[k], '}');
		is_bad |= w[k].bad;
		m->params[k] = wr_done(&w[k]);
	}
	return !is_bad;
}

static bool impact_write_oids(struct impact *m)
{
	struct writer w = writer_of(arena_alloc(&m->arena, IMPACT_PARAM_MAX), IMPACT_PARAM_MAX);
	const struct impact_table *const lists[] = {m->tables, m->follows};
	const size_t n[] = {m->n_tables, m->n_follows};
	char number[16];

	if (!w.p)
		return false;
	wr_u8(&w, '{');
	for (size_t k = 0; k < 2; k++)
		for (size_t i = 0; i < n[k]; i++) {
			snprintf(number, sizeof(number), "%s%" PRIu32, w.n > 1 ? "," : "",
				lists[k][i].oid);
			wr_str(&w, number);
		}
	wr_u8(&w, '}');
	m->params[0] = wr_done(&w);
	return !w.bad && w.n > 2;
}

bool impact_next(
	struct impact *m, struct slice *ret_text, const struct slice **ret_params, size_t *ret_n)
{
	*ret_params = m->params;
	m->n_rows = 0;
	switch (m->step) {
	case IMPACT_ASK_TABLES:
		*ret_text = slice_str(impact_sql);
		*ret_n = 3;
		return impact_write_names(m);
	case IMPACT_ASK_SIZES:
		*ret_text = slice_str(impact_sizes);
		*ret_n = 1;
		if (impact_write_oids(m))
			return true;
		m->step = IMPACT_ESTIMATE;
		__attribute__((fallthrough));
	case IMPACT_ESTIMATE:
		*ret_params = m->estimate.params;
		return estimate_next(&m->estimate, ret_text, ret_n);
	case IMPACT_DONE:
		break;
	}
	return false;
}

/* ---- answers --------------------------------------------------------------------------------- */

static struct slice impact_name(struct impact *m, struct slice schema, struct slice name)
{
	size_t max = 2 * (schema.n + name.n) + 8;
	struct writer w = writer_of(arena_alloc(&m->arena, max), max);

	if (!w.p)
		return SLICE_NULL;
	walk_write_part(&w, schema);
	wr_u8(&w, '.');
	walk_write_part(&w, name);
	return wr_done(&w);
}

/* Names are written as SQL writes them, so that none of them reads as words of ours. */
static struct slice impact_quoted(struct impact *m, struct slice name)
{
	size_t max = 2 * name.n + 4;
	struct writer w = writer_of(arena_alloc(&m->arena, max), max);

	if (!w.p)
		return SLICE_NULL;
	walk_write_part(&w, name);
	return wr_done(&w);
}

static uint64_t impact_number(struct slice s, bool *ret_is_one)
{
	char text[24], *end;
	uint64_t n;

	snprintf(text, sizeof(text), "%.*s", SLICE_FMT(slice_head(s, sizeof(text) - 1)));
	n = strtoull(text, &end, 10);
	*ret_is_one = s.n && s.n < sizeof(text) - 1 && !*end && text[0] != '-';
	return *ret_is_one ? n : 0;
}

static void *impact_grow(void **list, size_t n, size_t *cap, size_t size)
{
	size_t bigger = *cap ? 2 * *cap : 16;
	void *grown;

	if (n < *cap)
		return *list;
	grown = reallocarray(*list, bigger, size);
	if (!grown)
		return NULL;
	*cap = bigger;
	return *list = grown;
}

static int impact_add_table(struct impact *m, const struct slice *v, struct impact_table **list,
	size_t *n, size_t *cap, struct impact_table **ret)
{
	struct impact_table *t;
	bool is_one;

	if (!impact_grow((void **)list, *n, cap, sizeof(**list)))
		return err_raise(-ENOMEM);
	t = &(*list)[*n];
	*t = (struct impact_table){.object = impact_number(v[1], &is_one) - 1,
		.oid = slice_u32(v[2]),
		.name = impact_name(m, v[3], v[4])};
	if (!t->oid || !v[5].n || !is_one || t->object >= m->n_objects)
		return IMPACT_E_BAD;
	if (!t->name.n)
		return err_raise(-ENOMEM);
	t->kind = (char)v[5].p[0];
	t->rows = impact_number(v[6], &t->has_rows);
	(*n)++;
	*ret = t;
	return 0;
}

static int impact_add_trigger(struct impact *m, const struct slice *v)
{
	struct impact_trigger *t;

	if (!impact_grow((void **)&m->triggers, m->n_triggers, &m->triggers_cap, sizeof(*t)))
		return err_raise(-ENOMEM);
	t = &m->triggers[m->n_triggers];
	*t = (struct impact_trigger){.name = impact_quoted(m, v[5]),
		.table = impact_name(m, v[3], v[4]),
		.function = impact_name(m, v[6], v[7])};
	if (!t->name.n || !t->table.n || !t->function.n)
		return err_raise(-ENOMEM);
	/* Several events of one statement may run the same one. */
	for (size_t i = 0; i < m->n_triggers; i++)
		if (slice_eq(t->name, m->triggers[i].name) &&
			slice_eq(t->table, m->triggers[i].table))
			return 0;
	m->n_triggers++;
	return 0;
}

static int impact_add_size(struct impact *m, const struct slice *v)
{
	struct impact_table *const lists[] = {m->tables, m->follows};
	const size_t n[] = {m->n_tables, m->n_follows};
	uint32_t oid = slice_u32(v[0]);
	bool is_one;
	uint64_t bytes = impact_number(v[1], &is_one);

	for (size_t k = 0; k < 2; k++)
		for (size_t i = 0; is_one && i < n[k]; i++)
			if (lists[k][i].oid == oid) {
				lists[k][i].bytes = bytes;
				lists[k][i].has_bytes = true;
			}
	return 0;
}

/* Whoever may make tables could else push what matters out of the list, and nobody would know. */
static void impact_check_length(struct impact *m, char kind)
{
	static const char kinds[] = "octv";
	const char *at = strchr(kinds, kind);

	if (kind && at && ++m->n_of_kind[at - kinds] == IMPACT_OF_A_KIND_MAX + 1)
		impact_unknown(m, "all of it: it is more than is looked at");
}

int impact_row(struct impact *m, const struct slice *v, size_t n)
{
	struct impact_table *t;
	bool is_one;
	int r;

	if (++m->n_rows > IMPACT_ROWS_MAX)
		return IMPACT_E_BAD;
	if (m->step == IMPACT_ASK_SIZES)
		return n == 2 ? err_trace(impact_add_size(m, v)) : IMPACT_E_BAD;
	if (m->step == IMPACT_ESTIMATE) {
		r = estimate_row(&m->estimate, v, n);
		return r > 0 ? r : err_trace(r);
	}
	if (n != IMPACT_COLUMNS || v[0].n != 1)
		return IMPACT_E_BAD;
	impact_check_length(m, (char)v[0].p[0]);
	switch (v[0].p[0]) {
	case 'o':
		r = impact_add_table(m, v, &m->tables, &m->n_tables, &m->tables_cap, &t);
		if (!r) {
			t->n_parts = impact_number(v[7], &is_one);
			m->objects[t->object].n_found++;
		}
		return r > 0 ? r : err_trace(r);
	case 'c':
		r = impact_add_table(m, v, &m->follows, &m->n_follows, &m->follows_cap, &t);
		if (!r) {
			t->op = t->kind;
			t->via = arena_dup(&m->arena, v[7]);
		}
		return r > 0 ? r : err_trace(r);
	case 't':
		return err_trace(impact_add_trigger(m, v));
	case 'v':
		r = impact_add_table(m, v, &m->views, &m->n_views, &m->views_cap, &t);
		return r > 0 ? r : err_trace(r);
	default:
		return IMPACT_E_BAD;
	}
}

/* Names that were found as nothing, or as several things. */
static void impact_check_names(struct impact *m)
{
	for (size_t i = 0; i < m->n_objects; i++) {
		const struct impact_object *o = &m->objects[i];
		bool only_defines = !strcmp(o->ops, "a");

		if (o->n_found > 1)
			impact_unknown(
				m, arena_printf(&m->arena,
					   "which of the %u tables that are called %.*s is meant: "
					   "that is the search_path's to say",
					   o->n_found, SLICE_FMT(slice_head(o->name, 130))));
		else if (!o->n_found && !only_defines)
			impact_unknown(m, arena_printf(&m->arena,
						  "%.*s: no such table is to be seen from outside "
						  "of this session",
						  SLICE_FMT(slice_head(o->name, 130))));
	}
}

void impact_answered(struct impact *m, const char *code)
{
	if (m->step == IMPACT_ASK_TABLES) {
		m->is_answered = !code;
		m->step = code ? IMPACT_DONE : IMPACT_ASK_SIZES;
		if (!code)
			impact_check_names(m);
		else
			impact_unknown(m, *code ? arena_printf(&m->arena,
							  "all of it: the server answered with "
							  "SQLSTATE %s",
							  code)
						: "all of it: the server could not be asked");
	} else if (m->step == IMPACT_ESTIMATE) {
		estimate_answered(&m->estimate, code);
	} else if (m->step == IMPACT_ASK_SIZES) {
		m->step = IMPACT_ESTIMATE;
		if (code)
			impact_unknown(m, !strcmp(code, "55P03")
						  ? "the size: somebody has locked a table"
						  : "the size: the server did not tell it");
	}
}

/* ---- telling --------------------------------------------------------------------------------- */

static const char *impact_op_words(char op)
{
	switch ((enum impact_op)op) {
	case IMPACT_DELETE:
		return "delete from";
	case IMPACT_UPDATE:
		return "update of";
	case IMPACT_INSERT:
		return "insert into";
	case IMPACT_TRUNCATE:
		return "truncate";
	case IMPACT_DROP:
		return "drop";
	case IMPACT_ALTER:
		return "change of";
	case IMPACT_SET_NULL:
		return "set null in";
	case IMPACT_SET_DEFAULT:
		return "set default in";
	case IMPACT_DROP_KEY:
		return "loss of a foreign key of";
	}
	return "change of";
}

static const char *impact_kind(char kind)
{
	return kind == 'v'   ? "view"
	       : kind == 'm' ? "materialized view"
	       : kind == 'f' ? "foreign table"
	       : kind == 'p' ? "partitioned table"
			     : "table";
}

static void impact_print_size(FILE *f, uint64_t bytes)
{
	static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB", "PB"};
	size_t unit = 0;

	for (; bytes >= 10240 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
		bytes /= 1024;
	fprintf(f, "%" PRIu64 " %s", bytes, units[unit]);
}

static void impact_print_numbers(FILE *f, const struct impact_table *t)
{
	if (t->has_rows)
		fprintf(f, " (about %" PRIu64 " rows", t->rows);
	else
		fputs(t->kind == 'v' ? " (a view" : " (rows not known", f);
	if (t->has_bytes && t->kind != 'v') {
		fputs(", ", f);
		impact_print_size(f, t->bytes);
	}
	if (t->n_parts)
		fprintf(f, ", in %" PRIu64 " partitions or children", t->n_parts);
	fputc(')', f);
}

/* "; 3 more" and how a list begins, so that each is one sentence. */
static bool impact_print_lead(FILE *f, const char *lead, size_t i, size_t n)
{
	if (i == IMPACT_SHOWN_MAX) {
		fprintf(f, " and %zu more", n - i);
		return false;
	}
	fputs(i ? ", " : lead, f);
	return true;
}

static bool impact_is_unestimated(const struct impact *m)
{
	return m->is_answered && m->estimate.is_wanted && !m->estimate.is_known &&
	       m->estimate.why_not;
}

void impact_write_words(const struct impact *m, FILE *f)
{
	if (m->estimate.is_known)
		fprintf(f, "selects about %" PRIu64 " rows; ", m->estimate.rows);
	for (size_t i = 0; i < m->n_tables; i++) {
		const struct impact_table *t = &m->tables[i];

		if (!impact_print_lead(f, "", i, m->n_tables))
			break;
		for (const char *op = m->objects[t->object].ops; *op; op++)
			fprintf(f, "%s%s", op == m->objects[t->object].ops ? "" : " and ",
				impact_op_words(*op));
		fprintf(f, " %.*s", SLICE_FMT(t->name));
		impact_print_numbers(f, t);
	}
	for (size_t i = 0; i < m->n_follows; i++) {
		if (!impact_print_lead(f, "; foreign keys: ", i, m->n_follows))
			break;
		fprintf(f, "%s %.*s", impact_op_words(m->follows[i].op),
			SLICE_FMT(m->follows[i].name));
		impact_print_numbers(f, &m->follows[i]);
	}
	for (size_t i = 0; i < m->n_triggers; i++) {
		const struct impact_trigger *t = &m->triggers[i];

		if (!impact_print_lead(f, "; triggers: ", i, m->n_triggers))
			break;
		fprintf(f, "%.*s on %.*s runs %.*s()", SLICE_FMT(t->name), SLICE_FMT(t->table),
			SLICE_FMT(t->function));
	}
	for (size_t i = 0; i < m->n_views; i++) {
		if (!impact_print_lead(f, "; views over it: ", i, m->n_views))
			break;
		fprintf(f, "%.*s", SLICE_FMT(m->views[i].name));
	}
	for (size_t i = 0; i < m->n_unknown; i++)
		fprintf(f, "%s%s",
			i || m->n_tables ? "; not known: " : "not known: ", m->unknown[i]);
	if (impact_is_unestimated(m))
		fprintf(f, "; not known: how many rows it selects, for %s", m->estimate.why_not);
}

static void impact_json_table(
	const struct impact *m, const struct impact_table *t, bool follows, struct json *j)
{
	jsonw_object(j, NULL);
	jsonw_string(j, "name", t->name);
	if (follows) {
		jsonw_string(j, "does", slice_str(impact_op_words(t->op)));
		jsonw_string(j, "foreign_key", t->via);
	} else {
		jsonw_string(j, "kind", slice_str(impact_kind(t->kind)));
		jsonw_array(j, "does");
		for (const char *op = m->objects[t->object].ops; *op; op++)
			jsonw_string(j, NULL, slice_str(impact_op_words(*op)));
		jsonw_array_end(j);
		jsonw_uint(j, "partitions", t->n_parts);
	}
	if (t->has_rows)
		jsonw_uint(j, "rows_about", t->rows);
	else
		jsonw_null(j, "rows_about");
	if (t->has_bytes)
		jsonw_uint(j, "bytes", t->bytes);
	else
		jsonw_null(j, "bytes");
	jsonw_object_end(j);
}

void impact_write_json(const struct impact *m, size_t list_max, struct json *j)
{
	jsonw_object(j, NULL);
	jsonw_bool(j, "answered", m->is_answered);
	if (m->estimate.is_known)
		jsonw_uint(j, "selects_about", m->estimate.rows);
	else
		jsonw_null(j, "selects_about");
	jsonw_array(j, "tables");
	for (size_t i = 0; i < m->n_tables && i < list_max; i++)
		impact_json_table(m, &m->tables[i], false, j);
	jsonw_array_end(j);
	jsonw_array(j, "follows");
	for (size_t i = 0; i < m->n_follows && i < list_max; i++)
		impact_json_table(m, &m->follows[i], true, j);
	jsonw_array_end(j);
	jsonw_array(j, "triggers");
	for (size_t i = 0; i < m->n_triggers && i < list_max; i++) {
		jsonw_object(j, NULL);
		jsonw_string(j, "name", m->triggers[i].name);
		jsonw_string(j, "table", m->triggers[i].table);
		jsonw_string(j, "function", m->triggers[i].function);
		jsonw_object_end(j);
	}
	jsonw_array_end(j);
	jsonw_array(j, "views");
	for (size_t i = 0; i < m->n_views && i < list_max; i++)
		jsonw_string(j, NULL, m->views[i].name);
	jsonw_array_end(j);
	jsonw_array(j, "unknown");
	for (size_t i = 0; i < m->n_unknown; i++)
		jsonw_string(j, NULL, slice_str(m->unknown[i]));
	if (impact_is_unestimated(m))
		jsonw_string(j, NULL, slice_str(m->estimate.why_not));
	jsonw_array_end(j);
	jsonw_object_end(j);
}
