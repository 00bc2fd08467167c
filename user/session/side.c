/* SPDX-License-Identifier: Apache-2.0 */
/* Side connections: see side.h. */
#include "session/side.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "net/sock.h"
#include "session/worker.h"
#include "util/cleanup.h"
#include "util/fd.h"
#include "util/log.h"

enum { SIDE_READ = 64 * 1024, SIDE_KEY_MAX = 512 };

/* pg_temp last: it would be searched first if it were not named. No JIT, no workers: these
 * questions are short, and the server is somebody's. */
#define SIDE_OPTIONS(statement_ms, lock_ms)                                                        \
	"-c search_path=pg_catalog,pg_temp -c default_transaction_read_only=on "                   \
	"-c statement_timeout=" #statement_ms " -c lock_timeout=" #lock_ms " "                     \
	"-c idle_in_transaction_session_timeout=10000 -c jit=off "                                 \
	"-c max_parallel_workers_per_gather=0 -c standard_conforming_strings=on"

static const char *const side_options[SIDE_PURPOSE_N] = {
	[SIDE_RULINGS] = SIDE_OPTIONS(25000, 1000),
	[SIDE_PEOPLE] = SIDE_OPTIONS(3000, 300),
};

struct side_job {
	struct list link;
	struct side_place *place;
	unsigned worker;
	uint64_t epoch;
	struct side_talk *talk; /* NULL: what the objects there do, and … */
	struct mail *answer;    /* … made with the question: who waits for it hears in any case */
};

struct sides {
	struct enforcer *enforcer;
	pthread_t thread;
	struct loop loop;
	struct loop_source wake_src;
	struct side_login *logins;
	size_t n_logins;
	pthread_mutex_t lock; /* of places and asked */
	struct map places;
	struct list asked;
	int wake_fd; /* eventfd */
	_Atomic bool stops;
	struct list open[SIDE_PURPOSE_N];
	size_t n_open[SIDE_PURPOSE_N];
};

static void side_advance(struct side_place *p);

/* ---- answers --------------------------------------------------------------------------------- */

static void side_answer(struct side_job *job, struct hidden *known, int error)
{
	struct side_place *p = job->place;
	struct mail *m = TAKE(job->answer);

	m->side = p;
	m->hidden = hidden_ref(known);
	m->seq = p->known_epoch;
	m->known_ns = p->known_ns;
	m->error = error;
	mailbox_send(&p->side->enforcer->workers[job->worker]->mail, m);
}

static void side_free_job(struct side_job *job)
{
	mail_free(job->answer);
	free(job);
}

static void side_end_job(struct side_job *job, int error)
{
	struct side_place *p = job->place;

	if (job->talk)
		job->talk->end(job->talk, error);
	else
		side_answer(job, error ? NULL : p->known, error);
	list_remove(&job->link);
	p->n_jobs--;
	side_free_job(job);
}

/* All that wait get no answer. */
static void side_fail_jobs(struct side_place *p)
{
	struct list *pos, *tmp;

	p->job = NULL;
	p->failed_ns = clock_mono_ns();
	list_for_each_safe (pos, tmp, &p->jobs)
		side_end_job(list_entry(pos, struct side_job, link), -EIO);
}

/* ---- connections ----------------------------------------------------------------------------- */

static void side_close(struct side_place *p)
{
	struct sides *s = p->side;

	if (!p->is_open)
		return;
	loop_forget(&s->loop, &p->src);
	p->src.fd = fd_close(p->src.fd);
	pg_client_deinit(&p->client);
	buf_deinit(&p->in);
	p->coming = hidden_unref(p->coming);
	list_remove(&p->link);
	s->n_open[p->purpose]--;
	p->is_open = false;
}

/* The connection is of no use any more. `why` in the words of the server, or ours. */
static void side_fail(struct side_place *p, const char *why)
{
	char text[sizeof(p->why)];

	snprintf(text, sizeof(text), "%s", why);
	/* What a server says is not for a terminal as it is. */
	for (char *c = text; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	if (strcmp(text, p->why) != 0)
		log_warn("side.failed", "at=\"%s\" user=%s why=\"%s\"", p->name, p->login->user,
			text);
	snprintf(p->why, sizeof(p->why), "%s", text);
	side_close(p);
	side_fail_jobs(p);
}

/* The connection is gone. Nobody minds if nobody waits; one that was idle before may have been gone
 * for long, so that a new one is tried. */
static void side_lose(struct side_place *p, const char *why)
{
	/* A talk does not begin in its middle. */
	if (p->n_jobs && (p->is_new || (p->job && p->job->talk))) {
		side_fail(p, why);
		return;
	}
	side_close(p);
	p->job = NULL;
	side_advance(p);
}

/* Sends what is to be sent, and waits for what is missing. */
static int side_flush(struct side_place *p)
{
	size_t n = 0;
	int r = 0;

	while (!r && buf_len(&p->client.out)) {
		r = sock_write(p->src.fd, buf_slice(&p->client.out), &n);
		if (!r)
			buf_consume(&p->client.out, n);
	}
	if (r && r != SOCK_E_AGAIN)
		return err_raise(-EPIPE);
	return err_trace(loop_watch(&p->side->loop, &p->src,
		EPOLLIN | (buf_len(&p->client.out) ? (uint32_t)EPOLLOUT : 0u)));
}

/* Reads until nothing is there. 0, < 0: hang up, p->client.why may say why. */
static int side_read(struct side_place *p)
{
	for (;;) {
		size_t n, used;
		int r = sock_read(p->src.fd, &p->in, SIDE_READ, &n);

		if (r == SOCK_E_AGAIN)
			return 0;
		if (r)
			return r < 0 ? err_trace(r) : -ECONNRESET;
		r = pg_client_feed(&p->client, buf_slice(&p->in), &used);
		buf_consume(&p->in, used);
		if (r)
			return r < 0 ? err_trace(r) : -EPROTO;
	}
}

static void side_on_event(struct loop_source *src, uint32_t events)
{
	struct side_place *p = src->owner;
	int r = 0;

	(void)events;
	if (p->is_connecting) {
		r = sock_connect_result(src->fd);
		p->is_connecting = false;
	}
	if (r) {
		side_fail(p, strerror(r));
		return;
	}
	r = side_read(p);
	if (!r)
		r = side_flush(p);
	if (r)
		side_lose(p, *p->client.why ? p->client.why : strerror(-r));
	else
		side_advance(p);
}

/* The one that was not used for the longest time makes room. */
static bool side_make_room(struct sides *s, enum side_purpose purpose)
{
	struct list *pos;

	if (s->n_open[purpose] < SIDE_OPEN_MAX)
		return true;
	list_for_each (pos, &s->open[purpose]) {
		struct side_place *p = list_entry(pos, struct side_place, link);

		if (!p->n_jobs) {
			side_close(p);
			return true;
		}
	}
	return false;
}

static void side_open(struct side_place *p)
{
	struct sides *s = p->side;
	const char *password = *p->login->password ? p->login->password : NULL;
	int fd, r;

	if (!side_make_room(s, p->purpose)) {
		side_fail(p, "too many side connections are busy");
		return;
	}
	fd = *p->path ? sock_dial_unix(p->path) : sock_dial(p->addr, p->port);
	if (fd < 0) {
		side_fail(p, strerror(-fd));
		return;
	}
	p->src = (struct loop_source){.fd = fd, .fn = side_on_event, .owner = p};
	p->is_open = p->is_connecting = p->is_new = true;
	p->deadline_ns = clock_mono_ns() + SIDE_JOB_S * CLOCK_NS_PER_S;
	buf_init(&p->in, PG_CLIENT_MESSAGE_MAX + SIDE_READ);
	list_append(&s->open[p->purpose], &p->link);
	s->n_open[p->purpose]++;
	r = pg_client_init(
		&p->client, p->login->user, password, p->database, side_options[p->purpose]);
	if (!r)
		r = loop_watch(&s->loop, &p->src, EPOLLIN | EPOLLOUT);
	if (r)
		side_fail(p, strerror(-r));
}

/* ---- questions ------------------------------------------------------------------------------- */

static int side_on_row(void *arg, const struct slice *columns, size_t n)
{
	struct side_place *p = arg;
	int r = p->coming ? hidden_add(p->coming, columns, n) : -EPROTO;

	if (r)
		p->coming = hidden_unref(p->coming);
	return r;
}

static int side_on_talk_row(void *arg, const struct slice *columns, size_t n)
{
	struct side_place *p = arg;

	return p->job->talk->on_row(p->job->talk, columns, n);
}

/* The next question of the talk at hand, or its end. */
static void side_go_on(struct side_place *p)
{
	struct side_talk *t = p->job->talk;
	const struct slice *params = NULL;
	struct slice text = SLICE_NULL;
	size_t n = 0;
	int r;

	if (!t->next(t, &text, &params, &n)) {
		side_end_job(TAKE(p->job), 0);
		return;
	}
	r = pg_client_ask(&p->client, text, params, n, side_on_talk_row, p);
	if (!r)
		r = side_flush(p);
	if (r)
		side_fail(p, strerror(-r));
}

static void side_begin_job(struct side_place *p)
{
	int r;

	p->job = list_entry(p->jobs.next, struct side_job, link);
	p->deadline_ns =
		clock_mono_ns() + (p->job->talk ? SIDE_TALK_S : SIDE_JOB_S) * CLOCK_NS_PER_S;
	if (p->job->talk) {
		side_go_on(p);
		return;
	}
	p->coming_epoch = atomic_load(&p->epoch);
	p->coming_ns = clock_mono_ns();
	p->coming = hidden_new();
	r = p->coming ? pg_client_ask(
				&p->client, slice_str(hidden_question()), NULL, 0, side_on_row, p)
		      : -ENOMEM;
	if (!r)
		r = side_flush(p);
	if (r)
		side_fail(p, strerror(-r));
}

static void side_works(struct side_place *p)
{
	p->failed_ns = 0;
	if (*p->why)
		log_info("side.works", "at=\"%s\" user=%s", p->name, p->login->user);
	p->why[0] = 0;
}

/* The answer is complete: everybody gets it for whom it is new enough. */
static void side_take_hidden(struct side_place *p)
{
	struct list *pos, *tmp;
	int r = p->coming && !p->client.has_failed ? hidden_build(p->coming) : -EPROTO;

	p->job = NULL;
	if (r) {
		side_fail(p, *p->client.why ? p->client.why : "the answer could not be used");
		return;
	}
	hidden_unref(p->known);
	p->known = p->coming;
	p->coming = NULL;
	p->known_epoch = p->coming_epoch;
	p->known_ns = p->coming_ns;
	side_works(p);
	list_for_each_safe (pos, tmp, &p->jobs) {
		struct side_job *job = list_entry(pos, struct side_job, link);

		if (job->epoch <= p->known_epoch)
			side_end_job(job, 0);
	}
}

/* One that fails is the talk's business: the connection is as good as before. */
static void side_take_talk(struct side_place *p)
{
	struct side_talk *t = p->job->talk;

	side_works(p);
	t->answered(t, p->client.has_failed ? p->client.code : NULL);
	side_go_on(p);
}

static void side_take_answer(struct side_place *p)
{
	p->used_ns = clock_mono_ns();
	p->is_new = false;
	list_remove(&p->link);
	list_append(&p->side->open[p->purpose], &p->link);
	if (p->job->talk)
		side_take_talk(p);
	else
		side_take_hidden(p);
}

static void side_advance(struct side_place *p)
{
	if (p->job && p->client.state == PG_CLIENT_IDLE)
		side_take_answer(p);
	while (!p->job && !list_is_empty(&p->jobs)) {
		if (!p->is_open) {
			side_open(p);
			return;
		}
		if (p->client.state != PG_CLIENT_IDLE)
			return;
		side_begin_job(p);
	}
}

/* ---- asking ---------------------------------------------------------------------------------- */

static void side_take_job(struct side_job *job)
{
	struct side_place *p = job->place;
	int64_t now = clock_mono_ns();
	int error = 0;

	list_append(&p->jobs, &job->link);
	p->n_jobs++;
	if (p->n_jobs > SIDE_JOBS_MAX ||
		(p->failed_ns && now - p->failed_ns < SIDE_BACKOFF_S * CLOCK_NS_PER_S))
		error = -EAGAIN;
	if (error || (!job->talk && p->known && p->known_epoch >= job->epoch &&
			     now - p->known_ns < SIDE_FRESH_NS))
		side_end_job(job, error);
	else
		side_advance(p);
}

static void side_on_wake(struct loop_source *src, uint32_t events)
{
	struct sides *s = src->owner;
	uint64_t count;

	(void)events;
	if (read(src->fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return;
	if (atomic_load(&s->stops))
		loop_stop(&s->loop);
	while (!s->loop.is_stopping) {
		struct list *first = NULL;

		pthread_mutex_lock(&s->lock);
		if (!list_is_empty(&s->asked)) {
			first = s->asked.next;
			list_remove(first);
		}
		pthread_mutex_unlock(&s->lock);
		if (!first)
			return;
		side_take_job(list_entry(first, struct side_job, link));
	}
}

static void side_tick(struct loop *l, int64_t now_ns)
{
	struct sides *s = l->owner;
	struct list *pos, *tmp;

	for (size_t i = 0; i < SIDE_PURPOSE_N; i++)
		list_for_each_safe (pos, tmp, &s->open[i]) {
			struct side_place *p = list_entry(pos, struct side_place, link);

			if (p->n_jobs && now_ns > p->deadline_ns)
				side_fail(p, "no answer in time");
			else if (!p->n_jobs && now_ns - p->used_ns > SIDE_IDLE_S * CLOCK_NS_PER_S)
				side_close(p);
		}
}

static void side_wake(struct sides *s)
{
	const uint64_t one = 1;

	/* The only failure is a counter at its maximum: then the thread is awake anyway. */
	if (write(s->wake_fd, &one, sizeof(one)) < 0)
		return;
}

static int side_ask(struct side_place *p, const struct side_job *what)
{
	struct sides *s = p->side;
	struct side_job *job = malloc(sizeof(*job));

	if (!job)
		return err_raise(-ENOMEM);
	*job = *what;
	if (!job->talk)
		job->answer = mail_new(MAIL_HIDDEN);
	if (!job->talk && !job->answer) {
		free(job);
		return err_raise(-ENOMEM);
	}
	pthread_mutex_lock(&s->lock);
	list_append(&s->asked, &job->link);
	pthread_mutex_unlock(&s->lock);
	side_wake(s);
	return 0;
}

int side_ask_hidden(struct side_place *p, unsigned worker, uint64_t epoch)
{
	return err_trace(
		side_ask(p, &(struct side_job){.place = p, .worker = worker, .epoch = epoch}));
}

void side_talk(struct side_place *p, struct side_talk *t)
{
	if (side_ask(p, &(struct side_job){.place = p, .talk = t}))
		t->end(t, true);
}

/* ---- places ---------------------------------------------------------------------------------- */

static const struct side_login *side_find_login(const struct sides *s, const char *resource)
{
	for (size_t i = 0; i < s->n_logins; i++)
		if (!strcmp(s->logins[i].resource, resource))
			return &s->logins[i];
	return NULL;
}

bool side_serves(const struct sides *s, const char *resource)
{
	return s && side_find_login(s, resource);
}

static struct side_place *side_make_place(struct sides *s, enum side_purpose purpose,
	const struct side_login *login, struct slice key, const char *target, const char *database)
{
	struct side_place *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->login = login;
	p->purpose = purpose;
	p->side = s;
	p->src.fd = -1;
	list_init(&p->jobs);
	snprintf(p->name, sizeof(p->name), "%s/%s", target, database);
	snprintf(p->database, sizeof(p->database), "%s", database);
	if (!map_put(&s->places, key, p, NULL))
		return p;
	free(p);
	return NULL;
}

struct side_place *side_place(struct sides *s, enum side_purpose purpose, const char *resource,
	const uint8_t addr[static 16], uint16_t port, const char *path, const char *target,
	const char *database)
{
	const struct side_login *login = s ? side_find_login(s, resource) : NULL;
	struct side_place *p;
	char key[SIDE_KEY_MAX];
	size_t len;
	int n;

	if (!login || strlen(database) >= sizeof(p->database) || strlen(path) >= sizeof(p->path))
		return NULL;
	n = snprintf(key, sizeof(key), "%d%s%c%s%c%u%c", purpose, resource, 0, path, 0, port, 0);
	len = (size_t)n + 16 + strlen(database);
	if (n < 0 || len > sizeof(key))
		return NULL;
	memcpy(key + n, addr, 16);
	memcpy(key + n + 16, database, strlen(database));
	pthread_mutex_lock(&s->lock);
	p = map_get(&s->places, slice_of(key, len));
	if (!p) {
		p = side_make_place(s, purpose, login, slice_of(key, len), target, database);
		if (p) {
			memcpy(p->addr, addr, sizeof(p->addr));
			p->port = port;
			snprintf(p->path, sizeof(p->path), "%s", path);
		}
	}
	pthread_mutex_unlock(&s->lock);
	return p;
}

/* ---- life ------------------------------------------------------------------------------------ */

static void *side_main(void *arg)
{
	struct sides *s = arg;
	int r = loop_run(&s->loop);

	if (r)
		log_error("side.end", "errno=%d", -r);
	return NULL;
}

static int side_start(struct sides *s)
{
	pthread_attr_t attr;
	int r;

	pthread_attr_init(&attr);
	/* Reserved, not used: bodies of functions are parsed here (sql.h). */
	pthread_attr_setstacksize(&attr, SQL_PARSER_STACK);
	r = pthread_create(&s->thread, &attr, side_main, s);
	pthread_attr_destroy(&attr);
	return r ? err_raise(-r) : 0;
}

int side_new(struct enforcer *e, const struct side_login *logins, size_t n, struct sides **ret)
{
	struct sides *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_raise(-ENOMEM);
	s->enforcer = e;
	list_init(&s->asked);
	for (size_t i = 0; i < SIDE_PURPOSE_N; i++)
		list_init(&s->open[i]);
	map_init(&s->places, SIDE_PURPOSE_N * SIDE_PLACES_MAX);
	pthread_mutex_init(&s->lock, NULL);
	s->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	s->logins = calloc(n + 1, sizeof(*s->logins));
	r = s->logins && s->wake_fd >= 0 ? loop_init(&s->loop, s) : err_raise(-ENOMEM);
	s->wake_src = (struct loop_source){.fd = s->wake_fd, .fn = side_on_wake, .owner = s};
	s->loop.tick = side_tick;
	if (!r)
		r = loop_watch(&s->loop, &s->wake_src, EPOLLIN);
	if (!r) {
		memcpy(s->logins, logins, n * sizeof(*logins));
		s->n_logins = n;
		r = side_start(s);
	}
	if (r)
		return err_trace(r); /* start-up ends here */
	*ret = s;
	return 0;
}

/* There is nobody any more to be answered. */
static void side_drop_job(struct side_job *job)
{
	if (job->talk)
		job->talk->end(job->talk, true);
	side_free_job(job);
}

static void side_free_place(struct side_place *p)
{
	struct list *pos, *tmp;

	list_for_each_safe (pos, tmp, &p->jobs)
		side_drop_job(list_entry(pos, struct side_job, link));
	side_close(p);
	hidden_unref(p->known);
	free(p);
}

void side_stop(struct sides *s)
{
	if (!s)
		return;
	atomic_store(&s->stops, true);
	side_wake(s);
	pthread_join(s->thread, NULL);
}

struct sides *side_free(struct sides *s)
{
	struct list *pos, *tmp;
	size_t at = 0;
	void *p;

	if (!s)
		return NULL;
	list_for_each_safe (pos, tmp, &s->asked)
		side_drop_job(list_entry(pos, struct side_job, link));
	while (map_next(&s->places, &at, NULL, &p))
		side_free_place(p);
	map_deinit(&s->places);
	loop_deinit(&s->loop);
	fd_close(s->wake_fd);
	explicit_bzero(s->logins, s->n_logins * sizeof(*s->logins));
	free(s->logins);
	pthread_mutex_destroy(&s->lock);
	free(s);
	return NULL;
}
