/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Works out what touching an object adds: see hidden.h. From each relation and event, and from each
 * function, everything that can be reached is visited once.
 */
#include <errno.h>
#include <stdlib.h>

#include "sql/functions.h"
#include "sql/hidden_int.h"
#include "sql/plpgsql.h"
#include "sql/sql.h"

enum {
	BUILD_BODY_ARENA_MAX = 32 * 1024 * 1024, /* one body's facts on the way */
	/* Numbers of enum CmdType up to PostgreSQL 18. MERGE is 5 from version 15 on. */
	CMD_SELECT = 1,
	CMD_UPDATE = 2,
	CMD_INSERT = 3,
	CMD_DELETE = 4,
};

/* One walk: from a root to all that it reaches. */
struct build {
	struct hidden *h;
	struct hidden_fact *list;
	size_t n, cap;
	uint32_t *seen_rel, *seen_function; /* the walk that saw it last */
	uint32_t walk;
	uint32_t flags;
	bool is_unknown, is_full, no_memory;
};

static void build_rel(struct build *b, uint32_t at, enum hidden_event event, bool follows);
static void build_function(struct build *b, uint32_t at);

/* ---- facts ----------------------------------------------------------------------------------- */

static bool build_has(const struct build *b, const struct hidden_fact *new)
{
	for (size_t i = 0; i < b->n; i++) {
		const struct hidden_fact *old = &b->list[i];

		if (old->fact.effect == new->fact.effect && old->fact.sight == new->fact.sight &&
			old->fact.bounded == new->fact.bounded &&
			old->fact.no_object == new->fact.no_object &&
			old->follows == new->follows &&slice_eq(old->fact.object, new->fact.object))
			return true;
	}
	return false;
}

static void build_put(struct build *b, struct hidden_fact fact)
{
	if (b->is_full || build_has(b, &fact))
		return;
	if (b->n == HIDDEN_REACH_MAX) {
		b->is_full = b->is_unknown = true;
		fact = (struct hidden_fact){
			.fact = {.effect = EFFECT_UNKNOWN, .bounded = TRI_UNKNOWN}};
	}
	if (b->n == b->cap) {
		size_t cap = b->cap ? b->cap * 2 : 64;
		struct hidden_fact *grown = reallocarray(b->list, cap, sizeof(*grown));

		if (!grown) {
			b->no_memory = true;
			return;
		}
		b->list = grown;
		b->cap = cap;
	}
	b->list[b->n++] = fact;
}

static void build_say(struct build *b, enum effect effect, struct slice object,
	enum fact_sight sight, bool follows)
{
	build_put(b, (struct hidden_fact){.fact = {.effect = effect,
						  .sight = sight,
						  .bounded = TRI_UNKNOWN,
						  .object = object},
			     .follows = follows});
}

static void build_unknown(struct build *b)
{
	b->is_unknown = true;
	build_say(b, EFFECT_UNKNOWN, SLICE_NULL, FACT_PLAIN, false);
}

/* Code that nobody read. */
static void build_opaque(struct build *b, struct slice name)
{
	b->is_unknown = true;
	build_say(b, EFFECT_EXECUTE, name, FACT_PLAIN, false);
}

/* ---- the server's functions ------------------------------------------------------------------ */

/* By what the text → facts side knows of them, but for their arguments, which a tree does not show
 * in a way that we read. Numbering rows is part of inserting them. */
static void build_builtin(struct build *b, struct slice name)
{
	const struct function_info *f;

	if (sql_function_is_harmless(name) || slice_eq_str(name, "nextval"))
		return;
	f = sql_function_find(name);
	if (!f || f->effect == EFFECT_EXECUTE || sql_function_is_prefix(f)) {
		build_opaque(b, name);
		return;
	}
	if (f->after == FUNCTION_STAYS)
		b->flags |= FACTS_STAYS;
	if (f->after == FUNCTION_TAKES_ID)
		b->flags |= FACTS_TAKES_ID;
	if (f->effect != EFFECT_SESSION)
		build_put(
			b, (struct hidden_fact){
				   .fact = {.effect = f->effect,
					   .bounded = TRI_UNKNOWN,
					   .object = f->object == FUNCTION_NAME ? name : SLICE_NULL,
					   .no_object = f->object == FUNCTION_NONE}});
}

static void build_builtins(struct build *b, struct slice names)
{
	while (names.n) {
		const uint8_t *blank = memchr(names.p, ' ', names.n);
		size_t n = blank ? (size_t)(blank - names.p) : names.n;

		build_builtin(b, slice_head(names, n));
		names = slice_skip(names, n + 1);
	}
}

/* ---- edges ----------------------------------------------------------------------------------- */

static enum effect build_effect_of(enum hidden_event event)
{
	static const enum effect effects[HIDDEN_EVENT_N] = {[HIDDEN_READ] = EFFECT_READ,
		[HIDDEN_INSERT] = EFFECT_INSERT,
		[HIDDEN_UPDATE] = EFFECT_UPDATE,
		[HIDDEN_DELETE] = EFFECT_DELETE,
		[HIDDEN_TRUNCATE] = EFFECT_DESTROY,
		[HIDDEN_ALTER] = EFFECT_DEFINE};

	return effects[event];
}

/* What is done to `to`, and all that follows from it. */
static void build_touch(
	struct build *b, uint32_t to, enum hidden_event event, enum fact_sight sight, bool follows)
{
	build_say(b, build_effect_of(event), b->h->rels[to].name, sight, follows);
	build_rel(b, to, event, follows);
}

/* A view shows what is below it, and rows that are changed in it are changed below. */
static void build_view(struct build *b, uint32_t to, enum hidden_event event, bool follows)
{
	if (event == HIDDEN_TRUNCATE || event == HIDDEN_ALTER)
		return;
	build_touch(b, to, HIDDEN_READ, FACT_SHOWN, false);
	if (event != HIDDEN_READ)
		build_touch(b, to, event, FACT_PLAIN, follows);
}

/* The kinds of statements in a rule, each as if it were done to each relation that the rule uses.
 */
static void build_rule(struct build *b, uint32_t to, uint32_t commands, enum fact_sight reads)
{
	const uint32_t known =
		1u << CMD_SELECT | 1u << CMD_UPDATE | 1u << CMD_INSERT | 1u << CMD_DELETE;

	build_touch(b, to, HIDDEN_READ, reads, false);
	if (commands & 1u << CMD_INSERT)
		build_touch(b, to, HIDDEN_INSERT, FACT_PLAIN, false);
	if (commands & 1u << CMD_UPDATE)
		build_touch(b, to, HIDDEN_UPDATE, FACT_PLAIN, false);
	if (commands & 1u << CMD_DELETE)
		build_touch(b, to, HIDDEN_DELETE, FACT_PLAIN, false);
	/* MERGE, NOTIFY and whatever comes; a rule without any statement is DO NOTHING. */
	if (commands & ~known)
		build_unknown(b);
}

/* A partition is the table; another child is a table of its own. */
static void build_child(
	struct build *b, uint32_t to, enum hidden_event event, bool is_part, bool follows)
{
	bool is_shown = is_part || event == HIDDEN_READ;

	build_touch(b, to, event, is_shown ? FACT_SHOWN : FACT_PLAIN, follows);
}

static void build_edge(
	struct build *b, const struct hidden_edge *e, enum hidden_event event, bool follows)
{
	if (e->use == HIDDEN_BUILTINS) {
		build_builtins(b, e->names);
		return;
	}
	/* Came with the answer, but not what it points to: dropped meanwhile, or the server's. */
	if (!e->ref)
		return;
	switch (e->use) {
	case HIDDEN_VIEW:
		build_view(b, e->ref - 1, event, follows);
		break;
	case HIDDEN_RULE:
		build_rule(b, e->ref - 1, e->commands, FACT_PLAIN);
		break;
	case HIDDEN_EXPR:
		build_touch(b, e->ref - 1, HIDDEN_READ, FACT_SHOWN, false);
		break;
	case HIDDEN_CHILD:
	case HIDDEN_PART:
		build_child(b, e->ref - 1, event, e->use == HIDDEN_PART, follows);
		break;
	case HIDDEN_CASCADE:
		build_touch(b, e->ref - 1,
			e->commands == EFFECT_DELETE ? HIDDEN_DELETE : HIDDEN_UPDATE, FACT_PLAIN,
			follows);
		break;
	case HIDDEN_CALL:
		build_function(b, e->ref - 1);
		break;
	case HIDDEN_BUILTINS:
		break;
	}
}

static void build_rel(struct build *b, uint32_t at, enum hidden_event event, bool follows)
{
	uint32_t *seen = &b->seen_rel[((size_t)at * HIDDEN_EVENT_N + event) * 2 + follows];

	if (*seen == b->walk || b->is_full || b->no_memory)
		return;
	*seen = b->walk;
	for (const struct hidden_edge *e = b->h->rels[at].edges; e; e = e->next)
		if (e->events & 1u << event)
			build_edge(b, e, event, follows);
}

/* ---- functions ------------------------------------------------------------------------------- */

static void build_functions(struct build *b, const struct hidden_names *l)
{
	for (uint32_t i = 0; l && i < l->n; i++)
		build_function(b, l->at[i]);
}

static void build_body_fact(struct build *b, const struct fact *f)
{
	const struct hidden *h = b->h;
	const struct hidden_names *l;

	if (f->effect == EFFECT_UNKNOWN) {
		build_unknown(b);
		return;
	}
	if (f->no_object && (f->effect == EFFECT_READ || f->effect == EFFECT_SESSION))
		return;
	if (f->effect == EFFECT_EXECUTE) {
		l = f->object.n ? hidden_find(&h->function_names, f->object) : NULL;
		if (l)
			build_functions(b, l);
		else
			build_opaque(b, f->object);
		return;
	}
	l = f->object.n ? hidden_find(&h->rel_names, f->object) : NULL;
	if (!l)
		build_put(b, (struct hidden_fact){.fact = *f});
	for (uint32_t i = 0; l && i < l->n; i++) {
		struct hidden_fact one = {.fact = *f};

		one.fact.object = h->rels[l->at[i]].name;
		build_put(b, one);
		build_rel(b, l->at[i], hidden_event_of(f->effect), false);
	}
}

static void build_uses(struct build *b, struct slice uses)
{
	const struct hidden *h = b->h;
	enum use_kind kind;
	struct slice name;

	while (facts_next_use(&uses, &kind, &name)) {
		switch (kind) {
		case USE_FUNCTION:
			build_functions(b, hidden_find(&h->function_names, name));
			break;
		case USE_OPERATOR:
			build_functions(b, hidden_find(&h->operators, name));
			build_functions(b, hidden_find(&h->own_operators, name));
			build_functions(b, hidden_find(&h->shadows, name));
			break;
		case USE_TYPE:
			build_functions(b, hidden_find(&h->types, name));
			break;
		case USE_ATTRIBUTE:
			build_functions(b, hidden_find(&h->row_functions, name));
			break;
		case USE_ANYTHING:
			build_functions(b, &h->any_use);
			break;
		}
	}
}

static void build_function(struct build *b, uint32_t at)
{
	const uint32_t keep = FACTS_STAYS | FACTS_TAKES_ID | FACTS_ROW_LOCKS;
	struct hidden_function *f = &b->h->functions[at];

	if (b->seen_function[at] == b->walk || b->is_full || b->no_memory)
		return;
	b->seen_function[at] = b->walk;
	if (f->is_opaque)
		build_opaque(b, f->name);
	for (size_t i = 0; i < f->facts.n; i++)
		build_body_fact(b, &f->facts.list[i]);
	/* What lives in a session only cannot be followed from outside of it. */
	if (f->facts.flags & (FACTS_TEMPORARY | FACTS_TX_CONTROL))
		build_unknown(b);
	b->flags |= f->facts.flags & keep;
	build_uses(b, f->facts.uses);
	for (const struct hidden_edge *e = f->edges; e; e = e->next)
		build_edge(b, e, HIDDEN_READ, false);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int build_begin(struct build *b)
{
	b->walk++;
	b->n = 0;
	b->flags = 0;
	b->is_unknown = b->is_full = false;
	return b->no_memory ? err_raise(-ENOMEM) : 0;
}

static int build_keep(struct build *b, struct hidden_reach *ret)
{
	*ret = (struct hidden_reach){.n = b->n, .flags = b->flags, .is_unknown = b->is_unknown};
	for (size_t i = 0; i < b->n; i++)
		ret->reads |= b->list[i].fact.effect == EFFECT_READ;
	if (b->no_memory)
		return err_raise(-ENOMEM);
	if (!b->n)
		return 0;
	ret->list = arena_array(&b->h->arena, b->n, sizeof(*ret->list));
	if (!ret->list)
		return err_raise(-ENOMEM);
	memcpy(ret->list, b->list, b->n * sizeof(*ret->list));
	return 0;
}

static int build_one_rel(struct build *b, uint32_t at)
{
	struct hidden_rel *rel = &b->h->rels[at];

	for (unsigned event = 0; rel->edges && event < HIDDEN_EVENT_N; event++) {
		struct hidden_reach *reach;
		int r = build_begin(b);

		if (r)
			return err_trace(r);
		build_rel(b, at, (enum hidden_event)event, true);
		if (!b->n && !b->flags)
			continue;
		reach = arena_array(&b->h->arena, 1, sizeof(*reach));
		r = reach ? build_keep(b, reach) : err_raise(-ENOMEM);
		if (r)
			return err_trace(r);
		rel->reach[event] = reach;
	}
	return 0;
}

/* Text → facts, which are copied to stay. What does not fit is unknown. */
static int build_read_body(struct hidden *h, struct hidden_function *f, struct arena *scratch)
{
	struct facts found = {0};
	int r;

	if (!f->body.n || f->is_opaque)
		return 0;
	r = f->is_plpgsql ? sql_plpgsql_facts(f->body, scratch, &found)
			  : sql_classify_body(f->body, scratch, &found);
	if (r) {
		f->is_opaque = true;
		return 0;
	}
	f->facts = (struct facts){.flags = found.flags};
	f->facts.list = arena_array(&h->arena, found.n + 1, sizeof(*f->facts.list));
	f->facts.uses = arena_dup(&h->arena, found.uses);
	if (!f->facts.list || (found.uses.n && !f->facts.uses.n))
		return err_raise(-ENOMEM);
	for (size_t i = 0; i < found.n; i++) {
		struct fact *to = &f->facts.list[f->facts.n++];

		*to = found.list[i];
		to->object = arena_dup(&h->arena, found.list[i].object);
		if (found.list[i].object.n && !to->object.n)
			return err_raise(-ENOMEM);
	}
	return 0;
}

static int build_read_bodies(struct hidden *h)
{
	struct arena scratch;
	int r = 0;

	arena_init(&scratch, BUILD_BODY_ARENA_MAX);
	for (size_t i = 0; !r && i < h->n_functions; i++) {
		r = build_read_body(h, &h->functions[i], &scratch);
		arena_reset(&scratch);
	}
	arena_deinit(&scratch);
	return err_trace(r);
}

/* Numbers → index + 1; 0: not one of ours. */
static void build_link(struct hidden *h, struct hidden_edge *e)
{
	for (; e; e = e->next) {
		uint64_t id = e->ref;
		bool is_function = e->use == HIDDEN_CALL;

		e->ref = (uint32_t)(uintptr_t)map_get(
			is_function ? &h->function_oids : &h->rel_oids, map_id(&id));
	}
}

/* The same for lists of functions, without those that are not ours. */
static void build_link_names(struct hidden *h, struct hidden_names *l)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < l->n; i++) {
		uint64_t id = l->at[i];
		uint32_t at = (uint32_t)(uintptr_t)map_get(&h->function_oids, map_id(&id));

		if (at)
			l->at[n++] = at - 1;
	}
	l->n = n;
}

static int build_link_uses(struct hidden *h, struct map *m, bool has_numbers)
{
	size_t pos = 0;
	void *l;
	int r = 0;

	while (!r && map_next(m, &pos, NULL, &l)) {
		struct hidden_names *names = l;

		if (has_numbers)
			build_link_names(h, names);
		for (uint32_t i = 0; !r && i < names->n; i++)
			r = hidden_names_add(h, &h->any_use, names->at[i]);
	}
	return err_trace(r);
}

static int build_links(struct hidden *h)
{
	int r;

	for (size_t i = 0; i < h->n_rels; i++)
		build_link(h, h->rels[i].edges);
	for (size_t i = 0; i < h->n_functions; i++)
		build_link(h, h->functions[i].edges);
	build_link_names(h, &h->event_triggers);
	r = build_link_uses(h, &h->operators, true);
	if (!r)
		r = build_link_uses(h, &h->own_operators, true);
	if (!r)
		r = build_link_uses(h, &h->shadows, true);
	if (!r)
		r = build_link_uses(h, &h->types, true);
	return r ? err_trace(r) : err_trace(build_link_uses(h, &h->row_functions, false));
}

static int build_reaches(struct build *b)
{
	struct hidden *h = b->h;
	int r = 0;

	for (uint32_t i = 0; !r && i < h->n_functions; i++) {
		r = build_begin(b);
		if (!r)
			build_function(b, i);
		if (!r)
			r = build_keep(b, &h->functions[i].reach);
	}
	for (uint32_t i = 0; !r && i < h->n_rels; i++)
		r = build_one_rel(b, i);
	return err_trace(r);
}

int hidden_build(struct hidden *h)
{
	struct build b = {.h = h};
	int r = build_links(h);

	if (!r)
		r = build_read_bodies(h);
	if (r)
		return err_trace(r);
	b.seen_rel = calloc(h->n_rels * HIDDEN_EVENT_N * 2 + 1, sizeof(*b.seen_rel));
	b.seen_function = calloc(h->n_functions + 1, sizeof(*b.seen_function));
	r = b.seen_rel && b.seen_function ? build_reaches(&b) : err_raise(-ENOMEM);
	free(b.seen_rel);
	free(b.seen_function);
	free(b.list);
	return err_trace(r);
}
