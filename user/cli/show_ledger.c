/* SPDX-License-Identifier: Apache-2.0 */
/* Showing the ledger: see show_ledger.h. */
#include "cli/show_ledger.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "cli/cli.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/json.h"
#include "util/utf8.h"

enum { SHOW_JSON_MAX = 512 << 20 };

enum show_how {
	SHOW_TEXT,
	SHOW_NUMBER,
	SHOW_HOLD,
	SHOW_TIME,
	SHOW_MS,
	SHOW_WHO,
	SHOW_OUTCOME,
	SHOW_RULING,
	SHOW_ROWS
};

/* The last column of a table takes what is left. */
struct show_column {
	const char *title, *name; /* name: of the view's column */
	enum show_how how;
	unsigned width;
	unsigned from; /* shown where the terminal has at least so many columns */
};

enum { SHOW_COLUMNS_MAX = 13, SHOW_REST_MIN = 24 };

static const struct show_column show_tables[QUERY_WHAT_N][SHOW_COLUMNS_MAX] = {
	[QUERY_REQUESTS] = {{"ID", "id", SHOW_NUMBER, 7, 0}, {"TIME", "at", SHOW_TIME, 19, 0},
		{"RUN", "run_name", SHOW_TEXT, 10, 80}, {"SESSION", "session", SHOW_NUMBER, 7, 110},
		{"WHO", "role", SHOW_WHO, 16, 130}, {"TARGET", "target", SHOW_TEXT, 20, 150},
		{"RULING", "ruling", SHOW_RULING, 6, 0}, {"OUTCOME", "status", SHOW_OUTCOME, 14, 0},
		{"ROWS", "n_rows", SHOW_ROWS, 6, 90}, {"MS", "us", SHOW_MS, 9, 102},
		{"STATEMENT", "text", SHOW_TEXT, 0, 0}},
	[QUERY_RUNS] = {{"ID", "id", SHOW_NUMBER, 7, 0}, {"START", "at", SHOW_TIME, 19, 0},
		{"END", "end_at", SHOW_TIME, 19, 90}, {"NAME", "name", SHOW_TEXT, 14, 0},
		{"OWNER", "owner_uid", SHOW_NUMBER, 6, 80}, {"UID", "uid", SHOW_NUMBER, 6, 100},
		{"STATUS", "status", SHOW_TEXT, 10, 0},
		{"DEGRADED", "degraded", SHOW_TEXT, 12, 130},
		{"COMMAND", "command", SHOW_TEXT, 0, 0}},
	[QUERY_SESSIONS] = {{"ID", "id", SHOW_NUMBER, 7, 0}, {"START", "at", SHOW_TIME, 19, 0},
		{"RUN", "run_name", SHOW_TEXT, 10, 80}, {"COMM", "comm", SHOW_TEXT, 12, 0},
		{"PID", "pid", SHOW_NUMBER, 7, 110}, {"WHO", "role", SHOW_WHO, 18, 100},
		{"PROTOCOL", "protocol", SHOW_TEXT, 9, 120},
		{"RESOURCE", "resource", SHOW_TEXT, 14, 0}, {"UP", "bytes_up", SHOW_NUMBER, 9, 140},
		{"DOWN", "bytes_down", SHOW_NUMBER, 9, 140}, {"END", "reason", SHOW_TEXT, 16, 90},
		{"TARGET", "target", SHOW_TEXT, 0, 0}},
	[QUERY_HOLDS] = {{"ID", "id", SHOW_HOLD, 6, 0}, {"TIME", "at", SHOW_TIME, 19, 0},
		{"RUN", "run_name", SHOW_TEXT, 10, 80}, {"REQUEST", "request", SHOW_NUMBER, 7, 110},
		{"RULE", "rule", SHOW_TEXT, 18, 120}, {"OUTCOME", "outcome", SHOW_TEXT, 12, 0},
		{"BY", "decided_by", SHOW_TEXT, 10, 0}, {"MS", "us", SHOW_MS, 10, 100},
		{"REASON", "reason", SHOW_TEXT, 20, 130}, {"STATEMENT", "text", SHOW_TEXT, 0, 0}},
	[QUERY_DECISIONS] = {{"HOLD", "hold", SHOW_HOLD, 6, 0}, {"TIME", "at", SHOW_TIME, 19, 0},
		{"RUN", "run_name", SHOW_TEXT, 10, 100}, {"DECISION", "decision", SHOW_TEXT, 9, 0},
		{"BY", "user", SHOW_TEXT, 10, 0}, {"SUDO", "sudo_uid", SHOW_TEXT, 6, 110},
		{"SCOPE", "scope", SHOW_TEXT, 10, 120}, {"REASON", "reason", SHOW_TEXT, 20, 80},
		{"STATEMENT", "text", SHOW_TEXT, 0, 0}},
	[QUERY_EVENTS] = {{"TIME", "at", SHOW_TIME, 19, 0}, {"RUN", "run", SHOW_NUMBER, 6, 0},
		{"SESSION", "session", SHOW_NUMBER, 7, 0}, {"KIND", "kind", SHOW_TEXT, 16, 0},
		{"DETAIL", "detail", SHOW_TEXT, 0, 0}},
};

/* ---- opening ---- */

int show_ledger_open(const char *path, struct query **ret)
{
	if (!path)
		path = cli_ledger();
	switch (query_open(path, ret)) {
	case 0:
		return CLI_OK;
	case QUERY_E_MISSING:
		return cli_fail(CLI_HOST,
			"there is no ledger at %s: has holdfastd run here? (--ledger PATH)", path);
	case QUERY_E_FORBIDDEN:
		return cli_fail(CLI_HOST,
			"the ledger %s may not be read: become root or a member of its group",
			path);
	case QUERY_E_VERSION:
		return cli_fail(CLI_HOST,
			"the ledger %s was written by a newer holdfast: use that one", path);
	case QUERY_E_NO_LEDGER:
		return cli_fail(CLI_HOST, "%s is no ledger of holdfast, or is damaged", path);
	}
	return cli_fail(CLI_HOST, "the ledger %s cannot be opened", path);
}

void show_ledger_closep(struct query **q)
{
	query_close(*q);
}

int show_ledger_explain(int r)
{
	if (r == QUERY_E_TOO_LONG)
		return cli_fail(CLI_FAILED, "that is too much to read in one go: narrow it by "
					    "--since, --run or --session");
	if (r == QUERY_E_FILTER)
		return cli_fail(CLI_USAGE, "this listing cannot be filtered by that");
	return cli_fail(CLI_FAILED, "the ledger cannot be read (errno %d)", r < 0 ? -r : 0);
}

/* ---- tables ---- */

const char *show_time(char *buf, int64_t at_ns)
{
	time_t s = at_ns / CLOCK_NS_PER_S;
	struct tm tm;
	size_t n;

	localtime_r(&s, &tm);
	n = strftime(buf, SHOW_TIME_MAX, "%Y-%m-%d %H:%M:%S", &tm);
	snprintf(buf + n, SHOW_TIME_MAX - n, ".%03d",
		(int)(at_ns % CLOCK_NS_PER_S / CLOCK_NS_PER_MS));
	return buf;
}

/* Bytes of the first n characters of valid UTF-8; fewer if there are not so many. */
static size_t show_chars(struct slice s, size_t n, size_t *ret_n)
{
	size_t at = 0, len;
	uint32_t code;

	for (*ret_n = 0; *ret_n < n; (*ret_n)++) {
		len = utf8_decode(slice_skip(s, at), &code);
		if (!len)
			break;
		at += len;
	}
	return at;
}

/* Text of a stranger in exactly `width` characters: escaped, then cut or padded. */
static void show_cell(FILE *to, struct slice s, unsigned width, bool is_right, bool is_last)
{
	_cleanup_(freep) char *safe = NULL;
	size_t len, n, fits;
	FILE *f = open_memstream(&safe, &len);

	if (!f)
		return;
	/* Each byte becomes at least a quarter of a character: what is cut here is not shown. */
	utf8_print_safe(f, slice_head(s, 4 * (size_t)width + 4), false, SIZE_MAX);
	if (fclose(f))
		return;
	fits = show_chars(slice_of(safe, len), width, &n);
	if (fits < len) {
		fits = show_chars(slice_of(safe, len), width - 1, &n);
		fprintf(to, "%.*s…", (int)fits, safe);
		return;
	}
	if (is_right)
		fprintf(to, "%*s", (int)(width - n), "");
	fprintf(to, "%.*s", (int)fits, safe);
	if (!is_right && !is_last)
		fprintf(to, "%*s", (int)(width - n), "");
}

/* Everything but the last column has its own width. */
static unsigned show_rest(const struct show_column *columns, unsigned terminal)
{
	unsigned used = 0;

	for (; columns->width; columns++)
		if (terminal >= columns->from)
			used += columns->width + 1;
	return terminal > used + SHOW_REST_MIN ? terminal - used : SHOW_REST_MIN;
}

/* role@database; either may be missing. */
static void show_who(char *buf, size_t max, const struct query_row *row)
{
	const struct query_value *role = query_value(row, "role");
	const struct query_value *database = query_value(row, "database");

	snprintf(buf, max, "%.*s%s%.*s", SLICE_FMT(slice_head(role->bytes, 63)),
		database->bytes.n ? "@" : "", SLICE_FMT(slice_head(database->bytes, 63)));
}

/* What became of a request, in few words: the human's answer, then the server's. */
static void show_outcome(char *buf, size_t max, const struct query_row *row)
{
	struct slice human = query_value(row, "hold_outcome")->bytes;
	struct slice server = query_value(row, "status")->bytes;

	if (!human.n && query_value(row, "hold")->type == QUERY_INT && !server.n)
		snprintf(buf, max, "waiting");
	else if (human.n && !slice_eq_str(human, "approved"))
		snprintf(buf, max, "%.*s", SLICE_FMT(slice_head(human, 31)));
	else if (human.n)
		snprintf(buf, max, "approved %.*s", SLICE_FMT(slice_head(server, 31)));
	else
		snprintf(buf, max, "%.*s", SLICE_FMT(slice_head(server, 31)));
}

/* A column's text: into buf, or borrowed from the row. */
static struct slice show_value(
	const struct show_column *c, const struct query_row *row, char *buf, size_t max)
{
	const struct query_value *v = query_value(row, c->name);

	switch (c->how) {
	case SHOW_TEXT:
	case SHOW_RULING:
		return v->bytes;
	case SHOW_NUMBER:
	case SHOW_HOLD:
		if (v->type != QUERY_INT)
			return SLICE_NULL;
		snprintf(buf, max, "%s%" PRId64, c->how == SHOW_HOLD ? "h" : "", v->number);
		break;
	case SHOW_ROWS:
		/* Given to the agent, or changed at the server. */
		if (query_value(row, "n_affected")->number)
			v = query_value(row, "n_affected");
		if (v->type != QUERY_INT)
			return SLICE_NULL;
		snprintf(buf, max, "%" PRId64, v->number);
		break;
	case SHOW_TIME:
		if (v->type != QUERY_INT)
			return SLICE_NULL;
		show_time(buf, v->number);
		buf[strcspn(buf, ".")] = 0;
		break;
	case SHOW_MS:
		if (v->type != QUERY_INT)
			return SLICE_NULL;
		snprintf(buf, max, "%.1f", (double)v->number / 1e3);
		break;
	case SHOW_WHO:
		show_who(buf, max, row);
		break;
	case SHOW_OUTCOME:
		show_outcome(buf, max, row);
		break;
	}
	return slice_str(buf);
}

static const char *show_colour(const struct show_column *c, struct slice value)
{
	if (c->how != SHOW_RULING)
		return NULL;
	if (slice_eq_str(value, "deny"))
		return "\x1b[31m";
	return slice_eq_str(value, "hold") ? "\x1b[33m" : NULL;
}

static bool show_is_right(const struct show_column *c)
{
	return c->how == SHOW_NUMBER || c->how == SHOW_ROWS || c->how == SHOW_MS;
}

void show_ledger_head(FILE *to, enum query_what what, unsigned columns)
{
	for (const struct show_column *c = show_tables[what]; c->title; c++) {
		if (columns < c->from)
			continue;
		show_cell(to, slice_str(c->title), c->width ? c->width : SHOW_REST_MIN,
			show_is_right(c), !c->width);
		fputc(c->width ? ' ' : '\n', to);
	}
}

void show_ledger_row(
	FILE *to, enum query_what what, unsigned columns, const struct query_row *row, bool is_tty)
{
	unsigned rest = show_rest(show_tables[what], columns);

	for (const struct show_column *c = show_tables[what]; c->title; c++) {
		char buf[160];
		struct slice value;
		const char *colour;

		if (columns < c->from)
			continue;
		value = show_value(c, row, buf, sizeof(buf));
		colour = is_tty ? show_colour(c, value) : NULL;
		if (colour)
			fputs(colour, to);
		show_cell(to, value, c->width ? c->width : rest, show_is_right(c), !c->width);
		if (colour)
			fputs("\x1b[0m", to);
		fputc(c->width ? ' ' : '\n', to);
	}
}

/* ---- for programs ---- */

/* Bytes as hexadecimal digits; "" if there is no memory. */
static char *show_hex(struct slice s)
{
	char *hex = calloc(s.n + 1, 2);

	for (size_t i = 0; hex && i < s.n; i++)
		snprintf(hex + 2 * i, 3, "%02x", s.p[i]);
	return hex;
}

int show_ledger_json(FILE *to, const struct query_row *row)
{
	_cleanup_(jsonw_deinit) struct json j;
	struct slice text;

	jsonw_init(&j, SHOW_JSON_MAX);
	jsonw_object(&j, NULL);
	for (size_t i = 0; i < row->n; i++) {
		const struct query_value *v = &row->values[i];
		_cleanup_(freep) char *hex = v->type == QUERY_BLOB ? show_hex(v->bytes) : NULL;

		if (v->type == QUERY_NULL)
			jsonw_null(&j, row->names[i]);
		else if (v->type == QUERY_INT)
			jsonw_int(&j, row->names[i], v->number);
		else
			jsonw_string(&j, row->names[i], hex ? slice_str(hex) : v->bytes);
	}
	jsonw_object_end(&j);
	text = jsonw_done(&j);
	if (!text.n)
		return cli_fail(CLI_FAILED, "out of memory");
	fwrite(text.p, 1, text.n, to);
	fputc('\n', to);
	return CLI_OK;
}

static void show_csv_text(FILE *to, struct slice s, bool is_tty)
{
	fputc('"', to);
	while (s.n) {
		const uint8_t *quote = memchr(s.p, '"', s.n);
		size_t n = quote ? (size_t)(quote - s.p) : s.n;

		if (is_tty)
			utf8_print_safe(to, slice_head(s, n), false, SIZE_MAX);
		else
			fwrite(s.p, 1, n, to);
		if (quote)
			fputs("\"\"", to);
		s = slice_skip(s, quote ? n + 1 : n);
	}
	fputc('"', to);
}

void show_ledger_csv(FILE *to, const struct query_row *row, bool is_head, bool is_tty)
{
	for (size_t i = 0; i < row->n; i++) {
		const struct query_value *v = &row->values[i];
		_cleanup_(freep) char *hex =
			v->type == QUERY_BLOB && !is_head ? show_hex(v->bytes) : NULL;

		if (i)
			fputc(',', to);
		if (is_head)
			fputs(row->names[i], to);
		else if (v->type == QUERY_INT)
			fprintf(to, "%" PRId64, v->number);
		else if (v->type != QUERY_NULL)
			show_csv_text(to, hex ? slice_str(hex) : v->bytes, is_tty);
	}
	fputc('\n', to);
}
