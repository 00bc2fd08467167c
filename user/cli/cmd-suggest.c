/* SPDX-License-Identifier: Apache-2.0 */
/*
 * holdfast policy suggest: what people approved again and again, or what passed under `mode:
 * observe`, as a change to the policy that somebody may look at. Nothing is changed.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "audit/query.h"
#include "cli/cmds.h"
#include "cli/duration.h"
#include "policy/policy.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/utf8.h"

enum {
	SUGGEST_GROUPS_MAX = 200,
	SUGGEST_WORDS_MAX = 256,
	SUGGEST_TIMES = 3,
	SUGGEST_FILE_MAX = 1 << 20
};

/* Requests that a rule could not tell apart. */
struct suggest_group {
	char resource[SUGGEST_WORDS_MAX], role[SUGGEST_WORDS_MAX], effects[SUGGEST_WORDS_MAX],
		objects[SUGGEST_WORDS_MAX], rule[SUGGEST_WORDS_MAX];
	uint64_t n_approved, n_passed, n_denied;
};

struct suggest {
	struct suggest_group groups[SUGGEST_GROUPS_MAX];
	size_t n;
	bool is_full;
	uint64_t times;
	const char *path;
	char *text; /* of the policy */
	size_t text_n;
};

/* ---- what happened --------------------------------------------------------------------------- */

static bool suggest_copy(
	char to[SUGGEST_WORDS_MAX], const struct query_row *row, const char *column)
{
	struct slice s = query_value(row, column)->bytes;

	/* What does not fit, or would not be read again as it is written here, suggests nothing. */
	if (s.n >= SUGGEST_WORDS_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < ' ' || s.p[i] >= 0x7f || strchr("\"'\\[]{}*?#&!%@`|>", s.p[i]))
			return false;
	snprintf(to, SUGGEST_WORDS_MAX, "%.*s", SLICE_FMT(s));
	return true;
}

static struct suggest_group *suggest_group_of(struct suggest *s, const struct suggest_group *g)
{
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->groups[i].resource, g->resource) &&
			!strcmp(s->groups[i].role, g->role) &&
			!strcmp(s->groups[i].effects, g->effects) &&
			!strcmp(s->groups[i].objects, g->objects) &&
			!strcmp(s->groups[i].rule, g->rule))
			return &s->groups[i];
	s->is_full |= s->n == SUGGEST_GROUPS_MAX;
	if (s->is_full)
		return NULL;
	s->groups[s->n] = *g;
	return &s->groups[s->n++];
}

static void suggest_take(struct suggest *s, const struct query_row *row)
{
	struct slice ruling = query_value(row, "ruling")->bytes,
		     outcome = query_value(row, "hold_outcome")->bytes,
		     status = query_value(row, "status")->bytes;
	struct suggest_group key = {.n_approved = 0}, *g;

	if (slice_eq_str(ruling, "allow") || !suggest_copy(key.resource, row, "resource") ||
		!suggest_copy(key.role, row, "role") ||
		!suggest_copy(key.effects, row, "effects") ||
		!suggest_copy(key.objects, row, "objects") || !suggest_copy(key.rule, row, "rule"))
		return;
	/* What is not known, or has no object, is nothing to allow by name. */
	if (strstr(key.effects, "unknown") || !key.objects[0])
		return;
	g = suggest_group_of(s, &key);
	if (!g)
		return;
	if (slice_eq_str(outcome, "approved") || slice_eq_str(outcome, "granted"))
		g->n_approved++;
	else if (slice_eq_str(outcome, "denied") || slice_eq_str(outcome, "void"))
		g->n_denied++;
	else if (!outcome.n && slice_eq_str(status, "ok"))
		g->n_passed++; /* only observed */
}

static int suggest_read(struct suggest *s, uint32_t since_s)
{
	const struct query_filter filter = {
		.since_ns = since_s ? clock_wall_ns() - since_s * CLOCK_NS_PER_S : 0};
	struct query *q = NULL;
	struct query_row row;
	int r = query_open(cli_ledger(), &q);

	if (r)
		return cli_fail(r == QUERY_E_FORBIDDEN ? CLI_FORBIDDEN : CLI_HOST,
			"the ledger %s cannot be read", cli_ledger());
	r = query_list(q, QUERY_REQUESTS, &filter);
	while (!r && !(r = query_next(q, &row)))
		suggest_take(s, &row);
	query_close(q);
	return r == QUERY_E_END ? CLI_OK : cli_fail(CLI_FAILED, "reading the ledger took too long");
}

/* ---- the change ------------------------------------------------------------------------------ */

static void suggest_list(FILE *to, const char *words)
{
	fputc('[', to);
	for (const char *p = words; *p;) {
		size_t n = strcspn(p, ",");

		fprintf(to, "%s\"%.*s\"", p == words ? "" : ", ", (int)n, p);
		p += n;
		p += strspn(p, ", ");
	}
	fputc(']', to);
}

static void suggest_cond(FILE *to, const struct suggest_group *g)
{
	fprintf(to, "{resource: %s, effect: ", g->resource);
	suggest_list(to, g->effects);
	fputs(", object: ", to);
	suggest_list(to, g->objects);
	if (g->role[0])
		fprintf(to, ", role: \"%s\"", g->role);
	fputc('}', to);
}

static bool suggest_is_due(const struct suggest *s, const struct suggest_group *g)
{
	return !g->n_denied && g->n_approved + g->n_passed >= s->times;
}

/* The line where the rule of that name ends its name, if that is all the line says and the rule has
 * no `unless` yet; 0 = none. *ret_indent: of its other keys. */
static unsigned suggest_rule_line(const struct suggest *s, const char *rule, unsigned *ret_indent)
{
	unsigned line = 0, found = 0;

	for (const char *p = s->text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		size_t n = strcspn(p, "\n"), blank = strspn(p, " ");
		bool begins = !strncmp(p + blank, "- name:", 7);
		const char *name = p + blank + 7 + strspn(p + blank + 7, " ");

		line++;
		if (found && (begins || !blank))
			return found;
		if (found && !strncmp(p + blank, "unless:", 7))
			return 0;
		if (begins && strlen(rule) == (size_t)(p + n - name) &&
			!strncmp(name, rule, strlen(rule))) {
			found = line;
			*ret_indent = (unsigned)blank + 2;
		}
	}
	return found;
}

static unsigned suggest_lines(const struct suggest *s)
{
	unsigned n = 0;

	for (size_t i = 0; i < s->text_n; i++)
		n += s->text[i] == '\n';
	return n;
}

static void suggest_why(FILE *to, const struct suggest_group *g)
{
	if (g->n_approved)
		fprintf(to, "approved %" PRIu64 " times, never denied", g->n_approved);
	if (g->n_passed)
		fprintf(to, "%sseen %" PRIu64 " times in observe mode", g->n_approved ? ", " : "",
			g->n_passed);
}

/* What `default` holds is let through by a rule of its own. */
static void suggest_rules(const struct suggest *s)
{
	unsigned n = 0, line = suggest_lines(s), n_lines = 0;
	bool has_rules = strstr(s->text, "\nrules:");

	for (size_t i = 0; i < s->n; i++)
		n_lines += suggest_is_due(s, &s->groups[i]) && !strcmp(s->groups[i].rule, "default")
				   ? 4
				   : 0;
	if (!n_lines)
		return;
	printf("@@ -%u,0 +%u,%u @@\n", line, line + 1, n_lines + !has_rules);
	if (!has_rules)
		puts("+rules:");
	for (size_t i = 0; i < s->n; i++) {
		const struct suggest_group *g = &s->groups[i];

		if (!suggest_is_due(s, g) || strcmp(g->rule, "default") != 0)
			continue;
		printf("+  # ");
		suggest_why(stdout, g);
		printf("\n+  - name: suggested-%u\n+    when: ", ++n);
		suggest_cond(stdout, g);
		puts("\n+    then: allow");
	}
}

/* What a rule holds is spared by that rule. One `unless` a rule: the most frequent. */
static void suggest_unless(const struct suggest *s, const struct suggest_group *g, bool is_first)
{
	unsigned indent = 0, line = is_first ? suggest_rule_line(s, g->rule, &indent) : 0;

	if (!line) {
		printf("# rule %s, by hand (", g->rule);
		suggest_why(stdout, g);
		fputs("): unless: ", stdout);
		suggest_cond(stdout, g);
		putchar('\n');
		return;
	}
	printf("@@ -%u,0 +%u,2 @@\n+%*s# ", line, line + 1, (int)indent, "");
	suggest_why(stdout, g);
	printf("\n+%*sunless: ", (int)indent, "");
	suggest_cond(stdout, g);
	putchar('\n');
}

static bool suggest_is_first(const struct suggest *s, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (suggest_is_due(s, &s->groups[k]) &&
			!strcmp(s->groups[k].rule, s->groups[i].rule))
			return false;
	return true;
}

static size_t suggest_print(const struct suggest *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += suggest_is_due(s, &s->groups[i]);
	if (!n)
		return 0;
	printf("--- %s\n+++ %s\n", s->path, s->path);
	for (size_t i = 0; i < s->n; i++)
		if (suggest_is_due(s, &s->groups[i]) && strcmp(s->groups[i].rule, "default") != 0)
			suggest_unless(s, &s->groups[i], suggest_is_first(s, i));
	suggest_rules(s);
	return n;
}

/* ---- the command ----------------------------------------------------------------------------- */

static int suggest_open(struct suggest *s)
{
	static struct diag d; /* too large for a stack */
	_cleanup_(policy_freep) struct policy *p = NULL;
	FILE *f = fopen(s->path, "re");

	s->text = calloc(1, SUGGEST_FILE_MAX + 1);
	if (f && s->text)
		s->text_n = fread(s->text, 1, SUGGEST_FILE_MAX, f);
	if (f)
		fclose(f);
	if (!f || !s->text)
		return cli_fail(CLI_USAGE, "%s cannot be read", s->path);
	diag_init(&d, s->path, slice_of(s->text, s->text_n));
	if (!policy_load(slice_of(s->text, s->text_n), 0, &d, &p))
		return CLI_OK;
	diag_print(&d, stderr);
	return CLI_USAGE;
}

static int policy_suggest_run(const struct cmd *cmd, int argc, char **argv)
{
	struct suggest *s = calloc(1, sizeof(*s));
	uint32_t since_s = 0;
	const char *value;
	int c, code = CLI_OK;

	if (!s)
		return cli_fail(CLI_FAILED, "out of memory");
	s->times = SUGGEST_TIMES;
	while (!code && (c = cli_getopt(cmd, argc, argv, &value)) != -1) {
		if (c == 'S' && !duration_parse(value, &since_s))
			code = cli_fail(CLI_USAGE, "'%s' is no time such as 2h or 7d", value);
		if (c == 'n')
			s->times = strtoull(value, NULL, 10);
		if (c == '?' || !s->times)
			code = CLI_USAGE;
	}
	if (!code && argc - cli_optind() != 1)
		code = cli_fail(CLI_USAGE, "usage: holdfast %s", cmd->usage);
	s->path = code ? NULL : argv[cli_optind()];
	if (!code)
		code = suggest_open(s);
	if (!code)
		code = suggest_read(s, since_s);
	if (!code && !suggest_print(s))
		fprintf(stderr,
			"nothing to suggest: nothing was approved %" PRIu64
			" times without a denial\n",
			s->times);
	if (!code && s->is_full)
		fprintf(stderr, "only the first %d kinds of requests were looked at\n",
			SUGGEST_GROUPS_MAX);
	free(s->text);
	free(s);
	return code;
}

static const struct cmd_opt policy_suggest_opts[] = {
	{'S', "since", "TIME", "look at the last 2h, 7d"},
	{'n', "times", "N", "what was approved N times at least (3)"},
	{0},
};

const struct cmd policy_suggest = {
	.name = "suggest",
	.usage = "policy suggest FILE [--since TIME] [--times N]",
	.help = "A change to the policy from what was approved, or seen in observe mode; to be "
		"reviewed.",
	.opts = policy_suggest_opts,
	.run = policy_suggest_run,
};
