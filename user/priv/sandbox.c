/* SPDX-License-Identifier: Apache-2.0 */
/* Giving up powers: see sandbox.h. Files are in sandbox_files.c, system calls in sandbox_calls.c.
 */
#include "priv/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "priv/sandbox_calls.h"
#include "priv/sandbox_files.h"
#include "util/cleanup.h"

enum { SANDBOX_PATHS_MAX = 48 };

static void sandbox_cap_freep(const cap_t *caps)
{
	if (*caps)
		cap_free(*caps);
}

/* The kernel may know more capabilities than libcap, so it is asked for each. */
static int sandbox_drop_bounding(void)
{
	for (int cap = 0; cap < 64; cap++) {
		int has = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);

		if (has < 0)
			return 0;
		if (has && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return err_raise(-errno);
	}
	return 0;
}

static int sandbox_drop_caps(void)
{
	_cleanup_(sandbox_cap_freep) cap_t none = cap_init();

	if (!none)
		return err_raise(-ENOMEM);
	if (cap_set_proc(none) < 0 || prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return err_raise(-errno);
	return 0;
}

/* Not what we asked for, but what the kernel says of us. */
static int sandbox_check_powerless(void)
{
	_cleanup_(sandbox_cap_freep) cap_t now = cap_get_proc();
	_cleanup_(sandbox_cap_freep) cap_t none = cap_init();
	uid_t r, e, s;

	if (!now || !none)
		return err_raise(-ENOMEM);
	if (cap_compare(now, none))
		return err_raise(-EPERM);
	for (int cap = 0; cap < 64; cap++)
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) > 0)
			return err_raise(-EPERM);
	if (getresuid(&r, &e, &s) < 0)
		return err_raise(-errno);
	return r && e && s ? 0 : err_raise(-EPERM);
}

int sandbox_become(uid_t uid, gid_t gid)
{
	int r;

	if (!uid || !gid || uid == (uid_t)-1 || gid == (gid_t)-1)
		return err_raise(-EPERM);
	r = sandbox_drop_bounding();
	if (r)
		return err_trace(r);
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return err_raise(-errno);
	r = sandbox_drop_caps();
	if (!r)
		r = sandbox_check_powerless();
	return r ? err_trace(r) : 0;
}

static int sandbox_no_new_privs(void)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? err_raise(-errno) : 0;
}

/* The kernel forgets at each change of uid that the death of the parent shall be ours too. A
 * process that is stopped reads no end of a channel: only this ends it, before a successor shares
 * its rings. */
static int sandbox_die_with(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return err_raise(-errno);
	return getppid() == parent ? 0 : err_raise(-ESRCH);
}

/* Files first: their rules are opened with the powers that go next. */
static int sandbox_shed(uid_t uid, gid_t gid, const struct sandbox_path *paths, bool *ret_has_files)
{
	pid_t parent = getppid();
	int r = sandbox_no_new_privs();

	if (r)
		return err_trace(r);
	r = sandbox_files_restrict(paths);
	if (r < 0)
		return err_trace(r);
	*ret_has_files = r != SANDBOX_FILES_E_NONE;
	r = sandbox_become(uid, gid);
	if (!r)
		r = sandbox_die_with(parent);
	return r ? err_trace(r) : 0;
}

int sandbox_enter_enforcer(const struct sandbox_enforcer *s)
{
	/* Name resolution, accounts and groups of approvers, CA stores, time zones, the process
	 * trees of those who connect, and the number of CPUs. */
	static const char *const always[] = {"/etc", "/run/systemd/resolve", "/run/resolvconf",
		"/usr/lib", "/usr/lib64", "/usr/share/zoneinfo", "/usr/share/ca-certificates",
		"/usr/local/share/ca-certificates", "/proc", "/sys/devices/system/cpu",
		"/dev/urandom", NULL};
	struct sandbox_path paths[SANDBOX_PATHS_MAX] = {{s->state_dir, true}, {"/dev/null", true}};
	const char *const *const lists[] = {always, s->read_paths};
	size_t n = 2;
	bool has_files;
	int r;

	for (size_t i = 0; i < 2; i++)
		for (const char *const *p = lists[i]; p && *p; p++) {
			if (n + 1 >= SANDBOX_PATHS_MAX)
				return err_raise(-E2BIG);
			paths[n++].path = *p;
		}
	r = sandbox_shed(s->uid, s->gid, paths, &has_files);
	if (!r)
		r = sandbox_calls_enforcer();
	if (r)
		return err_trace(r);
	return has_files ? 0 : SANDBOX_E_NO_LANDLOCK;
}

int sandbox_enter_scribe(const struct sandbox_scribe *s)
{
	const struct sandbox_path paths[] = {{s->ledger_dir, true}, {"/dev/null", true},
		{"/dev/urandom", false}, {"/etc/localtime", false}, {"/usr/share/zoneinfo", false},
		{NULL, false}};
	bool has_files;
	int r = sandbox_shed(s->uid, s->gid, paths, &has_files);

	if (!r)
		r = sandbox_calls_scribe();
	if (r)
		return err_trace(r);
	return has_files ? 0 : SANDBOX_E_NO_LANDLOCK;
}

int sandbox_enter_herald(const char *const *read_paths)
{
	struct sandbox_path paths[SANDBOX_PATHS_MAX] = {{"/dev/null", true},
		{"/dev/urandom", false}, {"/etc", false}, {"/run/systemd/resolve", false},
		{"/run/resolvconf", false}, {"/usr/lib", false}, {"/usr/lib64", false},
		{"/usr/share/ca-certificates", false}, {"/usr/local/share/ca-certificates", false},
		{"/usr/share/zoneinfo", false}};
	size_t n = 10;
	bool has_files;
	int r = sandbox_check_powerless();

	for (; *read_paths && n + 1 < SANDBOX_PATHS_MAX; read_paths++)
		paths[n++].path = *read_paths;
	if (!r)
		r = sandbox_no_new_privs();
	if (r)
		return err_trace(r);
	r = sandbox_files_restrict(paths);
	if (r < 0)
		return err_trace(r);
	has_files = r != SANDBOX_FILES_E_NONE;
	r = sandbox_calls_herald();
	if (r)
		return err_trace(r);
	return has_files ? 0 : SANDBOX_E_NO_LANDLOCK;
}

int sandbox_enter_run(bool with_unix, bool with_linger)
{
	int r = sandbox_check_powerless();

	if (!r)
		r = sandbox_no_new_privs();
	if (!r)
		r = sandbox_calls_run(with_unix, with_linger);
	return r ? err_trace(r) : 0;
}
