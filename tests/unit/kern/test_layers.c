/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>

#include "kern/kern.h"
#include "kern/origin.h"

Test(layers, every_hook_and_count_has_a_name)
{
	for (int h = 0; h < HOOK_N; h++)
		cr_expect(kern_hook_names[h] && *kern_hook_names[h], "hook %d", h);
	for (int c = 0; c < COUNT_N; c++)
		cr_expect(kern_count_names[c] && *kern_count_names[c], "count %d", c);
}

Test(layers, every_layer_says_what_it_covers_and_what_its_absence_uncovers)
{
	int n_optional = 0;

	for (const struct kern_layer *l = kern_layers; l->name; l++) {
		cr_expect(l->covers && *l->covers, "%s", l->name);
		cr_expect(l->without && *l->without, "%s", l->name);
		n_optional += !l->is_required;
	}
	cr_expect_eq(n_optional, 2, "connect_unix and sendmsg_unix");
}

Test(layers, an_unknown_layer_is_an_error)
{
	const struct kern_layer no_such = {.name = "no_such"};
	char why[64];

	cr_expect_eq(kern_probe(&no_such, why, sizeof(why)), -EINVAL);
}

Test(layers, a_lookup_that_fails_gives_no_origin)
{
	struct origin o;

	cr_expect_lt(origin_lookup(-1, -1, &o), 0);
}
