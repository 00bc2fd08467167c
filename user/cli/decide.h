/* SPDX-License-Identifier: Apache-2.0 */
/* Sending a decision to the daemon, for the commands and for the prompt. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { DECIDE_REASON_MAX = 1000, DECIDE_TEXT_MAX = 512 };

struct decide_result {
	bool is_counted;            /* it takes more people: the hold waits on */
	char text[DECIDE_TEXT_MAX]; /* one sentence for people, safe on a terminal */
};

struct decision {
	uint64_t hold;
	bool is_approval, is_break_glass;
	bool is_all;  /* and all that are identical and wait now */
	bool is_wide; /* an approval: this shape in this run; a denial: all of this kind in it */
	uint32_t seconds;   /* > 0: for so long, in all runs of this name */
	const char *reason; /* at most DECIDE_REASON_MAX bytes */
	const char *seen;   /* `hash` of the hold that was looked at; "" = it was not */
};

/* → cli_exit; prints nothing. */
int decide_send(const struct decision *d, struct decide_result *ret);
/* The sentence for an answer of the daemon's:
 * `{"id":"h42","outcome":"too_late","ended":"cancelled"}`. → cli_exit */
int decide_sentence(bool is_approval, const char *id, const char *outcome, const char *ended,
	struct decide_result *ret);
