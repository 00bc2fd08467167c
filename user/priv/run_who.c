/* SPDX-License-Identifier: Apache-2.0 */
/* As whom a run runs: see run_who.h. */
#include "priv/run_who.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "priv/run_state.h"
#include "util/cleanup.h"

enum { WHO_UIDS_MAX = 65536, WHO_USER_MAX = 64, WHO_STATUS_MAX = 4096 };

static int who_refuse(struct run_who *who, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int who_refuse(struct run_who *who, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(who->why, sizeof(who->why), fmt, ap);
	va_end(ap);
	return RUN_WHO_E_REFUSED;
}

static void who_closedirp(DIR *const *d)
{
	if (*d)
		closedir(*d);
}

/* The uids of one process, from the line "Uid:\treal\teffective\tsaved\tfs". */
static void who_one_process(
	int proc_fd, const char *pid, void (*fn)(void *arg, uid_t uid), void *arg)
{
	char path[32], text[WHO_STATUS_MAX];
	_cleanup_(fd_closep) int fd = -1;
	unsigned uids[4];
	ssize_t n;
	char *line;

	snprintf(path, sizeof(path), "%.20s/status", pid);
	fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return; /* it ended meanwhile */
	text[n] = 0;
	line = strstr(text, "\nUid:");
	if (!line || sscanf(line, " Uid: %u %u %u %u", &uids[0], &uids[1], &uids[2], &uids[3]) != 4)
		return;
	for (size_t i = 0; i < 4; i++)
		fn(arg, uids[i]);
}

/* Calls fn for each of the four uids (real, effective, saved, file system) of each process. */
static ERR_CHECK int who_each_process(void (*fn)(void *arg, uid_t uid), void *arg)
{
	_cleanup_(who_closedirp) DIR *proc = opendir("/proc");
	const struct dirent *e;

	if (!proc)
		return err_raise(-errno);
	while ((e = readdir(proc)))
		if (isdigit((unsigned char)e->d_name[0]))
			who_one_process(dirfd(proc), e->d_name, fn, arg);
	return 0;
}

struct who_range {
	uid_t first;
	size_t n;
	bool *is_taken;
};

static void who_take(void *arg, uid_t uid)
{
	struct who_range *range = arg;

	if (uid >= range->first && uid - range->first < range->n)
		range->is_taken[uid - range->first] = true;
}

static int who_take_run(void *arg, const struct run_state *state)
{
	who_take(arg, state->uid);
	return 0;
}

/* Starts looking at another place for each run, so that a uid is used again as late as can be. */
static int who_dedicated(struct run_who *who, const struct run_config *config, uint64_t id)
{
	_cleanup_(freep) bool *is_taken = NULL;
	struct who_range range = {.first = config->uid_first};
	int r;

	if (!config->uid_first || config->uid_last < config->uid_first ||
		config->uid_last - config->uid_first >= WHO_UIDS_MAX)
		return err_raise(-EINVAL);
	range.n = config->uid_last - config->uid_first + 1;
	range.is_taken = is_taken = calloc(range.n, sizeof(bool));
	if (!is_taken)
		return err_raise(-ENOMEM);
	r = who_each_process(who_take, &range);
	if (!r)
		r = run_state_each(config->state_dir, who_take_run, &range);
	if (r)
		return err_fold(r);
	for (size_t i = 0; i < range.n; i++) {
		size_t at = (size_t)((id + i) % range.n);

		if (is_taken[at] || getpwuid(range.first + (uid_t)at))
			continue;
		who->uid = who->gid = range.first + (uid_t)at;
		who->is_dedicated = true;
		return 0;
	}
	return who_refuse(who, "all %zu dedicated uids (%u–%u) are in use", range.n,
		config->uid_first, config->uid_last);
}

struct who_search {
	uid_t uid;
	bool is_found;
};

static void who_match(void *arg, uid_t uid)
{
	struct who_search *search = arg;

	if (uid == search->uid)
		search->is_found = true;
}

/* Somebody logs in to it, or it has processes. */
static int who_is_lived_in(const struct passwd *pw, bool *ret)
{
	const char *shell = pw->pw_shell ? strrchr(pw->pw_shell, '/') : NULL;
	struct who_search search = {.uid = pw->pw_uid};
	int r;

	*ret = !shell || (strcmp(shell, "/nologin") && strcmp(shell, "/false"));
	if (*ret)
		return 0;
	r = who_each_process(who_match, &search);
	*ret = search.is_found;
	return r ? err_trace(r) : 0;
}

static int who_account(
	struct run_who *who, const struct run_config *config, const struct run_request *req)
{
	char name[WHO_USER_MAX];
	const struct passwd *pw;
	bool is_lived_in;
	int r;

	if (req->user.n >= sizeof(name) || memchr(req->user.p, 0, req->user.n))
		return who_refuse(who, "that is no name of an account");
	memcpy(name, req->user.p, req->user.n);
	name[req->user.n] = 0;
	pw = getpwnam(name);
	if (!pw)
		return who_refuse(who, "there is no account '%s'", name);
	if (!pw->pw_uid || !pw->pw_gid)
		return who_refuse(
			who, "a run may not be root: leave --user away for a uid of its own");
	if (req->owner_uid && req->owner_uid != pw->pw_uid)
		return who_refuse(who, "only root may start a run as '%s'", name);
	if (pw->pw_uid >= config->uid_first && pw->pw_uid <= config->uid_last)
		return who_refuse(who, "'%s' has one of the dedicated uids", name);
	who->uid = pw->pw_uid;
	who->gid = pw->pw_gid;
	snprintf(who->home, sizeof(who->home), "%s", pw->pw_dir ? pw->pw_dir : "/");
	r = who_is_lived_in(pw, &is_lived_in);
	if (r)
		return err_trace(r);
	if (!is_lived_in)
		return 0;
	if (!config->allow_degraded || !req->allow_degraded)
		return who_refuse(who,
			"'%s' is lived in (it has a login or processes), and those are a way out "
			"of the "
			"run: allow_degraded in the config and --allow-degraded accept that",
			name);
	snprintf(who->degraded, sizeof(who->degraded), "runs as the lived-in account %.64s", name);
	return 0;
}

int run_who_choose(struct run_who *who, const struct run_config *config,
	const struct run_request *req, uint64_t id)
{
	int r;

	*who = (struct run_who){0};
	r = req->user.n ? who_account(who, config, req) : who_dedicated(who, config, id);
	if (r == RUN_WHO_E_REFUSED)
		return r;
	return r ? err_fold(r) : 0;
}
