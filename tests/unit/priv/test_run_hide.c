/* SPDX-License-Identifier: Apache-2.0 */
/* Small pure parts: mountinfo lines, cgroup paths, kernel versions. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "priv/doctor.h"
#include "priv/run_child.h"
#include "priv/run_hide.h"
#include "priv/run_peer.h"

static bool parses(const char *line, const char *point, const char *type)
{
	char copy[256], *p, *t;

	snprintf(copy, sizeof(copy), "%s", line);
	return run_hide_parse(copy, &p, &t) && !strcmp(p, point) && !strcmp(t, type);
}

Test(run_hide, mountinfo)
{
	cr_expect(parses(
		"36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw", "/mnt2", "ext3"));
	cr_expect(
		parses("36 35 0:26 / /sys/fs/bpf rw - bpf none rw,mode=700", "/sys/fs/bpf", "bpf"));
	cr_expect(parses("1 2 0:1 / /a\\040b\\134c rw shared:1 master:2 - cgroup2 x rw", "/a b\\c",
		"cgroup2"));
	cr_expect_not(parses("", "", ""));
	cr_expect_not(parses("36 35 98:0 /mnt1", "", ""));
	cr_expect_not(parses("36 35 98:0 / /x rw", "", ""));
	cr_expect_not(parses("36 35 98:0 / relative rw - ext3 x", "relative", "ext3"));
}

Test(run_peer, below)
{
	cr_expect(run_peer_is_below("/cg/runs", "/cg/runs"));
	cr_expect(run_peer_is_below("/cg/runs/7/sub", "/cg/runs"));
	cr_expect_not(run_peer_is_below("/cg/runs-other", "/cg/runs"));
	cr_expect_not(run_peer_is_below("/cg", "/cg/runs"));
}

Test(doctor, releases)
{
	cr_expect(doctor_is_release_at_least("6.1.0-13-amd64", 6, 1));
	cr_expect(doctor_is_release_at_least("6.18.44", 6, 1));
	cr_expect(doctor_is_release_at_least("10.0", 6, 1));
	cr_expect_not(doctor_is_release_at_least("6.0.99", 6, 1));
	cr_expect_not(doctor_is_release_at_least("5.19.0", 6, 1));
	cr_expect_not(doctor_is_release_at_least("six", 6, 1));
}

Test(run_child, steps_have_names_and_an_end)
{
	uint32_t n = 0;

	while (run_child_step_name(n))
		n++;
	cr_assert_gt(n, 5);
	cr_expect(run_child_is_exec(n - 1));
	cr_expect_not(run_child_is_exec(n));
	cr_expect_not(run_child_is_exec(UINT32_MAX));
}
