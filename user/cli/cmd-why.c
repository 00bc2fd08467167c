/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast why: one hold, from the rule that held it to how it ended, and what could be done
 * instead. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audit/query.h"
#include "cli/client.h"
#include "cli/cmds.h"
#include "cli/text.h"
#include "policy/policy.h"
#include "util/cleanup.h"
#include "util/utf8.h"

enum { WHY_TEXT_MAX = 2000, WHY_FIELD_MAX = 400, WHY_POLICY_MAX = 1024 * 1024 };

static void why_closep(struct query *const *q)
{
	query_close(*q);
}

static void why_line(const char *label, struct slice text, size_t max)
{
	printf("  %-10s ", label);
	utf8_print_safe(stdout, text, false, max);
	putchar('\n');
}

static void why_time(const char *label, int64_t at_ns)
{
	time_t s = (time_t)(at_ns / 1000000000);
	struct tm tm;
	char text[40];

	localtime_r(&s, &tm);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %z", &tm);
	printf("  %-10s %s\n", label, text);
}

/* ---- what the daemon knows: it is still waiting ---------------------------------------------- */

struct why_live {
	char id[24];
	bool is_there;
};

static int why_on_pending(void *arg, json_t *j)
{
	struct why_live *live = arg;

	if (!slice_eq_str(text_field(j, "id"), live->id))
		return CLI_OK;
	live->is_there = true;
	why_line("ask", text_field(j, "ask"), WHY_FIELD_MAX);
	if (text_field(j, "impact_words").n)
		why_line("impact", text_field(j, "impact_words"), WHY_TEXT_MAX);
	if (text_field(j, "locks_words").n)
		why_line("locks", text_field(j, "locks_words"), WHY_TEXT_MAX);
	printf("  %-10s %zu of %" PRIu64 "\n", "approved",
		json_array_size(json_object_get(j, "approved_by")), text_number(j, "quorum"));
	return CLI_STOP;
}

/* ---- what the policy in force says of the rule ----------------------------------------------- */

struct why_policy {
	char path[4096];
};

static int why_on_status(void *arg, json_t *j)
{
	struct why_policy *p = arg;
	const char *file = json_string_value(json_object_get(json_object_get(j, "policy"), "file"));

	snprintf(p->path, sizeof(p->path), "%s", file ? file : "");
	return CLI_OK;
}

static void why_instead(const struct policy *p, struct query *q, const struct record_request *req)
{
	struct query_filter filter = {.session = req->session};
	struct policy_subject s = {0};
	struct ruling r = {0};
	struct query_row row;
	char rule[256];

	snprintf(rule, sizeof(rule), "%.*s", SLICE_FMT(req->rule));
	r.rule = rule;
	if (query_list(q, QUERY_REQUESTS, &filter) || query_next(q, &row))
		return;
	s.resource = policy_resource_by_name(p, query_value(&row, "resource")->bytes);
	s.run = query_value(&row, "run_name")->bytes;
	s.role = query_value(&row, "role")->bytes;
	s.database = query_value(&row, "database")->bytes;
	if (!s.resource)
		return;
	printf("  %-10s without asking, an agent may here: ", "instead");
	policy_print_instead(p, &s, &r, stdout);
	putchar('\n');
}

static void why_policy(struct query *q, const struct record_request *req)
{
	static struct diag d; /* too large for a stack */
	_cleanup_(policy_freep) struct policy *p = NULL;
	_cleanup_(freep) char *text = NULL;
	struct why_policy at = {""};
	size_t n;
	FILE *f;

	if (client_ask(CTL_STATUS, SLICE_NULL, why_on_status, &at) || !*at.path)
		return;
	f = fopen(at.path, "re");
	text = f ? malloc(WHY_POLICY_MAX) : NULL;
	n = text ? fread(text, 1, WHY_POLICY_MAX, f) : 0;
	if (f)
		fclose(f);
	diag_init(&d, at.path, slice_of(text, n));
	if (!n || policy_load(slice_of(text, n), 0, &d, &p))
		return;
	if (!slice_eq_str(req->policy, policy_version(p)))
		printf("  %-10s the policy has changed since: now %s\n", "", policy_version(p));
	why_instead(p, q, req);
}

/* ---- what the ledger knows ------------------------------------------------------------------- */

static void why_decisions(struct query *q, uint64_t hold, uint64_t session)
{
	const struct query_filter filter = {.session = session};
	struct query_row row;

	if (query_list(q, QUERY_DECISIONS, &filter))
		return;
	while (!query_next(q, &row)) {
		if (query_value(&row, "hold")->number != (int64_t)hold)
			continue;
		printf("  %-10s ", "decision");
		utf8_print_safe(stdout, query_value(&row, "decision")->bytes, false, 20);
		fputs(" by ", stdout);
		utf8_print_safe(stdout, query_value(&row, "user")->bytes, false, 60);
		fputs(" (", stdout);
		utf8_print_safe(stdout, query_value(&row, "scope")->bytes, false, 40);
		fputs(") ", stdout);
		utf8_print_safe(stdout, query_value(&row, "reason")->bytes, false, WHY_FIELD_MAX);
		putchar('\n');
		why_line("shown", query_value(&row, "shown")->bytes, WHY_TEXT_MAX);
	}
}

static int why_print(struct query *q, uint64_t id)
{
	struct why_live live = {.is_there = false};
	union record hold, request, end;
	struct record_request req;
	uint64_t request_id;
	int64_t at;

	snprintf(live.id, sizeof(live.id), "h%" PRIu64, id);
	if (query_record(q, RECORD_HOLD, (int64_t)id, &at, &hold))
		return cli_fail(CLI_NONE, "no hold h%" PRIu64 " in the ledger", id);
	request_id = hold.hold.request;
	printf("h%" PRIu64 "\n", id);
	why_time("held", at);
	printf("  %-10s ", "rule");
	utf8_print_safe(stdout, hold.hold.rule, false, 80);
	printf(", which gives %" PRIu64 " s\n", hold.hold.timeout_ms / 1000);
	if (!query_record(q, RECORD_HOLD_END, (int64_t)id, &at, &end)) {
		why_line("outcome", end.hold_end.outcome, 40);
		why_time("ended", at);
	} else if (!client_ask(CTL_PENDING, SLICE_NULL, why_on_pending, &live)) {
		printf("  %-10s %s\n", "outcome", live.is_there ? "it waits" : "not recorded yet");
	}
	if (query_record(q, RECORD_REQUEST, (int64_t)request_id, &at, &request))
		return CLI_OK;
	req = request.request;
	why_line("effects", req.effects, WHY_FIELD_MAX);
	why_line("objects", req.objects, WHY_FIELD_MAX);
	why_line("statement", req.text, WHY_TEXT_MAX);
	why_line("policy", req.policy, 40);
	why_decisions(q, id, req.session);
	/* The slices went with the listing. */
	if (!query_record(q, RECORD_REQUEST, (int64_t)request_id, &at, &request)) {
		char rule[256], policy[40];

		req = request.request;
		snprintf(rule, sizeof(rule), "%.*s", SLICE_FMT(req.rule));
		snprintf(policy, sizeof(policy), "%.*s", SLICE_FMT(req.policy));
		req.rule = slice_str(rule);
		req.policy = slice_str(policy);
		why_policy(q, &req);
	}
	return CLI_OK;
}

static int cmd_why_run(const struct cmd *cmd, int argc, char **argv)
{
	_cleanup_(why_closep) struct query *q = NULL;
	uint64_t id = argc == 2 ? cli_hold_id(argv[1]) : 0;
	int r;

	if (!id)
		return cli_fail(CLI_USAGE, "usage: holdfast %s", cmd->usage);
	r = query_open(cli_ledger(), &q);
	if (r == QUERY_E_FORBIDDEN)
		return cli_fail(CLI_FORBIDDEN, "you may not read %s", cli_ledger());
	if (r)
		return cli_fail(CLI_HOST, "the ledger %s cannot be read", cli_ledger());
	return why_print(q, id);
}

const struct cmd cmd_why = {
	.name = "why",
	.usage = "why <hold-id>",
	.help = "Tell why a request was held, how it ended, and what would be allowed instead.",
	.more = "From the ledger, which you must be allowed to read; while it waits, with what it\n"
		"would touch and keeps locked. Exit code 5: no such hold.",
	.run = cmd_why_run,
};
