/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start-up parameter `options`, taken apart as the server does it: pg_split_opts() cuts at
 * spaces that no backslash escapes, then getopt() reads the words as switches of the postgres
 * program. Whatever is asked for becomes a setting, so that it is judged, never dropped.
 */
#include "proto/postgres_int.h"

/* process_postgres_switches(): "B:bC:c:D:d:EeFf:h:ijk:lN:nOPp:r:S:sTt:v:W:-:" */
static const char pg_switches_with_value[] = "BCcDdfhkNprStvW-";

void pg_settings_add(struct pg_settings *s, struct slice name, struct slice value)
{
	if (s->n == s->max) {
		s->overflow = true;
		return;
	}
	s->v[s->n++] = (struct setting){.name = name, .value = value};
}

static bool pg_is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The next word, unescaped into *out, which is advanced. False at the end. */
static bool pg_word_next(struct slice *in, uint8_t **out, struct slice *ret)
{
	const uint8_t *start = *out;
	bool is_escaped = false;

	while (in->n && pg_is_space(in->p[0]))
		*in = slice_skip(*in, 1);
	if (!in->n)
		return false;
	for (; in->n && (is_escaped || !pg_is_space(in->p[0])); *in = slice_skip(*in, 1)) {
		if (!is_escaped && in->p[0] == '\\') {
			is_escaped = true;
			continue;
		}
		is_escaped = false;
		*(*out)++ = in->p[0];
	}
	*ret = slice_of(start, (size_t)(*out - start));
	return true;
}

/* ParseLongOption(): name=value, and '-' in the name stands for '_'. */
static void pg_assignment_add(struct slice text, struct arena *arena, struct pg_settings *ret)
{
	const uint8_t *eq = text.n ? memchr(text.p, '=', text.n) : NULL;
	size_t n = eq ? (size_t)(eq - text.p) : text.n;
	uint8_t *name = arena_alloc(arena, n + 1);

	if (!name) {
		ret->overflow = true;
		return;
	}
	for (size_t i = 0; i < n; i++)
		name[i] = text.p[i] == '-' ? '_' : text.p[i];
	pg_settings_add(ret, slice_of(name, n), eq ? slice_skip(text, n + 1) : SLICE_LIT(""));
}

/* One word of switches: "-e", "-ec", "-cname=value", "--name=value". `rest` gives the next word
 * when the value of the last switch is not in this one. */
static void pg_switches_add(struct slice word, struct slice *rest, uint8_t **out,
	struct arena *arena, struct pg_settings *ret)
{
	for (size_t i = 1; i < word.n; i++) {
		uint8_t *name = arena_alloc(arena, 2);
		struct slice value = slice_skip(word, i + 1);

		if (!name) {
			ret->overflow = true;
			return;
		}
		name[0] = '-';
		name[1] = word.p[i];
		if (!word.p[i] || !strchr(pg_switches_with_value, word.p[i])) {
			pg_settings_add(ret, slice_of(name, 2), SLICE_LIT(""));
			continue;
		}
		if (!value.n && !pg_word_next(rest, out, &value))
			value = SLICE_LIT("");
		if (word.p[i] == 'c' || word.p[i] == '-')
			pg_assignment_add(value, arena, ret);
		else
			pg_settings_add(ret, slice_of(name, 2), value);
		return;
	}
}

int pg_options_split(struct slice options, struct arena *arena, struct pg_settings *ret)
{
	uint8_t *out = arena_alloc(arena, options.n + 1);
	struct slice word;

	if (!out)
		return PROTO_E_TOO_BIG;
	while (!ret->overflow && pg_word_next(&options, &out, &word)) {
		if (word.n > 1 && word.p[0] == '-')
			pg_switches_add(word, &options, &out, arena, ret);
		else
			pg_settings_add(ret, SLICE_LIT("options"), word);
	}
	return ret->overflow ? PROTO_E_TOO_BIG : 0;
}
