/* SPDX-License-Identifier: Apache-2.0 */
/* What a request does beneath its text: see beneath.h. */
#include "session/beneath.h"

#include <errno.h>
#include <stdlib.h>

#include "session/session.h"
#include "session/side.h"
#include "util/clock.h"

/* Rulings about texts that follow each other closely need not each find out that nobody answers. */
#define BENEATH_BACKOFF_NS (SIDE_BACKOFF_S * CLOCK_NS_PER_S)

/* ---- what the worker knows ------------------------------------------------------------------- */

static struct beneath *beneath_of(struct session *s)
{
	struct worker *w = s->worker;
	struct side_place *p;
	struct beneath *b;
	uint64_t id;

	if (s->beneath)
		return s->beneath;
	/* Dialled from here, the same address may be another server. */
	if (door_is_abroad(s))
		return NULL;
	p = side_place(w->enforcer->side, SIDE_RULINGS, s->resource->name, s->origin.addr,
		s->target_port, s->path, s->target, s->database);
	if (!p)
		return NULL;
	id = (uint64_t)(uintptr_t)p;
	b = map_get(&w->beneath, map_id(&id));
	if (!b) {
		b = calloc(1, sizeof(*b));
		if (!b || map_put(&w->beneath, map_id(&id), b, NULL)) {
			free(b);
			return NULL;
		}
		b->place = p;
	}
	return s->beneath = b;
}

void beneath_drop_all(struct worker *w)
{
	size_t at = 0;
	void *b;

	while (map_next(&w->beneath, &at, NULL, &b)) {
		hidden_unref(((struct beneath *)b)->known);
		free(b);
	}
	map_deinit(&w->beneath);
}

void beneath_on_answer(struct worker *w, struct mail *m)
{
	uint64_t id = (uint64_t)(uintptr_t)m->side;
	struct beneath *b = map_get(&w->beneath, map_id(&id));

	if (!b)
		return;
	b->is_asked = false;
	if (m->error) {
		b->n_failed++;
		b->failed_ns = clock_mono_ns();
		return;
	}
	hidden_unref(b->known);
	b->known = m->hidden;
	m->hidden = NULL;
	b->known_epoch = m->seq;
	b->known_ns = m->known_ns;
	b->failed_ns = 0;
}

bool beneath_waits(const struct session *s, const struct side_place *p)
{
	return s->park == PARK_SIDE && s->beneath && s->beneath->place == p;
}

static int beneath_ask(struct session *s, struct beneath *b, uint64_t epoch)
{
	int r;

	if (b->is_asked && b->asked_epoch >= epoch)
		return 0;
	r = side_ask_hidden(b->place, s->worker->index, epoch);
	if (r)
		return err_trace(r);
	b->is_asked = true;
	b->asked_epoch = epoch;
	return 0;
}

/* ---- the session's own names ----------------------------------------------------------------- */

static struct slice beneath_last_part(struct slice object)
{
	bool is_quoted = false;
	size_t start = 0;

	for (size_t i = 0; i < object.n; i++) {
		if (object.p[i] == '"')
			is_quoted = !is_quoted;
		else if (object.p[i] == '.' && !is_quoted)
			start = i + 1;
	}
	return slice_skip(object, start);
}

static bool beneath_is_own(const struct beneath_own *own, struct slice name)
{
	for (size_t at = 0; at < own->n; at += strlen(&own->names[at]) + 1)
		if (slice_eq_str(name, &own->names[at]))
			return true;
	return false;
}

static void beneath_add_own(struct beneath_own *own, struct slice name)
{
	if (!name.n || own->is_any || beneath_is_own(own, name))
		return;
	if (!own->names)
		own->names = malloc(BENEATH_OWN_MAX);
	if (!own->names || own->n + name.n + 1 > BENEATH_OWN_MAX) {
		own->is_any = true;
		return;
	}
	memcpy(own->names + own->n, name.p, name.n);
	own->names[own->n + name.n] = 0;
	own->n += name.n + 1;
}

/* Is the name one that the side connection knows less of than this session? `i`: the fact. */
static bool beneath_is_unsure(const struct session *s, const struct facts *f, size_t i)
{
	const struct beneath_own *own = &s->own;
	const struct fact *fact = &f->list[i];
	const uint32_t ddl = EFFECT_BIT(EFFECT_DEFINE) | EFFECT_BIT(EFFECT_DESTROY);
	struct slice name = beneath_last_part(fact->object);

	/* Defining is judged for what it says. */
	if (fact->no_object || !fact->object.n || EFFECT_BIT(fact->effect) & ddl)
		return false;
	if (own->is_any || beneath_is_own(own, name))
		return true;
	if (own->may_have_temporary && name.n == fact->object.n &&
		hidden_has_temporary(s->beneath->known, name))
		return true;
	/* Defined by the same text, which may go on to use it. */
	for (size_t j = 0; f->n_statements > 1 && j < f->n; j++)
		if (EFFECT_BIT(f->list[j].effect) & ddl &&
			slice_eq(beneath_last_part(f->list[j].object), name))
			return true;
	return false;
}

static bool beneath_defines(const struct facts *f)
{
	const uint32_t always =
		EFFECT_BIT(EFFECT_DEFINE) | EFFECT_BIT(EFFECT_DESTROY) | EFFECT_BIT(EFFECT_UNKNOWN);
	const uint32_t perhaps = EFFECT_BIT(EFFECT_GRANT) | EFFECT_BIT(EFFECT_ADMIN);
	uint32_t effects = facts_effects(f);

	if (effects & always || (f->flags & FACTS_CATALOG && effects & perhaps))
		return true;
	for (size_t i = 0; i < f->n; i++)
		if (f->list[i].effect == EFFECT_EXECUTE && f->list[i].sight == FACT_PLAIN)
			return true;
	return false;
}

void beneath_passed(struct session *s)
{
	const uint32_t code = EFFECT_BIT(EFFECT_UNKNOWN) | EFFECT_BIT(EFFECT_EXECUTE);
	const struct facts *f = &s->asked.facts;
	struct beneath_own *own = &s->own;

	/* SET search_path is `admin`, by whatever name. */
	own->has_odd_path |= (facts_effects(f) & EFFECT_BIT(EFFECT_ADMIN)) != 0;
	if (!s->beneath || !beneath_defines(f))
		return;
	atomic_fetch_add(&s->beneath->place->epoch, 1);
	own->is_open = true;
	own->may_have_temporary |= f->flags & FACTS_TEMPORARY;
	for (size_t i = 0; i < f->n; i++) {
		if (EFFECT_BIT(f->list[i].effect) & code && f->list[i].sight == FACT_PLAIN)
			own->is_any = own->may_have_temporary = true;
		else if (f->list[i].effect != EFFECT_READ)
			beneath_add_own(own, beneath_last_part(f->list[i].object));
	}
}

void beneath_follow(struct session *s)
{
	struct tx_where w;

	if (!s->own.is_open || s->inflight.n || !s->proto || !s->beneath)
		return;
	s->proto->where(s->state, &w);
	if (!w.is_idle)
		return;
	/* From now on everybody can see it, and what was found out meanwhile is old. */
	atomic_fetch_add(&s->beneath->place->epoch, 1);
	s->own.is_open = s->own.is_any = false;
	s->own.n = 0;
}

void beneath_deinit(struct session *s)
{
	/* Something may have been committed that nobody will tell us of any more. */
	if (s->own.is_open && s->beneath)
		atomic_fetch_add(&s->beneath->place->epoch, 1);
	free(s->own.names);
	s->own = (struct beneath_own){0};
}

/* ---- the request ----------------------------------------------------------------------------- */

static int beneath_unknown(struct session *s, const char *why)
{
	struct facts more = {
		.list = &(struct fact){.effect = EFFECT_UNKNOWN, .bounded = TRI_UNKNOWN}, .n = 1};

	s->asked.why = why;
	return err_trace(sql_facts_merge(&s->asked.facts, &more, &s->request_arena));
}

static int beneath_cannot(struct session *s)
{
	s->asked.is_beneath = true;
	return err_trace(beneath_unknown(
		s, "what the objects in it do could not be asked of the server (see `catalog:`)"));
}

/* Is there anything in it that could do more than it says? */
static bool beneath_matters(const struct facts *f)
{
	const uint32_t ddl =
		EFFECT_BIT(EFFECT_DEFINE) | EFFECT_BIT(EFFECT_DESTROY) | EFFECT_BIT(EFFECT_GRANT);

	if (f->uses.n || facts_effects(f) & ddl)
		return true;
	for (size_t i = 0; i < f->n; i++)
		if (!f->list[i].no_object && f->list[i].object.n)
			return true;
	return false;
}

static int beneath_judge(struct session *s)
{
	struct facts *f = &s->asked.facts;
	unsigned flags = s->own.has_odd_path ? HIDDEN_ODD_PATH : 0;
	const char *why;

	s->asked.is_beneath = true;
	for (size_t i = 0; i < f->n; i++) {
		if (!beneath_is_unsure(s, f, i))
			continue;
		why = arena_printf(&s->request_arena,
			"what %.*s does is known to this session only: it was made or changed in "
			"it, "
			"and that is not committed, or temporary",
			SLICE_FMT(slice_head(f->list[i].object, 130)));
		return why ? beneath_unknown(s, why) : err_raise(-ENOMEM);
	}
	if (mask_rules_need_catalog(s->resource->masks))
		flags |= HIDDEN_KEEP_READERS;
	return err_trace(hidden_apply(s->beneath->known, flags, f, &s->request_arena));
}

int beneath_apply(struct session *s)
{
	struct asked *a = &s->asked;
	struct beneath *b;
	int64_t now, age;
	int r;

	if (a->is_beneath || a->request.kind != REQUEST_TEXT || s->has_no_beneath)
		return 0;
	s->has_no_beneath = !side_serves(s->worker->enforcer->side, s->resource->name);
	if (s->has_no_beneath || !beneath_matters(&a->facts)) {
		a->is_beneath = true;
		return 0;
	}
	b = beneath_of(s);
	if (!b)
		return err_trace(beneath_cannot(s));
	now = clock_mono_ns();
	if (!a->wants_beneath) {
		a->wants_beneath = true;
		a->beneath_epoch = atomic_load(&b->place->epoch);
		a->beneath_failed = b->n_failed;
	}
	age = now - b->known_ns;
	if (b->known && b->known_epoch >= a->beneath_epoch && age < SIDE_STALE_NS) {
		/* Asked again before it is too old, with nobody waiting. */
		r = age > SIDE_FRESH_NS ? beneath_ask(s, b, b->known_epoch) : 0;
		return r ? err_trace(r) : beneath_judge(s);
	}
	if (a->beneath_failed != b->n_failed || a->has_waited_beneath ||
		(b->failed_ns && now - b->failed_ns < BENEATH_BACKOFF_NS)) {
		a->is_beneath = true;
		return err_trace(beneath_cannot(s));
	}
	r = beneath_ask(s, b, a->beneath_epoch);
	return r ? err_trace(r) : BENEATH_E_WAIT;
}
