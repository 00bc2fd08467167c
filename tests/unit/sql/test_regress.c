/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PostgreSQL's own regression scripts through the classifier: nothing crashes, nothing is without
 * facts, and most of it is understood. The folder is ../shared/data/pg-regress, or what
 * HOLDFAST_PG_REGRESS names.
 */
#include "corpus.h"
#include "sql/lex.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct {
	const char *folder;
	size_t n_files, n_statements, n_unknown, n_facts;
} regress;

static char *read_whole(const char *path, size_t *ret_n)
{
	FILE *f = fopen(path, "re");
	char *text = malloc(4 << 20);

	cr_assert(f && text, "%s", path);
	*ret_n = fread(text, 1, 4 << 20, f);
	fclose(f);
	return text;
}

static void classify_one(struct sql_cache *cache, struct slice sql)
{
	struct arena arena;
	struct facts f, again;
	char got[8192], want[8192];
	int r;

	arena_init(&arena, 16 << 20);
	r = sql_classify_deep(sql, &arena, &f);
	cr_assert_eq(r, 0, "%.*s", SLICE_FMT(sql));
	cr_assert_gt(f.n, 0, "no facts: %.*s", SLICE_FMT(sql));
	regress.n_statements++;
	regress.n_facts += f.n;
	regress.n_unknown += !!(facts_effects(&f) & EFFECT_BIT(EFFECT_UNKNOWN));
	r = sql_classify(cache, sql, 0, &arena, &again);
	cr_assert(r == SQL_E_DEEP || (!r && !strcmp(corpus_print_all(&f, want, sizeof(want)),
						    corpus_print_all(&again, got, sizeof(got)))),
		"%.*s\n   deep %s\n   cached %s", SLICE_FMT(sql), want, got);
	arena_deinit(&arena);
}

/* A statement ends at a semicolon outside brackets, roughly as psql cuts; its own commands are cut
 * off. */
static void classify_script(struct sql_cache *cache, struct slice text)
{
	struct lex l = lex_of(text);
	const uint8_t *start = text.p;
	int depth = 0;

	for (struct lex_token t = lex_next(&l); t.kind != LEX_END; t = lex_next(&l)) {
		if (t.kind != LEX_OTHER)
			continue;
		depth += (*t.text.p == '(') - (*t.text.p == ')');
		if (*t.text.p == '\\') {
			const uint8_t *eol = memchr(t.text.p, '\n', (size_t)(l.end - t.text.p));

			start = l.p = eol ? eol : l.end;
			depth = 0;
		} else if (*t.text.p == ';' && depth <= 0) {
			classify_one(cache, slice_of(start, (size_t)(l.p - start)));
			start = l.p;
			depth = 0;
		}
	}
}

static void *classify_folder(void *arg)
{
	DIR *dir = opendir(regress.folder);
	struct sql_cache *cache = sql_cache_new(256);

	(void)arg;
	cr_assert(dir && cache);
	for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
		char path[4096];
		size_t n, len = strlen(e->d_name);
		char *text;

		if (len < 4 || strcmp(e->d_name + len - 4, ".sql"))
			continue;
		snprintf(path, sizeof(path), "%s/%s", regress.folder, e->d_name);
		text = read_whole(path, &n);
		classify_script(cache, slice_of(text, n));
		regress.n_files++;
		free(text);
	}
	closedir(dir);
	sql_cache_free(cache);
	return NULL;
}

Test(regress, postgres_own_scripts_are_understood, .timeout = 120)
{
	pthread_attr_t attr;
	pthread_t thread;

	regress.folder = getenv("HOLDFAST_PG_REGRESS");
	if (!regress.folder)
		regress.folder = "../shared/data/pg-regress";
	if (access(regress.folder, R_OK) < 0) {
		fputs("ABSENT: PostgreSQL's regression scripts (src/test/regress/sql); "
		      "HOLDFAST_PG_REGRESS names their folder\n",
			stderr);
		cr_skip_test("no regression scripts in %s", regress.folder);
	}
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, SQL_PARSER_STACK);
	cr_assert_eq(pthread_create(&thread, &attr, classify_folder, NULL), 0);
	pthread_join(thread, NULL);
	pthread_attr_destroy(&attr);
	fprintf(stderr,
		"regress: %zu files, %zu statements, %zu facts, %zu with unknown (%.1f %%)\n",
		regress.n_files, regress.n_statements, regress.n_facts, regress.n_unknown,
		100.0 * (double)regress.n_unknown / (double)regress.n_statements);
	cr_expect_gt(regress.n_statements, 10000);
	cr_expect_lt(regress.n_unknown * 10, regress.n_statements);
}
