/* SPDX-License-Identifier: Apache-2.0 */
#include "session/names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "util/clock.h"
#include "util/list.h"

/* Questions of one run: so many at once, then so many a second. A resolver library asks two for a
 * connection; a tunnel needs thousands. */
enum { ASK_BURST = 400, ASK_PER_S = 40 };
/* Names that an agent made up under a pattern, and that it has not asked for lately. */
enum { MADE_UP_BURST = 200, MADE_UP_PER_MINUTE = 20, MADE_UP_SEEN = 512 };

struct named_key {
	uint64_t cgroup;
	uint8_t addr[16];
};

struct named {
	struct list link; /* named_run.addrs, oldest first */
	struct named_key key;
	size_t n;
	struct {
		char *name;
		int64_t until_ns;
	} v[NAMES_OF_ADDRESS]; /* newest first */
};

struct named_run {
	uint64_t cgroup;
	struct list addrs;
	size_t n;
	int64_t asked_ns, made_up_ns; /* when the buckets were looked at last */
	int64_t asks, made_up;        /* what is left in them, in thousandths */
	uint64_t seen[MADE_UP_SEEN];  /* hashes of names asked for */
};

void names_init(struct names *n)
{
	pthread_mutex_init(&n->lock, NULL);
	map_init(&n->addrs, NAMES_MAX);
	map_init(&n->runs, NAMES_RUNS_MAX);
}

static void named_free(struct names *n, struct named_run *run, struct named *a)
{
	map_take(&n->addrs, slice_of(&a->key, sizeof(a->key)));
	list_remove(&a->link);
	run->n--;
	for (size_t i = 0; i < a->n; i++)
		free(a->v[i].name);
	free(a);
}

static void named_run_free(struct names *n, struct named_run *run)
{
	struct list *pos, *tmp;

	list_for_each_safe (pos, tmp, &run->addrs)
		named_free(n, run, list_entry(pos, struct named, link));
	free(run);
}

void names_deinit(struct names *n)
{
	size_t pos = 0;
	void *run;

	while (map_next(&n->runs, &pos, NULL, &run))
		named_run_free(n, run);
	map_deinit(&n->runs);
	map_deinit(&n->addrs);
	pthread_mutex_destroy(&n->lock);
}

/* The run's entry, made if needed; NULL: no memory. */
static struct named_run *names_run(struct names *n, uint64_t cgroup)
{
	struct named_run *run = map_get(&n->runs, map_id(&cgroup));

	if (run)
		return run;
	run = calloc(1, sizeof(*run));
	if (!run)
		return NULL;
	run->cgroup = cgroup;
	run->asks = ASK_BURST * 1000;
	run->made_up = MADE_UP_BURST * 1000;
	run->asked_ns = run->made_up_ns = clock_mono_ns();
	list_init(&run->addrs);
	if (map_put(&n->runs, map_id(&cgroup), run, NULL)) {
		free(run);
		return NULL;
	}
	return run;
}

static struct named *names_addr(struct names *n, struct named_run *run, const struct named_key *key)
{
	struct named *a = map_get(&n->addrs, slice_of(key, sizeof(*key)));

	if (a) {
		list_remove(&a->link);
		list_append(&run->addrs, &a->link);
		return a;
	}
	if (run->n == NAMES_RUN_MAX)
		named_free(n, run, list_entry(run->addrs.next, struct named, link));
	a = calloc(1, sizeof(*a));
	if (!a)
		return NULL;
	a->key = *key;
	if (map_put(&n->addrs, slice_of(key, sizeof(*key)), a, NULL)) {
		free(a);
		return NULL;
	}
	list_append(&run->addrs, &a->link);
	run->n++;
	return a;
}

/* To the front, whether new or known. */
static int named_put(struct named *a, const char *name, int64_t until_ns)
{
	size_t i = 0;
	char *copy;

	while (i < a->n && strcmp(a->v[i].name, name) != 0)
		i++;
	copy = i < a->n ? a->v[i].name : strdup(name);
	if (!copy)
		return err_raise(-ENOMEM);
	if (i < a->n)
		until_ns = until_ns > a->v[i].until_ns ? until_ns : a->v[i].until_ns;
	else if (i == NAMES_OF_ADDRESS)
		free(a->v[--i].name);
	else
		a->n++;
	memmove(a->v + 1, a->v, i * sizeof(a->v[0]));
	a->v[0].name = copy;
	a->v[0].until_ns = until_ns;
	return 0;
}

int names_put(struct names *n, uint64_t cgroup, const uint8_t addr[static 16], const char *name,
	int64_t until_ns)
{
	struct named_key key = {.cgroup = cgroup};
	struct named_run *run;
	struct named *a;
	int r = -ENOMEM;

	memcpy(key.addr, addr, sizeof(key.addr));
	pthread_mutex_lock(&n->lock);
	run = names_run(n, cgroup);
	a = run ? names_addr(n, run, &key) : NULL;
	if (a)
		r = named_put(a, name, until_ns);
	pthread_mutex_unlock(&n->lock);
	return r ? err_raise(r) : 0;
}

void names_find(struct names *n, uint64_t cgroup, const uint8_t addr[static 16], int64_t now_ns,
	struct name_list *ret)
{
	struct named_key key = {.cgroup = cgroup};
	const struct named *a;

	ret->n = 0;
	memcpy(key.addr, addr, sizeof(key.addr));
	pthread_mutex_lock(&n->lock);
	a = map_get(&n->addrs, slice_of(&key, sizeof(key)));
	for (size_t i = 0; a && i < a->n; i++)
		if (a->v[i].until_ns > now_ns)
			snprintf(ret->v[ret->n++], NAMES_LEN, "%s", a->v[i].name);
	pthread_mutex_unlock(&n->lock);
}

/* Takes one out of a bucket that fills with time. */
static bool bucket_take(
	int64_t *left, int64_t *then_ns, int64_t now_ns, int64_t burst, int64_t per_minute)
{
	/* In thousandths, so that what a short time brings is not lost in rounding. */
	int64_t gained = (now_ns - *then_ns) / CLOCK_NS_PER_MS * per_minute / 60;

	if (gained > 0) {
		*left = *left + gained < burst * 1000 ? *left + gained : burst * 1000;
		*then_ns = now_ns;
	}
	if (*left < 1000)
		return false;
	*left -= 1000;
	return true;
}

static bool named_run_may_make_up(struct named_run *run, const char *name, int64_t now_ns)
{
	uint64_t hash = hash_bytes(slice_str(name));
	uint64_t *seen = &run->seen[hash % MADE_UP_SEEN];

	if (*seen == hash)
		return true;
	if (!bucket_take(
		    &run->made_up, &run->made_up_ns, now_ns, MADE_UP_BURST, MADE_UP_PER_MINUTE))
		return false;
	*seen = hash;
	return true;
}

bool names_may_ask(
	struct names *n, uint64_t cgroup, const char *name, bool is_made_up, int64_t now_ns)
{
	struct named_run *run;
	bool may;

	pthread_mutex_lock(&n->lock);
	run = names_run(n, cgroup);
	may = run && bucket_take(&run->asks, &run->asked_ns, now_ns, ASK_BURST, ASK_PER_S * 60);
	if (may && is_made_up)
		may = named_run_may_make_up(run, name, now_ns);
	pthread_mutex_unlock(&n->lock);
	return may;
}

void names_forget(struct names *n, uint64_t cgroup)
{
	struct named_run *run;

	pthread_mutex_lock(&n->lock);
	run = map_take(&n->runs, map_id(&cgroup));
	if (run)
		named_run_free(n, run);
	pthread_mutex_unlock(&n->lock);
}
