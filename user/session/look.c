/* SPDX-License-Identifier: Apache-2.0 */
/* What people are told of a held request besides: see look.h. */
#include "session/look.h"

#include <stdlib.h>

#include "session/session.h"
#include "sql/impact.h"

struct look {
	struct side_talk talk;
	struct mailbox *to;
	uint64_t hold;
	char *text;
	size_t text_len;
	bool may_be_own;
	struct impact *impact; /* from the first question on */
};

static struct look *look_of(struct side_talk *t)
{
	return list_entry(t, struct look, talk);
}

static bool look_next(
	struct side_talk *t, struct slice *ret_text, const struct slice **ret_params, size_t *ret_n)
{
	struct look *l = look_of(t);

	if (!l->impact)
		l->impact = impact_new(slice_of(l->text, l->text_len), l->may_be_own);
	return l->impact && impact_next(l->impact, ret_text, ret_params, ret_n);
}

static int look_on_row(struct side_talk *t, const struct slice *columns, size_t n)
{
	return impact_row(look_of(t)->impact, columns, n);
}

static void look_answered(struct side_talk *t, const char *code)
{
	impact_answered(look_of(t)->impact, code);
}

/* ---- the answer ------------------------------------------------------------------------------ */

static char *look_words(const struct impact *m)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	if (!f)
		return NULL;
	if (m)
		impact_write_words(m, f);
	else
		fputs("not known: the server could not be asked", f);
	fclose(f);
	if (text && n > IMPACT_WORDS_MAX)
		text[IMPACT_WORDS_MAX] = 0;
	return text;
}

static char *look_json(const struct impact *m, size_t list_max)
{
	struct slice made;
	char *text = NULL;
	struct json j;

	jsonw_init(&j, IMPACT_JSON_MAX);
	if (m) {
		impact_write_json(m, list_max, &j);
	} else {
		jsonw_object(&j, NULL);
		jsonw_bool(&j, "answered", false);
		jsonw_object_end(&j);
	}
	made = jsonw_done(&j);
	if (made.n)
		text = strndup((const char *)made.p, made.n);
	jsonw_deinit(&j);
	/* Names of somebody's can be long; the words have the most of it anyway. */
	return text || list_max == 0 ? text : look_json(m, list_max / 8);
}

void look_answer_deinit(struct look_answer *a)
{
	free(a->impact);
	free(a->impact_words);
}

static void look_end(struct side_talk *t, bool is_lost)
{
	struct look *l = look_of(t);
	struct mail *m = mail_new(MAIL_LOOK);

	if (l->impact && is_lost)
		impact_answered(l->impact, "");
	if (m) {
		m->hold = l->hold;
		m->look = calloc(1, sizeof(*m->look));
	}
	if (m && m->look) {
		m->look->is_lost = is_lost;
		m->look->impact = look_json(l->impact, 64);
		m->look->impact_words = look_words(l->impact);
	}
	mailbox_send(l->to, m);
	impact_free(l->impact);
	free(l->text);
	free(l);
}

/* ---- asking ---------------------------------------------------------------------------------- */

void look_begin(struct side_place *p, struct mailbox *to, const struct look_ask *ask)
{
	struct look *l = calloc(1, sizeof(*l));

	if (!l)
		return;
	*l = (struct look){
		.talk = {.next = look_next,
			.on_row = look_on_row,
			.answered = look_answered,
			.end = look_end},
		.to = to,
		.hold = ask->hold,
		.text = malloc(ask->text.n + 1),
		.text_len = ask->text.n,
		.may_be_own = ask->may_be_own,
	};
	if (!l->text) {
		free(l);
		return;
	}
	if (ask->text.n)
		memcpy(l->text, ask->text.p, ask->text.n);
	side_talk(p, &l->talk);
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
	if (h->look.wants_impact)
		h->look.place =
			side_place(s->worker->enforcer->side, SIDE_PEOPLE, s->resource->name,
				s->origin.addr, s->target_port, s->path, s->target, s->database);
}
