/* SPDX-License-Identifier: Apache-2.0 */
/* Refusals of the kernel side: see denials.h. */
#include "daemon/denials.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "net/sock.h"
#include "util/clock.h"
#include "util/map.h"

/* How long, and of how many kinds, repeated refusals are told once. */
#define DENIALS_SEEN_NS (10 * CLOCK_NS_PER_S)
enum { DENIALS_SEEN_MAX = 1024 };
/* How many different ones are told in a second, of each run: an agent has 2^48 targets to be
 * refused, and must not hide by them what others are refused. A run's place is its group's hash:
 * more are rarely there at once, and two at one place share it. */
enum { DENIALS_A_TICK = 25, DENIALS_RUNS = 1024 };

/* One that was told a moment ago. */
struct denials_seen {
	uint64_t key;
	int64_t until_ns;
};

struct denials_share {
	uint64_t cgroup; /* that came last */
	uint64_t n;      /* different ones since the last tick */
};

struct denials {
	struct denials_config config;
	struct loop *loop;
	struct loop_source src;
	struct kern_denials *kern;
	struct denials_seen seen[DENIALS_SEEN_MAX];
	struct denials_share shares[DENIALS_RUNS];
};

/* Was the same refused a moment ago? A library that tries a socket at each call (nscd, say) is one
 * line of history in ten seconds, not thousands. */
static bool denials_is_repeated(struct denials *d, const struct denial *denial)
{
	const struct slice parts[] = {
		slice_of(denial->origin.addr, sizeof(denial->origin.addr)),
		slice_of(&denial->origin.port, sizeof(denial->origin.port)),
		slice_of(&denial->origin.cgroup, sizeof(denial->origin.cgroup)),
		slice_of(&denial->hook, sizeof(denial->hook)),
	};
	int64_t now = clock_mono_ns();
	uint64_t key = 0;
	struct denials_seen *s;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		key = key * 31 + hash_bytes(parts[i]);
	s = &d->seen[key % DENIALS_SEEN_MAX];
	if (s->key == key && now < s->until_ns)
		return true;
	*s = (struct denials_seen){.key = key, .until_ns = now + DENIALS_SEEN_NS};
	return false;
}

/* Is this run's share of this second used up? */
static bool denials_is_too_many(struct denials *d, uint64_t cgroup)
{
	uint64_t hash = hash_bytes(slice_of(&cgroup, sizeof(cgroup)));
	struct denials_share *share = &d->shares[hash % DENIALS_RUNS];

	share->cgroup = cgroup;
	return share->n++ >= DENIALS_A_TICK;
}

static void denials_on_one(void *arg, const struct denial *denial)
{
	bool is_unix = denial->hook == HOOK_CONNECT_UNIX || denial->hook == HOOK_SENDMSG_UNIX;
	bool is_connect = denial->hook == HOOK_CONNECT4 || denial->hook == HOOK_CONNECT6;
	int error = denial->error < 0 ? -denial->error : denial->error;
	char name[SOCK_NAME_MAX] = "-", detail[512];
	struct denials *d = arg;

	if (denials_is_repeated(d, denial) || denials_is_too_many(d, denial->origin.cgroup))
		return;
	if (!is_unix)
		sock_name(denial->origin.addr, be16toh(denial->origin.port), name, sizeof(name));
	snprintf(detail, sizeof(detail),
		"hook=%s target=%s pid=%u uid=%u comm=%.15s cgroup=%llu errno=%d",
		denial->hook < HOOK_N ? kern_hook_names[denial->hook] : "?", name,
		denial->origin.tgid, denial->origin.uid, denial->origin.comm,
		(unsigned long long)denial->origin.cgroup, error);
	/* A target that no resource names has the same word as where the enforcer finds it. */
	d->config.tell(d->config.arg,
		is_connect && error == EACCES ? "target-denied" : "kernel-denied",
		d->config.run_of(d->config.arg, denial->origin.cgroup), detail);
}

static void denials_on_ready(struct loop_source *src, uint32_t events)
{
	struct denials *d = src->owner;

	(void)events;
	kern_denials_drain(d->kern);
	d->config.told(d->config.arg);
}

int denials_open(const struct kern *k, struct loop *loop, const struct denials_config *config,
	struct denials **ret)
{
	struct denials *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return err_raise(-ENOMEM);
	d->config = *config;
	d->loop = loop;
	r = kern_denials_open(kern_denials_fd(k), denials_on_one, d, &d->kern);
	if (!r) {
		d->src = (struct loop_source){
			.fd = kern_denials_poll_fd(d->kern), .fn = denials_on_ready, .owner = d};
		r = loop_watch(loop, &d->src, EPOLLIN);
	}
	if (r) {
		denials_close(d);
		return err_trace(r);
	}
	*ret = d;
	return 0;
}

struct denials *denials_close(struct denials *d)
{
	if (!d)
		return NULL;
	kern_denials_close(d->kern);
	free(d);
	return NULL;
}

void denials_tick(struct denials *d)
{
	for (unsigned i = 0; i < DENIALS_RUNS; i++) {
		struct denials_share *share = &d->shares[i];
		char detail[64];

		if (share->n > DENIALS_A_TICK) {
			snprintf(detail, sizeof(detail), "%llu more, not listed",
				(unsigned long long)(share->n - DENIALS_A_TICK));
			d->config.tell(d->config.arg, "kernel-denied",
				d->config.run_of(d->config.arg, share->cgroup), detail);
		}
		share->n = 0;
	}
}
