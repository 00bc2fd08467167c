/* SPDX-License-Identifier: Apache-2.0 */
/* Mail between threads: see mailbox.h. */
#include "session/mailbox.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "session/look.h"
#include "sql/hidden.h"
#include "util/cleanup.h"

enum { FACTS_ARENA_MAX = 64 * 1024 * 1024 };

int mailbox_init(struct mailbox *m)
{
	pthread_mutex_init(&m->lock, NULL);
	list_init(&m->queue);
	m->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return m->event_fd < 0 ? err_raise(-errno) : 0;
}

void mailbox_deinit(struct mailbox *m)
{
	struct list left, *pos, *tmp;

	list_init(&left);
	mailbox_take_all(m, &left);
	list_for_each_safe (pos, tmp, &left) {
		list_remove(pos);
		mail_free(list_entry(pos, struct mail, link));
	}
	close(m->event_fd);
	pthread_mutex_destroy(&m->lock);
}

struct mail *mail_new(enum mail_kind kind)
{
	struct mail *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->kind = kind;
	m->fd = -1;
	list_init(&m->link);
	arena_init(&m->arena, FACTS_ARENA_MAX);
	return m;
}

struct mail *mail_free(struct mail *m)
{
	if (!m)
		return NULL;
	fd_close(m->fd);
	hold_free(m->parked);
	hidden_unref(m->hidden);
	if (m->look)
		look_answer_deinit(m->look);
	free(m->look);
	arena_deinit(&m->arena);
	free(m->text);
	free(m->by);
	free(m);
	return NULL;
}

void mailbox_send(struct mailbox *m, struct mail *letter)
{
	const uint64_t one = 1;

	if (!letter)
		return;
	pthread_mutex_lock(&m->lock);
	list_append(&m->queue, &letter->link);
	pthread_mutex_unlock(&m->lock);
	/* The only failure is a counter at its maximum: then the reader is awake anyway. */
	if (write(m->event_fd, &one, sizeof(one)) < 0)
		return;
}

void mailbox_take_all(struct mailbox *m, struct list *to)
{
	uint64_t count;

	/* EAGAIN means that somebody took it all before: the queue is looked at regardless. */
	if (read(m->event_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return;
	pthread_mutex_lock(&m->lock);
	while (!list_is_empty(&m->queue)) {
		struct list *first = m->queue.next;

		list_remove(first);
		list_append(to, first);
	}
	pthread_mutex_unlock(&m->lock);
}
