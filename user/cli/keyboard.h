/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of a terminal → keys. Sequences may come in pieces; a lone Escape is known by what does not
 * follow it. Bracketed pastes are told from typing. Embedded: zero.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum key_kind {
	KEY_CHAR, /* `text`: one character, or one byte that is none */
	KEY_ENTER,
	KEY_ESCAPE,
	KEY_BACKSPACE,
	KEY_KILL_LINE, /* ^U */
	KEY_UP,
	KEY_DOWN,
	KEY_PAGE_UP,
	KEY_PAGE_DOWN,
	KEY_PASTED, /* `text` came out of a paste: never a command */
	KEY_OTHER,  /* a sequence that nobody here needs */
};

struct key {
	enum key_kind kind;
	char text[5];
};

struct keyboard {
	char pending[16]; /* the beginning of a sequence or of a character */
	size_t n;
	bool is_pasting;
};

/* Decodes one read. Returns how many keys, at most max; more are dropped. */
size_t keyboard_read(struct keyboard *k, const char *bytes, size_t n, struct key *ret, size_t max);
/* Nothing came for a moment: what was pending is all there is. False: there was nothing. */
bool keyboard_settle(struct keyboard *k, struct key *ret);
