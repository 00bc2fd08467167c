/* SPDX-License-Identifier: Apache-2.0 */
/* Keys: see keyboard.h. */
#include "cli/keyboard.h"

#include <string.h>

#include "util/utf8.h"

enum { BYTE_ESC = 0x1b, BYTE_DEL = 0x7f, BYTE_BS = 0x08, BYTE_KILL_LINE = 0x15 };

static bool keyboard_is_final(char c)
{
	return c >= 0x40 && c <= 0x7e;
}

/* A whole sequence, without its Escape. */
static enum key_kind keyboard_sequence(struct keyboard *k, const char *s)
{
	static const struct {
		const char *sequence;
		enum key_kind kind;
	} rows[] = {{"[A", KEY_UP}, {"[B", KEY_DOWN}, {"OA", KEY_UP}, {"OB", KEY_DOWN},
		{"[5~", KEY_PAGE_UP}, {"[6~", KEY_PAGE_DOWN}};

	if (!strcmp(s, "[200~") || !strcmp(s, "[201~")) {
		k->is_pasting = !strcmp(s, "[200~");
		return KEY_OTHER;
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!strcmp(s, rows[i].sequence))
			return rows[i].kind;
	return KEY_OTHER;
}

/* Is the sequence in `pending` whole? */
static bool keyboard_is_whole(const struct keyboard *k)
{
	if (k->n < 2)
		return false;
	if (k->pending[1] == 'O')
		return k->n == 3;
	if (k->pending[1] != '[')
		return true;
	return (k->n > 2 && keyboard_is_final(k->pending[k->n - 1])) ||
	       k->n == sizeof(k->pending) - 1;
}

static struct key keyboard_byte(struct keyboard *k, char c)
{
	struct key key = {.kind = KEY_CHAR, .text = {c}};

	if (k->is_pasting) {
		key.kind = KEY_PASTED;
		if ((unsigned char)c < 0x20 || c == BYTE_DEL)
			key.text[0] = ' ';
		return key;
	}
	if (c == '\r' || c == '\n')
		key.kind = KEY_ENTER;
	else if (c == BYTE_DEL || c == BYTE_BS)
		key.kind = KEY_BACKSPACE;
	else if (c == BYTE_KILL_LINE)
		key.kind = KEY_KILL_LINE;
	return key;
}

/* How many bytes a character takes that begins so; 1 for what begins none. */
static size_t keyboard_width(char c)
{
	unsigned char u = (unsigned char)c;

	return u >= 0xf0 ? 4 : u >= 0xe0 ? 3 : u >= 0xc2 ? 2 : 1;
}

static bool keyboard_take(struct keyboard *k, char c, struct key *ret)
{
	if (k->n && k->pending[0] == BYTE_ESC) {
		k->pending[k->n++] = c;
		if (!keyboard_is_whole(k))
			return false;
		k->pending[k->n] = 0;
		*ret = (struct key){.kind = keyboard_sequence(k, k->pending + 1)};
		k->n = 0;
		return true;
	}
	if (!k->n && c == BYTE_ESC) {
		k->pending[k->n++] = c;
		return false;
	}
	if (!k->n && keyboard_width(c) == 1) {
		*ret = keyboard_byte(k, c);
		return true;
	}
	k->pending[k->n++] = c;
	if (k->n < keyboard_width(k->pending[0]))
		return false;
	*ret = (struct key){.kind = k->is_pasting ? KEY_PASTED : KEY_CHAR};
	memcpy(ret->text, k->pending, k->n);
	k->n = 0;
	return true;
}

size_t keyboard_read(struct keyboard *k, const char *bytes, size_t n, struct key *ret, size_t max)
{
	size_t n_keys = 0;

	for (size_t i = 0; i < n; i++) {
		struct key key;

		if (keyboard_take(k, bytes[i], &key) && n_keys < max)
			ret[n_keys++] = key;
	}
	return n_keys;
}

bool keyboard_settle(struct keyboard *k, struct key *ret)
{
	bool is_escape = k->n == 1 && k->pending[0] == BYTE_ESC;

	if (!k->n)
		return false;
	k->n = 0;
	*ret = (struct key){.kind = is_escape ? KEY_ESCAPE : KEY_OTHER};
	return true;
}
