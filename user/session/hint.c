/* SPDX-License-Identifier: Apache-2.0 */
/* Hints of refusals: see hint.h. */
#include "session/hint.h"

#include <stdio.h>

#include "session/decide.h"

void hint_write(struct session *s, char *buf, size_t n)
{
	const struct ruling *r = &s->asked.ruling;
	const struct policy_subject subject = decide_subject(s);
	FILE *f = fmemopen(buf, n, "w");
	long before;

	buf[0] = 0;
	if (!f)
		return;
	if (r->kind == RULING_HOLD && r->message)
		fprintf(f, "%s ", r->message);
	before = ftell(f);
	fputs("Without asking you may: ", f);
	policy_print_instead(s->policy, &subject, r, f);
	if (ftell(f) == before + (long)sizeof("Without asking you may: ") - 1)
		fputs("nothing", f);
	if (r->kind == RULING_HOLD) {
		fputs(". Ask ", f);
		policy_print_terms(r, f);
		fputs(".", f);
	} else {
		fputs(". No approval can release this.", f);
	}
	fclose(f);
	buf[n - 1] = 0;
}
