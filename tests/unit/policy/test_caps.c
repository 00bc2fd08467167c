/* SPDX-License-Identifier: Apache-2.0 */
/* A policy file cannot be larger, longer or wider than what was thought of. */
#include <stdlib.h>

#include "policy_util.h"
#include "util/cleanup.h"

#define HEAD "version: 1\ndefault: hold\n"

/* head, then n times `row` with %zu as its number, then tail. */
static char *repeat(
	const char *head, size_t n, const char *before, const char *after, const char *tail)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	fputs(head, to);
	for (size_t i = 0; i < n; i++)
		fprintf(to, "%s%zu%s", before, i, after);
	fputs(tail, to);
	fclose(to);
	return text;
}

struct cap_case {
	const char *name, *head, *before, *after, *tail;
	size_t max;         /* this many are fine */
	const char *errors; /* with one more */
};

static const struct cap_case cases[] = {
	{"resources", HEAD "resources:\n", "- {name: r", ", at: 'h:1', protocol: postgres}\n", "",
		256, "4:1: resources: more than 256\n"},
	{"rules", HEAD "rules:\n", "- {name: r", ", when: {}, then: deny}\n", "", 256,
		"4:1: rules: more than 256\n"},
	{"masks", HEAD "resources: [{name: r, at: 'h:1', protocol: postgres}]\nmasks:\n",
		"- {name: m", ", detect: email}\n", "", 64, "5:1: masks: more than 64\n"},
	{"list", HEAD "rules: [{name: r, then: deny, when: {object: [", "o", ",", "z]}}]\n", 255,
		"3:46: object: more than 256 entries\n"},
	{"text", HEAD "rules: [{name: r, then: deny, when: {object: x", "abcd", "", "}}]\n", 44,
		"3:46: object: longer than 255 bytes\n"},
	{"message", HEAD "rules: [{name: r, then: deny, when: {}, message: ", "abcdefgh", "",
		"}]\n", 51, "3:50: message: longer than 500 bytes\n"},
	{"name", HEAD "rules: [{then: deny, when: {}, name: ", "abcdef", "", "}]\n", 9,
		"3:38: name: longer than 63 bytes\n"},
};

Test(policy_caps, the_last_that_fits_and_the_first_that_does_not)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct cap_case *c = &cases[i];
		_cleanup_(freep) char *fits = repeat(c->head, c->max, c->before, c->after, c->tail);
		_cleanup_(freep) char *over =
			repeat(c->head, c->max + 1, c->before, c->after, c->tail);
		char buf[4096];

		cr_expect_str_eq(pt_errors(fits, 0, buf, sizeof(buf)), "", "%s: %s", c->name, buf);
		cr_expect_str_eq(
			pt_errors(over, 0, buf, sizeof(buf)), c->errors, "%s: %s", c->name, buf);
	}
}

Test(policy_caps, keys_of_one_map)
{
	_cleanup_(freep) char *text = repeat(HEAD, 64, "key", ": x\n", "");
	char buf[16 * 1024];
	size_t n_lines = 0;

	pt_errors(text, 0, buf, sizeof(buf));
	for (const char *p = buf; (p = strchr(p, '\n')); p++)
		n_lines++;
	cr_expect_eq(n_lines, 1, "%s", buf);
	cr_expect_str_eq(buf, "65:1: more than 64 keys in one map\n");
}

Test(policy_caps, values_of_one_file)
{
	_cleanup_(freep) char *text = repeat(HEAD "rules: [", 100000, "", ",", "x]\n");
	char buf[1024];

	pt_errors(text, 0, buf, sizeof(buf));
	cr_expect(strstr(buf, ": more than 100000 values in one file\n"), "%s", buf);
	cr_expect_eq(strchr(buf, '\n')[1], '\0', "%s", buf);
}

Test(policy_caps, different_approvers)
{
	_cleanup_(freep) char *text =
		repeat(HEAD "rules:\n- {name: r, when: {}, then: hold, approvers: [", 63, "user:u",
			",", "'group:g']}\n");
	char buf[1024];

	cr_expect_str_eq(pt_errors(text, 0, buf, sizeof(buf)),
		"4:3: more than 63 different approvers in one policy\n");
}

/* Lists of which every pair overlaps in another way. */
Test(policy_caps, lists_that_approvers_can_be_left_in_common)
{
	char *text = NULL;
	char buf[1024];
	size_t len;
	FILE *to = open_memstream(&text, &len);

	fputs(HEAD "rules:\n", to);
	for (int i = 0; i < 17; i++) {
		fprintf(to, "- {name: r%d, when: {}, then: hold, approvers: [user:all", i);
		for (int j = 0; j < 17; j++)
			if (j != i)
				fprintf(to, ", user:u%d", j);
		fputs("]}\n", to);
	}
	fclose(to);
	cr_expect_str_eq(pt_errors(text, 0, buf, sizeof(buf)),
		"0:0: rules have too many different lists of approvers\n");
	free(text);
}

Test(policy_caps, text_is_one_line)
{
	char buf[1024];

	cr_expect_str_eq(
		pt_errors(HEAD "rules: [{name: r, then: deny, when: {object: \"a\\nb\"}}]\n", 0,
			buf, sizeof(buf)),
		"3:46: object: must be one line\n");
}
