/* SPDX-License-Identifier: Apache-2.0 */
/* Files of runs: what is written is read back, what is broken is not believed. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "priv/run_netns.h"
#include "priv/run_state.h"
#include "util/cleanup.h"

static char dir[64];

static void make_dir(void)
{
	snprintf(dir, sizeof(dir), "/tmp/holdfast-state.XXXXXX");
	cr_assert(mkdtemp(dir));
}

static void remove_dir(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_assert_eq(system(command), 0);
}

TestSuite(run_state, .init = make_dir, .fini = remove_dir);

struct seen {
	unsigned n;
	struct run_state last;
};

static int see(void *arg, const struct run_state *state)
{
	struct seen *seen = arg;

	seen->n++;
	seen->last = *state;
	return 0;
}

static int stop(void *arg, const struct run_state *state)
{
	(void)state;
	++*(unsigned *)arg;
	return 7;
}

static const struct run_state example = {.id = 7,
	.cgroup = UINT64_MAX,
	.uid = 64003,
	.owner_uid = 1000,
	.has_home = true,
	.name = "nightly",
	.command = "psql -c 'a=b'",
	.degraded = "connect_unix absent"};

Test(run_state, round_trip)
{
	struct seen seen = {0};
	struct stat st;
	char path[128];

	cr_assert_eq(run_state_write(dir, &example), 0);
	snprintf(path, sizeof(path), "%s/runs/7", dir);
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0600);
	cr_assert_eq(run_state_each(dir, see, &seen), 0);
	cr_assert_eq(seen.n, 1);
	cr_expect_eq(seen.last.id, 7);
	cr_expect_eq(seen.last.cgroup, UINT64_MAX);
	cr_expect_eq(seen.last.uid, 64003);
	cr_expect_eq(seen.last.owner_uid, 1000);
	cr_expect(seen.last.has_home);
	cr_expect_str_eq(seen.last.name, "nightly");
	cr_expect_str_eq(seen.last.command, "psql -c 'a=b'");
	cr_expect_str_eq(seen.last.degraded, "connect_unix absent");
	cr_assert_eq(run_state_remove(dir, 7), 0);
	cr_assert_eq(run_state_remove(dir, 7), 0, "removing what is gone is done");
	seen.n = 0;
	cr_assert_eq(run_state_each(dir, see, &seen), 0);
	cr_expect_eq(seen.n, 0);
}

Test(run_state, no_folder_is_no_runs)
{
	struct seen seen = {0};

	cr_expect_eq(run_state_each("/nonexistent", see, &seen), 0);
	cr_expect_eq(seen.n, 0);
	cr_expect_eq(run_state_remove("/nonexistent", 1), 0);
}

/* A command is chosen by whoever runs it: it must not add lines of its own to the file. */
Test(run_state, a_newline_in_a_value_stays_a_value)
{
	struct run_state s = example;
	struct seen seen = {0};

	snprintf(s.command, sizeof(s.command), "sh -c 'x\nuid=0\n'");
	cr_assert_eq(run_state_write(dir, &s), 0);
	cr_assert_eq(run_state_each(dir, see, &seen), 0);
	cr_assert_eq(seen.n, 1);
	cr_expect_eq(seen.last.uid, 64003);
	cr_expect_str_eq(seen.last.command, "sh -c 'x uid=0 '");
}

Test(run_state, the_callback_can_stop)
{
	struct run_state s = example;
	unsigned n = 0;

	cr_assert_eq(run_state_write(dir, &s), 0);
	s.id = 8;
	cr_assert_eq(run_state_write(dir, &s), 0);
	cr_expect_eq(run_state_each(dir, stop, &n), 7);
	cr_expect_eq(n, 1);
}

Test(run_state, network_namespaces_are_written_and_read)
{
	struct run run = {.netns = {7, UINT64_MAX}, .n_netns = 2}, again = {0}, bad = {0};
	struct run_state s = example;
	struct seen seen = {0};

	run_netns_print(&run, s.netns, sizeof(s.netns));
	cr_assert_eq(run_state_write(dir, &s), 0);
	cr_assert_eq(run_state_each(dir, see, &seen), 0);
	cr_assert_eq(seen.n, 1);
	cr_assert(run_netns_parse(&again, seen.last.netns));
	cr_assert_eq(again.n_netns, 2);
	cr_expect_eq(again.netns[0], 7);
	cr_expect_eq(again.netns[1], UINT64_MAX);
	/* As many as there may be fit. */
	run.n_netns = RUN_NETNS_MAX;
	for (unsigned i = 0; i < RUN_NETNS_MAX; i++)
		run.netns[i] = UINT64_MAX - i;
	run_netns_print(&run, s.netns, sizeof(s.netns));
	again.n_netns = 0;
	cr_assert(run_netns_parse(&again, s.netns));
	cr_expect_eq(again.netns[RUN_NETNS_MAX - 1], UINT64_MAX - (RUN_NETNS_MAX - 1));
	cr_expect_not(run_netns_parse(&bad, "1,2,3,4,5,6,7,8,9"));
	for (size_t i = 0; i < 4; i++) {
		static const char *const texts[] = {"x", "1,x", "-1", "99999999999999999999"};

		bad.n_netns = 0;
		cr_expect_not(run_netns_parse(&bad, texts[i]), "%s", texts[i]);
	}
}

static const char good[] = "id=7\ncgroup=1\nuid=2\nowner_uid=3\nhas_home=0\nname=n\ncommand=c\n"
			   "degraded=\nend=1\n";

Test(run_state, every_shorter_text_is_broken)
{
	struct run_state s;

	cr_assert_eq(run_state_parse(slice_str(good), &s), 0);
	for (size_t n = 0; n + 1 < sizeof(good) - 1; n++)
		cr_expect_eq(run_state_parse(slice_of(good, n), &s), RUN_STATE_E_BROKEN,
			"cut to %zu bytes", n);
}

Test(run_state, broken_texts)
{
	static const char *const bad[] = {
		"id=0\ncgroup=1\nuid=2\nowner_uid=3\nhas_home=0\nname=n\ncommand=c\ndegraded=\nend="
		"1\n",
		"id=-7\ncgroup=1\nuid=2\nowner_uid=3\nhas_home=0\nname=n\ncommand=c\ndegraded="
		"\nend=1\n",
		"id=7x\ncgroup=1\nuid=2\nowner_uid=3\nhas_home=0\nname=n\ncommand=c\ndegraded="
		"\nend=1\n",
		"id=7\ncgroup=1\nuid=4294967296\nowner_uid=3\nhas_home=0\nname=n\ncommand="
		"c\ndegraded="
		"\nend=1\n",
		"id=7\nid=8\ncgroup=1\nuid=2\nowner_uid=3\nhas_home=0\nname=n\ncommand=c\ndegraded="
		"\nend=1\n",
		"id=7\ncgroup=1\nuid=2\nowner_uid=3\nhas_home=2\nname=n\ncommand=c\ndegraded=\nend="
		"1\n",
		"id=7\ncgroup=1\nuid=2\nowner_uid=3\nhas_home=0\nname=n\ncommand=c\ndegraded=\nend="
		"1\n"
		"more=1\n",
		"id=7\ncgroup=1\nuid=2\nowner_uid=3\nhas_home=0\nname\ncommand=c\ndegraded=\nend="
		"1\n",
	};
	struct run_state s;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(
			run_state_parse(slice_str(bad[i]), &s), RUN_STATE_E_BROKEN, "%s", bad[i]);
}
