/* SPDX-License-Identifier: Apache-2.0 */
/* Sending a decision to the daemon, for the commands and for the prompt. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { DECIDE_REASON_MAX = 1000, DECIDE_TEXT_MAX = 512 };

struct decide_result {
	char text[DECIDE_TEXT_MAX]; /* one sentence for people, safe on a terminal */
};

/* → cli_exit; prints nothing. reason is at most DECIDE_REASON_MAX bytes. */
int decide_send(uint64_t hold, bool is_approval, const char *reason, struct decide_result *ret);
/* The sentence for an answer of the daemon's:
 * `{"id":"h42","outcome":"too_late","ended":"cancelled"}`. → cli_exit */
int decide_sentence(bool is_approval, const char *id, const char *outcome, const char *ended,
	struct decide_result *ret);
