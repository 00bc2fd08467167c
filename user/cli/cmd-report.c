/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast report: a run as a page to print: what was asked, who approved, what was masked. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cmds.h"
#include "cli/html.h"
#include "cli/show_ledger.h"
#include "util/cleanup.h"

enum { REPORT_REQUESTS_MAX = 20000 };

static const struct cmd_opt cmd_report_opts[] = {
	{'o', "html", "FILE", "where the page goes"},
	{'l', "ledger", "PATH", "another ledger than the daemon's"},
	{0},
};

struct report {
	struct html html;
	struct query *q;
	uint64_t run;
	uint64_t n_requests, n_denied, n_held, n_errors, n_masked, n_changed;
};

static struct slice report_bytes(const struct query_row *row, const char *name)
{
	return query_value(row, name)->bytes;
}

static int64_t report_number(const struct query_row *row, const char *name)
{
	return query_value(row, name)->number;
}

/* Calls fn for each row of a listing of this run. 0 or a cli_exit. */
static int report_each(struct report *p, enum query_what what, const char *verdict, uint64_t limit,
	void (*fn)(struct report *p, const struct query_row *row))
{
	const struct query_filter filter = {.run = p->run, .verdict = verdict, .limit = limit};
	struct query_row row;
	int r = query_list(p->q, what, &filter);

	while (!r && !(r = query_next(p->q, &row)))
		fn(p, &row);
	return r == QUERY_E_END ? CLI_OK : show_ledger_explain(r);
}

static void report_pre_cell(struct report *p, struct slice text)
{
	html_raw(&p->html, "<td><pre>");
	html_text(&p->html, text);
	html_raw(&p->html, "</pre></td>");
}

/* ---- its parts ---- */

static void report_run(struct report *p, const struct query_row *row)
{
	char text[SHOW_TIME_MAX];
	struct html *h = &p->html;

	html_raw(h, "<table>\n");
	html_fact(h, "name", report_bytes(row, "name"));
	html_fact(h, "command", report_bytes(row, "command"));
	snprintf(text, sizeof(text), "%" PRId64, report_number(row, "owner_uid"));
	html_fact(h, "started by uid", slice_str(text));
	snprintf(text, sizeof(text), "%" PRId64, report_number(row, "uid"));
	html_fact(h, "ran as uid", slice_str(text));
	html_fact(h, "from", slice_str(show_time(text, report_number(row, "at"))));
	if (query_value(row, "end_at")->type == QUERY_INT)
		html_fact(h, "to", slice_str(show_time(text, report_number(row, "end_at"))));
	html_fact(h, "ended", report_bytes(row, "status"));
	html_fact(h, "this host lacked", report_bytes(row, "degraded"));
	html_raw(h, "</table>\n");
}

static void report_count(struct report *p, const struct query_row *row)
{
	struct slice ruling = report_bytes(row, "ruling");

	p->n_requests++;
	p->n_denied += slice_eq_str(ruling, "deny");
	p->n_held += slice_eq_str(ruling, "hold");
	p->n_errors += slice_eq_str(report_bytes(row, "status"), "error");
	p->n_masked += (uint64_t)report_number(row, "n_masked");
	p->n_changed += (uint64_t)report_number(row, "n_affected");
}

static void report_summary(struct report *p)
{
	fprintf(p->html.f,
		"<h2>In short</h2><p>%" PRIu64 " requests: %" PRIu64 " held for a human, %" PRIu64
		" denied, %" PRIu64 " answered with an error by the server. %" PRIu64
		" rows changed, %" PRIu64 " values masked.</p>\n",
		p->n_requests, p->n_held, p->n_denied, p->n_errors, p->n_changed, p->n_masked);
}

static void report_hold(struct report *p, const struct query_row *row)
{
	struct html *h = &p->html;
	struct slice outcome = report_bytes(row, "outcome");

	html_raw(h, "<tr>");
	html_cell_time(h, report_number(row, "at"));
	report_pre_cell(p, report_bytes(row, "text"));
	html_cell(h, NULL, report_bytes(row, "rule"));
	html_cell(h, slice_eq_str(outcome, "approved") ? "approved" : "denied",
		outcome.n ? outcome : SLICE_LIT("waiting"));
	fprintf(h->f, "<td class=\"n\">%.1f s</td></tr>\n", (double)report_number(row, "us") / 1e6);
}

static void report_decision(struct report *p, const struct query_row *row)
{
	struct html *h = &p->html;
	char hold[32];

	snprintf(hold, sizeof(hold), "h%" PRId64, report_number(row, "hold"));
	html_raw(h, "<tr>");
	html_cell_time(h, report_number(row, "at"));
	html_cell(h, NULL, slice_str(hold));
	html_cell(h, NULL, report_bytes(row, "decision"));
	html_cell(h, NULL, report_bytes(row, "user"));
	html_cell(h, NULL, report_bytes(row, "auth"));
	html_cell(h, NULL, report_bytes(row, "shown"));
	html_cell(h, NULL, report_bytes(row, "scope"));
	html_cell(h, NULL, report_bytes(row, "reason"));
	report_pre_cell(p, report_bytes(row, "text"));
	html_raw(h, "</tr>\n");
}

static void report_masked(struct report *p, const struct query_row *row)
{
	struct html *h = &p->html;

	if (!report_number(row, "n_masked"))
		return;
	html_raw(h, "<tr>");
	html_cell_time(h, report_number(row, "at"));
	report_pre_cell(p, report_bytes(row, "text"));
	html_cell_number(h, report_number(row, "n_masked"));
	html_cell(h, NULL, report_bytes(row, "masked"));
	html_cell(h, NULL, report_bytes(row, "masked_by"));
	html_raw(h, "</tr>\n");
}

static void report_request(struct report *p, const struct query_row *row)
{
	struct html *h = &p->html;
	struct slice ruling = report_bytes(row, "ruling");
	int64_t changed = report_number(row, "n_affected");

	html_raw(h, "<tr>");
	html_cell_time(h, report_number(row, "at"));
	html_cell(h,
		slice_eq_str(ruling, "deny")   ? "deny"
		: slice_eq_str(ruling, "hold") ? "hold"
					       : NULL,
		ruling);
	html_cell(h, NULL, report_bytes(row, "status"));
	html_cell_number(h, changed ? changed : report_number(row, "n_rows"));
	html_cell(h, NULL, report_bytes(row, "target"));
	report_pre_cell(p, report_bytes(row, "text"));
	html_raw(h, "</tr>\n");
}

/* ---- the page ---- */

static int report_body(struct report *p)
{
	struct html *h = &p->html;
	int r = report_each(p, QUERY_RUNS, NULL, 0, report_run);

	if (!r)
		r = report_each(p, QUERY_REQUESTS, NULL, 0, report_count);
	if (r)
		return r;
	report_summary(p);
	html_raw(h, "<h2>What waited for a human</h2><table><tr><th>time</th><th>statement</th>"
		    "<th>rule</th><th>outcome</th><th>waited</th></tr>\n");
	r = report_each(p, QUERY_HOLDS, NULL, 0, report_hold);
	html_raw(h, "</table>\n<h2>Who decided</h2><table><tr><th>time</th><th>hold</th>"
		    "<th>decision</th><th>by</th><th>known as</th><th>was "
		    "shown</th><th>scope</th><th>reason</th><th>statement</th></"
		    "tr>\n");
	if (!r)
		r = report_each(p, QUERY_DECISIONS, NULL, 0, report_decision);
	html_raw(h, "</table>\n<h2>What was masked</h2><table><tr><th>time</th><th>statement</th>"
		    "<th>values</th><th>by</th><th>of rule</th></tr>\n");
	if (!r)
		r = report_each(p, QUERY_REQUESTS, NULL, 0, report_masked);
	html_raw(h, "</table>\n<h2>What was asked</h2>");
	if (p->n_requests > REPORT_REQUESTS_MAX)
		fprintf(h->f, "<p>The last %d of %" PRIu64 ".</p>", REPORT_REQUESTS_MAX,
			p->n_requests);
	html_raw(h, "<table><tr><th>time</th><th>ruling</th><th>outcome</th><th>rows</th>"
		    "<th>target</th><th>statement</th></tr>\n");
	if (!r)
		r = report_each(p, QUERY_REQUESTS, NULL, REPORT_REQUESTS_MAX, report_request);
	html_raw(h, "</table>\n");
	return r;
}

/* The newest run of that name, or that number. 0 or a cli_exit. */
static int report_find_run(struct report *p, const char *text)
{
	struct query_filter filter = {.limit = 1};
	struct query_row row;
	char *end;
	int r;

	filter.run = strtoull(text, &end, 10);
	if (*end || text[0] == '-')
		filter = (struct query_filter){.run_name = text, .limit = 1};
	r = query_list(p->q, QUERY_RUNS, &filter);
	if (!r)
		r = query_next(p->q, &row);
	if (r == QUERY_E_END)
		return cli_fail(CLI_NONE, "there is no run '%s' in the ledger", text);
	if (r)
		return show_ledger_explain(r);
	p->run = (uint64_t)report_number(&row, "id");
	return CLI_OK;
}

static void report_deinit(struct report *p)
{
	html_deinit(&p->html);
	query_close(p->q);
}

static int cmd_report_run(const struct cmd *cmd, int argc, char **argv)
{
	_cleanup_(report_deinit) struct report p = {0};
	const char *value, *ledger = NULL, *path = NULL;
	char title[128];
	int letter, r;

	while ((letter = cli_getopt(cmd, argc, argv, &value)) != -1) {
		if (letter == '?')
			return CLI_USAGE;
		*(letter == 'l' ? &ledger : &path) = value;
	}
	if (argc - cli_optind() != 1 || !path)
		return cli_fail(CLI_USAGE, "usage: holdfast %s", cmd->usage);
	argv += cli_optind();
	r = show_ledger_open(ledger, &p.q);
	if (!r)
		r = report_find_run(&p, *argv);
	snprintf(title, sizeof(title), "holdfast: report of run %" PRIu64, p.run);
	if (!r)
		r = html_open(&p.html, path, title);
	if (!r)
		r = report_body(&p);
	return r ? r : html_close(&p.html);
}

const struct cmd cmd_report = {
	.name = "report",
	.usage = "report RUN --html FILE",
	.help = "Write a page about a run: what was asked, who approved, what was masked.",
	.more = "RUN is an id, or a name: then the newest run of that name. The page is one file\n"
		"without scripts, loads nothing, and can be printed.",
	.opts = cmd_report_opts,
	.run = cmd_report_run,
};
