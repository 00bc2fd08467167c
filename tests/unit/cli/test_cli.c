/* SPDX-License-Identifier: Apache-2.0 */
/* Finding commands and their options, ids, words about decisions. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/decide.h"
#include "cli/text.h"

static const struct cmd_opt opts[] = {{'m', "message", "REASON", "why"},
	{0, "json", NULL, "as JSON"}, {'q', "quiet", NULL, ""}, {0}};
static const struct cmd approve = {.name = "approve", .opts = opts},
			audit = {.name = "audit", .opts = opts},
			run = {.name = "run", .opts = opts, .stops_at_operand = true},
			reload = {.name = "reload"}, replay = {.name = "replay"};
static const struct cmd *const table[] = {&approve, &audit, &run, &reload, &replay, NULL};

Test(cli, prefixes, .init = cr_redirect_stderr)
{
	cr_expect_eq(cli_find(table, "approve"), &approve);
	cr_expect_eq(cli_find(table, "ap"), &approve);
	cr_expect_eq(cli_find(table, "ru"), &run);
	cr_expect_null(cli_find(table, "a"));
	cr_expect_null(cli_find(table, "re"));
	cr_expect_null(cli_find(table, "nothing"));
	cr_expect_null(cli_find(table, ""));
	cr_expect_null(cli_find(table, "approved"));
}

Test(cli, options_in_any_order)
{
	char a0[] = "approve", a1[] = "h42", a2[] = "-m", a3[] = "why", a4[] = "--json";
	char *argv[] = {a0, a1, a2, a3, a4, NULL};
	const char *value;

	cr_assert_eq(cli_getopt(&approve, 5, argv, &value), 'm');
	cr_expect_str_eq(value, "why");
	cr_assert_eq(cli_getopt(&approve, 5, argv, &value), 256 + 1);
	cr_assert_eq(cli_getopt(&approve, 5, argv, &value), -1);
	cr_assert_eq(cli_optind(), 4);
	cr_expect_str_eq(argv[4], "h42");
}

Test(cli, options_of_another_program_are_left_alone)
{
	char a0[] = "run", a1[] = "-q", a2[] = "psql", a3[] = "-m", a4[] = "x";
	char *argv[] = {a0, a1, a2, a3, a4, NULL};
	const char *value;

	cr_assert_eq(cli_getopt(&run, 5, argv, &value), 'q');
	cr_assert_eq(cli_getopt(&run, 5, argv, &value), -1);
	cr_expect_eq(cli_optind(), 2);
}

Test(cli, bad_options, .init = cr_redirect_stderr)
{
	char a0[] = "approve", a1[] = "--nope", b1[] = "-m";
	char *unknown[] = {a0, a1, NULL}, *no_value[] = {a0, b1, NULL};
	const char *value;

	cr_expect_eq(cli_getopt(&approve, 2, unknown, &value), '?');
	cr_expect_eq(cli_getopt(&audit, 2, no_value, &value), '?');
}

Test(cli, hold_ids)
{
	cr_expect_eq(cli_hold_id("h42"), 42);
	cr_expect_eq(cli_hold_id("42"), 42);
	cr_expect_eq(cli_hold_id(""), 0);
	cr_expect_eq(cli_hold_id("h"), 0);
	cr_expect_eq(cli_hold_id("hh4"), 0);
	cr_expect_eq(cli_hold_id("h-4"), 0);
	cr_expect_eq(cli_hold_id("h 4"), 0);
	cr_expect_eq(cli_hold_id("h42x"), 0);
	cr_expect_eq(cli_hold_id("h99999999999999999999"), 0);
}

Test(cli, durations)
{
	char buf[TEXT_DURATION_MAX];

	cr_expect_str_eq(text_duration(buf, 0), "0 s");
	cr_expect_str_eq(text_duration(buf, 59), "59 s");
	cr_expect_str_eq(text_duration(buf, 200), "3 min 20 s");
	cr_expect_str_eq(text_duration(buf, 7500), "2 h 5 min");
	cr_expect_str_eq(text_duration(buf, 90000), "1 d 1 h");
}

Test(cli, sentences)
{
	struct decide_result r;

	cr_expect_eq(decide_sentence(true, "h42", "released", "approved", &r), CLI_OK);
	cr_expect_str_eq(r.text, "h42 approved; the statement was released");
	cr_expect_eq(decide_sentence(false, "h42", "refused", "denied", &r), CLI_OK);
	cr_expect_str_eq(r.text, "h42 denied; the agent got an error with the reason");
	cr_expect_eq(decide_sentence(true, "h42", "too_late", "cancelled", &r), CLI_NONE);
	cr_expect_str_eq(r.text, "too late: h42 had ended; nothing was released (cancelled)");
	cr_expect_eq(decide_sentence(true, "h42", "refused", "", &r), CLI_FAILED);
	cr_expect_eq(decide_sentence(true, "h42", "new-word", "", &r), CLI_FAILED);
}
