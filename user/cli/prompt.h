/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The approver's prompt without its terminal: what it shows and what a key does. cmd-prompt.c feeds
 * it keys and events; tests do so too.
 *
 * A decision must be meant: a command is a key that came alone and some time after the hold was
 * drawn, never part of a paste, and every decision ends with Enter. Where a hold ends under the
 * fingers of somebody who is typing, what comes after it is not for the next one.
 */
#pragma once

#include "cli/decide.h"
#include "cli/held.h"
#include "cli/keyboard.h"
#include "cli/screen.h"

enum {
	PROMPT_NOTE_MAX = DECIDE_TEXT_MAX,
	PROMPT_SEARCH_MAX = 64,
	PROMPT_PAST_MAX = 2048,
	PROMPT_SEEN_MAX = 48
};
#define PROMPT_SETTLE_NS (INT64_C(300) * 1000000)
/* What is smaller does not show which hold it is, what it says and what a key is about to do. */
enum { PROMPT_COLS_MIN = 40, PROMPT_ROWS_MIN = 10 };

enum prompt_mode {
	PROMPT_LOOK,
	PROMPT_WHOLE,
	PROMPT_HELP,
	PROMPT_GONE, /* what was being decided ended; the rest of what is typed is for nobody */
	/* a line is being typed */
	PROMPT_APPROVE,
	PROMPT_SHAPE, /* this shape in this run */
	PROMPT_TIME,  /* for how long */
	PROMPT_TIMED, /* this shape for that time */
	PROMPT_DENY,
	PROMPT_KIND, /* deny all of this kind */
	PROMPT_KILL, /* the run */
	PROMPT_SEARCH,
};

struct prompt {
	struct held_list held;
	struct keyboard keyboard;
	uint64_t shown;   /* id of the hold on the screen, 0 = none */
	uint64_t decided; /* the last one that was decided here */
	uint64_t drawn;   /* the one that was on it when prompt_drawn() was called */
	int64_t drawn_ns; /* when */
	enum prompt_mode mode;
	char line[DECIDE_REASON_MAX + 1]; /* what is being typed */
	size_t line_len;
	uint32_t seconds;                   /* of PROMPT_TIMED */
	size_t page;                        /* of PROMPT_WHOLE */
	char seen[PROMPT_SEEN_MAX];         /* of the hold on the screen, as it was drawn */
	char search[PROMPT_SEARCH_MAX + 1]; /* only holds with this in them are listed; "" = all */
	bool is_connected, is_small;
	char note[PROMPT_NOTE_MAX]; /* what happened last */
	uint64_t past_of;           /* the hold that `past` is about */
	char past[PROMPT_PAST_MAX]; /* what its run did before: lines, raw */
	unsigned n_came;            /* holds since the bell was last rung */
};

enum prompt_action {
	PROMPT_NOTHING,
	PROMPT_DECIDE, /* send what prompt_decision() says; then prompt_decided() */
	PROMPT_KILLS,  /* end the run of p->shown; then prompt_decided() */
	PROMPT_QUIT,
};

void prompt_deinit(struct prompt *p);
/* One read of the keyboard. */
enum prompt_action prompt_key(struct prompt *p, const char *bytes, size_t n, int64_t now_ns);
/* Nothing came for a moment: an Escape that waited for more is the key. */
void prompt_settle(struct prompt *p, int64_t now_ns);
/* One message of the daemon's. */
void prompt_event(struct prompt *p, json_t *event, int64_t now_ns);
/* The daemon came or went; with it went all holds that were known. */
void prompt_connected(struct prompt *p, bool is_connected, const char *note);
/* What PROMPT_DECIDE sends; strings are the prompt's. */
struct decision prompt_decision(const struct prompt *p);
void prompt_decided(struct prompt *p, const char *sentence);
/* The hold that somebody here is deciding at the moment, 0 = none: its clock may stop. */
uint64_t prompt_deciding(const struct prompt *p);
/* Is it on the list, as the search has it? */
bool prompt_lists(const struct prompt *p, const struct held *h);
/* Draws everything; a page beyond the last becomes the last. */
void prompt_draw(struct prompt *p, struct screen *s, int64_t now_ns);
/* Call after drawing: true if another hold is on the screen now, so that keys typed before it was
 * there must be thrown away. */
bool prompt_drawn(struct prompt *p, int64_t now_ns);
