/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the iterator of bpf/sweep.bpf.c: see sweep.h. */
#include "kern/sweep.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bpf/sweep.h"
#include "util/cleanup.h"

/* Generated, and not to our warnings. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-qual"
#pragma GCC diagnostic ignored "-Wshadow"
#include "sweep.skel.h"
#pragma GCC diagnostic pop

enum { SWEEP_BATCH = 128 };

struct sweep {
	struct sweep_object *object;
	struct bpf_link *link;
};

struct sweep *sweep_close(struct sweep *s)
{
	if (!s)
		return NULL;
	bpf_link__destroy(s->link);
	sweep_object__destroy(s->object);
	free(s);
	return NULL;
}

static void sweep_closep(struct sweep **s)
{
	*s = sweep_close(*s);
}

/* Of the errors that loading can end in, these say that the kernel does not know it. */
static int sweep_failed(int r)
{
	switch (r) {
	case -EINVAL:
	case -ENOENT:
	case -ENOTSUP:
	case -EACCES:
	case -ESRCH:
		return SWEEP_E_MISSING;
	default:
		return err_raise(r);
	}
}

int sweep_open(struct sweep **ret)
{
	_cleanup_(sweep_closep) struct sweep *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_raise(-ENOMEM);
	s->object = sweep_object__open();
	if (!s->object)
		return err_raise(-errno);
	r = sweep_object__load(s->object);
	if (r)
		return sweep_failed(r);
	s->link = bpf_program__attach_iter(s->object->progs.on_sweep, NULL);
	if (!s->link)
		return sweep_failed(-errno);
	*ret = TAKE(s);
	return 0;
}

int sweep_add_run(struct sweep *s, uint64_t cgroup)
{
	const uint8_t one = 1;

	return bpf_map_update_elem(bpf_map__fd(s->object->maps.runs), &cgroup, &one, BPF_ANY)
		       ? err_raise(-errno)
		       : 0;
}

int sweep_remove_run(struct sweep *s, uint64_t cgroup)
{
	if (bpf_map_delete_elem(bpf_map__fd(s->object->maps.runs), &cgroup) && errno != ENOENT)
		return err_raise(-errno);
	return 0;
}

static void sweep_tell(const struct sweep_found *f,
	void (*fn)(void *arg, const struct sweep_socket *found), void *arg)
{
	const struct sweep_socket found = {.run = f->run,
		.born = f->born,
		.inode = f->inode,
		.pid = (pid_t)f->pid,
		.fd = (int)f->fd,
		.family = f->family,
		.type = f->type,
		.protocol = f->protocol,
		.state = f->state};

	fn(arg, &found);
}

int sweep_look(struct sweep *s, void (*fn)(void *arg, const struct sweep_socket *found), void *arg)
{
	_cleanup_(fd_closep) int fd = bpf_iter_create(bpf_link__fd(s->link));
	struct sweep_found batch[SWEEP_BATCH];
	size_t have = 0;
	ssize_t n;

	if (fd < 0)
		return err_raise(-errno);
	/* Records are whole in the kernel's buffer, but a read may end inside of one. */
	while ((n = read(fd, (char *)batch + have, sizeof(batch) - have)) > 0) {
		size_t whole;

		have += (size_t)n;
		whole = have / sizeof(batch[0]);
		for (size_t i = 0; i < whole; i++)
			sweep_tell(&batch[i], fn, arg);
		have -= whole * sizeof(batch[0]);
		memmove(batch, &batch[whole], have);
	}
	return n < 0 ? err_raise(-errno) : 0;
}

int sweep_probe(char *buf, size_t max)
{
	struct sweep *s = NULL;
	int r = sweep_open(&s);

	sweep_close(s);
	snprintf(buf, max, "%s",
		r == 0                 ? "iterator over files"
		: r == SWEEP_E_MISSING ? "no iterator over files"
				       : strerror(-r));
	return r;
}
