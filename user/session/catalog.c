/* SPDX-License-Identifier: Apache-2.0 */
/* What is protected in a database: see catalog.h. */
#include "session/catalog.h"

#include <errno.h>
#include <stdlib.h>

#include "session/cancel.h"
#include "session/relay.h"
#include "sql/catalog.h"
#include "util/clock.h"

enum { CATALOG_PATTERNS_MAX = 256, CATALOGS_MAX = 1024 };

/* Names change without us when somebody else changes them: not believed for longer than this. */
#define CATALOG_MAX_AGE_NS (60 * CLOCK_NS_PER_S)
/* Stale ones are asked again at most this often, but by the session that changed something. */
#define CATALOG_MIN_AGE_NS (1 * CLOCK_NS_PER_S)

/* A question that is not answered by then is withdrawn, and not put again for a while; a server
 * that does not even answer that is gone. */
#define CATALOG_PATIENCE_NS (10 * CLOCK_NS_PER_S)
#define CATALOG_PAUSE_NS    (60 * CLOCK_NS_PER_S)
#define CATALOG_GONE_NS     (60 * CLOCK_NS_PER_S)

static void catalog_free(struct catalog *c)
{
	mask_catalog_free(c->columns);
	free(c);
}

void catalog_drop_all(struct worker *w)
{
	struct list *pos;
	size_t at = 0;
	void *c;

	list_for_each (pos, &w->sessions)
		list_entry(pos, struct session, link)->catalog = NULL;
	while (map_next(&w->catalogs, &at, NULL, &c))
		catalog_free(c);
	map_deinit(&w->catalogs);
	map_init(&w->catalogs, CATALOGS_MAX);
}

/* The catalog of this session's resource and database, made if need be; NULL: every column is
 * unproven. */
static struct catalog *catalog_of(struct session *s)
{
	char key[256];
	int n = snprintf(
		key, sizeof(key), "%s%c%s%c%s", s->resource->name, 0, s->target, 0, s->database);
	struct slice k = slice_of(key, (size_t)n);
	struct catalog *c;

	/* Cut short it could be the key of another database, with other columns protected. */
	if (n < 0 || (size_t)n >= sizeof(key))
		return NULL;
	c = map_get(&s->worker->catalogs, k);
	if (c)
		return c;
	c = calloc(1, sizeof(*c));
	if (c && map_put(&s->worker->catalogs, k, c, NULL)) {
		free(c);
		return NULL;
	}
	return c;
}

bool catalog_is_due(struct session *s)
{
	struct catalog *c;
	int64_t max_age;

	if (!s->is_logged_in || s->policy != s->worker->policy ||
		!mask_rules_need_catalog(s->resource->masks))
		return false;
	if (!s->catalog)
		s->catalog = catalog_of(s);
	c = s->catalog;
	if (!c)
		return false;
	if (s->catalog_not_before_ns && clock_mono_ns() < s->catalog_not_before_ns)
		return false;
	if (c->names_epoch != atomic_load(&s->worker->enforcer->names_epoch))
		return true;
	max_age = c->epoch == atomic_load(&s->worker->enforcer->catalog_epoch) ? CATALOG_MAX_AGE_NS
									       : CATALOG_MIN_AGE_NS;
	return !c->columns || s->doubts_catalog || clock_mono_ns() - c->known_since_ns > max_age;
}

/* Is it as old as a change of names by somebody else, finished or at the server right now? */
static bool catalog_is_overtaken(const struct session *s)
{
	struct enforcer *e = s->worker->enforcer;
	unsigned n_own = s->is_renaming;

	return s->catalog->names_epoch != atomic_load(&e->names_epoch) ||
	       atomic_load(&e->n_renaming) > n_own;
}

const struct mask_catalog *catalog_believed(const struct session *s)
{
	if (!s->catalog || s->doubts_catalog || catalog_is_overtaken(s))
		return NULL;
	return s->catalog->columns;
}

uint64_t catalog_names_now(const struct session *s)
{
	return atomic_load(&s->worker->enforcer->names_epoch) - s->n_own_names;
}

void catalog_renaming_begin(struct session *s)
{
	struct enforcer *e = s->worker->enforcer;

	if (!s->is_renaming)
		atomic_fetch_add(&e->n_renaming, 1);
	s->is_renaming = true;
	s->n_own_names++;
	atomic_fetch_add(&e->names_epoch, 1);
}

void catalog_renaming_end(struct session *s)
{
	struct enforcer *e = s->worker->enforcer;

	if (!s->is_renaming)
		return;
	/* First what makes the old knowledge old, then what lets it be believed. */
	s->n_own_names++;
	atomic_fetch_add(&e->names_epoch, 1);
	atomic_fetch_sub(&e->n_renaming, 1);
	s->is_renaming = false;
}

int catalog_ask(struct session *s)
{
	const char *patterns[CATALOG_PATTERNS_MAX + 1];
	struct sink *sink = &s->unit_sink;
	struct slice question;
	size_t n = 0;
	int r;

	for (size_t i = 0; s->resource->masks[i]; i++)
		for (const char **p = s->resource->masks[i]->columns; *p; p++)
			if (n < CATALOG_PATTERNS_MAX)
				patterns[n++] = *p;
			else
				return err_raise(-E2BIG);
	patterns[n] = NULL;
	sink_begin(sink);
	question = sql_catalog_question(patterns, &s->unit_arena);
	if (!question.p)
		return err_raise(-ENOMEM);
	r = s->proto->ask(s->state, ASK_IDLE, question, sink);
	if (r == PROTO_E_NOT_NOW)
		return 1;
	if (r > 0 || sink->overflow)
		return err_raise(-E2BIG);
	if (!r)
		r = relay_apply(s, SIDE_CLIENT, SLICE_NULL, sink);
	arena_reset(&s->unit_arena);
	if (r)
		return err_trace(r < 0 ? r : -ECONNRESET);
	s->catalog_epoch = atomic_load(&s->worker->enforcer->catalog_epoch);
	s->names_epoch = atomic_load(&s->worker->enforcer->names_epoch);
	mask_catalog_free(s->coming);
	s->coming = mask_catalog_new(s->resource->masks);
	return s->coming ? 0 : err_raise(-ENOMEM);
}

bool catalog_tick(struct session *s, int64_t waited_ns)
{
	int64_t now = clock_mono_ns();

	if (waited_ns > CATALOG_GONE_NS)
		return false;
	if (waited_ns <= CATALOG_PATIENCE_NS || now < s->catalog_not_before_ns)
		return true;
	s->catalog_not_before_ns = now + CATALOG_PAUSE_NS;
	(void)cancel_send(s, NULL);
	return true;
}

static int catalog_on_row(struct session *s, const struct value *v, size_t n)
{
	uint32_t table, attr;
	struct slice name;
	int r;

	if (n != CATALOG_ANSWER_N || v[CATALOG_KIND].bytes.n != 1)
		return err_raise(-EPROTO);
	table = slice_u32(v[CATALOG_OID].bytes);
	attr = slice_u32(v[CATALOG_ATTNUM].bytes);
	name = v[CATALOG_RELATION].bytes;
	switch (v[CATALOG_KIND].bytes.p[0]) {
	case CATALOG_TABLE:
		r = mask_catalog_add_table(
			s->coming, table, v[CATALOG_SCHEMA].bytes, v[CATALOG_RELATION].bytes);
		break;
	case CATALOG_FITS:
		r = mask_catalog_add_column(s->coming, table, (uint16_t)attr,
			v[CATALOG_SCHEMA].bytes, v[CATALOG_RELATION].bytes,
			v[CATALOG_COLUMN].bytes);
		break;
	case CATALOG_DERIVED:
		r = mask_catalog_add_derived_column(s->coming, table, (uint16_t)attr,
			v[CATALOG_COLUMN].bytes, slice_u32(v[CATALOG_FROM_OID].bytes),
			(uint16_t)slice_u32(v[CATALOG_FROM_ATTNUM].bytes));
		break;
	case CATALOG_SHOWN:
		r = mask_catalog_add_shown(s->coming, table, (uint16_t)attr,
			v[CATALOG_COLUMN].bytes, slice_u32(v[CATALOG_FROM_OID].bytes),
			(uint16_t)slice_u32(v[CATALOG_FROM_ATTNUM].bytes));
		break;
	case CATALOG_FUNCTION:
		r = mask_catalog_add_word(s->coming, MASK_WORD_FUNCTION, name);
		break;
	case CATALOG_ROW_FUNCTION:
		r = mask_catalog_add_word(s->coming, MASK_WORD_ROW_FUNCTION, name);
		break;
	case CATALOG_OPERATOR:
		r = mask_catalog_add_word(s->coming, MASK_WORD_OPERATOR, name);
		break;
	case CATALOG_CAST:
		r = mask_catalog_add_word(s->coming, MASK_WORD_CAST, name);
		break;
	case CATALOG_TYPE:
		r = mask_catalog_add_word(s->coming, MASK_WORD_TYPE, name);
		break;
	case CATALOG_RUNS:
	case CATALOG_RUNS_WRITTEN:
		r = mask_catalog_add_code(
			s->coming, table, v[CATALOG_KIND].bytes.p[0] == CATALOG_RUNS_WRITTEN);
		break;
	default:
		return err_raise(-EPROTO);
	}
	return r ? err_fold(r) : 0;
}

int catalog_on_answer(struct session *s, const struct event *ev, bool *ret_done)
{
	struct catalog *c = s->catalog;

	*ret_done = ev->answer.is_end;
	if (!s->coming || !c)
		return 0;
	if (!ev->answer.is_end)
		return err_trace(catalog_on_row(s, ev->answer.values, ev->answer.n));
	if (ev->answer.failed) {
		/* Nothing is known then: every column of a table is unproven, which is the safe
		 * side. For this session only: its client may have made the question fail. */
		s->doubts_catalog = true;
		s->coming = mask_catalog_free(s->coming);
		worker_event(
			s->worker, "catalog-failed", s->run.id, s->id, "database=%s", s->database);
		return 0;
	}
	mask_catalog_free(c->columns);
	c->columns = s->coming;
	s->coming = NULL;
	c->known_since_ns = clock_mono_ns();
	c->epoch = s->catalog_epoch;
	c->names_epoch = s->names_epoch;
	s->doubts_catalog = false;
	return 0;
}

void catalog_mark_stale(struct session *s)
{
	atomic_fetch_add(&s->worker->enforcer->catalog_epoch, 1);
}
