/* SPDX-License-Identifier: Apache-2.0 */
/* The parser thread: see parser.h. */
#include "session/parser.h"

#include <errno.h>
#include <stdlib.h>

#include "session/worker.h"
#include "sql/sql.h"

/* A run has so many texts waiting at most, and one is taken from each run in turn: whoever sends
 * long ones waits for itself. */
enum { PARSER_RUN_JOBS_MAX = 64, PARSER_JOBS_MAX = 16 * 1024 };

struct parser_run {
	struct list link;
	uint64_t run;
	struct list jobs;
	size_t n_jobs;
};

struct parser_job {
	struct list link;
	unsigned worker;
	uint64_t session, seq;
	size_t n;
	uint8_t text[];
};

struct parser {
	struct enforcer *enforcer;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct list runs; /* struct parser_run that have jobs, the next in turn first */
	size_t n_jobs;
	bool is_stopping;
};

/* The next job of the run whose turn it is, which goes to the end. */
static struct parser_job *parser_next(struct parser *p)
{
	struct parser_run *run = list_entry(p->runs.next, struct parser_run, link);
	struct parser_job *job = list_entry(run->jobs.next, struct parser_job, link);

	list_remove(&job->link);
	list_remove(&run->link);
	p->n_jobs--;
	if (--run->n_jobs)
		list_append(&p->runs, &run->link);
	else
		free(run);
	return job;
}

static struct parser_job *parser_take(struct parser *p)
{
	struct parser_job *job = NULL;

	pthread_mutex_lock(&p->lock);
	while (list_is_empty(&p->runs) && !p->is_stopping)
		pthread_cond_wait(&p->wake, &p->lock);
	if (!p->is_stopping)
		job = parser_next(p);
	pthread_mutex_unlock(&p->lock);
	return job;
}

static struct parser_run *parser_run_of(struct parser *p, uint64_t id)
{
	struct parser_run *run;
	struct list *pos;

	list_for_each (pos, &p->runs) {
		run = list_entry(pos, struct parser_run, link);
		if (run->run == id)
			return run;
	}
	run = calloc(1, sizeof(*run));
	if (!run)
		return NULL;
	run->run = id;
	list_init(&run->jobs);
	list_append(&p->runs, &run->link);
	return run;
}

/* With the lock held. 0, PARSER_E_FULL, -ENOMEM. */
static int parser_add(struct parser *p, uint64_t id, struct parser_job *job)
{
	struct parser_run *run;

	if (p->n_jobs >= PARSER_JOBS_MAX)
		return PARSER_E_FULL;
	run = parser_run_of(p, id);
	if (!run)
		return err_raise(-ENOMEM);
	if (run->n_jobs >= PARSER_RUN_JOBS_MAX)
		return PARSER_E_FULL;
	list_append(&run->jobs, &job->link);
	run->n_jobs++;
	p->n_jobs++;
	pthread_cond_signal(&p->wake);
	return 0;
}

static void *parser_main(void *arg)
{
	struct parser *p = arg;
	struct parser_job *job;

	while ((job = parser_take(p))) {
		struct mail *m = mail_new(MAIL_FACTS);

		if (m) {
			m->session = job->session;
			m->seq = job->seq;
			m->error = sql_classify_deep(
				slice_of(job->text, job->n), &m->arena, &m->facts);
		}
		mailbox_send(&p->enforcer->workers[job->worker]->mail, m);
		free(job);
	}
	return NULL;
}

int parser_new(struct enforcer *e, struct parser **ret)
{
	struct parser *p = calloc(1, sizeof(*p));
	pthread_attr_t attr;
	int r;

	if (!p)
		return err_raise(-ENOMEM);
	p->enforcer = e;
	list_init(&p->runs);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
	pthread_attr_init(&attr);
	/* Reserved, not used: only the pages that a deep statement touches are ever real. */
	pthread_attr_setstacksize(&attr, SQL_PARSER_STACK);
	r = pthread_create(&p->thread, &attr, parser_main, p);
	pthread_attr_destroy(&attr);
	if (r) {
		free(p);
		return err_raise(-r);
	}
	*ret = p;
	return 0;
}

struct parser *parser_free(struct parser *p)
{
	if (!p)
		return NULL;
	pthread_mutex_lock(&p->lock);
	p->is_stopping = true;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	while (!list_is_empty(&p->runs))
		free(parser_next(p));
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
	free(p);
	return NULL;
}

int parser_ask(struct parser *p, uint64_t run, unsigned worker, uint64_t session, uint64_t seq,
	struct slice text)
{
	struct parser_job *job = malloc(sizeof(*job) + text.n);
	int r;

	if (!job)
		return err_raise(-ENOMEM);
	*job = (struct parser_job){.worker = worker, .session = session, .seq = seq, .n = text.n};
	if (text.n)
		memcpy(job->text, text.p, text.n);
	pthread_mutex_lock(&p->lock);
	r = parser_add(p, run, job);
	pthread_mutex_unlock(&p->lock);
	if (r)
		free(job);
	return r;
}
