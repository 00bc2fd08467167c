/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every transcript in tests/vectors/postgres: whole, byte by byte, and cut at every byte, with the
 * same outcome each time; then mutated, with any outcome but a crash.
 *
 * HOLDFAST_VECTORS=update writes what happened into the files, for reading over.
 */
#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>

#include "replay.h"
#include "util/cleanup.h"

enum { CUTS_MAX = 4000, MUTATIONS = 60 };

static char *vector_read(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = NULL;
	size_t n = 0;

	cr_assert(f, "%s", path);
	cr_assert(getdelim(&text, &n, '\0', f) > 0, "%s", path);
	fclose(f);
	return text;
}

static bool vector_is_expected(const char *line)
{
	return *line == '=' || !strncmp(line, "<=", 2);
}

/* The expected lines alone; the caller frees. */
static char *vector_expected(const char *text)
{
	char *out = calloc(1, strlen(text) + 1);

	for (const char *line = text; *line;) {
		size_t n = strcspn(line, "\n") + (line[strcspn(line, "\n")] == '\n');

		if (vector_is_expected(line))
			strncat(out, line, n);
		line += n;
	}
	return out;
}

static void vector_check(
	const char *path, const char *text, const char *expected, size_t cut, size_t *ret_longest)
{
	struct replay *r = vector_new(cut, 0);

	vector_run(r, slice_str(text));
	if (!slice_eq_str(vector_seen(r), expected))
		cr_assert_fail("%s, cut %zu:\n%.*s\n--- expected:\n%s", path, cut,
			SLICE_FMT(vector_seen(r)), expected);
	if (ret_longest)
		*ret_longest = vector_longest(r);
	vector_free(r);
}

static void vector_update(const char *path, const char *text)
{
	struct replay *r = vector_new(0, 0);
	FILE *f = fopen(path, "w");
	size_t seen = 0;

	for (const char *line = text; *line;) {
		size_t n = strcspn(line, "\n") + (line[strcspn(line, "\n")] == '\n');

		if (!vector_is_expected(line)) {
			fwrite(line, 1, n, f);
			vector_run(r, slice_of(line, n));
			if (vector_seen(r).n > seen)
				fwrite(vector_seen(r).p + seen, 1, vector_seen(r).n - seen, f);
			seen = vector_seen(r).n;
		}
		line += n;
	}
	fclose(f);
	vector_free(r);
}

static void vectors_each(void (*fn)(const char *path, const char *text))
{
	glob_t g;

	cr_assert(glob("tests/vectors/postgres/*.txt", 0, NULL, &g) == 0);
	cr_assert(g.gl_pathc >= 40, "only %zu vectors", g.gl_pathc);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		_cleanup_(freep) char *text = vector_read(g.gl_pathv[i]);

		fn(g.gl_pathv[i], text);
	}
	globfree(&g);
}

static void vector_replay(const char *path, const char *text)
{
	_cleanup_(freep) char *expected = vector_expected(text);
	size_t longest;

	if (getenv("HOLDFAST_VECTORS") && !strcmp(getenv("HOLDFAST_VECTORS"), "update")) {
		vector_update(path, text);
		return;
	}
	vector_check(path, text, expected, 0, &longest);
	/* A megabyte byte by byte proves no more than its first kilobytes. */
	if (longest < 100000)
		vector_check(path, text, expected, 1, NULL);
	for (size_t cut = 2; cut <= longest && cut < CUTS_MAX && longest < 100000; cut++)
		vector_check(path, text, expected, cut, NULL);
	for (size_t cut = 2; longest >= 100000 && cut < longest; cut += longest / 7)
		vector_check(path, text, expected, cut, NULL);
}

Test(postgres_vectors, every_transcript_is_the_same_however_it_is_cut)
{
	vectors_each(vector_replay);
}

static void vector_mutate(const char *path, const char *text)
{
	(void)path;
	for (uint64_t seed = 1; seed <= MUTATIONS; seed++) {
		struct replay *r = vector_new(0, seed * 0x9e3779b97f4a7c15u);

		vector_run(r, slice_str(text));
		vector_free(r);
	}
}

Test(postgres_vectors, mutated_transcripts_give_an_outcome)
{
	vectors_each(vector_mutate);
}
