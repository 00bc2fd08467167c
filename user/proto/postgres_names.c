/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of statements and portals as the server confirmed them, and the memory they live in.
 *
 * A name that the server may have forgotten is kept: at worst the request is judged on a text that
 * the server then does not know (26000). A name that it may still have is never forgotten.
 */
#include "proto/postgres_int.h"

#include "util/map.h"

/* ---- memory ---------------------------------------------------------------------------------- */

enum { PG_BLOCK_SIZES = 2, PG_SPARE_MAX = 16 };
static const uint32_t pg_block_size[PG_BLOCK_SIZES] = {512, 4096};

struct pg_block {
	struct pg_block *next;
	uint32_t size; /* index of pg_block_size, or PG_BLOCK_SIZES */
	_Alignas(16) uint8_t mem[];
};

void *pg_mem(struct pg *st, size_t n)
{
	uint32_t i = 0;
	struct pg_block *b;

	while (i < PG_BLOCK_SIZES && n > pg_block_size[i])
		i++;
	if (i < PG_BLOCK_SIZES && st->spare[i]) {
		b = st->spare[i];
		st->spare[i] = b->next;
		st->n_spare[i]--;
		return b->mem;
	}
	if (n > PG_MEM_MAX)
		return NULL;
	b = pool_alloc(st->pool, sizeof(*b) + (i < PG_BLOCK_SIZES ? pg_block_size[i] : n));
	if (!b)
		return NULL;
	b->size = i;
	return b->mem;
}

void pg_mem_free(struct pg *st, void *mem)
{
	struct pg_block *b;

	if (!mem)
		return;
	b = (struct pg_block *)((uint8_t *)mem - offsetof(struct pg_block, mem));
	if (b->size == PG_BLOCK_SIZES || st->n_spare[b->size] == PG_SPARE_MAX) {
		pool_free(st->pool, b);
		return;
	}
	b->next = st->spare[b->size];
	st->spare[b->size] = b;
	st->n_spare[b->size]++;
}

struct slice pg_mem_dup(struct pg *st, struct slice s)
{
	uint8_t *p = s.n ? pg_mem(st, s.n) : NULL;

	if (!p)
		return SLICE_NULL;
	memcpy(p, s.p, s.n);
	return slice_of(p, s.n);
}

/* ---- statements and portals ------------------------------------------------------------------ */

static uint8_t *pg_copy_to(uint8_t *at, struct slice s, struct slice *ret)
{
	if (s.n)
		memcpy(at, s.p, s.n);
	*ret = slice_of(at, s.n);
	return at + s.n;
}

struct pg_stmt *pg_stmt_new(struct pg *st, struct slice name, struct slice text, struct slice types)
{
	struct pg_stmt *s = pg_mem(st, sizeof(*s) + name.n + text.n + types.n);
	uint8_t *at;

	if (!s)
		return NULL;
	*s = (struct pg_stmt){.named = {.refs = 1, .hash = hash_bytes(name)}};
	at = pg_copy_to((uint8_t *)(s + 1), name, &s->named.name);
	at = pg_copy_to(at, text, &s->text);
	pg_copy_to(at, types, &s->types);
	return s;
}

struct pg_portal *pg_portal_new(
	struct pg *st, struct slice name, struct pg_stmt *stmt, struct slice bind)
{
	struct pg_portal *p = pg_mem(st, sizeof(*p) + name.n + bind.n);
	uint8_t *at;

	if (!p)
		return NULL;
	*p = (struct pg_portal){.named = {.refs = 1, .hash = hash_bytes(name), .is_portal = true}};
	at = pg_copy_to((uint8_t *)(p + 1), name, &p->named.name);
	pg_copy_to(at, bind, &p->bind);
	if (stmt)
		p->stmt = (struct pg_stmt *)pg_ref(&stmt->named);
	return p;
}

struct pg_named *pg_ref(struct pg_named *obj)
{
	if (obj)
		obj->refs++;
	return obj;
}

void pg_unref(struct pg *st, struct pg_named *obj)
{
	if (!obj || --obj->refs)
		return;
	if (obj->is_portal) {
		struct pg_portal *p = (struct pg_portal *)obj;

		pg_mem_free(st, p->columns);
		pg_unref(st, p->stmt ? &p->stmt->named : NULL);
	}
	pg_mem_free(st, obj);
}

/* ---- tables ---------------------------------------------------------------------------------- */

/* Where the pointer to the name is, or would be appended. NULL while the table has no slots. */
static struct pg_named **pg_names_find(const struct pg_names *t, struct slice name, uint64_t hash)
{
	struct pg_named **at;

	if (!t->n_slots)
		return NULL;
	for (at = &t->slots[hash & (t->n_slots - 1)]; *at; at = &(*at)->next)
		if ((*at)->hash == hash && slice_eq((*at)->name, name))
			break;
	return at;
}

struct pg_named *pg_names_get(const struct pg_names *t, struct slice name)
{
	struct pg_named **at = t->n ? pg_names_find(t, name, hash_bytes(name)) : NULL;

	return at ? *at : NULL;
}

static int pg_names_grow(struct pg *st, struct pg_names *t)
{
	struct pg_names bigger = {.n = t->n, .n_slots = t->n_slots ? t->n_slots * 4 : 16};

	bigger.slots = pool_alloc(st->pool, bigger.n_slots * sizeof(*bigger.slots));
	if (!bigger.slots)
		return PROTO_E_TOO_BIG;
	for (uint32_t i = 0; i < t->n_slots; i++) {
		while (t->slots[i]) {
			struct pg_named *obj = t->slots[i];

			t->slots[i] = obj->next;
			obj->next = bigger.slots[obj->hash & (bigger.n_slots - 1)];
			bigger.slots[obj->hash & (bigger.n_slots - 1)] = obj;
		}
	}
	pool_free(st->pool, t->slots);
	*t = bigger;
	return 0;
}

int pg_names_put(struct pg *st, struct pg_names *t, struct pg_named *obj)
{
	struct pg_named **at, *old;

	if (t->n >= t->n_slots && pg_names_grow(st, t))
		return PROTO_E_TOO_BIG;
	at = pg_names_find(t, obj->name, obj->hash);
	old = *at;
	if (old == obj)
		return 0;
	if (!old && t->n >= PG_NAMES_MAX)
		return PROTO_E_TOO_BIG;
	obj->next = old ? old->next : NULL;
	*at = pg_ref(obj);
	if (old)
		pg_unref(st, old);
	else
		t->n++;
	return 0;
}

void pg_names_remove(struct pg *st, struct pg_names *t, struct slice name)
{
	struct pg_named **at = pg_names_find(t, name, hash_bytes(name)), *old = at ? *at : NULL;

	if (!old)
		return;
	*at = old->next;
	t->n--;
	pg_unref(st, old);
}

void pg_names_clear(struct pg *st, struct pg_names *t)
{
	for (uint32_t i = 0; t->n && i < t->n_slots; i++) {
		while (t->slots[i]) {
			struct pg_named *obj = t->slots[i];

			t->slots[i] = obj->next;
			t->n--;
			pg_unref(st, obj);
		}
	}
}

void pg_names_deinit(struct pg *st, struct pg_names *t)
{
	pg_names_clear(st, t);
	pool_free(st->pool, t->slots);
	*t = (struct pg_names){0};
}

/* ---- names that SQL itself defines or drops -------------------------------------------------- */

int pg_changes_new(struct pg *st, const struct name_change *v, size_t n, struct pg_change **ret)
{
	*ret = NULL;
	for (size_t i = n; i-- > 0;) {
		struct pg_change *c = pg_mem(st, sizeof(*c));

		if (!c)
			break;
		*c = (struct pg_change){.kind = v[i].kind, .next = *ret};
		*ret = c;
		c->stmt = pg_stmt_new(st, v[i].name, v[i].text, SLICE_NULL);
		if (!c->stmt)
			break;
		c->stmt->is_sql = true;
		if (i == 0)
			return 0;
	}
	if (!n)
		return 0;
	pg_changes_free(st, *ret);
	*ret = NULL;
	return PROTO_E_TOO_BIG;
}

void pg_changes_free(struct pg *st, struct pg_change *c)
{
	while (c) {
		struct pg_change *next = c->next;

		pg_unref(st, c->stmt ? &c->stmt->named : NULL);
		pg_mem_free(st, c);
		c = next;
	}
}

/* PREPARE is no part of the transaction: in a text that failed somewhere behind it, it may have
 * happened. The name then stands for either text. */
static int pg_name_may_be(struct pg *st, struct pg_stmt *s)
{
	const struct pg_stmt *old = (struct pg_stmt *)pg_names_get(&st->stmts, s->named.name);
	struct pg_stmt *both;
	uint8_t *text;
	int r;

	if (!old || slice_eq(old->text, s->text))
		return pg_names_put(st, &st->stmts, &s->named);
	text = pg_mem(st, old->text.n + 2 + s->text.n);
	if (!text)
		return PROTO_E_TOO_BIG;
	memcpy(text, old->text.p, old->text.n);
	memcpy(text + old->text.n, ";\n", 2);
	memcpy(text + old->text.n + 2, s->text.p, s->text.n);
	both = pg_stmt_new(
		st, s->named.name, slice_of(text, old->text.n + 2 + s->text.n), SLICE_NULL);
	pg_mem_free(st, text);
	if (!both)
		return PROTO_E_TOO_BIG;
	both->is_suspect = both->is_sql = true;
	r = pg_names_put(st, &st->stmts, &both->named);
	pg_unref(st, &both->named);
	return r;
}

int pg_changes_apply(struct pg *st, const struct pg_change *c, bool has_failed)
{
	for (; c; c = c->next) {
		int r = 0;

		switch (c->kind) {
		case NAME_DEFINE:
			r = has_failed ? pg_name_may_be(st, c->stmt)
				       : pg_names_put(st, &st->stmts, &c->stmt->named);
			break;
		case NAME_REMOVE:
			if (!has_failed)
				pg_names_remove(st, &st->stmts, c->stmt->named.name);
			break;
		case NAME_REMOVE_ALL:
			if (!has_failed)
				pg_names_clear(st, &st->stmts);
			break;
		}
		if (r)
			return r;
	}
	return 0;
}
