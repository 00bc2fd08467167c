/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast policy check, test, explain: what a policy file says, before the daemon gets it. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cmds.h"
#include "cli/show_policy.h"
#include "policy/expect.h"
#include "sql/sql.h"
#include "util/cleanup.h"
#include "util/json.h"
#include "util/utf8.h"

enum {
	POLICY_FILE_MAX = 4 * 1024 * 1024,
	POLICY_JSON_MAX = 16 * 1024 * 1024,
	POLICY_ARENA_MAX = 64 * 1024 * 1024,
};

/* A file and what was found wrong with it. */
struct policy_file {
	const char *path;
	char *text;
	size_t len;
	struct diag diag;
};

static void policy_file_deinit(struct policy_file *f)
{
	free(f->text);
}

/* CLI_OK, or the exit code after having said what is wrong. */
static int policy_file_read(struct policy_file *f, const char *path)
{
	FILE *in = fopen(path, "re");
	int code = CLI_OK;

	f->path = path;
	if (!in)
		return cli_fail(CLI_USAGE, "%s: %s", path, strerror(errno));
	f->text = malloc(POLICY_FILE_MAX);
	f->len = f->text ? fread(f->text, 1, POLICY_FILE_MAX, in) : 0;
	if (!f->text)
		code = cli_fail(CLI_FAILED, "out of memory");
	else if (ferror(in))
		code = cli_fail(CLI_USAGE, "%s: %s", path, strerror(errno));
	else if (f->len == POLICY_FILE_MAX)
		code = cli_fail(CLI_USAGE, "%s: too large", path);
	fclose(in);
	diag_init(&f->diag, path, slice_of(f->text, f->len));
	return code;
}

/* The policy; its errors are in f->diag, not yet printed. */
static int policy_file_load(
	struct policy_file *f, const char *path, unsigned flags, struct policy **ret)
{
	int code = policy_file_read(f, path), r;

	if (code)
		return code;
	r = policy_load(slice_of(f->text, f->len), flags, &f->diag, ret);
	if (r < 0)
		return cli_fail(CLI_FAILED, "%s: %s", path, strerror(-r));
	return r ? CLI_USAGE : CLI_OK;
}

static int policy_bad(const struct policy_file *f)
{
	diag_print(&f->diag, stderr);
	return CLI_USAGE;
}

/* ---- facts of a command ---------------------------------------------------------------------- */

struct classify_job {
	struct slice sql;
	struct arena *arena;
	struct facts *facts;
	int r;
};

static void *policy_classify_thread(void *arg)
{
	struct classify_job *job = arg;

	job->r = sql_classify_deep(job->sql, job->arena, job->facts);
	return NULL;
}

/* As the daemon does it: what is deeply nested, on a stack that is made for it. 0, -errno. */
static int policy_classify(struct slice sql, struct arena *arena, struct facts *ret)
{
	struct classify_job job = {.sql = sql, .arena = arena, .facts = ret};
	pthread_attr_t attr;
	pthread_t thread;
	int r = sql_classify(NULL, sql, 0, arena, ret);

	if (r != SQL_E_DEEP)
		return r;
	if (pthread_attr_init(&attr))
		return -ENOMEM;
	r = pthread_attr_setstacksize(&attr, SQL_PARSER_STACK);
	if (!r)
		r = pthread_create(&thread, &attr, policy_classify_thread, &job);
	pthread_attr_destroy(&attr);
	if (r)
		return -r;
	pthread_join(thread, NULL);
	return job.r;
}

/* ---- check ----------------------------------------------------------------------------------- */

static int check_json(const struct policy *p, const struct policy_file *f)
{
	struct json j;
	struct slice out;

	jsonw_init(&j, POLICY_JSON_MAX);
	if (p)
		show_policy_json(&j, p, f->path);
	else
		show_policy_errors_json(&j, &f->diag);
	out = jsonw_done(&j);
	printf("%.*s\n", SLICE_FMT(out));
	jsonw_deinit(&j);
	return out.n ? CLI_OK : cli_fail(CLI_FAILED, "too large for JSON");
}

static int policy_check_run(const struct cmd *cmd, int argc, char **argv)
{
	_cleanup_(policy_file_deinit) struct policy_file f = {0};
	_cleanup_(policy_freep) struct policy *p = NULL;
	bool is_json = false, resolved = true;
	const char *value;
	int c, code;

	while ((c = cli_getopt(cmd, argc, argv, &value)) != -1) {
		if (c == '?')
			return CLI_USAGE;
		is_json |= c == 'j';
		resolved &= c != 'n';
	}
	if (argc - cli_optind() != 1)
		return cli_fail(CLI_USAGE, "usage: holdfast %s", cmd->usage);
	code = policy_file_load(&f, argv[cli_optind()], resolved ? POLICY_RESOLVE : 0, &p);
	if (code && !f.diag.n)
		return code;
	if (is_json)
		return check_json(p, &f) ? CLI_FAILED : code;
	if (code)
		return policy_bad(&f);
	show_policy(p, f.path, resolved);
	return CLI_OK;
}

static const struct cmd_opt policy_check_opts[] = {
	{'n', "no-resolve", NULL, "do not look up names in `at:`"},
	{'j', "json", NULL, "print JSON, errors too"},
	{0},
};

/* ---- test ------------------------------------------------------------------------------------ */

struct test_run {
	const struct policy *p;
	const char *path;
	size_t n_wrong;
};

static int test_row(struct test_run *t, const struct expect_row *row)
{
	_cleanup_(arena_deinit) struct arena a = {0};
	struct fact one = row->fact;
	struct facts facts = {.list = &one, .n = 1};
	struct ruling got;
	int r;

	arena_init(&a, POLICY_ARENA_MAX);
	if (row->sql.p) {
		r = policy_classify(row->sql, &a, &facts);
		if (r)
			return r;
	}
	got = policy_eval(t->p, &row->subject, &facts);
	if (expect_is_met(row, &got))
		return 0;
	t->n_wrong++;
	printf("%s:%u: expected %s%s%.*s, got %s by %s\n  ", t->path, row->line,
		ruling_keywords[row->kind], row->rule.n ? " by " : "", SLICE_FMT(row->rule),
		ruling_keywords[got.kind], got.rule);
	utf8_print_safe(stdout, row->text, false, 200);
	for (size_t i = 0; i < facts.n; i++) {
		printf("%s%s ",
			i ? ", " : "\n  facts: ", effect_table[facts.list[i].effect].keyword);
		utf8_print_safe(stdout,
			facts.list[i].object.n    ? facts.list[i].object
			: facts.list[i].no_object ? SLICE_LIT("(no object)")
						  : SLICE_LIT("(any object)"),
			false, 80);
	}
	putchar('\n');
	return 0;
}

/* NAME.yaml → NAME.expect */
static char *test_default_path(const char *path)
{
	size_t n = strlen(path), stem = n;
	char *out;

	if (n > 5 && !strcmp(path + n - 5, ".yaml"))
		stem -= 5;
	if (asprintf(&out, "%.*s.expect", (int)stem, path) < 0)
		return NULL;
	return out;
}

static int test_table(const struct policy *p, const char *path)
{
	_cleanup_(policy_file_deinit) struct policy_file f = {0};
	_cleanup_(arena_deinit) struct arena a = {0};
	struct test_run t = {.p = p, .path = path};
	struct expect_row *rows = NULL;
	size_t n = 0;
	int r = policy_file_read(&f, path);

	if (r)
		return r;
	arena_init(&a, POLICY_ARENA_MAX);
	r = expect_parse(slice_of(f.text, f.len), p, &a, &f.diag, &rows, &n);
	if (r == POLICY_E_BAD)
		return policy_bad(&f);
	for (size_t i = 0; i < n && !r; i++)
		r = test_row(&t, &rows[i]);
	if (r)
		return cli_fail(CLI_FAILED, "%s: %s", path, strerror(-r));
	if (!n)
		return cli_fail(CLI_USAGE, "%s: no rows", path);
	printf("%s: %zu rulings, %zu not as expected\n", path, n, t.n_wrong);
	return t.n_wrong ? CLI_FAILED : CLI_OK;
}

static int policy_test_run(const struct cmd *cmd, int argc, char **argv)
{
	_cleanup_(policy_file_deinit) struct policy_file f = {0};
	_cleanup_(policy_freep) struct policy *p = NULL;
	_cleanup_(freep) char *path = NULL;
	const char *value;
	int n, code;

	if (cli_getopt(cmd, argc, argv, &value) != -1)
		return CLI_USAGE;
	argv += cli_optind();
	n = argc - cli_optind();
	if (n != 1 && n != 2)
		return cli_fail(CLI_USAGE, "usage: holdfast %s", cmd->usage);
	/* Rows name resources, not addresses. */
	code = policy_file_load(&f, argv[0], 0, &p);
	if (code)
		return f.diag.n ? policy_bad(&f) : code;
	path = n == 2 ? strdup(argv[1]) : test_default_path(argv[0]);
	return path ? test_table(p, path) : cli_fail(CLI_FAILED, "out of memory");
}

/* ---- explain --------------------------------------------------------------------------------- */

/* The one that is named, or the only one that has commands to explain. */
static const struct resource *explain_resource(const struct policy *p, const char *name)
{
	const struct resource *only = NULL, *r;

	if (name)
		return policy_resource_by_name(p, slice_str(name));
	for (size_t i = 0; (r = policy_resource_at(p, i)); i++) {
		if (!strcmp(r->protocol, "opaque"))
			continue;
		if (only)
			return NULL;
		only = r;
	}
	return only;
}

static int explain_command(const struct policy *p, const struct policy_subject *s, const char *sql)
{
	_cleanup_(arena_deinit) struct arena a = {0};
	struct facts facts = {0};
	int r;

	arena_init(&a, POLICY_ARENA_MAX);
	r = policy_classify(slice_str(sql), &a, &facts);
	if (r)
		return cli_fail(CLI_FAILED, "%s", strerror(-r));
	policy_explain(p, s, &facts, stdout);
	return CLI_OK;
}

static int policy_explain_run(const struct cmd *cmd, int argc, char **argv)
{
	_cleanup_(policy_file_deinit) struct policy_file f = {0};
	_cleanup_(policy_freep) struct policy *p = NULL;
	struct policy_subject s = {0};
	const char *value, *resource = NULL;
	int c, code;

	while ((c = cli_getopt(cmd, argc, argv, &value)) != -1) {
		if (c == '?')
			return CLI_USAGE;
		if (c == 'r')
			resource = value;
		else
			*(c == 'n' ? &s.run : c == 'u' ? &s.role : &s.database) = slice_str(value);
	}
	argv += cli_optind();
	if (argc - cli_optind() != 2)
		return cli_fail(CLI_USAGE, "usage: holdfast %s", cmd->usage);
	code = policy_file_load(&f, argv[0], 0, &p);
	if (code)
		return f.diag.n ? policy_bad(&f) : code;
	s.resource = explain_resource(p, resource);
	if (s.resource)
		return explain_command(p, &s, argv[1]);
	if (resource)
		return cli_fail(CLI_USAGE, "%s: no resource is called '%s'", argv[0], resource);
	return cli_fail(CLI_USAGE, "%s: name the resource with --resource", argv[0]);
}

static const struct cmd_opt policy_explain_opts[] = {
	{'r', "resource", "NAME", "where the command goes; not needed if there is one"},
	{'n', "run", "NAME", "name of the run"},
	{'u', "role", "NAME", "user at the server"},
	{'d', "database", "NAME", "database at the server"},
	{0},
};

/* ---- the command ----------------------------------------------------------------------------- */

static const struct cmd policy_check = {
	.name = "check",
	.usage = "policy check FILE [--no-resolve] [--json]",
	.help = "Read a policy as the daemon would, and show what it understood.",
	.opts = policy_check_opts,
	.run = policy_check_run,
};

static const struct cmd policy_test = {
	.name = "test",
	.usage = "policy test FILE.yaml [FILE.expect]",
	.help = "Compare the rulings for a table of requests with the expected ones.",
	.run = policy_test_run,
};

static const struct cmd policy_explain_cmd = {
	.name = "explain",
	.usage = "policy explain FILE [--resource R] [--run N] [--role R] [--database D] \"SQL\"",
	.help = "Show what a command is, what each rule says to it, and the ruling.",
	.opts = policy_explain_opts,
	.run = policy_explain_run,
};

static const struct cmd *const policy_cmds[] = {
	&policy_check, &policy_test, &policy_explain_cmd, &policy_suggest, NULL};

static int cmd_policy_run(const struct cmd *cmd, int argc, char **argv)
{
	const struct cmd *sub;

	if (argc < 2)
		return cli_fail(CLI_USAGE, "usage: holdfast %s", cmd->usage);
	sub = cli_find(policy_cmds, argv[1]);
	if (!sub)
		return CLI_USAGE;
	if (argc > 2 && (!strcmp(argv[2], "--help") || !strcmp(argv[2], "-h"))) {
		cli_print_help(sub, stdout);
		return CLI_OK;
	}
	return sub->run(sub, argc - 1, argv + 1);
}

const struct cmd cmd_policy = {
	.name = "policy",
	.usage = "policy check|test|explain|suggest FILE …",
	.help = "Check a policy file, test it, ask it why.",
	.more = "  policy check FILE [--no-resolve] [--json]\n"
		"      Every error with file:line:column (exit code 2), or what the file means.\n"
		"  policy test FILE.yaml [FILE.expect]\n"
		"      Rulings for a table of requests; exit code 1 if one is not as expected.\n"
		"  policy explain FILE [--resource R] [--run N] [--role R] [--database D] \"SQL\"\n"
		"      What the command is, what each rule says to it, and the ruling.\n"
		"  policy suggest FILE [--since TIME] [--times N]\n"
		"      A change to review: what people approved N times and never denied, or what "
		"passed\n"
		"      in observe mode, as rules.",
	.run = cmd_policy_run,
};
