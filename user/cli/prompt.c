/* SPDX-License-Identifier: Apache-2.0 */
/* What keys and events do to the prompt: see prompt.h. Drawing is in prompt_draw.c. */
#include "cli/prompt.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "cli/cli.h"
#include "cli/duration.h"
#include "cli/text.h"
#include "util/utf8.h"

enum { PROMPT_KEYS_MAX = 256 };

void prompt_deinit(struct prompt *p)
{
	held_deinit(&p->held);
}

static void prompt_note(struct prompt *p, const char *note)
{
	snprintf(p->note, sizeof(p->note), "%s", note);
}

static void prompt_show(struct prompt *p, uint64_t id)
{
	p->shown = id;
	p->mode = PROMPT_LOOK;
	p->page = 0;
	p->line_len = 0;
	p->line[0] = 0;
}

static bool prompt_is_typing(const struct prompt *p)
{
	return p->mode >= PROMPT_APPROVE;
}

/* Another one, or none, is on the screen from now on, and nobody here has asked for that. Who was
 * typing a decision goes on typing for a moment: that must not become commands about this one. */
static void prompt_push(struct prompt *p, uint64_t id)
{
	enum prompt_mode mode = p->mode;

	if (mode == PROMPT_SEARCH) {
		p->shown = id;
		return;
	}
	mode = mode == PROMPT_GONE || prompt_is_typing(p) ? PROMPT_GONE : PROMPT_LOOK;
	prompt_show(p, id);
	p->mode = mode;
}

/* ---- the list -------------------------------------------------------------------------------- */

static bool prompt_has(const json_t *j, const char *key, const char *word)
{
	const char *text = json_string_value(json_object_get(j, key));

	return text && strcasestr(text, word);
}

bool prompt_lists(const struct prompt *p, const struct held *h)
{
	static const char *const keys[] = {"id", "run_name", "resource", "role", "database", "rule",
		"effects", "objects", "text"};

	if (!p->search[0])
		return true;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (prompt_has(h->json, keys[i], p->search))
			return true;
	return false;
}

/* The nearest one from there on that is listed, first forward, then back; 0 = none. */
static uint64_t prompt_near(const struct prompt *p, size_t from)
{
	for (size_t i = from; i < p->held.n; i++)
		if (prompt_lists(p, &p->held.items[i]))
			return p->held.items[i].id;
	for (size_t i = from < p->held.n ? from : p->held.n; i-- > 0;)
		if (prompt_lists(p, &p->held.items[i]))
			return p->held.items[i].id;
	return 0;
}

static void prompt_move(struct prompt *p, bool is_forward)
{
	size_t n = p->held.n, i = held_index(&p->held, p->shown);

	do
		i = is_forward ? i + 1 : i - 1;
	while (i < n && !prompt_lists(p, &p->held.items[i]));
	if (i >= n) { /* also below zero */
		prompt_note(p, is_forward ? "this is the newest hold" : "this is the oldest hold");
		return;
	}
	p->note[0] = 0;
	prompt_show(p, p->held.items[i].id);
}

/* ---- commands -------------------------------------------------------------------------------- */

static void prompt_ask(struct prompt *p, enum prompt_mode mode)
{
	const struct held *h = held_find(&p->held, p->shown);
	bool has_shape = h && json_is_true(json_object_get(h->json, "has_shape"));

	if ((mode == PROMPT_SHAPE || mode == PROMPT_TIME) && !has_shape) {
		prompt_note(p, "this request has no shape that could be granted: approve it once");
		return;
	}
	p->mode = mode;
	p->note[0] = 0;
	p->line_len = 0;
	p->line[0] = 0;
}

/* Nobody decides what he does not see. */
static bool prompt_refuses_small(struct prompt *p)
{
	if (p->is_small)
		prompt_note(p, "this terminal is too small to decide in");
	return p->is_small;
}

static bool prompt_command(struct prompt *p, char key)
{
	static const struct {
		char key;
		enum prompt_mode mode;
	} rows[] = {{'a', PROMPT_APPROVE}, {'s', PROMPT_SHAPE}, {'t', PROMPT_TIME},
		{'d', PROMPT_DENY}, {'D', PROMPT_KIND}, {'K', PROMPT_KILL}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].key == key) {
			if (!prompt_refuses_small(p))
				prompt_ask(p, rows[i].mode);
			return true;
		}
	return false;
}

static void prompt_turn(struct prompt *p, bool is_forward)
{
	if (is_forward)
		p->page++;
	else if (p->page)
		p->page--;
}

static enum prompt_action prompt_char_look(struct prompt *p, char key)
{
	bool is_whole = p->mode == PROMPT_WHOLE;

	if (key == 'q' && !is_whole)
		return PROMPT_QUIT;
	if (key == '?')
		p->mode = PROMPT_HELP;
	else if (key == '/')
		prompt_ask(p, PROMPT_SEARCH);
	else if (!p->shown || prompt_command(p, key))
		;
	else if (key == 'n' || key == 'j')
		prompt_move(p, true);
	else if (key == 'p' || key == 'k')
		prompt_move(p, false);
	else if (key == 'v' || (is_whole && key == 'q'))
		p->mode = is_whole ? PROMPT_LOOK : PROMPT_WHOLE;
	else if (is_whole && (key == ' ' || key == 'b'))
		prompt_turn(p, key == ' ');
	return PROMPT_NOTHING;
}

static enum prompt_action prompt_key_look(struct prompt *p, const struct key *key)
{
	bool is_whole = p->mode == PROMPT_WHOLE;

	if (p->mode == PROMPT_HELP) {
		p->mode = PROMPT_LOOK;
		return PROMPT_NOTHING;
	}
	if (p->mode == PROMPT_GONE) {
		if (key->kind == KEY_ENTER || key->kind == KEY_ESCAPE) {
			p->mode = PROMPT_LOOK;
			p->note[0] = 0;
		}
		return PROMPT_NOTHING;
	}
	switch (key->kind) {
	case KEY_CHAR:
		return prompt_char_look(p, key->text[0]);
	case KEY_ENTER:
		if (p->shown)
			p->mode = is_whole ? PROMPT_LOOK : PROMPT_WHOLE;
		return PROMPT_NOTHING;
	case KEY_ESCAPE:
		p->search[0] = 0;
		p->mode = PROMPT_LOOK;
		return PROMPT_NOTHING;
	case KEY_UP:
	case KEY_DOWN:
		if (p->shown && !is_whole)
			prompt_move(p, key->kind == KEY_DOWN);
		return PROMPT_NOTHING;
	case KEY_PAGE_UP:
	case KEY_PAGE_DOWN:
		if (is_whole)
			prompt_turn(p, key->kind == KEY_PAGE_DOWN);
		return PROMPT_NOTHING;
	case KEY_BACKSPACE:
	case KEY_KILL_LINE:
	case KEY_PASTED:
	case KEY_OTHER:
		break;
	}
	return PROMPT_NOTHING;
}

/* ---- typing a line --------------------------------------------------------------------------- */

static void prompt_erase(struct prompt *p)
{
	while (p->line_len && (p->line[--p->line_len] & 0xc0) == 0x80)
		;
	p->line[p->line_len] = 0;
}

static void prompt_type(struct prompt *p, const char *text)
{
	size_t max = p->mode == PROMPT_SEARCH ? PROMPT_SEARCH_MAX : DECIDE_REASON_MAX;

	if (p->line_len + strlen(text) > max)
		return;
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		p->line[p->line_len++] = c < 0x20 || c == 0x7f ? ' ' : (char)c;
	}
	p->line[p->line_len] = 0;
}

static bool prompt_is_blank(const struct prompt *p)
{
	return strspn(p->line, " ") == p->line_len;
}

static bool prompt_wants_reason(const struct prompt *p)
{
	const struct held *h = held_find(&p->held, p->shown);

	return p->mode == PROMPT_DENY || p->mode == PROMPT_KIND ||
	       (h && json_is_true(json_object_get(h->json, "reason_required")));
}

static enum prompt_action prompt_enter_reason(struct prompt *p)
{
	if (!utf8_is_valid(slice_of(p->line, p->line_len))) {
		prompt_note(p, "the reason is not UTF-8");
		return PROMPT_NOTHING;
	}
	if (!held_find(&p->held, p->shown)) {
		prompt_note(p, "it is not on the list at the moment");
		return PROMPT_NOTHING;
	}
	if (prompt_wants_reason(p) && prompt_is_blank(p)) {
		prompt_note(p, p->mode == PROMPT_DENY || p->mode == PROMPT_KIND
				       ? "a denial needs a reason: the agent is told (Esc: back)"
				       : "the rule wants a reason (Esc: back)");
		return PROMPT_NOTHING;
	}
	return PROMPT_DECIDE;
}

static enum prompt_action prompt_enter(struct prompt *p)
{
	if (p->mode != PROMPT_SEARCH && prompt_refuses_small(p))
		return PROMPT_NOTHING;
	switch (p->mode) {
	case PROMPT_TIME:
		if (!duration_parse(p->line, &p->seconds)) {
			prompt_note(p, "a time is 30m, 2h or 1d, at most 7d (Esc: back)");
			return PROMPT_NOTHING;
		}
		prompt_ask(p, PROMPT_TIMED);
		return PROMPT_NOTHING;
	case PROMPT_KILL:
		if (!strcmp(p->line, "kill"))
			return PROMPT_KILLS;
		prompt_note(p, "type the word kill, or Esc");
		return PROMPT_NOTHING;
	case PROMPT_SEARCH:
		snprintf(p->search, sizeof(p->search), "%.*s", PROMPT_SEARCH_MAX, p->line);
		prompt_show(p, prompt_near(p, held_index(&p->held, p->shown)));
		return PROMPT_NOTHING;
	case PROMPT_APPROVE:
	case PROMPT_SHAPE:
	case PROMPT_TIMED:
	case PROMPT_DENY:
	case PROMPT_KIND:
		return prompt_enter_reason(p);
	case PROMPT_LOOK:
	case PROMPT_WHOLE:
	case PROMPT_HELP:
	case PROMPT_GONE:
		break;
	}
	return PROMPT_NOTHING;
}

/* An Enter in the middle of what came at once, or one of several, is part of a paste. */
static enum prompt_action prompt_key_line(
	struct prompt *p, const struct key *key, bool is_last, bool is_only_enter)
{
	switch (key->kind) {
	case KEY_ENTER:
		if (is_last && is_only_enter)
			return prompt_enter(p);
		prompt_type(p, " ");
		return PROMPT_NOTHING;
	case KEY_ESCAPE:
		prompt_note(p, p->mode == PROMPT_SEARCH ? "" : "nothing was decided");
		p->mode = PROMPT_LOOK;
		p->line_len = 0;
		p->line[0] = 0;
		return PROMPT_NOTHING;
	case KEY_BACKSPACE:
		prompt_erase(p);
		return PROMPT_NOTHING;
	case KEY_KILL_LINE:
		p->line_len = 0;
		p->line[0] = 0;
		return PROMPT_NOTHING;
	case KEY_CHAR:
	case KEY_PASTED:
		prompt_type(p, key->text);
		return PROMPT_NOTHING;
	case KEY_UP:
	case KEY_DOWN:
	case KEY_PAGE_UP:
	case KEY_PAGE_DOWN:
	case KEY_OTHER:
		break;
	}
	return PROMPT_NOTHING;
}

/* What is typed into a search decides nothing. */
static bool prompt_is_too_early(const struct prompt *p, int64_t now_ns)
{
	if (p->mode == PROMPT_SEARCH)
		return false;
	return p->shown != p->drawn || (p->shown && now_ns - p->drawn_ns < PROMPT_SETTLE_NS);
}

enum prompt_action prompt_key(struct prompt *p, const char *bytes, size_t n, int64_t now_ns)
{
	struct key keys[PROMPT_KEYS_MAX];
	size_t n_keys = keyboard_read(&p->keyboard, bytes, n, keys, PROMPT_KEYS_MAX);
	enum prompt_action action = PROMPT_NOTHING;
	size_t n_enters = 0;

	if (!n_keys || prompt_is_too_early(p, now_ns))
		return PROMPT_NOTHING;
	if (!prompt_is_typing(p))
		return n_keys == 1 ? prompt_key_look(p, &keys[0]) : PROMPT_NOTHING;
	for (size_t i = 0; i < n_keys; i++)
		n_enters += keys[i].kind == KEY_ENTER;
	for (size_t i = 0; i < n_keys && prompt_is_typing(p) && action == PROMPT_NOTHING; i++)
		action = prompt_key_line(p, &keys[i], i + 1 == n_keys, n_enters == 1);
	return action;
}

void prompt_settle(struct prompt *p, int64_t now_ns)
{
	struct key key;

	if (!keyboard_settle(&p->keyboard, &key) || prompt_is_too_early(p, now_ns))
		return;
	if (prompt_is_typing(p))
		(void)prompt_key_line(p, &key, true, true);
	else
		(void)prompt_key_look(p, &key);
}

/* ---- decisions ------------------------------------------------------------------------------- */

uint64_t prompt_deciding(const struct prompt *p)
{
	return prompt_is_typing(p) && p->mode != PROMPT_SEARCH ? p->shown : 0;
}

struct decision prompt_decision(const struct prompt *p)
{
	bool denies = p->mode == PROMPT_DENY || p->mode == PROMPT_KIND;

	return (struct decision){
		.hold = p->shown,
		.is_approval = !denies,
		/* The same answer is right for all that ask the same; a yes is for one. */
		.is_all = denies,
		.is_wide = p->mode == PROMPT_SHAPE || p->mode == PROMPT_TIMED ||
			   p->mode == PROMPT_KIND,
		.seconds = p->mode == PROMPT_TIMED ? p->seconds : 0,
		.reason = p->line,
		.seen = held_find(&p->held, p->shown) ? p->seen : "",
	};
}

void prompt_decided(struct prompt *p, const char *sentence)
{
	p->decided = p->shown;
	p->mode = PROMPT_LOOK;
	p->line_len = 0;
	p->line[0] = 0;
	prompt_note(p, sentence);
}

/* ---- events ---------------------------------------------------------------------------------- */

static void prompt_on_end(struct prompt *p, const json_t *event, uint64_t id, size_t index)
{
	bool was_writing = prompt_deciding(p) == id;
	struct slice outcome = text_field(event, "outcome");

	if (p->shown != id)
		return;
	/* Our own decision has said its sentence already. */
	if (p->decided != id) {
		FILE *f = fmemopen(p->note, sizeof(p->note), "w");

		if (f) {
			fprintf(f, "h%" PRIu64 " ended: ", id);
			utf8_print_safe(f, outcome, false, 40);
			fputs(was_writing ? "; nothing was sent" : "", f);
			fclose(f);
		}
	}
	prompt_push(p, prompt_near(p, index));
}

void prompt_event(struct prompt *p, json_t *event, int64_t now_ns)
{
	const char *text = json_string_value(json_object_get(event, "id"));
	size_t index = held_index(&p->held, text ? cli_hold_id(text) : 0);
	uint64_t id;

	switch (held_apply(&p->held, event, now_ns, &id)) {
	case HELD_NONE:
		break;
	case HELD_CAME:
		p->n_came++;
		if (!p->shown)
			prompt_push(p, prompt_near(p, p->held.n - 1));
		break;
	case HELD_ENDED:
		prompt_on_end(p, event, id, index);
		break;
	case HELD_RESET:
		/* The one that is being decided comes again at once, if it is still held. */
		if (!prompt_is_typing(p) || p->mode == PROMPT_SEARCH)
			prompt_push(p, 0);
		break;
	}
}

void prompt_connected(struct prompt *p, bool is_connected, const char *note)
{
	p->is_connected = is_connected;
	held_clear(&p->held);
	prompt_push(p, 0);
	prompt_note(p, note);
}

/* Which request was on the screen, and how much its server had said of it by then. */
static void prompt_note_seen(struct prompt *p)
{
	const struct held *h = held_find(&p->held, p->shown);
	const char *hash = h ? json_string_value(json_object_get(h->json, "hash")) : NULL;

	snprintf(p->seen, sizeof(p->seen), "%.24s/%" PRIu64, hash ? hash : "",
		h ? text_number(h->json, "look") : 0);
}

bool prompt_drawn(struct prompt *p, int64_t now_ns)
{
	prompt_note_seen(p);
	if (p->drawn == p->shown)
		return false;
	p->drawn = p->shown;
	p->drawn_ns = now_ns;
	return true;
}
