/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of held requests: see keys.h. */
#include "session/keys.h"

#include <errno.h>

#include "session/held.h"
#include "session/record.h"
#include "sql/form.h"
#include "util/cleanup.h"
#include "util/writer.h"

/* Only what is looked up, and put where a column is: no more is granted by shape. */
#define KEYS_SHAPED                                                                                \
	(EFFECT_BIT(EFFECT_READ) | EFFECT_BIT(EFFECT_INSERT) | EFFECT_BIT(EFFECT_UPDATE) |         \
		EFFECT_BIT(EFFECT_DELETE))
#define KEYS_SETTLES                                                                               \
	(EFFECT_BIT(EFFECT_ADMIN) | EFFECT_BIT(EFFECT_DEFINE) | EFFECT_BIT(EFFECT_DESTROY) |       \
		EFFECT_BIT(EFFECT_UNKNOWN))

static void keys_settle(struct session *s, struct slice text)
{
	const uint64_t both[] = {s->settings, hash_bytes(text)};

	s->settings = hash_bytes(slice_of(both, sizeof(both)));
}

void keys_note_passed(struct session *s)
{
	const struct request *q = &s->asked.request;

	if (!(facts_effects(&s->asked.facts) & KEYS_SETTLES))
		return;
	keys_settle(s, q->text);
	for (size_t i = 0; i < q->n_settings; i++) {
		keys_settle(s, q->settings[i].name);
		keys_settle(s, q->settings[i].value);
	}
}

static bool keys_may_have_shape(const struct session *s)
{
	const struct facts *f = &s->asked.facts;
	const uint32_t bars = FACTS_OPAQUE_ROWS | FACTS_COPY_IN | FACTS_COPY_OUT | FACTS_LEXING |
			      FACTS_CATALOG | FACTS_STORES_ROWS;

	/* What masks hold would show, once approved, what nobody proved: each time anew. */
	if (s->asked.holds_unproven || s->asked.request.kind != REQUEST_TEXT ||
		f->n_statements != 1 || !f->n || f->flags & bars || f->n_executes || f->n_names ||
		facts_effects(f) & ~KEYS_SHAPED)
		return false;
	for (size_t i = 0; i < f->n; i++)
		if (!f->list[i].object.n && !f->list[i].no_object)
			return false;
	return true;
}

/* Every fact, in the order of the text. */
static struct slice keys_facts(struct session *s)
{
	const struct facts *f = &s->asked.facts;
	size_t max = 16;
	struct writer w;

	for (size_t i = 0; i < f->n; i++)
		max += f->list[i].object.n + 8;
	w = writer_of(arena_alloc(&s->request_arena, max), max);
	if (!w.p)
		return SLICE_NULL;
	for (size_t i = 0; i < f->n; i++) {
		wr_u8(&w, (uint8_t)f->list[i].effect);
		wr_u8(&w, (uint8_t)f->list[i].bounded);
		wr_u8(&w, f->list[i].no_object);
		wr_be32_bytes(&w, f->list[i].object);
	}
	return wr_done(&w);
}

/* Parameters; of those that are free only that they are there, how they are written, and which type
 * the client declared: by it the server chooses the operator that compares them. */
static struct slice keys_params(struct session *s, uint64_t free_params)
{
	const struct request *q = &s->asked.request;
	size_t max = 16;
	struct writer w;

	for (size_t i = 0; i < q->n_params; i++)
		max += q->params[i].value.n + 12;
	w = writer_of(arena_alloc(&s->request_arena, max), max);
	if (!w.p)
		return SLICE_NULL;
	for (size_t i = 0; i < q->n_params; i++) {
		const struct param *p = &q->params[i];
		bool is_free = i < 64 && free_params & UINT64_C(1) << i;

		wr_u8(&w, (uint8_t)(p->is_null | p->is_binary << 1 | is_free << 2));
		wr_be32(&w, p->type);
		if (!is_free)
			wr_be32_bytes(&w, p->value);
	}
	wr_u8(&w, 0xff);
	return wr_done(&w);
}

/* Free values as people read them. */
static struct slice keys_words(struct session *s, const struct form *form)
{
	const struct request *q = &s->asked.request;
	size_t max = 64;
	struct writer w;

	for (size_t i = 0; i < form->n_free; i++)
		max += form->free[i].n + 1;
	max += 48 * q->n_params;
	w = writer_of(arena_alloc(&s->request_arena, max), max);
	if (!w.p)
		return SLICE_NULL;
	for (size_t i = 0; i < form->n_free; i++) {
		wr_str(&w, w.n ? "\n" : "");
		wr_slice(&w, form->free[i]);
	}
	for (size_t i = 0; i < q->n_params && i < 64; i++) {
		char name[48];

		if (!(form->free_params & UINT64_C(1) << i))
			continue;
		snprintf(name, sizeof(name), "%sparameter $%zu", w.n ? "\n" : "", i + 1);
		wr_str(&w, name);
	}
	return slice_of(w.p, w.n);
}

static int keys_shape(struct session *s, const struct slice *where, size_t n_where,
	struct hold_keys *ret, struct slice *ret_free)
{
	struct slice parts[24];
	struct form form;
	size_t n = 0;
	int r = sql_form(s->asked.request.text, &s->request_arena, &form);

	if (r)
		return r > 0 ? 0 : err_trace(r);
	while (n < n_where) {
		parts[n] = where[n];
		n++;
	}
	parts[n++] = SLICE_LIT("shape");
	parts[n++] = form.key;
	parts[n++] = keys_params(s, form.free_params);
	if (!parts[n - 1].p)
		return err_raise(-ENOMEM);
	worker_hmac(s->worker, parts, n, ret->shape);
	*ret_free = keys_words(s, &form);
	ret->has_shape = true;
	return 0;
}

int keys_make(struct session *s, struct hold_keys *ret, struct slice *ret_free)
{
	const struct asked *a = &s->asked;
	_cleanup_(freep) char *terms = held_terms(&a->ruling);
	bool is_readable;
	const uint64_t numbers[] = {s->proto->lexing(s->state, &is_readable), s->settings,
		s->target_port, a->request.kind, a->facts.flags};
	struct slice facts = keys_facts(s), params = keys_params(s, 0);
	const struct slice where[] = {
		slice_of(numbers, sizeof(numbers)),
		slice_of(s->origin.addr, sizeof(s->origin.addr)),
		slice_str(s->target),
		slice_str(s->resource->name),
		slice_str(s->role),
		slice_str(s->database),
		slice_str(a->ruling.rule),
		slice_str(terms ? terms : ""),
		facts,
	};
	const size_t n_where = sizeof(where) / sizeof(where[0]);
	const struct slice kind[] = {slice_str(a->ruling.rule), slice_str(s->resource->name),
		record_effects(s), record_objects(s)};
	struct slice same[24];

	*ret = (struct hold_keys){.has_shape = false};
	*ret_free = SLICE_NULL;
	if (!terms || !facts.p || !params.p)
		return err_raise(-ENOMEM);
	for (size_t i = 0; i < n_where; i++)
		same[i] = where[i];
	same[n_where] = slice_str(policy_version(s->policy));
	same[n_where + 1] = params;
	same[n_where + 2] = a->request.text;
	same[n_where + 3] = slice_of(&s->run.id, sizeof(s->run.id));
	worker_hmac(s->worker, same, n_where + 4, ret->same);
	worker_hmac(s->worker, kind, sizeof(kind) / sizeof(kind[0]), ret->kind);
	return is_readable && keys_may_have_shape(s)
		       ? err_trace(keys_shape(s, where, n_where, ret, ret_free))
		       : 0;
}
