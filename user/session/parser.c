/* SPDX-License-Identifier: Apache-2.0 */
/* The parser thread: see parser.h. */
#include "session/parser.h"

#include <errno.h>
#include <stdlib.h>

#include "session/worker.h"
#include "sql/sql.h"

enum { PARSER_JOBS_MAX = 1024 };

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
	struct list jobs;
	size_t n_jobs;
	bool is_stopping;
};

static struct parser_job *parser_take(struct parser *p)
{
	struct parser_job *job = NULL;

	pthread_mutex_lock(&p->lock);
	while (list_is_empty(&p->jobs) && !p->is_stopping)
		pthread_cond_wait(&p->wake, &p->lock);
	if (!p->is_stopping) {
		job = list_entry(p->jobs.next, struct parser_job, link);
		list_remove(&job->link);
		p->n_jobs--;
	}
	pthread_mutex_unlock(&p->lock);
	return job;
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
	list_init(&p->jobs);
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
	struct list *pos, *tmp;

	if (!p)
		return NULL;
	pthread_mutex_lock(&p->lock);
	p->is_stopping = true;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	list_for_each_safe (pos, tmp, &p->jobs)
		free(list_entry(pos, struct parser_job, link));
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
	free(p);
	return NULL;
}

int parser_ask(struct parser *p, unsigned worker, uint64_t session, uint64_t seq, struct slice text)
{
	struct parser_job *job = malloc(sizeof(*job) + text.n);
	bool is_full;

	if (!job)
		return err_raise(-ENOMEM);
	*job = (struct parser_job){.worker = worker, .session = session, .seq = seq, .n = text.n};
	if (text.n)
		memcpy(job->text, text.p, text.n);
	pthread_mutex_lock(&p->lock);
	is_full = p->n_jobs >= PARSER_JOBS_MAX;
	if (!is_full) {
		list_append(&p->jobs, &job->link);
		p->n_jobs++;
		pthread_cond_signal(&p->wake);
	}
	pthread_mutex_unlock(&p->lock);
	if (!is_full)
		return 0;
	free(job);
	return err_raise(-EAGAIN);
}
