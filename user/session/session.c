/* SPDX-License-Identifier: Apache-2.0 */
/* Birth and death of an intercepted connection: see session.h. */
#include "session/session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/random.h>

#include "kern/origin.h"
#include "session/catalog.h"
#include "session/contents.h"
#include "session/decide.h"
#include "session/held.h"
#include "session/record.h"
#include "session/relay.h"
#include "session/resolver.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

enum {
	REQUEST_ARENA_MAX = 64 * 1024 * 1024,
	UNIT_ARENA_MAX = 16 * 1024 * 1024,
	PLAN_ARENA_MAX = 4 * 1024 * 1024,
	OPAQUE_IN_MAX = 256 * 1024,
	CANCEL_S_MAX = 10, /* the client's cancel is told so long after, whatever the server does */
	PARKED_FACTS_NS_MAX = 10 /* seconds a parser's answer may take */,
};

struct session *session_find(struct worker *w, uint64_t id)
{
	return map_get(&w->by_id, map_id(&id));
}

/* Resets a connection that has no session: it did not come through our hooks, or may not be. */
void session_reject(
	struct worker *w, int fd, const struct run_info *run, const char *kind, const char *detail)
{
	sock_tune(fd);
	close(fd);
	worker_event(w, kind, run ? run->id : 0, 0, "%s", detail);
	log_info("session.reject", "why=%s run=%llu %s", kind,
		(unsigned long long)(run ? run->id : 0), detail);
}

static void session_init_peer(
	struct session *s, struct peer *p, enum side side, int fd, size_t in_max)
{
	*p = (struct peer){.side = side, .session = s};
	p->src.fd = fd;
	p->src.fn = side == SIDE_CLIENT ? relay_on_client : relay_on_server;
	buf_init(&p->in, in_max);
	buf_init(&p->out, SESSION_OUT_MAX);
}

/* Observing changes nothing: values pass as they are (the ledger still masks what it keeps). */
static bool session_masks(const struct session *s)
{
	return s->resource->masks && s->resource->masks[0] && !policy_is_observe(s->policy);
}

/* "orders.db.internal:5432 (10.0.0.5)", or the address alone; and whose address it is, if not the
 * host's: catalogs and grants go by this text, and the same address is another server there. */
static void session_set_target(struct session *s)
{
	char name[SOCK_NAME_MAX];
	size_t n;

	sock_name(s->origin.addr, s->target_port, name, sizeof(name));
	if (*s->path)
		snprintf(s->target, sizeof(s->target), "unix:%s", s->path);
	else if (*s->host)
		snprintf(s->target, sizeof(s->target), "%s:%u (%s)", s->host, s->target_port, name);
	else
		snprintf(s->target, sizeof(s->target), "%s", name);
	n = strlen(s->target);
	if (door_is_abroad(s))
		snprintf(s->target + n, sizeof(s->target) - n, " in netns %llu",
			(unsigned long long)s->origin.netns);
}

static struct session *session_new(struct worker *w, int fd, const struct session_birth *b)
{
	struct session *s = calloc(1, sizeof(*s));
	size_t in_max;

	if (!s)
		return NULL;
	s->magic = SESSION_MAGIC;
	s->worker = w;
	s->id = atomic_fetch_add(&w->enforcer->last_session, 1) + 1;
	s->run = b->run;
	s->origin = b->origin;
	s->target_port = ntohs(b->origin.port);
	snprintf(s->host, sizeof(s->host), "%s", b->host);
	snprintf(s->path, sizeof(s->path), "%s", b->path);
	s->policy = w->policy;
	s->resource = b->resource;
	session_set_target(s);
	s->proto = protocol_by_name(slice_str(b->resource->protocol));
	in_max = s->proto ? s->proto->unit_max + s->proto->request_max : OPAQUE_IN_MAX;
	session_init_peer(s, &s->client, SIDE_CLIENT, fd, in_max);
	session_init_peer(s, &s->server, SIDE_SERVER, -1, in_max + SESSION_ROW_MAX);
	buf_init(&s->ahead, SESSION_AHEAD_MAX);
	buf_init(&s->retry, SESSION_RETRY_MAX);
	arena_init(&s->request_arena, REQUEST_ARENA_MAX);
	arena_init(&s->unit_arena, UNIT_ARENA_MAX);
	arena_init(&s->plan_arena, PLAN_ARENA_MAX);
	s->request_sink = (struct sink){
		.arena = &s->request_arena, .ops = s->request_ops, .max_ops = SESSION_OPS};
	s->unit_sink =
		(struct sink){.arena = &s->unit_arena, .ops = s->unit_ops, .max_ops = SESSION_OPS};
	s->wants_text = session_masks(s);
	list_init(&s->link);
	list_init(&s->recording_link);
	list_init(&s->door_link);
	return s;
}

/* The decoder's state and the identity that its client may cancel with. */
static int session_init_protocol(struct session *s)
{
	uint8_t key[4];

	s->state = calloc(1, s->proto->state_size);
	if (!s->state)
		return err_raise(-ENOMEM);
	s->pool = (struct pool){.max = s->proto->session_mem_max};
	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		return err_raise(-EIO);
	return err_trace(s->proto->init(s->state, &s->pool, key));
}

int session_record(struct session *s)
{
	int r = s->is_recorded ? 0 : record_session(s, s->resource->protocol);

	s->is_recorded = !r;
	return r;
}

/* In all tables, recorded, watched: from here on it ends through session_close(). */
static int session_start(struct session *s)
{
	struct worker *w = s->worker;
	int r;

	list_append(&w->sessions, &s->link);
	r = map_put(&w->by_id, map_id(&s->id), s, NULL);
	if (r)
		return err_fold(r);
	sock_tune(s->client.src.fd);
	if (s->proto) {
		r = session_init_protocol(s);
		if (r)
			return err_trace(r);
	}
	r = session_record(s);
	/* Not recorded: what speaks a protocol is told so at its first request; the rest is reset.
	 */
	if (r < 0 || (r && !s->proto))
		return r < 0 ? err_trace(r) : err_fold(r);
	return err_trace(relay_flush(s));
}

/* The resource that this connection goes to. `host`: the name that it was found by, or "". */
static const struct resource *session_find_resource(
	struct worker *w, const struct origin *origin, char *host, size_t max)
{
	const char *names[NAMES_OF_ADDRESS], *name = NULL;
	const struct resource *resource;
	struct name_list list = {0};

	if (policy_resolves(w->policy))
		names_find(
			&w->enforcer->names, origin->cgroup, origin->addr, clock_mono_ns(), &list);
	for (size_t i = 0; i < list.n; i++)
		names[i] = list.v[i];
	resource = policy_find_target(
		w->policy, origin->addr, ntohs(origin->port), names, list.n, &name);
	snprintf(host, max, "%s", name ? name : "");
	return resource;
}

void session_begin(struct worker *w, int fd, const struct session_birth *b)
{
	struct session *s;

	if (!enforcer_take_place(w->enforcer, b->origin.cgroup)) {
		session_reject(w, fd, &b->run, "too-many-sessions", b->detail);
		return;
	}
	s = session_new(w, fd, b);
	if (!s) {
		enforcer_give_place(w->enforcer, b->origin.cgroup);
		session_reject(w, fd, &b->run, "no-memory", b->detail);
		return;
	}
	if (session_start(s))
		session_close(s, "could not be started");
	else
		log_info("session.open", "session=%llu run=%llu resource=%s target=%s pid=%u",
			(unsigned long long)s->id, (unsigned long long)b->run.id, b->resource->name,
			s->target, b->origin.tgid);
}

void session_accept(struct worker *w, int fd)
{
	struct session_birth b = {0};
	char name[SOCK_NAME_MAX];

	if (origin_lookup(w->enforcer->origin_fd, fd, &b.origin)) {
		session_reject(w, fd, NULL, "no-origin", "a connection that no hook sent here");
		return;
	}
	snprintf(b.detail, sizeof(b.detail), "target=%s pid=%u comm=%.15s",
		sock_name(b.origin.addr, ntohs(b.origin.port), name, sizeof(name)), b.origin.tgid,
		b.origin.comm);
	if (!enforcer_find_run(w->enforcer, b.origin.cgroup, &b.run)) {
		session_reject(w, fd, NULL, "no-run", b.detail);
		return;
	}
	b.resource = session_find_resource(w, &b.origin, b.host, sizeof(b.host));
	if (!b.resource && resolver_accept(w->resolver, fd, &b.origin, &b.run))
		return;
	if (b.resource)
		session_begin(w, fd, &b);
	else
		session_reject(
			w, fd, &b.run, *b.host ? "name-ambiguous" : "target-denied", b.detail);
}

int session_dial(struct session *s)
{
	int fd;

	if (door_is_abroad(s) || door_is_as(s)) {
		fd = door_take(s);
		if (fd < 0 || door_is_as(s))
			return fd;
		return *s->path ? sock_dial_abstract(fd, s->path)
				: sock_dial_on(fd, s->origin.addr, s->target_port);
	}
	fd = *s->path ? sock_dial_unix(s->path) : sock_dial(s->origin.addr, s->target_port);
	return fd == -EAGAIN ? -ECONNREFUSED : fd; /* a unix server that accepts too slowly */
}

/* What the ledger must say about requests whose replies will never come. */
static void session_record_loose_ends(struct session *s, const char *reason)
{
	struct asked *a = &s->asked;

	if (s->park != PARK_NONE && a->is_recorded) {
		held_end(s, HOLD_DISCONNECTED);
		record_unsent(s, a->id);
	}
	for (size_t i = 0; i < s->inflight.n; i++) {
		const struct inflight *f =
			&s->inflight.ring[(s->inflight.head + i) & (s->inflight.cap - 1)];

		if (!f->is_done && f->id)
			record_lost(s, f);
	}
	record_session_end(s, reason);
}

void session_close(struct session *s, const char *reason)
{
	struct worker *w = s->worker;

	require(s->magic == SESSION_MAGIC);
	if (s->is_dead)
		return;
	s->is_dead = true;
	reason = s->is_closing ? s->why : reason;
	if (s->is_recorded)
		session_record_loose_ends(s, reason);
	log_info("session.close", "session=%llu run=%llu reason=\"%s\" up=%llu down=%llu",
		(unsigned long long)s->id, (unsigned long long)s->run.id, reason,
		(unsigned long long)s->client.n_bytes, (unsigned long long)s->server.n_bytes);
	loop_forget(&w->loop, &s->client.src);
	loop_forget(&w->loop, &s->server.src);
	s->client.src.fd = fd_close(s->client.src.fd);
	s->server.src.fd = fd_close(s->server.src.fd);
	map_take(&w->by_id, map_id(&s->id));
	door_leave(s);
	list_remove(&s->recording_link);
	list_remove(&s->link);
	list_append(&w->dead, &s->link);
	enforcer_give_place(w->enforcer, s->origin.cgroup);
	(void)!enforcer_charge(w->enforcer, s->origin.cgroup, s->n_charged, 0);
	s->n_charged = 0;
}

bool session_charge(struct session *s)
{
	size_t before = s->n_charged;

	if (s->is_dead)
		return true;
	s->n_charged = s->client.in.cap + s->client.out.cap + s->server.in.cap + s->server.out.cap +
		       s->ahead.cap + s->retry.cap + s->request_arena.used + s->unit_arena.used +
		       s->plan_arena.used + s->pool.used;
	return s->n_charged == before ||
	       enforcer_charge(s->worker->enforcer, s->origin.cgroup, before, s->n_charged);
}

void session_finish(struct session *s, const char *reason)
{
	if (!s->is_closing)
		snprintf(s->why, sizeof(s->why), "%s", reason);
	s->is_closing = true;
	if (buf_len(&s->client.out) || (s->server.src.fd >= 0 && buf_len(&s->server.out)))
		return; /* relay_flush() calls again when the queues are empty */
	if (s->client.src.fd >= 0)
		sock_end_well(s->client.src.fd);
	if (s->server.src.fd >= 0)
		sock_end_well(s->server.src.fd);
	session_close(s, reason);
}

void session_free(struct session *s)
{
	require(s->magic == SESSION_MAGIC && s->is_dead);
	if (s->proto && s->state && s->proto->fini)
		s->proto->fini(s->state);
	free(s->state);
	buf_deinit(&s->client.in);
	buf_deinit(&s->client.out);
	buf_deinit(&s->server.in);
	buf_deinit(&s->server.out);
	buf_deinit(&s->ahead);
	buf_deinit(&s->retry);
	arena_deinit(&s->request_arena);
	arena_deinit(&s->unit_arena);
	arena_deinit(&s->plan_arena);
	mask_catalog_free(s->coming);
	beneath_deinit(s);
	catalog_renaming_end(s);
	free(s->inflight.ring);
	contents_deinit(&s->contents);
	s->magic = 0;
	free(s);
}

/* By the name that it was opened for: what the run resolved since changes nothing about it. */
static const struct resource *session_find_again(const struct session *s)
{
	const char *const names[] = {s->host};
	const char *name;

	if (*s->path)
		return session_unix_resource_again(s);
	return policy_find_target(
		s->worker->policy, s->origin.addr, s->target_port, names, *s->host ? 1 : 0, &name);
}

int session_sync_policy(struct session *s)
{
	struct worker *w = s->worker;
	const struct resource *resource;

	if (s->policy == w->policy)
		return 0;
	/* Plans and open results refer to the old rules: follow only between results. */
	if (s->inflight.n)
		return 0;
	resource = session_find_again(s);
	if (!resource || strcmp(resource->protocol, s->resource->protocol) != 0) {
		session_close(s, "the new policy does not name this target");
		return RELAY_E_CLOSED;
	}
	s->policy = w->policy;
	s->guard.policy = NULL;
	s->resource = resource;
	s->wants_text = session_masks(s);
	s->catalog = NULL;
	s->beneath = NULL;
	s->has_no_beneath = false;
	s->plan = NULL;
	s->coming = mask_catalog_free(s->coming);
	arena_reset(&s->plan_arena);
	return 0;
}

void session_tick(struct session *s, int64_t now_ns)
{
	int r = 0;

	if (s->is_dead)
		return;
	door_tick(s, now_ns);
	if (s->is_dead)
		return;
	if (s->park == PARK_HOLD) {
		r = held_tick(s, now_ns);
	} else if (s->park == PARK_FACTS) {
		/* Loss of the answer is unknown, never yes. */
		if (now_ns - s->parked_since_ns > PARKED_FACTS_NS_MAX * CLOCK_NS_PER_S)
			r = decide_facts(s, NULL, -ETIMEDOUT);
	} else if (s->park == PARK_ASK && (!s->asked.has_facts || decide_asks_again(s))) {
		/* What else is asked on behalf of a request that is known may wait for locks as
		 * long as the request itself would: the client has limits and a cancel for that. */
		if (!catalog_tick(s, now_ns - s->parked_since_ns)) {
			session_close(s, "the server did not answer the catalog question");
			return;
		}
	}
	if (s->park == PARK_CANCEL && now_ns - s->parked_since_ns > CANCEL_S_MAX * CLOCK_NS_PER_S) {
		session_finish(s, "cancel request");
		return;
	}
	if (s->park == PARK_SIDE && now_ns - s->parked_since_ns > BENEATH_WAIT_S * CLOCK_NS_PER_S) {
		s->asked.has_waited_beneath = true;
		r = decide_advance(s);
	}
	if (r < 0)
		session_close(s, "internal error");
}
