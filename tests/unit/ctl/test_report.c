/* SPDX-License-Identifier: Apache-2.0 */
/* A hold as approvers get it: whole and readable, whatever the agent put into it. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>

#include "ctl/report.h"
#include "ctl/wire.h"

static char *repeated(char c, size_t n)
{
	char *s = malloc(n + 1);

	memset(s, c, n);
	s[n] = '\0';
	return s;
}

static json_t *report(const struct hold_view *v, size_t text_max)
{
	static struct hold h;
	struct slice text;
	json_t *object;
	struct json j;

	jsonw_init(&j, CTL_PACKET_MAX - 64);
	h.view = *v;
	report_hold(&h, &(struct hold_past){0}, true, text_max, &j);
	text = jsonw_done(&j);
	object = text.n ? json_loadb((const char *)text.p, text.n, 0, NULL) : NULL;
	jsonw_deinit(&j);
	return object;
}

Test(report, a_hold_of_hostile_bytes_fits_a_packet)
{
	struct hold_view v = {.id = 42,
		.text = repeated('\x01', 256 * 1024),
		.text_len = 256 * 1024,
		.params = repeated('"', 256 * 1024),
		.objects = repeated('\x7f', 2048),
		.tree = repeated('\x02', 2048)};
	json_t *object;

	cr_expect_null(report(&v, REPORT_TEXT_MAX), "each byte becomes six");
	object = report(&v, REPORT_TEXT_MAX / 8);
	cr_assert_not_null(object);
	cr_expect_str_eq(json_string_value(json_object_get(object, "id")), "h42");
	cr_expect_eq(json_integer_value(json_object_get(object, "text_len")), 256 * 1024);
	cr_expect_eq(json_string_length(json_object_get(object, "text")), REPORT_TEXT_MAX / 8);
	json_decref(object);
	free(v.text);
	free(v.params);
	free(v.objects);
	free(v.tree);
}

Test(report, a_statement_is_cut_between_characters)
{
	char text[] = "SELECT '\u20ac\u20ac'";
	struct hold_view v = {.id = 1, .text = text, .text_len = strlen(text)};

	for (size_t max = 0; max < sizeof(text); max++) {
		json_t *object = report(&v, max);
		const char *shown = json_string_value(json_object_get(object, "text"));

		cr_assert_not_null(shown);
		cr_expect_leq(strlen(shown), max);
		cr_expect_eq(strncmp(shown, text, strlen(shown)), 0, "max %zu: %s", max, shown);
		json_decref(object);
	}
}
