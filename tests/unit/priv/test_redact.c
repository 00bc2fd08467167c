/* SPDX-License-Identifier: Apache-2.0 */
/* What people put into command lines and must not find in the ledger. */
#include "priv/redact.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct {
	const char *in, *out;
} rows[] = {
	{"psql -c 'SELECT 1'", "psql -c 'SELECT 1'"},
	{"env PGPASSWORD=hunter2 psql", "env PGPASSWORD=*** psql"},
	{"psql host=db password=hunter2 user=x", "psql host=db password=*** user=x"},
	{"psql \"host=db password='a b' user=x\"", "psql \"host=db password=*** user=x\""},
	{"psql postgres://joe:hunter2@db/shop", "psql postgres://joe:***@db/shop"},
	{"psql postgres://joe:a:b@c@db/shop", "psql postgres://joe:***@db/shop"},
	{"curl http://db:8080/x", "curl http://db:8080/x"},
	{"tool --token abc --verbose", "tool --token *** --verbose"},
	{"tool --api-key=abc", "tool --api-key=***"},
	{"tool the password is fine", "tool the password is fine"},
	{"password=", "password="},
	{"", ""},
};

Test(redact, secrets_of_command_lines_are_replaced)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char out[256];

		redact_command(rows[i].in, out, sizeof(out));
		cr_expect_str_eq(out, rows[i].out, "%s gives %s", rows[i].in, out);
	}
}

Test(redact, never_writes_past_its_end)
{
	char out[16];

	redact_command("env PGPASSWORD=hunter2 and a lot more behind it", out, sizeof(out));
	cr_expect_lt(strlen(out), sizeof(out));
	cr_expect_null(strstr(out, "hunter"));
}
