/* SPDX-License-Identifier: Apache-2.0 */
/* Text → facts: the cheap ways first. See sql.h. */
#include <errno.h>

#include "sql/cache.h"
#include "sql/pg_tree.h"
#include "sql/prescan.h"
#include "sql/settings.h"
#include "sql/shape.h"
#include "util/utf8.h"

int sql_classify_nothing(struct arena *arena, struct facts *ret)
{
	*ret = (struct facts){
		.list = arena_array(arena, 1, sizeof(*ret->list)),
		.n = 1,
		.n_statements = 1,
		.flags = FACTS_CATALOG | FACTS_LEXING | FACTS_TX_CONTROL | FACTS_OPAQUE_ROWS,
	};
	if (!ret->list)
		return err_raise(-ENOMEM);
	ret->list[0] = (struct fact){.effect = EFFECT_UNKNOWN, .bounded = TRI_UNKNOWN};
	return 0;
}

static int classify_one(enum effect effect, uint32_t flags, struct arena *arena, struct facts *ret)
{
	int r = sql_classify_nothing(arena, ret);

	if (r)
		return err_trace(r);
	ret->flags = flags;
	ret->list[0] = (struct fact){.effect = effect, .bounded = TRI_UNKNOWN, .no_object = true};
	return 0;
}

/* 1: found. A copy, since nobody can say when the entry is thrown out: other sessions of the worker
 * use the cache while this request waits. */
static int classify_from_cache(struct sql_cache *cache, enum cache_kind kind, struct slice key,
	uint64_t lexing, struct arena *arena, struct facts *ret)
{
	const struct facts *found = key.n ? sql_cache_get(cache, kind, key, lexing) : NULL;
	int r;

	if (!found)
		return 0;
	*ret = *found;
	r = sql_facts_keep(ret, arena);
	return r ? err_trace(r) : 1;
}

/* The text is short and harmless to parse right here. */
static int classify_parse(struct sql_cache *cache, struct slice text, struct slice shape,
	uint64_t lexing, struct arena *arena, struct facts *ret)
{
	int r = pg_tree_facts(text, !cache || sql_cache_wants_lineage(cache), arena, ret);

	if (r)
		return err_trace(r);
	if (!cache)
		return 0;
	if (shape.n && ret->flags & FACTS_CONSTANT_FREE)
		sql_cache_put(cache, CACHE_SHAPE, shape, lexing, ret);
	else
		sql_cache_put(cache, CACHE_TEXT, text, lexing, ret);
	return 0;
}

int sql_classify(struct sql_cache *cache, struct slice text, uint64_t lexing, struct arena *arena,
	struct facts *ret)
{
	uint8_t shape_bytes[SQL_SHAPE_MAX];
	struct slice shape = {shape_bytes, 0};
	int r;

	if (text.n > SQL_TEXT_MAX)
		return sql_classify_nothing(arena, ret);
	if (cache) {
		shape.n = sql_shape(text, shape_bytes);
		r = classify_from_cache(cache, CACHE_SHAPE, shape, lexing, arena, ret);
		if (!r)
			r = classify_from_cache(cache, CACHE_TEXT, text, lexing, arena, ret);
		if (r)
			return r < 0 ? err_trace(r) : 0;
	}
	switch (sql_prescan(text)) {
	case PRESCAN_HOPELESS:
		return sql_classify_nothing(arena, ret);
	case PRESCAN_SLOW:
		return SQL_E_DEEP;
	case PRESCAN_QUICK:
		break;
	}
	if (!utf8_is_valid(text))
		return sql_classify_nothing(arena, ret);
	if (text.n > SQL_INLINE_MAX)
		return SQL_E_DEEP;
	return classify_parse(cache, text, shape, lexing, arena, ret);
}

static int classify_deep(
	struct slice text, bool wants_lineage, struct arena *arena, struct facts *ret)
{
	if (text.n > SQL_TEXT_MAX || sql_prescan(text) == PRESCAN_HOPELESS || !utf8_is_valid(text))
		return sql_classify_nothing(arena, ret);
	return pg_tree_facts(text, wants_lineage, arena, ret);
}

int sql_classify_deep(struct slice text, struct arena *arena, struct facts *ret)
{
	return classify_deep(text, true, arena, ret);
}

int sql_classify_body(struct slice text, struct arena *arena, struct facts *ret)
{
	return classify_deep(text, false, arena, ret);
}

void sql_cache_keep(
	struct sql_cache *cache, struct slice text, uint64_t lexing, const struct facts *facts)
{
	sql_cache_put(cache, CACHE_TEXT, text, lexing, facts);
}

int sql_classify_setting(
	struct slice name, struct slice value, struct arena *arena, struct facts *ret)
{
	if (sql_setting_is_harmless(name, value, NULL))
		return classify_one(EFFECT_SESSION, 0, arena, ret);
	return classify_one(EFFECT_ADMIN, FACTS_LEXING, arena, ret);
}

int sql_classify_call(uint32_t oid, struct arena *arena, struct facts *ret)
{
	static const struct {
		uint32_t oid;
		const char *name;
	} known[] = {
		{715, "lo_create"},
		{764, "lo_import"},
		{765, "lo_export"},
		{767, "lo_import"},
		{952, "lo_open"},
		{953, "lo_close"},
		{954, "loread"},
		{955, "lowrite"},
		{956, "lo_lseek"},
		{957, "lo_creat"},
		{958, "lo_tell"},
		{964, "lo_unlink"},
		{1004, "lo_truncate"},
		{3170, "lo_lseek64"},
		{3171, "lo_tell64"},
		{3172, "lo_truncate64"},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		const char *text;

		if (known[i].oid != oid)
			continue;
		text = arena_printf(arena, "SELECT pg_catalog.%s()", known[i].name);
		return text ? pg_tree_facts(slice_str(text), false, arena, ret)
			    : err_raise(-ENOMEM);
	}
	return SQL_E_NOT_KNOWN;
}

/* ---- copying and merging --------------------------------------------------------------------- */

static int classify_dup(struct arena *a, struct slice *s)
{
	struct slice copy = arena_dup(a, *s);

	if (s->n && !copy.p)
		return err_raise(-ENOMEM);
	*s = copy;
	return 0;
}

int sql_facts_keep(struct facts *f, struct arena *a)
{
	struct facts copy = *f;
	int r = 0;

	copy.list = arena_array(a, f->n + 1, sizeof(*copy.list));
	copy.names = arena_array(a, f->n_names + 1, sizeof(*copy.names));
	copy.executes = arena_array(a, f->n_executes + 1, sizeof(*copy.executes));
	if (!copy.list || !copy.names || !copy.executes)
		return err_raise(-ENOMEM);
	for (size_t i = 0; !r && i < f->n; i++) {
		copy.list[i] = f->list[i];
		r = classify_dup(a, &copy.list[i].object);
	}
	for (size_t i = 0; !r && i < f->n_names; i++) {
		copy.names[i] = f->names[i];
		r = classify_dup(a, &copy.names[i].name);
		if (!r)
			r = classify_dup(a, &copy.names[i].text);
	}
	for (size_t i = 0; !r && i < f->n_executes; i++) {
		copy.executes[i] = f->executes[i];
		r = classify_dup(a, &copy.executes[i].name);
	}
	if (!r)
		r = classify_dup(a, &copy.uses);
	copy.lineage = NULL;
	if (!r)
		r = sql_lineage_join(&copy.lineage, f->lineage, a);
	if (!r)
		*f = copy;
	return r;
}

/* `*list` of n_a elements with those of b behind it. */
static int classify_join(
	void **list, size_t *n_a, const void *b, size_t n_b, size_t size, struct arena *arena)
{
	uint8_t *joined;

	if (!n_b)
		return 0;
	joined = arena_array(arena, *n_a + n_b, size);
	if (!joined)
		return err_raise(-ENOMEM);
	if (*n_a)
		memcpy(joined, *list, *n_a * size);
	memcpy(joined + *n_a * size, b, n_b * size);
	*list = joined;
	*n_a += n_b;
	return 0;
}

int sql_lineage_join(const struct lineage **list, const struct lineage *more, struct arena *arena)
{
	const struct lineage *parts[2] = {*list, more};
	const struct lineage **at = list;

	if (!more)
		return 0;
	for (size_t i = 0; i < 2; i++) {
		for (const struct lineage *l = parts[i]; l; l = l->next) {
			struct lineage *copy = arena_alloc(arena, l->size);

			if (!copy)
				return err_raise(-ENOMEM);
			memcpy(copy, l, l->size);
			copy->next = NULL;
			*at = copy;
			at = &copy->next;
		}
	}
	return 0;
}

int sql_facts_merge(struct facts *a, const struct facts *b, struct arena *arena)
{
	void *list = a->list, *names = a->names, *executes = a->executes;
	uint32_t constant_free = a->flags & b->flags & FACTS_CONSTANT_FREE;
	struct facts sum = *a;
	int r;

	r = classify_join(&list, &sum.n, b->list, b->n, sizeof(*a->list), arena);
	if (!r)
		r = classify_join(
			&names, &sum.n_names, b->names, b->n_names, sizeof(*a->names), arena);
	if (!r)
		r = classify_join(&executes, &sum.n_executes, b->executes, b->n_executes,
			sizeof(*a->executes), arena);
	sum.executes = executes;
	for (size_t i = a->n_executes; !r && i < sum.n_executes; i++)
		sum.executes[i].n_names += a->n_names;
	if (!r)
		r = sql_lineage_join(&sum.lineage, b->lineage, arena);
	if (r)
		return err_trace(r);
	if (b->uses.n) {
		struct slice parts[2] = {a->uses, b->uses};
		uint8_t *uses = arena_alloc(arena, a->uses.n + b->uses.n);

		if (!uses)
			return err_raise(-ENOMEM);
		for (size_t i = 0, at = 0; i < 2; at += parts[i++].n)
			if (parts[i].n)
				memcpy(uses + at, parts[i].p, parts[i].n);
		sum.uses = slice_of(uses, a->uses.n + b->uses.n);
	}
	sum.list = list;
	sum.names = names;
	sum.flags = ((a->flags | b->flags) & ~(uint32_t)FACTS_CONSTANT_FREE) | constant_free;
	sum.n_statements += b->n_statements;
	*a = sum;
	return 0;
}
