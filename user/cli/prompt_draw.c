/* SPDX-License-Identifier: Apache-2.0 */
/* The prompt's screen: who asks, what for, the statement, and what can be done. */
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "cli/prompt.h"
#include "cli/text.h"
#include "util/cleanup.h"

enum {
	DRAW_LINE_MAX = 1024,
	DRAW_FIELD_LINES = 2, /* a longer value is cut; the whole is in `holdfast pending --json` */
	DRAW_MIN_STATEMENT = 4, /* lines the statement gets on the smallest screen */
	DRAW_FRAME = 4,         /* title, line above the statement, note, keys */
	DRAW_SHA_BYTES = 6,
};

static void draw_title(const struct prompt *p, struct screen *s, int64_t now_ns)
{
	const struct held *h = held_find(&p->held, p->shown);
	char line[DRAW_LINE_MAX], waiting[TEXT_DURATION_MAX], left[TEXT_DURATION_MAX];

	if (!h) {
		screen_put(s, SCREEN_TITLE, " holdfast: nothing is held ");
		return;
	}
	snprintf(line, sizeof(line), " h%" PRIu64 "  %zu of %zu  waiting %s, denied in %s ", h->id,
		held_index(&p->held, h->id) + 1, p->held.n,
		text_duration(waiting, held_waiting(h, now_ns)),
		text_duration(left, held_remaining(h, now_ns)));
	screen_put(s, SCREEN_TITLE, line);
}

/* Several fields as one text, "a, b (c)": empty ones leave nothing behind. */
static void draw_join(
	FILE *f, const json_t *j, const char *before, const char *key, const char *after)
{
	const json_t *v = json_object_get(j, key);
	struct slice text = text_field(j, key);

	if (json_is_integer(v))
		fprintf(f, "%s%" JSON_INTEGER_FORMAT "%s", before, json_integer_value(v), after);
	else if (text.n)
		fprintf(f, "%s%.*s%s", before, SLICE_FMT(text), after);
}

static void draw_who(FILE *f, const json_t *j, uint64_t seconds_here)
{
	(void)seconds_here;
	draw_join(f, j, "", "run_name", "");
	draw_join(f, j, " (run ", "run", ")");
	draw_join(f, j, ", uid ", "uid", "");
	draw_join(f, j, ", started by uid ", "owner_uid", "");
}

static void draw_process(FILE *f, const json_t *j, uint64_t seconds_here)
{
	(void)seconds_here;
	draw_join(f, j, "", "comm", "");
	draw_join(f, j, " pid ", "pid", "");
	draw_join(f, j, ", in ", "tree", "");
}

static void draw_target(FILE *f, const json_t *j, uint64_t seconds_here)
{
	(void)seconds_here;
	draw_join(f, j, "", "resource", "");
	draw_join(f, j, " at ", "target", "");
	draw_join(f, j, ", database ", "database", "");
	draw_join(f, j, ", role ", "role", "");
	draw_join(f, j, ", application ", "application", "");
}

static void draw_rule(FILE *f, const json_t *j, uint64_t seconds_here)
{
	(void)seconds_here;
	draw_join(f, j, "", "rule", "");
	draw_join(f, j, ": ", "message", "");
}

static void draw_effects(FILE *f, const json_t *j, uint64_t seconds_here)
{
	(void)seconds_here;
	draw_join(f, j, "", "effects", "");
	draw_join(f, j, " on ", "objects", "");
}

/* The age goes on while we look. */
static void draw_tx(FILE *f, const json_t *j, uint64_t seconds_here)
{
	struct slice tx = text_field(j, "tx");
	char age[TEXT_DURATION_MAX];

	if (slice_eq_str(tx, "none"))
		fputs("none open", f);
	else if (slice_eq_str(tx, "failed"))
		fputs("open and failed: only a rollback can follow", f);
	else if (slice_eq_str(tx, "open"))
		fprintf(f, "open for %s: its locks are held on the server while you read",
			text_duration(age, text_number(j, "tx_seconds") + seconds_here));
	else
		fputs("unknown", f);
}

static void draw_params(FILE *f, const json_t *j, uint64_t seconds_here)
{
	(void)seconds_here;
	draw_join(f, j, "", "params", "");
}

static void draw_fields(struct lines *l, const struct held *h, unsigned cols, int64_t now_ns)
{
	static const struct {
		const char *label;
		void (*fn)(FILE *f, const json_t *j, uint64_t seconds_here);
	} fields[] = {{"who", draw_who}, {"process", draw_process}, {"target", draw_target},
		{"rule", draw_rule}, {"effects", draw_effects}, {"tx", draw_tx},
		{"params", draw_params}};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		_cleanup_(freep) char *text = NULL;
		size_t n = 0;
		FILE *f = open_memstream(&text, &n);

		if (!f)
			continue;
		fields[i].fn(f, h->json,
			held_waiting(h, now_ns) - text_number(h->json, "waiting_seconds"));
		/* Raw until here: one field is escaped as a whole, wherever its parts came from. */
		if (!fclose(f) && n)
			lines_field(l, fields[i].label, slice_of(text, n), cols, DRAW_FIELD_LINES);
	}
}

/* What it is that would run: length and hash, so that two screens can be compared. */
static void draw_about(struct screen *s, const json_t *j, const struct lines *text)
{
	struct slice sql = text_field(j, "text");
	uint64_t full = text_number(j, "text_len");
	unsigned char sha[EVP_MAX_MD_SIZE];
	char line[DRAW_LINE_MAX], hex[2 * DRAW_SHA_BYTES + 1] = "?";

	if (EVP_Digest(sql.p ? sql.p : (const unsigned char *)"", sql.n, sha, NULL, EVP_sha256(),
		    NULL))
		for (size_t i = 0; i < DRAW_SHA_BYTES; i++)
			snprintf(hex + 2 * i, 3, "%02x", sha[i]);
	if (full > sql.n)
		snprintf(line, sizeof(line),
			"statement ONLY THE FIRST %zu OF %" PRIu64
			" BYTES ARE SHOWN, sha256 of these %s",
			sql.n, full, hex);
	else
		snprintf(line, sizeof(line), "statement %zu bytes, %zu lines, sha256 %s%s", sql.n,
			text->n, hex, text->is_short ? ", NOT ALL SHOWN: out of memory" : "");
	screen_put(s, full > sql.n || text->is_short ? SCREEN_ALERT : SCREEN_DIM, line);
}

/* Head and tail, when it does not fit: what a statement does is often said at its end. */
static void draw_statement(struct screen *s, const struct lines *l, unsigned rows)
{
	char line[DRAW_LINE_MAX];
	size_t head, tail;

	if (l->n <= rows) {
		for (size_t i = 0; i < l->n; i++)
			screen_put(s, SCREEN_STRONG, l->items[i]);
		return;
	}
	head = rows / 2;
	tail = rows - head - 1;
	for (size_t i = 0; i < head; i++)
		screen_put(s, SCREEN_STRONG, l->items[i]);
	snprintf(line, sizeof(line), "··· %zu lines are not shown here: v shows the whole ···",
		l->n - head - tail);
	screen_put(s, SCREEN_ALERT, line);
	for (size_t i = l->n - tail; i < l->n; i++)
		screen_put(s, SCREEN_STRONG, l->items[i]);
}

static void draw_footer(const struct prompt *p, struct screen *s)
{
	_cleanup_(lines_deinit) struct lines reason = {0};
	char line[DRAW_LINE_MAX];

	while (s->has_cursor && s->used + 2 < s->rows)
		screen_put(s, SCREEN_PLAIN, "");
	screen_put(s, SCREEN_ALERT, p->note);
	if (p->mode != PROMPT_APPROVE && p->mode != PROMPT_DENY) {
		screen_put(s, SCREEN_DIM,
			p->mode == PROMPT_WHOLE
				? "space next page  b back  v leave  a approve  d deny"
			: p->mode == PROMPT_HELP ? "any key goes back"
						 : "a approve  d deny  n next  p previous  v whole "
						   "text  ? help  q quit");
		return;
	}
	lines_wrap(&reason, slice_of(p->reason, p->reason_len), s->cols > 40 ? s->cols - 38 : 2,
		false, SIZE_MAX);
	/* The end of a long reason is what is being typed. */
	snprintf(line, sizeof(line), "%s h%" PRIu64 "; %s: %.*s_",
		p->mode == PROMPT_APPROVE ? "APPROVE" : "DENY", p->shown,
		p->mode == PROMPT_APPROVE ? "reason (Enter: yes)" : "reason (needed)",
		DRAW_LINE_MAX / 2, reason.n ? reason.items[reason.n - 1] : "");
	screen_put(s, SCREEN_STRONG, line);
}

static void draw_whole(struct prompt *p, struct screen *s, const struct lines *text)
{
	size_t rows = s->rows > DRAW_FRAME ? s->rows - DRAW_FRAME : 1;
	size_t n_pages = text->n ? (text->n + rows - 1) / rows : 1;
	char line[DRAW_LINE_MAX];

	if (p->page >= n_pages)
		p->page = n_pages - 1;
	snprintf(line, sizeof(line), "page %zu of %zu", p->page + 1, n_pages);
	screen_put(s, SCREEN_DIM, line);
	for (size_t i = p->page * rows; i < text->n && i < (p->page + 1) * rows; i++)
		screen_put(s, SCREEN_STRONG, text->items[i]);
}

static void draw_help(struct screen *s)
{
	static const char *const help[] = {"",
		"a  approve: the very bytes that are shown run, once; Enter alone gives no reason",
		"d  deny: the agent gets a clean error with your reason, which is needed",
		"n  the next hold     p  the previous one     v  the whole statement, page by page",
		"q  quit: what is held stays held until someone decides or its time is up", "",
		"While a hold is shown, other holds wait; an open transaction keeps its locks.",
		"Characters that could deceive are shown as \\x1b or \\u{202e}.",
		"Keys count one by one and a moment after a hold was drawn.", NULL};

	for (size_t i = 0; help[i]; i++)
		screen_put(s, SCREEN_PLAIN, help[i]);
}

static void draw_hold(struct prompt *p, struct screen *s, const struct held *h, int64_t now_ns)
{
	_cleanup_(lines_deinit) struct lines fields = {0}, text = {0};
	unsigned room = s->rows > DRAW_FRAME + DRAW_MIN_STATEMENT
				? s->rows - DRAW_FRAME - DRAW_MIN_STATEMENT
				: 0;

	lines_wrap(&text, text_field(h->json, "text"), s->cols, true, SIZE_MAX);
	if (p->mode == PROMPT_WHOLE) {
		draw_whole(p, s, &text);
		return;
	}
	draw_fields(&fields, h, s->cols, now_ns);
	for (size_t i = 0; i < fields.n && i < room; i++)
		screen_put(s, SCREEN_PLAIN, fields.items[i]);
	draw_about(s, h->json, &text);
	draw_statement(s, &text, s->rows > s->used + 2 ? s->rows - s->used - 2 : 1);
}

void prompt_draw(struct prompt *p, struct screen *s, int64_t now_ns)
{
	const struct held *h = held_find(&p->held, p->shown);

	screen_begin(s);
	draw_title(p, s, now_ns);
	if (p->mode == PROMPT_HELP)
		draw_help(s);
	else if (h)
		draw_hold(p, s, h, now_ns);
	else
		screen_put(s, SCREEN_PLAIN,
			p->is_connected ? "waiting for holds" : "waiting for holdfastd");
	draw_footer(p, s);
	screen_end(s);
}
