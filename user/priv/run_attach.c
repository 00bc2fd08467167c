/* SPDX-License-Identifier: Apache-2.0 */
/* Attaching and releasing: see run_attach.h. */
#include "priv/run_attach.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kern/cgroup.h"
#include "priv/run_peer.h"
#include "util/cleanup.h"
#include "util/log.h"

static int attach_refuse(const char **ret_why, const char *why)
{
	*ret_why = why;
	return RUN_ATTACH_E_REFUSED;
}

int run_attach_path(const struct run_config *config, const struct run *run, char *path, size_t max)
{
	int n = snprintf(path, max, "%s/%" PRIu64, config->runs_path, run->id);

	return n < 0 || (size_t)n >= max ? err_raise(-ENAMETOOLONG) : 0;
}

/* Whose it is: for the ledger, and because nobody of that uid may decide about it. Root is let be:
 * otherwise nobody could, and what root does nobody keeps it from. */
static uid_t attach_owner(const struct run_attach_request *req, const char *from)
{
	struct place_census census = {0};
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%.20s", req->text);
	if (req->kind == PLACE_PID)
		census.uid = stat(path, &st) < 0 ? 0 : st.st_uid;
	else if (place_count(from, &census))
		census.uid = 0;
	return census.uid ? census.uid : (uid_t)-1;
}

/* Never ourselves: nobody would be left to let it go. Nor what is a run already. */
static int attach_check(const struct run_config *config, const struct run_attach_request *req,
	const char *from, const char **ret_why)
{
	char own[RUN_FROM_MAX];
	int r = cgroup_of_pid(config->cgroup_root, getpid(), own, sizeof(own));

	if (r)
		return r < 0 ? err_trace(r) : err_fold(r);
	if (run_peer_is_below(from, config->runs_path))
		return attach_refuse(ret_why, "that is a run already");
	if (req->kind != PLACE_PID &&
		(run_peer_is_below(own, from) || run_peer_is_below(config->runs_path, from)))
		return attach_refuse(ret_why, "holdfastd itself is in there");
	if (req->kind == PLACE_PID && place_is_below(getpid(), (pid_t)strtol(req->text, NULL, 10)))
		return attach_refuse(ret_why, "holdfastd itself is one of its descendants");
	return 0;
}

static int attach_find(const struct run_config *config, const struct run_attach_request *req,
	char *from, size_t max, const char **ret_why)
{
	int r = place_find(config->cgroup_root, req->kind, req->text, from, max);

	if (r == PLACE_E_NONE)
		return attach_refuse(ret_why, "there is no such process, group, unit or container");
	if (r == PLACE_E_AMBIGUOUS)
		return attach_refuse(ret_why, "more than one is called so: name its control group");
	if (r)
		return err_trace(r);
	r = attach_check(config, req, from, ret_why);
	return r == RUN_ATTACH_E_REFUSED ? r : r ? err_trace(r) : 0;
}

static void attach_describe(struct run *run, const struct run_attach_request *req, const char *from)
{
	static const char *const kinds[] = {[PLACE_PID] = "pid",
		[PLACE_CGROUP] = "cgroup",
		[PLACE_UNIT] = "unit",
		[PLACE_CONTAINER] = "container"};

	if (req->name.n)
		snprintf(run->name, sizeof(run->name), "%.*s", SLICE_FMT(req->name));
	else
		snprintf(run->name, sizeof(run->name), "%.63s", req->text);
	snprintf(run->command, sizeof(run->command), "attached %s %.400s", kinds[req->kind],
		req->text);
	snprintf(run->degraded, sizeof(run->degraded), "%s", RUN_ATTACH_DEGRADED);
	snprintf(run->from, sizeof(run->from), "%s", from);
	run->is_attached = true;
	run->is_cut = req->is_cut;
	run->uid = attach_owner(req, from);
	run->owner_uid = req->owner_uid;
}

static int attach_move(const struct run_config *config, const struct run_attach_request *req,
	const struct run *run, struct place_census *ret)
{
	char to[RUN_FROM_MAX];
	bool is_loose = false;
	unsigned n = 0;
	int r = run_attach_path(config, run, to, sizeof(to));

	if (!r)
		r = req->kind == PLACE_PID
			    ? place_move_tree(config->cgroup_root,
				      (pid_t)strtol(req->text, NULL, 10), to, &n, &is_loose)
			    : place_move_group(run->from, to, &n);
	if (!r)
		r = place_count(to, ret);
	ret->is_loose = is_loose;
	return err_trace(r);
}

int run_attach(const struct run_config *config, const struct run_attach_request *req, uint64_t id,
	int (*on_placed)(void *arg, const struct run *run), void *arg, struct run **ret,
	struct place_census *ret_census, const char **ret_why)
{
	char from[RUN_FROM_MAX];
	struct run *run;
	int r = attach_find(config, req, from, sizeof(from), ret_why);

	if (r)
		return r == RUN_ATTACH_E_REFUSED ? r : err_trace(r);
	run = run_new(id);
	if (!run)
		return err_raise(-ENOMEM);
	attach_describe(run, req, from);
	r = run_place(config, run);
	if (!r && on_placed(arg, run)) {
		run_end(config, run);
		return attach_refuse(ret_why, "the run could not be recorded");
	}
	if (!r)
		r = attach_move(config, req, run, ret_census);
	/* What was moved stays in: half of it controlled is better told than let go again. */
	if (r && run->cgroup_fd < 0) {
		run_end(config, run);
		return err_trace(r);
	}
	if (r)
		log_error("run.attach", "id=%" PRIu64 " moved=%u errno=%d", id, ret_census->n, -r);
	*ret = run;
	return 0;
}

int run_attach_gather(const struct run_config *config, const struct run *run, unsigned *ret_n)
{
	char to[RUN_FROM_MAX];
	int r = run_attach_path(config, run, to, sizeof(to));

	*ret_n = 0;
	if (!r && !access(run->from, F_OK))
		r = place_move_group(run->from, to, ret_n);
	return r ? err_trace(r) : 0;
}

int run_release(const struct run_config *config, const struct run *run, const char **ret_why)
{
	char path[RUN_FROM_MAX];
	unsigned n;
	int r;

	if (!run->is_attached)
		return attach_refuse(ret_why,
			"it was started by holdfast and cannot be let go; `holdfast kill` ends it");
	if (access(run->from, F_OK) < 0)
		return attach_refuse(ret_why, "the group that it came from is gone");
	r = run_attach_path(config, run, path, sizeof(path));
	if (!r)
		r = place_move_group(path, run->from, &n);
	return r ? err_trace(r) : 0;
}
