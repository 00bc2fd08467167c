/* SPDX-License-Identifier: Apache-2.0 */
/* What objects do, as it was answered, and what that adds to a text: see hidden.h. */
#include "sql/hidden.h"

#include <errno.h>
#include <stdlib.h>

#include "hidden.sql.h"
#include "sql/hidden_int.h"
#include "sql/walk.h"

enum {
	HIDDEN_ARENA_MAX = 512 * 1024 * 1024,
	HIDDEN_TOUCHED_MAX = 256, /* objects of one text that do something */
};

const char *hidden_question(void)
{
	return hidden_sql;
}

struct hidden *hidden_new(void)
{
	struct hidden *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->n_refs = 1;
	arena_init(&h->arena, HIDDEN_ARENA_MAX);
	map_init(&h->rel_oids, HIDDEN_OBJECTS_MAX);
	map_init(&h->function_oids, HIDDEN_OBJECTS_MAX);
	map_init(&h->rel_names, 2 * HIDDEN_OBJECTS_MAX);
	map_init(&h->function_names, 2 * HIDDEN_OBJECTS_MAX);
	map_init(&h->operators, HIDDEN_OBJECTS_MAX);
	map_init(&h->own_operators, HIDDEN_OBJECTS_MAX);
	map_init(&h->shadows, HIDDEN_OBJECTS_MAX);
	map_init(&h->own_types, HIDDEN_OBJECTS_MAX);
	map_init(&h->types, HIDDEN_OBJECTS_MAX);
	map_init(&h->row_functions, HIDDEN_OBJECTS_MAX);
	map_init(&h->temporary, HIDDEN_OBJECTS_MAX);
	return h;
}

struct hidden *hidden_ref(struct hidden *h)
{
	if (h)
		atomic_fetch_add(&h->n_refs, 1);
	return h;
}

struct hidden *hidden_unref(struct hidden *h)
{
	if (!h || atomic_fetch_sub(&h->n_refs, 1) != 1)
		return NULL;
	map_deinit(&h->rel_oids);
	map_deinit(&h->function_oids);
	map_deinit(&h->rel_names);
	map_deinit(&h->function_names);
	map_deinit(&h->operators);
	map_deinit(&h->own_operators);
	map_deinit(&h->shadows);
	map_deinit(&h->own_types);
	map_deinit(&h->types);
	map_deinit(&h->row_functions);
	map_deinit(&h->temporary);
	free(h->rels);
	free(h->functions);
	arena_deinit(&h->arena);
	free(h);
	return NULL;
}

/* ---- rows ------------------------------------------------------------------------------------ */

int hidden_names_add(struct hidden *h, struct hidden_names *l, uint32_t at)
{
	if (l->n == l->cap) {
		uint32_t cap = l->cap ? l->cap * 2 : 1;
		uint32_t *grown = arena_array(&h->arena, cap, sizeof(*grown));

		if (!grown)
			return err_raise(-ENOMEM);
		if (l->n)
			memcpy(grown, l->at, l->n * sizeof(*grown));
		l->at = grown;
		l->cap = cap;
	}
	l->at[l->n++] = at;
	return 0;
}

static int hidden_name(struct hidden *h, struct map *m, struct slice name, uint32_t at)
{
	struct hidden_names *l = map_get(m, name);
	int r;

	if (!l) {
		l = arena_array(&h->arena, 1, sizeof(*l));
		if (!l)
			return err_raise(-ENOMEM);
		*l = (struct hidden_names){0};
		r = map_put(m, name, l, NULL);
		if (r)
			return r == MAP_E_FULL ? err_raise(-E2BIG) : err_trace(r);
	}
	return err_trace(hidden_names_add(h, l, at));
}

/* Both as objects are written: with its schema, and *ret_plain without. */
static struct slice hidden_object(
	struct hidden *h, struct slice schema, struct slice name, struct slice *ret_plain)
{
	size_t max = 2 * (schema.n + name.n) + 8, dot;
	struct writer w = writer_of(arena_alloc(&h->arena, max), max);

	if (!w.p)
		return SLICE_NULL;
	walk_write_part(&w, schema);
	wr_u8(&w, '.');
	dot = w.n;
	walk_write_part(&w, name);
	*ret_plain = slice_skip(wr_done(&w), dot);
	return wr_done(&w);
}

/* Room for one more of `size` bytes. */
static void *hidden_grow(void *list, size_t n, size_t *cap, size_t size)
{
	size_t bigger = *cap ? *cap * 2 : 64;
	void *grown;

	if (n < *cap)
		return list;
	grown = n < HIDDEN_OBJECTS_MAX ? reallocarray(list, bigger, size) : NULL;
	if (grown)
		*cap = bigger;
	return grown;
}

static int hidden_index(struct map *oids, struct slice oid, size_t index)
{
	uint64_t id = slice_u32(oid);
	int r = map_put(oids, map_id(&id), (void *)(uintptr_t)(index + 1), NULL);

	return r ? err_fold(r) : 0;
}

static int hidden_add_rel(struct hidden *h, const struct slice *v)
{
	struct hidden_rel *rels = hidden_grow(h->rels, h->n_rels, &h->rels_cap, sizeof(*rels));
	struct slice plain, name = hidden_object(h, v[HIDDEN_B], v[HIDDEN_C], &plain);
	uint32_t at = (uint32_t)h->n_rels;
	int r;

	if (rels)
		h->rels = rels;
	if (!rels || !name.p)
		return err_raise(-ENOMEM);
	rels[h->n_rels++] = (struct hidden_rel){.name = name};
	r = hidden_index(&h->rel_oids, v[HIDDEN_A], at);
	if (!r)
		r = hidden_name(h, &h->rel_names, name, at);
	return r ? err_trace(r) : err_trace(hidden_name(h, &h->rel_names, plain, at));
}

static bool hidden_has_flag(struct slice flags, char flag)
{
	return flags.n && memchr(flags.p, flag, flags.n);
}

static int hidden_add_function(struct hidden *h, const struct slice *v)
{
	struct hidden_function *f =
		hidden_grow(h->functions, h->n_functions, &h->functions_cap, sizeof(*f));
	struct slice plain, name = hidden_object(h, v[HIDDEN_B], v[HIDDEN_C], &plain);
	struct slice language = v[HIDDEN_D], flags = v[HIDDEN_G];
	bool is_read = slice_eq_str(language, "sql") || slice_eq_str(language, "plpgsql");
	uint32_t at = (uint32_t)h->n_functions;
	struct hidden_edge *e = arena_array(&h->arena, 1, sizeof(*e));
	int r;

	if (f)
		h->functions = f;
	if (!f || !name.p || !e)
		return err_raise(-ENOMEM);
	*e = (struct hidden_edge){.use = HIDDEN_BUILTINS,
		.events = UINT32_MAX,
		.names = arena_dup(&h->arena, v[HIDDEN_F])};
	f[h->n_functions++] = (struct hidden_function){.name = name,
		.edges = e,
		.body = is_read ? arena_dup(&h->arena, v[HIDDEN_E]) : SLICE_NULL,
		.gives_own = hidden_has_flag(flags, 't'),
		.is_shadow = hidden_has_flag(flags, 's'),
		.is_opaque =
			(!is_read && !hidden_has_flag(flags, 'k')) || hidden_has_flag(flags, 'o')};
	/* A body that is there and found no room reads as an empty one. */
	if ((is_read && v[HIDDEN_E].n && !f[at].body.n) || (v[HIDDEN_F].n && !e->names.n))
		return err_raise(-ENOMEM);
	f[at].is_plpgsql = slice_eq_str(language, "plpgsql");
	r = hidden_index(&h->function_oids, v[HIDDEN_A], at);
	if (!r)
		r = hidden_name(h, &h->function_names, name, at);
	if (!r)
		r = hidden_name(h, &h->function_names, plain, at);
	if (!r && hidden_has_flag(flags, 'r'))
		r = hidden_name(h, &h->row_functions, v[HIDDEN_C], at);
	return err_trace(r);
}

/* What a statement of these kinds does; numbers of enum CmdType, as they stand in stored trees. */
static uint32_t hidden_commands(struct slice text)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] >= '0' && text.p[i] <= '9')
			bits |= 1u << (text.p[i] - '0');
	return bits;
}

static struct hidden_edge **hidden_edges_of(struct hidden *h, bool is_function, struct slice oid)
{
	uint64_t id = slice_u32(oid);
	size_t at = (size_t)(uintptr_t)map_get(
		is_function ? &h->function_oids : &h->rel_oids, map_id(&id));

	if (!at)
		return NULL;
	return is_function ? &h->functions[at - 1].edges : &h->rels[at - 1].edges;
}

static int hidden_add_edge(
	struct hidden *h, bool is_function, struct slice owner, const struct hidden_edge *edge)
{
	struct hidden_edge **to = hidden_edges_of(h, is_function, owner), *e;

	/* Relations of the server, and those that came since the question began. */
	if (!to)
		return 0;
	e = arena_array(&h->arena, 1, sizeof(*e));
	if (!e)
		return err_raise(-ENOMEM);
	*e = *edge;
	e->names = arena_dup(&h->arena, edge->names);
	if (edge->names.n && !e->names.n)
		return err_raise(-ENOMEM);
	e->next = *to;
	*to = e;
	return 0;
}

static int hidden_add_use(struct hidden *h, const struct slice *v)
{
	bool is_function = slice_eq_str(v[HIDDEN_C], "y");

	return err_trace(hidden_add_edge(h, is_function, v[HIDDEN_A],
		&(struct hidden_edge){.use = slice_eq_str(v[HIDDEN_C], "v")   ? HIDDEN_VIEW
					     : slice_eq_str(v[HIDDEN_C], "x") ? HIDDEN_EXPR
									      : HIDDEN_RULE,
			.events = is_function ? UINT32_MAX : slice_u32(v[HIDDEN_B]),
			.ref = slice_u32(v[HIDDEN_D]),
			.commands = hidden_commands(v[HIDDEN_E])}));
}

static int hidden_add_call(struct hidden *h, const struct slice *v)
{
	uint32_t events = slice_u32(v[HIDDEN_B]);
	struct hidden_edge e = {.use = HIDDEN_CALL,
		.events = events ? events : UINT32_MAX,
		.ref = slice_u32(v[HIDDEN_C])};

	return err_trace(hidden_add_edge(h, !events, v[HIDDEN_A], &e));
}

/* c: the rows that refer go too; n, d: they are set to something else. */
static int hidden_add_key(struct hidden *h, const struct slice *v)
{
	static const struct {
		enum hidden_answer column;
		uint32_t event;
	} actions[] = {{HIDDEN_C, HIDDEN_DELETE}, {HIDDEN_D, HIDDEN_UPDATE}};
	int r = 0;

	for (size_t i = 0; !r && i < 2; i++) {
		struct slice action = v[actions[i].column];
		bool deletes = slice_eq_str(action, "c") && actions[i].event == HIDDEN_DELETE;

		if (slice_eq_str(action, "c") || slice_eq_str(action, "n") ||
			slice_eq_str(action, "d"))
			r = hidden_add_edge(h, false, v[HIDDEN_A],
				&(struct hidden_edge){.use = HIDDEN_CASCADE,
					.events = 1u << actions[i].event,
					.ref = slice_u32(v[HIDDEN_B]),
					.commands = deletes ? EFFECT_DELETE : EFFECT_UPDATE});
	}
	return err_trace(r);
}

static void hidden_note_types(struct hidden *h, struct slice oid)
{
	uint64_t id = slice_u32(oid);
	size_t at = (size_t)(uintptr_t)map_get(&h->rel_oids, map_id(&id));

	if (at)
		h->rels[at - 1].has_own_types = true;
}

int hidden_add(struct hidden *h, const struct slice *v, size_t n)
{
	struct hidden_edge e;

	if (n != HIDDEN_ANSWER_N || v[HIDDEN_KIND].n != 1)
		return HIDDEN_E_BAD;
	switch (v[HIDDEN_KIND].p[0]) {
	case 'r':
		return err_trace(hidden_add_rel(h, v));
	case 'p':
		return err_trace(hidden_add_function(h, v));
	case 'u':
		return err_trace(hidden_add_use(h, v));
	case 'f':
		return err_trace(hidden_add_call(h, v));
	case 'b':
		e = (struct hidden_edge){.use = HIDDEN_BUILTINS,
			.events = slice_u32(v[HIDDEN_B]),
			.names = v[HIDDEN_C]};
		return err_trace(hidden_add_edge(h, false, v[HIDDEN_A], &e));
	case 'i':
		e = (struct hidden_edge){
			.use = HIDDEN_CHILD, .events = UINT32_MAX, .ref = slice_u32(v[HIDDEN_B])};
		if (slice_eq_str(v[HIDDEN_C], "true"))
			e.use = HIDDEN_PART;
		return err_trace(hidden_add_edge(h, false, v[HIDDEN_A], &e));
	case 'k':
		return err_trace(hidden_add_key(h, v));
	case 'o':
		return err_trace(hidden_name(h,
			slice_eq_str(v[HIDDEN_C], "own")      ? &h->own_operators
			: slice_eq_str(v[HIDDEN_C], "shadow") ? &h->shadows
							      : &h->operators,
			v[HIDDEN_A], slice_u32(v[HIDDEN_B])));
	case 'w':
		hidden_note_types(h, v[HIDDEN_A]);
		return 0;
	case 's':
		h->has_odd_path = true;
		return 0;
	case 'n':
		return err_trace(hidden_name(h, &h->own_types, v[HIDDEN_A], 0));
	case 't':
		return err_trace(hidden_name(h, &h->types, v[HIDDEN_A], slice_u32(v[HIDDEN_B])));
	case 'm':
		return err_trace(hidden_name(h, &h->temporary, v[HIDDEN_A], 0));
	case 'e':
		return err_trace(hidden_names_add(h, &h->event_triggers, slice_u32(v[HIDDEN_A])));
	default:
		return HIDDEN_E_BAD;
	}
}

/* ---- what it adds ---------------------------------------------------------------------------- */

enum hidden_event hidden_event_of(enum effect e)
{
	switch (e) {
	case EFFECT_READ:
	case EFFECT_EXPORT:
		return HIDDEN_READ;
	case EFFECT_INSERT:
	case EFFECT_IMPORT:
		return HIDDEN_INSERT;
	case EFFECT_UPDATE:
		return HIDDEN_UPDATE;
	case EFFECT_DELETE:
		return HIDDEN_DELETE;
	case EFFECT_DESTROY:
		return HIDDEN_TRUNCATE;
	case EFFECT_SESSION:
	case EFFECT_DEFINE:
	case EFFECT_GRANT:
	case EFFECT_EXECUTE:
	case EFFECT_ADMIN:
	case EFFECT_UNKNOWN:
	case EFFECT_N:
		break;
	}
	return HIDDEN_ALTER;
}

/* The reaches that a text meets. */
struct hidden_touch {
	const struct hidden_reach *reach[HIDDEN_TOUCHED_MAX];
	enum tri bounded[HIDDEN_TOUCHED_MAX];
	size_t n, n_facts;
	bool is_full;
	uint32_t flags;
};

static void hidden_touch(struct hidden_touch *t, const struct hidden_reach *r, enum tri bounded)
{
	if (!r || (!r->n && !r->flags))
		return;
	for (size_t i = 0; i < t->n; i++)
		if (t->reach[i] == r && t->bounded[i] == bounded)
			return;
	t->is_full |= t->n == HIDDEN_TOUCHED_MAX;
	if (t->is_full)
		return;
	t->reach[t->n] = r;
	t->bounded[t->n++] = bounded;
	t->n_facts += r->n;
	t->flags |= r->flags;
}

static void hidden_touch_functions(
	const struct hidden *h, struct hidden_touch *t, const struct hidden_names *l)
{
	for (uint32_t i = 0; l && i < l->n; i++)
		hidden_touch(t, &h->functions[l->at[i]].reach, TRI_UNKNOWN);
}

/* Calls of functions that are all known. */
static bool hidden_is_read_off(const struct hidden *h, unsigned flags, const struct fact *f)
{
	const struct hidden_names *l;

	if (f->effect != EFFECT_EXECUTE || f->no_object || !f->object.n)
		return false;
	l = hidden_find(&h->function_names, f->object);
	for (uint32_t i = 0; l && i < l->n; i++)
		if (h->functions[l->at[i]].reach.is_unknown ||
			(flags & HIDDEN_KEEP_READERS && h->functions[l->at[i]].reach.reads))
			return false;
	return l;
}

static void hidden_touch_fact(const struct hidden *h, struct hidden_touch *t, const struct fact *f)
{
	const uint32_t ddl =
		EFFECT_BIT(EFFECT_DEFINE) | EFFECT_BIT(EFFECT_DESTROY) | EFFECT_BIT(EFFECT_GRANT);
	const struct hidden_names *l;

	if (EFFECT_BIT(f->effect) & ddl)
		hidden_touch_functions(h, t, &h->event_triggers);
	if (f->no_object || !f->object.n)
		return;
	if (f->effect == EFFECT_EXECUTE) {
		hidden_touch_functions(h, t, hidden_find(&h->function_names, f->object));
		return;
	}
	l = hidden_find(&h->rel_names, f->object);
	for (uint32_t i = 0; l && i < l->n; i++)
		hidden_touch(t, h->rels[l->at[i]].reach[hidden_event_of(f->effect)], f->bounded);
}

/* What decides which of several things a name means in this text. */
struct hidden_scope {
	bool has_own; /* there may be values of types of the database's own */
	bool is_odd;  /* something may stand before the server's own */
};

static void hidden_touch_operator(const struct hidden *h, struct hidden_touch *t, struct slice name,
	const struct hidden_scope *scope)
{
	hidden_touch_functions(h, t, hidden_find(&h->operators, name));
	if (scope->has_own)
		hidden_touch_functions(h, t, hidden_find(&h->own_operators, name));
	if (scope->is_odd)
		hidden_touch_functions(h, t, hidden_find(&h->shadows, name));
}

/* Functions of a name that the server has, too. */
static void hidden_touch_near(const struct hidden *h, struct hidden_touch *t, struct slice name,
	const struct hidden_scope *scope)
{
	const struct hidden_names *l = hidden_find(&h->function_names, name);

	for (uint32_t i = 0; l && i < l->n; i++)
		if (scope->is_odd || !h->functions[l->at[i]].is_shadow)
			hidden_touch(t, &h->functions[l->at[i]].reach, TRI_UNKNOWN);
}

static void hidden_touch_uses(const struct hidden *h, struct hidden_touch *t, struct slice uses,
	const struct hidden_scope *scope)
{
	enum use_kind kind;
	struct slice name;

	while (facts_next_use(&uses, &kind, &name)) {
		switch (kind) {
		case USE_FUNCTION:
			hidden_touch_near(h, t, name, scope);
			break;
		case USE_OPERATOR:
			hidden_touch_operator(h, t, name, scope);
			break;
		case USE_TYPE:
			hidden_touch_functions(h, t, hidden_find(&h->types, name));
			break;
		case USE_ATTRIBUTE:
			hidden_touch_functions(h, t, hidden_find(&h->row_functions, name));
			break;
		case USE_ANYTHING:
			hidden_touch_functions(h, t, &h->any_use);
			break;
		}
	}
}

/* Comparisons that the grammar makes of other words: IN, BETWEEN, USING, CASE, DISTINCT … */
static void hidden_touch_comparisons(
	const struct hidden *h, struct hidden_touch *t, const struct hidden_scope *scope)
{
	static const char *const names[] = {"=", "<>", "<", "<=", ">", ">="};

	if (!h->operators.n && !scope->has_own && !scope->is_odd)
		return;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		hidden_touch_operator(h, t, slice_str(names[i]), scope);
}

static bool hidden_shows_own_types(const struct hidden *h, struct slice object)
{
	const struct hidden_names *l = object.n ? hidden_find(&h->rel_names, object) : NULL;

	for (uint32_t i = 0; l && i < l->n; i++)
		if (h->rels[l->at[i]].has_own_types)
			return true;
	return false;
}

static bool hidden_gives_own_types(const struct hidden *h, struct slice function)
{
	const struct hidden_names *l =
		function.n ? hidden_find(&h->function_names, function) : NULL;

	for (uint32_t i = 0; l && i < l->n; i++)
		if (h->functions[l->at[i]].gives_own)
			return true;
	return false;
}

/* Values of such types come from tables, functions and casts. */
static bool hidden_has_own(const struct hidden *h, const struct facts *f)
{
	struct slice uses = f->uses, name;
	enum use_kind kind;

	if (!h->own_operators.n)
		return false;
	for (size_t i = 0; i < f->n; i++)
		if (hidden_gives_own_types(h, f->list[i].object) ||
			hidden_shows_own_types(h, f->list[i].object))
			return true;
	while (facts_next_use(&uses, &kind, &name))
		if (kind == USE_ANYTHING ||
			(kind == USE_FUNCTION && hidden_gives_own_types(h, name)) ||
			(kind == USE_TYPE && (hidden_find(&h->own_types, name) ||
						     hidden_find(&h->rel_names, name))))
			return true;
	return false;
}

static bool hidden_has_fact(const struct facts *f, const struct fact *new)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct fact *old = &f->list[i];

		if (old->effect == new->effect && old->sight == new->sight &&
			old->bounded == new->bounded &&
			old->no_object == new->no_object &&slice_eq(old->object, new->object))
			return true;
	}
	return false;
}

static int hidden_append(struct facts *f, const struct hidden_touch *t, struct arena *arena)
{
	for (size_t i = 0; i < t->n; i++) {
		for (size_t j = 0; j < t->reach[i]->n; j++) {
			const struct hidden_fact *from = &t->reach[i]->list[j];
			struct fact one = from->fact;

			if (from->follows)
				one.bounded = t->bounded[i];
			if (hidden_has_fact(f, &one))
				continue;
			/* The request may wait for longer than this knowledge lasts. */
			one.object = arena_dup(arena, from->fact.object);
			if (from->fact.object.n && !one.object.n)
				return err_raise(-ENOMEM);
			f->list[f->n++] = one;
		}
	}
	if (t->is_full)
		f->list[f->n++] = (struct fact){.effect = EFFECT_UNKNOWN, .bounded = TRI_UNKNOWN};
	return 0;
}

/* A call of code that nobody could read changes names and settings, for all that is known. Once it
 * is known, it is not so. */
static uint32_t hidden_flags(const struct facts *f, uint32_t flags)
{
	const uint32_t others = EFFECT_BIT(EFFECT_DEFINE) | EFFECT_BIT(EFFECT_DESTROY) |
				EFFECT_BIT(EFFECT_GRANT) | EFFECT_BIT(EFFECT_ADMIN) |
				EFFECT_BIT(EFFECT_UNKNOWN);
	bool is_plain = f->n_statements == 1 && !(facts_effects(f) & others);

	for (size_t i = 0; i < f->n; i++)
		is_plain &=
			f->list[i].effect != EFFECT_EXECUTE || f->list[i].sight == FACT_READ_OFF;
	return is_plain ? flags & ~(uint32_t)(FACTS_CATALOG | FACTS_LEXING) : flags;
}

int hidden_apply(const struct hidden *h, unsigned flags, struct facts *f, struct arena *arena)
{
	struct hidden_touch t = {.n = 0};
	struct facts more = *f;
	const struct hidden_scope scope = {
		hidden_has_own(h, f), flags & HIDDEN_ODD_PATH || h->has_odd_path};
	bool reads_off = false, has_plain = false;
	int r;

	for (size_t i = 0; i < f->n; i++) {
		hidden_touch_fact(h, &t, &f->list[i]);
		reads_off |= hidden_is_read_off(h, flags, &f->list[i]);
	}
	hidden_touch_uses(h, &t, f->uses, &scope);
	if (f->flags & FACTS_OPEN)
		hidden_touch_comparisons(h, &t, &scope);
	if (!t.n && !reads_off)
		return 0;
	if (t.n_facts > 2 * HIDDEN_REACH_MAX) {
		t.n = t.n_facts = 0;
		t.is_full = true;
	}
	more.list = arena_array(arena, f->n + t.n_facts + 2, sizeof(*more.list));
	if (!more.list)
		return err_raise(-ENOMEM);
	if (f->n)
		memcpy(more.list, f->list, f->n * sizeof(*more.list));
	for (size_t i = 0; i < f->n; i++)
		if (hidden_is_read_off(h, flags, &more.list[i]))
			more.list[i].sight = FACT_READ_OFF;
	r = hidden_append(&more, &t, arena);
	if (r)
		return err_trace(r);
	for (size_t i = 0; i < more.n; i++)
		has_plain |= more.list[i].sight == FACT_PLAIN;
	/* Something has to be judged by the default. */
	if (!has_plain)
		more.list[more.n++] = (struct fact){
			.effect = EFFECT_READ, .bounded = TRI_UNKNOWN, .no_object = true};
	more.flags |= t.flags;
	if (reads_off)
		more.flags = hidden_flags(&more, more.flags);
	*f = more;
	return 0;
}

bool hidden_has_temporary(const struct hidden *h, struct slice name)
{
	return hidden_find(&h->temporary, name);
}
