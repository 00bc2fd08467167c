/* SPDX-License-Identifier: Apache-2.0 */
/* What people are told of a held request besides: see look.h. */
#include "session/look.h"

#include <stdlib.h>

#include "session/session.h"
#include "sql/impact.h"
#include "sql/locks.h"

struct look {
	struct side_talk talk;
	struct mailbox *to;
	uint64_t hold;
	bool wants_impact, wants_locks, may_be_own, has_odd_path;
	char *text;
	struct impact *impact; /* from its first question on */
	struct locks locks;
	bool is_at_locks; /* the impact is done with */
};

static struct look *look_of(struct side_talk *t)
{
	return list_entry(t, struct look, talk);
}

static bool look_next(
	struct side_talk *t, struct slice *ret_text, const struct slice **ret_params, size_t *ret_n)
{
	struct look *l = look_of(t);

	if (l->wants_impact && !l->impact)
		l->impact = impact_new(&(struct impact_ask){.text = slice_str(l->text),
			.role = l->locks.role,
			.may_be_own = l->may_be_own,
			.has_odd_path = l->has_odd_path});
	if (l->impact && !l->is_at_locks && impact_next(l->impact, ret_text, ret_params, ret_n))
		return true;
	if (!l->wants_locks || l->is_at_locks)
		return false;
	l->is_at_locks = true;
	*ret_text = locks_question();
	*ret_params = l->locks.params;
	*ret_n = sizeof(l->locks.params) / sizeof(l->locks.params[0]);
	return true;
}

static int look_on_row(struct side_talk *t, const struct slice *columns, size_t n)
{
	struct look *l = look_of(t);

	return l->is_at_locks ? locks_row(&l->locks, columns, n)
			      : impact_row(l->impact, columns, n);
}

static void look_answered(struct side_talk *t, const char *code)
{
	struct look *l = look_of(t);

	if (l->is_at_locks)
		l->locks.has_failed = code != NULL;
	else
		impact_answered(l->impact, code);
}

/* ---- the answer ------------------------------------------------------------------------------ */

static char *look_print(
	const struct look *l, void (*print)(const struct look *l, FILE *f), size_t max)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	if (!f)
		return NULL;
	print(l, f);
	fclose(f);
	if (text && n > max)
		text[max] = 0;
	return text;
}

static void look_print_impact(const struct look *l, FILE *f)
{
	if (l->impact)
		impact_write_words(l->impact, f);
	else
		fputs("not known: the server could not be asked", f);
}

static void look_print_locks(const struct look *l, FILE *f)
{
	locks_write_words(&l->locks, f);
}

static char *look_take_json(struct json *j)
{
	struct slice made = jsonw_done(j);
	char *text = made.n ? strndup((const char *)made.p, made.n) : NULL;

	jsonw_deinit(j);
	return text;
}

static char *look_json_impact(const struct impact *m)
{
	char *text = NULL;
	struct json j;

	/* Names of somebody's can be long; the words have the most of it anyway. */
	for (size_t max = 64; !text; max /= 8) {
		jsonw_init(&j, IMPACT_JSON_MAX);
		if (m) {
			impact_write_json(m, max, &j);
		} else {
			jsonw_object(&j, NULL);
			jsonw_bool(&j, "answered", false);
			jsonw_object_end(&j);
		}
		text = look_take_json(&j);
		if (!max)
			break;
	}
	return text;
}

static char *look_json_locks(const struct locks *l)
{
	struct json j;

	jsonw_init(&j, IMPACT_JSON_MAX);
	locks_write_json(l, &j);
	return look_take_json(&j);
}

void look_answer_deinit(struct look_answer *a)
{
	free(a->impact);
	free(a->impact_words);
	free(a->locks);
	free(a->locks_words);
}

static void look_free(struct look *l)
{
	impact_free(l->impact);
	locks_deinit(&l->locks);
	free(l->text);
	free(l);
}

static void look_end(struct side_talk *t, bool is_lost)
{
	struct look *l = look_of(t);
	struct mail *m = mail_new(MAIL_LOOK);

	if (is_lost && l->impact && !l->is_at_locks)
		impact_answered(l->impact, "");
	l->locks.has_failed |= is_lost;
	if (m) {
		m->hold = l->hold;
		m->look = calloc(1, sizeof(*m->look));
	}
	if (m && m->look) {
		m->look->is_lost = is_lost;
		if (l->wants_impact) {
			m->look->impact = look_json_impact(l->impact);
			m->look->impact_words = look_print(l, look_print_impact, IMPACT_WORDS_MAX);
		}
		if (l->wants_locks) {
			m->look->locks = look_json_locks(&l->locks);
			m->look->locks_words = look_print(l, look_print_locks, LOCKS_WORDS_MAX);
		}
	}
	mailbox_send(l->to, m);
	look_free(l);
}

/* ---- asking ---------------------------------------------------------------------------------- */

bool look_begin(struct side_place *p, struct mailbox *to, const struct look_ask *ask)
{
	struct look *l = calloc(1, sizeof(*l));

	if (!l)
		return false;
	*l = (struct look){
		.talk = {.next = look_next,
			.on_row = look_on_row,
			.answered = look_answered,
			.end = look_end},
		.to = to,
		.hold = ask->hold,
		.wants_impact = ask->wants_impact,
		.wants_locks = ask->wants_locks,
		.may_be_own = ask->may_be_own,
		.has_odd_path = ask->has_odd_path,
		.text = strndup(ask->text.n ? (const char *)ask->text.p : "", ask->text.n),
	};
	locks_init(&l->locks, ask->backend, ask->role);
	if (!l->text) {
		look_free(l);
		return false;
	}
	side_talk(p, &l->talk);
	return true;
}

void look_prepare(struct session *s, struct hold *h)
{
	const uint32_t changes = EFFECT_BIT(EFFECT_INSERT) | EFFECT_BIT(EFFECT_UPDATE) |
				 EFFECT_BIT(EFFECT_DELETE) | EFFECT_BIT(EFFECT_DESTROY) |
				 EFFECT_BIT(EFFECT_DEFINE) | EFFECT_BIT(EFFECT_IMPORT);
	const struct asked *a = &s->asked;
	bool is_readable;

	/* Dialled from here, the same address may be another server. */
	if (door_is_abroad(s))
		return;
	(void)s->proto->lexing(s->state, &is_readable);
	h->look.wants_impact = a->request.kind == REQUEST_TEXT && is_readable &&
			       facts_effects(&a->facts) & changes;
	h->look.may_be_own = s->own.is_any || s->own.n || s->own.may_have_temporary;
	h->look.has_odd_path = s->own.has_odd_path;
	h->look.backend = s->proto->server_id(s->state);
	h->look.wants_locks = s->proto->tx(s->state) != TX_NONE && h->look.backend;
	if (h->look.wants_impact || h->look.wants_locks)
		h->look.place =
			side_place(s->worker->enforcer->side, SIDE_PEOPLE, s->resource->name,
				s->origin.addr, s->target_port, s->path, s->target, s->database);
}
