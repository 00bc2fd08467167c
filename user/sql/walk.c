/* SPDX-License-Identifier: Apache-2.0 */
/* Facts and names of a walk: see walk.h. */
#include "sql/walk.h"

#include "util/writer.h"

enum { WALK_NAME_PARTS = 4 };

/* Room for one more element in an array of the arena. */
static void *walk_grow(struct walk *w, void *list, size_t n, size_t *cap, size_t size)
{
	size_t bigger = *cap ? *cap * 2 : 8;
	void *grown;

	if (n < *cap)
		return list;
	grown = arena_array(w->arena, bigger, size);
	if (!grown) {
		w->no_memory = true;
		return NULL;
	}
	if (n)
		memcpy(grown, list, n * size);
	*cap = bigger;
	return grown;
}

static bool walk_has(const struct walk *w, const struct fact *fact)
{
	for (size_t i = 0; i < w->facts->n; i++) {
		const struct fact *f = &w->facts->list[i];

		if (f->effect == fact->effect && f->bounded == fact->bounded &&
			f->no_object == fact->no_object && slice_eq(f->object, fact->object))
			return true;
	}
	return false;
}

static void walk_put(struct walk *w, struct fact fact)
{
	struct facts *f = w->facts;
	struct fact *list;

	if (fact.effect == EFFECT_READ && !fact.no_object)
		w->has_read = true;
	w->effects |= EFFECT_BIT(fact.effect);
	if (w->no_memory || f->n > WALK_FACTS_MAX || walk_has(w, &fact))
		return;
	if (f->n == WALK_FACTS_MAX)
		fact = (struct fact){.effect = EFFECT_UNKNOWN, .bounded = TRI_UNKNOWN};
	list = walk_grow(w, f->list, f->n, &w->list_cap, sizeof(*list));
	if (!list)
		return;
	f->list = list;
	f->list[f->n++] = fact;
}

void walk_add(struct walk *w, enum effect effect, struct slice object, enum tri bounded)
{
	walk_put(w, (struct fact){.effect = effect, .bounded = bounded, .object = object});
}

void walk_add_bare(struct walk *w, enum effect effect)
{
	walk_put(w, (struct fact){.effect = effect, .bounded = TRI_UNKNOWN, .no_object = true});
}

void walk_add_any(struct walk *w, enum effect effect)
{
	walk_add(w, effect, SLICE_NULL, TRI_UNKNOWN);
}

void walk_add_unknown(struct walk *w)
{
	w->facts->flags |= FACTS_CATALOG | FACTS_LEXING | FACTS_TX_CONTROL | FACTS_OPAQUE_ROWS;
	walk_add_any(w, EFFECT_UNKNOWN);
}

void walk_add_execute(struct walk *w, struct slice object)
{
	w->facts->flags |= FACTS_CATALOG | FACTS_LEXING | FACTS_OPAQUE_ROWS;
	walk_add(w, EFFECT_EXECUTE, object, TRI_UNKNOWN);
}

void walk_add_code(struct walk *w)
{
	walk_add_any(w, EFFECT_EXECUTE);
}

/* Writing to the server's own tables is not data: UPDATE pg_settings is SET, UPDATE pg_authid is
 * ALTER ROLE, and a new pg_proc row is code. */
bool walk_is_system(const struct walk *w, uint32_t range_var)
{
	uint32_t schema = json_child(&w->tree, range_var, "schemaname");
	uint32_t name = json_child(&w->tree, range_var, "relname");

	if (schema)
		return slice_eq_str(json_raw(&w->tree, schema), "pg_catalog") ||
		       slice_eq_str(json_raw(&w->tree, schema), "information_schema");
	return slice_starts(json_raw(&w->tree, name), "pg_");
}

void walk_add_target(struct walk *w, enum effect effect, uint32_t range_var, enum tri bounded)
{
	struct slice object = walk_object(w, range_var, false);

	if (range_var < w->plan_only_end) {
		walk_add(w, EFFECT_READ, object, TRI_UNKNOWN);
		return;
	}
	walk_add(w, effect, object, bounded);
	if (walk_is_system(w, range_var)) {
		w->facts->flags |= FACTS_CATALOG | FACTS_LEXING;
		walk_add_bare(w, EFFECT_ADMIN);
	}
}

/* Names come from the parser's JSON, which does not outlive the walk. */
static struct slice walk_keep(struct walk *w, struct slice s)
{
	struct slice kept = arena_dup(w->arena, s);

	if (s.n && !kept.n)
		w->no_memory = true;
	return kept;
}

void walk_add_name(struct walk *w, enum name_change_kind kind, struct slice name, struct slice text)
{
	struct facts *f = w->facts;
	struct name_change *names =
		walk_grow(w, f->names, f->n_names, &w->names_cap, sizeof(*names));

	if (!names)
		return;
	f->names = names;
	names[f->n_names++] = (struct name_change){kind, walk_keep(w, name), walk_keep(w, text)};
}

void walk_add_executes(struct walk *w, struct slice name)
{
	struct facts *f = w->facts;
	struct execute *executes =
		walk_grow(w, f->executes, f->n_executes, &w->executes_cap, sizeof(*executes));

	if (!executes)
		return;
	f->executes = executes;
	executes[f->n_executes++] =
		(struct execute){.name = walk_keep(w, name), .n_names = f->n_names};
}

static bool walk_has_use(const struct facts *f, enum use_kind kind, struct slice name)
{
	struct slice rest = f->uses, known;
	enum use_kind other;

	while (facts_next_use(&rest, &other, &known))
		if (other == kind && slice_eq(known, name))
			return true;
	return false;
}

void walk_add_use(struct walk *w, enum use_kind kind, struct slice name)
{
	struct facts *f = w->facts;
	size_t need = name.n + 2;
	uint8_t *bytes;

	if (!name.n || walk_has_use(f, kind, name))
		return;
	if (f->uses.n + need > WALK_USES_MAX) {
		if (f->uses.n && f->uses.p[0] == USE_ANYTHING)
			return;
		/* What does not fit could be any of them. */
		f->uses = SLICE_LIT("*\0");
		w->uses_cap = 0;
		return;
	}
	if (f->uses.n && f->uses.p[0] == USE_ANYTHING)
		return;
	if (f->uses.n + need > w->uses_cap) {
		size_t cap = w->uses_cap ? w->uses_cap * 2 : 128;

		while (cap < f->uses.n + need)
			cap *= 2;
		bytes = arena_alloc(w->arena, cap);
		if (!bytes) {
			w->no_memory = true;
			return;
		}
		if (f->uses.n)
			memcpy(bytes, f->uses.p, f->uses.n);
		f->uses.p = bytes;
		w->uses_cap = cap;
	}
	/* Ours, allocated above: the slice is only const for those who read it. */
	bytes = (uint8_t *)(uintptr_t)f->uses.p + f->uses.n;
	bytes[0] = (uint8_t)kind;
	memcpy(bytes + 1, name.p, name.n);
	bytes[need - 1] = 0;
	f->uses.n += need;
}

/* A part in which a dot or a quote could be taken for the punctuation between parts. */
static bool walk_needs_quotes(struct slice part)
{
	return !part.n || memchr(part.p, '.', part.n) || memchr(part.p, '"', part.n);
}

void walk_write_part(struct writer *out, struct slice part)
{
	if (!walk_needs_quotes(part)) {
		wr_slice(out, part);
		return;
	}
	wr_u8(out, '"');
	for (size_t i = 0; i < part.n; i++) {
		if (part.p[i] == '"')
			wr_u8(out, '"');
		wr_u8(out, part.p[i]);
	}
	wr_u8(out, '"');
}

struct slice walk_name(struct walk *w, const struct slice *parts, size_t n)
{
	struct writer out;
	size_t max = 0;

	if (!n)
		return SLICE_NULL;
	if (n > 2) {
		parts += n - 2;
		n = 2;
	}
	for (size_t i = 0; i < n; i++)
		max += parts[i].n * 2 + 3;
	out = writer_of(arena_alloc(w->arena, max), max);
	if (!out.p) {
		w->no_memory = true;
		return SLICE_NULL;
	}
	for (size_t i = 0; i < n; i++) {
		if (i)
			wr_u8(&out, '.');
		walk_write_part(&out, parts[i]);
	}
	return wr_done(&out);
}

/* {"String":{"sval":"x"}}, and "str" until version 14. */
static bool walk_string(struct walk *w, uint32_t wrapper, struct slice *ret)
{
	uint32_t tag = json_first(&w->tree, wrapper), value;

	if (!tag || !slice_eq_str(json_key(&w->tree, tag), "String"))
		return false;
	value = json_first(&w->tree, tag);
	*ret = value ? json_text(&w->tree, value, w->arena) : SLICE_NULL;
	return true;
}

size_t walk_strings(struct walk *w, uint32_t list, struct slice *parts, size_t max)
{
	size_t n = 0;

	for (uint32_t i = json_first(&w->tree, list); i; i = json_next(&w->tree, i)) {
		struct slice part;

		if (!walk_string(w, i, &part))
			continue;
		if (n == max)
			memmove(parts, parts + 1, --n * sizeof(*parts));
		parts[n++] = part;
	}
	return n;
}

bool walk_is_range_var(const struct walk *w, uint32_t node)
{
	uint32_t first = json_first(&w->tree, node);
	struct slice key;

	if (w->tree.nodes[node].kind != JSON_OBJECT || !first)
		return false;
	key = json_key(&w->tree, first);
	if (slice_eq(key, SLICE_LIT("relname")))
		return true;
	return (slice_eq(key, SLICE_LIT("schemaname")) ||
		       slice_eq(key, SLICE_LIT("catalogname"))) &&
	       json_child(&w->tree, node, "relname");
}

void walk_claim(struct walk *w, uint32_t subtree)
{
	for (uint32_t i = subtree; i < w->tree.nodes[subtree].end; i++)
		w->tree.nodes[i].is_claimed = true;
}

static struct slice walk_range_var(struct walk *w, uint32_t node)
{
	uint32_t schema = json_child(&w->tree, node, "schemaname");
	uint32_t name = json_child(&w->tree, node, "relname");
	struct slice parts[2];
	size_t n = 0;

	w->tree.nodes[node].is_claimed = true;
	if (schema)
		parts[n++] = json_text(&w->tree, schema, w->arena);
	parts[n++] = json_text(&w->tree, name, w->arena);
	return walk_name(w, parts, n);
}

/* The list of strings behind an ObjectWithArgs, a TypeName, a List or an array; 0 if none. */
static uint32_t walk_name_list(const struct walk *w, uint32_t node)
{
	static const char *const members[] = {"objname", "names", "items"};

	if (w->tree.nodes[node].kind == JSON_ARRAY)
		return node;
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		uint32_t list = json_child(&w->tree, node, members[i]);

		if (list)
			return list;
	}
	return 0;
}

struct slice walk_object(struct walk *w, uint32_t node, bool skip_last)
{
	struct slice parts[WALK_NAME_PARTS];
	uint32_t tag = json_first(&w->tree, node), list, role;
	size_t n;

	if (w->tree.nodes[node].kind == JSON_STRING) {
		parts[0] = json_text(&w->tree, node, w->arena);
		return walk_name(w, parts, 1);
	}
	if (walk_is_range_var(w, node))
		return walk_range_var(w, node);
	if (walk_string(w, node, &parts[0]))
		return walk_name(w, parts, 1);
	role = json_child(&w->tree, node, "rolename");
	if (role)
		return walk_object(w, role, false);
	list = walk_name_list(w, node);
	if (!list && tag && json_key(&w->tree, tag).n && *json_key(&w->tree, tag).p <= 'Z')
		return walk_object(w, tag, skip_last);
	if (!list)
		return SLICE_NULL;
	n = walk_strings(w, list, parts, WALK_NAME_PARTS);
	return walk_name(w, parts, skip_last && n ? n - 1 : n);
}

bool walk_constant(struct walk *w, uint32_t wrapper, struct slice *ret)
{
	const struct json_tree *t = &w->tree;
	uint32_t tag = json_first(t, wrapper);

	if (!tag || !slice_eq_str(json_key(t, tag), "A_Const"))
		return false;
	*ret = SLICE_LIT("0"); /* what libpg_query leaves out is zero, or empty: {"ival":{}} */
	for (uint32_t i = tag + 1; i < t->nodes[tag].end; i++) {
		struct slice key = json_key(t, i);

		if (slice_eq_str(key, "location"))
			continue;
		if (t->nodes[i].kind == JSON_STRING)
			*ret = json_text(t, i, w->arena);
		else if (t->nodes[i].kind == JSON_OTHER)
			*ret = json_raw(t, i);
		else if (slice_eq_str(key, "sval") && !json_first(t, i))
			*ret = SLICE_NULL;
	}
	return true;
}

bool walk_says(const struct walk *w, uint32_t node, const char *key, const char *value)
{
	uint32_t member = json_child(&w->tree, node, key);

	return member && slice_eq_str(json_raw(&w->tree, member), value);
}
