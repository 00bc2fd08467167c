/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every message of every transcript, of either side, damaged in every place: its length, each byte,
 * its end. The session ends or goes on; the driver aborts if bytes are read that are not there, if
 * ops do not cover what came, or if what leaves is not framed. And once more with every request
 * refused: then nothing of the client's may reach the server. SOAK=1 tries more values of each
 * byte.
 */
#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>

#include "replay.h"
#include "util/cleanup.h"

enum {
	LONGEST = 4096,   /* of a transcript's messages: longer ones say nothing new here */
	BYTES_EACH = 600, /* of one message */
};

static unsigned n_played;

static void damage_play(const char *text, const struct vector_mangle *m)
{
	for (int refuses = 0; refuses < 2; refuses++) {
		struct replay *r = vector_new(0, 0);

		if (refuses)
			vector_refuse_all(r);
		vector_mangle(r, m);
		vector_run(r, slice_str(text));
		vector_free(r);
		n_played++;
	}
}

static void damage_length(const char *text, size_t message, size_t len)
{
	const uint32_t n = (uint32_t)len, values[] = {0, 1, 3, 4, 5, n - 2, n, n + 1, 0x7fffffff,
						  0x80000000, 0xfffffffe, 0xffffffff};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		damage_play(text, &(struct vector_mangle){message, VECTOR_LENGTH, 0, values[i]});
}

static void damage_bytes(const char *text, size_t message, size_t len)
{
	static const uint8_t values[] = {0xff, 0x01, 0x80, 0x20, 0x7f, 0x10};
	size_t n = getenv("SOAK") ? sizeof(values) : 1;

	for (size_t at = 0; at < len && at < BYTES_EACH; at++)
		for (size_t i = 0; i < n; i++)
			damage_play(text, &(struct vector_mangle){message, VECTOR_BYTE, at,
						  values[(at + i) % sizeof(values)]});
}

static void damage_end(const char *text, size_t message, size_t len)
{
	for (size_t at = 0; at < len && at < BYTES_EACH; at++)
		damage_play(text,
			&(struct vector_mangle){message, at % 2 ? VECTOR_CUT : VECTOR_END, at, 0});
}

/* Every transcript whose number is `rest` among `of`: the tests run side by side. */
static void damage_each(
	void (*fn)(const char *text, size_t message, size_t len), size_t rest, size_t of)
{
	glob_t g;

	cr_assert(glob("tests/vectors/postgres/*.txt", 0, NULL, &g) == 0);
	for (size_t i = rest; i < g.gl_pathc; i += of) {
		_cleanup_(freep) char *text = NULL;
		struct replay *r = vector_new(0, 0);
		FILE *f = fopen(g.gl_pathv[i], "r");
		const size_t *lens;
		size_t size = 0, n;

		cr_assert(f && getdelim(&text, &size, '\0', f) > 0, "%s", g.gl_pathv[i]);
		fclose(f);
		vector_run(r, slice_str(text));
		n = vector_messages(r, &lens);
		for (size_t k = 0; k < n && vector_longest(r) < LONGEST; k++)
			fn(text, k, lens[k]);
		vector_free(r);
	}
	globfree(&g);
	cr_assert_gt(n_played, 1000);
}

Test(postgres_damage, no_length_is_believed)
{
	damage_each(damage_length, 0, 1);
}

Test(postgres_damage, no_byte_is_believed)
{
	damage_each(damage_bytes, 0, 2);
}

Test(postgres_damage, no_byte_is_believed_either)
{
	damage_each(damage_bytes, 1, 2);
}

Test(postgres_damage, no_end_is_believed)
{
	damage_each(damage_end, 0, 2);
}

Test(postgres_damage, no_end_is_believed_either)
{
	damage_each(damage_end, 1, 2);
}
