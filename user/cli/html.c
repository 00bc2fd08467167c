/* SPDX-License-Identifier: Apache-2.0 */
/* Pages: see html.h. */
#include "cli/html.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/show_ledger.h"
#include "util/cleanup.h"
#include "util/utf8.h"

static const char html_style[] =
	"body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;max-width:70em;padding:0 1em;"
	"color:#1a1a1a;background:#fff}h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em}"
	"table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;"
	"padding:.25em .8em .25em 0;border-bottom:1px solid #ddd}th{font-weight:600}"
	"td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
	"td.t{white-space:nowrap;font-variant-numeric:tabular-nums;color:#555}"
	"pre{margin:.2em 0;white-space:pre-wrap;overflow-wrap:anywhere;font:13px/1.4 "
	"ui-monospace,monospace;background:#f5f5f2;padding:.3em .6em}"
	".deny,.denied,.refused,.error,.lost{color:#a40000}.hold,.pending{color:#8a5a00}"
	".approve,.approved,.ok{color:#126b2c}.wait{color:#555}"
	"@media(prefers-color-scheme:dark){body{background:#161616;color:#e6e6e6}"
	"pre{background:#222}td,th{border-color:#333}td.t,.wait{color:#aaa}}"
	"@media print{body{margin:0;max-width:none;font-size:11px;color:#000;background:#fff}"
	"pre{background:#fff;border:1px solid #ccc}tr{break-inside:avoid}}";

int html_open(struct html *h, const char *path, const char *title)
{
	*h = (struct html){.path = strdup(path)};
	if (!h->path || asprintf(&h->part, "%s.part", path) < 0)
		return cli_fail(CLI_FAILED, "out of memory");
	h->f = fopen(h->part, "we");
	if (!h->f)
		return cli_fail(CLI_FAILED, "%s cannot be written: %s", path, strerror(errno));
	html_raw(h,
		"<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
		"style-src 'unsafe-inline'\">\n<meta name=\"referrer\" content=\"no-referrer\">\n"
		"<meta name=\"viewport\" content=\"width=device-width\">\n<title>");
	html_str(h, title);
	html_raw(h, "</title>\n<style>");
	html_raw(h, html_style);
	html_raw(h, "</style></head><body>\n<h1>");
	html_str(h, title);
	html_raw(h, "</h1>\n");
	return CLI_OK;
}

int html_close(struct html *h)
{
	bool is_bad;

	html_raw(h, "</body></html>\n");
	is_bad = ferror(h->f) || fflush(h->f);
	is_bad |= fclose(TAKE(h->f)) != 0;
	if (is_bad || rename(h->part, h->path) < 0)
		return cli_fail(CLI_FAILED, "%s cannot be written", h->path);
	h->part[0] = 0;
	return CLI_OK;
}

void html_deinit(struct html *h)
{
	if (h->f)
		fclose(h->f);
	if (h->part && h->part[0])
		unlink(h->part);
	free(h->path);
	free(h->part);
}

/* Only what the escapes for terminals let through arrives here. */
static void html_escape(struct html *h, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		switch (s.p[i]) {
		case '&':
			fputs("&amp;", h->f);
			break;
		case '<':
			fputs("&lt;", h->f);
			break;
		case '>':
			fputs("&gt;", h->f);
			break;
		case '"':
			fputs("&quot;", h->f);
			break;
		case '\'':
			fputs("&#39;", h->f);
			break;
		default:
			fputc(s.p[i], h->f);
		}
	}
}

void html_text(struct html *h, struct slice s)
{
	_cleanup_(freep) char *safe = NULL;
	size_t n;

	/* Line by line: a newline is one in a page, not an escape. */
	while (s.n) {
		const uint8_t *nl = memchr(s.p, '\n', s.n);
		size_t len = nl ? (size_t)(nl - s.p) : s.n;
		FILE *f = open_memstream(&safe, &n);

		if (!f)
			return;
		utf8_print_safe(f, slice_head(s, len), false, SIZE_MAX);
		if (!fclose(f))
			html_escape(h, slice_of(safe, n));
		if (nl)
			fputc('\n', h->f);
		free(TAKE(safe));
		s = slice_skip(s, nl ? len + 1 : len);
	}
}

void html_str(struct html *h, const char *s)
{
	html_text(h, slice_str(s));
}

void html_raw(struct html *h, const char *markup)
{
	fputs(markup, h->f);
}

void html_cell(struct html *h, const char *class, struct slice s)
{
	if (class)
		fprintf(h->f, "<td class=\"%s\">", class);
	else
		html_raw(h, "<td>");
	html_text(h, s);
	html_raw(h, "</td>");
}

void html_cell_number(struct html *h, int64_t n)
{
	fprintf(h->f, "<td class=\"n\">%" PRId64 "</td>", n);
}

void html_cell_time(struct html *h, int64_t at_ns)
{
	char time[SHOW_TIME_MAX];

	html_cell(h, "t", slice_str(show_time(time, at_ns)));
}

void html_fact(struct html *h, const char *name, struct slice value)
{
	if (!value.n)
		return;
	html_raw(h, "<tr><th>");
	html_str(h, name);
	html_raw(h, "</th>");
	html_cell(h, NULL, value);
	html_raw(h, "</tr>\n");
}
