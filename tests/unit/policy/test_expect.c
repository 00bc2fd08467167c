/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of expected rulings, explanations, and the policies that are shipped. */
#include <stdlib.h>

#include "policy/expect.h"
#include "policy_util.h"
#include "util/cleanup.h"

static const char db[] =
	"version: 1\n"
	"default: {read: allow, session: allow, other: hold}\n"
	"resources:\n"
	"- {name: db, at: '127.0.0.1:5432', protocol: postgres, tags: prod}\n"
	"- {name: dev, at: '127.0.0.1:5433', protocol: postgres}\n"
	"rules:\n"
	"- {name: no-drop, when: {tag: prod, effect: destroy}, then: deny, message: Use "
	"migrations.}\n"
	"- {name: scratch, when: {effect: [insert, delete], object: scratch.*}, unless: {run: "
	"'x*'}, then: allow}\n"
	"- {name: writes, when: {tag: prod, effect: [insert, delete]}, unless: {object: "
	"scratch.*}, then: hold, approvers: [group:dba, user:eve], timeout: 5m}\n";

Test(policy_expect, rows_are_read)
{
	static const char table[] =
		"# a comment\n"
		"\n"
		"allow  run=ci role=app  read  db:public.users  rule=default # why\n"
		"hold\tdelete bounded=false db:t\n"
		"deny database=shop db \"DROP TABLE \\\"a b\\\" -- \\\\\" rule=no-drop\n"
		"allow session db\n"
		"hold read dev:?";
	struct policy *p = pt_policy(db);
	struct expect_row *rows;
	struct arena a;
	struct diag d;
	size_t n;

	arena_init(&a, 1 << 20);
	diag_init(&d, "t", SLICE_LIT(table));
	cr_assert_eq(expect_parse(SLICE_LIT(table), p, &a, &d, &rows, &n), 0);
	cr_assert_eq(n, 5);
	cr_expect(rows[0].line == 3 && rows[0].kind == RULING_ALLOW &&
		  rows[0].fact.effect == EFFECT_READ);
	cr_expect(slice_eq_str(rows[0].subject.run, "ci") &&
		  slice_eq_str(rows[0].subject.role, "app"));
	cr_expect(slice_eq_str(rows[0].fact.object, "public.users") &&
		  slice_eq_str(rows[0].rule, "default"));
	cr_expect(rows[1].fact.bounded == TRI_NO && !rows[1].fact.no_object && !rows[1].rule.n);
	cr_expect(slice_eq_str(rows[2].sql, "DROP TABLE \"a b\" -- \\"));
	cr_expect(slice_eq_str(rows[2].subject.database, "shop") && rows[2].kind == RULING_DENY);
	cr_expect(rows[3].fact.no_object && !rows[3].fact.object.n);
	cr_expect(!rows[4].fact.no_object && !rows[4].fact.object.n);
	cr_expect_str_eq(rows[4].subject.resource->name, "dev");
	arena_deinit(&a);
	policy_free(p);
}

Test(policy_expect, bad_rows_are_errors_all_of_them)
{
	static const char table[] = "block read db\n"
				    "allow read nodb:t\n"
				    "allow raed db:t\n"
				    "allow read\n"
				    "allow db \"SELECT 1\n"
				    "allow delete bounded=no db:t\n"
				    "allow read db:t extra\n"
				    "allow db SELECT\n";
	static const char want[] =
		"1:1: a row begins with allow, hold or deny, not \"block\"\n"
		"2:12: no such resource: \"nodb\"\n"
		"3:7: neither an effect nor a resource with a command: \"raed\"\n"
		"4:1: what is asked is missing in \"allow read\"\n"
		"5:10: no closing quote behind \"\"SELECT 1\"\n"
		"6:22: bounded= is true or false, not \"no\"\n"
		"7:17: one thing too many: \"extra\"\n"
		"8:7: neither an effect nor a resource with a command: \"db\"\n";
	struct policy *p = pt_policy(db);
	struct expect_row *rows;
	struct arena a;
	struct diag d;
	char got[2048];
	size_t n, len = 0;

	arena_init(&a, 1 << 20);
	diag_init(&d, "t", SLICE_LIT(table));
	cr_assert_eq(expect_parse(SLICE_LIT(table), p, &a, &d, &rows, &n), POLICY_E_BAD);
	for (size_t i = 0; i < d.n; i++)
		len += (size_t)snprintf(got + len, sizeof(got) - len, "%u:%u: %s\n",
			d.entries[i].line, d.entries[i].col, d.entries[i].text);
	cr_expect_str_eq(got, want);
	arena_deinit(&a);
	policy_free(p);
}

Test(policy_explain, names_every_pair_and_every_rule)
{
	static const char want[] =
		"At db (postgres), where run is ci, role is not known, database is shop\\x1b\n"
		"read on public.users:\n"
		"  deny   no-drop                       does not apply: the effect is read\n"
		"  allow  scratch                       does not apply: the effect is read\n"
		"  hold   writes                        does not apply: the effect is read\n"
		"  allow  default                       where no rule is proven to apply\n"
		"  = allow by default\n"
		"delete on t, not bounded:\n"
		"  deny   no-drop                       does not apply: the effect is delete\n"
		"  allow  scratch                       is not proven to apply: the object is "
		"written t\n"
		"  hold   writes                        may apply: its `unless` is not proven: the "
		"object is written t\n"
		"  hold   default                       where no rule is proven to apply\n"
		"  = hold by writes\n"
		"Ruling: hold by writes; group:dba or user:eve may approve within 300s, then it is "
		"denied.\n";
	struct policy *p = pt_policy(db);
	struct policy_subject s = {.resource = policy_resource_at(p, 0),
		.run = SLICE_LIT("ci"),
		.database = SLICE_LIT("shop\x1b")};
	struct fact f[] = {pt_fact(EFFECT_READ, "public.users", TRI_UNKNOWN),
		pt_fact(EFFECT_DELETE, "t", TRI_NO)};
	_cleanup_(freep) char *text = NULL;
	size_t n;
	FILE *to = open_memstream(&text, &n);

	policy_explain(p, &s, &(struct facts){.list = f, .n = 2}, to);
	fclose(to);
	cr_expect_str_eq(text, want);
	policy_free(p);
}

Test(policy_explain, says_why_of_every_kind)
{
	static const char more[] =
		"- {name: u, when: {effect: unknown, object: a.b}, then: deny}\n"
		"- {name: b, when: {effect: delete, bounded: true}, then: allow}\n"
		"- {name: r, when: {role: x}, then: deny}\n"
		"- {name: o, when: {object: a.b}, unless: {role: y}, then: hold}\n";
	char text[4096];
	_cleanup_(freep) char *out = NULL;
	struct policy *p;
	struct policy_subject s = {.run = SLICE_LIT("x1")};
	struct fact f[] = {pt_fact(EFFECT_UNKNOWN, "?", TRI_UNKNOWN),
		pt_fact(EFFECT_DELETE, "scratch.t", TRI_UNKNOWN),
		pt_fact(EFFECT_DESTROY, NULL, TRI_UNKNOWN)};
	size_t n;
	FILE *to = open_memstream(&out, &n);

	snprintf(text, sizeof(text), "%s%s", db, more);
	p = pt_policy(text);
	s.resource = policy_resource_at(p, 1);
	policy_explain(p, &s, &(struct facts){.list = f, .n = 3}, to);
	policy_explain(p, &s, &(struct facts){0}, to);
	s.resource = policy_resource_at(p, 0);
	policy_explain(p, &s, &(struct facts){.list = f + 2, .n = 1}, to);
	fclose(to);
	static const char *const parts[] = {
		"unknown on something not known:\n",
		"no-drop                       does not apply: it is not for this resource\n",
		"u                             may apply: what it touches is not known\n",
		"b                             is not proven to apply: whether it is bounded "
		"cannot be told\n",
		"r                             may apply: role is not known\n",
		"scratch                       does not apply: its `unless` does\n",
		"o                             does not apply: it has no object\n",
		"Ruling: deny by no-drop.\nThe agent is told: Use migrations.\n",
	};
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		cr_expect(strstr(out, parts[i]), "missing: %s in:\n%s", parts[i], out);
	policy_free(p);
}

static char *read_all(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = calloc(1, 1 << 20);

	cr_assert(f && text, "%s (tests run from the top folder)", path);
	cr_assert_lt(fread(text, 1, (1 << 20) - 1, f), (1 << 20) - 1);
	fclose(f);
	return text;
}

static const char *const shipped[] = {"read-only-agent", "writes-need-a-human", "observe-only"};

/* Rows with commands are judged by `holdfast policy test`, which knows SQL. */
Test(policy_shipped, rules_as_their_tables_say)
{
	for (size_t i = 0; i < 3; i++) {
		char path[128];
		_cleanup_(freep) char *yaml = NULL, *table = NULL;
		struct policy *p;
		struct expect_row *rows;
		struct arena a;
		struct diag d;
		size_t n, n_sql = 0;

		snprintf(path, sizeof(path), "policies/%s.yaml", shipped[i]);
		yaml = read_all(path);
		p = pt_policy(yaml);
		snprintf(path, sizeof(path), "policies/%s.expect", shipped[i]);
		table = read_all(path);
		arena_init(&a, 1 << 20);
		diag_init(&d, path, slice_str(table));
		if (expect_parse(slice_str(table), p, &a, &d, &rows, &n))
			diag_print(&d, stderr);
		cr_assert_eq(d.n, 0);
		cr_expect_geq(n, 25, "%s has %zu rows", path, n);
		for (size_t j = 0; j < n; j++) {
			struct ruling r;

			n_sql += rows[j].sql.p != NULL;
			if (rows[j].sql.p)
				continue;
			r = policy_eval(p, &rows[j].subject,
				&(struct facts){.list = &rows[j].fact, .n = 1});
			cr_expect(expect_is_met(&rows[j], &r), "%s:%u: got %s by %s", path,
				rows[j].line, ruling_keywords[r.kind], r.rule);
		}
		cr_expect_geq(n_sql, 10, "%s has %zu commands", path, n_sql);
		arena_deinit(&a);
		policy_free(p);
	}
}
