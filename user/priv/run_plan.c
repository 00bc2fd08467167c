/* SPDX-License-Identifier: Apache-2.0 */
/* From a request to what a run will be: see run_plan.h. */
#include "priv/run_plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include "priv/run_who.h"
#include "util/utf8.h"

enum {
	PLAN_MEMORY_MAX = 2 * 1024 * 1024,
	PLAN_CWD_MAX = 4096,
	PLAN_ENV_ADDED = 8, /* what plan_env sets itself, and the end */
	PTS_MAJOR_FIRST = 136,
	PTS_MAJOR_LAST = 143,
};

static int plan_refuse(struct run_plan *plan, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int plan_refuse(struct run_plan *plan, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(plan->why, sizeof(plan->why), fmt, ap);
	va_end(ap);
	return RUN_PLAN_E_REFUSED;
}

bool run_plan_is_private_env(struct slice variable)
{
	/* Sockets and sessions of the caller's; code that would be loaded into every program. */
	static const char *const private[] = {"SSH_AUTH_SOCK=", "SSH_AGENT_PID=", "DBUS_",
		"XDG_RUNTIME_DIR=", "XDG_SESSION_",
		"LD_PRELOAD=", "LD_AUDIT=", "GPG_AGENT_INFO=", "TMUX=", "TMUX_PANE=", "STY=",
		"DISPLAY=", "WAYLAND_DISPLAY=", "XAUTHORITY=", "NOTIFY_SOCKET=", "LISTEN_",
		"WATCHDOG_",
		"HOME=", "USER=", "LOGNAME=", "MAIL=", "PWD=", "OLDPWD=", "HOLDFAST_RUN=", NULL};

	for (size_t i = 0; private[i]; i++)
		if (slice_starts(variable, private[i]))
			return true;
	return false;
}

static bool plan_has_nul(struct slice s)
{
	return s.n && memchr(s.p, 0, s.n);
}

/* A name goes to logs, prompts and tables: short, printable, one line. */
static int plan_name(struct run_plan *plan)
{
	struct slice name = plan->req->name;

	if (!name.n) {
		name = plan->req->argv[0];
		for (size_t i = name.n; i > 0; i--)
			if (name.p[i - 1] == '/') {
				name = slice_skip(name, i);
				break;
			}
		name = slice_head(name, sizeof(((struct run *)0)->name) - 1);
	} else if (name.n >= sizeof(((struct run *)0)->name)) {
		return plan_refuse(plan, "the name is longer than 63 bytes");
	}
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] < 0x20 || name.p[i] == 0x7f)
			return plan_refuse(plan, "the name has control characters in it");
	plan->name = arena_cstr(&plan->arena, name);
	if (!plan->name)
		return err_raise(-ENOMEM);
	if (plan->req->name.n && !utf8_is_valid(name))
		return plan_refuse(plan, "the name is not UTF-8");
	return 0;
}

static int plan_command(struct run_plan *plan)
{
	const struct run_request *req = plan->req;

	if (!req->n_argv || !req->argv[0].n)
		return plan_refuse(plan, "there is no command to run");
	if (req->n_argv > RUN_ARGV_MAX || req->n_env > RUN_ENV_MAX)
		return plan_refuse(plan, "too many arguments or environment variables");
	plan->argv = arena_array(&plan->arena, req->n_argv + 1, sizeof(char *));
	for (size_t i = 0; plan->argv && i < req->n_argv; i++) {
		if (plan_has_nul(req->argv[i]))
			return plan_refuse(plan, "an argument has a NUL byte in it");
		plan->argv[i] = arena_cstr(&plan->arena, req->argv[i]);
		if (!plan->argv[i])
			return err_raise(-ENOMEM);
	}
	if (!plan->argv)
		return err_raise(-ENOMEM);
	if (!req->cwd.n || req->cwd.p[0] != '/' || req->cwd.n >= PLAN_CWD_MAX ||
		plan_has_nul(req->cwd))
		return plan_refuse(plan, "the working folder is not an absolute path");
	plan->cwd = arena_cstr(&plan->arena, req->cwd);
	return plan->cwd ? 0 : err_raise(-ENOMEM);
}

/* A socket handed in was born outside and no hook would ever see it; a file or folder could be one
 * that only the caller may open. */
static int plan_descriptors(struct run_plan *plan)
{
	static const char *const names[] = {"stdin", "stdout", "stderr"};
	const struct run_request *req = plan->req;
	struct stat st;

	for (size_t i = 0; i < 3; i++) {
		if (req->fds[i] < 0 || fstat(req->fds[i], &st) < 0)
			return plan_refuse(plan, "%s is not an open descriptor", names[i]);
		if (S_ISFIFO(st.st_mode) && !(i == 0 && req->has_tty))
			continue;
		if (S_ISCHR(st.st_mode) && major(st.st_rdev) >= PTS_MAJOR_FIRST &&
			major(st.st_rdev) <= PTS_MAJOR_LAST && isatty(req->fds[i]))
			continue;
		return plan_refuse(plan, "%s is neither a pipe nor the slave of a pty", names[i]);
	}
	return 0;
}

/* Path of a run's private home. */
static int plan_home_path(const struct run_config *config, uint64_t id, char *buf, size_t max)
{
	const char *dir = config->homes_dir ? config->homes_dir : RUN_HOMES_DIR;
	int n = snprintf(buf, max, "%s/%" PRIu64, dir, id);

	return n < 0 || (size_t)n >= max ? err_raise(-ENAMETOOLONG) : 0;
}

static int plan_identity(struct run_plan *plan)
{
	const struct run_config *config = plan->config;
	struct run_who who;
	int r;

	r = run_who_choose(&who, config, plan->req, plan->id);
	if (r == RUN_WHO_E_REFUSED)
		return plan_refuse(plan, "%s", who.why);
	if (r)
		return err_fold(r);
	plan->uid = who.uid;
	plan->gid = who.gid;
	plan->is_dedicated = who.is_dedicated;
	if (who.is_dedicated)
		r = plan_home_path(config, plan->id, who.home, sizeof(who.home));
	if (r)
		return err_trace(r);
	plan->home = arena_cstr(&plan->arena, slice_str(who.home));
	plan->degraded = arena_printf(&plan->arena, "%s%s%s",
		config->degraded ? config->degraded : "",
		config->degraded && *config->degraded && *who.degraded ? ", " : "", who.degraded);
	return plan->home && plan->degraded ? 0 : err_raise(-ENOMEM);
}

static bool plan_env_has(const struct run_plan *plan, size_t n, const char *prefix)
{
	for (size_t i = 0; i < n; i++)
		if (!strncmp(plan->env[i], prefix, strlen(prefix)))
			return true;
	return false;
}

static int plan_env(struct run_plan *plan)
{
	const struct run_request *req = plan->req;
	struct arena *a = &plan->arena;
	size_t n = 0;
	char *user;

	plan->env = arena_array(a, req->n_env + PLAN_ENV_ADDED, sizeof(char *));
	if (!plan->env)
		return err_raise(-ENOMEM);
	for (size_t i = 0; i < req->n_env; i++) {
		if (plan_has_nul(req->env[i]) || !req->env[i].n ||
			!memchr(req->env[i].p, '=', req->env[i].n))
			return plan_refuse(plan, "an environment variable is malformed");
		if (run_plan_is_private_env(req->env[i]))
			continue;
		plan->env[n] = arena_cstr(a, req->env[i]);
		if (!plan->env[n++])
			return err_raise(-ENOMEM);
	}
	user = plan->is_dedicated ? arena_cstr(a, SLICE_LIT("agent")) : arena_cstr(a, req->user);
	if (!plan_env_has(plan, n, "PATH="))
		plan->env[n++] = arena_printf(a, "PATH=/usr/local/bin:/usr/bin:/bin");
	if (!user)
		return err_raise(-ENOMEM);
	plan->env[n++] = arena_printf(a, "HOME=%s", plan->home);
	plan->env[n++] = arena_printf(a, "USER=%s", user);
	plan->env[n++] = arena_printf(a, "LOGNAME=%s", user);
	plan->env[n++] = arena_printf(a, "PWD=%s", plan->cwd);
	plan->env[n++] = arena_printf(a, "HOLDFAST_RUN=%" PRIu64, plan->id);
	for (size_t i = 0; i < n; i++)
		if (!plan->env[i])
			return err_raise(-ENOMEM);
	return 0;
}

int run_plan_make(struct run_plan *plan, const struct run_config *config,
	const struct run_request *req, uint64_t id)
{
	static int (*const steps[])(struct run_plan *) = {
		plan_command, plan_name, plan_descriptors, plan_identity, plan_env};

	*plan = (struct run_plan){.config = config,
		.req = req,
		.id = id,
		.cgroup_fd = -1,
		.go_fd = -1,
		.go_write_fd = -1,
		.status_fd = -1};
	arena_init(&plan->arena, PLAN_MEMORY_MAX);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		int r = steps[i](plan);

		if (r)
			return r;
	}
	return 0;
}

void run_plan_deinit(struct run_plan *plan)
{
	arena_deinit(&plan->arena);
}
