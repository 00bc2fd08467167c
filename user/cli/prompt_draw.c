/* SPDX-License-Identifier: Apache-2.0 */
/* The prompt's screen: who asks, what for, the statement, and what can be done. */
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/marks.h"
#include "cli/prompt.h"
#include "cli/text.h"
#include "util/cleanup.h"

enum {
	DRAW_LINE_MAX = 1024,
	DRAW_FIELD_LINES = 2, /* a longer value is cut; the whole is in `holdfast pending --json` */
	DRAW_MIN_STATEMENT = 4, /* lines the statement gets on the smallest screen */
	DRAW_FRAME = 4,         /* title, line above the statement, note, keys */
	DRAW_SHA_BYTES = 6,
	DRAW_LIST_MAX = 12, /* rows of the list, at most a quarter of the screen */
	DRAW_CWD_MAX = 512,
	DRAW_SEARCH_COLS = 40,
	DRAW_TYPED_COLS = 12, /* of what is typed are seen, however long the words before it */
};

static void draw_title(const struct prompt *p, struct screen *s, int64_t now_ns)
{
	const struct held *h = held_find(&p->held, p->shown);
	char line[DRAW_LINE_MAX], waiting[TEXT_DURATION_MAX], left[TEXT_DURATION_MAX];

	if (p->is_small) {
		snprintf(line, sizeof(line), "TOO SMALL to decide in: %dx%d needed",
			PROMPT_COLS_MIN, PROMPT_ROWS_MIN);
		screen_put(s, SCREEN_ALERT, line);
		return;
	}
	if (!h) {
		screen_put(s, SCREEN_TITLE, " holdfast: nothing is held ");
		return;
	}
	snprintf(line, sizeof(line), " h%" PRIu64 "  %zu of %zu  waiting %s, %s%s ", h->id,
		held_index(&p->held, h->id) + 1, p->held.n,
		text_duration(waiting, held_waiting(h, now_ns)),
		text_number(h->json, "deciding") ? "clock stopped, someone decides; denied in "
						 : "denied in ",
		text_duration(left, held_remaining(h, now_ns)));
	screen_put(s, SCREEN_TITLE, line);
}

/* ---- the list -------------------------------------------------------------------------------- */

static void draw_list_row(
	const struct prompt *p, struct screen *s, const struct held *h, int64_t now_ns)
{
	_cleanup_(lines_deinit) struct lines row = {0};
	char left[TEXT_DURATION_MAX], *text = NULL;
	uint64_t identical = text_number(h->json, "identical");
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	if (!f)
		return;
	fprintf(f, "%c h%" PRIu64 "  %.*s  %.*s  %s left  ", h->id == p->shown ? '>' : ' ', h->id,
		SLICE_FMT(slice_head(text_field(h->json, "run_name"), 16)),
		SLICE_FMT(slice_head(text_field(h->json, "resource"), 16)),
		text_duration(left, held_remaining(h, now_ns)));
	if (identical > 1)
		fprintf(f, "x%" PRIu64 "  ", identical);
	fprintf(f, "%.*s", SLICE_FMT(slice_head(text_field(h->json, "text"), 200)));
	if (!fclose(f))
		lines_wrap(&row, slice_of(text, n), s->cols, false, 1);
	free(text);
	if (row.n)
		screen_put(s, h->id == p->shown ? SCREEN_STRONG : SCREEN_PLAIN, row.items[0]);
}

/* The shown one and its neighbours, with a word on those that do not fit. */
static void draw_list(const struct prompt *p, struct screen *s, int64_t now_ns)
{
	size_t rows = s->rows / 4 < DRAW_LIST_MAX ? s->rows / 4 : DRAW_LIST_MAX, n = 0, at = 0;
	_cleanup_(lines_deinit) struct lines word = {0};
	size_t first, seen = 0;
	char line[DRAW_LINE_MAX];

	for (size_t i = 0; i < p->held.n; i++) {
		if (!prompt_lists(p, &p->held.items[i]))
			continue;
		if (p->held.items[i].id == p->shown)
			at = n;
		n++;
	}
	if (!rows || (n < 2 && !p->search[0]))
		return;
	first = n <= rows || at < rows / 2 ? 0 : at - rows / 2;
	first = n > rows && first > n - rows ? n - rows : first;
	for (size_t i = 0; i < p->held.n && rows; i++) {
		if (!prompt_lists(p, &p->held.items[i]) || seen++ < first)
			continue;
		draw_list_row(p, s, &p->held.items[i], now_ns);
		rows--;
	}
	/* Typed here, but maybe pasted from what an agent wrote. */
	lines_wrap(&word, slice_str(p->search), DRAW_SEARCH_COLS, false, 1);
	snprintf(line, sizeof(line), "%zu listed%s%s%s", n, p->search[0] ? " with \"" : "",
		word.n ? word.items[0] : "", p->search[0] ? "\" (Esc: all)" : "");
	screen_put(s, SCREEN_DIM, line);
}

/* ---- fields ---------------------------------------------------------------------------------- */

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

/* Whoever may look into the process sees where it works. */
static void draw_cwd(FILE *f, const json_t *j)
{
	char path[64], cwd[DRAW_CWD_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%" PRIu64 "/cwd", text_number(j, "pid"));
	n = text_number(j, "pid") ? readlink(path, cwd, sizeof(cwd) - 1) : -1;
	if (n > 0)
		fprintf(f, ", cwd %.*s", (int)n, cwd);
}

static void draw_process(FILE *f, const json_t *j, uint64_t seconds_here)
{
	(void)seconds_here;
	draw_join(f, j, "", "comm", "");
	draw_join(f, j, " pid ", "pid", "");
	draw_join(f, j, ", in ", "tree", "");
	draw_cwd(f, j);
}

static void draw_target(FILE *f, const json_t *j, uint64_t seconds_here)
{
	(void)seconds_here;
	draw_join(f, j, "", "resource", "");
	draw_join(f, j, " at ", "target", "");
	draw_join(f, j, ", tags ", "tags", "");
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
	draw_join(f, j, "; ", "unknowns", "");
}

static void draw_impact(FILE *f, const json_t *j, uint64_t seconds_here)
{
	(void)seconds_here;
	draw_join(f, j, "", "impact_words", "");
	if (json_is_integer(json_object_get(j, "look")) && !text_number(j, "look") &&
		!json_object_get(j, "impact_words"))
		fputs("the server is being asked", f);
}

static void draw_ask(FILE *f, const json_t *j, uint64_t seconds_here)
{
	const json_t *by = json_object_get(j, "approved_by"), *name;
	size_t i;

	(void)seconds_here;
	draw_join(f, j, "", "ask", "");
	json_array_foreach(by, i, name)
		fprintf(f, "%s%s", i ? ", " : "; approved by ", json_string_value(name));
	if (json_is_true(json_object_get(j, "is_ticket")))
		fputs("; a ticket: nobody waits, the client will come back", f);
	if (text_number(j, "identical") > 1)
		fprintf(f, "; %" PRIu64 " identical requests wait", text_number(j, "identical"));
}

static void draw_free(FILE *f, const json_t *j, uint64_t seconds_here)
{
	const json_t *list = json_object_get(j, "free"), *word;
	size_t i;

	(void)seconds_here;
	if (json_is_true(json_object_get(j, "has_shape")) && !json_array_size(list))
		fputs("nothing: a grant is for exactly this text", f);
	json_array_foreach(list, i, word)
		fprintf(f, "%s%s", i ? "; " : "", json_string_value(word));
}

static void draw_risky(FILE *f, const json_t *j, uint64_t seconds_here)
{
	(void)seconds_here;
	marks_print_words(f, text_field(j, "text"));
}

static void draw_past(FILE *f, const json_t *j, uint64_t seconds_here)
{
	(void)seconds_here;
	draw_join(f, j, "", "seen", " before");
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

/* Others wait while somebody reads. */
static void draw_locks(FILE *f, const json_t *j, uint64_t seconds_here)
{
	(void)seconds_here;
	draw_join(f, j, "", "locks_words", "");
}

static void draw_params(FILE *f, const json_t *j, uint64_t seconds_here)
{
	const struct slice shown = text_field(j, "params");
	uint64_t n = text_number(j, "params_len");

	(void)seconds_here;
	draw_join(f, j, "", "params", "");
	if (n > shown.n)
		fprintf(f, " [cut: %" PRIu64 " bytes of them are not shown]", n - shown.n);
}

static void draw_fields(const struct prompt *p, struct lines *l, const struct held *h,
	unsigned cols, size_t max_lines, int64_t now_ns)
{
	static const struct {
		const char *label;
		void (*fn)(FILE *f, const json_t *j, uint64_t seconds_here);
	} fields[] = {{"who", draw_who}, {"effects", draw_effects}, {"impact", draw_impact},
		{"risky", draw_risky}, {"target", draw_target}, {"tx", draw_tx},
		{"locks", draw_locks}, {"rule", draw_rule}, {"ask", draw_ask},
		{"params", draw_params}, {"free", draw_free}, {"seen", draw_past},
		{"process", draw_process}};

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
			lines_field(l, fields[i].label, slice_of(text, n), cols, max_lines);
	}
	if (p->past_of == h->id && p->past[0])
		lines_field(l, "before", slice_str(p->past), cols, max_lines);
}

static void draw_letters(struct screen *s, struct slice text)
{
	char letters[DRAW_LINE_MAX / 2] = "", line[DRAW_LINE_MAX];
	FILE *f = fmemopen(letters, sizeof(letters) - 1, "w");

	if (!f)
		return;
	marks_print_letters(f, text);
	fclose(f);
	if (!letters[0])
		return;
	snprintf(line, sizeof(line), "NOT ALL LETTERS ARE WHAT THEY SEEM: %s", letters);
	screen_put(s, SCREEN_ALERT, line);
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
	draw_letters(s, sql);
}

/* Head and tail, when it does not fit: what a statement does is often said at its end. */
static void draw_statement(struct screen *s, const struct lines *l, unsigned rows)
{
	char line[DRAW_LINE_MAX];
	size_t head, tail;

	if (l->n <= rows) {
		for (size_t i = 0; i < l->n; i++)
			screen_put_marked(s, l->items[i]);
		return;
	}
	head = rows / 2;
	tail = rows - head - 1;
	for (size_t i = 0; i < head; i++)
		screen_put_marked(s, l->items[i]);
	snprintf(line, sizeof(line), "··· %zu lines are not shown here: v shows the whole ···",
		l->n - head - tail);
	screen_put(s, SCREEN_ALERT, line);
	for (size_t i = l->n - tail; i < l->n; i++)
		screen_put_marked(s, l->items[i]);
}

static const char *draw_keys(enum prompt_mode mode)
{
	switch (mode) {
	case PROMPT_LOOK:
		return "a approve s shape t time d deny D kind K kill n/p move / search v whole ? "
		       "q";
	case PROMPT_WHOLE:
		return "space next page  b back  v leave  a approve  d deny";
	case PROMPT_HELP:
		return "any key goes back";
	case PROMPT_GONE:
		return "what you type is for nobody: Enter goes on";
	case PROMPT_APPROVE:
		return "h%: APPROVE; reason (Enter: yes): ";
	case PROMPT_SHAPE:
		return "h%: APPROVE this shape in this run; reason (Enter: yes): ";
	case PROMPT_TIME:
		return "h%: APPROVE this shape for a time; 30m, 2h: ";
	case PROMPT_TIMED:
		return "h%: APPROVE this shape for that time; reason (Enter: yes): ";
	case PROMPT_DENY:
		return "h%: DENY; reason (needed): ";
	case PROMPT_KIND:
		return "h%: DENY all of this kind in this run; reason (needed): ";
	case PROMPT_KILL:
		return "h%: KILL its run; type kill: ";
	case PROMPT_SEARCH:
		return "search: ";
	}
	return "";
}

/* The end of a long line is what is being typed. */
static void draw_line(const struct prompt *p, struct screen *s)
{
	_cleanup_(lines_deinit) struct lines typed = {0};
	const char *before = draw_keys(p->mode), *mark = strchr(before, '%');
	char line[DRAW_LINE_MAX], label[160];
	size_t room;

	if (mark)
		snprintf(label, sizeof(label), "%.*s%" PRIu64 "%s", (int)(mark - before), before,
			p->shown, mark + 1);
	else
		snprintf(label, sizeof(label), "%s", before);
	if (s->cols > DRAW_TYPED_COLS && strlen(label) + DRAW_TYPED_COLS > s->cols)
		label[s->cols - DRAW_TYPED_COLS] = 0;
	room = s->cols > strlen(label) + 4 ? s->cols - strlen(label) - 1 : 2;
	lines_wrap(&typed, slice_of(p->line, p->line_len), (unsigned)room, false, SIZE_MAX);
	snprintf(line, sizeof(line), "%s%.*s_", label, DRAW_LINE_MAX / 2,
		typed.n ? typed.items[typed.n - 1] : "");
	screen_put(s, SCREEN_STRONG, line);
}

static void draw_footer(const struct prompt *p, struct screen *s)
{
	while (s->has_cursor && s->used + 2 < s->rows)
		screen_put(s, SCREEN_PLAIN, "");
	screen_put(s, SCREEN_ALERT, p->note);
	if (p->mode >= PROMPT_APPROVE)
		draw_line(p, s);
	else
		screen_put(s, SCREEN_DIM, draw_keys(p->mode));
}

static void draw_whole(struct prompt *p, struct screen *s, const struct lines *all, size_t n_fields)
{
	size_t rows = s->rows > DRAW_FRAME ? s->rows - DRAW_FRAME : 1;
	size_t n_pages = all->n ? (all->n + rows - 1) / rows : 1;
	char line[DRAW_LINE_MAX];

	if (p->page >= n_pages)
		p->page = n_pages - 1;
	snprintf(line, sizeof(line), "page %zu of %zu", p->page + 1, n_pages);
	screen_put(s, SCREEN_DIM, line);
	for (size_t i = p->page * rows; i < all->n && i < (p->page + 1) * rows; i++)
		if (i < n_fields)
			screen_put(s, SCREEN_PLAIN, all->items[i]);
		else
			screen_put_marked(s, all->items[i]);
}

static void draw_help(struct screen *s)
{
	static const char *const help[] = {"",
		"a  approve: the very bytes that are shown run, once; Enter alone gives no reason",
		"s  approve this shape in this run: only the values under `free` may differ",
		"t  the same for a time, in all runs of this name",
		"d  deny: the agent gets a clean error with your reason, which is needed",
		"D  deny all of this kind (rule, effects, objects) in this run",
		"K  kill the run    /  search    Esc  all again",
		"n j down  the next hold    p k up  the previous    v  everything, by pages",
		"q  quit: what is held stays held until someone decides or its time is up", "",
		"While you type a decision the hold's clock stands: five minutes at most, never",
		"inside a transaction, whose locks are held meanwhile.",
		"Characters that could deceive are shown as \\x1b or \\u{202e}.",
		"impact, locks: what the server says of it, asked again while you look.",
		"A command is one key by itself, a moment after a hold was drawn. Where one ends",
		"while you type about it, the rest of what you type is for nobody, up to Enter.",
		NULL};

	for (size_t i = 0; help[i]; i++)
		screen_put(s, SCREEN_PLAIN, help[i]);
}

static void draw_hold(struct prompt *p, struct screen *s, const struct held *h, int64_t now_ns)
{
	_cleanup_(lines_deinit) struct lines fields = {0}, text = {0};
	unsigned room, used;

	if (p->mode == PROMPT_WHOLE) {
		size_t n_fields;

		draw_fields(p, &fields, h, s->cols, SIZE_MAX, now_ns);
		n_fields = fields.n;
		lines_wrap(&fields, text_field(h->json, "text"), s->cols, true, SIZE_MAX);
		draw_whole(p, s, &fields, n_fields);
		return;
	}
	lines_wrap(&text, text_field(h->json, "text"), s->cols, true, SIZE_MAX);
	draw_list(p, s, now_ns);
	used = s->used;
	room = s->rows > used + DRAW_FRAME + DRAW_MIN_STATEMENT
		       ? s->rows - used - DRAW_FRAME - DRAW_MIN_STATEMENT + 1
		       : 0;
	draw_fields(p, &fields, h, s->cols, DRAW_FIELD_LINES, now_ns);
	for (size_t i = 0; i < fields.n && i < room; i++)
		screen_put(s, SCREEN_PLAIN, fields.items[i]);
	draw_about(s, h->json, &text);
	draw_statement(s, &text, s->rows > s->used + 2 ? s->rows - s->used - 2 : 1);
}

void prompt_draw(struct prompt *p, struct screen *s, int64_t now_ns)
{
	const struct held *h = held_find(&p->held, p->shown);

	p->is_small = s->cols < PROMPT_COLS_MIN || s->rows < PROMPT_ROWS_MIN;
	screen_begin(s);
	draw_title(p, s, now_ns);
	if (p->mode == PROMPT_HELP)
		draw_help(s);
	else if (h)
		draw_hold(p, s, h, now_ns);
	else
		screen_put(s, SCREEN_PLAIN,
			!p->is_connected ? "waiting for holdfastd"
			: p->search[0]   ? "nothing that is held has that in it (Esc: all)"
					 : "waiting for holds");
	draw_footer(p, s);
	screen_end(s);
}
