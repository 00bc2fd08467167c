/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "kern/cgroup.h"

Test(cgroup, the_cgroup2_mount_is_found_wherever_it_is)
{
	static const struct {
		const char *line, *path;
	} rows[] = {
		{"30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw",
			"/sys/fs/cgroup"},
		{"35 25 0:31 / /sys/fs/cgroup/unified rw - cgroup2 none rw,nsdelegate\n",
			"/sys/fs/cgroup/unified"},
		{"35 25 0:31 / /mnt/my\\040groups\\134x rw - cgroup2 none rw", "/mnt/my groups\\x"},
		{"31 23 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu", NULL},
		{"32 23 0:28 /user.slice /bind rw - cgroup2 cgroup2 rw", NULL},
		{"32 23 0:28 /../.. /bind rw - cgroup2 cgroup2 rw", NULL},
		{"32 23 0:28 / /cgroup2 rw - tmpfs cgroup2 rw", NULL},
		{"nonsense", NULL},
		{"1 2 - cgroup2 x", NULL},
		{"", NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char path[256] = "";
		int r = cgroup_parse_mount(rows[i].line, path, sizeof(path));

		cr_expect_eq(r, rows[i].path ? 0 : CGROUP_E_NONE, "%s", rows[i].line);
		if (rows[i].path)
			cr_expect_str_eq(path, rows[i].path);
	}
}

Test(cgroup, the_v2_path_of_a_process_is_found)
{
	static const struct {
		const char *line, *path;
	} rows[] = {
		{"0::/\n", "/"},
		{"0::/system.slice/holdfast.service\n", "/system.slice/holdfast.service"},
		{"0::/a b", "/a b"},
		{"4:memory:/x\n", NULL},
		{"9:name=systemd:/y\n", NULL},
		{"10::/z\n", NULL},
		{"0::/../other\n", NULL},
		{"0::/runs/7 (deleted)\n", NULL},
		{"", NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char path[64] = "";
		int r = cgroup_parse_proc(rows[i].line, path, sizeof(path));

		cr_expect_eq(r, rows[i].path ? 0 : CGROUP_E_NONE, "%s", rows[i].line);
		if (rows[i].path)
			cr_expect_str_eq(path, rows[i].path);
	}
}

Test(cgroup, a_path_that_does_not_fit_is_an_error_not_a_cut)
{
	char path[8];

	cr_expect_eq(cgroup_parse_proc("0::/longer", path, sizeof(path)), 0);
	cr_expect_eq(cgroup_parse_proc("0::/longest", path, sizeof(path)), -ENAMETOOLONG);
	cr_expect_eq(cgroup_parse_mount("1 2 3 / /longest rw - cgroup2 x rw", path, sizeof(path)),
		-ENAMETOOLONG);
	cr_expect_eq(cgroup_find_base("/sys", "long", path, sizeof(path)), -ENAMETOOLONG);
}

Test(cgroup, under_systemd_the_unit_is_ours_from_its_own_group_down)
{
	static const struct {
		const char *path, *unit;
	} rows[] = {
		{"/system.slice/holdfast.service", "/system.slice/holdfast.service"},
		{"/system.slice/holdfast.service/daemon", "/system.slice/holdfast.service"},
		{"/user.slice/user@1.service/app.slice/x.service/daemon",
			"/user.slice/user@1.service/app.slice/x.service"},
		{"/user.slice/session-3.scope", NULL},
		{"/a.service.d/b", NULL},
		{"/", NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char path[128];
		int r;

		strcpy(path, rows[i].path);
		r = cgroup_parse_unit(path);
		cr_expect_eq(r, rows[i].unit ? 0 : CGROUP_E_NONE, "%s", rows[i].path);
		if (rows[i].unit)
			cr_expect_str_eq(path, rows[i].unit);
	}
}

Test(cgroup, a_base_from_the_config_stays_below_the_root)
{
	char path[64];

	cr_expect_eq(cgroup_find_base("/cg", "my/base", path, sizeof(path)), 0);
	cr_expect_str_eq(path, "/cg/my/base");
	cr_expect_eq(cgroup_find_base("/cg", "/my/base/", path, sizeof(path)), 0);
	cr_expect_str_eq(path, "/cg/my/base");
	cr_expect_eq(cgroup_find_base("/cg", "../etc", path, sizeof(path)), -EINVAL);
	cr_expect_eq(cgroup_find_base("/cg", "a/../../etc", path, sizeof(path)), -EINVAL);
	cr_expect_eq(cgroup_find_base("/cg", "", path, sizeof(path)), -EINVAL);
}

Test(cgroup, a_folder_that_is_no_cgroup_is_refused)
{
	cr_expect_eq(cgroup_make("/tmp"), -ENOTDIR);
}
