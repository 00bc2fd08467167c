/* SPDX-License-Identifier: Apache-2.0 */
/* Settings: strict, and every error in one run. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/config.h"

#define WHO "policy: /etc/p.yaml\nuser: 901\nscribe_user: 902\n"

/* The messages, without source lines and carets; the caller frees. */
static char *errors(const char *text, struct config *c)
{
	static struct diag d;
	char *out = NULL;
	size_t n;
	FILE *f = open_memstream(&out, &n);
	int r;

	*c = (struct config){0};
	diag_init(&d, "c", slice_str(text));
	r = config_parse(c, slice_str(text), &d);
	cr_expect_eq(r, d.n ? CONFIG_E_BAD : 0);
	for (size_t i = 0; i < d.n && i < DIAG_MAX; i++)
		fprintf(f, "%u:%u: %s\n", d.entries[i].line, d.entries[i].col, d.entries[i].text);
	fclose(f);
	return out;
}

Test(config, what_is_left_out_has_a_default)
{
	struct config c;
	char *text = errors(WHO, &c);

	cr_assert_str_eq(text, "");
	cr_expect_str_eq(c.policy, "/etc/p.yaml");
	cr_expect_str_eq(c.dir, "/run/holdfast");
	cr_expect_str_eq(c.ledger, "/var/lib/holdfast/ledger.db");
	cr_expect_str_eq(c.keys, "/var/lib/holdfast-keys");
	cr_expect_null(c.anchor);
	cr_expect_eq(c.user, 901);
	cr_expect_eq(c.scribe_user, 902);
	cr_expect_eq(c.run_uid_first, 64000);
	cr_expect_eq(c.run_uid_last, 64999);
	cr_expect_gt(c.workers, 0);
	cr_expect_not(c.self_approval);
	config_deinit(&c);
	free(text);
}

Test(config, logins_for_catalogs)
{
	struct config c;
	char *text =
		errors(WHO "catalog:\n  - {resource: shop, user: reader, password_file: /etc/x}\n"
			   "  - {resource: other, user: reader}\n",
			&c);

	cr_assert_str_eq(text, "");
	cr_assert_eq(c.n_catalogs, 2);
	cr_expect_str_eq(c.catalogs[0].resource, "shop");
	cr_expect_str_eq(c.catalogs[0].user, "reader");
	cr_expect_str_eq(c.catalogs[0].password_file, "/etc/x");
	cr_expect_null(c.catalogs[1].password_file);
	config_deinit(&c);
	free(text);
}

Test(config, bad_values)
{
	static const struct {
		const char *name, *text, *has;
	} rows[] = {
		{"nothing", "", "the file is empty"},
		{"no policy", "user: 901\nscribe_user: 902\n", "\"policy\" is missing"},
		{"relative", WHO "dir: run\n", "4:6: dir: must be an absolute path"},
		{"a login without a role", WHO "catalog: [{resource: shop}]\n",
			"\"user\" is missing"},
		{"a login twice", WHO "catalog: [{resource: a, user: b}, {resource: a, user: c}]\n",
			"\"a\" is there twice"},
		{"a login's password here", WHO "catalog: [{resource: a, user: b, password: c}]\n",
			"unknown key \"password\""},
		{"a login's file elsewhere",
			WHO "catalog: [{resource: a, user: b, password_file: c}]\n",
			"must be an absolute path"},
		{"typo", WHO "self_aproval: true\n", "did you mean \"self_approval\""},
		{"a word", WHO "self_approval: yes\n",
			"4:16: self_approval: expected true or false"},
		{"age", WHO "retention_age: 90\n",
			"4:16: retention_age: must be hours, days or weeks"},
		{"size", WHO "retention_size: 0G\n", "4:17: retention_size: must be a size"},
		{"range", WHO "run_uids: \"0-10\"\n", "4:11: run_uids:"},
		{"backwards", WHO "run_uids: \"65000-64000\"\n", "4:11: run_uids:"},
		{"range has a service", WHO "run_uids: \"1000-1002\"\nuser: 1001\n", "user"},
		{"the same user", "policy: /p\nuser: 901\nscribe_user: 901\n",
			"user and scribe_user must differ"},
		{"root", "policy: /p\nuser: 0\nscribe_user: 902\n", "2:7: user: must not be root"},
		{"nobody", "policy: /p\nuser: no-such-user\nscribe_user: 902\n", "no such user"},
		{"keepalive", WHO "keepalive: 3h\n", "keepalive: must be from 1s to 2h"},
		{"port", WHO "port: 65536\n", "4:7: port:"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config c;
		char *text = errors(rows[i].text, &c);

		cr_expect_not_null(strstr(text, rows[i].has), "%s: %s", rows[i].name, text);
		config_deinit(&c);
		free(text);
	}
}

Test(config, all_errors_at_once)
{
	struct config c;
	char *text = errors("dir: x\nport: y\nuser: 0\n", &c);

	cr_expect_not_null(strstr(text, "\"policy\" is missing"));
	cr_expect_not_null(strstr(text, "\"scribe_user\" is missing"));
	cr_expect_not_null(strstr(text, "1:6: dir"));
	cr_expect_not_null(strstr(text, "2:7: port"));
	cr_expect_not_null(strstr(text, "3:7: user"));
	config_deinit(&c);
	free(text);
}
