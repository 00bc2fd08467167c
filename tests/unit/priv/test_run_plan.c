/* SPDX-License-Identifier: Apache-2.0 */
/* From a request to a plan: what is refused, what reaches the run. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "priv/run_plan.h"
#include "util/cleanup.h"

static struct run_request req;
static struct run_config config;
static int pair[2];

static void prepare(void)
{
	cr_assert_eq(pipe(pair), 0);
	config = (struct run_config){.state_dir = "/nonexistent",
		.runs_path = "/nonexistent",
		.uid_first = 64900,
		.uid_last = 64909,
		.homes_dir = "/homes",
		.degraded = ""};
	req = (struct run_request){.cwd = SLICE_LIT("/"),
		.n_argv = 1,
		.argv = {SLICE_LIT("true")},
		.fds = {pair[0], pair[1], pair[1]}};
}

TestSuite(run_plan, .init = prepare);

static void expect_refused(const char *why)
{
	_cleanup_(run_plan_deinit) struct run_plan plan;

	cr_expect_eq(run_plan_make(&plan, &config, &req, 3), RUN_PLAN_E_REFUSED, "%s", why);
	cr_expect(strstr(plan.why, why), "'%s' has no '%s'", plan.why, why);
}

static bool has_env(const struct run_plan *plan, const char *variable)
{
	for (char **e = plan->env; *e; e++)
		if (!strcmp(*e, variable))
			return true;
	return false;
}

Test(run_plan, a_dedicated_uid)
{
	_cleanup_(run_plan_deinit) struct run_plan plan;

	req.argv[0] = slice_str("/usr/bin/psql");
	req.env[0] = slice_str("LANG=C");
	req.n_env = 1;
	cr_assert_eq(run_plan_make(&plan, &config, &req, 3), 0, "%s", plan.why);
	cr_expect(plan.is_dedicated);
	cr_expect_eq(plan.uid, 64903, "starts at the place of its id");
	cr_expect_eq(plan.gid, 64903);
	cr_expect_str_eq(plan.name, "psql");
	cr_expect_str_eq(plan.home, "/homes/3");
	cr_expect(has_env(&plan, "HOME=/homes/3"));
	cr_expect(has_env(&plan, "HOLDFAST_RUN=3"));
	cr_expect(has_env(&plan, "LANG=C"));
	cr_expect(has_env(&plan, "PATH=/usr/local/bin:/usr/bin:/bin"));
}

Test(run_plan, full_environment_has_room_for_ours)
{
	_cleanup_(run_plan_deinit) struct run_plan plan;

	for (req.n_env = 0; req.n_env < RUN_ENV_MAX; req.n_env++)
		req.env[req.n_env] = slice_str("X=1");
	cr_assert_eq(run_plan_make(&plan, &config, &req, 3), 0);
	cr_expect(has_env(&plan, "HOLDFAST_RUN=3"));
}

Test(run_plan, private_variables)
{
	cr_expect(run_plan_is_private_env(slice_str("SSH_AUTH_SOCK=/x")));
	cr_expect(run_plan_is_private_env(slice_str("DBUS_SESSION_BUS_ADDRESS=x")));
	cr_expect(run_plan_is_private_env(slice_str("XDG_RUNTIME_DIR=/run/user/0")));
	cr_expect(run_plan_is_private_env(slice_str("LD_PRELOAD=x")));
	cr_expect(run_plan_is_private_env(slice_str("HOME=/root")));
	cr_expect_not(run_plan_is_private_env(slice_str("HOMEPAGE=x")));
	cr_expect_not(run_plan_is_private_env(slice_str("PGHOST=x")));
	cr_expect_not(run_plan_is_private_env(slice_str("LD_LIBRARY_PATH=x")));
}

Test(run_plan, refuses_bad_requests)
{
	req.n_argv = 0;
	expect_refused("no command");
	prepare();
	req.argv[0] = slice_of("a\0b", 3);
	expect_refused("NUL");
	prepare();
	req.cwd = slice_str("relative");
	expect_refused("absolute");
	prepare();
	req.cwd = slice_of("/a\0b", 4);
	expect_refused("absolute");
	prepare();
	req.env[req.n_env++] = slice_str("NOEQUALS");
	expect_refused("malformed");
	prepare();
	req.name = slice_str("two\nlines");
	expect_refused("control");
	prepare();
	req.name = slice_str("\xff\xfe");
	expect_refused("UTF-8");
	prepare();
	req.name =
		slice_str("a name that is longer than the sixty-three bytes it may have, really");
	expect_refused("63");
}

Test(run_plan, refuses_descriptors_born_outside)
{
	int sockets[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	req.fds[0] = sockets[0];
	expect_refused("stdin is neither a pipe nor");
	prepare();
	req.fds[2] = open("/etc/passwd", O_RDONLY);
	expect_refused("stderr is neither a pipe nor");
	prepare();
	req.fds[1] = open("/dev/null", O_RDWR);
	expect_refused("stdout is neither a pipe nor");
	prepare();
	req.fds[1] = -1;
	expect_refused("not an open descriptor");
	prepare();
	req.has_tty = true;
	expect_refused("stdin is neither a pipe nor");
}

Test(run_plan, accounts)
{
	req.user = slice_str("root");
	expect_refused("may not be root");
	req.user = slice_str("no-such-account");
	expect_refused("no account");
	req.user = slice_of("no\0body", 7);
	expect_refused("no name");
	req.user = slice_str("nobody");
	req.owner_uid = 1000;
	expect_refused("only root");
}

Test(run_plan, ranges)
{
	_cleanup_(run_plan_deinit) struct run_plan plan = {0};

	config.uid_first = 0;
	cr_expect_lt(run_plan_make(&plan, &config, &req, 3), 0, "root is no dedicated uid");
	config.uid_first = config.uid_last + 1;
	run_plan_deinit(&plan);
	cr_expect_lt(run_plan_make(&plan, &config, &req, 3), 0, "an empty range");
}
