/* SPDX-License-Identifier: Apache-2.0 */
/* What keys and events do to the prompt: see prompt.h. Drawing is in prompt_draw.c. */
#include "cli/prompt.h"

#include <inttypes.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/text.h"
#include "util/utf8.h"

enum { KEY_BACKSPACE = 0x7f, KEY_BACKSPACE_OLD = 0x08, KEY_ESCAPE = 0x1b, KEY_KILL_LINE = 0x15 };

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
	p->reason_len = 0;
	p->reason[0] = 0;
}

/* The hold that takes the place of one that ended. */
static void prompt_show_at(struct prompt *p, size_t index)
{
	if (index >= p->held.n)
		index = p->held.n ? p->held.n - 1 : 0;
	prompt_show(p, p->held.n ? p->held.items[index].id : 0);
}

static void prompt_move(struct prompt *p, bool is_forward)
{
	size_t i = held_index(&p->held, p->shown), to = is_forward ? i + 1 : i - 1;

	if (to >= p->held.n) { /* also below zero */
		prompt_note(p, is_forward ? "this is the newest hold" : "this is the oldest hold");
		return;
	}
	p->note[0] = 0;
	prompt_show(p, p->held.items[to].id);
}

static void prompt_ask_reason(struct prompt *p, enum prompt_mode mode)
{
	p->mode = mode;
	p->note[0] = 0;
	p->reason_len = 0;
	p->reason[0] = 0;
}

static enum prompt_action prompt_key_look(struct prompt *p, char key)
{
	bool is_whole = p->mode == PROMPT_WHOLE;

	if (p->mode == PROMPT_HELP) {
		p->mode = PROMPT_LOOK;
		return PROMPT_NOTHING;
	}
	if (key == 'q' && !is_whole)
		return PROMPT_QUIT;
	if (key == '?') {
		p->mode = PROMPT_HELP;
		return PROMPT_NOTHING;
	}
	if (!p->shown)
		return PROMPT_NOTHING;
	if (key == 'a')
		prompt_ask_reason(p, PROMPT_APPROVE);
	else if (key == 'd')
		prompt_ask_reason(p, PROMPT_DENY);
	else if (key == 'n')
		prompt_move(p, true);
	else if (key == 'p')
		prompt_move(p, false);
	else if (key == 'v' || (is_whole && (key == 'q' || key == KEY_ESCAPE)))
		p->mode = is_whole ? PROMPT_LOOK : PROMPT_WHOLE;
	else if (key == ' ' && is_whole)
		p->page++;
	else if (key == 'b' && is_whole && p->page)
		p->page--;
	return PROMPT_NOTHING;
}

static void prompt_erase(struct prompt *p)
{
	while (p->reason_len && (p->reason[--p->reason_len] & 0xc0) == 0x80)
		;
	p->reason[p->reason_len] = 0;
}

static void prompt_type(struct prompt *p, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n && p->reason_len < DECIDE_REASON_MAX; i++) {
		unsigned char c = (unsigned char)bytes[i];

		p->reason[p->reason_len++] = c < 0x20 || c == KEY_BACKSPACE ? ' ' : (char)c;
	}
	p->reason[p->reason_len] = 0;
}

static enum prompt_action prompt_enter(struct prompt *p)
{
	size_t blank = strspn(p->reason, " ");

	if (!utf8_is_valid(slice_of(p->reason, p->reason_len))) {
		prompt_note(p, "the reason is not UTF-8");
		return PROMPT_NOTHING;
	}
	if (p->mode == PROMPT_DENY && blank == p->reason_len) {
		prompt_note(p, "a denial needs a reason: the agent is told (Esc: back)");
		return PROMPT_NOTHING;
	}
	return PROMPT_DECIDE;
}

static enum prompt_action prompt_key_reason(struct prompt *p, const char *bytes, size_t n)
{
	if (n == 1 && (bytes[0] == '\n' || bytes[0] == '\r'))
		return prompt_enter(p);
	if (bytes[0] == KEY_ESCAPE) {
		if (n == 1) { /* alone: the key; with others: a cursor key and such */
			p->mode = PROMPT_LOOK;
			prompt_note(p, "nothing was decided");
		}
	} else if (n == 1 && (bytes[0] == KEY_BACKSPACE || bytes[0] == KEY_BACKSPACE_OLD)) {
		prompt_erase(p);
	} else if (n == 1 && bytes[0] == KEY_KILL_LINE) {
		p->reason_len = 0;
		p->reason[0] = 0;
	} else {
		prompt_type(p, bytes, n);
	}
	return PROMPT_NOTHING;
}

enum prompt_action prompt_key(struct prompt *p, const char *bytes, size_t n, int64_t now_ns)
{
	if (!n || p->shown != p->drawn || (p->shown && now_ns - p->drawn_ns < PROMPT_SETTLE_NS))
		return PROMPT_NOTHING;
	if (p->mode == PROMPT_APPROVE || p->mode == PROMPT_DENY)
		return prompt_key_reason(p, bytes, n);
	return n == 1 ? prompt_key_look(p, bytes[0]) : PROMPT_NOTHING;
}

static void prompt_on_end(struct prompt *p, const json_t *event, uint64_t id, size_t index)
{
	bool was_writing = p->mode == PROMPT_APPROVE || p->mode == PROMPT_DENY;
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
	prompt_show_at(p, index);
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
		if (!p->shown)
			prompt_show(p, id);
		break;
	case HELD_ENDED:
		prompt_on_end(p, event, id, index);
		break;
	}
}

void prompt_connected(struct prompt *p, bool is_connected, const char *note)
{
	p->is_connected = is_connected;
	held_clear(&p->held);
	prompt_show(p, 0);
	prompt_note(p, note);
}

void prompt_decided(struct prompt *p, const char *sentence)
{
	p->decided = p->shown;
	p->mode = PROMPT_LOOK;
	p->reason_len = 0;
	p->reason[0] = 0;
	prompt_note(p, sentence);
}

bool prompt_drawn(struct prompt *p, int64_t now_ns)
{
	if (p->drawn == p->shown)
		return false;
	p->drawn = p->shown;
	p->drawn_ns = now_ns;
	return true;
}
