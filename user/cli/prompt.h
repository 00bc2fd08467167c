/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The approver's prompt without its terminal: what it shows and what a key does. cmd-prompt.c feeds
 * it keys and events; tests do so too.
 *
 * A decision must be meant: keys count only if they come one by one (no paste, no cursor keys) and
 * some time after a hold was drawn, and every decision ends with Enter.
 */
#pragma once

#include "cli/decide.h"
#include "cli/held.h"
#include "cli/screen.h"

enum { PROMPT_NOTE_MAX = DECIDE_TEXT_MAX };
#define PROMPT_SETTLE_NS (INT64_C(300) * 1000000)

enum prompt_mode { PROMPT_LOOK, PROMPT_APPROVE, PROMPT_DENY, PROMPT_WHOLE, PROMPT_HELP };

struct prompt {
	struct held_list held;
	uint64_t shown;   /* id of the hold on the screen, 0 = none */
	uint64_t decided; /* the last one that was decided here */
	uint64_t drawn;   /* the one that was on it when prompt_drawn() was called */
	int64_t drawn_ns; /* when */
	enum prompt_mode mode;
	char reason[DECIDE_REASON_MAX + 1];
	size_t reason_len;
	size_t page; /* of PROMPT_WHOLE */
	bool is_connected;
	char note[PROMPT_NOTE_MAX]; /* what happened last */
};

enum prompt_action {
	PROMPT_NOTHING,
	PROMPT_DECIDE, /* send the decision on p->shown: p->mode, p->reason; then prompt_decided()
			*/
	PROMPT_QUIT,
};

void prompt_deinit(struct prompt *p);
/* One read of the keyboard. */
enum prompt_action prompt_key(struct prompt *p, const char *bytes, size_t n, int64_t now_ns);
/* One message of the daemon's. */
void prompt_event(struct prompt *p, json_t *event, int64_t now_ns);
/* The daemon came or went; with it went all holds that were known. */
void prompt_connected(struct prompt *p, bool is_connected, const char *note);
void prompt_decided(struct prompt *p, const char *sentence);
/* Draws everything; a page beyond the last becomes the last. */
void prompt_draw(struct prompt *p, struct screen *s, int64_t now_ns);
/* Call after drawing: true if another hold is on the screen now, so that keys typed before it was
 * there must be thrown away. */
bool prompt_drawn(struct prompt *p, int64_t now_ns);
