/* SPDX-License-Identifier: Apache-2.0 */
/* Shared state of the enforcer's threads: see enforcer.h. */
#include "session/enforcer.h"

#include <errno.h>
#include <stdlib.h>

#include "session/worker.h"

/* DESCRIPTORS_KEPT: control connections, cancel requests on their way, listeners and the like. */
enum { RUNS_MAX = 65536, DESCRIPTORS_KEPT = 512, SESSION_DESCRIPTORS = 2, SESSIONS_MIN = 16 };

void enforcer_init(struct enforcer *e)
{
	*e = (struct enforcer){.origin_fd = -1,
		.unix_fd = -1,
		.sessions_max = UINT64_MAX,
		.run_sessions_max = UINT64_MAX,
		.run_holds_max = UINT64_MAX};
	grant_table_init(&e->grants);
	pthread_mutex_init(&e->runs_lock, NULL);
	map_init(&e->runs, RUNS_MAX);
	names_init(&e->names);
}

void enforcer_deinit(struct enforcer *e)
{
	size_t pos = 0;
	void *run;

	while (map_next(&e->runs, &pos, NULL, &run))
		free(run);
	map_deinit(&e->runs);
	names_deinit(&e->names);
	grant_table_deinit(&e->grants);
	pthread_mutex_destroy(&e->runs_lock);
}

int enforcer_add_run(struct enforcer *e, const struct run_info *run)
{
	struct run_info *copy = malloc(sizeof(*copy));
	void *old = NULL;
	int r;

	if (!copy)
		return err_raise(-ENOMEM);
	*copy = *run;
	pthread_mutex_lock(&e->runs_lock);
	r = map_put(&e->runs, map_id(&copy->cgroup), copy, &old);
	copy->n_sessions = old ? ((const struct run_info *)old)->n_sessions : 0;
	copy->n_holds = old ? ((const struct run_info *)old)->n_holds : 0;
	copy->n_bytes = old ? ((const struct run_info *)old)->n_bytes : 0;
	pthread_mutex_unlock(&e->runs_lock);
	free(old);
	if (r)
		free(copy);
	return r ? err_fold(r) : 0;
}

void enforcer_remove_run(struct enforcer *e, uint64_t cgroup)
{
	struct run_info *run;

	pthread_mutex_lock(&e->runs_lock);
	run = map_take(&e->runs, map_id(&cgroup));
	pthread_mutex_unlock(&e->runs_lock);
	if (!run)
		return;
	names_forget(&e->names, cgroup);
	for (unsigned i = 0; i < e->n_workers; i++) {
		struct mail *m = mail_new(MAIL_CUT_RUN);

		if (m)
			m->run = run->id;
		mailbox_send(&e->workers[i]->mail, m);
	}
	free(run);
}

bool enforcer_find_run(struct enforcer *e, uint64_t cgroup, struct run_info *ret)
{
	const struct run_info *run;

	pthread_mutex_lock(&e->runs_lock);
	run = map_get(&e->runs, map_id(&cgroup));
	if (run)
		*ret = *run;
	pthread_mutex_unlock(&e->runs_lock);
	return run;
}

void enforcer_divide(struct enforcer *e, uint64_t n_descriptors)
{
	uint64_t n = n_descriptors > DESCRIPTORS_KEPT
			     ? (n_descriptors - DESCRIPTORS_KEPT) / SESSION_DESCRIPTORS
			     : 0;

	e->sessions_max = n > SESSIONS_MIN ? n : SESSIONS_MIN;
	e->run_sessions_max = n / 4 > SESSIONS_MIN ? n / 4 : SESSIONS_MIN;
}

bool enforcer_take_place(struct enforcer *e, uint64_t cgroup)
{
	struct run_info *run;
	bool has_room;

	pthread_mutex_lock(&e->runs_lock);
	run = map_get(&e->runs, map_id(&cgroup));
	has_room = run && run->n_sessions < e->run_sessions_max && e->n_sessions < e->sessions_max;
	if (has_room) {
		run->n_sessions++;
		e->n_sessions++;
	}
	pthread_mutex_unlock(&e->runs_lock);
	return has_room;
}

void enforcer_give_place(struct enforcer *e, uint64_t cgroup)
{
	struct run_info *run;

	pthread_mutex_lock(&e->runs_lock);
	run = map_get(&e->runs, map_id(&cgroup));
	if (run && run->n_sessions) /* it may be over already */
		run->n_sessions--;
	e->n_sessions--;
	pthread_mutex_unlock(&e->runs_lock);
}

bool enforcer_charge(struct enforcer *e, uint64_t cgroup, size_t before, size_t now)
{
	struct run_info *run;
	bool has_room = true;

	pthread_mutex_lock(&e->runs_lock);
	run = map_get(&e->runs, map_id(&cgroup));
	if (run) {
		run->n_bytes -= run->n_bytes < before ? run->n_bytes : before;
		run->n_bytes += now;
		has_room = now <= before || run->n_bytes <= ENFORCER_RUN_BYTES_MAX;
	}
	pthread_mutex_unlock(&e->runs_lock);
	return has_room;
}

bool enforcer_take_hold(struct enforcer *e, uint64_t cgroup)
{
	struct run_info *run;
	bool has_room;

	pthread_mutex_lock(&e->runs_lock);
	run = map_get(&e->runs, map_id(&cgroup));
	has_room = run && run->n_holds < e->run_holds_max;
	if (has_room)
		run->n_holds++;
	pthread_mutex_unlock(&e->runs_lock);
	return has_room;
}

void enforcer_give_hold(struct enforcer *e, uint64_t cgroup)
{
	struct run_info *run;

	pthread_mutex_lock(&e->runs_lock);
	run = map_get(&e->runs, map_id(&cgroup));
	if (run && run->n_holds)
		run->n_holds--;
	pthread_mutex_unlock(&e->runs_lock);
}
