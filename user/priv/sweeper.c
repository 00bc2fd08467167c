/* SPDX-License-Identifier: Apache-2.0 */
/* From what the sweep finds to what is done: see sweeper.h. */
#include "priv/sweeper.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "net/sock.h"
#include "priv/cut.h"
#include "util/clock.h"
#include "util/log.h"

enum {
	SWEEPER_CUTS = 1024,    /* sockets that are remembered as cut: each is told once */
	SWEEPER_PAUSE_MS = 100, /* between looks: an agent decides how often it is refused */
};

struct sweeper {
	bool is_killing;
	uint64_t own_cgroup;
	void (*on_event)(void *arg, const char *kind, uint64_t run, const char *text);
	void *arg;
	struct sweep *sweep;
	struct run_server *runs; /* while it looks */
	unsigned n_runs;
	int64_t next_ns;
	uint64_t cuts[SWEEPER_CUTS]; /* inodes, the oldest overwritten */
	unsigned n_cuts;
};

int sweeper_new(bool is_killing, uint64_t own_cgroup,
	void (*on_event)(void *arg, const char *kind, uint64_t run, const char *text), void *arg,
	struct sweeper **ret)
{
	struct sweeper *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_raise(-ENOMEM);
	s->is_killing = is_killing;
	s->own_cgroup = own_cgroup;
	s->on_event = on_event;
	s->arg = arg;
	r = sweep_open(&s->sweep);
	if (r) {
		sweeper_free(s);
		return r == SWEEP_E_MISSING ? r : err_trace(r);
	}
	*ret = s;
	return 0;
}

struct sweeper *sweeper_free(struct sweeper *s)
{
	if (!s)
		return NULL;
	sweep_close(s->sweep);
	free(s);
	return NULL;
}

void sweeper_begin(struct sweeper *s, uint64_t cgroup)
{
	if (!s)
		return;
	if (sweep_add_run(s->sweep, cgroup))
		log_error("sweep", "cgroup=%" PRIu64 " watched=0", cgroup);
	else
		s->n_runs++;
}

void sweeper_end(struct sweeper *s, uint64_t cgroup)
{
	if (!s)
		return;
	if (sweep_remove_run(s->sweep, cgroup))
		log_warn("sweep", "cgroup=%" PRIu64 " forgotten=0", cgroup);
	s->n_runs -= s->n_runs > 0;
}

static bool sweeper_was_cut(const struct sweeper *s, uint64_t inode)
{
	for (unsigned i = 0; i < SWEEPER_CUTS && i < s->n_cuts; i++)
		if (s->cuts[i] == inode)
			return true;
	return false;
}

/* We connected, the run accepted. A listener of ours is none of that. */
static bool sweeper_is_dialled(const struct sweeper *s, const struct sweep_socket *found)
{
	return found->family == AF_UNIX && found->type == SOCK_STREAM &&
	       found->born == s->own_cgroup && found->state != TCP_LISTEN;
}

static void sweeper_on_found(void *arg, const struct sweep_socket *found)
{
	struct sweeper *s = arg;
	bool was_cut = sweeper_was_cut(s, found->inode), is_killed = s->is_killing;
	char target[SOCK_NAME_MAX], text[256];
	int r;

	/* A child that is being made has ours, listeners too, until it closes them. */
	if (cut_is_ours(found) || sweeper_is_dialled(s, found))
		return;
	/* Cut in any case: the processes of a run that is killed take a moment to end. */
	r = cut_socket(found, target, sizeof(target));
	if (r == CUT_E_GONE)
		return;
	if (r)
		is_killed = true;
	if (!was_cut) {
		s->cuts[s->n_cuts++ % SWEEPER_CUTS] = found->inode;
		snprintf(text, sizeof(text),
			"%s socket to %s, born outside (cgroup %" PRIu64
			"), as fd %d of pid %d: %s",
			cut_kind(found), target, found->born, found->fd, (int)found->pid,
			is_killed ? "the run is killed" : "cut");
		s->on_event(s->arg, "foreign-socket", run_server_find(s->runs, found->run), text);
	}
	if (is_killed)
		run_server_kill(s->runs, found->run);
}

struct sweeper_listing {
	uint64_t cgroup;
	void (*fn)(void *fn_arg, const char *text);
	void *fn_arg;
};

static void sweeper_on_listed(void *arg, const struct sweep_socket *found)
{
	const struct sweeper_listing *l = arg;
	char target[SOCK_NAME_MAX], text[128];

	if (found->run != l->cgroup)
		return;
	cut_target(found, target, sizeof(target));
	snprintf(text, sizeof(text), "%s to %s, fd %d of pid %d", cut_kind(found), target,
		found->fd, (int)found->pid);
	l->fn(l->fn_arg, text);
}

void sweeper_attach(struct sweeper *s, struct run_server *runs, uint64_t cgroup, bool is_cut,
	void (*fn)(void *fn_arg, const char *text), void *fn_arg)
{
	struct sweeper_listing listing = {.cgroup = cgroup, .fn = fn, .fn_arg = fn_arg};

	if (!s)
		return;
	sweeper_begin(s, cgroup);
	if (fn && sweep_look(s->sweep, sweeper_on_listed, &listing))
		log_error("sweep", "looked=0");
	if (!is_cut) {
		sweeper_end(s, cgroup);
		return;
	}
	s->next_ns = 0;
	sweeper_look(s, runs);
}

void sweeper_look(struct sweeper *s, struct run_server *runs)
{
	int64_t now = clock_mono_ns();

	if (!s || !runs || !s->n_runs || now < s->next_ns)
		return;
	s->runs = runs;
	if (sweep_look(s->sweep, sweeper_on_found, s))
		log_error("sweep", "looked=0");
	s->next_ns = clock_mono_ns() + SWEEPER_PAUSE_MS * CLOCK_NS_PER_MS;
}
