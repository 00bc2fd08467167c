/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_util.h"

struct policy *pt_policy(const char *text)
{
	struct policy *p = NULL;
	struct diag d;
	int r;

	diag_init(&d, "test.yaml", slice_str(text));
	r = policy_load(slice_str(text), 0, &d, &p);
	if (r)
		diag_print(&d, stderr);
	cr_assert_eq(r, 0);
	return p;
}

const char *pt_errors(const char *text, unsigned flags, char *buf, size_t n)
{
	struct policy *p = NULL;
	struct diag d;
	size_t len = 0;
	int r;

	diag_init(&d, "test.yaml", slice_str(text));
	r = policy_load(slice_str(text), flags, &d, &p);
	cr_assert_eq(r, d.n ? POLICY_E_BAD : 0);
	cr_assert_eq(!p, d.n != 0);
	buf[0] = '\0';
	for (size_t i = 0; i < d.n && i < DIAG_MAX && len < n; i++)
		len += (size_t)snprintf(buf + len, n - len, "%u:%u: %s\n", d.entries[i].line,
			d.entries[i].col, d.entries[i].text);
	policy_free(p);
	return buf;
}

struct fact pt_fact(enum effect e, const char *object, enum tri bounded)
{
	struct fact f = {.effect = e, .bounded = bounded, .no_object = !object};

	if (object && strcmp(object, "?"))
		f.object = slice_str(object);
	return f;
}

struct ruling pt_rule(const struct policy *p, const char *resource, struct fact f)
{
	struct policy_subject s = {.resource = policy_resource_by_name(p, slice_str(resource)),
		.run = SLICE_LIT("ci"),
		.role = SLICE_LIT("app"),
		.database = SLICE_LIT("shop")};

	cr_assert_not_null(s.resource);
	return policy_eval(p, &s, &(struct facts){.list = &f, .n = 1});
}
