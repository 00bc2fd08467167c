/* SPDX-License-Identifier: Apache-2.0 */
/* Names of control groups as systemd and container engines give them. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kern/place.h"

Test(place, folders_that_are_a_unit)
{
	cr_expect(place_is_unit("web.service", "web.service"));
	cr_expect(place_is_unit("web.service", "web"));
	cr_expect(place_is_unit("web@1.service", "web@1"));
	cr_expect(!place_is_unit("web.service", "we"));
	cr_expect(!place_is_unit("web.service", "webb"));
	cr_expect(!place_is_unit("web.service.d", "web.service"));
	cr_expect(!place_is_unit("web.slice", "web"));
	cr_expect(!place_is_unit(".service", ""));
}

Test(place, folders_that_are_a_container)
{
	static const char id[] = "4f1c0a9be3d2";

	cr_expect(place_is_container("docker-4f1c0a9be3d27788.scope", id));
	cr_expect(place_is_container("libpod-4f1c0a9be3d27788.scope", id));
	cr_expect(place_is_container("cri-containerd-4f1c0a9be3d27788.scope", id));
	cr_expect(place_is_container("crio-4f1c0a9be3d2.scope", id));
	cr_expect(place_is_container("4f1c0a9be3d27788", id));
	cr_expect(!place_is_container("libpod-conmon-4f1c0a9be3d27788.scope", id), "its monitor");
	cr_expect(!place_is_container("docker-4f1c0a9be3d27788.scope", "4f1c0a"), "too short");
	cr_expect(!place_is_container("docker-4f1c0a9be3d27788.scope.d", id));
	cr_expect(!place_is_container("docker-4f1c0a9be3d3.scope", id));
	cr_expect(!place_is_container("docker-x.scope", "xxxxxxxxxxxxxx"));
	cr_expect(!place_is_container("", ""));
}

/* Any tree of folders will do for the search. */
Test(place, is_found_once_or_not_at_all)
{
	char root[] = "/tmp/holdfast-place.XXXXXX", path[400], want[256], twice[256];
	struct place_paths all;

	cr_assert(mkdtemp(root));
	snprintf(path, sizeof(path), "%s/system.slice", root);
	cr_assert_eq(mkdir(path, 0755), 0);
	snprintf(want, sizeof(want), "%s/system.slice/web.service", root);
	cr_assert_eq(mkdir(want, 0755), 0);
	snprintf(path, sizeof(path), "%s/inner", want);
	cr_assert_eq(mkdir(path, 0755), 0);

	cr_assert_eq(place_find(root, PLACE_UNIT, "web", path, sizeof(path)), 0);
	cr_expect_str_eq(path, want);
	cr_expect_eq(place_find(root, PLACE_UNIT, "other", path, sizeof(path)), PLACE_E_NONE);
	cr_assert_eq(
		place_find(root, PLACE_CGROUP, "/system.slice/web.service/", path, sizeof(path)),
		0);
	cr_expect_str_eq(path, want);
	cr_assert_eq(place_find(root, PLACE_CGROUP, want, path, sizeof(path)), 0);
	cr_expect_str_eq(path, want);
	for (const char *const *bad = (const char *const[]){"/", "//", "/..", "/system.slice/../..",
		     "system.slice", "/no/such", NULL};
		*bad; bad++)
		cr_expect_eq(place_find(root, PLACE_CGROUP, *bad, path, sizeof(path)), PLACE_E_NONE,
			"%s", *bad);
	snprintf(twice, sizeof(twice), "%s/web.service", root);
	cr_assert_eq(mkdir(twice, 0755), 0);
	cr_expect_eq(place_find(root, PLACE_UNIT, "web", path, sizeof(path)), PLACE_E_AMBIGUOUS);
	cr_assert_eq(place_find_all(root, PLACE_UNIT, "web", &all), 0);
	cr_expect_eq(all.n, 2);
	place_paths_free(&all);
	rmdir(twice);
	snprintf(path, sizeof(path), "%s/inner", want);
	rmdir(path);
	rmdir(want);
	snprintf(path, sizeof(path), "%s/system.slice", root);
	rmdir(path);
	rmdir(root);
}

Test(place, pids_that_are_none)
{
	char path[256];

	for (const char *const *bad =
			(const char *const[]){"", "0", "-1", "12x", "99999999999999", NULL};
		*bad; bad++)
		cr_expect_eq(place_find("/sys/fs/cgroup", PLACE_PID, *bad, path, sizeof(path)),
			PLACE_E_NONE, "%s", *bad);
	cr_expect(place_is_below(getpid(), getppid()));
	cr_expect(!place_is_below(getppid(), getpid()));
}
