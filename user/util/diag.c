/* SPDX-License-Identifier: Apache-2.0 */
/* File diagnostics: see diag.h. */
#include "util/diag.h"

#include <stdarg.h>

void diag_init(struct diag *d, const char *file, struct slice source)
{
	*d = (struct diag){.file = file, .source = source};
}

void diag_add(struct diag *d, unsigned line, unsigned col, const char *fmt, ...)
{
	va_list ap;

	if (d->n < DIAG_MAX) {
		struct diag_entry *e = &d->entries[d->n];

		e->line = line;
		e->col = col;
		va_start(ap, fmt);
		vsnprintf(e->text, sizeof(e->text), fmt, ap);
		va_end(ap);
	}
	d->n++;
}

/* The text of line number `line` without its newline. */
static struct slice diag_line(const struct diag *d, unsigned line)
{
	struct slice s = d->source;

	for (; line > 1 && s.n; line--) {
		const uint8_t *nl = memchr(s.p, '\n', s.n);

		s = slice_skip(s, nl ? (size_t)(nl - s.p) + 1 : s.n);
	}
	const uint8_t *nl = s.n ? memchr(s.p, '\n', s.n) : NULL;

	return nl ? slice_head(s, (size_t)(nl - s.p)) : s;
}

void diag_print(const struct diag *d, FILE *to)
{
	for (size_t i = 0; i < d->n && i < DIAG_MAX; i++) {
		const struct diag_entry *e = &d->entries[i];
		struct slice line = e->line ? diag_line(d, e->line) : SLICE_NULL;

		if (!e->line) {
			fprintf(to, "%s: error: %s\n", d->file, e->text);
			continue;
		}
		fprintf(to, "%s:%u:%u: error: %s\n", d->file, e->line, e->col, e->text);
		if (!line.n || line.n > 200)
			continue;
		fprintf(to, "  %.*s\n  ", SLICE_FMT(line));
		for (unsigned c = 1; c < e->col && c <= line.n; c++)
			fputc(line.p[c - 1] == '\t' ? '\t' : ' ', to);
		fputs("^\n", to);
	}
	if (d->n > DIAG_MAX)
		fprintf(to, "%s: %zu more errors\n", d->file, d->n - DIAG_MAX);
}

/* Levenshtein distance over words of at most 63 bytes; longer ones are never near. */
static unsigned diag_distance(struct slice a, struct slice b)
{
	unsigned row[64];

	if (a.n > 63 || b.n > 63)
		return 99;
	for (unsigned j = 0; j <= b.n; j++)
		row[j] = j;
	for (unsigned i = 1; i <= a.n; i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= b.n; j++) {
			unsigned cost = diagonal + (a.p[i - 1] != b.p[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < cost)
				cost = row[j] + 1;
			if (row[j - 1] + 1 < cost)
				cost = row[j - 1] + 1;
			row[j] = cost;
		}
	}
	return row[b.n];
}

const char *diag_nearest(struct slice word, const char *const *list)
{
	const char *best = NULL;
	unsigned best_distance = word.n < 4 ? 2 : 3; /* must be below this */

	for (; *list; list++) {
		unsigned distance = diag_distance(word, slice_str(*list));

		if (distance < best_distance) {
			best_distance = distance;
			best = *list;
		}
	}
	return best;
}
